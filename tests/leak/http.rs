//! The same comparison over HTTP, byte by byte as it comes over the wire: the product's own listener
//! and layers on loopback, a client that knows nothing but sockets, both versions of the protocol.

use crate::ask::{difference, requests};
use crate::broken::no_faults;
use crate::dice::Dice;
use crate::mcp::{InProcess, message};
use crate::stage::Stage;
use crate::world::World;
use kenward::http::{HttpOptions, bind, router, serve};
use kenward::owner::ops::Claim;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Worlds that are asked over HTTP.
const WORLDS: u64 = 4;

/// What is asked besides questions: everything that a client lists, and mistakes.
const LISTS: [(&str, &str); 6] = [
    ("tools/list", "{}"),
    ("resources/list", "{}"),
    ("resources/templates/list", "{}"),
    ("ping", "{}"),
    ("tools/call", r#"{"name":"grep","arguments":{}}"#),
    ("prompts/list", "{}"),
];

async fn listen(stage: &Stage) -> SocketAddr {
    let listener = bind("127.0.0.1:0".parse().unwrap(), &kenward::config::Reach::Loopback).await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut options = HttpOptions::loopback(address.port());
    options.limits.per_second = std::num::NonZeroU32::MAX;
    let answers = InProcess { vault: Arc::clone(stage.vault()), config: stage.config() };
    tokio::spawn(serve(listener, router(answers, &options), options.bounds, None, std::future::pending()));
    address
}

/// One request on a connection of its own; everything that comes back.
async fn wire(address: SocketAddr, version: &str, token: &str, method: &str, params: &Value) -> String {
    let mut params = params.clone();
    let mut headers = format!("mcp-protocol-version: {version}\r\n");
    if version == "2026-07-28" {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientInfo": { "name": "wire", "version": "0" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        headers.push_str(&format!("mcp-method: {method}\r\n"));
        if let Some(name) = params.get("name").or_else(|| params.get("uri")).and_then(Value::as_str) {
            headers.push_str(&format!("mcp-name: {name}\r\n"));
        }
    }
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let request = format!(
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n{headers}\
         content-type: application/json\r\naccept: application/json, text/event-stream\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// Without what is random or the clock's: the request's id, wherever it stands, and the date.
fn plain(answer: &str) -> String {
    let id =
        answer.split_once("x-request-id: ").map(|(_, rest)| rest.split("\r\n").next().unwrap().to_owned());
    let answer = id.map_or_else(|| answer.to_owned(), |id| answer.replace(&id, "r_fixed"));
    answer.split("\r\n").filter(|line| !line.starts_with("date: ")).collect::<Vec<_>>().join("\r\n")
}

#[tokio::test]
#[expect(clippy::await_holding_lock, reason = "one test on one thread: it keeps the switches off to its end")]
async fn hidden_documents_change_no_byte_over_http() {
    let _quiet = no_faults();
    let (mut compared, mut bytes, mut answered) = (0u64, 0u64, 0u64);
    for seed in 600..600 + WORLDS {
        let world = World::make(seed);
        let handle = world.first_state.callers()[0].clone();
        let visible = world.first_state.visible(&handle, world.first_asked);
        let mut a = Stage::everything(&world);
        let mut b = Stage::only(&world, &handle, &visible);
        let token = |stage: &mut Stage| match stage.claim(&handle) {
            Claim::Bearer(token) => token,
            _ => panic!("the claim is a token"),
        };
        let (token_a, token_b) = (token(&mut a), token(&mut b));
        let (at_a, at_b) = (listen(&a).await, listen(&b).await);
        let mut all: Vec<(&str, Value)> =
            LISTS.iter().map(|(method, params)| (*method, serde_json::from_str(params).unwrap())).collect();
        for request in requests(&world, &world.first_state, &visible, &mut Dice::of(seed, "http")) {
            all.push(message(&request));
        }
        // Nobody's token, and none that could be one.
        let strange = format!("kwt_{}", "a".repeat(52));
        for (at, (method, params)) in (0u64..).zip(&all) {
            let version = if at % 2 == 0 { "2025-11-25" } else { "2026-07-28" };
            let draw = Dice::of(seed ^ (at << 20), "http").next();
            let stranger = at % 40 == 7;
            let (own_a, own_b) = if stranger { (&strange, &strange) } else { (&token_a, &token_b) };
            a.entropy.reset(draw);
            let from_a = plain(&wire(at_a, version, own_a, method, params).await);
            b.entropy.reset(draw);
            let from_b = plain(&wire(at_b, version, own_b, method, params).await);
            // The two listeners differ in their port, which no answer says.
            if let Some(difference) = difference(&from_a, &from_b) {
                panic!("world {seed}, {handle}, {version} {method} {params}\n{difference}");
            }
            compared += 1;
            bytes += from_a.len() as u64;
            answered += u64::from(from_a.starts_with("HTTP/1.1 200") && from_a.contains("\"result\""));
        }
    }
    println!(
        "{WORLDS} worlds over HTTP, {compared} requests, {answered} with a result, {bytes} bytes compared"
    );
    assert!(answered * 2 > compared && bytes > 100_000);
}
