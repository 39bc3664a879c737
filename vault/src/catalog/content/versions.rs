//! Versions and their chunks: what was read of a document once. A version must never change but for its
//! state, its time of change and whether it is embedded.

use crate::catalog::{Tx, to_json};
use crate::error::VaultError;
use crate::writer::NewDocument;
use kenward_access::ids::{DocNo, Timestamp};
use kenward_access::untrusted::expose_for_indexing;
use rusqlite::params;

/// A version is what is read. (0: it waits for publication.)
pub(super) const PUBLISHED: u8 = 1;
/// A version is to be removed once nobody reads it any more.
pub(crate) const RETIRED: u8 = 2;

/// What a version is besides what its source said.
pub(crate) struct Stored<'a> {
    pub(crate) document: DocNo,
    pub(crate) version: &'a str,
    pub(crate) text: &'a str,
    pub(crate) length: u32,
    pub(crate) ingested: Timestamp,
    pub(crate) embedded: bool,
}

/// Adds a waiting version with its chunks; gives its row and its first chunk's number.
#[expect(clippy::disallowed_methods, reason = "a title is stored beside its version")]
pub(crate) fn add_version(
    tx: &Tx<'_>,
    new: &NewDocument,
    stored: &Stored<'_>,
) -> Result<(i64, u32), VaultError> {
    let first = tx.meta_number("next_chunk")?;
    let count = new.chunks.len() as u64;
    // INVARIANT: a chunk number is never given out twice, so an engine that lags or leads can never
    // mistake one text for another.
    let (Ok(first), Ok(next)) = (u32::try_from(first), u32::try_from(first + count)) else {
        return Err(VaultError::mismatch(
            "this `data_dir` has used up its 4 billion chunk numbers",
            "ingest into a new `data_dir`",
        ));
    };
    tx.set_meta("next_chunk", &next.to_string())?;
    let (links, flags, removed) = (to_json(&new.links)?, to_json(&new.flags)?, to_json(&new.removed)?);
    let row: i64 = tx.sql(|c| {
        c.query_row(
            "INSERT INTO versions (document, state, version, text, length, path, title, kind, modified, ingested,
               bytes, raw_hash, pipeline, embedded, first, count, links, flags, removed, dated, language)
             VALUES (?1, 0, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)
             RETURNING no",
            params![
                stored.document.0,
                stored.version,
                stored.text,
                stored.length,
                new.path,
                expose_for_indexing(&new.title),
                new.kind,
                new.modified.0,
                stored.ingested.0,
                new.length.cast_signed(),
                new.raw_hash.as_slice(),
                new.pipeline,
                stored.embedded,
                first,
                next - first,
                links,
                flags,
                removed,
                new.dated,
                new.language,
            ],
            |r| r.get(0),
        )
    })?;
    let headings = new
        .chunks
        .iter()
        .map(|chunk| to_json(&chunk.headings.iter().map(expose_for_indexing).collect::<Vec<_>>()))
        .collect::<Result<Vec<_>, _>>()?;
    tx.sql(|c| {
        let mut insert = c.prepare(
            "INSERT INTO chunks (no, version, ordinal, start, stop, page, headings, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        for ((ordinal, chunk), headings) in (0u32..).zip(&new.chunks).zip(&headings) {
            insert.execute(params![
                first + ordinal,
                row,
                ordinal,
                chunk.span.0,
                chunk.span.1,
                chunk.page,
                headings,
                chunk.body
            ])?;
        }
        Ok(())
    })?;
    tx.sql(|c| {
        c.execute("UPDATE documents SET waiting = ?2 WHERE no = ?1", params![stored.document.0, row])
    })?;
    Ok((row, first))
}

/// Marks a version.
pub(crate) fn set_state(tx: &Tx<'_>, row: i64, state: u8) -> Result<(), VaultError> {
    tx.sql(|c| c.execute("UPDATE versions SET state = ?2 WHERE no = ?1", params![row, state])).map(drop)
}

/// Versions of a source that wait for publication and that the engines know at this position of
/// the outbox: document and row.
pub(crate) fn waiting(tx: &Tx<'_>, source: u32, position: u64) -> Result<Vec<(DocNo, i64)>, VaultError> {
    tx.sql(|c| {
        c.prepare(
            "SELECT no, waiting FROM documents WHERE source = ?1 AND waiting IS NOT NULL
             AND waiting NOT IN (SELECT version FROM outbox WHERE kind = 1 AND position > ?2) ORDER BY no",
        )?
        .query_map(params![source, position.cast_signed()], |r| Ok((DocNo(r.get(0)?), r.get(1)?)))?
        .collect()
    })
}

/// First chunk and count of a version.
pub(crate) fn chunk_range(tx: &Tx<'_>, row: i64) -> Result<(u32, u32), VaultError> {
    tx.sql(|c| {
        c.query_row("SELECT first, count FROM versions WHERE no = ?1", [row], |r| Ok((r.get(0)?, r.get(1)?)))
    })
}

/// Sets the time of change of a document's newest version.
pub(crate) fn set_modified(tx: &Tx<'_>, no: DocNo, modified: Timestamp) -> Result<(), VaultError> {
    tx.sql(|c| {
        c.execute(
            "UPDATE versions SET modified = ?2
             WHERE no = (SELECT coalesce(waiting, published) FROM documents WHERE no = ?1)",
            params![no.0, modified.0],
        )
    })
    .map(drop)
}

/// Retired versions: row and name of the text.
pub(crate) fn retired(tx: &Tx<'_>) -> Result<Vec<(i64, String)>, VaultError> {
    tx.sql(|c| {
        c.prepare("SELECT no, text FROM versions WHERE state = 2 ORDER BY no")?
            .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?
            .collect()
    })
}

/// Forgets a retired version and its chunks.
pub(crate) fn forget(tx: &Tx<'_>, row: i64) -> Result<(), VaultError> {
    tx.sql(|c| c.execute("DELETE FROM versions WHERE no = ?1 AND state = 2", [row])).map(drop)
}

/// Counts as embedded only what has nothing to embed, or its vectors still in the outbox: those that
/// the engine had are lost.
pub(crate) fn forget_embeddings(tx: &Tx<'_>) -> Result<usize, VaultError> {
    tx.sql(|c| {
        c.execute(
            "UPDATE versions SET embedded = 0 WHERE state <> 2 AND count > 0 AND embedded = 1
             AND no NOT IN (SELECT version FROM outbox WHERE kind = 1)",
            [],
        )
    })
}

/// Drops vectors that wait in the outbox: they are of a space that is given up.
pub(crate) fn drop_waiting_vectors(tx: &Tx<'_>) -> Result<(), VaultError> {
    tx.sql(|c| c.execute("UPDATE outbox SET vectors = NULL", []))?;
    tx.sql(|c| c.execute("UPDATE versions SET embedded = 0 WHERE state = 0 AND count > 0", [])).map(drop)
}

/// Whether any chunk has a vector, applied or waiting.
pub(crate) fn any_embedded(tx: &Tx<'_>) -> Result<bool, VaultError> {
    tx.sql(|c| {
        c.query_row(
            "SELECT EXISTS (SELECT 1 FROM versions WHERE embedded = 1 AND count > 0 AND state <> 2)",
            [],
            |r| r.get(0),
        )
    })
}

/// States which versions have vectors of the current space: these, and those without chunks, and no others.
pub(crate) fn set_embedded(tx: &Tx<'_>, rows: &[i64]) -> Result<(), VaultError> {
    tx.sql(|c| {
        c.execute("UPDATE versions SET embedded = (count = 0)", [])?;
        let mut set = c.prepare("UPDATE versions SET embedded = 1 WHERE no = ?1")?;
        rows.iter().try_for_each(|row| set.execute([row]).map(drop))
    })
}
