//! What the engines read of a model's folder: its `config.json`, its tokenizer, and the space that its
//! vectors lie in. Both engines read the same files by the same rules, so that they differ in the arithmetic
//! alone. It must never guess where a file is silent.

use super::described::Described;
use super::{EmbedError, EmbeddingSpace};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use tokenizers::Tokenizer;

/// Longest input in tokens that the model was trained for; its tokenizer file says 128, its
/// position table 512, and both are wrong for it.
pub(super) const MAX_TOKENS: usize = 256;
/// Where a graph may be.
pub(crate) const GRAPH_FILES: [&str; 2] = ["onnx/model.onnx", "model.onnx"];
/// The weights' file.
pub(super) const WEIGHTS_FILE: &str = "model.safetensors";

/// What of a model's `config.json` the computation depends on.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Config {
    pub(super) hidden_size: u64,
    pub(super) num_attention_heads: u64,
    pub(super) num_hidden_layers: u64,
    pub(super) layer_norm_eps: f32,
    /// Others look alike and are not: RoBERTa's places begin elsewhere in the same table.
    #[serde(default)]
    model_type: String,
    hidden_act: String,
    position_embedding_type: String,
}

impl Config {
    /// From `config.json`.
    ///
    /// # Errors
    /// [`EmbedError::Engine`] if it is not that of an encoder.
    pub(super) fn parse(json: &[u8]) -> Result<Self, EmbedError> {
        serde_json::from_slice(json).map_err(|_| engine("config.json is not that of an encoder"))
    }

    /// Whether it is the kind of encoder that both engines compute.
    pub(super) fn is_bert(&self) -> bool {
        self.model_type == "bert"
            && self.hidden_act == "gelu"
            && self.position_embedding_type == "absolute"
            && self.num_attention_heads > 0
            && self.hidden_size.is_multiple_of(self.num_attention_heads)
    }
}

/// A failure of an engine. What it says must hold nothing of a text.
pub(super) fn engine(reason: impl Into<Box<str>>) -> EmbedError {
    EmbedError::Engine { reason: reason.into() }
}

/// A file of the model, whole.
pub(crate) fn read(folder: &Path, file: &str) -> Result<Vec<u8>, EmbedError> {
    let path = folder.join(file);
    crate::regular::read(&path).map_err(|source| unreadable(&path, source))
}

/// A file that is missing or cannot be read.
pub(crate) fn unreadable(path: &Path, source: std::io::Error) -> EmbedError {
    if source.kind() == std::io::ErrorKind::NotFound {
        EmbedError::ModelMissing { name: path.display().to_string().into() }
    } else {
        EmbedError::ModelFile { path: path.to_owned(), source }
    }
}

/// The graph that lies in a folder, if one does: where the hub has it, or beside the rest.
pub(crate) fn graph_file(folder: &Path) -> Option<PathBuf> {
    GRAPH_FILES.iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

/// The tokenizer, which neither cuts nor pads: what its file says of both is wrong for this model.
pub(super) fn tokenizer(json: &[u8]) -> Result<Tokenizer, EmbedError> {
    // The library would tokenize on a thread pool of its own; threads are ours to choose.
    tokenizers::parallelism::set_parallelism(false);
    let mut tokenizer = Tokenizer::from_bytes(json).map_err(|_| engine("tokenizer.json cannot be read"))?;
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(|_| engine("tokenizer.json cannot be used"))?;
    Ok(tokenizer)
}

/// Tokens of a text, special ones included, without any cut.
pub(super) fn count_tokens(tokenizer: &Tokenizer, text: &str) -> usize {
    // Never more tokens than bytes and the two special ones: a safe answer where there is none.
    tokenizer.encode_fast(text, true).map_or(text.len() + 2, |encoding| encoding.len())
}

/// The first 16 hex digits of a SHA-256.
pub(crate) fn short(hash: Sha256) -> String {
    data_encoding::HEXLOWER.encode(&hash.finalize()).chars().take(16).collect()
}

/// The space of the vectors that an engine computes from these files.
pub(super) fn space(
    engine: &str,
    weights: &str,
    tokenizer: &[u8],
    described: &Described,
    dimension: usize,
) -> EmbeddingSpace {
    EmbeddingSpace {
        model: format!("{}@{}", described.name, weights),
        tokenizer: short(Sha256::new_with_prefix(tokenizer)),
        pooling: described.pooled(),
        max_tokens: described.max_tokens,
        dimension,
        precision: "f32".to_owned(),
        engine: engine.to_owned(),
    }
}

/// How many workers there are of an engine that computes one text on one core.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
