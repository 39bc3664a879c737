//! A ledger that the configuration puts elsewhere goes there whole. It must never be left behind: whoever restored with
//! what was left would give back whatever was taken away since.

use super::file::{beside, clear, sync_above};
use crate::error::VaultError;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Brings the ledger from the folder's keys to where it is wanted, if it is not there: a copy, which is whole or not there.
///
/// # Errors
/// [`VaultError::Io`]; then the old one is still where it was.
pub(crate) fn carry(from: &Path, to: &Path) -> Result<(), VaultError> {
    // One that was made empty holds nothing yet.
    let is_there = |found: fs::Metadata| !found.is_file() || found.len() > 0;
    if from == to || to.symlink_metadata().is_ok_and(is_there) || !from.is_file() {
        return Ok(());
    }
    let new = beside(to, ".new");
    clear(&new)?;
    let copy = || -> io::Result<()> {
        let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        io::copy(&mut File::open(from)?, &mut out)?;
        out.sync_all()?;
        fs::rename(&new, to)
    };
    copy().map_err(VaultError::io("writing", to))?;
    sync_above(to)
}

/// Gives the file with the keys another name where the ledger that was opened is another one.
///
/// INVARIANT: it lies there under its name only until what goes on elsewhere is open, whatever a crash left: with it a
/// restore would give back what was taken since.
pub(crate) fn put_aside(with_keys: &Path, opened: &Path) -> Result<(), VaultError> {
    let real = |path: &Path| fs::canonicalize(path).ok();
    // A link that leads there names the same file.
    if !with_keys.is_file() || real(with_keys) == real(opened) {
        return Ok(());
    }
    fs::rename(with_keys, beside(with_keys, ".moved")).map_err(VaultError::io("renaming", with_keys))?;
    tracing::warn!(to = %opened.display(), "the rights ledger is where `backup.ledger` wants it; the old file has another name");
    sync_above(with_keys)
}

/// Refuses to begin anew while the ledger still lies where it was last: it may be on a disk of its own, or another
/// folder's by now, so it is not touched.
///
/// # Errors
/// [`VaultError::Mismatch`], with what to do.
pub(crate) fn left_behind(was: Option<PathBuf>, path: &Path) -> Result<(), VaultError> {
    let holds_nothing = fs::metadata(path).map_or(true, |found| found.is_file() && found.len() == 0);
    match was.filter(|was| was != path && was.is_file() && holds_nothing) {
        None => Ok(()),
        Some(was) => Err(VaultError::mismatch(
            format!(
                "the rights ledger is not at {}, and still at {}, where it was last",
                path.display(),
                was.display()
            ),
            "move that file there, or set `backup.ledger` to where it is",
        )),
    }
}
