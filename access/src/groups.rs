//! Groups: raw membership edges and the closure for one caller.
//! Cycles are allowed. It must never treat missing facts as "in no group": see [`Completeness`].

use crate::ids::{GroupId, UserId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A direct member of a group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    /// A person.
    User(UserId),
    /// All members of another group.
    Group(GroupId),
}

/// Whether all memberships of a caller are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Completeness {
    /// All of them.
    Complete,
    /// Some may be missing: allow entries for groups do not match, deny entries for groups do.
    Incomplete,
}

/// Membership edges: who is directly in which groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupGraph {
    parents: BTreeMap<Member, BTreeSet<GroupId>>,
}

impl GroupGraph {
    /// Adds one edge; adding it again changes nothing.
    pub fn add(&mut self, group: GroupId, member: Member) {
        self.parents.entry(member).or_default().insert(group);
    }

    /// Removes one edge, and says whether it was there.
    pub fn remove(&mut self, group: &GroupId, member: &Member) -> bool {
        let Some(groups) = self.parents.get_mut(member) else { return false };
        let removed = groups.remove(group);
        if groups.is_empty() {
            self.parents.remove(member);
        }
        removed
    }

    /// All edges, in order of their members.
    pub fn edges(&self) -> impl Iterator<Item = (&GroupId, &Member)> {
        self.parents.iter().flat_map(|(member, groups)| groups.iter().map(move |group| (group, member)))
    }

    /// All groups that the person is in, directly or through other groups, each with the group it
    /// was reached through (`None` = directly). Breadth first, so the chains are shortest.
    #[must_use]
    pub fn closure(&self, user: &UserId) -> Memberships {
        let direct = self.parents.get(&Member::User(user.clone())).into_iter().flatten();
        self.closure_from(user, direct.cloned())
    }

    /// The same for somebody who is directly in these groups, whatever the edges say of the person.
    #[must_use]
    pub fn closure_from(&self, user: &UserId, direct: impl IntoIterator<Item = GroupId>) -> Memberships {
        let mut via: BTreeMap<GroupId, Option<GroupId>> = BTreeMap::new();
        let mut queue = VecDeque::new();
        for group in direct {
            via.insert(group.clone(), None);
            queue.push_back(group);
        }
        while let Some(child) = queue.pop_front() {
            for parent in self.parents.get(&Member::Group(child.clone())).into_iter().flatten() {
                if !via.contains_key(parent) {
                    via.insert(parent.clone(), Some(child.clone()));
                    queue.push_back(parent.clone());
                }
            }
        }
        Memberships { of: Some(user.clone()), via, completeness: Completeness::Complete }
    }
}

/// The groups of one caller, and how each was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memberships {
    of: Option<UserId>,
    via: BTreeMap<GroupId, Option<GroupId>>,
    completeness: Completeness,
}

impl Memberships {
    /// In no group, and that is known for certain (a service).
    #[must_use]
    pub fn none() -> Self {
        Self { of: None, via: BTreeMap::new(), completeness: Completeness::Complete }
    }

    /// The same groups, with facts known to be missing.
    #[must_use]
    pub fn incomplete(mut self) -> Self {
        self.completeness = Completeness::Incomplete;
        self
    }

    /// The groups that both say. Facts missing in either are missing in both.
    #[must_use]
    pub fn intersect(mut self, other: &Self) -> Self {
        self.via.retain(|group, _| other.via.contains_key(group));
        let whole = other.completeness == Completeness::Complete && self.of == other.of;
        if whole { self } else { self.incomplete() }
    }

    /// Whether all memberships are known.
    #[must_use]
    pub fn completeness(&self) -> Completeness {
        self.completeness
    }

    /// The person whose groups these are; `None` = a service's.
    #[must_use]
    pub fn of(&self) -> Option<&UserId> {
        self.of.as_ref()
    }

    /// The groups, in order of their ids.
    pub fn groups(&self) -> impl Iterator<Item = &GroupId> {
        self.via.keys()
    }

    /// Whether the caller is in the group.
    #[must_use]
    pub fn contains(&self, group: &GroupId) -> bool {
        self.via.contains_key(group)
    }

    /// The chain of groups from the one the person is directly in to `group`; empty if not in it.
    #[must_use]
    pub fn chain(&self, group: &GroupId) -> Vec<GroupId> {
        let mut chain = Vec::new();
        let mut next = self.via.get_key_value(group);
        while let Some((id, through)) = next {
            chain.push(id.clone());
            next = through.as_ref().and_then(|g| self.via.get_key_value(g));
        }
        chain.reverse();
        chain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn g(name: &str) -> GroupId {
        GroupId::new(format!("g_{name}")).unwrap()
    }
    fn u(name: &str) -> UserId {
        UserId::new(format!("u_{name}")).unwrap()
    }

    #[test]
    fn cycles_end_and_chains_are_shortest() {
        let mut graph = GroupGraph::default();
        graph.add(g("a"), Member::User(u("dana")));
        for (group, member) in [("b", "a"), ("c", "b"), ("a", "c"), ("c", "a"), ("d", "c"), ("d", "d")] {
            graph.add(g(group), Member::Group(g(member)));
        }
        let held = graph.closure(&u("dana"));
        assert!(held.groups().eq([g("a"), g("b"), g("c"), g("d")].iter()));
        assert_eq!(held.chain(&g("d")), [g("a"), g("c"), g("d")]);
        assert!(held.chain(&g("x")).is_empty() && !held.contains(&g("x")));
        assert_eq!(held.of(), Some(&u("dana")));
        assert_eq!(graph.closure(&u("omar")).groups().count(), 0);
    }

    #[test]
    fn claimed_groups_are_closed_upward_and_an_intersection_is_in_both() {
        let mut graph = GroupGraph::default();
        graph.add(g("a"), Member::User(u("dana")));
        for (group, member) in [("b", "a"), ("c", "b"), ("c", "x")] {
            graph.add(g(group), Member::Group(g(member)));
        }
        let claimed = graph.closure_from(&u("dana"), [g("x")]);
        assert!(claimed.groups().eq([g("c"), g("x")].iter()), "not what the edges say of the person");
        let both = graph.closure(&u("dana")).intersect(&claimed);
        assert!(both.groups().eq([g("c")].iter()));
        assert_eq!(both.completeness(), Completeness::Complete);
        assert_eq!(
            graph.closure(&u("dana")).intersect(&claimed.incomplete()).completeness(),
            Completeness::Incomplete
        );
        let omars = graph.closure_from(&u("omar"), [g("c")]);
        assert_eq!(
            both.intersect(&omars).completeness(),
            Completeness::Incomplete,
            "somebody else's are no facts"
        );
    }

    #[test]
    fn a_removed_edge_is_gone() {
        let mut graph = GroupGraph::default();
        let dana = Member::User(u("dana"));
        graph.add(g("a"), dana.clone());
        graph.add(g("a"), dana.clone());
        assert!(graph.remove(&g("a"), &dana));
        assert!(!graph.remove(&g("a"), &dana));
        assert_eq!(graph, GroupGraph::default());
    }

    #[test]
    fn deep_nesting_needs_no_stack() {
        let mut graph = GroupGraph::default();
        graph.add(g("0"), Member::User(u("dana")));
        for n in 1..50_000 {
            graph.add(g(&n.to_string()), Member::Group(g(&(n - 1).to_string())));
        }
        assert_eq!(graph.closure(&u("dana")).groups().count(), 50_000);
    }
}
