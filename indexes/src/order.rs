//! The one order of candidates: score descending (f64, total order), then [`TieKey`](kenward_access::ids::TieKey) ascending.
//! Every cut goes through [`top`] or [`Top`]; storage order must never decide.

use crate::{Scored, TieOrder};
use std::cmp::Ordering;

/// Keeps the best `depth` candidates in the one order. Candidates without a tie key are dropped.
#[must_use]
pub fn top(candidates: impl IntoIterator<Item = Scored>, depth: usize, ties: &dyn TieOrder) -> Vec<Scored> {
    let mut top = Top::new(depth, ties);
    for candidate in candidates {
        top.push(candidate);
    }
    top.finish()
}

/// [`top`] for a stream: holds at most twice `depth` candidates. Tie keys are only compared where
/// scores are equal.
pub struct Top<'a> {
    ties: &'a dyn TieOrder,
    depth: usize,
    // INVARIANT: everything ever pushed and not in `kept` orders after `depth` members of `kept`.
    kept: Vec<Kept>,
    floor: f64,
    #[cfg(feature = "faults")]
    arrivals: u32,
}

#[derive(Clone, Copy)]
struct Kept {
    candidate: Scored,
    /// How many came before it; only the switch for storage order looks at it.
    #[cfg(feature = "faults")]
    arrival: u32,
}

fn order(ties: &dyn TieOrder, a: &Kept, b: &Kept) -> Ordering {
    let by_score = b.candidate.score.total_cmp(&a.candidate.score);
    #[cfg(feature = "faults")]
    if crate::faults::on(&crate::faults::STORAGE_ORDER) {
        return by_score.then(a.arrival.cmp(&b.arrival));
    }
    by_score.then_with(|| ties.tie(a.candidate.chunk).cmp(&ties.tie(b.candidate.chunk)))
}

impl<'a> Top<'a> {
    /// An empty list of at most `depth`.
    #[must_use]
    pub fn new(depth: usize, ties: &'a dyn TieOrder) -> Self {
        let kept = Vec::with_capacity(depth.saturating_mul(2).min(4096));
        Self {
            ties,
            depth,
            kept,
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
        // What is not published must not take a place, so this comes before any cut.
        if self.ties.tie(candidate.chunk).is_none() {
            return;
        }
        self.kept.push(Kept {
            candidate,
            #[cfg(feature = "faults")]
            arrival: self.arrivals,
        });
        #[cfg(feature = "faults")]
        {
            self.arrivals = self.arrivals.saturating_add(1);
        }
        if self.kept.len() >= self.depth.saturating_mul(2) {
            self.prune();
        }
    }

    fn prune(&mut self) {
        let Some(last) = self.depth.checked_sub(1).filter(|last| *last < self.kept.len()) else { return };
        let ties = self.ties;
        let (_, worst, _) = self.kept.select_nth_unstable_by(last, |a, b| order(ties, a, b));
        // Equal scores still get in: their tie keys decide.
        self.floor = worst.candidate.score;
        self.kept.truncate(self.depth);
    }

    /// The list, best first.
    #[must_use]
    pub fn finish(mut self) -> Vec<Scored> {
        self.prune();
        let ties = self.ties;
        self.kept.sort_unstable_by(|a, b| order(ties, a, b));
        self.kept.into_iter().map(|kept| kept.candidate).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kenward_access::ids::{ChunkNo, TieKey};
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
            let mut expected: Vec<(Scored, TieKey)> =
                all.iter().filter_map(|c| Scrambled.tie(c.chunk).map(|t| (*c, t))).collect();
            expected.sort_by(|a, b| b.0.score.total_cmp(&a.0.score).then(a.1.cmp(&b.1)));
            let expected: Vec<Scored> = expected.into_iter().take(depth).map(|k| k.0).collect();
            prop_assert_eq!(&top(all.iter().copied(), depth, &Scrambled), &expected);
            prop_assert_eq!(&top(all.iter().rev().copied(), depth, &Scrambled), &expected);
        }
    }
}
