//! What a run was told of each document that it heard of, and what it counts. It must never count a document twice,
//! however often a run looks at it.

use crate::writer::RunSummary;
use std::collections::{BTreeSet, HashMap};

/// What a run was told of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Added,
    Changed,
    /// It was read, and is what it was.
    Unchanged,
    /// It is there, and was not looked at.
    Unread,
    Failed,
    /// It is there, and no more holds of it.
    There,
}

/// By the documents' ids.
#[derive(Debug, Default)]
pub(super) struct Told(HashMap<String, What>);

impl Told {
    /// Notes it; what was told before does not count any more.
    pub(super) fn note(&mut self, id: &str, what: What, summary: &mut RunSummary) {
        if let Some(count) = count(what, summary) {
            *count += 1;
        }
        let before = match self.0.get_mut(id) {
            Some(known) => Some(std::mem::replace(known, what)),
            None => self.0.insert(id.to_owned(), what),
        };
        uncount(before, summary);
    }

    /// Forgets it.
    pub(super) fn forget(&mut self, id: &str, summary: &mut RunSummary) {
        uncount(self.0.remove(id), summary);
    }

    /// Whether anything was told of a document: it is not gone.
    pub(super) fn has(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    /// Those of which anything was told.
    pub(super) fn ids(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    /// Those of which the run knows that the source has what is published, or is about to be.
    pub(super) fn read(&self) -> BTreeSet<String> {
        let read = |what: &What| matches!(what, What::Added | What::Changed | What::Unchanged);
        self.0.iter().filter(|(_, what)| read(what)).map(|(id, _)| id.clone()).collect()
    }
}

fn count(what: What, summary: &mut RunSummary) -> Option<&mut u64> {
    match what {
        What::Added => Some(&mut summary.added),
        What::Changed => Some(&mut summary.changed),
        What::Unchanged | What::Unread => Some(&mut summary.unchanged),
        What::Failed => Some(&mut summary.failed),
        What::There => None,
    }
}

fn uncount(before: Option<What>, summary: &mut RunSummary) {
    if let Some(count) = before.and_then(|what| count(what, summary)) {
        *count = count.saturating_sub(1);
    }
}
