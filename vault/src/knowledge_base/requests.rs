//! What may be asked of a knowledge base, as typed requests: they travel between processes, and are checked
//! where they are answered. Numbers are wide, so that a silly one is our error and not a parser's.

use serde::{Deserialize, Serialize};

/// Typed filters of a search. An unknown name is an error; an unknown value matches nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is named by what it filters")]
pub struct Filters {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Path prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "type")]
    pub kind: Option<String>,
    /// RFC 3339 date or time, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_after: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_before: Option<String>,
    /// ISO 639-1, as `provenance.language` shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// As `sensitivity` shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Least trust tier of the source, 0 to 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_trust: Option<i64>,
}

/// How to search.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Both lists, fused.
    #[default]
    Hybrid,
    /// BM25 alone.
    Lexical,
    /// Vectors alone.
    Semantic,
}

/// A search.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchRequest {
    /// The question, 1 to 4,000 characters after trimming.
    pub query: String,
    /// At most 4 other phrasings of it, each like it. A passage's place follows from the mean over all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// 1 to 40, default 8. Wide, so that a silly number is our error and not the parser's.
    pub limit: Option<i64>,
    /// From an earlier answer to the same request.
    pub cursor: Option<String>,
    /// Typed filters.
    pub filters: Filters,
    /// How to search.
    pub mode: Mode,
    /// The receipt of an answer that this one must not be older than.
    pub not_before: Option<String>,
}

/// A fetch. Windows are in Unicode scalars.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchRequest {
    /// `kd_…`, or a citation `kd_…#chunk@version`, or `kb://document/kd_…`.
    pub id: String,
    /// Start of the window, default 0.
    pub offset: Option<i64>,
    /// Its length, 1 to 40,000, default 20,000.
    pub max_chars: Option<i64>,
    /// Centre the window on this passage (chunk ordinal).
    pub around: Option<i64>,
    /// The receipt of an answer that this one must not be older than.
    pub not_before: Option<String>,
}

/// A listing of documents, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "fields as in the tool's schema")]
pub struct ListDocumentsRequest {
    pub source: Option<String>,
    pub path: Option<String>,
    pub modified_after: Option<String>,
    /// 1 to 100, default 100.
    pub limit: Option<i64>,
    pub cursor: Option<String>,
}

/// A listing of sources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListSourcesRequest {
    /// From an earlier answer.
    pub cursor: Option<String>,
}

/// Whether words stand in a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyQuoteRequest {
    /// As [`FetchRequest::id`].
    pub id: String,
    /// The words, with or without the fence's marks: 1 to 10,000 characters.
    pub quote: String,
}

/// What a name that is being typed is the beginning of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Completed {
    /// A source's name.
    Source,
    /// A document's title.
    Title,
    /// A document's id, or the title of the document whose id is meant.
    Id,
}

/// What an agent may ask: one variant per tool, resource and completion.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Tool `search`.
    Search(SearchRequest),
    /// Tool `fetch`.
    Fetch(FetchRequest),
    /// Tool `list_sources`.
    ListSources(ListSourcesRequest),
    /// Tool `list_documents`.
    ListDocuments(ListDocumentsRequest),
    /// Tool `verify_quote`.
    VerifyQuote(VerifyQuoteRequest),
    /// A resource: `kb://document/{id}`, `kb://document/{id}/passage/{n}`, `kb://source/{name}`.
    ReadResource {
        /// The URI.
        uri: String,
    },
    /// All resources but passages: sources, then documents, newest first.
    ListResources {
        /// From an earlier answer.
        cursor: Option<String>,
    },
    /// How a name may go on.
    Complete {
        /// What is being typed.
        what: Completed,
        /// What has been typed.
        typed: String,
    },
    /// The document that somebody names.
    WhichDocument {
        /// Its id, cite or URI, or its title in full: the last changed of several.
        named: String,
    },
}

impl Question {
    /// The tools that an agent must have for it: whatever can be had without a tool can be had with these.
    #[must_use]
    pub fn tools(&self) -> &'static [&'static str] {
        match self {
            Self::Search(_) => &["search"],
            Self::ReadResource { uri } if super::resources::source_name(uri).is_some() => &["list_sources"],
            Self::Fetch(_) | Self::ReadResource { .. } => &["fetch"],
            Self::WhichDocument { named } if super::complete::is_id(named.trim()) => &["fetch"],
            Self::ListSources(_) | Self::Complete { what: Completed::Source, .. } => &["list_sources"],
            Self::ListResources { .. } => &["list_sources", "list_documents"],
            Self::ListDocuments(_)
            | Self::Complete { what: Completed::Title | Completed::Id, .. }
            | Self::WhichDocument { .. } => &["list_documents"],
            Self::VerifyQuote(_) => &["verify_quote"],
        }
    }

    /// Its name, for logs and records.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Search(_) => "search",
            Self::Fetch(_) => "fetch",
            Self::ListSources(_) => "list_sources",
            Self::ListDocuments(_) => "list_documents",
            Self::VerifyQuote(_) => "verify_quote",
            Self::ReadResource { .. } => "read_resource",
            Self::ListResources { .. } => "list_resources",
            Self::Complete { .. } => "complete",
            Self::WhichDocument { .. } => "which_document",
        }
    }
}
