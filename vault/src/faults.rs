//! Test-only switches that break a promise on purpose, so that the leak harness can be shown to see
//! it. Without the cargo feature `faults` nothing here can be switched; the tidy test keeps the
//! feature out of normal builds.

use crate::core::Core;
use kenward_access::ids::Timestamp;

/// `ingested` says when each document came in, not when its run started: a clock that hidden
/// documents move.
#[cfg(feature = "faults")]
pub static INGEST_TIME_OF_DOCUMENT: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// What `ingested` says of a document.
#[cfg_attr(not(feature = "faults"), expect(unused_variables, reason = "only the fault reads the clock"))]
pub(crate) fn ingested(started: Timestamp, core: &Core) -> Timestamp {
    #[cfg(feature = "faults")]
    if INGEST_TIME_OF_DOCUMENT.load(std::sync::atomic::Ordering::Relaxed) {
        return core.now();
    }
    started
}

/// Who watches a document is told what happens to it, whether they may see it or not.
#[cfg(feature = "faults")]
pub static TELL_OF_HIDDEN: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Whether a watched document counts as one that is seen.
pub(crate) fn watched(seen: bool) -> bool {
    #[cfg(feature = "faults")]
    if TELL_OF_HIDDEN.load(std::sync::atomic::Ordering::Relaxed) {
        return true;
    }
    seen
}

/// How many candidates are read again hangs on how many documents are stored.
#[cfg(feature = "faults")]
pub static DEPTH_BY_STORED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// How many of the best candidates are read again.
#[cfg_attr(not(feature = "faults"), expect(unused_variables, reason = "only the fault counts documents"))]
pub(crate) fn read_again(depth: usize, documents: impl Iterator) -> usize {
    #[cfg(feature = "faults")]
    if DEPTH_BY_STORED.load(std::sync::atomic::Ordering::Relaxed) {
        return depth.saturating_sub(documents.count() % 4);
    }
    depth
}
