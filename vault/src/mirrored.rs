//! Vectors that are elsewhere, too: an engine that keeps its work apart by class is told the classes of passages, beside
//! everything else. Nobody waits for it, least of all a change of rights: who sees what is never decided by what it was
//! told, so it may hear late. And before questions are put elsewhere, both ways to an answer are compared.

use crate::core::Core;
use crate::error::VaultError;
use crate::gate::scope_of;
use crate::published::{Published, Rights};
use crate::vault::{Operator, Vault};
use kenward_access::caller::Caller;
use kenward_access::ids::{ChunkNo, ClassId};
use kenward_indexes::vector::qdrant::{Cluster, Standing};
use kenward_indexes::vector::{Compared, Engine};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Between two looks whether rights or content have changed.
const LOOK: Duration = Duration::from_millis(200);
/// The best so many are compared: as many as a search takes from an engine.
const DEPTH: usize = 400;

/// What came of comparing both ways to an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// Whose answers were compared.
    pub callers: u64,
    /// Answers that are the same, to the bit.
    pub same: u64,
    /// Answers that are not.
    pub differing: u64,
    /// Callers and passages for whom there was nothing to ask for elsewhere.
    pub not_asked: u64,
    /// Why it did not answer, the last time that it did not.
    pub unanswered: Option<String>,
}

impl Comparison {
    /// Whether questions may be put elsewhere: there were answers to compare, and all are the same.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.same > 0 && self.differing == 0 && self.unanswered.is_none()
    }
}

impl Vault {
    /// How vectors that are elsewhere are doing; `None` = none are.
    #[must_use]
    pub fn vectors_elsewhere(&self) -> Option<Standing> {
        self.vectors.standing()
    }

    /// Puts questions elsewhere from now on, or no more.
    ///
    /// # Errors
    /// [`VaultError::Audit`], [`VaultError::Vector`]: it stays as it was.
    pub fn ask_elsewhere(&self, by: &Operator, asked: bool) -> Result<(), VaultError> {
        self.core.record_deed(by, "vectors_asked_elsewhere", serde_json::json!({ "asked": asked }))?;
        Ok(self.vectors.ask_elsewhere(asked)?)
    }

    /// Brings everything elsewhere again, where it is not what it should be, and puts no question there meanwhile.
    ///
    /// # Errors
    /// [`VaultError::Audit`], [`VaultError::Vector`]: questions are put there as before.
    pub fn bring_again_elsewhere(&self, by: &Operator) -> Result<(), VaultError> {
        self.core.record_deed(by, "vectors_brought_again", serde_json::json!({}))?;
        self.vectors.ask_elsewhere(false)?;
        self.vectors.bring_again_elsewhere();
        Ok(())
    }

    /// Asks both ways, as these callers, for what is like some of the passages, and compares.
    ///
    /// # Errors
    /// [`VaultError::Vector`].
    pub fn compare_elsewhere(&self, callers: &[Caller], passages: usize) -> Result<Comparison, VaultError> {
        let mut comparison = Comparison::default();
        let (published, rights) = self.core.pin();
        let Some(vectors) = &published.vectors else { return Ok(comparison) };
        let step = (vectors.snapshot.len() / passages.max(1)).max(1);
        let likes: Vec<ChunkNo> = vectors.snapshot.chunks().step_by(step).take(passages).collect();
        for caller in callers {
            let Some(scope) = scope_of(&self.core, caller, &rights, self.core.now()) else { continue };
            let filter = scope.filter(&rights.classes);
            comparison.callers += 1;
            let visible = filter.chunks(published.image.generation, classes(&published, &rights));
            for like in &likes {
                match vectors.snapshot.compare(*like, visible.clone(), DEPTH, &published.image)? {
                    Compared::Same => comparison.same += 1,
                    Compared::Differs => comparison.differing += 1,
                    Compared::NotAsked => comparison.not_asked += 1,
                    Compared::Unanswered(why) => comparison.unanswered = Some(why),
                }
            }
        }
        Ok(comparison)
    }

    /// Begins to tell the engine the classes of passages, if it is of use there.
    pub(crate) fn tell_classes(&self) {
        let Engine::Qdrant(cluster) = &self.vectors else { return };
        let (core, cluster) = (Arc::downgrade(&self.core), Arc::downgrade(cluster));
        let begun =
            std::thread::Builder::new().name("classes".to_owned()).spawn(move || tell(&core, &cluster));
        if let Err(error) = begun {
            tracing::warn!(%error, "nothing is put elsewhere: no thread can be begun");
        }
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        // Somebody may still hold a part of it; whoever opens the data next must not share it with them.
        self.vectors.stop();
    }
}

/// The classes of all published passages.
fn classes<'p>(
    published: &'p Published,
    rights: &'p Rights,
) -> impl Iterator<Item = (ChunkNo, ClassId)> + 'p {
    published.image.documents.iter().flat_map(|(number, document)| {
        let class = rights.class_of(number);
        let chunks = class.map_or(0..0, |_| document.chunks.clone());
        chunks.filter_map(move |chunk| Some((ChunkNo(chunk), class?)))
    })
}

/// Tells what has changed, for as long as the vault is there.
fn tell(core: &Weak<Core>, cluster: &Weak<Cluster>) {
    // By document, so that a look at what has not changed is short.
    let mut told: Vec<Option<(ClassId, Range<u32>)>> = Vec::new();
    let mut seen: Option<(Weak<Published>, Weak<Rights>)> = None;
    while let (Some(core), Some(cluster)) = (core.upgrade(), cluster.upgrade()) {
        let (published, rights) = (core.published.load_full(), core.rights.load_full());
        drop(core);
        let same = seen.as_ref().is_some_and(|(content, known)| {
            std::ptr::eq(content.as_ptr(), Arc::as_ptr(&published))
                && std::ptr::eq(known.as_ptr(), Arc::as_ptr(&rights))
        });
        if !same {
            Engine::Qdrant(cluster).tag(&mut changed(&published, &rights, &mut told).into_iter());
            // Held weakly, so that neither is kept, and no other comes to lie where it was.
            seen = Some((Arc::downgrade(&published), Arc::downgrade(&rights)));
        } else {
            drop(cluster);
        }
        drop((published, rights));
        std::thread::sleep(LOOK);
    }
}

/// What is otherwise than it was told.
fn changed(
    published: &Published,
    rights: &Rights,
    told: &mut Vec<Option<(ClassId, Range<u32>)>>,
) -> Vec<(ChunkNo, ClassId)> {
    let mut news = Vec::new();
    for (number, document) in published.image.documents.iter() {
        // Nobody's: whatever class it has there, nobody sees it.
        let Some(class) = rights.class_of(number) else { continue };
        let at = number.0 as usize;
        if told.len() <= at {
            told.resize(at + 1, None);
        }
        let now = Some((class, document.chunks.clone()));
        if let Some(known) = told.get_mut(at).filter(|known| **known != now) {
            news.extend(document.chunks.clone().map(|chunk| (ChunkNo(chunk), class)));
            *known = now;
        }
    }
    news
}

#[cfg(test)]
mod tests {
    use super::Comparison;

    #[test]
    fn nothing_compared_is_no_agreement() {
        let compared = |same, differing| Comparison { same, differing, ..Comparison::default() };
        assert!(compared(1, 0).agrees());
        assert!(!compared(0, 0).agrees() && !compared(9, 1).agrees());
        assert!(!Comparison { unanswered: Some("slow".to_owned()), ..compared(9, 0) }.agrees());
    }
}
