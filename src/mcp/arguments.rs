//! Reading a tool's arguments: every one by name and type, and an error that names the field and a
//! valid next call for everything else. An argument or filter that nobody knows is never ignored:
//! an agent that believes it filtered must not get an unfiltered answer.
//! It must never judge values that depend on the corpus (which source, which id).

use crate::mcp::{errors, tools};
use kenward_vault::AnswerError;
use rmcp::model::JsonObject;
use serde_json::Value;

/// Longest piece of a caller's own name that an error repeats.
const ECHO_CHARS: usize = 40;

/// What an argument must be, in errors.
const TEXT: &str = "a text in quotes";
const TEXTS: &str = "a list of texts in quotes";
const NUMBER: &str = "a whole number";

/// Names that agents use for ours, from other tools' habits.
const HABITS: &[(&str, &str)] = &[
    ("q", "query"),
    ("question", "query"),
    ("text", "query"),
    ("text", "quote"),
    ("sentence", "quote"),
    ("content", "quote"),
    ("words", "quote"),
    ("search", "query"),
    ("keywords", "query"),
    ("queries", "also"),
    ("alternatives", "also"),
    ("variants", "also"),
    ("k", "limit"),
    ("top_k", "limit"),
    ("topk", "limit"),
    ("n", "limit"),
    ("max_results", "limit"),
    ("num_results", "limit"),
    ("count", "limit"),
    ("size", "limit"),
    ("page_size", "limit"),
    ("per_page", "limit"),
    ("page_token", "cursor"),
    ("next_cursor", "cursor"),
    ("page", "cursor"),
    ("filter", "filters"),
    ("where", "filters"),
    ("document_id", "id"),
    ("doc_id", "id"),
    ("document", "id"),
    ("cite", "id"),
    ("citation", "id"),
    ("title", "id"),
    ("uri", "id"),
    ("url", "id"),
    ("limit", "max_chars"),
    ("length", "max_chars"),
    ("max_length", "max_chars"),
    ("max_tokens", "max_chars"),
    ("start", "offset"),
    ("next_offset", "offset"),
    ("cursor", "offset"),
    ("chunk", "around"),
    ("passage", "around"),
    ("since", "modified_after"),
    ("after", "modified_after"),
    ("before", "modified_before"),
    ("until", "modified_before"),
    ("kind", "type"),
    ("format", "type"),
    ("lang", "language"),
    ("sensitivity", "label"),
    ("tier", "min_trust"),
    ("collection", "source"),
    ("directory", "path"),
    ("folder", "path"),
    ("prefix", "path"),
    ("path_prefix", "path"),
];

/// The arguments of one call, read by name.
pub struct Arguments<'a> {
    /// `search`, or `filters` inside of it.
    owner: &'static str,
    /// Put before a field's name in errors: empty, or `filters.`.
    prefix: &'static str,
    known: &'static [&'static str],
    values: &'a JsonObject,
}

impl<'a> Arguments<'a> {
    /// Takes the arguments of `tool`.
    ///
    /// # Errors
    /// The first name that is not in `known`.
    pub fn of_tool(
        tool: &'static str,
        known: &'static [&'static str],
        filters: &[&'static str],
        values: &'a JsonObject,
    ) -> Result<Self, AnswerError> {
        let arguments = Self { owner: tool, prefix: "", known, values };
        arguments.refuse_unknown(filters)?;
        Ok(arguments)
    }

    /// Takes the object `filters`, if it is given.
    ///
    /// # Errors
    /// `filters` is no object, or has a name that is not in `known`.
    pub fn filters(&self, known: &'static [&'static str]) -> Result<Option<Self>, AnswerError> {
        let Some(value) = self.present("filters") else { return Ok(None) };
        let Value::Object(values) = value else {
            return Err(errors::argument(
                "filters",
                format!("`filters` must be an object, not {}", kind_of(value)),
                format!(
                    "give an object with any of {}, for example {{\"source\": \"handbook\"}}",
                    listed(known)
                ),
            ));
        };
        let filters = Self { owner: "filters", prefix: "filters.", known, values };
        filters.refuse_unknown(&[])?;
        Ok(Some(filters))
    }

    fn refuse_unknown(&self, filters: &[&'static str]) -> Result<(), AnswerError> {
        let Some(name) = self.values.keys().find(|name| !self.known.contains(&name.as_str())) else {
            return Ok(());
        };
        let shown = echo(name);
        let (what, all) = if self.prefix.is_empty() {
            ("argument", format!("`{}` takes {}", self.owner, listed(self.known)))
        } else {
            ("filter", format!("the filters are {}", listed(self.known)))
        };
        let others: Vec<&str> = tools::takers(name);
        let hint = if filters.contains(&name.as_str()) {
            format!("`{shown}` is a filter: put it into `filters`, as {{\"filters\": {{\"{shown}\": …}}}}")
        } else if !self.prefix.is_empty() && others.contains(&tools::FILTERED) {
            format!("`{shown}` is an argument of `{}`: put it beside `filters`; {all}", tools::FILTERED)
        } else if let Some(meant) = did_you_mean(name, self.known) {
            format!("did you mean `{meant}`? {all}")
        } else if let Some(meant) = filters.iter().find(|filter| did_you_mean(name, &[**filter]).is_some()) {
            format!(
                "did you mean the filter `{meant}`? put it into `filters`, as {{\"filters\": {{\"{meant}\": …}}}}; {all}"
            )
        } else if !others.is_empty() && self.prefix.is_empty() {
            format!("`{shown}` is an argument of {}; {all}", listed(&others))
        } else if self.known.is_empty() {
            format!("`{}` takes no arguments", self.owner)
        } else {
            all
        };
        Err(errors::argument(&format!("{}{shown}", self.prefix), format!("unknown {what} `{shown}`"), hint))
    }

    /// The value, if it is there and not null (some clients send null for what they leave out).
    fn present(&self, name: &str) -> Option<&'a Value> {
        debug_assert!(self.known.contains(&name), "an argument that the schema does not name");
        self.values.get(name).filter(|value| !value.is_null())
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// It is missing or no text.
    pub fn required_text(&self, name: &'static str, example: &'static str) -> Result<String, AnswerError> {
        let hint = || format!("call `{}` with {example}", self.owner);
        match self.present(name) {
            Some(Value::String(text)) => Ok(text.clone()),
            None => Err(errors::argument(name, format!("`{name}` is missing"), hint())),
            Some(other) => Err(AnswerError { hint: hint(), ..self.wrong_type(name, TEXT, other) }),
        }
    }

    /// A text.
    ///
    /// # Errors
    /// It is no text.
    pub fn text(&self, name: &'static str) -> Result<Option<String>, AnswerError> {
        match self.present(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(self.wrong_type(name, TEXT, other)),
        }
    }

    /// Texts. One alone is a list of one: some clients unwrap short lists.
    ///
    /// # Errors
    /// It is no list, or something in it is no text.
    pub fn texts(&self, name: &'static str) -> Result<Vec<String>, AnswerError> {
        let all = match self.present(name) {
            None => return Ok(Vec::new()),
            Some(Value::String(text)) => return Ok(vec![text.clone()]),
            Some(Value::Array(all)) => all,
            Some(other) => return Err(self.wrong_type(name, TEXTS, other)),
        };
        let text = |value: &Value| match value {
            Value::String(text) => Ok(text.clone()),
            other => Err(self.wrong_type(name, TEXTS, other)),
        };
        all.iter().map(text).collect()
    }

    /// A whole number; its range is checked where its meaning is known.
    ///
    /// # Errors
    /// It is no whole number.
    pub fn whole_number(&self, name: &'static str) -> Result<Option<i64>, AnswerError> {
        let Some(value) = self.present(name) else { return Ok(None) };
        let Value::Number(number) = value else {
            return Err(self.wrong_type(name, NUMBER, value));
        };
        if let Some(number) = number.as_i64() {
            return Ok(Some(number));
        }
        match number.as_f64() {
            // Some clients write every number as a float.
            #[expect(clippy::cast_possible_truncation, reason = "in the range in which f64 is exact")]
            Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => Ok(Some(float as i64)),
            // Far out of any range: let the range check say so, with its bounds.
            Some(float) if float >= 9e15 => Ok(Some(i64::MAX)),
            Some(float) if float <= -9e15 => Ok(Some(i64::MIN)),
            _ => Err(self.wrong_type(name, NUMBER, value)),
        }
    }

    fn wrong_type(&self, name: &'static str, wanted: &'static str, got: &Value) -> AnswerError {
        errors::argument(
            &format!("{}{name}", self.prefix),
            format!("`{name}` must be {wanted}, not {}", kind_of(got)),
            if wanted == NUMBER {
                format!("send `{name}` as a whole number without quotes, such as 2, or leave it out")
            } else {
                format!("send `{name}` as {wanted}, or leave it out")
            },
        )
    }
}

/// What a value is, in words.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a broken number",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The known name that was probably meant.
#[must_use]
pub fn did_you_mean(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let lower = name.to_lowercase().replace('-', "_");
    if let Some(same) = known.iter().find(|candidate| **candidate == lower) {
        return Some(same);
    }
    if let Some((_, ours)) = HABITS.iter().find(|(theirs, ours)| *theirs == lower && known.contains(ours)) {
        return Some(ours);
    }
    // A longer name may have more slips; a stranger's long name costs nothing to compare, it is cut.
    let cut: String = lower.chars().take(ECHO_CHARS).collect();
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(&cut, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 5)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A caller's own name, made safe to repeat: short, printable, one line, never empty. Letters and digits of any
/// script stay, so that an argument with a name in another language is named; what draws nothing, or turns the
/// line around, does not.
#[must_use]
pub fn echo(name: &str) -> String {
    let printable = |c: &char| *c != '`' && (c.is_ascii_graphic() || c.is_alphanumeric());
    let mut shown: String = name.chars().filter(printable).take(ECHO_CHARS).collect();
    if name.chars().count() > ECHO_CHARS {
        shown.push('…');
    }
    if shown.is_empty() {
        shown.push_str("(nothing that can be printed)");
    }
    shown
}

/// `` `a`, `b` and `c` ``.
#[must_use]
pub fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const KNOWN: &[&str] = &["query", "limit", "cursor", "filters", "mode"];
    const FILTERS: &[&str] = &["source", "path", "type", "modified_after", "modified_before"];

    fn read(value: &Value) -> Result<Arguments<'_>, AnswerError> {
        Arguments::of_tool("search", KNOWN, FILTERS, value.as_object().unwrap())
    }

    #[test]
    fn an_unknown_argument_is_named_with_what_was_meant() {
        for (wrong, meant) in [
            ("qurey", "query"),
            ("Query", "query"),
            ("top_k", "limit"),
            ("filter", "filters"),
            ("limits", "limit"),
        ] {
            let error = read(&json!({ wrong: 1 })).err().unwrap();
            assert_eq!(error.field.as_deref(), Some(wrong));
            assert!(error.hint.contains(&format!("did you mean `{meant}`")), "{error:?}");
        }
        let error = read(&json!({ "zebra": 1 })).err().unwrap();
        assert!(error.hint.contains("`search` takes `query`"), "{}", error.hint);
        assert!(!error.hint.contains("did you mean"));
    }

    #[test]
    fn a_filter_at_the_top_is_told_where_to_go() {
        let error = read(&json!({ "query": "x", "source": "handbook" })).err().unwrap();
        assert!(error.hint.contains("put it into `filters`"), "{}", error.hint);
    }

    #[test]
    fn an_unknown_filter_is_an_error() {
        let value = json!({ "query": "x", "filters": { "lang": "en" } });
        let error = read(&value).unwrap().filters(FILTERS).err().unwrap();
        assert_eq!(error.field.as_deref(), Some("filters.lang"));
        assert!(error.hint.contains("`modified_before`"));
    }

    #[test]
    fn numbers_come_in_many_forms() {
        let number = |value: Value| read(&json!({ "limit": value })).unwrap().whole_number("limit");
        assert_eq!(number(json!(8)).unwrap(), Some(8));
        assert_eq!(number(json!(8.0)).unwrap(), Some(8));
        assert_eq!(number(json!(null)).unwrap(), None);
        assert_eq!(number(json!(1e300)).unwrap(), Some(i64::MAX));
        assert_eq!(number(json!(u64::MAX)).unwrap(), Some(i64::MAX));
        assert_eq!(number(json!(-1)).unwrap(), Some(-1));
        assert!(number(json!(1.5)).is_err());
        assert!(number(json!("8")).unwrap_err().message.contains("not a text"));
    }

    #[test]
    fn an_echo_is_short_and_printable() {
        let echoed = echo(&format!("a`b\n\u{202e}\u{1b}[31m{}", "x".repeat(1_000_000)));
        assert!(echoed.chars().count() <= ECHO_CHARS + 1);
        assert!(echoed.starts_with("ab[31m"));
        assert_eq!(echo("за\u{200b}прос"), "запрос");
        assert_eq!(echo(" \u{200b}"), "(nothing that can be printed)");
    }

    #[test]
    fn the_arguments_of_another_tool_and_place_are_told_so() {
        for (value, hint) in [
            (
                json!({ "query": "x", "quote": "y" }),
                "`quote` is an argument of `verify_quote`; `search` takes",
            ),
            (json!({ "query": "x", "since": "y" }), "did you mean the filter `modified_after`? put it into"),
        ] {
            assert!(read(&value).err().unwrap().hint.contains(hint), "{value}");
        }
        let value = json!({ "query": "x", "filters": { "limit": 3 } });
        let error = read(&value).unwrap().filters(FILTERS).err().unwrap();
        assert!(error.hint.contains("put it beside `filters`"), "{}", error.hint);
    }

    #[test]
    fn a_required_text_of_another_type_is_shown_a_call() {
        let value = json!({ "query": ["x"] });
        let error = read(&value).unwrap().required_text("query", "{\"query\": \"x\"}").unwrap_err();
        assert!(error.message.contains("not a list") && error.hint.ends_with("{\"query\": \"x\"}"));
    }
}
