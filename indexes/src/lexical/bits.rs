//! A fixed set of document numbers of one segment, with ranks: the visible ones get the places
//! 0, 1, 2 … in their order, so that a query needs memory for the visible only.

/// The set.
#[derive(Debug, Clone, Default)]
pub(super) struct Bits {
    words: Vec<u64>,
    /// Members before each word.
    before: Vec<u32>,
    len: u32,
    /// Documents that the segment has, deleted ones too.
    universe: u32,
}

impl Bits {
    /// The set of these, out of `0..universe`; others are left out.
    pub(super) fn new(universe: u32, members: impl IntoIterator<Item = u32>) -> Self {
        let mut words = vec![0u64; (universe as usize).div_ceil(64)];
        for member in members.into_iter().filter(|m| *m < universe) {
            if let Some(word) = words.get_mut(member as usize / 64) {
                *word |= 1 << (member % 64);
            }
        }
        let mut len = 0;
        let before = words
            .iter()
            .map(|word| {
                let so_far = len;
                len += word.count_ones();
                so_far
            })
            .collect();
        Self { words, before, len, universe }
    }

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// Whether every document of the segment is in: then a rank is the document's number.
    pub(super) fn is_full(&self) -> bool {
        self.len == self.universe
    }

    /// The document's rank, if it is in.
    #[inline]
    pub(super) fn rank(&self, document: u32) -> Option<u32> {
        let at = document as usize / 64;
        let word = *self.words.get(at)?;
        let bit = 1u64 << (document % 64);
        if word & bit == 0 {
            return None;
        }
        Some(self.before.get(at)? + (word & (bit - 1)).count_ones())
    }

    /// The first member from `document` on.
    pub(super) fn next_from(&self, document: u32) -> Option<u32> {
        let mut at = document as usize / 64;
        let mut word = self.words.get(at)? & (u64::MAX << (document % 64));
        while word == 0 {
            at += 1;
            word = *self.words.get(at)?;
        }
        Some(at as u32 * 64 + word.trailing_zeros())
    }

    /// The member of this rank.
    pub(super) fn select(&self, rank: u32) -> Option<u32> {
        if rank >= self.len {
            return None;
        }
        if self.is_full() {
            return Some(rank);
        }
        let at = self.before.partition_point(|before| *before <= rank).checked_sub(1)?;
        let mut word = *self.words.get(at)?;
        for _ in *self.before.get(at)?..rank {
            word &= word - 1;
        }
        Some(at as u32 * 64 + word.trailing_zeros())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0u32..).zip(&self.words).flat_map(|(at, word)| {
            let mut word = *word;
            std::iter::from_fn(move || {
                let bit = (word != 0).then(|| word.trailing_zeros())?;
                word &= word - 1;
                Some(at * 64 + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_set_and_ranks_are_places(members in prop::collection::btree_set(0u32..400, 0..120), universe in 0u32..420) {
            let bits = Bits::new(universe, members.iter().copied());
            let expected: Vec<u32> = members.iter().copied().filter(|m| *m < universe).collect();
            prop_assert_eq!(bits.len() as usize, expected.len());
            prop_assert_eq!(bits.iter().collect::<Vec<_>>(), expected.clone());
            prop_assert_eq!(bits.is_full(), expected.len() == universe as usize);
            for document in 0..430 {
                let place = expected.iter().position(|e| *e == document).map(|p| p as u32);
                prop_assert_eq!(bits.rank(document), place);
                prop_assert_eq!(bits.next_from(document), expected.iter().copied().find(|e| *e >= document));
                prop_assert_eq!(bits.select(document), expected.get(document as usize).copied());
            }
        }
    }
}
