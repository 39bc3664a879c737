//! `kenward ingest`: which sources, who may read what carries no rights, the run itself through the
//! owner of the data, and what it came to. It reads no document: that is the pipeline's work.

mod default_allow;
mod fidelity;
mod plan;
mod plan_page;
mod progress;
mod re_embed;
mod report;
mod rights;
mod rights_only;
mod source;
mod watch;

pub(super) use fidelity::lines as fidelity;
pub(super) use report::{again as tried_again, how_to_fix};
pub(super) use source::of_config as configured;

use super::fail::{self, Fix, want};
use super::sources::ask;
use super::{Context, Outcome, models, out};
use crate::app;
use crate::owner::Backend;
use crate::owner::ops::{Op, Operate, Operated, Reply, RunOrder};
use kenward_ingest::pipeline::{Progress, RunReport};
use kenward_vault::writer::SourceSpec;
use std::path::PathBuf;

/// What `--json` prints, for `--help`.
const EVENTS: &str = "\
With --json each line is one event, named by `event`:
  started     source
  listed      files
  documents   done and failed of so many files (of); chunks: passages embedded so far
  failed      path, reason, detail, attempts, tried and next (milliseconds UTC; next null: not before it changes)
  publishing
  finished    the report of a source: run, state, summary, failures, skipped_unknown, rights_problems, seconds, …
  rights_read (--watch, --rights-only) report: documents, changed, seen_by_fewer, seen_by_more, waiting, gone, …
  planned     (--plan) plan: added, changed, removed, unchanged, failed, view (gains, losses, problems), …
The columns of --rights-only:
  documents   known ones
  changed     folders and documents that have other rights than before
  fewer see   documents that somebody may not see any more: at once
  more see    documents that somebody may see who could not before
  hashed      files that were looked at, because what they hold must be what was read for it to widen
  waiting     documents that stay under their old rights, too, until their content is read
  gone        documents whose file is not there: hidden until a run looks";

#[derive(clap::Args)]
#[command(after_help = EVENTS)]
pub(crate) struct Args {
    /// Folders, or names of sources [default: all sources]
    #[arg(value_name = "PATH|SOURCE")]
    sources: Vec<PathBuf>,
    /// Who may read what carries no rights of its own: `everyone`, `me`, `user:HANDLE`, `group:HANDLE`
    #[arg(long, value_name = "WHO", value_delimiter = ',')]
    default_allow: Vec<String>,
    /// Says what would be done, and whose view would change; writes nothing
    #[arg(long)]
    plan: bool,
    /// Goes on with it: watches the folders, and reads what changes, until it is stopped
    #[arg(long, conflicts_with_all = ["plan", "rights_only"])]
    watch: bool,
    /// Reads the rights alone: what narrows acts at once, what widens acts for files that have not changed
    #[arg(long, conflicts_with_all = ["plan", "retry_failed", "allow_mass_delete"])]
    rights_only: bool,
    /// Tries all failed documents again; without it, those that failed for a reason of their own wait until
    /// they change, and others until their pause is over
    #[arg(long, conflicts_with = "plan")]
    retry_failed: bool,
    /// Where the rights are written: `access-toml` (files called `.access.toml`), `owners` (files called
    /// `OWNERS`: approvers and reviewers may read), `codeowners` (the last line that matches), `posix`
    /// (owner, group, mode and ACL) [default: as recorded, or access-toml]
    #[arg(long, value_name = "FORMAT")]
    rights: Option<String>,
    /// TOML file that says whom names in these rights stand for: NAME = "user:HANDLE"
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// Label of what carries none of its own in the source
    #[arg(long)]
    label: Option<String>,
    /// Name of the source, if one folder is given [default: the folder's last name]
    #[arg(long)]
    name: Option<String>,
    /// Allows removing more than half of a source, or all of it
    #[arg(long)]
    allow_mass_delete: bool,
    /// Embeds all documents anew by the engine that the configuration asks for, from their stored texts; searches go on
    /// with the old vectors until the switch. Stop it with Ctrl-C: the same command goes on. With `remote` all texts leave
    /// this machine
    #[arg(long, conflicts_with_all = [
        "sources", "name", "default_allow", "label", "allow_mass_delete", "plan", "watch", "rights_only", "retry_failed",
        "rights", "identity",
    ])]
    re_embed: bool,
    /// With --plan: writes the same as a page into this file
    #[arg(long, value_name = "FILE", requires = "plan")]
    html: Option<PathBuf>,
    /// Progress and report as JSON lines
    #[arg(long)]
    json: bool,
}

/// How one source went.
enum Ran {
    Report(Box<RunReport>),
    Stopped,
}

pub(crate) async fn run(args: Args, context: &Context) -> anyhow::Result<Outcome> {
    if app::missing_artifacts(&context.config).iter().any(|it| app::insists_on(&context.config, *it)) {
        // The data does not open without it.
        models::ensure(&context.config)?;
    }
    let backend = context.backend().await?;
    let outcome = match args.re_embed {
        true => re_embed::run(args.json, context, &backend).await,
        false => all(&args, context, &backend).await,
    };
    backend.close().await;
    outcome
}

async fn all(args: &Args, context: &Context, backend: &Backend) -> anyhow::Result<Outcome> {
    let specs = source::chosen(args, context, backend).await?;
    if args.plan {
        return plan::all(specs, args.html.as_deref(), args.json, backend).await;
    }
    if args.rights_only {
        return rights_only::all(specs, args.json, backend).await;
    }
    // Not before it is known that there is something to ingest: it may be fetched over a network.
    models::ensure(&context.config)?;
    let watched = args.watch.then(|| specs.clone());
    let mut reports = Vec::new();
    let mut stopped = false;
    let mut refused: Option<anyhow::Error> = None;
    for spec in specs {
        match one(args, context, backend, spec).await {
            Ok(Ran::Report(report)) => reports.push(*report),
            Ok(Ran::Stopped) => {
                stopped = true;
                break;
            }
            // One source that cannot be read holds up no other. What the last one came to is told by the
            // program's end, the others here.
            Err(error) if error.is::<Fix>() => {
                if let Some(earlier) = refused.replace(error) {
                    fail::tell(&earlier);
                }
            }
            Err(error) => {
                report::print(&reports, args.json, context.config.engine)?;
                return Err(error);
            }
        }
    }
    report::print(&reports, args.json, context.config.engine)?;
    if !reports.is_empty() {
        default_allow::somebody(context, backend).await?;
    }
    if stopped {
        out::say(
            "stopped: what was done stays, and the same command goes on from there (a server that owns the data \
             first ends what it is reading)",
        );
    }
    if let Some(specs) = watched.filter(|_| !stopped) {
        if let Some(error) = refused {
            fail::tell(&error);
        }
        return watch::all(specs, args.json, backend).await;
    }
    if let Some(error) = refused {
        return Err(error);
    }
    let failed = reports.iter().any(report::needs_attention);
    Ok(if failed || stopped { Outcome::NotAllWell } else { Outcome::Done })
}

/// Goes on with a run of a recorded source, as `ingest` would.
pub(super) async fn resume(source: String, json: bool, context: &Context) -> anyhow::Result<Outcome> {
    let args = Args {
        sources: vec![PathBuf::from(source)],
        name: None,
        default_allow: Vec::new(),
        label: None,
        rights: None,
        identity: None,
        allow_mass_delete: false,
        retry_failed: false,
        rights_only: false,
        watch: false,
        plan: false,
        html: None,
        re_embed: false,
        json,
    };
    run(args, context).await
}

/// Runs over a source. One that is new and whose run is refused before it begins is not recorded after all.
async fn one(args: &Args, context: &Context, backend: &Backend, spec: SourceSpec) -> anyhow::Result<Ran> {
    let recorded = want!(backend.ask(Op::Sources).await?, Reply::Sources(sources) => sources);
    let known = recorded.iter().any(|known| known.name == spec.name);
    let name = spec.name.clone();
    let ran = run_over(args, context, backend, spec).await;
    if ran.is_err() && !known {
        // What refused the run is the error; if this fails, too, the source stays recorded.
        let _ = forget(&name, backend).await;
    }
    ran
}

/// Takes a source out again over which no run has begun.
async fn forget(name: &str, backend: &Backend) -> anyhow::Result<()> {
    let runs = Op::Runs { source: Some(name.to_owned()), limit: 1 };
    if !want!(backend.ask(runs).await?, Reply::Runs(runs) => runs).is_empty() {
        return Ok(());
    }
    if let Operated::Sources(all) = ask(backend, Operate::Sources).await?
        && let Some(source) = all.into_iter().find(|source| source.spec.name == name)
    {
        ask(backend, Operate::RemoveSource { id: source.id }).await?;
    }
    Ok(())
}

async fn run_over(
    args: &Args,
    context: &Context,
    backend: &Backend,
    mut spec: SourceSpec,
) -> anyhow::Result<Ran> {
    loop {
        want!(backend.ask(Op::AddSource { spec: spec.clone() }).await?, Reply::Done => ());
        let op = Op::Ingest(RunOrder {
            source: spec.name.clone(),
            allow_mass_delete: args.allow_mass_delete,
            retry_failed: args.retry_failed,
            only: None,
        });
        let mut shown = progress::Shown::new(args.json);
        let mut tell = |reply: Reply| {
            if let Reply::Progress(event) = reply {
                shown.tell(&event);
            }
        };
        let reply = tokio::select! {
            reply = backend.call(op, &mut tell) => reply?,
            // Dropping the call stops the run; what was put stays.
            _ = tokio::signal::ctrl_c() => return Ok(Ran::Stopped),
        };
        shown.end();
        match reply {
            Reply::Ingested(report) => {
                if args.json {
                    let event = Progress::Finished(report.clone());
                    out::print(&format!("{}\n", serde_json::to_string(&event)?))?;
                }
                return Ok(Ran::Report(report));
            }
            Reply::NeedsDefault { source, files } => {
                let may_ask = !args.json;
                let answer = default_allow::ask(&source, files, may_ask, context, backend).await?;
                spec.default_allow = answer;
            }
            other => return Err(fail::unexpected(other)),
        }
    }
}
