//! Connections for reading: as many as are in use at once, kept for the next.

use super::{failed, setup};
use crate::core::Details;
use crate::error::VaultError;
use kenward_access::ids::ChunkNo;
use kenward_access::untrusted::UntrustedText;
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::path::{Path, PathBuf};

/// A pool of read-only connections.
pub(crate) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), idle: Mutex::new(Vec::new()) }
    }

    /// Lends a connection to `ask`.
    pub(crate) fn with<T>(
        &self,
        action: &'static str,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, VaultError> {
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.connect().map_err(failed("opening a reader", &self.path))?,
        };
        let result = ask(&connection).map_err(failed(action, &self.path));
        self.idle.lock().push(connection);
        result
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(
            &self.path,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        setup(&connection)?;
        Ok(connection)
    }

    /// Links, flags and counts of a version.
    pub(crate) fn details(&self, row: i64) -> Result<Option<Details>, VaultError> {
        let found = self.with("reading a document's details", |c| {
            c.query_row("SELECT links, flags, removed FROM versions WHERE no = ?1", [row], |r| {
                Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?, r.get::<_, String>(2)?))
            })
            .optional()
        })?;
        let Some((links, flags, removed)) = found else { return Ok(None) };
        Ok(Some(Details { links: json(&links)?, flags: json(&flags)?, removed: json(&removed)? }))
    }

    /// The heading path of a chunk.
    #[expect(clippy::disallowed_methods, reason = "stored headings come back as what they were")]
    pub(crate) fn headings(&self, chunk: ChunkNo) -> Result<Option<Vec<UntrustedText>>, VaultError> {
        let found = self.with("reading a passage's headings", |c| {
            c.query_row("SELECT headings FROM chunks WHERE no = ?1", [chunk.0], |r| r.get::<_, String>(0))
                .optional()
        })?;
        let Some(text) = found else { return Ok(None) };
        Ok(Some(json::<Vec<String>>(&text)?.into_iter().map(UntrustedText::mint).collect()))
    }
}

/// Reads JSON that the catalog wrote itself.
pub(crate) fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, VaultError> {
    serde_json::from_str(text).map_err(|_| {
        VaultError::damaged("a row of the catalog", "put `catalog.sqlite` and `text/` back from a backup")
    })
}
