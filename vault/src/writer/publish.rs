//! Publication: the engines are told, the catalog says so, and the published state is swapped as a
//! whole; what it replaces goes when nobody reads it any more. Rights widen only after the swap.

use super::engines::{Engines, gone};
use super::put::In;
use crate::catalog::{content, outbox, rights as rights_sql, sources};
use crate::error::VaultError;
use crate::published::{ContentImage, Published, Vectors};
use crate::vault::{Operator, Vault};
use kenward_access::ids::{ContainerNo, DocNo, Timestamp};
use kenward_indexes::lexical::LexicalSearcher;
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What is to be published.
#[derive(Debug, Default)]
pub(crate) struct Ask {
    /// The run that asks: only of its source anything is published.
    pub(crate) run: Option<(u32, Operator)>,
    /// Documents whose waiting version this run has read, or found to be what the source has now.
    pub(crate) ready: BTreeSet<DocNo>,
    /// Documents whose row changed without new content.
    pub(crate) refresh: BTreeSet<DocNo>,
    /// Documents that turned out unchanged: a class held for their content is let go.
    pub(crate) free: BTreeSet<DocNo>,
    /// A source whose full listing ended, with its start.
    pub(crate) listed: Option<(u32, Timestamp)>,
    /// Swap even if nothing waits (sources were changed).
    pub(crate) always: bool,
}

/// A state that may still be pinned, and the versions (row, text) that only it and older ones name.
type Retired = (Arc<Published>, Vec<(i64, String)>);

/// What was replaced and is still kept for those who pinned it.
#[derive(Default)]
pub(crate) struct Retirement {
    /// Oldest first; a version goes when every state that may name it is gone.
    queue: VecDeque<Retired>,
    queued: HashSet<i64>,
}

impl Vault {
    /// Tells the engines all that waits, and publishes what is asked for.
    ///
    /// INVARIANT: a version is published only by a run that has read it, or found it to be what the
    /// source has now, and that has read the rights since. What a cut-off run left waits until then;
    /// neither a restart, nor another source's run, nor a run that could not read the document any more
    /// lets it out under rights that may have moved with it.
    pub(crate) fn publish(&self, ask: &Ask) -> Result<(), VaultError> {
        let mut engines = self.engines.lock();
        let position = engines.apply(&self.core.catalog, &self.core.text)?;
        self.promote_and_swap(&engines, position, ask)?;
        self.sweep_retired()
    }

    /// Tells the engines to drop what a publication replaced.
    pub(crate) fn drop_replaced(&self) -> Result<(), VaultError> {
        let mut engines = self.engines.lock();
        let position = engines.apply(&self.core.catalog, &self.core.text)?;
        let mut catalog = self.catalog.lock();
        catalog.transaction("emptying the outbox", |tx| {
            // A document that went in between is taken out of the image by the next publication.
            let waits = outbox::upto(tx, position)?.iter().any(|row| row.kind == outbox::GONE);
            if waits { Ok(()) } else { outbox::done(tx, position) }
        })
    }

    fn promote_and_swap(&self, engines: &Engines, position: u64, ask: &Ask) -> Result<(), VaultError> {
        let core = &self.core;
        // Everything that can fail comes before the catalog's commit: after it only swaps follow.
        let (lexical, vectors) = snapshots(engines)?;
        let old = core.published.load_full();
        let mut image = old.image.clone();
        let mut catalog = self.catalog.lock();
        let before = core.rights.load_full();
        let mut arrived = (*before).clone();
        let mut freed = Vec::new();
        let mut changed = ask.always || ask.listed.is_some();
        let (mut later, mut retired) = ((*before).clone(), Vec::new());
        catalog.transaction("publishing", |tx| {
            let rows = outbox::upto(tx, position)?;
            let mut touched: BTreeSet<DocNo> = ask.refresh.union(&ask.free).copied().collect();
            let waiting = match &ask.run {
                Some((source, _)) => content::waiting(tx, *source, position)?,
                None => Vec::new(),
            };
            for (document, version) in waiting.into_iter().filter(|(no, _)| ask.ready.contains(no)) {
                let (replaced, was_held) = content::promote(tx, document, version)?;
                if was_held {
                    freed.push(document);
                }
                touched.insert(document);
                if let Some(replaced) = replaced {
                    let range = content::chunk_range(tx, replaced)?;
                    outbox::push(tx, outbox::DROP, document, replaced, range, None)?;
                }
            }
            for no in &ask.free {
                if content::free(tx, *no)? {
                    freed.push(*no);
                }
            }
            touched.extend(gone(&rows));
            outbox::done(tx, position)?;
            if let Some((source, started)) = ask.listed {
                sources::set_listed(tx, source, started)?;
            }
            changed |= !touched.is_empty();
            content::refresh(tx, &mut image, touched.iter().copied())?;
            for no in &touched {
                if let Some((container, held)) = rights_sql::guard_of(tx, *no)? {
                    // INVARIANT: a document that was there keeps its guard until the swap is done.
                    if !arrived.documents.contains_key(no) {
                        arrived.documents.insert(*no, (container, held));
                    }
                    later.documents.insert(*no, (container, held));
                }
            }
            image.sources = sources::metas(tx)?;
            retired = content::retired(tx)?;
            if let (Some((_, by)), false) = (&ask.run, freed.is_empty()) {
                later.epoch = tx.next_epoch()?;
                // INVARIANT: a widening acts only after its record is durable.
                core.record_deed(by, "rights_widened", documents(&image, &freed))?;
            }
            Ok(())
        })?;
        if !changed {
            return Ok(());
        }
        image.generation += 1;
        core.rights.store(Arc::new(arrived));
        let replaced = core.published.swap(Arc::new(Published { image, lexical, vectors }));
        core.rights.store(Arc::new(later));
        self.retirement.lock().add(replaced, retired);
        Ok(())
    }

    /// Removes what was replaced and is read by nobody any more.
    pub(crate) fn sweep_retired(&self) -> Result<(), VaultError> {
        // INVARIANT: what a backup that is being written names stays; it goes with the next publication.
        if self.backups.load(Ordering::SeqCst) > 0 {
            return Ok(());
        }
        let free = self.retirement.lock().free();
        if free.is_empty() {
            return Ok(());
        }
        self.catalog.lock().transaction("forgetting replaced versions", |tx| {
            free.iter().try_for_each(|(row, _)| content::forget(tx, *row))
        })?;
        // After the commit: a name in the catalog always has its text.
        free.iter().try_for_each(|(_, text)| self.core.text.remove(text))
    }

    /// Lets the plain new rights of a source's containers act. Call it after their content is published.
    pub(crate) fn widen(
        &self,
        by: &Operator,
        place: &In,
        stated: &HashSet<String>,
    ) -> Result<(), VaultError> {
        let source = place.source;
        self.change_rights("widening rights", |tx, change| {
            let waiting: Vec<(ContainerNo, String)> = rights_sql::waiting_to_widen(tx, source)?
                .into_iter()
                .filter(|(_, key)| stated.contains(key))
                .collect();
            for (no, _) in &waiting {
                rights_sql::widen(tx, change.rights_mut(), *no)?;
            }
            rights_sql::forget_empty(tx, change.rights_mut(), source, &|key| stated.contains(key))?;
            if waiting.is_empty() {
                return Ok(());
            }
            let keys: Vec<&String> = waiting.iter().map(|(_, key)| key).collect();
            let details = serde_json::json!({ "source": place.name, "containers": keys });
            change.widens(&self.core, by, "rights_widened", details)
        })
    }
}

/// For a record: documents by their ids.
fn documents(image: &ContentImage, numbers: &[DocNo]) -> serde_json::Value {
    let ids = numbers.iter().filter_map(|no| image.documents.get(no));
    serde_json::json!({ "documents": ids.map(|d| crate::keys::document_id(&d.key)).collect::<Vec<_>>() })
}

/// The snapshots that a published state holds.
pub(crate) fn snapshots(engines: &Engines) -> Result<Snapshots, VaultError> {
    Ok((engines.lexical_snapshot()?, engines.vector_snapshot()))
}

type Snapshots = (LexicalSearcher, Option<Vectors>);

impl Retirement {
    pub(crate) fn add(&mut self, replaced: Arc<Published>, retired: Vec<(i64, String)>) {
        let new: Vec<_> = retired.into_iter().filter(|(row, _)| self.queued.insert(*row)).collect();
        self.queue.push_back((replaced, new));
    }

    /// What no pinned state can name any more. A state that is not pinned has this queue's count alone.
    fn free(&mut self) -> Vec<(i64, String)> {
        let mut free = Vec::new();
        while self.queue.front().is_some_and(|(state, _)| Arc::strong_count(state) == 1) {
            for version in self.queue.pop_front().into_iter().flat_map(|(_, versions)| versions) {
                self.queued.remove(&version.0);
                free.push(version);
            }
        }
        free
    }
}
