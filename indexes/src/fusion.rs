//! Fusion of the two lists: a weighted sum of what each score is worth by itself, and of what each document has in both. Nothing
//! but the visible candidates may go into a fused value.
//!
//! A cosine is worth what it is: it means the same for every query. A BM25 score is not, so it is worth its share of the
//! best one in its list. How deep the lists are is therefore in no value, as it would be with min–max (Bruch, Gai and
//! Ingber, An Analysis of Fusion Functions for Hybrid Retrieval, ACM TOIS 2023).
//!
//! The words of a query often stand in one passage of a document, and its meaning in the next. So the best passage of a document
//! is worth what the document is: its best by words and its best by meaning, joined. The others are worth what they are.

use crate::{Scored, TieOrder, order};
use kenward_access::ids::{ChunkNo, TieKey};
use std::collections::{BTreeMap, HashMap};

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

/// What a passage has of each list.
#[derive(Debug, Clone, Copy, Default)]
struct Worth {
    words: f64,
    meaning: f64,
}

impl Worth {
    fn joined(self, weights: Weights) -> f64 {
        weights.lexical * self.words + weights.vector * self.meaning
    }
}

/// A document's best in each list, and its best passage.
struct Of {
    worth: Worth,
    best: (f64, TieKey, ChunkNo),
}

/// Joins two lists into one order of fused values in 0..=1; a chunk absent from a list gets 0 there. The best chunk of a
/// document gets the value of its document.
#[must_use]
pub fn fuse(lexical: &[Scored], vector: &[Scored], weights: Weights, ties: &dyn TieOrder) -> Vec<Scored> {
    let most = lexical.iter().map(|c| c.score).fold(f64::MIN_POSITIVE, f64::max);
    let mut worths: BTreeMap<ChunkNo, Worth> = BTreeMap::new();
    for candidate in lexical {
        worths.entry(candidate.chunk).or_default().words = (candidate.score / most).clamp(0.0, 1.0);
    }
    for candidate in vector {
        worths.entry(candidate.chunk).or_default().meaning = candidate.score.clamp(0.0, 1.0);
    }
    let mut documents: HashMap<[u8; 32], Of> = HashMap::new();
    for (chunk, worth) in &worths {
        // The unpublished have no place.
        let Some(tie) = ties.tie(*chunk) else { continue };
        let own = (worth.joined(weights), tie, *chunk);
        let of = documents.entry(tie.document).or_insert(Of { worth: *worth, best: own });
        of.worth.words = of.worth.words.max(worth.words);
        of.worth.meaning = of.worth.meaning.max(worth.meaning);
        // INVARIANT: of equals the first by its key, whatever the chunks' numbers.
        if own.0 > of.best.0 || own.0 == of.best.0 && own.1 < of.best.1 {
            of.best = own;
        }
    }
    let best: HashMap<ChunkNo, f64> =
        documents.into_values().map(|of| (of.best.2, of.worth.joined(weights))).collect();
    let depth = worths.len();
    let value = |(chunk, worth): (ChunkNo, Worth)| {
        let score = best.get(&chunk).copied().unwrap_or_else(|| worth.joined(weights));
        Scored { chunk, score }
    };
    order::top(worths.into_iter().map(value), depth, ties)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A document each.
    struct Reversed;
    impl TieOrder for Reversed {
        fn tie(&self, chunk: ChunkNo) -> Option<TieKey> {
            (chunk.0 != 99).then_some(TieKey { document: [255 - chunk.0 as u8; 32], ordinal: 0 })
        }
    }

    /// Ten to a document.
    struct Tens;
    impl TieOrder for Tens {
        fn tie(&self, chunk: ChunkNo) -> Option<TieKey> {
            (chunk.0 != 99).then_some(TieKey { document: [(chunk.0 / 10) as u8; 32], ordinal: chunk.0 % 10 })
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

    #[test]
    fn the_best_passage_of_a_document_is_worth_what_the_document_is() {
        // 11 has the words and 12 the meaning; 21 has something of both, and more than either.
        let lexical = list(&[(11, 8.0), (21, 6.0), (13, 2.0)]);
        let vector = list(&[(12, 0.875), (21, 0.5), (13, 0.25)]);
        let fused = fuse(&lexical, &vector, HALVES, &Tens);
        assert_eq!(fused, list(&[(11, 0.9375), (21, 0.625), (12, 0.4375), (13, 0.25)]));
        assert_eq!(fuse(&lexical, &[], HALVES, &Tens), list(&[(11, 0.5), (21, 0.375), (13, 0.125)]));
        // Of equals the first of the document.
        let equal = fuse(&list(&[(15, 4.0), (13, 4.0)]), &list(&[(18, 0.5)]), HALVES, &Tens);
        assert_eq!(equal, list(&[(13, 0.75), (15, 0.5), (18, 0.25)]));
    }

    proptest! {
        /// What else is there changes the value of no passage of other documents, and the order of none.
        #[test]
        fn other_documents_change_no_value(
            words in prop::collection::btree_map(0u32..60, 1u32..9, 1..30),
            meanings in prop::collection::btree_map(0u32..60, 0u32..9, 0..30),
            document in 0u32..6,
        ) {
            let words: Vec<_> = words.into_iter().map(|(n, s)| (n, f64::from(s))).chain([(77, 9.0)]).collect();
            let meanings: Vec<_> = meanings.into_iter().map(|(n, s)| (n, f64::from(s) / 9.0)).collect();
            let without = |of: &[(u32, f64)]| -> Vec<(u32, f64)> {
                of.iter().copied().filter(|(n, _)| n / 10 != document).collect()
            };
            let all = fuse(&list(&words), &list(&meanings), HALVES, &Tens);
            let less = fuse(&list(&without(&words)), &list(&without(&meanings)), HALVES, &Tens);
            let rest: Vec<Scored> = all.into_iter().filter(|c| c.chunk.0 / 10 != document).collect();
            prop_assert_eq!(rest, less);
        }
    }
}
