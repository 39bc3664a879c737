//! What a look at everything found, as lines that say what to do. It words; it looks at nothing itself.

use super::checks::{Check, State, ok, wrong};
use crate::cli::words;
use crate::owner::ops::Verification;
use kenward_vault::verify::EngineCheck;

/// A line for each thing that was looked at.
pub(super) fn checks(found: &Verification) -> Vec<Check> {
    let stored = &found.stored;
    let mended = |what: &str, hint: &str| match stored.repaired {
        true => what.to_owned(),
        false => hint.to_owned(),
    };
    let mut checks = Vec::new();
    for source in &found.files {
        let name = &source.source;
        let counts = format!(
            "source `{name}`: {} as read before, {} changed, {} new, {} gone, {} unreadable",
            words::count(source.same, "file"),
            source.changed,
            source.added,
            source.removed,
            source.failed
        );
        match &source.error {
            Some(what) => checks.push(wrong(
                "files",
                State::Failed,
                format!("source `{name}`: {what}"),
                "see to its folder, or `kenward sources move`",
            )),
            None if source.is_same() => checks.push(ok("files", counts)),
            // Between two runs a source goes on: what is kept is whole all the same.
            None => checks.push(wrong(
                "files",
                if source.failed > 0 { State::Warning } else { State::Note },
                counts,
                format!("`kenward ingest {name}` reads what differs"),
            )),
        }
    }
    if stored.catalog.is_empty() {
        checks.push(ok("catalog", "the file is whole"));
    }
    for what in &stored.catalog {
        checks.push(wrong(
            "catalog",
            State::Failed,
            what.clone(),
            "restore a backup: `kenward restore --help`",
        ));
    }
    let wrong_texts: u64 = stored.texts_wrong.values().sum();
    if wrong_texts == 0 {
        checks.push(ok("texts", format!("{} what was written", words::are(stored.texts, "text"))));
    }
    for (source, count) in &stored.texts_wrong {
        let detail = format!(
            "source `{source}`: {} missing or damaged, and marked",
            words::are(*count, "stored text")
        );
        checks.push(wrong(
            "texts",
            State::Failed,
            detail,
            format!("`kenward ingest {source}` reads them again"),
        ));
    }
    if stored.passages_wrong > 0 {
        let detail = format!(
            "the passages of {} do not fit the text; they are marked",
            words::count(stored.passages_wrong, "document")
        );
        checks.push(wrong("passages", State::Failed, detail, "`kenward ingest` reads them again"));
    }
    let repair = "`kenward sources verify --repair` builds it anew from catalog and text";
    checks.push(engine(
        "lexical",
        &stored.lexical,
        mended("it was built again from catalog and text", repair),
    ));
    let repair = "`kenward sources verify --repair` marks what is missing; `kenward ingest` then embeds it";
    checks.push(engine(
        "vectors",
        &stored.vectors,
        mended(
            "what was wrong of them was dropped; `kenward ingest` embeds again what has no vectors now",
            repair,
        ),
    ));
    checks.push(match (&stored.audit, &stored.audit_wrong) {
        (Some(records), None) => {
            ok("audit", format!("{}, the chain holds", words::count(*records, "record")))
        }
        (_, what) => wrong(
            "audit",
            State::Failed,
            what.clone().unwrap_or_default(),
            "keep a copy of the folder `audit`, and find out who wrote to it",
        ),
    });
    checks.push(match (&stored.ledger, &stored.ledger_wrong) {
        (Some(entries), None) => {
            ok("ledger", format!("{}, the chain holds", words::count(*entries, "entry")))
        }
        (_, what) => {
            wrong("ledger", State::Failed, what.clone().unwrap_or_default(), "put back the newest copy")
        }
    });
    checks
}

fn engine(name: &'static str, found: &EngineCheck, hint: String) -> Check {
    let counts = words::count(found.passages, "passage");
    if found.holds() {
        return ok(name, format!("{counts}, as the catalog says"));
    }
    let damaged = found.damaged.as_ref().map(|what| format!("; {what}")).unwrap_or_default();
    let detail = format!("{counts}: {} are missing, {} too many{damaged}", found.missing, found.stray);
    wrong(name, State::Failed, detail, hint)
}
