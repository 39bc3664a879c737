//! Lexical search: BM25 over tantivy's postings, with every statistic taken over the caller's
//! visible chunks only. tantivy's own scorers, which read global statistics, are never used.

use crate::{Scored, TieOrder};
use kenward_access::ids::ChunkNo;
use kenward_access::scope::VisibleChunks;
use std::path::Path;
use std::sync::Arc;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum LexicalError {
    /// The index could not be opened.
    #[error("opening the lexical index")]
    Open(#[source] tantivy::TantivyError),
    /// Writing failed.
    #[error("writing to the lexical index")]
    Write(#[source] tantivy::TantivyError),
    /// Reading failed.
    #[error("reading the lexical index")]
    Read(#[source] tantivy::TantivyError),
}

/// The searchable text of one chunk.
#[derive(Debug, Clone, Copy)]
pub struct ChunkText<'a> {
    /// Its number.
    pub chunk: ChunkNo,
    /// Title of its document.
    pub title: &'a str,
    /// Heading path, joined by newlines.
    pub headings: &'a str,
    /// Its own text.
    pub body: &'a str,
}

/// The one writer of the index.
pub struct LexicalIndex {}

impl LexicalIndex {
    /// Opens or creates the index in `dir`.
    ///
    /// # Errors
    /// [`LexicalError::Open`].
    pub fn open(_dir: &Path) -> Result<Self, LexicalError> {
        todo!()
    }
    /// Adds a chunk (replacing one with the same number).
    ///
    /// # Errors
    /// [`LexicalError::Write`].
    pub fn add(&mut self, _chunk: ChunkText<'_>) -> Result<(), LexicalError> {
        todo!()
    }
    /// Deletes a chunk.
    pub fn delete(&mut self, _chunk: ChunkNo) {
        todo!()
    }
    /// Makes everything so far durable, with the outbox position that it reaches as payload.
    ///
    /// # Errors
    /// [`LexicalError::Write`].
    pub fn commit(&mut self, _position: u64) -> Result<(), LexicalError> {
        todo!()
    }
    /// The outbox position of the last commit (0 for a new index).
    #[must_use]
    pub fn position(&self) -> u64 {
        todo!()
    }
    /// An immutable snapshot of the last commit.
    ///
    /// # Errors
    /// [`LexicalError::Read`].
    pub fn searcher(&self) -> Result<LexicalSearcher, LexicalError> {
        todo!()
    }
}

/// An immutable snapshot.
#[derive(Clone)]
pub struct LexicalSearcher {}

/// Per-caller statistics and bitsets of one snapshot; may be cached under the key of the
/// [`VisibleChunks`] it was made from, and is only ever used together with them.
pub struct LexicalView {}

impl LexicalSearcher {
    /// Counts and lengths over the visible chunks: the caller's own statistics.
    ///
    /// # Errors
    /// [`LexicalError::Read`].
    pub fn view(&self, _visible: &VisibleChunks<'_>) -> Result<Arc<LexicalView>, LexicalError> {
        todo!()
    }
    /// The best `depth` visible chunks for `query`, among those that `accept` takes (typed filters;
    /// statistics are over all visible ones).
    ///
    /// # Errors
    /// [`LexicalError::Read`].
    pub fn search(
        &self,
        _query: &str,
        _visible: VisibleChunks<'_>,
        _view: &LexicalView,
        _accept: &dyn Fn(ChunkNo) -> bool,
        _depth: usize,
        _ties: &dyn TieOrder,
    ) -> Result<Vec<Scored>, LexicalError> {
        todo!()
    }
}
