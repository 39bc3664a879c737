//! The decision: the one function that says whether a caller may read an item, and why.
//! There must never be a second one; explanations are a recording of this call.

use crate::acl::{Ace, Acl, AclLayer, Clearance, Effect};
use crate::groups::{Completeness, Memberships};
use crate::ids::Timestamp;
use crate::principal::Principal;
use std::collections::BTreeSet;

/// What a caller holds: the facts that a decision reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    principals: BTreeSet<Principal>,
    memberships: Memberships,
    clearance: Clearance,
}

impl Holder {
    /// The facts of one caller. Principals that no search caller holds are left out.
    #[must_use]
    pub fn new(
        own: impl IntoIterator<Item = Principal>,
        memberships: Memberships,
        clearance: Clearance,
    ) -> Self {
        let mut principals: BTreeSet<Principal> = own
            .into_iter()
            .filter(|p| !matches!(p, Principal::Anonymous | Principal::Link(_) | Principal::Unresolved(_)))
            .collect();
        principals.extend(memberships.groups().cloned().map(Principal::Group));
        Self { principals, memberships, clearance }
    }

    /// All principals held, groups included.
    #[must_use]
    pub fn principals(&self) -> &BTreeSet<Principal> {
        &self.principals
    }

    /// The groups and how they were reached.
    #[must_use]
    pub fn memberships(&self) -> &Memberships {
        &self.memberships
    }

    /// What the caller is cleared for.
    #[must_use]
    pub fn clearance(&self) -> &Clearance {
        &self.clearance
    }

    /// Whether the entry matches. Missing facts fail closed both ways.
    fn matches(&self, ace: &Ace) -> bool {
        match (&ace.principal, ace.effect) {
            // INVARIANT (I3): a deny for somebody unknown may mean this caller.
            (Principal::Unresolved(_), Effect::Deny) => true,
            (Principal::Unresolved(_), Effect::Allow) => false,
            (p, effect)
                if p.depends_on_membership()
                    && self.memberships.completeness() == Completeness::Incomplete =>
            {
                effect == Effect::Deny
            }
            (p, _) => self.principals.contains(p),
        }
    }
}

/// Why one layer decided as it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerReason {
    /// The entry with this index (from 0) matched first, with this effect.
    Entry(usize, Effect),
    /// No entry matched.
    NoEntry,
    /// The clearance dominates the label.
    Cleared,
    /// The clearance does not dominate the label.
    NotCleared,
}

impl LayerReason {
    /// Whether the layer allows.
    #[must_use]
    pub fn allows(self) -> bool {
        match self {
            Self::Entry(_, Effect::Allow) | Self::Cleared => true,
            Self::Entry(_, Effect::Deny) | Self::NoEntry | Self::NotCleared => false,
        }
    }
}

/// The answer, and the path to it: one reason per layer, up to and including the first that refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether the caller may read.
    pub allowed: bool,
    /// One reason per layer that was looked at, in order.
    pub path: Vec<LayerReason>,
    /// When time alone may next change this answer (milliseconds UTC); `None` = never.
    pub next_edge: Option<Timestamp>,
}

/// Decides whether `holder` may read what `acl` guards at `now`.
#[must_use]
pub fn decide(acl: &Acl, holder: &Holder, now: Timestamp) -> Decision {
    let mut path = Vec::with_capacity(acl.layers().len());
    let mut next_edge: Option<Timestamp> = None;
    let mut allowed = true;
    for layer in acl.layers() {
        let reason = match layer {
            AclLayer::FirstMatch(entries) => first_match(entries, holder, now, &mut next_edge),
            AclLayer::Label { level, compartments } => {
                if holder.clearance.dominates(*level, compartments) {
                    LayerReason::Cleared
                } else {
                    LayerReason::NotCleared
                }
            }
        };
        path.push(reason);
        if !reason.allows() {
            allowed = false;
            break;
        }
    }
    Decision { allowed, path, next_edge }
}

fn first_match(
    entries: &[Ace],
    holder: &Holder,
    now: Timestamp,
    edge: &mut Option<Timestamp>,
) -> LayerReason {
    for (index, ace) in entries.iter().enumerate() {
        if !holder.matches(ace) {
            continue;
        }
        if let Some(next) = ace.window.next_edge(now) {
            *edge = Some(edge.map_or(next, |e| e.min(next)));
        }
        if ace.window.contains(now) {
            return LayerReason::Entry(index, ace.effect);
        }
    }
    LayerReason::NoEntry
}
