//! The `data_dir` as a folder: private, of a known version, and either new or one that goes on. It
//! must never adopt somebody else's files, nor take a vault that has lost its catalog for a new one.

use crate::error::VaultError;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The catalog's file.
pub(crate) const CATALOG: &str = "catalog.sqlite";
/// Vectors, unless the catalog names another folder.
pub(crate) const VECTORS: &str = "vectors";

/// Of the layout of `data_dir`, the catalog's included. Older ones, from 1, are migrated at opening.
pub(crate) const VERSION: u32 = 4;

/// What may lie in a new `data_dir` before its first opening.
const OURS: [&str; 6] = ["VERSION", "VERSION.new", "keys", "lock", "control.sock", "control.sock.link"];

/// Makes the folder, or makes it private.
pub(crate) fn private_dir(dir: &Path) -> Result<(), VaultError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(VaultError::io("making", dir))?;
    let found = fs::metadata(dir).map_err(VaultError::io("reading", dir))?;
    if found.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
            .map_err(VaultError::io("making private", dir))?;
    }
    Ok(())
}

/// Recognises the folder by its version, or gives an empty one its version. Gives whether it is an older
/// one, whose catalog has to be migrated before [`set_version`].
pub(crate) fn check_version(dir: &Path) -> Result<bool, VaultError> {
    let path = dir.join("VERSION");
    match fs::read_to_string(&path) {
        Ok(text) if known(&text).is_some() => Ok(known(&text) != Some(VERSION)),
        Ok(text) if text.trim().is_empty() => Err(VaultError::damaged(
            format!("the file {} (it is empty)", path.display()),
            format!(
                "put it back from a backup, or write `{VERSION}` into it if only this version of the program used \
                 the folder"
            ),
        )),
        Ok(text) => Err(VaultError::mismatch(
            format!(
                "{} is of version `{}`, this program keeps version {VERSION}",
                dir.display(),
                text.trim().escape_debug()
            ),
            "use the version of the program that made it, or a newer one",
        )),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // Never adopt a folder that holds somebody else's files.
            let foreign = fs::read_dir(dir)
                .map_err(VaultError::io("listing", dir))?
                .filter_map(Result::ok)
                .any(|entry| !OURS.iter().any(|ours| entry.file_name() == *ours));
            if foreign {
                return Err(VaultError::mismatch(
                    format!("{} has no `VERSION` file but is not empty", dir.display()),
                    "give an empty folder as `data_dir`, or put `VERSION` back from a backup",
                ));
            }
            set_version(dir).map(|()| false)
        }
        Err(error) => Err(VaultError::io("reading", &path)(error)),
    }
}

/// A version that this program can open.
fn known(text: &str) -> Option<u32> {
    text.trim().parse().ok().filter(|version| (1..=VERSION).contains(version))
}

/// Writes the version of this program into the folder.
pub(crate) fn set_version(dir: &Path) -> Result<(), VaultError> {
    set_version_to(dir, VERSION)
}

/// Writes a version into a folder.
pub(crate) fn set_version_to(dir: &Path, version: u32) -> Result<(), VaultError> {
    let path = dir.join("VERSION");
    write_version(dir, &path, version).map_err(VaultError::io("writing", &path))
}

/// Written beside and renamed: a crash leaves no `VERSION` or a whole one.
fn write_version(dir: &Path, path: &Path, version: u32) -> std::io::Result<()> {
    let beside = dir.join("VERSION.new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    writeln!(file, "{version}")?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    fs::File::open(dir)?.sync_all()
}

/// How an opening begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Nothing is kept yet, and no catalog is there: keys and catalog may be made.
    Anew,
    /// Nothing is kept yet, but a first opening got as far as the catalog's file: its tables may be
    /// made, keys were made before it.
    Begun,
    /// Something is kept: keys and catalog must be there.
    GoesOn,
}

/// Decides between a new vault and one that goes on.
///
/// The first opening makes the version, the keys, the catalog, and only then anything else. So texts
/// or audit records without a catalog are never a first opening that was cut short.
///
/// # Errors
/// [`VaultError::Damaged`] if something is kept and the catalog is missing or empty.
pub(crate) fn start(dir: &Path) -> Result<Start, VaultError> {
    let path = dir.join(CATALOG);
    let catalog = match fs::metadata(&path) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => 0,
        Err(error) => return Err(VaultError::io("reading", &path)(error)),
    };
    match (keeps_something(dir)?, catalog) {
        (true, 0) => Err(lost_catalog(&path)),
        (true, _) => Ok(Start::GoesOn),
        (false, 0) => Ok(Start::Anew),
        (false, _) => Ok(Start::Begun),
    }
}

/// The catalog is not there, and what it is needed for is.
pub(crate) fn lost_catalog(path: &Path) -> VaultError {
    VaultError::damaged(
        format!(
            "the catalog {} (it is missing or empty, but texts or audit records are kept)",
            path.display()
        ),
        format!(
            "put `{CATALOG}` back from a backup, or give an empty folder as `data_dir`; nothing was removed"
        ),
    )
}

/// Whether a text or an audit record lies in the folder.
fn keeps_something(dir: &Path) -> Result<bool, VaultError> {
    Ok(holds_bytes(&dir.join("audit"))? || holds_file(&dir.join("text"))?)
}

fn list(dir: &Path) -> Result<Vec<fs::DirEntry>, VaultError> {
    match fs::read_dir(dir).and_then(Iterator::collect) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed.map_err(VaultError::io("listing", dir)),
    }
}

/// A folder of texts: files in folders. Ends at the first.
fn holds_file(dir: &Path) -> Result<bool, VaultError> {
    for entry in list(dir)? {
        let path = entry.path();
        let kind = entry.file_type().map_err(VaultError::io("reading", &path))?;
        if !kind.is_dir() || holds_file(&path)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The log's file is made empty at the first opening: only bytes count.
fn holds_bytes(dir: &Path) -> Result<bool, VaultError> {
    for entry in list(dir)? {
        let path = entry.path();
        if entry.metadata().map_err(VaultError::io("reading", &path))?.len() > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}
