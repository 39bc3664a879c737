//! The one order of candidates: score descending (f64, total order), then [`TieKey`] ascending.
//! Every cut goes through [`top`]; storage order must never decide.

use crate::{Scored, TieOrder};
use kenward_access::ids::TieKey;

/// Keeps the best `depth` candidates in the one order. Candidates without a tie key are dropped.
#[must_use]
pub fn top(candidates: impl IntoIterator<Item = Scored>, depth: usize, ties: &dyn TieOrder) -> Vec<Scored> {
    let mut keyed: Vec<(Scored, TieKey)> =
        candidates.into_iter().filter_map(|c| ties.tie(c.chunk).map(|t| (c, t))).collect();
    let order =
        |a: &(Scored, TieKey), b: &(Scored, TieKey)| b.0.score.total_cmp(&a.0.score).then(a.1.cmp(&b.1));
    if keyed.len() > depth && depth > 0 {
        keyed.select_nth_unstable_by(depth - 1, order);
        keyed.truncate(depth);
    }
    keyed.sort_unstable_by(order);
    keyed.truncate(depth);
    keyed.into_iter().map(|(scored, _)| scored).collect()
}
