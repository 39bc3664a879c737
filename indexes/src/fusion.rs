//! Fusion of the two lists: weighted min–max over the visible candidates only. Nothing but the
//! candidates themselves may go into a fused value.

use crate::{Scored, TieOrder, order};
use kenward_access::ids::ChunkNo;
use std::collections::BTreeMap;

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
pub fn fuse(lexical: &[Scored], vector: &[Scored], weights: Weights, ties: &dyn TieOrder) -> Vec<Scored> {
    let mut fused: BTreeMap<ChunkNo, f64> = BTreeMap::new();
    // INVARIANT: always lexical first, so that the sum of a chunk is the same float every time.
    for (list, weight) in [(lexical, weights.lexical), (vector, weights.vector)] {
        for (chunk, value) in normalised(list) {
            *fused.entry(chunk).or_insert(0.0) += weight * value;
        }
    }
    let depth = fused.len();
    order::top(fused.into_iter().map(|(chunk, score)| Scored { chunk, score }), depth, ties)
}

fn normalised(list: &[Scored]) -> impl Iterator<Item = (ChunkNo, f64)> + '_ {
    let least = list.iter().map(|c| c.score).fold(f64::INFINITY, f64::min);
    let most = list.iter().map(|c| c.score).fold(f64::NEG_INFINITY, f64::max);
    let span = most - least;
    list.iter().map(move |c| (c.chunk, if span > 0.0 { (c.score - least) / span } else { 1.0 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kenward_access::ids::TieKey;

    struct Reversed;
    impl TieOrder for Reversed {
        fn tie(&self, chunk: ChunkNo) -> Option<TieKey> {
            (chunk.0 != 99).then_some(TieKey { document: [0; 32], ordinal: u32::MAX - chunk.0 })
        }
    }

    fn list(of: &[(u32, f64)]) -> Vec<Scored> {
        of.iter().map(|(n, score)| Scored { chunk: ChunkNo(*n), score: *score }).collect()
    }

    #[test]
    fn absent_is_zero_and_a_lone_score_is_one() {
        let fused =
            fuse(&list(&[(1, 8.0), (2, 6.0), (3, 4.0)]), &list(&[(2, 0.3)]), Weights::default(), &Reversed);
        assert_eq!(fused, list(&[(2, 0.4 * 0.5 + 0.6), (1, 0.4), (3, 0.0)]));
    }

    #[test]
    fn equals_come_in_the_order_of_their_tie_keys_whatever_the_input_order() {
        let one = fuse(&list(&[(1, 5.0), (2, 5.0), (3, 5.0)]), &[], Weights::default(), &Reversed);
        let two = fuse(&list(&[(3, 5.0), (1, 5.0), (2, 5.0)]), &[], Weights::default(), &Reversed);
        assert_eq!(one, list(&[(3, 0.4), (2, 0.4), (1, 0.4)]));
        assert_eq!(one, two);
    }

    #[test]
    fn nothing_gives_nothing_and_the_unpublished_stay_out() {
        assert!(fuse(&[], &[], Weights::default(), &Reversed).is_empty());
        assert!(fuse(&list(&[(99, 1.0)]), &list(&[(99, 1.0)]), Weights::default(), &Reversed).is_empty());
    }
}
