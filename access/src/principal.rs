//! Principals: what an ACL entry names and what a caller holds.
//! A principal is an immutable id; a handle or an e-mail address is never one.

use crate::ids::{GroupId, UserId};
use serde::{Deserialize, Serialize};

/// One holder of rights.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "id")]
pub enum Principal {
    /// A person of the directory.
    User(UserId),
    /// A group of the directory; held through any chain of memberships.
    Group(GroupId),
    /// A service acting for itself, by its client id.
    Service(String),
    /// Any authenticated caller of the tenant.
    Everyone,
    /// A caller without identity. No search caller is anonymous.
    Anonymous,
    /// Everyone of a mail domain, as the identity provider vouches for it.
    Domain(String),
    /// Whoever has a link; held by no search caller.
    Link(String),
    /// A principal of a source that the directory does not know. Held by nobody; a deny entry for
    /// it makes the item visible to nobody (unknown rights = nobody).
    Unresolved(String),
}

impl Principal {
    /// Whether holding this depends on group membership facts, which may be incomplete.
    #[must_use]
    pub fn depends_on_membership(&self) -> bool {
        matches!(self, Self::Group(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_with_one_name_stay_apart() {
        let all = [
            Principal::Service("x".into()),
            Principal::Domain("x".into()),
            Principal::Link("x".into()),
            Principal::Unresolved("x".into()),
        ];
        let written: std::collections::BTreeSet<String> =
            all.iter().map(|p| serde_json::to_string(p).unwrap()).collect();
        assert_eq!(written.len(), all.len());
        for p in all {
            assert_eq!(serde_json::from_str::<Principal>(&serde_json::to_string(&p).unwrap()).unwrap(), p);
            assert!(!p.depends_on_membership());
        }
        assert!(Principal::Group(GroupId::new("g_1").unwrap()).depends_on_membership());
    }
}
