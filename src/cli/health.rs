//! How the owner says that it is doing, as lines that say what to do. It words; it looks at nothing itself.

use super::checks::{Check, State, ok, wrong};
use super::ingest::{how_to_fix, tried_again};
use super::{out, words};
use crate::owner::ops::{EmbeddingState, Health};
use kenward_access::ids::Timestamp;
use kenward_indexes::vector::qdrant::{Condition, Standing};
use kenward_vault::lost::ReadAgain;
use kenward_vault::sources::HiddenDocuments;
use kenward_vault::writer::Failure;
use std::collections::BTreeMap;

/// Milliseconds.
const CLOCK_MAY_BE_BEHIND: u64 = 5_000;

pub(super) fn health_checks(health: &Health, own: bool) -> Vec<Check> {
    let stats = &health.stats;
    let who = if own { "nobody else runs".to_owned() } else { format!("process {}", health.pid) };
    let mut checks = vec![
        ok("owner", format!("{who}; version {}", health.version)),
        ok(
            "catalog",
            format!(
                "{}, {}, {} in {}; {}, {}, {}",
                words::count(stats.documents, "document"),
                words::count(stats.chunks, "passage"),
                words::count(stats.vectors, "vector"),
                words::count(stats.sources, "source"),
                words::people(stats.users),
                words::count(stats.groups, "group"),
                words::count(stats.tokens, "token")
            ),
        ),
        match &health.audit {
            Ok(records) => ok("audit", format!("{}, the chain holds", words::count(*records, "record"))),
            Err(what) => wrong(
                "audit",
                State::Failed,
                what.clone(),
                "keep a copy of the folder `audit`, and find out who wrote to it",
            ),
        },
    ];
    checks.push(match &health.ledger {
        Ok(entries) => ok("ledger", format!("{}, the chain holds", words::count(*entries, "entry"))),
        Err(wrong_with) => wrong("ledger", State::Failed, wrong_with.what.clone(), wrong_with.hint.clone()),
    });
    if health.clock_behind > CLOCK_MAY_BE_BEHIND {
        checks.push(wrong(
            "clock",
            State::Failed,
            format!(
                "the clock is {} s behind what is recorded; time stands still here until it has caught up, so that nothing that has \
                 ended begins again",
                health.clock_behind / 1_000
            ),
            "set the clock right; if it is right, and was in the future before: `kenward doctor --accept-clock`",
        ));
    }
    checks.push(match &health.embedding {
        EmbeddingState::Running { engine, otherwise: None, .. } => ok("embedder", engine.clone()),
        EmbeddingState::Running { engine, otherwise: Some(other), .. } => {
            let detail = format!("{engine}; {}", other.what);
            wrong("embedder", State::Warning, detail, other.hint.clone())
        }
        EmbeddingState::LexicalOnly { reason, hint: None } => {
            ok("embedder", format!("none, as asked for: {reason}; only words are searched (BM25)"))
        }
        EmbeddingState::LexicalOnly { reason, hint: Some(hint) } => wrong(
            "embedder",
            State::Warning,
            format!("none: {reason}; only words are searched (BM25), not meaning"),
            hint.clone(),
        ),
    });
    checks.extend(health.reranking.as_ref().map(|model| ok("reranker", model.clone())));
    if let EmbeddingState::Running { leaves: Some(leaves), .. } = &health.embedding {
        let hint = "`kenward ingest --re-embed` with another `embedding.engine` ends it; `batch = 1` keeps texts of one request apart";
        checks.push(wrong("embedder", State::Warning, leaves.clone(), hint));
    }
    if let Some(anew) = &stats.anew {
        checks.push(wrong(
            "embedder",
            State::Warning,
            format!("the documents are embedded anew {}", words::anew(anew)),
            if anew.under_way {
                "`kenward status` says how far it is"
            } else {
                "`kenward ingest --re-embed`"
            },
        ));
    }
    checks.extend(health.vectors.as_ref().map(cluster));
    if stats.outbox_waiting > 0 {
        let detail = format!("{} not published yet", words::are(stats.outbox_waiting, "change"));
        checks.push(wrong("publication", State::Warning, detail, "run `kenward ingest` again"));
    }
    let embeds = matches!(health.embedding, EmbeddingState::Running { .. });
    checks.extend(health.read_again.iter().flat_map(|again| read_again(again, embeds)));
    checks.extend(health.hidden.iter().flat_map(hidden));
    for source in &health.freshness {
        let time = |at: Option<Timestamp>| at.map_or_else(|| "no time yet".to_owned(), out::time);
        let (all, rights) = (time(source.listed), time(source.rights_as_of));
        checks.push(ok(
            "freshness",
            format!("source `{}`: all read at {all}, its rights at {rights}", source.source),
        ));
    }
    for source in &health.failures {
        let mut reasons: BTreeMap<&str, Vec<&Failure>> = BTreeMap::new();
        for failure in &source.failures {
            reasons.entry(failure.reason.as_str()).or_default().push(failure);
        }
        for (reason, failures) in reasons {
            let tries = failures.iter().map(|failure| failure.attempts).max().unwrap_or_default();
            let again = tried_again(failures.iter().copied()).unwrap_or_default();
            let paths: Vec<String> = failures.iter().map(|failure| failure.path.clone()).collect();
            let detail = format!(
                "source `{}`: {} failed ({}; tried up to {}, {again}): {}",
                source.source,
                words::count(paths.len() as u64, "document"),
                reason.replace('_', " "),
                words::count(u64::from(tries), "time"),
                words::first(&paths)
            );
            checks.push(wrong("documents", State::Warning, detail, how_to_fix(reason)));
        }
    }
    checks
}

/// How the vector cluster is doing. Questions are answered whatever it does.
fn cluster(standing: &Standing) -> Check {
    let place = format!("`{}` at {}", standing.collection, standing.place);
    let holds = format!("{} of {} there", standing.there, words::count(standing.of, "passage"));
    match &standing.condition {
        Condition::Well if !standing.asked => wrong(
            "vectors",
            State::Note,
            format!("{place}: {holds}; questions are not put to it yet"),
            "`kenward migrate --to qdrant` compares answers, and then puts them there",
        ),
        Condition::Well => ok(
            "vectors",
            format!(
                "{place}: {holds}; it answered {}, and {} that it was asked were answered here",
                words::count(standing.answered, "question"),
                standing.fell_back
            ),
        ),
        Condition::Starting => wrong(
            "vectors",
            State::Warning,
            format!("{place}: not looked at yet"),
            "run it again in a moment; questions are answered here meanwhile",
        ),
        Condition::Down { what } => wrong(
            "vectors",
            State::Warning,
            format!("{place}: {what}; {holds}, and questions are answered here, all of them, only slower"),
            "see whether its nodes run and can be reached from here (`vectors.url`); it is tried again by itself. To rebuild it, drop \
             that collection there: it is made and filled again, nothing is embedded anew",
        ),
        Condition::Refused { what, hint } => wrong(
            "vectors",
            State::Failed,
            format!("{place}: {what}; questions are answered here, all of them"),
            hint.clone(),
        ),
    }
}

/// What nobody sees of a source, why, and what brings it back.
fn hidden(hidden: &HiddenDocuments) -> Vec<Check> {
    let mut checks = Vec::new();
    let source = &hidden.source;
    if hidden.by_rights > 0 {
        let places: Vec<String> =
            hidden.problems.iter().map(|(place, what)| format!("{place}: {what}")).collect();
        checks.push(wrong(
            "hidden",
            State::Warning,
            format!(
                "source `{source}`: {} hidden from everybody by rights that cannot be resolved: {}",
                words::are(hidden.by_rights, "document"),
                words::first(&places)
            ),
            format!(
                "correct the rights file, or add the person or group; then `kenward ingest {}`",
                quoted(source)
            ),
        ));
    }
    if hidden.until_ingested > 0 {
        checks.push(wrong(
            "hidden",
            State::Warning,
            format!(
                "source `{source}`: {} hidden from everybody until the source is ingested again (since a restore, or a change of \
                 people or labels)",
                words::are(hidden.until_ingested, "document")
            ),
            format!("`kenward ingest {}` reads them, and shows them again", quoted(source)),
        ));
    }
    checks
}

/// What the next run of a source mends.
fn read_again(again: &ReadAgain, embeds: bool) -> Vec<Check> {
    let run = format!("`kenward ingest {}`", quoted(&again.source));
    let mut checks = Vec::new();
    if again.text_lost > 0 {
        checks.push(wrong(
            "texts",
            State::Warning,
            format!(
                "source `{}`: the stored text of {} is lost or damaged and cannot be read by anybody",
                again.source,
                words::count(again.text_lost, "document")
            ),
            format!("{run} reads them again"),
        ));
    }
    if embeds && again.not_embedded > 0 {
        checks.push(wrong(
            "embeddings",
            State::Warning,
            format!(
                "source `{}`: {} not embedded by this model: only their words are searched, not their meaning",
                again.source,
                words::are(again.not_embedded, "document")
            ),
            format!("{run} embeds them"),
        ));
    }
    if again.waiting > 0 {
        checks.push(wrong(
            "runs",
            State::Warning,
            format!(
                "source `{}`: a run was cut off: what it read of {} is not shown yet",
                again.source,
                words::count(again.waiting, "document")
            ),
            format!("{run} goes on with it"),
        ));
    }
    checks
}

/// A source's name as a shell takes it for one word.
fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "._-/".contains(c);
    if name.chars().all(plain) { name.to_owned() } else { format!("'{}'", name.replace('\'', "'\\''")) }
}
