//! Which folders the rights of a source were read in: a folder can be exchanged for another one, and back, without a
//! mark on any file in it. It must never take another folder for the one whose rights were read.

use rustix::fs::fstat;
use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;

/// Device and number of what rights were read in, or of, by its path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ways {
    seen: BTreeMap<String, (u64, u64)>,
}

impl Ways {
    /// Notes what is open at a path. What cannot be told is noted as nothing that is there.
    pub(super) fn note(&mut self, at: &str, open: BorrowedFd<'_>) {
        self.seen.insert(at.to_owned(), which(open).unwrap_or_default());
    }

    /// Whether what is open at a path is what was there; `None` = nothing was noted of that path.
    pub(super) fn is_as_noted(&self, at: &str, open: BorrowedFd<'_>) -> Option<bool> {
        self.seen.get(at).map(|noted| which(open) == Some(*noted))
    }
}

fn which(open: BorrowedFd<'_>) -> Option<(u64, u64)> {
    let stat = fstat(open).ok()?;
    #[allow(clippy::useless_conversion, reason = "the types differ between systems")]
    Some((u64::try_from(stat.st_dev).ok()?, u64::try_from(stat.st_ino).ok()?))
}
