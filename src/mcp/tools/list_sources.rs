//! `list_sources`: where the caller can see something.

use super::ToolSpec;
use crate::mcp::arguments::Arguments;
use crate::owner::ops::Question;
use kenward_vault::AnswerError;
use kenward_vault::knowledge_base::ListSourcesRequest;
use rmcp::model::JsonObject;
use serde_json::{Value, json};

const KNOWN: &[&str] = &["cursor"];

pub(super) const TOOL: ToolSpec = ToolSpec {
    name: "list_sources",
    title: "List sources",
    description: "Lists the sources in which the person you work for can see something: their names (for the filter \
        `source`), how many documents are visible there, and how fresh they are. Takes no arguments, except `cursor` to go \
        on with a long list.",
    input,
    output,
    question,
};

fn input() -> Value {
    json!({
        "type": "object",
        "properties": {
            "cursor": { "type": "string", "description": "next_cursor of the answer before, to go on." }
        },
        "additionalProperties": false
    })
}

fn output() -> Value {
    json!({
        "type": "object",
        "properties": {
            "sources": { "type": "array", "items": { "type": "object" } },
            "next_cursor": { "description": "Cursor of the next page, or null at the end.", "minLength": 1 },
            "receipt": { "type": "string" }
        },
        "required": ["sources"]
    })
}

fn question(arguments: &JsonObject) -> Result<Question, AnswerError> {
    let arguments = Arguments::of_tool(TOOL.name, KNOWN, &[], arguments)?;
    Ok(Question::ListSources(ListSourcesRequest { cursor: arguments.text("cursor")? }))
}
