//! What can be wrong with a configuration: each error names the key, its place, and what to write
//! instead. It must never quote a value that could be a secret; references to secrets are not values.

use std::fmt;
use std::path::PathBuf;

/// Where a setting was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A line of the configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// Line from 1.
        line: usize,
    },
    /// An environment variable.
    Variable(Box<str>),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "line {line} of {}", path.display()),
            Self::Variable(name) => write!(f, "the environment variable `{name}`"),
            Self::Flag(name) => write!(f, "the flag `{name}`"),
        }
    }
}

/// What can be wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that was asked for is not there.
    #[error("there is no configuration file at `{}`", path.display())]
    NotFound {
        /// The file.
        path: PathBuf,
    },
    /// A file could not be read.
    #[error("reading the configuration file `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is not TOML.
    #[error("`{}` is not valid TOML: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the parser says, with line and column.
        message: Box<str>,
    },
    /// A key that does not exist.
    #[error("unknown key `{key}` in {place}")]
    UnknownKey {
        /// The key, with its section.
        key: Box<str>,
        /// Where it stands.
        place: Place,
        /// The nearest key that exists.
        suggestion: Option<Box<str>>,
        /// All keys that could stand there.
        known: Box<str>,
    },
    /// A value of another kind than its key takes.
    #[error("`{key}` in {place} is {found}; expected {expected}")]
    Value {
        /// The key.
        key: Box<str>,
        /// Where it stands.
        place: Place,
        /// What is there.
        found: Box<str>,
        /// What could be there.
        expected: Box<str>,
    },
    /// A value that would make the server open.
    #[error("`{key}` in {place} is `{found}`, which would make the server open: {why}")]
    Open {
        /// The key.
        key: Box<str>,
        /// Where it stands.
        place: Place,
        /// What is there.
        found: Box<str>,
        /// What is wrong with it.
        why: Box<str>,
        /// What to write.
        instead: Box<str>,
    },
    /// No folder for data or configuration can be told from the environment.
    #[error("`HOME` is not set, so there is no default for `{key}`")]
    NoHome {
        /// What has no default.
        key: &'static str,
    },
}

impl ConfigError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NotFound { path } => {
                format!("write one with `kenward --config {} init`, or leave `--config` out", path.display())
            }
            Self::Unreadable { .. } => {
                "give a file of text in UTF-8 that this account may read (owner and mode)".to_owned()
            }
            Self::Syntax { .. } => "correct that line; `kenward init` writes a commented example".to_owned(),
            Self::UnknownKey { suggestion: Some(near), .. } => format!("did you mean `{near}`?"),
            Self::UnknownKey { suggestion: None, known, .. } => format!("known keys there: {known}"),
            Self::Value { key, expected, .. } => format!("set `{key}` to {expected}"),
            Self::Open { instead, .. } => instead.to_string(),
            Self::NoHome { key } => format!("set `{key}`, or `HOME`"),
        }
    }
}
