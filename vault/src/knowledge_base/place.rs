//! Where a candidate stands in the order of a search, as a cursor keeps it. It must be a total order of its own, so that a
//! page goes on at the same place whatever else has come or gone meanwhile.

use kenward_access::ids::TieKey;
use std::cmp::Ordering;

/// What the reranker scored comes first; then by value, higher first; then by tie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Whether `value` is the reranker's; else it is the fused one.
    pub(super) reranked: bool,
    pub(super) value: f64,
    pub(super) tie: TieKey,
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        let reranked = other.reranked.cmp(&self.reranked);
        reranked.then_with(|| other.value.total_cmp(&self.value)).then_with(|| self.tie.cmp(&other.tie))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Place {}

/// The last place of a page, and how many results were given up to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Position {
    pub(super) place: Place,
    pub(super) given: u32,
}

impl Position {
    pub(super) fn write(&self) -> Vec<u8> {
        let Place { reranked, value, tie } = self.place;
        let mut key = vec![u8::from(reranked)];
        key.extend_from_slice(&value.to_bits().to_be_bytes());
        key.extend_from_slice(&tie.document);
        key.extend_from_slice(&tie.ordinal.to_be_bytes());
        key.extend_from_slice(&self.given.to_be_bytes());
        key
    }

    pub(super) fn read(key: &[u8]) -> Option<Self> {
        let (reranked, rest) = key.split_first()?;
        let (value, rest) = rest.split_first_chunk::<8>()?;
        let (document, rest) = rest.split_first_chunk::<32>()?;
        let (ordinal, rest) = rest.split_first_chunk::<4>()?;
        let given = u32::from_be_bytes(rest.try_into().ok()?);
        let tie = TieKey { document: *document, ordinal: u32::from_be_bytes(*ordinal) };
        let value = f64::from_bits(u64::from_be_bytes(*value));
        Some(Self { place: Place { reranked: *reranked != 0, value, tie }, given })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place() -> impl Strategy<Value = Place> {
        (any::<bool>(), -2i8..3, 0u8..3, 0u32..2).prop_map(|(reranked, value, document, ordinal)| Place {
            reranked,
            value: f64::from(value) / 3.0,
            tie: TieKey { document: [document; 32], ordinal },
        })
    }

    proptest! {
        #[test]
        fn a_position_is_read_as_it_was_written(place in place(), given: u32) {
            let position = Position { place, given };
            prop_assert_eq!(Position::read(&position.write()), Some(position));
        }

        #[test]
        fn what_was_scored_again_comes_first_and_then_the_higher_value(a in place(), b in place()) {
            let first = |one: &Place, other: &Place| {
                (one.reranked && !other.reranked)
                    || (one.reranked == other.reranked
                        && (one.value > other.value || (one.value == other.value && one.tie < other.tie)))
            };
            prop_assert_eq!(a < b, first(&a, &b));
            prop_assert_eq!(a > b, first(&b, &a));
        }
    }

    #[test]
    fn what_is_no_position_is_none() {
        assert_eq!(Position::read(&[]), None);
        assert_eq!(Position::read(&[0; 48]), None);
        assert_eq!(Position::read(&[0; 50]), None);
    }
}
