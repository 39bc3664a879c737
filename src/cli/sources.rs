//! `kenward sources`: where documents come from; renamed, moved, removed, compared with what is kept. The owner of the data does
//! it; nothing here reads a document.

use super::fail::{Fix, unexpected, want};
use super::{Context, Outcome, out, words};
use crate::config::{SOURCE_NAME, place, valid_source_name};
use crate::owner::Backend;
use crate::owner::ops::{Op, Operate, Operated, Reply};
use clap::Subcommand;
use kenward_vault::sources::SourceInfo;
use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// All sources, and what they hold
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Compares files, catalog, texts, both indexes, the audit log and the rights ledger, by counts and hashes
    Verify {
        /// Which sources' files; without any, all of them
        names: Vec<String>,
        /// Builds again what can be built again, and marks for reading what must be read again
        #[arg(long)]
        repair: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Gives a source another name; its documents keep their ids
    Rename {
        /// Which
        name: String,
        /// Its new name
        new: String,
    },
    /// States that a source lies in another folder now; the next run reads it there
    Move {
        /// Which
        name: String,
        /// Its new folder
        folder: PathBuf,
    },
    /// Removes a source with all its documents
    Remove {
        /// Which
        name: String,
        /// Does not ask
        #[arg(long)]
        yes: bool,
    },
}

pub(crate) async fn run(args: Args, context: &Context) -> anyhow::Result<Outcome> {
    let backend = context.backend().await?;
    let outcome = act(args.verb, context, &backend).await;
    backend.close().await;
    outcome
}

/// Sends one operation on the data as a whole.
pub(super) async fn ask(backend: &Backend, operate: Operate) -> anyhow::Result<Operated> {
    Ok(*want!(backend.ask(Op::Operate(operate)).await?, Reply::Operated(done) => done))
}

/// A reply that does not fit.
pub(super) fn other(other: Operated) -> anyhow::Error {
    unexpected(Reply::Operated(Box::new(other)))
}

async fn all(backend: &Backend) -> anyhow::Result<Vec<SourceInfo>> {
    match ask(backend, Operate::Sources).await? {
        Operated::Sources(all) => Ok(all),
        reply => Err(other(reply)),
    }
}

async fn find(name: &str, backend: &Backend) -> anyhow::Result<SourceInfo> {
    let found = all(backend).await?.into_iter().find(|source| source.spec.name == name);
    found.ok_or_else(|| Fix::new(format!("there is no source `{name}`"), "see `kenward sources list`").into())
}

async fn act(verb: Verb, context: &Context, backend: &Backend) -> anyhow::Result<Outcome> {
    match verb {
        Verb::List { json } => list(json, backend).await,
        Verb::Verify { names, repair, json } => verify(names, repair, json, backend).await,
        Verb::Rename { name, new } => {
            if !valid_source_name(&new) {
                return Err(
                    Fix::new(format!("`{new}` cannot name a source"), format!("give {SOURCE_NAME}")).into()
                );
            }
            let source = find(&name, backend).await?;
            if name == new {
                return Err(Fix::new(format!("the source is `{name}` already"), "give another name").into());
            }
            ask(backend, Operate::RenameSource { id: source.id, new: new.clone() }).await?;
            out::say(&format!("the source `{name}` is `{new}` now; its documents keep their ids"));
            if configured(context, &name) {
                out::hint(&format!(
                    "it is named `{name}` in the configuration: change it there, too, or it is not read any more"
                ));
            }
            Ok(Outcome::Done)
        }
        Verb::Move { name, folder } => {
            let folder = place::absolute(&folder);
            if !folder.is_dir() {
                return Err(Fix::new(
                    format!("`{}` is not a folder", folder.display()),
                    "give one that is there",
                )
                .into());
            }
            let source = find(&name, backend).await?;
            let root = folder.to_string_lossy().into_owned();
            let others = all(backend).await?.into_iter().filter(|other| other.spec.name != name);
            if let Some(other) = others
                .map(|other| other.spec)
                .find(|other| Path::new(&other.root).starts_with(&folder) || folder.starts_with(&other.root))
            {
                return Err(Fix::new(
                    format!(
                        "{} and the source `{}` ({}) overlap",
                        out::line(&root),
                        other.name,
                        out::line(&other.root)
                    ),
                    "give another folder: by the rights of both, what is in it would be found twice",
                )
                .into());
            }
            ask(backend, Operate::MoveSource { id: source.id, root }).await?;
            out::say(&format!("the source `{name}` is read from {} by its next run", folder.display()));
            if configured(context, &name) {
                out::hint("its `path` in the configuration must be the same folder");
            }
            Ok(Outcome::Done)
        }
        Verb::Remove { name, yes } => remove(&name, yes, context, backend).await,
    }
}

fn configured(context: &Context, name: &str) -> bool {
    context.config.sources.iter().any(|source| source.name == name)
}

async fn list(json: bool, backend: &Backend) -> anyhow::Result<Outcome> {
    let sources = all(backend).await?;
    if json {
        out::json(&sources)?;
        return Ok(Outcome::Done);
    }
    let waiting: Vec<String> = sources
        .iter()
        .filter(|source| source.hidden_until_ingested > 0)
        .map(|source| format!("{} of `{}`", source.hidden_until_ingested, source.spec.name))
        .collect();
    let rows: Vec<Vec<String>> = sources
        .into_iter()
        .map(|source| {
            vec![
                source.spec.name,
                source.documents.to_string(),
                source.failures.to_string(),
                source.hidden.to_string(),
                source.fresh.map_or_else(|| "never".to_owned(), out::time),
                source.spec.root,
            ]
        })
        .collect();
    out::print(&out::table(&["source", "documents", "failed", "hidden", "listed", "folder"], &rows))?;
    if !waiting.is_empty() {
        out::say(&format!("hidden until they are ingested again: {}", words::first(&waiting)));
        out::hint("`kenward ingest` reads the sources, and shows them again");
    }
    Ok(Outcome::Done)
}

async fn verify(names: Vec<String>, repair: bool, json: bool, backend: &Backend) -> anyhow::Result<Outcome> {
    for name in &names {
        find(name, backend).await?;
    }
    let sources = if names.is_empty() {
        all(backend).await?.into_iter().map(|source| source.spec.name).collect()
    } else {
        names
    };
    let found = match ask(backend, Operate::Verify { sources, repair }).await? {
        Operated::Verified(found) => found,
        reply => return Err(other(reply)),
    };
    if json {
        out::json(&found)?;
    } else {
        let checks = super::verified::checks(&found);
        out::print(&super::checks::render(&checks))?;
    }
    Ok(if found.is_sound() { Outcome::Done } else { Outcome::NotAllWell })
}

async fn remove(name: &str, yes: bool, context: &Context, backend: &Backend) -> anyhow::Result<Outcome> {
    let source = find(name, backend).await?;
    let documents = words::count(source.documents, "document");
    if !yes {
        let what = format!(
            "this removes the source `{name}` and its {documents} from everything that is kept; its folder is not touched"
        );
        if !std::io::stdin().is_terminal() {
            return Err(Fix::new(what, "give `--yes` if that is meant").into());
        }
        out::say(&what);
        out::say("to do it, type the source's name:");
        let mut typed = String::new();
        std::io::stdin().lock().read_line(&mut typed)?;
        if typed.trim() != name {
            return Err(Fix::new("nothing was removed", "the name that was typed is another").into());
        }
    }
    let removed = match ask(backend, Operate::RemoveSource { id: source.id }).await? {
        Operated::Removed(removed) => removed,
        reply => return Err(other(reply)),
    };
    out::say(&format!(
        "the source `{name}` and its {} gone; nobody is answered from that any more",
        words::are(removed, "document")
    ));
    if configured(context, name) {
        out::hint(&format!("take `{name}` out of the configuration, too, or it is ingested again"));
    }
    Ok(Outcome::Done)
}
