//! What an ingestion came to: a table, the failures by reason with how to fix them, and, loudly,
//! when meaning is not searched because no model ran.

use super::super::{out, words};
use super::fidelity;
use crate::config::Engine;
use kenward_indexes::embedding::remote;
use kenward_ingest::pipeline::{RunReport, rights_are_in};
use kenward_vault::runs::RunState;
use kenward_vault::writer::Failure;
use std::collections::{BTreeMap, BTreeSet};

/// How many paths of one reason are listed.
const LISTED: usize = 10;

/// Whether something was not as it should be: exit code 3.
pub(super) fn needs_attention(report: &RunReport) -> bool {
    report.summary.failed > 0
        || !report.failures.is_empty()
        || !report.rights_problems.is_empty()
        || !report.rights_not_read.is_empty()
        || report.state != RunState::Done
}

/// Prints the reports; with `--json` they were printed as they came.
pub(super) fn print(reports: &[RunReport], json: bool, engine: Engine) -> anyhow::Result<()> {
    if !json && !reports.is_empty() {
        out::print(&table(reports))?;
        let ran: BTreeSet<&str> = reports.iter().filter_map(|report| report.embedder.as_deref()).collect();
        for embedder in ran {
            out::say(&format!("embedded by {embedder}"));
        }
    }
    if reports.iter().filter_map(|report| report.embedder.as_deref()).any(is_remote) {
        say_that_texts_left();
    }
    let mut reasons: BTreeMap<&str, Vec<(&str, &Failure)>> = BTreeMap::new();
    for report in reports {
        for failure in &report.failures {
            reasons.entry(failure.reason.as_str()).or_default().push((&report.source, failure));
        }
    }
    for (reason, failures) in &reasons {
        out::say(&format!(
            "{}: {}",
            reason.replace('_', " "),
            words::count(failures.len() as u64, "document")
        ));
        let shown = |(source, f): &(&str, &Failure)| match f.attempts {
            0 | 1 => format!("{source}/{}", f.path),
            tries => format!("{source}/{} (tried {tries} times)", f.path),
        };
        list(&failures.iter().map(shown).collect::<Vec<_>>());
        if let Some(again) = again(failures.iter().map(|(_, failure)| *failure)) {
            out::say(&format!("  {again}"));
        }
        out::hint(how_to_fix(reason));
    }
    let unknown: Vec<String> = reports
        .iter()
        .flat_map(|report| report.skipped_unknown.iter().map(move |path| format!("{}/{path}", report.source)))
        .collect();
    if !unknown.is_empty() {
        let what = "neither Markdown, text, HTML, PDF, DOCX nor an archive by their content";
        out::say(&format!("skipped, {what}: {}", words::count(unknown.len() as u64, "file")));
        list(&unknown);
    }
    for report in reports {
        for (place, what) in &report.rights_problems {
            out::say(&out::line(&format!("hidden from everybody: {}: {what}", at(&report.source, place))));
        }
    }
    if reports.iter().any(|report| !report.rights_problems.is_empty()) {
        out::hint("correct the rights file, or add the person or group; then run this again");
    }
    let not_read: Vec<String> = reports
        .iter()
        .flat_map(|report| report.rights_not_read.iter().map(move |path| format!("{}/{path}", report.source)))
        .collect();
    if !not_read.is_empty() {
        out::say(&format!(
            "NOT READ, so what it should guard is open: {}",
            words::count(not_read.len() as u64, "rights file")
        ));
        list(&not_read);
        let formats: BTreeSet<&str> = reports
            .iter()
            .filter(|report| !report.rights_not_read.is_empty())
            .map(|report| rights_are_in(report.fidelity.format))
            .collect();
        for format in formats {
            out::hint(&format!("{format}: rename or remove these"));
        }
    }
    let unmatched: Vec<String> = reports
        .iter()
        .flat_map(|report| report.rules_unmatched.iter().map(move |at| format!("{}/{at}", report.source)))
        .collect();
    if !unmatched.is_empty() {
        out::say(&format!("warning: {} no file", rules_match(unmatched.len())));
        list(&unmatched);
        out::hint(
            "check the spelling of `match`, which is for files, not folders: a rule that matches nothing guards nothing",
        );
    }
    for report in reports {
        for line in fidelity::lines(&report.fidelity) {
            out::say(&out::line(&format!("{}: {line}", report.source)));
        }
    }
    for report in reports {
        match report.state {
            RunState::Paused => {
                out::say(&format!("run {} of {} was paused", report.run, out::line(&report.source)));
                out::hint(&format!("`kenward runs resume {}` goes on with it", report.run));
            }
            RunState::Cancelled => {
                out::say(&format!(
                    "run {} of {} was cancelled: what was done stays",
                    report.run,
                    out::line(&report.source)
                ));
            }
            RunState::Running | RunState::Done | RunState::Interrupted | RunState::Refused => {}
        }
    }
    let links: u64 = reports.iter().map(|report| report.skipped_links).sum();
    if links > 0 {
        out::say(&format!("links and special files, never followed: {links}"));
        let named = |report: &RunReport| -> Vec<String> {
            report.links.iter().map(|path| format!("{}/{path}", report.source)).collect()
        };
        list(&reports.iter().flat_map(named).collect::<Vec<_>>());
    }
    if engine != Engine::None && reports.iter().any(|report| report.embedder.is_none()) {
        out::say("warning: no embedding model ran: only words are searched (BM25), not meaning");
        out::hint("`kenward models pull` fetches one, and `kenward doctor` says what is missing");
    }
    Ok(())
}

/// Whether an engine, as reports and embeddings anew name it, is an endpoint elsewhere.
pub(super) fn is_remote(engine: &str) -> bool {
    engine.starts_with(&format!("{} ", remote::ENGINE)) || engine.ends_with(&format!(" ({})", remote::ENGINE))
}

/// Said after everything that embedded by an endpoint.
pub(super) fn say_that_texts_left() {
    out::say(
        "warning: TEXTS LEFT THIS MACHINE to be embedded, and queries will: non-interference is not promised",
    );
    out::hint(
        "another `embedding.engine` and `kenward ingest --re-embed` end it; SECURITY.md says what it costs",
    );
}

/// A place within a source; a list of names lies outside, and has a place of its own.
fn at(source: &str, place: &str) -> String {
    if place.starts_with('/') { place.to_owned() } else { format!("{source}/{place}") }
}

/// When failed documents are tried again.
pub(crate) fn again<'f>(failures: impl Iterator<Item = &'f Failure>) -> Option<String> {
    let all: Vec<&Failure> = failures.collect();
    // What an older version of the program recorded does not say.
    if all.iter().any(|failure| failure.tried.is_none()) {
        return Some("tried again with the next run".to_owned());
    }
    let settled = all.iter().filter(|failure| failure.next.is_none()).count();
    let settled = match settled {
        0 => None,
        some if some == all.len() => Some("not tried again until they change".to_owned()),
        some => Some(format!("{some} of them not tried again until they change")),
    };
    let next = all.iter().filter_map(|failure| failure.next).min();
    let later = next.map(|at| format!("tried again from {} on", out::time(at)));
    let words: Vec<String> = later.into_iter().chain(settled).collect();
    (!words.is_empty()).then(|| words.join("; "))
}

/// The first of some paths.
fn list(paths: &[String]) {
    for path in paths.iter().take(LISTED) {
        out::say(&format!("  {}", out::line(path)));
    }
    if paths.len() > LISTED {
        out::say(&format!("  and {} more; `--json` lists all", paths.len() - LISTED));
    }
}

fn table(reports: &[RunReport]) -> String {
    let rows: Vec<Vec<String>> = reports
        .iter()
        .map(|report| {
            let s = &report.summary;
            let counts = [
                s.added,
                s.changed,
                s.unchanged,
                s.removed,
                s.rights_changed,
                s.failed,
                report.skipped_unknown.len() as u64,
                s.hidden_for_unresolved_rights,
                s.chunks,
            ];
            let mut row = vec![report.source.clone()];
            row.extend(counts.map(|count| count.to_string()));
            row.push(format!("{:.1}", report.seconds));
            row
        })
        .collect();
    let headings = [
        "source",
        "added",
        "changed",
        "unchanged",
        "removed",
        "rights",
        "failed",
        "skipped",
        "hidden",
        "passages",
        "seconds",
    ];
    // A row fits on 80 columns: of what went wrong, only what did is shown.
    let quiet = |column: usize| {
        (5..=8).contains(&column) && rows.iter().all(|row| row.get(column).is_some_and(|cell| cell == "0"))
    };
    let shown: Vec<usize> = (0..headings.len()).filter(|column| !quiet(*column)).collect();
    let headings: Vec<&str> = shown.iter().filter_map(|at| headings.get(*at).copied()).collect();
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| shown.iter().filter_map(|at| row.get(*at).cloned()).collect()).collect();
    out::table(&headings, &rows)
}

fn rules_match(number: usize) -> String {
    if number == 1 {
        "1 `[[file]]` rule matches".to_owned()
    } else {
        format!("{number} `[[file]]` rules match")
    }
}

/// What to do about a reason of the taxonomy.
pub(crate) fn how_to_fix(reason: &str) -> &'static str {
    match reason {
        "unreadable" => "check owner and mode of the files, then run this again",
        "bad_name" => "rename them in their archive, then run this again",
        "nested_archive" => "unpack the outer archives into the source",
        "unpacks_too_large" => "unpack them by hand if you trust them, and split what is too large",
        "encrypted" => "save them without a password, then run this again",
        "too_large" => "raise `ingest.max_text_mb`, or split them",
        "timeout" => "raise `ingest.worker_seconds`, or convert them to a simpler format",
        "out_of_memory" => "raise `ingest.worker_memory_mb`, or convert them to a simpler format",
        "changed_while_read" => "run this again when nobody writes to them",
        "crashed_parser" => "they may be damaged or made to do harm; convert them to another format",
        "empty" => "fill them or remove them",
        "broken" => "open and save them again in the program that made them, texts as UTF-8",
        "rights_inside" => "unpack them into the source, or take the rights file out of them",
        "rights_unresolved" => "correct the rights file, or add the person or group that it names",
        _ => "see the detail with `--json`",
    }
}
