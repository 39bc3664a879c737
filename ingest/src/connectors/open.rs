//! Opening a file beneath a root without ever passing through a symbolic link: each part of the path
//! is opened relative to the folder before it. It must never open by a joined path, which could be
//! redirected between looking and opening.

use super::FetchError;
use rustix::fs::{Mode, OFlags, open, openat};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Opens a plain file for reading. `relative` is `/`-separated.
pub(super) fn beneath(root: &Path, relative: &str) -> Result<File, FetchError> {
    let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    // The root itself may be a link: it is what the operator named.
    let mut at: OwnedFd = open(root, folder, Mode::empty()).map_err(refused)?;
    let mut parts = relative.split('/').peekable();
    while let Some(part) = parts.next() {
        if part.is_empty() || part == "." || part == ".." {
            return Err(FetchError::NotAFile);
        }
        // INVARIANT: no component is a link (NOFOLLOW), and a pipe cannot block us (NONBLOCK).
        let flags = if parts.peek().is_some() {
            folder | OFlags::NOFOLLOW
        } else {
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC
        };
        at = openat(&at, part, flags, Mode::empty()).map_err(refused)?;
    }
    let file = File::from(at);
    let plain = file.metadata().map_err(FetchError::Io)?.is_file();
    if plain { Ok(file) } else { Err(FetchError::NotAFile) }
}

fn refused(errno: rustix::io::Errno) -> FetchError {
    match errno {
        rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR => FetchError::Vanished,
        rustix::io::Errno::LOOP | rustix::io::Errno::NXIO => FetchError::NotAFile,
        other => FetchError::Io(other.into()),
    }
}
