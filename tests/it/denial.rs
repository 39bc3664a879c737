//! The denial matrix of the agents' endpoint: every tool, resource, prompt, completion and path, asked about a document
//! that only some may see, by everybody there is. The whole table is one reviewed snapshot: a surface without a row,
//! or a cell that changes, is seen in a review. What operators do has its own table (`operators.rs`).

use super::oauth::hostile::{link, trusting};
use super::oauth::issuer::Issuer;
use super::oauth::mint::{Signer, claims, with};
use super::served::{BEN, DANA, DOCUMENT_CANARY, Home, Served, answer, http, newest};
use kenward::mcp::surfaces::surfaces;
use reqwest::Response;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Stand in the forbidden document, its title and its path.
const FORBIDDEN: [&str; 3] = [DOCUMENT_CANARY, "Salary bands", "salaries.md"];

/// What is asked: the surface that it is a row of, and the message.
struct Row {
    surface: String,
    version: &'static str,
    method: &'static str,
    params: Value,
}

fn rows(id: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |surface: &str, method, params: Value| {
        rows.push(Row { surface: surface.to_owned(), version: "2025-11-25", method, params });
    };
    let uri = format!("kb://document/{id}");
    for tool in surfaces().tools {
        let arguments = match tool {
            "search" => json!({ "query": "salary bands quillfeather", "mode": "lexical" }),
            "fetch" => json!({ "id": id }),
            "verify_quote" => json!({ "id": id, "quote": "The quillfeather band starts at 71,000" }),
            _ => json!({}),
        };
        row(&format!("tool {tool}"), "tools/call", json!({ "name": tool, "arguments": arguments }));
    }
    for template in surfaces().resource_templates {
        let uri = template.replace("{id}", id).replace("{n}", "0").replace("{name}", "handbook");
        row(&format!("resource {template}"), "resources/read", json!({ "uri": uri }));
    }
    row("resources/list", "resources/list", json!({}));
    row("resources/templates/list", "resources/templates/list", json!({}));
    for prompt in surfaces().prompts {
        let arguments = match prompt {
            "compare_documents" => json!({ "first": "Salary bands", "second": id }),
            _ => json!({ "question": "what are the salary bands?" }),
        };
        row(&format!("prompt {prompt}"), "prompts/get", json!({ "name": prompt, "arguments": arguments }));
    }
    row("prompts/list", "prompts/list", json!({}));
    let title = json!({ "type": "ref/prompt", "name": "compare_documents" });
    row(
        "completion of a title",
        "completion/complete",
        json!({ "ref": title, "argument": { "name": "first", "value": "sal" } }),
    );
    let document = json!({ "type": "ref/resource", "uri": "kb://document/{id}" });
    row(
        "completion of an id",
        "completion/complete",
        json!({ "ref": document, "argument": { "name": "id", "value": "salary" } }),
    );
    let source = json!({ "type": "ref/resource", "uri": "kb://source/{name}" });
    row(
        "completion of a source",
        "completion/complete",
        json!({ "ref": source, "argument": { "name": "name", "value": "" } }),
    );
    row("tools/list", "tools/list", json!({}));
    row("ping", "ping", json!({}));
    row(
        "initialize",
        "initialize",
        json!({
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "0" }
        }),
    );
    row("resources/subscribe", "resources/subscribe", json!({ "uri": uri }));
    row("an unknown method", "kenward/erase", json!({}));
    for (surface, method, params) in [
        ("server/discover", "server/discover", json!({})),
        (
            "subscriptions/listen",
            "subscriptions/listen",
            json!({ "notifications": { "resourceSubscriptions": [uri], "resourcesListChanged": true } }),
        ),
    ] {
        rows.push(Row { surface: surface.to_owned(), version: "2026-07-28", method, params });
    }
    rows
}

async fn send(served: &Served, token: Option<&str>, row: &Row) -> Response {
    let mut params = row.params.clone();
    if row.version == "2026-07-28" {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": row.version,
            "io.modelcontextprotocol/clientInfo": { "name": "t", "version": "0" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
    }
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": row.method, "params": params });
    let request = http()
        .post(&served.url)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", row.version)
        .header("mcp-method", row.method)
        .body(body.to_string());
    match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
    .send()
    .await
    .unwrap()
}

/// A response in a few words: its status, what it refuses with, and whether anything of the forbidden document is in it.
async fn cell(mut response: Response) -> String {
    let status = response.status().as_u16();
    let challenge =
        response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    let stream = response.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream");
    // A subscription does not end; its first words are its answer.
    let text = if stream {
        String::from_utf8_lossy(&response.chunk().await.unwrap().unwrap()).into_owned()
    } else {
        response.text().await.unwrap()
    };
    let shows = FORBIDDEN.iter().any(|words| text.contains(words));
    let body: Value = serde_json::from_str(&text).unwrap_or_default();
    let tool = body["result"]["isError"] == true;
    let inner: Value = match (tool, body["result"]["content"][0]["text"].as_str()) {
        (true, Some(text)) => serde_json::from_str(text).unwrap(),
        _ => Value::Null,
    };
    let code = [&inner["error"]["code"], &body["error"]["data"]["code"], &body["error"]["code"]]
        .into_iter()
        .find(|code| code.is_string());
    let mut told = status.to_string();
    match code {
        Some(code) => write!(told, " {}", code.as_str().unwrap()).unwrap(),
        None if status == 200 => told.push_str(if shows { " SHOWN" } else { " nothing of it" }),
        None => {}
    }
    if code.is_some() && shows {
        told.push_str(" AND SHOWN");
    }
    let error = challenge
        .as_deref()
        .and_then(|said| said.split_once("error=\""))
        .and_then(|(_, rest)| rest.split('"').next());
    if let Some(error) = error {
        write!(told, " ({error})").unwrap();
    }
    told
}

#[tokio::test]
async fn everybody_asks_every_surface_about_what_only_some_may_see() {
    let signer = Signer::ed("k");
    let issuer = Issuer::with_keys(&[&signer]);
    let home = trusting(&format!("[[issuer]]\nurl = \"{}\"\n", issuer.url));
    link(&home, DANA, &issuer.url, "s-dana");
    link(&home, BEN, &issuer.url, "s-ben");
    let served = home.serve();
    let issued = |subject: &str, patch: Value| {
        signer.token(&signer.header(), &with(&claims(&issuer.url, subject), &patch))
    };
    let elsewhere = Home::of("elsewhere");
    let everybody: Vec<(&str, Option<String>)> = vec![
        ("no token", None),
        ("wrong audience", Some(issued("s-dana", json!({ "aud": "https://other.example/mcp" })))),
        ("no scope", Some(issued("s-dana", json!({ "scope": "openid profile" })))),
        ("review scope alone", Some(issued("s-dana", json!({ "scope": "kb:review" })))),
        ("other tenant", Some(elsewhere.token(DANA))),
        ("other user", Some(issued("s-ben", json!({})))),
        ("other user, reviewer", Some(issued("s-ben", json!({ "scope": "kb:read kb:review" })))),
        ("other user, admin", Some(issued("s-ben", json!({ "scope": "kb:read kb:review kb:admin" })))),
        ("a service", Some(issued("agent-one", json!({})))),
        ("permitted user", Some(issued("s-dana", json!({})))),
    ];
    let dana = served.client(&home.token(DANA), newest()).await;
    let found = answer(&dana, "search", json!({ "query": "quillfeather", "mode": "lexical" })).await;
    let id = found["results"][0]["id"].as_str().unwrap().to_owned();

    let mut table = String::new();
    let mut permitted_sees = 0;
    for row in rows(&id) {
        writeln!(table, "{}", row.surface).unwrap();
        for (who, token) in &everybody {
            let told = cell(send(&served, token.as_deref(), &row).await).await;
            // INVARIANT: only whoever may see it is shown anything of it.
            assert!(*who == "permitted user" || !told.contains("SHOWN"), "{} to {who}: {told}", row.surface);
            permitted_sees += usize::from(told.contains("SHOWN"));
            writeln!(table, "    {who}: {told}").unwrap();
        }
    }
    assert!(permitted_sees >= 10, "a matrix of nothing but refusals shows nothing");
    for path in [
        "/mcp",
        "/healthz",
        "/.well-known/oauth-protected-resource/mcp",
        "/metrics",
        "/readyz",
        "/admin",
        "/t/local/mcp",
    ] {
        writeln!(table, "GET {path}").unwrap();
        for (who, token) in
            everybody.iter().filter(|(who, _)| ["no token", "other user, admin"].contains(who))
        {
            let request = http().get(format!("{}{path}", served.origin()));
            let request = match token {
                Some(token) => request.bearer_auth(token),
                None => request,
            };
            writeln!(table, "    {who}: {}", cell(request.send().await.unwrap()).await).unwrap();
        }
    }
    insta::assert_snapshot!(table);
}
