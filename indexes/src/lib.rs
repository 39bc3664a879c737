//! How documents are found: ids and scores, never text.
//!
//! One query's journey: [`lexical`] and [`vector`] each get the [`VisibleChunks`] of one caller and
//! give at most a fixed depth of [`Scored`] chunks, cut in one stable order (`order`); [`fusion`]
//! joins the two lists, and [`reranking`], where it is configured, reads the best of them again. [`embedding`] turns texts
//! into vectors; [`models`] fetches what it needs.
//!
//! Nothing here knows a right. What may be looked at comes in as an argument, minted in
//! `kenward-access`, and no statistic, graph or cut is computed from anything else.
//!
//! [`VisibleChunks`]: kenward_access::scope::VisibleChunks

pub mod embedding;
#[cfg(feature = "faults")]
pub mod faults;
pub mod fusion;
mod key_place;
pub mod lexical;
pub mod models;
mod order;
mod places;
mod regular;
pub mod reranking;
mod sessions;
#[cfg(test)]
mod testing;
pub mod vector;

use kenward_access::ids::{ChunkNo, TieKey};
pub use key_place::KeyPlace;
pub use order::top;

/// A candidate: a chunk and its score (higher is better; comparable within one list only).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// The chunk.
    pub chunk: ChunkNo,
    /// The score.
    pub score: f64,
}

/// Where the stable order of equals comes from: the published image of the catalog. Searches ask on several threads.
pub trait TieOrder: Sync {
    /// The chunk's place among equals; `None` for a chunk that is not published (it is then left out).
    fn tie(&self, chunk: ChunkNo) -> Option<TieKey>;
}
