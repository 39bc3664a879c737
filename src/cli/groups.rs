//! `kenward groups`: the groups of the built-in directory and their members.

use super::fail::{Fix, want};
use super::users::{change_directory, must_be_bare, remove};
use super::{Context, Outcome, directory_file, out};
use crate::owner::Backend;
use crate::owner::ops::{Op, Reply};
use clap::Subcommand;
use kenward_vault::directory::DirectoryChange;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// All groups with their direct members
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Adds a group
    Add {
        /// Unique handle, as rights files say it
        handle: String,
    },
    /// Removes a group and its memberships
    Remove {
        /// Which
        handle: String,
    },
    /// Adds a member
    AddMember {
        /// The group
        group: String,
        /// `user:HANDLE` or `group:HANDLE`
        member: String,
    },
    /// Removes a member
    RemoveMember {
        /// The group
        group: String,
        /// `user:HANDLE` or `group:HANDLE`
        member: String,
    },
    /// Makes the directory hold what a file says, people and groups
    #[command(after_help = directory_file::FORMAT)]
    Import {
        /// A directory.toml
        file: PathBuf,
    },
}

pub(crate) async fn run(args: Args, context: &Context) -> anyhow::Result<Outcome> {
    let backend = context.backend().await?;
    let outcome = act(args.verb, context, &backend).await;
    backend.close().await;
    outcome
}

async fn act(verb: Verb, context: &Context, backend: &Backend) -> anyhow::Result<Outcome> {
    let (change, said) = match verb {
        Verb::List { json } => return list(json, backend).await,
        Verb::Import { file } => return directory_file::import(&file, context, backend).await,
        Verb::Add { handle } => {
            must_be_bare(&handle)?;
            let said = format!("added group `{handle}`");
            (DirectoryChange::AddGroup { handle }, said)
        }
        Verb::Remove { handle } => {
            return remove(DirectoryChange::RemoveGroup { handle: handle.clone() }, &handle, backend).await;
        }
        Verb::AddMember { group, member } => {
            let member = self::member(member)?;
            let said = format!("`{member}` is in `{group}`");
            (DirectoryChange::AddMember { group, member }, said)
        }
        Verb::RemoveMember { group, member } => {
            let member = self::member(member)?;
            let said = format!("`{member}` is not in `{group}`; no answer is given with that right any more");
            (DirectoryChange::RemoveMember { group, member }, said)
        }
    };
    change_directory(backend, vec![change]).await?;
    out::say(&said);
    Ok(Outcome::Done)
}

fn member(text: String) -> anyhow::Result<String> {
    if text.starts_with("user:") || text.starts_with("group:") {
        return Ok(text);
    }
    let hint = format!("write `user:{text}` or `group:{text}`");
    Err(Fix::new(format!("`{text}` does not say whether it is a person or a group"), hint).into())
}

async fn list(json: bool, backend: &Backend) -> anyhow::Result<Outcome> {
    let groups = want!(backend.ask(Op::Groups).await?, Reply::Groups(groups) => groups);
    if json {
        out::json(&groups)?;
        return Ok(Outcome::Done);
    }
    let rows: Vec<Vec<String>> =
        groups.iter().map(|group| vec![group.handle.clone(), group.members.join(", ")]).collect();
    out::print(&out::table(&["handle", "members"], &rows))?;
    Ok(Outcome::Done)
}
