//! The image of what is published, as searches read it. It must never hold a version that waits.

use crate::catalog::Tx;
use crate::error::VaultError;
use crate::published::{ChunkMeta, ContentImage, DocMeta};
use kenward_access::ids::{ChunkNo, DocNo, Timestamp};
use rusqlite::{OptionalExtension, Row};
use std::sync::Arc;

const META: &str = "SELECT d.no, d.key, d.source, v.path, v.title, v.kind, v.modified, v.ingested,
  v.version, v.first, v.count, v.text, v.length, v.no, v.language
  FROM documents d JOIN versions v ON v.no = d.published";

fn meta(r: &Row<'_>) -> rusqlite::Result<DocMeta> {
    let first: u32 = r.get(9)?;
    let text = |at: usize| r.get::<_, String>(at).map(String::into_boxed_str);
    Ok(DocMeta {
        no: DocNo(r.get(0)?),
        key: r.get(1)?,
        source: r.get(2)?,
        path: text(3)?,
        title: text(4)?,
        kind: text(5)?,
        modified: Timestamp(r.get(6)?),
        ingested: Timestamp(r.get(7)?),
        version: text(8)?,
        chunks: first..first + r.get::<_, u32>(10)?,
        text: text(11)?,
        length: r.get(12)?,
        row: r.get(13)?,
        language: r.get::<_, Option<String>>(14)?.map(String::into_boxed_str),
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
