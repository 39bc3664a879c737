//! A directory as a file: what `users import` and `groups import` read. The people that it names are
//! made or changed; the groups that it names have exactly the members that it lists; whoever it does
//! not name is left alone. Nothing changes unless all of it is right.

use super::fail::{Fix, want};
use super::users::{change_directory, clearance, must_be_trusted, same_labels};
use super::{Context, Outcome, out};
use crate::owner::Backend;
use crate::owner::ops::{Op, Reply};
use kenward_access::acl::Clearance;
use kenward_vault::directory::{DirectoryChange, Group, Identity, User};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

/// The longest file that is read, in bytes: some hundred thousand people.
const LONGEST: u64 = 32 << 20;

/// The format, for `--help`.
pub(super) const FORMAT: &str = r#"The file:
  [[user]]
  handle = "dana@harbor.example"
  name = "Dana Reyes"          # optional
  clearance = "confidential"   # optional, a label of the configuration
  # Optional: subjects of issuers that are this person; where it stands, exactly these
  identities = [{ issuer = "https://login.harbor.example", subject = "8f3a…" }]

  [[group]]
  handle = "finance"
  members = ["user:dana@harbor.example", "group:accounting"]

People named there are added or changed; groups named there get exactly these members;
whoever is not named stays as they are."#;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    user: Vec<FileUser>,
    #[serde(default)]
    group: Vec<FileGroup>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileUser {
    handle: String,
    name: Option<String>,
    clearance: Option<String>,
    identities: Option<Vec<Identity>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileGroup {
    handle: String,
    #[serde(default)]
    members: Vec<String>,
}

/// A person of the file; what is absent stays as it is.
struct WantedUser {
    name: Option<String>,
    clearance: Option<Clearance>,
    identities: Option<BTreeSet<Identity>>,
}

/// A file whose labels are known.
struct Wanted {
    users: BTreeMap<String, WantedUser>,
    groups: BTreeMap<String, BTreeSet<String>>,
}

/// Imports a file.
pub(super) async fn import(file: &Path, context: &Context, backend: &Backend) -> anyhow::Result<Outcome> {
    out::say(&apply(file, context, backend).await?);
    Ok(Outcome::Done)
}

/// Imports a file, and says in words what changed.
pub(super) async fn apply(file: &Path, context: &Context, backend: &Backend) -> anyhow::Result<String> {
    let wanted = read(file, context)?;
    if wanted.users.values().any(|user| user.clearance.is_some()) {
        same_labels(context, backend).await?;
    }
    let users = want!(backend.ask(Op::Users).await?, Reply::Users(users) => users);
    let groups = want!(backend.ask(Op::Groups).await?, Reply::Groups(groups) => groups);
    let changes = changes(&wanted, &users, &groups);
    let counted = summary(&changes);
    if !changes.is_empty() {
        change_directory(backend, changes).await?;
    }
    Ok(counted)
}

fn read(path: &Path, context: &Context) -> anyhow::Result<Wanted> {
    let shown = path.display();
    let unread =
        |error: std::io::Error| Fix::new(format!("`{shown}` cannot be read: {error}"), "check the path");
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(unread)?;
    file.take(LONGEST + 1).read_to_string(&mut text).map_err(unread)?;
    if text.len() as u64 > LONGEST {
        let hint = "give the directory in several files; whoever a file does not name stays";
        return Err(Fix::new(format!("`{shown}` is longer than {} MB", LONGEST >> 20), hint).into());
    }
    let wrong = |what: String| Fix::new(what, "see `kenward users import --help` for the format");
    let file: File = toml::from_str(&text).map_err(|error| {
        wrong(format!("`{shown}` is not a directory file: {}", error.to_string().trim_end()))
    })?;
    let mut wanted = Wanted { users: BTreeMap::new(), groups: BTreeMap::new() };
    let mut linked = BTreeSet::new();
    for user in file.user {
        let clearance = user.clearance.map(|label| clearance(&context.config, &label)).transpose()?;
        let identities = user.identities.map(|all| all.into_iter().collect::<BTreeSet<_>>());
        for identity in identities.iter().flatten() {
            if !linked.insert(identity.clone()) {
                let what =
                    format!("`{shown}` says of one subject that it is `{}` and somebody else", user.handle);
                return Err(wrong(what).into());
            }
            must_be_trusted(&context.config, &identity.issuer);
        }
        let known = WantedUser { name: user.name, clearance, identities };
        if wanted.users.insert(user.handle.clone(), known).is_some() {
            return Err(wrong(format!("`{shown}` names the person `{}` twice", user.handle)).into());
        }
    }
    for group in file.group {
        let members: BTreeSet<String> = group.members.into_iter().collect();
        if let Some(bad) = members.iter().find(|m| !m.starts_with("user:") && !m.starts_with("group:")) {
            let what =
                format!("`{shown}`: `{bad}` in group `{}` is neither `user:…` nor `group:…`", group.handle);
            return Err(wrong(what).into());
        }
        if wanted.groups.insert(group.handle.clone(), members).is_some() {
            return Err(wrong(format!("`{shown}` names the group `{}` twice", group.handle)).into());
        }
    }
    Ok(wanted)
}

/// What has to change so that the directory holds what the file says.
fn changes(wanted: &Wanted, users: &[User], groups: &[Group]) -> Vec<DirectoryChange> {
    let mut changes = Vec::new();
    for (handle, WantedUser { name, clearance, .. }) in &wanted.users {
        match users.iter().find(|user| user.handle == *handle) {
            None => changes.push(DirectoryChange::AddUser {
                handle: handle.clone(),
                name: name.clone().unwrap_or_else(|| handle.clone()),
                clearance: clearance.clone().unwrap_or_default(),
            }),
            Some(user) => {
                if let Some(clearance) = clearance.as_ref().filter(|wanted| **wanted != user.clearance) {
                    let (handle, clearance) = (handle.clone(), clearance.clone());
                    changes.push(DirectoryChange::SetClearance { handle, clearance });
                }
            }
        }
    }
    changes.extend(links(wanted, users));
    // All groups before any member: a group may be a member of a later one.
    for handle in wanted.groups.keys() {
        if !groups.iter().any(|group| group.handle == *handle) {
            changes.push(DirectoryChange::AddGroup { handle: handle.clone() });
        }
    }
    for (handle, members) in &wanted.groups {
        let now: BTreeSet<String> = groups
            .iter()
            .find(|group| group.handle == *handle)
            .map(|group| group.members.iter().cloned().collect())
            .unwrap_or_default();
        for member in now.difference(members) {
            changes.push(DirectoryChange::RemoveMember { group: handle.clone(), member: member.clone() });
        }
        for member in members.difference(&now) {
            changes.push(DirectoryChange::AddMember { group: handle.clone(), member: member.clone() });
        }
    }
    changes
}

/// The links that have to go, and then those that have to come: one may pass from one person to another.
fn links(wanted: &Wanted, users: &[User]) -> Vec<DirectoryChange> {
    let (mut go, mut come) = (Vec::new(), Vec::new());
    for (handle, user) in &wanted.users {
        let Some(identities) = &user.identities else { continue };
        let known = users.iter().find(|user| user.handle == *handle);
        let now: BTreeSet<Identity> =
            known.map(|user| user.identities.iter().cloned().collect()).unwrap_or_default();
        for identity in now.difference(identities) {
            go.push(DirectoryChange::Unlink { handle: handle.clone(), identity: identity.clone() });
        }
        for identity in identities.difference(&now) {
            come.push(DirectoryChange::Link { handle: handle.clone(), identity: identity.clone() });
        }
    }
    go.extend(come);
    go
}

fn summary(changes: &[DirectoryChange]) -> String {
    if changes.is_empty() {
        return "nothing to change".to_owned();
    }
    let count = |wanted: fn(&DirectoryChange) -> bool| changes.iter().filter(|c| wanted(c)).count();
    let links = match (
        count(|c| matches!(c, DirectoryChange::Link { .. })),
        count(|c| matches!(c, DirectoryChange::Unlink { .. })),
    ) {
        (0, 0) => String::new(),
        (come, go) => format!("; identities: {come} linked, {go} unlinked"),
    };
    format!(
        "people: {} added, {} with another clearance; groups: {} added; members: {} added, {} removed{links}",
        count(|c| matches!(c, DirectoryChange::AddUser { .. })),
        count(|c| matches!(c, DirectoryChange::SetClearance { .. })),
        count(|c| matches!(c, DirectoryChange::AddGroup { .. })),
        count(|c| matches!(c, DirectoryChange::AddMember { .. })),
        count(|c| matches!(c, DirectoryChange::RemoveMember { .. })),
    )
}
