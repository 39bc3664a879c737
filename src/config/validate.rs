//! From what was written to a whole configuration. Every refusal names the key and its place.

use super::error::{ConfigError, Place};
use super::model::{self, Model};
use super::raw::{Entry, Raw};
use super::{Config, ConfiguredSource, Engine, IngestLimits, Level, LocalPerson, LogConfig, Role, place};
use kenward_access::ids::TenantId;
use kenward_indexes::embedding::Precision;
use kenward_indexes::models::Kind;
use kenward_ingest::acl_mapping::{LISTED_ONLY, NUMBERS};
use kenward_vault::writer::{RightsFormat, SourceIdentity, SourceRights};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

const MIB: u64 = 1 << 20;

pub(super) fn validate(raw: Raw, file: Option<&Path>) -> Result<Config, ConfigError> {
    let base = file.and_then(Path::parent).map_or_else(|| place::absolute(Path::new(".")), place::absolute);
    let values = Values { raw: &raw.values, prefix: "" };
    let data_dir = match values.path("data_dir", &base)? {
        Some(dir) => dir,
        None => place::data_home().ok_or(ConfigError::NoHome { key: "data_dir" })?,
    };
    let models_dir = match values.path("embedding.models_dir", &base)? {
        Some(dir) => dir,
        None => kenward_indexes::models::cache_dir(),
    };
    let labels = values.texts("labels")?.unwrap_or_default();
    let mut seen = BTreeSet::new();
    for label in &labels {
        if label.is_empty() || !seen.insert(label) {
            return Err(values.wrong("labels", "a list with an empty or a repeated name", "distinct names"));
        }
    }
    let issuers = super::issuers::read(&raw.issuers)?;
    let (http_addr, http) = super::reach::read(values, !issuers.is_empty(), !raw.tenants.is_empty(), &base)?;
    let (tenant, engine) = (tenant(values)?, engine(values)?);
    Ok(Config {
        file: file.map(Path::to_owned),
        vectors: super::vectors::read(values, &base, &data_dir, &tenant)?,
        data_dir,
        tenant,
        operators: operators(raw.operators.as_ref(), file.is_some())?,
        http_addr,
        http,
        agents: super::agents::read(&raw.agents, &labels)?,
        tenants: super::tenants::read(&raw.tenants, &base)?,
        issuers,
        remote: super::remote::read(values, engine, &base)?,
        model: model_of(values, engine, &base)?,
        precision: precision(values, engine)?,
        engine,
        hub: hub(values)?,
        models_dir,
        ingest: IngestLimits {
            max_text_bytes: values.number("ingest.max_text_mb", 200, 1..=4096)? * MIB,
            memory_bytes: values.size("ingest.memory", 1 << 30, 64 * MIB)?,
            worker_memory_bytes: values.number("ingest.worker_memory_mb", 2048, 64..=262_144)? * MIB,
            worker_seconds: values.number("ingest.worker_seconds", 60, 1..=86_400)?,
        },
        log: LogConfig {
            level: values.text("log.level")?.map(|text| level(values, &text)).transpose()?,
            json: values.flag("log.json")?,
        },
        ledger: values.path("backup.ledger", &base)?,
        operations: operations(values)?,
        traces: traces(values)?,
        reranking: super::reranking::read(values, &base)?,
        sources: sources(&raw.sources, &base, &labels)?,
        labels,
        worker_program: crate::app::own_program(),
    })
}

fn tenant(values: Values<'_>) -> Result<TenantId, ConfigError> {
    let text = values.text("tenant")?.unwrap_or_else(|| "local".to_owned());
    TenantId::new(text.clone()).map_err(|_| {
        values.wrong("tenant", &format!("`{text}`"), "lower-case letters, digits and dashes, at most 63")
    })
}

fn operations(values: Values<'_>) -> Result<Option<SocketAddr>, ConfigError> {
    let Some(text) = values.text("operations.listen")? else { return Ok(None) };
    let addr: SocketAddr = text.parse().map_err(|_| {
        values.wrong(
            "operations.listen",
            &format!("`{text}`"),
            "an address and a port such as `127.0.0.1:9465`",
        )
    })?;
    if addr.ip().is_loopback() {
        return Ok(Some(addr));
    }
    // INVARIANT: metrics count what is hidden: nobody but this machine's operators gets them.
    Err(ConfigError::Open {
        key: "operations.listen".into(),
        place: values.place("operations.listen"),
        found: text.into(),
        why: "metrics count what is hidden from people, and ask for no token".into(),
        instead: "use `127.0.0.1:9465`, and let a collector on this machine read it".into(),
    })
}

fn traces(values: Values<'_>) -> Result<Option<String>, ConfigError> {
    let Some(text) = values.text("operations.traces")? else { return Ok(None) };
    let host = text.strip_prefix("http://").is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
    if !host || text.contains(char::is_whitespace) || text.contains('@') {
        let expected = "a collector's address such as `http://127.0.0.1:4318/v1/traces`";
        return Err(values.wrong("operations.traces", &format!("`{text}`"), expected));
    }
    Ok(Some(text))
}

fn engine(values: Values<'_>) -> Result<Engine, ConfigError> {
    let Some(text) = values.text("embedding.engine")? else { return Ok(Engine::Auto) };
    Engine::named(&text).ok_or_else(|| {
        let expected = "one of `auto`, `fastembed`, `builtin`, `remote`, `none`, `hashing`";
        values.wrong("embedding.engine", &format!("`{text}`"), expected)
    })
}

fn model_of(values: Values<'_>, engine: Engine, base: &Path) -> Result<Option<Model>, ConfigError> {
    let key = "embedding.model";
    let Some(model) = model::read(values, key, Kind::Embedding, base)? else { return Ok(None) };
    if !matches!(engine, Engine::Auto | Engine::Fastembed) {
        let found = format!("{model}, beside `embedding.engine = \"{}\"`", engine.name());
        return Err(values.wrong(key, &found, "the engine `fastembed` beside it, or to be left out"));
    }
    Ok(Some(model))
}

fn precision(values: Values<'_>, engine: Engine) -> Result<Precision, ConfigError> {
    let key = "embedding.precision";
    let Some(text) = values.text(key)? else { return Ok(Precision::F32) };
    let precision = Precision::named(&text)
        .ok_or_else(|| values.wrong(key, &format!("`{text}`"), "one of `f32`, `int8`"))?;
    if precision == Precision::Int8 && !matches!(engine, Engine::Auto | Engine::Fastembed) {
        let found = format!("`int8`, beside `embedding.engine = \"{}\"`", engine.name());
        return Err(values.wrong(key, &found, "`f32`, or the engine `fastembed`: no other computes in int8"));
    }
    Ok(precision)
}

/// The hub that is called where nothing else is said.
const HUB: &str = "https://huggingface.co";

fn hub(values: Values<'_>) -> Result<Option<reqwest::Url>, ConfigError> {
    let text = values.text("embedding.hub")?.unwrap_or_else(|| HUB.to_owned());
    if text == "off" {
        return Ok(None);
    }
    let url = reqwest::Url::parse(&text).ok().filter(|url| {
        let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        plain && url.password().is_none() && crate::outgoing::may_be_asked(url)
    });
    let expected = "`off`, or an `https://` address (`http://` on this machine only)";
    url.map(Some).ok_or_else(|| {
        values.wrong("embedding.hub", &format!("`{}`", super::vectors::without_secrets(&text)), expected)
    })
}

fn level(values: Values<'_>, text: &str) -> Result<Level, ConfigError> {
    match text {
        "error" => Ok(Level::Error),
        "warn" => Ok(Level::Warn),
        "info" => Ok(Level::Info),
        "debug" => Ok(Level::Debug),
        "trace" => Ok(Level::Trace),
        other => Err(values.wrong(
            "log.level",
            &format!("`{other}`"),
            "one of `error`, `warn`, `info`, `debug`, `trace`",
        )),
    }
}

fn operators(
    written: Option<&BTreeMap<String, Entry>>,
    has_file: bool,
) -> Result<BTreeMap<u32, LocalPerson>, ConfigError> {
    let mut operators = BTreeMap::new();
    if written.is_none() && !has_file {
        // Nothing was configured: whoever owns the data (mode 0700) administers it, as nobody of
        // the directory. With a file, its words alone count.
        let uid = rustix::process::getuid().as_raw();
        operators.insert(uid, LocalPerson { handle: None, role: Role::Operator });
    }
    for (uid, entry) in written.into_iter().flatten() {
        let key = format!("operators.{uid}");
        let wrong = |found: &str, expected: &str| ConfigError::Value {
            key: key.as_str().into(),
            place: entry.place.clone(),
            found: found.into(),
            expected: expected.into(),
        };
        let number: u32 =
            uid.parse().map_err(|_| wrong("not a user id", "a number as `id -u` prints it, as the key"))?;
        operators.insert(number, local_person(&entry.value, &wrong)?);
    }
    Ok(operators)
}

fn local_person(
    value: &toml::Value,
    wrong: &dyn Fn(&str, &str) -> ConfigError,
) -> Result<LocalPerson, ConfigError> {
    let expected = "a handle, or `{ user = \"HANDLE\", role = \"operator\" }` (or \"person\")";
    let (handle, role) = match value {
        toml::Value::String(handle) => (handle.as_str(), "operator"),
        toml::Value::Table(table) => {
            if table.keys().any(|key| key != "user" && key != "role") {
                return Err(wrong("a table with an unknown key", expected));
            }
            let handle = table.get("user").and_then(toml::Value::as_str);
            let role = table.get("role").map_or(Some("person"), toml::Value::as_str);
            match (handle, role) {
                (Some(handle), Some(role)) => (handle, role),
                _ => return Err(wrong("a table without a `user`", expected)),
            }
        }
        _ => return Err(wrong("neither a text nor a table", expected)),
    };
    let role = match role {
        "operator" => Role::Operator,
        "person" => Role::Person,
        _ => return Err(wrong("a table with an unknown role", expected)),
    };
    if handle.trim().is_empty() {
        return Err(wrong("empty", expected));
    }
    Ok(LocalPerson { handle: Some(handle.to_owned()), role })
}

fn sources(
    written: &[(Place, BTreeMap<String, Entry>)],
    base: &Path,
    labels: &[String],
) -> Result<Vec<ConfiguredSource>, ConfigError> {
    let mut sources: Vec<ConfiguredSource> = Vec::new();
    for (at, table) in written {
        let values = Values { raw: table, prefix: "source." };
        let missing = |key: &str, expected: &str| ConfigError::Value {
            key: key.into(),
            place: at.clone(),
            found: "missing".into(),
            expected: expected.into(),
        };
        let path = values.path("path", base)?.ok_or_else(|| missing("source.path", "a folder"))?;
        let name = values.text("name")?.ok_or_else(|| missing("source.name", "a short, unique name"))?;
        if !valid_source_name(&name) {
            return Err(values.wrong("name", &format!("`{name}`"), SOURCE_NAME));
        }
        if sources.iter().any(|source| source.name == name) {
            return Err(values.wrong(
                "name",
                &format!("`{name}`, which another source has"),
                "a unique name",
            ));
        }
        let default_allow = values.texts("default_allow")?.unwrap_or_default();
        if let Some(bad) = default_allow.iter().find(|text| !valid_principal(text)) {
            return Err(values.wrong("default_allow", &format!("`{bad}`"), PRINCIPAL));
        }
        let label = values.text("label")?;
        if let Some(label) = label.as_ref().filter(|label| !labels.contains(label)) {
            return Err(values.wrong("label", &format!("`{label}`"), "a name in `labels`"));
        }
        let tier = u8::try_from(values.number("tier", 2, 0..=4)?).unwrap_or(2);
        let url_template = values.text("url_template")?;
        let rights = SourceRights { format: rights_format(values)?, identity: identity(values, base)? };
        if rights.format == RightsFormat::AccessToml && rights.identity != SourceIdentity::default() {
            let found = "set beside `rights = \"access-toml\"`";
            return Err(values.wrong("identity", found, NEEDS_NO_IDENTITY));
        }
        sources.push(ConfiguredSource {
            name,
            path,
            default_allow,
            label,
            tier,
            url_template,
            every: values.duration("every")?,
            rights_every: values.duration("rights_every")?,
            watch: values.flag("watch")?,
            rights,
        });
    }
    Ok(sources)
}

const NEEDS_NO_IDENTITY: &str =
    "nothing there: `.access.toml` names people as the directory does; give another `rights`";

fn rights_format(values: Values<'_>) -> Result<RightsFormat, ConfigError> {
    let Some(text) = values.text("rights")? else { return Ok(RightsFormat::default()) };
    parse_rights(&text).ok_or_else(|| {
        let names: Vec<String> = RightsFormat::ALL.iter().map(|f| format!("`{}`", f.name())).collect();
        values.wrong("rights", &format!("`{text}`"), &format!("one of {}", names.join(", ")))
    })
}

/// A format of rights by its name.
pub(crate) fn parse_rights(text: &str) -> Option<RightsFormat> {
    RightsFormat::ALL.into_iter().find(|format| format.name() == text)
}

/// Whom the names of a source stand for: a file's path, or the list itself.
fn identity(values: Values<'_>, base: &Path) -> Result<SourceIdentity, ConfigError> {
    let mut identity = SourceIdentity::default();
    match values.raw.get("identity").map(|entry| &entry.value) {
        None => {}
        Some(toml::Value::Table(table)) => {
            for (name, value) in table {
                match value {
                    toml::Value::Boolean(flag) if name == LISTED_ONLY => identity.listed_only = *flag,
                    toml::Value::Table(numbers) if NUMBERS.contains(&name.as_str()) => {
                        for (number, value) in numbers {
                            let name = format!("{name}.{number}");
                            let principal = listed(values, &name, value)?;
                            identity.names.insert(name, principal);
                        }
                    }
                    value => {
                        identity.names.insert(name.clone(), listed(values, name, value)?);
                    }
                }
            }
        }
        Some(toml::Value::String(_)) => {
            let path = values.path("identity", base)?;
            identity.file = path.map(|path| path.to_string_lossy().into_owned());
        }
        Some(other) => {
            let expected = "a file's path in quotes, or a table of names";
            return Err(values.kind("identity", other, expected));
        }
    }
    Ok(identity)
}

/// Whom a name is said to stand for.
fn listed(values: Values<'_>, name: &str, value: &toml::Value) -> Result<String, ConfigError> {
    match value {
        toml::Value::String(principal) if valid_principal(principal) => Ok(principal.clone()),
        _ => {
            let found = format!("a list in which `{name}` does not name anybody");
            Err(values.wrong("identity", &found, &format!("{PRINCIPAL} for each name")))
        }
    }
}

/// What a source's name may be, in words.
pub(crate) const SOURCE_NAME: &str = "letters, digits, `.`, `_` and `-`, at most 63";
/// What may be named in `default_allow`, in words.
pub(crate) const PRINCIPAL: &str = "`everyone`, `user:HANDLE` or `group:HANDLE`";

/// Whether a text can name a source. It stands before `/` in `source/path`.
pub(crate) fn valid_source_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 63
        && !name.starts_with('.')
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

/// Whether a text names a principal.
pub(crate) fn valid_principal(text: &str) -> bool {
    text == "everyone"
        || text
            .strip_prefix("user:")
            .or_else(|| text.strip_prefix("group:"))
            .is_some_and(|handle| !handle.trim().is_empty())
}

/// Typed reading of what was written.
#[derive(Clone, Copy)]
pub(super) struct Values<'a> {
    pub raw: &'a BTreeMap<String, Entry>,
    pub prefix: &'static str,
}

impl Values<'_> {
    pub(super) fn place(&self, name: &str) -> Place {
        self.raw.get(name).map_or(Place::Flag("(default)"), |entry| entry.place.clone())
    }

    pub(super) fn wrong(&self, name: &str, found: &str, expected: &str) -> ConfigError {
        ConfigError::Value {
            key: format!("{}{name}", self.prefix).into(),
            place: self.place(name),
            found: found.into(),
            expected: expected.into(),
        }
    }

    pub(super) fn kind(&self, name: &str, value: &toml::Value, expected: &str) -> ConfigError {
        self.wrong(name, &format!("of type {}", value.type_str()), expected)
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, ConfigError> {
        match self.raw.get(name).map(|entry| &entry.value) {
            None => Ok(None),
            Some(toml::Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(self.kind(name, other, "a text in quotes")),
        }
    }

    /// `90s`, `15m`, `2h` or `1d`.
    fn duration(&self, name: &str) -> Result<Option<Duration>, ConfigError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let parsed =
            text.len().checked_sub(1).and_then(|at| text.split_at_checked(at)).and_then(|(n, unit)| {
                let seconds = match unit {
                    "s" => 1,
                    "m" => 60,
                    "h" => 3_600,
                    "d" => 86_400,
                    _ => return None,
                };
                let n = n.parse::<u64>().ok().filter(|n| (1..=1_000_000).contains(n))?;
                Some(Duration::from_secs(n * seconds))
            });
        let expected = "a time such as `90s`, `15m`, `2h` or `1d`";
        parsed.map(Some).ok_or_else(|| self.wrong(name, &format!("`{text}`"), expected))
    }

    /// `512MiB` or `2GiB`.
    fn size(&self, name: &str, default: u64, least: u64) -> Result<u64, ConfigError> {
        let Some(text) = self.text(name)? else { return Ok(default) };
        let units = [("MiB", MIB), ("GiB", MIB << 10)];
        let parsed = units.into_iter().find_map(|(unit, bytes)| {
            let n = text.strip_suffix(unit)?.trim_end().parse::<u64>().ok()?;
            n.checked_mul(bytes).filter(|size| *size >= least)
        });
        let expected = format!("a size such as `512MiB` or `2GiB`, at least `{}MiB`", least / MIB);
        parsed.ok_or_else(|| self.wrong(name, &format!("`{text}`"), &expected))
    }

    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, ConfigError> {
        let expected = "a list of texts such as `[\"one\", \"two\"]`";
        match self.raw.get(name).map(|entry| &entry.value) {
            None => Ok(None),
            Some(toml::Value::String(text)) => Ok(Some(vec![text.clone()])),
            Some(toml::Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned).ok_or_else(|| self.kind(name, item, expected)))
                .collect::<Result<Vec<_>, _>>()
                .map(Some),
            Some(other) => Err(self.kind(name, other, expected)),
        }
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, ConfigError> {
        match self.raw.get(name).map(|entry| &entry.value) {
            None => Ok(false),
            Some(toml::Value::Boolean(flag)) => Ok(*flag),
            Some(other) => Err(self.kind(name, other, "`true` or `false`")),
        }
    }

    pub(super) fn number(
        &self,
        name: &str,
        default: u64,
        bounds: std::ops::RangeInclusive<u64>,
    ) -> Result<u64, ConfigError> {
        let expected = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        match self.raw.get(name).map(|entry| &entry.value) {
            None => Ok(default),
            Some(toml::Value::Integer(number)) => u64::try_from(*number)
                .ok()
                .filter(|number| bounds.contains(number))
                .ok_or_else(|| self.wrong(name, &number.to_string(), &expected)),
            Some(other) => Err(self.kind(name, other, &expected)),
        }
    }

    /// A path, relative to the configuration file; `~/` is the home folder.
    pub(super) fn path(&self, name: &str, base: &Path) -> Result<Option<PathBuf>, ConfigError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        if text.is_empty() {
            return Err(self.wrong(name, "empty", "a path"));
        }
        let path = match (text.strip_prefix("~/"), std::env::var_os("HOME")) {
            (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
            _ => PathBuf::from(text),
        };
        Ok(Some(place::absolute(&base.join(path))))
    }
}
