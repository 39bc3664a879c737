//! Documents: one row each, with the version that is read, the one that waits, and what guards it. A
//! document's row must never name a version that another document has.

use super::versions::{PUBLISHED, RETIRED, set_state};
use crate::catalog::Tx;
use crate::error::VaultError;
use crate::writer::{Known, NewDocument, Unsure};
use kenward_access::ids::{ClassId, ContainerNo, DocNo, Timestamp};
use rusqlite::{OptionalExtension, params};
use std::collections::HashMap;
use std::sync::Arc;

/// Why a document has a class of its own: until its waiting version is published.
pub(crate) const HELD_FOR_CONTENT: u8 = 1;
/// Why a document has a class of its own: since its new content could not be read.
pub(crate) const HELD_FOR_FAILURE: u8 = 2;

/// A document's row.
pub(crate) struct Document {
    pub(crate) no: DocNo,
    pub(crate) container: ContainerNo,
    pub(crate) held: Option<ClassId>,
    pub(crate) published: Option<i64>,
    pub(crate) waiting: Option<i64>,
}

const COLUMNS: &str = "SELECT no, container, held, published, waiting FROM documents";

fn read(r: &rusqlite::Row<'_>) -> rusqlite::Result<Document> {
    Ok(Document {
        no: DocNo(r.get(0)?),
        container: ContainerNo(r.get(1)?),
        held: r.get::<_, Option<u32>>(2)?.map(ClassId),
        published: r.get(3)?,
        waiting: r.get(4)?,
    })
}

/// The row of a document.
pub(crate) fn document(tx: &Tx<'_>, source: u32, source_id: &str) -> Result<Option<Document>, VaultError> {
    let sql = format!("{COLUMNS} WHERE source = ?1 AND source_id = ?2");
    tx.sql(|c| c.query_row(&sql, params![source, source_id], read).optional())
}

/// The row of a document, by its number.
pub(crate) fn document_by_number(tx: &Tx<'_>, no: DocNo) -> Result<Option<Document>, VaultError> {
    let sql = format!("{COLUMNS} WHERE no = ?1");
    tx.sql(|c| c.query_row(&sql, [no.0], read).optional())
}

/// Adds a document without any version.
pub(crate) fn add_document(
    tx: &Tx<'_>,
    source: u32,
    source_id: &str,
    key: &[u8; 32],
    container: ContainerNo,
) -> Result<DocNo, VaultError> {
    tx.sql(|c| {
        c.query_row(
            "INSERT INTO documents (source, source_id, key, container) VALUES (?1, ?2, ?3, ?4) RETURNING no",
            params![source, source_id, key.as_slice(), container.0],
            |r| r.get(0).map(DocNo),
        )
    })
}

/// Sets what guards a document.
pub(crate) fn guard(
    tx: &Tx<'_>,
    no: DocNo,
    container: ContainerNo,
    held: Option<ClassId>,
    held_for: u8,
) -> Result<(), VaultError> {
    tx.sql(|c| {
        c.execute(
            "UPDATE documents SET container = ?2, held = ?3, held_for = ?4 WHERE no = ?1",
            params![no.0, container.0, held.map(|h| h.0), held_for],
        )
    })
    .map(drop)
}

/// Makes the waiting version the published one, and lets go of a class held for it.
/// Gives the version that it replaces, and whether rights changed.
pub(crate) fn promote(tx: &Tx<'_>, no: DocNo, row: i64) -> Result<(Option<i64>, bool), VaultError> {
    let (old, held_for): (Option<i64>, u8) = tx.sql(|c| {
        c.query_row("SELECT published, held_for FROM documents WHERE no = ?1", [no.0], |r| {
            Ok((r.get(0)?, r.get(1)?))
        })
    })?;
    set_state(tx, row, PUBLISHED)?;
    if let Some(old) = old {
        set_state(tx, old, RETIRED)?;
    }
    tx.sql(|c| {
        c.execute("UPDATE documents SET published = ?2, waiting = NULL WHERE no = ?1", params![no.0, row])
    })?;
    let freed = held_for == HELD_FOR_CONTENT;
    if freed {
        tx.sql(|c| c.execute("UPDATE documents SET held = NULL, held_for = 0 WHERE no = ?1", [no.0]))?;
    }
    Ok((old, freed))
}

/// Lets go of a class held for a document that turned out unchanged; nothing if content waits.
pub(crate) fn free(tx: &Tx<'_>, no: DocNo) -> Result<bool, VaultError> {
    tx.sql(|c| {
        c.execute(
            "UPDATE documents SET held = NULL, held_for = 0 WHERE no = ?1 AND waiting IS NULL AND held IS NOT NULL",
            [no.0],
        )
    })
    .map(|n| n > 0)
}

/// Removes a document; its versions are retired.
pub(crate) fn remove(tx: &Tx<'_>, document: &Document) -> Result<(), VaultError> {
    tx.sql(|c| c.execute("DELETE FROM documents WHERE no = ?1", [document.no.0]))?;
    for row in [document.published, document.waiting].into_iter().flatten() {
        set_state(tx, row, RETIRED)?;
    }
    Ok(())
}

/// What a run must know of a document.
pub(crate) struct KnownDocument {
    pub(crate) no: DocNo,
    pub(crate) held: bool,
    /// `known` is of a version that waits.
    pub(crate) waiting: bool,
    pub(crate) known: Arc<Known>,
}

impl KnownDocument {
    /// A newer version was kept, and waits.
    pub(crate) fn put(&mut self, new: &NewDocument) {
        let published = self.known.published;
        (self.waiting, self.held) = (true, true);
        self.known = Arc::new(Known {
            raw_hash: new.raw_hash,
            modified: new.modified,
            dated: new.dated,
            length: new.length,
            container: new.container.clone(),
            embedded: new.chunks.iter().all(|chunk| chunk.vector.is_some()),
            pipeline: new.pipeline,
            published,
        });
    }
}

/// All documents of a source by source id, each by its newest version.
pub(crate) fn known(tx: &Tx<'_>, source: u32) -> Result<HashMap<String, KnownDocument>, VaultError> {
    tx.sql(|c| {
        c.prepare(
            "SELECT d.source_id, d.held IS NOT NULL, v.raw_hash, v.modified, v.bytes, k.key, v.embedded, v.pipeline,
                    d.no, d.waiting IS NOT NULL, d.published IS NOT NULL, v.dated
             FROM documents d JOIN versions v ON v.no = coalesce(d.waiting, d.published)
             JOIN containers k ON k.no = d.container WHERE d.source = ?1",
        )?
        .query_map([source], |r| {
            Ok((
                r.get(0)?,
                KnownDocument {
                    no: DocNo(r.get(8)?),
                    held: r.get(1)?,
                    waiting: r.get(9)?,
                    known: Arc::new(Known {
                        raw_hash: r.get(2)?,
                        modified: Timestamp(r.get(3)?),
                        length: r.get::<_, i64>(4)?.cast_unsigned(),
                        container: r.get(5)?,
                        embedded: r.get(6)?,
                        pipeline: r.get(7)?,
                        published: r.get(10)?,
                        dated: r.get(11)?,
                    }),
                },
            ))
        })?
        .collect()
    })
}

/// Published documents of a source, without a waiting version, that old rights still guard.
pub(crate) fn unsure(tx: &Tx<'_>, source: u32) -> Result<Vec<Unsure>, VaultError> {
    tx.sql(|c| {
        c.prepare(
            "SELECT d.source_id, v.raw_hash, v.bytes FROM documents d
             JOIN containers k ON k.no = d.container JOIN versions v ON v.no = d.published
             WHERE d.source = ?1 AND d.waiting IS NULL AND (d.held IS NOT NULL OR k.class <> k.wanted)
             ORDER BY d.source_id",
        )?
        .query_map([source], |r| {
            let length = r.get::<_, i64>(2)?.cast_unsigned();
            Ok(Unsure { source_id: r.get(0)?, raw_hash: r.get(1)?, length })
        })?
        .collect()
    })
}

/// A document of a container.
pub(crate) struct Inside {
    pub(crate) no: DocNo,
    pub(crate) source_id: String,
    pub(crate) held: bool,
    pub(crate) waits: bool,
}

/// All documents of a container.
pub(crate) fn in_container(tx: &Tx<'_>, container: ContainerNo) -> Result<Vec<Inside>, VaultError> {
    tx.sql(|c| {
        c.prepare(
            "SELECT no, source_id, held IS NOT NULL, waiting IS NOT NULL OR published IS NULL
             FROM documents WHERE container = ?1 ORDER BY no",
        )?
        .query_map([container.0], |r| {
            Ok(Inside { no: DocNo(r.get(0)?), source_id: r.get(1)?, held: r.get(2)?, waits: r.get(3)? })
        })?
        .collect()
    })
}
