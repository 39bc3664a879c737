//! The published state: content image, lexical searcher and vectors, swapped as a whole; rights are
//! a second pointer. Both are immutable: a request pins them once and uses nothing newer or older.

use kenward_access::acl_class::ClassTable;
use kenward_access::caller::IssuedTo;
use kenward_access::groups::GroupGraph;
use kenward_access::ids::{
    AgentId, ChunkNo, ClassId, ContainerNo, DocNo, GroupId, RightsEpoch, TieKey, Timestamp, UserId,
};
use kenward_indexes::embedding::Embedder;
use kenward_indexes::lexical::LexicalSearcher;
use kenward_indexes::vector::VectorSnapshot;
use std::collections::HashMap;
use std::sync::Arc;

use crate::directory::{Identity, User};
use crate::paged::{ById, Paged};

/// What can be said about a published document without reading its text.
#[derive(Debug, Clone)]
pub struct DocMeta {
    /// Number.
    pub no: DocNo,
    /// Full keyed hash (tie key); the id is cut from it.
    pub key: [u8; 32],
    /// Index into [`ContentImage::sources`].
    pub source: u32,
    /// Path within its source.
    pub path: Box<str>,
    /// Title: untrusted, sanitized, single line.
    pub title: Box<str>,
    /// `markdown`, `text`, `html`, `pdf`, `docx`.
    pub kind: Box<str>,
    /// When it was last changed.
    pub modified: Timestamp,
    /// Its language, ISO 639-1, where that could be told.
    pub language: Option<Box<str>>,
    /// Start of the run that brought this version.
    pub ingested: Timestamp,
    /// 16 hex digits.
    pub version: Box<str>,
    /// Its chunks.
    pub chunks: std::ops::Range<u32>,
    /// Name of its canonical text in the text store; goes with this version alone.
    pub text: Box<str>,
    /// Length of its canonical text in Unicode scalars.
    pub length: u32,
    /// Number of this version in the catalog.
    pub row: i64,
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
    /// Name of the source's default label: the `sensitivity` of what has none of its own.
    pub label: Option<Box<str>>,
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
///
/// Cloning it and changing a little is cheap: its tables share their pages.
#[derive(Default, Clone)]
pub struct ContentImage {
    /// Counts publications; internal, part of cache keys, never in an answer.
    pub generation: u64,
    /// By document number.
    pub documents: Paged<DocNo, Arc<DocMeta>>,
    /// By full id (`kd_…`).
    pub by_id: ById,
    /// By chunk number.
    pub chunks: Paged<ChunkNo, ChunkMeta>,
    /// All sources; a document's `source` is an index into it.
    pub sources: Vec<SourceMeta>,
}

impl ContentImage {
    /// Takes a document and its chunks out.
    pub(crate) fn drop_document(&mut self, document: DocNo) {
        if let Some(old) = self.documents.remove(&document) {
            for chunk in old.chunks.clone() {
                self.chunks.remove(&ChunkNo(chunk));
            }
            self.by_id.remove(&old.key, document);
        }
    }
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
    pub vectors: Option<Vectors>,
}

/// Vectors, and the one embedder whose queries may be held against them.
#[derive(Clone)]
pub struct Vectors {
    /// Of the space of the vectors.
    pub embedder: Arc<dyn Embedder>,
    /// The vectors.
    pub snapshot: Arc<dyn VectorSnapshot>,
}

/// Rights now. A change makes a new one; nothing changes in place.
#[derive(Clone)]
pub struct Rights {
    /// Counts changes.
    pub epoch: RightsEpoch,
    /// Interned ACLs.
    pub classes: Arc<ClassTable>,
    /// Class of each container.
    pub containers: Paged<ContainerNo, ClassId>,
    /// Container of each document now, and a class of its own where content and rights changed
    /// together (old AND new until the new content is published). A document that is not here is
    /// deleted: visible to nobody, whatever the image still holds.
    pub documents: Paged<DocNo, (ContainerNo, Option<ClassId>)>,
    /// Highest label of each container that has one, by name.
    pub labels: Paged<ContainerNo, Arc<str>>,
    /// Membership edges.
    pub groups: Arc<GroupGraph>,
    /// People.
    pub users: Arc<HashMap<UserId, User>>,
    /// People's ids by handle.
    pub handles: Arc<HashMap<String, UserId>>,
    /// Groups' ids by handle.
    pub group_handles: Arc<HashMap<String, GroupId>>,
    /// Both, by their handles in lower case.
    pub any_case: Arc<AnyCase>,
    /// Tokens that are not revoked, by SHA-256.
    pub tokens: Arc<HashMap<[u8; 32], LiveToken>>,
    /// Who an issuer's subjects are.
    pub identities: Arc<HashMap<Identity, UserId>>,
}

/// What the directory says of the holder of an issuer's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linked<'a> {
    /// Nothing.
    Nobody,
    /// They may not ask any more.
    Disabled,
    /// This entry is theirs.
    Entry(&'a User),
}

/// Ids by handles in which ASCII letters are lower case; `None` where several differ in nothing else.
#[derive(Debug, Default)]
pub struct AnyCase {
    /// People.
    pub users: HashMap<String, Option<UserId>>,
    /// Groups.
    pub groups: HashMap<String, Option<GroupId>>,
}

impl AnyCase {
    /// Made of the handles to the letter.
    pub(crate) fn of(users: &HashMap<String, UserId>, groups: &HashMap<String, GroupId>) -> Self {
        Self { users: lower(users), groups: lower(groups) }
    }
}

fn lower<I: Clone>(handles: &HashMap<String, I>) -> HashMap<String, Option<I>> {
    let mut lower: HashMap<String, Option<I>> = HashMap::with_capacity(handles.len());
    for (handle, id) in handles {
        let known = lower.entry(handle.to_ascii_lowercase());
        known.and_modify(|id| *id = None).or_insert_with(|| Some(id.clone()));
    }
    lower
}

/// A token that is not revoked; whether it has expired is asked with the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveToken {
    /// Whose it is.
    pub user: UserId,
    /// The agent it was issued for.
    pub agent: Option<AgentId>,
    /// First instant at which it holds no more.
    pub expires: Timestamp,
}

impl Rights {
    /// The person, if there is one and they are not disabled.
    #[must_use]
    pub fn active(&self, user: &UserId) -> Option<&User> {
        self.users.get(user).filter(|u| !u.disabled)
    }

    /// What a token stands for at `now`; `None` if unknown, revoked, expired or of a disabled person.
    #[must_use]
    pub fn token(&self, hash: &[u8; 32], now: Timestamp) -> Option<&LiveToken> {
        let token = self.tokens.get(hash).filter(|t| now < t.expires)?;
        self.active(&token.user).map(|_| token)
    }

    /// The person whom an issuer's subject, as it is linked, stands for, if they are not disabled.
    #[must_use]
    pub fn linked(&self, issuer: &str, subject: &str) -> Option<&User> {
        let identity = Identity { issuer: issuer.to_owned(), subject: subject.to_owned() };
        self.identities.get(&identity).and_then(|id| self.active(id))
    }

    /// Whose entry in the directory an issuer's token is for.
    #[must_use]
    pub fn holder(&self, issuer: &str, holder: &IssuedTo) -> Linked<'_> {
        let Some(subject) = Identity::subject_of(holder) else { return Linked::Nobody };
        let identity = Identity { issuer: issuer.to_owned(), subject };
        match self.identities.get(&identity) {
            None => Linked::Nobody,
            Some(id) => self.active(id).map_or(Linked::Disabled, Linked::Entry),
        }
    }

    /// The class that guards a document now; `None` = nobody.
    #[must_use]
    pub fn class_of(&self, document: DocNo) -> Option<ClassId> {
        let (container, held) = self.documents.get(&document)?;
        held.or_else(|| self.containers.get(container).copied())
    }
}
