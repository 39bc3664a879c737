//! Embedders: text to unit vectors, each text alone, bitwise the same whatever is embedded beside it; but for the remote
//! engine, which cannot promise it, and is never chosen but by name.

mod builtin;
#[cfg(test)]
mod conformance;
mod fastembed_engine;
mod graph;
mod hashing;
mod model;
mod onnx;
pub mod remote;
mod runtime;
mod sizer;
#[cfg(test)]
mod synthetic;
mod weights;

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// What a vector means; two spaces are never mixed in one index.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EmbeddingSpace {
    /// Model and the hash of its weights.
    pub model: String,
    /// Hash of the tokenizer.
    pub tokenizer: String,
    /// Pooling (`mean`).
    pub pooling: String,
    /// Longest input in tokens, special ones included.
    pub max_tokens: usize,
    /// Numbers per vector.
    pub dimension: usize,
    /// `f32`.
    pub precision: String,
    /// Engine that computes it.
    pub engine: String,
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// No ONNX Runtime library where one was expected.
    #[error(
        "no ONNX Runtime at {path}; hint: `kenward models pull onnxruntime` fetches one, or set ORT_DYLIB_PATH to a library of version 1.24 or newer"
    )]
    RuntimeMissing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The library could not be used; too old, for instance.
    #[error(
        "the ONNX Runtime at {path} cannot be used: {reason}; hint: `kenward models pull onnxruntime` fetches one that can"
    )]
    RuntimeUnusable {
        /// The file.
        path: PathBuf,
        /// What it said.
        reason: Box<str>,
    },
    /// Model files are missing.
    #[error("model file `{name}` is not here; hint: `kenward models pull` fetches it")]
    ModelMissing {
        /// Its name.
        name: Box<str>,
    },
    /// A model file could not be read.
    #[error("reading model file {path}")]
    ModelFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The engine failed.
    #[error("the embedding engine failed: {reason}")]
    Engine {
        /// What it said. Never holds text that was embedded.
        reason: Box<str>,
    },
}

/// Turns texts into unit vectors.
pub trait Embedder: Send + Sync {
    /// What the vectors mean.
    fn space(&self) -> &EmbeddingSpace;
    /// One unit vector per text, in order. Every text is computed alone.
    ///
    /// # Errors
    /// [`EmbedError`].
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError>;
    /// The unit vector of a query, for which somebody waits.
    ///
    /// # Errors
    /// [`EmbedError`].
    fn embed_query(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        let none = || EmbedError::Engine { reason: "no vector came".into() };
        self.embed(&[text])?.into_iter().next().ok_or_else(none)
    }
    /// How many tokens the text has, special ones included, without any cut.
    fn count_tokens(&self, text: &str) -> usize;
    /// How many workers may call [`Embedder::embed`] at once with gain.
    fn workers(&self) -> usize {
        1
    }
    /// How many texts one call of [`Embedder::embed`] should have.
    fn batch(&self) -> usize {
        8
    }
}

pub use hashing::hashing;
pub use sizer::Sizer;

/// The fastembed engine over a local model directory and ONNX Runtime library, both as
/// [`crate::models`] laid them down.
///
/// # Errors
/// [`EmbedError`]; a missing or too old library is an error, never a panic.
pub fn fastembed(
    model_dir: &std::path::Path,
    onnxruntime: &std::path::Path,
) -> Result<Arc<dyn Embedder>, EmbedError> {
    Ok(Arc::new(fastembed_engine::FastEmbed::open(model_dir, onnxruntime)?))
}

/// The built-in engine over a local model directory, as [`crate::models`] laid it down: no library is needed.
///
/// # Errors
/// [`EmbedError`].
pub fn builtin(model_dir: &std::path::Path) -> Result<Arc<dyn Embedder>, EmbedError> {
    Ok(Arc::new(builtin::BuiltIn::open(model_dir)?))
}

/// The model in a directory as an ONNX graph that names spans of its weights' file: what the fastembed engine runs, for
/// holding other programs against it.
///
/// # Errors
/// [`EmbedError`].
pub fn onnx_graph(model_dir: &std::path::Path) -> Result<Vec<u8>, EmbedError> {
    let config = model::Config::parse(&model::read(model_dir, "config.json")?)?;
    let weights = model::read(model_dir, model::WEIGHTS_FILE)?;
    fastembed_engine::graph_of(&config, &weights)
}

#[cfg(test)]
mod tests;
