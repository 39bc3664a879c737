//! Explanation: a rendering of a decision's path, made from the very call that guards the data.
//! It must never decide anything itself.

use crate::acl::{Ace, Acl, AclLayer, Effect, Window};
use crate::decision::{Decision, Holder, LayerReason};
use crate::groups::Completeness;
use crate::ids::Timestamp;
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

/// How many entries are named where none of them decided.
const NAMED: usize = 4;

/// Renders the path. `spec` gives the places where entries were written: those of the first layer, of
/// the further lists, and of the labels after them, as [`RightsSpec::resolve`] lays them out.
#[must_use]
pub fn explain<'a>(
    acl: &Acl,
    spec: Option<&'a RightsSpec>,
    holder: &Holder,
    decision: &Decision,
) -> Vec<Step> {
    let mut steps = Vec::new();
    for (number, (layer, reason)) in acl.layers().iter().zip(&decision.path).enumerate() {
        let list = |s: &'a RightsSpec| match number.checked_sub(1) {
            None => Some(&s.entries),
            Some(number) => s.also.get(number),
        };
        let written = |at: usize| spec.and_then(list).and_then(|list| list.get(at));
        let mut step = Step {
            layer: number + 1,
            allows: reason.allows(),
            because: String::new(),
            origin: None,
            chain: Vec::new(),
        };
        match (layer, reason) {
            (AclLayer::FirstMatch(entries), LayerReason::Entry(at, _)) => {
                let name = written(*at).map(|w| w.principal.as_str());
                step.origin = written(*at).map(|w| w.origin.clone());
                if let Some(ace) = entries.get(*at) {
                    step.because = format!("{}{}", entry(*at, ace, name), how(ace, holder));
                    if let Principal::Group(group) = &ace.principal {
                        step.chain =
                            holder.memberships().chain(group).iter().map(ToString::to_string).collect();
                    }
                }
            }
            (AclLayer::FirstMatch(entries), _) if entries.is_empty() => {
                "nothing is granted to anybody here".clone_into(&mut step.because);
            }
            (AclLayer::FirstMatch(entries), _) => {
                "no entry names this caller now".clone_into(&mut step.because);
                let at_layer = decision.outside.iter().filter(|(l, _)| *l == number).map(|(_, at)| *at);
                let outside: Vec<usize> = at_layer.collect();
                let others: Vec<usize> = (0..entries.len()).filter(|at| !outside.contains(at)).collect();
                for (what, list) in [("not in force", &outside), ("others are named", &others)] {
                    let named = list.iter().take(NAMED).filter_map(|at| {
                        Some(entry(*at, entries.get(*at)?, written(*at).map(|w| w.principal.as_str())))
                    });
                    let named: Vec<String> = named.collect();
                    if !named.is_empty() {
                        step.because.push_str(&format!("; {what}: {}", named.join(", ")));
                    }
                    if list.len() > NAMED {
                        step.because.push_str(&format!(" and {} more", list.len() - NAMED));
                    }
                    let place = || list.iter().find_map(|at| written(*at)).map(|w| w.origin.clone());
                    step.origin = step.origin.take().or_else(place);
                }
            }
            (AclLayer::Label { level, .. }, reason) => {
                let label = |s: &'a RightsSpec| s.labels.get(number.checked_sub(1 + s.also.len())?);
                let label = spec.and_then(label);
                let verb = if reason.allows() { "covers" } else { "does not cover" };
                let name = label.map_or_else(|| format!("of level {}", level.0), |(n, _)| format!("`{n}`"));
                step.because = format!("the caller's clearance {verb} the label {name}");
                step.origin = label.map(|(_, origin)| origin.clone());
            }
        }
        steps.push(step);
    }
    steps
}

/// `allow group:sales (entry 2, from 2026-01-01T00:00Z until 2026-02-01T00:00Z)`.
fn entry(at: usize, ace: &Ace, written: Option<&str>) -> String {
    let verb = match ace.effect {
        Effect::Allow => "allow",
        Effect::Deny => "deny",
    };
    let principal = match (written, &ace.principal) {
        (Some(written), Principal::Unresolved(_)) => format!("{written}, whom the directory does not know"),
        (Some(written), _) => written.to_owned(),
        (None, principal) => name(principal),
    };
    format!("{verb} {principal} (entry {}{})", at + 1, window(ace.window))
}

fn name(principal: &Principal) -> String {
    match principal {
        Principal::User(id) => format!("user {id}"),
        Principal::Group(id) => format!("group {id}"),
        Principal::Service(id) => format!("service {id}"),
        Principal::Everyone => "everyone".to_owned(),
        Principal::Anonymous => "anonymous".to_owned(),
        Principal::Domain(domain) => format!("domain {domain}"),
        Principal::Link(_) => "whoever has a link".to_owned(),
        Principal::Unresolved(text) => format!("`{text}`, which the directory does not know"),
    }
}

/// Why an entry matched although the caller does not hold its principal for certain.
fn how(ace: &Ace, holder: &Holder) -> &'static str {
    if holder.principals().contains(&ace.principal) {
        ""
    } else if holder.memberships().completeness() == Completeness::Incomplete {
        ", because the caller's groups are not all known"
    } else {
        ", because it may mean this caller"
    }
}

fn window(window: Window) -> String {
    let mut words = String::new();
    if let Some(from) = window.from {
        words = format!(", from {}", minute(from));
    }
    if let Some(until) = window.until {
        words.push_str(if words.is_empty() { ", until " } else { " until " });
        words.push_str(&minute(until));
    }
    words
}

/// `2026-01-31T00:00Z`: the civil date of days since 1970, counted in 400-year eras that begin on a
/// first of March, so that the leap day is a year's last day.
fn minute(at: Timestamp) -> String {
    let (days, of_day) = (at.0.div_euclid(86_400_000), at.0.rem_euclid(86_400_000) / 60_000);
    let from_era = days.saturating_add(719_468);
    let (era, day) = (from_era.div_euclid(146_097), from_era.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let (month, of_month) = ((shifted + 2) % 12 + 1, of_year - (153 * shifted + 2) / 5 + 1);
    let year = year + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{of_month:02}T{:02}:{:02}Z", of_day / 60, of_day % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acl::Level;
    use crate::decision::decide;
    use crate::groups::{GroupGraph, Member};
    use crate::ids::{GroupId, UserId};
    use crate::rights::{Naming, PrincipalNames, RightsEntry};

    struct Names;
    impl PrincipalNames for Names {
        fn user(&self, handle: &str) -> Option<UserId> {
            UserId::new(format!("u_{handle}")).ok()
        }
        fn group(&self, handle: &str) -> Option<GroupId> {
            GroupId::new(format!("g_{handle}")).ok()
        }
        fn user_any_case(&self, handle: &str) -> Option<UserId> {
            self.user(handle)
        }
        fn group_any_case(&self, handle: &str) -> Option<GroupId> {
            self.group(handle)
        }
        fn level(&self, label: &str) -> Option<Level> {
            (label == "secret").then_some(Level(2))
        }
    }

    fn line(effect: Effect, principal: &str, window: Window, line: u32) -> RightsEntry {
        let origin = Origin { file: "hr/.access.toml".into(), line };
        RightsEntry { effect, principal: principal.into(), naming: Naming::Handle, window, origin }
    }

    fn dana() -> Holder {
        let dana = UserId::new("u_Dana").unwrap();
        let mut graph = GroupGraph::default();
        graph.add(GroupId::new("g_Pay").unwrap(), Member::User(dana.clone()));
        graph.add(GroupId::new("g_Hr").unwrap(), Member::Group(GroupId::new("g_Pay").unwrap()));
        let memberships = graph.closure(&dana);
        Holder::new([Principal::User(dana), Principal::Everyone], memberships, Default::default())
    }

    fn told(spec: &RightsSpec, holder: &Holder, now: i64) -> Vec<Step> {
        let acl = spec.resolve(&Names).acl;
        explain(&acl, Some(spec), holder, &decide(&acl, holder, Timestamp(now)))
    }

    #[test]
    fn a_grant_names_entry_place_and_chain() {
        let spec = RightsSpec {
            entries: vec![
                line(Effect::Deny, "user:Omar", Window::ALWAYS, 3),
                line(Effect::Allow, "group:Hr", Window::ALWAYS, 7),
            ],
            ..RightsSpec::default()
        };
        let steps = told(&spec, &dana(), 0);
        assert_eq!(steps.len(), 1);
        assert_eq!(steps[0].because, "allow group:Hr (entry 2)");
        assert_eq!(steps[0].origin.as_ref().map(|o| o.line), Some(7));
        assert_eq!(steps[0].chain, ["g_Pay", "g_Hr"]);
        assert!(steps[0].allows);
    }

    #[test]
    fn an_expired_grant_is_named() {
        let until = Some(Timestamp(1_769_904_000_000));
        let spec = RightsSpec {
            entries: vec![line(Effect::Allow, "user:Dana", Window { from: None, until }, 2)],
            ..RightsSpec::default()
        };
        let steps = told(&spec, &dana(), 1_769_904_000_000);
        assert_eq!(
            steps[0].because,
            "no entry names this caller now; not in force: allow user:Dana (entry 1, until 2026-02-01T00:00Z)"
        );
        assert_eq!(steps[0].origin.as_ref().map(|o| o.line), Some(2));
        assert!(!steps[0].allows);
    }

    #[test]
    fn entries_that_name_others_are_named_with_the_first_ones_place() {
        let others = (1..=6).map(|at| line(Effect::Allow, &format!("user:p{at}"), Window::ALWAYS, at + 1));
        let spec = RightsSpec { entries: others.collect(), ..RightsSpec::default() };
        let steps = told(&spec, &dana(), 0);
        assert_eq!(
            steps[0].because,
            "no entry names this caller now; others are named: allow user:p1 (entry 1), allow user:p2 (entry 2), \
             allow user:p3 (entry 3), allow user:p4 (entry 4) and 2 more"
        );
        assert_eq!(steps[0].origin.as_ref().map(|o| o.line), Some(2));
        assert!(!steps[0].allows);
    }

    #[test]
    fn a_label_is_named_with_its_place() {
        let spec = RightsSpec {
            entries: vec![line(Effect::Allow, "everyone", Window::ALWAYS, 1)],
            labels: vec![("secret".into(), Origin { file: "hr/.access.toml".into(), line: 9 })],
            ..RightsSpec::default()
        };
        let steps = told(&spec, &dana(), 0);
        assert_eq!(steps[1].because, "the caller's clearance does not cover the label `secret`");
        assert_eq!(steps[1].origin.as_ref().map(|o| o.line), Some(9));
    }

    #[test]
    fn nothing_granted_and_missing_facts_are_said() {
        assert_eq!(told(&RightsSpec::default(), &dana(), 0)[0].because, "nothing is granted to anybody here");
        let spec = RightsSpec {
            entries: vec![line(Effect::Deny, "group:Sales", Window::ALWAYS, 1)],
            ..RightsSpec::default()
        };
        let unsure = Holder::new([], dana().memberships().clone().incomplete(), Default::default());
        assert_eq!(
            told(&spec, &unsure, 0)[0].because,
            "deny group:Sales (entry 1), because the caller's groups are not all known"
        );
    }

    #[test]
    fn dates_are_civil() {
        for (ms, text) in [
            (0, "1970-01-01T00:00Z"),
            (-60_000, "1969-12-31T23:59Z"),
            (951_782_400_000, "2000-02-29T00:00Z"),
            (1_709_251_140_000, "2024-02-29T23:59Z"),
            (4_107_542_400_000, "2100-03-01T00:00Z"),
        ] {
            assert_eq!(minute(Timestamp(ms)), text);
        }
        assert!(!minute(Timestamp(i64::MIN)).is_empty() && !minute(Timestamp(i64::MAX)).is_empty());
    }
}
