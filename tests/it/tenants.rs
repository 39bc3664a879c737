//! Several tenants in one process: each by its own path, people and tokens, and nothing across.

use super::served::{DANA, Home, Served, answer, http, kenward, newest, refusal};
use reqwest::StatusCode;
use rmcp::service::ClientServiceExt as _;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::json;
use std::path::Path;
use tempfile::TempDir;

async fn client(url: &str, token: &str) -> super::served::Client {
    let config = StreamableHttpClientTransportConfig::with_uri(url).auth_header(token);
    let transport = StreamableHttpClientTransport::with_client(http(), config);
    rmcp::model::ClientConfig::default().serve_with_lifecycle(transport, newest()).await.unwrap()
}

fn listing(folder: &Path, tenants: &[(&str, &Path)]) -> std::path::PathBuf {
    let mut text = "data_dir = \"none\"\n".to_owned();
    for (name, config) in tenants {
        text.push_str(&format!("[[tenants]]\nname = \"{name}\"\nconfig = \"{}\"\n", config.display()));
    }
    let file = folder.join("kenward.toml");
    std::fs::write(&file, text).unwrap();
    file
}

fn serve(folder: &TempDir, config: &Path) -> Served {
    let mut command = kenward(config);
    command.args(["serve", "--http", "127.0.0.1:0"]);
    Served::start(&mut command, folder.path().join("serve.out"), folder.path().join("serve.log"))
}

#[tokio::test]
async fn tenants_share_a_listener_and_nothing_else() {
    let (acorn, birch) = (Home::of("acorn"), Home::of("birch"));
    std::fs::write(birch.path("handbook/travel.md"), "# Travel\n\nBirch goes by boat.\n").unwrap();
    super::served::succeeds(kenward(&birch.config()).args(["ingest", "handbook"]));
    let folder = tempfile::tempdir().unwrap();
    let config = listing(folder.path(), &[("acorn", &acorn.config()), ("birch", &birch.config())]);
    let mut served = serve(&folder, &config);
    let [at_acorn, at_birch] = served.urls.clone().try_into().unwrap();
    assert!(at_acorn.ends_with("/t/acorn/mcp") && at_birch.ends_with("/t/birch/mcp"));
    let (to_acorn, to_birch) = (acorn.token(DANA), birch.token(DANA));

    let (a, b) = (client(&at_acorn, &to_acorn).await, client(&at_birch, &to_birch).await);
    let query = json!({ "query": "travel trains boat", "mode": "lexical", "limit": 1 });
    let (from_a, from_b) =
        (answer(&a, "search", query.clone()).await, answer(&b, "search", query.clone()).await);
    assert!(from_a["results"][0]["text"].as_str().unwrap().contains("Book trains"), "{from_a}");
    assert!(from_b["results"][0]["text"].as_str().unwrap().contains("by boat"), "{from_b}");
    // Ids, cursors and receipts are of one tenant, whoever brings them.
    let foreign = json!({ "id": from_b["results"][0]["id"] });
    assert_eq!(refusal(&a, "fetch", foreign).await["code"], "not_found");
    let page = answer(&b, "search", json!({ "query": "expense reports", "limit": 1 })).await;
    let mut again = json!({ "query": "expense reports", "limit": 1, "cursor": page["next_cursor"] });
    assert_eq!(refusal(&a, "search", again.clone()).await["code"], "invalid_cursor");
    answer(&b, "search", again.clone()).await;
    again["cursor"] = json!(null);
    again["not_before"] = page["receipt"].clone();
    assert_eq!(refusal(&a, "search", again).await["field"], "not_before");

    // A token is of one tenant.
    for (url, token) in [(&at_acorn, &to_birch), (&at_birch, &to_acorn)] {
        let response = http().post(url).bearer_auth(token).body("{}").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let challenge = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert!(challenge.contains("invalid_token"), "{challenge}");
    }
    let origin = at_acorn.strip_suffix("/t/acorn/mcp").unwrap();
    for nowhere in ["/mcp", "/t/cedar/mcp", "/t//mcp", "/t/acorn/mcp/", "/t/acorn/../birch/mcp%2f"] {
        let response =
            http().post(format!("{origin}{nowhere}")).bearer_auth(&to_acorn).body("{}").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{nowhere}");
    }
    // Each has an owner of its data, which other verbs reach.
    for home in [&acorn, &birch] {
        super::served::succeeds(kenward(&home.config()).arg("status"));
    }
    // One tenant's person is disabled: the other's of the same name is somebody else.
    super::served::succeeds(kenward(&acorn.config()).args(["users", "disable", DANA]));
    assert_eq!(
        http().post(&at_acorn).bearer_auth(&to_acorn).body("{}").send().await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
    answer(&b, "search", query).await;
    assert_eq!(served.stop(), Some(0), "{}", served.log());
}

#[test]
fn a_tenant_that_cannot_be_served_keeps_all_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let good = write("good.toml", "tenant = \"good\"\ndata_dir = \"good\"\n");
    let other = write("other.toml", "tenant = \"elsewhere\"\ndata_dir = \"other\"\n");
    let same = write("same.toml", "tenant = \"same\"\ndata_dir = \"good\"\n");
    let url = write(
        "url.toml",
        "tenant = \"url\"\ndata_dir = \"url\"\n[http]\npublic_url = \"https://kb.example.com/mcp\"\n",
    );
    let nested = write(
        "nested.toml",
        "tenant = \"nested\"\ndata_dir = \"n\"\n[[tenants]]\nname = \"x\"\nconfig = \"x.toml\"\n",
    );
    let gone = folder.path().join("gone.toml");
    for (name, config, says) in [
        ("other", &other, "is of tenant `elsewhere`"),
        ("same", &same, "is another tenant's"),
        ("url", &url, "end it with `/t/url/mcp`"),
        ("nested", &nested, "lists tenants itself"),
        ("gone", &gone, "gone.toml"),
    ] {
        let listed = listing(folder.path(), &[("good", &good), (name, config)]);
        let output = kenward(&listed).args(["serve", "--http", "127.0.0.1:0"]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        assert!(said.contains(says) && said.contains(name), "{name}: {said}");
    }
    let listed = listing(folder.path(), &[("good", &good)]);
    let output = kenward(&listed).args(["serve", "--stdio"]).output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("over HTTP"));
}
