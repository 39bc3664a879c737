//! The way to the endpoint that embeds: texts and queries leave by it, to the one address that the configuration names, and
//! to no other. It must never follow where it is pointed, tell a word of what it sent or was answered, or tell its key.

use super::{Outgoing, REACHED, agent};
use kenward_indexes::KeyPlace;
use kenward_indexes::embedding::remote::{Endpoint, Refusal};
use reqwest::Url;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{HeaderValue, Response, StatusCode};

/// The longest pause that an endpoint may ask for, in seconds, and still be understood.
const LONGEST_AFTER: u64 = 24 * 3600;

/// The way to the endpoint that embeds.
#[derive(Debug, Clone)]
pub struct EmbeddingDoor {
    url: Url,
    key: Option<KeyPlace>,
    agent: Agent,
}

impl Outgoing {
    /// The way to the endpoint that embeds, if one is named.
    #[must_use]
    pub fn embedding(&self) -> Option<EmbeddingDoor> {
        let remote = self.embedding.clone()?;
        Some(EmbeddingDoor { url: remote.url, key: remote.key, agent: agent() })
    }
}

impl EmbeddingDoor {
    /// What says who asks, read anew: a key that was changed is used at once.
    fn authorization(&self) -> Result<Option<HeaderValue>, Refusal> {
        let Some(place) = &self.key else { return Ok(None) };
        let value = place.read().and_then(|key| HeaderValue::try_from(format!("Bearer {key}")).ok());
        let mut value = value.ok_or_else(|| never(&format!("there is no key for it in {place}")))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

impl Endpoint for EmbeddingDoor {
    fn post(&self, body: &[u8], most: u64, time: Duration) -> Result<Vec<u8>, Refusal> {
        // INVARIANT: the one address that the configuration names is called, and what it points on to is not followed.
        let mut request = self.agent.post(self.url.as_str()).header("Content-Type", "application/json");
        request = request.header("Accept", "application/json");
        if let Some(value) = self.authorization()? {
            request = request.header("Authorization", value);
        }
        let mut request = request.config().timeout_global(Some(time)).timeout_recv_response(Some(time));
        request = request.timeout_connect(Some(REACHED.min(time)));
        // A service of this machine is not asked through a proxy.
        let request = if self.url.scheme() == "http" { request.proxy(None) } else { request };
        let mut response = request.build().send(body).map_err(|error| broken(&error))?;
        let status = response.status();
        if status != StatusCode::OK {
            return Err(refused(status, after(&response)));
        }
        match response.body_mut().with_config().limit(most.saturating_add(1)).read_to_vec() {
            Ok(bytes) if bytes.len() as u64 <= most => Ok(bytes),
            Ok(_) | Err(ureq::Error::BodyExceedsLimit(_)) => Err(never("its answer is too long")),
            Err(error) => Err(broken(&error)),
        }
    }
}

fn never(reason: &str) -> Refusal {
    Refusal::Never { reason: reason.into() }
}

/// Of an exchange that came to no end. What the error says is not told: it may hold an address.
fn broken(error: &ureq::Error) -> Refusal {
    let reason = match error {
        ureq::Error::Timeout(_) => "it took too long",
        _ => "it cannot be reached",
    };
    Refusal::Later { reason: reason.into(), after: None }
}

fn refused(status: StatusCode, after: Option<Duration>) -> Refusal {
    let code = status.as_u16();
    match code {
        408 | 429 | 500..=599 => {
            Refusal::Later { reason: format!("it answered with status {code}").into(), after }
        }
        401 | 403 => never(&format!("it does not take the key (status {code})")),
        300..=399 => never(&format!("it points elsewhere (status {code}), which is not followed")),
        _ => never(&format!("it answered with status {code}")),
    }
}

/// When it wants to be asked again. A date is passed over: whoever limits requests says seconds.
fn after<T>(response: &Response<T>) -> Option<Duration> {
    let value = response.headers().get("Retry-After")?.to_str().ok()?;
    value.trim().parse().ok().map(|seconds: u64| Duration::from_secs(seconds.min(LONGEST_AFTER)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// A query asks once: it must not be lost to a connection that the endpoint gave up while nobody asked.
    #[test]
    fn a_connection_that_was_kept_and_closed_there_costs_no_request() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}/v1/embeddings", listener.local_addr().unwrap())).unwrap();
        let server = std::thread::spawn(move || {
            for _ in 0..3 {
                let (mut stream, _) = listener.accept().unwrap();
                let mut asked = Vec::new();
                while !asked.ends_with(b"{}") {
                    let mut some = [0; 512];
                    let count = stream.read(&mut some).unwrap();
                    asked.extend_from_slice(&some[..count]);
                }
                // It says nothing of closing, and closes.
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
            }
        });
        let door = EmbeddingDoor { url, key: None, agent: agent() };
        for _ in 0..3 {
            assert_eq!(door.post(b"{}", 100, Duration::from_secs(5)).unwrap(), b"ok");
            std::thread::sleep(Duration::from_millis(100));
        }
        server.join().unwrap();
    }

    #[test]
    fn a_key_is_in_no_debug_words() {
        let place = std::env::temp_dir().join("kenward-no-such-key");
        let url = Url::parse("http://127.0.0.1:1/v1/embeddings").unwrap();
        let door = EmbeddingDoor { url, key: Some(KeyPlace::File(place)), agent: agent() };
        let refused = door.post(b"{}", 100, Duration::from_secs(5)).unwrap_err();
        assert!(
            matches!(&refused, Refusal::Never { reason } if reason.contains("kenward-no-such-key")),
            "{refused:?}"
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "sk-secret\nsecond\n").unwrap();
        let door = EmbeddingDoor { key: Some(KeyPlace::File(file.path().to_owned())), ..door };
        let value = door.authorization().unwrap().unwrap();
        assert_eq!(value.to_str().unwrap(), "Bearer sk-secret");
        assert!(!format!("{door:?} {value:?}").contains("sk-secret"));
    }
}
