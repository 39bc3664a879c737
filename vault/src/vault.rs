//! The vault: the one owner of a `data_dir`, and what operators may do with it.

use crate::directory::{DirectoryChange, Group, NewToken, Token, TokenSubject, User};
use crate::error::VaultError;
use crate::knowledge_base::KnowledgeBase;
use crate::seams::{Clock, Entropy};
use crate::writer::{Run, SourceSpec};
use kenward_access::explain::Step;
use kenward_access::ids::{AgentId, TenantId, UserId};
use kenward_indexes::embedding::Embedder;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How to open a vault.
pub struct OpenOptions {
    /// The folder; made (0700) if it is not there. The caller holds its lock.
    pub data_dir: PathBuf,
    /// The tenant; another one than the folder's is refused.
    pub tenant: TenantId,
    /// Embedder for queries; documents bring their vectors. `None` = lexical only.
    pub embedder: Option<Arc<dyn Embedder>>,
    /// Sensitivity labels, least sensitive first (level = place in the list).
    pub labels: Vec<String>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness (boundaries, receipts, salts, tokens).
    pub entropy: Arc<dyn Entropy>,
}

/// One `data_dir`, opened. Cheap to share behind an `Arc`; one writer thread inside.
pub struct Vault {}

/// Who did an administrative act, for the audit record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// Operating-system user id.
    pub uid: u32,
    /// Directory user, if mapped.
    pub user: Option<UserId>,
    /// The reason given, if any.
    pub reason: Option<String>,
}

/// The answer of `access why`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Why {
    /// Whether the person may read the document now.
    pub allowed: bool,
    /// The person's handle.
    pub user: String,
    /// Document id, source and path.
    pub document: String,
    /// Name of its source.
    pub source: String,
    /// Path in its source.
    pub path: String,
    /// The container whose rights decide.
    pub container: String,
    /// The path of the decision.
    pub steps: Vec<WhyStep>,
    /// What could not be resolved (the document is then visible to nobody).
    pub unresolved: Vec<String>,
}

/// One step of [`Why`] (owned form of [`Step`], group ids replaced by handles).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs, reason = "fields as in `Step`")]
pub struct WhyStep {
    pub layer: usize,
    pub allows: bool,
    pub because: String,
    pub origin: Option<String>,
    pub chain: Vec<String>,
}

/// Kept next to [`WhyStep`]: what it is made from.
pub type RawStep = Step;

/// Counts for `doctor` and `status`. For operators only: they count everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each field is named by what it counts")]
pub struct Stats {
    pub sources: u64,
    pub documents: u64,
    pub chunks: u64,
    pub vectors: u64,
    pub failures: u64,
    pub rights_unresolved: u64,
    pub users: u64,
    pub groups: u64,
    pub tokens: u64,
    pub audit_records: u64,
    pub outbox_waiting: u64,
    pub embedding: Option<String>,
}

impl Vault {
    /// Opens or creates the folder: catalog, keys, text, engines, audit log; replays the outbox.
    ///
    /// # Errors
    /// [`VaultError`]: another tenant, version or embedding space; damage; an audit log that breaks.
    pub fn open(_options: OpenOptions) -> Result<Arc<Self>, VaultError> {
        todo!()
    }

    /// What agents ask.
    #[must_use]
    pub fn knowledge_base(self: &Arc<Self>) -> KnowledgeBase {
        todo!()
    }

    /// Applies changes to the directory in one transaction, re-resolves rights that name what
    /// changed, and returns when no answer with the old rights can be given any more.
    ///
    /// # Errors
    /// [`VaultError::Name`] for unknown or duplicate names; nothing is then changed.
    pub fn change_directory(&self, _by: &Operator, _changes: &[DirectoryChange]) -> Result<(), VaultError> {
        todo!()
    }

    /// All people, by handle.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn users(&self) -> Result<Vec<User>, VaultError> {
        todo!()
    }

    /// All groups, by handle.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn groups(&self) -> Result<Vec<Group>, VaultError> {
        todo!()
    }

    /// All tokens, newest first.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn tokens(&self) -> Result<Vec<Token>, VaultError> {
        todo!()
    }

    /// Makes a token for a person (by handle); default life 90 days.
    ///
    /// # Errors
    /// [`VaultError::Name`] for an unknown or disabled person.
    pub fn create_token(
        &self,
        _by: &Operator,
        _handle: &str,
        _agent: Option<AgentId>,
        _label: &str,
        _life: Duration,
    ) -> Result<NewToken, VaultError> {
        todo!()
    }

    /// What a bearer token stands for now; `None` if unknown, expired, revoked or its person disabled.
    #[must_use]
    pub fn token_subject(&self, _secret: &str) -> Option<TokenSubject> {
        todo!()
    }

    /// The person with this handle, if there is one and they are not disabled.
    #[must_use]
    pub fn user_by_handle(&self, _handle: &str) -> Option<User> {
        todo!()
    }

    /// Whether the person may read the document, by which path. Writes an audit record.
    ///
    /// `document` is an id (`kd_…`) or `source/path`.
    ///
    /// # Errors
    /// [`VaultError::Name`] for an unknown person or document.
    pub fn why(&self, _by: &Operator, _handle: &str, _document: &str) -> Result<Why, VaultError> {
        todo!()
    }

    /// Records a source, or finds it again by name.
    ///
    /// # Errors
    /// [`VaultError::Name`] if the name is taken by another root.
    pub fn source(&self, _by: &Operator, _spec: SourceSpec) -> Result<u32, VaultError> {
        todo!()
    }

    /// The recorded sources.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn sources(&self) -> Result<Vec<(u32, SourceSpec)>, VaultError> {
        todo!()
    }

    /// Begins (or goes on with) a run over a source.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn begin_run(self: &Arc<Self>, _by: &Operator, _source: u32) -> Result<Run, VaultError> {
        todo!()
    }

    /// Counts for operators.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn stats(&self) -> Result<Stats, VaultError> {
        todo!()
    }

    /// Failed documents of a source: (path, reason, detail, attempts).
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn failures(&self, _source: u32) -> Result<Vec<crate::writer::Failure>, VaultError> {
        todo!()
    }
}
