//! Whether what is about to be let out is still in the state in which it was read: asked after the rights were read
//! once more. It must never let out what is not: it may have been there only while other rights held.

use super::Drive;
use crate::formats::FailReason;
use crate::pipeline::IngestError;
use crate::pipeline::read::Hangs;
use std::collections::BTreeSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// The states in which files were read, by their places in the listing.
#[derive(Default)]
pub(super) struct States {
    hasher: RandomState,
    /// A hash of the state, for there are many files; 0 = not read, or to be read again.
    read: Vec<u64>,
    /// Of which something is to be published, or to come out from under old rights, since the last publication.
    due: BTreeSet<usize>,
    /// Found in another state in this round: what else comes of them is of the old one, too.
    stirred: BTreeSet<usize>,
}

impl States {
    /// For a listing of so many files.
    pub(super) fn of(files: usize) -> Self {
        Self { read: vec![0; files], ..Self::default() }
    }

    /// Notes in which state a file was read.
    pub(super) fn note(&mut self, hangs: &Hangs, due: bool) {
        let (Some(read), Some(stamp)) = (self.read.get_mut(hangs.index), hangs.stamp) else { return };
        // INVARIANT: what stirred is not let out in this round, even if it looks as it did again. Of an archive some was
        // forgotten by then, and would be missing.
        let stirred = self.stirred.contains(&hangs.index);
        if !stirred {
            *read = self.hasher.hash_one(stamp) | 1;
        }
        if due || stirred {
            self.due.insert(hangs.index);
        }
    }

    /// Forgets what was seen of a file: it is read again, or nothing is let out for it.
    pub(super) fn forget(&mut self, index: usize) {
        self.due.remove(&index);
        self.stirred.remove(&index);
        if let Some(read) = self.read.get_mut(index) {
            *read = 0;
        }
    }
}

impl Drive<'_> {
    /// What is due may be published, but for what is in another state now: of that nothing holds that was seen.
    ///
    /// INVARIANT: rights, content, rights, and the content is still the same: it was there while these rights held,
    /// whatever happened before and after. Equal rights alone do not show it, for they may have been others between.
    pub(super) fn hold_back_what_stirred(&mut self) {
        let due = std::mem::take(&mut self.states.due);
        let stirred: BTreeSet<usize> = due.into_iter().filter(|index| self.has_stirred(*index)).collect();
        self.look_again(&stirred);
        for index in stirred {
            self.states.forget(index);
            self.states.stirred.insert(index);
        }
    }

    /// The same at the end of a round, when rights are about to widen: for all that hangs where they do. Gives all that
    /// stirred in this round.
    pub(super) fn hold_back_all_that_stirred(&mut self) -> Result<BTreeSet<usize>, IngestError> {
        let widens = self.run.would_widen()?;
        let read = |index: &usize| self.states.read.get(*index).is_some_and(|read| *read != 0);
        if !widens.is_empty() {
            let places = self.places.files().iter().enumerate();
            let hang = places.filter(|(_, rights)| widens.contains(&rights.container));
            let hang: Vec<usize> = hang.map(|(index, _)| index).filter(read).collect();
            self.states.due.extend(hang);
        }
        let States { due, stirred, .. } = &mut self.states;
        due.extend(stirred.iter().copied());
        self.hold_back_what_stirred();
        Ok(self.states.stirred.clone())
    }

    /// Of these files, those that did not stir are not looked at any more in this run.
    pub(super) fn let_rest(&mut self, files: &BTreeSet<usize>) {
        let rest: Vec<usize> = files.difference(&self.states.stirred).copied().collect();
        rest.into_iter().for_each(|index| self.states.forget(index));
    }

    /// All that stirred in this round.
    pub(super) fn stirred(&self) -> impl Iterator<Item = usize> {
        self.states.stirred.iter().copied()
    }

    fn has_stirred(&self, index: usize) -> bool {
        let (read, item) = (self.states.read.get(index), self.listing.items.get(index));
        let (Some(&read), Some(item)) = (read, item) else { return true };
        let now = self.connector.state(&item.path, &self.rights);
        now.is_none_or(|stamp| self.states.hasher.hash_one(stamp) | 1 != read)
    }

    /// Forgets what this run was told of what stands in these files, and gives the ids of it.
    pub(super) fn look_again(&mut self, files: &BTreeSet<usize>) -> Vec<String> {
        if files.is_empty() {
            return Vec::new();
        }
        let listing = self.listing;
        self.run
            .look_again(&|id| listing.index(listing.file_of(id)).is_some_and(|index| files.contains(&index)))
    }

    /// What does not hold still fails; what was read of it before stays, under old AND new rights.
    pub(super) fn fail_what_stirs(&mut self, files: BTreeSet<usize>) -> Result<(), IngestError> {
        for index in files {
            self.states.forget(index);
            let Some(item) = self.listing.items.get(index) else { continue };
            let container = self.rights_of(&item.path).container.clone();
            self.fail(&item.path, &container, self.tried(FailReason::Changed))?;
            self.keep_members(&item.path, &container)?;
        }
        Ok(())
    }
}
