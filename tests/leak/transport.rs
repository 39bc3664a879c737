//! What the worlds over a transport have in common: how many are played, on which threads, and what came of them.

use crate::{is_long, on_all_cores, setting, worlds};

/// What one world, or many, came to.
#[derive(Debug, Default)]
pub struct Tally {
    pub worlds: u64,
    /// Worlds with another tenant beside.
    pub hosted: u64,
    pub requests: u64,
    /// Those that have a result.
    pub answered: u64,
    /// Later pages.
    pub pages: u64,
    /// Tokens, ids and cursors of one tenant that were brought to the other.
    pub crossings: u64,
    /// Requests of people of the other tenant meanwhile, and those that were too many.
    pub meanwhile: u64,
    pub too_many: u64,
    /// Subscriptions that were heard to their end, what they told, and the changes of which they rightly told nothing.
    pub streams: u64,
    pub events: u64,
    pub silent: u64,
    /// Worlds in which the other tenant's person heard of its changes.
    pub beside_heard: u64,
    pub bytes: u64,
    /// The first difference of each world that has one.
    pub leaks: Vec<String>,
}

impl Tally {
    pub fn add(&mut self, other: Self) {
        self.worlds += other.worlds;
        self.hosted += other.hosted;
        self.requests += other.requests;
        self.answered += other.answered;
        self.pages += other.pages;
        self.crossings += other.crossings;
        self.meanwhile += other.meanwhile;
        self.too_many += other.too_many;
        self.streams += other.streams;
        self.events += other.events;
        self.silent += other.silent;
        self.beside_heard += other.beside_heard;
        self.bytes += other.bytes;
        self.leaks.extend(other.leaks);
    }

    /// Says what was compared, and that it was not nothing.
    pub fn report(&self, over: &str, begun: std::time::Instant) {
        println!(
            "{} worlds over {over}, {} of them beside another tenant: {} requests, {} with a result, {} further pages, \
             {} crossings, {} subscriptions with {} events and {} times rightly none, {} bytes compared; \
             {} requests of others meanwhile, {} of them too many; {:.1} s",
            self.worlds,
            self.hosted,
            self.requests,
            self.answered,
            self.pages,
            self.crossings,
            self.streams,
            self.events,
            self.silent,
            self.bytes,
            self.meanwhile,
            self.too_many,
            begun.elapsed().as_secs_f64()
        );
        let (differ, all) = (self.leaks.len(), self.worlds);
        assert!(self.leaks.is_empty(), "{differ} of {all} worlds differ:\n{}", self.leaks.join("\n"));
        assert!(self.answered * 2 > self.requests && self.bytes > self.worlds * 10_000, "{self:?}");
        if self.worlds >= 10 {
            assert!(self.streams * 2 > self.worlds && self.silent * 2 > self.worlds, "{self:?}");
            assert!(self.events > self.worlds && self.pages > self.worlds, "{self:?}");
        }
    }
}

/// The seeds of a transport, which begin here: a quarter of the worlds in process, which cost more to make than to ask;
/// in a long run, half as many.
pub fn seeds(first: u64) -> Vec<u64> {
    let count = (worlds() / if is_long() { 2 } else { 4 }).max(1);
    setting("KENWARD_SEED").map_or_else(|| (first..first + count).collect(), |seed| vec![seed])
}

/// Plays worlds on all cores, each in a runtime of its own on one thread: whatever is drawn at random is drawn there.
pub fn play_each(
    seeds: impl Iterator<Item = u64>,
    play: impl AsyncFn(u64, &mut Tally) -> Result<(), String> + Sync,
) -> Tally {
    let one = |seed| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut tally = Tally { worlds: 1, ..Tally::default() };
        if let Err(leak) = runtime.block_on(play(seed, &mut tally)) {
            // A long run says so at once.
            println!("world {seed}: {leak}");
            tally.leaks.push(format!("world {seed}: {leak}"));
        }
        tally
    };
    on_all_cores(seeds, one, Tally::add)
}
