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

    fn knows_domains(&self) -> bool {
        self.principals.iter().any(|p| matches!(p, Principal::Domain(_)))
    }

    /// Whether the entry matches. Missing facts fail closed both ways.
    fn matches(&self, ace: &Ace) -> bool {
        match (&ace.principal, ace.effect) {
            // INVARIANT (I3): a deny for somebody unknown may mean this caller.
            (Principal::Unresolved(_), Effect::Deny) => true,
            (Principal::Unresolved(_), Effect::Allow) => false,
            // INVARIANT (I3): as long as no identity provider has vouched for any domain of this
            // caller, a deny for one may mean them.
            (Principal::Domain(_), Effect::Deny) if !self.knows_domains() => true,
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
    /// Entries that name the caller but do not hold now, as (layer, entry), both from 0: what an
    /// expired or future grant looks like to a reviewer.
    pub outside: Vec<(usize, usize)>,
    /// When time alone may next change this answer (milliseconds UTC); `None` = never.
    pub next_edge: Option<Timestamp>,
}

/// Decides whether `holder` may read what `acl` guards at `now`.
#[must_use]
pub fn decide(acl: &Acl, holder: &Holder, now: Timestamp) -> Decision {
    let mut path = Vec::with_capacity(acl.layers().len());
    let mut outside = Vec::new();
    let mut next_edge: Option<Timestamp> = None;
    let mut allowed = true;
    for (number, layer) in acl.layers().iter().enumerate() {
        let reason = match layer {
            AclLayer::FirstMatch(entries) => {
                let (reason, edge) = first_match(entries, holder, now, |entry| outside.push((number, entry)));
                next_edge = earlier(next_edge, edge);
                reason
            }
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
    // INVARIANT: `next_edge` covers every layer that this answer rests on: all of them if it is yes,
    // and if it is no, at least the refusing one, before whose edge it stays no.
    Decision { allowed, path, outside, next_edge }
}

fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.into_iter().chain(b).min()
}

fn first_match(
    entries: &[Ace],
    holder: &Holder,
    now: Timestamp,
    mut outside: impl FnMut(usize),
) -> (LayerReason, Option<Timestamp>) {
    let mut edge = None;
    for (index, ace) in entries.iter().enumerate() {
        if !holder.matches(ace) {
            continue;
        }
        edge = earlier(edge, ace.window.next_edge(now));
        if ace.window.contains(now) {
            return (LayerReason::Entry(index, ace.effect), edge);
        }
        outside(index);
    }
    (LayerReason::NoEntry, edge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acl::{Level, Window};
    use crate::groups::{GroupGraph, Member};
    use crate::ids::{GroupId, UserId};

    fn user(name: &str) -> Principal {
        Principal::User(UserId::new(format!("u_{name}")).unwrap())
    }
    fn group(name: &str) -> Principal {
        Principal::Group(GroupId::new(format!("g_{name}")).unwrap())
    }
    fn dana() -> Holder {
        let mut graph = GroupGraph::default();
        let dana = UserId::new("u_dana").unwrap();
        graph.add(GroupId::new("g_hr").unwrap(), Member::User(dana.clone()));
        Holder::new([user("dana"), Principal::Everyone], graph.closure(&dana), Clearance::default())
    }
    fn unsure() -> Holder {
        let memberships = dana().memberships().clone().incomplete();
        Holder::new([user("dana"), Principal::Everyone], memberships, Clearance::default())
    }
    fn list(entries: &[(Effect, Principal)]) -> AclLayer {
        let ace = |(effect, principal): &(Effect, Principal)| Ace {
            effect: *effect,
            principal: principal.clone(),
            window: Window::ALWAYS,
        };
        AclLayer::FirstMatch(entries.iter().map(ace).collect())
    }
    fn says(layers: Vec<AclLayer>, holder: &Holder) -> bool {
        decide(&Acl::new(layers), holder, Timestamp(0)).allowed
    }
    use Effect::{Allow, Deny};

    #[test]
    fn the_first_match_decides() {
        assert!(says(vec![list(&[(Allow, user("dana")), (Deny, group("hr"))])], &dana()));
        assert!(!says(vec![list(&[(Deny, group("hr")), (Allow, user("dana"))])], &dana()));
        assert!(!says(vec![list(&[(Allow, user("omar"))])], &dana()));
        assert!(!says(vec![], &dana()));
    }

    #[test]
    fn every_layer_must_allow_and_the_path_ends_at_the_refusal() {
        let secret = AclLayer::Label { level: Level(1), compartments: BTreeSet::new() };
        let acl =
            Acl::new(vec![list(&[(Allow, user("dana"))]), secret, list(&[(Allow, Principal::Everyone)])]);
        let decision = decide(&acl, &dana(), Timestamp(0));
        assert!(!decision.allowed);
        assert_eq!(decision.path, [LayerReason::Entry(0, Allow), LayerReason::NotCleared]);
    }

    #[test]
    fn missing_memberships_fail_closed_both_ways() {
        assert!(!says(vec![list(&[(Allow, group("hr"))])], &unsure()));
        let open_but = |denied| vec![list(&[(Deny, denied), (Allow, Principal::Everyone)])];
        assert!(!says(open_but(group("contractors")), &unsure()));
        assert!(says(open_but(group("contractors")), &dana()));
        assert!(says(vec![list(&[(Allow, user("dana"))])], &unsure()));
    }

    #[test]
    fn a_deny_that_may_mean_the_caller_refuses() {
        let open_but = |denied| vec![list(&[(Deny, denied), (Allow, Principal::Everyone)])];
        assert!(!says(open_but(Principal::Unresolved("x".into())), &dana()));
        assert!(!says(open_but(Principal::Domain("harbor.example".into())), &dana()));
        assert!(says(open_but(Principal::Anonymous), &dana()));
        let vouched = Holder::new(
            [Principal::Domain("a.example".into()), Principal::Everyone],
            Memberships::none(),
            Clearance::default(),
        );
        assert!(says(open_but(Principal::Domain("b.example".into())), &vouched));
        assert!(!says(open_but(Principal::Domain("a.example".into())), &vouched));
    }

    #[test]
    fn nobody_holds_links_or_anonymity() {
        let own = [Principal::Anonymous, Principal::Link("l".into()), Principal::Unresolved("x".into())];
        let holder = Holder::new(own.clone(), Memberships::none(), Clearance::default());
        assert!(holder.principals().is_empty());
        for principal in own {
            assert!(!says(vec![list(&[(Allow, principal)])], &holder));
        }
    }

    #[test]
    fn windows_move_the_answer_and_are_told() {
        let ace = Ace {
            effect: Allow,
            principal: user("dana"),
            window: Window { from: Some(Timestamp(10)), until: Some(Timestamp(20)) },
        };
        let acl = Acl::new(vec![AclLayer::FirstMatch(vec![ace])]);
        let at = |t| decide(&acl, &dana(), Timestamp(t));
        assert!(!at(9).allowed && at(10).allowed && at(19).allowed && !at(20).allowed);
        assert_eq!(at(9).next_edge, Some(Timestamp(10)));
        assert_eq!(at(10).next_edge, Some(Timestamp(20)));
        assert_eq!(at(20).next_edge, None);
        assert_eq!(at(20).outside, [(0, 0)]);
        assert!(at(10).outside.is_empty());
    }
}
