//! A segment: two append-only files, chunk numbers and vectors (little-endian u32 and f32), each with
//! a header of 16 bytes. Bytes past what the manifest names are the tail of a commit that never was,
//! and are cut off; missing or other bytes are damage.

use super::VectorError;
use super::manifest::{Batch, SegmentEntry, checksum, chunks_path, vectors_path};
use super::map::map;
use super::scan::WIDTH;
use memmap2::Mmap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// `KWVECTOR`, format version, dimension (0 in the file of chunk numbers).
pub(super) const HEADER: usize = 16;
const MAGIC: &[u8; 8] = b"KWVECTOR";
const VERSION: u32 = 1;

fn header(dimension: usize) -> Result<[u8; HEADER], VectorError> {
    let width =
        u32::try_from(dimension).map_err(|_| VectorError::Dimension { expected: 0, got: dimension })?;
    let mut bytes = [0; HEADER];
    let parts = MAGIC.iter().copied().chain(VERSION.to_le_bytes()).chain(width.to_le_bytes());
    bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
    Ok(bytes)
}

/// The rows of one segment as of one commit.
pub(super) struct Segment {
    map: Mmap,
    stride: usize,
}

impl Segment {
    /// The bytes of a row's vector.
    #[inline]
    pub(super) fn row(&self, row: u32) -> Option<&[u8]> {
        let start = HEADER.checked_add((row as usize).checked_mul(self.stride)?)?;
        self.map.get(start..start.checked_add(self.stride)?)
    }

    /// Maps what the manifest names of a segment's vectors.
    pub(super) fn map(dir: &Path, entry: &SegmentEntry, dimension: usize) -> Result<Self, VectorError> {
        let path = vectors_path(dir, entry.number);
        let stride = dimension * WIDTH;
        let length = HEADER + entry.rows() as usize * stride;
        let file = File::open(&path).map_err(|source| failed(&path, source))?;
        let map = map(&file, length).map_err(|source| VectorError::Io { path, source })?;
        Ok(Self { map, stride })
    }

    /// Checks the vectors of these batches; `from` is the first row of the first one.
    pub(super) fn check(&self, path: &Path, mut from: u32, batches: &[Batch]) -> Result<(), VectorError> {
        for batch in batches {
            let start = HEADER + from as usize * self.stride;
            let end = start + batch.rows as usize * self.stride;
            let good = self.map.get(start..end).is_some_and(|bytes| checksum(bytes) == batch.vectors);
            if !good {
                return Err(VectorError::Damaged { path: path.to_owned() });
            }
            from = from.saturating_add(batch.rows);
        }
        Ok(())
    }
}

/// Opens a segment that the manifest names: cuts torn tails, checks headers, lengths and the chunk
/// numbers, and gives those.
pub(super) fn recover(dir: &Path, entry: &SegmentEntry, dimension: usize) -> Result<Vec<u32>, VectorError> {
    chunk_numbers(dir, entry, dimension, Tail::Cut)
}

/// The same checks without changing anything.
pub(super) fn inspect(dir: &Path, entry: &SegmentEntry, dimension: usize) -> Result<(), VectorError> {
    chunk_numbers(dir, entry, dimension, Tail::Leave).map(drop)
}

/// The batches of a segment as one: their bytes are checked, then summed again as a whole.
pub(super) fn whole(
    dir: &Path,
    entry: &SegmentEntry,
    segment: &Segment,
    dimension: usize,
) -> Result<Batch, VectorError> {
    segment.check(&vectors_path(dir, entry.number), 0, &entry.batches)?;
    let numbers = chunk_numbers(dir, entry, dimension, Tail::Leave)?;
    let chunks: Vec<u8> = numbers.into_iter().flat_map(u32::to_le_bytes).collect();
    let vectors = checksum(segment.map.get(HEADER..).unwrap_or_default());
    Ok(Batch { rows: entry.rows(), chunks: checksum(&chunks), vectors })
}

/// What to do with bytes past the committed length.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tail {
    Cut,
    Leave,
}

fn chunk_numbers(
    dir: &Path,
    entry: &SegmentEntry,
    dimension: usize,
    tail: Tail,
) -> Result<Vec<u32>, VectorError> {
    let rows = u64::from(entry.rows());
    let vectors = vectors_path(dir, entry.number);
    settle(&vectors, dimension, HEADER as u64 + rows * (dimension * WIDTH) as u64, tail)?;
    let chunks = chunks_path(dir, entry.number);
    let length = rows * WIDTH as u64;
    let file = settle(&chunks, 0, HEADER as u64 + length, tail)?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).map_err(|source| failed(&chunks, source))?;
    let mut rest = bytes.as_slice();
    for batch in &entry.batches {
        let split = rest.split_at_checked(batch.rows as usize * WIDTH);
        let Some((_, after)) = split.filter(|(head, _)| checksum(head) == batch.chunks) else {
            return Err(VectorError::Damaged { path: chunks });
        };
        rest = after;
    }
    Ok(bytes.as_chunks::<WIDTH>().0.iter().map(|b| u32::from_le_bytes(*b)).collect())
}

/// Cuts the file to its committed length and checks its header; the file is then behind the header.
fn settle(path: &Path, dimension: usize, committed: u64, tail: Tail) -> Result<File, VectorError> {
    let open = || -> io::Result<(File, u64, [u8; HEADER])> {
        let mut file = OpenOptions::new().read(true).write(tail == Tail::Cut).open(path)?;
        let length = file.metadata()?.len();
        let mut head = [0; HEADER];
        if length >= HEADER as u64 {
            file.read_exact(&mut head)?;
        }
        if length > committed && tail == Tail::Cut {
            file.set_len(committed)?;
            file.sync_all()?;
        }
        Ok((file, length, head))
    };
    let (file, length, head) = open().map_err(|source| failed(path, source))?;
    if length < committed || head != header(dimension)? {
        return Err(VectorError::Damaged { path: path.to_owned() });
    }
    Ok(file)
}

/// A named segment file that is gone is damage, not a mere failure to read.
fn failed(path: &Path, source: io::Error) -> VectorError {
    if source.kind() == io::ErrorKind::NotFound {
        return VectorError::Damaged { path: path.to_owned() };
    }
    VectorError::Io { path: path.to_owned(), source }
}

/// Appends rows behind the `rows` that are committed, durably, and gives the batch for the manifest.
/// What an earlier, failed attempt left there is written over.
pub(super) fn append(
    dir: &Path,
    number: u64,
    rows: u32,
    dimension: usize,
    chunks: &[u8],
    vectors: &[u8],
) -> Result<Batch, VectorError> {
    write_behind(chunks_path(dir, number), 0, u64::from(rows) * WIDTH as u64, chunks)?;
    write_behind(
        vectors_path(dir, number),
        dimension,
        u64::from(rows) * (dimension * WIDTH) as u64,
        vectors,
    )?;
    let added = u32::try_from(chunks.len() / WIDTH).unwrap_or(u32::MAX);
    Ok(Batch { rows: added, chunks: checksum(chunks), vectors: checksum(vectors) })
}

fn write_behind(path: PathBuf, dimension: usize, at: u64, bytes: &[u8]) -> Result<(), VectorError> {
    let head = header(dimension)?;
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
        if at == 0 {
            file.write_all(&head)?;
        }
        file.seek(SeekFrom::Start(HEADER as u64 + at))?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|source| VectorError::Io { path: path.clone(), source })
}
