//! What the next run of a source mends: stored texts and vectors that are lost (they are marked, and
//! read again), and what a cut-off run left unpublished. For operators: callers are told in `knowledge_base`, and
//! of what they may see only.

use crate::catalog::lost;
use crate::error::VaultError;
use crate::vault::Vault;
use serde::{Deserialize, Serialize};

/// Documents of a source that its next run reads again although they have not changed, or publishes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadAgain {
    /// Name of the source.
    pub source: String,
    /// Documents whose stored text is missing, or was found damaged.
    pub text_lost: u64,
    /// Other documents with passages that have no vectors of the current embedding space. Without an
    /// embedder that is as it should be.
    pub not_embedded: u64,
    /// Documents with a version that a cut-off run read and did not publish.
    pub waiting: u64,
}

impl Vault {
    /// Looks whether the stored texts of all documents are there, and marks those that are lost, so
    /// that the next run of their source reads them again. Call it before a run begins. Gives how many
    /// were found that were not marked yet.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn find_lost_texts(&self) -> Result<usize, VaultError> {
        // The names first: a text that comes meanwhile is not missed, and one that goes belongs to a
        // version that is not marked any more.
        let named = self.catalog.lock().transaction("listing texts", lost::texts)?;
        let rows = self.core.text.lost(&named)?;
        if rows.is_empty() {
            return Ok(0);
        }
        let found = self.catalog.lock().transaction("marking lost texts", |tx| lost::mark(tx, &rows))?;
        say(found);
        Ok(found)
    }

    /// By source, what its next run mends. Looks for lost texts first.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn read_again(&self) -> Result<Vec<ReadAgain>, VaultError> {
        self.find_lost_texts()?;
        let running = self.running.lock().clone();
        let mut all = self.catalog.lock().transaction("counting what is lost", lost::read_again)?;
        // What a run under way has not published yet is as it should be.
        all.iter_mut().filter(|(no, _)| running.contains(no)).for_each(|(_, again)| again.waiting = 0);
        let any = |a: &ReadAgain| a.text_lost + a.not_embedded + a.waiting > 0;
        Ok(all.into_iter().map(|(_, again)| again).filter(any).collect())
    }
}

/// Says in the log how many texts were found to be lost.
pub(crate) fn say(documents: usize) {
    if documents > 0 {
        tracing::warn!(
            documents,
            "the stored texts of these documents are lost or damaged; ingest their sources again to read them anew"
        );
    }
}
