//! Link definitions (`[label]: url`): what they define and where they stand. They are taken out whole,
//! because a reader never sees them; it must never take a definition from within code.

use super::super::chars::{CLOSE, OPEN};
use super::super::code;
use super::brackets::{angled, title, unescaped};
use super::forms::leads;
use super::{BLANKS, LONGEST_LABEL};
use std::collections::HashMap;

/// Link definitions outside code: what they define, and their byte ranges, without the last line's end.
pub(super) fn definitions(text: &str) -> (HashMap<String, String>, Vec<(usize, usize)>) {
    let mut map = HashMap::new();
    let mut found = Vec::new();
    if !text.contains("]:") {
        return (map, found);
    }
    let blocks = code::blocks(text);
    let mut blocks = blocks.iter().peekable();
    let (mut start, mut taken) = (0, 0);
    for line in text.split_inclusive('\n') {
        while blocks.next_if(|b| b.end <= start).is_some() {}
        let in_code = blocks.peek().is_some_and(|b| b.start <= start);
        if start >= taken && !in_code {
            let sign = start + line.len() - code::without_containers(line).len();
            let here = text.get(sign..).unwrap_or_default();
            if let Some((label, url, length)) = definition(here) {
                map.entry(key(label)).or_insert_with(|| url.to_owned());
                taken = sign + length;
                found.push((start, taken));
            }
        }
        start += line.len();
    }
    (map, found)
}

/// Label, URL and length in bytes of the definition at the start, which may go on in the next lines.
fn definition(here: &str) -> Option<(&str, &str, usize)> {
    let body = here.strip_prefix('[')?;
    let end = unescaped(body, |c| matches!(c, '[' | ']' | OPEN | CLOSE))?;
    let (label, rest) = body.split_at_checked(end)?;
    let footnote = label.starts_with('^');
    if label.trim().is_empty() || label.len() > LONGEST_LABEL || footnote || has_blank_line(label) {
        return None;
    }
    let (first, rest) = next_piece(rest.strip_prefix("]:")?)?;
    let (url, after) = if first == '<' {
        angled(rest)?
    } else {
        rest.split_at_checked(rest.find(BLANKS).unwrap_or(rest.len()))?
    };
    // A line of a log, `[ERROR]: /var/log/full.log`, is one to the letter. What leads
    // nowhere outside stays; `#` begins a remark.
    let leading = first == '<' || leads(url) || url.starts_with('#') || url.starts_with("www.");
    if !leading || url.contains([OPEN, CLOSE]) {
        return None;
    }
    // A title counts only if nothing follows it; one in the next line that does not count is text.
    let titled = next_piece(after).and_then(|(_, rest)| title(rest)).filter(|rest| ends_line(rest));
    let rest = titled.filter(|rest| {
        let title = after.get(..after.len() - rest.len()).unwrap_or_default();
        title.starts_with(BLANKS) && !has_blank_line(title.trim())
    });
    let rest = rest.or_else(|| ends_line(after).then_some(after))?;
    let line = rest.split('\n').next().unwrap_or_default();
    Some((label, url, here.len() - rest.len() + line.len()))
}

/// What comes next in a definition, in this line or the next one, with its first character.
fn next_piece(after: &str) -> Option<(char, &str)> {
    let rest = after.trim_start_matches([' ', '\t']);
    let rest = match rest.strip_prefix('\n') {
        Some(next) => next.trim_start_matches([' ', '\t', '>']),
        None => rest,
    };
    let first = rest.chars().next().filter(|c| *c != '\n')?;
    Some((first, rest))
}

fn ends_line(rest: &str) -> bool {
    rest.split('\n').next().is_none_or(|line| line.trim().is_empty())
}

/// Whether a line within is blank. The first and the last go on outside.
fn has_blank_line(text: &str) -> bool {
    let mut lines = text.split('\n').skip(1).peekable();
    while let Some(line) = lines.next() {
        if lines.peek().is_some() && line.trim().is_empty() {
            return true;
        }
    }
    false
}

/// The form in which labels are the same.
pub(super) fn key(label: &str) -> String {
    label.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}
