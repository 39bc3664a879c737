//! Memory for documents that are under way: bytes, text, passages and vectors, counted by document, from the
//! moment it is read until it is put. What is counted never exceeds what may be held (`ingest.memory`): a
//! document that turns out larger than was thought lets go of everything and begins again with more.

use crate::chunking::{Assembled, Chunk};
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;

/// The least that a document counts.
const LEAST: u64 = 1 << 12;

/// The budget.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    total: u64,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    held: u64,
    peak: u64,
}

impl State {
    fn add(&mut self, bytes: u64) {
        self.held += bytes;
        self.peak = self.peak.max(self.held);
    }
}

/// A document's share; given back on drop.
#[derive(Debug)]
pub(super) struct Permit {
    budget: Budget,
    bytes: u64,
}

/// A document asked for more than is free now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Short {
    /// How much it needs, as far as is known.
    pub needs: u64,
}

impl Budget {
    /// So many bytes may be held at once.
    pub(super) fn new(total: u64) -> Self {
        Self(Arc::new(Inner { total, state: Mutex::default(), freed: Condvar::new() }))
    }

    /// Waits until so much is free. `None` = it never will be.
    pub(super) fn take(&self, bytes: u64) -> Option<Permit> {
        let bytes = bytes.max(LEAST);
        if bytes > self.0.total {
            return None;
        }
        let mut state = self.0.state.lock();
        while self.0.total - state.held < bytes {
            self.0.freed.wait(&mut state);
        }
        state.add(bytes);
        Some(Permit { budget: self.clone(), bytes })
    }

    /// What to ask for after so much was not enough: what was missing, twice as much as before, or all.
    pub(super) fn more(&self, before: u64, short: Short) -> u64 {
        if before >= self.0.total {
            // It had everything.
            return u64::MAX;
        }
        short.needs.max(before.saturating_mul(2)).max(LEAST).min(self.0.total.max(short.needs))
    }

    /// The most that was held at once.
    pub(super) fn peak(&self) -> u64 {
        self.0.state.lock().peak
    }
}

impl Permit {
    /// Takes up to so much in all, if it is free now. It never waits: two documents that wait for each
    /// other while they hold something would wait for ever.
    pub(super) fn grow_to(&mut self, bytes: u64) -> Result<(), Short> {
        let Some(more) = bytes.checked_sub(self.bytes) else { return Ok(()) };
        let mut state = self.budget.0.state.lock();
        if self.budget.0.total - state.held < more {
            return Err(Short { needs: bytes });
        }
        state.add(more);
        self.bytes = bytes;
        Ok(())
    }

    /// Gives back what is more than this.
    pub(super) fn shrink_to(&mut self, bytes: u64) {
        let bytes = bytes.max(LEAST).min(self.bytes);
        self.budget.0.state.lock().held -= self.bytes - bytes;
        self.bytes = bytes;
        self.budget.0.freed.notify_all();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.0.state.lock().held -= self.bytes;
        self.budget.0.freed.notify_all();
    }
}

/// What a document takes that was read and cut: its text, its passages, and their vectors twice, as the
/// embedder gives them and as they are written.
pub(super) fn cost(assembled: &Assembled, dimension: usize) -> u64 {
    let passage = |chunk: &Chunk| {
        let headings: usize = chunk.headings.iter().map(|heading| heading.len() + size_of::<String>()).sum();
        size_of::<Chunk>() + headings + 2 * dimension * size_of::<f32>()
    };
    let passages: usize = assembled.chunks.iter().map(passage).sum();
    (assembled.text.len() + passages) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_held_never_exceeds_the_total_and_comes_back() {
        let budget = Budget::new(100 << 10);
        assert!(budget.take((100 << 10) + 1).is_none());
        let mut one = budget.take(40 << 10).unwrap();
        let mut two = budget.take(40 << 10).unwrap();
        assert_eq!(one.grow_to(61 << 10), Err(Short { needs: 61 << 10 }));
        one.grow_to(60 << 10).unwrap();
        assert_eq!(two.grow_to(41 << 10), Err(Short { needs: 41 << 10 }));
        one.shrink_to(10 << 10);
        two.grow_to(90 << 10).unwrap();
        let other = budget.clone();
        let waits = std::thread::spawn(move || drop(other.take(50 << 10)));
        std::thread::sleep(Duration::from_millis(20));
        assert!(!waits.is_finished(), "nothing is free");
        drop((one, two));
        waits.join().unwrap();
        let held = budget.0.state.lock().held;
        assert_eq!((held, budget.peak()), (0, 100 << 10));
    }
}
