//! The ledger by itself: what it says after restarts, cut-off writes, changed bytes, and keys that were rotated.

use super::*;
use crate::error::VaultError;
use crate::keys::Keys;
use crate::seams::SystemEntropy;
use std::fs;
use std::path::{Path, PathBuf};

struct Kept {
    dir: tempfile::TempDir,
    keys: Keys,
}

impl Kept {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open(&dir.path().join("keys"), &SystemEntropy, true).unwrap();
        Self { dir, keys }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join(FILE)
    }

    fn open(&self, recorded: Option<&Place>) -> Result<(Ledger, bool), VaultError> {
        let opened = Ledger::open(&self.path(), &self.keys.ledger, recorded, Timestamp(1));
        opened.map(|(ledger, begins, _)| (ledger, begins))
    }

    fn since(&self, path: &Path, place: &Place) -> Result<Option<Since>, VaultError> {
        read_since(path, &|print| self.keys.ledger.named(print), place)
    }
}

fn gone(no: u32) -> Narrowed {
    Narrowed { gone: vec![DocNo(no)], ..Narrowed::default() }
}

#[test]
fn what_was_appended_since_a_place_is_told_after_a_restart() {
    let at = Kept::new();
    let (mut ledger, begins) = at.open(None).unwrap();
    assert!(begins);
    ledger.append(&at.keys.ledger, Timestamp(2), gone(1)).unwrap();
    let place = ledger.place();
    ledger.append(&at.keys.ledger, Timestamp(3), gone(2)).unwrap();
    drop(ledger);
    let (mut ledger, begins) = at.open(Some(&place)).unwrap();
    assert!(!begins, "a ledger that is ahead of the catalog is as it should be");
    ledger.append(&at.keys.ledger, Timestamp(4), gone(3)).unwrap();
    assert_eq!(ledger.verify(&at.keys.ledger).unwrap(), 4);
    let since = at.since(&at.path(), &place).unwrap().unwrap();
    assert_eq!(since.narrowed.gone, [DocNo(2), DocNo(3)]);
    assert_eq!((since.entries, since.last), (2, Some(Timestamp(4))));
    // An empty entry is none.
    ledger.append(&at.keys.ledger, Timestamp(5), Narrowed::default()).unwrap();
    assert_eq!(ledger.place().seq, 4);
}

#[test]
fn two_never_write_one_ledger() {
    let at = Kept::new();
    let (_held, _) = at.open(None).unwrap();
    assert!(matches!(at.open(None), Err(VaultError::Mismatch { .. })));
}

#[test]
fn a_torn_entry_is_cut_off_and_every_other_change_is_refused() {
    let at = Kept::new();
    let (mut ledger, _) = at.open(None).unwrap();
    ledger.append(&at.keys.ledger, Timestamp(2), gone(1)).unwrap();
    let place = ledger.place();
    drop(ledger);
    let good = fs::read(at.path()).unwrap();
    let last = good[..good.len() - 1].iter().rposition(|b| *b == b'\n').unwrap() + 1;
    for cut in [last + 1, good.len() - 1] {
        fs::write(at.path(), &good[..cut]).unwrap();
        // Cut off below what the catalog knows: it is not the newest copy.
        assert!(matches!(at.open(Some(&place)), Err(VaultError::Damaged { .. })), "cut at {cut}");
    }
    let mut torn = good.clone();
    torn.extend_from_slice(b"{\"v\":1,\"seq\":3,\"key\"");
    fs::write(at.path(), &torn).unwrap();
    drop(at.open(Some(&place)).unwrap());
    // Cut off, and said that what the catalog knows was committed.
    let mended = fs::read(at.path()).unwrap();
    let said = mended.strip_prefix(good.as_slice()).map(String::from_utf8_lossy).unwrap();
    assert!(said.lines().count() == 1 && said.contains("\"done\":true"), "{said}");
    for byte in 0..good.len() {
        let mut bad = good.clone();
        bad[byte] ^= 1;
        fs::write(at.path(), &bad).unwrap();
        let opened = at.open(Some(&place));
        // With another beginning it is no ledger at all.
        assert!(
            matches!(opened, Err(VaultError::Damaged { .. } | VaultError::Mismatch { .. })),
            "byte {byte} was changed and nobody saw it"
        );
        assert!(fs::read(at.path()).unwrap() == bad, "and it was left as it is");
    }
}

#[test]
fn one_that_is_missing_or_began_anew_reaches_back_to_nothing() {
    let at = Kept::new();
    let (ledger, _) = at.open(None).unwrap();
    let place = ledger.place();
    drop(ledger);
    // The catalog says that something could not be written.
    let (mut ledger, begins) = at.open(None).unwrap();
    assert!(begins);
    ledger.append(&at.keys.ledger, Timestamp(2), gone(1)).unwrap();
    let after = ledger.place();
    drop(ledger);
    assert!(at.since(&at.path(), &place).unwrap().is_none(), "there is a gap");
    assert_eq!(at.since(&at.path(), &after).unwrap().unwrap().entries, 0);
    fs::remove_file(at.path()).unwrap();
    let (ledger, begins) = at.open(Some(&after)).unwrap();
    assert!(begins);
    assert!(at.since(&at.path(), &after).unwrap().is_none());
    assert!(at.since(&at.path(), &ledger.place()).unwrap().is_some());
    let missing = at.since(&at.dir.path().join("none"), &after);
    assert!(matches!(missing, Err(VaultError::Name { .. })));
}

#[test]
fn what_is_no_ledger_is_refused_and_left_as_it_is() {
    let at = Kept::new();
    // An empty file is one; anything else has at least one entry of its own.
    fs::write(at.path(), "").unwrap();
    drop(at.open(None).unwrap());
    let entry = fs::read_to_string(at.path()).unwrap();
    for text in ["# Notes\nthe last line", "x", "\n", "{\"v\":1}", entry.trim_end(), &entry[..40]] {
        fs::write(at.path(), text).unwrap();
        let refused = at.open(None).err().unwrap();
        assert!(matches!(refused, VaultError::Damaged { .. } | VaultError::Mismatch { .. }), "{refused}");
        assert_eq!(fs::read_to_string(at.path()).unwrap(), text, "it was touched");
        let place = Place { seq: 1, mac: String::new() };
        assert!(at.since(&at.path(), &place).is_err(), "{text}");
    }
    let pipe = at.dir.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    for path in [Path::new("/dev/full"), Path::new("/dev/zero"), Path::new("/"), &pipe] {
        let refused = Ledger::open(path, &at.keys.ledger, None, Timestamp(1)).err().unwrap();
        assert!(
            refused.to_string().contains("no plain file") && refused.to_string().contains("backup.ledger")
        );
        let place = Place { seq: 1, mac: String::new() };
        assert!(matches!(at.since(path, &place), Err(VaultError::Name { .. })));
    }
}

#[test]
fn one_that_is_removed_while_it_is_in_use_is_put_back_whole() {
    let at = Kept::new();
    let (mut ledger, _) = at.open(None).unwrap();
    let begun = ledger.place();
    let older = fs::read(at.path()).unwrap();
    ledger.append(&at.keys.ledger, Timestamp(2), gone(1)).unwrap();
    let moved = at.dir.path().join("moved");
    let tamper: [&dyn Fn(); 4] = [
        &|| fs::remove_file(at.path()).unwrap(),
        &|| fs::rename(at.path(), &moved).unwrap(),
        // An older copy, as a backup program puts back.
        &|| {
            fs::remove_file(at.path()).unwrap();
            fs::write(at.path(), &older).unwrap();
        },
        &|| {
            fs::remove_file(at.path()).unwrap();
            fs::write(at.path(), "").unwrap();
        },
    ];
    for (no, tamper) in (2..).zip(tamper) {
        tamper();
        assert!(ledger.standing().is_err() && ledger.verify(&at.keys.ledger).is_err(), "{no}");
        ledger.append(&at.keys.ledger, Timestamp(3), gone(no)).unwrap();
        ledger.standing().unwrap();
        let since = at.since(&at.path(), &begun).unwrap().unwrap();
        assert_eq!(since.narrowed.gone, (1..=no).map(DocNo).collect::<Vec<_>>());
        // And nobody else gets it.
        assert!(matches!(at.open(None), Err(VaultError::Mismatch { .. })));
    }
    let place = ledger.place();
    drop(ledger);
    let (_ledger, begins) = at.open(Some(&place)).unwrap();
    assert!(!begins);
}

#[test]
fn a_link_stays_one_and_what_it_leads_to_is_put_back() {
    let at = Kept::new();
    let elsewhere = at.dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("led"), "").unwrap();
    std::os::unix::fs::symlink(elsewhere.join("led"), at.path()).unwrap();
    let (mut ledger, _) = at.open(None).unwrap();
    fs::remove_file(elsewhere.join("led")).unwrap();
    ledger.append(&at.keys.ledger, Timestamp(2), gone(1)).unwrap();
    assert!(fs::symlink_metadata(at.path()).unwrap().is_symlink() && elsewhere.join("led").exists());
    ledger.standing().unwrap();
    // Led elsewhere, it is no more the file that is written to.
    fs::remove_file(at.path()).unwrap();
    fs::write(at.dir.path().join("other"), "words").unwrap();
    std::os::unix::fs::symlink(at.dir.path().join("other"), at.path()).unwrap();
    assert!(ledger.append(&at.keys.ledger, Timestamp(3), gone(2)).is_err());
    assert_eq!(fs::read_to_string(at.dir.path().join("other")).unwrap(), "words");
}

#[test]
fn one_that_is_replaced_by_something_else_takes_no_entry_until_that_is_gone() {
    for other in ["another file, longer than any ledger of these few entries\n".repeat(40), "short".into()] {
        let at = Kept::new();
        let (mut ledger, _) = at.open(None).unwrap();
        let begun = ledger.place();
        ledger.append(&at.keys.ledger, Timestamp(2), gone(1)).unwrap();
        fs::remove_file(at.path()).unwrap();
        fs::write(at.path(), &other).unwrap();
        assert!(ledger.append(&at.keys.ledger, Timestamp(3), gone(2)).is_err());
        assert_eq!(fs::read_to_string(at.path()).unwrap(), other, "it is not ours to touch");
        assert!(ledger.is_broken() && ledger.standing().is_err());
        fs::remove_file(at.path()).unwrap();
        ledger.append(&at.keys.ledger, Timestamp(4), gone(3)).unwrap();
        ledger.standing().unwrap();
        assert_eq!(ledger.verify(&at.keys.ledger).unwrap(), 4);
        assert!(at.since(&at.path(), &begun).unwrap().is_none(), "an entry is missing: there is a gap");
    }
}

#[test]
fn one_that_is_written_to_by_others_takes_no_entry_and_begins_anew_once_it_is_moved_aside() {
    let at = Kept::new();
    let (mut ledger, _) = at.open(None).unwrap();
    ledger.append(&at.keys.ledger, Timestamp(2), gone(1)).unwrap();
    let cut = fs::OpenOptions::new().write(true).open(at.path()).unwrap();
    cut.set_len(50).unwrap();
    assert!(ledger.append(&at.keys.ledger, Timestamp(3), gone(2)).is_err());
    assert!(ledger.append(&at.keys.ledger, Timestamp(3), gone(2)).is_err());
    assert_eq!(fs::metadata(at.path()).unwrap().len(), 50);
    fs::rename(at.path(), at.dir.path().join("aside")).unwrap();
    ledger.append(&at.keys.ledger, Timestamp(4), gone(3)).unwrap();
    let place = ledger.place();
    drop(ledger);
    let (ledger, begins) = at.open(Some(&place)).unwrap();
    // Begun, the entry, and the word that it was committed.
    assert!(!begins && ledger.verify(&at.keys.ledger).unwrap() == 3);
}
