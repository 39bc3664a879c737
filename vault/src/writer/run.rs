//! One run over one source, as the pipeline drives it. What it has put stays whatever happens; only
//! [`Run::finish`], after a complete listing, removes and widens.

mod ending;
mod reserved;
mod told;

pub use reserved::Reserved;

use super::put::In;
use super::{Failure, Known, NewDocument, RunSummary, Standing, Tried, publish::Ask};
use crate::catalog::{content, rights, runs, sources};
use crate::error::VaultError;
use crate::runs::RunState;
use crate::vault::{Operator, Vault};
use kenward_access::ids::{DocNo, Timestamp};
use kenward_access::rights::RightsSpec;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use told::{Told, What};

/// One run over one source. Dropping it without [`Run::finish`] leaves it interrupted: what was put
/// stays, what of it was not published waits for the next run's publications, and that run goes on.
pub struct Run {
    vault: Arc<Vault>,
    by: Operator,
    place: In,
    row: i64,
    /// It was begun before, and came to no end.
    gone_on: bool,
    started: Timestamp,
    known: HashMap<String, content::KnownDocument>,
    /// What failed before, or in this run.
    failed: HashMap<String, Standing>,
    told: Told,
    /// What this run put, by id, and the container that it hangs on.
    put: HashMap<String, (DocNo, String)>,
    stated: HashSet<String>,
    ask: Ask,
    summary: RunSummary,
    /// Files that are done, of how many.
    progress: (u64, u64),
    /// How it ends if nothing more is said of it.
    end: RunState,
}

impl Drop for Run {
    fn drop(&mut self) {
        if self.end != RunState::Done {
            let (row, now, end) = (self.row, self.vault.core.now(), self.end);
            let noted = self.vault.catalog.lock().transaction("ending a run", |tx| {
                runs::note(tx, row, self.progress, &self.summary)?;
                runs::end(tx, row, now, end)
            });
            if let Err(error) = noted {
                // The next opening finds it running, and takes it for interrupted.
                tracing::warn!(%error, "the end of a run could not be noted");
            }
            self.vault.core.note_run(&self.place.name, end.word(), serde_json::json!(self.summary));
        }
        self.vault.running.lock().remove(&self.place.source);
    }
}

impl Vault {
    /// Begins (or goes on with) a run over a source. One run per source at a time.
    ///
    /// # Errors
    /// [`VaultError::Name`] for an unknown source, or one that is being ingested already.
    pub fn begin_run(self: &Arc<Self>, by: &Operator, source: u32) -> Result<Run, VaultError> {
        self.reserve(source)?.begin(by)
    }

    /// Begins a run over a source that it holds.
    fn begin_in(self: &Arc<Self>, by: &Operator, place: In, started: Timestamp) -> Result<Run, VaultError> {
        let source = place.source;
        // From here on dropping the run lets the source go.
        let mut run = Run {
            vault: Arc::clone(self),
            by: by.clone(),
            place,
            row: 0,
            gone_on: false,
            started,
            known: HashMap::new(),
            failed: HashMap::new(),
            told: Told::default(),
            put: HashMap::new(),
            stated: HashSet::new(),
            ask: Ask::default(),
            summary: RunSummary::default(),
            progress: (0, 0),
            end: RunState::Interrupted,
        };
        let (row, known, failed) = self.catalog.lock().transaction("beginning a run", |tx| {
            let (known, failed) = (content::known(tx, source)?, sources::failures(tx, source)?);
            Ok((runs::begin(tx, source, started)?, known, failed))
        })?;
        ((run.row, run.gone_on), run.known) = (row, known);
        run.failed = failed.into_iter().map(|standing| (standing.failure.path.clone(), standing)).collect();
        self.core.note_run(&run.place.name, "began", serde_json::json!({ "known": run.known.len() }));
        self.sweep_retired()?;
        Ok(run)
    }

    /// Takes a source for a run, or for a reading of its rights, and gives where its documents stand. One at a time.
    pub(crate) fn occupy(&self, source: u32) -> Result<In, VaultError> {
        let found =
            self.catalog.lock().transaction("beginning a run", |tx| match sources::one(tx, source)? {
                Some(spec) => Ok(Some((spec.name, sources::born(tx, source)?))),
                None => Ok(None),
            })?;
        let Some((name, born)) = found else {
            return Err(VaultError::name("there is no such source", "see `kenward sources list`"));
        };
        if self.running.lock().insert(source) {
            return Ok(In { source, name, born });
        }
        Err(VaultError::name(
            format!("source `{name}` is being ingested already"),
            "wait for that run to end",
        ))
    }
}

impl Run {
    /// Start of the run (what `ingested` says).
    #[must_use]
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// Whether this goes on with a run that came to no end.
    #[must_use]
    pub fn gone_on(&self) -> bool {
        self.gone_on
    }

    /// What is known of a document.
    #[must_use]
    pub fn known(&self, source_id: &str) -> Option<Arc<Known>> {
        self.known.get(source_id).map(|k| Arc::clone(&k.known))
    }

    /// Whether anybody is answered from a document once it hangs on this container: a version of it can be read,
    /// and what guards it now and there leaves somebody.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn answers(&self, source_id: &str, container: &str) -> Result<bool, VaultError> {
        let Some(known) = self.known.get(source_id).filter(|known| known.known.answers()) else {
            return Ok(false);
        };
        self.vault.is_for_anybody(self.place.source, known.no, container)
    }

    /// The ids of the documents that the source has now, in order.
    #[must_use]
    pub fn known_ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.known.keys().cloned().collect();
        ids.sort_unstable();
        ids
    }

    /// How many documents the source has now (for the deletion guard).
    #[must_use]
    pub fn known_count(&self) -> usize {
        self.known.len()
    }

    /// States the rights of containers (key → spec). Narrowings act at once, and this returns when
    /// no answer with the old rights can be given; widenings act when the run's content is published.
    /// Containers whose rights cannot be resolved are visible to nobody and are counted.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn set_rights(&mut self, containers: BTreeMap<String, RightsSpec>) -> Result<(), VaultError> {
        let (vault, source) = (&self.vault, self.place.source);
        let changed = vault.change_rights("stating rights", |tx, change| {
            let mut changed = Vec::new();
            for (key, spec) in &containers {
                if rights::state(tx, change.rights_mut(), &vault.core.labels, source, key, spec)? {
                    changed.push(key.clone());
                }
            }
            if !changed.is_empty() {
                change.narrows();
            }
            Ok(changed)
        })?;
        self.summary.rights_changed += changed.len() as u64;
        if !changed.is_empty() {
            vault.core.note_deed(&self.by, "rights_narrowed", self.about(&changed));
        }
        self.stated.extend(containers.into_keys());
        Ok(())
    }

    /// States on which container each document hangs, given its id and where it hung; `None` = nothing is stated of it.
    /// Those that hung elsewhere are under old AND new rights from here on, until this run has read them.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn hang(&mut self, on: &dyn Fn(&str, &str) -> Option<String>) -> Result<(), VaultError> {
        let known = self.known.iter().map(|(id, known)| (id, &known.known.container));
        let hung = known.chain(self.put.iter().map(|(id, (_, container))| (id, container)));
        let moved: BTreeMap<String, String> =
            hung.filter_map(|(id, was)| Some((id.clone(), on(id, was).filter(|now| now != was)?))).collect();
        if moved.is_empty() {
            return Ok(());
        }
        self.vault.move_unread(&self.place, &moved)?;
        let about =
            serde_json::json!({ "source": self.place.name, "documents": moved.keys().collect::<Vec<_>>() });
        self.vault.core.note_deed(&self.by, "rights_narrowed", about);
        for (id, container) in moved {
            if let Some(known) = self.known.get_mut(&id) {
                container.clone_into(&mut Arc::make_mut(&mut known.known).container);
                known.held = true;
            }
            if let Some(put) = self.put.get_mut(&id) {
                put.1 = container;
            }
        }
        Ok(())
    }

    /// Why the rights that this run stated hide documents: (place where it is written, what is wrong).
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn rights_problems(&self) -> Result<Vec<(String, String)>, VaultError> {
        let source = self.place.source;
        let mut problems: Vec<(String, String)> = self
            .vault
            .catalog
            .lock()
            .transaction("reading rights", |tx| rights::unresolved(tx, source))?
            .into_iter()
            // A container that this listing does not name any more hides nothing.
            .filter(|(container, _, _)| self.stated.contains(container))
            .map(|(_, origin, what)| (place(&origin.file, origin.line), what))
            .collect();
        problems.sort();
        problems.dedup();
        Ok(problems)
    }

    /// Notes that a document is still there, unchanged, in this container.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn unchanged(
        &mut self,
        source_id: &str,
        container: &str,
        modified: Timestamp,
    ) -> Result<(), VaultError> {
        // It may be what this run has put itself.
        let what = if self.put.contains_key(source_id) { What::Changed } else { What::Unchanged };
        self.told.note(source_id, what, &mut self.summary);
        let Some(known) = self.known.get_mut(source_id) else { return Ok(()) };
        if known.waiting {
            self.ask.ready.insert(known.no);
        }
        let same = known.known.container == container && known.known.modified == modified && !known.held;
        if same && !self.failed.contains_key(source_id) {
            return Ok(());
        }
        if let Some(no) = self.vault.keep_unchanged(&self.place, source_id, container, modified)? {
            self.ask.refresh.insert(no);
            self.ask.free.insert(no);
        }
        let now = Arc::make_mut(&mut known.known);
        container.clone_into(&mut now.container);
        now.modified = modified;
        self.failed.remove(source_id);
        Ok(())
    }

    /// Notes that a document is listed, and was not looked at: nothing of it is published, and no rights
    /// widen for it. If its container is another one now, it is under old AND new rights.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn unread(&mut self, source_id: &str, container: &str) -> Result<(), VaultError> {
        self.told.note(source_id, What::Unread, &mut self.summary);
        let Some(known) = self.known.get_mut(source_id) else { return Ok(()) };
        if known.known.container != container {
            let moved = BTreeMap::from([(source_id.to_owned(), container.to_owned())]);
            self.vault.move_unread(&self.place, &moved)?;
            container.clone_into(&mut Arc::make_mut(&mut known.known).container);
            known.held = true;
        }
        Ok(())
    }

    /// Keeps a new or changed document, as [`Run::put_all`] does.
    ///
    /// # Errors
    /// [`VaultError`]; [`VaultError::DiskFull`] stops the run.
    pub fn put(&mut self, document: NewDocument) -> Result<(), VaultError> {
        self.put_all(&[document])
    }

    /// Keeps new or changed documents, all of them or none: one transaction, and one wait for the disk.
    ///
    /// # Errors
    /// [`VaultError`]; [`VaultError::DiskFull`] stops the run.
    pub fn put_all(&mut self, documents: &[NewDocument]) -> Result<(), VaultError> {
        let ingested = crate::faults::ingested(self.started, &self.vault.core);
        let numbers = self.vault.keep(&self.place, documents, ingested)?;
        for (document, no) in documents.iter().zip(numbers) {
            self.ask.ready.insert(no);
            self.put.insert(document.source_id.clone(), (no, document.container.clone()));
            if let Some(known) = self.known.get_mut(&document.source_id) {
                known.put(document);
            }
            self.summary.chunks += document.chunks.len() as u64;
            self.failed.remove(&document.source_id);
            let known = self.known.contains_key(&document.source_id);
            let what = if known { What::Changed } else { What::Added };
            self.told.note(&document.source_id, what, &mut self.summary);
        }
        Ok(())
    }

    /// Forgets what this run was told of these documents, and gives them: they are about to be looked at again, under
    /// rights that were read since. Those of which it is then told nothing are gone, whatever it was told before.
    ///
    /// INVARIANT: nothing is published, let go or kept for what was seen of it under older rights.
    pub fn look_again(&mut self, of: &dyn Fn(&str) -> bool) -> Vec<String> {
        let ids: Vec<String> = self.told.ids().filter(|id| of(id)).cloned().collect();
        for id in &ids {
            let known = self.known.get(id).map(|known| known.no);
            for no in known.iter().chain(self.put.get(id).map(|(no, _)| no)) {
                self.ask.ready.remove(no);
                self.ask.free.remove(no);
            }
            self.told.forget(id, &mut self.summary);
        }
        ids
    }

    /// Whether something of a document is to be published, or to come out from under old rights, with the next
    /// publication.
    #[must_use]
    pub fn is_asked(&self, source_id: &str) -> bool {
        let known = self.known.get(source_id).map(|known| known.no);
        let mut numbers = known.into_iter().chain(self.put.get(source_id).map(|(no, _)| *no));
        numbers.any(|no| self.ask.ready.contains(&no) || self.ask.free.contains(&no))
    }

    /// The containers whose rights would widen at the run's end, by their keys.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn would_widen(&self) -> Result<HashSet<String>, VaultError> {
        let waiting = self
            .vault
            .catalog
            .lock()
            .transaction("reading rights", |tx| rights::waiting_to_widen(tx, self.place.source))?;
        Ok(waiting.into_iter().map(|(_, key)| key).filter(|key| self.stated.contains(key)).collect())
    }

    /// Whether this run has put a document.
    #[must_use]
    pub fn has_put(&self, source_id: &str) -> bool {
        self.put.contains_key(source_id)
    }

    /// Notes that documents are there of which nothing holds that this run was told.
    pub fn there(&mut self, ids: Vec<String>) {
        ids.iter().for_each(|id| self.told.note(id, What::There, &mut self.summary));
    }

    /// What is recorded of failed documents, in no order.
    pub fn standings(&self) -> impl Iterator<Item = (&str, &Standing)> {
        self.failed.iter().map(|(id, standing)| (id.as_str(), standing))
    }

    /// What is recorded as failed of a document, if anything is.
    #[must_use]
    pub fn standing(&self, source_id: &str) -> Option<&Standing> {
        self.failed.get(source_id)
    }

    /// What would be recorded of a try that failed now.
    #[must_use]
    pub fn would_fail(&self, source_id: &str, tried: &Tried) -> Failure {
        tried.after(source_id, self.failed.get(source_id), self.vault.core.now()).failure
    }

    /// Records a failed document, and gives what was recorded. A version that is already published stays,
    /// under old AND new rights.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn failed(&mut self, source_id: &str, container: &str, tried: &Tried) -> Result<Failure, VaultError> {
        let standing = tried.after(source_id, self.failed.get(source_id), self.vault.core.now());
        self.keep_failed(container, standing)
    }

    /// Notes that a failure stands: the document was not tried again. `detail` is as of now.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn still_failed(
        &mut self,
        source_id: &str,
        container: &str,
        detail: &str,
    ) -> Result<Failure, VaultError> {
        let Some(mut standing) = self.failed.get(source_id).cloned() else {
            return self.failed(source_id, container, &Tried::of("unreadable", detail));
        };
        if standing.failure.detail == detail && !self.known.contains_key(source_id) {
            // Nothing of it is kept that would have to be guarded, and what is recorded says it all.
            self.told.note(source_id, What::Failed, &mut self.summary);
            return Ok(standing.failure);
        }
        detail.clone_into(&mut standing.failure.detail);
        self.keep_failed(container, standing)
    }

    fn keep_failed(&mut self, container: &str, standing: Standing) -> Result<Failure, VaultError> {
        // What was read of it before, in this run or one that was cut off, is not what the source has now.
        if let Some(no) = self.vault.keep_failure(&self.place, container, &standing)? {
            self.ask.ready.remove(&no);
        }
        let failure = standing.failure.clone();
        self.told.note(&failure.path, What::Failed, &mut self.summary);
        self.failed.insert(failure.path.clone(), standing);
        Ok(failure)
    }

    /// Keeps a document whose file could not be opened, an archive: what is published of it stays, under old
    /// AND new rights. The failure is recorded for the file. Nothing for a document that this run was told of.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn keep(&mut self, source_id: &str, container: &str) -> Result<(), VaultError> {
        if self.told.has(source_id) {
            return Ok(());
        }
        self.told.note(source_id, What::There, &mut self.summary);
        if let Some(known) = self.known.get_mut(source_id) {
            // Found unchanged later in this run, it comes out from under what holds it now.
            known.held = true;
        }
        if let Some(no) = self.vault.keep_unread(&self.place, source_id, container)? {
            self.ask.ready.remove(&no);
        }
        Ok(())
    }

    /// Documents (id → container) that this run cannot look at stay under old AND new rights, whatever becomes of their
    /// containers.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn hold(&mut self, documents: &BTreeMap<String, String>) -> Result<(), VaultError> {
        if documents.is_empty() {
            return Ok(());
        }
        self.vault.hold_unread(&self.place, documents)?;
        for (id, container) in documents {
            if let Some(known) = self.known.get_mut(id) {
                container.clone_into(&mut Arc::make_mut(&mut known.known).container);
                known.held = true;
            }
        }
        Ok(())
    }

    /// Applies the outbox to the engines and publishes what was put so far.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn publish(&mut self) -> Result<(), VaultError> {
        self.ask.run = Some((self.place.source, self.by.clone()));
        self.vault.publish(&self.ask)?;
        self.ask = Ask::default();
        self.note()
    }

    /// Writes down how far it is: what is known of it after a kill.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn note(&self) -> Result<(), VaultError> {
        let (row, progress) = (self.row, self.progress);
        self.vault
            .catalog
            .lock()
            .transaction("noting a run's progress", |tx| runs::note(tx, row, progress, &self.summary))
    }

    /// What it came to so far.
    #[must_use]
    pub fn summary(&self) -> &RunSummary {
        &self.summary
    }

    /// The number of the run, which it keeps when it is gone on with.
    #[must_use]
    pub fn number(&self) -> i64 {
        self.row
    }

    /// How many of how many files are done: noted with the next publication and at the end.
    pub fn progress(&mut self, done: u64, of: u64) {
        self.progress = (done, of);
    }

    fn about(&self, containers: &[String]) -> serde_json::Value {
        serde_json::json!({ "source": self.place.name, "containers": containers })
    }
}

/// `file:line`, or the file alone where there is no line.
pub(crate) fn place(file: &str, line: u32) -> String {
    if line == 0 { file.to_owned() } else { format!("{file}:{line}") }
}
