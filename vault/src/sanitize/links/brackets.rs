//! Links and images in brackets: `[text](url)`, `[text][label]`, `[label]`, and the same behind `!`.

use super::super::chars::{CLOSE, OPEN};
use super::definitions::key;
use super::scan::Scan;
use super::{LONGEST_LABEL, LONGEST_URL};

impl Scan<'_> {
    /// A `]`: looks back for what was opened and ahead for where it leads.
    pub(super) fn close(&mut self) {
        let Some((from, image)) = self.open.pop() else { return self.push(1) };
        let inside = from + if image { 2 } else { 1 };
        let inner = self.out.get(inside..).unwrap_or_default().to_owned();
        let Some((url, length)) = self.target(&inner) else { return self.push(1) };
        self.at += length;
        self.take_back(from);
        if image {
            let plain = shown(&inner);
            self.image(&plain);
            return;
        }
        let text = inner.trim();
        self.out.push_str(text);
        // The visible text of `[https://a.example](https://a.example)` has its marker already.
        let same = marker_alone(text).is_some_and(|n| self.urls.get(n) == Some(&url));
        if !same && !url.is_empty() {
            if text.chars().next_back().is_some_and(|c| !c.is_whitespace()) {
                self.out.push(' ');
            }
            self.marker(&url);
        }
        // A link within the text of a link is none: brackets opened before stay as characters only for links.
        let images: Vec<_> = self.open.iter().copied().filter(|(_, image)| *image).collect();
        if images.len() < self.open.len() && self.open.len() > 64 {
            self.open = images;
        }
    }

    /// Where the bracket that closes here leads, and the bytes up to the end of that.
    fn target(&self, inner: &str) -> Option<(String, usize)> {
        let after = self.rest(1);
        if let Some(inline) = after.strip_prefix('(')
            && let Some((url, length)) = destination(inline)
        {
            return Some((url.to_owned(), 2 + length));
        }
        if self.definitions.is_empty() {
            return None;
        }
        if let Some(reference) = after.strip_prefix('[')
            && let Some(end) =
                reference.char_indices().take(LONGEST_LABEL).find(|(_, c)| matches!(c, ']' | '['))
            && end.1 == ']'
        {
            let label = reference.get(..end.0)?;
            let label = if label.trim().is_empty() { inner } else { label };
            if let Some(url) = self.definitions.get(&key(label)) {
                return Some((url.clone(), 3 + end.0));
            }
        }
        if inner.len() > LONGEST_LABEL {
            return None;
        }
        self.definitions.get(&key(inner)).map(|url| (url.clone(), 1))
    }
}

/// Behind `](`: the destination, and the bytes up to behind the `)`.
fn destination(inline: &str) -> Option<(&str, usize)> {
    let rest = inline.trim_start_matches([' ', '\t', '\n']);
    let (url, after) = if let Some(inner) = rest.strip_prefix('<') {
        let (end, _) = inner.char_indices().take(LONGEST_URL).find(|(_, c)| matches!(c, '>' | '\n'))?;
        (inner.get(..end)?, inner.get(end..)?.strip_prefix('>')?)
    } else {
        let mut depth = 0_usize;
        let mut escaped = false;
        let mut end = None;
        for (at, c) in rest.char_indices().take(LONGEST_URL) {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '(' => depth += 1,
                ')' if depth == 0 => {
                    end = Some(at);
                    break;
                }
                ')' => depth -= 1,
                c if c.is_whitespace() => {
                    end = Some(at);
                    break;
                }
                _ => {}
            }
        }
        rest.split_at(end?)
    };
    let after = after.trim_start_matches([' ', '\t', '\n']);
    let after = match after.chars().next()? {
        open @ ('"' | '\'' | '(') => {
            let close = if open == '(' { ')' } else { open };
            let body = after.get(1..)?;
            let (end, _) = body.char_indices().take(LONGEST_URL).find(|(_, c)| *c == close)?;
            body.get(end + 1..)?.trim_start_matches([' ', '\t', '\n'])
        }
        _ => after,
    };
    let after = after.strip_prefix(')')?;
    Some((url, inline.len() - after.len()))
}

/// The number of the marker, if the text is one and nothing else.
fn marker_alone(text: &str) -> Option<usize> {
    text.strip_prefix(OPEN)?.strip_suffix(CLOSE)?.parse().ok()
}

/// An image's alternative text without the markers in it.
fn shown(inner: &str) -> String {
    let mut out = String::new();
    let mut depth = 0_usize;
    for c in inner.chars() {
        match c {
            OPEN => depth += 1,
            CLOSE => depth = depth.saturating_sub(1),
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}
