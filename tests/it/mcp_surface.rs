//! The rest of the surface by the real program: quotes, resources, prompts, completions, and what a subscription
//! tells, to somebody who may see it and to somebody who may not.

use super::served::{BEN, Client, DANA, Home, answer, http, kenward, lifecycles, newest, refusal, succeeds};
use rmcp::model::{
    ArgumentInfo, ClientRequest, CompleteRequestParams, GetPromptRequestParams, PaginatedRequestParams,
    ReadResourceRequestParams, Reference,
};
use serde_json::{Value, json};
use std::time::Duration;

async fn completed(client: &Client, reference: Reference, name: &str, typed: &str) -> Vec<String> {
    let request = CompleteRequestParams::new(reference, ArgumentInfo::new(name, typed));
    client.complete(request).await.unwrap().completion.values
}

#[tokio::test]
async fn everything_beside_search_is_there_for_who_may_see_it() {
    let home = Home::new();
    let served = home.serve();
    for (lifecycle, _) in lifecycles() {
        let dana = served.client(&home.token(DANA), lifecycle.clone()).await;
        let ben = served.client(&home.token(BEN), lifecycle).await;

        let listed = dana.list_resources(Some(PaginatedRequestParams::default())).await.unwrap();
        let uris: Vec<&str> = listed.resources.iter().map(|resource| resource.uri.as_str()).collect();
        assert_eq!((uris.len(), uris[0]), (5, "kb://source/handbook"), "{uris:?}");
        assert_eq!(ben.list_resources(None).await.unwrap().resources.len(), 4);
        for uri in &uris {
            dana.read_resource(ReadResourceRequestParams::new(*uri)).await.unwrap();
        }

        let found = answer(&dana, "search", json!({ "query": "salary bands", "mode": "lexical" })).await;
        let cite = found["results"][0]["cite"].as_str().unwrap();
        assert_eq!(found["results"][0]["provenance"]["path"], "finance/salaries.md");
        let quote = json!({ "id": cite, "quote": "band starts at 71,000" });
        assert_eq!(answer(&dana, "verify_quote", quote.clone()).await["found"], true);
        assert_eq!(refusal(&ben, "verify_quote", quote).await["code"], "not_found");
        let wrong = json!({ "id": cite, "quote": "The quillfeather band starts at 72,000" });
        let told = answer(&dana, "verify_quote", wrong).await;
        assert_eq!((&told["found"], told["closest"].is_object()), (&json!(false), true), "{told}");

        let titles = Reference::for_prompt("compare_documents");
        assert_eq!(completed(&dana, titles.clone(), "first", "sal").await, ["Salary bands"]);
        assert!(completed(&ben, titles, "first", "sal").await.is_empty());
        let source = Reference::for_resource("kb://source/{name}");
        assert_eq!(completed(&ben, source, "name", "hand").await, ["handbook"]);

        assert_eq!(dana.list_prompts(None).await.unwrap().prompts.len(), 2);
        let arguments = json!({ "first": "Salary bands", "second": "Travel" });
        let prompt = GetPromptRequestParams::new("compare_documents")
            .with_arguments(arguments.as_object().unwrap().clone());
        let got = dana.get_prompt(prompt.clone()).await.unwrap();
        let told = serde_json::to_string(&got).unwrap();
        assert!(told.contains("quillfeather") && told.contains("Book trains early"), "{told}");
        let refused = format!("{:?}", ben.get_prompt(prompt).await.unwrap_err());
        assert!(refused.contains("NotFound") || refused.contains("not_found"), "{refused}");
        assert!(!refused.contains("Salary"), "{refused}");
    }
    let tools = Reference::for_prompt("nothing");
    let dana = served.client(&home.token(DANA), newest()).await;
    let request = CompleteRequestParams::new(tools, ArgumentInfo::new("x", "y"));
    let error = format!(
        "{:?}",
        dana.send_request(ClientRequest::CompleteRequest(rmcp::model::CompleteRequest::new(request),))
            .await
            .unwrap_err()
    );
    assert!(error.contains("answer_with_citations"), "the prompts are named: {error}");
}

/// Opens a subscription of the newer version and gives its stream.
pub async fn listening(url: &str, token: &str, notifications: Value) -> reqwest::Response {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "t", "version": "0" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let body = json!({
        "jsonrpc": "2.0", "id": 7, "method": "subscriptions/listen",
        "params": { "notifications": notifications, "_meta": meta },
    });
    http()
        .post(url)
        .bearer_auth(token)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "subscriptions/listen")
        .body(body.to_string())
        .send()
        .await
        .unwrap()
}

/// Reads a stream until it holds this, or gives what it held after so long.
async fn reads_until(stream: &mut reqwest::Response, what: &str, patience: Duration) -> String {
    let mut read = String::new();
    let reading = async {
        while !read.contains(what) {
            match stream.chunk().await.unwrap() {
                Some(chunk) => read.push_str(&String::from_utf8_lossy(&chunk)),
                None => break,
            }
        }
    };
    let _ = tokio::time::timeout(patience, reading).await;
    read
}

#[tokio::test]
async fn a_subscription_tells_each_person_what_changed_for_them() {
    let home = Home::new();
    let served = home.serve();
    let (dana, ben) = (home.token(DANA), home.token(BEN));
    let listed = answer(&served.client(&dana, newest()).await, "list_documents", json!({})).await;
    let uri = |path: &str| {
        let rows = listed["documents"].as_array().unwrap();
        rows.iter().find(|row| row["path"] == *path).unwrap()["uri"].as_str().unwrap().to_owned()
    };
    let (salaries, travel) = (uri("finance/salaries.md"), uri("travel.md"));
    let watch = json!({ "resourceSubscriptions": [salaries, travel], "resourcesListChanged": true });
    let mut hears_dana = listening(&served.url, &dana, watch.clone()).await;
    let mut hears_ben = listening(&served.url, &ben, watch).await;
    let begun = Duration::from_secs(20);
    let acknowledged = [
        reads_until(&mut hears_dana, "acknowledged", begun).await,
        reads_until(&mut hears_ben, "acknowledged", begun).await,
    ];
    // The forbidden URI is acknowledged like any other.
    assert!(
        acknowledged.iter().all(|told| told.contains(&salaries) && told.contains(&travel)),
        "{acknowledged:?}"
    );
    tokio::time::sleep(Duration::from_millis(1_500)).await;

    std::fs::write(home.path("handbook/finance/salaries.md"), "# Salary bands\n\nThey were raised.\n")
        .unwrap();
    succeeds(kenward(&home.config()).args(["ingest", "handbook"]));
    let told = reads_until(&mut hears_dana, &salaries, begun).await;
    assert!(told.contains("notifications/resources/updated") && told.contains(&salaries), "{told}");
    assert!(!told.contains(&travel), "{told}");

    // Ben hears of what is his, and nothing came before it.
    std::fs::write(home.path("handbook/travel.md"), "# Travel\n\nBook trains late.\n").unwrap();
    std::fs::write(home.path("handbook/new.md"), "# New\n\nNobody has read this yet.\n").unwrap();
    succeeds(kenward(&home.config()).args(["ingest", "handbook"]));
    let told = reads_until(&mut hears_ben, "list_changed", begun).await;
    assert!(told.contains(&travel) && told.contains("notifications/resources/list_changed"), "{told}");
    assert!(!told.contains(&salaries), "{told}");

    // A revoked person's subscription ends.
    succeeds(kenward(&home.config()).args(["users", "disable", BEN]));
    let told = reads_until(&mut hears_ben, "unauthenticated", begun).await;
    assert!(told.contains("unauthenticated"), "{told}");
}
