//! The harness must be able to fail: each switch breaks the promise in one way, and is seen.

use crate::transport::play_each;
use crate::{http, mcp, play_all};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{RwLock, RwLockReadGuard};

/// Switches are of the whole process: who counts on none holds this.
static SWITCHES: RwLock<()> = RwLock::new(());

/// No switch is on while this is held.
pub fn no_faults() -> RwLockReadGuard<'static, ()> {
    SWITCHES.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A token that one tenant knows for nobody's is shown to the next: a broken front of the harness's own.
pub static ONE_DOOR: AtomicBool = AtomicBool::new(false);
/// The people of all tenants are counted as one: the same.
pub static ONE_COUNT: AtomicBool = AtomicBool::new(false);

/// Whether a switch is on.
pub fn is_on(switch: &AtomicBool) -> bool {
    switch.load(Ordering::SeqCst)
}

/// How many worlds each switch is tried on; over a transport, fewer.
const WORLDS: u64 = 24;
const OVER_A_TRANSPORT: u64 = 4;

/// Plays with the switch on; gives the differences, and of how many worlds.
fn broken_by(switch: &AtomicBool, play: impl FnOnce() -> (Vec<String>, u64)) -> (Vec<String>, u64) {
    let _alone = SWITCHES.write().unwrap_or_else(std::sync::PoisonError::into_inner);
    switch.store(true, Ordering::SeqCst);
    let played = play();
    switch.store(false, Ordering::SeqCst);
    played
}

fn seen(name: &str, (leaks, worlds): (Vec<String>, u64)) -> Vec<String> {
    println!("{name}: {} of {worlds} worlds differ", leaks.len());
    if let Some(leak) = leaks.first() {
        println!("for example {leak}");
    }
    assert!(!leaks.is_empty(), "`{name}` is on and no world differs");
    leaks
}

fn must_be_seen(name: &str, switch: &AtomicBool, seeds: impl Iterator<Item = u64>) {
    let played = broken_by(switch, || {
        let tally = play_all(seeds);
        (tally.leaks, tally.worlds)
    });
    seen(name, played);
}

/// Every difference must be one that the switch makes.
fn must_be_seen_over_http(name: &str, switch: &AtomicBool, where_it_shows: &[&str]) {
    let played = broken_by(switch, || {
        let tally = play_each(0..OVER_A_TRANSPORT, http::compare);
        (tally.leaks, tally.worlds)
    });
    for leak in seen(&format!("{name}, over HTTP"), played) {
        assert!(where_it_shows.iter().any(|at| leak.contains(at)), "not by the switch: {leak}");
    }
}

fn must_be_seen_over_the_pipe(name: &str, switch: &AtomicBool, where_it_shows: &[&str]) {
    let played = broken_by(switch, || {
        let tally = play_each(0..OVER_A_TRANSPORT, mcp::compare);
        (tally.leaks, tally.worlds)
    });
    for leak in seen(&format!("{name}, over the pipe"), played) {
        assert!(where_it_shows.iter().any(|at| leak.contains(at)), "not by the switch: {leak}");
    }
}

#[test]
fn reading_again_by_what_is_stored_is_seen() {
    let switch = &kenward_vault::faults::DEPTH_BY_STORED;
    must_be_seen("fewer are read again where more is stored", switch, 0..WORLDS);
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

#[test]
fn what_breaks_answers_is_seen_over_http_and_the_pipe() {
    let switch = &kenward_indexes::faults::GLOBAL_STATISTICS;
    // Search, and the prompt that searches.
    let there = ["\"name\":\"search\"", "Search(", "answer_with_citations"];
    must_be_seen_over_http("statistics over hidden chunks too", switch, &there);
    must_be_seen_over_the_pipe("statistics over hidden chunks too", switch, &there);
}

#[test]
fn telling_of_hidden_changes_is_seen_on_every_way_of_hearing() {
    let switch = &kenward_vault::faults::TELL_OF_HIDDEN;
    must_be_seen("a watch that tells of hidden changes", switch, 0..WORLDS);
    must_be_seen_over_http("a watch that tells of hidden changes", switch, &["heard"]);
    must_be_seen_over_the_pipe("a watch that tells of hidden changes", switch, &["heard"]);
}

#[test]
fn a_token_that_opens_every_door_is_seen() {
    must_be_seen_over_http("tokens of one tenant are good for another", &ONE_DOOR, &["a token"]);
}

#[test]
fn limits_that_tenants_share_are_seen() {
    must_be_seen_over_http("the people of all tenants are counted as one", &ONE_COUNT, &["HTTP/1.1 429"]);
}
