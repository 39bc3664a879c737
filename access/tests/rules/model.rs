//! The naive reference model: lists and loops, no index, no set, no early exit that matters.
//! It must share nothing with the crate but the meaning: it never calls it.

/// A principal, in the model's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    User(usize),
    Group(usize),
    Service(usize),
    Everyone,
    Anonymous,
    Domain(usize),
    Link(usize),
    Unknown(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub allow: bool,
    pub who: Who,
    pub from: Option<i64>,
    pub until: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    List(Vec<Entry>),
    Label(u16, Vec<usize>),
}

/// Somebody who asks.
#[derive(Debug, Clone)]
pub struct Asker {
    /// A person, or a service with the same number.
    pub person: bool,
    pub number: usize,
    /// Whether all their groups are known.
    pub complete: bool,
    pub level: u16,
    pub compartments: Vec<usize>,
}

/// (group, member) edges, as they were written down.
#[derive(Debug, Clone, Default)]
pub struct Edges(pub Vec<(usize, Who)>);

impl Edges {
    /// Who is in which groups: look at every edge again and again until nothing new comes.
    pub fn groups_of(&self, person: usize) -> Vec<usize> {
        let mut found: Vec<usize> = Vec::new();
        loop {
            let before = found.len();
            for (group, member) in &self.0 {
                let inside = match member {
                    Who::User(user) => *user == person,
                    Who::Group(child) => found.contains(child),
                    _ => false,
                };
                if inside && !found.contains(group) {
                    found.push(*group);
                }
            }
            if found.len() == before {
                found.sort_unstable();
                return found;
            }
        }
    }
}

fn in_force(entry: &Entry, now: i64) -> bool {
    if let Some(from) = entry.from
        && now < from
    {
        return false;
    }
    if let Some(until) = entry.until
        && now >= until
    {
        return false;
    }
    true
}

fn names(entry: &Entry, asker: &Asker, groups: &[usize]) -> bool {
    match &entry.who {
        Who::User(user) => asker.person && asker.number == *user,
        Who::Service(service) => !asker.person && asker.number == *service,
        Who::Everyone => true,
        Who::Group(_) if !asker.complete => !entry.allow,
        Who::Group(group) => asker.person && groups.contains(group),
        // Nobody holds these; a deny for somebody we cannot tell apart from the asker refuses.
        Who::Domain(_) | Who::Unknown(_) => !entry.allow,
        Who::Anonymous | Who::Link(_) => false,
    }
}

/// May the asker read what these layers guard?
pub fn may(layers: &[Layer], asker: &Asker, groups: &[usize], now: i64) -> bool {
    let mut somebody_said_yes = false;
    for layer in layers {
        match layer {
            Layer::List(entries) => {
                let mut verdict = false;
                for entry in entries {
                    if in_force(entry, now) && names(entry, asker, groups) {
                        verdict = entry.allow;
                        break;
                    }
                }
                if !verdict {
                    return false;
                }
                somebody_said_yes = true;
            }
            Layer::Label(level, compartments) => {
                if asker.level < *level {
                    return false;
                }
                for compartment in compartments {
                    if !asker.compartments.contains(compartment) {
                        return false;
                    }
                }
            }
        }
    }
    somebody_said_yes
}
