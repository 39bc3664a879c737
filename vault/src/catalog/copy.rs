//! A copy of the catalog as of one commit, made while it goes on being written: a reader that has seen that commit keeps
//! seeing it. It must never hold the writer up.

use super::{failed, lost, setup};
use crate::error::VaultError;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Pages that are copied at once; 4 KiB each.
const PAGES: i32 = 4_096;

/// The catalog as of the commit that was the last one when this was made.
pub(crate) struct Pinned {
    connection: Connection,
    path: PathBuf,
}

/// What a pinned catalog counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) sources: u64,
    pub(crate) documents: u64,
    pub(crate) chunks: u64,
}

impl Pinned {
    pub(crate) fn new(path: &Path) -> Result<Self, VaultError> {
        let action = "beginning a backup";
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let pin = || {
            let connection = Connection::open_with_flags(path, flags)?;
            setup(&connection)?;
            connection.execute_batch("BEGIN")?;
            // The first read takes the snapshot.
            connection.query_row("SELECT count(*) FROM meta", [], |r| r.get::<_, i64>(0))?;
            Ok(connection)
        };
        Ok(Self { connection: pin().map_err(failed(action, path))?, path: path.to_owned() })
    }

    /// The names of all texts that are read or wait.
    pub(crate) fn texts(&self) -> Result<BTreeMap<String, i64>, VaultError> {
        self.connection
            .prepare(lost::TEXTS)
            .and_then(|mut ask| ask.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
            .map_err(failed("listing texts for a backup", &self.path))
    }

    pub(crate) fn counts(&self) -> Result<Counts, VaultError> {
        let sql = "SELECT (SELECT count(*) FROM sources), (SELECT count(*) FROM documents WHERE published IS NOT NULL),
                   (SELECT coalesce(sum(count), 0) FROM versions WHERE state = 1)";
        let counts = self.connection.query_row(sql, [], |r| {
            let count = |at| r.get::<_, i64>(at).map(i64::cast_unsigned);
            Ok(Counts { sources: count(0)?, documents: count(1)?, chunks: count(2)? })
        });
        counts.map_err(failed("counting for a backup", &self.path))
    }

    /// Copies it into a new file.
    pub(crate) fn copy(&self, to: &Path) -> Result<(), VaultError> {
        let copy = || {
            let mut new = Connection::open(to)?;
            let backup = Backup::new(&self.connection, &mut new)?;
            loop {
                match backup.step(PAGES)? {
                    StepResult::Done => return Ok(()),
                    StepResult::More => {}
                    _ => std::thread::sleep(std::time::Duration::from_millis(5)),
                }
            }
        };
        copy().map_err(failed("copying for a backup", to))
    }
}
