//! Link definitions (`[label]: url`): what they define and where they stand. They are taken out whole,
//! because a reader never sees them; it must never take a definition from within code.

use super::super::chars::OPEN;
use super::super::code;
use super::LONGEST_LABEL;
use std::collections::HashMap;

/// Link definitions outside code (`[label]: url`): what they define, and their lines' byte ranges.
pub(super) fn definitions(text: &str) -> (HashMap<String, String>, Vec<(usize, usize)>) {
    let mut map = HashMap::new();
    let mut lines = Vec::new();
    if !text.contains("]:") {
        return (map, lines);
    }
    let blocks = code::blocks(text);
    let mut blocks = blocks.iter().peekable();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        while blocks.next_if(|b| b.end <= start).is_some() {}
        let in_code = blocks.peek().is_some_and(|b| b.start <= start);
        if let Some((label, url)) = definition(line).filter(|_| !in_code) {
            map.entry(key(label)).or_insert_with(|| url.to_owned());
            lines.push((start, start + line.trim_end_matches('\n').len()));
        }
        start += line.len();
    }
    (map, lines)
}

fn definition(line: &str) -> Option<(&str, &str)> {
    let body = line.trim_start_matches([' ', '>']).strip_prefix('[')?;
    let (label, rest) = body.split_once("]:")?;
    if label.is_empty()
        || label.len() > LONGEST_LABEL
        || label.starts_with('^')
        || label.contains(['[', ']', OPEN])
    {
        return None;
    }
    let rest = rest.trim();
    let (url, after) = match rest.strip_prefix('<') {
        Some(inner) => inner.split_once('>')?,
        None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
    };
    let after = after.trim();
    let title = after.is_empty()
        || ["\"\"", "''", "()"].iter().any(|q| {
            let mut q = q.chars();
            after.len() >= 2
                && q.next().is_some_and(|o| after.starts_with(o))
                && q.next().is_some_and(|c| after.ends_with(c))
        });
    let like_url = rest.starts_with('<') || url.contains(['/', '.', '#', ':']);
    (title && like_url && !url.contains(OPEN)).then_some((label, url))
}

pub(super) fn key(label: &str) -> String {
    label.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}
