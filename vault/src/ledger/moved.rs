//! A ledger that the configuration puts elsewhere goes there whole. It must never be left behind: whoever restored with
//! what was left would give back whatever was taken away since.

use crate::error::VaultError;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Brings the ledger from the folder's keys to where it is wanted, if it is not there. The old file keeps another name.
///
/// # Errors
/// [`VaultError::Io`]; then the old one is still where it was.
pub(crate) fn carry(from: &Path, to: &Path) -> Result<(), VaultError> {
    if from == to || to.symlink_metadata().is_ok() || !from.is_file() {
        return Ok(());
    }
    let beside = with(to, ".new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(VaultError::io("removing", &beside)(error));
        }
        _ => {}
    }
    let copy = || -> io::Result<()> {
        let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        io::copy(&mut File::open(from)?, &mut out)?;
        out.sync_all()?;
        fs::rename(&beside, to)?;
        sync_above(to)
    };
    copy().map_err(VaultError::io("writing", to))?;
    // INVARIANT: there are two of them for a moment, and never one that is not whole.
    let aside = with(from, ".moved");
    fs::rename(from, &aside).and_then(|()| sync_above(from)).map_err(VaultError::io("renaming", from))?;
    tracing::warn!(to = %to.display(), "the rights ledger was moved to where `backup.ledger` wants it");
    Ok(())
}

/// Refuses to begin anew while the ledger still lies where it was last: it may be on a disk of its own, or another
/// folder's by now, so it is not touched.
///
/// # Errors
/// [`VaultError::Mismatch`], with what to do.
pub(crate) fn left_behind(was: Option<PathBuf>, path: &Path) -> Result<(), VaultError> {
    match was.filter(|was| was != path && was.is_file() && !path.exists()) {
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

fn with(path: &Path, more: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(more);
    name.into()
}

fn sync_above(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}
