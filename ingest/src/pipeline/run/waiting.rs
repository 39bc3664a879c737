//! Documents that are ready, put a few at a time: each waits for the disk, and those that came out of the
//! stages meanwhile wait for it together. Nothing may be told, published or ended before them.

use super::Drive;
use crate::doors::mint;
use crate::pipeline::budget::Permit;
use crate::pipeline::read::Prepared;
use crate::pipeline::{IngestError, PIPELINE};
use kenward_vault::writer::{NewChunk, NewDocument};

/// At most so many documents, or bytes of their text, are put at once: what a kill costs is read again.
pub(super) const DOCUMENTS: usize = 64;
const BYTES: usize = 8 << 20;

/// What waits. It still counts as under way in the budget of memory.
#[derive(Default)]
pub(super) struct Waiting {
    documents: Vec<NewDocument>,
    bytes: usize,
    permits: Vec<Permit>,
}

impl Drive<'_> {
    /// Takes a document that is ready.
    pub(super) fn ready(
        &mut self,
        path: String,
        container: String,
        prepared: Prepared,
        vectors: Vec<Vec<f32>>,
        permit: Option<Permit>,
    ) -> Result<(), IngestError> {
        self.waiting.bytes += prepared.text.len();
        self.waiting.permits.extend(permit);
        self.waiting.documents.push(document(path, container, prepared, vectors));
        if self.waiting.documents.len() >= DOCUMENTS || self.waiting.bytes >= BYTES {
            return self.put_waiting();
        }
        Ok(())
    }

    /// Puts what waits.
    pub(super) fn put_waiting(&mut self) -> Result<(), IngestError> {
        if self.waiting.documents.is_empty() {
            return Ok(());
        }
        let Waiting { documents, bytes, permits } = std::mem::take(&mut self.waiting);
        self.run.put_all(&documents)?;
        drop(permits);
        let tally = &mut self.tally;
        tally.done += documents.len() as u64;
        tally.put_documents += documents.len() as u64;
        tally.put_bytes += bytes;
        Ok(())
    }
}

fn document(path: String, container: String, prepared: Prepared, vectors: Vec<Vec<f32>>) -> NewDocument {
    let mut vectors = vectors.into_iter();
    let chunks = prepared.chunks.into_iter().map(|chunk| NewChunk {
        span: chunk.span,
        body: chunk.body_at,
        page: chunk.page,
        headings: chunk.headings.into_iter().map(mint).collect(),
        vector: vectors.next(),
    });
    NewDocument {
        source_id: path.clone(),
        path,
        title: mint(prepared.title),
        kind: prepared.format.name(),
        modified: prepared.modified,
        dated: prepared.dated,
        language: prepared.language.map(str::to_owned),
        length: prepared.length,
        raw_hash: prepared.raw_hash,
        pipeline: PIPELINE,
        container,
        chunks: chunks.collect(),
        text: mint(prepared.text),
        links: prepared.links,
        flags: prepared.flags,
        removed: prepared.removed,
    }
}
