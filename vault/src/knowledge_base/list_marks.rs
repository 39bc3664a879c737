//! Marks of whole lists for those who watch them: equal marks, equal lists. One is made once for all watchers of
//! exactly the same rights and content, and is void from the next window edge on. It must never serve another.

use super::list::VisibleSource;
use super::watch::mark;
use crate::gate::Gate;
use kenward_access::ids::{RightsEpoch, Timestamp};
use kenward_access::scope::RightSet;
use parking_lot::Mutex;
use std::collections::VecDeque;

/// How many marks are kept.
const MOST: usize = 256;

#[derive(Debug, Clone, Copy)]
struct Kept {
    key: (RightSet, RightsEpoch, u64),
    made: Timestamp,
    void_from: Option<Timestamp>,
    mark: [u8; 16],
}

/// The kept marks, the oldest first.
#[derive(Default)]
pub(crate) struct ListMarks(Mutex<VecDeque<Kept>>);

impl ListMarks {
    /// The mark of all that this attempt's caller would be listed: `sources`, and the documents that they may see.
    pub(super) fn of(&self, gate: &Gate<'_>, sources: &[VisibleSource<'_>]) -> [u8; 16] {
        let image = &gate.pin.published.image;
        let (right_set, epoch) = gate.filter.key();
        let (key, now) = ((right_set, epoch, image.generation), gate.pin.now);
        // INVARIANT (I10): as for views, nothing is reused across right-sets, epochs, window edges or contents.
        let holds = |kept: &&Kept| {
            kept.key == key && kept.made <= now && kept.void_from.is_none_or(|edge| now < edge)
        };
        if let Some(kept) = self.0.lock().iter().find(holds) {
            return kept.mark;
        }
        // A sum does not depend on the order in which it is made.
        let mut sum = 0_u128;
        let mut add = |mark: [u8; 16]| sum = sum.wrapping_add(u128::from_le_bytes(mark));
        sources.iter().for_each(|row| add(mark(&["source", &row.source.name])));
        for (_, document) in image.documents.iter().filter(|(number, _)| gate.sees(*number)) {
            add(mark(&[&crate::keys::document_id(&document.key), &document.path, &document.title]));
        }
        let mark = sum.to_le_bytes();
        let mut kept = self.0.lock();
        kept.retain(|kept| kept.key != key);
        if kept.len() >= MOST {
            kept.pop_front();
        }
        kept.push_back(Kept { key, made: now, void_from: gate.filter.void_from(), mark });
        mark
    }
}
