//! The manifest of a backup: what it holds, file by file, sealed with the ledger key. It must be believed only after
//! its seal was checked: whoever can write in a backup could write another one.

use crate::error::VaultError;
use crate::folder::VERSION;
use crate::keys::{KeyMaterial, short};
use crate::ledger::Place;
use data_encoding::HEXLOWER;
use kenward_access::ids::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Its file in a backup.
pub(crate) const MANIFEST: &str = "manifest.json";
/// Of the layout of a backup.
const FORMAT: u32 = 1;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) format: u32,
    /// Version of the folder of data.
    pub(crate) data: u32,
    pub(crate) id: String,
    pub(crate) tenant: String,
    pub(crate) made: Timestamp,
    pub(crate) epoch: u64,
    /// Where the rights ledger was.
    pub(crate) ledger: Place,
    /// Records of the audit log, and the hash of the last one.
    pub(crate) audit: (u64, String),
    pub(crate) counts: Counts,
    /// The sources by name, and their folders: nothing is restored into one.
    #[serde(default)]
    pub(crate) sources: Vec<(String, String)>,
    pub(crate) files: Vec<FileEntry>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileEntry {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// What a backup counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each field is named by what it counts")]
pub struct Counts {
    pub sources: u64,
    pub documents: u64,
    pub chunks: u64,
    pub texts: u64,
    /// Texts that the catalog names and that were not there.
    pub texts_lost: u64,
    pub audit_records: u64,
    pub bytes: u64,
}

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUp {
    /// Its folder.
    pub folder: PathBuf,
    /// Its id.
    pub id: String,
    /// As of when.
    pub made: Timestamp,
    /// What it holds.
    pub counts: Counts,
}

impl Manifest {
    pub(crate) fn format() -> u32 {
        FORMAT
    }

    pub(crate) fn told(&self, folder: &Path) -> BackedUp {
        BackedUp { folder: folder.to_owned(), id: self.id.clone(), made: self.made, counts: self.counts }
    }

    /// As its file has it.
    pub(crate) fn sealed(&self, key: &[u8; 32]) -> Result<String, VaultError> {
        let body = crate::catalog::to_json(self)?;
        let seal = HEXLOWER.encode(&seal(key, &body));
        Ok(format!("{{\"key\":\"{}\",\"seal\":\"{seal}\",\"manifest\":{body}}}\n", short(key)))
    }

    /// Reads and checks that of a backup.
    ///
    /// # Errors
    /// [`VaultError::Name`] if there is none; [`VaultError::Mismatch`] if the keys or the program are of others;
    /// [`VaultError::Damaged`] if it is not what was written.
    pub(crate) fn read(folder: &Path, keys: &KeyMaterial) -> Result<Self, VaultError> {
        let (print, seal_given, body) = Self::parts(folder)?;
        let Some(key) = keys.ledger(&print) else {
            return Err(VaultError::mismatch(
                format!(
                    "the backup {} was sealed with a key that is not among those given",
                    folder.display()
                ),
                "give the keys of the same data: what `kenward keys export` wrote there, at the time of the backup or later",
            ));
        };
        if seal(&key, &body) != seal_given {
            return Err(tampered(folder, "its manifest is not what was written"));
        }
        let manifest: Self = serde_json::from_str(&body).map_err(|_| newer(folder))?;
        if manifest.format != FORMAT || manifest.data > VERSION {
            return Err(newer(folder));
        }
        Ok(manifest)
    }

    /// The key's name, the seal and the manifest's own bytes.
    fn parts(folder: &Path) -> Result<(String, [u8; 32], String), VaultError> {
        let path = folder.join(MANIFEST);
        let text = match fs::read_to_string(&path) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Err(VaultError::name(
                    format!(
                        "`{}` is no backup, or one that never came to its end (there is no {MANIFEST})",
                        folder.display()
                    ),
                    "give the folder that `kenward backup` wrote",
                ));
            }
            read => read.map_err(VaultError::io("reading", &path))?,
        };
        let parts = || {
            let rest = text.strip_prefix("{\"key\":\"")?;
            let (print, rest) = rest.split_once("\",\"seal\":\"")?;
            let (given, rest) = rest.split_once("\",\"manifest\":")?;
            let given = HEXLOWER.decode(given.as_bytes()).ok()?.try_into().ok()?;
            Some((print.to_owned(), given, rest.strip_suffix("}\n")?.to_owned()))
        };
        parts().ok_or_else(|| tampered(folder, "its manifest is not what was written"))
    }

    /// The id of the backup in a folder, not checked: for telling that an operation was done already.
    pub(crate) fn peek(folder: &Path) -> Option<Self> {
        let (_, _, body) = Self::parts(folder).ok()?;
        serde_json::from_str(&body).ok()
    }
}

fn seal(key: &[u8; 32], body: &str) -> [u8; 32] {
    let mut hash = blake3::Hasher::new_keyed(key);
    hash.update(b"kenward backup v1\0").update(body.as_bytes());
    *hash.finalize().as_bytes()
}

/// A backup that cannot be believed.
pub(crate) fn tampered(folder: &Path, what: &str) -> VaultError {
    VaultError::damaged(
        format!("the backup {} ({what})", folder.display()),
        "restore another one; nothing was written",
    )
}

fn newer(folder: &Path) -> VaultError {
    VaultError::mismatch(
        format!("the backup {} is of a newer version than this program", folder.display()),
        "use the version of the program that made it, or a newer one",
    )
}
