//! `kenward status`: how it is doing, on one screen. It counts everything, so it is for operators; nothing of documents or people is
//! in it.

use super::sources::{ask, other};
use super::{Context, Outcome, out, words};
use crate::owner::ops::{EmbeddingState, Operate, Operated, SourceStatus, Status};
use kenward_access::ids::Timestamp;
use kenward_indexes::vector::qdrant::Condition;
use kenward_vault::runs::RunState;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> anyhow::Result<Outcome> {
    let backend = context.backend().await?;
    let own = backend.is_owner().await;
    let differs = backend.goes_by_another();
    let reply = ask(&backend, Operate::Status).await;
    backend.close().await;
    let status = match reply? {
        Operated::Status(status) => status,
        reply => return Err(other(reply)),
    };
    if args.json {
        let mut status = serde_json::to_value(&status)?;
        if let Some(status) = status.as_object_mut() {
            status.insert("configuration_differs".to_owned(), differs.into());
        }
        out::json(&status)?;
    } else {
        out::print(&drawn(&status, own, &differs, now()))?;
    }
    Ok(Outcome::Done)
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn drawn(status: &Status, own: bool, differs: &[String], now: Timestamp) -> String {
    let owner = match own {
        true => "no server runs".to_owned(),
        false => format!("process {}, up {}", status.pid, span(status.uptime_seconds.saturating_mul(1000))),
    };
    let engine = match &status.embedding {
        EmbeddingState::Running { engine, .. } => format!("words and meaning ({engine})"),
        EmbeddingState::LexicalOnly { reason, .. } => format!("words alone: {reason}"),
    };
    let again = status.reranking.as_ref().map(|model| format!("; read again by {model}")).unwrap_or_default();
    let s = &status.stats;
    let disk: Vec<String> =
        status.disk.iter().map(|(store, bytes)| format!("{store} {}", size(*bytes))).collect();
    let ago = |at: Timestamp| span(u64::try_from(now.0.saturating_sub(at.0)).unwrap_or_default());
    let backup = status.last_backup.as_ref().map_or_else(
        || "never".to_owned(),
        |last| {
            let documents = words::count(last.documents, "document");
            format!("{} ago, {documents}, {}", ago(last.made), last.folder.display())
        },
    );
    let verify = status.last_verify.map_or_else(
        || "never (`kenward doctor --deep`)".to_owned(),
        |last| match last.problems {
            0 => format!("{} ago, nothing was wrong", ago(last.at)),
            n => format!("{} ago, {n} WRONG: see `kenward doctor --deep`", ago(last.at)),
        },
    );
    let mut lines = vec![
        format!("kenward {}  {owner}", status.version),
        format!("data      {} (tenant {})", status.data_dir.display(), status.tenant),
        format!(
            "holds     {}, {}, {}",
            words::count(s.documents, "document"),
            words::count(s.chunks, "passage"),
            words::count(s.vectors, "vector")
        ),
        format!("search    {engine}{again}"),
        format!("disk      {}; {} free", disk.join(", "), size(status.free)),
        format!("audit     {}", words::count(s.audit_records, "record")),
        format!("backup    {backup}"),
        format!("verified  {verify}"),
    ];
    if let Some(wrong) = &status.no_search {
        lines.push(format!("SEARCH    refused: {}: {}", wrong.what, wrong.hint));
    }
    if let EmbeddingState::Running { leaves: Some(leaves), .. } = &status.embedding {
        lines.push(format!("leaves    {leaves}"));
    }
    if let Some(cluster) = &status.vectors {
        let usable = match &cluster.condition {
            Condition::Well if cluster.asked => "asked",
            Condition::Well => "not asked",
            Condition::Starting if cluster.asked => "asked, once it has been looked at",
            Condition::Starting => "not asked, being looked at",
            Condition::Down { .. } | Condition::Refused { .. } => "NOT USED: see `kenward doctor`",
        };
        lines.push(format!("cluster   {} of {} vectors there, {usable}", cluster.there, cluster.of));
    }
    if let Some(anew) = &s.anew {
        lines.push(format!("re-embed  {}", words::anew(anew)));
    }
    if s.outbox_waiting > 0 {
        lines.push(format!("waiting   {} not published yet", words::are(s.outbox_waiting, "change")));
    }
    if s.hidden > 0 {
        let by_rights = s.hidden.saturating_sub(s.hidden_until_ingested);
        let why = [
            (by_rights, "by rights that cannot be resolved (see `kenward doctor`)"),
            (s.hidden_until_ingested, "until their source is ingested again (`kenward ingest`)"),
        ];
        let why: Vec<String> =
            why.iter().filter(|(n, _)| *n > 0).map(|(n, why)| format!("{n} {why}")).collect();
        lines.push(format!(
            "HIDDEN    {} from everybody: {}",
            words::count(s.hidden, "document"),
            why.join("; ")
        ));
    }
    if let Some(wrong) = &status.ledger_wrong {
        lines.push(format!("LEDGER    {}: {}", wrong.what, wrong.hint));
    }
    if !differs.is_empty() {
        lines.push(format!(
            "CONFIG    that process goes by an older or other one: {} differ; restart it",
            differs.join(", ")
        ));
    }
    if status.clock_behind > 5_000 {
        lines.push(format!("CLOCK     {} behind what is recorded: set it right", span(status.clock_behind)));
    }
    let rows: Vec<Vec<String>> = status.sources.iter().map(|source| row(source, &ago)).collect();
    let mut text: String =
        lines.iter().map(|line| out::folded(&out::line(line), "          ", out::columns())).collect();
    if !rows.is_empty() {
        text.push('\n');
        text.push_str(&out::table(&["source", "documents", "failed", "hidden", "listed", "last run"], &rows));
    }
    text
}

fn row(status: &SourceStatus, ago: &dyn Fn(Timestamp) -> String) -> Vec<String> {
    let source = &status.source;
    let unreachable = if status.reachable { "" } else { "; its FOLDER IS NOT THERE" };
    let run = status.last_run.as_ref().map_or_else(
        || "none".to_owned(),
        |run| match run.state {
            RunState::Running => format!("{} running, {} of {}", run.no, run.done, run.of),
            RunState::Paused | RunState::Interrupted => {
                format!("{} {}, {} of {}", run.no, run.state.word().to_uppercase(), run.done, run.of)
            }
            // How far it was says nothing: it did nothing.
            RunState::Refused => format!("{} REFUSED: see `kenward runs show {}`", run.no, run.no),
            state => format!("{} {}", run.no, state.word()),
        },
    );
    vec![
        source.spec.name.clone(),
        source.documents.to_string(),
        source.failures.to_string(),
        source.hidden.to_string(),
        source.fresh.map_or_else(|| "never".to_owned(), |at| format!("{} ago", ago(at))),
        format!("{run}{unreachable}"),
    ]
}

/// Milliseconds in words, coarsely.
fn span(ms: u64) -> String {
    match ms / 1000 {
        s @ 0..120 => format!("{s} s"),
        s @ 120..7_200 => format!("{} min", s / 60),
        s @ 7_200..172_800 => format!("{} h", s / 3_600),
        s => format!("{} days", s / 86_400),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_short() {
        assert_eq!(
            [0, 119_000, 120_000, 7_200_000, 259_200_000].map(span),
            ["0 s", "119 s", "2 min", "2 h", "3 days"]
        );
        assert_eq!([0, 1, 1_500_000, 2_000_000_000].map(size), ["0 kB", "1 kB", "1.5 MB", "2.0 GB"]);
    }
}
