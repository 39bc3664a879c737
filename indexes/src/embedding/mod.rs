//! Embedders: text to unit vectors, each text alone, bitwise the same whatever is embedded beside it; but for the remote
//! engine, which cannot promise it, and is never chosen but by name.

mod builtin;
#[cfg(test)]
mod conformance;
pub(crate) mod described;
mod fastembed_engine;
mod graph;
pub(crate) mod graph_file;
mod hashing;
pub(crate) mod model;
pub(crate) mod onnx;
mod onnx_files;
mod quantized;
pub mod remote;
pub(crate) mod runtime;
mod sizer;
#[cfg(any(test, feature = "faults"))]
pub mod synthetic;
mod weights;
#[cfg(any(test, feature = "faults"))]
pub(crate) mod wordpiece;

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
    /// Pooling (`mean`, `first`), and what goes before a query and a passage, where something does.
    pub pooling: String,
    /// Longest input in tokens, special ones included.
    pub max_tokens: usize,
    /// Numbers per vector.
    pub dimension: usize,
    /// In what it computes: `f32`, `int8` (made here), or `quantized` (a graph that came so).
    pub precision: String,
    /// Engine that computes it.
    pub engine: String,
}

/// Engine, model, and the precision where it is not f32: for people.
impl std::fmt::Display for EmbeddingSpace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.engine, self.model)?;
        if self.precision == Precision::F32.name() { Ok(()) } else { write!(f, ", in {}", self.precision) }
    }
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
    /// A model that was pulled is not any more what it was.
    #[error("the model in {path} is not what was pulled: {reason}")]
    ModelDamaged {
        /// The folder.
        path: PathBuf,
        /// What is other.
        reason: Box<str>,
    },
    /// A folder holds no model that can be used.
    #[error("{path} holds no model that can be used: {reason}")]
    ModelUnfit {
        /// The folder.
        path: PathBuf,
        /// Why.
        reason: Box<str>,
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
    /// As [`Embedder::embed`], for as long as somebody wants it: an engine that may take minutes over one call asks meanwhile.
    ///
    /// # Errors
    /// [`EmbedError`]; when nobody wants it any more, one that means nothing.
    fn embed_while(&self, texts: &[&str], _wanted: &dyn Fn() -> bool) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.embed(texts)
    }
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

/// In what numbers a model multiplies by its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// As they were trained.
    #[default]
    F32,
    /// In one byte: faster, and not quite the same vectors (benches/README.md).
    Int8,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::F32, Self::Int8];

    /// As spaces and configurations have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Int8 => "int8",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|precision| precision.name() == name)
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
    precision: Precision,
) -> Result<Arc<dyn Embedder>, EmbedError> {
    let described = described::Described::minilm();
    Ok(Arc::new(fastembed_engine::FastEmbed::open(model_dir, onnxruntime, described, precision)?))
}

/// The fastembed engine over a model in a folder of one's own, in the layout of sentence-transformers: `config.json`,
/// `tokenizer.json`, `tokenizer_config.json`, `1_Pooling/config.json`, and `model.safetensors` (of a BERT encoder) or
/// `onnx/model.onnx` (or `model.onnx`).
///
/// # Errors
/// [`EmbedError`].
pub fn fastembed_of_folder(
    folder: &std::path::Path,
    onnxruntime: &std::path::Path,
    precision: Precision,
) -> Result<Arc<dyn Embedder>, EmbedError> {
    let described = described::Described::read(folder)?;
    Ok(Arc::new(fastembed_engine::FastEmbed::open(folder, onnxruntime, described, precision)?))
}

/// The fastembed engine over a model of the catalogue, in the folder where it was [pulled](crate::models::pull). Every file
/// is compared with its hash first.
///
/// # Errors
/// [`EmbedError`].
pub fn fastembed_named(
    entry: &crate::models::Entry,
    folder: &std::path::Path,
    onnxruntime: &std::path::Path,
    precision: Precision,
) -> Result<Arc<dyn Embedder>, EmbedError> {
    let described = described::Described::named(folder, entry)?;
    Ok(Arc::new(fastembed_engine::FastEmbed::open(folder, onnxruntime, described, precision)?))
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
    fastembed_engine::graph_of(&config, &weights, Precision::F32)
}

#[cfg(test)]
pub(crate) mod tests;
