//! The rights ledger of an open vault whose file somebody takes away or replaces: what narrows acts whatever happens, and is
//! acknowledged only when it can be told after a restore.

use super::*;
use crate::backup::{LedgerGiven, Restore, restore};
use crate::keys::KeyMaterial;
use std::fs;

fn disable(vault: &Vault, who: &str) -> Result<(), VaultError> {
    let disable = DirectoryChange::SetDisabled { handle: who.into(), disabled: true };
    vault.change_directory(&by(), &[disable])
}

fn is_out(vault: &Vault, who: &str) -> bool {
    vault.users().unwrap().into_iter().any(|user| user.handle == who && user.disabled)
}

fn restored(dir: &Path, to: &str) -> Result<Arc<Vault>, VaultError> {
    restore(Restore {
        backup: dir.join("backup"),
        keys: KeyMaterial::read(&dir.join("data/keys")).unwrap(),
        ledger: LedgerGiven::File(dir.join("data/keys/rights.ledger")),
        open: options(&dir.join(to), Some(hashing(32))),
        by: by(),
    })?;
    Ok(open(&dir.join(to)))
}

#[test]
fn a_narrowing_after_the_ledger_was_removed_is_told_to_a_restore() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(&dir.path().join("data"));
    people(&vault, &["dana", "ben"]);
    vault.backup(&by(), &dir.path().join("backup"), "one").unwrap();
    let ledger = dir.path().join("data/keys/rights.ledger");
    fs::remove_file(&ledger).unwrap();
    assert!(vault.ledger_standing().is_err() && vault.verify_ledger().is_err());
    disable(&vault, "ben").unwrap();
    vault.ledger_standing().unwrap();
    let copy = restored(dir.path(), "copy").unwrap();
    assert!(is_out(&copy, "ben") && !is_out(&copy, "dana"));
    // Without a change of rights a look with `repair` puts it back, and so does a backup.
    fs::remove_file(&ledger).unwrap();
    assert!(vault.verify(true).unwrap().ledger_wrong.is_some());
    assert!(vault.verify_ledger().unwrap() > 0);
    fs::remove_file(&ledger).unwrap();
    vault.backup(&by(), &dir.path().join("second"), "two").unwrap();
    assert!(vault.verify_ledger().unwrap() > 0);
}

#[test]
fn a_narrowing_while_the_ledger_is_replaced_acts_and_is_not_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(&dir.path().join("data"));
    people(&vault, &["dana", "ben"]);
    vault.backup(&by(), &dir.path().join("backup"), "one").unwrap();
    let ledger = dir.path().join("data/keys/rights.ledger");
    fs::remove_file(&ledger).unwrap();
    fs::write(&ledger, "notes of somebody").unwrap();
    assert!(disable(&vault, "ben").is_err(), "it is not acknowledged");
    assert!(is_out(&vault, "ben"), "and acts");
    assert_eq!(fs::read_to_string(&ledger).unwrap(), "notes of somebody");
    assert!(vault.backup(&by(), &dir.path().join("second"), "two").is_err());
    fs::remove_file(&ledger).unwrap();
    disable(&vault, "dana").unwrap();
    assert!(vault.verify_ledger().unwrap() > 0);
    // What could not be told is a gap: the backup before it is not restored by this ledger.
    assert!(matches!(restored(dir.path(), "copy"), Err(VaultError::Mismatch { .. })));
    drop(vault);
    assert!(is_out(&open(&dir.path().join("data")), "ben"));
}
