//! The built-in engine: the same encoder as the one that ONNX Runtime computes, in Rust. It runs where there is
//! no ONNX Runtime, and it is the oracle for the engine that uses one.
//!
//! One text's way: tokens (cut at the model's length) -> `encoder` (`attention`, `norm`, `gelu`, over the
//! matrices that `parameters` read) -> `pool`: the mean of all places, at unit length.
//!
//! A text is computed by itself, on the thread that asks, so its vector is bitwise the same alone and in any
//! company. Matrices are multiplied by `ndarray` (over `matrixmultiply`, which picks the widest instructions that
//! the processor has): both were in the tree already, and leave no `unsafe` to us. Errors never carry text.

mod attention;
mod encoder;
mod gelu;
mod norm;
mod numbers;
mod parameters;
mod pool;
#[cfg(test)]
mod tests;

use super::described::Described;
use super::model::{self, Config, MAX_TOKENS, WEIGHTS_FILE, engine, read};
use super::{EmbedError, Embedder, EmbeddingSpace};
use encoder::Encoder;
use parameters::Parameters;
use std::path::Path;
use tokenizers::{Tokenizer, TruncationParams};

pub(super) struct BuiltIn {
    space: EmbeddingSpace,
    /// Counts: neither cuts nor pads.
    whole: Tokenizer,
    /// Cuts at the model's length.
    cut: Tokenizer,
    encoder: Encoder,
    workers: usize,
}

impl BuiltIn {
    /// Loads the model in `folder`. The weights are in memory once, whatever the number of workers.
    pub(super) fn open(folder: &Path) -> Result<Self, EmbedError> {
        let tokens = read(folder, "tokenizer.json")?;
        let config = Config::parse(&read(folder, "config.json")?)?;
        if !config.is_bert() {
            return Err(engine("config.json is not that of a BERT encoder"));
        }
        let whole = model::tokenizer(&tokens)?;
        let mut cut = whole.clone();
        let length = TruncationParams { max_length: MAX_TOKENS, ..TruncationParams::default() };
        cut.with_truncation(Some(length)).map_err(|_| engine("tokenizer.json cannot be used"))?;
        let mut parameters = Parameters::read(&folder.join(WEIGHTS_FILE))?;
        let encoder = Encoder::new(&config, &mut parameters)?;
        let space = {
            let dimension = usize::try_from(config.hidden_size).unwrap_or(usize::MAX);
            model::space(
                "builtin",
                &model::short(parameters.hash()),
                &tokens,
                &Described::minilm(),
                dimension,
            )
        };
        Ok(Self { space, whole, cut, encoder, workers: model::cores() })
    }

    fn one(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        // The library's words could hold what was tokenized.
        let tokens = self.cut.encode_fast(text, true).map_err(|_| engine("a text could not be tokenized"))?;
        self.encoder.embed(tokens.get_ids())
    }
}

impl Embedder for BuiltIn {
    fn space(&self) -> &EmbeddingSpace {
        &self.space
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        // INVARIANT: one text after the other. Nothing of one is in reach while another is computed.
        texts.iter().map(|text| self.one(text)).collect()
    }

    fn count_tokens(&self, text: &str) -> usize {
        model::count_tokens(&self.whole, text)
    }

    fn workers(&self) -> usize {
        self.workers
    }
}
