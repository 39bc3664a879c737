//! `OWNERS` files, as Prow reads them: who approves or reviews a file may read it. The file's folder and
//! all above count, up to one with `no_parent_owners`; a pattern under `filters` is searched for in the
//! path from its folder; an alias stands for its members; names are compared in any case.
//!
//! Walk through `sig-a/charter.md`: `sig-a/OWNERS` names `sig-a-leads`, an alias of `OWNERS_ALIASES` for
//! `dana` and `omar`; the root's names `vera` for all, and `zoe` for what `charter` is found in. The
//! file's readers are `user:dana`, `user:omar`, `user:vera` and `user:zoe`, each unless the source's list
//! of names says whom else they stand for; whom the directory does not know is counted, and is nobody.
//!
//! It must never widen: a file that cannot be read hides all that it would have had a say in.

mod file;
mod filter;
#[cfg(test)]
mod reference;
mod yaml;

use super::combine::{Defaults, ancestors, below, parent};
use super::fidelity::Tally;
use super::identity::{Identity, nobody};
use super::parse::{Unusable, Written};
use super::{IDENTITY, allow, place, refused};
use crate::connectors::ItemRights;
use file::{Aliases, OwnersFile};
use kenward_access::rights::RightsSpec;
use kenward_vault::writer::SourceIdentity;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The file in which a folder names its owners.
pub const OWNERS: &str = "OWNERS";
/// The file at the root in which names stand for several people.
pub const ALIASES: &str = "OWNERS_ALIASES";

/// All `OWNERS` files of a source, by folder.
#[derive(Debug, Clone)]
pub struct OwnersRules {
    folders: Arc<BTreeMap<String, Result<OwnersFile, Unusable>>>,
    aliases: Arc<Result<Aliases, Unusable>>,
    identity: Arc<Result<Identity, Unusable>>,
    raw: Arc<BTreeMap<String, Vec<u8>>>,
    asked: SourceIdentity,
    defaults: Defaults,
}

impl PartialEq for OwnersRules {
    /// Equal if they were read from the same bytes under the same configuration.
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw && self.asked == other.asked && self.defaults == other.defaults
    }
}

impl Eq for OwnersRules {}

impl OwnersRules {
    /// Reads all files (path → bytes; the list of names under [`IDENTITY`]).
    #[must_use]
    pub fn read(raw: &BTreeMap<String, Vec<u8>>, identity: &SourceIdentity, defaults: Defaults) -> Self {
        let folders = raw.iter().filter_map(|(path, bytes)| {
            let folder = if path == OWNERS { "" } else { path.strip_suffix(OWNERS)?.strip_suffix('/')? };
            Some((folder.to_owned(), file::read(bytes, path)))
        });
        let aliases = raw.get(ALIASES).map_or_else(|| Ok(Aliases::new()), |bytes| file::aliases(bytes));
        let list = Identity::read(identity, raw.get(IDENTITY).map(Vec::as_slice));
        Self {
            folders: Arc::new(folders.collect()),
            aliases: Arc::new(aliases),
            identity: Arc::new(list),
            raw: Arc::new(raw.clone()),
            asked: identity.clone(),
            defaults,
        }
    }

    /// The rights of a file, and the container that they hang on.
    #[must_use]
    pub fn of_file(&self, path: &str) -> ItemRights {
        let folder = parent(path);
        let mut readers = Readers { rules: self, spec: RightsSpec::default(), seen: BTreeSet::new() };
        let (mut own, mut said) = (false, false);
        let above: Vec<&str> = ancestors(folder).collect();
        for at in above.into_iter().rev() {
            match self.folders.get(at) {
                None => continue,
                // INVARIANT (I3): whom it would have named, or that it would have been the last, nobody knows.
                Some(Err(problem)) => return hidden(folder, &owners_file(at), problem),
                Some(Ok(file)) => {
                    said = true;
                    for part in &file.parts {
                        let applies = part.filter.as_ref().map(|filter| filter.finds(below(at, path)));
                        own |= applies == Some(true) && !part.names.is_empty();
                        if applies != Some(false) {
                            readers.add(at, &part.names);
                        }
                    }
                    if file.no_parent {
                        break;
                    }
                }
            }
        }
        if let (true, Some((file, problem))) = (said, self.trouble()) {
            return hidden(folder, &file, problem);
        }
        let mut spec = readers.spec;
        if !said {
            spec.entries.extend(self.defaults.entries());
        }
        spec.labels.extend(self.defaults.label());
        let container = if own { path } else { folder };
        ItemRights { container: container.to_owned(), spec, unsaid: false }
    }

    /// Why nothing that names anybody can be read, if that is so.
    fn trouble(&self) -> Option<(String, &Unusable)> {
        let aliases = self.aliases.as_ref().as_ref().err().map(|problem| (ALIASES.to_owned(), problem));
        let list = || self.identity.as_ref().as_ref().err();
        aliases.or_else(|| list().map(|problem| (self.list_name(), problem)))
    }

    fn list_name(&self) -> String {
        self.asked.file.clone().unwrap_or_else(|| "identity".to_owned())
    }

    /// Every file that could not be used: (path, line, what).
    #[must_use]
    pub fn problems(&self) -> Vec<(String, u32, String)> {
        let folders =
            self.folders.iter().filter_map(|(at, file)| Some((owners_file(at), file.as_ref().err()?)));
        let all = folders.chain(self.trouble());
        all.map(|(file, problem)| (file, problem.line, problem.what.clone())).collect()
    }

    /// What became of the constructs.
    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for (at, file) in self.folders.iter() {
            match file {
                Ok(file) => tally.add(&file.tally),
                Err(problem) => tally.refused("OWNERS file", &owners_file(at), problem.line, &problem.what),
            }
        }
        match self.aliases.as_ref() {
            Err(problem) => tally.refused("OWNERS_ALIASES file", ALIASES, problem.line, &problem.what),
            Ok(aliases) => {
                for (name, line) in aliases.values().flat_map(|(_, members)| members) {
                    if self.listed(name).is_none() && aliases.contains_key(name) {
                        tally.narrower(
                            "aliases",
                            ALIASES,
                            *line,
                            "an alias within an alias stands for nobody",
                        );
                    }
                }
                tally.exact("aliases", aliases.len());
            }
        }
        if let Err(problem) = self.identity.as_ref() {
            tally.refused("identity", &self.list_name(), problem.line, &problem.what);
        }
        tally
    }

    /// Everybody who is named, as the directory is asked for them, and the first place of each.
    #[must_use]
    pub fn names(&self) -> BTreeMap<String, String> {
        let mut names = BTreeMap::new();
        for (at, file) in self.folders.iter().filter_map(|(at, file)| Some((at, file.as_ref().ok()?))) {
            let mut readers = Readers { rules: self, spec: RightsSpec::default(), seen: BTreeSet::new() };
            file.parts.iter().for_each(|part| readers.add(at, &part.names));
            for entry in readers.spec.entries {
                names.entry(entry.principal).or_insert_with(|| place(&entry.origin.file, entry.origin.line));
            }
        }
        names
    }

    fn listed(&self, name: &str) -> Option<&str> {
        self.identity.as_ref().as_ref().ok()?.listed(name)
    }
}

/// The entries of one file while they are put together, nearest first.
struct Readers<'a> {
    rules: &'a OwnersRules,
    spec: RightsSpec,
    seen: BTreeSet<String>,
}

impl Readers<'_> {
    fn add(&mut self, folder: &str, names: &[Written]) {
        let (Ok(aliases), Ok(identity)) = (self.rules.aliases.as_ref(), self.rules.identity.as_ref()) else {
            return;
        };
        for (name, line) in names {
            let file = owners_file(folder);
            match aliases.get(name).filter(|_| identity.listed(name).is_none()) {
                None => {
                    let principal = identity.principal(name, || format!("user:{name}"));
                    self.entry(principal, file, *line);
                }
                Some((_, members)) => {
                    for (member, at) in members {
                        // Prow takes an alias within an alias for somebody of that name.
                        let nested = aliases.contains_key(member) && identity.listed(member).is_none();
                        let principal = if nested {
                            nobody(member)
                        } else {
                            identity.principal(member, || format!("user:{member}"))
                        };
                        let through = format!("{file}:{line}, alias `{name}`, {ALIASES}");
                        self.entry(principal, through, *at);
                    }
                }
            }
        }
    }

    fn entry(&mut self, principal: String, file: String, line: u32) {
        if self.seen.insert(principal.clone()) {
            self.spec.entries.push(allow(principal, file, line));
        }
    }
}

fn hidden(container: &str, file: &str, problem: &Unusable) -> ItemRights {
    let spec = refused(file, problem.line, &problem.what);
    ItemRights { container: container.to_owned(), spec, unsaid: false }
}

fn owners_file(folder: &str) -> String {
    if folder.is_empty() { OWNERS.to_owned() } else { format!("{folder}/{OWNERS}") }
}
