//! Compaction: segments of which most is deleted, or which are many and small, are written anew as one, on a thread of
//! its own, while commits and searches go on. The next commit after its end takes what it wrote; until then nothing
//! names it, so a process that ends in between loses nothing but work. It must never copy what is damaged: that would be
//! damage with a good checksum.

use super::VectorError;
use super::flat::{FlatSnapshot, Place, Sizes};
use super::manifest::{SegmentEntry, chunks_path, coarse_path, vectors_path};
use super::segment;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Rows that are written at once.
const PART: usize = 4_096;
/// Small segments that are worth one instead.
const MANY: usize = 4;

/// While a test holds it, compactions that have begun wait.
#[cfg(test)]
pub(super) static HELD: parking_lot::RwLock<()> = parking_lot::RwLock::new(());

/// One that is under way.
pub(super) struct Compaction {
    /// Numbers of the segments that it is to replace. Nothing is appended to them any more.
    pub of: Vec<u64>,
    number: u64,
    dir: PathBuf,
    stop: Arc<AtomicBool>,
    /// None when it was waited for.
    thread: Option<JoinHandle<Result<Written, VectorError>>>,
}

/// What it wrote: a segment, and the chunk of each of its rows, ascending.
pub(super) struct Written {
    pub number: u64,
    pub entry: SegmentEntry,
    pub chunks: Vec<u32>,
}

impl Compaction {
    /// Begins to write the live rows of some segments anew, under a number of their own.
    pub(super) fn begin(
        dir: &Path,
        number: u64,
        of: Vec<SegmentEntry>,
        snapshot: Arc<FlatSnapshot>,
        rows: Vec<Place>,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (numbers, folder, stopped) =
            (of.iter().map(|entry| entry.number).collect(), dir.to_owned(), Arc::clone(&stop));
        let thread = std::thread::Builder::new().name("vector compaction".to_owned()).spawn(move || {
            #[cfg(test)]
            drop(HELD.read());
            let dimension = snapshot.dimension();
            for entry in &of {
                segment::inspect(&folder, entry, dimension)?;
            }
            let mut entry = SegmentEntry::new(number);
            for part in rows.chunks(PART) {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let (mut chunks, mut vectors) = (Vec::new(), Vec::new());
                for place in part {
                    chunks.extend_from_slice(&place.chunk.to_le_bytes());
                    vectors.extend_from_slice(snapshot.row(*place).ok_or_else(FlatSnapshot::damaged)?);
                }
                let batch = segment::append(&folder, number, entry.rows(), dimension, &chunks, &vectors)?;
                entry.batches.push(batch);
            }
            Ok(Written { number, entry, chunks: rows.iter().map(|place| place.chunk).collect() })
        });
        Self { of: numbers, number, dir: dir.to_owned(), stop, thread: thread.ok() }
    }

    /// Whether it came to an end.
    pub(super) fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// What it wrote; `None` if it failed: then what it wrote is taken away, and a later one may try again.
    pub(super) fn end(mut self) -> Option<Written> {
        let written = self.thread.take().map(JoinHandle::join);
        match written {
            Some(Ok(Ok(written))) => return Some(written),
            Some(Ok(Err(error))) => tracing::warn!(%error, "vector segments could not be compacted"),
            Some(Err(_)) | None => tracing::warn!("vector segments could not be compacted"),
        }
        for path in [vectors_path, chunks_path, coarse_path] {
            let _ = std::fs::remove_file(path(&self.dir, self.number));
        }
        None
    }
}

impl Drop for Compaction {
    /// Nobody writes into a folder that is closed.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Which segments are worth it, given how many rows of each are live: those of which most is deleted, and those that
/// are small though nothing is appended to them any more, where there are several; as many as fit into one.
pub(super) fn worth_it(segments: &[SegmentEntry], live: &[u32], sizes: Sizes) -> Vec<usize> {
    let wasteful = |at: &usize, entry: &SegmentEntry| {
        let dead = entry.rows().saturating_sub(live.get(*at).copied().unwrap_or(0));
        dead >= sizes.waste && u64::from(dead) * 2 > u64::from(entry.rows())
    };
    let small =
        |at: &usize, entry: &SegmentEntry| at + 1 < segments.len() && entry.rows() < sizes.segment / 2;
    let many = segments.iter().enumerate().filter(|(at, entry)| small(at, entry)).count() >= MANY;
    let mut room = sizes.segment;
    let worth =
        segments.iter().enumerate().filter(|(at, entry)| wasteful(at, entry) || many && small(at, entry));
    let chosen = worth.filter(|(at, _)| {
        let left = live.get(*at).and_then(|live| room.checked_sub(*live));
        room = left.unwrap_or(room);
        left.is_some()
    });
    chosen.map(|(at, _)| at).collect()
}

#[cfg(test)]
mod tests {
    use super::super::manifest::Batch;
    use super::*;

    #[test]
    fn what_is_mostly_deleted_and_what_is_small_and_many_is_written_anew_as_one() {
        let sizes = Sizes { segment: 100, waste: 10 };
        let entry = |rows| {
            let mut entry = SegmentEntry::new(1);
            entry.batches.push(Batch { rows, chunks: String::new(), vectors: String::new() });
            entry
        };
        let of = |rows: &[(u32, u32)]| {
            let entries: Vec<_> = rows.iter().map(|(rows, _)| entry(*rows)).collect();
            worth_it(&entries, &rows.iter().map(|(_, live)| *live).collect::<Vec<_>>(), sizes)
        };
        assert_eq!(of(&[(100, 100), (100, 50), (30, 30)]), [0; 0], "not most of it");
        assert_eq!(of(&[(100, 49), (100, 100), (12, 1)]), [0, 2]);
        assert_eq!(of(&[(12, 3), (9, 0)]), [0; 0], "too little");
        assert_eq!(of(&[(100, 40), (100, 45), (100, 20), (100, 15)]), [0, 1, 3], "as many as fit");
        assert_eq!(of(&[(10, 10), (10, 10), (10, 10), (10, 10)]), [0; 0], "the last is not done yet");
        assert_eq!(of(&[(10, 10), (10, 10), (10, 10), (100, 100), (10, 10), (1, 1)]), [0, 1, 2, 4]);
    }
}
