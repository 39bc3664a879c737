//! Errors: of the vault to its operators, and of an answer to a caller.
//! An answer's error never names, quotes or counts a document.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What can go wrong in keeping things.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// A file or folder of `data_dir`.
    #[error("{action} {path}")]
    Io {
        /// What was attempted (`opening`, `writing`, …).
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The catalog.
    #[error("{action} in the catalog")]
    Catalog {
        /// What was attempted.
        action: &'static str,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// The disk is full: the run stops cleanly, nothing is lost.
    #[error("the disk that holds {path} is full; free some space and run the same command again")]
    DiskFull {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// The lexical engine.
    #[error(transparent)]
    Lexical(#[from] kenward_indexes::lexical::LexicalError),
    /// The vector engine.
    #[error(transparent)]
    Vector(#[from] kenward_indexes::vector::VectorError),
    /// Embedding anew.
    #[error(transparent)]
    Embed(#[from] kenward_indexes::embedding::EmbedError),
    /// `data_dir` is of another version, tenant or embedding space.
    #[error("{what}; {hint}")]
    Mismatch {
        /// What differs.
        what: Box<str>,
        /// What to do.
        hint: Box<str>,
    },
    /// Something stored is damaged.
    #[error("{what} is damaged; {hint}")]
    Damaged {
        /// What.
        what: Box<str>,
        /// What to do.
        hint: Box<str>,
    },
    /// A name that an operator gave does not exist, or exists already.
    #[error("{what}; {hint}")]
    Name {
        /// What is wrong.
        what: Box<str>,
        /// What to do.
        hint: Box<str>,
    },
    /// The audit log could not be written: nothing was changed or answered.
    #[error("the audit log could not be written; nothing was done")]
    Audit(#[source] std::io::Error),
}

impl VaultError {
    /// Wraps an error of a file; a full disk becomes [`VaultError::DiskFull`].
    pub(crate) fn io(action: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| {
            if is_full(&source) {
                Self::DiskFull { path: path.to_owned() }
            } else {
                Self::Io { action, path: path.to_owned(), source }
            }
        }
    }

    /// A name that an operator gave is wrong.
    pub(crate) fn name(what: impl Into<Box<str>>, hint: impl Into<Box<str>>) -> Self {
        Self::Name { what: what.into(), hint: hint.into() }
    }

    /// Something stored is not as it was written.
    pub(crate) fn damaged(what: impl Into<Box<str>>, hint: impl Into<Box<str>>) -> Self {
        Self::Damaged { what: what.into(), hint: hint.into() }
    }

    /// The folder is of another version, tenant or space.
    pub(crate) fn mismatch(what: impl Into<Box<str>>, hint: impl Into<Box<str>>) -> Self {
        Self::Mismatch { what: what.into(), hint: hint.into() }
    }

    /// Whether the system did not let it be read or written, so that nothing is known of what is there.
    pub(crate) fn is_of_the_system(&self) -> bool {
        use std::io::ErrorKind as K;
        // EIO, ENFILE, EMFILE.
        const NUMBERS: [i32; 3] = [5, 23, 24];
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = next {
            if let Some(io) = error.downcast_ref::<std::io::Error>() {
                let kind = matches!(
                    io.kind(),
                    K::PermissionDenied
                        | K::ReadOnlyFilesystem
                        | K::OutOfMemory
                        | K::TimedOut
                        | K::StaleNetworkFileHandle
                        | K::ResourceBusy
                );
                return kind || io.raw_os_error().is_some_and(|number| NUMBERS.contains(&number));
            }
            next = error.source();
        }
        false
    }

    /// An engine's error; a full disk, however deep it lies, becomes [`VaultError::DiskFull`].
    pub(crate) fn or_full(self, path: &std::path::Path) -> Self {
        let full = chain_is_full(&self) || (cause_is_lost(&self) && has_no_space(path));
        if full { Self::DiskFull { path: path.to_owned() } } else { self }
    }
}

/// Whether the lexical index says that one of its threads ended, and not why: whichever thread meets a full disk
/// first decides which of two errors comes out.
fn cause_is_lost(error: &VaultError) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error.to_string().contains("worker thread encountered an error") {
            return true;
        }
        next = error.source();
    }
    false
}

/// Whether hardly anything more can be written there. What was half written may have been given back already.
pub(crate) fn has_no_space(path: &std::path::Path) -> bool {
    const HARDLY_ANY: u64 = 16 << 20;
    rustix::fs::statvfs(path).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < HARDLY_ANY)
}

/// Whether the system says that a disk or a quota is full.
pub(crate) fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}

fn chain_is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<std::io::Error>();
        let shared = error.downcast_ref::<std::sync::Arc<std::io::Error>>().map(AsRef::as_ref);
        if io.or(shared).is_some_and(is_full) {
            return true;
        }
        // tantivy keeps some causes as words only; these are the system's own.
        if error.to_string().contains("os error 28") || error.to_string().contains("StorageFull") {
            return true;
        }
        next = error.source();
    }
    false
}

/// What a caller is told. One closed list; codes are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// An argument is missing or wrong.
    InvalidArgument,
    /// No such document in what the caller can see. Missing and forbidden are this one value (I8).
    NotFound,
    /// The cursor is forged, of another caller or request, or older than an hour.
    InvalidCursor,
    /// Not authenticated (any more).
    Unauthenticated,
    /// Authenticated, by a token that was not issued for this.
    InsufficientScope,
    /// Try again: rights kept changing, or the server is busy.
    TryAgain,
    /// The document is there and its stored text is not: only an operator can mend it.
    Unreadable,
    /// Something failed inside; the log has more under the request id.
    Internal,
}

impl ErrorCode {
    /// As it is written in answers, records and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid_argument",
            Self::NotFound => "not_found",
            Self::InvalidCursor => "invalid_cursor",
            Self::Unauthenticated => "unauthenticated",
            Self::InsufficientScope => "insufficient_scope",
            Self::TryAgain => "try_again",
            Self::Unreadable => "unreadable",
            Self::Internal => "internal",
        }
    }
}

/// An error that leaves to a caller. Fixed words only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct AnswerError {
    /// Which error.
    pub code: ErrorCode,
    /// The argument that is wrong, if one is.
    pub field: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do: a valid next call.
    #[serde(rename = "try")]
    pub hint: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use kenward_indexes::vector::VectorError;
    use std::io::{Error, ErrorKind};

    #[test]
    fn what_the_system_does_not_let_be_read_is_not_damaged() {
        let of = |source| VaultError::from(VectorError::Io { path: "segment".into(), source });
        for error in [
            ErrorKind::PermissionDenied.into(),
            ErrorKind::ReadOnlyFilesystem.into(),
            Error::from_raw_os_error(5),
            Error::from_raw_os_error(24),
        ] {
            assert!(of(error).is_of_the_system());
        }
        for kind in [ErrorKind::NotFound, ErrorKind::UnexpectedEof, ErrorKind::InvalidData] {
            assert!(!of(kind.into()).is_of_the_system());
        }
        assert!(!VaultError::from(VectorError::Damaged { path: "segment".into() }).is_of_the_system());
    }
}
