//! Boundary lines and the marks of lines, as the gate draws them, and what looks like them. It must break every
//! one that the gate could draw, code or not.

use crate::sanitize::{Counts, count};

/// Characters of a boundary: Crockford's base 32.
fn of_boundary(b: u8) -> bool {
    matches!(b, b'0'..=b'9' | b'A'..=b'Z') && !matches!(b, b'I' | b'L' | b'O' | b'U')
}

/// What a boundary line is drawn with, and what looks like it.
const RULES: &[char] = &['=', '＝', '﹦', '═'];
/// What ends a line's mark, and what looks like it.
const BARS: &[char] = &['|', '｜', '│', '∣', '❘'];

/// Breaks what looks like a boundary line or a line's mark, code or not.
pub(in crate::sanitize) fn fences(text: &str, counts: &mut Counts) -> String {
    if !text.contains(RULES) && !text.contains(BARS) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for line in text.split_inclusive('\n') {
        let mut line = std::borrow::Cow::Borrowed(line);
        if boundary_line(&line) {
            count(counts, "fence", 1);
            line = line.replace(RULES, "–").into();
        }
        let body = line.trim_start_matches(|c: char| c.is_whitespace() || c == '>');
        let mark = body.get(..4).is_some_and(|m| m.bytes().all(of_boundary));
        let behind = body.get(4..).and_then(|rest| rest.strip_prefix(BARS));
        match behind.filter(|r| mark && (r.is_empty() || r.starts_with(char::is_whitespace))) {
            Some(behind) => {
                count(counts, "fence", 1);
                out.push_str(line.get(..line.len() - body.len() + 4).unwrap_or_default());
                out.push('¦');
                out.push_str(behind);
            }
            None => out.push_str(&line),
        }
    }
    out
}

/// Whether `== TOKEN BEGIN ==` or `== TOKEN END ==` stands anywhere in the line. What touches the words does not matter:
/// the mark of an image or a link stands there now, and another form of it later.
fn boundary_line(line: &str) -> bool {
    let ruled = |pair: (char, char)| RULES.contains(&pair.0) && RULES.contains(&pair.1);
    if !line.chars().zip(line.chars().skip(1)).any(ruled) {
        return false;
    }
    let mut words = line.split(|c: char| RULES.contains(&c) || c.is_whitespace()).filter(|w| !w.is_empty());
    let mut last = "";
    words.any(|word| {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let end = bare.eq_ignore_ascii_case("begin") || bare.eq_ignore_ascii_case("end");
        let token = last.rsplit(|c: char| !c.is_ascii_alphanumeric()).find(|part| !part.is_empty());
        let found = end && token.is_some_and(|token| token.len() >= 4);
        last = word;
        found
    })
}
