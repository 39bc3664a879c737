//! What an agent may do at most, whoever it works for: a caller's rights are the person's AND the agent's. Limits
//! only ever take away; an agent that nobody has limited has the person's rights.

use crate::acl::{Clearance, Level};
use std::collections::BTreeSet;

/// All of something, or these alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Only {
    /// All.
    #[default]
    All,
    /// These; none if there are none.
    These(BTreeSet<Box<str>>),
}

impl Only {
    /// Whether this one is among them.
    #[must_use]
    pub fn holds(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(names) => names.contains(name),
        }
    }
}

/// An agent's limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentLimits {
    /// The tools that it may call.
    pub tools: Only,
    /// The sources in which it may see something, by name.
    pub sources: Only,
    /// The highest level of sensitivity that it may see.
    pub ceiling: Option<Level>,
}

impl AgentLimits {
    /// A person's clearance, through this agent.
    #[must_use]
    pub fn lower(&self, clearance: Clearance) -> Clearance {
        let level = self.ceiling.map_or(clearance.level, |ceiling| ceiling.min(clearance.level));
        Clearance { level, ..clearance }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_only_take_away() {
        let cleared = |level| Clearance { level: Level(level), ..Clearance::default() };
        let ceiling = |level| AgentLimits { ceiling: Some(Level(level)), ..AgentLimits::default() };
        assert_eq!(AgentLimits::default().lower(cleared(3)), cleared(3));
        assert_eq!(ceiling(1).lower(cleared(3)), cleared(1));
        assert_eq!(ceiling(3).lower(cleared(1)), cleared(1));
        assert!(Only::All.holds("x") && !Only::These(BTreeSet::new()).holds("x"));
        assert!(Only::These(BTreeSet::from(["x".into()])).holds("x"));
    }
}
