//! `kenward runs`: what was ingested when, and how it went; a run is paused, cancelled or gone on
//! with. The owner of the data does it; nothing here reads a document.

use super::fail::{Fix, want};
use super::{Context, Outcome, ingest, out, words};
use crate::owner::Backend;
use crate::owner::ops::{Op, Reply};
use clap::Subcommand;
use kenward_ingest::pipeline::{RunReport, rights_are_in};
use kenward_vault::runs::{RunRow, RunState};
use std::time::Duration;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// The last runs, newest first
    List {
        /// Of this source alone
        #[arg(long)]
        source: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// One run: how far it is, what failed, what rights hide
    Show {
        /// Its number, or the name of a source (then its last run)
        run: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Stops a run until it is resumed; what it has read stays
    Pause {
        /// Its number, or the name of a source (then its last run)
        run: String,
    },
    /// Ends a run; what it has read stays, and nothing goes on with it
    Cancel {
        /// Its number, or the name of a source (then its last run)
        run: String,
    },
    /// Goes on with a run that was paused or interrupted
    Resume {
        /// Its number, or the name of a source (then its last run)
        run: String,
        /// Progress and report as JSON lines
        #[arg(long)]
        json: bool,
    },
}

pub(crate) async fn run(args: Args, context: &Context) -> anyhow::Result<Outcome> {
    if let Verb::Resume { run, json } = args.verb {
        let backend = context.backend().await?;
        let row = find(&run, &backend).await;
        backend.close().await;
        let row = row?;
        return match row.state {
            RunState::Paused | RunState::Interrupted => ingest::resume(row.source, json, context).await,
            state => {
                let hint = match state {
                    RunState::Refused => format!(
                        "`kenward ingest {} --allow-mass-delete`, if it is right that so much is gone",
                        row.source
                    ),
                    RunState::Running => format!("wait for its end, or see `kenward runs show {}`", row.no),
                    _ => format!("`kenward ingest {}` begins a new one", row.source),
                };
                Err(Fix::new(format!("run {} is {}", row.no, state.word()), hint).into())
            }
        };
    }
    let backend = context.backend().await?;
    let outcome = act(args.verb, &backend).await;
    backend.close().await;
    outcome
}

async fn act(verb: Verb, backend: &Backend) -> anyhow::Result<Outcome> {
    match verb {
        Verb::List { source, limit, json } => list(source, limit, json, backend).await,
        Verb::Show { run, json } => show(&run, json, backend).await,
        Verb::Pause { run } => stop(&run, RunState::Paused, backend).await,
        Verb::Cancel { run } => stop(&run, RunState::Cancelled, backend).await,
        // Dealt with before.
        Verb::Resume { .. } => Ok(Outcome::Done),
    }
}

/// The run that is meant.
async fn find(run: &str, backend: &Backend) -> anyhow::Result<RunRow> {
    if let Ok(no) = run.parse::<i64>() {
        return Ok(one(no, backend).await?.0);
    }
    let op = Op::Runs { source: Some(run.to_owned()), limit: 1 };
    let rows = want!(backend.ask(op).await?, Reply::Runs(rows) => rows);
    rows.into_iter().next().ok_or_else(|| {
        Fix::new(format!("there is no run of a source `{run}`"), "see `kenward runs list`").into()
    })
}

async fn one(no: i64, backend: &Backend) -> anyhow::Result<(RunRow, Option<RunReport>)> {
    Ok(*want!(backend.ask(Op::Run { no }).await?, Reply::Run(found) => found))
}

async fn list(source: Option<String>, limit: u32, json: bool, backend: &Backend) -> anyhow::Result<Outcome> {
    let rows = want!(backend.ask(Op::Runs { source, limit }).await?, Reply::Runs(rows) => rows);
    if json {
        out::json(&rows)?;
        return Ok(Outcome::Done);
    }
    let table: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.no.to_string(),
                row.source.clone(),
                out::time(row.started),
                row.state.word().to_owned(),
                match row.state {
                    RunState::Refused => "-".to_owned(),
                    _ => format!("{}/{}", row.done, row.of),
                },
                row.summary.failed.to_string(),
            ]
        })
        .collect();
    out::print(&out::table(&["run", "source", "started", "state", "files", "failed"], &table))?;
    // It is no run of a source, and takes as long as one.
    let stats = want!(backend.ask(Op::Stats).await?, Reply::Stats(stats) => stats);
    if let Some(anew) = &stats.anew {
        out::say(&format!("embedding anew {}", words::anew(anew)));
    }
    Ok(Outcome::Done)
}

async fn show(run: &str, json: bool, backend: &Backend) -> anyhow::Result<Outcome> {
    let row = find(run, backend).await?;
    let (row, report) = one(row.no, backend).await?;
    if json {
        out::json(&serde_json::json!({ "run": row, "report": report }))?;
    } else {
        out::print(&drawn(&row, report.as_ref()))?;
    }
    Ok(Outcome::Done)
}

fn drawn(row: &RunRow, report: Option<&RunReport>) -> String {
    let ended = row.ended.map_or_else(|| "not yet".to_owned(), out::time);
    let s = &row.summary;
    let mut lines = vec![
        format!("run {} of {}: {}", row.no, row.source, row.state.word()),
        format!("  started    {}", out::time(row.started)),
        format!("  ended      {ended}"),
        format!("  files      {} of {}{}", row.done, row.of, legs(row.legs)),
        format!(
            "  documents  {} added, {} changed, {} unchanged, {} removed, {} failed",
            s.added, s.changed, s.unchanged, s.removed, s.failed
        ),
        format!(
            "  rights     {} changed, {} hidden",
            s.rights_changed,
            words::count(s.hidden_for_unresolved_rights, "document")
        ),
        format!("  passages   {}", s.chunks),
    ];
    lines.extend(row.why.iter().map(|why| format!("  stopped by {why}")));
    if let Some(report) = report {
        let embedder = report.embedder.as_deref().unwrap_or("none: words alone");
        lines.push(format!(
            "  embedder   {embedder}, {:.1} s of {:.1} s",
            report.embedder_seconds, report.seconds
        ));
        lines.push(format!(
            "  memory     {} MiB for documents under way, at most",
            report.memory_peak.div_ceil(1 << 20)
        ));
        lines.extend(report.failures.iter().map(|f| {
            let tries = if f.attempts == 1 { "1 try".to_owned() } else { format!("{} tries", f.attempts) };
            let again = ingest::tried_again(std::iter::once(f)).unwrap_or_default();
            format!("  failed     {}: {}, {tries}, {again}: {}", f.path, f.reason, f.detail)
        }));
        lines.extend(report.skipped_unknown.iter().map(|path| format!("  skipped    {path}")));
        lines.extend(
            report.rights_problems.iter().map(|(place, what)| format!("  hidden     {place}: {what}")),
        );
        lines.extend(
            report
                .rights_not_read
                .iter()
                .map(|path| format!("  not read   {path}: {}", rights_are_in(report.fidelity.format))),
        );
        lines.extend(ingest::fidelity(&report.fidelity).iter().map(|line| format!("  {line}")));
        lines.extend(
            report.rules_unmatched.iter().map(|place| format!("  matches no file: the rule at {place}")),
        );
    }
    lines.iter().map(|line| out::line(line) + "\n").collect()
}

fn legs(legs: u32) -> String {
    match legs {
        0 | 1 => String::new(),
        more => format!(", gone on with {}", words::count(u64::from(more - 1), "time")),
    }
}

/// Between two looks at a run that is to stop.
const LOOK: Duration = Duration::from_millis(100);
/// A run is looked at so often: it may first read to its end what it is reading.
const LOOKS: u32 = 1_200;

async fn stop(run: &str, state: RunState, backend: &Backend) -> anyhow::Result<Outcome> {
    let row = find(run, backend).await?;
    want!(backend.ask(Op::StopRun { no: row.no, state }).await?, Reply::Done => ());
    for look in 0..LOOKS {
        let (now, _) = one(row.no, backend).await?;
        match now.state {
            RunState::Running => {}
            reached if reached == state => {
                out::say(&format!("run {} of {} is {}", now.no, out::line(&now.source), state.word()));
                if state == RunState::Paused {
                    out::hint(&format!("`kenward runs resume {}` goes on with it", now.no));
                }
                return Ok(Outcome::Done);
            }
            other => {
                let hint = format!("see `kenward runs show {}`", now.no);
                return Err(
                    Fix::new(format!("run {} came to be {} first", now.no, other.word()), hint).into()
                );
            }
        }
        if look == 10 {
            out::say("waiting for what is being read");
        }
        tokio::time::sleep(LOOK).await;
    }
    out::say("it was asked to stop, and has not yet");
    Ok(Outcome::NotAllWell)
}
