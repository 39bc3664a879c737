//! How a run ends: before its end, after a whole listing, or after some files alone. It must never widen rights for
//! what the run did not look at, and removes nothing of which it was told.

use super::Run;
use crate::catalog::{runs, sources};
use crate::error::VaultError;
use crate::runs::RunState;
use crate::writer::{RunSummary, Standing, Tried};

impl Run {
    /// Ends this leg before its end, as paused, cancelled or interrupted. What was put stays.
    pub fn stop(mut self, state: RunState) {
        self.end = state;
    }

    fn unseen(&self) -> Vec<String> {
        let all = self.known.keys().chain(self.put.keys());
        let mut unseen: Vec<String> = all.filter(|id| !self.told.has(id)).cloned().collect();
        unseen.sort_unstable();
        unseen.dedup();
        unseen
    }

    /// How many documents [`Run::finish`] would remove (for the deletion guard).
    #[must_use]
    pub fn would_remove(&self) -> usize {
        self.known.keys().filter(|id| !self.told.has(id)).count()
    }

    /// Ends the run after a complete listing: documents that were neither put, unchanged nor failed
    /// are removed (at once), widenings act, everything is published.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn finish(self) -> Result<RunSummary, VaultError> {
        self.finish_failing(&[])
    }

    /// Ends the run like [`Run::finish`], and records failures of documents that it thereby removes (a
    /// file that was blanked has no version left, and is still to be mended).
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn finish_failing(self, removed: &[(String, Tried)]) -> Result<RunSummary, VaultError> {
        self.end_with(removed, true)
    }

    /// Ends a run that did not look at all documents: like [`Run::finish_failing`], but rights widen for those alone
    /// that it read, and the source does not count as read.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn finish_partial(self, removed: &[(String, Tried)]) -> Result<RunSummary, VaultError> {
        self.end_with(removed, false)
    }

    fn end_with(mut self, removed: &[(String, Tried)], all: bool) -> Result<RunSummary, VaultError> {
        let unseen = self.unseen();
        if !unseen.is_empty() {
            let removed = self.vault.remove(&self.place, &unseen)?;
            // What this run has put itself, and found to be gone later, nobody knew.
            let new = unseen.iter().filter(|id| !self.known.contains_key(*id)).count() as u64;
            self.summary.removed = removed.saturating_sub(new);
        }
        if all {
            self.ask.listed = Some((self.place.source, self.started));
        }
        self.publish()?;
        // INVARIANT: rights widen for what was looked at alone: after a whole run for all that hangs on a container,
        // of which what failed is held, and after another one for what it read.
        if all {
            self.vault.widen(&self.by, &self.place, &self.stated)?;
        } else {
            let stated = |key: &str| self.stated.contains(key);
            self.vault.widen_what_is_sure(&self.by, &self.place, &stated, &self.told.read())?;
        }
        self.vault.drop_replaced()?;
        let core = &self.vault.core;
        let (source, row, now, progress) = (self.place.source, self.row, core.now(), self.progress);
        let mut summary = self.summary.clone();
        let gone: Vec<&String> = self.failed.keys().filter(|id| !self.told.has(id)).collect();
        let removed: Vec<Standing> =
            removed.iter().map(|(id, tried)| tried.after(id, self.failed.get(id), now)).collect();
        self.vault.catalog.lock().transaction("ending a run", |tx| {
            for source_id in gone {
                sources::unfail(tx, source, source_id)?;
            }
            removed.iter().try_for_each(|standing| sources::fail(tx, source, standing))?;
            summary.failed += removed.len() as u64;
            summary.hidden_for_unresolved_rights = sources::hidden(tx, source)?;
            runs::note(tx, row, progress, &summary)?;
            runs::end(tx, row, now, RunState::Done)
        })?;
        core.note_run(&self.place.name, "finished", serde_json::json!(summary));
        self.end = RunState::Done;
        self.vault.sweep_retired()?;
        Ok(summary)
    }
}
