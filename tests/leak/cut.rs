//! The third act: a run that is cut off in the middle, with content published on the way, and the
//! run that goes on. Who sees what *within* a run is said here, by names, lists and loops.
//!
//! Within a run everything that it says of rights acts at once, as old AND new; content acts when it
//! is published; nothing is removed or widened before the end. It must share nothing with the
//! product but that meaning.

use crate::dice::Dice;
use crate::maker::{Maker, stays};
use crate::synced;
use crate::world::{Doc, MINUTE, Op, Place, Run, Source, State, Sync, World};
use kenward_access::rights::RightsSpec;
use std::collections::{BTreeMap, BTreeSet};

/// The third act.
pub struct Third {
    /// The listing, in the order in which its documents are told; not all of them are.
    pub run: Run,
    /// How many are told before the run is cut off.
    pub told: usize,
    /// How many were told when content was published for the last time.
    pub published: usize,
    /// Cut off by the end of its process; otherwise by an error.
    pub killed: bool,
    /// When the middle is asked about.
    pub asked: i64,
    /// The rights of the source are read alone after the cut, and it is asked about then.
    pub synced: Option<(Sync, i64)>,
    /// The run that goes on to the end.
    pub again: Run,
    pub again_state: State,
    pub again_asked: i64,
}

impl Maker {
    /// Reads one source once more, with every kind of change.
    pub fn third_act(&mut self, source: usize, sync: Option<Dice>) -> Third {
        self.tick();
        let before = self.state.sources[source].clone();
        self.move_rights(source, 40);
        let mut ops: Vec<(String, Op)> = Vec::new();
        for (id, old) in &before.docs {
            if stays(&old.container) {
                continue;
            }
            let elsewhere =
                if self.dice.percent(50) { old.container.clone() } else { self.container(source) };
            match self.dice.below(100) {
                0..=34 => ops.push((id.clone(), Op::Put(self.version(&elsewhere)))),
                35..=49 => ops.push((id.clone(), Op::Failed { container: elsewhere })),
                50..=69 => {
                    ops.push((id.clone(), Op::Unchanged { container: elsewhere, modified: old.modified }));
                }
                // Not listed any more.
                70..=79 => {}
                _ => {
                    let container = old.container.clone();
                    ops.push((id.clone(), Op::Unchanged { container, modified: old.modified }));
                }
            }
        }
        for _ in 0..1 + self.dice.below(5) {
            let container = self.container(source);
            let id = self.fresh_id(&container);
            ops.push((id, Op::Put(self.version(&container))));
        }
        self.dice.shuffle(&mut ops);
        let told = self.dice.below(ops.len() + 1);
        let published = self.dice.below(told + 1);
        let rights = self.state.sources[source].rights.clone();
        let run = Run { at: self.now, source, rights, ops, complete: false };
        let asked = self.now + MINUTE;
        self.now += 2 * MINUTE;
        self.tick();
        let mut standing = at_the_cut(&before, &run, told, published);
        let synced = sync.map(|dice| {
            let sync = self.with_dice(dice, |maker| {
                maker.move_rights(source, 40);
                let known = standing.iter().map(|(id, s)| (id.clone(), s.container.clone())).collect();
                let docs = maker.found(source, known);
                let rights = maker.state.sources[source].rights.clone();
                Sync { at: maker.now, source, rights, docs }
            });
            (sync, self.now + MINUTE)
        });
        if let Some((sync, asked)) = &synced {
            standing = synced::after(standing, sync);
            self.now = *asked;
            self.now += MINUTE;
        }
        let again = self.go_on(&before, &run, &standing);
        Third {
            told,
            published,
            killed: self.dice.percent(50),
            asked,
            synced,
            again_state: self.state.clone(),
            again_asked: self.now + MINUTE,
            again,
            run,
        }
    }

    /// The same listing once more, under rights that have moved again. What was told before is found
    /// unchanged, or changed once more, or cannot be read any more.
    fn go_on(&mut self, before: &Source, run: &Run, standing: &BTreeMap<String, Standing>) -> Run {
        let source = run.source;
        self.move_rights(source, 40);
        let rights = self.state.sources[source].rights.clone();
        let (mut ops, mut now) = (Vec::new(), BTreeMap::new());
        for (id, old) in before.docs.iter().filter(|(_, old)| stays(&old.container)) {
            now.insert(id.clone(), old.clone());
            let container = old.container.clone();
            ops.push((id.clone(), Op::Unchanged { container, modified: old.modified }));
        }
        for (id, op) in &run.ops {
            let stands = standing.get(id);
            let newest = stands.and_then(|s| s.newest.clone());
            let op = match (self.dice.below(100), op, &newest) {
                (0..=54, Op::Put(_) | Op::Failed { .. }, Some(read)) => {
                    let container = stands.unwrap().container.clone();
                    Op::Unchanged { container, modified: read.modified }
                }
                (55..=74, _, _) => Op::Failed { container: self.container(source) },
                (75..=84, _, _) => {
                    let container = self.container(source);
                    Op::Put(self.version(&container))
                }
                _ => op.clone(),
            };
            let doc = match &op {
                Op::Put(doc) => Some(doc.clone()),
                Op::Unchanged { container, .. } => {
                    let newest = newest.or_else(|| before.docs.get(id).cloned()).unwrap();
                    Some(Doc { container: container.clone(), held: Vec::new(), ..newest })
                }
                // What is shown of it stays, under everything it was ever read under; what only waits
                // is not shown by a run that could not read the document.
                Op::Failed { container } => stands.and_then(|s| {
                    let mut held = s.guards.clone();
                    held.push(rights[&s.container].clone());
                    Some(Doc { container: container.clone(), held, ..s.shown.clone()? })
                }),
            };
            ops.push((id.clone(), op));
            if let Some(doc) = doc {
                now.insert(id.clone(), doc);
            }
        }
        self.state.sources[source].docs = now;
        self.dice.shuffle(&mut ops);
        Run { at: self.now, source, rights, ops, complete: true }
    }
}

/// What stands of a document when the run is cut off.
pub struct Standing {
    /// The version that is shown to whom the guards let.
    pub shown: Option<Doc>,
    /// The version that was read last.
    pub newest: Option<Doc>,
    pub container: String,
    pub guards: Vec<RightsSpec>,
}

/// What stands of every document of the source after so many were told, and some of them published.
fn at_the_cut(before: &Source, run: &Run, told: usize, published: usize) -> BTreeMap<String, Standing> {
    // Old AND new, where something stands that was read under the old ones.
    let in_force = |container: &String| -> Vec<RightsSpec> {
        let holds = before.docs.values().any(|doc| doc.container == *container);
        let old = before.rights.get(container).filter(|_| holds);
        run.rights.get(container).into_iter().chain(old).cloned().collect()
    };
    let mut standing = BTreeMap::new();
    for (id, old) in &before.docs {
        let at = run.ops[..told].iter().position(|(told, _)| told == id);
        let stayed = in_force(&old.container);
        let with = |container: &String| -> Vec<RightsSpec> {
            stayed.iter().chain(run.rights.get(container)).cloned().collect()
        };
        let (shown, newest, container, guards) = match at.map(|at| (at < published, &run.ops[at].1)) {
            None => (old, old, &old.container, stayed),
            Some((true, Op::Put(new))) => (new, new, &new.container, in_force(&new.container)),
            Some((true, Op::Unchanged { container, .. })) => (old, old, container, in_force(container)),
            Some((false, Op::Put(new))) => (old, new, &new.container, with(&new.container)),
            Some((false, Op::Unchanged { container, .. })) | Some((_, Op::Failed { container })) => {
                (old, old, container, with(container))
            }
        };
        let (shown, newest, container) = (Some(shown.clone()), Some(newest.clone()), container.clone());
        standing.insert(id.clone(), Standing { shown, newest, container, guards });
    }
    for (at, (id, op)) in run.ops[..told].iter().enumerate() {
        if let Op::Put(new) = op
            && !before.docs.contains_key(id)
        {
            let shown = (at < published).then(|| new.clone());
            let (newest, guards) = (Some(new.clone()), in_force(&new.container));
            standing.insert(id.clone(), Standing { shown, newest, container: new.container.clone(), guards });
        }
    }
    standing
}

/// What one person may see in the middle of the run, and which version of it.
pub fn visible_within(world: &World, handle: &str) -> BTreeSet<(Place, u64)> {
    let (third, state) = (&world.third, &world.second_state);
    let standing = at_the_cut(&state.sources[third.run.source], &third.run, third.told, third.published);
    visible_of(world, handle, standing, third.asked)
}

/// What one person may see after the rights of the source were read alone.
pub fn visible_synced(world: &World, handle: &str) -> Option<BTreeSet<(Place, u64)>> {
    let (third, state) = (&world.third, &world.second_state);
    let (sync, asked) = third.synced.as_ref()?;
    let standing = at_the_cut(&state.sources[third.run.source], &third.run, third.told, third.published);
    Some(visible_of(world, handle, synced::after(standing, sync), *asked))
}

fn visible_of(
    world: &World,
    handle: &str,
    standing: BTreeMap<String, Standing>,
    asked: i64,
) -> BTreeSet<(Place, u64)> {
    let (state, run) = (&world.second_state, &world.third.run);
    let mut seen: BTreeSet<(Place, u64)> = state
        .visible(handle, asked)
        .into_iter()
        .filter(|(source, _)| *source != run.source)
        .map(|place| (place.clone(), state.sources[place.0].docs[&place.1].seed))
        .collect();
    for (id, stands) in standing {
        let sees = |rights: &RightsSpec| state.directory.sees(handle, rights, asked);
        if let Some(shown) = stands.shown
            && state.directory.reaches(handle, run.source)
            && stands.guards.iter().all(sees)
        {
            seen.insert(((run.source, id), shown.seed));
        }
    }
    seen
}

/// Somebody of the first two acts who can still ask.
pub fn asker(world: &World) -> Option<String> {
    let mut still = world.second_state.callers();
    still.retain(|handle| world.first_state.callers().contains(handle));
    (!still.is_empty()).then(|| Dice::of(world.seed, "asker of the third act").pick(&still).clone())
}

/// The middle as a state to ask about: what is shown in the version that is shown.
pub fn state_within(world: &World, seen: &BTreeSet<(Place, u64)>) -> State {
    let run = &world.third.run;
    let mut state = world.second_state.clone();
    let source = &mut state.sources[run.source];
    source.rights.clone_from(&run.rights);
    for (id, op) in &run.ops {
        if let Op::Put(new) = op {
            let shown = seen.contains(&((run.source, id.clone()), new.seed));
            if shown || !source.docs.contains_key(id) {
                source.docs.insert(id.clone(), new.clone());
            }
        }
    }
    state
}

/// The seeds of all versions that the second and third act know.
pub fn versions(world: &World) -> BTreeSet<u64> {
    let stood = world.second_state.sources.iter().flat_map(|s| s.docs.values()).map(|doc| doc.seed);
    let put = world.third.run.ops.iter().chain(&world.third.again.ops).filter_map(|(_, op)| match op {
        Op::Put(doc) => Some(doc.seed),
        _ => None,
    });
    stood.chain(put).chain([crate::words::CELLAR, crate::words::CELLAR + 1]).collect()
}
