//! The harness's own answer to "who sees what": names, lists and loops. It must share nothing with
//! the product's rules but their meaning: it decides what world B holds.

use kenward_access::acl::Effect;
use kenward_access::ids::Timestamp;
use kenward_access::rights::{Naming, Origin, RightsEntry, RightsSpec};
use kenward_vault::directory::DirectoryChange;
use std::collections::{BTreeMap, BTreeSet};

/// Labels, least sensitive first.
pub const LABELS: [&str; 3] = ["open", "internal", "secret"];

/// Somebody who asks through an agent that may do less.
#[derive(Debug, Clone)]
pub struct Narrow {
    pub handle: String,
    /// The sources that the agent may see anything of.
    pub sources: BTreeSet<usize>,
    /// The highest level that it may see.
    pub ceiling: u16,
}

/// The directory by handles.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    /// Handle → level of clearance, disabled.
    pub people: BTreeMap<String, (u16, bool)>,
    /// Handle → members (`user:…`, `group:…`).
    pub groups: BTreeMap<String, BTreeSet<String>>,
    /// One person's agent.
    pub narrow: Option<Narrow>,
}

impl Directory {
    fn narrow(&self, handle: &str) -> Option<&Narrow> {
        self.narrow.as_ref().filter(|narrow| narrow.handle == handle)
    }

    /// May the person, through their agent, see anything of a source?
    pub fn reaches(&self, handle: &str, source: usize) -> bool {
        self.narrow(handle).is_none_or(|narrow| narrow.sources.contains(&source))
    }

    pub fn apply(&mut self, change: &DirectoryChange) {
        match change {
            DirectoryChange::AddUser { handle, clearance, .. } => {
                self.people.insert(handle.clone(), (clearance.level.0, false));
            }
            DirectoryChange::SetClearance { handle, clearance } => {
                self.people.get_mut(handle).unwrap().0 = clearance.level.0;
            }
            DirectoryChange::SetDisabled { handle, disabled } => {
                self.people.get_mut(handle).unwrap().1 = *disabled;
            }
            DirectoryChange::RemoveUser { handle } => {
                self.people.remove(handle);
                self.forget(&format!("user:{handle}"));
            }
            DirectoryChange::AddGroup { handle } => {
                self.groups.insert(handle.clone(), BTreeSet::new());
            }
            DirectoryChange::RemoveGroup { handle } => {
                self.groups.remove(handle);
                self.forget(&format!("group:{handle}"));
            }
            DirectoryChange::AddMember { group, member } => {
                self.groups.get_mut(group).unwrap().insert(member.clone());
            }
            DirectoryChange::RemoveMember { group, member } => {
                self.groups.get_mut(group).unwrap().remove(member);
            }
            DirectoryChange::RevokeToken { .. }
            | DirectoryChange::Link { .. }
            | DirectoryChange::Unlink { .. } => {}
        }
    }

    fn forget(&mut self, member: &str) {
        for members in self.groups.values_mut() {
            members.remove(member);
        }
    }

    fn knows(&self, principal: &str) -> bool {
        principal == "everyone"
            || principal.strip_prefix("user:").is_some_and(|h| self.people.contains_key(h))
            || principal.strip_prefix("group:").is_some_and(|h| self.groups.contains_key(h))
    }

    /// Everything that a person holds, by name.
    pub fn holds(&self, handle: &str) -> BTreeSet<String> {
        let mut held = BTreeSet::from(["everyone".to_owned(), format!("user:{handle}")]);
        loop {
            let before = held.len();
            for (group, members) in &self.groups {
                if members.iter().any(|member| held.contains(member)) {
                    held.insert(format!("group:{group}"));
                }
            }
            if held.len() == before {
                return held;
            }
        }
    }

    /// Whether these rights are nobody's, because they cannot be read or name somebody unknown.
    pub fn unresolved(&self, rights: &RightsSpec) -> bool {
        let lists: Vec<&Vec<RightsEntry>> = std::iter::once(&rights.entries).chain(&rights.also).collect();
        let slip = |e: &RightsEntry| e.naming == Naming::Handle && !self.knows(&e.principal);
        rights.problem.is_some()
            || lists.iter().any(|list| list.iter().any(slip))
            || rights.mentioned.iter().any(|(principal, _)| !self.knows(principal))
            || rights.labels.iter().any(|(label, _)| !LABELS.contains(&label.as_str()))
    }

    /// These rights with every name taken for whom it stands for now, as one who resolves them once and for all keeps
    /// them: without the places where they are written.
    pub fn frozen(&self, rights: &RightsSpec) -> RightsSpec {
        if self.unresolved(rights) {
            return RightsSpec::default();
        }
        let nowhere = || Origin { file: String::new(), line: 0 };
        let entry = |entry: &RightsEntry| {
            // All handles are in lower case here.
            let name = entry.principal.to_lowercase();
            let principal = match entry.effect {
                _ if self.knows(&name) => name,
                // Nobody whom the directory knows: granted to nobody, denied to everybody.
                Effect::Allow => return None,
                Effect::Deny => "everyone".to_owned(),
            };
            Some(RightsEntry { principal, naming: Naming::Handle, origin: nowhere(), ..entry.clone() })
        };
        let list = |list: &Vec<RightsEntry>| list.iter().filter_map(entry).collect();
        RightsSpec {
            entries: list(&rights.entries),
            also: rights.also.iter().map(list).collect(),
            labels: rights.labels.iter().map(|(label, _)| (label.clone(), nowhere())).collect(),
            mentioned: Vec::new(),
            problem: None,
        }
    }

    /// May the person read what these rights guard?
    pub fn sees(&self, handle: &str, rights: &RightsSpec, now: i64) -> bool {
        if self.unresolved(rights) {
            return false;
        }
        let clearance = self.people[handle].0;
        let clearance = self.narrow(handle).map_or(clearance, |narrow| clearance.min(narrow.ceiling));
        for (label, _) in &rights.labels {
            match LABELS.iter().position(|l| l == label) {
                Some(level) if usize::from(clearance) >= level => {}
                _ => return false,
            }
        }
        let held = self.holds(handle);
        let mut lists = std::iter::once(&rights.entries).chain(&rights.also);
        lists.all(|list| self.lets(list, &held, now))
    }

    /// Does a list let somebody through who holds these?
    fn lets(&self, list: &[RightsEntry], held: &BTreeSet<String>, now: i64) -> bool {
        for entry in list {
            let begun = entry.window.from.is_none_or(|from| from <= Timestamp(now));
            let over = entry.window.until.is_some_and(|until| until <= Timestamp(now));
            let means = match entry.naming {
                Naming::Handle => held.contains(&entry.principal),
                // All handles are in lower case here.
                Naming::Foreign => {
                    let name = entry.principal.to_lowercase();
                    held.contains(&name) || (entry.effect == Effect::Deny && !self.knows(&name))
                }
            };
            if begun && !over && means {
                return entry.effect == Effect::Allow;
            }
        }
        false
    }
}
