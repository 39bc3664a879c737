//! How faithfully the rights of a source were mapped: per construct of its format, how often exactly,
//! how often narrower, and how often not at all, which hides what it governs. It must never count as
//! exact what was left out.

use kenward_vault::writer::RightsFormat;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Of each list, so many are kept; the counts are of all.
pub const KEPT: usize = 20;

/// What came of one construct of a format.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Construct {
    /// As the format calls it: `filters`.
    pub name: String,
    /// How often it was mapped exactly.
    pub exact: u64,
    /// How often it grants less here than in its source.
    pub narrower: u64,
    /// How often it was refused: what it governs is visible to nobody.
    pub refused: u64,
}

/// Something that was not mapped exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inexact {
    /// `file:line`.
    pub place: String,
    /// Refused, or else narrower.
    pub refused: bool,
    /// What is different, for operators.
    pub what: String,
}

/// A name of the source that stands for nobody whom the directory knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmapped {
    /// As it was looked for: `user:NAME`, `group:NAME`, or `unmapped:NAME`.
    pub name: String,
    /// `file:line` where it is named first.
    pub place: String,
}

/// How faithfully the rights of a source were mapped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fidelity {
    /// Where the rights are written.
    pub format: RightsFormat,
    /// Per construct that occurs.
    pub constructs: Vec<Construct>,
    /// The first places where something was refused or is narrower.
    pub inexact: Vec<Inexact>,
    /// How many names stand for nobody: they grant nothing.
    pub unmapped: u64,
    /// The first of them.
    pub unmapped_first: Vec<Unmapped>,
    /// Documents for which nothing in the source, nor a default, names a reader: nobody's.
    pub nobodys: u64,
}

impl Fidelity {
    /// Whether all that occurs was mapped exactly.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.constructs.iter().all(|construct| construct.narrower == 0 && construct.refused == 0)
    }
}

/// What a mapping counts while it reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    constructs: BTreeMap<&'static str, Construct>,
    inexact: Vec<(String, u32, bool, String)>,
}

impl Tally {
    fn of(&mut self, construct: &'static str) -> &mut Construct {
        let new = || Construct { name: construct.to_owned(), ..Construct::default() };
        self.constructs.entry(construct).or_insert_with(new)
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (name, more) in &other.constructs {
            let construct = self.of(name);
            construct.exact += more.exact;
            construct.narrower += more.narrower;
            construct.refused += more.refused;
        }
        self.inexact.extend(other.inexact.iter().cloned());
    }

    pub(super) fn exact(&mut self, construct: &'static str, times: usize) {
        if times == 0 {
            return;
        }
        self.of(construct).exact += times as u64;
    }

    pub(super) fn narrower(&mut self, construct: &'static str, file: &str, line: u32, what: &str) {
        self.of(construct).narrower += 1;
        self.inexact.push((file.to_owned(), line, false, what.to_owned()));
    }

    pub(super) fn refused(&mut self, construct: &'static str, file: &str, line: u32, what: &str) {
        self.of(construct).refused += 1;
        self.inexact.push((file.to_owned(), line, true, what.to_owned()));
    }

    /// The report, without what only the directory can tell.
    pub(super) fn report(self, format: RightsFormat) -> Fidelity {
        let mut inexact: Vec<Inexact> = Vec::new();
        let refused_first = [true, false].into_iter();
        for (file, line, refused, what) in
            refused_first.flat_map(|wanted| self.inexact.iter().filter(move |one| one.2 == wanted)).take(KEPT)
        {
            let place = super::place(file, *line);
            inexact.push(Inexact { place, refused: *refused, what: what.clone() });
        }
        let constructs = self.constructs.into_values().collect();
        Fidelity { format, constructs, inexact, ..Fidelity::default() }
    }
}
