//! Wrapping an answer for MCP: the disclosure's object as structured content, the very same bytes as
//! the one text item, and its labels once more in `_meta`, under our own prefix.
//! It must never change, add to or leave out anything of the disclosure.

use rmcp::model::{CallToolResult, ContentBlock, MetaObject, ReadResourceResult, ResourceContents};
use serde_json::{Map, Value, json};

/// Prefix of our own `_meta` names.
pub const META_PREFIX: &str = "dev.kenward/";

/// Where a disclosure keeps what it is about: one object for each document or passage.
const LISTS: &[&str] = &["results", "documents", "sources"];

/// A tool's result.
///
/// # Errors
/// The bytes are no JSON object: a defect of the owner.
pub fn tool_result(bytes: String) -> Result<CallToolResult, serde_json::Error> {
    let object: Map<String, Value> = serde_json::from_str(&bytes)?;
    let meta = labels(&object);
    let mut result = CallToolResult::success(vec![ContentBlock::text(bytes)]);
    result.structured_content = Some(Value::Object(object));
    result.meta = Some(meta);
    Ok(result)
}

/// A resource's contents: the same object as `fetch` gives, as JSON.
///
/// # Errors
/// The bytes are no JSON object: a defect of the owner.
pub fn resource(bytes: String, uri: &str) -> Result<ReadResourceResult, serde_json::Error> {
    let object: Map<String, Value> = serde_json::from_str(&bytes)?;
    let contents = ResourceContents::text(bytes, uri)
        .with_mime_type(super::surfaces::DOCUMENT_MIME_TYPE)
        .with_meta(labels(&object));
    Ok(ReadResourceResult::new(vec![contents]))
}

/// The labels of a disclosure, mirrored: that all of it is untrusted, and trust, sensitivity and provenance of each
/// part, in the order of the parts.
#[must_use]
pub fn labels(object: &Map<String, Value>) -> MetaObject {
    let mut meta = MetaObject::new();
    meta.0.insert(format!("{META_PREFIX}untrusted"), json!(true));
    let parts: Vec<&Map<String, Value>> = LISTS
        .iter()
        .find_map(|name| object.get(*name).and_then(Value::as_array))
        .map_or_else(|| vec![object], |list| list.iter().filter_map(Value::as_object).collect());
    for name in ["trust", "sensitivity", "provenance"] {
        let mirrored: Vec<Value> = parts.iter().filter_map(|part| label(part, name)).collect();
        if !mirrored.is_empty() {
            meta.0.insert(format!("{META_PREFIX}{name}"), Value::Array(mirrored));
        }
    }
    meta
}

/// A part's label, where the two kinds of disclosure keep it: beside the text, or in `metadata`.
fn label(part: &Map<String, Value>, name: &str) -> Option<Value> {
    part.get(name).or_else(|| part.get("metadata").and_then(|metadata| metadata.get(name))).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_the_same_bytes_and_the_object_the_same_object() {
        let bytes = r#"{"notice":"1 passage","results":[{"id":"kd_a","trust":{"untrusted":true,"tier":2},"provenance":{"source":"h","span":[1,2]},"sensitivity":"internal"}],"next_cursor":null}"#;
        let result = tool_result(bytes.to_owned()).unwrap();
        assert_eq!(result.content.len(), 1);
        assert_eq!(result.content[0].as_text().unwrap().text, bytes);
        assert_eq!(serde_json::to_string(&result.structured_content.unwrap()).unwrap(), bytes);
        let meta = serde_json::to_value(result.meta.unwrap()).unwrap();
        assert_eq!(meta["dev.kenward/untrusted"], true);
        assert_eq!(meta["dev.kenward/trust"][0]["tier"], 2);
        assert_eq!(meta["dev.kenward/provenance"][0]["source"], "h");
        assert_eq!(meta["dev.kenward/sensitivity"][0], "internal");
    }

    #[test]
    fn labels_of_a_fetch_are_found_in_its_metadata() {
        let bytes = r#"{"id":"kd_a","text":"t","metadata":{"trust":{"tier":2},"provenance":{"source":"h"}}}"#;
        let meta = serde_json::to_value(tool_result(bytes.to_owned()).unwrap().meta.unwrap()).unwrap();
        assert_eq!(meta["dev.kenward/provenance"][0]["source"], "h");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert!(tool_result("[]".to_owned()).is_err());
        assert!(resource("oops".to_owned(), "kb://document/kd_a").is_err());
    }
}
