//! Where the rights ledger is and whose: an older catalog is narrowed by it, two folders never write one, and it is
//! carried along, not left behind.

use super::*;
use crate::backup::{LedgerGiven, Restore, restore};
use crate::keys::KeyMaterial;
use std::fs;
use std::path::PathBuf;

fn told(error: VaultError) -> String {
    error.to_string()
}

/// Opens a folder with its ledger elsewhere.
fn open_at(dir: &Path, ledger: Option<&Path>) -> Result<Arc<Vault>, VaultError> {
    Vault::open(OpenOptions { ledger: ledger.map(Path::to_owned), ..options(dir, Some(hashing(32))) })
}

fn change(vault: &Vault, change: DirectoryChange) {
    vault.change_directory(&by(), &[change]).unwrap();
}

fn member(group: &str, member: &str) -> (String, String) {
    (group.to_owned(), format!("user:{member}"))
}

/// Dana is of the group that may read `a`; everyone reads `b`.
fn filled(vault: &Arc<Vault>) {
    people(vault, &["dana", "ben"]);
    change(vault, DirectoryChange::AddGroup { handle: "staff".into() });
    let (group, member) = member("staff", "dana");
    change(vault, DirectoryChange::AddMember { group, member });
    let mut run = run_under(vault, &[("a", &["group:staff"]), ("b", &["everyone"])]);
    run.put(document("a/one.txt", "a", "berth number1\n")).unwrap();
    run.put(document("b/two.txt", "b", "notice number2\n")).unwrap();
    run.finish().unwrap();
}

fn disable(vault: &Vault, who: &str) {
    change(vault, DirectoryChange::SetDisabled { handle: who.into(), disabled: true });
}

fn restored(dir: &Path, ledger: PathBuf, to: &str) {
    let keys = KeyMaterial::read(&dir.join("data/keys")).unwrap();
    let open = options(&dir.join(to), Some(hashing(32)));
    let ledger = LedgerGiven::File(ledger);
    restore(Restore { backup: dir.join("backup"), keys, ledger, open, by: by() }).unwrap();
}

#[test]
fn a_catalog_that_is_older_than_its_ledger_gives_back_no_right() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let vault = open(&data);
    filled(&vault);
    vault.backup(&by(), &dir.path().join("backup"), "one").unwrap();
    let mut run = run_under(&vault, &[("a", &["group:staff"]), ("b", &["user:dana"])]);
    run.unchanged("a/one.txt", "a", Timestamp(5)).unwrap();
    run.unchanged("b/two.txt", "b", Timestamp(5)).unwrap();
    run.finish().unwrap();
    disable(&vault, "dana");
    assert_eq!(sees(&vault, "ben"), paths(&[]));
    drop(vault);
    // As an operator would who has lost the catalog.
    for left in ["catalog.sqlite-wal", "catalog.sqlite-shm"] {
        let _ = fs::remove_file(data.join(left));
    }
    fs::copy(dir.path().join("backup/catalog.sqlite"), data.join("catalog.sqlite")).unwrap();
    let vault = open(&data);
    assert_eq!(sees(&vault, "ben"), paths(&[]), "what was narrowed since stays narrowed");
    assert!(vault.users().unwrap().iter().any(|user| user.handle == "dana" && user.disabled));
    let log = fs::read_to_string(data.join("audit/log.jsonl")).unwrap();
    assert_eq!(log.matches("caught_up_with_the_ledger").count(), 1);
    // It is told once, and what is read again comes back.
    drop(vault);
    let vault = open(&data);
    let log = fs::read_to_string(data.join("audit/log.jsonl")).unwrap();
    assert_eq!(log.matches("caught_up_with_the_ledger").count(), 1);
    let mut run = run_under(&vault, &[("a", &["group:staff"]), ("b", &["everyone"])]);
    run.unchanged("a/one.txt", "a", Timestamp(5)).unwrap();
    run.unchanged("b/two.txt", "b", Timestamp(5)).unwrap();
    run.finish().unwrap();
    assert_eq!(sees(&vault, "ben"), paths(&["b/two.txt"]));
}

/// What a folder's catalog was, put back as an operator would who has lost it.
fn put_back(data: &Path, catalog: &Path) {
    for left in ["catalog.sqlite-wal", "catalog.sqlite-shm"] {
        let _ = fs::remove_file(data.join(left));
    }
    fs::copy(catalog, data.join("catalog.sqlite")).unwrap();
}

fn is_out(vault: &Vault, who: &str) -> bool {
    vault.users().unwrap().iter().any(|user| user.handle == who && user.disabled)
}

#[test]
fn a_narrowing_counts_though_a_crash_took_the_word_that_it_was_committed() {
    for another in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (data, old) = (dir.path().join("data"), dir.path().join("backup/catalog.sqlite"));
        let vault = open(&data);
        filled(&vault);
        vault.backup(&by(), &dir.path().join("backup"), "one").unwrap();
        disable(&vault, "dana");
        drop(vault);
        // That word is not synced by itself.
        let ledger = data.join("keys/rights.ledger");
        let text = fs::read_to_string(&ledger).unwrap();
        let last = text.trim_end().rfind('\n').unwrap() + 1;
        assert!(text[last..].contains("\"done\":true"));
        fs::write(&ledger, &text[..last]).unwrap();
        let vault = open(&data);
        assert!(is_out(&vault, "dana"));
        if another {
            disable(&vault, "ben");
        }
        drop(vault);
        put_back(&data, &old);
        let vault = open(&data);
        assert_eq!((is_out(&vault, "dana"), is_out(&vault, "ben")), (true, another));
    }
}

#[test]
fn a_catalog_from_before_a_gap_in_its_ledger_gives_back_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (data, old) = (dir.path().join("data"), dir.path().join("backup/catalog.sqlite"));
    let vault = open(&data);
    filled(&vault);
    vault.backup(&by(), &dir.path().join("backup"), "one").unwrap();
    vault.ledger.lock().fail_for_test(true);
    let out = DirectoryChange::SetDisabled { handle: "dana".into(), disabled: true };
    assert!(vault.change_directory(&by(), &[out]).is_err(), "it is not acknowledged");
    assert!(is_out(&vault, "dana"), "and acts");
    vault.ledger.lock().fail_for_test(false);
    // The ledger begins anew with the next change, and that is told until there is a backup after it.
    assert!(told(vault.ledger_is_whole().unwrap_err()).contains("make a backup"));
    let mut run = run_under(&vault, &[("a", &["group:staff"]), ("b", &["user:ben"])]);
    run.unchanged("a/one.txt", "a", Timestamp(5)).unwrap();
    run.unchanged("b/two.txt", "b", Timestamp(5)).unwrap();
    run.finish().unwrap();
    assert!(vault.ledger_is_whole().is_err());
    vault.backup(&by(), &dir.path().join("backup-2"), "two").unwrap();
    vault.ledger_is_whole().unwrap();
    drop(vault);
    put_back(&data, &old);
    let vault = open(&data);
    assert!(is_out(&vault, "dana"), "what could not be written is not given back");
    assert_eq!(sees(&vault, "ben"), paths(&[]));
}

#[test]
fn a_restored_folder_never_writes_the_ledger_of_the_data_it_came_from() {
    let dir = tempfile::tempdir().unwrap();
    let (data, drill) = (dir.path().join("data"), dir.path().join("drill"));
    fs::create_dir(dir.path().join("elsewhere")).unwrap();
    let ledger = dir.path().join("elsewhere/rights.ledger");
    let vault = open_at(&data, Some(&ledger)).unwrap();
    filled(&vault);
    vault.backup(&by(), &dir.path().join("backup"), "one").unwrap();
    let (group, member) = member("staff", "dana");
    change(&vault, DirectoryChange::RemoveMember { group: group.clone(), member: member.clone() });
    drop(vault);
    restored(dir.path(), ledger.clone(), "drill");
    let before = fs::read(&ledger).unwrap();
    let refused = told(open_at(&drill, Some(&ledger)).err().unwrap());
    assert!(refused.contains("of its own (`backup.ledger`)"), "{refused}");
    assert_eq!(fs::read(&ledger).unwrap(), before);
    // With its own it is played in; the data goes on with its own, and a later restore gives nothing back.
    let other = open_at(&drill, None).unwrap();
    change(&other, DirectoryChange::AddMember { group, member });
    drop(other);
    drop(open_at(&data, Some(&ledger)).unwrap());
    restored(dir.path(), ledger.clone(), "real");
    assert_eq!(sees(&open(&dir.path().join("real")), "dana"), paths(&["b/two.txt"]));
    // One that takes the place of the data takes its ledger, and then the data cannot go on with it.
    fs::copy(drill.join("keys/rights.ledger"), &ledger).unwrap();
    drop(open_at(&drill, Some(&ledger)).unwrap());
    let refused = told(open_at(&data, Some(&ledger)).err().unwrap());
    assert!(refused.contains("was restored from a backup of this data"), "{refused}");
}

#[test]
fn a_ledger_that_is_wanted_elsewhere_is_carried_there_and_never_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let vault = open(&data);
    filled(&vault);
    vault.backup(&by(), &dir.path().join("backup"), "one").unwrap();
    drop(vault);
    let (first, second) = (dir.path().join("first.ledger"), dir.path().join("second.ledger"));
    // Made before, empty.
    fs::write(&first, "").unwrap();
    let vault = open_at(&data, Some(&first)).unwrap();
    disable(&vault, "dana");
    vault.ledger_is_whole().unwrap();
    drop(vault);
    assert!(!data.join("keys/rights.ledger").exists() && data.join("keys/rights.ledger.moved").exists());
    restored(dir.path(), first.clone(), "copy");
    assert!(
        open(&dir.path().join("copy"))
            .users()
            .unwrap()
            .iter()
            .any(|user| user.handle == "dana" && user.disabled)
    );
    // As after a crash between the copy and the other name.
    fs::rename(data.join("keys/rights.ledger.moved"), data.join("keys/rights.ledger")).unwrap();
    drop(open_at(&data, Some(&first)).unwrap());
    assert!(!data.join("keys/rights.ledger").exists(), "nobody restores with it");
    for (wanted, made) in [(Some(second.as_path()), false), (Some(second.as_path()), true), (None, false)] {
        if made {
            fs::write(&second, "").unwrap();
        }
        let refused = told(open_at(&data, wanted).err().unwrap());
        assert!(refused.contains("still at") && refused.contains("move that file there"), "{refused}");
    }
    fs::rename(&first, &second).unwrap();
    drop(open_at(&data, Some(&second)).unwrap());
    // Lost altogether it begins anew, and that is told until there is a backup after it.
    fs::remove_file(&second).unwrap();
    let vault = open_at(&data, Some(&second)).unwrap();
    assert!(told(vault.ledger_is_whole().unwrap_err()).contains("make a backup"));
    vault.ledger_standing().unwrap();
    vault.backup(&by(), &dir.path().join("later"), "two").unwrap();
    vault.ledger_is_whole().unwrap();
}

#[test]
fn a_change_that_was_not_committed_is_no_sign_of_an_older_catalog() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let vault = open(&data);
    filled(&vault);
    // As after a full disk, or a kill: it is in the ledger, and its transaction came to no end.
    let narrowed = crate::ledger::Narrowed {
        containers: (0..9).map(kenward_access::ids::ContainerNo).collect(),
        ..Default::default()
    };
    vault.ledger.lock().append(&vault.core.keys.ledger, Timestamp(9), narrowed).unwrap();
    drop(vault);
    let vault = open(&data);
    assert_eq!(
        (sees(&vault, "dana"), sees(&vault, "ben")),
        (paths(&["a/one.txt", "b/two.txt"]), paths(&["b/two.txt"]))
    );
    let log = fs::read_to_string(data.join("audit/log.jsonl")).unwrap();
    assert!(!log.contains("caught_up_with_the_ledger"));
}
