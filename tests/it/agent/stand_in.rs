//! A stand-in for a model's endpoint on loopback: it says what it was given to say, in order, and keeps what it
//! heard. It shows that the loop works, and nothing about any model.

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Requests: head and body.
type Heard = Arc<Mutex<Vec<(String, Value)>>>;

/// A running one.
pub struct StandIn {
    pub url: String,
    heard: Heard,
}

impl StandIn {
    pub fn start(says: Vec<Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1/chat/completions", listener.local_addr().unwrap());
        let heard = Heard::default();
        let keeps = Arc::clone(&heard);
        std::thread::spawn(move || {
            for (number, message) in says.into_iter().enumerate() {
                let (stream, _) = listener.accept().unwrap();
                answer(stream, number, message, &keeps);
            }
        });
        Self { url, heard }
    }

    pub fn heard(&self) -> Vec<(String, Value)> {
        self.heard.lock().unwrap().clone()
    }
}

fn answer(mut stream: TcpStream, number: usize, mut message: Value, keeps: &Heard) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    keeps.lock().unwrap().push((head, serde_json::from_slice(&body).unwrap()));
    if let Some(call) = message.pointer_mut("/tool_calls/0") {
        call["id"] = format!("call_{number}").into();
    }
    let body = json!({ "choices": [{ "index": 0, "message": message }] }).to_string();
    let head =
        format!("content-type: application/json\r\ncontent-length: {}\r\nconnection: close", body.len());
    write!(stream, "HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}").unwrap();
}

/// A message with a call.
pub fn calls(tool: &str, arguments: &Value) -> Value {
    let function = json!({ "name": tool, "arguments": arguments.to_string() });
    json!({ "role": "assistant", "content": null, "tool_calls": [{ "type": "function", "function": function }] })
}

/// A message with an answer.
pub fn says(text: &str) -> Value {
    json!({ "role": "assistant", "content": text })
}
