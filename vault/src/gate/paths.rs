//! The path of a decision, as the record keeps it: a rendering of what was decided, no decision.

use crate::audit::{DecisionPath, LayerTaken};
use kenward_access::acl::{Acl, AclLayer};
use kenward_access::decision::{Decision, Holder, LayerReason};
use kenward_access::principal::Principal;

pub(super) fn taken(acl: Option<&Acl>, holder: &Holder, decision: &Decision) -> DecisionPath {
    let layers = acl.map(Acl::layers).unwrap_or_default();
    let path = layers.iter().zip(&decision.path).enumerate().map(|(at, (layer, reason))| {
        let mut taken = LayerTaken { layer: at + 1, entry: None, principal: "none", chain: Vec::new() };
        match (layer, reason) {
            (AclLayer::FirstMatch(entries), LayerReason::Entry(entry, _)) => {
                taken.entry = Some(entry + 1);
                if let Some(ace) = entries.get(*entry) {
                    taken.principal = kind(&ace.principal);
                    if let Principal::Group(group) = &ace.principal {
                        taken.chain =
                            holder.memberships().chain(group).iter().map(ToString::to_string).collect();
                    }
                }
            }
            (AclLayer::Label { .. }, _) => taken.principal = "label",
            (AclLayer::FirstMatch(_), _) => {}
        }
        taken
    });
    DecisionPath(path.collect())
}

fn kind(principal: &Principal) -> &'static str {
    match principal {
        Principal::User(_) => "user",
        Principal::Group(_) => "group",
        Principal::Service(_) => "service",
        Principal::Everyone => "everyone",
        Principal::Anonymous => "anonymous",
        Principal::Domain(_) => "domain",
        Principal::Link(_) => "link",
        Principal::Unresolved(_) => "unresolved",
    }
}
