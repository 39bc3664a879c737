//! From the catalog of an older version to this one: the file is copied first, then changed in the
//! transaction that opens it. It must never change a version that it does not know.

use super::{Tx, failed};
use crate::error::VaultError;
use rusqlite::Connection;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The version of the catalog that this program keeps.
pub(crate) const VERSION: u32 = 4;

/// What makes version n + 1 of version n, from 1.
const STEPS: [&str; 3] = [
    // Runs have states, legs, progress and a report; clearances have the names of their labels.
    "ALTER TABLE runs RENAME COLUMN finished TO ended;
     ALTER TABLE runs ADD COLUMN legs INTEGER NOT NULL DEFAULT 1;
     ALTER TABLE runs ADD COLUMN state INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE runs ADD COLUMN done INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE runs ADD COLUMN files INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE runs ADD COLUMN why TEXT;
     ALTER TABLE runs ADD COLUMN report TEXT;
     ALTER TABLE users ADD COLUMN label TEXT;
     UPDATE runs SET state = CASE WHEN ended IS NULL THEN 4 ELSE 1 END;",
    // A source keeps the name that ids are made with when it is renamed, and its number when it is removed;
    // versions have their document's own date, and its language; chunks say where their body begins (of
    // older ones it is not known, and their headings are embedded anew with it); failures know what failed
    // and when they are tried again; rights are read apart from content.
    "ALTER TABLE sources ADD COLUMN born TEXT;
     ALTER TABLE sources ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE versions ADD COLUMN dated INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE versions ADD COLUMN language TEXT;
     ALTER TABLE chunks ADD COLUMN body INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE failures ADD COLUMN raw_hash BLOB;
     ALTER TABLE failures ADD COLUMN pipeline INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE failures ADD COLUMN limits TEXT NOT NULL DEFAULT '';
     ALTER TABLE failures ADD COLUMN tried INTEGER;
     ALTER TABLE failures ADD COLUMN next INTEGER;
     ALTER TABLE sources ADD COLUMN rights_read INTEGER;
     UPDATE sources SET rights_read = listed;",
    // Subjects of trusted issuers are people of the directory by a link.
    "CREATE TABLE identities (
       issuer  TEXT NOT NULL,
       subject TEXT NOT NULL,
       user    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
       made    INTEGER NOT NULL,
       PRIMARY KEY (issuer, subject)
     ) STRICT, WITHOUT ROWID;",
];

/// Indexes that came without a new version: an older program keeps them and need not know them. Without these whatever
/// goes would look through all that may name it: a version through all documents, a person through all members.
const INDEXES: &str = "CREATE INDEX IF NOT EXISTS documents_published ON documents (published);
     CREATE INDEX IF NOT EXISTS documents_waiting ON documents (waiting) WHERE waiting IS NOT NULL;
     CREATE INDEX IF NOT EXISTS members_user ON members (member_user);
     CREATE INDEX IF NOT EXISTS members_group ON members (member_group);
     CREATE INDEX IF NOT EXISTS tokens_user ON tokens (user);
     CREATE INDEX IF NOT EXISTS identities_user ON identities (user);";

/// Copies the catalog beside itself if it is of an older version, once: `catalog.sqlite.v1`.
pub(crate) fn snapshot(connection: &Connection, path: &Path) -> Result<(), VaultError> {
    let Some(schema) = written(connection).map_err(failed("reading the version", path))? else {
        return Ok(());
    };
    if !(1..VERSION).contains(&schema) {
        return Ok(());
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".v{schema}"));
    let (beside, half) = (Path::new(&beside), format!("{}.new", Path::new(&beside).display()));
    if beside.exists() {
        return Ok(());
    }
    let _ = std::fs::remove_file(&half);
    connection.execute("VACUUM INTO ?1", [&half]).map_err(failed("copying before a migration", path))?;
    // The catalog's owner alone, like the catalog itself.
    let shut = std::fs::set_permissions(&half, std::fs::Permissions::from_mode(0o600));
    let synced = shut.and_then(|()| std::fs::File::open(&half)?.sync_all());
    synced.and_then(|()| std::fs::rename(&half, beside)).map_err(VaultError::io("keeping", beside))
}

/// The version that the catalog says; `None` before it has tables.
fn written(connection: &Connection) -> rusqlite::Result<Option<u32>> {
    let sql = "SELECT count(*) FROM sqlite_master WHERE name = 'meta'";
    if connection.query_row(sql, [], |r| r.get::<_, i64>(0))? == 0 {
        return Ok(None);
    }
    let text: String =
        connection.query_row("SELECT value FROM meta WHERE key = 'schema'", [], |r| r.get(0))?;
    Ok(text.parse().ok())
}

/// Brings an older catalog to this version.
///
/// # Errors
/// [`VaultError::Mismatch`] for a version that this program does not know.
pub(crate) fn migrate(tx: &Tx<'_>) -> Result<(), VaultError> {
    let schema: Option<u32> = tx.meta("schema")?.and_then(|text| text.parse().ok());
    let Some(schema) = schema.filter(|schema| (1..=VERSION).contains(schema)) else {
        return Err(VaultError::mismatch(
            "the catalog is of another version than this program",
            "use the version of the program that made it, or a newer one",
        ));
    };
    for step in STEPS.iter().skip(schema.saturating_sub(1) as usize) {
        tx.sql(|c| c.execute_batch(step))?;
    }
    tx.sql(|c| c.execute_batch(INDEXES))?;
    if schema != VERSION {
        tracing::info!(from = schema, to = VERSION, "the catalog was migrated");
        tx.set_meta("schema", &VERSION.to_string())?;
    }
    Ok(())
}
