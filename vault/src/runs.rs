//! Runs as operators see them: over which source, since when, how far, and how each ended. They
//! count everything, so they are for operators only, and never for an agent.

use crate::catalog::runs;
use crate::error::VaultError;
use crate::vault::{Operator, Vault};
use crate::writer::RunSummary;
use kenward_access::ids::Timestamp;
use serde::{Deserialize, Serialize};

/// How a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It is under way.
    Running,
    /// It came to its end.
    Done,
    /// Somebody ended it; what it had read stays. The next run of its source is a new one.
    Cancelled,
    /// Somebody stopped it for a while. It goes on when it is resumed, or its source ingested by hand.
    Paused,
    /// Its process or its front was lost, or an error stopped it. It goes on when its source is next run.
    Interrupted,
    /// It was refused because it would have removed too much: nothing was removed. It goes on when its source is next run.
    Refused,
}

impl RunState {
    const ALL: [Self; 6] =
        [Self::Running, Self::Done, Self::Cancelled, Self::Paused, Self::Interrupted, Self::Refused];

    /// As the catalog keeps it.
    pub(crate) fn code(self) -> i64 {
        match self {
            Self::Running => 0,
            Self::Done => 1,
            Self::Cancelled => 2,
            Self::Paused => 3,
            Self::Interrupted => 4,
            Self::Refused => 5,
        }
    }

    pub(crate) fn of_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// Whether it came to no end: the next run of its source goes on with it.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Paused | Self::Interrupted | Self::Refused)
    }

    /// In a word, for people and the audit log.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Paused => "paused",
            Self::Interrupted => "interrupted",
            Self::Refused => "refused",
        }
    }
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRow {
    /// Its number, from 1.
    pub no: i64,
    /// Name of its source.
    pub source: String,
    /// Start of its first leg.
    pub started: Timestamp,
    /// End of its last leg; `None` while it is under way.
    pub ended: Option<Timestamp>,
    /// How often it was begun or gone on with.
    pub legs: u32,
    /// How it is.
    pub state: RunState,
    /// Files that its last leg came to the end of.
    pub done: u64,
    /// Files that its last leg found.
    pub of: u64,
    /// What its last leg did, as last noted.
    pub summary: RunSummary,
    /// What stopped it, in words, if an error did.
    pub why: Option<String>,
}

impl Vault {
    /// The last runs, newest first; of all sources, or of one.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn runs(&self, source: Option<&str>, limit: u32) -> Result<Vec<RunRow>, VaultError> {
        self.catalog.lock().transaction("listing runs", |tx| runs::last(tx, source, limit))
    }

    /// One run, with the report that was kept of it.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn run(&self, no: i64) -> Result<Option<(RunRow, Option<String>)>, VaultError> {
        self.catalog.lock().transaction("reading a run", |tx| runs::one(tx, no))
    }

    /// Keeps a report beside its run. What it says is its maker's business.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn keep_report(&self, no: i64, report: &str) -> Result<(), VaultError> {
        self.catalog.lock().transaction("keeping a report", |tx| runs::keep_report(tx, no, report))
    }

    /// Keeps the words of the error that stopped the last run of a source.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn explain_run(&self, source: u32, why: &str) -> Result<(), VaultError> {
        let state = RunState::Interrupted;
        self.catalog.lock().transaction("keeping an error", |tx| runs::explain(tx, source, state, why))
    }

    /// States that the last run of a source, which has just ended, was refused, and why.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn refuse_run(&self, source: u32, why: &str) -> Result<(), VaultError> {
        let state = RunState::Refused;
        self.catalog.lock().transaction("keeping a refusal", |tx| runs::explain(tx, source, state, why))
    }

    /// Records that somebody asked a run under way to end as paused or cancelled.
    pub fn note_stop(&self, by: &Operator, row: &RunRow, state: RunState) {
        let details = serde_json::json!({ "run": row.no, "source": row.source, "state": state.word() });
        self.core.note_deed(by, "run_stopped", details);
    }

    /// Marks a run that is not under way: one that came to no end may be paused (so that no schedule goes
    /// on with it) or cancelled.
    ///
    /// # Errors
    /// [`VaultError::Name`] if there is no such run, or it is under way or at its end.
    pub fn mark_run(&self, by: &Operator, no: i64, state: RunState) -> Result<(), VaultError> {
        let now = self.core.now();
        let row = self.catalog.lock().transaction("marking a run", |tx| {
            let Some((row, _)) = runs::one(tx, no)? else {
                return Err(VaultError::name(format!("there is no run {no}"), "see `kenward runs list`"));
            };
            if row.state == state {
                return Ok(row);
            }
            if !row.state.is_open() {
                return Err(VaultError::name(
                    format!("run {no} is {}", row.state.word()),
                    "only a run that came to no end can be paused or cancelled",
                ));
            }
            runs::end(tx, no, row.ended.unwrap_or(now), state)?;
            Ok(row)
        })?;
        self.core.note_deed(
            by,
            "run_marked",
            serde_json::json!({ "run": no, "source": row.source, "state": state.word() }),
        );
        Ok(())
    }
}
