//! The configuration: one `kenward.toml`, variables over it, flags over both. What leaves here is
//! whole and checked; it must never hold an absent value that would mean "open to all".

pub mod agents;
pub mod error;
pub mod issuers;
pub mod marks;
pub mod model;
pub mod place;
mod raw;
mod reach;
pub mod remote;
mod reranking;
pub mod schema;
pub mod template;
pub mod tenants;
mod validate;
mod vectors;

pub use error::{ConfigError, Place};
pub use issuers::{Algorithm, Groups, IssuerConfig};
pub use reach::{HttpConfig, Network, Reach};
pub use reranking::RerankingConfig;
pub(crate) use validate::{PRINCIPAL, SOURCE_NAME, parse_rights, valid_principal, valid_source_name};

use kenward_access::ids::TenantId;
use kenward_indexes::embedding::Precision;
use kenward_vault::writer::SourceRights;
use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest configuration file in bytes.
const LONGEST: u64 = 4 << 20;

/// What the command line says over the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--log`.
    pub log_level: Option<String>,
    /// `--log-json`.
    pub log_json: bool,
    /// `--http`.
    pub http_addr: Option<String>,
}

/// What somebody may do on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Administer, and ask as others with a reason.
    Operator,
    /// Ask as oneself.
    Person,
}

/// Whom a user id of this machine stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPerson {
    /// Handle in the directory; `None` where there is no configuration file to say.
    pub handle: Option<String>,
    /// What they may do.
    pub role: Role,
}

/// Which embedder to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// fastembed if it can be had, else the built-in one, else BM25 alone, said loudly.
    Auto,
    /// fastembed, or an error.
    Fastembed,
    /// The built-in one, or an error.
    Builtin,
    /// BM25 alone.
    None,
    /// Hashed words: for tests, it knows no meaning.
    Hashing,
    /// An endpoint elsewhere, or an error: never chosen but by name.
    Remote,
}

impl Engine {
    const ALL: [Self; 6] =
        [Self::Auto, Self::Fastembed, Self::Builtin, Self::None, Self::Hashing, Self::Remote];

    /// As the configuration has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Fastembed => "fastembed",
            Self::Builtin => "builtin",
            Self::None => "none",
            Self::Hashing => "hashing",
            Self::Remote => kenward_indexes::embedding::remote::ENGINE,
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|engine| engine.name() == name)
    }

    /// The engine that an embedding space names.
    pub(crate) fn of_space(name: &str) -> Option<Self> {
        Self::named(name).filter(|engine| !matches!(engine, Self::Auto | Self::None))
    }

    /// Whether nothing else will do.
    #[must_use]
    pub fn insists(self) -> bool {
        matches!(self, Self::Fastembed | Self::Builtin)
    }
}

/// A source of documents as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredSource {
    /// Unique name.
    pub name: String,
    /// Absolute folder.
    pub path: PathBuf,
    /// Who may read what carries no rights of its own; empty = nobody was named.
    pub default_allow: Vec<String>,
    /// Default label.
    pub label: Option<String>,
    /// Trust tier, 0 to 4.
    pub tier: u8,
    /// `{path}` is replaced.
    pub url_template: Option<String>,
    /// How long after a run a server begins the next one; `None` = it begins none.
    pub every: Option<Duration>,
    /// Where its rights are written, and whom the names there stand for.
    pub rights: SourceRights,
    /// How long after a reading of its rights alone a server begins the next one; `None` = it begins none.
    pub rights_every: Option<Duration>,
    /// Whether a server watches the folder, and reads what changes.
    pub watch: bool,
}

/// Limits of an ingestion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IngestLimits {
    /// Largest text of one document, in bytes.
    pub max_text_bytes: u64,
    /// What documents under way may hold at once, in bytes.
    pub memory_bytes: u64,
    /// Address space of a worker process, in bytes.
    pub worker_memory_bytes: u64,
    /// CPU seconds of a worker process per document.
    pub worker_seconds: u64,
}

/// Severity of what is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Errors alone.
    Error,
    /// And warnings.
    Warn,
    /// And one line per request and stage.
    Info,
    /// And more.
    Debug,
    /// And everything.
    Trace,
}

/// How to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogConfig {
    /// From which severity; `None` = `info` in servers and `warn` in other verbs.
    pub level: Option<Level>,
    /// JSON lines instead of text.
    pub json: bool,
}

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it was read from.
    pub file: Option<PathBuf>,
    /// Absolute folder of all data.
    pub data_dir: PathBuf,
    /// The tenant.
    pub tenant: TenantId,
    /// Sensitivity labels, least sensitive first.
    pub labels: Vec<String>,
    /// By user id of this machine.
    pub operators: BTreeMap<u32, LocalPerson>,
    /// Where HTTP is served.
    pub http_addr: SocketAddr,
    /// How it is reached.
    pub http: HttpConfig,
    /// Tenants that are served by this process, if there are several.
    pub tenants: Vec<tenants::TenantEntry>,
    /// Agents that may do less than the people they work for.
    pub agents: agents::Agents,
    /// Issuers whose tokens are accepted; empty = those of the directory alone.
    pub issuers: Vec<IssuerConfig>,
    /// Which embedder.
    pub engine: Engine,
    /// The model, where it is not all-MiniLM-L6-v2.
    pub model: Option<model::Model>,
    /// In what numbers it computes, where it can choose.
    pub precision: Precision,
    /// The endpoint that embeds; `None` = nothing leaves this machine to be embedded.
    pub remote: Option<remote::Remote>,
    /// The model hub; `None` = none may be called.
    pub hub: Option<reqwest::Url>,
    /// Where models are kept.
    pub models_dir: PathBuf,
    /// Limits of an ingestion.
    pub ingest: IngestLimits,
    /// How to log.
    pub log: LogConfig,
    /// Where the rights ledger is kept; `None` = with the keys.
    pub ledger: Option<PathBuf>,
    /// Where metrics and readiness are served, a loopback address; `None` = nowhere.
    pub operations: Option<SocketAddr>,
    /// Where traces are sent by OTLP, `http://…`; `None` = nowhere.
    pub traces: Option<String>,
    /// The cluster beside the embedded vectors; `None` = there is none.
    pub vectors: Option<kenward_indexes::vector::qdrant::Options>,
    /// What reads the best candidates of a search again; `None` = nothing.
    pub reranking: Option<RerankingConfig>,
    /// Configured sources.
    pub sources: Vec<ConfiguredSource>,
    /// The program that is started for parsers; this very binary, unless a test says otherwise.
    pub worker_program: PathBuf,
}

impl Config {
    /// Finds, reads and checks the configuration.
    ///
    /// # Errors
    /// [`ConfigError`], naming the key and its place.
    pub fn load(overrides: &Overrides) -> Result<Self, ConfigError> {
        let file = place::find(overrides.config.as_deref())?;
        let mut raw = raw::Raw::default();
        if let Some(path) = &file {
            let text = bounded(path).map_err(|source| match source.kind() {
                std::io::ErrorKind::NotFound => ConfigError::NotFound { path: path.clone() },
                _ => ConfigError::Unreadable { path: path.clone(), source },
            })?;
            raw.read(path, &text)?;
        }
        let mut variables: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("KENWARD__"))
            .collect();
        variables.sort();
        for (name, value) in &variables {
            raw.set_variable(name, value)?;
        }
        flags(&mut raw, overrides);
        validate::validate(raw, file.as_deref())
    }

    /// Reads and checks the configuration of a tenant among several: its file alone, without variables and flags, which
    /// are for all.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn of_tenant(path: &Path) -> Result<Self, ConfigError> {
        let text = bounded(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => ConfigError::NotFound { path: path.to_owned() },
            _ => ConfigError::Unreadable { path: path.to_owned(), source },
        })?;
        Self::from_text(path, &text)
    }

    /// Reads and checks a text as if it were the file at `path`, without variables and flags.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn from_text(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let mut raw = raw::Raw::default();
        raw.read(path, text)?;
        validate::validate(raw, Some(path))
    }

    /// The protected resource that issuers issue tokens for: the URL under which clients reach `/mcp`. `None` where
    /// there are no issuers, or no such URL is known.
    #[must_use]
    pub fn resource(&self) -> Option<String> {
        if self.issuers.is_empty() {
            return None;
        }
        let here = || {
            let known = self.http_addr.ip().is_loopback() && self.http_addr.port() != 0;
            known.then(|| format!("http://{}{}", self.http_addr, crate::http::MCP_PATH))
        };
        self.http.public_url.clone().or_else(here)
    }

    /// The level of a label's name: its place in the list.
    #[must_use]
    pub fn level_of(&self, label: &str) -> Option<u16> {
        let at = self.labels.iter().position(|known| known == label)?;
        u16::try_from(at).ok()
    }
}

/// A file's text, if it is short enough to be a configuration.
fn bounded(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(LONGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST {
        let why = format!("it is longer than {} MiB", LONGEST >> 20);
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, why));
    }
    Ok(text)
}

fn flags(raw: &mut raw::Raw, overrides: &Overrides) {
    if let Some(dir) = &overrides.data_dir {
        let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.clone());
        let text = absolute.to_string_lossy().into_owned();
        raw.set_flag("data_dir", "--data-dir", toml::Value::String(text));
    }
    if let Some(level) = &overrides.log_level {
        raw.set_flag("log.level", "--log", toml::Value::String(level.clone()));
    }
    if overrides.log_json {
        raw.set_flag("log.json", "--log-json", toml::Value::Boolean(true));
    }
    if let Some(addr) = &overrides.http_addr {
        raw.set_flag("http.addr", "--http", toml::Value::String(addr.clone()));
    }
}

#[cfg(test)]
mod tests;
