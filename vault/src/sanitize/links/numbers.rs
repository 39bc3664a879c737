//! The last step: markers get their numbers and the form in which they are read. After it nothing may
//! change the text any more, because a marker can then no longer be told from a forged one.

use super::super::chars::{CLOSE, OPEN};

/// Gives the markers their numbers, in the order of the text, and their final form.
pub(in crate::sanitize) fn number(text: &str, urls: &[String], first: u32) -> (String, Vec<String>) {
    if !text.contains([OPEN, CLOSE]) {
        return (text.to_owned(), Vec::new());
    }
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut links = Vec::new();
    let mut number = first;
    let mut rest = text;
    while let Some(at) = rest.find([OPEN, CLOSE]) {
        let (before, here) = rest.split_at(at);
        out.push_str(before);
        rest = here.get(OPEN.len_utf8()..).unwrap_or_default();
        if !here.starts_with(OPEN) {
            continue;
        }
        let end = rest.find([OPEN, CLOSE]).unwrap_or(rest.len());
        let body = rest.get(..end).unwrap_or_default();
        if let Some(alt) = body.strip_prefix('i') {
            let alt = alt.trim();
            out.push_str("[image");
            if !alt.is_empty() {
                out.push_str(": ");
                out.push_str(alt);
            }
            out.push(']');
        } else if let Some(url) = body.parse().ok().and_then(|n: usize| urls.get(n)) {
            out.push_str(&format!("[link {number}]"));
            links.push(url.clone());
            number = number.saturating_add(1);
        }
        rest = rest.get(end..).unwrap_or_default();
        rest = rest.strip_prefix(CLOSE).unwrap_or(rest);
        // What follows must not turn the marker into the text of another link.
        if rest.starts_with(['(', '[', ':', OPEN]) {
            out.push(' ');
        }
    }
    out.push_str(rest);
    (out, links)
}
