//! What one caller may ask for at once, by the real program: more is refused with the time to wait, and the others
//! notice nothing. And what an agent may do less than the person it works for.

use super::mcp_surface::listening;
use super::served::{BEN, DANA, Home, answer, http, kenward, newest, refusal, succeeds};
use reqwest::StatusCode;
use rmcp::model::ReadResourceRequestParams;
use serde_json::json;

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

async fn ping(url: &str, token: &str) -> reqwest::Response {
    let request = http().post(url).bearer_auth(token).header("content-type", "application/json");
    let accepted = request.header("accept", "application/json, text/event-stream");
    accepted.header("mcp-protocol-version", "2025-11-25").body(PING).send().await.unwrap()
}

#[tokio::test]
async fn too_many_requests_are_refused_for_their_caller_alone() {
    let home = Home::new();
    let served = home.serve_with(&[("KENWARD__HTTP__REQUESTS_PER_SECOND", "1")]);
    let (one, ben) = (home.token(DANA), home.token(BEN));
    let another = succeeds(kenward(&home.config()).args(["tokens", "create", DANA, "--agent", "fresh"]));
    let another = String::from_utf8(another.stdout).unwrap().trim().to_owned();
    // A burst of two; then another token of the same person helps nothing, nor does another agent.
    assert_eq!(ping(&served.url, &one).await.status(), StatusCode::OK);
    assert_eq!(ping(&served.url, &another).await.status(), StatusCode::OK);
    let refused = ping(&served.url, &one).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(refused.headers()["connection"], "close");
    let told: serde_json::Value = refused.json().await.unwrap();
    assert_eq!(told["error"]["code"], "try_again");
    assert_eq!(ping(&served.url, &another).await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(ping(&served.url, &ben).await.status(), StatusCode::OK);
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert_eq!(ping(&served.url, &one).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn subscriptions_are_counted_until_they_end() {
    let home = Home::new();
    let served = home.serve_with(&[("KENWARD__HTTP__LISTENS_AT_ONCE", "2")]);
    let (dana, ben) = (home.token(DANA), home.token(BEN));
    let list = json!({ "resourcesListChanged": true });
    let one = listening(&served.url, &dana, list.clone()).await;
    let two = listening(&served.url, &dana, list.clone()).await;
    assert_eq!((one.status(), two.status()), (StatusCode::OK, StatusCode::OK));
    assert_eq!(listening(&served.url, &dana, list.clone()).await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(listening(&served.url, &ben, list.clone()).await.status(), StatusCode::OK);
    // Calls go on, and a client that has gone makes room.
    assert_eq!(ping(&served.url, &dana).await.status(), StatusCode::OK);
    drop(one);
    let mut again = StatusCode::TOO_MANY_REQUESTS;
    for _ in 0..200 {
        again = listening(&served.url, &dana, list.clone()).await.status();
        if again == StatusCode::OK {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(again, StatusCode::OK);
}

#[tokio::test]
async fn an_agent_has_the_rights_of_its_person_and_its_own() {
    let home = Home::new();
    let mut config = std::fs::read_to_string(home.config()).unwrap();
    config.push_str(
        "[[agent]]\nid = \"narrow\"\ntools = [\"search\", \"list_documents\"]\n\
         [[agent]]\nid = \"elsewhere\"\nsources = [\"other\"]\n",
    );
    std::fs::write(home.config(), config).unwrap();
    let served = home.serve();
    let token = |agent: &str| {
        let output = succeeds(kenward(&home.config()).args(["tokens", "create", DANA, "--agent", agent]));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let narrow = served.client(&token("narrow"), newest()).await;
    let names: Vec<String> =
        narrow.list_tools(None).await.unwrap().tools.iter().map(|tool| tool.name.to_string()).collect();
    assert_eq!(names, ["search", "list_documents"]);
    let found = answer(&narrow, "search", json!({ "query": "salary bands" })).await;
    let id = found["results"][0]["id"].as_str().unwrap().to_owned();
    // A tool that it has not is to it like one that there is not, and no way leads round.
    let fetch = rmcp::model::CallToolRequestParams::new("fetch");
    let error = format!("{:?}", narrow.call_tool(fetch).await.unwrap_err());
    assert!(error.contains("unknown tool `fetch`") && !error.contains("verify_quote"), "{error}");
    let uri = format!("kb://document/{id}");
    let read = narrow.read_resource(ReadResourceRequestParams::new(uri)).await.unwrap_err();
    let made_up = ReadResourceRequestParams::new("kb://document/kd_aaaaaaaaaaaaaaaaaaaaaaaaaa");
    let missing = narrow.read_resource(made_up).await.unwrap_err();
    let without_ids = |error: &str| {
        let words = error
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|w| !w.starts_with("kd_") && !w.starts_with("r_"));
        words.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(without_ids(&format!("{read:?}")), without_ids(&format!("{missing:?}")));
    assert!(narrow.list_resources(None).await.unwrap().resources.is_empty());

    // An agent for another source sees nothing of this one, by any tool.
    let elsewhere = served.client(&token("elsewhere"), newest()).await;
    let nothing = answer(&elsewhere, "search", json!({ "query": "salary bands" })).await;
    assert_eq!(nothing["results"], json!([]));
    assert_eq!(answer(&elsewhere, "list_documents", json!({})).await["documents"], json!([]));
    assert_eq!(answer(&elsewhere, "list_sources", json!({})).await["sources"], json!([]));
    assert_eq!(refusal(&elsewhere, "fetch", json!({ "id": id })).await["code"], "not_found");
    assert!(elsewhere.list_resources(None).await.unwrap().resources.is_empty());
    // The person through another agent is not limited.
    let free = served.client(&token("free"), newest()).await;
    answer(&free, "fetch", json!({ "id": id })).await;
}

#[tokio::test]
async fn agents_that_nobody_has_named_and_tokens_without_one_are_limited_where_the_others_are() {
    let home = Home::new();
    let mut config = std::fs::read_to_string(home.config()).unwrap();
    config.push_str("[[agent]]\nid = \"known\"\n[[agent]]\nid = \"*\"\ntools = [\"search\"]\n");
    std::fs::write(home.config(), config).unwrap();
    let served = home.serve();
    let tools = async |agent: &[&str]| {
        let mut command = kenward(&home.config());
        let output = succeeds(command.args(["tokens", "create", DANA]).args(agent));
        let token = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        let client = served.client(&token, newest()).await;
        client.list_tools(None).await.unwrap().tools.len()
    };
    assert_eq!(tools(&["--agent", "known"]).await, 5);
    assert_eq!(tools(&["--agent", "registered-today"]).await, 1);
    assert_eq!(tools(&[]).await, 1);
    // At the machine itself she asks without an agent, and with all of her own rights.
    succeeds(kenward(&home.config()).args(["search", "salary bands"]));
}
