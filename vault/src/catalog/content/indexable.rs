//! What the engines are told of a version. It must never hold anything about rights.

use crate::catalog::{Readers, json};
use crate::error::VaultError;
use kenward_access::ids::ChunkNo;
use rusqlite::OptionalExtension;

/// What the lexical engine is told of a version.
pub(crate) struct Indexable {
    pub(crate) title: String,
    /// ISO 639-1, if it could be told.
    pub(crate) language: Option<String>,
    pub(crate) text: String,
    pub(crate) chunks: Vec<IndexableChunk>,
}

/// A chunk of it.
pub(crate) struct IndexableChunk {
    pub(crate) no: ChunkNo,
    /// Span in Unicode scalars.
    pub(crate) span: (u32, u32),
    /// Where its own leading headings end, within the span.
    pub(crate) body: u32,
    pub(crate) headings: Vec<String>,
}

/// A version as the engines index it; `None` if it is retired or gone.
pub(crate) fn indexable(readers: &Readers, row: i64) -> Result<Option<Indexable>, VaultError> {
    let found = readers.with("reading a version", |c| {
        let Some((title, text, language)) = c
            .query_row(
                "SELECT title, text, language FROM versions WHERE no = ?1 AND state <> 2",
                [row],
                |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)),
            )
            .optional()?
        else {
            return Ok(None);
        };
        let chunks: Vec<(u32, u32, u32, u32, String)> = c
            .prepare("SELECT no, start, stop, body, headings FROM chunks WHERE version = ?1 ORDER BY no")?
            .query_map([row], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Some((title, text, language, chunks)))
    })?;
    let Some((title, text, language, rows)) = found else { return Ok(None) };
    let chunks = rows
        .into_iter()
        .map(|(no, start, stop, body, headings)| {
            let (no, headings) = (ChunkNo(no), json(&headings)?);
            Ok(IndexableChunk { no, span: (start, stop), body: body.max(start).min(stop), headings })
        })
        .collect::<Result<_, VaultError>>()?;
    Ok(Some(Indexable { title, text, language, chunks }))
}

/// Rows of all versions that an engine knew before what the outbox holds, for building it anew:
/// those published, and those that were applied and wait.
pub(crate) fn indexed_rows(readers: &Readers) -> Result<Vec<i64>, VaultError> {
    readers.with("listing versions", |c| {
        c.prepare(
            "SELECT no FROM versions
             WHERE state <> 2 AND no NOT IN (SELECT version FROM outbox WHERE kind = 1) ORDER BY no",
        )?
        .query_map([], |r| r.get(0))?
        .collect()
    })
}

/// A version that an index of vectors holds chunks of.
pub(crate) struct Embeddable {
    pub(crate) row: i64,
    pub(crate) first: u32,
    pub(crate) count: u32,
}

/// All versions that are published or wait, have chunks, and whose text is not known to be lost.
pub(crate) fn embeddable(readers: &Readers) -> Result<Vec<Embeddable>, VaultError> {
    readers.with("listing versions", |c| {
        c.prepare(
            "SELECT no, first, count FROM versions WHERE state <> 2 AND count > 0 AND pipeline <> ?1 ORDER BY no",
        )?
        .query_map([crate::catalog::lost::TEXT_LOST], |r| {
            Ok(Embeddable { row: r.get(0)?, first: r.get(1)?, count: r.get(2)? })
        })?
        .collect()
    })
}
