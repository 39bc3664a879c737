//! How long a text is for the embedder, and the prefix that goes before a chunk's body. Without an
//! embedder a token counts as four characters.

use kenward_indexes::embedding::Embedder;
use std::sync::Arc;

/// Chunks aim at this many tokens, or the embedder's length if that is less.
const TARGET: usize = 256;
/// The prefix may take one part in this many.
const PREFIX_SHARE: usize = 5;

/// Measures texts in tokens.
#[derive(Clone)]
pub struct Sizer {
    embedder: Option<Arc<dyn Embedder>>,
    most: usize,
    special: usize,
}

impl Sizer {
    /// By this embedder's tokenizer, or by estimate.
    #[must_use]
    pub fn new(embedder: Option<Arc<dyn Embedder>>) -> Self {
        let most = embedder.as_ref().map_or(TARGET, |embedder| embedder.space().max_tokens.min(TARGET));
        let special = embedder.as_ref().map_or(0, |embedder| embedder.count_tokens(""));
        Self { embedder, most: most.max(special + 16), special }
    }

    /// Most tokens of one input, special ones included.
    #[cfg(test)]
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Tokens of an input, special ones included.
    #[cfg(test)]
    pub(super) fn count(&self, text: &str) -> usize {
        self.tokens(text) + self.special
    }

    /// Tokens of a text, special ones left out.
    pub(super) fn tokens(&self, text: &str) -> usize {
        match &self.embedder {
            Some(embedder) => embedder.count_tokens(text).saturating_sub(self.special),
            None => text.chars().count().div_ceil(4),
        }
    }

    /// Tokens that a body may have, whatever prefix goes before it.
    pub(super) fn room_after_longest_prefix(&self) -> usize {
        self.most.saturating_sub(self.special + self.most / PREFIX_SHARE + 1).max(8)
    }

    /// Title and headings on one line, at most a fifth of the length: the innermost headings stay.
    pub(super) fn prefix(&self, title: &str, headings: &[String]) -> String {
        let most = self.most / PREFIX_SHARE;
        let mut parts: Vec<&str> =
            headings.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        if !title.is_empty() && parts.first() != Some(&title) {
            parts.insert(0, title);
        }
        let mut from = 0;
        loop {
            let joined = parts.get(from..).unwrap_or_default().join(" > ");
            if joined.is_empty() || self.tokens(&joined) <= most {
                return joined;
            }
            if from + 1 < parts.len() {
                from += 1;
                continue;
            }
            return self.shortened(&joined, most);
        }
    }

    fn shortened(&self, text: &str, most: usize) -> String {
        let mut keep = text.chars().count().min(most * 8);
        loop {
            let short: String = text.chars().take(keep).collect();
            if keep == 0 || self.tokens(&short) <= most {
                return short;
            }
            keep /= 2;
        }
    }
}

impl std::fmt::Debug for Sizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sizer")
            .field("most", &self.most)
            .field("special", &self.special)
            .finish_non_exhaustive()
    }
}
