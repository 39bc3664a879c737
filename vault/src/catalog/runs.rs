//! Runs in the catalog: one row per run, from its first leg to its end. A run that was cut off or
//! paused is gone on with under the same number.

use super::{Tx, json, to_json};
use crate::error::VaultError;
use crate::runs::{RunRow, RunState};
use crate::writer::RunSummary;
use kenward_access::ids::Timestamp;
use rusqlite::{OptionalExtension, Row, params};

/// Rows beyond this many are forgotten, the oldest first.
const KEPT: i64 = 1_000;

/// Begins a run over a source, or goes on with its last one if that came to no end. Gives its number, and
/// whether it is gone on with.
pub(crate) fn begin(tx: &Tx<'_>, source: u32, now: Timestamp) -> Result<(i64, bool), VaultError> {
    let open: Option<i64> = tx.sql(|c| {
        c.query_row(
            "SELECT no FROM runs WHERE source = ?1 AND state IN (?2, ?3, ?4)
             AND no = (SELECT max(no) FROM runs WHERE source = ?1)",
            params![source, RunState::Paused.code(), RunState::Interrupted.code(), RunState::Refused.code()],
            |r| r.get(0),
        )
        .optional()
    })?;
    let running = RunState::Running.code();
    if let Some(no) = open {
        tx.sql(|c| {
            c.execute(
                "UPDATE runs SET state = ?2, legs = legs + 1, ended = NULL, why = NULL WHERE no = ?1",
                params![no, running],
            )
        })?;
        return Ok((no, true));
    }
    tx.sql(|c| {
        c.execute("DELETE FROM runs WHERE no <= (SELECT max(no) FROM runs) - ?1", [KEPT])?;
        c.query_row(
            "INSERT INTO runs (source, started, state) VALUES (?1, ?2, ?3) RETURNING no",
            params![source, now.0, running],
            |r| Ok((r.get(0)?, false)),
        )
    })
}

/// How far a leg has come: so many of so many files, and what it did so far.
pub(crate) fn note(
    tx: &Tx<'_>,
    run: i64,
    (done, of): (u64, u64),
    summary: &RunSummary,
) -> Result<(), VaultError> {
    let summary = to_json(summary)?;
    let (done, of) = (done.cast_signed(), of.cast_signed());
    tx.sql(|c| {
        c.execute(
            "UPDATE runs SET done = ?2, files = ?3, summary = ?4 WHERE no = ?1",
            params![run, done, of, summary],
        )
    })
    .map(drop)
}

/// Ends a leg.
pub(crate) fn end(tx: &Tx<'_>, run: i64, now: Timestamp, state: RunState) -> Result<(), VaultError> {
    tx.sql(|c| {
        c.execute("UPDATE runs SET ended = ?2, state = ?3 WHERE no = ?1", params![run, now.0, state.code()])
    })
    .map(drop)
}

/// Keeps the words of what stopped the last run of a source, and as what it ended.
pub(crate) fn explain(tx: &Tx<'_>, source: u32, state: RunState, why: &str) -> Result<(), VaultError> {
    tx.sql(|c| {
        c.execute(
            "UPDATE runs SET why = ?2, state = ?4 WHERE state = ?3
             AND no = (SELECT max(no) FROM runs WHERE source = ?1)",
            params![source, why, RunState::Interrupted.code(), state.code()],
        )
    })
    .map(drop)
}

/// Keeps a run's report, as its maker wrote it.
pub(crate) fn keep_report(tx: &Tx<'_>, run: i64, report: &str) -> Result<(), VaultError> {
    tx.sql(|c| c.execute("UPDATE runs SET report = ?2 WHERE no = ?1", params![run, report])).map(drop)
}

/// At an opening nothing runs: whose owner is gone was cut off.
pub(crate) fn cut_off(tx: &Tx<'_>) -> Result<(), VaultError> {
    let (running, interrupted) = (RunState::Running.code(), RunState::Interrupted.code());
    tx.sql(|c| c.execute("UPDATE runs SET state = ?2 WHERE state = ?1", [running, interrupted])).map(drop)
}

const COLUMNS: &str = "SELECT runs.no, sources.name, started, ended, legs, state, done, files, summary, why
     FROM runs JOIN sources ON sources.no = runs.source";

/// The last runs, newest first; of all sources, or of one by name.
pub(crate) fn last(tx: &Tx<'_>, source: Option<&str>, limit: u32) -> Result<Vec<RunRow>, VaultError> {
    let sql = format!("{COLUMNS} WHERE ?1 IS NULL OR sources.name = ?1 ORDER BY runs.no DESC LIMIT ?2");
    let rows: Vec<Raw> = tx.sql(|c| c.prepare(&sql)?.query_map(params![source, limit], raw)?.collect())?;
    rows.into_iter().map(Raw::read).collect()
}

/// One run, with its report.
pub(crate) fn one(tx: &Tx<'_>, no: i64) -> Result<Option<(RunRow, Option<String>)>, VaultError> {
    let sql = format!("{COLUMNS} WHERE runs.no = ?1");
    let row = tx.sql(|c| c.query_row(&sql, [no], raw).optional())?;
    let report =
        tx.sql(|c| c.query_row("SELECT report FROM runs WHERE no = ?1", [no], |r| r.get(0)).optional())?;
    row.map(|row| Ok((row.read()?, report.flatten()))).transpose()
}

struct Raw {
    row: RunRow,
    state: i64,
    summary: Option<String>,
}

fn raw(r: &Row<'_>) -> rusqlite::Result<Raw> {
    let count = |at| r.get::<_, i64>(at).map(i64::cast_unsigned);
    Ok(Raw {
        row: RunRow {
            no: r.get(0)?,
            source: r.get(1)?,
            started: Timestamp(r.get(2)?),
            ended: r.get::<_, Option<i64>>(3)?.map(Timestamp),
            legs: r.get(4)?,
            state: RunState::Running,
            done: count(6)?,
            of: count(7)?,
            summary: RunSummary::default(),
            why: r.get(9)?,
        },
        state: r.get(5)?,
        summary: r.get(8)?,
    })
}

impl Raw {
    fn read(self) -> Result<RunRow, VaultError> {
        let summary = self.summary.as_deref().map(json).transpose()?.unwrap_or_default();
        let state = RunState::of_code(self.state).ok_or_else(|| {
            VaultError::damaged("the catalog's table `runs`", "put `catalog.sqlite` back from a backup")
        })?;
        Ok(RunRow { summary, state, ..self.row })
    }
}
