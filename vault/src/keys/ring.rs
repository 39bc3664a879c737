//! A key that rotates: what is made is made with the newest, what was made with an older one is still read.
//! A ring must never lose a key that something durable was made with.

use super::short;
use arc_swap::ArcSwap;
use std::sync::Arc;

/// The keys of one purpose, newest first.
pub(crate) struct Ring {
    name: &'static str,
    keys: ArcSwap<Vec<[u8; 32]>>,
}

impl Ring {
    pub(super) fn new(name: &'static str, current: [u8; 32], old: Vec<[u8; 32]>) -> Self {
        let mut keys = vec![current];
        // A rotation that was cut off has put the current key among the old ones already.
        keys.extend(old.into_iter().filter(|key| *key != current));
        Self { name, keys: ArcSwap::from_pointee(keys) }
    }

    /// A purpose without a key.
    pub(super) fn none(name: &'static str) -> Self {
        Self { name, keys: ArcSwap::default() }
    }

    pub(super) fn is_none(&self) -> bool {
        self.keys.load().is_empty()
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// What things are made with.
    pub(crate) fn current(&self) -> [u8; 32] {
        self.keys.load().first().copied().unwrap_or_default()
    }

    /// All keys, newest first.
    pub(crate) fn all(&self) -> Arc<Vec<[u8; 32]>> {
        self.keys.load_full()
    }

    /// The key of this short name.
    pub(crate) fn named(&self, print: &str) -> Option<[u8; 32]> {
        self.keys.load().iter().find(|key| short(key) == print).copied()
    }

    pub(super) fn knows(&self, print: &str) -> bool {
        self.named(print).is_some()
    }

    /// From now on things are made with this one.
    pub(super) fn turn(&self, new: [u8; 32]) {
        let old = self.keys.load();
        self.keys.store(Arc::new(std::iter::once(new).chain(old.iter().copied()).collect()));
    }
}
