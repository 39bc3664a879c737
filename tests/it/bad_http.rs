//! Clients that send too much, too slowly or too deep, that listen too often, or that go away: each is told what the
//! specification has for it, what they cost stays bounded, and nobody else notices. By the real program.

use super::mcp_surface::listening;
use super::served::{BEN, DANA, Home, Served, http};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
const MIB: u64 = 1 << 20;

fn head(served: &Served, token: &str, length: &str) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\nmcp-protocol-version: 2025-11-25\r\n\
         content-type: application/json\r\naccept: application/json, text/event-stream\r\n{length}\r\n\r\n",
        served.authority()
    )
}

async fn posted(served: &Served, token: &str, body: String) -> (u16, Value) {
    let request = http().post(&served.url).bearer_auth(token).header("content-type", "application/json");
    let accepted = request.header("accept", "application/json, text/event-stream");
    let response = accepted.header("mcp-protocol-version", "2025-11-25").body(body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn ping(served: &Served, token: &str) -> u16 {
    posted(served, token, PING.to_owned()).await.0
}

/// Sends pieces until the server has answered or takes no more; the answer.
async fn pours(served: &Served, head: String, piece: Vec<u8>, pieces: usize) -> String {
    let stream = TcpStream::connect(served.authority()).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let pouring = tokio::spawn(async move {
        write.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..pieces {
            if write.write_all(&piece).await.is_err() {
                break;
            }
        }
    });
    let mut answer = vec![0; 4 << 10];
    let n = tokio::time::timeout(Duration::from_secs(60), read.read(&mut answer)).await.unwrap().unwrap();
    pouring.abort();
    String::from_utf8_lossy(&answer[..n]).into_owned()
}

#[tokio::test]
async fn a_hundred_megabytes_are_refused_and_not_held() {
    let home = Home::new();
    let served = home.serve();
    let (dana, ben) = (home.token(DANA), home.token(BEN));
    assert_eq!(ping(&served, &dana).await, 200);
    let before = served.peak_memory();
    let said = head(&served, &dana, &format!("content-length: {}", 100 * MIB));
    let chunked = head(&served, &dana, "transfer-encoding: chunked");
    let mut chunk = b"10000\r\n".to_vec();
    chunk.resize(chunk.len() + (64 << 10), b' ');
    chunk.extend_from_slice(b"\r\n");
    for round in 0..4 {
        for (head, piece) in [(&said, vec![b' '; 64 << 10]), (&chunked, chunk.clone())] {
            let answer = pours(&served, head.clone(), piece, 1_600).await;
            assert!(answer.starts_with("HTTP/1.1 413 "), "round {round}: {answer}");
        }
        assert_eq!(ping(&served, &ben).await, 200);
    }
    let grown = served.peak_memory() - before;
    assert!(grown < 48 * MIB, "{} MiB more", grown / MIB);
    assert_eq!(ping(&served, &dana).await, 200);
}

#[tokio::test]
async fn bodies_that_do_not_come_count_for_their_caller_until_it_goes() {
    let home = Home::new();
    let served = home.serve();
    let (dana, ben) = (home.token(DANA), home.token(BEN));
    let opened = async || {
        let mut stream = TcpStream::connect(served.authority()).await.unwrap();
        stream.write_all(head(&served, &dana, "content-length: 100").as_bytes()).await.unwrap();
        stream.write_all(b"{").await.unwrap();
        stream
    };
    let mut slow = Vec::new();
    for _ in 0..31 {
        slow.push(opened().await);
    }
    // The next may meet a ping, and be the one that is too many.
    let deadline = Instant::now() + Duration::from_secs(30);
    while ping(&served, &dana).await != 429 {
        assert!(Instant::now() < deadline, "32 requests are not at once");
        slow.push(opened().await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(ping(&served, &ben).await, 200);
    drop(slow);
    while ping(&served, &dana).await != 200 {
        assert!(Instant::now() < deadline, "those who went still count");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn ten_thousand_listens_of_one_caller_are_as_many_as_it_may_have() {
    let home = Home::new();
    let served = home.serve_with(&[("KENWARD__HTTP__REQUESTS_PER_SECOND", "100000")]);
    let (dana, ben) = (home.token(DANA), home.token(BEN));
    assert_eq!(ping(&served, &dana).await, 200);
    let before = served.peak_memory();
    let list = json!({ "resourcesListChanged": true, "resourceSubscriptions": ["kb://source/handbook"] });
    let (mut asked, mut left) = (JoinSet::new(), 10_000);
    let ask = || {
        let (url, dana, list) = (served.url.clone(), dana.clone(), list.clone());
        async move { listening(&url, &dana, list).await }
    };
    let (mut held, mut counts) = (Vec::new(), BTreeMap::<u16, usize>::new());
    loop {
        while left > 0 && asked.len() < 64 {
            asked.spawn(ask());
            left -= 1;
        }
        let Some(response) = asked.join_next().await else { break };
        let response = response.unwrap();
        *counts.entry(response.status().as_u16()).or_default() += 1;
        if response.status().is_success() {
            held.push(response);
        }
        if held.len() == 8 && counts.values().sum::<usize>() % 1_000 == 0 {
            assert_eq!(ping(&served, &ben).await, 200);
        }
    }
    assert_eq!(counts, BTreeMap::from([(200, 8), (429, 9_992)]));
    let grown = served.peak_memory() - before;
    assert!(grown < 48 * MIB, "{} MiB more", grown / MIB);
    assert_eq!(ping(&served, &dana).await, 200);
}

#[tokio::test]
async fn clients_that_vanish_leave_nothing_behind() {
    let home = Home::new();
    let served = home.serve_with(&[("KENWARD__HTTP__REQUESTS_PER_SECOND", "100000")]);
    let (dana, ben) = (home.token(DANA), home.token(BEN));
    let list = json!({ "resourcesListChanged": true });
    assert_eq!(listening(&served.url, &dana, list.clone()).await.status(), 200);
    assert_eq!(ping(&served, &dana).await, 200);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let files = served.open_files();
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "search", "arguments": { "query": "expense reports" } } })
    .to_string();
    let mut answered = 0;
    for _ in 0..40 {
        for _ in 0..4 {
            // Gone with the question just asked, and in the middle of its own header.
            let mut stream = TcpStream::connect(served.authority()).await.unwrap();
            let head = head(&served, &dana, &format!("content-length: {}", call.len()));
            stream.write_all(format!("{head}{call}").as_bytes()).await.unwrap();
            drop(stream);
            let mut stream = TcpStream::connect(served.authority()).await.unwrap();
            stream.write_all(&head.as_bytes()[..head.len() / 2]).await.unwrap();
        }
        answered += usize::from(listening(&served.url, &dana, list.clone()).await.status() == 200);
        assert_eq!(ping(&served, &ben).await, 200);
    }
    assert!(answered > 0, "no stream was open to go away from");
    let deadline = Instant::now() + Duration::from_secs(45);
    // For as many calls as were under way at once, connections to the catalog stay open, at two files each: eight
    // calls of one person, and one of the other. What stays open for each of the hundreds that went is seen still.
    let kept = 2 * (8 + 1);
    while served.open_files() > files + 4 + kept || ping(&served, &dana).await != 200 {
        assert!(Instant::now() < deadline, "{} files, {files} before", served.open_files());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for held in 0..8 {
        assert_eq!(listening(&served.url, &ben, list.clone()).await.status(), 200, "{held}");
    }
}

#[tokio::test]
async fn what_is_too_deep_or_too_odd_is_no_message_and_ends_nothing() {
    let home = Home::new();
    let served = home.serve();
    let dana = home.token(DANA);
    let wrap = |inner: String| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"search","arguments":{inner}}}}}"#
        )
    };
    for (body, status) in [
        (wrap(format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000))), 400),
        (wrap(format!("{}1{}", r#"{"query":"#.repeat(100_000), "}".repeat(100_000))), 400),
        ("[".repeat(1_000_000), 400),
        // A number that is none in IEEE 754.
        (wrap(format!(r#"{{"query":"x","limit":1{}}}"#, "0".repeat(400_000))), 400),
        (wrap(format!(r#"{{"query":"{}"}}"#, "x".repeat(3 << 20))), 200),
        ("\u{0}".repeat(1_000), 400),
    ] {
        let begin: String = body.chars().take(90).collect();
        let (got, answer) = posted(&served, &dana, body).await;
        assert_eq!(got, status, "{begin}: {answer}");
        let refused = answer.get("error").is_some() || answer["result"]["isError"] == true;
        assert!(refused, "{begin}: {answer}");
        assert!(answer.to_string().len() < 2_000, "{begin}");
        assert_eq!(ping(&served, &dana).await, 200);
    }
    // A name that stands often in an object is read as the last of it, as JSON readers do.
    let often = wrap(format!(r#"{{{}"query":"expense"}}"#, r#""query":7,"#.repeat(100_000)));
    let (status, answer) = posted(&served, &dana, often).await;
    assert_eq!(
        (status, answer["result"].get("isError").is_some_and(|e| e == true)),
        (200, false),
        "{answer}"
    );
}
