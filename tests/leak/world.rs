//! A world: people, nested groups, sources, and a history of what happens to them in three acts,
//! each of which ends in questions. `maker` rolls it; the third act is `cut`'s.
//! It must never call the product's rules: who sees what is [`crate::sight`]'s to say.

use crate::cut::Third;
use crate::sight::Directory;
use kenward_access::rights::RightsSpec;
use kenward_vault::directory::DirectoryChange;
use std::collections::{BTreeMap, BTreeSet};

/// 2026-03-02T08:00:00Z, when every world begins.
pub const BEGIN: i64 = 1_772_438_400_000;
pub const MINUTE: i64 = 60_000;

/// One version of a document, as its source has it.
#[derive(Debug, Clone)]
pub struct Doc {
    pub container: String,
    pub kind: &'static str,
    pub modified: i64,
    /// Names the version and its canary.
    pub seed: u64,
    /// Versions with the same one say the same words.
    pub twin: u64,
    /// Rights under which a version was published that later ones failed to replace.
    pub held: Vec<RightsSpec>,
}

/// What a run is told of one document.
#[derive(Debug, Clone)]
pub enum Op {
    Put(Doc),
    Unchanged { container: String, modified: i64 },
    Failed { container: String },
}

#[derive(Debug, Clone)]
pub struct Run {
    pub at: i64,
    pub source: usize,
    pub rights: BTreeMap<String, RightsSpec>,
    /// In the order in which world A hears of them.
    pub ops: Vec<(String, Op)>,
    /// Whether the listing was complete; an incomplete one removes and widens nothing.
    pub complete: bool,
}

/// What a reading of rights alone finds of one document.
#[derive(Debug, Clone)]
pub enum Found {
    /// The source still has what is published of it.
    Same { container: String },
    /// Its bytes are others.
    Other { container: String },
    /// Its file is gone.
    Gone,
    /// Not there, and not believed to be gone: it stays, and this container guards it as well.
    Missing { container: String },
}

/// A reading of the rights of a source alone.
#[derive(Debug, Clone)]
pub struct Sync {
    pub at: i64,
    pub source: usize,
    pub rights: BTreeMap<String, RightsSpec>,
    /// Every document that is known, and the container that it was in before.
    pub docs: BTreeMap<String, (String, Found)>,
}

#[derive(Debug, Clone)]
pub enum Step {
    Directory { at: i64, changes: Vec<DirectoryChange> },
    Run(Run),
    Sync(Sync),
}

/// What stands at some moment.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub directory: Directory,
    pub sources: Vec<Source>,
}

#[derive(Debug, Clone, Default)]
pub struct Source {
    pub rights: BTreeMap<String, RightsSpec>,
    pub docs: BTreeMap<String, Doc>,
}

/// A document by source and id within it.
pub type Place = (usize, String);

impl State {
    /// What the person sees.
    pub fn visible(&self, handle: &str, now: i64) -> BTreeSet<Place> {
        let mut seen = BTreeSet::new();
        let reached = self.sources.iter().enumerate();
        for (number, source) in reached.filter(|(number, _)| self.directory.reaches(handle, *number)) {
            for (id, doc) in &source.docs {
                let all = doc.held.iter().chain(source.rights.get(&doc.container));
                let guarded = source.rights.contains_key(&doc.container);
                if guarded && all.into_iter().all(|rights| self.directory.sees(handle, rights, now)) {
                    seen.insert((number, id.clone()));
                }
            }
        }
        seen
    }

    /// Old rights were resolved once, and the present ones are among them whenever those are resolved again: what names
    /// somebody who is gone since, or nobody, stays hidden until it is read again.
    pub fn harden(&mut self) {
        for source in &mut self.sources {
            for doc in source.docs.values_mut().filter(|doc| !doc.held.is_empty()) {
                let all = doc.held.iter().chain(source.rights.get(&doc.container));
                let frozen: Vec<RightsSpec> = all.map(|rights| self.directory.frozen(rights)).collect();
                doc.held.clear();
                for rights in frozen {
                    if !doc.held.contains(&rights) {
                        doc.held.push(rights);
                    }
                }
            }
        }
    }

    /// Everybody who can ask.
    pub fn callers(&self) -> Vec<String> {
        self.directory.people.iter().filter(|(_, (_, disabled))| !disabled).map(|(h, _)| h.clone()).collect()
    }
}

/// What a source is called and how it is shown.
#[derive(Debug, Clone)]
pub struct Named {
    pub name: String,
    pub url_template: Option<String>,
    pub tier: u8,
    pub label: Option<String>,
}

pub struct World {
    pub seed: u64,
    pub named: Vec<Named>,
    pub first: Vec<Step>,
    pub first_state: State,
    pub first_asked: i64,
    pub second: Vec<Step>,
    pub second_state: State,
    pub second_asked: i64,
    pub third: Third,
}

/// Whether a world is wide: so many documents that lists are cut and have several pages, most of
/// them hidden from most people. Few worlds are, for they take long.
pub fn is_wide(seed: u64) -> bool {
    seed % 50 == 49
}
