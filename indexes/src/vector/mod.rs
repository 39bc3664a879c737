//! Vector search: an exact scan of the caller's visible vectors. No shared graph, no learned
//! quantiser: a hidden vector can change nothing.

use crate::{Scored, TieOrder};
use kenward_access::ids::ChunkNo;
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
    /// A vector or the index has another length than it should.
    #[error("expected vectors of {expected} numbers, got {got}")]
    Dimension {
        /// Dimension of the index.
        expected: usize,
        /// Dimension that was given.
        got: usize,
    },
    /// A segment's bytes are not what was written.
    #[error("vector segment {path} is damaged")]
    Damaged {
        /// The file.
        path: std::path::PathBuf,
    },
}

/// One writer over an engine.
pub trait VectorIndex: Send {
    /// Adds vectors (unit length); a chunk that is there already is replaced.
    ///
    /// # Errors
    /// [`VectorError`].
    fn append(&mut self, vectors: &[(ChunkNo, Vec<f32>)]) -> Result<(), VectorError>;
    /// Masks chunks at once; space is reclaimed later.
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
        accept: &dyn Fn(ChunkNo) -> bool,
        depth: usize,
        ties: &dyn TieOrder,
    ) -> Result<Vec<Scored>, VectorError>;
    /// How many live vectors it holds (for `doctor`; never in an answer).
    fn len(&self) -> usize;
    /// Whether it holds none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Opens the embedded engine: memory-mapped f32 segments in `dir`, for vectors of `dimension`.
///
/// # Errors
/// [`VectorError`].
pub fn open_flat(_dir: &Path, _dimension: usize) -> Result<Box<dyn VectorIndex>, VectorError> {
    todo!()
}
