//! Backups: one folder that holds the vault as of one commit, and the way back.
//!
//! `take` writes it while answers are given and sources are ingested: the catalog through a reader that keeps
//! seeing one commit, the texts that commit names, the vectors of the engine's last commit, the audit log up to a
//! record that was durable by then. What can be built again (the lexical index) is left out, and so are the keys.
//! `restore` checks every byte against the `manifest`, which is sealed with the ledger key, and then narrows
//! what it has put back by the rights ledger. It must never write into a folder that holds something, and never
//! let anybody see more than they did before the restore.

mod manifest;
mod restore;
mod seal;
mod take;

pub use crate::ledger::Hidden;
pub(crate) use manifest::MANIFEST;
pub use manifest::{BackedUp, Counts};
pub(crate) use restore::UNFINISHED;
pub use restore::{LedgerGiven, Restore, Restored, restore};
pub use take::LastBackup;

/// The catalog in a backup.
const CATALOG: &str = "catalog.sqlite";
/// All texts, one after the other.
const TEXTS: &str = "texts.pack";
/// The audit log.
const AUDIT: &str = "audit.jsonl";
/// The folder of the vectors' files.
const VECTORS: &str = "vectors";

/// The manifest of a backup as one of another version would have it.
#[cfg(test)]
pub(crate) fn manifest_of_version(folder: &std::path::Path, data: u32) -> manifest::Manifest {
    manifest::Manifest { data, ..manifest::Manifest::peek(folder).unwrap() }
}
