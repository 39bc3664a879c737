//! `kenward keys`: listed, rotated, written to a file for safe keeping. Nothing here ever prints a key, or gets one to
//! see: the owner of the data writes the file itself.

use super::fail::{Fix, unexpected, want};
use super::{Context, Outcome, out, words};
use crate::config::place;
use crate::owner::Backend;
use crate::owner::ops::{Op, Operate, Operated, Reply};
use clap::Subcommand;
use kenward_vault::keys::KeyInfo;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// The keys by short names; never the keys themselves
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Puts a new key in the place of one; what was made with the old one is still read
    Rotate {
        /// cursors, receipts or ledger
        name: String,
    },
    /// Writes all keys into a new file, for you alone
    Export {
        /// Nothing may be there yet but the same keys
        file: PathBuf,
    },
}

pub(crate) async fn run(args: Args, context: &Context) -> anyhow::Result<Outcome> {
    let backend = context.backend().await?;
    let outcome = act(args.verb, &backend).await;
    backend.close().await;
    outcome
}

async fn ask(backend: &Backend, operate: Operate) -> anyhow::Result<Operated> {
    Ok(*want!(backend.ask(Op::Operate(operate)).await?, Reply::Operated(done) => done))
}

async fn keys(backend: &Backend) -> anyhow::Result<Vec<KeyInfo>> {
    match ask(backend, Operate::Keys).await? {
        Operated::Keys(keys) => Ok(keys),
        other => Err(unexpected(Reply::Operated(Box::new(other)))),
    }
}

async fn act(verb: Verb, backend: &Backend) -> anyhow::Result<Outcome> {
    match verb {
        Verb::List { json } => {
            let keys = keys(backend).await?;
            if json {
                out::json(&keys)?;
                return Ok(Outcome::Done);
            }
            let rows: Vec<Vec<String>> = keys
                .into_iter()
                .map(|key| {
                    let rotates = if key.fixed.is_some() { "no" } else { "yes" };
                    let made = key.made.map(out::time).unwrap_or_default();
                    vec![
                        key.name,
                        key.fingerprint,
                        made,
                        key.older.to_string(),
                        rotates.to_owned(),
                        key.purpose,
                    ]
                })
                .collect();
            out::print(&out::table(&["key", "short name", "made", "older", "rotates", "for"], &rows))?;
        }
        Verb::Rotate { name } => {
            let known = keys(backend).await?;
            let from = known.into_iter().find(|key| key.name == name);
            let from =
                from.ok_or_else(|| Fix::new(format!("there is no key `{name}`"), "see `kenward keys list`"))?;
            ask(backend, Operate::RotateKey { name: name.clone(), from: from.fingerprint }).await?;
            out::say(&format!("the key `{name}` is a new one; what was made with the old one is still read"));
            out::hint(
                "keys that were exported before are older now: `kenward keys export FILE` writes all of them",
            );
        }
        Verb::Export { file } => {
            match ask(backend, Operate::ExportKeys { file: place::absolute(&file) }).await? {
                Operated::Exported(exported) => {
                    let (keys, file) = (words::are(exported.keys, "key"), exported.file.display());
                    out::say(&match exported.already {
                        true => {
                            format!("{keys} in {file} already: it holds exactly these, and was left as it is")
                        }
                        false => format!("{keys} in {file}"),
                    });
                    out::say(
                        "WHOEVER HAS THIS FILE AND A BACKUP CAN READ EVERYTHING: it is not encrypted. Keep it apart from both the data and its backups",
                    );
                }
                other => return Err(unexpected(Reply::Operated(Box::new(other)))),
            }
        }
    }
    Ok(Outcome::Done)
}
