//! The operations that a front sends to the owner of the data: typed, retryable, one reply each.
//! A claim says who is asking; only the owner's authenticator turns it into a caller.
//!
//! The owner may die after it has done an operation and before its reply arrives, and the front then
//! sends the same operation again. So each must be one that can be done twice: it only reads (what is
//! recorded of it is then recorded twice), it states what shall be (`AddSource`, `Ingest`, `SyncRights`, `StopRun`), or it
//! carries what it is known by (`ChangeDirectory`, `CreateToken`).

pub use super::operations::{Operate, Operated, SourceFiles, SourceStatus, Status, Verification};
use crate::config::marks::Marks;
use kenward_access::agent::Only;
use kenward_access::caller::Caller;
use kenward_indexes::vector::qdrant::Standing as VectorStanding;
use kenward_ingest::pipeline::plan::Plan;
use kenward_ingest::pipeline::{Progress, RightsReport, RunReport};
use kenward_vault::AnswerError;
use kenward_vault::directory::{DirectoryChange, Group, OperationId, Token, User};
pub use kenward_vault::knowledge_base::Question;
use kenward_vault::knowledge_base::{Seen, Watch};
use kenward_vault::lost::ReadAgain;
use kenward_vault::preview::ViewsChanged;
use kenward_vault::reembed::Ended;
use kenward_vault::runs::{RunRow, RunState};
use kenward_vault::sources::HiddenDocuments;
use kenward_vault::vault::{Stats, Why};
use kenward_vault::writer::{Failure, Freshness, SourceSpec};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The words of [`Reply::Failed`] for what should not happen.
pub const INTERNAL: &str = "something failed inside";

/// Who a front says is asking; to be proven by the owner.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// A bearer token, as it came.
    Bearer(String),
    /// The person behind the peer's operating-system user id, or, with the operator role and a
    /// reason, somebody else (by handle).
    Local {
        /// Act as this person.
        act_as: Option<String>,
        /// Why.
        reason: Option<String>,
    },
}

/// A run over a recorded source, as it is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOrder {
    /// Name of the source.
    pub source: String,
    /// Allows removing most of it.
    pub allow_mass_delete: bool,
    /// Tries failed documents again though it is too early, or nothing has changed.
    pub retry_failed: bool,
    /// Of the files that the listing shows unchanged, reads only these; `None` = all.
    pub only: Option<Vec<String>>,
}

/// One operation.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Is anybody there, which version, and by which configuration does it go?
    Ping,
    /// A question of an agent.
    Ask {
        /// Who asks.
        claim: Claim,
        /// What.
        question: Question,
        /// Named in every error and log line.
        request_id: String,
    },
    /// What has changed of what somebody watches.
    Watch {
        /// Who watches.
        claim: Claim,
        /// What.
        watch: Watch,
        /// As it was seen last; `None` = not yet.
        seen: Option<Seen>,
        /// Named in every error and log line.
        request_id: String,
    },
    /// Whether the claim would be accepted now (the HTTP front's check before it answers anything).
    Authenticate {
        /// Who asks.
        claim: Claim,
    },
    /// Changes to the directory, all or none.
    ChangeDirectory {
        /// What it is known by when it is sent again.
        operation: OperationId,
        /// In order.
        changes: Vec<DirectoryChange>,
    },
    /// Whether the models that the configuration names can be used.
    Ready,
    /// The sensitivity labels of the owner's configuration, which may be another than the front's.
    Labels,
    /// All people.
    Users,
    /// All groups.
    Groups,
    /// All tokens, without secrets.
    Tokens,
    /// A new token. The front draws its secret and keeps it; the owner learns the hash, by which it
    /// knows the token again.
    CreateToken {
        /// SHA-256 of the secret.
        hash: [u8; 32],
        /// For whom, by handle.
        user: String,
        /// For which agent.
        agent: Option<String>,
        /// A label.
        label: String,
        /// Days until it ends.
        days: u32,
    },
    /// Whether somebody may read a document, and why.
    Why {
        /// Handle.
        user: String,
        /// `kd_…` or `source/path`.
        document: String,
    },
    /// Recorded sources.
    Sources,
    /// Records a source.
    AddSource {
        /// The source.
        spec: SourceSpec,
    },
    /// Runs over a recorded source; sends progress before its reply.
    Ingest(RunOrder),
    /// Reads the rights of a recorded source, and nothing else of it.
    SyncRights {
        /// Name of the source.
        source: String,
    },
    /// Embeds all documents anew, by what the configuration asks for, and switches to that; sends progress before its
    /// reply.
    ReEmbed,
    /// What a run over a source would do, which need not be recorded. It writes nothing.
    Plan {
        /// The source as it would be recorded.
        spec: SourceSpec,
    },
    /// The last runs, newest first.
    Runs {
        /// Of one source, by name.
        source: Option<String>,
        /// At most so many.
        limit: u32,
    },
    /// One run.
    Run {
        /// Its number.
        no: i64,
    },
    /// Asks a run to end as paused or cancelled, or marks one that came to no end.
    StopRun {
        /// Its number.
        no: i64,
        /// As what.
        state: RunState,
    },
    /// Counts.
    Stats,
    /// Counts, failures, and how the owner is doing.
    Health,
    /// What operators do with the data as a whole.
    Operate(Operate),
}

impl Op {
    /// Its name, for logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Ask { question, .. } => question.name(),
            Self::Watch { .. } => "watch",
            Self::Authenticate { .. } => "authenticate",
            Self::ChangeDirectory { .. } => "change_directory",
            Self::Ready => "ready",
            Self::Labels => "labels",
            Self::Users => "users",
            Self::Groups => "groups",
            Self::Tokens => "tokens",
            Self::CreateToken { .. } => "create_token",
            Self::Why { .. } => "why",
            Self::Sources => "sources",
            Self::AddSource { .. } => "add_source",
            Self::Ingest(_) => "ingest",
            Self::SyncRights { .. } => "sync_rights",
            Self::ReEmbed => "re_embed",
            Self::Plan { .. } => "plan",
            Self::Runs { .. } => "runs",
            Self::Run { .. } => "run",
            Self::StopRun { .. } => "stop_run",
            Self::Stats => "stats",
            Self::Health => "health",
            Self::Operate(operate) => operate.name(),
        }
    }
}

/// Which embedder the owner uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum EmbeddingState {
    /// This one.
    Running {
        /// Engine and model.
        engine: String,
        /// Why another one would be better, or was asked for.
        otherwise: Option<Otherwise>,
        /// That texts and queries leave this machine, and where to; `None` = they stay.
        #[serde(default)]
        leaves: Option<String>,
    },
    /// None: words alone (BM25).
    LexicalOnly {
        /// Why.
        reason: String,
        /// What to do about it; `None` = it was asked for.
        hint: Option<String>,
    },
}

/// Something that is not as it could be, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Otherwise {
    /// What.
    pub what: String,
    /// What to do.
    pub hint: String,
}

/// Failed documents of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFailures {
    /// Name of the source.
    pub source: String,
    /// Its failures.
    pub failures: Vec<Failure>,
}

/// How the owner and its data are doing. For operators only: it counts everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Version of the owner.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// How many audit records there are, if their chain holds; else what does not.
    pub audit: Result<u64, String>,
    /// How many entries the rights ledger has, if its chain holds; else what does not.
    pub ledger: Result<u64, Otherwise>,
    /// By how many milliseconds the system's clock is behind what is recorded.
    pub clock_behind: u64,
    /// Its embedder.
    pub embedding: EmbeddingState,
    /// Its reranker, where one is configured.
    #[serde(default)]
    pub reranking: Option<String>,
    /// Counts.
    pub stats: Stats,
    /// Failed documents.
    pub failures: Vec<SourceFailures>,
    /// What of the sources is hidden from everybody.
    pub hidden: Vec<HiddenDocuments>,
    /// How recent the sources are.
    pub freshness: Vec<Freshness>,
    /// What the next runs read again although it has not changed.
    pub read_again: Vec<ReadAgain>,
    /// How the vector cluster is doing, where there is one.
    #[serde(default)]
    pub vectors: Option<VectorStanding>,
}

/// A reading of rights, and whose view of the documents it changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RightsRead {
    /// What it came to.
    #[serde(flatten)]
    pub report: RightsReport,
    /// Whose view changed.
    #[serde(flatten)]
    pub views: ViewsChanged,
}

/// What a front must know of a claim that is accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Whom its requests are counted for: a hash of the tenant and the subject, which says nothing else.
    pub counted_as: [u8; 16],
    /// The tools that its agent may call; `None` = all.
    pub tools: Option<BTreeSet<String>>,
}

impl Accepted {
    /// Of a caller.
    #[must_use]
    pub fn of(caller: &Caller) -> Self {
        let tools = match &caller.limits().tools {
            Only::All => None,
            Only::These(names) => Some(names.iter().map(|name| String::from(&**name)).collect()),
        };
        Self { counted_as: caller.counted_as(), tools }
    }

    /// Whether a tool may be called.
    #[must_use]
    pub fn may_call(&self, tool: &str) -> bool {
        self.tools.as_ref().is_none_or(|tools| tools.contains(tool))
    }
}

/// How a claim stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is accepted.
    Accepted(Accepted),
    /// It is not.
    Refused,
    /// Its token holds, and was not issued for reading.
    Scope,
    /// That cannot be told now.
    Later,
}

/// The reply to an [`Op`].
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// To `Ping`.
    Pong {
        /// The binary's version.
        version: String,
        /// Of the configuration that it goes by.
        marks: Marks,
    },
    /// To `Ask`: the final bytes of the disclosure (one JSON object).
    Answer(String),
    /// To `Ask` and `Watch`: an error for the caller.
    Refused(AnswerError),
    /// To `Watch`.
    Watched {
        /// As it is seen now.
        seen: Seen,
        /// The final bytes of what is told; `None` = nothing changed.
        told: Option<String>,
    },
    /// To `Authenticate`.
    Authenticated(Standing),
    /// Done, nothing to say.
    Done,
    /// Labels, least sensitive first.
    Labels(Vec<String>),
    /// People.
    Users(Vec<User>),
    /// Groups.
    Groups(Vec<Group>),
    /// Tokens.
    Tokens(Vec<Token>),
    /// The new token, without its secret.
    Token(Token),
    /// An explanation.
    Why(Why),
    /// Sources.
    Sources(Vec<SourceSpec>),
    /// Progress of a run; more follows.
    Progress(Progress),
    /// The end of a run.
    Ingested(Box<RunReport>),
    /// The end of a reading of rights.
    RightsRead(Box<RightsRead>),
    /// To `ReEmbed`.
    ReEmbedded(Ended),
    /// To `Ingest`: documents carry no rights, and nobody said who may read such ones.
    NeedsDefault {
        /// Name of the source.
        source: String,
        /// How many files.
        files: u64,
    },
    /// What a run would do.
    Plan(Box<Plan>),
    /// Runs.
    Runs(Vec<RunRow>),
    /// One run, and the report of it if one was kept.
    Run(Box<(RunRow, Option<RunReport>)>),
    /// Counts.
    Stats(Stats),
    /// How it is doing.
    Health(Box<Health>),
    /// To `Operate`.
    Operated(Box<Operated>),
    /// The operation failed; the words are for an operator.
    Failed {
        /// What went wrong.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
}

impl Reply {
    /// How the operation ended, for logs.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::Failed { .. } => "failed",
            Self::Refused(_) => "refused",
            Self::NeedsDefault { .. } => "needs_default",
            _ => "ok",
        }
    }
}
