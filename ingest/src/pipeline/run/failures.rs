//! What could not be read: failures, whether an older version goes on answering, and documents that
//! were blanked. It must never say of a version that it answers when it does not.

use super::Drive;
use crate::connectors::RIGHTS_FILE;
use crate::formats::FailReason;
use crate::pipeline::{IngestError, IngestOptions, PIPELINE, Progress};
use kenward_access::rights::{Origin, RightsSpec};
use kenward_vault::writer::{Again, Failure, Known, Standing, Tried, Under};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Added to a failure of a document that was read before.
const STILL_ANSWERS: &str = "; the version read before still answers";

/// What works on documents under these options: what failed is tried again when it changes.
pub(super) fn under(options: &IngestOptions) -> Under {
    let (text, worker) = (options.max_text_bytes, options.limits);
    let limits = format!("{text},{},{},{}", options.memory_bytes, worker.cpu_seconds, worker.memory_bytes);
    Under { pipeline: PIPELINE, limits }
}

impl Drive<'_> {
    /// A try that failed for this reason, its bytes unknown.
    pub(super) fn tried(&self, reason: FailReason) -> Tried {
        Tried {
            under: self.under.clone(),
            again: reason.again(),
            ..Tried::of(reason.code(), &reason.to_string())
        }
    }

    /// What could not even be listed.
    pub(super) fn unlisted(&mut self) -> Result<(), IngestError> {
        for failure in &self.listing.failures {
            let container = self.rights_of(&failure.path).container.clone();
            let known = self.run.standing(&failure.path).map(|standing| &standing.failure);
            // A listing is no try of what is not due: its pause would grow with each look at the folder.
            if known.is_some_and(|known| known.reason == failure.reason && !known.due(self.run.started())) {
                self.still_failed(&failure.path, &container)?;
            } else {
                let tried = Tried { again: Again::Later, ..Tried::of(failure.reason, failure.detail) };
                self.fail(&failure.path, &container, tried)?;
            }
            self.keep_members(&failure.path, &container)?;
        }
        // What is known below a folder that cannot be read is not gone: it fails with its folder.
        for (id, folder) in self.below_unreadable() {
            let tried = Tried::of(FailReason::Unreadable.code(), BELOW_UNREADABLE);
            let failure = self.run.failed(&id, &folder, &Tried { again: Again::Later, ..tried })?;
            self.tell_failure(failure);
        }
        Ok(())
    }

    /// What could not even be listed is not read again when rights move: it stays under old AND new ones.
    pub(super) fn hold_unlisted(&mut self) -> Result<(), IngestError> {
        let mut held = BTreeMap::new();
        for failure in &self.listing.failures {
            let container = self.rights_of(&failure.path).container.clone();
            for id in self.members_of(&failure.path).chain([&failure.path]) {
                held.insert(id.clone(), container.clone());
            }
        }
        self.run.hold(&held)?;
        Ok(())
    }

    pub(super) fn below_unreadable(&self) -> Vec<(String, String)> {
        let folders = &self.listing.unreadable_folders;
        if folders.is_empty() {
            return Vec::new();
        }
        self.run.known_ids().into_iter().filter_map(|id| above(folders, &id).map(|f| (id, f))).collect()
    }

    /// A failure; says so if an older version goes on answering.
    pub(super) fn fail(&mut self, path: &str, container: &str, mut tried: Tried) -> Result<(), IngestError> {
        tried.detail = self.with_what_answers(path, container, &tried.detail)?;
        let failure = self.run.failed(path, container, &tried)?;
        self.tell_failure(failure);
        Ok(())
    }

    /// A document that was not tried again. It counts as failed all the same.
    pub(super) fn still_failed(&mut self, path: &str, container: &str) -> Result<(), IngestError> {
        let detail = self.run.standing(path).map_or("", |standing| standing.failure.detail.as_str());
        let detail = detail.strip_suffix(STILL_ANSWERS).unwrap_or(detail).to_owned();
        let detail = self.with_what_answers(path, container, &detail)?;
        let failure = self.run.still_failed(path, container, &detail)?;
        self.tell_failure(failure);
        Ok(())
    }

    /// The detail of a failure, and that an older version goes on answering if it does, or how much of an archive
    /// does. What nobody sees under the rights of then and now answers nobody.
    fn with_what_answers(&self, path: &str, container: &str, detail: &str) -> Result<String, IngestError> {
        if self.run.answers(path, container)? {
            return Ok(format!("{detail}{STILL_ANSWERS}"));
        }
        let mut members = 0;
        for id in self.members_of(path) {
            members += u64::from(self.run.answers(id, container)?);
        }
        Ok(match members {
            0 => detail.to_owned(),
            _ => format!("{detail}; what was read of it before still answers ({members})"),
        })
    }

    /// What is known of archives of this listing, by the members' paths.
    pub(super) fn members(&self) -> HashMap<String, Arc<Known>> {
        let known = self.inside.iter().filter_map(|id| Some((id.clone(), self.run.known(id)?)));
        known.collect()
    }

    /// What is recorded of failures in archives of this listing, by the members' paths.
    pub(super) fn failed_members(&self) -> HashMap<String, Standing> {
        let within = |id: &str| self.listing.file_of(id) != id;
        let failed = self.run.standings().filter(|(id, _)| within(id));
        failed.map(|(id, standing)| (id.to_owned(), standing.clone())).collect()
    }

    /// The known documents in an archive, or in one within an archive.
    fn members_of<'s>(&'s self, archive: &str) -> impl Iterator<Item = &'s String> {
        let (from, below) = (format!("{archive}/"), format!("{archive}/"));
        self.inside.range(from..).take_while(move |id| id.starts_with(&below))
    }

    /// Whether documents are known that stand in this file.
    pub(super) fn holds_members(&self, path: &str) -> bool {
        self.members_of(path).next().is_some()
    }

    /// Of an archive that failed, what was read before stays, like the old version of a document that fails.
    pub(super) fn keep_members(&mut self, archive: &str, container: &str) -> Result<(), IngestError> {
        let members: Vec<String> = self.members_of(archive).cloned().collect();
        members.iter().try_for_each(|id| self.run.keep(id, container))?;
        Ok(())
    }

    /// An archive with a rights file inside: nobody sees what was read of it before, either, because it may
    /// be what the file is to guard.
    pub(super) fn hide_archive(&mut self, path: &str, container: &str) -> Result<(), IngestError> {
        let reason = FailReason::RightsInside;
        let members: Vec<String> = self.members_of(path).cloned().collect();
        if !members.is_empty() {
            let key = shut_by(path);
            let origin = Origin { file: path.to_owned(), line: 0 };
            let spec = RightsSpec { problem: Some((reason.to_string(), origin)), ..RightsSpec::default() };
            // INVARIANT (I3): rights that are not read are nobody's.
            self.run.set_rights(BTreeMap::from([(key.clone(), spec)]))?;
            members.iter().try_for_each(|id| self.run.keep(id, &key))?;
        }
        let failure = self.run.failed(path, container, &self.tried(reason))?;
        self.tell_failure(failure);
        Ok(())
    }

    fn tell_failure(&mut self, failure: Failure) {
        self.tally.failed += 1;
        self.tally.done += 1;
        (self.progress)(Progress::Failed(failure));
    }

    /// A document without a byte. What it was goes at the run's end, counted by the guard.
    pub(super) fn blank(&mut self, path: String, container: String) -> Result<(), IngestError> {
        if self.blanked.contains_key(&path) {
            self.tally.done += 1;
            return Ok(());
        }
        let raw_hash = Some(Sha256::digest([]).into());
        let tried = Tried { raw_hash, by_a_look: true, ..self.tried(FailReason::Empty) };
        if self.run.known(&path).is_none() && !self.run.has_put(&path) {
            // Nothing was read of it; or it is an archive, and what was read of that goes.
            let failure = self.run.failed(&path, &container, &tried)?;
            self.tell_failure(failure);
            return Ok(());
        }
        self.tell_failure(self.run.would_fail(&path, &tried));
        self.blanked.insert(path, (container, tried));
        Ok(())
    }

    /// The run removes nothing after all: blanked documents are failures like others.
    pub(super) fn keep_blanked(&mut self) -> Result<(), IngestError> {
        for (path, (container, mut tried)) in std::mem::take(&mut self.blanked) {
            tried.detail = self.with_what_answers(&path, &container, &tried.detail)?;
            self.run.failed(&path, &container, &tried)?;
        }
        Ok(())
    }
}

/// What is told of a document below a folder that cannot be read.
pub(in crate::pipeline) const BELOW_UNREADABLE: &str = "its folder cannot be read";

/// The container of what was read of an archive before a rights file came into it. No file has this path, nor does
/// a folder.
pub(super) fn shut_by(archive: &str) -> String {
    format!("{archive}/{RIGHTS_FILE}")
}

/// The folder that cannot be read above a path, if there is one.
pub(in crate::pipeline) fn above(unreadable: &[String], path: &str) -> Option<String> {
    let is_above =
        |folder: &&String| path.strip_prefix(folder.as_str()).is_some_and(|rest| rest.starts_with('/'));
    unreadable.iter().find(is_above).cloned()
}
