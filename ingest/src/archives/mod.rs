//! Archives: ZIP files and tar files, plain or gzipped, whose members are documents of their own. This runs in
//! a worker process. An archive is gone through twice: once to see that all of it can be unpacked within the
//! limits, that no name stands in it twice and that no rights file does, and once to give it; so that nothing
//! is given of one that is refused. It must never write anywhere, and never follow a link.
//!
//! A member's path is its archive's, `/`, and its name: `reports.zip/2026/march.md`. Its rights are the
//! archive's. An archive with a rights file inside is refused as a whole: not to read the file could make
//! its neighbours wider than their author meant.

pub(crate) mod names;
mod tar;
#[cfg(test)]
mod tests;
mod zip;

pub(crate) use tar::is_tar;

use crate::formats::{FailReason, Packed, Sniffed, identify};
use kenward_vault::writer::RightsFormat;
use names::Place;
use std::collections::HashMap;

/// Archives within archives are opened to this depth, the outermost being the first.
const MOST_NESTED: usize = 2;
/// Members of an archive, those of archives within it included.
const MOST_MEMBERS: usize = crate::formats::package::MOST_MEMBERS;
/// A member may have this many bytes.
const MEMBER_MAX: u64 = 200 << 20;
/// All that comes out of an archive.
const TOTAL_MAX: u64 = 1 << 30;
/// From this many bytes on, an archive may unpack to [`RATIO_MAX`] times its length.
const RATIO_FROM: u64 = 64 << 20;
const RATIO_MAX: u64 = 200;

/// Something in an archive.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A file.
    File {
        /// Below the archive.
        path: String,
        /// Milliseconds UTC, as the archive states it.
        modified: Option<i64>,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A member, or an archive within the archive, that cannot be given.
    Failed {
        /// Below the archive.
        path: String,
        /// Why.
        reason: FailReason,
    },
}

/// What was given of an archive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    /// Files and failures.
    pub entries: u64,
    /// Links and special files, never followed.
    pub links: u64,
}

/// Gives everything in the archive; `false` from `give` ends it.
///
/// # Errors
/// [`FailReason`]: of the archive as a whole, before anything was given.
pub(crate) fn unpack(
    packed: Packed,
    rights: RightsFormat,
    bytes: &[u8],
    give: &mut dyn FnMut(Entry) -> bool,
) -> Result<Contents, FailReason> {
    let mut contents = Contents::default();
    let mut named: HashMap<String, u32> = HashMap::new();
    let (mut given, mut encrypted) = (0_u64, 0_u64);
    let first = &mut |found: Found| match found {
        Found::Entry(entry) => {
            let (path, file) = match entry {
                Entry::File { path, .. } => (path, true),
                Entry::Failed { path, reason } => {
                    encrypted += u64::from(reason == FailReason::Encrypted);
                    (path, false)
                }
            };
            given += u64::from(file);
            *named.entry(path).or_default() += 1;
            true
        }
        Found::Link => {
            contents.links += 1;
            true
        }
    };
    Walk::over(bytes, rights, first).archive(packed, bytes, "", 1).map_err(Stop::reason)?;
    if given == 0 && encrypted > 0 {
        return Err(FailReason::Encrypted);
    }
    contents.entries = named.len() as u64;
    let second = &mut |found: Found| {
        let Found::Entry(entry) = found else { return true };
        let (Entry::File { path, .. } | Entry::Failed { path, .. }) = &entry;
        match named.get_mut(path) {
            Some(1) => give(entry),
            // Two programs would take two different ones.
            Some(times @ 2..) => {
                *times = 0;
                give(Entry::Failed { path: path.clone(), reason: FailReason::Twice })
            }
            Some(0) | None => true,
        }
    };
    match Walk::over(bytes, rights, second).archive(packed, bytes, "", 1) {
        Ok(()) | Err(Stop::Asked) => Ok(contents),
        Err(stop) => Err(stop.reason()),
    }
}

/// What a walk finds.
enum Found {
    Entry(Entry),
    Link,
}

/// Why a walk does not go on.
#[derive(Debug)]
enum Stop {
    /// This archive cannot be read; one around it can.
    Here(FailReason),
    /// Nothing of the outermost one is to be given.
    Whole(FailReason),
    /// Whoever takes it has enough.
    Asked,
}

impl Stop {
    fn reason(self) -> FailReason {
        match self {
            Self::Here(reason) | Self::Whole(reason) => reason,
            Self::Asked => FailReason::Changed,
        }
    }
}

/// One way through an archive and those within it.
struct Walk<'w> {
    found: &'w mut dyn FnMut(Found) -> bool,
    /// Which names are rights files'.
    rights: RightsFormat,
    members: usize,
    /// Bytes that may still come out.
    left: u64,
}

impl<'w> Walk<'w> {
    fn over(bytes: &[u8], rights: RightsFormat, found: &'w mut dyn FnMut(Found) -> bool) -> Self {
        let by_length = (bytes.len() as u64).saturating_mul(RATIO_MAX).max(RATIO_FROM);
        Self { found, rights, members: 0, left: by_length.min(TOTAL_MAX) }
    }

    fn archive(&mut self, packed: Packed, bytes: &[u8], below: &str, depth: usize) -> Result<(), Stop> {
        match packed {
            Packed::Zip => zip::walk(self, bytes, below, depth),
            Packed::Tar => tar::plain(self, bytes, below, depth),
            Packed::Gzip => tar::gzipped(self, bytes, below, depth),
        }
    }

    /// Reads a member's name; `None` if it is no document's.
    fn name(&mut self, raw: &[u8], below: &str) -> Result<Option<String>, Stop> {
        self.members += 1;
        if self.members > MOST_MEMBERS {
            return Err(Stop::Whole(FailReason::Expands));
        }
        match names::place(raw, self.rights) {
            Place::Document(name) => Ok(Some(format!("{below}{name}"))),
            Place::NoDocument => Ok(None),
            Place::Rights => Err(Stop::Whole(FailReason::RightsInside)),
            Place::Unsafe(name) => {
                self.failed(format!("{below}{name}"), FailReason::Name)?;
                Ok(None)
            }
        }
    }

    /// Takes bytes that came out off what may come out.
    fn spend(&mut self, bytes: u64) -> Result<(), Stop> {
        self.left = self.left.checked_sub(bytes).ok_or(Stop::Whole(FailReason::Expands))?;
        Ok(())
    }

    /// How many bytes may be read of the next member.
    fn most(&self) -> u64 {
        self.left.min(MEMBER_MAX)
    }

    /// A member was read, or could not be.
    fn member(
        &mut self,
        path: String,
        modified: Option<i64>,
        bytes: Result<Vec<u8>, FailReason>,
        depth: usize,
    ) -> Result<(), Stop> {
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(FailReason::Expands) if self.left < MEMBER_MAX => {
                return Err(Stop::Whole(FailReason::Expands));
            }
            Err(FailReason::Expands) => {
                self.spend(MEMBER_MAX)?;
                return self.failed(path, FailReason::TooLarge);
            }
            Err(reason) => return self.failed(path, reason),
        };
        self.spend(bytes.len() as u64)?;
        if let Sniffed::Archive(packed) = identify(&bytes, &path) {
            if depth >= MOST_NESTED {
                return self.failed(path, FailReason::Nested);
            }
            match self.archive(packed, &bytes, &format!("{path}/"), depth + 1) {
                Err(Stop::Here(FailReason::NoArchive)) => {}
                Err(Stop::Here(reason)) => return self.failed(path, reason),
                other => return other,
            }
        }
        self.tell(Found::Entry(Entry::File { path, modified, bytes }))
    }

    fn failed(&mut self, path: String, reason: FailReason) -> Result<(), Stop> {
        self.tell(Found::Entry(Entry::Failed { path, reason }))
    }

    fn tell(&mut self, found: Found) -> Result<(), Stop> {
        if (self.found)(found) { Ok(()) } else { Err(Stop::Asked) }
    }
}
