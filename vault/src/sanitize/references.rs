//! References to characters (`&#58;`, `&colon;`) in what is a URL once they are read: a reader of HTML and
//! of Markdown reads them, so the URL must not hide behind them. It must never touch a reference that is not
//! part of a URL: that is text about HTML, or a sign that somebody wanted.

use super::links::BARE_SCHEMES;
use super::{Counts, code, count};

/// Those by name that stand for a sign of a URL.
const NAMED: &[(&str, char)] = &[
    ("colon", ':'),
    ("sol", '/'),
    ("bsol", '\\'),
    ("period", '.'),
    ("commat", '@'),
    ("quest", '?'),
    ("equals", '='),
    ("lowbar", '_'),
    ("hyphen", '-'),
];

/// Reads them in every word outside code that then holds a URL.
pub(super) fn read(text: &str, counts: &mut Counts) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    let blocks = code::blocks(text);
    let mut blocks = blocks.iter().peekable();
    let mut out = String::with_capacity(text.len());
    let mut start = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        while blocks.next_if(|b| b.end <= start).is_some() {}
        let in_code = blocks.peek().is_some_and(|b| b.start <= start);
        match in_word(word).filter(|read| !in_code && holds_url(read)) {
            Some(read) => {
                count(counts, "character_reference", 1);
                out.push_str(&read);
            }
            None => out.push_str(word),
        }
        start += word.len();
    }
    out
}

fn holds_url(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    lower.contains("//")
        || lower.contains("www.")
        || BARE_SCHEMES.iter().any(|scheme| lower.split(scheme).skip(1).any(|after| after.starts_with(':')))
}

/// The word with its references read; `None` if there are none.
fn in_word(word: &str) -> Option<String> {
    let mut out = String::with_capacity(word.len());
    let mut rest = word;
    let mut any = false;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        match reference(after) {
            Some((sign, tail)) => {
                any = true;
                out.push(sign);
                rest = tail;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    any.then_some(out)
}

/// Behind a `&`: the sign of a URL that is referred to, and what stands behind the reference.
fn reference(after: &str) -> Option<(char, &str)> {
    if let Some(number) = after.strip_prefix('#') {
        let (radix, digits) = match number.strip_prefix(['x', 'X']) {
            Some(hex) => (16, hex),
            None => (10, number),
        };
        let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
        let (digits, tail) = digits.split_at_checked(end)?;
        let sign = char::from_u32(u32::from_str_radix(digits, radix).ok()?)?;
        let of_url = sign.is_ascii_alphanumeric() || NAMED.iter().any(|(_, named)| *named == sign);
        return of_url.then_some((sign, tail.strip_prefix(';').unwrap_or(tail)));
    }
    NAMED.iter().find_map(|(name, sign)| {
        let tail = after.strip_prefix(name)?.strip_prefix(';')?;
        Some((*sign, tail))
    })
}
