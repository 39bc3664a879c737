//! The writer: one run over a source, one transaction per document, an outbox to the engines, and
//! publication. Rights and deletions act at the catalog's commit; content when it is published.

pub(crate) mod change;
pub(crate) mod engines;
mod failures;
pub(crate) mod publish;
mod put;
mod rights_sync;
mod run;
mod shown;

pub use failures::{Again, Failure, Standing, Tried, Under};
pub use rights_sync::{Freshness, RightsNow, RightsSync, Unsure};
pub(crate) use run::place;
pub use run::{Reserved, Run};

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
    /// Where its rights are written, and whom the names there stand for.
    #[serde(default, skip_serializing_if = "SourceRights::is_default")]
    pub rights: SourceRights,
}

/// Where a source's rights are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RightsFormat {
    /// In files called `.access.toml`.
    #[default]
    AccessToml,
    /// In files called `OWNERS`, with aliases in `OWNERS_ALIASES`.
    Owners,
    /// In a file called `CODEOWNERS`.
    Codeowners,
    /// In the file system: owner, group, mode and ACL.
    Posix,
}

impl RightsFormat {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::AccessToml, Self::Owners, Self::Codeowners, Self::Posix];

    /// As configurations and reports write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AccessToml => "access-toml",
            Self::Owners => "owners",
            Self::Codeowners => "codeowners",
            Self::Posix => "posix",
        }
    }
}

/// Where a source's rights are written, and whom its names stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRights {
    /// In what.
    pub format: RightsFormat,
    /// Whom names of the source stand for.
    #[serde(default)]
    pub identity: SourceIdentity,
}

impl SourceRights {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Whom names of a source stand for. `.access.toml` names people as the directory does and needs none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceIdentity {
    /// An absolute path of a TOML file that says so; read with the rights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Name in the source → `user:HANDLE`, `group:HANDLE` or `everyone`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
    /// A name that is not in `names` stands for nobody, not for the same handle in the directory.
    #[serde(default)]
    pub listed_only: bool,
}

/// What is already known of a document, for deciding whether to read it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// SHA-256 of the bytes that the published version came from.
    pub raw_hash: [u8; 32],
    /// When it was last changed, as was known then.
    pub modified: Timestamp,
    /// As the document itself said.
    pub dated: bool,
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
    /// `markdown`, `text`, `html`, `pdf`, `docx`.
    pub kind: &'static str,
    /// When it was last changed: as the document itself says, or else its source.
    pub modified: Timestamp,
    /// It is the document that says so.
    pub dated: bool,
    /// ISO 639-1, where it could be told.
    pub language: Option<String>,
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
