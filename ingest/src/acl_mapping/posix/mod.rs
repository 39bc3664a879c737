//! Owner, group, mode and POSIX ACL of a file system (`acl(5)`): to read a file one needs read permission on
//! it, and search permission on every folder from the source's root down to it. Each of these is a layer of
//! its own, and all must allow. Folders above the root are not looked at: the root is what the operator named.
//!
//! Walk through `pay/bands.md`, mode 0640, owner 1000, group 50, in `pay`, mode 0750: the file's list is
//! "allow the owner; allow the group", that of `pay` the same for searching. Classes are first-match: an
//! owner without the permission is refused, whatever others may. Who is behind a number says the source's
//! list of names alone (`uid.1000`, `gid.50`, `other`): who is not on it is nobody, and a refusal of somebody
//! who is not on it may mean anybody. That root may read everything is not carried over.
//!
//! It must never widen: what has rights that cannot be read, or an ACL of another kind, is nobody's.

mod facts;
#[cfg(test)]
mod kernel;
#[cfg(test)]
mod reference;

use super::combine::{Defaults, ancestors, parent};
use super::fidelity::Tally;
use super::identity::{Identity, nobody};
use super::parse::Unusable;
use super::{IDENTITY, refused};
use crate::connectors::ItemRights;
use facts::Tag;
pub use facts::{Facts, OTHER_ACL, UNREADABLE, encode};
use kenward_access::acl::{Effect, Window};
use kenward_access::rights::{Naming, Origin, RightsEntry, RightsSpec};
use kenward_vault::writer::SourceIdentity;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whoever is not the owner, in a group, or named: everybody with an account there.
const OTHER: &str = "other";

/// A permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Wanted {
    /// To read a file.
    Read = 4,
    /// To go through a folder.
    Search = 1,
}

/// Owners, groups, modes and ACLs of a source.
#[derive(Debug, Clone)]
pub struct PosixRules {
    identity: Arc<Result<Identity, Unusable>>,
    raw: Arc<BTreeMap<String, Vec<u8>>>,
    asked: SourceIdentity,
    defaults: Defaults,
}

impl PartialEq for PosixRules {
    /// Equal if they were read from the same facts under the same configuration.
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw && self.asked == other.asked && self.defaults == other.defaults
    }
}

impl Eq for PosixRules {}

impl PosixRules {
    /// Takes what a connector found (path → [`encode`]; the list of names under [`IDENTITY`]).
    #[must_use]
    pub fn read(raw: &BTreeMap<String, Vec<u8>>, identity: &SourceIdentity, defaults: Defaults) -> Self {
        let list = Identity::read(identity, raw.get(IDENTITY).map(Vec::as_slice));
        Self { identity: Arc::new(list), raw: Arc::new(raw.clone()), asked: identity.clone(), defaults }
    }

    /// The rights of a file, and the container that they hang on: its own.
    #[must_use]
    pub fn of_file(&self, path: &str) -> ItemRights {
        let spec = match self.identity.as_ref() {
            Err(problem) => refused(&self.list_name(), problem.line, &problem.what),
            Ok(identity) => self.spec(path, identity).unwrap_or_else(|(at, what)| refused(&at, 0, what)),
        };
        ItemRights { container: path.to_owned(), spec, unsaid: false }
    }

    fn spec(&self, path: &str, identity: &Identity) -> Result<RightsSpec, (String, &'static str)> {
        let mut spec = RightsSpec::default();
        // INVARIANT: each folder on the way must let them through, whatever the file allows.
        for folder in ancestors(parent(path)) {
            let list = self.list(folder, Wanted::Search, identity)?;
            if !is_open(&list) {
                spec.also.push(list);
            }
        }
        spec.entries = self.list(path, Wanted::Read, identity)?;
        spec.labels.extend(self.defaults.label());
        Ok(spec)
    }

    fn facts(&self, path: &str) -> Result<Facts, (String, &'static str)> {
        let bytes = self.raw.get(path).map_or(UNREADABLE, Vec::as_slice);
        Facts::decode(bytes).map_err(|what| (shown(path), what))
    }

    /// Who has a permission on one file or folder.
    fn list(
        &self,
        path: &str,
        wanted: Wanted,
        identity: &Identity,
    ) -> Result<Vec<RightsEntry>, (String, &'static str)> {
        let facts = self.facts(path)?;
        let origin = Origin { file: format!("{}: {}", shown(path), facts.words()), line: 0 };
        Ok(list(&facts, wanted, identity, &origin))
    }

    fn list_name(&self) -> String {
        self.asked.file.clone().unwrap_or_else(|| "identity".to_owned())
    }

    /// Everything that could not be used: (path, line, what).
    #[must_use]
    pub fn problems(&self) -> Vec<(String, u32, String)> {
        let mut problems = Vec::new();
        if let Err(problem) = self.identity.as_ref() {
            problems.push((self.list_name(), problem.line, problem.what.clone()));
        }
        for path in self.raw.keys().filter(|path| *path != IDENTITY) {
            if let Err((at, what)) = self.facts(path) {
                problems.push((at, 0, what.to_owned()));
            }
        }
        problems
    }

    /// What became of the constructs.
    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        let listed = |id: &str| self.identity.as_ref().as_ref().is_ok_and(|list| list.listed(id).is_some());
        let (mut modes, mut acls) = (0, 0);
        for path in self.raw.keys().filter(|path| *path != IDENTITY) {
            match self.facts(path) {
                Err((at, what)) => tally.refused("modes and ACLs", &at, 0, what),
                Ok(facts) => {
                    let unlisted_refusal = facts.acl.iter().any(|entry| {
                        let bits = facts.left(*entry) & (Wanted::Read as u8 | Wanted::Search as u8);
                        let id = match entry.tag {
                            Tag::Owner => format!("uid.{}", facts.uid),
                            Tag::User(uid) => format!("uid.{uid}"),
                            Tag::OwningGroup => format!("gid.{}", facts.gid),
                            Tag::Group(gid) => format!("gid.{gid}"),
                            Tag::Mask | Tag::Other => return false,
                        };
                        bits == 0 && !listed(&id)
                    });
                    let others = facts.acl.iter().any(|entry| entry.tag == Tag::Other && entry.perm & 5 != 0);
                    if unlisted_refusal && others {
                        let what = "it refuses somebody who is not in the list of names, so nobody after them is allowed";
                        tally.narrower("modes and ACLs", &shown(path), 0, what);
                    } else if facts.extended() {
                        acls += 1;
                    } else {
                        modes += 1;
                    }
                }
            }
        }
        tally.exact("modes", modes);
        tally.exact("ACLs", acls);
        if let Err(problem) = self.identity.as_ref() {
            tally.refused("identity", &self.list_name(), problem.line, &problem.what);
        }
        tally
    }

    /// Everybody who is named, as the directory is asked for them, and the first place of each.
    #[must_use]
    pub fn names(&self) -> BTreeMap<String, String> {
        let mut names = BTreeMap::new();
        let Ok(identity) = self.identity.as_ref() else { return names };
        for path in self.raw.keys().filter(|path| *path != IDENTITY) {
            let both = [Wanted::Read, Wanted::Search].into_iter();
            for entry in both.filter_map(|wanted| self.list(path, wanted, identity).ok()).flatten() {
                names.entry(entry.principal).or_insert(entry.origin.file);
            }
        }
        names
    }
}

/// Who has a permission, in the order of `acl(5)`: owner, named users, groups, others. Of several groups
/// one that has it is enough, so those that have it come first.
fn list(facts: &Facts, wanted: Wanted, identity: &Identity, origin: &Origin) -> Vec<RightsEntry> {
    let entry = |allows: bool, id: String| RightsEntry {
        effect: if allows { Effect::Allow } else { Effect::Deny },
        principal: identity.listed(&id).map_or_else(|| nobody(&id), str::to_owned),
        naming: Naming::Foreign,
        window: Window::ALWAYS,
        origin: origin.clone(),
    };
    let has = |entry: &facts::Entry| facts.left(*entry) & wanted as u8 != 0;
    let of = |class: fn(&Tag) -> bool| facts.acl.iter().filter(move |entry| class(&entry.tag));
    let others = of(|tag| *tag == Tag::Other).any(has);
    let all = facts.acl.iter().filter(|entry| entry.tag != Tag::Mask).all(has);
    if all && identity.listed(OTHER) == Some("everyone") {
        return vec![entry(true, OTHER.to_owned())];
    }
    let mut list = Vec::new();
    for owner in of(|tag| *tag == Tag::Owner) {
        list.push(entry(has(owner), format!("uid.{}", facts.uid)));
    }
    for named in facts.acl.iter() {
        if let Tag::User(uid) = named.tag {
            list.push(entry(has(named), format!("uid.{uid}")));
        }
    }
    for allows in [true, false] {
        for group in
            of(|tag| matches!(tag, Tag::OwningGroup | Tag::Group(_))).filter(|group| has(group) == allows)
        {
            let gid = if let Tag::Group(gid) = group.tag { gid } else { facts.gid };
            list.push(entry(allows, format!("gid.{gid}")));
        }
    }
    if others {
        list.push(entry(true, OTHER.to_owned()));
    } else {
        // Whoever is left is refused, as the end of a list is: refusals at its end say nothing more.
        while list.last().is_some_and(|entry| entry.effect == Effect::Deny) {
            list.pop();
        }
    }
    list
}

/// Whether a list keeps nobody away.
fn is_open(list: &[RightsEntry]) -> bool {
    matches!(list, [only] if only.effect == Effect::Allow && only.principal == "everyone")
}

fn shown(path: &str) -> String {
    if path.is_empty() { ".".to_owned() } else { path.to_owned() }
}
