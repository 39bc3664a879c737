//! Sessions of the older protocol: whose they are, and that the product has none.

use super::bound::SESSION;
use super::served::http;
use super::stage::{Serve, Stage};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

const NOBODYS: &str = "00000000-0000-4000-8000-000000000000";

fn initialize() -> Value {
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "t", "version": "0" },
    });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params })
}

fn list_tools() -> Value {
    json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {} })
}

fn request(stage: &Stage, method: Method, token: &str, body: Option<&Value>) -> RequestBuilder {
    let request = http()
        .request(method, &stage.url)
        .bearer_auth(token)
        .header("accept", "application/json, text/event-stream");
    match body {
        Some(body) => request.json(body),
        None => request,
    }
}

async fn within(stage: &Stage, method: Method, token: &str, session: &str, body: Option<&Value>) -> Response {
    let request = request(stage, method, token, body)
        .header(SESSION, session)
        .header("mcp-protocol-version", "2025-11-25");
    request.send().await.unwrap()
}

/// Opens a session, and gives its id.
async fn open(stage: &Stage, token: &str) -> String {
    let response = request(stage, Method::POST, token, Some(&initialize())).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.headers()[SESSION].to_str().unwrap().to_owned()
}

/// All that can be done with a session.
fn doors() -> [(Method, Option<Value>); 4] {
    [
        (Method::POST, Some(list_tools())),
        (Method::POST, Some(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))),
        (Method::GET, None),
        (Method::DELETE, None),
    ]
}

/// The answer without what differs by itself.
async fn comparable(response: Response) -> (StatusCode, String) {
    let status = response.status();
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    (status, response.text().await.unwrap().replace(&id, "ID"))
}

#[tokio::test]
async fn a_session_is_its_users_alone() {
    let stage = Stage::start(Serve::Bound).await;
    let session = open(&stage, &stage.dana[0]).await;
    for (method, body) in doors() {
        let others = within(&stage, method.clone(), &stage.ben, &session, body.as_ref()).await;
        let nobodys = within(&stage, method.clone(), &stage.ben, NOBODYS, body.as_ref()).await;
        let (others, nobodys) = (comparable(others).await, comparable(nobodys).await);
        assert_eq!(others.0, StatusCode::NOT_FOUND, "{method}: {}", others.1);
        assert_eq!(others, nobodys, "that a session is somebody else's can be told");
    }
    // Nothing of that ended it; and it is the person's, not the token's.
    for token in &stage.dana {
        let response = within(&stage, Method::POST, token, &session, Some(&list_tools())).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.text().await.unwrap().contains("\"search\""));
    }
    // Which of two is meant cannot be said.
    let own = open(&stage, &stage.ben).await;
    let both = request(&stage, Method::POST, &stage.ben, Some(&list_tools()))
        .header(SESSION, &own)
        .header(SESSION, &session);
    assert_eq!(both.send().await.unwrap().status(), StatusCode::NOT_FOUND);

    let ended = within(&stage, Method::DELETE, &stage.dana[1], &session, None).await;
    assert!(ended.status().is_success(), "{}", ended.status());
    let gone = within(&stage, Method::POST, &stage.dana[0], &session, Some(&list_tools())).await;
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
}

/// Why the binding is there. If rmcp binds sessions one day, this says so.
#[tokio::test]
async fn without_the_binding_one_user_uses_and_ends_anothers_session() {
    let stage = Stage::start(Serve::Unbound).await;
    let session = open(&stage, &stage.dana[0]).await;
    let used = within(&stage, Method::POST, &stage.ben, &session, Some(&list_tools())).await;
    assert_eq!(used.status(), StatusCode::OK);
    let ended = within(&stage, Method::DELETE, &stage.ben, &session, None).await;
    assert!(ended.status().is_success());
    let gone = within(&stage, Method::POST, &stage.dana[0], &session, Some(&list_tools())).await;
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_product_has_no_sessions_and_no_fixtures() {
    let stage = Stage::start(Serve::Product).await;
    let opened = request(&stage, Method::POST, &stage.dana[0], Some(&initialize())).send().await.unwrap();
    assert_eq!(opened.status(), StatusCode::OK);
    assert!(!opened.headers().contains_key(SESSION));
    for method in [Method::GET, Method::DELETE] {
        let response = within(&stage, method, &stage.dana[0], NOBODYS, None).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
    let listed = within(&stage, Method::POST, &stage.dana[0], NOBODYS, Some(&list_tools())).await;
    let listed = listed.text().await.unwrap();
    assert!(listed.contains("\"search\"") && !listed.contains("test_"), "{listed}");
}
