//! The sanitizer: pure, run at ingest ([`text`], [`line`]) and again at emission ([`emitted`]); it counts what it
//! removed. It recognises characters and forms, never meanings, and must never be taken for a filter of attacks.
//!
//! Two functions for running text, because a marker such as `[link 1]` means two things: in a document as it came it
//! is a forgery, and [`text`] breaks it; in text that [`text`] wrote it is ours, and [`emitted`] lets it stand.
//! INVARIANT: `emitted(text(x)) == text(x)` and `emitted(emitted(x)) == emitted(x)`, for every `x`.

mod chars;
mod code;
mod forged;
mod html;
mod links;
pub mod markup;
mod references;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

/// How much was removed or broken, by kind.
pub type Counts = BTreeMap<String, u64>;

/// What came out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sanitized {
    /// The text.
    pub text: String,
    /// How much was removed or broken, by kind (`zero_width`, `bidi`, `tags`, `ansi`, `role_token`, …).
    pub removed: Counts,
    /// URLs that became `[link n]`, in order of `n` (empty for [`line`]).
    pub links: Vec<String>,
}

/// More rounds than any honest text needs; what is still changing then is broken by force.
const ROUNDS: usize = 8;

pub(crate) fn count(counts: &mut Counts, kind: &str, n: u64) {
    if n == 0 {
        return;
    }
    if let Some(have) = counts.get_mut(kind) {
        *have += n;
    } else {
        counts.insert(kind.to_owned(), n);
    }
}

/// Bytes to text: strict UTF-8, bad bytes become U+FFFD; gives how many were replaced. A byte order
/// mark at the start is dropped.
#[must_use]
pub fn decode(bytes: &[u8]) -> (String, u64) {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut out = String::with_capacity(bytes.len());
    let mut replaced = 0;
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            out.push(char::REPLACEMENT_CHARACTER);
            replaced += 1;
        }
    }
    (out, replaced)
}

/// A document's running text, several lines: rules 1, 2, 4 and 5 of the design. `first_link` is the number of the
/// first link. Markdown links and images, autolinks and bare URLs become `[link n]` or `[image: alt]`.
/// Code blocks keep their content, under the same rules for characters, tokens and fences; of links in them only
/// those are broken that a renderer would follow or load by itself.
#[must_use]
pub fn text(input: &str, first_link: u32) -> Sanitized {
    let mut urls = Vec::new();
    let (text, mut removed) = settled(input, |text, removed| {
        let mut text = references::read(text, removed);
        text = forged::tokens(&text, removed);
        text = forged::fences(&text, removed);
        text = forged::roles(&text, removed);
        text = links::replace(&text, &mut urls, removed);
        text = links::break_forms(&text, removed);
        text = forged::link_literals(&text, removed);
        chars::clean(&text, true, removed)
    });
    let (numbered, links) = links::number(&text, &urls, first_link);
    if numbered == text {
        return Sanitized { text, removed, links };
    }
    // A marker's final form has words and no line breaks of its own: beside them something may look like a boundary that
    // did not before (`![` + a line break + `BEGIN ===](x)`).
    let last = emitted(&numbered);
    for (kind, n) in &last.removed {
        count(&mut removed, kind, *n);
    }
    Sanitized { text: last.text, removed, links }
}

/// Text that [`text`] wrote, or a part of it, on its way out: the rules that do not depend on what
/// stands around the part. Leaves what [`text`] wrote as it is.
#[must_use]
pub fn emitted(input: &str) -> Sanitized {
    let (text, removed) = settled(input, |text, removed| {
        let mut text = forged::tokens(text, removed);
        text = forged::fences(&text, removed);
        text = links::break_forms(&text, removed);
        chars::clean(&text, false, removed)
    });
    Sanitized { text, removed, links: Vec::new() }
}

/// Titles, authors, paths, headings: the same in a single line of at most `max` Unicode scalars;
/// URLs are kept as text without a scheme's `://`.
#[must_use]
pub fn line(input: &str, max: usize) -> Sanitized {
    let (text, removed) = settled(input, |text, removed| {
        let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        text = references::read(&text, removed);
        text = links::without_schemes(&text, removed);
        text = forged::tokens(&text, removed);
        text = forged::fences(&text, removed);
        text = forged::roles(&text, removed);
        text = links::break_forms(&text, removed);
        text = html::break_tags(&text, removed);
        text = forged::link_literals(&text, removed);
        text = cut(&text, max);
        chars::clean(&text, false, removed)
    });
    Sanitized { text: cut(&text, max), removed, links: Vec::new() }
}

/// Cleans the characters, then goes over the text until nothing changes: taking one form out can leave another.
/// What is still changing after [`ROUNDS`] was built to.
fn settled(input: &str, mut round: impl FnMut(&str, &mut Counts) -> String) -> (String, Counts) {
    let mut removed = Counts::new();
    let mut text = chars::clean(input, false, &mut removed);
    for _ in 0..ROUNDS {
        let next = round(&text, &mut removed);
        if next == text {
            return (text, removed);
        }
        text = next;
    }
    (by_force(&text, &mut removed), removed)
}

fn cut(text: &str, max: usize) -> String {
    if text.chars().nth(max).is_none() {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(max.saturating_sub(1)).collect();
    short.truncate(short.trim_end().len());
    if max > 0 {
        short.push('…');
    }
    short
}

/// Input that goes on changing was built to; its special characters are replaced one by one, which
/// leaves no form of any kind.
fn by_force(text: &str, removed: &mut Counts) -> String {
    count(removed, "forced", 1);
    let plain: String = text
        .chars()
        .map(|c| match c {
            '<' => '‹',
            '>' => '›',
            '[' => '(',
            ']' => ')',
            '=' => '–',
            '|' => '¦',
            ':' => '∶',
            c => c,
        })
        .collect();
    chars::clean(&plain, true, removed)
}
