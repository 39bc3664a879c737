//! Where the vectors lie, and an embedding anew that has not come to its end: for which space, in which folder, how
//! far. The folder that is in use changes in one transaction, together with the space that it is of; it gets its usual
//! name back at the next opening.

use super::{Tx, content, json, to_json};
use crate::error::VaultError;
use crate::folder::VECTORS;
use crate::reembed::Anew;
use crate::writer::engines::empty;
use kenward_indexes::embedding::EmbeddingSpace;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// One that is under way, or was cut off.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Going {
    pub(crate) space: EmbeddingSpace,
    /// Name of the folder that is being filled.
    pub(crate) folder: String,
    done: u64,
    of: u64,
}

impl Going {
    /// For operators.
    pub(crate) fn told(&self) -> Anew {
        let engine = self.space.to_string();
        Anew { engine, passages: self.done, of: self.of, under_way: false }
    }
}

/// Name of the folder of the vectors that are in use.
pub(crate) fn vectors_dir(tx: &Tx<'_>) -> Result<String, VaultError> {
    Ok(tx.meta("vectors")?.unwrap_or_else(|| VECTORS.to_owned()))
}

/// What is under way.
pub(crate) fn going(tx: &Tx<'_>) -> Result<Option<Going>, VaultError> {
    tx.meta("anew")?.map(|text| json(&text)).transpose()
}

/// Begins, or goes on with one for the same space.
pub(crate) fn begin(tx: &Tx<'_>, space: &EmbeddingSpace) -> Result<Going, VaultError> {
    if let Some(going) = going(tx)?.filter(|going| going.space == *space) {
        return Ok(going);
    }
    let used = vectors_dir(tx)?;
    let number = used.rsplit_once('-').and_then(|(_, n)| n.parse::<u64>().ok()).unwrap_or(1);
    let folder = format!("{VECTORS}-{}", number.saturating_add(1));
    let going = Going { space: space.clone(), folder, done: 0, of: 0 };
    tx.set_meta("anew", &to_json(&going)?)?;
    Ok(going)
}

/// How far it is.
pub(crate) fn note(tx: &Tx<'_>, done: u64, of: u64) -> Result<(), VaultError> {
    let Some(going) = going(tx)? else { return Ok(()) };
    tx.set_meta("anew", &to_json(&Going { done, of, ..going })?)
}

/// Ends it without a switch. Gives the folder that is for nothing now.
pub(crate) fn give_up(tx: &Tx<'_>) -> Result<Option<String>, VaultError> {
    let going = going(tx)?;
    tx.remove_meta("anew")?;
    Ok(going.map(|going| going.folder))
}

/// Ends it with the switch: from this commit on its vectors are the ones in use, and `rows` the versions that have
/// them.
pub(crate) fn switch(tx: &Tx<'_>, going: &Going, rows: &[i64]) -> Result<(), VaultError> {
    // INVARIANT: no vector of the old space outlives this commit in a place where one of the new is looked for.
    content::drop_waiting_vectors(tx)?;
    content::set_embedded(tx, rows)?;
    tx.set_meta("space", &to_json(&going.space)?)?;
    tx.set_meta("vectors", &going.folder)?;
    tx.remove_meta("anew")
}

/// Gives the vectors in use their usual folder, if a switch has left them in another: at an opening, when nobody has
/// it open. A crash at any point leaves something that the next opening settles.
pub(crate) fn settle(tx: &Tx<'_>, data_dir: &Path) -> Result<(), VaultError> {
    let used = vectors_dir(tx)?;
    if used == VECTORS {
        return Ok(());
    }
    let (from, to) = (data_dir.join(used), data_dir.join(VECTORS));
    if from.exists() {
        empty(&to)?;
        std::fs::rename(&from, &to).map_err(VaultError::io("renaming", &from))?;
        std::fs::File::open(data_dir)
            .and_then(|dir| dir.sync_all())
            .map_err(VaultError::io("syncing", data_dir))?;
    }
    // If it is not there, it has its usual name already: a crash came before the commit, or it is a copy.
    tx.remove_meta("vectors")
}

/// Removes folders of vectors that are neither in use nor being filled: a crash may have left one.
pub(crate) fn sweep(tx: &Tx<'_>, data_dir: &Path) -> Result<(), VaultError> {
    let used = vectors_dir(tx)?;
    let filled = going(tx)?.map(|going| going.folder);
    let failed = |source| VaultError::io("reading", data_dir)(source);
    for entry in std::fs::read_dir(data_dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let Some(name) = name.to_str() else { continue };
        let number = name.strip_prefix(VECTORS).map(|rest| rest.strip_prefix('-').unwrap_or(rest));
        let ours = number.is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
        if ours && name != used && Some(name) != filled.as_deref() {
            empty(&data_dir.join(name))?;
        }
    }
    Ok(())
}
