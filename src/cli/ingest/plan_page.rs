//! A plan as a page of its own: no script, nothing loaded, light and dark. Every word that comes from
//! elsewhere is escaped.

use super::plan::{counts, documents, refusals, time};
use crate::html::text;
use kenward_ingest::pipeline::plan::{Paths, Plan};
use kenward_vault::preview::View;
use std::collections::BTreeMap;
use std::fmt::Write;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1f2328;background:#fff}\
table{border-collapse:collapse;margin:.5rem 0 1.5rem}th,td{text-align:left;padding:.25rem 1rem .25rem 0;border-bottom:1px solid #d0d7de}\
td.n{text-align:right;font-variant-numeric:tabular-nums}.bar{display:inline-block;height:.7rem;background:#0969da;vertical-align:middle}\
.bar.less{background:#bc4c00}.warn{border-left:4px solid #bc4c00;padding-left:.75rem}summary{cursor:pointer}\
code{font-size:.9em}@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}th,td{border-color:#3d444d}\
.bar{background:#4493f8}.bar.less,.warn{border-color:#f0883e}.bar.less{background:#f0883e}}";

/// The page.
pub(super) fn page(plans: &[Plan]) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Plan of an ingestion</title><style>{STYLE}</style></head><body>\n<h1>Plan of an ingestion</h1>\n\
         <p>Nothing was written. What only a parser can tell, such as a broken or encrypted document, is not in it.</p>\n"
    );
    for plan in plans {
        let _ = write!(
            html,
            "<h2>{}</h2>\n<p>{}. Time: {}.</p>\n",
            text(&plan.source),
            text(&counts(plan)),
            text(&time(plan))
        );
        for refusal in refusals(plan) {
            let _ = writeln!(html, "<p class=\"warn\">{}</p>", text(refusal.trim()));
        }
        let most =
            plan.view.gains.values().chain(plan.view.losses.values()).map(|v| v.documents).max().unwrap_or(1);
        html.push_str("<h3>Whose view changes</h3>\n");
        if plan.view.gains.is_empty() && plan.view.losses.is_empty() {
            html.push_str("<p>Nobody's.</p>\n");
        } else {
            html.push_str("<table><thead><tr><th>through</th><th>people</th><th>documents</th><th></th></tr></thead><tbody>\n");
            views(&mut html, &plan.view.gains, ("see from then on", ""), most);
            views(&mut html, &plan.view.losses, ("see no more", " less"), most);
            html.push_str("</tbody></table>\n");
        }
        if plan.view.quarantined > 0 || !plan.view.problems.is_empty() || !plan.rules_unmatched.is_empty() {
            let _ = writeln!(
                html,
                "<h3>Rights to look at</h3>\n<p>Hidden from everybody by rights that cannot be resolved: {}.</p>\n<ul>",
                documents(plan.view.quarantined)
            );
            for (place, what) in &plan.view.problems {
                let _ = writeln!(html, "<li><code>{}</code>: {}</li>", text(place), text(what));
            }
            for place in &plan.rules_unmatched {
                let _ = writeln!(html, "<li><code>{}</code>: the rule matches no file</li>", text(place));
            }
            html.push_str("</ul>\n");
        }
        let fidelity = super::fidelity::lines(&plan.fidelity);
        if !fidelity.is_empty() {
            html.push_str("<h3>How the rights were mapped</h3>\n<ul>");
            for line in &fidelity {
                let _ = writeln!(html, "<li>{}</li>", text(line.trim_start_matches("rights ").trim()));
            }
            html.push_str("</ul>\n");
        }
        for (what, paths) in [
            ("Added", &plan.added),
            ("Changed", &plan.changed),
            ("Removed", &plan.removed),
            ("Skipped", &plan.skipped),
        ] {
            list(&mut html, what, paths);
        }
        if !plan.failed.is_empty() {
            let _ = writeln!(html, "<details open><summary>Failing: {}</summary><ul>", plan.failed.len());
            for failure in &plan.failed {
                let _ = writeln!(
                    html,
                    "<li><code>{}</code>: {}</li>",
                    text(&failure.path),
                    text(&failure.detail)
                );
            }
            html.push_str("</ul></details>\n");
        }
    }
    html.push_str("</body></html>\n");
    html
}

fn views(html: &mut String, views: &BTreeMap<String, View>, (what, class): (&str, &str), most: u64) {
    for (principal, view) in views {
        let width = view.documents as f64 / most.max(1) as f64 * 20.0;
        let _ = writeln!(
            html,
            "<tr><td><code>{}</code></td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td><span class=\"bar{class}\" style=\"width:{width:.2}rem\"></span> {what}</td></tr>",
            text(principal),
            view.people,
            view.documents
        );
    }
}

fn list(html: &mut String, what: &str, paths: &Paths) {
    if paths.count == 0 {
        return;
    }
    let _ = writeln!(html, "<details><summary>{what}: {}</summary><ul>", paths.count);
    for path in &paths.first {
        let _ = writeln!(html, "<li><code>{}</code></li>", text(path));
    }
    let more = paths.count.saturating_sub(paths.first.len() as u64);
    if more > 0 {
        let _ = writeln!(html, "<li>and {more} more</li>");
    }
    html.push_str("</ul></details>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_elsewhere_is_text() {
        let mut plan = Plan { source: "<script>alert(1)</script>".into(), ..Plan::default() };
        plan.added = Paths { count: 2, first: vec!["a\"><img src=x onerror=alert(1)>.md".into()] };
        plan.view.gains.insert("group:<b>".into(), View { documents: 3, people: 2 });
        let html = page(&[plan]);
        assert!(!html.contains("<script>") && !html.contains("<img") && !html.contains("<b>"), "{html}");
        assert!(html.contains("and 1 more") && html.contains("group:&lt;b&gt;"), "{html}");
    }
}
