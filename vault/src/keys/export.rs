//! Keys in one file, for a restore elsewhere: written for its owner alone (0600), never over another file, never
//! printed. Whoever has it and a backup can read everything.

use super::{Keys, file, short, write};
use crate::error::VaultError;
use crate::folder::private_dir;
use crate::vault::{Operator, Vault};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const FORMAT: u32 = 1;
/// The longest file that is read as one of keys, in bytes.
const LONGEST: u64 = 1 << 20;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// Where.
    pub file: PathBuf,
    /// How many keys, older ones included.
    pub keys: u64,
    /// The file was there, and held exactly these.
    #[serde(default)]
    pub already: bool,
}

#[derive(Serialize, Deserialize)]
struct File {
    kenward_keys: u32,
    tenant: String,
    ids: String,
    audit: String,
    cursors: Vec<String>,
    receipts: Vec<String>,
    ledger: Vec<String>,
}

/// Keys that were read from an export or a copy of `keys/`.
pub struct KeyMaterial {
    tenant: Option<String>,
    ids: [u8; 32],
    audit: [u8; 32],
    rings: [(&'static str, Vec<[u8; 32]>); 3],
}

impl Vault {
    /// Writes all keys into a new file, for its owner alone, once that is recorded.
    ///
    /// # Errors
    /// [`VaultError::Name`] if something is there already; [`VaultError`].
    pub fn export_keys(&self, by: &Operator, path: &Path) -> Result<Exported, VaultError> {
        let keys = &self.core.keys;
        let beside_backup = path.parent().is_some_and(|dir| dir.join(crate::backup::MANIFEST).exists());
        if beside_backup {
            return Err(VaultError::name(
                format!("`{}` would lie in a backup", path.display()),
                "keep keys and backups apart: whoever has both can read everything",
            ));
        }
        let ring = |ring: &super::Ring| ring.all().iter().map(|key| HEXLOWER.encode(key)).collect::<Vec<_>>();
        let file = File {
            kenward_keys: FORMAT,
            tenant: self.core.tenant.as_str().to_owned(),
            ids: HEXLOWER.encode(&keys.ids),
            audit: HEXLOWER.encode(&keys.audit),
            cursors: ring(&keys.cursors),
            receipts: ring(&keys.receipts),
            ledger: ring(&keys.ledger),
        };
        let count = 2 + file.cursors.len() + file.receipts.len() + file.ledger.len();
        let text = crate::catalog::to_json(&file)?;
        // Not over another file: it may hold the only copy of other keys.
        let mut out = match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(out) => out,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                // Asked again because no reply came.
                if fs::read(path).is_ok_and(|there| there.strip_suffix(b"\n") == Some(text.as_bytes())) {
                    return Ok(Exported { file: path.to_owned(), keys: count as u64, already: true });
                }
                return Err(VaultError::name(
                    format!("`{}` is there already", path.display()),
                    "give a file that is not there yet",
                ));
            }
            Err(error) => return Err(VaultError::io("making", path)(error)),
        };
        let written = self
            .core
            .record_deed(
                by,
                "keys_exported",
                serde_json::json!({ "file": path.display().to_string(), "keys": count }),
            )
            .and_then(|()| {
                out.write_all(text.as_bytes())
                    .and_then(|()| out.write_all(b"\n"))
                    .and_then(|()| out.sync_all())
                    .map_err(VaultError::io("writing", path))
            });
        if written.is_err() {
            let _ = fs::remove_file(path);
        }
        written.map(|()| Exported { file: path.to_owned(), keys: count as u64, already: false })
    }
}

impl KeyMaterial {
    /// Reads what `keys export` wrote, or a copy of the folder `keys/`.
    ///
    /// # Errors
    /// [`VaultError::Name`] if it is neither.
    pub fn read(path: &Path) -> Result<Self, VaultError> {
        let found = fs::metadata(path).map_err(|error| {
            VaultError::name(
                format!("the keys at `{}` cannot be read ({error})", path.display()),
                "give what `kenward keys export` wrote, or a copy of the folder `keys`",
            )
        })?;
        if found.is_dir() {
            let keys = Keys::open_only(path)?;
            let ring = |ring: &super::Ring| (ring.name(), ring.all().to_vec());
            let rings = [ring(&keys.cursors), ring(&keys.receipts), ring(&keys.ledger)];
            return Ok(Self { tenant: None, ids: keys.ids, audit: keys.audit, rings });
        }
        let parsed = (found.is_file() && found.len() <= LONGEST)
            .then(|| fs::read(path))
            .transpose()
            .map_err(VaultError::io("reading", path))?
            .and_then(|bytes| serde_json::from_slice::<File>(&bytes).ok())
            .and_then(Self::of);
        parsed.ok_or_else(|| {
            VaultError::name(
                format!("`{}` holds no keys that this program can read", path.display()),
                "give what `kenward keys export` wrote, or a copy of the folder `keys`",
            )
        })
    }

    fn of(file: File) -> Option<Self> {
        let key = |text: &String| <[u8; 32]>::try_from(HEXLOWER.decode(text.as_bytes()).ok()?).ok();
        let ring = |texts: &Vec<String>| {
            texts.iter().map(key).collect::<Option<Vec<_>>>().filter(|all| !all.is_empty())
        };
        (file.kenward_keys == FORMAT).then_some(())?;
        Some(Self {
            tenant: Some(file.tenant),
            ids: key(&file.ids)?,
            audit: key(&file.audit)?,
            rings: [
                ("cursors", ring(&file.cursors)?),
                ("receipts", ring(&file.receipts)?),
                ("ledger", ring(&file.ledger)?),
            ],
        })
    }

    /// Of which tenant they are, if they say so.
    pub(crate) fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// The ledger key of this short name.
    pub(crate) fn ledger(&self, print: &str) -> Option<[u8; 32]> {
        let [_, _, (_, ledger)] = &self.rings;
        ledger.iter().find(|key| short(key) == print).copied()
    }

    /// Writes them into a folder `keys` that is not there yet.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), VaultError> {
        fs::DirBuilder::new().mode(0o700).create(dir).map_err(VaultError::io("making", dir))?;
        private_dir(dir)?;
        write(&dir.join(file("ids")), &self.ids)?;
        write(&dir.join(file("audit")), &self.audit)?;
        for (name, keys) in &self.rings {
            // Oldest first, so that their files' times tell their order.
            for key in keys.iter().skip(1).rev() {
                write(&dir.join(format!("{name}-{}.key", short(key))), key)?;
            }
            if let Some(key) = keys.first() {
                write(&dir.join(file(name)), key)?;
            }
        }
        fs::File::open(dir).and_then(|d| d.sync_all()).map_err(VaultError::io("syncing", dir))
    }
}
