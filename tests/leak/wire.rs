//! A client that knows nothing but sockets: what comes back is kept as it came over the wire.
//! It must never understand an answer; it finds where one ends.

use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const OLDER: &str = "2025-11-25";
pub const NEWER: &str = "2026-07-28";
/// So long nothing comes any more when all has come: one process on loopback sends without waiting.
const QUIET: Duration = Duration::from_millis(5);
/// Longest that an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where a tenant's endpoint is.
#[derive(Debug, Clone)]
pub struct Place {
    pub address: SocketAddr,
    pub path: String,
}

impl Place {
    fn post(&self, version: &str, token: &str, method: &str, params: &Value) -> String {
        let mut params = params.clone();
        let mut headers = format!("mcp-protocol-version: {version}\r\n");
        if version == NEWER {
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
        format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n{headers}\
             content-type: application/json\r\naccept: application/json, text/event-stream\r\n\
             content-length: {}\r\n\r\n{body}",
            self.path,
            self.address,
            body.len()
        )
    }
}

/// A connection for one request after another, opened again when the server has ended it.
pub struct Wire {
    to: Place,
    open: Option<TcpStream>,
}

impl Wire {
    pub fn to(place: &Place) -> Self {
        Self { to: place.clone(), open: None }
    }

    /// One request; everything that comes back, but what is random or the clock's.
    pub async fn ask(&mut self, version: &str, token: &str, method: &str, params: &Value) -> String {
        let request = self.to.post(version, token, method, params);
        loop {
            let kept = self.open.take();
            let fresh = kept.is_none();
            let mut stream = match kept {
                Some(stream) => stream,
                None => TcpStream::connect(self.to.address).await.unwrap(),
            };
            let asked = async {
                stream.write_all(request.as_bytes()).await?;
                whole(&mut stream).await
            };
            match tokio::time::timeout(PATIENCE, asked).await.unwrap() {
                Ok(answer) if !answer.is_empty() => {
                    let answer = String::from_utf8(answer).unwrap();
                    if !answer.contains("connection: close\r\n") {
                        self.open = Some(stream);
                    }
                    return plain(&answer);
                }
                // It was idle for too long and was ended before the request came.
                _ if !fresh => {}
                ended => panic!("a new connection gave nothing: {ended:?}"),
            }
        }
    }
}

/// The end of an answer that comes in frames; no JSON holds it.
const LAST_FRAME: &[u8] = b"\r\n0\r\n\r\n";

/// One answer, or nothing.
async fn whole(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    while !is_whole(&answer) {
        if stream.read_buf(&mut answer).await? == 0 {
            assert!(answer.is_empty(), "cut off: {}", String::from_utf8_lossy(&answer));
            break;
        }
    }
    Ok(answer)
}

fn is_whole(answer: &[u8]) -> bool {
    let Some(head) = head(answer) else { return false };
    let lines = std::str::from_utf8(&answer[..head]).unwrap();
    match lines.split("\r\n").find_map(|line| line.strip_prefix("content-length: ")) {
        Some(length) => {
            let end = head + length.parse::<usize>().unwrap();
            assert!(answer.len() <= end, "more came than was asked for");
            answer.len() == end
        }
        None => {
            assert!(lines.contains("transfer-encoding: chunked\r\n"), "no known length: {lines}");
            answer.ends_with(LAST_FRAME)
        }
    }
}

/// Where the head of an answer ends, if it is there.
fn head(answer: &[u8]) -> Option<usize> {
    answer.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// Without what is random or the clock's: the request's id, wherever it stands, and the date.
fn plain(answer: &str) -> String {
    let id =
        answer.split_once("x-request-id: ").map(|(_, rest)| rest.split("\r\n").next().unwrap().to_owned());
    let answer = id.map_or_else(|| answer.to_owned(), |id| answer.replace(&id, "r_fixed"));
    answer.split("\r\n").filter(|line| !line.starts_with("date: ")).collect::<Vec<_>>().join("\r\n")
}

/// An answer that stays open: events.
pub struct Stream {
    open: TcpStream,
    came: Vec<u8>,
}

impl Stream {
    pub async fn listen(to: &Place, token: &str, notifications: &Value) -> Self {
        let mut open = TcpStream::connect(to.address).await.unwrap();
        let params = json!({ "notifications": notifications });
        open.write_all(to.post(NEWER, token, "subscriptions/listen", &params).as_bytes()).await.unwrap();
        Self { open, came: Vec::new() }
    }

    /// All that has come until now; a refusal is read like a stream.
    pub async fn heard(&mut self) -> String {
        let begun = tokio::time::Instant::now();
        loop {
            // The first answer may take its time.
            let patience = if self.came.is_empty() { PATIENCE } else { QUIET };
            match tokio::time::timeout(patience, self.open.read_buf(&mut self.came)).await {
                Ok(Ok(0)) | Err(_) => return self.text(),
                Ok(read) => {
                    read.unwrap();
                    assert!(begun.elapsed() < PATIENCE, "it does not end");
                }
            }
        }
    }

    /// All that comes until the server ends it.
    pub async fn until_it_ends(&mut self) -> String {
        let ended = tokio::time::timeout(PATIENCE, async {
            while !self.ended() && self.open.read_buf(&mut self.came).await.unwrap() > 0 {}
        });
        ended.await.expect("the stream does not end");
        self.text()
    }

    fn ended(&self) -> bool {
        self.came.ends_with(LAST_FRAME)
    }

    /// How many events a text has.
    pub fn events(text: &str) -> u64 {
        text.matches("\ndata: ").count() as u64
    }

    /// The head, and the events without the frames of the transfer, which are a question of time.
    fn text(&self) -> String {
        let head = head(&self.came).unwrap_or(self.came.len());
        let (head, mut rest) = self.came.split_at(head);
        let head = String::from_utf8(head.to_vec()).unwrap();
        if !head.contains("transfer-encoding: chunked\r\n") {
            return plain(&format!("{head}{}", String::from_utf8_lossy(rest)));
        }
        let mut body = Vec::new();
        while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
            let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
            let Some(chunk) = rest.get(line + 2..line + 2 + length) else { break };
            body.extend_from_slice(chunk);
            rest = rest.get(line + 4 + length..).unwrap_or_default();
        }
        let end = if self.ended() { "\n(the end)" } else { "" };
        let body = String::from_utf8(body).unwrap();
        // Comments only keep the connection open.
        let events = body.split_inclusive("\n\n").filter(|event| !event.starts_with(':'));
        plain(&format!("{head}\n{}{end}", events.collect::<String>()))
    }
}
