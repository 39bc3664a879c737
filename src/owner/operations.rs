//! What operators do with the data as a whole, as operations: backups, keys, sources, checks. Like all operations
//! each can be done twice (see [`super::ops`]); like all of administration, none is for anybody else.

use super::ops::{EmbeddingState, Otherwise};
use kenward_indexes::vector::qdrant::Standing;
use kenward_vault::backup::{BackedUp, LastBackup};
use kenward_vault::keys::{Exported, KeyInfo};
use kenward_vault::mirrored::Comparison;
use kenward_vault::runs::RunRow;
use kenward_vault::sources::SourceInfo;
use kenward_vault::vault::Stats;
use kenward_vault::verify::{LastVerify, Verified};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operate {
    /// A backup.
    Backup {
        /// The folder that it becomes; absolute.
        to: PathBuf,
        /// What it is known by when it is sent again.
        id: String,
    },
    /// The keys, without their bytes.
    Keys,
    /// A new key in the place of one.
    RotateKey {
        /// Which.
        name: String,
        /// Short name of the one that is to go.
        from: String,
    },
    /// All keys into a file.
    ExportKeys {
        /// The file; absolute.
        file: PathBuf,
    },
    /// All sources with what they hold.
    Sources,
    /// Another name for a source.
    RenameSource {
        /// `ks_…`
        id: String,
        /// The name.
        new: String,
    },
    /// Another folder for a source.
    MoveSource {
        /// `ks_…`
        id: String,
        /// The folder; absolute.
        root: String,
    },
    /// A source with all its documents out of everything.
    RemoveSource {
        /// `ks_…`
        id: String,
    },
    /// A look at everything that is kept, and at these sources' files.
    Verify {
        /// By name.
        sources: Vec<String>,
        /// Builds again what can be built again.
        repair: bool,
    },
    /// How it is doing.
    Status,
    /// The same and more as metrics.
    Metrics,
    /// Whether questions would be answered now.
    Ready,
    /// The clock is right although it is behind what is recorded.
    AcceptClock,
    /// How vectors that are elsewhere are doing.
    VectorsElsewhere,
    /// Puts questions elsewhere from now on, if the answers are the same; or no more.
    AskElsewhere {
        /// Whether.
        asked: bool,
    },
}

impl Operate {
    /// Its name, for logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Backup { .. } => "backup",
            Self::Keys => "keys",
            Self::RotateKey { .. } => "rotate_key",
            Self::ExportKeys { .. } => "export_keys",
            Self::Sources => "sources",
            Self::RenameSource { .. } => "rename_source",
            Self::MoveSource { .. } => "move_source",
            Self::RemoveSource { .. } => "remove_source",
            Self::Verify { .. } => "verify",
            Self::Status => "status",
            Self::Metrics => "metrics",
            Self::Ready => "ready",
            Self::AcceptClock => "accept_clock",
            Self::VectorsElsewhere => "vectors_elsewhere",
            Self::AskElsewhere { .. } => "ask_elsewhere",
        }
    }
}

/// The reply to an [`Operate`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operated {
    /// Done, nothing to say.
    Done,
    /// The backup.
    BackedUp(BackedUp),
    /// The keys.
    Keys(Vec<KeyInfo>),
    /// What was exported.
    Exported(Exported),
    /// Sources.
    Sources(Vec<SourceInfo>),
    /// So many documents are gone.
    Removed(u64),
    /// What a look found.
    Verified(Verification),
    /// How it is doing.
    Status(Box<Status>),
    /// Metrics in Prometheus' text form.
    Metrics(String),
    /// How vectors that are elsewhere are doing; `None` = none are.
    VectorsElsewhere(Option<Standing>),
    /// What the comparison gave; questions are put there now if it agrees.
    AskedElsewhere(Comparison),
    /// The data is open.
    Ready {
        /// Whether the audit log can be written.
        audit: bool,
        /// Whether the rights ledger is where it belongs and can be written.
        ledger: bool,
    },
}

/// What a look at everything found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// In what is kept.
    pub stored: Verified,
    /// In the sources' files, beside what is kept of them.
    pub files: Vec<SourceFiles>,
}

impl Verification {
    /// Whether all of it is as it should be.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.stored.problems() == 0 && self.files.iter().all(SourceFiles::is_same)
    }
}

/// The files of a source beside what is kept of them, by their hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each field is named by what it counts")]
pub struct SourceFiles {
    pub source: String,
    pub same: u64,
    pub changed: u64,
    pub added: u64,
    pub removed: u64,
    pub failed: u64,
    /// Why they could not be looked at.
    pub error: Option<String>,
}

impl SourceFiles {
    /// Whether the files are what was read.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.changed + self.added + self.removed + self.failed == 0 && self.error.is_none()
    }
}

/// How it is doing. For operators only: it counts everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the owner.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Seconds since it opened the data.
    pub uptime_seconds: u64,
    /// The folder of all data.
    pub data_dir: PathBuf,
    /// The tenant.
    pub tenant: String,
    /// Its embedder.
    pub embedding: EmbeddingState,
    /// Its reranker, where one is configured.
    #[serde(default)]
    pub reranking: Option<String>,
    /// Why nothing can be searched.
    #[serde(default)]
    pub no_search: Option<Otherwise>,
    /// Counts.
    pub stats: Stats,
    /// How the vector cluster is doing, where there is one.
    #[serde(default)]
    pub vectors: Option<Standing>,
    /// Sources, each with its last run.
    pub sources: Vec<SourceStatus>,
    /// Bytes by store.
    pub disk: Vec<(String, u64)>,
    /// Bytes that are free on that disk.
    pub free: u64,
    /// The last look at everything.
    pub last_verify: Option<LastVerify>,
    /// The last backup.
    pub last_backup: Option<LastBackup>,
    /// By how many milliseconds the clock is behind what is recorded.
    pub clock_behind: u64,
    /// What is wrong with the rights ledger.
    pub ledger_wrong: Option<Otherwise>,
}

/// A source and its last run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceStatus {
    /// The source.
    pub source: SourceInfo,
    /// Its last run.
    pub last_run: Option<RunRow>,
    /// Its folder is there.
    pub reachable: bool,
}
