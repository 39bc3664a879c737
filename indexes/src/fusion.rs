//! Fusion of the two lists: weighted min–max over the visible candidates only.

use crate::{Scored, TieOrder};

/// Weights of the two lists; they add up to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// Of the lexical list.
    pub lexical: f64,
    /// Of the vector list.
    pub vector: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { lexical: 0.4, vector: 0.6 }
    }
}

/// Joins two lists into one order of fused values in 0..=1. Each list is normalised over its own
/// candidates (max = min gives 1.0); a chunk absent from a list gets 0 there.
#[must_use]
pub fn fuse(_lexical: &[Scored], _vector: &[Scored], _weights: Weights, _ties: &dyn TieOrder) -> Vec<Scored> {
    todo!()
}
