//! What goes over the pipes: frames of JSON, each after its length (four bytes, little-endian). A
//! frame longer than the limit is refused before anything is allocated for it.

use crate::doors::{for_pipe, mint};
use crate::formats::{Block, BlockKind, FailReason, Format, Meta, Packed, Signal};
use kenward_vault::writer::RightsFormat;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::io::{Error, ErrorKind, Read, Result, Write};

/// Longest frame.
pub(super) const FRAME_MAX: usize = 8 << 20;
/// A worker sends its blocks when this much text has come together.
pub(super) const BATCH: usize = 256 << 10;
/// A block longer than this is sent as several.
pub(super) const BLOCK_MAX: usize = 1 << 20;

/// What a worker is to do with the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Job {
    /// Give the text of a document.
    Extract(Format),
    /// Give the members of an archive, if none is a rights file of this kind.
    Unpack(Packed, RightsFormat),
}

/// Parent to worker; `length` bytes follow the frame.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub job: Job,
    pub length: u64,
}

/// A block on the pipe.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PipeBlock<'a> {
    pub kind: BlockKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    pub text: Cow<'a, str>,
}

/// Worker to parent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply<'a> {
    /// More blocks follow.
    Blocks(Vec<PipeBlock<'a>>),
    /// That was all.
    Done { title: Option<Cow<'a, str>>, modified: Option<i64>, signals: Vec<(Signal, u64)> },
    /// A member of an archive; so many bytes follow, in frames of their own.
    Member { path: Cow<'a, str>, modified: Option<i64>, length: u64 },
    /// A member that cannot be given.
    MemberFailed { path: Cow<'a, str>, reason: FailReason },
    /// Those were all; links that were left out.
    Unpacked { entries: u64, links: u64 },
    /// It gives no text.
    Failed(FailReason),
}

impl<'a> PipeBlock<'a> {
    pub(super) fn of(block: &'a Block) -> Self {
        Self { kind: block.kind, page: block.page, text: Cow::Borrowed(for_pipe(&block.text)) }
    }

    pub(super) fn mint(self) -> Block {
        Block { kind: self.kind, page: self.page, text: mint(self.text.into_owned()) }
    }
}

impl<'a> Reply<'a> {
    pub(super) fn done(meta: &'a Meta) -> Self {
        let title = meta.title.as_ref().map(|title| Cow::Borrowed(for_pipe(title)));
        let modified = meta.modified;
        Self::Done {
            title,
            modified,
            signals: meta.signals.iter().map(|(signal, times)| (*signal, *times)).collect(),
        }
    }
}

pub(super) fn write<T: Serialize>(to: &mut impl Write, value: &T) -> Result<()> {
    write_bytes(to, &serde_json::to_vec(value)?)
}

pub(super) fn write_bytes(to: &mut impl Write, bytes: &[u8]) -> Result<()> {
    let length =
        u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= FRAME_MAX).ok_or(ErrorKind::InvalidData)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(bytes)
}

/// The next frame's bytes; `None` at the end of the stream.
pub(super) fn read_bytes(from: &mut impl Read) -> Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    let mut have = 0;
    while let Some(rest) = length.get_mut(have..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) if have == 0 => return Ok(None),
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => have += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > FRAME_MAX {
        return Err(Error::from(ErrorKind::InvalidData));
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}

pub(super) fn read<T: DeserializeOwned>(from: &mut impl Read) -> Result<Option<T>> {
    let Some(bytes) = read_bytes(from)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|_| Error::from(ErrorKind::InvalidData))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_round_trip_and_long_ones_are_refused() {
        let mut pipe = Vec::new();
        write(&mut pipe, &Request { job: Job::Extract(Format::Pdf), length: 7 }).unwrap();
        write(&mut pipe, &Reply::Failed(FailReason::Encrypted)).unwrap();
        let mut from = pipe.as_slice();
        assert_eq!(read::<Request>(&mut from).unwrap().unwrap().length, 7);
        assert!(matches!(read::<Reply<'_>>(&mut from).unwrap(), Some(Reply::Failed(FailReason::Encrypted))));
        assert!(read::<Request>(&mut from).unwrap().is_none());
        assert!(read_bytes(&mut [255_u8, 255, 255, 255, 1].as_slice()).is_err());
        assert!(read_bytes(&mut [9_u8, 0, 0].as_slice()).is_err());
        assert!(read_bytes(&mut [9_u8, 0, 0, 0, 1].as_slice()).is_err());
    }
}
