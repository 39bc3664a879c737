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
    /// The question
    query: String,
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
    /// Only below this path
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
        query: args.query,
        limit: args.limit,
        cursor: None,
        filters: Filters { source: args.source, path: args.path, ..Filters::default() },
        mode: match args.mode {
            How::Hybrid => Mode::Hybrid,
            How::Lexical => Mode::Lexical,
            How::Semantic => Mode::Semantic,
        },
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
            return Err(Fix::new(format!("{} (request {request_id})", error.message), error.hint).into());
        }
        reply => want!(reply, Reply::Answer(answer) => answer),
    };
    if args.json {
        out::print(&format!("{answer}\n"))?;
    } else {
        out::print(&render(&serde_json::from_str(&answer)?))?;
    }
    Ok(Outcome::Done)
}

/// The disclosure for a terminal.
fn render(answer: &Value) -> String {
    let results = answer.get("results").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if results.is_empty() {
        let notice = answer.get("notice").and_then(Value::as_str).unwrap_or("nothing was found");
        return format!("{}\n", out::line(notice));
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
        let place = [at("/provenance/source"), at("/path"), at("/url")];
        let place: Vec<String> = place.iter().filter(|p| !p.is_empty()).map(|p| out::line(p)).collect();
        text.push_str(&format!("   {}\n", place.join("  ")));
        for line in unfenced(at("/text")) {
            text.push_str(&format!("   | {}\n", out::line(line)));
        }
        text.push('\n');
    }
    text
}

/// The lines of a passage without the marks that are for agents; here the bar does their work.
fn unfenced(text: &str) -> impl Iterator<Item = &str> {
    let fence = |line: &str| line.starts_with("=== ") && line.ends_with(" ===");
    text.lines().filter(move |line| !fence(line)).map(|line| match line.split_once("| ") {
        Some((mark, rest)) if mark.len() == 4 => rest,
        _ => line.strip_suffix('|').filter(|mark| mark.len() == 4).map_or(line, |_| ""),
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
            "provenance": { "source": "handbook" } }] });
        assert_eq!(
            render(&answer),
            "1. Expense [2J policy  (high)\n   handbook  kb://document/kd_x\n   | Due on the 5th | or \
             6th.\n   | \n\n"
        );
    }
}
