//! `CODEOWNERS`, as GitHub reads it: of the lines that match a file the last one decides, and its owners may
//! read it. A line without owners gives a file to nobody. The file is the first of `.github/CODEOWNERS`,
//! `CODEOWNERS` and `docs/CODEOWNERS` that is there.
//!
//! Walk through `docs/pay/bands.md`: `docs/* @dana` does not match (only what is directly in `docs`),
//! `docs/ @harbor/writers` does, `/docs/pay/ @vera` comes later and decides: `user:vera` alone, unless the
//! source's list of names says whom else the name stands for.
//!
//! It must never widen: what a line that GitHub does not read might have meant is nobody's, and without the
//! file everything is.

mod file;
mod pattern;
#[cfg(test)]
mod reference;

use super::combine::{Defaults, parent};
use super::fidelity::Tally;
use super::identity::Identity;
use super::parse::Unusable;
use super::{IDENTITY, allow, place, refused};
use crate::connectors::ItemRights;
pub use file::LONGEST;
use file::{Line, Owner};
use kenward_access::rights::{RightsEntry, RightsSpec};
use kenward_vault::writer::SourceIdentity;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where the file may be; the first one counts.
pub const PLACES: [&str; 3] = [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"];

/// The `CODEOWNERS` of a source.
#[derive(Debug, Clone)]
pub struct CodeownersRules {
    file: &'static str,
    lines: Arc<Result<Vec<Line>, Unusable>>,
    identity: Arc<Result<Identity, Unusable>>,
    raw: Arc<BTreeMap<String, Vec<u8>>>,
    asked: SourceIdentity,
    defaults: Defaults,
}

impl PartialEq for CodeownersRules {
    /// Equal if they were read from the same bytes under the same configuration.
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw && self.asked == other.asked && self.defaults == other.defaults
    }
}

impl Eq for CodeownersRules {}

impl CodeownersRules {
    /// Reads the file (path → bytes; the list of names under [`IDENTITY`]).
    #[must_use]
    pub fn read(raw: &BTreeMap<String, Vec<u8>>, identity: &SourceIdentity, defaults: Defaults) -> Self {
        let found = PLACES.iter().find_map(|place| Some((*place, raw.get(*place)?)));
        let what = "there is no CODEOWNERS in `.github`, at the root or in `docs`";
        let (file, lines) = match found {
            Some((place, bytes)) => (place, file::read(bytes)),
            None => ("CODEOWNERS", Err(Unusable { what: what.to_owned(), line: 0 })),
        };
        let list = Identity::read(identity, raw.get(IDENTITY).map(Vec::as_slice));
        let (lines, identity_read) = (Arc::new(lines), Arc::new(list));
        let (raw, asked) = (Arc::new(raw.clone()), identity.clone());
        Self { file, lines, identity: identity_read, raw, asked, defaults }
    }

    /// The rights of a file, and the container that they hang on: its own, because one line may govern
    /// it and no other.
    #[must_use]
    pub fn of_file(&self, path: &str) -> ItemRights {
        let mut spec = match (self.lines.as_ref(), self.identity.as_ref()) {
            (Err(problem), _) => refused(self.file, problem.line, &problem.what),
            (_, Err(problem)) => refused(&self.list_name(), problem.line, &problem.what),
            (Ok(lines), Ok(identity)) => match lines.iter().rev().find(|line| line.pattern.matches(path)) {
                Some(line) => match &line.owners {
                    Ok(_) => {
                        let entries = self.entries(line, identity).collect();
                        RightsSpec { entries, ..RightsSpec::default() }
                    }
                    Err(what) => refused(self.file, line.number, what),
                },
                None => RightsSpec { entries: self.defaults.entries().collect(), ..RightsSpec::default() },
            },
        };
        if spec.problem.is_none() {
            spec.labels.extend(self.defaults.label());
        }
        ItemRights { container: path.to_owned(), spec, unsaid: false }
    }

    fn entries(&self, line: &Line, identity: &Identity) -> impl Iterator<Item = RightsEntry> {
        line.named().map(move |(owner, (name, number))| {
            let principal = identity.principal(&name, || match owner {
                Owner::User(name) | Owner::Mail(name) => format!("user:{name}"),
                Owner::Team(name) => format!("group:{name}"),
            });
            allow(principal, self.file.to_owned(), number)
        })
    }

    fn list_name(&self) -> String {
        self.asked.file.clone().unwrap_or_else(|| "identity".to_owned())
    }

    /// Every line, or file, that could not be used: (path, line, what).
    #[must_use]
    pub fn problems(&self) -> Vec<(String, u32, String)> {
        let mut problems = Vec::new();
        match self.lines.as_ref() {
            Err(problem) => problems.push((self.file.to_owned(), problem.line, problem.what.clone())),
            Ok(lines) => {
                for line in lines {
                    if let Err(what) = &line.owners {
                        problems.push((self.file.to_owned(), line.number, (*what).to_owned()));
                    }
                }
            }
        }
        if let Err(problem) = self.identity.as_ref() {
            problems.push((self.list_name(), problem.line, problem.what.clone()));
        }
        problems
    }

    /// What became of the constructs.
    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for (file, line, what) in self.problems() {
            tally.refused("lines", &file, line, &what);
        }
        let read = self.lines.as_ref().as_deref().unwrap_or_default().iter();
        let owned = |line: &&Line| line.owners.as_ref().is_ok_and(|owners| !owners.is_empty());
        let bare = |line: &&Line| line.owners.as_ref().is_ok_and(Vec::is_empty);
        tally.exact("lines", read.clone().filter(owned).count());
        tally.exact("lines without owners", read.filter(bare).count());
        tally
    }

    /// Everybody who is named, as the directory is asked for them, and the first place of each.
    #[must_use]
    pub fn names(&self) -> BTreeMap<String, String> {
        let mut names = BTreeMap::new();
        if let (Ok(lines), Ok(identity)) = (self.lines.as_ref(), self.identity.as_ref()) {
            for entry in lines.iter().flat_map(|line| self.entries(line, identity)) {
                names.entry(entry.principal).or_insert_with(|| place(&entry.origin.file, entry.origin.line));
            }
        }
        names
    }
}

/// Whether a file with this name at this place is the rights file of such a source.
#[must_use]
pub fn is_place(folder: &str, name: &str) -> bool {
    PLACES.iter().any(|place| parent(place) == folder && place.rsplit('/').next() == Some(name))
}
