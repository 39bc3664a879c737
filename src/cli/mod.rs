//! The command line: one file per noun. It parses, sends operations to the owner of the data, and
//! renders; it must never decide who may see what. Standard output is data, standard error the rest.

mod access;
mod agents;
mod backup;
mod checks;
mod connect;
mod demo;
mod directory_file;
mod doctor;
mod fail;
mod groups;
mod health;
mod hosted;
mod ingest;
mod init;
mod keys;
mod migrate;
mod models;
mod out;
mod restore;
mod runs;
mod schedule;
mod search;
mod serve;
mod sources;
mod status;
mod tend;
mod tokens;
mod users;
mod verified;
mod words;

use crate::config::{Config, Level, LogConfig, Overrides};
use crate::owner::Backend;
use crate::telemetry;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// How a verb ends, for `--help`.
const CODES: &str = "\
Exit codes:
  0  done
  1  could not, and you can mend it (wrong usage, too): the hint says how
  2  could not, by a fault of this program
  3  ran, and not all is well: documents failed or are hidden, a run stopped or
     would be refused, a check found something, `access why` says no
With --json an error is a line of JSON, too, on standard error: error, hint, exit_code.";

/// A knowledge base that AI agents query over MCP, in which every answer holds exactly what its
/// asker may see.
#[derive(Parser)]
#[command(name = "kenward", version, arg_required_else_help = true, disable_help_subcommand = true)]
#[command(after_help = CODES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Args)]
struct Global {
    /// The configuration file [default: `KENWARD_CONFIG`, ./kenward.toml, the XDG place]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder of all data, instead of the configured one
    #[arg(long, global = true, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// What is logged to standard error: error, warn, info, debug, trace
    #[arg(long = "log", global = true, value_name = "LEVEL")]
    log: Option<String>,
    /// Log JSON lines
    #[arg(long, global = true)]
    log_json: bool,
}

/// The verbs. A new one is a file, a line here, and a line in [`Verb::run`].
#[derive(Subcommand)]
enum Verb {
    /// Shows it at work: a sample company, two people, the same questions, both answers; `--page` in your browser
    Demo(demo::Args),
    /// Writes a commented configuration, and makes you the operator
    Init(init::Args),
    /// Brings documents in with their rights
    Ingest(ingest::Args),
    /// Where documents come from: listed, compared, renamed, moved, removed
    Sources(sources::Args),
    /// What was ingested when, and how it went; stops a run, and goes on with it
    Runs(runs::Args),
    /// Answers agents over MCP: HTTP on loopback, or stdio
    Serve(serve::Args),
    /// Puts Kenward into the configuration of an agent's client
    Connect(connect::Args),
    /// Asks as yourself, or as somebody else with a reason
    Search(search::Args),
    /// Who may see what, and why
    Access(access::Args),
    /// The people of the built-in directory
    Users(users::Args),
    /// The groups of the built-in directory
    Groups(groups::Args),
    /// Bearer tokens for agents
    Tokens(tokens::Args),
    /// The embedding model and the library that runs it
    Models(models::Args),
    /// Writes all of the data into a folder, while it is used
    Backup(backup::Args),
    /// Puts a backup back into an empty folder
    Restore(restore::Args),
    /// The keys that ids, cursors, receipts and the ledger hang on
    Keys(keys::Args),
    /// Where questions for what is near are put: to the vectors here, or to a cluster beside them
    Migrate(migrate::Args),
    /// How it is doing, on one screen
    Status(status::Args),
    /// Checks everything and says how to fix it
    Doctor(doctor::Args),
    /// Reads documents for the process that started it
    #[command(name = "__worker", hide = true)]
    Worker,
}

/// How a verb ended, if not with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Exit code 0.
    Done,
    /// Exit code 3: it ran, and not all is well, as was said: documents failed or are hidden, a check found something.
    NotAllWell,
    /// Exit code 3, too: `access why` says no.
    No,
}

/// What every verb gets.
pub(crate) struct Context {
    /// The configuration, with the flags over it.
    pub config: Arc<Config>,
}

impl Context {
    /// Reaches the owner of the data, or becomes it. [`Backend::close`] it at the end.
    pub async fn backend(&self) -> anyhow::Result<Backend> {
        let backend = Backend::open(Arc::clone(&self.config)).await?;
        if let Some((what, hint)) = another_configuration(&backend) {
            out::say(&format!("warning: {what}"));
            out::hint(&hint);
        }
        Ok(backend)
    }
}

/// Fails where a model that the configuration names cannot be used: what answers is not started without it.
async fn ready(backend: &Backend) -> anyhow::Result<()> {
    use crate::owner::ops::{Op, Reply};
    fail::want!(backend.ask(Op::Ready).await?, Reply::Done => ());
    Ok(())
}

/// What is to be said where the owner goes by another configuration than this process: its own counts, whatever the
/// file says now.
fn another_configuration(backend: &Backend) -> Option<(String, String)> {
    let parts = backend.goes_by_another();
    if parts.is_empty() {
        return None;
    }
    let pid = backend.owner_pid().map(|pid| format!(" (pid {pid})")).unwrap_or_default();
    let parts: Vec<String> = parts.iter().map(|part| format!("`{part}`")).collect();
    Some((
        format!(
            "the process that owns the data{pid} goes by another configuration, older or of other variables, than this command: {} \
             differ{}",
            parts.join(", "),
            if parts.len() == 1 { "s" } else { "" }
        ),
        "restart that process; until then its configuration counts".to_owned(),
    ))
}

impl Verb {
    /// What is logged unless the configuration says otherwise: servers say more.
    fn log_level(&self) -> Level {
        match self {
            Self::Serve(_) => Level::Info,
            _ => Level::Warn,
        }
    }

    /// Refuses what only reads where there is nothing to read: a slip in the folder's name would make a new one.
    fn needs_data(&self, context: &Context) -> Result<(), fail::Fix> {
        let reads = matches!(
            self,
            Self::Search(_)
                | Self::Access(_)
                | Self::Status(_)
                | Self::Runs(_)
                | Self::Backup(_)
                | Self::Keys(_)
                | Self::Migrate(_)
        );
        let data = &context.config.data_dir;
        // What stands there and is no folder of data is told when it is opened.
        if !reads || data.symlink_metadata().is_ok() {
            return Ok(());
        }
        Err(fail::Fix::new(
            format!("there is no data in `{}`", data.display()),
            "name the folder (`data_dir`, `--data-dir`), or make it with `kenward init`",
        ))
    }

    /// What this verb's own flags put over the configuration.
    fn overrides(&self, overrides: &mut Overrides) {
        if let Self::Serve(args) = self {
            args.overrides(overrides);
        }
    }

    async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        self.needs_data(context)?;
        match self {
            Self::Ingest(args) => ingest::run(args, context).await,
            Self::Runs(args) => runs::run(args, context).await,
            Self::Search(args) => search::run(args, context).await,
            Self::Access(args) => access::run(args, context).await,
            Self::Users(args) => users::run(args, context).await,
            Self::Demo(args) => demo::run(args).await,
            Self::Serve(args) => serve::run(args, context).await,
            Self::Groups(args) => groups::run(args, context).await,
            Self::Tokens(args) => tokens::run(args, context).await,
            Self::Models(args) => models::run(args, context),
            Self::Connect(args) => connect::run(args, context),
            Self::Backup(args) => backup::run(args, context).await,
            Self::Restore(args) => restore::run(args, context).await,
            Self::Keys(args) => keys::run(args, context).await,
            Self::Migrate(args) => migrate::run(args, context).await,
            Self::Sources(args) => sources::run(args, context).await,
            Self::Status(args) => status::run(args, context).await,
            // Dealt with before there is a configuration.
            Self::Init(_) | Self::Doctor(_) | Self::Worker => Ok(Outcome::Done),
        }
    }
}

/// Body of the program.
#[must_use]
pub fn main() -> ExitCode {
    telemetry::quiet_panics();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are data; a wrong use is for the user to fix.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(1) } else { ExitCode::SUCCESS };
        }
    };
    if matches!(cli.verb, Verb::Worker) {
        return match kenward_ingest::worker::main() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(2),
        };
    }
    fail::as_asked();
    let ended = begin(cli);
    telemetry::finish();
    match ended {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::NotAllWell | Outcome::No) => ExitCode::from(3),
        Err(error) => fail::report(&error),
    }
}

fn begin(cli: Cli) -> anyhow::Result<Outcome> {
    let mut overrides = Overrides {
        config: cli.global.config,
        data_dir: cli.global.data_dir,
        log_level: cli.global.log,
        log_json: cli.global.log_json,
        http_addr: None,
    };
    cli.verb.overrides(&mut overrides);
    let level = cli.verb.log_level();
    match cli.verb {
        Verb::Init(args) => {
            let plan = init::plan(args, &overrides)?;
            init::write(&plan)?;
            let config = init::read_back(&plan, overrides)?;
            telemetry::start(config.log, level, None);
            runtime()?.block_on(init::finish(&plan, config))
        }
        Verb::Doctor(args) => {
            let loaded = Config::load(&overrides);
            telemetry::start(loaded.as_ref().map_or(LogConfig::default(), |config| config.log), level, None);
            runtime()?.block_on(doctor::run(args, loaded))
        }
        verb => {
            let config = Config::load(&overrides)?;
            let traces = config.traces.as_deref().filter(|_| matches!(verb, Verb::Serve(_)));
            telemetry::start(config.log, level, traces);
            let context = Context { config: Arc::new(config) };
            runtime()?.block_on(verb.run(&context))
        }
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
