//! A reranker for tests: the share of a question's words that a passage has. It knows no meaning, and must never be what
//! a configuration can name.

use super::{RerankError, Reranker};
use std::collections::HashSet;
use std::sync::Arc;

struct SharedWords;

/// Scores by shared words.
#[must_use]
pub fn shared_words() -> Arc<dyn Reranker> {
    Arc::new(SharedWords)
}

fn words(text: &str) -> HashSet<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_lowercase).collect()
}

impl Reranker for SharedWords {
    fn model(&self) -> &'static str {
        "shared-words"
    }

    fn score(&self, question: &str, passages: &[&str]) -> Result<Vec<f32>, RerankError> {
        let asked = words(question);
        let score = |passage: &&str| {
            let shared = words(passage).intersection(&asked).count();
            shared as f32 / asked.len().max(1) as f32
        };
        Ok(passages.iter().map(score).collect())
    }
}
