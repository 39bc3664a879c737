//! The harness must be able to fail: each switch breaks the promise in one way, and is seen.

use crate::play_all;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{RwLock, RwLockReadGuard};

/// Switches are of the whole process: who counts on none holds this.
static SWITCHES: RwLock<()> = RwLock::new(());

/// No switch is on while this is held.
pub fn no_faults() -> RwLockReadGuard<'static, ()> {
    SWITCHES.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// How many worlds each switch is tried on.
const WORLDS: u64 = 24;

fn must_be_seen(name: &str, switch: &AtomicBool, seeds: impl Iterator<Item = u64>) {
    let _alone = SWITCHES.write().unwrap_or_else(std::sync::PoisonError::into_inner);
    switch.store(true, Ordering::SeqCst);
    let tally = play_all(seeds);
    switch.store(false, Ordering::SeqCst);
    println!("{name}: {} of {} worlds differ", tally.leaks.len(), tally.worlds);
    if let Some(leak) = tally.leaks.first() {
        println!("for example {leak}");
    }
    assert!(!tally.leaks.is_empty(), "`{name}` is on and no world differs");
}

#[test]
fn global_statistics_are_seen() {
    must_be_seen("statistics over hidden chunks too", &kenward_indexes::faults::GLOBAL_STATISTICS, 0..WORLDS);
}

#[test]
fn storage_order_is_seen() {
    must_be_seen("equals in the order of storage", &kenward_indexes::faults::STORAGE_ORDER, 0..WORLDS);
}

#[test]
fn filtering_after_the_cut_is_seen() {
    // Only where more chunks match than a list holds.
    let wide = (0..200).filter(|seed| crate::world::is_wide(*seed));
    must_be_seen("filter after the cut", &kenward_indexes::faults::POST_FILTER, wide);
}

#[test]
fn a_clock_that_hidden_documents_move_is_seen() {
    must_be_seen("`ingested` by the document", &kenward_vault::faults::INGEST_TIME_OF_DOCUMENT, 0..WORLDS);
}
