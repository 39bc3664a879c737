//! Opening a file beneath a root without ever passing through a symbolic link: each part of the path
//! is opened relative to the folder before it. It must never open by a joined path, which could be
//! redirected between looking and opening.

use super::FetchError;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, open, openat, statat};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Opens a plain file for reading. `relative` is `/`-separated.
pub(super) fn beneath(root: &Path, relative: &str) -> Result<File, FetchError> {
    through(root, relative, &mut |_, _| Ok(()))
}

/// The same, and shows all that it passes through.
pub(super) fn through(root: &Path, relative: &str, visit: Visit<'_>) -> Result<File, FetchError> {
    let file = File::from(walk(root, relative, false, visit)?);
    let plain = file.metadata().map_err(FetchError::Io)?.is_file();
    if plain { Ok(file) } else { Err(FetchError::NotAFile) }
}

/// What is asked of each folder on the way, the root (`""`) included, and of what is opened at the end.
pub(super) type Visit<'v> = &'v mut dyn FnMut(&str, BorrowedFd<'_>) -> Result<(), FetchError>;

/// Opens what is at a path and shows all that it passes through. `is_folder` = it must be a folder.
pub(super) fn walk(
    root: &Path,
    relative: &str,
    is_folder: bool,
    visit: Visit<'_>,
) -> Result<OwnedFd, FetchError> {
    let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    // The root itself may be a link: it is what the operator named.
    let mut at: OwnedFd = open(root, folder, Mode::empty()).map_err(refused)?;
    visit("", at.as_fd())?;
    if relative.is_empty() {
        return Ok(at);
    }
    let mut parts = relative.split('/').peekable();
    let mut end = 0;
    while let Some(part) = parts.next() {
        if part.is_empty() || part == "." || part == ".." {
            return Err(FetchError::NotAFile);
        }
        // INVARIANT: no component is a link (NOFOLLOW), and a pipe cannot block us (NONBLOCK).
        let flags = if parts.peek().is_some() || is_folder {
            folder | OFlags::NOFOLLOW
        } else {
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC
        };
        let parent = at.as_fd();
        at = openat(parent, part, flags, Mode::empty()).map_err(|errno| no_folder(parent, part, errno))?;
        end += part.len();
        visit(relative.get(..end).unwrap_or(relative), at.as_fd())?;
        end += 1;
    }
    Ok(at)
}

/// Why a part of a path could not be opened. What stands where a folder is asked for may lead to one: then what is
/// asked for is not gone, it is only not read. Below a plain file there is nothing.
fn no_folder(parent: BorrowedFd<'_>, part: &str, errno: Errno) -> FetchError {
    if errno != Errno::NOTDIR {
        return refused(errno);
    }
    match statat(parent, part, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => FetchError::Vanished,
        Ok(_) => FetchError::NotAFile,
        Err(errno) => refused(errno),
    }
}

fn refused(errno: Errno) -> FetchError {
    match errno {
        Errno::NOENT => FetchError::Vanished,
        Errno::NOTDIR | Errno::LOOP | Errno::NXIO => FetchError::NotAFile,
        other => FetchError::Io(other.into()),
    }
}
