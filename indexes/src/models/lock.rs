//! What was pulled of a model of the catalogue: from which revision, which files, how long and with which hash. Nobody
//! can pin what changes on a hub beforehand; from the first pull on it is pinned here. A model is never used whose files
//! are not those of its lock.

use super::catalogue::Entry;
use super::{PullError, PullProgress};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

/// Its name, in the model's folder.
pub(super) const FILE: &str = "kenward-lock.json";

/// A lock in bytes, at most.
const LONGEST: u64 = 64 << 10;

/// A file that was pulled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Locked {
    pub(super) bytes: u64,
    /// SHA-256, in hex.
    pub(super) sha256: String,
}

/// What was pulled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lock {
    pub(super) name: String,
    pub(super) repository: String,
    /// The hub's, in 40 hex digits; `None` for files that were given in a folder.
    pub(super) revision: Option<String>,
    pub(super) files: BTreeMap<String, Locked>,
}

impl Lock {
    /// The lock in a folder, if it is that of the model and all its files are there in full length.
    pub(super) fn read(folder: &Path, entry: &Entry) -> Option<Self> {
        let path = folder.join(FILE);
        let found = path.symlink_metadata().ok()?;
        if !found.is_file() || found.len() > LONGEST {
            return None;
        }
        let lock: Self = serde_json::from_slice(&crate::regular::read(&path).ok()?).ok()?;
        let whole = |(name, file): (&String, &Locked)| {
            folder.join(name).metadata().is_ok_and(|found| found.is_file() && found.len() == file.bytes)
        };
        let of_it = lock.name == entry.name && lock.repository == entry.repository;
        let all = entry.needed().all(|needed| lock.files.contains_key(needed));
        // Names of its own, which would be paths to anywhere, are none of a model.
        let known = lock.files.keys().all(|n| entry.files().any(|(known, _)| known == n));
        (of_it && all && known && lock.files.iter().all(whole)).then_some(lock)
    }

    /// Writes it, durably.
    pub(super) fn write(&self, folder: &Path) -> Result<(), PullError> {
        let path = folder.join(FILE);
        let io = |source| PullError::Io { path: path.clone(), source };
        let text = serde_json::to_vec_pretty(self).map_err(|error| io(error.into()))?;
        let mut file = File::create(&path).map_err(io)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(io)
    }

    /// Compares every file with its hash; and there must be no other, which a model might be read from as well.
    pub(super) fn check(&self, folder: &Path) -> Result<(), PullError> {
        if let Some(file) = self.other(folder, folder)? {
            return Err(PullError::Unknown { file: file.into(), place: folder.to_owned() });
        }
        self.files.iter().try_for_each(|(name, file)| {
            let got = hash(&folder.join(name), &mut |_| ())?;
            match got == file.sha256 {
                true => Ok(()),
                false => Err(differs(name, &file.sha256, &got)),
            }
        })
    }
}

impl Lock {
    /// A file below this folder that is not in the lock.
    fn other(&self, folder: &Path, below: &Path) -> Result<Option<String>, PullError> {
        let io = |source| PullError::Io { path: below.to_owned(), source };
        for found in fs::read_dir(below).map_err(io)? {
            let found = found.map_err(io)?;
            let path = found.path();
            let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
            if found.file_type().map_err(io)?.is_dir() {
                if let Some(other) = self.other(folder, &path)? {
                    return Ok(Some(other));
                }
            } else if name != FILE && !self.files.contains_key(&name) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }
}

/// A file that is not what it should be.
pub(super) fn differs(name: &str, expected: &str, got: &str) -> PullError {
    PullError::Hash { file: name.into(), expected: expected.into(), got: got.into() }
}

/// The name that git gives a file's content, in hex.
pub(super) fn git_blob(path: &Path, bytes: u64) -> Result<String, PullError> {
    use sha1::Digest as _;
    let io = |source| PullError::Io { path: path.to_owned(), source };
    let mut hash = sha1::Sha1::new_with_prefix(format!("blob {bytes}\0"));
    let mut file = crate::regular::open(path).map_err(io)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = file.read(&mut buffer).map_err(io)?;
        let Some(piece) = buffer.get(..count).filter(|piece| !piece.is_empty()) else { break };
        hash.update(piece);
    }
    Ok(data_encoding::HEXLOWER.encode(&hash.finalize()))
}

/// The SHA-256 of a file, in hex.
pub(super) fn hash(path: &Path, progress: &mut dyn FnMut(PullProgress<'_>)) -> Result<String, PullError> {
    let io = |source| PullError::Io { path: path.to_owned(), source };
    let mut file = crate::regular::open(path).map_err(io)?;
    let all = file.metadata().map_err(io)?.len();
    let (mut hash, mut done, mut buffer) = (Sha256::new(), 0_u64, vec![0; 256 << 10]);
    loop {
        let count = file.read(&mut buffer).map_err(io)?;
        let Some(piece) = buffer.get(..count).filter(|piece| !piece.is_empty()) else { break };
        hash.update(piece);
        done += count as u64;
        progress(PullProgress::Bytes(done.min(all), all));
    }
    Ok(data_encoding::HEXLOWER.encode(&hash.finalize()))
}
