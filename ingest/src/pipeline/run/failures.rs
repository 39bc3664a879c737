//! What could not be read: failures, whether an older version goes on answering, and documents that
//! were blanked. It must never say of a version that it answers when it does not.

use super::Drive;
use crate::formats::FailReason;
use crate::pipeline::{IngestError, Progress};
use kenward_access::rights::{Origin, RightsSpec};
use kenward_vault::writer::{Failure, Known};
use std::collections::{BTreeMap, HashMap};

/// Added to a failure of a document that was read before.
const STILL_ANSWERS: &str = "the version read before still answers";

impl Drive<'_> {
    /// What could not even be listed.
    pub(super) fn unlisted(&mut self) -> Result<(), IngestError> {
        for failure in &self.listing.failures {
            let container = self.rights_of(&failure.path).container;
            self.fail(&failure.path, &container, failure.reason, failure.detail)?;
            self.keep_members(&failure.path, &container)?;
        }
        // What is known below a folder that cannot be read is not gone: it fails with its folder.
        for (id, folder) in self.below_unreadable() {
            self.fail_as(&id, &folder, FailReason::Unreadable.code(), "its folder cannot be read")?;
        }
        Ok(())
    }

    pub(super) fn below_unreadable(&self) -> Vec<(String, String)> {
        let folders = &self.listing.unreadable_folders;
        if folders.is_empty() {
            return Vec::new();
        }
        let above = |id: &str| {
            let folder = folders
                .iter()
                .find(|folder| id.strip_prefix(folder.as_str()).is_some_and(|rest| rest.starts_with('/')));
            folder.cloned()
        };
        self.run.known_ids().into_iter().filter_map(|id| above(&id).map(|folder| (id, folder))).collect()
    }

    /// A failure; says so if an older version goes on answering.
    pub(super) fn fail(
        &mut self,
        path: &str,
        container: &str,
        reason: &str,
        detail: &str,
    ) -> Result<(), IngestError> {
        let detail = self.with_what_answers(path, detail);
        self.fail_as(path, container, reason, &detail)
    }

    /// The detail of a failure, and that an older version goes on answering if it does. Under rights
    /// that cannot be used nothing answers, nor does a version whose stored text is lost.
    fn with_what_answers(&self, path: &str, detail: &str) -> String {
        let answer = |id: &str| self.run.known(id).is_some_and(|known| known.answers());
        let members = self.members_of(path).filter(|id| answer(id)).count();
        if self.rights_of(path).spec.problem.is_some() {
            detail.to_owned()
        } else if answer(path) {
            format!("{detail}; {STILL_ANSWERS}")
        } else if members > 0 {
            format!("{detail}; what was read of it before still answers ({members})")
        } else {
            detail.to_owned()
        }
    }

    /// What is known of archives of this listing, by the members' paths.
    pub(super) fn members(&self) -> HashMap<String, Known> {
        let known = self.inside.iter().filter_map(|id| Some((id.clone(), self.run.known(id)?)));
        known.collect()
    }

    /// The known documents in an archive, or in one within an archive.
    fn members_of<'s>(&'s self, archive: &str) -> impl Iterator<Item = &'s String> {
        let (from, below) = (format!("{archive}/"), format!("{archive}/"));
        self.inside.range(from..).take_while(move |id| id.starts_with(&below))
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
            // No file has this path, nor does a folder.
            let key = format!("{path}/{}", crate::connectors::RIGHTS_FILE);
            let origin = Origin { file: path.to_owned(), line: 0 };
            let spec = RightsSpec { problem: Some((reason.to_string(), origin)), ..RightsSpec::default() };
            // INVARIANT (I3): rights that are not read are nobody's.
            self.run.set_rights(BTreeMap::from([(key.clone(), spec)]))?;
            members.iter().try_for_each(|id| self.run.keep(id, &key))?;
        }
        self.fail_as(path, container, reason.code(), &reason.to_string())
    }

    fn fail_as(
        &mut self,
        path: &str,
        container: &str,
        reason: &str,
        detail: &str,
    ) -> Result<(), IngestError> {
        self.run.failed(path, container, reason, detail)?;
        self.tell_failure(path, reason, detail);
        Ok(())
    }

    fn tell_failure(&mut self, path: &str, reason: &str, detail: &str) -> Failure {
        self.tally.summary.failed += 1;
        self.tally.done += 1;
        let attempts = self.attempts.get(path).copied().unwrap_or(0).saturating_add(1);
        let failure =
            Failure { path: path.to_owned(), reason: reason.to_owned(), detail: detail.to_owned(), attempts };
        (self.progress)(Progress::Failed(failure.clone()));
        failure
    }

    /// A document without a byte. What it was goes at the run's end, counted by the guard.
    pub(super) fn blank(&mut self, path: String, container: String) -> Result<(), IngestError> {
        let (reason, detail) = (FailReason::Empty.code(), FailReason::Empty.to_string());
        if self.blanked.contains_key(&path) {
            self.tally.done += 1;
            return Ok(());
        }
        // Put in an earlier round, it counts as seen: the next run removes it.
        if self.again || self.run.known(&path).is_none() {
            return self.fail(&path, &container, reason, &detail);
        }
        let failure = self.tell_failure(&path, reason, &detail);
        self.blanked.insert(path, (container, failure));
        Ok(())
    }

    /// The run removes nothing after all: blanked documents are failures like others.
    pub(super) fn keep_blanked(&mut self) -> Result<(), IngestError> {
        for (path, (container, failure)) in std::mem::take(&mut self.blanked) {
            let detail = self.with_what_answers(&path, &failure.detail);
            self.run.failed(&path, &container, &failure.reason, &detail)?;
        }
        Ok(())
    }
}
