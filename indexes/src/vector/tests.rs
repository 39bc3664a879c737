//! The embedded engine: the suite that all run, and what happens to its files.

use super::compaction::HELD;
use super::conformance::{self, Numbers};
use super::flat::{FlatIndex, Sizes, unit};
use super::nearest::{Wanted, nearest};
use super::{
    VectorError, VectorIndex, VectorSnapshot as _, open_flat, open_flat_of, salvage_flat, surviving_flat,
    verify_flat,
};
use crate::embedding::EmbeddingSpace;
use crate::testing::{ByHash, bits, folder, seeing};
use kenward_access::ids::ChunkNo;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[test]
fn flat_conforms() {
    conformance::run(&open_flat);
}

/// With segments of a few rows, so that they are written anew while others are deleted, replaced and appended.
#[test]
fn flat_conforms_while_it_compacts() {
    let sizes = Sizes { segment: 16, waste: 2 };
    conformance::run(&move |dir, dimension| Ok(Box::new(FlatIndex::open(dir, dimension, None, sizes)?)));
}

const DIMENSION: usize = 8;

fn filled(folder: &Path) -> Box<dyn VectorIndex> {
    let mut index = open_flat(folder, DIMENSION).unwrap();
    let mut numbers = Numbers(7);
    for position in 1..4u64 {
        let rows: Vec<_> =
            (0..50).map(|n| (ChunkNo(position as u32 * 100 + n), numbers.vector(DIMENSION))).collect();
        index.append(&rows).unwrap();
        index.commit(position).unwrap();
    }
    index
}

fn answers(index: &dyn VectorIndex) -> Vec<(u32, u64)> {
    let query = Numbers(3).vector(DIMENSION);
    seeing(0..1_000_000, [], |visible| {
        bits(&index.snapshot().search(&query, visible, &|_| true, 1000, &ByHash).unwrap())
    })
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn a_torn_tail_is_cut_and_nothing_committed_is_lost() {
    let folder = folder();
    let expected = answers(filled(folder.path()).as_ref());
    for file in files(folder.path()) {
        if file.extension().is_some() {
            let whole = fs::read(&file).unwrap();
            fs::write(&file, [whole.as_slice(), b"torn"].concat()).unwrap();
        }
    }
    fs::write(folder.path().join("00000009.f32"), b"of a commit that never was").unwrap();
    fs::write(folder.path().join("manifest.new"), b"half").unwrap();
    verify_flat(folder.path(), DIMENSION).unwrap();
    let mut index = open_flat(folder.path(), DIMENSION).unwrap();
    assert_eq!((answers(index.as_ref()), index.position()), (expected.clone(), 3));
    assert!(!folder.path().join("00000009.f32").exists());
    index.append(&[(ChunkNo(9), Numbers(1).vector(DIMENSION))]).unwrap();
    index.commit(4).unwrap();
    assert_eq!(answers(open_flat(folder.path(), DIMENSION).unwrap().as_ref()).len(), expected.len() + 1);
}

/// The first pass rules out only what cannot be among the best: with a depth at which it rules out nothing, the head is
/// the same to the bit, equal scores and copies of a vector among them.
#[test]
fn whole_numbers_decide_nothing() {
    for (dimension, values) in [(1, 2), (3, 1000), (16, 3), (37, 5), (384, 1000), (385, 2)] {
        let folder = folder();
        let mut numbers = Numbers(dimension as u64);
        let mut index = FlatIndex::open(folder.path(), dimension, None, Sizes::default()).unwrap();
        let vector = |numbers: &mut Numbers| {
            let mut of = || (numbers.next() % values) as f32 / values as f32 - 0.3;
            (0..dimension).map(|_| of()).collect::<Vec<f32>>()
        };
        let mut rows: Vec<_> = (0..900).map(|n| (ChunkNo(n), vector(&mut numbers))).collect();
        for n in 0..300 {
            rows.push((ChunkNo(900 + n), rows[n as usize % 40].1.clone()));
        }
        index.append(&rows).unwrap();
        index.commit(1).unwrap();
        let snapshot = index.flat_snapshot();
        for round in 0..20 {
            let query = if round < 10 { vector(&mut numbers) } else { rows[round * 7].1.clone() };
            let seen: Vec<u32> = (0..1200).filter(|n| round % 4 == 0 || n % 3 != 1).collect();
            let of = |depth| {
                seeing(seen.iter().copied(), [], |visible| {
                    let accept = |chunk: ChunkNo| round % 5 != 0 || chunk.0 % 7 != 2;
                    bits(&snapshot.search(&query, visible, &accept, depth, &ByHash).unwrap())
                })
            };
            let by = |threads| {
                seeing(seen.iter().copied(), [], |visible| {
                    let accept = |chunk: ChunkNo| round % 5 != 0 || chunk.0 % 7 != 2;
                    let query = &unit(&query, dimension).unwrap();
                    let wanted = Wanted { query, accept: &accept, depth: 10, ties: &ByHash };
                    bits(&nearest(&snapshot, &visible, &wanted, threads).unwrap())
                })
            };
            let all = of(usize::MAX);
            for depth in [0, 1, 2, 10, 100, 399] {
                assert_eq!(of(depth), all[..depth.min(all.len())], "{dimension} {round} {depth}");
            }
            for threads in 1..6 {
                assert_eq!(by(threads), of(10), "{dimension} {round}: {threads} threads");
            }
        }
    }
}

#[test]
fn whole_numbers_that_are_gone_or_wrong_at_the_end_are_made_again() {
    let folder = folder();
    let expected = answers(filled(folder.path()).as_ref());
    let path = folder.path().join("00000001.i8");
    let good = fs::read(&path).unwrap();
    let mut wrong = good.clone();
    *wrong.last_mut().unwrap() ^= 1;
    let mut other = good.clone();
    other[12] = 9;
    let shorter = good[..good.len() - 1].to_vec();
    let longer = [good.as_slice(), b"torn"].concat();
    // A file of another kind, of the length that it should have.
    let swapped = fs::read(folder.path().join("00000001.f32")).unwrap()[..good.len()].to_vec();
    for bytes in
        [None, Some(wrong), Some(other), Some(shorter), Some(longer), Some(swapped), Some(Vec::new())]
    {
        match bytes {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        fs::write(folder.path().join("00000001.i8.new"), b"half of one").unwrap();
        let index = open_flat(folder.path(), DIMENSION).unwrap();
        assert_eq!(answers(index.as_ref()), expected);
        drop(index);
        assert_eq!(fs::read(&path).unwrap(), good);
        assert!(!folder.path().join("00000001.i8.new").exists());
    }
}

#[test]
fn every_flipped_byte_is_found() {
    let folder = folder();
    drop(filled(folder.path()));
    for file in files(folder.path()) {
        let whole = fs::read(&file).unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x20;
            fs::write(&file, &damaged).unwrap();
            let verified = verify_flat(folder.path(), DIMENSION);
            assert!(
                matches!(verified, Err(VectorError::Damaged { .. })),
                "byte {at} of {} went unseen: {verified:?}",
                file.display()
            );
        }
        fs::write(&file, &whole).unwrap();
    }
    verify_flat(folder.path(), DIMENSION).unwrap();
}

/// Wherever a byte is another one, what is let go of is its batch, and the rest answers as before.
#[test]
fn what_is_not_damaged_is_saved() {
    let folder = folder();
    let all = answers(filled(folder.path()).as_ref());
    let batch = |chunk: u32| chunk / 100;
    for file in files(folder.path()).into_iter().filter(|file| file.extension().is_some()) {
        for at in [3, 20, 16 + 50 * 4 * DIMENSION + 5] {
            let whole: Vec<(PathBuf, Vec<u8>)> =
                files(folder.path()).into_iter().map(|f| (f.clone(), fs::read(f).unwrap())).collect();
            let mut damaged = fs::read(&file).unwrap();
            let at = at.min(damaged.len() - 1);
            damaged[at] ^= 1;
            fs::write(&file, &damaged).unwrap();
            let survived = surviving_flat(folder.path(), DIMENSION).unwrap();
            salvage_flat(folder.path(), DIMENSION).unwrap();
            verify_flat(folder.path(), DIMENSION).unwrap();
            let left = answers(open_flat(folder.path(), DIMENSION).unwrap().as_ref());
            let named: Vec<u32> = survived.iter().map(|chunk| chunk.0).collect();
            let expected: Vec<_> = all.iter().copied().filter(|(chunk, _)| named.contains(chunk)).collect();
            assert_eq!(left, expected, "byte {at} of {}", file.display());
            let batches: std::collections::BTreeSet<u32> = named.iter().copied().map(batch).collect();
            let saved = match file.extension().unwrap().to_str().unwrap() {
                "i8" => 3,
                "f32" if at >= 16 => 2,
                _ => 0,
            };
            assert_eq!(batches.len(), saved, "byte {at} of {}", file.display());
            assert_eq!(named.len(), saved * 50);
            for (path, bytes) in whole {
                fs::write(path, bytes).unwrap();
            }
        }
    }
}

#[test]
fn short_and_missing_files_and_a_damaged_last_commit_do_not_open() {
    let folder = folder();
    drop(filled(folder.path()));
    let refused = |what: &str| {
        let opened = open_flat(folder.path(), DIMENSION).err();
        assert!(matches!(opened, Some(VectorError::Damaged { .. })), "{what}: {opened:?}");
    };
    // Whole numbers are made again.
    for file in
        files(folder.path()).into_iter().filter(|file| file.extension().is_none_or(|kind| kind != "i8"))
    {
        let whole = fs::read(&file).unwrap();
        fs::write(&file, &whole[..whole.len() - 1]).unwrap();
        refused("short");
        let mut end = whole.clone();
        let last = end.len() - 3;
        end[last] ^= 1;
        fs::write(&file, &end).unwrap();
        refused("other bytes at the end");
        if file.extension().is_some() {
            fs::remove_file(&file).unwrap();
            refused("missing");
        }
        fs::write(&file, &whole).unwrap();
    }
    assert_eq!(open_flat(folder.path(), DIMENSION).unwrap().position(), 3);
}

#[test]
fn compaction_reclaims_space_and_changes_no_answer() {
    let folder = folder();
    let mut index = open_flat(folder.path(), DIMENSION).unwrap();
    let mut numbers = Numbers(11);
    let rows: Vec<_> = (0..4000).map(|n| (ChunkNo(n), numbers.vector(DIMENSION))).collect();
    index.append(&rows).unwrap();
    index.commit(1).unwrap();
    let size = |folder: &Path| files(folder).iter().map(|f| fs::metadata(f).unwrap().len()).sum::<u64>();
    let full = size(folder.path());
    let before = index.snapshot();
    let query = numbers.vector(DIMENSION);
    let kept: Vec<u32> = (0..4000).filter(|n| n % 4 == 0).collect();
    let of = |snapshot: &dyn super::VectorSnapshot| {
        seeing(kept.iter().copied(), [], |visible| {
            bits(&snapshot.search(&query, visible, &|_| true, 4000, &ByHash).unwrap())
        })
    };
    let expected = of(before.as_ref());
    let dead: Vec<_> = (0..4000).filter(|n| n % 4 != 0).map(ChunkNo).collect();
    index.delete(&dead).unwrap();
    index.commit(2).unwrap();
    assert_eq!(of(index.snapshot().as_ref()), expected);
    // It goes on beside, and a later commit takes it.
    let deadline = Instant::now() + Duration::from_secs(60);
    while size(folder.path()) >= full / 3 {
        assert!(Instant::now() < deadline, "{} of {full} bytes are left", size(folder.path()));
        std::thread::sleep(Duration::from_millis(5));
        index.commit(2).unwrap();
    }
    assert_eq!(of(index.snapshot().as_ref()), expected);
    assert_eq!(of(before.as_ref()), expected, "a snapshot outlives the files it maps");
    drop(index);
    verify_flat(folder.path(), DIMENSION).unwrap();
    assert_eq!(of(open_flat(folder.path(), DIMENSION).unwrap().snapshot().as_ref()), expected);
}

/// Rows are appended, replaced and deleted while the one segment that there is is being written anew.
#[test]
fn what_is_committed_while_a_compaction_runs_stays() {
    let (folder, plain) = (folder(), folder());
    let sizes = Sizes { segment: 100, waste: 10 };
    let mut index = FlatIndex::open(folder.path(), DIMENSION, None, sizes).unwrap();
    let mut beside = open_flat(plain.path(), DIMENSION).unwrap();
    let mut numbers = Numbers(5);
    let mut position = 0;
    let mut both = |index: &mut FlatIndex, append: &[u32], delete: &[u32]| {
        let rows: Vec<_> = append.iter().map(|n| (ChunkNo(*n), numbers.vector(DIMENSION))).collect();
        let gone: Vec<_> = delete.iter().copied().map(ChunkNo).collect();
        position += 1;
        for index in [index as &mut dyn VectorIndex, beside.as_mut()] {
            index.append(&rows).unwrap();
            index.delete(&gone).unwrap();
            index.commit(position).unwrap();
        }
        assert_eq!(answers(index), answers(beside.as_ref()));
    };
    both(&mut index, &(0..50).collect::<Vec<_>>(), &[]);
    let first = folder.path().join("00000001.f32");
    {
        let _held = HELD.write();
        both(&mut index, &[], &(0..40).collect::<Vec<_>>());
        both(&mut index, &(60..90).collect::<Vec<_>>(), &[41]);
        both(&mut index, &[42, 3], &[61]);
        assert!(first.exists());
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    while first.exists() {
        assert!(Instant::now() < deadline, "it was never taken");
        std::thread::sleep(Duration::from_millis(5));
        both(&mut index, &[], &[]);
    }
    both(&mut index, &[95], &[43]);
    let expected = answers(&index);
    drop(index);
    verify_flat(folder.path(), DIMENSION).unwrap();
    let again = FlatIndex::open(folder.path(), DIMENSION, None, sizes).unwrap();
    assert_eq!(answers(&again), expected);
}

#[test]
fn a_compaction_that_finds_damage_copies_none_of_it() {
    let folder = folder();
    let sizes = Sizes { segment: 100, waste: 10 };
    let open = || FlatIndex::open(folder.path(), DIMENSION, None, sizes).unwrap();
    let mut index = open();
    let mut numbers = Numbers(11);
    let rows: Vec<_> = (0..220).map(|n| (ChunkNo(n), numbers.vector(DIMENSION))).collect();
    index.append(&rows).unwrap();
    index.commit(1).unwrap();
    // A flipped bit in a row of the first segment, which opening does not look at.
    let path = folder.path().join("00000001.f32");
    let at = 16 + 99 * 4 * DIMENSION;
    let flipped = fs::read(&path).unwrap()[at] ^ 1;
    fs::OpenOptions::new().write(true).open(&path).unwrap().write_all_at(&[flipped], at as u64).unwrap();
    index.delete(&(0..99).map(ChunkNo).collect::<Vec<_>>()).unwrap();
    for position in 2..12 {
        index.commit(position).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(index);
    assert!(path.exists());
    let verified = verify_flat(folder.path(), DIMENSION);
    assert!(matches!(verified, Err(VectorError::Damaged { .. })), "{verified:?}");
}

#[test]
fn many_commits_and_full_segments_leave_a_small_manifest() {
    let folder = folder();
    let mut index = open_flat(folder.path(), 1).unwrap();
    let mut next = 0u32;
    for rows in std::iter::repeat_n(1, 300).chain([70_000, 5]) {
        let batch: Vec<_> =
            (next..next + rows).map(|n| (ChunkNo(n), vec![if n % 3 == 0 { 1.0 } else { -1.0 }])).collect();
        next += rows;
        index.append(&batch).unwrap();
        index.commit(u64::from(next)).unwrap();
    }
    let manifest = fs::metadata(folder.path().join("manifest")).unwrap().len();
    assert!(manifest < 64 * 1024, "{manifest} bytes");
    drop(index);
    verify_flat(folder.path(), 1).unwrap();
    let index = open_flat(folder.path(), 1).unwrap();
    assert_eq!((index.snapshot().len() as u32, index.position()), (next, u64::from(next)));
    let found = seeing([299, 300, 65_535, 65_536, next - 1, next], [], |visible| {
        bits(&index.snapshot().search(&[1.0], visible, &|_| true, 9, &ByHash).unwrap())
    });
    let near: Vec<u32> = found.iter().filter(|c| c.1 == 1.0f64.to_bits()).map(|c| c.0).collect();
    assert_eq!(found.len(), 5);
    assert!(near.iter().all(|n| n % 3 == 0) && near.contains(&300) && near.contains(&65_535), "{near:?}");
}

#[test]
fn an_index_keeps_its_space_and_opens_for_no_other() {
    let folder = folder();
    let space = |engine: &str| EmbeddingSpace {
        engine: engine.to_owned(),
        ..crate::embedding::hashing(3).space().clone()
    };
    // One that was made before indexes kept it takes the space that it is first opened for.
    let mut old = open_flat(folder.path(), 3).unwrap();
    old.append(&[(ChunkNo(1), vec![1.0, 0.0, 0.0])]).unwrap();
    old.commit(1).unwrap();
    drop(old);
    for _ in 0..2 {
        assert_eq!(open_flat_of(folder.path(), &space("one")).unwrap().snapshot().len(), 1);
        let error = open_flat_of(folder.path(), &space("other")).err().unwrap();
        assert!(matches!(error, VectorError::Space { .. }), "{error}");
    }
}
