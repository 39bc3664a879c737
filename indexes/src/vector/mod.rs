//! Vector search: an exact scan of the caller's visible vectors. No shared graph, no learned
//! quantiser: a hidden vector can change nothing.
//!
//! [`VectorIndex`] and [`VectorSnapshot`] are the seam; [`open_flat`] is the embedded engine:
//! `flat` (the writer) over `segment` files named by a `manifest`, read through `map` and made anew by `compaction`; `nearest` (the search) bounds
//! every visible row in whole numbers (`int8`, the loop in `kernel`) and scores in f32 what those cannot rule out (`scan`).
//! [`qdrant`] puts a cluster beside it. [`Engine`] says which one is opened: a new engine is a module and a line there.

mod compaction;
#[cfg(test)]
mod conformance;
mod flat;
mod int8;
mod kernel;
mod manifest;
mod map;
mod nearest;
pub mod qdrant;
mod scan;
mod segment;
#[cfg(test)]
mod tests;

use crate::embedding::EmbeddingSpace;
use crate::{Scored, TieOrder};
use kenward_access::ids::{ChunkNo, ClassId};
use kenward_access::scope::VisibleChunks;
use std::path::Path;
use std::sync::Arc;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum VectorError {
    /// A file could not be opened, read or written.
    #[error("vector segment {path}")]
    Io {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What is known of a cluster could not be read or written. The vectors are not in question.
    #[error("what is known of the vector cluster, in {path}, cannot be read or written")]
    State {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A vector or the index has another length than it should.
    #[error("expected vectors of {expected} numbers, got {got}")]
    Dimension {
        /// Dimension of the index.
        expected: usize,
        /// Dimension that was given.
        got: usize,
    },
    /// The index holds vectors of another embedding space; two are never mixed.
    #[error("vectors of `{recorded}` are in {path}, not of `{given}`")]
    Space {
        /// The folder.
        path: std::path::PathBuf,
        /// What the index holds.
        recorded: Box<str>,
        /// What was asked for.
        given: Box<str>,
    },
    /// A segment's bytes are not what was written.
    #[error("vector segment {path} is damaged")]
    Damaged {
        /// The file.
        path: std::path::PathBuf,
    },
    /// A vector holds NaN or an infinite number; the embedder is broken.
    #[error("a vector holds a number that is not finite")]
    NotFinite,
    /// An address of a cluster cannot be one, or the certificates for it cannot be read.
    #[error("no connection can be made to {urls} as it is configured")]
    Place {
        /// The addresses.
        urls: Box<str>,
    },
    /// A vector of length zero has no direction, so nothing is near it.
    #[error("a vector has length zero")]
    Zero,
}

/// Which chunks are asked for: typed filters, before any cut. It may be called on several threads.
pub type Accept<'a> = dyn Fn(ChunkNo) -> bool + Sync + 'a;

/// One writer over an engine.
pub trait VectorIndex: Send {
    /// Adds vectors; a chunk that is there already is replaced. Vectors should have unit length; others
    /// are brought to it. Seen by snapshots from the next commit on.
    ///
    /// # Errors
    /// [`VectorError`].
    fn append(&mut self, vectors: &[(ChunkNo, Vec<f32>)]) -> Result<(), VectorError>;
    /// Masks chunks, from the next commit on; space is reclaimed later. Unknown ones are passed over.
    ///
    /// # Errors
    /// [`VectorError`].
    fn delete(&mut self, chunks: &[ChunkNo]) -> Result<(), VectorError>;
    /// Makes everything so far durable, with the outbox position that it reaches.
    ///
    /// # Errors
    /// [`VectorError`].
    fn commit(&mut self, position: u64) -> Result<(), VectorError>;
    /// The outbox position of the last commit.
    fn position(&self) -> u64;
    /// An immutable snapshot of the last commit.
    fn snapshot(&self) -> Arc<dyn VectorSnapshot>;
}

/// What a comparison of the two ways to an answer gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// There is one way only, or nothing to be asked for elsewhere.
    NotAsked,
    /// The answers are the same, to the bit.
    Same,
    /// They are not.
    Differs,
    /// It was asked, and did not answer.
    Unanswered(String),
}

/// Which engine keeps vectors.
#[derive(Debug, Clone, Default)]
pub enum Engine {
    /// The embedded one.
    #[default]
    Flat,
    /// It, with a cluster beside it.
    Qdrant(Arc<qdrant::Cluster>),
}

impl Engine {
    /// Their names in a configuration.
    pub const NAMES: [&'static str; 2] = ["flat", "qdrant"];

    /// Opens it in a folder, for vectors of an embedding space: from then on it opens for no other.
    ///
    /// # Errors
    /// As [`open_flat_of`].
    pub fn open(&self, dir: &Path, space: &EmbeddingSpace) -> Result<Box<dyn VectorIndex>, VectorError> {
        match self {
            Self::Flat => open_flat_of(dir, space),
            Self::Qdrant(cluster) => cluster.open(dir, space.dimension, Some(space), flat::Sizes::default()),
        }
    }

    /// Tells the class of chunks, as it is now, to an engine that keeps its work apart by it. It decides nothing, and may
    /// be late or missing: who sees what comes with each question. It waits for nothing.
    pub fn tag(&self, tags: &mut dyn Iterator<Item = (ChunkNo, ClassId)>) {
        match self {
            Self::Flat => {}
            Self::Qdrant(cluster) => cluster.tag(tags),
        }
    }

    /// How what is elsewhere is doing; `None` = nothing is.
    #[must_use]
    pub fn standing(&self) -> Option<qdrant::Standing> {
        match self {
            Self::Flat => None,
            Self::Qdrant(cluster) => Some(cluster.standing()),
        }
    }

    /// Ends what it does in the background: the next opening of the same data is alone with it.
    pub fn stop(&self) {
        match self {
            Self::Flat => {}
            Self::Qdrant(cluster) => cluster.stop(),
        }
    }

    /// Whether questions are put elsewhere from now on, where something is. Answers are the same either way.
    ///
    /// # Errors
    /// [`VectorError`].
    pub fn ask_elsewhere(&self, asked: bool) -> Result<(), VectorError> {
        match self {
            Self::Flat => Ok(()),
            Self::Qdrant(cluster) => cluster.ask_it(asked),
        }
    }

    /// Brings everything elsewhere again, if anything is elsewhere.
    pub fn bring_again_elsewhere(&self) {
        if let Self::Qdrant(cluster) = self {
            cluster.bring_again();
        }
    }
}

/// An immutable snapshot.
pub trait VectorSnapshot: Send + Sync {
    /// The best `depth` visible chunks by cosine, among those that `accept` takes.
    ///
    /// # Errors
    /// [`VectorError`].
    fn search(
        &self,
        query: &[f32],
        visible: VisibleChunks<'_>,
        accept: &Accept<'_>,
        depth: usize,
        ties: &dyn TieOrder,
    ) -> Result<Vec<Scored>, VectorError>;
    /// Asks both ways, here and elsewhere, for what is like a chunk, whether questions are put elsewhere or not, and
    /// compares the answers. For operators.
    ///
    /// # Errors
    /// [`VectorError`].
    fn compare(
        &self,
        _like: ChunkNo,
        _visible: VisibleChunks<'_>,
        _depth: usize,
        _ties: &dyn TieOrder,
    ) -> Result<Compared, VectorError> {
        Ok(Compared::NotAsked)
    }
    /// How many live vectors it holds (for `doctor`; never in an answer).
    fn len(&self) -> usize;
    /// All live chunks, ascending (for checks by operators; never for an answer).
    fn chunks(&self) -> Box<dyn Iterator<Item = ChunkNo> + '_>;
    /// Whether it holds none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Opens the embedded engine: memory-mapped segments in `dir`, for vectors of `dimension`.
///
/// # Errors
/// [`VectorError`].
pub fn open_flat(dir: &Path, dimension: usize) -> Result<Box<dyn VectorIndex>, VectorError> {
    Ok(Box::new(flat::FlatIndex::open(dir, dimension, None, flat::Sizes::default())?))
}

/// Opens the embedded engine for vectors of an embedding space, which the index keeps: from then on it opens for
/// no other.
///
/// # Errors
/// [`VectorError`]; [`VectorError::Space`] for an index of another space.
pub fn open_flat_of(dir: &Path, space: &EmbeddingSpace) -> Result<Box<dyn VectorIndex>, VectorError> {
    Ok(Box::new(flat::FlatIndex::open(dir, space.dimension, Some(space), flat::Sizes::default())?))
}

/// Reads every byte of the embedded engine's files and checks it against its checksum. Opening
/// checks lengths, chunk numbers and the last commit only, so that it stays quick.
///
/// # Errors
/// [`VectorError::Damaged`] names the first file that is not what was written.
pub fn verify_flat(dir: &Path, dimension: usize) -> Result<(), VectorError> {
    flat::verify(dir, dimension)
}

/// The chunks of the embedded engine whose vectors are what was written. Reads every byte, and changes nothing.
///
/// # Errors
/// [`VectorError::Damaged`] if its list of segments is lost: then nothing is known of any.
pub fn surviving_flat(dir: &Path, dimension: usize) -> Result<Vec<ChunkNo>, VectorError> {
    flat::surviving(dir, dimension)
}

/// Lets go of what is damaged of a closed engine, and of nothing else: it opens again with what survives.
///
/// # Errors
/// As for [`surviving_flat`].
pub fn salvage_flat(dir: &Path, dimension: usize) -> Result<(), VectorError> {
    flat::salvage(dir, dimension)
}
