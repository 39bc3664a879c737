//! Streamable HTTP by the real program: who gets in, both versions of the protocol, mistakes that
//! agents make, and what the log must not say.

use super::served::{
    BEN, Client, DANA, DOCUMENT_CANARY, Home, Served, answer, http, lifecycles, newest, refusal,
};
use reqwest::{RequestBuilder, StatusCode};
use rmcp::model::ReadResourceRequestParams;
use serde_json::{Value, json};

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"0"}}}"#;

fn post(served: &Served) -> RequestBuilder {
    http()
        .post(&served.url)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(INITIALIZE)
}

/// A message that says to be something else.
fn plain(served: &Served, kind: &str) -> RequestBuilder {
    http()
        .post(&served.url)
        .header("content-type", kind)
        .header("accept", "application/json, text/event-stream")
        .body(INITIALIZE)
}

fn list_tools(cursor: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": { "cursor": cursor } }).to_string()
}

#[tokio::test]
async fn nobody_gets_in_without_a_token_from_another_host_or_a_foreign_page() {
    let home = Home::new();
    let token = home.token(DANA);
    let mut served = home.serve();

    let wrong = format!("kwt_{}", "a".repeat(52));
    for (authorization, challenge) in [
        (None, "Bearer realm=\"kenward\""),
        (Some("Bearer"), "error=\"invalid_request\""),
        (Some("Basic YTpi"), "error=\"invalid_request\""),
        (Some(wrong.as_str()), "error=\"invalid_request\""),
        (Some(&*format!("Bearer {wrong}")), "error=\"invalid_token\""),
        (Some(&*format!("Bearer {token}x")), "error=\"invalid_token\""),
    ] {
        let mut request = post(&served);
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{authorization:?}");
        let header = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert!(header.contains(challenge), "{authorization:?}: {header}");
        let request_id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["error"]["code"], "unauthenticated");
        assert_eq!(body["error"]["request_id"], request_id);
    }
    // A token in the URL is no token, and told to be a mistake.
    let url = format!("{}?access_token={token}", served.url);
    assert_eq!(http().post(url).body(INITIALIZE).send().await.unwrap().status(), StatusCode::BAD_REQUEST);
    // Two headers are none, even if one is right.
    let twice = post(&served).bearer_auth(&token).header("authorization", format!("Bearer {wrong}"));
    assert_eq!(twice.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);

    for (name, value) in [
        ("host", "evil.example"),
        ("host", "127.0.0.1"),
        ("origin", "http://evil.example"),
        ("origin", "null"),
    ] {
        let response = post(&served).bearer_auth(&token).header(name, value).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{name}: {value}");
        assert!(!response.text().await.unwrap().contains("evil"));
    }
    // That comes before any token is looked at.
    let foreign = post(&served).header("origin", "http://evil.example").send().await.unwrap();
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    let own = post(&served).bearer_auth(&token).header("origin", served.origin());
    assert_eq!(own.send().await.unwrap().status(), StatusCode::OK);
    let named = post(&served)
        .bearer_auth(&token)
        .header("host", served.authority().replace("127.0.0.1", "localhost"));
    assert_eq!(named.send().await.unwrap().status(), StatusCode::OK);

    // Health says nothing and needs no token; but not for other hosts and foreign pages.
    let health = http().get(format!("{}/healthz", served.origin()));
    assert_eq!(health.send().await.unwrap().text().await.unwrap(), "ok\n");
    let rebound = http().get(format!("{}/healthz", served.origin())).header("host", "evil.example");
    assert_eq!(rebound.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let foreign = http().get(format!("{}/healthz", served.origin())).header("origin", "http://evil.example");
    assert_eq!(foreign.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let elsewhere = http().get(format!("{}/admin", served.origin())).send().await.unwrap();
    assert_eq!(elsewhere.status(), StatusCode::NOT_FOUND);
    let got = http().get(&served.url).bearer_auth(&token).send().await.unwrap();
    assert_eq!(got.status(), StatusCode::METHOD_NOT_ALLOWED);

    // What the protocol's library refuses has our form too, and says nothing of what was sent. The answer to
    // a message is a JSON-RPC error, without an id where none could be read.
    let spoken = |version| post(&served).header("mcp-protocol-version", version).body(list_tools("zebra"));
    for (request, status, code, try_this) in [
        (post(&served).body("{\"zebra"), 400, -32700, "JSON-RPC 2.0 message"),
        (post(&served).body("[\"zebra\"]"), 400, -32600, "JSON-RPC 2.0 message"),
        (post(&served).body("{\"jsonrpc\":\"1.0\",\"zebra\":1}"), 400, -32600, "JSON-RPC 2.0 message"),
        (plain(&served, "text/plain"), 415, -32600, "content-type: application/json"),
        (
            http().post(&served.url).header("accept", "text/html").json(&json!({})),
            406,
            -32600,
            "accept: application/json",
        ),
        (spoken("2019-01-01"), 400, -32022, "`supported`"),
        // One that the library knows and we do not speak.
        (spoken("2025-06-18"), 400, -32022, "`supported`"),
    ] {
        let response = request.bearer_auth(&token).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        let request_id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let body: Value = response.json().await.unwrap();
        // Of a message in a version that is not spoken, its id is read.
        let named = (code == -32022).then_some(json!(1));
        assert_eq!((&body["jsonrpc"], body.get("id")), (&json!("2.0"), named.as_ref()), "{body}");
        assert_eq!(body["error"]["code"], code, "{body}");
        assert_eq!(body["error"]["data"]["request_id"], request_id, "{body}");
        assert!(body["error"]["data"]["try"].as_str().unwrap().contains(try_this), "{body}");
        assert!(!body.to_string().contains("zebra"), "{body}");
    }
    let deleted = http().delete(&served.url).bearer_auth(&token).send().await.unwrap();
    assert_eq!(deleted.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(deleted.headers()["allow"], "POST");
    assert!(deleted.json::<Value>().await.unwrap()["error"]["try"].as_str().unwrap().contains("POST"));
    // What the newest version has no more is unknown in it, and a header that says otherwise than the body
    // is refused.
    for (method, header, status, code) in [
        ("initialize", "2026-07-28", 404, -32601),
        ("ping", "2026-07-28", 404, -32601),
        ("grep", "2026-07-28", 404, -32601),
        ("tools/list", "2025-11-25", 400, -32020),
    ] {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": { "_meta": meta } });
        let request = post(&served).header("mcp-protocol-version", header).header("mcp-method", method);
        let response = request.body(body.to_string()).bearer_auth(&token).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{method}");
        let body: Value = response.json().await.unwrap();
        assert_eq!((&body["id"], &body["error"]["code"]), (&json!(7), &json!(code)), "{method}: {body}");
        assert!(body["error"]["data"]["request_id"].as_str().unwrap().starts_with("r_"), "{method}: {body}");
    }
    // What every request of the newest version says of itself is named where it is missing.
    for meta in [json!({}), json!({ "_meta": { "io.modelcontextprotocol/protocolVersion": "2026-07-28" } })] {
        let body = json!({ "jsonrpc": "2.0", "id": 8, "method": "tools/list", "params": meta }).to_string();
        let request =
            post(&served).header("mcp-protocol-version", "2026-07-28").header("mcp-method", "tools/list");
        let bare: Value = request.body(body).bearer_auth(&token).send().await.unwrap().json().await.unwrap();
        assert_eq!((&bare["id"], &bare["error"]["code"]), (&json!(8), &json!(-32602)), "{bare}");
        assert!(bare["error"]["data"]["try"].as_str().unwrap().contains("clientCapabilities"), "{bare}");
    }
    for (method, params, code, try_this) in [
        ("grep", json!({}), -32601, "capabilities"),
        (
            "tools/call",
            json!({ "name": "search", "arguments": ["zebra"] }),
            -32602,
            "`arguments` as an object",
        ),
        ("tools/call", json!({ "name": 7 }), -32602, "`name` as a string"),
        ("resources/read", json!({}), -32602, "`uri` as a string"),
    ] {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let odd = post(&served).header("mcp-protocol-version", "2025-11-25").body(body);
        let body: Value = odd.bearer_auth(&token).send().await.unwrap().json().await.unwrap();
        assert_eq!(body["error"]["code"], code, "{body}");
        assert!(body["error"]["data"]["request_id"].as_str().unwrap().starts_with("r_"), "{body}");
        assert!(body["error"]["data"]["try"].as_str().unwrap().contains(try_this), "{body}");
        assert!(!body.to_string().contains("zebra"), "{body}");
    }

    let large = post(&served).bearer_auth(&token).body("x".repeat(5 << 20)).send().await.unwrap();
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(large.json::<Value>().await.unwrap()["error"]["code"], -32600);

    assert_eq!(served.stop(), Some(0), "{}", served.log());
}

#[tokio::test]
async fn a_revoked_token_is_refused_at_once() {
    let home = Home::new();
    let token = home.token(BEN);
    let served = home.serve();
    assert_eq!(post(&served).bearer_auth(&token).send().await.unwrap().status(), StatusCode::OK);
    super::served::succeeds(super::served::kenward(&home.config()).args(["users", "disable", BEN]));
    let response = post(&served).bearer_auth(&token).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn both_versions_answer_each_person_with_what_they_may_see() {
    let home = Home::new();
    let served = home.serve();
    for (lifecycle, version) in lifecycles() {
        let dana = served.client(&home.token(DANA), lifecycle.clone()).await;
        let ben = served.client(&home.token(BEN), lifecycle).await;
        let info = serde_json::to_value(&*dana.peer_info().unwrap()).unwrap();
        assert_eq!(info["protocolVersion"], version);

        assert_eq!(dana.list_tools(None).await.unwrap().tools.len(), 5);
        let documents = |value: &Value| value["documents"].as_array().unwrap().len();
        assert_eq!(documents(&answer(&dana, "list_documents", json!({})).await), 4);
        assert_eq!(documents(&answer(&ben, "list_documents", json!({})).await), 3);
        assert_eq!(answer(&ben, "list_sources", json!({})).await["sources"].as_array().unwrap().len(), 1);

        let query = json!({ "query": "salary bands quillfeather", "mode": "lexical" });
        let found = answer(&dana, "search", query.clone()).await;
        let salaries = found["results"][0].clone();
        assert!(salaries["text"].as_str().unwrap().contains(DOCUMENT_CANARY), "{found}");
        assert_eq!(salaries["trust"]["untrusted"], true);
        assert_eq!(answer(&ben, "search", query).await["results"], json!([]), "Ben sees nothing of it");

        let id = salaries["id"].as_str().unwrap();
        let page = answer(&dana, "fetch", json!({ "id": id })).await;
        assert!(page["text"].as_str().unwrap().contains(DOCUMENT_CANARY));
        assert!(page["metadata"].is_object());

        let templates = dana.list_resource_templates(None).await.unwrap().resource_templates;
        let uri = templates[0].uri_template.replace("{id}", id);
        let read = dana.read_resource(ReadResourceRequestParams::new(uri.clone())).await.unwrap();
        assert!(serde_json::to_string(&read).unwrap().contains(DOCUMENT_CANARY));

        // Forbidden and missing are the same value, by tool and by resource.
        let missing = id.replace(&id[5..9], "aaaa");
        assert_eq!(
            without_request_id(refusal(&ben, "fetch", json!({ "id": id })).await),
            without_request_id(refusal(&ben, "fetch", json!({ "id": missing })).await),
        );
        let forbidden = read_error(&ben, &uri).await;
        // But for the URI, which is the caller's own.
        assert_eq!(forbidden, read_error(&ben, &uri.replace(id, &missing)).await.replace(&missing, id));
        assert!(forbidden.contains("not_found"), "{forbidden}");
    }
}

fn without_request_id(mut error: Value) -> Value {
    assert!(error.as_object_mut().unwrap().remove("request_id").is_some());
    error
}

async fn read_error(client: &Client, uri: &str) -> String {
    match client.read_resource(ReadResourceRequestParams::new(uri)).await.unwrap_err() {
        rmcp::ServiceError::McpError(mut error) => {
            let data = error.data.as_mut().and_then(Value::as_object_mut).unwrap();
            assert!(data.remove("request_id").is_some());
            serde_json::to_string(&error).unwrap()
        }
        other => panic!("no protocol error: {other:?}"),
    }
}

#[tokio::test]
async fn mistakes_are_told_what_to_change() {
    let home = Home::new();
    let served = home.serve();
    let dana = served.client(&home.token(DANA), newest()).await;
    let ben = served.client(&home.token(BEN), newest()).await;

    let error = refusal(&dana, "search", json!({ "query": "x", "filters": { "colour": "blue" } })).await;
    assert_eq!((&error["code"], &error["field"]), (&json!("invalid_argument"), &json!("filters.colour")));
    assert!(error["try"].as_str().unwrap().contains("`modified_after`"), "the filters are named: {error}");
    for limit in [0, -1, 41, 10_000_000] {
        let error = refusal(&dana, "search", json!({ "query": "x", "limit": limit })).await;
        assert_eq!(
            (&error["code"], &error["field"]),
            (&json!("invalid_argument"), &json!("limit")),
            "{limit}"
        );
        let words = format!("{} {}", error["message"], error["try"]);
        assert!(words.contains("40"), "the bounds are named: {words}");
    }
    let error = refusal(&dana, "search", json!({ "query": "word ".repeat(200_000) })).await;
    assert_eq!((&error["code"], &error["field"]), (&json!("invalid_argument"), &json!("query")));
    assert!(error.to_string().len() < 2_000, "the query is not repeated");
    let words = format!("{} {}", error["message"], error["try"]);
    assert!(words.contains("characters"), "how long it may be is said: {words}");
    let error = refusal(&dana, "search", json!({ "query": "   " })).await;
    assert_eq!(error["field"], "query");

    for id in [
        "kd_aaaaaaaaaaaaaaaaaaaaaaaaaa",
        "kd_",
        "../../etc/passwd",
        "",
        "kd_aaaaaaaaaaaaaaaaaaaaaaaaaa#1@0000000000000000",
    ] {
        let error = refusal(&dana, "fetch", json!({ "id": id })).await;
        let code = error["code"].as_str().unwrap();
        assert!(["not_found", "invalid_argument"].contains(&code), "{id}: {error}");
        assert!(error["try"].as_str().unwrap().contains("`list_documents`"), "{id}: {error}");
    }

    // A cursor: forged, of another request, of another person.
    let first = answer(&dana, "search", json!({ "query": "expense reports", "limit": 1 })).await;
    let cursor = first["next_cursor"].as_str().expect("more than one passage matches").to_owned();
    let mut forged: Vec<char> = cursor.chars().collect();
    let middle = forged.len() / 2;
    forged[middle] = if forged[middle] == 'a' { 'b' } else { 'a' };
    let forged: String = forged.into_iter().collect();
    for (client, query, cursor) in [
        (&dana, "expense reports", "nonsense"),
        (&dana, "expense reports", forged.as_str()),
        (&dana, "travel", cursor.as_str()),
        (&ben, "expense reports", cursor.as_str()),
    ] {
        let error = refusal(client, "search", json!({ "query": query, "limit": 1, "cursor": cursor })).await;
        assert_eq!(error["code"], "invalid_cursor", "{error}");
        assert!(error["try"].as_str().unwrap().contains("without `cursor`"), "{error}");
        assert!(error["request_id"].as_str().unwrap().starts_with("r_"), "{error}");
    }
    let second =
        answer(&dana, "search", json!({ "query": "expense reports", "limit": 1, "cursor": cursor })).await;
    assert_ne!(first["results"][0]["cite"], second["results"][0]["cite"]);
}

#[tokio::test]
async fn the_log_at_trace_says_nothing_of_tokens_queries_and_documents() {
    let home = Home::new();
    let token = home.token(DANA);
    let served = home.serve_with(&[("RUST_LOG", "trace")]);
    for (lifecycle, _) in lifecycles() {
        let dana = served.client(&token, lifecycle).await;
        answer(&dana, "search", json!({ "query": "zanzibarquery quillfeather" })).await;
        refusal(&dana, "search", json!({ "query": "zanzibarquery", "filters": { "zanzibarfilter": 1 } }))
            .await;
        refusal(&dana, "fetch", json!({ "id": "kd_zanzibarid" })).await;
        let unknown = rmcp::model::CallToolRequestParams::new("zanzibartool");
        dana.call_tool(unknown).await.unwrap_err();
        dana.read_resource(ReadResourceRequestParams::new("kb://document/zanzibaruri")).await.unwrap_err();
        dana.cancel().await.unwrap();
    }
    let wrong = format!("kwt_zanzibartoken{}", "a".repeat(30));
    post(&served).bearer_auth(&wrong).header("x-zanzibarheader", "zanzibarvalue").send().await.unwrap();
    post(&served).bearer_auth(&token).header("host", "zanzibarhost.example").send().await.unwrap();
    post(&served).bearer_auth(&token).header("origin", "http://zanzibarorigin.example").send().await.unwrap();
    post(&served).bearer_auth(&token).body("{\"zanzibarbody").send().await.unwrap();
    let path = format!("{}/zanzibarpath?q=zanzibarurl", served.origin());
    http().get(path).bearer_auth(&token).send().await.unwrap();

    let log = served.log();
    assert!(log.lines().count() > 20, "it does log: {log}");
    assert!(log.contains("search") && log.contains("r_"), "by tool and request id: {log}");
    for canary in ["zanzibar", DOCUMENT_CANARY, token.as_str(), &token[4..20], "Salary bands", "salaries.md"]
    {
        let line = log.lines().find(|line| line.contains(canary));
        assert!(line.is_none(), "{canary} is in the log: {line:?}");
    }
}

#[test]
fn addresses_that_others_can_reach_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("kenward.toml");
    std::fs::write(&config, "data_dir = \"data\"\n").unwrap();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.7:8765"] {
        let output = super::served::kenward(&config).args(["serve", "--http", address]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{address}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("loopback") && said.contains("hint:"), "{said}");
    }
}
