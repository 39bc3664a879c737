//! The text store: each version's canonical text once, in compressed frames, read by span. It must
//! never hold the only copy of a decision: which text is which version's is the catalog's to say,
//! and who may read it the gate's.

mod frames;

use crate::error::VaultError;
use frames::Frames;
use kenward_access::untrusted::{UntrustedText, expose_for_indexing};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fs;
use std::io::{BufWriter, ErrorKind, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The folder of canonical texts.
pub(crate) struct TextStore {
    dir: PathBuf,
}

/// A text that was just written.
pub(crate) struct Written {
    /// Its name in the store.
    pub(crate) name: String,
    /// Its length in Unicode scalars.
    pub(crate) length: u32,
}

/// The version of a canonical text: 16 hex digits of its SHA-256.
#[expect(clippy::disallowed_methods, reason = "a version is named by its text")]
pub(crate) fn version_of(text: &UntrustedText) -> String {
    let digest = Sha256::digest(expose_for_indexing(text).as_bytes());
    data_encoding::HEXLOWER.encode(digest.get(..8).unwrap_or_default())
}

impl TextStore {
    /// Opens or makes the folder.
    pub(crate) fn open(dir: &Path) -> Result<Self, VaultError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(VaultError::io("making", dir))?;
        Ok(Self { dir: dir.to_owned() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name.get(..2).unwrap_or("__")).join(name)
    }

    /// Writes a text durably and gives its name. The catalog names it only after this has returned,
    /// so a name in the catalog always has its text; a text without a name is swept at the next start.
    #[expect(clippy::disallowed_methods, reason = "text is stored here")]
    pub(crate) fn write(&self, key: &[u8; 32], text: &UntrustedText) -> Result<Written, VaultError> {
        let stem = format!(
            "{}-{}",
            data_encoding::HEXLOWER.encode(key.get(..8).unwrap_or_default()),
            version_of(text)
        );
        let folder = self.dir.join(stem.get(..2).unwrap_or("__"));
        let fresh = !folder.is_dir();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(VaultError::io("making", &folder))?;
        let mut n = 0u32;
        let (path, name, file) = loop {
            let name = format!("{stem}-{n}");
            let path = folder.join(&name);
            match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => break (path, name, file),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => n += 1,
                Err(error) => return Err(VaultError::io("making", &path)(error)),
            }
        };
        let write = || -> std::io::Result<u32> {
            let mut out = BufWriter::with_capacity(1 << 17, file);
            let length = frames::write(&mut out, expose_for_indexing(text))?;
            out.flush()?;
            out.get_ref().sync_all()?;
            fs::File::open(&folder)?.sync_all()?;
            if fresh {
                fs::File::open(&self.dir)?.sync_all()?;
            }
            Ok(length)
        };
        match write() {
            Ok(length) => Ok(Written { name, length }),
            Err(error) => {
                // Best effort: what cannot be removed now is swept at the next start.
                let _ = fs::remove_file(&path);
                Err(VaultError::io("writing", &path)(error))
            }
        }
    }

    /// Opens a text for reading spans; `None` if it is gone (its version was replaced or removed).
    pub(crate) fn reader(&self, name: &str) -> Result<Option<TextReader>, VaultError> {
        let path = self.path(name);
        match fs::File::open(&path) {
            Ok(file) => match Frames::open(file) {
                Ok(frames) => Ok(Some(TextReader { frames, path })),
                Err(error) => Err(unreadable(&path, error)),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(VaultError::io("opening", &path)(error)),
        }
    }

    /// Removes a text; one that is not there is as good as removed.
    pub(crate) fn remove(&self, name: &str) -> Result<(), VaultError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(VaultError::io("removing", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Removes all texts but those named. For start-up, when nobody reads or writes.
    pub(crate) fn sweep(&self, keep: &HashSet<String>) -> Result<u64, VaultError> {
        let mut removed = 0;
        let list = |dir: &Path| -> Result<Vec<fs::DirEntry>, VaultError> {
            fs::read_dir(dir).and_then(Iterator::collect).map_err(VaultError::io("listing", dir))
        };
        for folder in list(&self.dir)? {
            if !folder.path().is_dir() {
                continue;
            }
            for file in list(&folder.path())? {
                if file.file_name().to_str().is_none_or(|name| !keep.contains(name)) {
                    fs::remove_file(file.path()).map_err(VaultError::io("removing", &file.path()))?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }
}

/// One text, opened; remembers the frame it read last.
pub(crate) struct TextReader {
    frames: Frames,
    path: PathBuf,
}

impl TextReader {
    /// The text's length in Unicode scalars.
    #[cfg(test)]
    pub(crate) fn length(&self) -> u32 {
        self.frames.length()
    }

    /// The text of a span in Unicode scalars, cut to what there is.
    #[expect(clippy::disallowed_methods, reason = "stored text comes back as what it was")]
    pub(crate) fn span(&mut self, span: Range<u32>) -> Result<UntrustedText, VaultError> {
        match self.frames.span(span) {
            Ok(text) => Ok(UntrustedText::mint(text)),
            Err(error) => Err(unreadable(&self.path, error)),
        }
    }
}

fn unreadable(path: &Path, error: std::io::Error) -> VaultError {
    if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) {
        VaultError::damaged(
            format!("the stored text {}", path.display()),
            "ingest its source again, or put it back from a backup",
        )
    } else {
        VaultError::io("reading", path)(error)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests play the extractor and the gate")]
mod tests {
    use super::*;
    use kenward_access::untrusted::expose_to_gate;
    use proptest::prelude::*;

    fn store() -> (tempfile::TempDir, TextStore) {
        let dir = tempfile::tempdir().unwrap();
        let store = TextStore::open(&dir.path().join("text")).unwrap();
        (dir, store)
    }

    fn by_hand(text: &str, span: Range<u32>) -> String {
        text.chars().skip(span.start as usize).take(span.len()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn a_span_is_what_counting_scalars_gives(
            piece in "(?s)[a\u{e4}\u{20ac}\u{1F600}\n -~]{1,40}",
            repeats in 1usize..9000,
            spans in prop::collection::vec((any::<prop::sample::Index>(), 0u32..70_000), 1..6),
        ) {
            let text = piece.repeat(repeats);
            let scalars = u32::try_from(text.chars().count()).unwrap();
            let (_dir, store) = store();
            let written = store.write(&[1; 32], &UntrustedText::mint(text.clone())).unwrap();
            prop_assert_eq!(written.length, scalars);
            let mut reader = store.reader(&written.name).unwrap().unwrap();
            prop_assert_eq!(reader.length(), scalars);
            for (start, len) in spans {
                let start = u32::try_from(start.index(scalars as usize + 2)).unwrap();
                let got = reader.span(start..start.saturating_add(len)).unwrap();
                prop_assert_eq!(expose_to_gate(&got), by_hand(&text, start..start.saturating_add(len)));
            }
        }
    }

    #[test]
    fn a_small_span_of_a_large_text_reads_little() {
        let (_dir, store) = store();
        let text = "0123456789 äöü \n".repeat(2_000_000);
        let written = store.write(&[1; 32], &UntrustedText::mint(text.clone())).unwrap();
        let mut reader = store.reader(&written.name).unwrap().unwrap();
        let at = written.length / 2;
        let got = reader.span(at..at + 100).unwrap();
        assert_eq!(expose_to_gate(&got), by_hand(&text, at..at + 100));
        assert!(reader.frames.frames_read() <= 2);
    }

    #[test]
    fn the_same_text_twice_has_two_names_and_the_sweep_keeps_what_is_named() {
        let (_dir, store) = store();
        let text = UntrustedText::mint("one".to_owned());
        let a = store.write(&[1; 32], &text).unwrap().name;
        let b = store.write(&[1; 32], &text).unwrap().name;
        assert_ne!(a, b);
        assert_eq!(store.sweep(&HashSet::from([b.clone()])).unwrap(), 1);
        assert!(store.reader(&a).unwrap().is_none());
        assert!(store.reader(&b).unwrap().is_some());
        store.remove(&b).unwrap();
        store.remove(&b).unwrap();
        assert!(store.reader(&b).unwrap().is_none());
    }

    #[test]
    fn an_empty_text_is_a_text() {
        let (_dir, store) = store();
        let name = store.write(&[1; 32], &UntrustedText::mint(String::new())).unwrap().name;
        let mut reader = store.reader(&name).unwrap().unwrap();
        assert!(reader.span(0..10).unwrap().is_empty());
    }

    #[test]
    fn every_flipped_or_missing_byte_is_found_or_harmless() {
        let (_dir, store) = store();
        let text = "Zürich – 東京. ".repeat(40);
        let name = store.write(&[1; 32], &UntrustedText::mint(text.clone())).unwrap().name;
        let path = store.path(&name);
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x41;
            fs::write(&path, &bad).unwrap();
            let read = store.reader(&name).and_then(|r| r.unwrap().span(0..u32::MAX));
            assert!(matches!(read, Err(VaultError::Damaged { .. })), "byte {at} of {}", good.len());
            fs::write(&path, &good[..at]).unwrap();
            let read = store.reader(&name).and_then(|r| r.unwrap().span(0..u32::MAX));
            assert!(matches!(read, Err(VaultError::Damaged { .. })), "cut at {at}");
        }
    }
}
