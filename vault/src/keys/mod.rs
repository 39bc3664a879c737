//! The keys of a tenant: document ids, cursors, receipts, the audit log, the rights ledger. Files of mode
//! 0600 under `keys/`, made on first use, never printed. Ids depend on the id key alone, so they survive
//! everything but its loss. Three of the keys rotate (`ring`); their old ones stay for reading.

mod export;
mod ring;
mod rotate;

pub use export::{Exported, KeyMaterial};
pub(crate) use ring::Ring;
pub use rotate::KeyInfo;

use kenward_access::ids::TenantId;
use std::cmp::Reverse;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::error::VaultError;
use crate::seams::Entropy;

/// The keys of one tenant.
pub struct Keys {
    /// For document ids and tie keys.
    pub(crate) ids: [u8; 32],
    /// For cursors.
    pub(crate) cursors: Ring,
    /// For receipts.
    pub(crate) receipts: Ring,
    /// For hashes of queries in the audit log.
    pub(crate) audit: [u8; 32],
    /// For the rights ledger and for manifests of backups.
    pub(crate) ledger: Ring,
}

impl Keys {
    /// Reads the keys in `dir`, making those that are not there (0700 / 0600).
    ///
    /// `may_make` is false where documents are already kept: a new id key would then change every
    /// id, so its loss is an error and never papered over.
    ///
    /// # Errors
    /// [`VaultError::Io`]; [`VaultError::Damaged`] for a file of another length or readable by others.
    pub fn open(dir: &Path, entropy: &dyn Entropy, may_make: bool) -> Result<Self, VaultError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(VaultError::io("making", dir))?;
        let key = |name: &str| read_or_make(&dir.join(name), entropy, may_make);
        let ring =
            |name: &'static str| Ok::<_, VaultError>(Ring::new(name, key(&file(name))?, old(dir, name)?));
        let keys = Self {
            ids: key("ids.key")?,
            cursors: ring("cursors")?,
            receipts: ring("receipts")?,
            audit: key("audit.key")?,
            // A folder of an earlier version has none: [`Keys::check`] makes it.
            ledger: match may_make || dir.join(file("ledger")).exists() {
                true => ring("ledger")?,
                false => Ring::none("ledger"),
            },
        };
        fs::File::open(dir).and_then(|d| d.sync_all()).map_err(VaultError::io("syncing", dir))?;
        Ok(keys)
    }

    /// Reads the keys in `dir`, and makes and changes nothing.
    pub(crate) fn open_only(dir: &Path) -> Result<Self, VaultError> {
        let key = |name: &str| read(&dir.join(name))?.ok_or_else(|| missing(&dir.join(name)));
        let ring =
            |name: &'static str| Ok::<_, VaultError>(Ring::new(name, key(&file(name))?, old(dir, name)?));
        Ok(Self {
            ids: key("ids.key")?,
            cursors: ring("cursors")?,
            receipts: ring("receipts")?,
            audit: key("audit.key")?,
            ledger: ring("ledger")?,
        })
    }

    /// A name for exactly these keys, from which they cannot be found: a keyed hash under each.
    pub(crate) fn fingerprint(&self) -> String {
        let each = [&self.ids, &self.cursors.current(), &self.receipts.current(), &self.audit];
        let mut parts = each.map(short).to_vec();
        parts.extend((!self.ledger.is_none()).then(|| short(&self.ledger.current())));
        parts.join("-")
    }

    /// Whether these are the keys behind a recorded fingerprint, or those that it was rotated to: a rotation may
    /// have been cut off before it was recorded. `Ok(false)` = the recorded one is to be replaced.
    ///
    /// # Errors
    /// [`VaultError::Damaged`]: other keys.
    pub(crate) fn check(
        &mut self,
        dir: &Path,
        entropy: &dyn Entropy,
        recorded: Option<&str>,
    ) -> Result<bool, VaultError> {
        let parts: Vec<&str> = recorded.map(|text| text.split('-').collect()).unwrap_or_default();
        if self.ledger.is_none() {
            if parts.len() > 4 {
                return Err(missing(&dir.join(file("ledger"))));
            }
            let key = read_or_make(&dir.join(file("ledger")), entropy, true)?;
            self.ledger = Ring::new("ledger", key, old(dir, "ledger")?);
            fs::File::open(dir).and_then(|d| d.sync_all()).map_err(VaultError::io("syncing", dir))?;
        }
        if recorded.is_none() {
            return Ok(false);
        }
        let once = [short(&self.ids), short(&self.audit)];
        let fits = match parts.as_slice() {
            [ids, cursors, receipts, audit, rest @ ..] => {
                [*ids, *audit] == once.each_ref().map(String::as_str)
                    && self.cursors.knows(cursors)
                    && self.receipts.knows(receipts)
                    && rest.len() <= 1
                    && rest.iter().all(|part| self.ledger.knows(part))
            }
            _ => false,
        };
        if !fits {
            return Err(VaultError::damaged(
                "`keys/` (a key is not the one that the documents are kept under)",
                "put the folder back from a backup of `keys/`, or from what `kenward keys export` wrote",
            ));
        }
        Ok(recorded == Some(&self.fingerprint()))
    }

    /// The full keyed hash of a document's source identity: its tie key, and what its id is cut from.
    #[must_use]
    pub fn document_key(&self, tenant: &TenantId, source: &str, source_id: &str) -> [u8; 32] {
        keyed(&self.ids, &["document", tenant.as_str(), source, source_id])
    }

    /// The public id of a source: `ks_` and 26 characters of base32.
    #[must_use]
    pub fn source_id(&self, tenant: &TenantId, source: &str) -> String {
        format!("ks_{}", base32(&id_part(&keyed(&self.ids, &["source", tenant.as_str(), source]))))
    }
}

/// A keyed hash over fields with their lengths, so that no two lists of fields collide.
fn keyed(key: &[u8; 32], fields: &[&str]) -> [u8; 32] {
    let mut hash = blake3::Hasher::new_keyed(key);
    for field in fields {
        hash.update(&(field.len() as u64).to_le_bytes());
        hash.update(field.as_bytes());
    }
    *hash.finalize().as_bytes()
}

/// A short name of a key, from which it cannot be found.
pub(crate) fn short(key: &[u8; 32]) -> String {
    let [a, b, c, d, ..] = keyed(key, &["fingerprint"]);
    format!("{a:02x}{b:02x}{c:02x}{d:02x}")
}

/// The file of a key.
fn file(name: &str) -> String {
    format!("{name}.key")
}

/// Keys that were rotated away, newest first. Their files are named by them: `cursors-1a2b3c4d.key`.
fn old(dir: &Path, name: &str) -> Result<Vec<[u8; 32]>, VaultError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(VaultError::io("listing", dir))? {
        let path = entry.map_err(VaultError::io("listing", dir))?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let Some(print) = stem.strip_prefix(name).and_then(|rest| rest.strip_prefix('-')) else { continue };
        if path.extension().is_none_or(|kind| kind != "key") {
            continue;
        }
        let key = read(&path)?.ok_or_else(|| missing(&path))?;
        if short(&key) != print {
            return Err(VaultError::damaged(
                format!("the key file {}", path.display()),
                "put it back from a backup of `keys/`; it is needed to read what was made with it",
            ));
        }
        let made = fs::metadata(&path)
            .and_then(|found| found.modified())
            .map_err(VaultError::io("reading", &path))?;
        found.push((made, key));
    }
    found.sort_by_key(|(made, _)| Reverse(*made));
    Ok(found.into_iter().map(|(_, key)| key).collect())
}

fn missing(path: &Path) -> VaultError {
    VaultError::damaged(
        format!("`keys/` ({} is missing)", path.display()),
        "put it back from a backup of `keys/`: documents are kept under ids made with it",
    )
}

fn read_or_make(path: &Path, entropy: &dyn Entropy, may_make: bool) -> Result<[u8; 32], VaultError> {
    match read(path)? {
        Some(key) => Ok(key),
        None if may_make => {
            let mut key = [0u8; 32];
            entropy.fill(&mut key);
            write(path, &key)?;
            Ok(key)
        }
        None => Err(missing(path)),
    }
}

/// A key's file; `None` if it is not there.
fn read(path: &Path) -> Result<Option<[u8; 32]>, VaultError> {
    // Not opened before it is known to be a file: a pipe in its place would never answer.
    let found = fs::metadata(path).and_then(|found| match found.is_file() {
        true => fs::read(path).map(|bytes| (bytes, found.permissions().mode())),
        false => Ok((Vec::new(), 0)),
    });
    match found {
        Ok((_, mode)) if mode & 0o077 != 0 => Err(VaultError::damaged(
            format!("the key file {} (others may read it)", path.display()),
            "make it yours alone with `chmod 600`, and consider the keys known to others",
        )),
        Ok((bytes, _)) => <[u8; 32]>::try_from(bytes.as_slice()).map(Some).map_err(|_| {
            VaultError::damaged(
                format!("the key file {}", path.display()),
                "put it back from a backup of `keys/`",
            )
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(VaultError::io("reading", path)(error)),
    }
}

/// Written beside and renamed: a key that is half there would be a wrong key.
fn write(path: &Path, key: &[u8; 32]) -> Result<(), VaultError> {
    let beside = path.with_extension("new");
    let _ = fs::remove_file(&beside);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .map_err(VaultError::io("making", &beside))?;
    file.write_all(key).and_then(|()| file.sync_all()).map_err(VaultError::io("writing", &beside))?;
    fs::rename(&beside, path).map_err(VaultError::io("making", path))
}

/// The part of a document's keyed hash that its id is cut from.
#[must_use]
pub(crate) fn id_part(key: &[u8; 32]) -> [u8; 16] {
    let mut part = [0u8; 16];
    part.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    part
}

fn base32(bytes: &[u8]) -> String {
    data_encoding::BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}

/// The public id of a document: `kd_` and 26 characters of base32 (lower case, no padding).
#[must_use]
pub fn document_id(key: &[u8; 32]) -> String {
    format!("kd_{}", base32(&id_part(key)))
}

/// The bytes behind a public id, if it is one, in the one way to write it.
#[must_use]
pub(crate) fn parse_document_id(id: &str) -> Option<[u8; 16]> {
    let text = id.strip_prefix("kd_")?;
    if text.len() != 26 || text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let bytes = data_encoding::BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).ok()?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::SystemEntropy;

    #[test]
    fn keys_are_private_and_stay_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let keys = dir.path().join("keys");
        let first = Keys::open(&keys, &SystemEntropy, true).unwrap();
        let again = Keys::open(&keys, &SystemEntropy, false).unwrap();
        assert_eq!(first.ids, again.ids);
        assert_ne!(first.ids, first.cursors.current());
        assert_eq!(fs::metadata(&keys).unwrap().permissions().mode() & 0o777, 0o700);
        for entry in fs::read_dir(&keys).unwrap() {
            assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn lost_short_and_shared_keys_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ids.key");
        Keys::open(dir.path(), &SystemEntropy, true).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Keys::open(dir.path(), &SystemEntropy, false), Err(VaultError::Damaged { .. })));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&file, [0u8; 31]).unwrap();
        assert!(matches!(Keys::open(dir.path(), &SystemEntropy, false), Err(VaultError::Damaged { .. })));
        fs::remove_file(&file).unwrap();
        assert!(matches!(Keys::open(dir.path(), &SystemEntropy, false), Err(VaultError::Damaged { .. })));
    }

    #[test]
    fn ids_depend_on_tenant_source_and_source_id_and_parse_back() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open(dir.path(), &SystemEntropy, true).unwrap();
        let tenant = |t: &str| TenantId::new(t).unwrap();
        let base = keys.document_key(&tenant("a"), "s", "x");
        assert_ne!(base, keys.document_key(&tenant("b"), "s", "x"));
        assert_ne!(base, keys.document_key(&tenant("a"), "sx", ""));
        assert_ne!(base, keys.document_key(&tenant("a"), "s", "y"));
        let id = document_id(&base);
        assert_eq!(id.len(), 29);
        assert_eq!(parse_document_id(&id), Some(id_part(&base)));
        assert_eq!(parse_document_id(&id.to_uppercase()), None);
        assert_eq!(parse_document_id("kd_short"), None);
    }
}
