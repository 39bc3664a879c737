//! Memory for documents that are under way: each takes as much as it is long and gives it back when
//! it is put. It must never let two large documents be held at once.

use parking_lot::{Condvar, Mutex};
use std::sync::Arc;

/// Bytes that may be under way.
const TOTAL: u64 = 96 << 20;

/// The budget.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    free: Mutex<u64>,
    freed: Condvar,
}

/// A document's share; given back on drop.
#[derive(Debug)]
pub(super) struct Permit {
    budget: Budget,
    bytes: u64,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner { free: Mutex::new(TOTAL), freed: Condvar::new() }))
    }

    /// Waits until so much is free. A document larger than everything takes everything.
    pub(super) fn take(&self, bytes: u64) -> Permit {
        let bytes = bytes.clamp(1 << 12, TOTAL);
        let mut free = self.0.free.lock();
        while *free < bytes {
            self.0.freed.wait(&mut free);
        }
        *free -= bytes;
        Permit { budget: self.clone(), bytes }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *self.budget.0.free.lock() += self.bytes;
        self.budget.0.freed.notify_all();
    }
}
