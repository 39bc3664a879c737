//! The sanitizer: pure, idempotent, run at ingest and again at emission; it counts what it removed.
//! It recognises characters and forms, never meanings.

use std::collections::BTreeMap;

/// What came out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sanitized {
    /// The text.
    pub text: String,
    /// How much was removed or broken, by kind (`zero_width`, `bidi`, `tags`, `ansi`, `role_token`, …).
    pub removed: BTreeMap<String, u64>,
    /// URLs that became `[link n]`, in order of `n` (empty for [`line`]).
    pub links: Vec<String>,
}

/// Bytes to text: strict UTF-8, bad bytes become U+FFFD; gives how many were replaced.
#[must_use]
pub fn decode(_bytes: &[u8]) -> (String, u64) {
    todo!()
}

/// A document's running text, several lines: rules 1, 2, 4 and 5 of the design. `first_link` is the number of the
/// first link. Markdown links and images, autolinks and bare URLs become `[link n]` or `[image: alt]`.
#[must_use]
pub fn text(_input: &str, _first_link: u32) -> Sanitized {
    todo!()
}

/// Titles, authors, paths, headings: the same in a single line of at most `max` Unicode scalars;
/// URLs are kept as text without a scheme's `://`.
#[must_use]
pub fn line(_input: &str, _max: usize) -> Sanitized {
    todo!()
}
