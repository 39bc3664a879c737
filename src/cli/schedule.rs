//! Schedules: while a server runs, configured sources with an `every` are ingested when their last run
//! ended that long ago. Any number of servers may do so at once: a source is run over by one of them. It
//! must never go on with a run that somebody paused.

use super::ingest::configured;
use super::out;
use crate::config::{Config, ConfiguredSource, Role};
use crate::owner::ops::{Op, Reply, RunOrder};
use crate::owner::{Backend, BackendError};
use kenward_vault::runs::{RunRow, RunState};
use std::convert::Infallible;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Between two looks at the clock.
const LOOK: Duration = Duration::from_secs(5);

/// Runs over what is due until it is dropped.
pub(super) async fn run(backend: &Backend, config: &Config) -> Infallible {
    let mut scheduled: Vec<(&ConfiguredSource, Duration, Option<Instant>)> =
        config.sources.iter().filter_map(|source| Some((source, source.every?, None))).collect();
    let uid = rustix::process::getuid().as_raw();
    let operates = config.operators.get(&uid).is_some_and(|person| person.role == Role::Operator);
    if scheduled.is_empty() || !operates {
        return std::future::pending().await;
    }
    let shortest = scheduled.iter().map(|(_, every, _)| *every).min().unwrap_or(LOOK);
    let look = LOOK.min(shortest);
    loop {
        for (source, every, tried) in &mut scheduled {
            // What was refused is not asked for again at every look.
            if tried.is_some_and(|at| at.elapsed() < *every) {
                continue;
            }
            *tried = Some(Instant::now());
            if let Err(error) = once(source, *every, backend).await {
                let (message, _) = crate::owner::words(&error);
                tracing::warn!(source = source.name, error = message, "a scheduled run could not be begun");
            }
        }
        tokio::time::sleep(look).await;
    }
}

/// Runs over a source if it is due.
async fn once(source: &ConfiguredSource, every: Duration, backend: &Backend) -> Result<(), BackendError> {
    let last = match backend.ask(Op::Runs { source: Some(source.name.clone()), limit: 1 }).await? {
        Reply::Runs(rows) => rows.into_iter().next(),
        refused => {
            told(source, refused);
            return Ok(());
        }
    };
    if !due(last.as_ref(), every, now()) {
        return Ok(());
    }
    let recorded = match backend.ask(Op::Sources).await? {
        Reply::Sources(recorded) => recorded,
        refused => {
            told(source, refused);
            return Ok(());
        }
    };
    let spec = match configured(source, &recorded) {
        Ok(spec) => spec,
        Err(error) => {
            tracing::warn!(source = source.name, %error, "a scheduled source cannot be used");
            return Ok(());
        }
    };
    match backend.ask(Op::AddSource { spec }).await? {
        Reply::Done => {}
        refused => {
            told(source, refused);
            return Ok(());
        }
    }
    tracing::info!(source = source.name, "a scheduled run begins");
    let op = Op::Ingest(RunOrder { source: source.name.clone(), ..RunOrder::default() });
    match backend.call(op, &mut |_| ()).await? {
        Reply::Ingested(report) => {
            let (run, state, failed) = (report.run, report.state.word(), report.summary.failed);
            tracing::info!(source = source.name, run, state, failed, "a scheduled run ended");
        }
        refused => told(source, refused),
    }
    Ok(())
}

/// Says in the log why nothing came of it.
fn told(source: &ConfiguredSource, reply: Reply) {
    let why = match reply {
        Reply::NeedsDefault { files, .. } => {
            format!("{files} files carry no rights of their own; give the source a `default_allow`")
        }
        other => super::fail::unexpected(other).to_string(),
    };
    tracing::warn!(source = source.name, why = out::line(&why), "a scheduled run did not come about");
}

/// Whether a source whose last run is this one is to be run over now.
fn due(last: Option<&RunRow>, every: Duration, now: i64) -> bool {
    let Some(last) = last else { return true };
    let since = |at: i64| u64::try_from(now.saturating_sub(at)).unwrap_or(0);
    match last.state {
        RunState::Running | RunState::Paused => false,
        RunState::Done | RunState::Cancelled | RunState::Interrupted => {
            let ended = last.ended.unwrap_or(last.started).0;
            Duration::from_millis(since(ended)) >= every
        }
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kenward_access::ids::Timestamp;
    use kenward_vault::writer::RunSummary;

    fn row(state: RunState, ended: Option<i64>) -> RunRow {
        RunRow {
            no: 1,
            source: "handbook".into(),
            started: Timestamp(1_000),
            ended: ended.map(Timestamp),
            legs: 1,
            state,
            done: 0,
            of: 0,
            summary: RunSummary::default(),
            why: None,
        }
    }

    #[test]
    fn what_ended_long_enough_ago_is_due_and_what_was_paused_never() {
        let every = Duration::from_secs(10);
        assert!(due(None, every, 0));
        for state in [RunState::Done, RunState::Cancelled, RunState::Interrupted] {
            assert!(due(Some(&row(state, Some(2_000))), every, 12_000));
            assert!(!due(Some(&row(state, Some(2_000))), every, 11_999));
        }
        // A clock that was set back makes nothing due.
        assert!(!due(Some(&row(RunState::Done, Some(2_000))), every, -99_000));
        for state in [RunState::Running, RunState::Paused] {
            assert!(!due(Some(&row(state, Some(2_000))), every, i64::MAX));
        }
    }
}
