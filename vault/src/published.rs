//! The published state: content image, lexical searcher and vectors, swapped as a whole; rights are
//! a second pointer. Both are immutable: a request pins them once and uses nothing newer or older.

use kenward_access::acl_class::ClassTable;
use kenward_access::groups::GroupGraph;
use kenward_access::ids::{ChunkNo, ClassId, ContainerNo, DocNo, RightsEpoch, TieKey, Timestamp, UserId};
use kenward_indexes::lexical::LexicalSearcher;
use kenward_indexes::vector::VectorSnapshot;
use std::collections::HashMap;
use std::sync::Arc;

use crate::directory::User;

/// What can be said about a published document without reading its text.
#[derive(Debug, Clone)]
pub struct DocMeta {
    /// Number.
    pub no: DocNo,
    /// Full keyed hash (tie key); the id is cut from it.
    pub key: [u8; 32],
    /// Its container at publishing (rights-now may know a newer one).
    pub container: ContainerNo,
    /// Index into [`ContentImage::sources`].
    pub source: u32,
    /// Path within its source.
    pub path: Box<str>,
    /// Title: untrusted, sanitized, single line.
    pub title: Box<str>,
    /// `markdown`, `text`, `html`, `pdf`.
    pub kind: Box<str>,
    /// When the source last changed it.
    pub modified: Timestamp,
    /// Start of the run that brought this version.
    pub ingested: Timestamp,
    /// 16 hex digits.
    pub version: Box<str>,
    /// Its chunks.
    pub chunks: std::ops::Range<u32>,
}

/// A source, as answers show it.
#[derive(Debug, Clone)]
pub struct SourceMeta {
    /// `ks_…`
    pub id: Box<str>,
    /// Name.
    pub name: Box<str>,
    /// `{path}` is replaced; `None` = the `kb://` URI.
    pub url_template: Option<Box<str>>,
    /// Trust tier 0..=4.
    pub tier: u8,
    /// Start of the last full listing.
    pub fresh: Option<Timestamp>,
}

/// Where a chunk lies in its document.
#[derive(Debug, Clone, Copy)]
pub struct ChunkMeta {
    /// Its document.
    pub doc: DocNo,
    /// Position in the document, from 0.
    pub ordinal: u32,
    /// Span in the canonical text, in Unicode scalars.
    pub span: (u32, u32),
    /// Page from 1, if there are pages.
    pub page: Option<u32>,
}

/// The content image: everything published, without rights and without text.
#[derive(Default)]
pub struct ContentImage {
    /// Counts publications; internal, part of cache keys, never in an answer.
    pub generation: u64,
    /// By document number.
    pub documents: HashMap<DocNo, Arc<DocMeta>>,
    /// By full id (`kd_…`).
    pub by_id: HashMap<Box<str>, DocNo>,
    /// By chunk number.
    pub chunks: HashMap<ChunkNo, ChunkMeta>,
    /// All sources.
    pub sources: Vec<SourceMeta>,
}

impl kenward_indexes::TieOrder for ContentImage {
    fn tie(&self, chunk: ChunkNo) -> Option<TieKey> {
        let meta = self.chunks.get(&chunk)?;
        let doc = self.documents.get(&meta.doc)?;
        Some(TieKey { document: doc.key, ordinal: meta.ordinal })
    }
}

/// What is published now.
pub struct Published {
    /// The image.
    pub image: ContentImage,
    /// The lexical snapshot that it goes with.
    pub lexical: LexicalSearcher,
    /// The vectors that it goes with; `None` = no embedder, lexical only.
    pub vectors: Option<Arc<dyn VectorSnapshot>>,
}

/// Rights now.
pub struct Rights {
    /// Counts changes.
    pub epoch: RightsEpoch,
    /// Interned ACLs.
    pub classes: Arc<ClassTable>,
    /// Class of each container.
    pub containers: HashMap<ContainerNo, ClassId>,
    /// Container of each document now, and a class of its own where content and rights changed
    /// together (old AND new until the new content is published). A document that is not here is
    /// deleted: visible to nobody, whatever the image still holds.
    pub documents: HashMap<DocNo, (ContainerNo, Option<ClassId>)>,
    /// Membership edges.
    pub groups: Arc<GroupGraph>,
    /// People.
    pub users: Arc<HashMap<UserId, User>>,
    /// Live tokens: SHA-256 → (user, expires).
    pub tokens: Arc<HashMap<[u8; 32], (UserId, Timestamp)>>,
}

impl Rights {
    /// The class that guards a document now; `None` = nobody.
    #[must_use]
    pub fn class_of(&self, document: DocNo) -> Option<ClassId> {
        let (container, held) = self.documents.get(&document)?;
        held.or_else(|| self.containers.get(container).copied())
    }
}
