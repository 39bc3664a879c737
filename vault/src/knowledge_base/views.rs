//! The per-caller view of one published content: visible chunks and lexical statistics, kept for the
//! next request of exactly the same right-set, epoch and content. It must never serve another.

use crate::error::VaultError;
use crate::gate::Gate;
use kenward_access::ids::RightsEpoch;
use kenward_access::scope::{ChunkSet, RightSet, VisibleChunks};
use kenward_indexes::lexical::LexicalView;
use parking_lot::Mutex;
use std::sync::Arc;

/// How many views are kept.
const MOST: usize = 64;

struct Kept {
    key: (RightSet, RightsEpoch, u64),
    set: Arc<ChunkSet>,
    view: Arc<LexicalView>,
}

/// The kept views, the last used at the end.
#[derive(Default)]
pub(crate) struct Views(Mutex<Vec<Kept>>);

impl Views {
    /// The view of this attempt's caller.
    pub(super) fn of<'a>(
        &self,
        gate: &Gate<'a>,
    ) -> Result<(VisibleChunks<'a>, Arc<LexicalView>), VaultError> {
        let image = &gate.pin.published.image;
        let (right_set, epoch) = gate.filter.key();
        let key = (right_set, epoch, image.generation);
        if let Some((set, view)) = self.find(&key)
            && let Some(visible) = gate.filter.reuse(image.generation, gate.pin.now, set)
        {
            return Ok((visible, view));
        }
        let chunks = image.documents.iter().filter_map(|(number, document)| {
            let class = gate.class_in(&gate.pin.rights, number)?;
            gate.filter.sees(class).then_some((document, class))
        });
        let chunks = chunks.flat_map(|(document, class)| {
            document.chunks.clone().map(move |n| (kenward_access::ids::ChunkNo(n), class))
        });
        let visible = gate.filter.chunks(image.generation, chunks);
        let view = gate.pin.published.lexical.view(&visible)?;
        let (_, _, _, set) = visible.cacheable();
        let mut kept = self.0.lock();
        kept.retain(|k| k.key != key);
        if kept.len() >= MOST {
            kept.remove(0);
        }
        kept.push(Kept { key, set, view: Arc::clone(&view) });
        Ok((visible, view))
    }

    fn find(&self, key: &(RightSet, RightsEpoch, u64)) -> Option<(Arc<ChunkSet>, Arc<LexicalView>)> {
        let mut kept = self.0.lock();
        let at = kept.iter().position(|k| k.key == *key)?;
        let found = kept.remove(at);
        let pair = (Arc::clone(&found.set), Arc::clone(&found.view));
        kept.push(found);
        Some(pair)
    }
}
