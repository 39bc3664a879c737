//! The facade that agents' questions go through: search, fetch, list. Each call resolves the
//! caller's scope anew, and ends in a [`Disclosure`] or an [`AnswerError`], both recorded.

mod ask;
mod errors;
mod fetch;
mod filters;
mod list;
mod search;
#[cfg(test)]
mod tests;
mod views;

pub(crate) use views::Views;

use crate::core::Core;
use crate::error::AnswerError;
use crate::gate::Disclosure;
use kenward_access::caller::Caller;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchRequest {
    /// The question, 1 to 4,000 characters after trimming.
    pub query: String,
    /// 1 to 40, default 8. Wide, so that a silly number is our error and not the parser's.
    pub limit: Option<i64>,
    /// From an earlier answer to the same request.
    pub cursor: Option<String>,
    /// Typed filters.
    pub filters: Filters,
    /// How to search.
    pub mode: Mode,
}

/// A fetch. Windows are in Unicode scalars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchRequest {
    /// `kd_…`, or a citation `kd_…#chunk@version`, or `kb://document/kd_…`.
    pub id: String,
    /// Start of the window, default 0.
    pub offset: Option<i64>,
    /// Its length, 1 to 40,000, default 20,000.
    pub max_chars: Option<i64>,
    /// Centre the window on this passage (chunk ordinal).
    pub around: Option<i64>,
}

/// A listing of documents, newest first, 100 a page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "fields as in the tool's schema")]
pub struct ListDocumentsRequest {
    pub source: Option<String>,
    pub path: Option<String>,
    pub modified_after: Option<String>,
    pub cursor: Option<String>,
}

/// A listing of sources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListSourcesRequest {
    /// From an earlier answer.
    pub cursor: Option<String>,
}

/// What agents may ask of one vault.
#[derive(Clone)]
pub struct KnowledgeBase {
    core: Arc<Core>,
    /// Run between the durable record and the final check, so that a test can revoke there.
    #[cfg(any(test, feature = "faults"))]
    gap: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl KnowledgeBase {
    /// Over what an opened vault holds.
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self {
            core,
            #[cfg(any(test, feature = "faults"))]
            gap: None,
        }
    }

    /// The same, with code that runs in every answer between its record and its final check.
    #[cfg(any(test, feature = "faults"))]
    #[must_use]
    pub fn with_gap(mut self, gap: Arc<dyn Fn() + Send + Sync>) -> Self {
        self.gap = Some(gap);
        self
    }

    fn gap(&self) {
        #[cfg(any(test, feature = "faults"))]
        if let Some(gap) = &self.gap {
            gap();
        }
    }

    /// Passages that answer a question, best first.
    ///
    /// # Errors
    /// [`AnswerError`].
    pub fn search(&self, caller: &Caller, request: &SearchRequest) -> Result<Disclosure, AnswerError> {
        search::search(self, caller, request)
    }
    /// A window of a document.
    ///
    /// # Errors
    /// [`AnswerError`]; missing and forbidden are one value.
    pub fn fetch(&self, caller: &Caller, request: &FetchRequest) -> Result<Disclosure, AnswerError> {
        fetch::fetch(self, caller, request, "fetch")
    }
    /// Sources in which the caller can see something.
    ///
    /// # Errors
    /// [`AnswerError`].
    pub fn list_sources(
        &self,
        caller: &Caller,
        request: &ListSourcesRequest,
    ) -> Result<Disclosure, AnswerError> {
        list::sources(self, caller, request)
    }
    /// Documents that the caller can see.
    ///
    /// # Errors
    /// [`AnswerError`].
    pub fn list_documents(
        &self,
        caller: &Caller,
        request: &ListDocumentsRequest,
    ) -> Result<Disclosure, AnswerError> {
        list::documents(self, caller, request)
    }
    /// The resource `kb://document/{id}`: the same as a fetch of its first window.
    ///
    /// # Errors
    /// [`AnswerError`].
    pub fn read_resource(&self, caller: &Caller, uri: &str) -> Result<Disclosure, AnswerError> {
        let id = uri.to_owned();
        let request = FetchRequest { id, offset: None, max_chars: None, around: None };
        fetch::fetch(self, caller, &request, "read_resource")
    }
}
