//! A YAML file as JSON: texts, numbers, lists and maps. It must never accept what two readers could take for two
//! things: keys twice, anchors, tags and further documents are refused.

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Value};

/// Reads one document.
pub fn parse(text: &str) -> Result<Value, String> {
    let mut reader = Reader { parser: Parser::new_from_str(text), line: 0 };
    let mut document = None;
    loop {
        match reader.next()? {
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            Event::StreamEnd => return document.ok_or_else(|| "nothing is in it".to_owned()),
            _ if document.is_some() => return Err(reader.says("a second document")),
            event => document = Some(reader.value(event)?),
        }
    }
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    line: usize,
}

impl<'t> Reader<'t> {
    fn says(&self, what: &str) -> String {
        format!("line {}: {what}", self.line)
    }

    fn next(&mut self) -> Result<Event<'t>, String> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                self.line = span.start.line();
                Ok(event)
            }
            Some(Err(error)) => Err(error.to_string()),
            None => Ok(Event::StreamEnd),
        }
    }

    fn value(&mut self, event: Event<'t>) -> Result<Value, String> {
        match event {
            Event::Scalar(text, ScalarStyle::Plain, 0, None) => Ok(plain(&text)),
            Event::Scalar(text, _, 0, None) => Ok(Value::String(text.into_owned())),
            Event::SequenceStart(0, None) => {
                let mut list = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd => return Ok(Value::Array(list)),
                        event => list.push(self.value(event)?),
                    }
                }
            }
            Event::MappingStart(0, None) => {
                let mut map = Map::new();
                loop {
                    let key = match self.next()? {
                        Event::MappingEnd => return Ok(Value::Object(map)),
                        Event::Scalar(key, _, 0, None) => key.into_owned(),
                        _ => return Err(self.says("a key that is no text")),
                    };
                    let event = self.next()?;
                    let value = self.value(event)?;
                    if map.insert(key.clone(), value).is_some() {
                        return Err(self.says(&format!("`{key}` stands twice")));
                    }
                }
            }
            _ => Err(self.says("anchors, aliases and tags are not read")),
        }
    }
}

/// A text without quotes: what JSON would read as a number or a word of its own is that.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" => Value::Null,
        _ => match serde_json::from_str(text) {
            Ok(value @ (Value::Null | Value::Bool(_) | Value::Number(_))) => value,
            _ => Value::String(text.to_owned()),
        },
    }
}

#[test]
fn yaml_is_read_as_json_and_nothing_doubtful_is() {
    let read = parse("a: [1, 1.5, x, \"1\", null, true]\nb:\n  - c: { d: \"e: f\" }\n").unwrap();
    assert_eq!(
        read,
        serde_json::json!({ "a": [1, 1.5, "x", "1", null, true], "b": [{ "c": { "d": "e: f" } }] })
    );
    for doubtful in ["a: 1\na: 2\n", "a: &x 1\n", "a: !!str 1\n", "a: 1\n---\nb: 2\n", ""] {
        assert!(parse(doubtful).is_err(), "{doubtful}");
    }
}
