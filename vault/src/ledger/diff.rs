//! What may be narrower in the rights of a transaction than in those before it. It is found by comparing, not by
//! asking who changes rights, so that nobody can forget to say. What is new in the later ones is in no
//! backup of the earlier ones, and is left out.

use super::{MemberId, Membership, Narrowed, UserState, link_name};
use crate::published::Rights;
use kenward_access::groups::{GroupGraph, Member};
use kenward_access::ids::GroupId;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What may be narrower in `new` than in `old`.
pub(crate) fn between(old: &Rights, new: &Rights, labels: &[String]) -> Narrowed {
    let mut narrowed = Narrowed {
        containers: old.containers.changed(&new.containers).map(|(no, _, _)| no).collect(),
        ..Narrowed::default()
    };
    for (no, _, now) in old.documents.changed(&new.documents) {
        if now.is_some() { narrowed.documents.push(no) } else { narrowed.gone.push(no) }
    }
    if !Arc::ptr_eq(&old.users, &new.users) {
        for (id, was) in old.users.iter() {
            let state = |user: &crate::directory::User| UserState {
                disabled: user.disabled,
                label: labels.get(usize::from(user.clearance.level.0)).cloned(),
                clearance: user.clearance.clone(),
            };
            let now = new.users.get(id).map(state);
            if now.as_ref() != Some(&state(was)) {
                narrowed.users.push((id.clone(), now));
            }
        }
        narrowed.users.sort_by(|a, b| a.0.cmp(&b.0));
    }
    if !Arc::ptr_eq(&old.group_handles, &new.group_handles) {
        let there: BTreeSet<&GroupId> = new.group_handles.values().collect();
        narrowed.groups = old.group_handles.values().filter(|id| !there.contains(id)).cloned().collect();
        narrowed.groups.sort();
    }
    if !Arc::ptr_eq(&old.groups, &new.groups) {
        let (before, now) = (edges(&old.groups), edges(&new.groups));
        let one = |there| {
            move |(group, member): &(&GroupId, &Member)| Membership {
                group: (*group).clone(),
                member: MemberId::from(*member),
                there,
            }
        };
        narrowed.members.extend(before.difference(&now).map(one(false)));
        narrowed.members.extend(now.difference(&before).map(one(true)));
    }
    if !Arc::ptr_eq(&old.tokens, &new.tokens) {
        let gone = old.tokens.keys().filter(|hash| !new.tokens.contains_key(*hash));
        narrowed.tokens = gone.map(|hash| data_encoding::HEXLOWER.encode(hash)).collect();
        narrowed.tokens.sort();
    }
    if !Arc::ptr_eq(&old.identities, &new.identities) {
        let gone =
            old.identities.iter().filter(|(identity, user)| new.identities.get(identity) != Some(user));
        narrowed.links = gone.map(|(identity, user)| link_name(identity, user)).collect();
        narrowed.links.sort();
    }
    narrowed
}

fn edges(graph: &GroupGraph) -> BTreeSet<(&GroupId, &Member)> {
    graph.edges().collect()
}
