//! Rerankers: how well a passage answers a question, by a model that reads both together (a cross-encoder, Nogueira and
//! Cho 2019). Every pair is scored alone, so that a passage's score depends on it and the question and nothing else. What
//! is here must never look for passages itself: it is given what the caller may see.

mod cross_encoder;
#[cfg(any(test, feature = "faults"))]
pub mod tiny;
mod words;

pub use cross_encoder::{cross_encoder, cross_encoder_named};
pub use words::shared_words;

use crate::embedding::EmbedError;
use std::path::PathBuf;

/// The most candidates that are scored for one question.
pub const MOST: usize = 50;

/// What can go wrong. No message holds text that was scored.
#[derive(Debug, thiserror::Error)]
pub enum RerankError {
    /// The library or a file of the model cannot be used.
    #[error(transparent)]
    Parts(#[from] EmbedError),
    /// The folder holds another kind of model.
    #[error("{path} holds no model for reranking: {reason}")]
    Unfit {
        /// The folder.
        path: PathBuf,
        /// What is not as it must be.
        reason: Box<str>,
    },
    /// The engine failed.
    #[error("the reranking engine failed: {reason}")]
    Engine {
        /// What it said.
        reason: Box<str>,
    },
}

/// Scores passages for a question.
pub trait Reranker: Send + Sync {
    /// The model's name with the hash of its graph, for records.
    fn model(&self) -> &str;

    /// One score per passage, in order: higher is better, always finite, comparable for one question only.
    ///
    /// INVARIANT: every passage is scored alone, and has the same score to the bit whatever stands beside it: a score that
    /// moved with its neighbours would tell of them.
    ///
    /// # Errors
    /// [`RerankError`].
    fn score(&self, question: &str, passages: &[&str]) -> Result<Vec<f32>, RerankError>;
}

#[cfg(test)]
mod tests;
