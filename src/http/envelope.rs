//! What the protocol's library refuses in plain words, in our form: every error names its request and
//! says what to change. The answer to a message that was POSTed is a JSON-RPC error, without an id
//! where none could be read, as the specification has it; our own fields are in its `data`.
//!
//! It must never repeat the library's words or anything of the message: of the request only a version
//! of the protocol is named, cut short, because the specification wants that one back.

use super::respond;
use crate::mcp::arguments::echo;
use crate::mcp::{errors, surfaces};
use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use kenward_vault::{AnswerError, ErrorCode};
use rmcp::ErrorData;
use rmcp::model::{ErrorCode as RpcCode, JsonRpcError, ProtocolVersion};
use serde_json::Value;

const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The library's own words are a line; of anything longer, nothing is looked at.
const MOST_WORDS: usize = 4096;

/// What must be known of a request when its answer is an error.
pub(super) struct Posted {
    /// It is a message of the protocol.
    message: bool,
    /// Its body says to be JSON.
    json: bool,
    /// The version in its header, if that is not one of ours.
    version: Option<String>,
}

impl Posted {
    pub(super) fn of(request: &Request) -> Self {
        let headers = request.headers();
        let version = headers.get(PROTOCOL_VERSION).and_then(|version| version.to_str().ok());
        Self {
            message: request.method() == Method::POST && super::is_endpoint(request.uri().path()),
            json: says_json(headers),
            version: version
                .filter(|version| !surfaces::PROTOCOL_VERSIONS.iter().any(|ours| ours.as_str() == *version))
                .map(echo),
        }
    }
}

fn says_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).is_some_and(|kind| {
        let kind = kind.split_once(';').map_or(kind, |(kind, _)| kind);
        kind.trim().eq_ignore_ascii_case("application/json")
    })
}

/// One refusal: its status, its code in JSON-RPC, and its words.
struct Refusal {
    status: StatusCode,
    code: RpcCode,
    /// What of the request is wrong: a header, its method, its body.
    field: Option<&'static str>,
    message: &'static str,
    hint: &'static str,
}

/// An error that is no JSON yet, as ours.
pub(super) async fn in_our_form(posted: Posted, response: Response, id: &str) -> Response {
    let status = response.status();
    if status.as_u16() < 400 || says_json(response.headers()) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let refusal = refusal(&posted, status, body).await;
    let code =
        if refusal.status.is_server_error() { ErrorCode::Internal } else { ErrorCode::InvalidArgument };
    let error = AnswerError {
        code,
        field: refusal.field.map(str::to_owned),
        message: refusal.message.to_owned(),
        hint: refusal.hint.to_owned(),
    };
    let mut ours = if posted.message {
        json_rpc(&posted, &refusal, &error, id)
    } else {
        respond::json(refusal.status, &error, id)
    };
    for (name, value) in parts.headers.iter().filter(|(name, _)| **name == ALLOW) {
        ours.headers_mut().insert(name.clone(), value.clone());
    }
    ours
}

/// The same as the answer to a message whose id nobody could read.
fn json_rpc(posted: &Posted, refusal: &Refusal, error: &AnswerError, id: &str) -> Response {
    let mut data = errors::object(error, id).get_mut("error").map(Value::take).unwrap_or_default();
    if let (RpcCode::UNSUPPORTED_PROTOCOL_VERSION, Some(requested), Value::Object(data)) =
        (refusal.code, &posted.version, &mut data)
    {
        let supported = surfaces::PROTOCOL_VERSIONS.iter().map(ProtocolVersion::as_str).collect::<Vec<_>>();
        data.insert("supported".to_owned(), supported.into());
        data.insert("requested".to_owned(), requested.as_str().into());
    }
    let error = ErrorData::new(refusal.code, refusal.message, Some(data));
    (refusal.status, Json(JsonRpcError::new(None, error))).into_response()
}

async fn refusal(posted: &Posted, status: StatusCode, words: Body) -> Refusal {
    let told = |status, code, field, message, hint| Refusal { status, code, field, message, hint };
    match status {
        StatusCode::METHOD_NOT_ALLOWED => told(
            status,
            RpcCode::INVALID_REQUEST,
            Some("method"),
            "this HTTP method is not served",
            "send every message with POST",
        ),
        StatusCode::NOT_ACCEPTABLE => told(
            status,
            RpcCode::INVALID_REQUEST,
            Some("accept"),
            "the answer has a form that the request does not accept",
            "send `accept: application/json, text/event-stream`",
        ),
        // The library calls a body that it cannot read a wrong type of content.
        StatusCode::UNSUPPORTED_MEDIA_TYPE if posted.message && posted.json => {
            let hint = "send one JSON-RPC 2.0 message with `content-type: application/json`";
            if is_json_after_all(words).await {
                told(
                    StatusCode::BAD_REQUEST,
                    RpcCode::INVALID_REQUEST,
                    Some("body"),
                    "the body is JSON, but not one JSON-RPC message",
                    hint,
                )
            } else {
                told(
                    StatusCode::BAD_REQUEST,
                    RpcCode::PARSE_ERROR,
                    Some("body"),
                    "the body is not JSON",
                    hint,
                )
            }
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => told(
            status,
            RpcCode::INVALID_REQUEST,
            Some("content-type"),
            "the body is not said to be JSON",
            "send one JSON-RPC 2.0 message with `content-type: application/json`",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => told(
            status,
            RpcCode::INVALID_REQUEST,
            Some("body"),
            "the request is too large",
            "send a shorter one",
        ),
        StatusCode::BAD_REQUEST if posted.version.is_some() => told(
            status,
            RpcCode::UNSUPPORTED_PROTOCOL_VERSION,
            Some("mcp-protocol-version"),
            "this version of the protocol is not spoken here",
            "send a version of `supported` in the header `mcp-protocol-version`",
        ),
        _ if status.is_server_error() => told(
            status,
            RpcCode::INTERNAL_ERROR,
            None,
            "the request cannot be served",
            "send the same request again in a few seconds",
        ),
        _ => told(
            status,
            RpcCode::INVALID_REQUEST,
            None,
            "the request cannot be served",
            "send it as the Model Context Protocol says",
        ),
    }
}

/// Whether the body of the request was JSON and only no message. It was read and is gone; the library's
/// words tell the two apart.
async fn is_json_after_all(words: Body) -> bool {
    let words = to_bytes(words, MOST_WORDS).await.unwrap_or_default();
    String::from_utf8_lossy(&words).contains("unrecognized JSON-RPC message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmcp::model::ClientJsonRpcMessage;

    /// What the library says of a body.
    fn words(body: &str) -> String {
        let error = serde_json::from_str::<ClientJsonRpcMessage>(body).unwrap_err();
        format!("fail to deserialize request body {error}")
    }

    async fn answered(body: &str, status: StatusCode, kind: &str, version: &str) -> (u16, Value) {
        let request = Request::post("/mcp")
            .header(CONTENT_TYPE, kind)
            .header(PROTOCOL_VERSION, version)
            .body(Body::empty())
            .unwrap();
        let response = (status, body.to_owned()).into_response();
        let ours = in_our_form(Posted::of(&request), response, "r_1").await;
        let status = ours.status().as_u16();
        let body = to_bytes(ours.into_body(), 4096).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn a_body_that_cannot_be_read_is_told_from_one_that_is_no_message_and_from_a_wrong_type() {
        let wrong = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        for (words, kind, status, code) in [
            (words("{\"zebra"), "application/json", 400, -32700),
            (words(""), "application/json", 400, -32700),
            (words(r#"{"jsonrpc":"2.0","id":1,"method":"ping"} zebra"#), "application/json", 400, -32700),
            (words("[\"zebra\"]"), "Application/JSON; charset=utf-8", 400, -32600),
            (words("{\"jsonrpc\":\"1.0\",\"zebra\":1}"), "application/json", 400, -32600),
            (words("7"), "application/json", 400, -32600),
            ("Content-Type must be application/json".to_owned(), "text/plain", 415, -32600),
        ] {
            let (got, body) = answered(&words, wrong, kind, "2025-11-25").await;
            assert_eq!((got, &body["error"]["code"]), (status, &code.into()), "{words}");
            assert_eq!(body["jsonrpc"], "2.0");
            assert!(body.get("id").is_none(), "{body}");
            assert_eq!(body["error"]["data"]["request_id"], "r_1");
            let field = if status == 400 { "body" } else { "content-type" };
            assert_eq!(body["error"]["data"]["field"], field);
            assert!(!body.to_string().contains("deserialize"), "{body}");
        }
    }

    #[tokio::test]
    async fn a_version_that_is_not_spoken_comes_back_with_those_that_are() {
        let long = "9".repeat(5_000);
        for version in ["2019-01-01", long.as_str()] {
            let (status, body) =
                answered("unsupported", StatusCode::BAD_REQUEST, "application/json", version).await;
            assert_eq!(status, 400);
            assert_eq!(body["error"]["code"], -32022);
            assert_eq!(body["error"]["data"]["field"], "mcp-protocol-version");
            assert_eq!(body["error"]["data"]["supported"], serde_json::json!(["2026-07-28", "2025-11-25"]));
            assert!(body["error"]["data"]["requested"].as_str().unwrap().len() < 200, "{body}");
        }
        let (_, body) = answered("other", StatusCode::BAD_REQUEST, "application/json", "2026-07-28").await;
        assert_eq!(body["error"]["code"], -32600);
    }
}
