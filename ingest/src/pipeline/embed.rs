//! The embedding stage: chunks of all documents under way, a few at a time, so that one long document
//! keeps every worker busy. Vectors do not depend on what is embedded beside them.

use super::IngestError;
use super::read::{Arrival, Outcome, Prepared};
use crate::chunking::Sizer;
use crossbeam_channel::Sender;
use kenward_indexes::embedding::{EmbedError, Embedder};
use parking_lot::Mutex;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A document with its vectors, ready to be put.
#[derive(Debug)]
pub(super) struct Embedded {
    pub read: Arrival,
    /// One per chunk; empty without an embedder.
    pub vectors: Vec<Vec<f32>>,
}

/// A document whose chunks are being embedded.
struct State {
    shell: Option<Arrival>,
    /// Left here by each batch when it is through, so that the last one finds the only reference.
    prepared: Option<Arc<Prepared>>,
    vectors: Vec<Vec<f32>>,
    left: usize,
    error: Option<EmbedError>,
}

/// Some chunks of a document.
pub(super) struct Batch {
    document: Arc<Mutex<State>>,
    prepared: Arc<Prepared>,
    range: Range<usize>,
}

/// Cuts a document into batches of so many chunks; without chunks or embedder it goes straight on.
pub(super) fn dispatch(
    read: Arrival,
    at_once: Option<usize>,
    batches: &Sender<Batch>,
    done: &Sender<Embedded>,
) -> bool {
    let Arrival { path, hangs, archive, outcome, permit } = read;
    let (prepared, at_once) = match (outcome, at_once) {
        (Outcome::Ready(prepared), Some(some)) if !prepared.chunks.is_empty() => (prepared, some.max(1)),
        (outcome, _) => {
            let read = Arrival { path, hangs, archive, outcome, permit };
            return done.send(Embedded { read, vectors: Vec::new() }).is_ok();
        }
    };
    let count = prepared.chunks.len();
    let document = Arc::new(Mutex::new(State {
        shell: Some(Arrival { path, hangs, archive, outcome: Outcome::Unknown, permit }),
        prepared: None,
        vectors: vec![Vec::new(); count],
        left: count,
        error: None,
    }));
    let mut ours = Some(Arc::new(*prepared));
    for start in (0..count).step_by(at_once) {
        let range = start..(start + at_once).min(count);
        // The last batch gets our own reference: none stays here.
        let prepared = if range.end == count { ours.take() } else { ours.clone() };
        let Some(prepared) = prepared else { return false };
        if batches.send(Batch { document: Arc::clone(&document), prepared, range }).is_err() {
            return false;
        }
    }
    true
}

/// Embeds a batch; the last one of a document sends it on. `false` = nobody listens any more, or it was stopped.
pub(super) fn embed(
    batch: Batch,
    embedder: &dyn Embedder,
    sizer: &Sizer,
    busy: &Busy,
    stopped: &dyn Fn() -> bool,
    done: &Sender<Embedded>,
) -> bool {
    let Batch { document, prepared, range } = batch;
    let chunks = prepared.chunks.get(range.clone()).unwrap_or_default();
    let inputs: Vec<String> =
        chunks.iter().map(|chunk| chunk.embedding_input(&prepared.title, &prepared.text, sizer)).collect();
    let texts: Vec<&str> = inputs.iter().map(String::as_str).collect();
    busy.begin();
    // Once more before giving up: an engine may have a bad moment.
    let wanted = || !stopped();
    let result = embedder.embed_while(&texts, &wanted).or_else(|_| embedder.embed_while(&texts, &wanted));
    busy.end(texts.len());
    if result.is_err() && stopped() {
        // It may have failed because of that.
        return false;
    }
    let mut state = document.lock();
    match result {
        Ok(vectors) => {
            for (at, vector) in range.clone().zip(vectors) {
                if let Some(place) = state.vectors.get_mut(at) {
                    *place = vector;
                }
            }
        }
        Err(error) => state.error = Some(error),
    }
    state.prepared = Some(prepared);
    state.left = state.left.saturating_sub(range.len());
    if state.left > 0 {
        return true;
    }
    let shell = state.shell.take();
    let prepared = state.prepared.take().and_then(|prepared| Arc::try_unwrap(prepared).ok());
    let (vectors, error) = (std::mem::take(&mut state.vectors), state.error.take());
    drop(state);
    let Some(mut read) = shell else { return true };
    read.outcome = match (error, prepared) {
        (Some(error), _) => Outcome::Fatal(IngestError::Embed(error)),
        (None, Some(prepared)) => Outcome::Ready(Box::new(prepared)),
        (None, None) => Outcome::Fatal(IngestError::Internal),
    };
    done.send(Embedded { read, vectors }).is_ok()
}

/// How long the embedder was busy, and with how many chunks.
#[derive(Debug, Default)]
pub(super) struct Busy {
    state: Mutex<(usize, Option<Instant>, Duration)>,
    chunks: AtomicU64,
}

impl Busy {
    fn begin(&self) {
        let mut state = self.state.lock();
        if state.0 == 0 {
            state.1 = Some(Instant::now());
        }
        state.0 += 1;
    }

    fn end(&self, chunks: usize) {
        self.chunks.fetch_add(chunks as u64, Ordering::Relaxed);
        let mut state = self.state.lock();
        state.0 = state.0.saturating_sub(1);
        if state.0 == 0
            && let Some(since) = state.1.take()
        {
            state.2 += since.elapsed();
        }
    }

    pub(super) fn seconds(&self) -> f64 {
        self.state.lock().2.as_secs_f64()
    }

    pub(super) fn chunks(&self) -> u64 {
        self.chunks.load(Ordering::Relaxed)
    }
}
