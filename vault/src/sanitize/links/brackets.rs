//! Links and images in brackets: `[text](url)`, `[text][label]`, `[label]`, and the same behind `!`.

use super::super::chars::{CLOSE, OPEN};
use super::definitions::key;
use super::scan::Scan;
use super::{BLANKS, LONGEST_LABEL, LONGEST_URL};

impl Scan<'_> {
    /// A `]`: looks back for what was opened and ahead for where it leads.
    pub(super) fn close(&mut self) {
        let Some((from, image)) = self.open.pop() else { return self.push(1) };
        let inside = from + if image { 2 } else { 1 };
        let found = self.target(self.out.get(inside..).unwrap_or_default());
        let Some((url, length)) = found else { return self.push(1) };
        let inner = self.out.get(inside..).unwrap_or_default().to_owned();
        // What stood there was markup around a URL, which an earlier round has replaced.
        let url = marker_alone(&url).and_then(|n| self.urls.get(n)).cloned().unwrap_or(url);
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
            && let Some(end) = unescaped(reference, |c| matches!(c, ']' | '['))
            && reference.get(end..).is_some_and(|end| end.starts_with(']'))
        {
            let label = reference.get(..end)?;
            let label = if label.trim().is_empty() { inner } else { label };
            if let Some(url) = self.definitions.get(&key(label)) {
                return Some((url.clone(), 3 + end));
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
    let (url, after) = url(inline.trim_start_matches(BLANKS))?;
    let after = after.trim_start_matches(BLANKS);
    let after = title(after).unwrap_or(after).trim_start_matches(BLANKS).strip_prefix(')')?;
    Some((url, inline.len() - after.len()))
}

/// A destination in angle brackets, or one that ends at a blank or at a bracket that it did not open; and
/// what stands behind it.
fn url(here: &str) -> Option<(&str, &str)> {
    if here.starts_with('<') {
        return angled(here);
    }
    let mut depth = 0_usize;
    let end = unescaped(here, |c| match c {
        '(' => {
            depth += 1;
            false
        }
        ')' if depth > 0 => {
            depth -= 1;
            false
        }
        c => c == ')' || BLANKS.contains(&c),
    });
    match end {
        Some(end) => here.split_at_checked(end),
        None => (here.len() < LONGEST_URL).then_some((here, "")),
    }
}

/// A destination in angle brackets, and what stands behind it.
pub(super) fn angled(here: &str) -> Option<(&str, &str)> {
    let inner = here.strip_prefix('<')?;
    let end = unescaped(inner, |c| matches!(c, '>' | '\n'))?;
    Some((inner.get(..end)?, inner.get(end..)?.strip_prefix('>')?))
}

/// What stands behind the title of a link, if there is one.
pub(super) fn title(here: &str) -> Option<&str> {
    let close = match here.chars().next()? {
        '(' => ')',
        quote @ ('"' | '\'') => quote,
        _ => return None,
    };
    let body = here.get(1..)?;
    body.get(unescaped(body, |c| c == close)? + 1..)
}

/// Where the first character stands that ends it and has no backslash before it.
pub(super) fn unescaped(text: &str, mut ends: impl FnMut(char) -> bool) -> Option<usize> {
    let mut escaped = false;
    let found = text.char_indices().take(LONGEST_URL).find(|(_, c)| {
        let plain = !escaped;
        escaped = plain && *c == '\\';
        plain && ends(*c)
    });
    found.map(|(at, _)| at)
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
