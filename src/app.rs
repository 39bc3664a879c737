//! The wiring: the only place that names engines together. It opens what the configuration asks
//! for, and says in words what could not be had; it must never pick a wider right or a second copy
//! of the data when something is missing.

mod embedder;
mod reranker;

pub use embedder::{insists_on, missing_artifacts, needed, target, way_to_an_embedder};
pub use reranker::way_to_a_reranker;

use crate::config::Config;
use crate::identity::Refusals;
use crate::identity::issued::Issuers;
use crate::owner::ops::EmbeddingState;
use crate::owner::{BackendError, Live};
use kenward_indexes::embedding::Embedder;
use kenward_indexes::models::{self, Artifact};
use kenward_indexes::vector::Engine;
use kenward_indexes::vector::qdrant::Cluster;
use kenward_vault::seams::{SystemClock, SystemEntropy};
use kenward_vault::{OpenOptions, Vault, VaultError};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// The open data, and the embedder that goes with it.
pub struct Opened {
    /// The vault.
    pub vault: Arc<Vault>,
    /// What embeds, in words.
    embedding: Mutex<EmbeddingState>,
    /// What reads the best candidates of a search again, in words.
    pub reranking: Option<String>,
    /// What of the configuration's models cannot be used, in whose stead nothing is.
    pub broken: Broken,
    /// What would have to come for an embedder to run, if none does.
    lacking: Vec<Artifact>,
    /// Refused claims that are not noted yet.
    pub refusals: Refusals,
    /// Issuers whose tokens are accepted.
    pub issuers: Issuers,
    /// The runs under way.
    pub live: Live,
    /// When the data was opened.
    pub since: std::time::Instant,
}

/// A message, and what to do.
pub type Told = (String, Option<String>);

/// Models that the configuration insists on and that cannot be had. What needs them is refused in these words; all else goes on.
#[derive(Debug, Clone, Default)]
pub struct Broken {
    /// The embedder.
    pub embedding: Option<Told>,
    /// The reranker.
    pub reranking: Option<Told>,
}

impl Broken {
    fn told(error: &BackendError) -> Told {
        let (message, own) = crate::owner::words(error);
        (message, error.hint().or(own))
    }

    /// Why nothing can be searched.
    #[must_use]
    pub fn for_search(&self) -> Option<&Told> {
        self.embedding.as_ref().or(self.reranking.as_ref())
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.refusals.flush(&self.vault);
    }
}

impl Opened {
    /// What embeds documents and queries.
    #[must_use]
    pub fn embedding(&self) -> EmbeddingState {
        self.embedding.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that the vault has switched to this embedder.
    pub fn embeds_by(&self, embedder: &Arc<dyn Embedder>) {
        let (engine, leaves) = (embedder.space().to_string(), embedder::leaves(embedder.space()));
        let state = EmbeddingState::Running { engine, otherwise: None, leaves };
        *self.embedding.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Whether it was opened without an embedder, and what that one needs has come since.
    #[must_use]
    pub fn lacked_what_is_here(&self, config: &Config) -> bool {
        let here = |artifact: &Artifact| models::installed(&config.models_dir, *artifact).is_some();
        !self.lacking.is_empty() && self.lacking.iter().all(here)
    }
}

/// Opens the data. The caller holds its lock.
///
/// INVARIANT: a model that cannot be had keeps nobody from taking a right away, or from reading what is recorded: it is noted
/// in [`Opened::broken`], and refuses searches and runs alone.
///
/// # Errors
/// [`BackendError::Vault`].
pub fn open(config: &Config) -> Result<Opened, BackendError> {
    let recorded = kenward_vault::recorded_space(&config.data_dir);
    let mut broken = Broken::default();
    let chosen = embedder::choose(config, recorded).unwrap_or_else(|error| {
        let (reason, hint) = Broken::told(&error.into());
        broken.embedding = Some((reason.clone(), hint.clone()));
        let state = EmbeddingState::LexicalOnly { reason, hint };
        embedder::Chosen { embedder: None, state, lacking: missing_artifacts(config) }
    });
    let embedder::Chosen { embedder, state: embedding, lacking } = chosen;
    let vectors = match &config.vectors {
        None => Engine::Flat,
        Some(cluster) => Engine::Qdrant(Arc::new(Cluster::new(cluster.clone()).map_err(VaultError::from)?)),
    };
    let reranking = reranker::open(config).unwrap_or_else(|error| {
        broken.reranking = Some(Broken::told(&error.into()));
        None
    });
    let named = reranking.as_ref().map(reranker::named);
    let vault = Vault::open(OpenOptions { vectors, reranking, ..options(config, embedder) })?;
    Ok(Opened {
        vault,
        embedding: Mutex::new(embedding),
        reranking: named,
        broken,
        lacking,
        refusals: Refusals::default(),
        issuers: Issuers::of(config),
        live: Live::default(),
        since: std::time::Instant::now(),
    })
}

/// How the data is opened; with the embedded vectors alone.
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
        vectors: Engine::Flat,
        reranking: None,
    }
}

/// The program that reads documents in processes of their own.
#[must_use]
pub fn own_program() -> PathBuf {
    // On Linux by the name that stays right while the file is being replaced.
    let link = PathBuf::from("/proc/self/exe");
    if link.exists() { link } else { std::env::current_exe().unwrap_or_else(|_| PathBuf::from("kenward")) }
}
