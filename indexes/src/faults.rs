//! Switches that break the promise on purpose, so that the leak harness can show that it notices.
//! They exist only under the feature `faults`, which no normal build has, and start switched off.
//! Set them before the first query of a process: views made earlier are not made again.

use std::sync::atomic::{AtomicBool, Ordering};

/// BM25 statistics over all live chunks instead of the visible ones.
pub static GLOBAL_STATISTICS: AtomicBool = AtomicBool::new(false);
/// Equals are ordered by where they are stored instead of by their tie key.
pub static STORAGE_ORDER: AtomicBool = AtomicBool::new(false);
/// The list is cut first and filtered afterwards.
pub static POST_FILTER: AtomicBool = AtomicBool::new(false);

/// Whether a switch is on.
pub(crate) fn on(switch: &AtomicBool) -> bool {
    switch.load(Ordering::Relaxed)
}
