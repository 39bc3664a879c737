//! What every engine must do: one suite over [`VectorIndex`], run by each implementation. `make` opens
//! the engine in a folder of its own, empty the first time and as it was left afterwards.

use super::{VectorError, VectorIndex, VectorSnapshot};
use crate::testing::{ByHash, bits, folder, seeing};
use crate::{Scored, order};
use kenward_access::ids::ChunkNo;
use std::collections::BTreeMap;
use std::path::Path;

/// Opens the engine for vectors of so many numbers.
pub(super) type Open = dyn Fn(&Path, usize) -> Result<Box<dyn VectorIndex>, VectorError>;

/// A small generator, so that a failure can be run again.
pub(super) struct Numbers(pub u64);

impl Numbers {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    pub(super) fn vector(&mut self, dimension: usize) -> Vec<f32> {
        // Few distinct values, so that equal scores happen.
        let mut vector: Vec<f32> = (0..dimension).map(|_| (self.next() % 5) as f32 - 2.0).collect();
        vector[0] += 0.5;
        let length = vector.iter().map(|n| n * n).sum::<f32>().sqrt();
        vector.iter().map(|n| n / length).collect()
    }
}

fn search(snapshot: &dyn VectorSnapshot, query: &[f32], seen: &[u32], depth: usize) -> Vec<Scored> {
    seeing(seen.iter().copied(), [], |visible| {
        snapshot.search(query, visible, &|_| true, depth, &ByHash).unwrap()
    })
}

/// Runs the whole suite.
pub(super) fn run(open: &Open) {
    finds_what_a_plain_list_finds(open);
    hidden_vectors_change_nothing(open);
    keeps_commits_and_nothing_else(open);
    refuses_what_is_no_direction(open);
}

/// Random appends, replacements, deletes, commits and reopenings, against a map in memory.
fn finds_what_a_plain_list_finds(open: &Open) {
    for seed in 0..12 {
        let folder = folder();
        let mut numbers = Numbers(seed);
        let dimension = [1, 3, 16, 37][seed as usize % 4];
        let mut index = open(folder.path(), dimension).unwrap();
        let mut live: BTreeMap<u32, Vec<f32>> = BTreeMap::new();
        for position in 1..30u64 {
            for _ in 0..numbers.next() % 40 {
                let chunk = (numbers.next() % 200) as u32;
                if numbers.next().is_multiple_of(4) {
                    index.delete(&[ChunkNo(chunk)]).unwrap();
                    live.remove(&chunk);
                } else {
                    let vector = numbers.vector(dimension);
                    index.append(&[(ChunkNo(chunk), vector.clone())]).unwrap();
                    live.insert(chunk, vector);
                }
            }
            index.commit(position).unwrap();
            if numbers.next().is_multiple_of(5) {
                drop(index);
                index = open(folder.path(), dimension).unwrap();
            }
            assert_eq!(index.position(), position);
            let snapshot = index.snapshot();
            assert_eq!((snapshot.len(), snapshot.is_empty()), (live.len(), live.is_empty()));
            assert!(snapshot.chunks().map(|chunk| chunk.0).eq(live.keys().copied()));
            let seen: Vec<u32> = (0..220).filter(|_| numbers.next().is_multiple_of(3)).collect();
            let query = numbers.vector(dimension);
            let found = search(snapshot.as_ref(), &query, &seen, 7);
            let cosine =
                |v: &[f32]| v.iter().zip(&query).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
            let visible = live.iter().filter(|(chunk, _)| seen.contains(chunk));
            let mut best: Vec<f64> = visible.map(|(_, vector)| cosine(vector)).collect();
            best.sort_by(|a, b| b.total_cmp(a));
            assert_eq!(found.len(), best.len().min(7));
            for (candidate, score) in found.iter().zip(best) {
                assert!((candidate.score - score).abs() < 1e-5);
                assert!((candidate.score - cosine(&live[&candidate.chunk.0])).abs() < 1e-5);
            }
            let cut_again = order::top(found.iter().copied(), 7, &ByHash);
            assert_eq!(bits(&found), bits(&cut_again), "the one order");
        }
    }
}

/// Two engines, one with hidden vectors around, above and below: the same answers to the bit.
fn hidden_vectors_change_nothing(open: &Open) {
    let (folder_a, folder_b) = (folder(), folder());
    let (mut a, mut b) = (open(folder_a.path(), 24).unwrap(), open(folder_b.path(), 24).unwrap());
    let mut numbers = Numbers(99);
    let seen: Vec<u32> = (0..300).filter(|n| n % 3 == 1).collect();
    for chunk in 0..300u32 {
        let vector = numbers.vector(24);
        a.append(&[(ChunkNo(chunk), vector.clone())]).unwrap();
        if seen.contains(&chunk) {
            b.append(&[(ChunkNo(chunk), vector)]).unwrap();
        }
        if chunk % 37 == 0 {
            a.commit(u64::from(chunk)).unwrap();
        }
    }
    a.delete(&[ChunkNo(0), ChunkNo(299)]).unwrap();
    a.commit(500).unwrap();
    b.commit(1).unwrap();
    for depth in [1, 10, 400] {
        let query = numbers.vector(24);
        let (in_a, in_b) = (a.snapshot(), b.snapshot());
        assert_eq!(
            bits(&search(in_a.as_ref(), &query, &seen, depth)),
            bits(&search(in_b.as_ref(), &query, &seen, depth))
        );
        // A filter comes before the cut.
        let odd = |chunk: ChunkNo| chunk.0 % 2 == 1;
        let filtered = seeing(seen.iter().copied(), [], |visible| {
            in_a.search(&query, visible, &odd, depth, &ByHash).unwrap()
        });
        let all = search(in_b.as_ref(), &query, &seen, 400);
        let expected: Vec<Scored> = all.into_iter().filter(|c| odd(c.chunk)).take(depth).collect();
        assert_eq!(bits(&filtered), bits(&expected));
    }
}

fn keeps_commits_and_nothing_else(open: &Open) {
    let folder = folder();
    let mut index = open(folder.path(), 4).unwrap();
    assert_eq!(index.position(), 0);
    let vector = vec![1.0, 0.0, 0.0, 0.0];
    index.append(&[(ChunkNo(1), vector.clone())]).unwrap();
    index.commit(5).unwrap();
    let before = index.snapshot();
    index.append(&[(ChunkNo(2), vector.clone())]).unwrap();
    index.delete(&[ChunkNo(1)]).unwrap();
    assert_eq!(search(index.snapshot().as_ref(), &vector, &[1, 2], 9).len(), 1, "not committed yet");
    drop(index);
    let mut index = open(folder.path(), 4).unwrap();
    assert_eq!((index.position(), index.snapshot().len()), (5, 1));
    index.delete(&[ChunkNo(1), ChunkNo(77)]).unwrap();
    index.commit(6).unwrap();
    assert!(search(index.snapshot().as_ref(), &vector, &[1, 2], 9).is_empty());
    assert_eq!(search(before.as_ref(), &vector, &[1, 2], 9).len(), 1, "a snapshot stays as it was");
}

fn refuses_what_is_no_direction(open: &Open) {
    let folder = folder();
    let mut index = open(folder.path(), 2).unwrap();
    let mut append = |vector: Vec<f32>| index.append(&[(ChunkNo(1), vector)]);
    assert!(matches!(append(vec![1.0]), Err(VectorError::Dimension { expected: 2, got: 1 })));
    assert!(matches!(append(vec![f32::NAN, 1.0]), Err(VectorError::NotFinite)));
    assert!(matches!(append(vec![f32::INFINITY, 1.0]), Err(VectorError::NotFinite)));
    assert!(matches!(append(vec![0.0, 0.0]), Err(VectorError::Zero)));
    index.commit(1).unwrap();
    assert!(index.snapshot().is_empty());
    let asked = |query: &[f32]| seeing([1], [], |v| index.snapshot().search(query, v, &|_| true, 5, &ByHash));
    assert!(matches!(asked(&[1.0, 0.0, 0.0]), Err(VectorError::Dimension { .. })));
    assert!(matches!(asked(&[f32::NAN, 0.0]), Err(VectorError::NotFinite)));
    assert!(matches!(open(folder.path(), 3).err(), Some(VectorError::Dimension { expected: 2, got: 3 })));
}
