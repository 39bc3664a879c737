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
        Ledger::open(&self.path(), &self.keys.ledger, recorded, Timestamp(1))
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
    assert_eq!(fs::read(at.path()).unwrap(), good);
    for byte in 0..good.len() {
        let mut bad = good.clone();
        bad[byte] ^= 1;
        fs::write(at.path(), &bad).unwrap();
        let opened = at.open(Some(&place));
        assert!(
            matches!(opened, Err(VaultError::Damaged { .. })),
            "byte {byte} was changed and nobody saw it"
        );
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
