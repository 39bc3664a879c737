//! The scale-out engine: a Qdrant cluster beside the embedded engine, not in its place. The embedded one keeps every
//! vector and says what an answer is; the cluster is told what changes and proposes candidates, which are scored here
//! again. It is never believed about who may see what, and what it cannot prove is looked up here: so whatever becomes
//! of it, the answers are the same, to the bit.
//!
//! One passage's way: the vault appends its vector, and tells its class ([`mirror`]); the embedded engine commits it, and
//! from then on it is found. The task that tends the cluster ([`worker`]) sends it under numbers that say nothing
//! ([`ids`]), and once that is acknowledged it is in the [`state`]. A question ([`ask`]) asks the cluster for what is in
//! the state under a class that its caller sees, looks through the rest here, and goes on asking until what has not come
//! back cannot be among the best. Before a passage gets another class there, it leaves the state: in between it is looked
//! through here. What the cluster holds is [counted](count) now and then, and a collection that is not ours is never
//! touched ([`claim`]).

mod ask;
mod claim;
mod count;
mod fault;
mod ids;
mod mirror;
mod options;
mod site;
mod standing;
mod state;
#[cfg(test)]
mod tests;
mod wire;
mod worker;

pub use options::{Consistency, MOST_CLASSES, Options};
pub use standing::{Condition, Standing};

use super::flat::Sizes;
use super::{VectorError, VectorIndex};
use crate::embedding::EmbeddingSpace;
use kenward_access::ids::{ChunkNo, ClassId};
use site::Site;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A cluster that vectors are mirrored to. It is tended for as long as this is there.
pub struct Cluster {
    site: Arc<Site>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("urls", &self.site.options.urls).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Begins to tend a cluster. Whether it can be reached turns out later, and stops nothing.
    ///
    /// # Errors
    /// [`VectorError::Place`] for an address that is none, or certificates that are none.
    pub fn new(options: Options) -> Result<Self, VectorError> {
        let site = Arc::new(Site::new(options)?);
        site.spawn(worker::tend(Arc::downgrade(&site)));
        Ok(Self { site })
    }

    pub(super) fn open(
        &self,
        dir: &Path,
        dimension: usize,
        space: Option<&EmbeddingSpace>,
        sizes: Sizes,
    ) -> Result<Box<dyn VectorIndex>, VectorError> {
        Ok(Box::new(mirror::MirrorIndex::open(dir, dimension, space, sizes, Arc::clone(&self.site))?))
    }
}

impl Cluster {
    /// Tells the class of passages.
    pub(super) fn tag(&self, tags: &mut dyn Iterator<Item = (ChunkNo, ClassId)>) {
        self.site.tag(tags);
    }

    /// How it is doing.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.site.standing()
    }

    /// Ends it: nothing is written, here or there, from then on.
    pub(super) fn stop(&self) {
        self.site.stop();
        self.site.wake.notify_one();
    }

    /// Everything is brought there again: what is there is not what it should be.
    pub(super) fn bring_again(&self) {
        self.site.bring_again();
    }

    /// Whether questions are put to it from now on.
    pub(super) fn ask_it(&self, asked: bool) -> Result<(), VectorError> {
        self.site.ask_it(asked)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // INVARIANT: whoever opens the data next is the only one that writes the state.
        self.site.stop();
        self.site.wake.notify_one();
    }
}
