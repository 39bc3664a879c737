//! The ACL: an AND of layers, each an ordered first-match list or a label.
//! It must never have a form that means "public because nothing was said": nothing granted is nobody.

use crate::ids::Timestamp;
use crate::principal::Principal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a matching entry does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Grants this layer.
    Allow,
    /// Refuses this layer.
    Deny,
}

/// When an entry holds: from (inclusive) to until (exclusive), in milliseconds UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    /// First instant at which the entry holds; `None` = since ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// First instant at which it holds no more; `None` = for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Window {
    /// No bounds.
    pub const ALWAYS: Self = Self { from: None, until: None };

    /// Whether `now` lies inside.
    #[must_use]
    pub fn contains(&self, now: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until)
    }

    /// The next instant after `now` at which the answer of [`Window::contains`] changes.
    #[must_use]
    pub fn next_edge(&self, now: Timestamp) -> Option<Timestamp> {
        [self.from, self.until].into_iter().flatten().filter(|edge| *edge > now).min()
    }
}

/// One entry of a first-match list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ace {
    /// Allow or deny.
    pub effect: Effect,
    /// Whom the entry names.
    pub principal: Principal,
    /// When it holds.
    #[serde(default = "always", skip_serializing_if = "is_always")]
    pub window: Window,
}

fn always() -> Window {
    Window::ALWAYS
}

fn is_always(window: &Window) -> bool {
    *window == Window::ALWAYS
}

/// A sensitivity level; higher is more sensitive. Names and their order are in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Level(pub u16);

/// What a caller is cleared for. The default is the lowest level and no compartment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
pub struct Clearance {
    /// Highest level that may be read.
    pub level: Level,
    /// Compartments that may be read.
    #[serde(default)]
    pub compartments: BTreeSet<String>,
}

impl Clearance {
    /// Whether this clearance dominates the label (level at least as high, all compartments held).
    #[must_use]
    pub fn dominates(&self, level: Level, compartments: &BTreeSet<String>) -> bool {
        self.level >= level && compartments.is_subset(&self.compartments)
    }
}

/// One layer; all layers of an ACL must allow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AclLayer {
    /// The first entry that holds now and whose principal the caller holds decides; none = denied.
    FirstMatch(Vec<Ace>),
    /// The caller's clearance must dominate.
    Label {
        /// Level of the content.
        level: Level,
        /// Compartments of the content.
        #[serde(default)]
        compartments: BTreeSet<String>,
    },
}

/// Who may read an item: an AND of layers, of which at least one is a first-match list.
///
/// ```
/// use kenward_access::acl::Acl;
/// assert_eq!(Acl::new(vec![]), Acl::nobody());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Vec<AclLayer>", into = "Vec<AclLayer>")]
pub struct Acl(Vec<AclLayer>);

impl Acl {
    /// An ACL of these layers. Without any first-match list nothing was granted: an empty one is
    /// added, and the result is nobody.
    #[must_use]
    pub fn new(mut layers: Vec<AclLayer>) -> Self {
        // INVARIANT (I3): no grant = nobody; adding a layer can then never widen.
        if !layers.iter().any(|layer| matches!(layer, AclLayer::FirstMatch(_))) {
            layers.push(AclLayer::FirstMatch(Vec::new()));
        }
        Self(layers)
    }

    /// Visible to nobody.
    #[must_use]
    pub fn nobody() -> Self {
        Self::new(Vec::new())
    }

    /// Both must allow: the layers of one, then those of the other.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut layers = self.0.clone();
        for layer in &other.0 {
            if !layers.contains(layer) {
                layers.push(layer.clone());
            }
        }
        Self::new(layers)
    }

    /// Whether it is for nobody whatever the directory says: one of its lists has no entry that could let anybody
    /// through. For what people are told; what it decides, the decision says.
    #[must_use]
    pub fn is_nobodys(&self) -> bool {
        let held = |principal: &Principal| {
            !matches!(principal, Principal::Unresolved(_) | Principal::Link(_) | Principal::Anonymous)
        };
        let all = |ace: &Ace| matches!(ace.principal, Principal::Everyone | Principal::Unresolved(_));
        self.0.iter().any(|layer| match layer {
            AclLayer::Label { .. } => false,
            AclLayer::FirstMatch(list) => {
                let shut = |ace: &Ace| ace.effect == Effect::Deny && is_always(&ace.window) && all(ace);
                let mut reached = list.iter().take_while(|ace| !shut(ace));
                !reached.any(|ace| ace.effect == Effect::Allow && held(&ace.principal))
            }
        })
    }

    /// The layers, in order.
    #[must_use]
    pub fn layers(&self) -> &[AclLayer] {
        &self.0
    }
}

impl From<Vec<AclLayer>> for Acl {
    fn from(layers: Vec<AclLayer>) -> Self {
        Self::new(layers)
    }
}

impl From<Acl> for Vec<AclLayer> {
    fn from(acl: Acl) -> Self {
        acl.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_holds_from_inclusive_until_exclusive() {
        let window = Window { from: Some(Timestamp(10)), until: Some(Timestamp(20)) };
        let held: Vec<i64> = (8..23).filter(|t| window.contains(Timestamp(*t))).collect();
        assert_eq!(held, (10..20).collect::<Vec<_>>());
        assert_eq!(window.next_edge(Timestamp(9)), Some(Timestamp(10)));
        assert_eq!(window.next_edge(Timestamp(10)), Some(Timestamp(20)));
        assert_eq!(window.next_edge(Timestamp(20)), None);
        let empty = Window { from: Some(Timestamp(20)), until: Some(Timestamp(10)) };
        assert!((0..30).all(|t| !empty.contains(Timestamp(t))));
    }

    #[test]
    fn a_label_alone_grants_nothing() {
        let label = AclLayer::Label { level: Level(0), compartments: BTreeSet::new() };
        assert_eq!(Acl::new(vec![label.clone()]).layers(), [label, AclLayer::FirstMatch(vec![])]);
        assert_eq!(Acl::nobody().layers(), [AclLayer::FirstMatch(vec![])]);
    }

    #[test]
    fn what_lets_nobody_through_is_nobodys() {
        let ace = |effect, principal| Ace { effect, principal, window: Window::ALWAYS };
        let list = |aces: &[Ace]| Acl::new(vec![AclLayer::FirstMatch(aces.to_vec())]);
        let allow = ace(Effect::Allow, Principal::Everyone);
        let unknown = || Principal::Unresolved("zoe".into());
        assert!(!list(std::slice::from_ref(&allow)).is_nobodys());
        assert!(Acl::nobody().is_nobodys() && list(&[ace(Effect::Allow, unknown())]).is_nobodys());
        for shut in [unknown(), Principal::Everyone] {
            assert!(list(&[ace(Effect::Deny, shut.clone()), allow.clone()]).is_nobodys());
            assert!(!list(&[allow.clone(), ace(Effect::Deny, shut)]).is_nobodys());
        }
        let never = Window { from: None, until: Some(Timestamp(0)) };
        let ended = Ace { window: never, ..ace(Effect::Deny, Principal::Everyone) };
        assert!(!list(&[ended, allow.clone()]).is_nobodys());
        assert!(list(std::slice::from_ref(&allow)).and(&Acl::nobody()).is_nobodys());
    }

    #[test]
    fn stored_emptiness_is_nobody() {
        assert_eq!(serde_json::from_str::<Acl>("[]").unwrap(), Acl::nobody());
        let label = r#"[{"label":{"level":1}}]"#;
        assert!(serde_json::from_str::<Acl>(label).unwrap().layers().contains(&AclLayer::FirstMatch(vec![])));
        assert!(serde_json::from_str::<Acl>("null").is_err());
    }

    #[test]
    fn clearance_needs_level_and_every_compartment() {
        let set = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        let clearance = Clearance { level: Level(2), compartments: set(&["hr", "legal"]) };
        assert!(clearance.dominates(Level(2), &set(&["hr"])));
        assert!(clearance.dominates(Level(0), &set(&[])));
        assert!(!clearance.dominates(Level(3), &set(&[])));
        assert!(!clearance.dominates(Level(0), &set(&["hr", "board"])));
        assert!(!Clearance::default().dominates(Level(1), &set(&[])));
    }
}
