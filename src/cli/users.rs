//! `kenward users`: the people of the built-in directory.

use super::fail::{Fix, want};
use super::{Context, Outcome, directory_file, out};
use crate::config::Config;
use crate::owner::Backend;
use crate::owner::ops::{Op, Reply};
use clap::Subcommand;
use kenward_access::acl::{Clearance, Level};
use kenward_vault::directory::{DirectoryChange, Identity, OperationId};
use kenward_vault::seams::SystemEntropy;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// All people
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Adds a person
    Add {
        /// Unique handle, as rights files say it: `dana@harbor.example`
        handle: String,
        /// Display name [default: the handle]
        #[arg(long)]
        name: Option<String>,
        /// The highest label that the person may read [default: the lowest]
        #[arg(long, value_name = "LABEL")]
        clearance: Option<String>,
    },
    /// Changes the highest label that a person may read
    Clear {
        /// Whom
        handle: String,
        /// A label of the configuration
        label: String,
    },
    /// Removes a person with their memberships and tokens
    Remove {
        /// Whom
        handle: String,
        /// Removes also somebody whom `[operators]` names
        #[arg(long)]
        yes: bool,
    },
    /// Disables a person: their tokens stop at once
    Disable {
        /// Whom
        handle: String,
    },
    /// Enables a disabled person
    Enable {
        /// Whom
        handle: String,
    },
    /// Says that a subject of an issuer is this person: its tokens are theirs from then on
    Link {
        /// Whom
        handle: String,
        /// The issuer, exactly as its tokens say it (`iss`)
        #[arg(long, value_name = "URL")]
        issuer: String,
        /// The issuer's immutable id of the person, exactly as its tokens say it (`sub`); never an address or a name
        #[arg(long, value_name = "SUB", conflicts_with = "client", required_unless_present = "client")]
        subject: Option<String>,
        /// The id of a client that asks for itself, without a person (`client_id`): a service with an entry of its own
        #[arg(long, value_name = "ID")]
        client: Option<String>,
    },
    /// Says that it is not any more: its tokens stop at once
    Unlink {
        /// Whom
        handle: String,
        /// As for `link`
        #[arg(long, value_name = "URL")]
        issuer: String,
        /// As for `link`
        #[arg(long, value_name = "SUB", conflicts_with = "client", required_unless_present = "client")]
        subject: Option<String>,
        /// As for `link`
        #[arg(long, value_name = "ID")]
        client: Option<String>,
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
        Verb::List { json } => return list(json, context, backend).await,
        Verb::Import { file } => return directory_file::import(&file, context, backend).await,
        Verb::Add { handle, name, clearance } => {
            must_be_bare(&handle)?;
            let clearance = match clearance {
                Some(label) => {
                    same_labels(context, backend).await?;
                    self::clearance(&context.config, &label)?
                }
                None => Clearance::default(),
            };
            let said = format!("added `{handle}`");
            let name = name.unwrap_or_else(|| handle.clone());
            (DirectoryChange::AddUser { handle, name, clearance }, said)
        }
        Verb::Clear { handle, label } => {
            same_labels(context, backend).await?;
            let clearance = self::clearance(&context.config, &label)?;
            let said = format!("`{handle}` may read up to `{label}`");
            (DirectoryChange::SetClearance { handle, clearance }, said)
        }
        Verb::Remove { handle, yes } => {
            let operators = &context.config.operators;
            if !yes && operators.values().any(|person| person.handle.as_deref() == Some(handle.as_str())) {
                let what = format!("`[operators]` names `{handle}`, who could ask nothing any more");
                return Err(Fix::new(what, "name somebody else there first, or give `--yes`").into());
            }
            return remove(DirectoryChange::RemoveUser { handle: handle.clone() }, &handle, backend).await;
        }
        Verb::Disable { handle } => {
            let said = format!("disabled `{handle}`; no answer is given with their rights any more");
            (DirectoryChange::SetDisabled { handle, disabled: true }, said)
        }
        Verb::Link { handle, issuer, subject, client } => {
            let subject = linked(subject, client);
            must_be_trusted(&context.config, &issuer);
            let said = format!("linked: tokens of `{issuer}` for that subject are `{handle}` now");
            (DirectoryChange::Link { handle, identity: Identity { issuer, subject } }, said)
        }
        Verb::Unlink { handle, issuer, subject, client } => {
            let subject = linked(subject, client);
            let said = format!("unlinked; no answer is given to such a token as `{handle}` any more");
            (DirectoryChange::Unlink { handle, identity: Identity { issuer, subject } }, said)
        }
        Verb::Enable { handle } => {
            let said = format!("enabled `{handle}`");
            (DirectoryChange::SetDisabled { handle, disabled: false }, said)
        }
    };
    change_directory(backend, vec![change]).await?;
    out::say(&said);
    Ok(Outcome::Done)
}

/// Warns of an issuer that the configuration does not name to the letter: its tokens are not accepted.
pub(super) fn must_be_trusted(config: &Config, issuer: &str) {
    if config.issuers.iter().any(|known| known.url == issuer) {
        return;
    }
    out::say(&format!("warning: no `[[issuer]]` of the configuration has the url `{issuer}`, to the letter"));
    let known: Vec<String> = config.issuers.iter().map(|known| format!("`{}`", known.url)).collect();
    out::hint(&match known.is_empty() {
        true => "there is none yet; see `[[issuer]]` in the configuration".to_owned(),
        false => format!("there is {}", known.join(", ")),
    });
}

/// Removes somebody, and warns of what nobody sees from then on because rights files name them.
pub(super) async fn remove(
    change: DirectoryChange,
    handle: &str,
    backend: &Backend,
) -> anyhow::Result<Outcome> {
    let hidden = || async {
        Ok::<_, anyhow::Error>(want!(backend.ask(Op::Stats).await?, Reply::Stats(stats) => stats).hidden)
    };
    let before = hidden().await?;
    change_directory(backend, vec![change]).await?;
    out::say(&format!("removed `{handle}`; no answer is given with that right any more"));
    let more = hidden().await?.saturating_sub(before);
    if more > 0 {
        out::say(&format!(
            "warning: {} hidden from everybody now, because rights files name `{handle}`",
            super::words::are(more, "document")
        ));
        out::hint(
            "`kenward ingest --plan` tells in which lines: take the name out there, or add it again; `users disable` hides nothing",
        );
    }
    Ok(Outcome::Done)
}

/// Refuses a handle as rights files write it: it would be another one.
pub(super) fn must_be_bare(handle: &str) -> anyhow::Result<()> {
    let Some((_, bare)) = handle.split_once(':').filter(|(kind, _)| ["user", "group"].contains(kind)) else {
        return Ok(());
    };
    let hint = format!("give the handle alone: `{bare}`");
    Err(Fix::new(format!("`{handle}` is how rights files name somebody"), hint).into())
}

/// Changes the directory, all or nothing; acknowledged when the old rights are out of use.
pub(super) async fn change_directory(backend: &Backend, changes: Vec<DirectoryChange>) -> anyhow::Result<()> {
    no_twins(backend, &changes).await?;
    let operation = OperationId::draw(&SystemEntropy);
    want!(backend.ask(Op::ChangeDirectory { operation, changes }).await?, Reply::Done => ());
    Ok(())
}

/// Refuses a handle that differs from another one in case alone: a name of another system, in which case does not count,
/// would mean neither of them any more, and grant nothing.
async fn no_twins(backend: &Backend, changes: &[DirectoryChange]) -> anyhow::Result<()> {
    let adds = |change: &&DirectoryChange| {
        matches!(change, DirectoryChange::AddUser { .. } | DirectoryChange::AddGroup { .. })
    };
    if !changes.iter().any(|change| adds(&change)) {
        return Ok(());
    }
    let users = want!(backend.ask(Op::Users).await?, Reply::Users(users) => users);
    let groups = want!(backend.ask(Op::Groups).await?, Reply::Groups(groups) => groups);
    let lower = |handle: &str| handle.to_ascii_lowercase();
    let mut people: BTreeMap<String, String> =
        users.into_iter().map(|user| (lower(&user.handle), user.handle)).collect();
    let mut sets: BTreeMap<String, String> =
        groups.into_iter().map(|group| (lower(&group.handle), group.handle)).collect();
    for change in changes {
        let (known, handle) = match change {
            DirectoryChange::AddUser { handle, .. } => (&mut people, handle),
            DirectoryChange::AddGroup { handle } => (&mut sets, handle),
            _ => continue,
        };
        match known.insert(lower(handle), handle.clone()) {
            Some(other) if other != *handle => {
                let what = format!("`{handle}` differs from `{other}` in case alone");
                let hint = "give it in the same letters; two such would lose what `OWNERS`, `CODEOWNERS` and the like grant them";
                return Err(Fix::new(what, hint).into());
            }
            _ => {}
        }
    }
    Ok(())
}

/// Refuses where the process that owns the data was started with other labels: a clearance goes to it as a
/// place in the list, and would come to mean another label.
pub(super) async fn same_labels(context: &Context, backend: &Backend) -> anyhow::Result<()> {
    let theirs = want!(backend.ask(Op::Labels).await?, Reply::Labels(labels) => labels);
    if theirs == context.config.labels {
        return Ok(());
    }
    let message =
        "the process that owns the data was started with other `labels` than this configuration has";
    Err(Fix::new(message, "restart it (a server, for instance), then run this again").into())
}

/// The clearance that a label's name stands for.
pub(super) fn clearance(config: &Config, label: &str) -> anyhow::Result<Clearance> {
    let level = config.level_of(label).ok_or_else(|| {
        let known = config.labels.iter().map(|l| format!("`{l}`")).collect::<Vec<_>>().join(", ");
        let hint = if known.is_empty() {
            "there are none; list them under `labels` in the configuration, least sensitive first".to_owned()
        } else {
            format!("known labels, least sensitive first: {known}")
        };
        Fix::new(format!("there is no label `{label}`"), hint)
    })?;
    Ok(Clearance { level: Level(level), ..Clearance::default() })
}

async fn list(json: bool, context: &Context, backend: &Backend) -> anyhow::Result<Outcome> {
    same_labels(context, backend).await?;
    let users = want!(backend.ask(Op::Users).await?, Reply::Users(users) => users);
    if json {
        out::json(&users)?;
        return Ok(Outcome::Done);
    }
    let label = |level: Level| {
        let known = context.config.labels.get(usize::from(level.0)).cloned();
        known.unwrap_or_else(|| if level.0 == 0 { String::from("-") } else { level.0.to_string() })
    };
    let rows: Vec<Vec<String>> = users
        .iter()
        .map(|user| {
            let state = if user.disabled { "disabled" } else { "active" };
            let identities = user.identities.iter().map(|one| format!("{} at {}", one.subject, one.issuer));
            let identities: Vec<String> = identities.collect();
            let name = user.name.clone();
            let identities = if identities.is_empty() { "-".to_owned() } else { identities.join(", ") };
            vec![user.handle.clone(), name, label(user.clearance.level), state.to_owned(), identities]
        })
        .collect();
    out::print(&out::table(&["handle", "name", "clearance", "state", "identities"], &rows))?;
    Ok(Outcome::Done)
}

/// The subject of a person or of a client; the command line sees to it that one of them is there.
fn linked(subject: Option<String>, client: Option<String>) -> String {
    client.map(|id| Identity::client(&id)).or(subject).unwrap_or_default()
}
