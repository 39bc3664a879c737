//! Lexical search: BM25 over tantivy's postings, with every statistic taken over the caller's
//! visible chunks only. tantivy's own scorers, which read global statistics, are never used.
//!
//! [`LexicalIndex`] is the one writer; `analysis` makes the terms of documents and queries alike, of `words` by the rules
//! of a `language`; `query` makes groups of them (words, identifiers, phrases, beginnings).
//! [`LexicalSearcher`] is one snapshot: it turns the caller's visible chunks into a [`LexicalView`]
//! (a bitset per segment, count and lengths), and scores with `scorer`. The index holds chunk
//! numbers and terms, no text and nothing about rights; it can always be built again.

mod analysis;
mod beginning;
mod bits;
mod highlight;
mod language;
mod phrase;
mod query;
mod scorer;
mod snapshot;
#[cfg(test)]
mod tests;
mod wording;
mod words;
mod writer;

pub use analysis::terms;
pub use highlight::Highlighter;
pub use scorer::Parameters;
pub use snapshot::{LexicalSearcher, LexicalView};
pub use writer::LexicalIndex;

use kenward_access::ids::ChunkNo;

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
    /// Language of its document (ISO 639-1), if it could be told.
    pub language: Option<&'a str>,
    /// Title of its document.
    pub title: &'a str,
    /// Heading path, joined by newlines.
    pub headings: &'a str,
    /// Its own text.
    pub body: &'a str,
}
