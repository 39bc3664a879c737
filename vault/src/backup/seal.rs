//! Files of a backup as they are written and read: counted and hashed on the way, so that nothing is read twice and
//! nothing that was not hashed is kept.

use super::manifest::FileEntry;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufWriter, Read, Result, Write};

/// Writes, and hashes what it writes.
pub(super) struct Out {
    out: BufWriter<File>,
    sha: Sha256,
    bytes: u64,
}

impl Out {
    pub(super) fn new(file: File) -> Self {
        Self { out: BufWriter::with_capacity(1 << 20, file), sha: Sha256::new(), bytes: 0 }
    }

    /// Makes it durable, and tells what it is.
    pub(super) fn end(mut self, name: &str) -> Result<FileEntry> {
        self.out.flush()?;
        self.out.get_ref().sync_all()?;
        Ok(FileEntry {
            name: name.to_owned(),
            bytes: self.bytes,
            sha256: HEXLOWER.encode(&self.sha.finalize()),
        })
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let written = self.out.write(bytes)?;
        self.sha.update(bytes.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> Result<()> {
        self.out.flush()
    }
}

/// Reads, and hashes what it reads.
pub(super) struct In<R> {
    from: R,
    sha: Sha256,
    bytes: u64,
}

impl<R: Read> In<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, sha: Sha256::new(), bytes: 0 }
    }

    /// Tells what was read.
    pub(super) fn end(self, name: &str) -> FileEntry {
        FileEntry { name: name.to_owned(), bytes: self.bytes, sha256: HEXLOWER.encode(&self.sha.finalize()) }
    }

    /// Whether all that was read is what the manifest says.
    pub(super) fn is(self, entry: &FileEntry) -> bool {
        self.bytes == entry.bytes && HEXLOWER.encode(&self.sha.finalize()) == entry.sha256
    }
}

impl<R: Read> Read for In<R> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let read = self.from.read(into)?;
        self.sha.update(into.get(..read).unwrap_or_default());
        self.bytes += read as u64;
        Ok(read)
    }
}
