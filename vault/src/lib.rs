//! What is kept, and the only door out of it.
//!
//! One document's journey in: [`writer`] commits it to the `catalog` in one transaction with its
//! rights and an outbox row; the outbox is applied to the engines; `published` is swapped as a
//! whole. One answer's journey out: [`knowledge_base`] resolves the scope, asks the engines, opens
//! the `gate`, which decides again with the rights as they are now, reads the `text`, fences it
//! (after [`sanitize`]), writes the [`audit`] record, and releases a [`Disclosure`]: the one
//! form in which text leaves.

mod acting;
pub mod audit;
pub mod backup;
mod catalog;
mod core;
mod cursor;
mod deeds;
pub mod directory;
mod directory_change;
mod error;
pub mod faults;
mod folder;
mod gate;
pub mod keys;
pub mod knowledge_base;
mod ledger;
pub mod lost;
pub mod mirrored;
mod open;
mod paged;
pub mod preview;
mod published;
mod receipt;
pub mod reembed;
pub mod runs;
pub mod sanitize;
pub mod seams;
pub mod sources;
mod text;
mod tokens;
pub mod vault;
pub mod verify;
mod why;
pub mod writer;

pub use error::{AnswerError, ErrorCode, VaultError};
pub use gate::Disclosure;
pub use open::recorded_space;
pub use vault::{OpenOptions, Reranking, Vault};

#[cfg(test)]
mod tests;
