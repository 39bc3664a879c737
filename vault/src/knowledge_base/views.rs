//! The per-caller view of one published content: visible chunks and lexical statistics, kept for the
//! next request of exactly the same right-set, epoch and content. It must never serve another.

use crate::error::VaultError;
use crate::gate::Gate;
use kenward_access::ids::{ChunkNo, RightsEpoch};
use kenward_access::scope::{ChunkSet, RightSet, VisibleChunks};
use kenward_indexes::lexical::LexicalView;
use parking_lot::Mutex;
use std::sync::Arc;

/// How many views are kept.
const MOST: usize = 64;

type Key = (RightSet, RightsEpoch, u64);
type View = (Arc<ChunkSet>, Arc<LexicalView>);

/// The kept views.
#[derive(Default)]
pub(crate) struct Views(Kept<Key, View>);

impl Views {
    /// The view of this attempt's caller.
    pub(super) fn of<'a>(
        &self,
        gate: &Gate<'a>,
    ) -> Result<(VisibleChunks<'a>, Arc<LexicalView>), VaultError> {
        let generation = gate.pin.published.image.generation;
        let (right_set, epoch) = gate.filter.key();
        let again = |(set, view): &View| {
            let visible = gate.filter.reuse(generation, gate.pin.now, Arc::clone(set))?;
            Some((visible, Arc::clone(view)))
        };
        self.0.get((right_set, epoch, generation), again, || {
            let (visible, view) = made(gate)?;
            let (_, _, _, set) = visible.cacheable();
            Ok(((set, Arc::clone(&view)), (visible, view)))
        })
    }
}

fn made<'a>(gate: &Gate<'a>) -> Result<(VisibleChunks<'a>, Arc<LexicalView>), VaultError> {
    let image = &gate.pin.published.image;
    let chunks = image.documents.iter().filter_map(|(number, document)| {
        let class = gate.class_in(&gate.pin.rights, number)?;
        gate.filter.sees(class).then_some((document, class))
    });
    let chunks =
        chunks.flat_map(|(document, class)| document.chunks.clone().map(move |n| (ChunkNo(n), class)));
    let visible = gate.filter.chunks(image.generation, chunks);
    let view = gate.pin.published.lexical.view(&visible)?;
    Ok((visible, view))
}

/// Where a value is, or is being made.
type Slot<V> = Arc<Mutex<Option<V>>>;

/// Values by key, the last used at the end. A value is made once: whoever asks for it meanwhile waits. When new
/// content is published all of a caller's requests want the same new view at once, and making it takes time for
/// everything that the caller may see.
struct Kept<K, V>(Mutex<Vec<(K, Slot<V>)>>);

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: PartialEq, V> Kept<K, V> {
    /// What `again` makes of the kept value, if it still takes it; else what `make` gives beside a new one.
    fn get<T, E>(
        &self,
        key: K,
        again: impl FnOnce(&V) -> Option<T>,
        make: impl FnOnce() -> Result<(V, T), E>,
    ) -> Result<T, E> {
        let slot = self.slot(key);
        let mut kept = slot.lock();
        if let Some(found) = kept.as_ref().and_then(again) {
            return Ok(found);
        }
        let (value, made) = make()?;
        *kept = Some(value);
        Ok(made)
    }

    /// The key's slot, which is the last used now.
    fn slot(&self, key: K) -> Slot<V> {
        let mut kept = self.0.lock();
        let (key, slot) = match kept.iter().position(|(known, _)| *known == key) {
            Some(at) => kept.remove(at),
            None => (key, Slot::default()),
        };
        if kept.len() >= MOST {
            kept.remove(0);
        }
        kept.push((key, Arc::clone(&slot)));
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    #[test]
    fn what_many_ask_for_at_once_is_made_once() {
        let kept: Kept<u8, u8> = Kept::default();
        let (made, all) = (AtomicUsize::new(0), Barrier::new(16));
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    all.wait();
                    let got = kept.get(
                        1,
                        |value| Some(*value),
                        || {
                            made.fetch_add(1, Ordering::SeqCst);
                            std::thread::sleep(Duration::from_millis(50));
                            Ok::<_, Infallible>((7, 7))
                        },
                    );
                    assert_eq!(got, Ok(7));
                });
            }
        });
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn nobody_waits_for_another_key_and_a_failure_is_not_kept() {
        let kept: Kept<u8, u8> = Kept::default();
        let failed = kept.get(
            1,
            |value| Some(*value),
            || {
                // While 1 is being made, 2 is made and found.
                assert_eq!(kept.get(2, |value| Some(*value), || Ok::<_, ()>((2, 2))), Ok(2));
                assert_eq!(kept.get(2, |value| Some(*value), || Err(())), Ok(2));
                Err(())
            },
        );
        assert_eq!(failed, Err(()));
        assert_eq!(kept.get(1, |value| Some(*value), || Ok::<_, ()>((3, 3))), Ok(3));
        // One that is not taken any more is made anew.
        assert_eq!(kept.get(1, |_| None, || Ok::<_, ()>((4, 4))), Ok(4));
        assert_eq!(kept.get(1, |value| Some(*value), || Err(())), Ok(4));
    }

    #[test]
    fn the_last_used_are_kept() {
        let kept: Kept<usize, usize> = Kept::default();
        let put = |n: usize| kept.get(n, |value| Some(*value), || Ok::<_, ()>((n, n)));
        for n in 0..MOST {
            put(n).unwrap();
        }
        put(0).unwrap();
        put(MOST).unwrap();
        assert_eq!(kept.0.lock().len(), MOST);
        assert_eq!(kept.get(0, |value| Some(*value), || Err(())), Ok(0));
        assert_eq!(kept.get(1, |value| Some(*value), || Err(())), Err(()));
    }
}
