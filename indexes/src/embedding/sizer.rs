//! How long a text is for the embedder, and what is embedded of a chunk: title and heading path, then its body.
//! Whoever embeds a chunk, when it comes or anew, makes its input here. Without an embedder a token counts as four
//! characters.

use super::Embedder;
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
    #[must_use]
    pub fn most(&self) -> usize {
        self.most
    }

    /// Tokens of an input, special ones included.
    #[must_use]
    pub fn count(&self, text: &str) -> usize {
        self.tokens(text) + self.special
    }

    /// Tokens of a text, special ones left out.
    #[must_use]
    pub fn tokens(&self, text: &str) -> usize {
        match &self.embedder {
            Some(embedder) => embedder.count_tokens(text).saturating_sub(self.special),
            None => text.chars().count().div_ceil(4),
        }
    }

    /// Tokens that a body may have, whatever prefix goes before it.
    #[must_use]
    pub fn room_after_longest_prefix(&self) -> usize {
        self.most.saturating_sub(self.special + self.most / PREFIX_SHARE + 1).max(8)
    }

    /// What is embedded of a chunk. `body` is its text after its own leading headings, which stand in the heading
    /// path. At most the embedder's length, if the body has the room that was kept for it.
    #[must_use]
    pub fn input(&self, title: &str, headings: &[String], body: &str) -> String {
        let mut input = self.prefix(title, headings);
        let body = body.trim();
        if !input.is_empty() && !body.is_empty() {
            input.push('\n');
        }
        input.push_str(body);
        input
    }

    /// Title and headings on one line, at most a fifth of the length: the innermost headings stay.
    fn prefix(&self, title: &str, headings: &[String]) -> String {
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
