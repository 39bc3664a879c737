//! The remote engine: an OpenAI-compatible `/v1/embeddings` endpoint. It never speaks HTTP: what does is given to it. It
//! must never hand on a word of an answer or of a text in an error, nor a vector that it has not measured: as many as
//! there are texts, each in its place, of the right length, finite, of length 1.
//!
//! Texts that leave in one request may influence each other at the other side: here nothing can be promised of that.

mod answer;
mod estimate;
#[cfg(test)]
mod tests;

use super::{EmbedError, Embedder, EmbeddingSpace};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// The engine's name in an [`EmbeddingSpace`].
pub const ENGINE: &str = "remote";

/// How often a request is made while documents come in.
const TRIES: u32 = 5;
/// The first pause; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause, whatever the endpoint asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a request for documents may take.
const DOCUMENTS: Duration = Duration::from_secs(60);
/// How long a request for a query may take: a person waits.
const QUERY: Duration = Duration::from_secs(5);
/// Requests under way at once while documents come in.
const WORKERS: usize = 4;
/// How often it is asked whether anybody waits still.
const LOOK: Duration = Duration::from_millis(100);
/// Bytes of an answer per number: a sign, 17 digits, a point, an exponent, a comma, and spaces around.
const BYTES_PER_NUMBER: u64 = 64;
/// Bytes of an answer besides: per text, and at all.
const BYTES_BESIDE: u64 = 4 << 10;

/// What a request came to that brought no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It may go better later: 429, 5xx, a time-out, a broken connection.
    Later {
        /// What it was, in our words.
        reason: Box<str>,
        /// When the endpoint wants to be asked again.
        after: Option<Duration>,
    },
    /// It will not: another status, no key, an answer that is too long.
    Never {
        /// What it was, in our words.
        reason: Box<str>,
    },
}

impl Refusal {
    fn reason(self) -> Box<str> {
        match self {
            Self::Later { reason, .. } | Self::Never { reason } => reason,
        }
    }
}

/// The way to the endpoint, whatever speaks HTTP.
pub trait Endpoint: Send + Sync {
    /// Posts a JSON document, and gives the bytes of the answer: at most `most`, within `time`, all of it.
    ///
    /// # Errors
    /// [`Refusal`], in which nothing of the answer or of the document stands.
    fn post(&self, body: &[u8], most: u64, time: Duration) -> Result<Vec<u8>, Refusal>;
}

/// What is asked of the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Host and port, for people and for the space.
    pub host: String,
    /// The model's name there.
    pub model: String,
    /// Numbers per vector.
    pub dimension: usize,
    /// Longest input in tokens.
    pub max_tokens: usize,
    /// Texts per request.
    pub batch: usize,
    /// What goes before a query.
    pub query_prefix: String,
    /// What goes before a passage.
    pub passage_prefix: String,
}

impl Asked {
    /// What the vectors mean: another host, model or prefix is another space.
    #[must_use]
    pub fn space(&self) -> EmbeddingSpace {
        let (query, passage) = (&self.query_prefix, &self.passage_prefix);
        let pooling = match query.is_empty() && passage.is_empty() {
            true => "the endpoint's".to_owned(),
            false => format!("the endpoint's; query {query:?}, passage {passage:?}"),
        };
        EmbeddingSpace {
            model: format!("{} at {}", self.model, self.host),
            tokenizer: "estimate-1".to_owned(),
            pooling,
            max_tokens: self.max_tokens,
            dimension: self.dimension,
            precision: "f32".to_owned(),
            engine: ENGINE.to_owned(),
        }
    }
}

/// The engine over an endpoint. Nothing is asked of it before there is something to embed.
#[must_use]
pub fn remote(asked: Asked, endpoint: Box<dyn Endpoint>) -> Arc<dyn Embedder> {
    Arc::new(Remote { space: asked.space(), asked, endpoint: endpoint.into(), pause })
}

/// Waits, for as long as somebody wants that.
fn pause(mut wait: Duration, wanted: &dyn Fn() -> bool) {
    while !wait.is_zero() && wanted() {
        let some = wait.min(LOOK);
        std::thread::sleep(some);
        wait -= some;
    }
}

/// Nobody waits any more.
fn given_up() -> Refusal {
    Refusal::Never { reason: "nobody waits for it any more".into() }
}

struct Remote {
    space: EmbeddingSpace,
    asked: Asked,
    endpoint: Arc<dyn Endpoint>,
    pause: fn(Duration, &dyn Fn() -> bool),
}

impl Remote {
    /// What is sent of a text: not longer than the endpoint takes, and never nothing, which many refuse.
    fn input(&self, prefix: &str, text: &str) -> String {
        let room = self.asked.max_tokens.saturating_sub(estimate::SPECIAL);
        let whole = format!("{prefix}{text}");
        let cut = estimate::within(&whole, room);
        if cut.trim().is_empty() { "-".to_owned() } else { cut.to_owned() }
    }

    /// One request, once. `Err` of a refusal that may pass can be tried again.
    fn once(&self, inputs: &[String], time: Duration) -> Result<Vec<Vec<f32>>, Refusal> {
        let (body, most) = self.request(inputs);
        self.vectors(&self.endpoint.post(&body, most, time)?, inputs.len())
    }

    /// What is sent, and the longest answer to it.
    fn request(&self, inputs: &[String]) -> (Vec<u8>, u64) {
        let body = serde_json::json!({
            "model": self.asked.model,
            "input": inputs,
            "encoding_format": "float",
        });
        let per_text = self.asked.dimension as u64 * BYTES_PER_NUMBER + BYTES_BESIDE;
        (body.to_string().into_bytes(), per_text * inputs.len() as u64 + BYTES_BESIDE)
    }

    fn vectors(&self, answer: &[u8], of: usize) -> Result<Vec<Vec<f32>>, Refusal> {
        answer::vectors(answer, of, self.asked.dimension)
            .map_err(|wrong| Refusal::Never { reason: wrong.to_string().into() })
    }

    /// As `once`, for as long as somebody wants it: whoever stops a run waits for no endpoint that hangs. The request is
    /// left to end by itself then.
    fn once_while(&self, inputs: &[String], wanted: &dyn Fn() -> bool) -> Result<Vec<Vec<f32>>, Refusal> {
        // INVARIANT: no text leaves for somebody who has given up.
        if !wanted() {
            return Err(given_up());
        }
        let (body, most) = self.request(inputs);
        let (tell, answered) = channel();
        let endpoint = Arc::clone(&self.endpoint);
        let ask = move || {
            let _ = tell.send(endpoint.post(&body, most, DOCUMENTS));
        };
        let begun = std::thread::Builder::new().name("embedding".to_owned()).spawn(ask);
        begun.map_err(|_| Refusal::Never { reason: "no thread can be begun to ask it".into() })?;
        while wanted() {
            match answered.recv_timeout(LOOK) {
                Ok(answer) => return self.vectors(&answer?, inputs.len()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        Err(given_up())
    }

    fn patiently(&self, inputs: &[String], wanted: &dyn Fn() -> bool) -> Result<Vec<Vec<f32>>, Refusal> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..TRIES {
            match self.once_while(inputs, wanted) {
                Err(Refusal::Later { after, reason }) => {
                    let wait = after.unwrap_or(pause).min(LONGEST_PAUSE);
                    let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                    tracing::warn!(reason = %reason, wait_ms = ms, "the embedding endpoint is asked again after a pause");
                    (self.pause)(wait, wanted);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                done => return done,
            }
        }
        self.once_while(inputs, wanted)
    }

    fn failed(&self, refusal: Refusal) -> EmbedError {
        let reason = format!("the endpoint at {}: {}", self.asked.host, refusal.reason());
        EmbedError::Engine { reason: reason.into() }
    }
}

impl Embedder for Remote {
    fn space(&self) -> &EmbeddingSpace {
        &self.space
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.embed_while(texts, &|| true)
    }

    fn embed_while(&self, texts: &[&str], wanted: &dyn Fn() -> bool) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut vectors = Vec::with_capacity(texts.len());
        for some in texts.chunks(self.asked.batch.max(1)) {
            let inputs: Vec<String> =
                some.iter().map(|text| self.input(&self.asked.passage_prefix, text)).collect();
            vectors.extend(self.patiently(&inputs, wanted).map_err(|refusal| self.failed(refusal))?);
        }
        Ok(vectors)
    }

    fn embed_query(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        let inputs = [self.input(&self.asked.query_prefix, text)];
        let vectors = self.once(&inputs, QUERY).map_err(|refusal| self.failed(refusal))?;
        let none = || EmbedError::Engine { reason: "no vector came".into() };
        vectors.into_iter().next().ok_or_else(none)
    }

    fn count_tokens(&self, text: &str) -> usize {
        estimate::tokens(text) + estimate::SPECIAL
    }

    fn workers(&self) -> usize {
        WORKERS
    }

    fn batch(&self) -> usize {
        self.asked.batch.max(1)
    }
}
