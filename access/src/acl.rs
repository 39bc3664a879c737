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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
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
