//! What the cluster may know a passage and a class by: numbers that say nothing without the secret of its collection.
//! They are a keyed permutation, so they are reversed without a map, two are never the same, and those of another
//! collection mean nothing here. No name, text or document must ever be made into one.

use kenward_access::ids::ChunkNo;

/// What keys the numbers of one collection. It stays in the state beside the data, and never goes to the cluster.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Secret(pub [u8; 32]);

/// Turns of the permutation; four are enough for numbers that an enemy may choose, and they do not.
const ROUNDS: u8 = 6;

/// A point at the cluster: the passage, and how often another point stood for it before. One whose fate at the
/// cluster is not known is never used again: what arrives late changes a point that nobody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Point {
    pub chunk: ChunkNo,
    pub life: u32,
}

/// Turns passages and classes into numbers, and back.
#[derive(Clone)]
pub(super) struct Ids {
    points: [u8; 32],
    tags: [u8; 32],
    mark: [u8; 32],
}

impl Ids {
    pub(super) fn new(secret: &Secret) -> Self {
        let derived = |context: &str| blake3::derive_key(context, &secret.0);
        Self {
            points: derived("kenward 2026 qdrant point ids v1"),
            tags: derived("kenward 2026 qdrant tags v1"),
            mark: derived("kenward 2026 qdrant mark v1"),
        }
    }

    /// What the collection carries to be known again: it tells nothing of the secret.
    pub(super) fn mark(&self) -> String {
        data_encoding::HEXLOWER.encode(self.mark.get(..16).unwrap_or(&self.mark))
    }

    pub(super) fn point(&self, point: Point) -> u64 {
        turn(&self.points, u64::from(point.life) << 32 | u64::from(point.chunk.0))
    }

    /// The passage of a number. Any number gives one: whether it is there is for others to say.
    pub(super) fn passage(&self, id: u64) -> Point {
        let plain = turn_back(&self.points, id);
        Point { chunk: ChunkNo(plain as u32), life: (plain >> 32) as u32 }
    }

    /// The number of a class. Only its bits matter: the cluster compares them, and has no unsigned ones.
    pub(super) fn tag(&self, class: u32) -> i64 {
        turn(&self.tags, u64::from(class)).cast_signed()
    }

    /// The class of a number, if it is one.
    pub(super) fn class(&self, tag: i64) -> Option<u32> {
        u32::try_from(turn_back(&self.tags, tag.cast_unsigned())).ok()
    }
}

/// A Feistel network over two halves.
fn turn(key: &[u8; 32], plain: u64) -> u64 {
    let (mut left, mut right) = halves(plain);
    for round in 0..ROUNDS {
        (left, right) = (right, left ^ mixed(key, round, right));
    }
    u64::from(left) << 32 | u64::from(right)
}

fn turn_back(key: &[u8; 32], turned: u64) -> u64 {
    let (mut left, mut right) = halves(turned);
    for round in (0..ROUNDS).rev() {
        (left, right) = (right ^ mixed(key, round, left), left);
    }
    u64::from(left) << 32 | u64::from(right)
}

fn halves(number: u64) -> (u32, u32) {
    ((number >> 32) as u32, number as u32)
}

fn mixed(key: &[u8; 32], round: u8, half: u32) -> u32 {
    let [a, b, c, d] = half.to_le_bytes();
    let hash = blake3::keyed_hash(key, &[round, a, b, c, d]);
    let [a, b, c, d, ..] = *hash.as_bytes();
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_turned_is_turned_back(secret in any::<[u8; 32]>(), chunk in any::<u32>(), life in any::<u32>()) {
            let ids = Ids::new(&Secret(secret));
            let point = Point { chunk: ChunkNo(chunk), life };
            prop_assert_eq!(ids.passage(ids.point(point)), point);
            prop_assert_eq!(ids.class(ids.tag(chunk)), Some(chunk));
        }
    }

    #[test]
    fn numbers_of_neighbours_and_of_other_collections_have_nothing_in_common() {
        let (one, other) = (Ids::new(&Secret([1; 32])), Ids::new(&Secret([2; 32])));
        let all: Vec<u64> = (0..4_000).map(|n| one.point(Point { chunk: ChunkNo(n), life: 0 })).collect();
        // Nearly half of the bits of two neighbours differ; an order of the numbers says nothing of theirs.
        let differing: u32 = all.windows(2).map(|pair| (pair[0] ^ pair[1]).count_ones()).sum();
        assert!((30..34).contains(&(differing / 3_999)));
        let rising = all.windows(2).filter(|pair| pair[0] < pair[1]).count();
        assert!((1_800..2_200).contains(&rising));
        let again = all.iter().filter(|id| other.passage(**id).life == 0).count();
        assert_eq!(again, 0, "of another collection they are no points of this one");
        assert!((0..1_000).all(|class| other.class(one.tag(class)).is_none()));
        assert_ne!(one.mark(), other.mark());
    }
}
