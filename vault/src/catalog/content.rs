//! Documents, versions and chunks in the catalog.

use super::{Tx, json, to_json};
use crate::error::VaultError;
use crate::published::{ChunkMeta, ContentImage, DocMeta};
use crate::writer::{Known, NewDocument};
use kenward_access::ids::{ChunkNo, ClassId, ContainerNo, DocNo, Timestamp};
use kenward_access::untrusted::expose_for_indexing;
use rusqlite::{OptionalExtension, Row, params};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A version is what is read. (0: it waits for publication.)
pub(crate) const PUBLISHED: u8 = 1;
/// A version is to be removed once nobody reads it any more.
pub(crate) const RETIRED: u8 = 2;

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

/// The row of a document.
pub(crate) fn document(tx: &Tx<'_>, source: u32, source_id: &str) -> Result<Option<Document>, VaultError> {
    tx.sql(|c| {
        c.query_row(
            "SELECT no, container, held, published, waiting FROM documents WHERE source = ?1 AND source_id = ?2",
            params![source, source_id],
            |r| {
                Ok(Document {
                    no: DocNo(r.get(0)?),
                    container: ContainerNo(r.get(1)?),
                    held: r.get::<_, Option<u32>>(2)?.map(ClassId),
                    published: r.get(3)?,
                    waiting: r.get(4)?,
                })
            },
        )
        .optional()
    })
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
               bytes, raw_hash, pipeline, embedded, first, count, links, flags, removed)
             VALUES (?1, 0, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
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
            "INSERT INTO chunks (no, version, ordinal, start, stop, page, headings) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        for ((ordinal, chunk), headings) in (0u32..).zip(&new.chunks).zip(&headings) {
            insert.execute(params![
                first + ordinal,
                row,
                ordinal,
                chunk.span.0,
                chunk.span.1,
                chunk.page,
                headings
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

/// Removes a document; its versions are retired.
pub(crate) fn remove(tx: &Tx<'_>, document: &Document) -> Result<(), VaultError> {
    tx.sql(|c| c.execute("DELETE FROM documents WHERE no = ?1", [document.no.0]))?;
    for row in [document.published, document.waiting].into_iter().flatten() {
        set_state(tx, row, RETIRED)?;
    }
    Ok(())
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

/// Names of all texts that the catalog knows.
pub(crate) fn texts(tx: &Tx<'_>) -> Result<HashSet<String>, VaultError> {
    tx.sql(|c| c.prepare("SELECT text FROM versions")?.query_map([], |r| r.get(0))?.collect())
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

/// What a run must know of a document.
pub(crate) struct KnownDocument {
    pub(crate) held: bool,
    pub(crate) known: Known,
}

/// All documents of a source by source id, each by its newest version.
pub(crate) fn known(tx: &Tx<'_>, source: u32) -> Result<HashMap<String, KnownDocument>, VaultError> {
    tx.sql(|c| {
        c.prepare(
            "SELECT d.source_id, d.held IS NOT NULL, v.raw_hash, v.modified, v.bytes, k.key, v.embedded, v.pipeline
             FROM documents d JOIN versions v ON v.no = coalesce(d.waiting, d.published)
             JOIN containers k ON k.no = d.container WHERE d.source = ?1",
        )?
        .query_map([source], |r| {
            Ok((
                r.get(0)?,
                KnownDocument {
                    held: r.get(1)?,
                    known: Known {
                        raw_hash: r.get(2)?,
                        modified: Timestamp(r.get(3)?),
                        length: r.get::<_, i64>(4)?.cast_unsigned(),
                        container: r.get(5)?,
                        embedded: r.get(6)?,
                        pipeline: r.get(7)?,
                    },
                },
            ))
        })?
        .collect()
    })
}

const META: &str =
    "SELECT d.no, d.key, d.container, d.source, v.path, v.title, v.kind, v.modified, v.ingested,
  v.version, v.first, v.count, v.text, v.length, v.no
  FROM documents d JOIN versions v ON v.no = d.published";

fn meta(r: &Row<'_>) -> rusqlite::Result<DocMeta> {
    let first: u32 = r.get(10)?;
    let text = |at: usize| r.get::<_, String>(at).map(String::into_boxed_str);
    Ok(DocMeta {
        no: DocNo(r.get(0)?),
        key: r.get(1)?,
        container: ContainerNo(r.get(2)?),
        source: r.get(3)?,
        path: text(4)?,
        title: text(5)?,
        kind: text(6)?,
        modified: Timestamp(r.get(7)?),
        ingested: Timestamp(r.get(8)?),
        version: text(9)?,
        chunks: first..first + r.get::<_, u32>(11)?,
        text: text(12)?,
        length: r.get(13)?,
        row: r.get(14)?,
    })
}

const CHUNKS: &str =
    "SELECT k.no, k.ordinal, k.start, k.stop, k.page FROM chunks k WHERE k.version = ?1 ORDER BY k.no";

/// Brings documents in the image up to what the catalog says is published.
pub(crate) fn refresh(
    tx: &Tx<'_>,
    image: &mut ContentImage,
    documents: impl IntoIterator<Item = DocNo>,
) -> Result<(), VaultError> {
    for no in documents {
        let found = tx.sql(|c| c.query_row(&format!("{META} WHERE d.no = ?1"), [no.0], meta).optional())?;
        let same = |old: &Arc<DocMeta>| found.as_ref().is_some_and(|new| new.row == old.row);
        if !image.documents.get(&no).is_some_and(same) {
            image.drop_document(no);
        }
        if let Some(meta) = found {
            install(tx, image, meta)?;
        }
    }
    Ok(())
}

/// Loads all that is published into an image.
pub(crate) fn load(tx: &Tx<'_>, image: &mut ContentImage) -> Result<(), VaultError> {
    let metas: Vec<DocMeta> =
        tx.sql(|c| c.prepare(&format!("{META} ORDER BY d.no"))?.query_map([], meta)?.collect())?;
    for meta in metas {
        install(tx, image, meta)?;
    }
    Ok(())
}

fn install(tx: &Tx<'_>, image: &mut ContentImage, meta: DocMeta) -> Result<(), VaultError> {
    let (no, row) = (meta.no, meta.row);
    tx.sql(|c| {
        let mut ask = c.prepare(CHUNKS)?;
        let rows = ask.query_map([row], |r| {
            Ok((
                ChunkNo(r.get(0)?),
                ChunkMeta { doc: no, ordinal: r.get(1)?, span: (r.get(2)?, r.get(3)?), page: r.get(4)? },
            ))
        })?;
        for chunk in rows {
            let (number, chunk) = chunk?;
            image.chunks.insert(number, chunk);
        }
        Ok(())
    })?;
    image.by_id.insert(&meta.key, no);
    image.documents.insert(no, Arc::new(meta));
    Ok(())
}

/// What the lexical engine is told of a version.
pub(crate) struct Indexable {
    pub(crate) title: String,
    pub(crate) text: String,
    /// Number, span, heading path.
    pub(crate) chunks: Vec<(ChunkNo, (u32, u32), Vec<String>)>,
}

/// A version as the engines index it; `None` if it is retired or gone.
pub(crate) fn indexable(readers: &super::Readers, row: i64) -> Result<Option<Indexable>, VaultError> {
    let found = readers.with("reading a version", |c| {
        let Some((title, text)) = c
            .query_row("SELECT title, text FROM versions WHERE no = ?1 AND state <> 2", [row], |r| {
                Ok((r.get(0)?, r.get(1)?))
            })
            .optional()?
        else {
            return Ok(None);
        };
        let chunks: Vec<(u32, u32, u32, String)> = c
            .prepare("SELECT no, start, stop, headings FROM chunks WHERE version = ?1 ORDER BY no")?
            .query_map([row], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Some((title, text, chunks)))
    })?;
    let Some((title, text, rows)) = found else { return Ok(None) };
    let chunks = rows
        .into_iter()
        .map(|(no, start, stop, headings)| Ok((ChunkNo(no), (start, stop), json(&headings)?)))
        .collect::<Result<_, VaultError>>()?;
    Ok(Some(Indexable { title, text, chunks }))
}

/// Rows of all versions that an engine knew before what the outbox holds, for building it anew:
/// those published, and those that were applied and wait.
pub(crate) fn indexed_rows(readers: &super::Readers) -> Result<Vec<i64>, VaultError> {
    readers.with("listing versions", |c| {
        c.prepare(
            "SELECT no FROM versions
             WHERE state <> 2 AND no NOT IN (SELECT version FROM outbox WHERE kind = 1) ORDER BY no",
        )?
        .query_map([], |r| r.get(0))?
        .collect()
    })
}

/// For explanations: number and path of a document given as `source/path` or by its hash.
pub(crate) fn find(tx: &Tx<'_>, name: &str) -> Result<Option<DocNo>, VaultError> {
    if let Some(part) = crate::keys::parse_document_id(name) {
        return tx.sql(|c| {
            c.query_row("SELECT no FROM documents WHERE substr(key, 1, 16) = ?1", [part.as_slice()], |r| {
                r.get(0).map(DocNo)
            })
            .optional()
        });
    }
    // A source's name may hold a slash, so it is the names that are tried, not the slashes.
    tx.sql(|c| {
        c.query_row(
            "SELECT d.no FROM documents d JOIN sources s ON s.no = d.source
             JOIN versions v ON v.no = coalesce(d.published, d.waiting)
             WHERE ?1 = s.name || '/' || v.path OR ?1 = s.name || '/' || d.source_id LIMIT 1",
            [name],
            |r| r.get(0).map(DocNo),
        )
        .optional()
    })
}

/// Where a document is: key, source, path, container's key, spec and unknowns, and whether its
/// class is simply what that spec comes to.
pub(crate) struct Place {
    pub(crate) key: [u8; 32],
    pub(crate) source: String,
    pub(crate) path: String,
    pub(crate) container: String,
    pub(crate) spec: String,
    pub(crate) unknown: String,
    pub(crate) plain: bool,
}

/// Where a document is.
pub(crate) fn place(tx: &Tx<'_>, no: DocNo) -> Result<Place, VaultError> {
    tx.sql(|c| {
        c.query_row(
            "SELECT d.key, s.name, d.source_id, k.key, k.spec, k.unknown, d.held IS NULL AND k.class = k.wanted
             FROM documents d JOIN sources s ON s.no = d.source JOIN containers k ON k.no = d.container
             WHERE d.no = ?1",
            [no.0],
            |r| {
                Ok(Place {
                    key: r.get(0)?,
                    source: r.get(1)?,
                    path: r.get(2)?,
                    container: r.get(3)?,
                    spec: r.get(4)?,
                    unknown: r.get(5)?,
                    plain: r.get(6)?,
                })
            },
        )
    })
}
