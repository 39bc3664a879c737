//! The writer: one run over a source, one transaction per document, an outbox to the engines, and
//! publication. Rights and deletions act at the catalog's commit; content when it is published.

pub(crate) mod change;
pub(crate) mod engines;
pub(crate) mod publish;
mod put;
mod run;

pub use run::Run;
pub(crate) use run::place;

use kenward_access::ids::Timestamp;
use kenward_access::untrusted::UntrustedText;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A source as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceSpec {
    /// Unique name.
    pub name: String,
    /// Kind of connector (`files`).
    pub kind: String,
    /// Where it is: an absolute folder for `files`.
    pub root: String,
    /// Who may read what carries no rights of its own: `everyone`, `user:…`, `group:…`. Empty = not
    /// answered yet (then nobody).
    pub default_allow: Vec<String>,
    /// `{path}` is replaced; `None` = the `kb://` URI.
    pub url_template: Option<String>,
    /// Trust tier, default 2.
    pub tier: u8,
    /// Default label's name.
    pub label: Option<String>,
}

/// What is already known of a document, for deciding whether to read it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// SHA-256 of the bytes that the published version came from.
    pub raw_hash: [u8; 32],
    /// The source's modification time then.
    pub modified: Timestamp,
    /// Length in bytes then.
    pub length: u64,
    /// Its container.
    pub container: String,
    /// Whether it has vectors of the current embedding space.
    pub embedded: bool,
    /// The extraction pipeline that made it (another pipeline reads again); see [`Known::answers`].
    pub pipeline: u32,
    /// Whether a version of it was published when the run began.
    pub published: bool,
}

impl Known {
    /// Whether questions are answered from it: a version is published, and its stored text is there, as
    /// far as is known. One whose text is lost has the number of no pipeline, so that it is read again.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.published && self.pipeline != crate::catalog::lost::TEXT_LOST
    }
}

/// One chunk to be kept.
#[derive(Debug, Clone)]
pub struct NewChunk {
    /// Span in the canonical text, in Unicode scalars.
    pub span: (u32, u32),
    /// Where its own leading headings end and its body begins, in the same measure.
    pub body: u32,
    /// Page from 1.
    pub page: Option<u32>,
    /// Heading path: untrusted, sanitized, single lines.
    pub headings: Vec<UntrustedText>,
    /// Its vector, if there is an embedder.
    pub vector: Option<Vec<f32>>,
}

/// A link found in a document; the text has `[link n]` in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// From 1, per document.
    pub n: u32,
    /// The URL as written. Untrusted.
    pub url: String,
}

/// A document to be kept. `text` is its canonical text, sanitized.
#[derive(Debug, Clone)]
pub struct NewDocument {
    /// Immutable id within its source (the path, for `files`).
    pub source_id: String,
    /// Path within its source, `/`-separated.
    pub path: String,
    /// Title, sanitized, single line.
    pub title: UntrustedText,
    /// `markdown`, `text`, `html`, `pdf`.
    pub kind: &'static str,
    /// When the source last changed it.
    pub modified: Timestamp,
    /// Length of its bytes.
    pub length: u64,
    /// SHA-256 of its bytes.
    pub raw_hash: [u8; 32],
    /// The extraction pipeline, from 1.
    pub pipeline: u32,
    /// Key of the container whose rights guard it; its rights were given by [`Run::set_rights`].
    pub container: String,
    /// Canonical text.
    pub text: UntrustedText,
    /// Its chunks, in order.
    pub chunks: Vec<NewChunk>,
    /// Its links.
    pub links: Vec<Link>,
    /// Signals (`hidden_characters_removed`, `replacement_characters`, `pages_failed`, …).
    pub flags: Vec<String>,
    /// What the sanitizer removed, by kind.
    pub removed: BTreeMap<String, u64>,
}

/// A failed document, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Path within its source.
    pub path: String,
    /// From the fixed taxonomy (`unreadable`, `encrypted`, `too_large`, `timeout`, `crashed_parser`, `empty`, `broken`, `rights_unresolved`, …).
    pub reason: String,
    /// More, for an operator. Never text of the document.
    pub detail: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each field is named by what it counts")]
pub struct RunSummary {
    pub added: u64,
    pub changed: u64,
    pub unchanged: u64,
    pub removed: u64,
    pub rights_changed: u64,
    pub failed: u64,
    pub chunks: u64,
    pub hidden_for_unresolved_rights: u64,
}
