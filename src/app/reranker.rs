//! The reranker that the configuration names. It must be one that scores, or nothing is opened: an order that silently is
//! another than was asked for would be found by nobody.

use crate::config::Config;
use kenward_indexes::embedding::EmbedError;
use kenward_indexes::models::{self, Artifact};
use kenward_indexes::reranking::{RerankError, cross_encoder};
use kenward_vault::Reranking;

/// Loads it, and has it score once.
///
/// # Errors
/// [`RerankError`].
pub(super) fn open(config: &Config) -> Result<Option<Reranking>, RerankError> {
    let Some(asked) = &config.reranking else { return Ok(None) };
    let library = models::installed(&config.models_dir, Artifact::OnnxRuntime)
        .ok_or_else(|| EmbedError::RuntimeMissing { path: config.models_dir.clone() })?;
    let by = cross_encoder(&asked.model, &library)?;
    by.score("Who signs?", &["The harbour master signs."])?;
    Ok(Some(Reranking { by, depth: asked.depth }))
}

/// For people.
pub(super) fn named(reranking: &Reranking) -> String {
    format!("{}, for the first {}", reranking.by.model(), reranking.depth)
}

/// What to do about a reranker that cannot be had.
#[must_use]
pub fn way_to_a_reranker(error: &RerankError) -> String {
    match error {
        RerankError::Parts(
            error @ (EmbedError::RuntimeMissing { .. } | EmbedError::RuntimeUnusable { .. }),
        ) => super::way_to_an_embedder(error),
        _ => "name the folder of a cross-encoder, or leave `reranking.model` out".to_owned(),
    }
}
