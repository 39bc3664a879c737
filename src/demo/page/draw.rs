//! The page: a form, both answers side by side, and below them the deciding path. Every word that is
//! not ours goes through [`text`]; nothing here runs, and nothing is loaded but the style.

use super::desk::{LONGEST, Outcome, Shown, link};
use super::path;
use crate::demo::agent::Passage;
use crate::demo::harbor::QUESTIONS;
use crate::demo::people::Person;
use crate::html::text;
use std::fmt::Write;

/// The page.
pub(super) fn page(people: &[Person], shown: &Shown) -> String {
    let mut html = String::from(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>One question, two people: Kenward</title>\
         <link rel=\"stylesheet\" href=\"style.css\"></head>\n<body>\n\
         <a class=\"skip\" href=\"#answers\">To the answers</a>\n\
         <header><h1>One question, two people</h1>\n\
         <p>Harbor &amp; Vale Shipping, a fictional company. Each person&rsquo;s agent asks over MCP, under \
         that person&rsquo;s own token, and gets exactly what that person may see.</p></header>\n<main>\n",
    );
    form(&mut html, people, shown);
    html.push_str("<div id=\"answers\" tabindex=\"-1\">\n");
    let two = shown.chosen.map(|at| people.get(at));
    match (&shown.outcome, two) {
        (Outcome::Answered { answers, difference }, [Some(a), Some(b)]) => {
            let [left, right] = answers;
            html.push_str("<div class=\"sides\">\n");
            answer(&mut html, a, left, right);
            answer(&mut html, b, right, left);
            html.push_str("</div>\n");
            match difference {
                Some(difference) => path::draw(&mut html, [a, b], difference),
                None => html.push_str(
                    "<section class=\"why\"><h2>Why they differ</h2>\n<p>They do not: both may see all of this.</p></section>\n",
                ),
            }
        }
        (Outcome::Unclear(what), _) => {
            let _ = writeln!(html, "<p class=\"wrong\" role=\"alert\">{}</p>", text(what));
        }
        _ => html.push_str(
            "<p class=\"wrong\" role=\"alert\">The answer could not be had. The terminal says more.</p>\n",
        ),
    }
    html.push_str(
        "</div>\n</main>\n<footer><p>This page acts as several people, so its address is a secret of this \
         run. Ctrl-C in the terminal ends it and removes everything.</p></footer>\n</body></html>\n",
    );
    html
}

fn form(html: &mut String, people: &[Person], shown: &Shown) {
    let _ = write!(
        html,
        "<form method=\"get\" role=\"search\">\n\
         <p class=\"ask\"><label for=\"q\">Question</label>\
         <input id=\"q\" name=\"q\" maxlength=\"{LONGEST}\" required autocomplete=\"off\" value=\"{}\"></p>\n",
        text(&shown.question)
    );
    let [a, b] = shown.chosen;
    for (name, label, chosen) in [("a", "One person", a), ("b", "Another", b)] {
        let _ = write!(
            html,
            "<p class=\"one\"><label for=\"{name}\">{label}</label><select id=\"{name}\" name=\"{name}\">"
        );
        for (at, person) in people.iter().enumerate() {
            let selected = if at == chosen { " selected" } else { "" };
            let _ = write!(
                html,
                "<option value=\"{}\"{selected}>{} ({})</option>",
                text(&person.handle),
                text(&person.name),
                text(person.groups.first().map_or("no group", String::as_str))
            );
        }
        html.push_str("</select></p>\n");
    }
    html.push_str("<p class=\"go\"><button>Ask as both</button></p>\n</form>\n");
    let handles = shown.chosen.map(|at| people.get(at).map_or("", |person| person.handle.as_str()));
    html.push_str("<nav aria-label=\"Questions to try\"><ul class=\"try\">\n");
    for question in &QUESTIONS {
        let current = if question.ask == shown.question { " aria-current=\"true\"" } else { "" };
        let _ = writeln!(
            html,
            "<li><a href=\"{}\"{current}>{}</a></li>",
            text(&link(question.ask, handles)),
            text(question.ask)
        );
    }
    html.push_str("</ul></nav>\n");
}

/// What one person's agent got; `other` is the other answer.
fn answer(html: &mut String, person: &Person, mine: &[(Passage, String)], other: &[(Passage, String)]) {
    let _ = write!(
        html,
        "<article><h2>{}&rsquo;s agent gets</h2>\n<p class=\"who\">{}</p>\n",
        text(&person.name),
        text(&standing(person))
    );
    if mine.is_empty() {
        let _ = writeln!(
            html,
            "<p class=\"nothing\">Nothing: no passage that {} may see matches.</p>",
            text(&person.name)
        );
    } else {
        html.push_str("<ol class=\"passages\">\n");
        for (passage, path) in mine {
            passage_of(html, passage, path, !other.iter().any(|(theirs, _)| theirs.id == passage.id));
        }
        html.push_str("</ol>\n");
    }
    html.push_str("</article>\n");
}

fn passage_of(html: &mut String, passage: &Passage, path: &str, only: bool) {
    let _ = write!(
        html,
        "<li><h3>{}</h3>\n<p class=\"about\"><span class=\"band {band}\">{band}</span> <code>{}/{}</code>",
        text(&passage.title),
        text(&passage.source),
        text(path),
        band = text(&passage.relevance),
    );
    if let Some(page) = passage.page {
        let _ = write!(html, " <span>page {page}</span>");
    }
    if only {
        html.push_str(" <span class=\"only\">only in this answer</span>");
    }
    html.push_str("</p>\n");
    if !passage.headings.iter().all(|heading| *heading == passage.title) {
        let _ = writeln!(html, "<p class=\"headings\">{}</p>", text(&passage.headings.join(" › ")));
    }
    html.push_str("<blockquote>");
    for block in &passage.text {
        let _ = write!(html, "<p>{}</p>", text(block));
    }
    html.push_str("</blockquote>\n");
    if !passage.flags.is_empty() {
        let noticed = passage.flags.join(", ").replace('_', " ");
        let _ = writeln!(html, "<p class=\"noticed\">Noticed: {}</p>", text(&noticed));
    }
    html.push_str("</li>\n");
}

/// The person's groups and clearance in a line.
fn standing(person: &Person) -> String {
    let groups = if person.groups.is_empty() { "no group".to_owned() } else { person.groups.join(", ") };
    let clearance = person.clearance.as_deref().unwrap_or("the lowest");
    format!("{} · groups: {groups} · clearance: {clearance}", person.handle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::compare::Difference;
    use kenward_vault::vault::{Why, WhyStep};

    const EVIL: &str = "\"><script>alert('x')</script>";

    #[test]
    fn whatever_a_document_or_a_question_says_is_text() {
        let evil = || EVIL.to_owned();
        let person = Person { handle: evil(), name: evil(), groups: vec![evil()], clearance: Some(evil()) };
        let passage = Passage {
            id: evil(),
            title: evil(),
            cite: evil(),
            relevance: evil(),
            source: evil(),
            headings: vec![evil()],
            page: Some(1),
            text: vec![evil()],
            flags: vec![evil()],
        };
        let step = WhyStep {
            layer: 1,
            allows: true,
            because: evil(),
            origin: Some(evil()),
            chain: vec![evil(), evil()],
        };
        let why = |allowed| Why {
            allowed,
            user: evil(),
            document: evil(),
            source: evil(),
            path: evil(),
            container: evil(),
            steps: vec![step.clone()],
            unresolved: if allowed { Vec::new() } else { vec![evil()] },
        };
        let difference = Difference { passage: passage.clone(), decisions: [why(true), why(false)] };
        let answers = [vec![(passage, evil())], Vec::new()];
        let outcome = Outcome::Answered { answers, difference: Some(Box::new(difference)) };
        let html = page(&[person], &Shown { question: evil(), chosen: [0, 0], outcome });
        assert!(
            !html.contains("<script") && !html.contains("\">&lt;script") && !html.contains("'"),
            "{html}"
        );
        assert!(html.matches("&quot;&gt;&lt;script&gt;").count() > 15, "{html}");
    }

    #[test]
    fn what_is_wrong_with_a_question_is_said() {
        let shown =
            Shown { question: String::new(), chosen: [0, 0], outcome: Outcome::Unclear("Write one.") };
        assert!(page(&[], &shown).contains("role=\"alert\">Write one."));
    }
}
