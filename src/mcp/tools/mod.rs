//! The tools: one file each, in one fixed table. A tool is fixed text, two fixed schemas, and a
//! function from arguments to a question. Nothing of any document is ever in here.
//!
//! Schemas are written by hand, in the plainest JSON Schema there is: some clients refuse unions
//! with null, references and formats, which generated schemas are full of.
//! What may be null has no type, therefore, but what holds of it where it is not null: a schema that
//! says nothing at all is warned of by others (the Inspector's `--strict`).

mod fetch;
mod list_documents;
mod list_sources;
mod search;
mod verify_quote;

use crate::owner::ops::Question;
use kenward_vault::AnswerError;
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::Value;
use std::sync::{Arc, LazyLock};

/// A tool.
pub struct ToolSpec {
    /// Its name.
    pub name: &'static str,
    /// Its title, for people.
    pub title: &'static str,
    /// What it does, for models: fixed text of less than 2 KB.
    pub description: &'static str,
    /// Schema of its arguments.
    pub input: fn() -> Value,
    /// Schema of its result.
    pub output: fn() -> Value,
    /// Arguments to question.
    pub question: fn(&JsonObject) -> Result<Question, AnswerError>,
}

/// All tools, in the order in which clients see them.
pub const TOOLS: &[ToolSpec] =
    &[search::TOOL, fetch::TOOL, list_sources::TOOL, list_documents::TOOL, verify_quote::TOOL];

/// The filters of a search; see `Filters` of the vault.
pub(crate) const FILTERS: &[&str] =
    &["source", "path", "type", "language", "label", "modified_after", "modified_before", "min_trust"];

/// The tool that has filters.
pub(crate) const FILTERED: &str = search::TOOL.name;

/// The tools that have an argument of this name.
#[must_use]
pub(crate) fn takers(argument: &str) -> Vec<&'static str> {
    let takes = |tool: &&ToolSpec| {
        (tool.input)().pointer("/properties").is_some_and(|known| known.get(argument).is_some())
    };
    TOOLS.iter().filter(takes).map(|tool| tool.name).collect()
}

/// A tool by its name.
#[must_use]
pub fn find(name: &str) -> Option<&'static ToolSpec> {
    TOOLS.iter().find(|tool| tool.name == name)
}

/// As clients see them. The protocol's library asks for one at every call.
static DEFINITIONS: LazyLock<Vec<Tool>> = LazyLock::new(|| TOOLS.iter().map(ToolSpec::made).collect());

impl ToolSpec {
    /// As clients see it.
    #[must_use]
    pub fn definition(&self) -> Tool {
        let known = DEFINITIONS.iter().find(|tool| tool.name == self.name);
        known.cloned().unwrap_or_else(|| self.made())
    }

    fn made(&self) -> Tool {
        let annotations = ToolAnnotations::with_title(self.title)
            .read_only(true)
            .destructive(false)
            .idempotent(true)
            .open_world(false);
        Tool::new(self.name, self.description, object((self.input)()))
            .with_title(self.title)
            .with_raw_output_schema(object((self.output)()))
            .with_annotations(annotations)
    }
}

fn object(schema: Value) -> Arc<JsonObject> {
    match schema {
        Value::Object(object) => Arc::new(object),
        // The test below shows that it never happens.
        _ => Arc::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Everything in a schema that a strict client may refuse.
    fn refused(schema: &Value, at: &str, found: &mut Vec<String>) {
        match schema {
            Value::Object(map) => {
                for (key, value) in map {
                    let here = format!("{at}/{key}");
                    let union = key == "type" && value.is_array();
                    if union
                        || ["$ref", "oneOf", "anyOf", "allOf", "format", "nullable", "$defs"]
                            .contains(&key.as_str())
                    {
                        found.push(here.clone());
                    }
                    refused(value, &here, found);
                }
            }
            Value::Array(list) => list.iter().for_each(|value| refused(value, at, found)),
            _ => {}
        }
    }

    #[test]
    fn every_tool_keeps_to_the_contract() {
        let names: Vec<_> = TOOLS.iter().map(|tool| tool.name).collect();
        assert_eq!(names, ["search", "fetch", "list_sources", "list_documents", "verify_quote"]);
        for tool in TOOLS {
            assert!(tool.description.len() < 2048, "{}: {} bytes", tool.name, tool.description.len());
            assert!(tool.name.len() <= 64);
            let definition = serde_json::to_value(tool.definition()).unwrap();
            assert_eq!(definition["annotations"]["readOnlyHint"], true);
            assert_eq!(definition["annotations"]["openWorldHint"], false);
            assert!(definition["title"].is_string());
            for schema in ["inputSchema", "outputSchema"] {
                assert_eq!(definition[schema]["type"], "object", "{} {schema}", tool.name);
                let mut found = Vec::new();
                refused(&definition[schema], schema, &mut found);
                assert!(found.is_empty(), "{}: {found:?}", tool.name);
            }
            assert_eq!(definition["inputSchema"]["additionalProperties"], false);
        }
    }

    /// Every property and item in a schema that accepts anything.
    fn silent(schema: &Value, at: &str, found: &mut Vec<String>) {
        let properties = schema["properties"].as_object().into_iter().flatten();
        let items = schema.get("items").map(|items| ("items", items));
        for (name, part) in properties.map(|(name, part)| (name.as_str(), part)).chain(items) {
            let here = format!("{at}/{name}");
            let says =
                ["type", "enum", "minLength", "minProperties"].iter().any(|word| part.get(word).is_some());
            if !says {
                found.push(here.clone());
            }
            silent(part, &here, found);
        }
    }

    #[test]
    fn no_schema_accepts_anything() {
        let mut found = Vec::new();
        for tool in TOOLS {
            silent(&(tool.input)(), tool.name, &mut found);
            silent(&(tool.output)(), tool.name, &mut found);
        }
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn each_schema_names_exactly_what_its_tool_reads() {
        for tool in TOOLS {
            let schema = (tool.input)();
            let properties = schema["properties"].as_object().unwrap();
            for name in properties.keys() {
                // Of a type that no argument has: a known name is refused for its type only.
                let error = (tool.question)(json!({ name: true }).as_object().unwrap()).unwrap_err();
                assert!(!error.message.contains("unknown"), "{} {name}: {}", tool.name, error.message);
            }
            let error = (tool.question)(json!({ "zebra": 1 }).as_object().unwrap()).unwrap_err();
            assert_eq!(error.field.as_deref(), Some("zebra"), "{}", tool.name);
        }
    }
}
