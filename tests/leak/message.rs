//! Questions as messages of the protocol. It must never leave anything of a question out.

use crate::ask::Request;
use kenward_vault::knowledge_base::{Completed, Filters, Mode};
use serde_json::{Map, Value, json};

/// The surface that a question is asked on.
pub fn surface(request: &Request) -> &'static str {
    match request {
        Request::Search(_) => "search",
        Request::Fetch(_) => "fetch",
        Request::ListSources(_) => "list_sources",
        Request::ListDocuments(_) => "list_documents",
        Request::VerifyQuote(_) => "verify_quote",
        Request::ReadResource { uri } if uri.starts_with("kb://source/") => "kb://source/{name}",
        Request::ReadResource { uri } if uri.contains("/passage/") => "kb://document/{id}/passage/{n}",
        Request::ReadResource { .. } => "kb://document/{id}",
        Request::ListResources { .. } => "resources/list",
        Request::Complete { .. } => "completion/complete",
        Request::WhichDocument { .. } => "prompts/get",
    }
}

/// A request as it goes over the wire: method and parameters.
pub fn message(request: &Request) -> (&'static str, Value) {
    match request {
        Request::ReadResource { uri } => ("resources/read", json!({ "uri": uri })),
        Request::ListResources { cursor: None } => ("resources/list", json!({})),
        Request::ListResources { cursor } => ("resources/list", json!({ "cursor": cursor })),
        Request::Complete { what, typed } => {
            let (reference, name) = match what {
                Completed::Source => (json!({ "type": "ref/resource", "uri": "kb://source/{name}" }), "name"),
                Completed::Title => (json!({ "type": "ref/prompt", "name": "compare_documents" }), "first"),
                Completed::Id => (json!({ "type": "ref/resource", "uri": "kb://document/{id}" }), "id"),
            };
            ("completion/complete", json!({ "ref": reference, "argument": { "name": name, "value": typed } }))
        }
        Request::WhichDocument { named } => {
            let arguments = json!({ "first": named, "second": named });
            ("prompts/get", json!({ "name": "compare_documents", "arguments": arguments }))
        }
        tool => ("tools/call", json!({ "name": surface(tool), "arguments": arguments(tool) })),
    }
}

pub fn arguments(request: &Request) -> Map<String, Value> {
    let mut arguments = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            arguments.insert(name.to_owned(), value);
        }
    };
    match request {
        Request::Search(search) => {
            put("query", json!(search.query));
            if !search.also.is_empty() {
                put("also", json!(search.also));
            }
            put("limit", json!(search.limit));
            put("cursor", json!(search.cursor));
            if search.filters != Filters::default() {
                put("filters", json!(search.filters));
            }
            if search.mode != Mode::Hybrid {
                put("mode", json!(search.mode));
            }
            put("not_before", json!(search.not_before));
        }
        Request::Fetch(fetch) => {
            put("id", json!(fetch.id));
            put("offset", json!(fetch.offset));
            put("max_chars", json!(fetch.max_chars));
            put("around", json!(fetch.around));
        }
        Request::ListSources(list) => put("cursor", json!(list.cursor)),
        Request::ListDocuments(list) => {
            put("source", json!(list.source));
            put("path", json!(list.path));
            put("modified_after", json!(list.modified_after));
            put("limit", json!(list.limit));
            put("cursor", json!(list.cursor));
        }
        Request::VerifyQuote(verify) => {
            put("id", json!(verify.id));
            put("quote", json!(verify.quote));
        }
        Request::ReadResource { .. }
        | Request::ListResources { .. }
        | Request::Complete { .. }
        | Request::WhichDocument { .. } => {}
    }
    arguments
}
