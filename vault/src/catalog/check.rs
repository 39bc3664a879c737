//! What the catalog says should be there, for comparing it with what is there. It changes nothing but marks.

use super::{Readers, Tx};
use crate::error::VaultError;
use roaring::RoaringBitmap;
use rusqlite::{OptionalExtension, params};

/// What SQLite finds wrong; empty if nothing.
pub(crate) fn integrity(readers: &Readers) -> Result<Vec<String>, VaultError> {
    readers.with("checking the catalog", |c| {
        let mut wrong: Vec<String> = c
            .prepare("PRAGMA integrity_check(20)")?
            .query_map([], |r| r.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        wrong.retain(|line| line != "ok");
        let broken: i64 = c.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |r| r.get(0))?;
        if broken > 0 {
            wrong.push(format!("{broken} rows name something that is not there"));
        }
        Ok(wrong)
    })
}

/// A version that is kept.
pub(crate) struct Kept {
    pub(crate) row: i64,
    pub(crate) text: String,
    pub(crate) version: String,
    pub(crate) length: u32,
    pub(crate) source: String,
    /// Its passages are all there, in order, within its text.
    pub(crate) passages_fit: bool,
}

/// Some of the versions that are read or wait, by their row.
pub(crate) fn versions(readers: &Readers, after: i64, limit: u32) -> Result<Vec<Kept>, VaultError> {
    readers.with("listing versions", |c| {
        c.prepare(
            "SELECT v.no, v.text, v.version, v.length, s.name,
                    v.count = (SELECT count(*) FROM chunks k WHERE k.version = v.no AND k.no >= v.first
                               AND k.no < v.first + v.count AND k.ordinal = k.no - v.first
                               AND k.start <= k.stop AND k.stop <= v.length)
                    AND v.count = (SELECT count(*) FROM chunks k WHERE k.version = v.no)
             FROM versions v JOIN documents d ON d.no = v.document JOIN sources s ON s.no = d.source
             WHERE v.no > ?1 AND v.state <> 2 ORDER BY v.no LIMIT ?2",
        )?
        .query_map(params![after, limit], |r| {
            Ok(Kept {
                row: r.get(0)?,
                text: r.get(1)?,
                version: r.get(2)?,
                length: r.get(3)?,
                source: r.get(4)?,
                passages_fit: r.get(5)?,
            })
        })?
        .collect()
    })
}

/// Whether a version is still read or waits.
pub(crate) fn is_kept(readers: &Readers, row: i64) -> Result<bool, VaultError> {
    readers
        .with("reading a version", |c| {
            c.query_row("SELECT 1 FROM versions WHERE no = ?1 AND state <> 2", [row], |_| Ok(())).optional()
        })
        .map(|found| found.is_some())
}

/// The passages that engines should hold.
pub(crate) struct Expected {
    /// Of all versions that were applied, but for those whose text is lost.
    pub(crate) lexical: RoaringBitmap,
    /// Of those that are embedded.
    pub(crate) vectors: RoaringBitmap,
    /// Of all that were applied.
    pub(crate) any: RoaringBitmap,
    /// That may or may not be there: of versions that go, or that the engines have still to be told of, or whose text
    /// is lost.
    pub(crate) passing: RoaringBitmap,
}

/// What engines should hold now.
pub(crate) fn expected(readers: &Readers) -> Result<Expected, VaultError> {
    let mut all = Expected {
        lexical: RoaringBitmap::new(),
        vectors: RoaringBitmap::new(),
        any: RoaringBitmap::new(),
        passing: RoaringBitmap::new(),
    };
    readers.with("listing passages", |c| {
        c.execute_batch("BEGIN")?;
        let mut read = || {
            let mut ask = c.prepare("SELECT first, count FROM outbox")?;
            let mut rows = ask.query([])?;
            while let Some(row) = rows.next()? {
                let (first, count): (u32, u32) = (row.get(0)?, row.get(1)?);
                all.passing.insert_range(first..first.saturating_add(count));
            }
            let mut ask = c.prepare(
                "SELECT first, count, state, pipeline, embedded FROM versions
                 WHERE no NOT IN (SELECT version FROM outbox WHERE kind = 1)",
            )?;
            let mut rows = ask.query([])?;
            while let Some(row) = rows.next()? {
                let (first, count): (u32, u32) = (row.get(0)?, row.get(1)?);
                let (state, pipeline, embedded): (u8, u32, bool) = (row.get(2)?, row.get(3)?, row.get(4)?);
                let chunks = first..first.saturating_add(count);
                if state == super::content::RETIRED {
                    all.passing.insert_range(chunks);
                    continue;
                }
                all.any.insert_range(chunks.clone());
                if pipeline == super::lost::TEXT_LOST {
                    all.passing.insert_range(chunks.clone());
                } else {
                    all.lexical.insert_range(chunks.clone());
                }
                if embedded {
                    all.vectors.insert_range(chunks);
                }
            }
            Ok(())
        };
        let read = read();
        c.execute_batch("ROLLBACK")?;
        read
    })?;
    // What goes or comes is not counted on.
    all.lexical -= &all.passing;
    all.vectors -= &all.passing;
    Ok(all)
}

/// Counts versions of which a vector is missing as not embedded: the next run of their source embeds them.
pub(crate) fn forget_vectors(tx: &Tx<'_>, missing: &RoaringBitmap) -> Result<(), VaultError> {
    tx.sql(|c| {
        let mut forget = c.prepare(
            "UPDATE versions SET embedded = 0 WHERE state <> 2 AND first <= ?1 AND ?1 < first + count AND embedded = 1",
        )?;
        missing.iter().try_for_each(|chunk| forget.execute([chunk]).map(drop))
    })
}
