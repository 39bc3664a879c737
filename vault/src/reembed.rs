//! Embedding anew: the vectors of all documents are made for another space while questions are answered from the
//! old ones; then both are swapped, as a whole. Nobody's answers change before that swap, and it is the same one for
//! everybody.
//!
//! What is made lies in a folder of its own that the catalog names; a crash or a stop leaves it, and the next call
//! goes on from its last commit. The text comes from the store, not from the sources, and goes into the embedder
//! alone. It must never let vectors of two spaces into one index, nor switch while a run brings vectors of the old.

use crate::catalog::anew::{self, Going};
use crate::catalog::content::{self, Embeddable};
use crate::error::VaultError;
use crate::published::Published;
use crate::vault::{Operator, Vault};
use crate::writer::engines::{embedding_input, empty, open_vectors, whole};
use crate::writer::publish::Ask;
use kenward_access::ids::ChunkNo;
use kenward_indexes::embedding::{Embedder, Sizer};
use kenward_indexes::vector::{Engine, VectorIndex};
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Passages that a worker takes at a time.
const TASK: u32 = 32;
/// Passages after which what there is is made durable.
const COMMIT: u64 = 1_024;
/// Between two looks whether runs have ended.
const LOOK: Duration = Duration::from_millis(100);

/// An embedding anew that is under way or was cut off, as operators see it: it counts everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anew {
    /// Engine and model.
    pub engine: String,
    /// Passages that have their new vector, as last noted.
    pub passages: u64,
    /// Of how many.
    pub of: u64,
    /// Whether it is under way now; if not, it was cut off or stopped.
    #[serde(default)]
    pub under_way: bool,
}

/// What happens, as it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many of so many passages have their new vector.
    Passages(u64, u64),
    /// All have; a run is under way, and the switch waits for its end.
    Waiting,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ended")]
pub enum Ended {
    /// The documents are embedded in this space already: there was nothing to do.
    Already {
        /// Engine and model.
        engine: String,
    },
    /// Questions are answered from the new vectors now.
    Switched {
        /// Engine and model.
        engine: String,
        /// Documents that have them.
        documents: u64,
        /// Passages.
        passages: u64,
        /// Documents whose stored text is lost: they have none.
        unreadable: u64,
        /// Wall seconds.
        seconds: f64,
    },
    /// It was asked to stop; the next call goes on.
    Stopped {
        /// Engine and model.
        engine: String,
        /// Passages that have their new vector.
        passages: u64,
        /// Of how many.
        of: u64,
    },
}

/// A piece of work: a version, and which of its chunks.
struct Task {
    row: i64,
    chunks: Range<u32>,
}

/// What a worker has to say.
enum Said {
    Vectors(Vec<(ChunkNo, Vec<f32>)>),
    Unreadable(i64),
    Failed(VaultError),
}

/// The new index while it is filled.
struct Filling {
    going: Going,
    index: Box<dyn VectorIndex>,
    known: RoaringBitmap,
    unreadable: BTreeSet<i64>,
}

impl Filling {
    /// Whether all chunks of a version have their vector.
    fn has(&self, version: &Embeddable) -> bool {
        let end = version.first.saturating_add(version.count);
        self.known.range_cardinality(version.first..end) == u64::from(version.count)
    }
}

fn stopped_at(going: &Going) -> Ended {
    let Anew { engine, passages, of, .. } = going.told();
    Ended::Stopped { engine, passages, of }
}

impl Vault {
    /// Embeds all documents by this embedder and then answers from that. Questions and runs go on meanwhile; the
    /// switch waits for runs under way. Give `stopped` to end it early: what was made stays for the next call.
    ///
    /// # Errors
    /// [`VaultError::Name`] if it is under way already; [`VaultError::DiskFull`], [`VaultError::Embed`] and others:
    /// questions are answered from the old vectors as before, and the next call goes on.
    pub fn embed_anew(
        &self,
        by: &Operator,
        embedder: &Arc<dyn Embedder>,
        stopped: &(dyn Fn() -> bool + Sync),
        tell: &(dyn Fn(Step) + Sync),
    ) -> Result<Ended, VaultError> {
        let begun = Instant::now();
        let Some(_only) = self.embedding_anew.try_lock() else {
            return Err(VaultError::name(
                "the documents are being embedded anew already",
                "wait for its end",
            ));
        };
        let now = self.embedder();
        if now.is_some_and(|now| now.space() == embedder.space()) {
            let given_up = self.catalog.lock().transaction("giving up an embedding", anew::give_up)?;
            given_up.map(|folder| empty(&self.data_dir.join(folder))).transpose()?;
            let space = embedder.space();
            return Ok(Ended::Already { engine: space.to_string() });
        }
        let mut filling = self.fill_from(embedder)?;
        self.core.note_deed(
            by,
            "embedding_anew",
            serde_json::json!({ "engine": filling.going.told().engine }),
        );
        loop {
            if self.fill(&mut filling, embedder, stopped, tell)? {
                return Ok(stopped_at(&self.noted(&filling)?));
            }
            let Some((documents, next)) = self.switch(&mut filling, embedder)? else {
                if stopped() {
                    return Ok(stopped_at(&self.noted(&filling)?));
                }
                tell(Step::Waiting);
                std::thread::sleep(LOOK);
                continue;
            };
            // More came in while the last of them were embedded.
            if next {
                continue;
            }
            let engine = filling.going.told().engine;
            let details = serde_json::json!({ "engine": engine, "documents": documents });
            self.core.note_deed(by, "embedded_anew", details);
            return Ok(Ended::Switched {
                engine,
                documents,
                passages: filling.known.len(),
                unreadable: filling.unreadable.len() as u64,
                seconds: begun.elapsed().as_secs_f64(),
            });
        }
    }

    /// The new index, as far as it was filled.
    fn fill_from(&self, embedder: &Arc<dyn Embedder>) -> Result<Filling, VaultError> {
        let space = embedder.space();
        let going = self.catalog.lock().transaction("beginning an embedding", |tx| anew::begin(tx, space))?;
        let dir = self.data_dir.join(&going.folder);
        // What is elsewhere is told once they are whole, and questions are asked of them.
        let index = match open_vectors(&dir, space, &Engine::Flat) {
            Err(VaultError::Vector(_)) => {
                // Of another space, or damaged: it is made from its beginning.
                empty(&dir)?;
                open_vectors(&dir, space, &Engine::Flat)?
            }
            opened => opened?,
        };
        let known = index.snapshot().chunks().map(|chunk| chunk.0).collect();
        Ok(Filling { going, index, known, unreadable: BTreeSet::new() })
    }

    /// Embeds what is not embedded yet; `true` = it was asked to stop.
    fn fill(
        &self,
        filling: &mut Filling,
        embedder: &Arc<dyn Embedder>,
        stopped: &(dyn Fn() -> bool + Sync),
        tell: &(dyn Fn(Step) + Sync),
    ) -> Result<bool, VaultError> {
        let versions = content::embeddable(&self.core.catalog)?;
        let of: u64 = versions.iter().map(|version| u64::from(version.count)).sum();
        let tasks: Vec<Task> = versions
            .iter()
            .filter(|version| !filling.unreadable.contains(&version.row))
            .flat_map(tasks)
            .filter(|task| {
                let wanted = u64::from(task.chunks.end - task.chunks.start);
                filling.known.range_cardinality(task.chunks.clone()) < wanted
            })
            .collect();
        // A task may have been cut off in its middle.
        let before = filling.known.clone();
        let (next, halt) = (AtomicUsize::new(0), AtomicBool::new(false));
        let sizer = Sizer::new(Some(Arc::clone(embedder)));
        let workers = embedder.workers().clamp(1, tasks.len().max(1));
        let (say, heard) = sync_channel(2 * workers);
        let told = std::thread::scope(|scope| {
            for _ in 0..workers {
                let (say, sizer, next, halt, tasks) = (say.clone(), &sizer, &next, &halt, &tasks);
                let before = &before;
                scope.spawn(move || {
                    while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let ended = || halt.load(Ordering::Relaxed) || stopped();
                        if ended() || !self.embed_task(task, before, embedder.as_ref(), sizer, &ended, &say) {
                            return;
                        }
                    }
                });
            }
            drop(say);
            let mut error = None;
            let mut waiting = 0;
            for said in heard {
                // Heard to the end, whatever happens: a worker must not wait for somebody who has gone.
                if error.is_none()
                    && let Err(failed) = self.take(filling, said, &mut waiting, of, tell)
                {
                    halt.store(true, Ordering::Relaxed);
                    error = Some(failed);
                }
            }
            error.map_or(Ok(()), Err)
        });
        told?;
        self.commit(filling, of)?;
        Ok(stopped() && versions.iter().any(|version| !filling.has(version)))
    }

    /// Takes what a worker said into the index.
    fn take(
        &self,
        filling: &mut Filling,
        said: Said,
        waiting: &mut u64,
        of: u64,
        tell: &(dyn Fn(Step) + Sync),
    ) -> Result<(), VaultError> {
        match said {
            Said::Failed(error) => return Err(error),
            Said::Unreadable(row) => {
                filling.unreadable.insert(row);
            }
            Said::Vectors(vectors) => {
                filling.index.append(&vectors).map_err(|e| self.full(e, filling))?;
                filling.known.extend(vectors.iter().map(|(chunk, _)| chunk.0));
                *waiting += vectors.len() as u64;
                if *waiting >= COMMIT {
                    self.commit(filling, of)?;
                    *waiting = 0;
                }
                tell(Step::Passages(filling.known.len().min(of), of));
            }
        }
        Ok(())
    }

    fn full(&self, error: kenward_indexes::vector::VectorError, filling: &Filling) -> VaultError {
        VaultError::from(error).or_full(&self.data_dir.join(&filling.going.folder))
    }

    /// Makes durable what there is, and says how much that is.
    fn commit(&self, filling: &mut Filling, of: u64) -> Result<(), VaultError> {
        filling.index.commit(0).map_err(|e| self.full(e, filling))?;
        let done = filling.known.len().min(of);
        self.catalog.lock().transaction("noting an embedding's progress", |tx| anew::note(tx, done, of))
    }

    fn noted(&self, filling: &Filling) -> Result<Going, VaultError> {
        let going = self.catalog.lock().transaction("reading an embedding's progress", anew::going)?;
        Ok(going.unwrap_or_else(|| filling.going.clone()))
    }

    /// Embeds some chunks of a version, without those that were embedded before; `false` = nobody listens any more.
    fn embed_task(
        &self,
        task: &Task,
        before: &RoaringBitmap,
        embedder: &dyn Embedder,
        sizer: &Sizer,
        ended: &dyn Fn() -> bool,
        say: &SyncSender<Said>,
    ) -> bool {
        let inputs = || -> Result<Option<Vec<(ChunkNo, String)>>, VaultError> {
            // Gone: replaced or removed meanwhile, and not wanted any more.
            let Some(found) = content::indexable(&self.core.catalog, task.row)? else {
                return Ok(Some(Vec::new()));
            };
            let Some(mut text) = whole(self.core.text.reader(&found.text))?.flatten() else {
                let gone = content::indexable(&self.core.catalog, task.row)?.is_none();
                return Ok(gone.then(Vec::new));
            };
            let mut inputs = Vec::new();
            let wanted = |chunk: &u32| task.chunks.contains(chunk) && !before.contains(*chunk);
            for chunk in found.chunks.iter().filter(|chunk| wanted(&chunk.no.0)) {
                let Some(body) = whole(text.span(chunk.body..chunk.span.1))? else { return Ok(None) };
                inputs.push((chunk.no, embedding_input(sizer, &found.title, &chunk.headings, &body)));
            }
            Ok(Some(inputs))
        };
        let inputs = match inputs() {
            Ok(Some(inputs)) => inputs,
            Ok(None) => return say.send(Said::Unreadable(task.row)).is_ok(),
            Err(error) => return say.send(Said::Failed(error)).is_ok(),
        };
        for batch in inputs.chunks(embedder.batch().max(1)) {
            if ended() {
                return false;
            }
            let texts: Vec<&str> = batch.iter().map(|(_, input)| input.as_str()).collect();
            // Once more before giving up: an engine may have a bad moment.
            let wanted = || !ended();
            let made = embedder.embed_while(&texts, &wanted);
            let said = match made.or_else(|_| embedder.embed_while(&texts, &wanted)) {
                // It may have failed because of that.
                Err(_) if ended() => return false,
                Ok(vectors) => Said::Vectors(batch.iter().map(|(chunk, _)| *chunk).zip(vectors).collect()),
                Err(error) => Said::Failed(error.into()),
            };
            if say.send(said).is_err() {
                return false;
            }
        }
        true
    }

    /// Switches over, if no run is under way: `None` = one is. Otherwise how many documents have vectors now, and
    /// whether more came in, so that it did not switch.
    fn switch(
        &self,
        filling: &mut Filling,
        embedder: &Arc<dyn Embedder>,
    ) -> Result<Option<(u64, bool)>, VaultError> {
        let running = self.running.lock();
        // INVARIANT: a run embeds by what was in use at its beginning; none begins or goes on while this is held.
        if !running.is_empty() {
            return Ok(None);
        }
        self.publish(&Ask::default())?;
        let mut engines = self.engines.lock();
        let position = engines.apply(&self.core.catalog, &self.core.text)?;
        let versions = content::embeddable(&self.core.catalog)?;
        let lacks = |v: &&Embeddable| !filling.has(v) && !filling.unreadable.contains(&v.row);
        if versions.iter().any(|version| lacks(&version)) {
            return Ok(Some((0, true)));
        }
        let whole: Vec<&Embeddable> = versions.iter().filter(|version| filling.has(version)).collect();
        let mut live = RoaringBitmap::new();
        for version in &whole {
            live.insert_range(version.first..version.first.saturating_add(version.count));
        }
        let dead: Vec<ChunkNo> = (&filling.known - &live).iter().map(ChunkNo).collect();
        filling.index.delete(&dead).map_err(|e| self.full(e, filling))?;
        filling.index.commit(position).map_err(|e| self.full(e, filling))?;
        filling.known = live;
        let rows: Vec<i64> = whole.iter().map(|version| version.row).collect();
        // Everything that can fail comes before the catalog's commit: after it only swaps follow.
        let dir = self.data_dir.join(&filling.going.folder);
        let index = open_vectors(&dir, embedder.space(), engines.engine())?;
        let lexical = engines.lexical_snapshot()?;
        let mut catalog = self.catalog.lock();
        catalog.transaction("switching to other vectors", |tx| anew::switch(tx, &filling.going, &rows))?;
        let old = engines.switch(dir, index, Arc::clone(embedder));
        let published = self.core.published.load_full();
        let mut image = published.image.clone();
        image.generation += 1;
        let vectors = engines.vector_snapshot();
        let replaced = self.core.published.swap(Arc::new(Published { image, lexical, vectors }));
        self.retirement.lock().add(replaced, Vec::new());
        drop((catalog, engines, running));
        if let Err(error) = empty(&old) {
            // Nobody looks there any more; the next opening removes it.
            tracing::warn!(%error, "the folder of the old vectors could not be removed");
        }
        Ok(Some((rows.len() as u64, false)))
    }
}

/// A version in pieces.
fn tasks(version: &Embeddable) -> impl Iterator<Item = Task> + '_ {
    let end = version.first.saturating_add(version.count);
    (version.first..end)
        .step_by(TASK as usize)
        .map(move |first| Task { row: version.row, chunks: first..first.saturating_add(TASK).min(end) })
}
