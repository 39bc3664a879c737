//! YAML as rights files need it: texts, lists and maps, each with its line. It must never accept what two
//! readers could take for two things: repeated keys, anchors, aliases, tags and further documents are
//! refused.

use super::super::parse::Unusable;
use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

/// Lists and maps within each other.
const DEEPEST: usize = 8;

/// A value and the line it begins on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub value: Value,
    pub line: u32,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Nothing was written, or `null`.
    Null,
    /// A text; one in quotes is never a word of YAML.
    Text { text: String, quoted: bool },
    /// A list.
    List(Vec<Item>),
    /// A map, in its order: key, line of the key, value.
    Map(Vec<(String, u32, Item)>),
}

impl Value {
    /// In words, for operators.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Text { .. } => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// Reads one document; `None` = there is nothing in it.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Item>, Unusable> {
    // The connector's stand-in for what it could not read, or not to its end, is no UTF-8 either.
    let what = "the rights file must be UTF-8 text of at most 1 MiB that this account may read";
    let text = std::str::from_utf8(bytes).map_err(|_| Unusable { what: what.to_owned(), line: 0 })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { parser: Parser::new_from_str(text) };
    let mut document = None;
    loop {
        match reader.next()? {
            (Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing, _) => {}
            (Event::StreamEnd, _) => return Ok(document),
            (_, line) if document.is_some() => return Err(refused(line, "a second document")),
            (event, line) => document = Some(reader.item(event, line, 0)?),
        }
    }
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
}

fn refused(line: u32, what: &str) -> Unusable {
    Unusable { what: format!("{what} is not read in a rights file"), line }
}

fn line_of(span: &Span) -> u32 {
    u32::try_from(span.start.line()).unwrap_or(u32::MAX)
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, u32), Unusable> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, line_of(&span))),
            Some(Err(error)) => {
                let line = u32::try_from(error.marker().line()).unwrap_or(u32::MAX);
                // The parser may quote what it found; rights files hold names alone, and no more than a line.
                let info: String = error.info().chars().filter(|c| !c.is_control()).take(120).collect();
                Err(Unusable { what: format!("not valid YAML: {info}"), line })
            }
            None => Ok((Event::StreamEnd, 0)),
        }
    }

    fn item(&mut self, event: Event<'t>, line: u32, depth: usize) -> Result<Item, Unusable> {
        if depth > DEEPEST {
            return Err(refused(line, "a list so deep in others"));
        }
        let value = match event {
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => {
                return Err(refused(line, "a tag"));
            }
            Event::Scalar(_, _, anchor, _)
            | Event::SequenceStart(anchor, _)
            | Event::MappingStart(anchor, _)
                if anchor > 0 =>
            {
                return Err(refused(line, "an anchor"));
            }
            Event::Alias(_) => return Err(refused(line, "an alias of YAML")),
            Event::Scalar(text, style, ..) => {
                let quoted = style != ScalarStyle::Plain;
                match text.as_ref() {
                    "" | "~" | "null" | "Null" | "NULL" if !quoted => Value::Null,
                    text => Value::Text { text: text.to_owned(), quoted },
                }
            }
            Event::SequenceStart(..) => self.list(depth)?,
            Event::MappingStart(..) => self.map(depth)?,
            _ => return Err(refused(line, "what stands here")),
        };
        Ok(Item { value, line })
    }

    fn list(&mut self, depth: usize) -> Result<Value, Unusable> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, line) => items.push(self.item(event, line, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Unusable> {
        let mut pairs: Vec<(String, u32, Item)> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        loop {
            let (event, line) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(Value::Map(pairs));
            }
            let Value::Text { text: key, .. } = self.item(event, line, depth + 1)?.value else {
                return Err(refused(line, "a key that is no text"));
            };
            if !seen.insert(key.clone()) {
                return Err(refused(line, "a key that stands there twice"));
            }
            let (event, at) = self.next()?;
            pairs.push((key, line, self.item(event, at, depth + 1)?));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(String, u32)> {
        let Some(Item { value: Value::Map(pairs), .. }) = parse(text.as_bytes()).unwrap() else { panic!() };
        let mut all = Vec::new();
        for (key, line, item) in pairs {
            all.push((key, line));
            if let Value::List(items) = item.value {
                for item in items {
                    let Value::Text { text, .. } = item.value else { panic!() };
                    all.push((text, item.line));
                }
            }
        }
        all
    }

    #[test]
    fn a_rights_file_as_they_are_written() {
        let text = "# See https://go.k8s.io/owners\n\napprovers:\n  - dana\n  - \"omar\" # lead\nreviewers: [vera,\n  zoe]\nlabels:\n";
        let pair = |name: &str, line| (name.to_owned(), line);
        assert_eq!(
            lines(text),
            [
                pair("approvers", 3),
                pair("dana", 4),
                pair("omar", 5),
                pair("reviewers", 6),
                pair("vera", 6),
                pair("zoe", 7),
                pair("labels", 8),
            ]
        );
        for nothing in ["", "# nothing\n", "\u{feff}", "---\n"] {
            let read = parse(nothing.as_bytes()).unwrap();
            assert!(read.is_none_or(|item| item.value == Value::Null), "{nothing:?}");
        }
        assert_eq!(lines("a: [x]\r\nb:\r\n- y\r\n").len(), 4);
    }

    #[test]
    fn what_two_readers_could_take_for_two_things_is_refused() {
        for (text, line) in [
            ("a: [x]\na: [y]\n", 2),
            ("a: &all [x]\nb: *all\n", 1),
            ("a: !!str x\n", 1),
            ("a: x\n---\nb: y\n", 3),
            ("? [a]\n: b\n", 1),
            ("a: [x\n", 2),
            ("a: x\n\tb: y\n", 1),
            ("a: [[[[[[[[[[x]]]]]]]]]]\n", 1),
        ] {
            let problem = parse(text.as_bytes()).expect_err(text);
            assert!(problem.line >= line, "{text}: {} {}", problem.line, problem.what);
        }
        assert!(parse(b"\xff\xfe").is_err());
    }

    #[test]
    fn long_files_made_to_be_slow_are_read_or_refused_soon() {
        for piece in [
            "[", "{", "- ", "? ", "a: {", "- - [", "\"", "&a ", "a: *b\n", "!t ", "x ", "- x\n", "'", "|\n ",
            "%", ":",
        ] {
            let text = piece.repeat((1 << 20) / piece.len());
            // Whatever it comes to; it must come to it.
            let _ = parse(text.as_bytes());
        }
    }
}
