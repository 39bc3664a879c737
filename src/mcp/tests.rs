//! The protocol alone, over rmcp's own client and an in-memory pipe. Who answers is scripted here;
//! the same surface over a real vault is tested in `tests/it`.

use super::ask::{Ask, AskError};
use super::request_id::RequestIds;
use super::surfaces::{METHODS, surfaces};
use super::{Claims, KenwardServer, Pace, errors};
use crate::owner::ops::{Accepted, Claim, Question, Standing};
use kenward_vault::knowledge_base::{Seen, Watch};
use kenward_vault::{AnswerError, ErrorCode};
use rmcp::model::{
    CallToolRequestParams, ClientConfig, ClientRequest, CustomRequest, GetPromptRequestParams,
    ProgressNotificationParam, ProtocolVersion, ReadResourceRequestParams, ResourceContents,
    ResourceUpdatedNotificationParam, SubscribeRequestParams, SubscriptionFilter, SubscriptionsListenRequest,
    SubscriptionsListenRequestParams,
};
use rmcp::service::{
    ClientLifecycleMode, ClientServiceExt as _, NotificationContext, RoleClient, RunningService, ServiceError,
};
use rmcp::{ClientHandler, serve_server};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const ANSWER: &str = r#"{"results":[{"id":"kd_a","title":"T","url":"u","text":"x","trust":{"untrusted":true,"tier":2},"provenance":{"source":"h","span":[1,2]}}],"next_cursor":null}"#;

const LISTED: &str = r#"{"notice":"n","resources":[{"uri":"kb://document/kd_a","name":"h/a.md","title":"T","kind":"document","modified":"2026-10-02T08:11:00Z"}],"next_cursor":"sealed","receipt":"kr_1"}"#;
const DOCUMENTS: &str = r#"{"documents":[{"id":"kd_a","title":"T","uri":"kb://document/kd_a"}],"next_cursor":null,"receipt":"kr_1"}"#;

/// Answers everything with [`ANSWER`], but a resource or document called `missing`; keeps the questions.
#[derive(Clone, Default)]
struct Scripted {
    asked: Arc<Mutex<Vec<Question>>>,
    /// How long an answer takes.
    slow: Duration,
    /// What is told at each look, from the second on.
    told: Arc<Mutex<Vec<&'static str>>>,
    /// How often somebody looked.
    looks: Arc<AtomicU64>,
}

impl Ask for Scripted {
    async fn ask(&self, _: Claim, question: Question, _: String) -> Result<String, AskError> {
        let missing = match &question {
            Question::ReadResource { uri } => uri.contains("missing"),
            Question::Fetch(request) => request.id.contains("missing"),
            Question::WhichDocument { named } => named.contains("missing"),
            _ => false,
        };
        let answer = match &question {
            Question::ListResources { .. } => LISTED,
            Question::ListDocuments(_) => DOCUMENTS,
            Question::WhichDocument { .. } => r#"{"id":"kd_found","others":false}"#,
            Question::Complete { .. } => r#"{"values":["handbook","harbor"],"more":true}"#,
            _ => ANSWER,
        };
        self.asked.lock().unwrap().push(question);
        tokio::time::sleep(self.slow).await;
        if missing {
            return Err(AskError::Refused(AnswerError {
                code: ErrorCode::NotFound,
                field: Some("id".to_owned()),
                message: "no document with this id in what you can see".to_owned(),
                hint: "take an id from `search` or `list_documents`".to_owned(),
            }));
        }
        Ok(answer.to_owned())
    }

    async fn watch(
        &self,
        _: Claim,
        _: Watch,
        seen: Option<Seen>,
        _: String,
    ) -> Result<(Seen, Option<String>), AskError> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        let told = seen.is_some().then(|| self.told.lock().unwrap().pop()).flatten();
        match told {
            Some("gone") => Err(AskError::Refused(errors::unauthenticated())),
            told => Ok((nothing_seen(), told.map(str::to_owned))),
        }
    }

    async fn authenticate(&self, _: Claim) -> Result<Standing, AskError> {
        Ok(Standing::Accepted(Accepted::default()))
    }
}

fn nothing_seen() -> Seen {
    serde_json::from_value(
        json!({ "state": [1, 1, 1], "void_from": null, "marks": { "uris": {}, "list": null } }),
    )
    .unwrap()
}

/// Fast enough for a test.
const QUICK: Pace = Pace { tick: Duration::from_millis(20), progress: Duration::from_millis(30) };

type Client = RunningService<RoleClient, ClientConfig>;

fn local() -> Claims {
    Claims::Process(Claim::Local { act_as: None, reason: None })
}

async fn connect(scripted: &Scripted, claims: Claims, lifecycle: ClientLifecycleMode) -> Client {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let server = KenwardServer::new(scripted.clone(), claims)
        .with_request_ids(RequestIds::from_fn(|| "r_fixed".to_owned()))
        .with_pace(QUICK);
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
        for declared in ["tools", "resources", "prompts", "completions"] {
            assert!(info["capabilities"].get(declared).is_some(), "{declared}: {info}");
        }
        assert!(info["instructions"].as_str().unwrap().len() < 2048);
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
    assert_eq!(resources.resources[0].uri, "kb://document/kd_a");
    assert_eq!(resources.next_cursor.as_deref(), Some("sealed"));
    let prompts = client.list_prompts(None).await.unwrap();
    let names: Vec<_> = prompts.prompts.iter().map(|prompt| prompt.name.as_str()).collect();
    assert_eq!(names, surfaces().prompts);
    let read = client.read_resource(ReadResourceRequestParams::new("kb://document/kd_a")).await.unwrap();
    for value in [
        serde_json::to_value(&tools).unwrap(),
        serde_json::to_value(&templates).unwrap(),
        serde_json::to_value(&resources).unwrap(),
        serde_json::to_value(&prompts).unwrap(),
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
    assert!(scripted.asked.lock().unwrap().is_empty(), "nothing of it reached the owner");
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
    assert!(scripted.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_not_declared_is_not_answered() {
    let client = legacy(&Scripted::default()).await;
    let request = CustomRequest::new("kenward/erase", None);
    let error = client.send_request(ClientRequest::CustomRequest(request)).await.unwrap_err();
    let error = protocol_error(error);
    assert_eq!(error["code"], -32601);
    assert_eq!(error["data"]["request_id"], "r_fixed");
    assert!(error["data"]["try"].as_str().unwrap().contains("capabilities"), "{error}");
    assert!(!METHODS.contains(&"kenward/erase"));
}

#[tokio::test]
async fn search_and_fetch_have_one_text_and_lists_link_what_they_name() {
    let client = legacy(&Scripted::default()).await;
    for (tool, arguments, items) in [
        ("search", json!({ "query": "x" }), 1),
        ("fetch", json!({ "id": "kd_a" }), 1),
        ("list_documents", json!({}), 2),
    ] {
        let result = client.call_tool(call(tool, &arguments)).await.unwrap();
        assert_eq!(result.content.len(), items, "{tool}");
    }
    let result = client.call_tool(call("list_documents", &json!({}))).await.unwrap();
    let link = serde_json::to_value(&result.content[1]).unwrap();
    assert_eq!((&link["type"], &link["uri"]), (&json!("resource_link"), &json!("kb://document/kd_a")));
}

#[tokio::test]
async fn a_prompt_asks_for_its_evidence_and_names_the_argument_that_has_none() {
    let scripted = Scripted::default();
    let client = connect(&scripted, local(), newest()).await;
    let get = |name: &str, arguments: Value| {
        let arguments = arguments.as_object().unwrap().clone();
        client.get_prompt(GetPromptRequestParams::new(name).with_arguments(arguments))
    };
    let answer = get("answer_with_citations", json!({ "question": "when?", "source": "h" })).await.unwrap();
    let told = serde_json::to_value(&answer.messages).unwrap();
    assert!(told[0]["content"]["text"].as_str().unwrap().ends_with("Question: when?"));
    assert_eq!(told[1]["content"]["text"], ANSWER);
    assert_eq!(told[1]["content"]["_meta"]["dev.kenward/untrusted"], true);
    get("compare_documents", json!({ "first": "Berths", "second": "kd_b" })).await.unwrap();
    let asked = std::mem::take(&mut *scripted.asked.lock().unwrap());
    let [
        Question::Search(search),
        Question::WhichDocument { named },
        Question::WhichDocument { .. },
        Question::Fetch(first),
        Question::Fetch(second),
    ] = asked.as_slice()
    else {
        panic!("{asked:?}")
    };
    assert_eq!((search.query.as_str(), search.filters.source.as_deref()), ("when?", Some("h")));
    assert_eq!((named.as_str(), first.id.as_str(), second.id.as_str()), ("Berths", "kd_found", "kd_found"));
    let missing = get("compare_documents", json!({ "first": "Berths", "second": "kd_missing" })).await;
    let error = protocol_error(missing.unwrap_err());
    assert_eq!((&error["data"]["field"], &error["data"]["code"]), (&json!("second"), &json!("not_found")));
    let asked = std::mem::take(&mut *scripted.asked.lock().unwrap());
    assert!(!asked.iter().any(|question| matches!(question, Question::Fetch(_))), "{asked:?}");
}

#[tokio::test]
async fn completions_come_from_the_owner() {
    let scripted = Scripted::default();
    let client = connect(&scripted, local(), newest()).await;
    let found = client.complete_resource_simple("kb://source/{name}", "name", "ha").await.unwrap();
    assert_eq!(found, ["handbook", "harbor"]);
    let error = protocol_error(client.complete_prompt_simple("none", "source", "h").await.unwrap_err());
    assert_eq!((&error["code"], &error["data"]["field"]), (&json!(-32602), &json!("name")));
}

/// A client that keeps what it is told.
#[derive(Clone, Default)]
struct Hearing(Arc<Mutex<Vec<String>>>);

impl ClientHandler for Hearing {
    async fn on_resource_updated(
        &self,
        params: ResourceUpdatedNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.0.lock().unwrap().push(params.uri);
    }

    async fn on_resource_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.0.lock().unwrap().push("list".to_owned());
    }

    async fn on_progress(&self, params: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.0.lock().unwrap().push(format!("progress {}", params.message.unwrap_or_default()));
    }
}

async fn hearing(
    scripted: &Scripted,
    lifecycle: ClientLifecycleMode,
) -> (RunningService<RoleClient, Hearing>, Hearing) {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let server = KenwardServer::new(scripted.clone(), local()).with_pace(QUICK);
    tokio::spawn(async move {
        let running = serve_server(server, ours).await.unwrap();
        running.waiting().await.unwrap();
    });
    let heard = Hearing::default();
    (heard.clone().serve_with_lifecycle(theirs, lifecycle).await.unwrap(), heard)
}

async fn until(what: impl Fn() -> bool) {
    for _ in 0..500 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not happen");
}

const UPDATED: &str = r#"{"updated":["kb://document/kd_a"],"list_changed":true}"#;

#[tokio::test]
async fn the_older_version_hears_of_changes_over_stdio() {
    let scripted = Scripted::default();
    let (client, heard) = hearing(&scripted, ClientLifecycleMode::Initialize).await;
    let uri = "kb://document/kd_a";
    #[expect(deprecated, reason = "of the older version")]
    client.subscribe(SubscribeRequestParams::new(uri)).await.unwrap();
    scripted.told.lock().unwrap().push(UPDATED);
    until(|| heard.0.lock().unwrap().len() == 2).await;
    assert_eq!(*heard.0.lock().unwrap(), [uri, "list"]);
    // When the access has ended, nobody looks any more.
    scripted.told.lock().unwrap().push("gone");
    until(|| scripted.told.lock().unwrap().is_empty()).await;
    let looks = scripted.looks.load(Ordering::Relaxed);
    tokio::time::sleep(QUICK.tick * 5).await;
    assert!(scripted.looks.load(Ordering::Relaxed) <= looks + 1);
}

#[tokio::test]
async fn a_subscription_ends_with_the_access_of_its_person() {
    let scripted = Scripted::default();
    scripted.told.lock().unwrap().extend(["gone", UPDATED]);
    let (client, heard) = hearing(&scripted, newest()).await;
    let mut filter = SubscriptionFilter::new();
    filter.resource_subscriptions = Some(vec!["kb://document/kd_a".to_owned()]);
    filter.resources_list_changed = Some(true);
    let listening = SubscriptionsListenRequestParams::new(filter);
    let request = ClientRequest::SubscriptionsListenRequest(SubscriptionsListenRequest::new(listening));
    let ended = tokio::time::timeout(Duration::from_secs(20), client.send_request(request)).await.unwrap();
    let error = protocol_error(ended.unwrap_err());
    assert_eq!(error["data"]["code"], "unauthenticated");
    assert_eq!(*heard.0.lock().unwrap(), ["kb://document/kd_a", "list"]);
}

#[tokio::test]
async fn a_slow_call_tells_that_it_is_under_way_and_ends_when_it_is_cancelled() {
    let scripted = Scripted { slow: Duration::from_millis(200), ..Scripted::default() };
    let (client, heard) = hearing(&scripted, ClientLifecycleMode::Initialize).await;
    // The client's library puts a token into each of its requests.
    client.call_tool(call("search", &json!({ "query": "x" }))).await.unwrap();
    let notices = heard.0.lock().unwrap().clone();
    assert!(
        !notices.is_empty() && notices.iter().all(|notice| notice == "progress still working"),
        "{notices:?}"
    );
}

#[test]
fn internal_errors_say_nothing_of_the_inside() {
    let backend = crate::owner::BackendError::Io(std::io::Error::other("secret place"));
    let told = errors::told(AskError::Backend(backend));
    assert_eq!(told.code, ErrorCode::TryAgain);
    assert!(!errors::object(&told, "r").to_string().contains("secret"));
}
