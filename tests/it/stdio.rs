//! stdio by the real program: whose rights a process has, and many processes on one `data_dir`.

use super::served::{BEN, Client, Home, answer, kenward, lifecycles, newest, succeeds};
use rmcp::model::ClientConfig;
use rmcp::service::ClientServiceExt as _;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;

/// Starts `kenward serve --stdio` and connects to it.
async fn stdio(
    config: &Path,
    more: &[&str],
    lifecycle: rmcp::service::ClientLifecycleMode,
) -> (tokio::process::Child, Client) {
    let mut command = tokio::process::Command::from(kenward(config));
    let mut child = command
        .args(["serve", "--stdio"])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let transport = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
    let client = ClientConfig::default().serve_with_lifecycle(transport, lifecycle).await.unwrap();
    (child, client)
}

fn documents(listed: &Value) -> usize {
    listed["documents"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_process_has_the_rights_of_its_person_or_of_whom_an_operator_names() {
    let home = Home::new();
    for (lifecycle, version) in lifecycles() {
        let (mut child, dana) = stdio(&home.config(), &[], lifecycle.clone()).await;
        let info = serde_json::to_value(&*dana.peer_info().unwrap()).unwrap();
        assert_eq!(info["protocolVersion"], version);
        assert_eq!(documents(&answer(&dana, "list_documents", json!({})).await), 4);
        let (_other, ben) = stdio(&home.config(), &["--as", BEN, "--reason", "a test"], lifecycle).await;
        assert_eq!(documents(&answer(&ben, "list_documents", json!({})).await), 3);
        // The client goes; the process ends by itself.
        dana.cancel().await.unwrap();
        let ended = tokio::time::timeout(std::time::Duration::from_secs(10), child.wait()).await;
        assert_eq!(ended.expect("it ends when its client goes").unwrap().code(), Some(0));
    }
}

#[test]
fn a_process_that_would_be_nobody_does_not_start() {
    let home = Home::new();
    for (more, said) in [
        (&["--as", "nobody@acorn.example", "--reason", "x"][..], "nobody@acorn.example"),
        (&["--as", BEN][..], "--reason"),
        (&["--http", "127.0.0.1:0"][..], "--http"),
    ] {
        let output = kenward(&home.config())
            .args(["serve", "--stdio"])
            .args(more)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{more:?}");
        assert!(output.stdout.is_empty());
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(words.contains(said), "{more:?}: {words}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_stdio_processes_one_http_server_and_an_ingest_share_one_folder() {
    let home = Home::new();
    let more = home.path("more");
    std::fs::create_dir_all(&more).unwrap();
    for n in 0..40 {
        std::fs::write(
            more.join(format!("note-{n}.md")),
            format!("# Note {n}\n\nThe harvest of year {n} was good.\n"),
        )
        .unwrap();
    }
    let token = home.token(BEN);
    let config = home.config();
    let (served, first, second, third, ingest) = tokio::join!(
        async { tokio::task::block_in_place(|| home.serve()) },
        stdio(&config, &[], newest()),
        stdio(&config, &["--as", BEN, "--reason", "a test"], newest()),
        stdio(&config, &[], rmcp::service::ClientLifecycleMode::Initialize),
        async {
            let mut command = tokio::process::Command::from(kenward(&config));
            command.arg("ingest").arg(&more).args(["--default-allow", "group:staff"]).output().await.unwrap()
        },
    );
    assert!(ingest.status.success(), "{}", String::from_utf8_lossy(&ingest.stderr));
    let over_http = served.client(&token, newest()).await;
    let clients = [&first.1, &second.1, &third.1, &over_http];
    // All at once, several times: everybody gets an answer, and the same person the same answer.
    for _ in 0..5 {
        let asked =
            clients.map(|client| answer(client, "search", json!({ "query": "harvest", "limit": 40 })));
        let [a, b, c, d] = asked;
        let answers = tokio::join!(a, b, c, d);
        for found in [&answers.0, &answers.1, &answers.2, &answers.3] {
            assert_eq!(found["results"].as_array().unwrap().len(), 40);
        }
    }
    assert_eq!(documents(&answer(&first.1, "list_documents", json!({})).await), 44);
    assert_eq!(documents(&answer(&over_http, "list_documents", json!({})).await), 43);

    // The owner, whichever it is, goes; the others go on.
    let (mut child, client) = first;
    client.cancel().await.unwrap();
    child.wait().await.unwrap();
    for client in [&second.1, &third.1, &over_http] {
        assert!(documents(&answer(client, "list_documents", json!({})).await) >= 43);
    }
    drop(served);
    for client in [&second.1, &third.1] {
        assert!(documents(&answer(client, "list_documents", json!({})).await) >= 43);
    }
    succeeds(kenward(&config).arg("users").arg("list"));
}
