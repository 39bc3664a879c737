//! The wiring: the only place that names engines together. It opens what the configuration asks
//! for, and says in words what could not be had; it must never pick a wider right or a second copy
//! of the data when something is missing.

use crate::config::{Config, Engine};
use crate::identity::Refusals;
use crate::owner::ops::EmbeddingState;
use crate::owner::{BackendError, Live};
use kenward_indexes::embedding::{self, EmbedError, Embedder};
use kenward_indexes::models::{self, Artifact};
use kenward_vault::seams::{SystemClock, SystemEntropy};
use kenward_vault::{OpenOptions, Vault};
use std::path::PathBuf;
use std::sync::Arc;

/// Numbers per vector of the hashing embedder, which is for tests.
const HASHING_DIMENSION: usize = 256;

/// The open data, and the embedder that goes with it.
pub struct Opened {
    /// The vault.
    pub vault: Arc<Vault>,
    /// For documents; the vault has it for queries. `None` = words alone.
    pub embedder: Option<Arc<dyn Embedder>>,
    /// The same in words.
    pub embedding: EmbeddingState,
    /// Refused claims that are not noted yet.
    pub refusals: Refusals,
    /// The runs under way.
    pub live: Live,
    /// When the data was opened.
    pub since: std::time::Instant,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.refusals.flush(&self.vault);
    }
}

impl Opened {
    /// Whether a model would be used if there were one.
    #[must_use]
    pub fn lacks_model(&self) -> bool {
        matches!(&self.embedding, EmbeddingState::LexicalOnly { hint: Some(_), .. })
    }
}

/// Opens the data. The caller holds its lock.
///
/// # Errors
/// [`BackendError::Vault`]; [`BackendError::Embed`] if the configuration insists on an engine that
/// cannot be had.
pub fn open(config: &Config) -> Result<Opened, BackendError> {
    let (embedder, embedding) = embedder(config)?;
    let vault = Vault::open(options(config, embedder.clone()))?;
    Ok(Opened {
        vault,
        embedder,
        embedding,
        refusals: Refusals::default(),
        live: Live::default(),
        since: std::time::Instant::now(),
    })
}

/// How the data is opened.
#[must_use]
pub fn options(config: &Config, embedder: Option<Arc<dyn Embedder>>) -> OpenOptions {
    OpenOptions {
        data_dir: config.data_dir.clone(),
        tenant: config.tenant.clone(),
        embedder,
        labels: config.labels.clone(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        ledger: config.ledger.clone(),
    }
}

/// The embedder that the configuration asks for.
///
/// # Errors
/// [`EmbedError`] if it insists on one that cannot be had.
pub fn embedder(config: &Config) -> Result<(Option<Arc<dyn Embedder>>, EmbeddingState), EmbedError> {
    let loaded = match config.engine {
        Engine::None => {
            let reason = "`embedding.engine` is `none`".to_owned();
            return Ok((None, EmbeddingState::LexicalOnly { reason, hint: None }));
        }
        Engine::Hashing => Ok(embedding::hashing(HASHING_DIMENSION)),
        Engine::Auto | Engine::Fastembed => load(config),
    };
    match loaded {
        Ok(embedder) => {
            let space = embedder.space();
            let engine = format!("{} {}", space.engine, space.model);
            Ok((Some(embedder), EmbeddingState::Running { engine }))
        }
        Err(error) if config.engine == Engine::Fastembed => Err(error),
        Err(error) => {
            let (reason, _) = crate::owner::words(&error);
            let hint = Some(way_to_an_embedder(&error));
            Ok((None, EmbeddingState::LexicalOnly { reason, hint }))
        }
    }
}

/// What to do about an embedder that cannot be had.
#[must_use]
pub fn way_to_an_embedder(error: &EmbedError) -> String {
    let named = std::env::var_os("ORT_DYLIB_PATH").is_some_and(|value| !value.is_empty());
    let of_library = matches!(error, EmbedError::RuntimeMissing { .. } | EmbedError::RuntimeUnusable { .. });
    // A library that the environment names goes before ours: fetching one would change nothing.
    if named && of_library {
        return "unset `ORT_DYLIB_PATH`, or set it to an ONNX Runtime of version 1.24 or newer".to_owned();
    }
    "fetch what is missing with `kenward models pull`".to_owned()
}

fn load(config: &Config) -> Result<Arc<dyn Embedder>, EmbedError> {
    let model = models::installed(&config.models_dir, Artifact::MiniLm)
        .ok_or_else(|| EmbedError::ModelMissing { name: "all-MiniLM-L6-v2".into() })?;
    let runtime = models::installed(&config.models_dir, Artifact::OnnxRuntime)
        .ok_or_else(|| EmbedError::RuntimeMissing { path: config.models_dir.clone() })?;
    embedding::fastembed(&model, &runtime)
}

/// What still has to be pulled before an embedder can run; empty if none is wanted.
#[must_use]
pub fn missing_artifacts(config: &Config) -> Vec<Artifact> {
    match config.engine {
        Engine::None | Engine::Hashing => Vec::new(),
        Engine::Auto | Engine::Fastembed => [Artifact::OnnxRuntime, Artifact::MiniLm]
            .into_iter()
            .filter(|artifact| models::installed(&config.models_dir, *artifact).is_none())
            .collect(),
    }
}

/// Whether everything that an embedder needs is there.
#[must_use]
pub fn model_installed(config: &Config) -> bool {
    missing_artifacts(config).is_empty()
}

/// The program that reads documents in processes of their own.
#[must_use]
pub fn own_program() -> PathBuf {
    // On Linux by the name that stays right while the file is being replaced.
    let link = PathBuf::from("/proc/self/exe");
    if link.exists() { link } else { std::env::current_exe().unwrap_or_else(|_| PathBuf::from("kenward")) }
}
