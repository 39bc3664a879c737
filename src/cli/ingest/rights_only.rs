//! `kenward ingest --rights-only`: the rights of sources are read and act, their content is left alone. It
//! must say what still waits for content, and what is hidden because its file is gone.

use super::super::fail::{self, Fix, want};
use super::super::{Outcome, out};
use crate::cli::words;
use crate::owner::Backend;
use crate::owner::ops::{Op, Reply, RightsRead};
use kenward_vault::writer::SourceSpec;

/// Reads the rights of all of these.
pub(super) async fn all(specs: Vec<SourceSpec>, json: bool, backend: &Backend) -> anyhow::Result<Outcome> {
    let recorded = want!(backend.ask(Op::Sources).await?, Reply::Sources(sources) => sources);
    let (mut reports, mut stopped) = (Vec::new(), false);
    let mut refused: Option<anyhow::Error> = None;
    for spec in specs {
        match one(spec, &recorded, backend).await {
            Ok(Some(read)) => reports.push(read),
            Ok(None) => {
                out::say("stopped: what narrows acts; the rest waits for the next reading");
                stopped = true;
                break;
            }
            // One source that cannot be read holds up no other, whose rights may have narrowed.
            Err(error) if error.is::<Fix>() => {
                if let Some(earlier) = refused.replace(error) {
                    fail::tell(&earlier);
                }
            }
            Err(error) => return Err(error),
        }
    }
    if json {
        for report in &reports {
            out::print(&format!("{}\n", serde_json::json!({ "event": "rights_read", "report": report })))?;
        }
    } else if !reports.is_empty() {
        out::print(&table(&reports))?;
    }
    reports.iter().for_each(tell);
    if let Some(error) = refused {
        return Err(error);
    }
    Ok(if stopped || reports.iter().any(needs_attention) { Outcome::NotAllWell } else { Outcome::Done })
}

/// Reads the rights of one; `None` = it was told to stop.
async fn one(
    spec: SourceSpec,
    recorded: &[SourceSpec],
    backend: &Backend,
) -> anyhow::Result<Option<RightsRead>> {
    if recorded.iter().all(|known| known.name != spec.name) {
        let hint = format!("`kenward ingest {}` does, and reads its rights, too", spec.name);
        return Err(Fix::new(format!("the source `{}` was never ingested", spec.name), hint).into());
    }
    // What the configuration says of it now counts: its default is a right like others.
    want!(backend.ask(Op::AddSource { spec: spec.clone() }).await?, Reply::Done => ());
    let reply = tokio::select! {
        reply = backend.ask(Op::SyncRights { source: spec.name }) => reply?,
        _ = tokio::signal::ctrl_c() => return Ok(None),
    };
    match reply {
        Reply::RightsRead(read) => Ok(Some(*read)),
        other => Err(fail::unexpected(other)),
    }
}

/// Whether something was not as it should be: exit code 3.
fn needs_attention(RightsRead { report, .. }: &RightsRead) -> bool {
    report.gone_too_many
        || report.unsettled
        || report.stopped
        || !report.rights_problems.is_empty()
        || !report.rights_not_read.is_empty()
}

fn table(reports: &[RightsRead]) -> String {
    let row = |RightsRead { report: r, views }: &RightsRead| {
        let counts =
            [r.documents, r.changed, views.seen_by_fewer, views.seen_by_more, r.looked_at, r.waiting, r.gone];
        let counts = counts.into_iter().map(|count| count.to_string());
        let seconds = format!("{:.1}", r.seconds);
        std::iter::once(r.source.clone()).chain(counts).chain([seconds]).collect()
    };
    let rows: Vec<Vec<String>> = reports.iter().map(row).collect();
    let headings =
        ["source", "documents", "changed", "fewer see", "more see", "hashed", "waiting", "gone", "seconds"];
    out::table(&headings, &rows)
}

fn tell(RightsRead { report, .. }: &RightsRead) {
    let say = |text: String| out::say(&out::line(&text));
    let source = &report.source;
    for (place, what) in &report.rights_problems {
        say(format!("hidden from everybody: {source}/{place}: {what}"));
    }
    for path in &report.rights_not_read {
        say(format!("NOT READ, so what it should guard is open: {source}/{path}"));
    }
    if report.waiting > 0 {
        say(format!(
            "{source}: {} stay{} under old rights, too, until the content is read",
            words::count(report.waiting, "document"),
            if report.waiting == 1 { "s" } else { "" }
        ));
        out::hint(&format!("`kenward ingest {source}` reads it"));
    }
    if report.gone_too_many {
        say(format!(
            "{source}: {} gone, more than half: nothing was hidden for it",
            words::are(report.gone, "document")
        ));
        out::hint(&format!("`kenward ingest {source} --allow-mass-delete`, if that is right"));
    } else if report.gone > 0 {
        say(format!(
            "{source}: {} gone, and hidden until `kenward ingest` looks",
            words::are(report.gone, "document")
        ));
    }
    if report.unsettled {
        say(format!("{source}: its rights kept changing: only what narrows acts"));
        out::hint("run this again when nobody writes to them");
    }
}
