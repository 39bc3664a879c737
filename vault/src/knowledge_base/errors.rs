//! Every error that a caller can be told, in one place: fixed words, an argument's name, a valid next
//! call. None may depend on anything but the request itself and what the caller can see.

use crate::error::{AnswerError, ErrorCode, VaultError};
use kenward_indexes::embedding::{EmbeddingSpace, remote};

fn error(
    code: ErrorCode,
    field: Option<&str>,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> AnswerError {
    AnswerError { code, field: field.map(str::to_owned), message: message.into(), hint: hint.into() }
}

pub(super) fn argument(field: &str, message: impl Into<String>, hint: impl Into<String>) -> AnswerError {
    error(ErrorCode::InvalidArgument, Some(field), message, hint)
}

/// INVARIANT (I8): missing, forbidden, deleted and malformed are this one value.
pub(super) fn not_found() -> AnswerError {
    error(
        ErrorCode::NotFound,
        Some("id"),
        "no document with this id in what you can see",
        "take an `id` from `search` or `list_documents`; ids are copied, never made up",
    )
}

/// INVARIANT (I8): as [`not_found`], for what is read by a URI.
pub(super) fn no_resource() -> AnswerError {
    error(
        ErrorCode::NotFound,
        Some("uri"),
        "no document or passage with this URI in what you can see",
        "take a `uri` from `resources/list` or `list_documents`; URIs are copied, never made up",
    )
}

/// The stored text of a document that the caller may see is lost or damaged. The log has it under the
/// request id.
pub(super) fn unreadable() -> AnswerError {
    tracing::error!("the stored text of a document is lost or damaged; ingest its source again");
    error(
        ErrorCode::Unreadable,
        None,
        "the stored text of this document is lost or damaged; nothing about the request is wrong",
        "asking again will not help before an operator has ingested the document's source again: give them the request \
         id, and go on with other documents",
    )
}

pub(super) fn cursor() -> AnswerError {
    error(
        ErrorCode::InvalidCursor,
        Some("cursor"),
        "this cursor is not of this request, or is older than an hour",
        "send the request again without `cursor`, then go on with its `next_cursor`",
    )
}

/// What an agent is not given is to it as if it were not there: the protocol tells it so before this does.
pub(super) fn not_for_this_agent() -> AnswerError {
    argument("name", "this server has no such tool for this agent", "use the tools that `tools/list` names")
}

pub(super) fn too_many_watched() -> AnswerError {
    argument(
        "resourceSubscriptions",
        format!(
            "a subscription may name at most {} resources, each in at most {} bytes",
            super::MOST_WATCHED,
            super::LONGEST_WATCHED
        ),
        "name fewer, or watch the list of resources",
    )
}

pub(super) fn receipt() -> AnswerError {
    argument(
        "not_before",
        "`not_before` is no receipt of this knowledge base",
        "send the `receipt` of an earlier answer as it was, or leave `not_before` out",
    )
}

/// INVARIANT (I8): as [`not_found`], for a source.
pub(super) fn no_source() -> AnswerError {
    error(
        ErrorCode::NotFound,
        Some("uri"),
        "no source with this name in what you can see",
        "take a `uri` from `list_sources`",
    )
}

/// INVARIANT (I8): as [`not_found`], for a title.
pub(super) fn no_title() -> AnswerError {
    error(
        ErrorCode::NotFound,
        Some("title"),
        "no document with this title in what you can see",
        "give the title in full as `list_documents` shows it, or the document's `id`",
    )
}

pub(crate) fn unauthenticated() -> AnswerError {
    error(
        ErrorCode::Unauthenticated,
        None,
        "your access has ended or was never granted",
        "ask the operator for a new token",
    )
}

pub(super) fn try_again() -> AnswerError {
    error(
        ErrorCode::TryAgain,
        None,
        "no answer could be given just now",
        "send the same call again in a few seconds",
    )
}

fn internal() -> AnswerError {
    error(
        ErrorCode::Internal,
        None,
        "something failed inside; nothing about the request is wrong",
        "send the same call again; if it fails again, give the request id to the operator",
    )
}

/// What a caller is told of a failure; the chain goes to the log, which has no content in it either.
pub(super) fn failed(failure: &VaultError) -> AnswerError {
    let mut chain = failure.to_string();
    let mut next = std::error::Error::source(failure);
    while let Some(source) = next {
        chain.push_str(": ");
        chain.push_str(&source.to_string());
        next = source.source();
    }
    tracing::error!(error = %chain, "an answer could not be made");
    match failure {
        VaultError::Audit(_) | VaultError::DiskFull { .. } => try_again(),
        VaultError::Io { .. }
        | VaultError::Catalog { .. }
        | VaultError::Lexical(_)
        | VaultError::Vector(_)
        | VaultError::Embed(_)
        | VaultError::Mismatch { .. }
        | VaultError::Damaged { .. }
        | VaultError::Name { .. } => internal(),
    }
}

/// An endpoint elsewhere that does not answer may do so soon; an engine that is here has a fault.
pub(super) fn embedding_failed(by: &EmbeddingSpace) -> AnswerError {
    if by.engine == remote::ENGINE { try_again() } else { internal() }
}

pub(super) fn reranking_failed() -> AnswerError {
    internal()
}
