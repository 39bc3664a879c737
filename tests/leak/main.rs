//! The promise, tried: world A holds everything, world B only what one person may see, and whatever
//! that person asks of either, on every surface, the answers are the same bytes.
//!
//! The harness decides by itself who sees what (`sight`), so it also sees a wrong decision. It is
//! shown to fail: each switch that breaks the promise on purpose makes it red (`broken`).
//!
//! `KENWARD_WORLDS=n` plays n worlds in process and a quarter as many over HTTP and over the pipe each, `KENWARD_SEED=n`
//! one of each; `KENWARD_LONG=1` plays 5,000 in process and 5,000 over the two transports, in less than two hours on two cores
//! (a world costs 1.7 s of one in process, with two people who ask, 0.7 s over HTTP and 0.4 s over the pipe).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests may fail loudly and print their figures"
)]

mod ask;
mod at_once;
mod broken;
mod cut;
mod dice;
mod house;
mod http;
mod logs;
mod maker;
mod mcp;
mod message;
mod play;
mod seams;
mod served;
mod sight;
mod stage;
mod synced;
mod transport;
mod watched;
mod wire;
mod words;
mod world;

use play::{Tally, play};
use std::sync::atomic::{AtomicU64, Ordering};

/// A number from the environment.
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// Worlds of long runs that differed once: a group was removed whose deny still guarded, by its old
/// place, a document that had moved and could not be read; and one where the old rights of a document whose bytes
/// had changed had an allow, by another system's name, for a group that was removed.
const ONCE_DIFFERED: [u64; 2] = [4_801, 21_444];

/// Whether the suite is the long one.
fn is_long() -> bool {
    std::env::var_os("KENWARD_LONG").is_some_and(|v| v != "0")
}

/// How many worlds the main test plays.
fn worlds() -> u64 {
    setting("KENWARD_WORLDS").unwrap_or(if is_long() { 5_000 } else { 200 })
}

/// Plays many worlds on all cores.
fn on_all_cores<T: Default + Send>(
    seeds: impl Iterator<Item = u64>,
    play: impl Fn(u64) -> T + Sync,
    add: impl Fn(&mut T, T) + Sync,
) -> T {
    let seeds: Vec<u64> = seeds.collect();
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let mut all = T::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut own = T::default();
                    while let Some(seed) =
                        seeds.get(usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap())
                    {
                        add(&mut own, play(*seed));
                    }
                    own
                })
            })
            .collect();
        for worker in workers {
            add(&mut all, worker.join().unwrap());
        }
    });
    all
}

fn play_all(seeds: impl Iterator<Item = u64>) -> Tally {
    on_all_cores(seeds, play, Tally::add)
}

#[test]
fn hidden_documents_change_no_byte() {
    let _quiet = broken::no_faults();
    let logs = logs::capture();
    let begun = std::time::Instant::now();
    let tally = match setting("KENWARD_SEED") {
        Some(seed) => play_all(std::iter::once(seed)),
        None => play_all((0..worlds()).chain(ONCE_DIFFERED)),
    };
    println!(
        "{} worlds, {} people, {} requests, {} pages, {} cursors resumed, {} refused, {} bytes compared, \
         {} documents shown, {} withheld, {} runs asked about in their middle, {} after their rights were read \
         alone, {} worlds embedded anew ({} of them stopped in its middle before), {} people turned away, {} told of changes, {:.1} s",
        tally.worlds,
        tally.people,
        tally.requests,
        tally.pages,
        tally.resumed,
        tally.refused,
        tally.bytes,
        tally.shown,
        tally.withheld,
        tally.within,
        tally.synced,
        tally.anew,
        tally.stopped,
        tally.strangers,
        tally.notices,
        begun.elapsed().as_secs_f64()
    );
    if let Some(answered) = stage::answered_elsewhere() {
        println!("a real cluster answered {answered} questions of them");
        assert!(tally.worlds < 5 || answered > tally.worlds, "the cluster was hardly asked");
    }
    assert!(
        tally.leaks.is_empty(),
        "{} of {} worlds differ; the first:\n{}",
        tally.leaks.len(),
        tally.worlds,
        tally.leaks[0]
    );
    // A comparison of nothing with nothing would be equal too.
    if tally.worlds >= 20 {
        assert!(tally.shown > tally.worlds && tally.withheld > tally.worlds, "{tally:?}");
        assert!(tally.resumed > tally.worlds && tally.pages > tally.worlds, "{tally:?}");
        assert!(tally.refused * 2 < tally.requests && tally.within * 2 > tally.worlds, "{tally:?}");
        assert!(tally.synced * 4 > tally.worlds, "{tally:?}");
        assert!(tally.anew * 2 > tally.worlds && tally.stopped * 2 > tally.anew, "{tally:?}");
        assert!(tally.notices * 2 > tally.worlds, "{tally:?}");
    }
    logs.assert_silent();
}
