//! Metrics and readiness: on a listener of their own, on loopback alone, with counts and codes and nothing of documents or people.

use crate::served::{BEN, DANA, DOCUMENT_CANARY, Home, Served, answer, http, newest};
use serde_json::json;
use std::time::{Duration, Instant};

/// Serves with metrics on a free port, and gives their origin.
fn serve(home: &Home) -> (Served, String) {
    let served = home.serve_with(&[("KENWARD__OPERATIONS__LISTEN", "127.0.0.1:0")]);
    let since = Instant::now();
    loop {
        let log = served.log();
        let rest = log.split_once("metrics and readiness at ").map(|(_, rest)| rest);
        if let Some((origin, _)) = rest.and_then(|rest| rest.split_once("/metrics")) {
            return (served, origin.to_owned());
        }
        assert!(since.elapsed() < Duration::from_secs(20), "{log}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

async fn get(url: &str) -> (u16, String) {
    let response = http().get(url).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn they_count_what_was_asked_and_say_nothing_of_it() {
    let home = Home::new();
    let (served, origin) = serve(&home);
    let client = served.client(&home.token(DANA), newest()).await;
    answer(&client, "search", json!({ "query": DOCUMENT_CANARY })).await;
    let (failed, _) =
        crate::served::call(&client, "fetch", json!({ "id": "kd_aaaaaaaaaaaaaaaaaaaaaaaaaa" })).await;
    assert!(failed);
    let (status, text) = get(&format!("{origin}/metrics")).await;
    assert_eq!(status, 200);
    for line in [
        "kenward_request_duration_seconds_count{operation=\"search\",outcome=\"ok\"} 1",
        "kenward_request_duration_seconds_count{operation=\"fetch\",outcome=\"not_found\"} 1",
        "kenward_documents 4",
        "kenward_sources 1",
        "kenward_sources_unreachable 0",
        "kenward_disk_bytes{store=\"text\"}",
    ] {
        assert!(text.contains(line), "`{line}` is not in {text}");
    }
    for secret in [DOCUMENT_CANARY, DANA, BEN, "handbook", "kd_", "salaries", "finance", "Dana"] {
        assert!(!text.contains(secret), "`{secret}` is in {text}");
    }
    // Labels are names of operations, codes, stores, words: few, and none drawn from what is asked.
    for line in text.lines().filter(|line| line.contains('{')) {
        let labels = line.split_once('{').unwrap().1.split_once('}').unwrap().0;
        for label in labels.split(',') {
            let (name, _) = label.split_once('=').unwrap();
            assert!(["operation", "outcome", "store", "what", "le"].contains(&name), "{line}");
        }
    }
    assert_eq!(get(&format!("{origin}/readyz")).await, (200, "ready\n".to_owned()));
    assert_eq!(get(&format!("{origin}/healthz")).await, (200, "ok\n".to_owned()));
    assert_eq!(get(&format!("{origin}/mcp")).await.0, 404);
    let rebound =
        http().get(format!("{origin}/metrics")).header("host", "evil.example").send().await.unwrap();
    assert_eq!(rebound.status().as_u16(), 403, "a name that was rebound");

    std::fs::rename(home.path("handbook"), home.path("moved")).unwrap();
    let (_, text) = get(&format!("{origin}/metrics")).await;
    assert!(text.contains("kenward_sources_unreachable 1"), "{text}");
    let oldest = text.lines().find_map(|line| line.strip_prefix("kenward_oldest_listing_timestamp_seconds "));
    assert!(oldest.unwrap().parse::<u64>().unwrap() > 1_700_000_000, "{text}");
}

#[tokio::test]
async fn the_agents_endpoint_has_none_of_it() {
    let home = Home::new();
    let (served, _) = serve(&home);
    for path in ["/metrics", "/readyz"] {
        let (status, text) = get(&format!("{}{path}", served.origin())).await;
        assert_eq!(status, 404, "{path}: {text}");
        assert!(!text.contains("kenward_"), "{text}");
    }
    // What anybody may ask says the same whatever there is.
    assert_eq!(get(&format!("{}/healthz", served.origin())).await, (200, "ok\n".to_owned()));
}

#[test]
fn they_are_for_loopback_and_for_operators() {
    let home = Home::new();
    let refused = |variable: (&str, &str)| {
        let mut command = crate::served::kenward(&home.config());
        let output = command.args(["serve", "--http", "127.0.0.1:0"]).envs([variable]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let open = refused(("KENWARD__OPERATIONS__LISTEN", "0.0.0.0:0"));
    assert!(open.contains("operations.listen") && open.contains("127.0.0.1:9465"), "{open}");
    let config = std::fs::read_to_string(home.config()).unwrap();
    let uid = rustix::process::geteuid().as_raw();
    let person = format!("{uid} = {{ user = \"{DANA}\", role = \"person\" }}");
    std::fs::write(home.config(), config.replace(&format!("{uid} = \"{DANA}\""), &person)).unwrap();
    let person = refused(("KENWARD__OPERATIONS__LISTEN", "127.0.0.1:0"));
    assert!(person.contains("is not an operator"), "{person}");
}

#[tokio::test]
async fn a_second_server_on_the_same_data_goes_on_without_them() {
    let home = Home::new();
    let (_served, origin) = serve(&home);
    let address = origin.trim_start_matches("http://");
    let second = home.serve_with(&[("KENWARD__OPERATIONS__LISTEN", address)]);
    assert!(second.log().contains("metrics and readiness are not served from here"), "{}", second.log());
    assert_eq!(get(&format!("{}/healthz", second.origin())).await.0, 200);
    assert_eq!(get(&format!("{origin}/readyz")).await.0, 200);
}

#[tokio::test]
async fn a_log_that_cannot_be_written_is_not_ready() {
    let home = Home::new();
    let (_served, origin) = serve(&home);
    let log = home.path("data/audit/log.jsonl");
    std::fs::rename(&log, home.path("aside")).unwrap();
    let (status, text) = get(&format!("{origin}/readyz")).await;
    assert_eq!((status, text.as_str()), (503, "the audit log cannot be written\n"));
}

#[tokio::test]
async fn a_ledger_that_was_taken_away_is_not_ready_until_a_change_puts_it_back() {
    let home = Home::new();
    let (_served, origin) = serve(&home);
    let ledger = home.path("data/keys/rights.ledger");
    std::fs::remove_file(&ledger).unwrap();
    let (status, text) = get(&format!("{origin}/readyz")).await;
    assert!(status == 503 && text.contains("the rights ledger"), "{status} {text}");
    let run = |args: &[&str]| -> crate::machine::Ran {
        crate::served::kenward(&home.config()).args(args).output().unwrap().into()
    };
    let told = run(&["status"]).done();
    assert!(told.out.contains("LEDGER    the rights ledger") && told.out.contains("was removed"), "{told:?}");
    let doctor = run(&["doctor"]);
    assert!(doctor.out.contains("was removed") && doctor.out.contains("puts it back whole"), "{doctor:?}");
    run(&["users", "disable", BEN]).done();
    assert!(ledger.exists());
    assert_eq!(get(&format!("{origin}/readyz")).await.0, 200);
    assert!(run(&["doctor"]).out.contains("entries, the chain holds"));
}

/// A collector that takes whatever is posted to it.
fn collector() -> (String, std::sync::Arc<std::sync::Mutex<String>>) {
    use std::io::{BufRead, BufReader, Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let taken = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let into = std::sync::Arc::clone(&taken);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let (mut line, mut length) = (String::new(), 0);
            while reader.read_line(&mut line).unwrap() > 2 {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            into.lock().unwrap().push_str(std::str::from_utf8(&body).unwrap());
            reader
                .get_mut()
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .unwrap();
        }
    });
    (url, taken)
}

#[tokio::test]
async fn traces_say_what_was_done_how_long_it_took_and_nothing_of_it() {
    let home = Home::new();
    let (url, taken) = collector();
    let token = home.token(DANA);
    let mut served =
        home.serve_with(&[("KENWARD__OPERATIONS__TRACES", &url), ("KENWARD__LOG__LEVEL", "trace")]);
    let client = served.client(&token, newest()).await;
    answer(&client, "search", json!({ "query": format!("{DOCUMENT_CANARY} zanzibar") })).await;
    let home_ingest = crate::served::kenward(&home.config()).arg("ingest").output().unwrap();
    assert!(home_ingest.status.success());
    drop(client);
    assert_eq!(served.stop(), Some(0));
    let taken = taken.lock().unwrap().clone();
    let first =
        taken.split("{\"resourceSpans\"").nth(1).map(|rest| format!("{{\"resourceSpans\"{rest}")).unwrap();
    let message: serde_json::Value = serde_json::from_str(&first).unwrap();
    let spans = message["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
    assert!(spans.iter().all(|span| span["traceId"].as_str().unwrap().len() == 32), "{message}");
    for part in [
        "\"stringValue\":\"search\"",
        "\"stringValue\":\"ok\"",
        "\"stringValue\":\"reading\"",
        "\"name\":\"ingest\"",
    ] {
        assert!(taken.contains(part), "`{part}` is not in {taken}");
    }
    for secret in [DOCUMENT_CANARY, "zanzibar", DANA, "handbook", "kd_", "kwt_", "\"r_", "salaries", &token] {
        assert!(!taken.contains(secret), "`{secret}` is in {taken}");
    }
}

#[tokio::test]
async fn a_collector_that_is_not_there_holds_nothing_up() {
    let home = Home::new();
    let mut served = home.serve_with(&[("KENWARD__OPERATIONS__TRACES", "http://127.0.0.1:9/v1/traces")]);
    let client = served.client(&home.token(DANA), newest()).await;
    answer(&client, "search", json!({ "query": DOCUMENT_CANARY })).await;
    drop(client);
    assert_eq!(served.stop(), Some(0));
    assert!(!served.log().contains(DOCUMENT_CANARY));
}
