//! Opening the catalog: making it, and refusing one of another tenant or version.

use super::{Catalog, failed, migrate, runs, setup};
use crate::error::VaultError;
use crate::folder::lost_catalog;
use kenward_access::ids::TenantId;
use kenward_indexes::embedding::EmbeddingSpace;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const SCHEMA: &str = include_str!("schema.sql");

/// The space that documents in the catalog of a folder that is not open are embedded in, if any are, and the name
/// of the folder of their vectors, if it is another than the usual one.
pub(crate) fn space_in(path: &Path) -> Option<(EmbeddingSpace, Option<String>)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).ok()?;
    setup(&connection).ok()?;
    let sql = "SELECT value, (SELECT value FROM meta WHERE key = 'vectors') FROM meta WHERE key = 'space'
               AND EXISTS (SELECT 1 FROM versions WHERE embedded = 1 AND count > 0 AND state <> 2)";
    let row = connection.query_row(sql, [], |r| Ok((r.get::<_, String>(0)?, r.get(1)?)));
    let (text, folder) = row.ok()?;
    Some((serde_json::from_str(&text).ok()?, folder))
}

impl Catalog {
    /// Opens or makes the catalog of a tenant. `may_make` is false where something is kept already: a
    /// catalog without its tables is then a lost one.
    pub(crate) fn open(path: &Path, tenant: &TenantId, may_make: bool) -> Result<Self, VaultError> {
        // Made here, so that it and SQLite's files beside it are readable by the owner alone.
        fs::OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .map_err(VaultError::io("opening", path))?;
        let action = "opening the catalog";
        let connection = Connection::open(path).map_err(failed(action, path))?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed(action, path))?;
        setup(&connection).map_err(failed(action, path))?;
        // INVARIANT: what is acknowledged survives a power cut. 2 = FULL.
        let synchronous: i64 =
            connection.pragma_query_value(None, "synchronous", |r| r.get(0)).map_err(failed(action, path))?;
        let journal: String = connection
            .pragma_query_value(None, "journal_mode", |r| r.get(0))
            .map_err(failed(action, path))?;
        if synchronous != 2 || journal != "wal" {
            return Err(VaultError::mismatch(
                format!("the catalog cannot be kept durably here (synchronous {synchronous}, {journal})"),
                "put `data_dir` on a local file system",
            ));
        }
        migrate::snapshot(&connection, path)?;
        let mut catalog = Self { connection, path: path.to_owned() };
        catalog.transaction(action, |tx| {
            let made: Option<i64> = tx.sql(|c| {
                c.query_row("SELECT 1 FROM sqlite_master WHERE name = 'meta'", [], |r| r.get(0)).optional()
            })?;
            if made.is_none() && !may_make {
                return Err(lost_catalog(path));
            }
            if made.is_none() {
                tx.sql(|c| c.execute_batch(SCHEMA))?;
                tx.set_meta("schema", &migrate::VERSION.to_string())?;
                tx.set_meta("tenant", tenant.as_str())?;
            }
            let theirs = tx.meta("tenant")?;
            if theirs.as_deref() != Some(tenant.as_str()) {
                return Err(VaultError::mismatch(
                    format!("this `data_dir` belongs to the tenant `{}`", theirs.unwrap_or_default()),
                    format!("give the tenant `{tenant}` a `data_dir` of its own"),
                ));
            }
            migrate::migrate(tx)?;
            runs::cut_off(tx)
        })?;
        Ok(catalog)
    }
}
