//! Keys listed and rotated. The old key is kept beside the new one before that takes its place, and the catalog
//! is told last: cut off anywhere, the next opening finds keys that it can tell. It must never rotate what
//! ids or hashes in the log hang on.

use super::{Ring, file, short, write};
use crate::error::VaultError;
use crate::vault::{Operator, Vault};
use kenward_access::ids::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// A key, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// `ids`, `cursors`, `receipts`, `audit`, `ledger`.
    pub name: String,
    /// A short name of the newest one, from which it cannot be found.
    pub fingerprint: String,
    /// When that was made.
    pub made: Option<Timestamp>,
    /// How many older ones are kept for reading.
    pub older: u64,
    /// What it is for.
    pub purpose: String,
    /// Why it cannot be rotated, if so.
    pub fixed: Option<String>,
}

const IDS: &str = "every document's id is made with it: with another one, no citation would be found again";
const AUDIT: &str =
    "hashes of queries in the audit log are made with it: with another one, equal queries would differ";

impl Vault {
    /// The keys, without their bytes.
    #[must_use]
    pub fn keys(&self) -> Vec<KeyInfo> {
        let dir = self.data_dir.join("keys");
        let keys = &self.core.keys;
        let info = |name: &str, key: &[u8; 32], older: usize, purpose: &str, fixed: Option<&str>| KeyInfo {
            name: name.to_owned(),
            fingerprint: short(key),
            made: made(&dir.join(file(name))),
            older: older as u64,
            purpose: purpose.to_owned(),
            fixed: fixed.map(str::to_owned),
        };
        let ring = |ring: &Ring, purpose: &str| {
            info(ring.name(), &ring.current(), ring.all().len().saturating_sub(1), purpose, None)
        };
        vec![
            info("ids", &keys.ids, 0, "ids of documents and sources", Some(IDS)),
            ring(&keys.cursors, "cursors of lists, good for an hour"),
            ring(&keys.receipts, "receipts of answers"),
            info("audit", &keys.audit, 0, "hashes of queries in the audit log", Some(AUDIT)),
            ring(&keys.ledger, "the rights ledger, and what backups are sealed with"),
        ]
    }

    /// Puts a new key in the place of one of `cursors`, `receipts`, `ledger`. What was made with the old one is
    /// still read. `from` is the short name of the key that is to go: where it has gone already, nothing is done.
    ///
    /// # Errors
    /// [`VaultError::Name`] for another name, with the reason; [`VaultError`].
    pub fn rotate_key(&self, by: &Operator, name: &str, from: &str) -> Result<(), VaultError> {
        let keys = &self.core.keys;
        let fixed = |why: &str| {
            VaultError::name(
                format!("the key `{name}` cannot be rotated: {why}"),
                "`kenward keys list` tells which can",
            )
        };
        let ring = match name {
            "cursors" => &keys.cursors,
            "receipts" => &keys.receipts,
            "ledger" => &keys.ledger,
            "ids" => return Err(fixed(IDS)),
            "audit" => return Err(fixed(AUDIT)),
            _ => {
                return Err(VaultError::name(format!("there is no key `{name}`"), "see `kenward keys list`"));
            }
        };
        let dir = self.data_dir.join("keys");
        let mut new = [0u8; 32];
        self.core.entropy.fill(&mut new);
        let mut catalog = self.catalog.lock();
        let old = ring.current();
        if short(&old) != from {
            return match ring.knows(from) {
                true => Ok(()),
                false => Err(VaultError::name(
                    format!("the key `{name}` is another one by now"),
                    "see `kenward keys list`",
                )),
            };
        }
        self.core.record_deed(
            by,
            "key_rotated",
            serde_json::json!({ "key": name, "from": short(&old), "to": short(&new) }),
        )?;
        let sync =
            || fs::File::open(&dir).and_then(|d| d.sync_all()).map_err(VaultError::io("syncing", &dir));
        // INVARIANT: at no moment is a key that something was made with in no file.
        write(&dir.join(format!("{name}-{}.key", short(&old))), &old)?;
        sync()?;
        write(&dir.join(file(name)), &new)?;
        sync()?;
        ring.turn(new);
        let fingerprint = keys.fingerprint();
        catalog.transaction("noting a new key", |tx| tx.set_meta("keys", &fingerprint))
    }
}

fn made(path: &Path) -> Option<Timestamp> {
    let since = fs::metadata(path).ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok().map(Timestamp)
}
