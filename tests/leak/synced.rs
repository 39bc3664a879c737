//! Readings of rights alone: between runs, and after one that was cut off. What narrows acts at once; what
//! widens acts for documents whose bytes are what is published, and for no other. It must share nothing with
//! the product but that meaning.

use crate::cut::Standing;
use crate::dice::Dice;
use crate::maker::{Maker, stays};
use crate::world::{Found, Step, Sync};
use kenward_access::rights::RightsSpec;
use std::collections::BTreeMap;

/// Whether the rights of a world's sources are read alone. (Worlds that once differed are odd, and stay what
/// they were.)
pub fn is_synced(seed: u64) -> bool {
    seed.is_multiple_of(2)
}

impl Maker {
    /// With dice of their own, so that what else happens does not depend on it.
    pub fn with_dice<T>(&mut self, dice: Dice, work: impl FnOnce(&mut Self) -> T) -> T {
        let own = std::mem::replace(&mut self.dice, dice);
        let done = work(self);
        self.dice = own;
        done
    }

    /// Reads the rights of a source alone.
    pub fn sync(&mut self, source: usize) {
        self.tick();
        let before = self.state.sources[source].clone();
        self.move_rights(source, 35);
        let rights = self.state.sources[source].rights.clone();
        let known = before.docs.iter().map(|(id, doc)| (id.clone(), doc.container.clone())).collect();
        let docs = self.found(source, known);
        let directory = self.state.directory.clone();
        for (id, (was_in, found)) in &docs {
            let doc = self.state.sources[source].docs.get_mut(id).unwrap();
            let moved = |container: &String| {
                let frozen = |rights: &BTreeMap<String, RightsSpec>| directory.frozen(&rights[was_in]);
                container != was_in || frozen(&before.rights) != frozen(&rights)
            };
            match found {
                Found::Gone => doc.held.push(RightsSpec::default()),
                Found::Missing { container } => {
                    if moved(container) || !doc.held.is_empty() {
                        let now = [&before.rights[was_in], &rights[was_in], &rights[container]];
                        doc.held.extend(now.into_iter().cloned());
                    }
                }
                Found::Same { container } => {
                    doc.held.clear();
                    doc.container.clone_from(container);
                }
                Found::Other { container } => {
                    if moved(container) || !doc.held.is_empty() {
                        doc.held.extend([before.rights[was_in].clone(), rights[was_in].clone()]);
                    }
                    doc.container.clone_from(container);
                }
            }
        }
        self.state.harden();
        self.steps.push(Step::Sync(Sync { at: self.now, source, rights, docs }));
    }

    /// What a reading finds of documents in these containers.
    pub fn found(
        &mut self,
        source: usize,
        known: BTreeMap<String, String>,
    ) -> BTreeMap<String, (String, Found)> {
        let mut docs = BTreeMap::new();
        for (id, was_in) in known {
            let stays = stays(&was_in);
            let container =
                if stays || self.dice.percent(80) { was_in.clone() } else { self.container(source) };
            let found = match self.dice.below(100) {
                0..=7 if !stays => Found::Gone,
                8..=27 if !stays => Found::Other { container },
                28..=34 if !stays => Found::Missing { container },
                _ => Found::Same { container },
            };
            docs.insert(id, (was_in, found));
        }
        docs
    }
}

/// What stands of the documents of a source after a reading of its rights.
pub fn after(mut standing: BTreeMap<String, Standing>, sync: &Sync) -> BTreeMap<String, Standing> {
    for (id, stands) in &mut standing {
        let (was_in, found) = &sync.docs[id];
        let published = stands.shown.as_ref().map(|doc| doc.seed);
        let waits = published.is_none() || published != stands.newest.as_ref().map(|doc| doc.seed);
        match found {
            Found::Gone => stands.guards.push(RightsSpec::default()),
            Found::Missing { container } => {
                stands.guards.extend([sync.rights[was_in].clone(), sync.rights[container].clone()]);
            }
            Found::Same { container } if !waits => {
                stands.guards = vec![sync.rights[container].clone()];
                stands.container.clone_from(container);
            }
            Found::Same { container } | Found::Other { container } => {
                stands.guards.extend([sync.rights[was_in].clone(), sync.rights[container].clone()]);
                stands.container.clone_from(container);
            }
        }
    }
    standing
}
