//! Fusion of the two lists: a weighted sum of what each score is worth by itself. Nothing but the visible candidates may
//! go into a fused value.
//!
//! A cosine is worth what it is: it means the same for every query. A BM25 score is not, so it is worth its share of the
//! best one in its list. How deep the lists are is therefore in no value, as it would be with min–max (Bruch, Gai and
//! Ingber, An Analysis of Fusion Functions for Hybrid Retrieval, ACM TOIS 2023).

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
    /// As measured; the sweep is in `benches/README.md`.
    fn default() -> Self {
        Self { lexical: 0.38, vector: 0.62 }
    }
}

/// Joins two lists into one order of fused values in 0..=1; a chunk absent from a list gets 0 there.
#[must_use]
pub fn fuse(lexical: &[Scored], vector: &[Scored], weights: Weights, ties: &dyn TieOrder) -> Vec<Scored> {
    let mut fused: BTreeMap<ChunkNo, f64> = BTreeMap::new();
    let most = lexical.iter().map(|c| c.score).fold(f64::MIN_POSITIVE, f64::max);
    let share = |score: f64| (score / most).clamp(0.0, 1.0);
    let cosine = |score: f64| score.clamp(0.0, 1.0);
    // INVARIANT: always lexical first, so that the sum of a chunk is the same float every time.
    for candidate in lexical {
        fused.insert(candidate.chunk, weights.lexical * share(candidate.score));
    }
    for candidate in vector {
        *fused.entry(candidate.chunk).or_insert(0.0) += weights.vector * cosine(candidate.score);
    }
    let depth = fused.len();
    order::top(fused.into_iter().map(|(chunk, score)| Scored { chunk, score }), depth, ties)
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

    const HALVES: Weights = Weights { lexical: 0.5, vector: 0.5 };

    #[test]
    fn words_count_by_their_share_of_the_best_and_cosines_as_they_are() {
        let lexical = list(&[(1, 8.0), (2, 6.0), (3, 4.0)]);
        let fused = fuse(&lexical, &list(&[(2, 0.5), (4, -0.25)]), HALVES, &Reversed);
        assert_eq!(fused, list(&[(2, 0.5 * 0.75 + 0.25), (1, 0.5), (3, 0.25), (4, 0.0)]));
        // Deeper lists change no value.
        let deeper = fuse(&[lexical, list(&[(5, 1.0)])].concat(), &list(&[(2, 0.5)]), HALVES, &Reversed);
        assert_eq!(deeper[0], fused[0]);
    }

    #[test]
    fn equals_come_in_the_order_of_their_tie_keys_whatever_the_input_order() {
        let one = fuse(&list(&[(1, 5.0), (2, 5.0), (3, 5.0)]), &[], HALVES, &Reversed);
        let two = fuse(&list(&[(3, 5.0), (1, 5.0), (2, 5.0)]), &[], HALVES, &Reversed);
        assert_eq!(one, list(&[(3, 0.5), (2, 0.5), (1, 0.5)]));
        assert_eq!(one, two);
    }

    #[test]
    fn nothing_gives_nothing_and_the_unpublished_stay_out() {
        assert!(fuse(&[], &[], Weights::default(), &Reversed).is_empty());
        assert!(fuse(&list(&[(99, 1.0)]), &list(&[(99, 1.0)]), Weights::default(), &Reversed).is_empty());
    }
}
