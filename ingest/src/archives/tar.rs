//! Tar files, plain or gzipped, in one stream. All that is unpacked counts, members that are skipped included.

use super::{Found, Stop, Walk};
use crate::formats::FailReason;
use flate2::bufread::MultiGzDecoder;
use std::io::{Cursor, Error, ErrorKind, Read};

/// Where a tar file says that it is one, and how.
const MAGIC_AT: usize = 257;
const MAGIC: &[u8] = b"ustar";

/// Whether it begins as a tar file does.
pub(crate) fn is_tar(head: &[u8]) -> bool {
    head.get(MAGIC_AT..).is_some_and(|rest| rest.starts_with(MAGIC))
}

pub(super) fn plain(walk: &mut Walk<'_>, bytes: &[u8], below: &str, depth: usize) -> Result<(), Stop> {
    entries(walk, bytes, below, depth)
}

pub(super) fn gzipped(walk: &mut Walk<'_>, bytes: &[u8], below: &str, depth: usize) -> Result<(), Stop> {
    let mut reader = MultiGzDecoder::new(bytes);
    let mut head = Vec::new();
    (&mut reader).take(512).read_to_end(&mut head).map_err(|_| Stop::Here(FailReason::Broken))?;
    if !is_tar(&head) {
        return Err(Stop::Here(FailReason::NoArchive));
    }
    // What lies between the members, and more of one than is read, is bounded here.
    let most = walk.left.saturating_add(head.len() as u64);
    entries(walk, Bounded { reader: Cursor::new(head).chain(reader), left: most, over: false }, below, depth)
}

fn entries(walk: &mut Walk<'_>, reader: impl Read, below: &str, depth: usize) -> Result<(), Stop> {
    let mut reader = Ended { reader, ended: false };
    members(walk, &mut reader, below, depth)?;
    // It says itself where it ends. One that was cut off between two members has more than it shows, and a rights
    // file may be among that.
    if reader.ended { Err(Stop::Here(FailReason::Broken)) } else { Ok(()) }
}

fn members(walk: &mut Walk<'_>, reader: impl Read, below: &str, depth: usize) -> Result<(), Stop> {
    let mut archive = ::tar::Archive::new(reader);
    let entries = archive.entries().map_err(broken)?;
    for entry in entries {
        let entry = entry.map_err(broken)?;
        let header = entry.header();
        let kind = header.entry_type();
        if kind.is_pax_global_extensions() {
            continue;
        }
        let raw = entry.path_bytes().into_owned();
        if kind.is_dir() {
            continue;
        }
        let Some(path) = walk.name(&raw, below)? else { continue };
        if !(kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse()) {
            walk.tell(Found::Link)?;
            continue;
        }
        let modified =
            header.mtime().ok().and_then(|seconds| i64::try_from(seconds).ok()?.checked_mul(1_000));
        let (most, stated) = (walk.most(), entry.size());
        let mut bytes = Vec::new();
        let read = entry.take(most + 1).read_to_end(&mut bytes).map_err(broken)?;
        let member = if read as u64 > most {
            Err(FailReason::Expands)
        } else if (read as u64) < stated {
            return Err(Stop::Here(FailReason::Broken));
        } else {
            Ok(bytes)
        };
        walk.member(path, modified, member, depth)?;
    }
    Ok(())
}

fn broken(error: Error) -> Stop {
    match error.kind() {
        ErrorKind::QuotaExceeded => Stop::Whole(FailReason::Expands),
        _ => Stop::Here(FailReason::Broken),
    }
}

/// Notes whether there was nothing left when something was asked for.
struct Ended<R> {
    reader: R,
    ended: bool,
}

impl<R: Read> Read for Ended<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.reader.read(into)?;
        self.ended |= read == 0 && !into.is_empty();
        Ok(read)
    }
}

/// Gives so many bytes, and then an error.
struct Bounded<R> {
    reader: R,
    left: u64,
    over: bool,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.over {
            return Err(ErrorKind::QuotaExceeded.into());
        }
        let read = self.reader.read(into)?;
        self.over = self.left < read as u64;
        self.left = self.left.saturating_sub(read as u64);
        if self.over { Err(ErrorKind::QuotaExceeded.into()) } else { Ok(read) }
    }
}
