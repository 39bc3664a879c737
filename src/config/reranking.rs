//! `[reranking]`: whether a cross-encoder reads the best candidates of a search again, and how many. Without a model there
//! is none; nothing here must make one run that was not named.

use super::error::ConfigError;
use super::model::{self, Model};
use super::validate::Values;
use kenward_indexes::models::Kind;
use kenward_indexes::reranking::MOST;
use std::path::Path;

/// How many candidates are scored where nothing is said: each takes tens of milliseconds of a core, or more.
const DEPTH: u64 = 20;

/// A reranker as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RerankingConfig {
    /// The model.
    pub model: Model,
    /// How many candidates it scores.
    pub depth: usize,
}

/// The reranker; `None` where no model is named.
pub(super) fn read(values: Values<'_>, base: &Path) -> Result<Option<RerankingConfig>, ConfigError> {
    let depth = values.number("reranking.depth", DEPTH, 1..=MOST as u64)?;
    let depth = usize::try_from(depth).unwrap_or(MOST);
    let model = model::read(values, "reranking.model", Kind::Reranker, base)?;
    Ok(model.map(|model| RerankingConfig { model, depth }))
}
