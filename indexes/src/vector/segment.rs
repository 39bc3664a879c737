//! A segment: three append-only files, each with a header of 16 bytes: chunk numbers (little-endian u32), vectors
//! (little-endian f32), and the same vectors in whole numbers ([`int8`](super::int8)). Bytes past what the manifest
//! names are the tail of a commit that never was, and are cut off; missing or other bytes are damage, but for the whole
//! numbers, which are made again from the vectors.

use super::VectorError;
use super::int8;
use super::manifest::{Batch, SegmentEntry, checksum, chunks_path, coarse_path, vectors_path};
use super::map::map;
use super::scan::WIDTH;
use memmap2::Mmap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What kind of file it is, format version, dimension (0 in the file of chunk numbers).
pub(super) const HEADER: usize = 16;
const MAGIC: &[u8; 8] = b"KWVECTOR";
const MAGIC_COARSE: &[u8; 8] = b"KWCOARSE";
const VERSION: u32 = 1;

fn header(magic: &[u8; 8], dimension: usize) -> Result<[u8; HEADER], VectorError> {
    let width =
        u32::try_from(dimension).map_err(|_| VectorError::Dimension { expected: 0, got: dimension })?;
    let mut bytes = [0; HEADER];
    let parts = magic.iter().copied().chain(VERSION.to_le_bytes()).chain(width.to_le_bytes());
    bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
    Ok(bytes)
}

/// Rows of one length behind a header.
struct Rows {
    map: Mmap,
    stride: usize,
}

impl Rows {
    /// Maps what the manifest names of a file.
    fn map(path: &Path, entry: &SegmentEntry, stride: usize) -> Result<Self, VectorError> {
        let length = HEADER + entry.rows() as usize * stride;
        let file = File::open(path).map_err(|source| failed(path, source))?;
        let map = map(&file, length).map_err(|source| VectorError::Io { path: path.to_owned(), source })?;
        Ok(Self { map, stride })
    }

    #[inline]
    fn get(&self, from: u32, rows: u32) -> Option<&[u8]> {
        let start = HEADER.checked_add((from as usize).checked_mul(self.stride)?)?;
        self.map.get(start..start.checked_add((rows as usize).checked_mul(self.stride)?)?)
    }
}

/// The rows of one segment as of one commit.
pub(super) struct Segment {
    vectors: Rows,
    coarse: Rows,
}

impl Segment {
    /// The bytes of a row's vector.
    #[inline]
    pub(super) fn row(&self, row: u32) -> Option<&[u8]> {
        self.vectors.get(row, 1)
    }

    /// The same in whole numbers.
    #[inline]
    pub(super) fn coarse(&self, row: u32) -> Option<&[u8]> {
        self.coarse.get(row, 1)
    }

    /// Maps what the manifest names of a segment's vectors.
    pub(super) fn map(dir: &Path, entry: &SegmentEntry, dimension: usize) -> Result<Self, VectorError> {
        let vectors = Rows::map(&vectors_path(dir, entry.number), entry, dimension * WIDTH)?;
        let coarse = Rows::map(&coarse_path(dir, entry.number), entry, int8::row_length(dimension))?;
        Ok(Self { vectors, coarse })
    }
}

/// Opens a segment whose lengths are in order, and makes whole numbers again that are missing. Of the `last` segment, to
/// which the last commit wrote, the rows of that commit are checked, too; more would make opening as slow as reading.
pub(super) fn open(
    dir: &Path,
    entry: &SegmentEntry,
    dimension: usize,
    last: bool,
) -> Result<Segment, VectorError> {
    let coarse = coarse_path(dir, entry.number);
    let length = HEADER as u64 + u64::from(entry.rows()) * int8::row_length(dimension) as u64;
    match settle(&coarse, MAGIC_COARSE, dimension, length, Tail::Cut) {
        Err(VectorError::Damaged { .. }) => make_coarse(dir, entry, dimension)?,
        other => drop(other?),
    }
    let mut segment = Segment::map(dir, entry, dimension)?;
    if let Some((last, before)) = entry.batches.split_last().filter(|_| last) {
        let from = before.iter().fold(0, |sum, batch| sum + batch.rows);
        let path = vectors_path(dir, entry.number);
        check_vectors(&segment.vectors, &path, from, std::slice::from_ref(last))?;
        if !coarse_is_right(&segment.vectors, &segment.coarse, from, last.rows) {
            make_coarse(dir, entry, dimension)?;
            segment = Segment::map(dir, entry, dimension)?;
        }
    }
    Ok(segment)
}

/// Checks the vectors of these batches; `from` is the first row of the first one.
fn check_vectors(vectors: &Rows, path: &Path, mut from: u32, batches: &[Batch]) -> Result<(), VectorError> {
    for batch in batches {
        let good = vectors.get(from, batch.rows).is_some_and(|bytes| checksum(bytes) == batch.vectors);
        if !good {
            return Err(VectorError::Damaged { path: path.to_owned() });
        }
        from = from.saturating_add(batch.rows);
    }
    Ok(())
}

/// Whether rows in whole numbers are those of their vectors.
fn coarse_is_right(vectors: &Rows, coarse: &Rows, from: u32, rows: u32) -> bool {
    let mut row = Vec::new();
    (from..from.saturating_add(rows)).all(|at| {
        row.clear();
        vectors.get(at, 1).is_some_and(|vector| {
            int8::encode(vector, &mut row);
            coarse.get(at, 1) == Some(&row)
        })
    })
}

/// Makes a segment's whole numbers from its vectors: in a file of another name first, so that there is never half a one.
fn make_coarse(dir: &Path, entry: &SegmentEntry, dimension: usize) -> Result<(), VectorError> {
    tracing::info!(segment = entry.number, "the vectors' whole numbers are made again");
    let vectors = Rows::map(&vectors_path(dir, entry.number), entry, dimension * WIDTH)?;
    let mut bytes = header(MAGIC_COARSE, dimension)?.to_vec();
    for row in 0..entry.rows() {
        int8::encode(vectors.get(row, 1).unwrap_or_default(), &mut bytes);
    }
    let path = coarse_path(dir, entry.number);
    let new = path.with_extension("i8.new");
    let write = || -> io::Result<()> {
        let mut file = File::create(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&new, &path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(|source| VectorError::Io { path: path.clone(), source })
}

/// Opens a segment that the manifest names: cuts torn tails, checks headers, lengths and the chunk
/// numbers, and gives those.
pub(super) fn recover(dir: &Path, entry: &SegmentEntry, dimension: usize) -> Result<Vec<u32>, VectorError> {
    chunk_numbers(dir, entry, dimension, Tail::Cut)
}

/// Checks every byte without changing anything. Whole numbers that are missing are made when the index is opened.
pub(super) fn inspect(dir: &Path, entry: &SegmentEntry, dimension: usize) -> Result<(), VectorError> {
    let survey = survey(dir, entry, dimension)?;
    match survey.damaged {
        None => Ok(()),
        Some(path) => Err(VectorError::Damaged { path }),
    }
}

/// What of a segment is what was written.
pub(super) struct Survey {
    /// The first file that is not.
    pub damaged: Option<PathBuf>,
    /// Chunk numbers by row; `None` if they, or the lengths of the files, are lost.
    pub chunks: Option<Vec<u32>>,
    /// Batches, by their places, whose vectors are lost.
    pub lost: Vec<usize>,
    /// Whether the whole numbers are those of the vectors, or missing.
    pub coarse: bool,
}

/// Reads every byte of a segment.
pub(super) fn survey(dir: &Path, entry: &SegmentEntry, dimension: usize) -> Result<Survey, VectorError> {
    let gone = |path| Survey { damaged: Some(path), chunks: None, lost: Vec::new(), coarse: true };
    let chunks = match chunk_numbers(dir, entry, dimension, Tail::Leave) {
        Ok(chunks) => chunks,
        Err(VectorError::Damaged { path }) => return Ok(gone(path)),
        Err(error) => return Err(error),
    };
    let path = vectors_path(dir, entry.number);
    let vectors = Rows::map(&path, entry, dimension * WIDTH)?;
    let (mut from, mut lost) = (0u32, Vec::new());
    for (at, batch) in entry.batches.iter().enumerate() {
        if check_vectors(&vectors, &path, from, std::slice::from_ref(batch)).is_err() {
            lost.push(at);
        }
        from = from.saturating_add(batch.rows);
    }
    let mut damaged = (!lost.is_empty()).then_some(path);
    let path = coarse_path(dir, entry.number);
    let mut coarse = true;
    if path.exists() {
        let stride = int8::row_length(dimension);
        let length = HEADER as u64 + u64::from(entry.rows()) * stride as u64;
        coarse = match settle(&path, MAGIC_COARSE, dimension, length, Tail::Leave) {
            Ok(_) => coarse_is_right(&vectors, &Rows::map(&path, entry, stride)?, 0, entry.rows()),
            Err(VectorError::Damaged { .. }) => false,
            Err(error) => return Err(error),
        };
        if !coarse {
            damaged = damaged.or(Some(path));
        }
    }
    Ok(Survey { damaged, chunks: Some(chunks), lost, coarse })
}

/// The sum of a batch's vectors as they are now; `from` is its first row.
pub(super) fn sum_again(
    dir: &Path,
    entry: &SegmentEntry,
    dimension: usize,
    from: u32,
    rows: u32,
) -> Result<String, VectorError> {
    let vectors = Rows::map(&vectors_path(dir, entry.number), entry, dimension * WIDTH)?;
    Ok(checksum(vectors.get(from, rows).unwrap_or_default()))
}

/// The batches of a segment as one: their bytes are checked, then summed again as a whole.
pub(super) fn whole(
    dir: &Path,
    entry: &SegmentEntry,
    segment: &Segment,
    dimension: usize,
) -> Result<Batch, VectorError> {
    check_vectors(&segment.vectors, &vectors_path(dir, entry.number), 0, &entry.batches)?;
    let numbers = chunk_numbers(dir, entry, dimension, Tail::Leave)?;
    let chunks: Vec<u8> = numbers.into_iter().flat_map(u32::to_le_bytes).collect();
    let vectors = checksum(segment.vectors.map.get(HEADER..).unwrap_or_default());
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
    settle(&vectors, MAGIC, dimension, HEADER as u64 + rows * (dimension * WIDTH) as u64, tail)?;
    let chunks = chunks_path(dir, entry.number);
    let length = rows * WIDTH as u64;
    let file = settle(&chunks, MAGIC, 0, HEADER as u64 + length, tail)?;
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
fn settle(
    path: &Path,
    magic: &[u8; 8],
    dimension: usize,
    committed: u64,
    tail: Tail,
) -> Result<File, VectorError> {
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
    if length < committed || head != header(magic, dimension)? {
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
    let stride = dimension * WIDTH;
    let mut coarse = Vec::new();
    for vector in vectors.chunks_exact(stride.max(1)) {
        int8::encode(vector, &mut coarse);
    }
    for (path, magic, dimension, stride, bytes) in [
        (chunks_path(dir, number), MAGIC, 0, WIDTH, chunks),
        (vectors_path(dir, number), MAGIC, dimension, stride, vectors),
        (coarse_path(dir, number), MAGIC_COARSE, dimension, int8::row_length(dimension), coarse.as_slice()),
    ] {
        write_behind(path, header(magic, dimension)?, u64::from(rows) * stride as u64, bytes)?;
    }
    let added = u32::try_from(chunks.len() / WIDTH).unwrap_or(u32::MAX);
    Ok(Batch { rows: added, chunks: checksum(chunks), vectors: checksum(vectors) })
}

fn write_behind(path: PathBuf, head: [u8; HEADER], at: u64, bytes: &[u8]) -> Result<(), VectorError> {
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
