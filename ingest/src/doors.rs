//! The three places of this package where text of documents is marked as such, or looked at. Nothing
//! else here may call the functions behind them; `clippy.toml` forbids it, and these are the exceptions.

use kenward_access::untrusted::{UntrustedText, expose_for_indexing, expose_for_pipe};

/// Marks text as coming from a document: what an extractor found, what came over a worker's pipe,
/// what the sanitizer made of it.
#[expect(clippy::disallowed_methods, reason = "extractors bring text in, and this is how each of them does")]
pub(crate) fn mint(text: impl Into<String>) -> UntrustedText {
    UntrustedText::mint(text.into())
}

/// For the pipe between a worker and its parent.
#[expect(clippy::disallowed_methods, reason = "the worker's pipe carries text")]
pub(crate) fn for_pipe(text: &UntrustedText) -> &str {
    expose_for_pipe(text)
}

/// For the sanitizer, on the way into the index.
#[expect(clippy::disallowed_methods, reason = "text is sanitized and cut on its way into the index")]
pub(crate) fn for_sanitizing(text: &UntrustedText) -> &str {
    expose_for_indexing(text)
}
