//! Errors to callers, in fixed words: `{error: {code, field, message, try, request_id}}`.
//! Nothing here may name, quote or count a document, or carry the chain of an internal error: that
//! goes to the log, under the request id.

use crate::mcp::arguments::echo;
use crate::mcp::ask::AskError;
use crate::mcp::surfaces::METHODS;
use kenward_vault::{AnswerError, ErrorCode};
use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value, json};

/// An argument is wrong.
#[must_use]
pub fn argument(field: &str, message: String, hint: String) -> AnswerError {
    AnswerError { code: ErrorCode::InvalidArgument, field: Some(field.to_owned()), message, hint }
}

/// What a caller is told; the chain of an internal error is logged here and nowhere else.
#[must_use]
pub fn told(error: AskError) -> AnswerError {
    match error {
        AskError::Refused(error) => error,
        AskError::Backend(_) => {
            tracing::error!(error = %chain(&error), "the owner of the data could not be reached");
            AnswerError {
                code: ErrorCode::TryAgain,
                field: None,
                message: "the knowledge base cannot be reached right now".to_owned(),
                hint: "send the same call again in a few seconds".to_owned(),
            }
        }
        AskError::Owner(_) | AskError::Reply => {
            tracing::error!(error = %chain(&error), "a question was not answered");
            internal()
        }
    }
}

/// Something failed inside.
#[must_use]
pub fn internal() -> AnswerError {
    AnswerError {
        code: ErrorCode::Internal,
        field: None,
        message: "something failed inside; nothing about the request is wrong".to_owned(),
        hint: "send the same call again; if it fails again, give the request id to the operator".to_owned(),
    }
}

/// The request carries no identity (or its proof has gone): over HTTP the bearer layer refuses first.
#[must_use]
pub fn unauthenticated() -> AnswerError {
    AnswerError {
        code: ErrorCode::Unauthenticated,
        field: None,
        message: "no valid token came with this request".to_owned(),
        hint: "send the header `Authorization: Bearer kwt_…`; an operator makes a token with `kenward tokens create USER`"
            .to_owned(),
    }
}

/// The object that every error is.
#[must_use]
pub fn object(error: &AnswerError, request_id: &str) -> Value {
    json!({
        "error": {
            "code": error.code,
            "field": error.field,
            "message": error.message,
            "try": error.hint,
            "request_id": request_id,
        }
    })
}

/// As a tool's result. It has no structured content: that would have to fit the tool's output
/// schema, and clients check.
#[must_use]
pub fn tool_result(error: &AnswerError, request_id: &str) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(object(error, request_id).to_string())])
}

/// As a protocol error, for what is no tool.
#[must_use]
pub fn protocol_error(error: &AnswerError, request_id: &str) -> ErrorData {
    let data = object(error, request_id).get("error").cloned();
    let message = error.message.clone();
    match error.code {
        ErrorCode::NotFound => ErrorData::resource_not_found(message, data),
        ErrorCode::InvalidArgument | ErrorCode::InvalidCursor => ErrorData::invalid_params(message, data),
        ErrorCode::Unauthenticated | ErrorCode::InsufficientScope => {
            ErrorData::invalid_request(message, data)
        }
        ErrorCode::TryAgain | ErrorCode::Unreadable | ErrorCode::Internal => {
            ErrorData::internal_error(message, data)
        }
    }
}

/// Subscriptions of the older version need something to be told on, which there is over stdio alone.
#[must_use]
pub fn not_over_http(request_id: &str) -> ErrorData {
    let error = AnswerError {
        code: ErrorCode::InvalidArgument,
        field: Some("method".to_owned()),
        message: "this version of the protocol has no subscriptions over HTTP".to_owned(),
        hint:
            "ask again with `resources/read`, or use `subscriptions/listen` of version 2026-07-28, or stdio"
                .to_owned(),
    };
    let data = object(&error, request_id).get("error").cloned();
    ErrorData::new(rmcp::model::ErrorCode::METHOD_NOT_FOUND, error.message, data)
}

/// Longer URIs are not given back: none of ours is.
const LONGEST_URI: usize = 512;

/// The same for a resource: what is not there is named by the caller's own URI, as the specification wants.
#[must_use]
pub fn resource_error(error: &AnswerError, uri: &str, request_id: &str) -> ErrorData {
    let mut told = protocol_error(error, request_id);
    if let (ErrorCode::NotFound, Some(Value::Object(data))) = (error.code, &mut told.data)
        && uri.len() <= LONGEST_URI
    {
        data.insert("uri".to_owned(), uri.into());
    }
    told
}

/// A method that this server does not have, or one that it has with parameters of another shape: rmcp gives
/// us both in one way, and its own error names no request.
#[must_use]
pub fn not_served(method: &str, request_id: &str) -> ErrorData {
    if METHODS.contains(&method) {
        let message = format!("the parameters of `{method}` do not have the form that the protocol says");
        let hint = match method {
            "tools/call" => "send `params` with `name` as a string and `arguments` as an object",
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
                "send `params` with `uri` as a string"
            }
            "prompts/get" => "send `params` with `name` as a string and `arguments` as an object of strings",
            "completion/complete" => {
                "send `params` with `ref` (`type` and `name` or `uri`) and `argument` (`name` and `value`)"
            }
            "subscriptions/listen" => {
                "send `params` with `notifications`, an object with `resourceSubscriptions` (a list of URIs) or \
                 `resourcesListChanged`"
            }
            _ => "send `params` as an object, with the fields of the protocol version that you speak",
        };
        return protocol_error(&argument("params", message, hint.to_owned()), request_id);
    }
    unknown_method(method, request_id)
}

/// A method that this server does not have in the version of the protocol that the request speaks.
#[must_use]
pub fn unknown_method(method: &str, request_id: &str) -> ErrorData {
    let method = echo(method);
    let error = AnswerError {
        code: ErrorCode::InvalidArgument,
        field: Some("method".to_owned()),
        message: format!("the method `{method}` is not served here"),
        hint: "the server's capabilities say what there is: tools, resources, prompts, completions"
            .to_owned(),
    };
    let data = object(&error, request_id).get("error").cloned();
    ErrorData::new(rmcp::model::ErrorCode::METHOD_NOT_FOUND, error.message, data)
}

/// An error and its sources in one line, for the log.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        line.push_str(": ");
        line.push_str(&source.to_string());
        next = source.source();
    }
    line
}
