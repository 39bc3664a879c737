//! `kenward search`: what an agent of a person would be told, for people. It renders the same
//! disclosure that agents get; what it shows is quoted from documents and kept apart by a bar.

use super::fail::{Fix, want};
use super::{Context, Outcome, out};
use crate::owner::ops::{Claim, Op, Question, Reply};
use crate::telemetry;
use clap::ValueEnum;
use kenward_vault::ErrorCode;
use kenward_vault::knowledge_base::{Filters, Mode, SearchRequest};
use serde_json::Value;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The question; several words need no quotes
    #[arg(required = true, value_name = "WORDS")]
    query: Vec<String>,
    /// The same question in other words; up to 4 times
    #[arg(long, value_name = "WORDS")]
    also: Vec<String>,
    /// Ask as this person, by handle (needs the operator role, and a reason) [default: yourself]
    #[arg(long = "as", value_name = "USER")]
    act_as: Option<String>,
    /// Why you ask as somebody else; it is recorded
    #[arg(long)]
    reason: Option<String>,
    /// How many results, 1 to 40
    #[arg(long, allow_negative_numbers = true)]
    limit: Option<i64>,
    /// Only in this source
    #[arg(long)]
    source: Option<String>,
    /// Only below this path within a source
    #[arg(long)]
    path: Option<String>,
    /// How to search
    #[arg(long, value_enum, default_value_t = How::Hybrid)]
    mode: How,
    /// The disclosure as an agent gets it
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum How {
    /// Words and meaning
    Hybrid,
    /// Words alone
    Lexical,
    /// Meaning alone
    Semantic,
}

pub(crate) async fn run(args: Args, context: &Context) -> anyhow::Result<Outcome> {
    let request = SearchRequest {
        query: args.query.join(" "),
        also: args.also,
        limit: args.limit,
        cursor: None,
        filters: Filters { source: args.source, path: args.path, ..Filters::default() },
        mode: match args.mode {
            How::Hybrid => Mode::Hybrid,
            How::Lexical => Mode::Lexical,
            How::Semantic => Mode::Semantic,
        },
        not_before: None,
    };
    let claim = Claim::Local { act_as: args.act_as, reason: args.reason };
    let request_id = telemetry::request_id();
    let question = Question::Search(request);
    let backend = context.backend().await?;
    let reply = backend.ask(Op::Ask { claim, question, request_id: request_id.clone() }).await;
    backend.close().await;
    let answer = match reply? {
        Reply::Refused(error) if error.code == ErrorCode::Internal => {
            anyhow::bail!("{} (request {request_id})", error.message)
        }
        Reply::Refused(error) => {
            let hint = hint(error.field.as_deref()).map_or(error.hint, str::to_owned);
            return Err(Fix::new(format!("{} (request {request_id})", error.message), hint).into());
        }
        reply => want!(reply, Reply::Answer(answer) => answer),
    };
    if args.json {
        out::print(&format!("{answer}\n"))?;
    } else {
        out::print(&render(&serde_json::from_str(&answer)?, out::columns()))?;
    }
    Ok(Outcome::Done)
}

/// A hint in the words of this verb, where the one for agents speaks of a tool's argument.
fn hint(field: Option<&str>) -> Option<&'static str> {
    match field? {
        "query" => Some("for example: `kenward search \"how do I book leave\"`"),
        "also" => Some("give `--also \"other words\"` at most 4 times, and none of them empty"),
        "limit" => Some("give `--limit` from 1 to 40"),
        _ => None,
    }
}

/// The disclosure for people, its lines folded to so many columns if they are for a terminal.
fn render(answer: &Value, columns: Option<usize>) -> String {
    let results = answer.get("results").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if results.is_empty() {
        // An answer that leaves something out says so; otherwise the words for agents do not fit here.
        let notice = answer.get("notice").and_then(Value::as_str).unwrap_or_default();
        return match notice.contains("left out") {
            true => format!("{}\n", out::line(notice)),
            false => "nothing in what you can see matches: try other words, or fewer filters\n".to_owned(),
        };
    }
    let mut text = String::new();
    for (index, result) in results.iter().enumerate() {
        let at = |path: &str| result.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let rank = result.get("rank").and_then(Value::as_u64).unwrap_or(index as u64 + 1);
        text.push_str(&format!("{rank}. {}", out::line(at("/title"))));
        if !at("/relevance").is_empty() {
            text.push_str(&format!("  ({})", out::line(at("/relevance"))));
        }
        text.push('\n');
        let place = [at("/provenance/source"), at("/provenance/path"), at("/url")];
        let place: Vec<String> = place.iter().filter(|p| !p.is_empty()).map(|p| out::line(p)).collect();
        text.push_str(&format!("   {}\n", place.join("  ")));
        let headings = result.pointer("/provenance/headings").and_then(Value::as_array);
        let headings: Vec<String> =
            headings.into_iter().flatten().filter_map(Value::as_str).map(out::line).collect();
        let page = result.pointer("/provenance/page").and_then(Value::as_u64);
        let page = page.map(|page| format!("page {page}"));
        let within: Vec<String> = page.into_iter().chain(headings).collect();
        if !within.is_empty() {
            text.push_str(&out::folded(&format!("   {}", within.join(" > ")), "   ", columns));
        }
        for line in unfenced(at("/text")) {
            text.push_str(&out::folded(&format!("   | {}", out::line(line)), "   | ", columns));
        }
        text.push('\n');
    }
    text
}

/// The lines of a passage without the marks that are for agents; here the bar does their work.
fn unfenced(text: &str) -> impl Iterator<Item = &str> {
    let boundary = |line: &'_ str| line.strip_prefix("=== ")?.strip_suffix(" BEGIN ===").map(str::to_owned);
    let boundary = text.lines().next().and_then(boundary).unwrap_or_default();
    // What stands before a line's first bar is a mark if the boundary begins with it.
    let marked = move |line: &str| line.split_once('|').is_some_and(|(mark, _)| boundary.starts_with(mark));
    let fence = |line: &str| line.starts_with("=== ") && line.ends_with(" ===");
    text.lines().filter(move |line| !fence(line)).map(move |line| match line.split_once('|') {
        Some((_, rest)) if marked(line) => rest.strip_prefix(' ').unwrap_or(rest),
        _ => line,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_quoted_behind_a_bar_and_cannot_move_the_cursor() {
        let answer = serde_json::json!({ "results": [{
            "rank": 1, "title": "Expense\u{1b}[2J policy", "relevance": "high", "url": "kb://document/kd_x",
            "text": "=== 7Q4XK2M9VD3R BEGIN ===\n7Q| Due on the 5th | or 6th.\n7Q|\n=== 7Q4XK2M9VD3R END ===",
            "provenance": { "source": "handbook", "path": "money/\u{1b}expenses.md" } }] });
        assert_eq!(
            render(&answer, None),
            "1. Expense [2J policy  (high)\n   handbook  money/ expenses.md  kb://document/kd_x\n   | Due on the 5th | or \
             6th.\n   | \n\n"
        );
        let within = serde_json::json!({ "results": [{
            "rank": 1, "title": "Leave", "text": "A line that is longer than a narrow screen is wide.",
            "provenance": { "source": "handbook", "headings": ["Leave", "Parental\u{1b}[2J leave"], "page": 3 } }] });
        assert_eq!(
            render(&within, Some(30)),
            "1. Leave\n   handbook\n   page 3 > Leave > Parental\n   [2J leave\n   | A line that is longer\n   | \
             than a narrow screen is\n   | wide.\n\n"
        );
    }
}
