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
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use kenward_vault::{AnswerError, ErrorCode};
use rmcp::ErrorData;
use rmcp::model::{ErrorCode as RpcCode, JsonRpcError, ProtocolVersion, RequestId};
use serde_json::Value;

const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The library's own words are a line; of anything longer, nothing is looked at.
const MOST_WORDS: usize = 4096;

/// What a client must be able to do, in an error that says so.
const CAPABILITIES: &str = "requiredCapabilities";

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
        let version =
            headers.get(PROTOCOL_VERSION).map(|version| String::from_utf8_lossy(version.as_bytes()));
        Self {
            message: request.method() == Method::POST && super::is_endpoint(request.uri().path()),
            json: says_json(headers),
            version: version.filter(|version| !is_ours(version)).map(|version| echo(&version)),
        }
    }
}

fn is_ours(version: &str) -> bool {
    surfaces::PROTOCOL_VERSIONS.iter().any(|ours| ours.as_str() == version)
}

/// Lets a request pass whose header names a version that is spoken here, or none. The library would serve others that it
/// knows by the rules of ours.
pub(super) async fn spoken(request: Request, next: Next) -> Response {
    let version = request.headers().get(PROTOCOL_VERSION);
    let ours = version.is_none_or(|version| version.to_str().is_ok_and(is_ours));
    if ours || request.method() != Method::POST {
        return next.run(request).await;
    }
    let (posted, id) = (Posted::of(&request), respond::request_id(&request));
    let refusal = refusal(&posted, StatusCode::BAD_REQUEST, Body::empty()).await;
    // The bearer layer has read the body: what is in it is in memory.
    let body = to_bytes(request.into_body(), usize::MAX).await.unwrap_or_default();
    let message = serde_json::from_slice::<Identified>(&body).ok().and_then(|message| message.id);
    json_rpc(&posted, &refusal, message, &id)
}

/// All that is read of a message in a version that is not spoken.
#[derive(serde::Deserialize)]
struct Identified {
    id: Option<RequestId>,
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

impl Refusal {
    fn told(&self) -> AnswerError {
        let ours = self.status.is_server_error();
        AnswerError {
            code: if ours { ErrorCode::Internal } else { ErrorCode::InvalidArgument },
            field: self.field.map(str::to_owned),
            message: self.message.to_owned(),
            hint: self.hint.to_owned(),
        }
    }
}

/// An error of the library's, as ours.
pub(super) async fn in_our_form(posted: Posted, response: Response, id: &str) -> Response {
    let status = response.status();
    if status.as_u16() < 400 {
        return response;
    }
    if says_json(response.headers()) {
        return if posted.message { named(response, id).await } else { response };
    }
    let (parts, body) = response.into_parts();
    let refusal = refusal(&posted, status, body).await;
    let mut ours = if posted.message {
        json_rpc(&posted, &refusal, None, id)
    } else {
        respond::json(refusal.status, &refusal.told(), id)
    };
    for (name, value) in parts.headers.iter().filter(|(name, _)| **name == ALLOW) {
        ours.headers_mut().insert(name.clone(), value.clone());
    }
    ours
}

/// A JSON-RPC error that does not name its request is the library's: its code and the message's id stay, its words go.
async fn named(response: Response, id: &str) -> Response {
    let (parts, body) = response.into_parts();
    // In memory already, and as long as the message's id or a header that it repeats: both are bounded.
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let Ok(JsonRpcError { id: message, error, .. }) = serde_json::from_slice::<JsonRpcError>(&bytes) else {
        return Response::from_parts(parts, bytes.into());
    };
    let has_name = error.data.as_ref().is_some_and(|data| data.get("request_id").is_some());
    if has_name {
        return Response::from_parts(parts, bytes.into());
    }
    let (field, words, hint) = match error.code {
        RpcCode::HEADER_MISMATCH => (
            Some("headers"),
            "the headers do not say what the body says",
            "send `mcp-protocol-version`, `mcp-method` and `mcp-name` with the values of the body",
        ),
        RpcCode::METHOD_NOT_FOUND => (
            Some("method"),
            "there is no such method in this version of the protocol",
            "the capabilities say what there is: tools, resources, prompts, completions",
        ),
        RpcCode::UNSUPPORTED_PROTOCOL_VERSION => (
            Some("mcp-protocol-version"),
            "this version of the protocol is not spoken here",
            "send a version of `supported`",
        ),
        RpcCode::INVALID_PARAMS => (
            Some("params"),
            "the parameters are not those of this version of the protocol",
            "in version 2026-07-28 every request has `params._meta` with `io.modelcontextprotocol/protocolVersion` and \
             `io.modelcontextprotocol/clientCapabilities` (an object, `{}` will do); version 2025-11-25 needs neither",
        ),
        _ => (None, "the request cannot be served", "send it as the Model Context Protocol says"),
    };
    // The specification's own, of which the library knows more than we do.
    let capabilities = error.data.as_ref().and_then(|data| data.get(CAPABILITIES)).cloned();
    let requested = error.data.as_ref().and_then(|data| data.get("requested")).and_then(Value::as_str);
    let told = AnswerError {
        code: ErrorCode::InvalidArgument,
        field: field.map(str::to_owned),
        message: words.to_owned(),
        hint: hint.to_owned(),
    };
    let mut data = errors::object(&told, id).get_mut("error").map(Value::take);
    if let (RpcCode::UNSUPPORTED_PROTOCOL_VERSION, Some(Value::Object(data))) = (error.code, &mut data) {
        data.extend(versions(&echo(requested.unwrap_or_default())));
    }
    if let (Some(capabilities), Some(Value::Object(data))) = (capabilities, &mut data) {
        data.insert(CAPABILITIES.to_owned(), capabilities);
    }
    (parts.status, Json(JsonRpcError::new(message, ErrorData::new(error.code, words, data)))).into_response()
}

/// The same as the answer to a message, whose id may be one that nobody could read.
fn json_rpc(posted: &Posted, refusal: &Refusal, message: Option<RequestId>, id: &str) -> Response {
    let mut data = errors::object(&refusal.told(), id).get_mut("error").map(Value::take).unwrap_or_default();
    if let (RpcCode::UNSUPPORTED_PROTOCOL_VERSION, Some(requested), Value::Object(data)) =
        (refusal.code, &posted.version, &mut data)
    {
        data.extend(versions(requested));
    }
    let error = ErrorData::new(refusal.code, refusal.message, Some(data));
    (refusal.status, Json(JsonRpcError::new(message, error))).into_response()
}

/// What the specification wants beside an error about a version.
fn versions(requested: &str) -> [(String, Value); 2] {
    let supported = surfaces::PROTOCOL_VERSIONS.iter().map(ProtocolVersion::as_str).collect::<Vec<_>>();
    [("supported".to_owned(), supported.into()), ("requested".to_owned(), requested.into())]
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

    #[tokio::test]
    async fn what_the_library_says_as_json_keeps_its_code_and_id_and_loses_its_words() {
        let told = |code: i32, data: Value| {
            let error =
                serde_json::json!({ "code": code, "message": "Header `zebra` does not match", "data": data });
            serde_json::json!({ "jsonrpc": "2.0", "id": 7, "error": error }).to_string()
        };
        let long = "z".repeat(3_000);
        for (code, data, field) in [
            (-32020, Value::Null, "headers"),
            (-32601, Value::Null, "method"),
            (-32022, serde_json::json!({ "requested": long }), "mcp-protocol-version"),
        ] {
            let request = Request::post("/mcp").body(Body::empty()).unwrap();
            let response =
                (StatusCode::BAD_REQUEST, Json(serde_json::from_str::<Value>(&told(code, data)).unwrap()));
            let ours = in_our_form(Posted::of(&request), response.into_response(), "r_1").await;
            assert_eq!(ours.status(), 400);
            let body: Value =
                serde_json::from_slice(&to_bytes(ours.into_body(), 4096).await.unwrap()).unwrap();
            assert_eq!((&body["id"], &body["error"]["code"]), (&7.into(), &code.into()));
            assert_eq!(body["error"]["data"]["field"], field);
            assert_eq!(body["error"]["data"]["request_id"], "r_1");
            assert!(!body.to_string().contains("zebra"), "{body}");
        }
        // An id may be as long as a message.
        let id = "i".repeat(3 << 20);
        let error = serde_json::json!({ "code": -32020, "message": "zebra" });
        let long = Json(serde_json::json!({ "jsonrpc": "2.0", "id": id, "error": error }));
        let request = Request::post("/mcp").body(Body::empty()).unwrap();
        let response = (StatusCode::BAD_REQUEST, long).into_response();
        let ours = in_our_form(Posted::of(&request), response, "r_1").await;
        assert_eq!(ours.status(), 400);
        let body: Value =
            serde_json::from_slice(&to_bytes(ours.into_body(), 4 << 20).await.unwrap()).unwrap();
        assert_eq!((&body["id"], &body["error"]["data"]["request_id"]), (&id.into(), &"r_1".into()));
        let own =
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"m","data":{"request_id":"r_9"}}}"#;
        let response = (StatusCode::NOT_FOUND, [(CONTENT_TYPE, "application/json")], own).into_response();
        let request = Request::post("/mcp").body(Body::empty()).unwrap();
        let same = in_our_form(Posted::of(&request), response, "r_1").await;
        assert_eq!(to_bytes(same.into_body(), 4096).await.unwrap(), own);
    }
}
