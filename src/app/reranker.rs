//! The reranker that the configuration names. It must be one that scores, or nothing is opened: an order that silently is
//! another than was asked for would be found by nobody.

use crate::config::Config;
use crate::config::model::{Model, meant};
use kenward_indexes::embedding::EmbedError;
use kenward_indexes::models::{self, Artifact, Kind};
use kenward_indexes::reranking::{RerankError, cross_encoder, cross_encoder_named};
use kenward_vault::Reranking;

/// Loads it, and has it score once.
///
/// # Errors
/// [`RerankError`].
pub(super) fn open(config: &Config) -> Result<Option<Reranking>, RerankError> {
    let Some(asked) = &config.reranking else { return Ok(None) };
    let library = super::embedder::library(config)?;
    let by = match &asked.model {
        Model::Folder(folder) if !folder.is_dir() => {
            let reason = "there is no such folder".into();
            return Err(RerankError::Unfit { path: folder.clone(), reason });
        }
        Model::Folder(folder) => cross_encoder(folder, &library)?,
        Model::Named(entry) => {
            let folder = models::installed(&config.models_dir, Artifact::Named(entry))
                .ok_or_else(|| EmbedError::ModelMissing { name: entry.name.as_str().into() })?;
            cross_encoder_named(entry, &folder, &library)?
        }
    };
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
            error @ (EmbedError::RuntimeMissing { .. }
            | EmbedError::RuntimeUnusable { .. }
            | EmbedError::ModelMissing { .. }
            | EmbedError::ModelDamaged { .. }),
        ) => super::way_to_an_embedder(error),
        RerankError::Unfit { path, .. } if meant(path, Kind::Reranker).is_some() && !path.exists() => {
            let meant = meant(path, Kind::Reranker).unwrap_or_default();
            format!("did you mean `{meant}`? (`kenward models list --all` has all names)")
        }
        _ => "name the folder of a cross-encoder, or leave `reranking.model` out".to_owned(),
    }
}
