//! Memory maps of segment files. It must only map files
//! that nothing truncates or rewrites while a map of them lives.

use memmap2::{Mmap, MmapOptions};
use std::fs::File;
use std::io;

/// Maps the first `length` bytes.
#[expect(unsafe_code, reason = "a memory map cannot be made without; see the safety note")]
pub(super) fn map(file: &File, length: usize) -> io::Result<Mmap> {
    // SAFETY: segment files are append-only: bytes below a committed length are written once, before
    // they are mapped, and never again; a file is removed, never truncated below a committed length,
    // and a removed file lives on under its maps. The data folder belongs to one process (its owner
    // lock) and one user (mode 0700), so nobody else writes there.
    unsafe { MmapOptions::new().len(length).map(file) }
}
