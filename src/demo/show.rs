//! What the demo prints: both answers side by side, and the path by which each was decided.

use super::agent::Passage;
use super::columns::{Paragraph, side_by_side, wrap};
use kenward_vault::vault::{Why, WhyStep};

/// How much of a passage is shown.
const EXCERPT_CHARS: usize = 200;
/// Shorter words of a question say little.
const TELLING_CHARS: usize = 4;

/// How to write for whoever reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Width of the terminal; `None` = not a terminal.
    pub width: Option<usize>,
    /// Whether bold and colours are wanted.
    pub colours: bool,
}

impl Style {
    /// For standard output as it is.
    #[must_use]
    pub fn of_stdout() -> Self {
        let terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
        let width = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { width: terminal.then_some(width), colours: terminal && !plain }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Important.
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }
}

/// One question with both answers.
#[must_use]
pub fn question(
    number: usize,
    text: &str,
    people: [&str; 2],
    answers: [&[Passage]; 2],
    style: Style,
) -> String {
    let columns = [0, 1].map(|at| {
        let passages = answers.get(at).copied().unwrap_or_default();
        column(people.get(at).copied().unwrap_or_default(), passages, text)
    });
    let [left, right] = &columns;
    let headings = people.map(|name| format!("{name}'s agent gets"));
    let [a, b] = &headings;
    let asked = style.bold(&format!("Question {number}: {text}"));
    format!("{asked}\n\n{}", side_by_side([a, b], [left, right], style.width))
}

fn column(person: &str, passages: &[Passage], question: &str) -> Vec<Paragraph> {
    if passages.is_empty() {
        return vec![Paragraph::new("", format!("Nothing: no passage that {person} may see matches."))];
    }
    let mut paragraphs = Vec::new();
    for (at, passage) in passages.iter().enumerate() {
        let mark = format!("{}. ", at + 1);
        let deeper = " ".repeat(mark.len());
        paragraphs.push(Paragraph::new(mark, format!("{} [{}]", passage.title, passage.relevance)));
        paragraphs
            .push(Paragraph::new(&*deeper, format!("\"{}\"", excerpt(&passage.text.join(" "), question))));
        if !passage.flags.is_empty() {
            let noticed = passage.flags.join(", ").replace('_', " ");
            paragraphs.push(Paragraph::new(deeper, format!("(noticed: {noticed})")));
        }
    }
    paragraphs
}

/// The part of a text with the most words of the question, from the beginning of a sentence.
fn excerpt(text: &str, question: &str) -> String {
    let stem = |word: &str| -> String {
        word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).take(6).collect()
    };
    let mut wanted: Vec<String> = question.split_whitespace().map(stem).collect();
    wanted.retain(|word| word.chars().count() >= TELLING_CHARS);
    let words: Vec<&str> = text.split(' ').collect();
    let (mut best, mut best_hits) = (0, 0);
    let mut begins = true;
    for at in 0..words.len() {
        if begins {
            let window: Vec<String> = fitting(&words, at).iter().map(|word| stem(word)).collect();
            let hits = wanted.iter().filter(|word| window.contains(word)).count();
            if hits > best_hits {
                (best, best_hits) = (at, hits);
            }
        }
        begins = words.get(at).is_some_and(|word| word.ends_with(['.', '!', '?', ':']));
    }
    let shown = fitting(&words, best);
    let before = if best > 0 { "… " } else { "" };
    let after = if best + shown.len() < words.len() { " …" } else { "" };
    format!("{before}{}{after}", shown.join(" "))
}

/// As many words from `at` on as an excerpt may have.
fn fitting<'a>(words: &'a [&'a str], at: usize) -> &'a [&'a str] {
    let from = words.get(at..).unwrap_or_default();
    let mut chars = 0;
    let fit = from.iter().take_while(|word| {
        chars += word.chars().count() + 1;
        chars <= EXCERPT_CHARS
    });
    let count = fit.count().max(1).min(from.len());
    from.get(..count).unwrap_or_default()
}

/// Why two people differ on a document.
#[must_use]
pub fn why(title: &str, decisions: [(&str, &Why); 2], style: Style) -> String {
    let [(_, first), _] = decisions;
    let mut out = format!("  Why: {title} ({}/{})\n", first.source, first.path);
    for (name, why) in decisions {
        let (verdict, colour) = if why.allowed { ("may read it", "32") } else { ("may not", "31") };
        let mark = format!("    {name} {verdict}: ");
        let lines =
            wrap(&Paragraph::new(" ".repeat(6), path(why)), style.width.map_or(usize::MAX, |w| w.min(110)));
        out.push_str(&style.paint(colour, mark.trim_end()));
        out.push('\n');
        for line in lines {
            out.push_str(&line);
            out.push('\n');
        }
    }
    out
}

/// The deciding path in words: of a yes all layers, of a no those that said it.
fn path(why: &Why) -> String {
    if !why.unresolved.is_empty() {
        return format!("its rights cannot be resolved ({}), so nobody may", why.unresolved.join(", "));
    }
    let steps = why.steps.iter().filter(|step| why.allowed || !step.allows);
    steps.map(step).collect::<Vec<_>>().join("; and ")
}

fn step(step: &WhyStep) -> String {
    let mut words = step.because.clone();
    if let Some(origin) = &step.origin {
        words.push_str(&format!(", written in {origin}"));
    }
    if step.chain.len() > 1 {
        words.push_str(&format!(", held through {}", step.chain.join(" in ")));
    }
    words
}

/// How to go on with one's own folder.
pub const GO_ON: &str = "\
With your own documents:

  kenward init                                 a commented configuration; you are its operator
  kenward ingest ~/handbook                    the documents with their rights; asks who may read the rest
  kenward search \"a question\"                  what you may see

For somebody else, and their agent:

  kenward users add dana@example.com
  kenward tokens create dana@example.com       a token for her agent, shown once
  kenward serve                                MCP at http://127.0.0.1:8765/mcp

Rights stand beside the documents, in files called .access.toml:

  inherit = false                              nobody but those named here
  allow = [\"group:finance\"]
";

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style { width: None, colours: false };

    fn passage(title: &str, text: &str) -> Passage {
        Passage {
            title: title.to_owned(),
            relevance: "high".to_owned(),
            text: vec![text.to_owned()],
            flags: vec!["hidden_characters_removed".to_owned()],
            ..Passage::default()
        }
    }

    #[test]
    fn both_answers_are_shown() {
        let dana = [passage("Salary bands", &"word ".repeat(80))];
        let shown = question(1, "What?", ["Dana", "Ben"], [&dana, &[]], PLAIN);
        assert!(shown.contains("Question 1: What?"));
        assert!(shown.contains("1. Salary bands [high]"));
        assert!(shown.contains("word …\""));
        let text =
            format!("{} The answer is here, says Ada. {}", "filler ".repeat(40).trim(), "more ".repeat(60));
        let found = excerpt(&text.replace("filler The", "filler. The"), "Where are the ANSWERS, Ada?");
        assert!(found.starts_with("… The answer is here"), "{found}");
        assert!(found.ends_with(" …") && found.chars().count() < 210, "{found}");
        assert!(shown.contains("(noticed: hidden characters removed)"));
        assert!(shown.contains("Nothing: no passage that Ben may see matches."));
    }

    #[test]
    fn a_no_shows_only_the_layers_that_said_it() {
        let step = |allows, because: &str| WhyStep {
            layer: 1,
            allows,
            because: because.to_owned(),
            origin: Some(".access.toml:2".to_owned()),
            chain: vec!["accounting".to_owned(), "finance".to_owned()],
        };
        let mut decided = Why {
            allowed: false,
            user: "ben".to_owned(),
            document: "kd_a".to_owned(),
            source: "harbor".to_owned(),
            path: "pay/bands.md".to_owned(),
            container: "pay".to_owned(),
            steps: vec![step(true, "allow everyone"), step(false, "the clearance does not cover the label")],
            unresolved: Vec::new(),
        };
        let no = decided.clone();
        decided.allowed = true;
        let shown = why("Salary bands", [("Dana", &decided), ("Ben", &no)], PLAIN);
        assert!(shown.contains("harbor/pay/bands.md"));
        let (yes, no) = shown.split_once("Ben may not").unwrap();
        assert!(
            yes.contains("allow everyone, written in .access.toml:2, held through accounting in finance")
        );
        assert!(!no.contains("allow everyone") && no.contains("the clearance does not cover"));
    }
}
