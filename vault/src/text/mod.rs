//! The text store: each version's canonical text once, in compressed frames, read by span. It must
//! never hold the only copy of a decision: which text is which version's is the catalog's to say,
//! and who may read it the gate's.
//!
//! A text that turns out damaged is noted by a mark beside it, so that every later look finds it,
//! however this process ends. What is whole of it is still read.

mod frames;

use crate::error::VaultError;
use crate::seams::{Entropy, SystemEntropy};
use frames::Frames;
use kenward_access::untrusted::{UntrustedText, expose_for_indexing};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{BufWriter, ErrorKind, Read, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Ending of the mark beside a text that was found damaged.
const DAMAGED: &str = ".damaged";

/// So many texts of one batch are on their way to the disk at once.
const WRITERS: usize = 8;

/// The folder of canonical texts.
pub(crate) struct TextStore {
    dir: PathBuf,
}

/// A text that was just written.
pub(crate) struct Written {
    /// Its name in the store.
    pub(crate) name: String,
    /// What it is a version of, as [`version_of`] says.
    pub(crate) version: String,
    /// Its length in Unicode scalars.
    pub(crate) length: u32,
}

/// The version of a canonical text: 16 hex digits of its SHA-256.
#[expect(clippy::disallowed_methods, reason = "a version is named by its text")]
pub(crate) fn version_of(text: &UntrustedText) -> String {
    let digest = Sha256::digest(expose_for_indexing(text).as_bytes());
    data_encoding::HEXLOWER.encode(digest.get(..8).unwrap_or_default())
}

#[expect(clippy::disallowed_methods, reason = "a length is counted")]
fn scalars(text: &UntrustedText) -> u32 {
    u32::try_from(expose_for_indexing(text).chars().count()).unwrap_or(u32::MAX)
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
        let version = version_of(text);
        let of = data_encoding::HEXLOWER.encode(key.get(..8).unwrap_or_default());
        let stem = format!("{of}-{version}");
        let folder = self.dir.join(stem.get(..2).unwrap_or("__"));
        let fresh = !folder.is_dir();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(VaultError::io("making", &folder))?;
        let (path, name, file) = loop {
            // INVARIANT: a name is never given out twice, also when its file was lost: the version that
            // had it takes it along when it goes, and must not take another's text. A name is never
            // shown, so it may be random where a test fixes everything else.
            let mut random = [0u8; 8];
            SystemEntropy.fill(&mut random);
            let name = format!("{stem}-{}", data_encoding::HEXLOWER.encode(&random));
            let path = folder.join(&name);
            match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => break (path, name, file),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
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
            Ok(length) => Ok(Written { name, version, length }),
            Err(error) => {
                // Best effort: what cannot be removed now is swept at the next start.
                let _ = fs::remove_file(&path);
                Err(VaultError::io("writing", &path)(error))
            }
        }
    }

    /// Opens a text for reading spans; `None` if it is not there: its version was replaced or removed,
    /// or it is lost.
    pub(crate) fn reader(&self, name: &str) -> Result<Option<TextReader>, VaultError> {
        let path = self.path(name);
        match fs::File::open(&path) {
            Ok(file) => match Frames::open(file) {
                Ok(frames) => Ok(Some(TextReader { frames, path })),
                Err(error) => Err(failed(&path, error)),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(VaultError::io("opening", &path)(error)),
        }
    }

    /// Whether a stored text is there, whole, and the one of this version and length. What is damaged is noted.
    ///
    /// # Errors
    /// [`VaultError::Io`]: it could not be looked at.
    pub(crate) fn is_version(&self, name: &str, version: &str, length: u32) -> Result<bool, VaultError> {
        let read = match self.reader(name) {
            Ok(Some(mut reader)) => reader.span(0..u32::MAX).map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        match read {
            Ok(Some(text)) => Ok(version_of(&text) == version && scalars(&text) == length),
            Ok(None) | Err(VaultError::Damaged { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes texts like [`TextStore::write`], several at once, so that the disk is waited for together. All
    /// of them, or none.
    pub(crate) fn write_all(&self, texts: &[([u8; 32], &UntrustedText)]) -> Result<Vec<Written>, VaultError> {
        let share = texts.len().div_ceil(WRITERS).max(1);
        let write = |(key, text): &([u8; 32], &UntrustedText)| self.write(key, text);
        let results: Vec<Result<Written, VaultError>> = std::thread::scope(|scope| {
            let mut shares = texts.chunks(share);
            let first = shares.next().unwrap_or_default();
            let others: Vec<_> = shares
                .map(|share| scope.spawn(move || share.iter().map(write).collect::<Vec<_>>()))
                .collect();
            let mut results: Vec<_> = first.iter().map(write).collect();
            for other in others {
                match other.join() {
                    Ok(more) => results.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            results
        });
        let (mut written, mut failed) = (Vec::with_capacity(texts.len()), None);
        for result in results {
            match result {
                Ok(one) => written.push(one),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        let Some(error) = failed else { return Ok(written) };
        self.give_up(&written);
        Err(error)
    }

    /// Removes texts that no row names. What cannot be removed now is swept at the next start.
    pub(crate) fn give_up(&self, written: &[Written]) {
        for one in written {
            let _ = self.remove(&one.name);
        }
    }

    /// Opens a text's file as it is; `None` if it is not there. For backups: nothing of it is read as text.
    pub(crate) fn file(&self, name: &str) -> Result<Option<fs::File>, VaultError> {
        let path = self.path(name);
        match fs::File::open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(VaultError::io("opening", &path)(error)),
        }
    }

    /// Puts a text's file back as it was, not durably yet.
    pub(crate) fn put_back(&self, name: &str, from: &mut impl Read) -> Result<(), VaultError> {
        let path = self.path(name);
        let folder = path.parent().unwrap_or(&self.dir);
        let mut put = || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            std::io::copy(from, &mut file).map(drop)
        };
        put().map_err(VaultError::io("writing", &path))
    }

    /// Removes a text and its mark; what is not there is as good as removed.
    pub(crate) fn remove(&self, name: &str) -> Result<(), VaultError> {
        let path = self.path(name);
        for path in [mark(&path), path] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(VaultError::io("removing", &path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes all texts but those named, and gives what belongs to those of the named that are lost.
    /// For start-up, when nobody reads or writes.
    pub(crate) fn sweep<T: Copy>(&self, named: &HashMap<String, T>) -> Result<Vec<T>, VaultError> {
        self.look(named, |stray| fs::remove_file(stray).map_err(VaultError::io("removing", stray)))
    }

    /// What belongs to those of the named texts that are lost: they are not there, or marked.
    pub(crate) fn lost<T: Copy>(&self, named: &HashMap<String, T>) -> Result<Vec<T>, VaultError> {
        self.look(named, |_| Ok(()))
    }

    fn look<T: Copy>(
        &self,
        named: &HashMap<String, T>,
        stray: impl Fn(&Path) -> Result<(), VaultError>,
    ) -> Result<Vec<T>, VaultError> {
        let (mut there, mut marked) = (HashSet::new(), HashSet::new());
        for folder in list(&self.dir)? {
            if !folder.path().is_dir() {
                continue;
            }
            for file in list(&folder.path())? {
                let found = file.file_name();
                let found = found.to_str().unwrap_or_default();
                let (name, set) = match found.strip_suffix(DAMAGED) {
                    Some(name) => (name, &mut marked),
                    None => (found, &mut there),
                };
                match named.get_key_value(name) {
                    Some((name, _)) => {
                        set.insert(name.as_str());
                    }
                    None => stray(&file.path())?,
                }
            }
        }
        let sound = |name: &str| there.contains(name) && !marked.contains(name);
        Ok(named.iter().filter(|(name, _)| !sound(name)).map(|(_, of)| *of).collect())
    }
}

/// A folder's entries; one that is gone has none.
fn list(dir: &Path) -> Result<Vec<fs::DirEntry>, VaultError> {
    match fs::read_dir(dir).and_then(Iterator::collect) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed.map_err(VaultError::io("listing", dir)),
    }
}

fn mark(text: &Path) -> PathBuf {
    let mut path = text.as_os_str().to_owned();
    path.push(DAMAGED);
    path.into()
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
            Err(error) => Err(failed(&self.path, error)),
        }
    }
}

/// An error of reading; damage is noted.
fn failed(path: &Path, error: std::io::Error) -> VaultError {
    if !matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) {
        return VaultError::io("reading", path)(error);
    }
    let noted = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(mark(path));
    if let Err(error) = noted {
        // Whoever reads it next tries again.
        tracing::warn!(kind = ?error.kind(), "that a stored text is damaged could not be noted");
    }
    VaultError::damaged(
        format!("the stored text {}", path.display()),
        "ingest its source again, or put it back from a backup",
    )
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

    fn files(store: &TextStore) -> usize {
        list(&store.dir).unwrap().iter().map(|folder| list(&folder.path()).unwrap().len()).sum()
    }

    #[test]
    fn the_same_text_twice_has_two_names_and_the_sweep_keeps_what_is_named() {
        let (_dir, store) = store();
        let text = UntrustedText::mint("one".to_owned());
        let a = store.write(&[1; 32], &text).unwrap().name;
        let b = store.write(&[1; 32], &text).unwrap().name;
        assert_ne!(a, b);
        assert!(store.sweep(&HashMap::from([(b.clone(), 2)])).unwrap().is_empty());
        assert!(store.reader(&a).unwrap().is_none());
        assert!(store.reader(&b).unwrap().is_some());
        store.remove(&b).unwrap();
        store.remove(&b).unwrap();
        assert!(store.reader(&b).unwrap().is_none());
    }

    #[test]
    fn a_lost_text_leaves_its_name_to_nobody() {
        let (_dir, store) = store();
        let text = UntrustedText::mint("one".to_owned());
        let old = store.write(&[1; 32], &text).unwrap().name;
        fs::remove_file(store.path(&old)).unwrap();
        let new = store.write(&[1; 32], &text).unwrap().name;
        // The version that was lost goes when it is replaced.
        store.remove(&old).unwrap();
        assert!(store.reader(&new).unwrap().is_some());
    }

    #[test]
    fn what_is_missing_or_was_found_damaged_is_lost_until_its_version_goes() {
        let (_dir, store) = store();
        let write = |n: u8| store.write(&[n; 32], &UntrustedText::mint(format!("text {n}"))).unwrap().name;
        let names: Vec<String> = (0..4).map(write).collect();
        let named: HashMap<String, usize> = (0..).zip(&names).map(|(n, name)| (name.clone(), n)).collect();
        let lost = |named: &HashMap<String, usize>| {
            let mut lost = store.lost(named).unwrap();
            lost.sort_unstable();
            lost
        };
        assert_eq!(lost(&named), Vec::<usize>::new());
        fs::remove_file(store.path(&names[1])).unwrap();
        fs::write(store.path(&names[2]), b"not what was written").unwrap();
        assert_eq!(lost(&named), [1], "nobody has read the other one");
        assert!(matches!(store.reader(&names[2]), Err(VaultError::Damaged { .. })));
        assert_eq!(lost(&named), [1, 2]);
        assert_eq!(files(&store), 4, "a look removes nothing");
        let fewer: HashMap<String, usize> =
            named.iter().filter(|(_, n)| **n != 3).map(|(name, n)| (name.clone(), *n)).collect();
        let mut swept = store.sweep(&fewer).unwrap();
        swept.sort_unstable();
        assert_eq!((swept, files(&store)), (vec![1, 2], 3), "the mark of what is named stays");
        store.remove(&names[2]).unwrap();
        assert_eq!(files(&store), 1);
        // The whole folder may be gone.
        fs::remove_dir_all(&store.dir).unwrap();
        assert_eq!(lost(&named), [0, 1, 2, 3]);
        write(9);
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
