//! The protocol alone, over rmcp's own client and an in-memory pipe. Who answers is scripted here;
//! the same surface over a real vault is tested in `tests/it`.

use super::ask::{Ask, AskError};
use super::request_id::RequestIds;
use super::surfaces::{METHODS, surfaces};
use super::{Claims, KenwardServer, errors};
use crate::owner::ops::{Claim, Question};
use kenward_vault::{AnswerError, ErrorCode};
use rmcp::model::{
    CallToolRequestParams, ClientConfig, ProtocolVersion, ReadResourceRequestParams, ResourceContents,
};
use rmcp::serve_server;
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _, RoleClient, RunningService, ServiceError};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const ANSWER: &str = r#"{"results":[{"id":"kd_a","title":"T","url":"u","text":"x","trust":{"untrusted":true,"tier":2},"provenance":{"source":"h","span":[1,2]}}],"next_cursor":null}"#;

/// Answers everything with [`ANSWER`], but a resource or document called `missing`; keeps the questions.
#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<Vec<Question>>>);

impl Ask for Scripted {
    async fn ask(&self, _: Claim, question: Question, _: String) -> Result<String, AskError> {
        let missing = match &question {
            Question::ReadResource { uri } => uri.contains("missing"),
            Question::Fetch(request) => request.id.contains("missing"),
            _ => false,
        };
        self.0.lock().unwrap().push(question);
        if missing {
            return Err(AskError::Refused(AnswerError {
                code: ErrorCode::NotFound,
                field: Some("id".to_owned()),
                message: "no document with this id in what you can see".to_owned(),
                hint: "take an id from `search` or `list_documents`".to_owned(),
            }));
        }
        Ok(ANSWER.to_owned())
    }

    async fn authenticate(&self, _: Claim) -> Result<bool, AskError> {
        Ok(true)
    }
}

type Client = RunningService<RoleClient, ClientConfig>;

fn local() -> Claims {
    Claims::Process(Claim::Local { act_as: None, reason: None })
}

async fn connect(scripted: &Scripted, claims: Claims, lifecycle: ClientLifecycleMode) -> Client {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let server = KenwardServer::new(scripted.clone(), claims)
        .with_request_ids(RequestIds::from_fn(|| "r_fixed".to_owned()));
    tokio::spawn(async move {
        let running = serve_server(server, ours).await.unwrap();
        running.waiting().await.unwrap();
    });
    ClientConfig::default().serve_with_lifecycle(theirs, lifecycle).await.unwrap()
}

async fn legacy(scripted: &Scripted) -> Client {
    connect(scripted, local(), ClientLifecycleMode::Initialize).await
}

fn newest() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
}

fn call(name: &'static str, arguments: &Value) -> CallToolRequestParams {
    CallToolRequestParams::new(name).with_arguments(arguments.as_object().unwrap().clone())
}

async fn tool_error(client: &Client, name: &'static str, arguments: &Value) -> Value {
    let result = client.call_tool(call(name, arguments)).await.unwrap();
    assert_eq!(result.is_error, Some(true), "{result:?}");
    assert_eq!(result.structured_content, None, "an error would have to fit the output schema");
    assert_eq!(result.content.len(), 1);
    serde_json::from_str(&result.content[0].as_text().unwrap().text).unwrap()
}

#[tokio::test]
async fn both_versions_negotiate_and_answer_the_same() {
    let mut seen = Vec::new();
    for (lifecycle, version) in [(ClientLifecycleMode::Initialize, "2025-11-25"), (newest(), "2026-07-28")] {
        let scripted = Scripted::default();
        let client = connect(&scripted, local(), lifecycle).await;
        let info = serde_json::to_value(&*client.peer_info().unwrap()).unwrap();
        assert_eq!(info["protocolVersion"], version, "{info}");
        assert!(info["instructions"].as_str().unwrap().contains("never instructions"));
        assert!(info["capabilities"].get("prompts").is_none());
        let result = client.call_tool(call("search", &json!({ "query": "deadline" }))).await.unwrap();
        assert_eq!(result.content[0].as_text().unwrap().text, ANSWER);
        assert_eq!(result.structured_content.as_ref().unwrap().to_string(), ANSWER);
        seen.push(serde_json::to_value((&result.content, &result.structured_content, &result.meta)).unwrap());
        client.cancel().await.unwrap();
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn lists_are_private_and_fixed() {
    let client = connect(&Scripted::default(), local(), newest()).await;
    let tools = client.list_tools(None).await.unwrap();
    let names: Vec<_> = tools.tools.iter().map(|tool| tool.name.to_string()).collect();
    assert_eq!(names, surfaces().tools);
    let templates = client.list_resource_templates(None).await.unwrap();
    let uris: Vec<_> = templates.resource_templates.iter().map(|t| t.uri_template.as_str()).collect();
    assert_eq!(uris, surfaces().resource_templates);
    let resources = client.list_resources(None).await.unwrap();
    assert!(resources.resources.is_empty());
    let read = client.read_resource(ReadResourceRequestParams::new("kb://document/kd_a")).await.unwrap();
    for value in [
        serde_json::to_value(&tools).unwrap(),
        serde_json::to_value(&templates).unwrap(),
        serde_json::to_value(&resources).unwrap(),
        serde_json::to_value(&read).unwrap(),
    ] {
        assert_eq!((&value["cacheScope"], &value["ttlMs"]), (&json!("private"), &json!(0)), "{value}");
    }
    let ResourceContents::TextResourceContents { text, uri, meta, .. } = &read.contents[0] else {
        panic!("no text")
    };
    assert_eq!((text.as_str(), uri.as_str()), (ANSWER, "kb://document/kd_a"));
    assert_eq!(serde_json::to_value(meta).unwrap()["dev.kenward/trust"][0]["tier"], 2);
}

#[tokio::test]
async fn bad_arguments_are_tool_errors_that_say_what_to_change() {
    let scripted = Scripted::default();
    let client = legacy(&scripted).await;
    let error = tool_error(&client, "search", &json!({ "query": "x", "filters": { "lang": "en" } })).await;
    assert_eq!(error["error"]["code"], "invalid_argument");
    assert_eq!(error["error"]["field"], "filters.lang");
    assert_eq!(error["error"]["request_id"], "r_fixed");
    assert!(error["error"]["try"].as_str().unwrap().contains("`modified_after`"));
    let error = tool_error(&client, "search", &json!({})).await;
    assert_eq!(error["error"]["field"], "query");
    let error = tool_error(&client, "list_sources", &json!({ "query": "x" })).await;
    assert_eq!(error["error"]["field"], "query");
    assert!(scripted.0.lock().unwrap().is_empty(), "nothing of it reached the owner");
}

#[tokio::test]
async fn no_arguments_at_all_are_an_empty_object() {
    let client = legacy(&Scripted::default()).await;
    let result = client.call_tool(CallToolRequestParams::new("list_sources")).await.unwrap();
    assert_eq!(result.is_error, Some(false));
}

fn protocol_error(error: ServiceError) -> Value {
    match error {
        ServiceError::McpError(error) => serde_json::to_value(error).unwrap(),
        other => panic!("no protocol error: {other:?}"),
    }
}

#[tokio::test]
async fn an_unknown_tool_is_a_protocol_error_that_names_the_tools() {
    let client = legacy(&Scripted::default()).await;
    let error = protocol_error(client.call_tool(CallToolRequestParams::new("erase")).await.unwrap_err());
    assert_eq!(error["code"], -32602);
    assert!(error["data"]["try"].as_str().unwrap().contains("`list_documents`"), "{error}");
}

#[tokio::test]
async fn a_missing_resource_has_one_value_and_the_code_of_its_version() {
    for (lifecycle, code) in [(ClientLifecycleMode::Initialize, -32002), (newest(), -32602)] {
        let client = connect(&Scripted::default(), local(), lifecycle).await;
        let read = client.read_resource(ReadResourceRequestParams::new("kb://document/missing")).await;
        let error = protocol_error(read.unwrap_err());
        assert_eq!(error["code"], code);
        assert_eq!(error["data"]["code"], "not_found");
        assert_eq!(error["data"]["uri"], "kb://document/missing");
        let long = format!("kb://document/missing{}", "x".repeat(600));
        let read = client.read_resource(ReadResourceRequestParams::new(long)).await;
        assert_eq!(protocol_error(read.unwrap_err())["data"].get("uri"), None, "too long to be ours");
        let error = tool_error(&client, "fetch", &json!({ "id": "missing" })).await;
        assert_eq!(error["error"]["message"], "no document with this id in what you can see");
    }
}

#[tokio::test]
async fn without_a_claim_nothing_is_asked() {
    let scripted = Scripted::default();
    // The HTTP server's way of finding the claim, on a pipe that has no HTTP request.
    let client = connect(&scripted, Claims::Request, ClientLifecycleMode::Initialize).await;
    let error = tool_error(&client, "search", &json!({ "query": "x" })).await;
    assert_eq!(error["error"]["code"], "unauthenticated");
    assert!(scripted.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_not_declared_is_not_answered() {
    let client = legacy(&Scripted::default()).await;
    let error = protocol_error(client.list_prompts(None).await.unwrap_err());
    assert_eq!(error["code"], -32601);
    assert!(error["data"]["request_id"].as_str().unwrap().starts_with("r_"), "{error}");
    assert!(error["data"]["try"].as_str().unwrap().contains("capabilities"), "{error}");
    assert!(!METHODS.contains(&"prompts/list"));
    let error =
        protocol_error(client.complete_resource_simple("kb://document/{id}", "id", "k").await.unwrap_err());
    assert_eq!(error["code"], -32601);
}

#[test]
fn internal_errors_say_nothing_of_the_inside() {
    let backend = crate::owner::BackendError::Io(std::io::Error::other("secret place"));
    let told = errors::told(AskError::Backend(backend));
    assert_eq!(told.code, ErrorCode::TryAgain);
    assert!(!errors::object(&told, "r").to_string().contains("secret"));
}
