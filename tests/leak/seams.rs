//! Time and randomness, fixed by the test: both worlds ask at the same instants and draw the same bytes.

use crate::dice::Dice;
use kenward_access::ids::Timestamp;
use kenward_vault::seams::{Clock, Entropy};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread::ThreadId;

/// A clock that stands still until it is set.
pub struct FixedClock(AtomicI64);

impl FixedClock {
    pub fn at(now: i64) -> Self {
        Self(AtomicI64::new(now))
    }
    /// Never backwards: both worlds would see the later time for as long as only one of them had.
    pub fn set(&self, now: i64) {
        let before = self.0.swap(now, Ordering::SeqCst);
        assert!(before <= now, "the harness sets its clock back by {} ms", before - now);
    }
    pub fn advance(&self, by: i64) {
        self.0.fetch_add(by, Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// A seed, and how often each length was drawn from it.
type Drawn = (u64, HashMap<usize, u64>);

/// Bytes that depend on the seed, the length drawn, and how often that length was drawn: so that
/// the order of two threads makes no difference, and a boundary drawn again is another one. Each
/// thread that has begun from a seed of its own draws from that one: questions asked at once do not
/// disturb each other.
#[derive(Default)]
pub struct FixedEntropy(Mutex<HashMap<Option<ThreadId>, Drawn>>);

impl FixedEntropy {
    /// Begins again from a seed on this thread. Seeds are used once in each world.
    pub fn reset(&self, seed: u64) {
        let mut states = self.0.lock().unwrap();
        states.insert(Some(std::thread::current().id()), (seed, HashMap::new()));
    }
}

impl Entropy for FixedEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        let mut states = self.0.lock().unwrap();
        let own = Some(std::thread::current().id());
        let who = if states.contains_key(&own) { own } else { None };
        let state = states.entry(who).or_default();
        let seed = state.0;
        let drawn = state.1.entry(buffer.len()).or_insert(0);
        *drawn += 1;
        let mut dice = Dice::of(seed, &format!("{} {drawn}", buffer.len()));
        for byte in buffer {
            *byte = dice.next().to_le_bytes()[3];
        }
    }
}
