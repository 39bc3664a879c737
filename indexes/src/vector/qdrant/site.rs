//! A cluster in use: what is there, what is wanted there, and how it is doing. Everybody's questions and the one thread
//! that tends it meet here. A lock that questions wait for must never be held across a file or the network.

use super::ids::{Ids, Point, Secret};
use super::options::{Consistency, Options};
use super::standing::{Condition, Standing};
use super::state::State;
use super::wire::Wire;
use crate::vector::VectorError;
use crate::vector::flat::FlatSnapshot;
use kenward_access::ids::{ChunkNo, ClassId};
use kenward_access::scope::VisibleChunks;
use parking_lot::Mutex;
use roaring::RoaringBitmap;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

/// Commits, and removals, that are told apart: whoever looks at older ones is answered here.
const REMEMBERED: usize = 256;

/// A cluster in use.
pub(super) struct Site {
    pub options: Options,
    pub wire: Wire,
    runtime: Option<Runtime>,
    inner: Mutex<Inner>,
    /// Held while the state is written, and before `inner`; says that nothing is written any more.
    file: Mutex<bool>,
    /// There may be something to do.
    pub wake: Arc<Notify>,
    /// Questions that the cluster answered, and those that it was asked and that were answered here.
    pub answered: AtomicU64,
    pub fell_back: AtomicU64,
}

pub(super) struct Inner {
    /// Counts the folders of vectors that it was put beside.
    pub generation: u64,
    pub dimension: usize,
    pub state: State,
    /// The file says too much: nothing may be sent before it is written.
    pub taken_out: bool,
    /// Something else is not in the file yet.
    pub put_in: bool,
    /// Why nothing can be known of it here: then it is left alone.
    pub unknown: Option<String>,
    /// Replicas of each shard there.
    pub replicas: u32,
    /// Replicas differed, or something is missing: it is to be counted.
    pub doubted: bool,
    /// Classes were told since the opening.
    pub told: bool,
    /// The class of each passage, as far as it was told.
    pub wanted: HashMap<u32, u32>,
    /// What may be otherwise there than it is wanted.
    pub dirty: RoaringBitmap,
    /// What a commit that is under way changes: nothing of it is sent.
    pub held: RoaringBitmap,
    /// What has changed since the round under way began.
    pub touched: RoaringBitmap,
    /// Points to be deleted.
    pub doomed: Vec<u64>,
    /// The last commit.
    pub snapshot: Option<Arc<FlatSnapshot>>,
    pub live: Arc<RoaringBitmap>,
    pub commit: u64,
    /// What each commit brought: to older snapshots these passages have other vectors.
    brought: Remembered,
    /// What was taken out of the state, by a count of its own.
    removals: u64,
    removed: Remembered,
    pub condition: Condition,
}

/// The last of some numbered sets.
#[derive(Default)]
struct Remembered {
    sets: VecDeque<(u64, RoaringBitmap)>,
    forgotten: u64,
}

impl Remembered {
    fn push(&mut self, number: u64, set: RoaringBitmap) {
        self.sets.push_back((number, set));
        if self.sets.len() > REMEMBERED
            && let Some((number, _)) = self.sets.pop_front()
        {
            self.forgotten = number;
        }
    }

    /// All that came after a number; `None` = not known any more.
    fn after(&self, number: u64) -> Option<RoaringBitmap> {
        let later = self.sets.iter().filter(|(at, _)| *at > number);
        (number >= self.forgotten).then(|| later.fold(RoaringBitmap::new(), |all, (_, set)| all | set))
    }
}

/// An error with its causes, in one line.
fn told(error: &VectorError) -> String {
    let mut told = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    told
}

/// What a question may ask the cluster for.
pub(super) struct Plan {
    /// Passages that are there, under a class that the caller sees, and that the caller sees.
    pub asked: RoaringBitmap,
    /// Their classes.
    pub seen: Vec<u32>,
    /// The removals that are in it.
    removals: u64,
}

impl Inner {
    /// Takes passages out of the state.
    pub(super) fn take_out(&mut self, chunks: &RoaringBitmap) {
        if self.state.remove(chunks) {
            self.taken_out = true;
            self.removals += 1;
            self.removed.push(self.removals, chunks.clone());
        }
    }

    /// It is not known what becomes of a change that was sent: points get other ids from now on.
    pub(super) fn next_life(&mut self) {
        self.state.life = self.state.life.wrapping_add(1);
        self.taken_out = true;
    }

    /// Everything is looked at again.
    fn reconsider_all(&mut self) {
        let gone = &self.state.all - &*self.live;
        self.doom(&gone);
        self.take_out(&gone);
        self.dirty = &*self.live - &self.state.all;
        for (chunk, class) in &self.wanted {
            if self.live.contains(*chunk) && !self.state.tags.get(class).is_some_and(|t| t.contains(*chunk)) {
                self.dirty.insert(*chunk);
            }
        }
    }

    /// The points of these are to be deleted.
    pub(super) fn doom(&mut self, chunks: &RoaringBitmap) {
        let ids = self.state.ids();
        let points = (chunks & &self.state.all).into_iter().filter_map(|chunk| self.state.point(chunk));
        let points: Vec<u64> = points.map(|point| ids.point(point)).collect();
        self.doomed.extend(points);
    }
}

impl Site {
    pub(super) fn new(options: Options) -> Result<Self, VectorError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("vectors")
            .enable_all()
            .build()
            .map_err(|source| VectorError::Io { path: options.state.clone(), source })?;
        let wire = {
            let _within = runtime.enter();
            Wire::new(&options)?
        };
        let inner = Inner {
            generation: 0,
            dimension: 0,
            state: State::new(Secret([0; 32]), "", false),
            taken_out: false,
            put_in: false,
            unknown: None,
            replicas: 1,
            doubted: false,
            told: false,
            wanted: HashMap::new(),
            dirty: RoaringBitmap::new(),
            held: RoaringBitmap::new(),
            touched: RoaringBitmap::new(),
            doomed: Vec::new(),
            snapshot: None,
            live: Arc::default(),
            commit: 0,
            brought: Remembered::default(),
            removals: 0,
            removed: Remembered::default(),
            condition: Condition::Starting,
        };
        Ok(Self {
            options,
            wire,
            runtime: Some(runtime),
            inner: Mutex::new(inner),
            file: Mutex::new(false),
            wake: Arc::default(),
            answered: AtomicU64::new(0),
            fell_back: AtomicU64::new(0),
        })
    }

    pub(super) fn with<T>(&self, then: impl FnOnce(&mut Inner) -> T) -> T {
        then(&mut self.inner.lock())
    }

    pub(super) fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(task);
        }
    }

    /// Puts the cluster beside a folder of vectors, which `of` names. What it held of another one counts no more. Where what
    /// is known of it cannot be read or written, it is left alone, and nothing else is the worse for that.
    pub(super) fn attach(
        &self,
        of: Result<String, VectorError>,
        snapshot: Arc<FlatSnapshot>,
        live: Arc<RoaringBitmap>,
    ) -> u64 {
        let file = self.file.lock();
        let known = of.and_then(|of| Ok((of, State::load(&self.options.state)?)));
        let (generation, unknown) = self.with(|inner| {
            let state = known.and_then(|(of, recorded)| self.state_of(inner, &of, recorded, &snapshot));
            let (state, unknown) = match state {
                Ok(state) => (state, None),
                Err(error) => (State::new(Secret([0; 32]), "", false), Some(told(&error))),
            };
            inner.generation += 1;
            (inner.state, inner.unknown) = (state, unknown.clone());
            (inner.taken_out, inner.put_in) = (false, false);
            inner.dimension = snapshot.dimension();
            (inner.snapshot, inner.live) = (Some(snapshot), live);
            (inner.commit, inner.brought) = (0, Remembered::default());
            (inner.removals, inner.removed) = (0, Remembered::default());
            inner.held.clear();
            inner.doomed.clear();
            inner.touched = RoaringBitmap::full();
            inner.condition = Condition::Starting;
            inner.reconsider_all();
            (inner.generation, unknown)
        });
        drop(file);
        if let Some(what) = unknown {
            tracing::error!(what, "the vector cluster is not used");
        }
        self.wake.notify_one();
        generation
    }

    /// What is known of the cluster, as it is written down for this opening.
    fn state_of(
        &self,
        inner: &Inner,
        of: &str,
        recorded: Option<State>,
        snapshot: &FlatSnapshot,
    ) -> Result<State, VectorError> {
        let mut state = match recorded {
            Some(state) => state,
            // Where there are no vectors yet nothing can differ: it is asked from the beginning.
            None if inner.generation == 0 => State::new(secret()?, of, snapshot.places().is_empty()),
            None => inner.state.clone(),
        };
        if state.of != of {
            state.begin_anew(secret()?, of);
        }
        // INVARIANT: no point of this opening has the id of one that an earlier one may still be writing.
        state.life = state.life.wrapping_add(1);
        state.store(&self.options.state)?;
        Ok(state)
    }

    /// Writes the state down.
    pub(super) fn save(&self) -> Result<(), VectorError> {
        let stopped = self.file.lock();
        if *stopped {
            // INVARIANT: what was to be written first was not: nothing that needs it may follow.
            let source = std::io::Error::other("it is closed");
            return Err(VectorError::State { path: self.options.state.clone(), source });
        }
        if let Some(what) = self.with(|inner| inner.unknown.clone()) {
            // INVARIANT: what could not be read is not written over.
            return Err(VectorError::State {
                path: self.options.state.clone(),
                source: std::io::Error::other(what),
            });
        }
        let state = self.with(|inner| {
            (inner.taken_out, inner.put_in) = (false, false);
            inner.state.clone()
        });
        let stored = state.store(&self.options.state);
        if stored.is_err() {
            self.with(|inner| inner.taken_out = true);
        }
        stored
    }

    /// Nothing is written any more from here on.
    pub(super) fn stop(&self) {
        *self.file.lock() = true;
    }

    pub(super) fn is_stopped(&self) -> bool {
        *self.file.lock()
    }

    /// What the numbers of a generation's points mean; `None` = it is over.
    pub(super) fn ids_of(&self, generation: u64) -> Option<Ids> {
        self.with(|inner| (inner.generation == generation).then(|| inner.state.ids()))
    }

    /// Whether this is the point of its passage.
    pub(super) fn is_point(&self, generation: u64, point: Point) -> bool {
        self.with(|inner| inner.generation == generation && inner.state.is_point(point))
    }

    /// Before the vectors' own commit: what it changes cannot be counted on at the cluster.
    pub(super) fn before_commit(
        &self,
        generation: u64,
        brought: &RoaringBitmap,
        gone: &RoaringBitmap,
    ) -> Result<(), VectorError> {
        let changed = brought | gone;
        let save = self.with(|inner| {
            if inner.generation != generation {
                return false;
            }
            inner.held |= &changed;
            inner.touched |= &changed;
            inner.doom(&changed);
            inner.take_out(&changed);
            inner.dirty |= &changed;
            // INVARIANT: a passage gets another vector only when the file no longer says that it is there.
            inner.taken_out && !brought.is_empty()
        });
        if save { self.save() } else { Ok(()) }
    }

    /// After it. Gives the number by which the commit's snapshots are known.
    pub(super) fn committed(
        &self,
        generation: u64,
        brought: RoaringBitmap,
        snapshot: Arc<FlatSnapshot>,
        live: Arc<RoaringBitmap>,
    ) -> u64 {
        let commit = self.with(|inner| {
            if inner.generation != generation {
                return 0;
            }
            (inner.snapshot, inner.live) = (Some(snapshot), live);
            inner.commit += 1;
            if !brought.is_empty() {
                inner.brought.push(inner.commit, brought);
            }
            inner.held.clear();
            inner.commit
        });
        self.wake.notify_one();
        commit
    }

    /// Tells the class of passages.
    pub(super) fn tag(&self, tags: &mut dyn Iterator<Item = (ChunkNo, ClassId)>) {
        self.with(|inner| {
            inner.told = true;
            for (chunk, class) in tags {
                if inner.wanted.insert(chunk.0, class.0) != Some(class.0) {
                    let there = inner.state.tags.get(&class.0).is_some_and(|there| there.contains(chunk.0));
                    if !there {
                        inner.dirty.insert(chunk.0);
                        inner.touched.insert(chunk.0);
                    }
                }
            }
        });
        self.wake.notify_one();
    }

    /// What a question may ask for; `None` = nothing. `forced` = though questions are not put to it yet.
    pub(super) fn plan(
        &self,
        (generation, commit): (u64, u64),
        visible: &VisibleChunks<'_>,
        live: &RoaringBitmap,
        forced: bool,
    ) -> Option<Plan> {
        self.with(|inner| {
            let asked = inner.state.asked || forced;
            if inner.generation != generation || !asked || inner.condition != Condition::Well {
                return None;
            }
            let brought = inner.brought.after(commit)?;
            let seen: Vec<u32> =
                inner.state.tags.keys().copied().filter(|tag| visible.sees(ClassId(*tag))).collect();
            let covered = if seen.len() == inner.state.tags.len() {
                visible.among(&inner.state.all)
            } else {
                let mut covered = RoaringBitmap::new();
                // In place: there may be thousands of small ones.
                seen.iter().filter_map(|tag| inner.state.tags.get(tag)).for_each(|set| covered |= set);
                visible.among(&covered)
            };
            let asked = (covered & live) - brought;
            Some(Plan { asked, seen, removals: inner.removals })
        })
    }

    /// What was taken out since a plan was made; `None` = not known any more.
    pub(super) fn taken_out_since(&self, generation: u64, plan: &Plan) -> Option<RoaringBitmap> {
        self.with(|inner| {
            (inner.generation == generation).then(|| inner.removed.after(plan.removals)).flatten()
        })
    }

    /// Whether an answer is one that several replicas agree on. While something is written they may differ, and what they agree
    /// on is then shorter, and in another order, without anything being lost (as version 1.19 does it).
    pub(super) fn is_agreed_on(&self) -> bool {
        self.options.consistency != Consistency::One && self.with(|inner| inner.replicas > 1)
    }

    /// It is counted soon.
    pub(super) fn doubt(&self) {
        self.with(|inner| inner.doubted = true);
        self.wake.notify_one();
    }

    /// These are not there as they should be: they are written again.
    pub(super) fn mend(&self, generation: u64, chunks: &RoaringBitmap) {
        self.with(|inner| {
            if inner.generation == generation {
                inner.doom(chunks);
                inner.take_out(chunks);
                inner.dirty |= chunks;
                inner.next_life();
            }
        });
        self.wake.notify_one();
    }

    /// How it is doing.
    pub(super) fn standing(&self) -> Standing {
        self.with(|inner| Standing {
            place: self.options.urls.join(", "),
            collection: self.options.collection.clone(),
            condition: inner.condition.clone(),
            there: inner.state.all.len(),
            of: inner.live.len(),
            told: inner.told,
            waiting: (&inner.dirty & &*inner.live).len(),
            asked: inner.state.asked,
            answered: self.answered.load(Ordering::Relaxed),
            fell_back: self.fell_back.load(Ordering::Relaxed),
        })
    }

    /// Whether questions are put to it from now on.
    pub(super) fn ask_it(&self, asked: bool) -> Result<(), VectorError> {
        self.with(|inner| inner.state.asked = asked);
        if !asked && self.with(|inner| inner.unknown.is_some()) {
            // Nobody asks it as it is.
            return Ok(());
        }
        self.save()
    }

    /// Everything is brought there again, under other ids: what is there is not what it should be.
    pub(super) fn bring_again(&self) {
        let (generation, all) = self.with(|inner| (inner.generation, inner.state.all.clone()));
        self.mend(generation, &all);
        self.doubt();
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A new secret.
pub(super) fn secret() -> Result<Secret, VectorError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| VectorError::Io { path: "the random source".into(), source: error.into() })?;
    Ok(Secret(bytes))
}
