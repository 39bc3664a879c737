//! The outbox: what the engines have still to be told, in order. A row goes only after both engines
//! have made it durable; until then it holds the only copy of its vectors.

use super::{Readers, Tx};
use crate::error::VaultError;
use kenward_access::ids::DocNo;
use rusqlite::{OptionalExtension, params};

/// Index a version's chunks.
pub(crate) const PUT: u8 = 1;
/// Drop the chunks of a version that was replaced.
pub(crate) const DROP: u8 = 2;
/// Drop the chunks of a document that is gone.
pub(crate) const GONE: u8 = 3;

/// One row.
pub(crate) struct Row {
    pub(crate) position: u64,
    pub(crate) kind: u8,
    pub(crate) document: DocNo,
    pub(crate) version: i64,
    pub(crate) first: u32,
    pub(crate) count: u32,
    pub(crate) vectors: Option<Vec<u8>>,
}

/// Appends a row.
pub(crate) fn push(
    tx: &Tx<'_>,
    kind: u8,
    document: DocNo,
    version: i64,
    chunks: (u32, u32),
    vectors: Option<&[u8]>,
) -> Result<(), VaultError> {
    tx.sql(|c| {
        c.execute(
            "INSERT INTO outbox (kind, document, version, first, count, vectors) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![kind, document.0, version, chunks.0, chunks.1, vectors],
        )
    })
    .map(drop)
}

/// Some of the rows after a position, in order.
pub(crate) fn after(readers: &Readers, position: u64, limit: u32) -> Result<Vec<Row>, VaultError> {
    readers.with("reading the outbox", |c| {
        c.prepare(
            "SELECT position, kind, document, version, first, count, vectors FROM outbox
             WHERE position > ?1 ORDER BY position LIMIT ?2",
        )?
        .query_map(params![position.cast_signed(), limit], read)?
        .collect()
    })
}

fn read(r: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        position: r.get::<_, i64>(0)?.cast_unsigned(),
        kind: r.get(1)?,
        document: DocNo(r.get(2)?),
        version: r.get(3)?,
        first: r.get(4)?,
        count: r.get(5)?,
        vectors: r.get(6)?,
    })
}

/// The rows up to a position, without vectors.
pub(crate) fn upto(tx: &Tx<'_>, position: u64) -> Result<Vec<Row>, VaultError> {
    tx.sql(|c| {
        c.prepare(
            "SELECT position, kind, document, version, first, count, NULL FROM outbox
             WHERE position <= ?1 ORDER BY position",
        )?
        .query_map([position.cast_signed()], read)?
        .collect()
    })
}

/// Forgets the rows up to a position that both engines have reached.
pub(crate) fn done(tx: &Tx<'_>, position: u64) -> Result<(), VaultError> {
    tx.sql(|c| c.execute("DELETE FROM outbox WHERE position <= ?1", [position.cast_signed()]))?;
    tx.set_meta("applied", &position.to_string())
}

/// The position up to which rows were forgotten, and the last one that was ever given out.
pub(crate) fn bounds(tx: &Tx<'_>) -> Result<(u64, u64), VaultError> {
    let last: i64 = tx.sql(|c| {
        c.query_row("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'outbox'", [], |r| {
            r.get(0)
        })
    })?;
    Ok((tx.meta_number("applied")?, last.cast_unsigned()))
}

/// The position up to which rows were forgotten, for who has no transaction.
pub(crate) fn applied(readers: &Readers) -> Result<u64, VaultError> {
    let text: Option<String> = readers.with("reading the outbox", |c| {
        c.query_row("SELECT value FROM meta WHERE key = 'applied'", [], |r| r.get(0)).optional()
    })?;
    text.map_or(Ok(0), |text| super::number(&text))
}
