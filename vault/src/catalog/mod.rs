//! The catalog: one SQLite file, one writer, many readers, and all SQL of the vault in this folder.
//! It is the source of truth for rights, versions and the outbox; nothing else may be.

pub(crate) mod anew;
pub(crate) mod check;
pub(crate) mod content;
pub(crate) mod copy;
pub(crate) mod hidden;
pub(crate) mod lost;
pub(crate) mod migrate;
pub(crate) mod open;
pub(crate) mod operations;
pub(crate) mod outbox;
pub(crate) mod people;
mod readers;
pub(crate) mod rights;
pub(crate) mod runs;
pub(crate) mod sources;

pub(crate) use readers::{Readers, json};

use crate::error::{VaultError, has_no_space};
use kenward_access::ids::RightsEpoch;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, ffi, params};
use std::path::{Path, PathBuf};

/// The one writing connection. Whoever holds it may change rights: the swap of
/// [`crate::core::Core::rights`] happens under the same lock as the commit, so their order is one.
pub(crate) struct Catalog {
    connection: Connection,
    path: PathBuf,
}

impl Catalog {
    /// Runs `work` in one transaction; any error leaves everything as it was.
    pub(crate) fn transaction<T>(
        &mut self,
        action: &'static str,
        work: impl FnOnce(&Tx<'_>) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let path = self.path.clone();
        let tx = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed(action, &path))?;
        let tx = Tx { tx, path: &path, action };
        let result = work(&tx)?;
        tx.tx.commit().map_err(failed(action, &path))?;
        Ok(result)
    }
}

/// A transaction that knows what it is for.
pub(crate) struct Tx<'a> {
    tx: Transaction<'a>,
    path: &'a Path,
    action: &'static str,
}

impl Tx<'_> {
    /// Runs SQL, and wraps its error.
    pub(crate) fn sql<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, VaultError> {
        work(&self.tx).map_err(failed(self.action, self.path))
    }

    /// A value of the meta table.
    pub(crate) fn meta(&self, key: &str) -> Result<Option<String>, VaultError> {
        self.sql(|c| c.query_row("SELECT value FROM meta WHERE key = ?1", [key], |r| r.get(0)).optional())
    }

    /// A number of the meta table; 0 if it is not there.
    pub(crate) fn meta_number(&self, key: &str) -> Result<u64, VaultError> {
        match self.meta(key)? {
            Some(text) => number(&text),
            None => Ok(0),
        }
    }

    /// Sets a value of the meta table.
    pub(crate) fn set_meta(&self, key: &str, value: &str) -> Result<(), VaultError> {
        self.sql(|c| {
            c.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)", params![key, value])
        })
        .map(|_| ())
    }

    /// Removes a value, if it is there.
    pub(crate) fn remove_meta(&self, key: &str) -> Result<(), VaultError> {
        self.sql(|c| c.execute("DELETE FROM meta WHERE key = ?1", [key])).map(drop)
    }

    /// Counts one change of rights, and gives the new epoch.
    pub(crate) fn next_epoch(&self) -> Result<RightsEpoch, VaultError> {
        let epoch = self.meta_number("epoch")? + 1;
        self.set_meta("epoch", &epoch.to_string())?;
        Ok(RightsEpoch(epoch))
    }
}

/// Wraps an error of the catalog; a full disk becomes [`VaultError::DiskFull`].
pub(crate) fn failed(action: &'static str, path: &Path) -> impl Fn(rusqlite::Error) -> VaultError {
    move |source| match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => VaultError::DiskFull { path: path.to_owned() },
        Some(rusqlite::ErrorCode::SystemIoFailure) if grows(&source) && has_no_space(path) => {
            VaultError::DiskFull { path: path.to_owned() }
        }
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
            VaultError::damaged(
                format!("the catalog {}", path.display()),
                "restore a backup into another folder (`kenward restore --help`), and keep this one until that stands",
            )
        }
        _ => VaultError::Catalog { action, source },
    }
}

/// Whether a file could not be made larger or durable: of a full disk SQLite has a word of its own only for some files.
fn grows(error: &rusqlite::Error) -> bool {
    const GROWS: [std::ffi::c_int; 5] = [
        ffi::SQLITE_IOERR_WRITE,
        ffi::SQLITE_IOERR_FSYNC,
        ffi::SQLITE_IOERR_TRUNCATE,
        ffi::SQLITE_IOERR_SHMSIZE,
        ffi::SQLITE_IOERR_SHMMAP,
    ];
    error.sqlite_error().is_some_and(|error| GROWS.contains(&error.extended_code))
}

/// A number as the meta table keeps it.
fn number(text: &str) -> Result<u64, VaultError> {
    text.parse().map_err(|_| {
        VaultError::damaged("the catalog's table `meta`", "put `catalog.sqlite` back from a backup")
    })
}

/// Turns our own values into JSON; they have no form that cannot be written.
pub(crate) fn to_json(value: &impl serde::Serialize) -> Result<String, VaultError> {
    serde_json::to_string(value)
        .map_err(|_| VaultError::damaged("a value that cannot be written as JSON", "report this as a defect"))
}

fn setup(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(30))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "synchronous", "FULL")
}
