//! The pipeline: a run over one source, stages joined by bounded channels.
//!
//! List, read the rights, state them; then, at the same time: read and extract (one worker process
//! per reader), sanitize and chunk, embed, put. Memory stays flat because every document holds a
//! permit for what it takes from the moment it is read until it is put (`budget`). It must never publish content
//! under rights that were read before that content and have changed since, and never stop for one
//! bad document.
//!
//! What is unchanged is told by its bytes: every file is read and hashed on every run, because a
//! modification time can be set back, and content that was taken out must not stay answerable. A
//! document whose stored text is lost is read again like a changed one. Only the runs of a watched
//! folder leave files unread of which nothing was heard; those claim nothing of what they left.

mod budget;
mod embed;
mod fidelity;
mod places;
pub mod plan;
mod read;
mod rights_only;
mod run;
mod stop;

pub use rights_only::{RightsReport, sync_rights, sync_rights_through};
pub use stop::Stop;

use crate::acl_mapping::Fidelity;
use crate::connectors::{FilesConnector, RootError, SourceConnector};
use crate::worker::{Limits, WorkerCommand};
use kenward_indexes::embedding::Embedder;
use kenward_vault::runs::RunState;
use kenward_vault::vault::Operator;
use kenward_vault::writer::{Failure, RightsFormat, RunSummary, SourceSpec};
use kenward_vault::{Vault, VaultError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The extraction pipeline's version, from 1: documents made by another one are read again, and 0
/// stands for a document whose stored text is lost.
pub const PIPELINE: u32 = 3;

/// Text of one document up to this many bytes is read by default.
pub const MAX_TEXT_BYTES: u64 = 200 << 20;

/// What documents under way may hold by default.
pub const MEMORY_BYTES: u64 = 1 << 30;

/// How to run.
#[derive(Clone)]
pub struct IngestOptions {
    /// How to start workers.
    pub worker: WorkerCommand,
    /// Their limits.
    pub limits: Limits,
    /// Whether to embed; `None` = lexical only. What embeds is the vault's own embedder, in which queries are
    /// embedded too, as it is when the run begins.
    pub embedder: Option<Arc<dyn Embedder>>,
    /// Largest text of one document, in bytes (default 200 MB).
    pub max_text_bytes: u64,
    /// What documents under way may hold at once in this process, in bytes: their bytes, text, passages and
    /// vectors. Worker processes have limits of their own.
    pub memory_bytes: u64,
    /// Allows removing more than half of a source, or all of it.
    pub allow_mass_delete: bool,
    /// Tries failed documents again though it is too early, or nothing has changed.
    pub retry_failed: bool,
    /// Reads of the files that the listing shows unchanged only these, and those below these folders; `None`
    /// = all. Such a run widens rights for what it read alone, and does not count as one that read the source.
    pub only: Option<Arc<BTreeSet<String>>>,
    /// By which it is asked to stop cleanly.
    pub stop: Stop,
}

/// What happens, as it happens: for bars and JSON lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
#[allow(missing_docs, reason = "each field is named by what it counts")]
pub enum Progress {
    Started {
        source: String,
    },
    Listed {
        files: u64,
    },
    /// So many of `files` are done, so many of them failed; chunks embedded so far.
    Documents {
        done: u64,
        of: u64,
        failed: u64,
        chunks: u64,
    },
    Failed(Failure),
    /// So many of so many passages are embedded anew.
    Passages {
        done: u64,
        of: u64,
    },
    /// All passages are embedded anew; the switch waits for the end of a run.
    Waiting,
    Publishing,
    Finished(Box<RunReport>),
}

/// The report at the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each field is named by what it counts")]
pub struct RunReport {
    pub source: String,
    /// Number of the run.
    pub run: i64,
    /// How this leg of it ended.
    pub state: RunState,
    /// Of files that the listing showed unchanged not all were read.
    #[serde(default)]
    pub partial: bool,
    pub summary: RunSummary,
    pub failures: Vec<Failure>,
    /// Paths of files of unknown format: not failures.
    pub skipped_unknown: Vec<String>,
    /// Symbolic links and special files, which are never followed: not failures.
    #[serde(default)]
    pub skipped_links: u64,
    /// Which they are, but for those in archives.
    #[serde(default)]
    pub links: Vec<String>,
    /// Why rights hide documents (unknown principal, bad rights file): (place, what).
    pub rights_problems: Vec<(String, String)>,
    /// Files that were meant as rights files by their names, and are none: what they should guard is open.
    #[serde(default)]
    pub rights_not_read: Vec<String>,
    /// `[[file]]` rules that match no file now, by the line of their `match`: not failures.
    #[serde(default)]
    pub rules_unmatched: Vec<String>,
    /// How faithfully the rights of the source were mapped.
    #[serde(default)]
    pub fidelity: Fidelity,
    /// Which embedder ran.
    pub embedder: Option<String>,
    pub seconds: f64,
    /// Wall seconds during which the embedder was busy.
    pub embedder_seconds: f64,
    /// The most bytes that documents under way held at once, as they are counted.
    #[serde(default)]
    pub memory_peak: u64,
}

/// In which files a source of this format states its rights, in words.
#[must_use]
pub fn rights_are_in(format: RightsFormat) -> &'static str {
    match format {
        RightsFormat::AccessToml => "a rights file is named exactly `.access.toml`",
        RightsFormat::Owners => {
            "this source's rights are in files named exactly `OWNERS`, and `OWNERS_ALIASES` at its root"
        }
        RightsFormat::Codeowners => {
            "this source's rights are in the first of `.github/CODEOWNERS`, `CODEOWNERS` and `docs/CODEOWNERS`"
        }
        RightsFormat::Posix => "this source's rights are the owner, group, mode and ACL of its files",
    }
}

/// Of each list that a kept report has, so many entries.
const KEPT: usize = 1_000;

impl RunReport {
    /// As it is kept with the run: JSON, its lists cut to their beginnings.
    fn to_keep(&self) -> String {
        let mut kept = self.clone();
        kept.failures.truncate(KEPT);
        kept.skipped_unknown.truncate(KEPT);
        kept.links.truncate(KEPT);
        kept.rights_problems.truncate(KEPT);
        kept.rights_not_read.truncate(KEPT);
        kept.rules_unmatched.truncate(KEPT);
        serde_json::to_string(&kept).unwrap_or_default()
    }
}

/// What stops a run.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The source's root is not there or cannot be read.
    #[error("source `{source_name}`: {root} {problem}; hint: {hint}")]
    Root {
        /// Source.
        source_name: Box<str>,
        /// Folder.
        root: Box<str>,
        /// What is wrong.
        problem: Box<str>,
        /// What to do.
        hint: Box<str>,
    },
    /// The run would remove too much.
    #[error(
        "source `{source_name}`: this run would remove {would_remove} of {of} documents; nothing was removed; hint: if that is right, run it again with `--allow-mass-delete`"
    )]
    MassDelete {
        /// Source.
        source_name: Box<str>,
        /// How many.
        would_remove: u64,
        /// Of how many.
        of: u64,
    },
    /// Something carries no rights and the source has no `default_allow`.
    #[error(
        "source `{source_name}`: {files} files carry no rights of their own and the source has no default; hint: say who may read them with `--default-allow everyone`, `--default-allow user:HANDLE` or `--default-allow group:HANDLE`"
    )]
    NoDefault {
        /// Source.
        source_name: Box<str>,
        /// How many.
        files: u64,
    },
    /// A worker thread of ours ended where it must not.
    #[error("the ingestion stopped by a fault of its own; run it again, and report it if it comes back")]
    Internal,
    /// The worker program could not be started.
    #[error("starting a worker process")]
    Worker(#[source] std::io::Error),
    /// The embedder failed for good.
    #[error(transparent)]
    Embed(#[from] kenward_indexes::embedding::EmbedError),
}

impl IngestError {
    /// A source whose root is not there or cannot be read.
    fn root(spec: &SourceSpec, error: &RootError) -> Self {
        Self::Root {
            source_name: spec.name.as_str().into(),
            root: spec.root.as_str().into(),
            problem: error.problem.into(),
            hint: error.hint.into(),
        }
    }
}

/// Runs over one source and reports. A failing document never stops it.
///
/// # Errors
/// [`IngestError`].
pub fn ingest(
    vault: &Arc<Vault>,
    by: &Operator,
    source: u32,
    spec: &SourceSpec,
    options: &IngestOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<RunReport, IngestError> {
    ingest_through(&FilesConnector::of(spec), vault, by, source, spec, options, progress)
}

/// Runs over one source through this connector. A run that waits for an operator's word, because it would remove too
/// much or because nobody said who may read what is new, still puts rights into force as a reading of them alone
/// does: what the source took from somebody does not wait.
///
/// # Errors
/// [`IngestError`].
pub fn ingest_through(
    connector: &dyn SourceConnector,
    vault: &Arc<Vault>,
    by: &Operator,
    source: u32,
    spec: &SourceSpec,
    options: &IngestOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<RunReport, IngestError> {
    let ended = run::drive(vault, by, source, spec, options, connector, progress);
    let waits = matches!(ended, Err(IngestError::MassDelete { .. } | IngestError::NoDefault { .. }));
    if waits && !vault.known(Some(source))?.is_empty() {
        rights_only::sync_rights_through(connector, vault, by, source, spec, &options.stop)?;
    }
    ended
}
