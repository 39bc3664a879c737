//! `kenward ingest --plan`: what a run would do and whose view would change, as text, JSON or a page.
//! It sends no operation that writes.

use super::super::fail::{Fix, want};
use super::super::{Outcome, out};
use super::plan_page;
use crate::cli::words;
use crate::owner::Backend;
use crate::owner::ops::{Op, Reply};
use kenward_ingest::pipeline::plan::{Paths, Plan};
use kenward_vault::preview::View;
use kenward_vault::writer::SourceSpec;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

/// How many paths of one kind are listed.
const LISTED: usize = 10;

/// Plans runs over all of these.
pub(super) async fn all(
    specs: Vec<SourceSpec>,
    page: Option<&Path>,
    json: bool,
    backend: &Backend,
) -> anyhow::Result<Outcome> {
    let mut plans = Vec::new();
    for spec in specs {
        plans.push(*want!(backend.ask(Op::Plan { spec }).await?, Reply::Plan(plan) => plan));
    }
    if json {
        for plan in &plans {
            out::print(&format!("{}\n", serde_json::json!({ "event": "planned", "plan": plan })))?;
        }
    } else {
        out::print(&plans.iter().map(drawn).collect::<Vec<_>>().join("\n"))?;
    }
    if let Some(file) = page {
        let written = std::fs::File::create_new(file)
            .and_then(|mut new| new.write_all(plan_page::page(&plans).as_bytes()));
        written.map_err(|error| {
            let what = match error.kind() {
                std::io::ErrorKind::AlreadyExists => "is there already: nothing is written over".to_owned(),
                _ => format!("cannot be written: {error}"),
            };
            Fix::new(format!("`{}` {what}", file.display()), "give another file to `--html`")
        })?;
        out::say(&format!("the page is {}", file.display()));
    }
    let refused = plans.iter().any(|plan| !refusals(plan).is_empty());
    out::say(if refused {
        "nothing was written; without `--plan` it would be refused, as told above"
    } else {
        "nothing was written; the same command without `--plan` does it"
    });
    Ok(if plans.iter().any(needs_attention) { Outcome::NotAllWell } else { Outcome::Done })
}

/// Whether a run would be refused, or not do all that is meant: exit code 3.
fn needs_attention(plan: &Plan) -> bool {
    plan.mass_delete || plan.without_rights > 0 || !plan.failed.is_empty() || !plan.view.problems.is_empty()
}

fn drawn(plan: &Plan) -> String {
    let mut lines = vec![format!("{}: {}", plan.source, counts(plan))];
    for (what, paths) in
        [("add", &plan.added), ("change", &plan.changed), ("remove", &plan.removed), ("skip", &plan.skipped)]
    {
        lines.extend(listed(what, paths));
    }
    lines.extend(plan.failed.iter().take(LISTED).map(|f| format!("  fail      {}: {}", f.path, f.detail)));
    lines.extend(more(plan.failed.len(), LISTED));
    lines.extend(views(("becomes visible to", "become visible to"), &plan.view.gains));
    lines.extend(views(("is no longer visible to", "are no longer visible to"), &plan.view.losses));
    if plan.view.gains.is_empty() && plan.view.losses.is_empty() {
        lines.push("  nobody's view changes".to_owned());
    }
    if plan.view.quarantined > 0 {
        let many = documents(plan.view.quarantined);
        lines.push(format!("  hidden from everybody by rights that cannot be resolved: {many}"));
    }
    lines.extend(plan.view.problems.iter().map(|(place, what)| format!("  rights    {place}: {what}")));
    lines.extend(
        plan.rules_unmatched.iter().map(|place| format!("  no match  {place}: the rule matches no file")),
    );
    lines.extend(super::fidelity::lines(&plan.fidelity).iter().map(|line| format!("  {line}")));
    lines.extend(refusals(plan));
    lines.push(format!("  time      {}", time(plan)));
    lines.iter().map(|line| out::line(line) + "\n").collect()
}

pub(super) fn counts(plan: &Plan) -> String {
    let (added, changed, removed) = (plan.added.count, plan.changed.count, plan.removed.count);
    format!(
        "add {added}, change {changed}, remove {removed}, leave {}, skip {}, fail {}; rights change for {}, \
         labels for {}",
        plan.unchanged,
        plan.skipped.count,
        plan.failed.len(),
        documents(plan.view.rights_changed),
        plan.view.relabelled,
    )
}

/// Why a run would be refused, if it would.
pub(super) fn refusals(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    if plan.without_rights > 0 {
        lines.push(format!(
            "  refused   {} without rights, and nobody said who may read that: `--default-allow`",
            documents(plan.without_rights)
        ));
    }
    if plan.mass_delete {
        lines.push(
            "  refused   more than half of the source would be removed: `--allow-mass-delete`".to_owned(),
        );
    }
    lines
}

/// About how long a run would take.
pub(super) fn time(plan: &Plan) -> String {
    match plan.about {
        Some((seconds, run)) if seconds < 90.0 => format!("about {seconds:.0} s, going by run {run}"),
        Some((seconds, run)) => format!("about {:.0} min, going by run {run}", seconds / 60.0),
        None => "not known: no run has read enough to go by".to_owned(),
    }
}

pub(super) fn documents(n: u64) -> String {
    words::count(n, "document")
}

fn listed(what: &str, paths: &Paths) -> Vec<String> {
    let shown = paths.first.iter().take(LISTED).map(|path| format!("  {what:<9} {path}"));
    let count = usize::try_from(paths.count).unwrap_or(usize::MAX);
    shown.chain(more(count, LISTED)).collect()
}

fn more(count: usize, shown: usize) -> Option<String> {
    (count > shown).then(|| format!("            and {} more; `--json` lists them", count - shown))
}

fn views((one, more): (&str, &str), views: &BTreeMap<String, View>) -> Vec<String> {
    let line = |(principal, view): (&String, &View)| {
        let people = words::people(view.people);
        let verb = if view.documents == 1 { one } else { more };
        format!("  {} {verb} {principal} ({people})", documents(view.documents))
    };
    views.iter().map(line).collect()
}
