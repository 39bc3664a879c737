//! A tiny issuer on loopback: a real listener whose answers the test sets by path, and that counts who asks.

use super::mint::Signer;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Clone)]
pub struct Answer {
    pub head: String,
    pub body: Vec<u8>,
    pub after: Duration,
}

impl Answer {
    pub fn json(body: &serde_json::Value) -> Self {
        Self::ok("application/json", body.to_string())
    }

    pub fn ok(kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { head: format!("200 OK\r\ncontent-type: {kind}"), body: body.into(), after: Duration::ZERO }
    }

    pub fn redirect(to: &str) -> Self {
        Self { head: format!("302 Found\r\nlocation: {to}"), body: Vec::new(), after: Duration::ZERO }
    }

    pub fn status(status: u16) -> Self {
        Self { head: format!("{status} No"), body: Vec::new(), after: Duration::ZERO }
    }
}

#[derive(Default)]
struct State {
    answers: BTreeMap<String, Answer>,
    asked: Vec<String>,
}

pub struct Issuer {
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl Issuer {
    /// Listens; everything is 404 until it is set.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let served = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = Arc::clone(&served);
                std::thread::spawn(move || answer(stream, &served));
            }
        });
        Self { url, state }
    }

    /// One that says truly where its keys are, and has these.
    pub fn with_keys(signers: &[&Signer]) -> Self {
        let issuer = Self::start();
        let metadata = json!({ "issuer": issuer.url, "jwks_uri": format!("{}/keys", issuer.url) });
        issuer.set("/.well-known/oauth-authorization-server", Answer::json(&metadata));
        issuer.keys(signers);
        issuer
    }

    pub fn keys(&self, signers: &[&Signer]) {
        let keys: Vec<_> = signers.iter().map(|signer| signer.jwk()).collect();
        self.set("/keys", Answer::json(&json!({ "keys": keys })));
    }

    pub fn set(&self, path: &str, answer: Answer) {
        self.state.lock().unwrap().answers.insert(path.to_owned(), answer);
    }

    pub fn asked(&self, path: &str) -> usize {
        self.state.lock().unwrap().asked.iter().filter(|asked| *asked == path).count()
    }
}

fn answer(mut stream: TcpStream, state: &Mutex<State>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(path) = lines.next().and_then(|line| line.split(' ').nth(1).map(str::to_owned)) else { return };
    for line in lines {
        if line.is_empty() {
            break;
        }
    }
    let answer = {
        let mut state = state.lock().unwrap();
        state.asked.push(path.clone());
        state.answers.get(&path).cloned().unwrap_or_else(|| Answer::status(404))
    };
    std::thread::sleep(answer.after);
    let Answer { head, body, .. } = answer;
    let _ = write!(stream, "HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(&body);
}
