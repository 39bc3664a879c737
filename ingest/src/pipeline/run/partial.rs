//! Runs that read only what may have changed: new files, files of another length or time, files of which
//! somebody heard something, failures that are due. Of the others it must claim nothing: they are there, and
//! no more is known.

use super::Drive;
use crate::connectors::Item;
use crate::pipeline::{IngestError, PIPELINE};
use std::collections::BTreeSet;

impl<'a> Drive<'a> {
    /// The files that are read; the others are noted as there.
    pub(super) fn choose(&mut self, files: &BTreeSet<usize>) -> Result<Vec<(usize, &'a Item)>, IngestError> {
        let items = files.iter().filter_map(|index| Some((*index, self.listing.items.get(*index)?)));
        let items: Vec<(usize, &'a Item)> = items.collect();
        let Some(only) = self.only.clone() else { return Ok(items) };
        let mut read = Vec::new();
        for (index, item) in items {
            if self.may_have_changed(item, &only) {
                read.push((index, item));
                continue;
            }
            let container = self.rights_of(&item.path).container.clone();
            if self.run.standing(&item.path).is_some() {
                self.still_failed(&item.path, &container)?;
                continue;
            }
            self.run.unread(&item.path, &container)?;
            self.tally.done += 1;
        }
        Ok(read)
    }

    fn may_have_changed(&self, item: &Item, only: &BTreeSet<String>) -> bool {
        // What is in an archive is told by reading it; and what this run has put is looked at again to be read.
        if heard_of(only, &item.path) || self.holds_members(&item.path) || self.run.has_put(&item.path) {
            return true;
        }
        if let Some(standing) = self.run.standing(&item.path) {
            // Without a time it failed for its bytes; a look at other bytes is worth it.
            return standing.failure.due(self.run.started()) || standing.under != self.under;
        }
        let Some(known) = self.run.known(&item.path) else { return true };
        let embeds = self.options.embedder.is_some();
        (known.modified, known.length) != (item.modified, item.length)
            || known.pipeline != PIPELINE
            || (embeds && !known.embedded)
    }
}

/// Whether something was heard of a path, or of a folder above it.
fn heard_of(only: &BTreeSet<String>, path: &str) -> bool {
    let above = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
    only.contains(path) || above.into_iter().any(|folder| only.contains(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_heard_of_a_folder_is_heard_of_all_below() {
        let only = BTreeSet::from(["a/b".to_owned(), "x.md".to_owned()]);
        for path in ["a/b", "a/b/c.md", "a/b/c/d.md", "x.md"] {
            assert!(heard_of(&only, path), "{path}");
        }
        for path in ["a", "a/bc.md", "a/c.md", "b/a/b", "x.md.txt"] {
            assert!(!heard_of(&only, path), "{path}");
        }
    }
}
