//! The catalog: one SQLite file, one writer, many readers, and all SQL of the vault in this folder.
//! It is the source of truth for rights, versions and the outbox; nothing else may be.

mod readers;

pub(crate) use readers::Readers;

use crate::error::VaultError;
use rusqlite::Connection;
use std::path::Path;

/// Wraps an error of the catalog; a full disk becomes [`VaultError::DiskFull`].
pub(crate) fn failed(action: &'static str, path: &Path) -> impl Fn(rusqlite::Error) -> VaultError {
    move |source| match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => VaultError::DiskFull { path: path.to_owned() },
        _ => VaultError::Catalog { action, source },
    }
}

fn setup(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(30))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "synchronous", "FULL")
}
