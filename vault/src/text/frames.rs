//! The file of one text: independently compressed frames, an index, a footer. A reader touches the
//! footer, the index and the frames of its span, never the whole. Bytes that are not what was
//! written are an error (`InvalidData`), never other text.
//!
//! ```text
//! frame…            lz4 block of at most 64 KiB of UTF-8, cut between scalars
//! index             per frame: first scalar u64, offset u64, compressed u32, plain u32, check [u8; 8]
//! footer (48 bytes) frames u64, scalars u64, check of the index and of these two [u8; 16], magic [u8; 16]
//! ```

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;

const FRAME: usize = 64 * 1024;
const ENTRY: usize = 32;
const FOOTER: usize = 48;
const MAGIC: &[u8; 16] = b"kenward text v1\n";

/// Writes a text and gives its length in scalars.
pub(super) fn write(out: &mut impl Write, text: &str) -> io::Result<u32> {
    let mut index = Vec::new();
    let (mut frames, mut scalars, mut offset) = (0u64, 0u64, 0u64);
    let mut rest = text;
    while !rest.is_empty() {
        let (frame, after) = rest.split_at(rest.floor_char_boundary(FRAME));
        rest = after;
        let packed = lz4_flex::block::compress(frame.as_bytes());
        out.write_all(&packed)?;
        index.extend(scalars.to_le_bytes());
        index.extend(offset.to_le_bytes());
        index.extend(small(packed.len())?.to_le_bytes());
        index.extend(small(frame.len())?.to_le_bytes());
        index.extend(check::<8>(&[&packed]));
        scalars += frame.chars().count() as u64;
        offset += packed.len() as u64;
        frames += 1;
    }
    let counts = [frames.to_le_bytes(), scalars.to_le_bytes()].concat();
    out.write_all(&index)?;
    out.write_all(&counts)?;
    out.write_all(&check::<16>(&[&index, &counts]))?;
    out.write_all(MAGIC)?;
    u32::try_from(scalars).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))
}

fn small(len: usize) -> io::Result<u32> {
    u32::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))
}

fn check<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut hash = blake3::Hasher::new();
    for part in parts {
        hash.update(part);
    }
    let mut out = [0u8; N];
    hash.finalize_xof().fill(&mut out);
    out
}

fn bad() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}

struct Entry {
    first: u64,
    offset: u64,
    packed: u32,
    plain: u32,
    check: [u8; 8],
}

/// An opened text.
pub(super) struct Frames {
    file: File,
    entries: Vec<Entry>,
    scalars: u32,
    last: Option<(usize, String)>,
    read: usize,
}

impl Frames {
    pub(super) fn open(file: File) -> io::Result<Self> {
        let size = file.metadata()?.len();
        let footer_at = size.checked_sub(FOOTER as u64).ok_or_else(bad)?;
        let footer = read_at(&file, footer_at, FOOTER)?;
        let (counts, tail) = footer.split_at_checked(16).ok_or_else(bad)?;
        let (sum, magic) = tail.split_at_checked(16).ok_or_else(bad)?;
        let frames = number(counts, 0)?;
        let scalars = number(counts, 8)?;
        let index_size = frames.checked_mul(ENTRY as u64).filter(|s| *s <= footer_at).ok_or_else(bad)?;
        let index_len = usize::try_from(index_size).map_err(|_| bad())?;
        let index = read_at(&file, footer_at - index_size, index_len)?;
        if magic != MAGIC || sum != check::<16>(&[&index, counts]) {
            return Err(bad());
        }
        let entries = index.chunks_exact(ENTRY).map(entry).collect::<io::Result<Vec<_>>>()?;
        let scalars = u32::try_from(scalars).map_err(|_| bad())?;
        Ok(Self { file, entries, scalars, last: None, read: 0 })
    }

    #[cfg(test)]
    pub(super) fn length(&self) -> u32 {
        self.scalars
    }

    #[cfg(test)]
    pub(super) fn frames_read(&self) -> usize {
        self.read
    }

    /// The text of a span in scalars, cut to what there is.
    pub(super) fn span(&mut self, span: Range<u32>) -> io::Result<String> {
        let (start, end) = (u64::from(span.start), u64::from(span.end.min(self.scalars)));
        let mut out = String::new();
        if start >= end {
            return Ok(out);
        }
        let mut at = self.entries.partition_point(|e| e.first <= start).saturating_sub(1);
        while let Some(first) = self.entries.get(at).map(|e| e.first).filter(|first| *first < end) {
            let frame = self.frame(at)?;
            let skip = usize::try_from(start.saturating_sub(first)).map_err(|_| bad())?;
            let upto = usize::try_from(end - first).map_err(|_| bad())?;
            out.push_str(scalars_between(frame, skip, upto));
            at += 1;
        }
        Ok(out)
    }

    fn frame(&mut self, at: usize) -> io::Result<&str> {
        if self.last.as_ref().is_none_or(|(n, _)| *n != at) {
            let entry = self.entries.get(at).ok_or_else(bad)?;
            let packed = read_at(&self.file, entry.offset, entry.packed as usize)?;
            if check::<8>(&[&packed]) != entry.check || entry.plain as usize > FRAME {
                return Err(bad());
            }
            let plain = lz4_flex::block::decompress(&packed, entry.plain as usize).map_err(|_| bad())?;
            self.read += 1;
            self.last = Some((at, String::from_utf8(plain).map_err(|_| bad())?));
        }
        self.last.as_ref().map(|(_, text)| text.as_str()).ok_or_else(bad)
    }
}

fn scalars_between(text: &str, start: usize, end: usize) -> &str {
    let byte = |n: usize| text.char_indices().nth(n).map_or(text.len(), |(at, _)| at);
    let from = byte(start);
    let rest = text.get(from..).unwrap_or_default();
    let to = rest.char_indices().nth(end.saturating_sub(start)).map_or(rest.len(), |(at, _)| at);
    rest.get(..to).unwrap_or_default()
}

fn read_at(file: &File, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0u8; len];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

fn number(bytes: &[u8], at: usize) -> io::Result<u64> {
    let part = bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).ok_or_else(bad)?;
    Ok(u64::from_le_bytes(part))
}

fn entry(bytes: &[u8]) -> io::Result<Entry> {
    let short = |at: usize| -> io::Result<u32> {
        let part = bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).ok_or_else(bad)?;
        Ok(u32::from_le_bytes(part))
    };
    Ok(Entry {
        first: number(bytes, 0)?,
        offset: number(bytes, 8)?,
        packed: short(16)?,
        plain: short(20)?,
        check: bytes.get(24..32).and_then(|b| b.try_into().ok()).ok_or_else(bad)?,
    })
}
