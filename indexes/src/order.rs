//! The one order of candidates: score descending (f64, total order), then [`TieKey`] ascending.
//! Every cut goes through [`top`] or [`Top`]; storage order must never decide.

use crate::{Scored, TieOrder};
use kenward_access::ids::TieKey;
use std::cmp::Ordering;

type Keyed = (Scored, TieKey);

fn order(a: &Keyed, b: &Keyed) -> Ordering {
    b.0.score.total_cmp(&a.0.score).then_with(|| a.1.cmp(&b.1))
}

/// Keeps the best `depth` candidates in the one order. Candidates without a tie key are dropped.
#[must_use]
pub fn top(candidates: impl IntoIterator<Item = Scored>, depth: usize, ties: &dyn TieOrder) -> Vec<Scored> {
    let mut top = Top::new(depth, ties);
    for candidate in candidates {
        top.push(candidate);
    }
    top.finish()
}

/// [`top`] for a stream: holds at most twice `depth` candidates, and looks a tie key up only for
/// those that can still get in.
pub struct Top<'a> {
    ties: &'a dyn TieOrder,
    depth: usize,
    // INVARIANT: everything ever pushed and not in `kept` orders after `depth` members of `kept`.
    kept: Vec<Keyed>,
    floor: f64,
    #[cfg(feature = "faults")]
    arrivals: u32,
}

impl<'a> Top<'a> {
    /// An empty list of at most `depth`.
    #[must_use]
    pub fn new(depth: usize, ties: &'a dyn TieOrder) -> Self {
        Self {
            ties,
            depth,
            kept: Vec::with_capacity(depth.saturating_mul(2).min(4096)),
            floor: f64::NEG_INFINITY,
            #[cfg(feature = "faults")]
            arrivals: 0,
        }
    }

    /// The score under which nothing can get in any more.
    #[must_use]
    pub fn floor(&self) -> f64 {
        self.floor
    }

    /// Offers a candidate.
    pub fn push(&mut self, candidate: Scored) {
        if self.depth == 0 || candidate.score.total_cmp(&self.floor) == Ordering::Less {
            return;
        }
        let Some(tie) = self.ties.tie(candidate.chunk) else { return };
        #[cfg(feature = "faults")]
        let tie = self.faulty_tie(tie);
        self.kept.push((candidate, tie));
        if self.kept.len() >= self.depth.saturating_mul(2) {
            self.prune();
        }
    }

    fn prune(&mut self) {
        let (_, worst, _) = self.kept.select_nth_unstable_by(self.depth - 1, order);
        // Equal scores still get in: their tie keys decide.
        self.floor = worst.0.score;
        self.kept.truncate(self.depth);
    }

    /// The list, best first.
    #[must_use]
    pub fn finish(mut self) -> Vec<Scored> {
        if self.kept.len() > self.depth && self.depth > 0 {
            self.prune();
        }
        self.kept.sort_unstable_by(order);
        self.kept.into_iter().map(|(scored, _)| scored).collect()
    }

    #[cfg(feature = "faults")]
    fn faulty_tie(&mut self, tie: TieKey) -> TieKey {
        if !crate::faults::on(&crate::faults::STORAGE_ORDER) {
            return tie;
        }
        self.arrivals = self.arrivals.wrapping_add(1);
        TieKey { document: [0; 32], ordinal: self.arrivals }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kenward_access::ids::ChunkNo;
    use proptest::prelude::*;

    struct Scrambled;
    impl TieOrder for Scrambled {
        fn tie(&self, chunk: ChunkNo) -> Option<TieKey> {
            let document = *blake3::hash(&chunk.0.to_le_bytes()).as_bytes();
            (!chunk.0.is_multiple_of(17)).then_some(TieKey { document, ordinal: 0 })
        }
    }

    proptest! {
        #[test]
        fn the_cut_is_the_head_of_the_full_order(scores in prop::collection::vec(-3i8..4, 0..200), depth in 0usize..40) {
            let all: Vec<Scored> = scores.iter().enumerate()
                .map(|(n, s)| Scored { chunk: ChunkNo(n as u32), score: f64::from(*s) / 2.0 }).collect();
            let mut expected: Vec<Keyed> = all.iter().filter_map(|c| Scrambled.tie(c.chunk).map(|t| (*c, t))).collect();
            expected.sort_by(order);
            let expected: Vec<Scored> = expected.into_iter().take(depth).map(|k| k.0).collect();
            prop_assert_eq!(&top(all.iter().copied(), depth, &Scrambled), &expected);
            prop_assert_eq!(&top(all.iter().rev().copied(), depth, &Scrambled), &expected);
        }
    }
}
