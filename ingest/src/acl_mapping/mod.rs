//! From what a source says about rights to what the catalog keeps. In which files it says so is a
//! source's configuration ([`RightsFormat`]); each format is a module of its own that ends in the same
//! [`RightsSpec`](kenward_access::rights::RightsSpec), and counts what it maps exactly, narrower, or not at
//! all ([`Fidelity`]).
//!
//! Walk through one file under `.access.toml`, `pay/2026/salaries-q1.xlsx`: the rights files of `""`, `pay`
//! and `pay/2026` are its chain. The deepest one with `inherit = false` cuts off the entries (never the
//! labels) of those above it. All denies in force come first, then all allows; each label is a layer. A
//! `[[file]]` rule that matches gives the file a container of its own. If nothing in the chain speaks
//! of who may read it (an empty list does, a label alone does not), the source's `default_allow` decides.
//!
//! It must never widen: whatever cannot be understood makes everything below it visible to nobody.

mod codeowners;
mod combine;
mod fidelity;
mod identity;
mod owners;
mod parse;
mod posix;
#[cfg(test)]
mod reference;

pub use codeowners::{CodeownersRules, LONGEST as CODEOWNERS_LONGEST, PLACES, is_place};
pub(crate) use combine::parent;
pub use combine::{Defaults, TomlRules};
pub use fidelity::{Construct, Fidelity, Inexact, KEPT, Unmapped};
pub use identity::{LISTED_ONLY, NUMBERS};
pub use owners::{ALIASES, OWNERS, OwnersRules};
pub use posix::{OTHER_ACL, PosixRules, UNREADABLE, encode};

use crate::connectors::ItemRights;
use kenward_access::acl::{Effect, Window};
use kenward_access::rights::{Naming, Origin, RightsEntry, RightsSpec};
use kenward_vault::writer::{RightsFormat, SourceRights};
use std::collections::BTreeMap;

/// Under which the list of names is kept with the rights files that were read: no path within a source.
pub const IDENTITY: &str = "/identity";

/// The rights of a source, as they were read at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is named by the files that it was read from")]
pub enum Rules {
    AccessToml(TomlRules),
    Owners(OwnersRules),
    Codeowners(CodeownersRules),
    Posix(PosixRules),
}

impl Rules {
    /// Reads what a connector found; the keys are those of the format.
    #[must_use]
    pub fn read(raw: &BTreeMap<String, Vec<u8>>, rights: &SourceRights, defaults: Defaults) -> Self {
        match rights.format {
            RightsFormat::AccessToml => Self::AccessToml(TomlRules::parse(raw, defaults)),
            RightsFormat::Owners => Self::Owners(OwnersRules::read(raw, &rights.identity, defaults)),
            RightsFormat::Codeowners => {
                Self::Codeowners(CodeownersRules::read(raw, &rights.identity, defaults))
            }
            RightsFormat::Posix => Self::Posix(PosixRules::read(raw, &rights.identity, defaults)),
        }
    }

    /// The rights of a file, and the container that they hang on.
    ///
    /// INVARIANT: that is the file's own path or its folder, whatever the format. What stands in an archive that
    /// is gone is known by it.
    #[must_use]
    pub fn of_file(&self, path: &str) -> ItemRights {
        let rights = self.by_format(path);
        debug_assert!(rights.container == path || rights.container == parent(path));
        rights
    }

    fn by_format(&self, path: &str) -> ItemRights {
        match self {
            Self::AccessToml(rules) => rules.of_file(path),
            Self::Owners(rules) => rules.of_file(path),
            Self::Codeowners(rules) => rules.of_file(path),
            Self::Posix(rules) => rules.of_file(path),
        }
    }

    /// Every rights file, or line of one, that could not be used: (path, line, what).
    #[must_use]
    pub fn problems(&self) -> Vec<(String, u32, String)> {
        match self {
            Self::AccessToml(rules) => {
                rules.problems().map(|(file, line, what)| (file, line, what.to_owned())).collect()
            }
            Self::Owners(rules) => rules.problems(),
            Self::Codeowners(rules) => rules.problems(),
            Self::Posix(rules) => rules.problems(),
        }
    }

    /// Rules that match none of these files, by their file and line. Nobody's view depends on them; but a
    /// name that was misspelt guards nothing.
    #[must_use]
    pub fn unmatched<'p>(&self, paths: impl Iterator<Item = &'p str>) -> Vec<(String, u32)> {
        match self {
            Self::AccessToml(rules) => rules.unmatched(paths),
            Self::Owners(_) | Self::Codeowners(_) | Self::Posix(_) => Vec::new(),
        }
    }

    /// Names of the source that its format allows the directory not to know, and where each is first named.
    #[must_use]
    pub fn names(&self) -> BTreeMap<String, String> {
        match self {
            Self::AccessToml(_) => BTreeMap::new(),
            Self::Owners(rules) => rules.names(),
            Self::Codeowners(rules) => rules.names(),
            Self::Posix(rules) => rules.names(),
        }
    }

    /// Where they are written.
    #[must_use]
    pub fn format(&self) -> RightsFormat {
        match self {
            Self::AccessToml(_) => RightsFormat::AccessToml,
            Self::Owners(_) => RightsFormat::Owners,
            Self::Codeowners(_) => RightsFormat::Codeowners,
            Self::Posix(_) => RightsFormat::Posix,
        }
    }

    /// How faithfully they were mapped, as far as that can be told without the directory.
    #[must_use]
    pub fn fidelity(&self) -> Fidelity {
        match self {
            Self::AccessToml(rules) => rules.tally().report(RightsFormat::AccessToml),
            Self::Owners(rules) => rules.tally().report(RightsFormat::Owners),
            Self::Codeowners(rules) => rules.tally().report(RightsFormat::Codeowners),
            Self::Posix(rules) => rules.tally().report(RightsFormat::Posix),
        }
    }
}

/// An entry for somebody whom the directory need not know.
fn allow(principal: String, file: String, line: u32) -> RightsEntry {
    let origin = Origin { file, line };
    RightsEntry { effect: Effect::Allow, principal, naming: Naming::Foreign, window: Window::ALWAYS, origin }
}

/// Rights that cannot be used: visible to nobody.
fn refused(file: &str, line: u32, what: &str) -> RightsSpec {
    let origin = Origin { file: file.to_owned(), line };
    RightsSpec { problem: Some((what.to_owned(), origin)), ..RightsSpec::default() }
}

/// `file:line`, or the file alone where there is no line.
pub(crate) fn place(file: &str, line: u32) -> String {
    if line == 0 { file.to_owned() } else { format!("{file}:{line}") }
}
