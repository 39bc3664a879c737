//! `kenward ingest --watch`: goes on reading what changes until it is stopped. It must end by a signal alone:
//! what goes wrong is told, and tried again.

use super::super::tend::{Tended, Told, tend};
use super::super::{Outcome, out, serve};
use super::{progress, tried_again};
use crate::cli::words;
use crate::owner::Backend;
use crate::owner::ops::RightsRead;
use kenward_ingest::pipeline::{Progress, RunReport};
use kenward_vault::writer::SourceSpec;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Watches all of these, which were read a moment ago.
pub(super) async fn all(specs: Vec<SourceSpec>, json: bool, backend: &Backend) -> anyhow::Result<Outcome> {
    let stop = serve::told_to_stop()?;
    out::say(&format!("watching {}; stop with Ctrl-C", names(&specs)));
    let mut tending = JoinSet::new();
    for spec in specs {
        let (backend, name) = (backend.clone(), spec.name.clone());
        let tell = Arc::new(move |told: Told<'_>| tell(&name, told, json));
        tending.spawn(async move { tend(Tended::watched(spec), &backend, &*tell).await });
    }
    stop.await;
    // Dropping the calls stops runs under way; what was put stays.
    tending.shutdown().await;
    out::say("stopped");
    Ok(Outcome::Done)
}

fn names(specs: &[SourceSpec]) -> String {
    specs.iter().map(|spec| out::line(&spec.name)).collect::<Vec<_>>().join(", ")
}

fn tell(source: &str, told: Told<'_>, json: bool) {
    match told {
        Told::Problem(why) => out::say(&out::line(&format!("{source}: {why}"))),
        // A reader that has gone away is told nothing; the watch goes on.
        Told::Progress(event) if json => progress::line(event),
        Told::Progress(_) => {}
        Told::Run(report) if json => progress::line(&Progress::Finished(Box::new(report.clone()))),
        Told::Run(report) => run(report),
        Told::Rights(report) if json => {
            let line = serde_json::json!({ "event": "rights_read", "report": report });
            let _ = out::print(&format!("{line}\n"));
        }
        Told::Rights(report) => rights(report),
    }
}

fn run(report: &RunReport) {
    let s = &report.summary;
    if s.added + s.changed + s.removed + s.failed + s.rights_changed == 0 {
        return;
    }
    out::say(&out::line(&format!(
        "{}: {} added, {} changed, {} removed, {} failed, {} rights changed ({:.1} s)",
        report.source, s.added, s.changed, s.removed, s.failed, s.rights_changed, report.seconds
    )));
    for failure in report.failures.iter().take(10) {
        let again = tried_again(std::iter::once(failure)).unwrap_or_default();
        out::say(&out::line(&format!("  failed: {} ({}, {again})", failure.path, failure.reason)));
    }
}

fn rights(RightsRead { report, views }: &RightsRead) {
    if report.changed + report.widened + views.seen_by_fewer + views.seen_by_more == 0
        && !report.gone_too_many
    {
        return;
    }
    out::say(&out::line(&format!(
        "{}: rights of {} changed: fewer people see {}, more see {}; {} for content, {} gone ({:.1} s)",
        report.source,
        report.changed,
        words::count(views.seen_by_fewer, "document"),
        views.seen_by_more,
        if report.waiting == 1 { "1 waits".to_owned() } else { format!("{} wait", report.waiting) },
        report.gone,
        report.seconds
    )));
    for (place, what) in &report.rights_problems {
        out::say(&out::line(&format!("  hidden from everybody: {place}: {what}")));
    }
}
