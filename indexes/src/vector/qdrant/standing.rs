//! How a cluster is doing, for operators alone: it counts everything. It must never be in an answer.

use serde::{Deserialize, Serialize};

/// How the cluster can be used now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It is being looked at.
    Starting,
    /// It is as it should be, as far as it is filled.
    Well,
    /// It cannot be used for now; it is tried again.
    Down {
        /// Why.
        what: String,
    },
    /// It cannot be used until somebody does something.
    Refused {
        /// What is wrong.
        what: String,
        /// What to do.
        hint: String,
    },
}

/// How a cluster is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its addresses.
    pub place: String,
    /// The collection.
    pub collection: String,
    /// How it can be used.
    pub condition: Condition,
    /// Passages that are there.
    pub there: u64,
    /// Of how many.
    pub of: u64,
    /// Whether it was told the classes of what is published: before that nothing is brought.
    pub told: bool,
    /// Passages that are to be brought, or to get another class there.
    pub waiting: u64,
    /// Whether questions are put to it.
    pub asked: bool,
    /// Questions that it answered since the opening.
    pub answered: u64,
    /// Questions that it was asked since, and that were answered here.
    pub fell_back: u64,
}
