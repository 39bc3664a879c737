//! Which model, for embedding or for reranking: a name of the catalogue, or a folder. What is no name is a folder; a folder
//! that is called like a model is written with `./` before it. It must never depend on what happens to lie where.

use super::error::ConfigError;
use super::validate::Values;
use kenward_indexes::models::{self, Entry, Kind};
use std::path::{Path, PathBuf};

/// A model as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Model {
    /// In this folder.
    Folder(PathBuf),
    /// Of the catalogue, in the cache.
    Named(&'static Entry),
}

impl std::fmt::Display for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Named(entry) => write!(f, "`{}`", entry.name),
        }
    }
}

/// The model that a key names; `None` where nothing is said.
pub(super) fn read(
    values: Values<'_>,
    key: &str,
    kind: Kind,
    base: &Path,
) -> Result<Option<Model>, ConfigError> {
    let text = values.text(key)?.unwrap_or_default();
    // The one that runs where nothing is said has a name, too.
    if kind == Kind::Embedding && text.eq_ignore_ascii_case(models::Artifact::MiniLm.name()) {
        return Ok(None);
    }
    match models::find(&text) {
        None => Ok(values.path(key, base)?.map(Model::Folder)),
        Some(entry) if entry.kind == kind => Ok(Some(Model::Named(entry))),
        Some(entry) => {
            let found = format!("`{text}`, which is a model of another kind ({})", entry.kind.what());
            let of_kind = match kind {
                Kind::Embedding => "an embedding model",
                Kind::Reranker => "a reranker",
            };
            let expected = format!("the name of {of_kind} or a folder: `kenward models list --all`");
            Err(values.wrong(key, &found, &expected))
        }
    }
}

/// The name of the catalogue that somebody may have meant by a folder that is not there.
#[must_use]
pub fn meant(folder: &Path, kind: Kind) -> Option<&'static str> {
    let written = folder.file_name()?.to_str()?.to_lowercase();
    let names: Vec<&'static str> =
        models::catalogue().iter().filter(|entry| entry.kind == kind).map(|entry| &*entry.name).collect();
    super::schema::nearest(&written, &names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn named(section: &str) -> Result<Config, ConfigError> {
        crate::config::tests::read(section)
    }

    #[test]
    fn a_name_is_a_model_and_anything_else_a_folder() {
        for name in ["bge-small-en-v1.5", "BGE-small-EN-v1.5", "Xenova/bge-small-en-v1.5"] {
            let config = named(&format!("[embedding]\nmodel = {name:?}")).unwrap();
            let Some(Model::Named(entry)) = config.model else { panic!("{name}") };
            assert_eq!(entry.name, "bge-small-en-v1.5");
        }
        for folder in ["./bge-small-en-v1.5", "bge-smal-en-v1.5", "/srv/bge-small-en-v1.5", "own"] {
            let config = named(&format!("[embedding]\nmodel = {folder:?}")).unwrap();
            assert!(matches!(config.model, Some(Model::Folder(_))), "{folder}");
        }
        let config = named("[reranking]\nmodel = \"bge-reranker-base\"").unwrap();
        assert!(matches!(config.reranking.unwrap().model, Model::Named(_)));
        assert_eq!(named("[embedding]\nmodel = \"all-MiniLM-L6-v2\"").unwrap().model, None);
    }

    #[test]
    fn a_model_of_the_other_kind_is_refused() {
        for (section, name) in [("embedding", "bge-reranker-base"), ("reranking", "bge-small-en-v1.5")] {
            let error = named(&format!("[{section}]\nmodel = {name:?}")).unwrap_err().to_string();
            assert!(error.contains("another kind") && error.contains(name), "{error}");
        }
    }

    #[test]
    fn a_slip_is_seen() {
        let meant = |name: &str, kind| meant(&Path::new("/x").join(name), kind);
        assert_eq!(meant("bge-smal-en-v1.5", Kind::Embedding), Some("bge-small-en-v1.5"));
        assert_eq!(meant("bge-rerank-base", Kind::Reranker), Some("bge-reranker-base"));
        assert_eq!(meant("our-own", Kind::Embedding), None);
    }
}
