//! Explanation: a rendering of a decision's path, made from the very call that guards the data.
//! It must never decide anything itself.

use crate::acl::{Acl, AclLayer};
use crate::decision::{Decision, Holder, LayerReason};
use crate::principal::Principal;
use crate::rights::{Origin, RightsSpec};
use serde::Serialize;

/// One step of the path, in words that a reviewer can check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Layer, from 1.
    pub layer: usize,
    /// Whether the layer allows.
    pub allows: bool,
    /// What decided, in words.
    pub because: String,
    /// Where it was written in the source, if it was.
    pub origin: Option<Origin>,
    /// The chain of groups through which the caller holds the principal, outermost last.
    pub chain: Vec<String>,
}

/// Renders the path. `spec` gives the places where entries were written.
#[must_use]
pub fn explain(acl: &Acl, spec: Option<&RightsSpec>, holder: &Holder, decision: &Decision) -> Vec<Step> {
    let mut steps = Vec::new();
    for (index, (layer, reason)) in acl.layers().iter().zip(&decision.path).enumerate() {
        let mut step = Step {
            layer: index + 1,
            allows: reason.allows(),
            because: String::new(),
            origin: None,
            chain: Vec::new(),
        };
        match (layer, reason) {
            (AclLayer::FirstMatch(entries), LayerReason::Entry(at, effect)) => {
                let written = spec.filter(|_| index == 0).and_then(|s| s.entries.get(*at));
                let principal = entries.get(*at).map(|ace| &ace.principal);
                let name =
                    written.map(|w| w.principal.clone()).or_else(|| principal.map(|p| format!("{p:?}")));
                step.because =
                    format!("{effect:?} {} (entry {})", name.unwrap_or_default(), at + 1).to_lowercase();
                step.origin = written.map(|w| w.origin.clone());
                if let Some(Principal::Group(group)) = principal {
                    step.chain = holder.memberships().chain(group).iter().map(ToString::to_string).collect();
                }
            }
            (_, LayerReason::NoEntry) => "no entry names this caller now".clone_into(&mut step.because),
            (_, LayerReason::Cleared) => "the clearance covers the label".clone_into(&mut step.because),
            (_, LayerReason::NotCleared) => {
                "the clearance does not cover the label".clone_into(&mut step.because)
            }
            (AclLayer::Label { .. }, LayerReason::Entry(..)) => {}
        }
        steps.push(step);
    }
    steps
}
