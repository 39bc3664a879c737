//! A folder that is new, one that was being made, and one that has lost its catalog are told apart.

use super::*;
use std::fs;
use std::path::PathBuf;

fn filled(data: &Path) {
    let vault = open(data);
    people(&vault, &["dana"]);
    let mut run = open_run(&vault);
    run.put(document("berths.txt", ".", "harbor\nberth number7\n")).unwrap();
    run.finish().unwrap();
}

/// Every file, with its bytes.
fn files(dir: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else {
            into.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
}

fn all(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    files(dir, &mut found);
    found
}

fn damaged(data: &Path) -> String {
    match Vault::open(options(data, Some(hashing(32)))) {
        Err(error @ VaultError::Damaged { .. }) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("opened"),
    }
}

/// A catalog's file whose first transaction was never committed.
fn without_tables(path: &Path) {
    let made = rusqlite::Connection::open(path).unwrap();
    made.pragma_update(None, "journal_mode", "WAL").unwrap();
    drop(made);
    assert!(fs::metadata(path).unwrap().len() > 0);
}

#[test]
fn a_lost_catalog_is_refused_and_nothing_is_removed_or_made() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    filled(&data);
    let catalog = data.join("catalog.sqlite");
    let good = fs::read(&catalog).unwrap();

    // Missing, with the keys gone too: neither is made anew.
    fs::remove_file(&catalog).unwrap();
    let (key, aside) = (data.join("keys/ids.key"), dir.path().join("ids.key"));
    fs::rename(&key, &aside).unwrap();
    let before = all(&data);
    assert!(before.keys().any(|path| path.starts_with(data.join("text"))));
    let said = damaged(&data);
    assert!(said.contains("put `catalog.sqlite` back from a backup"), "{said}");
    assert_eq!(all(&data), before);
    fs::rename(&aside, &key).unwrap();

    // Cut to nothing.
    fs::write(&catalog, b"").unwrap();
    let before = all(&data);
    assert!(damaged(&data).contains("put `catalog.sqlite` back"));
    assert_eq!(all(&data), before);

    // Of SQLite, and without a table.
    fs::remove_file(&catalog).unwrap();
    without_tables(&catalog);
    let texts = all(&data.join("text"));
    assert!(damaged(&data).contains("put `catalog.sqlite` back"));
    assert_eq!(all(&data.join("text")), texts);

    // The hint is true.
    for end in ["-wal", "-shm"] {
        let _ = fs::remove_file(data.join(format!("catalog.sqlite{end}")));
    }
    fs::write(&catalog, good).unwrap();
    let vault = open(&data);
    assert_eq!(finds(&vault, "number7"), paths(&["berths.txt"]));
    assert!(text_of(&vault.core, "berths.txt").unwrap().contains("number7"));
}

#[test]
fn texts_alone_and_audit_records_alone_need_their_catalog() {
    for lost in ["text", "audit"] {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        filled(&data);
        fs::remove_file(data.join("catalog.sqlite")).unwrap();
        fs::remove_dir_all(data.join(lost)).unwrap();
        let before = all(&data);
        damaged(&data);
        assert_eq!(all(&data), before, "without {lost}");
    }
}

#[test]
fn a_first_opening_that_was_killed_anywhere_is_gone_on_with() {
    type Step = (&'static str, fn(&Path));
    // In the order of the first opening; each stands for a kill just after it.
    let steps: [Step; 9] = [
        ("the folder", |data| fs::create_dir(data).unwrap()),
        ("half a version beside", |data| fs::write(data.join("VERSION.new"), "").unwrap()),
        ("the version", |data| {
            fs::write(data.join("VERSION.new"), "4\n").unwrap();
            fs::rename(data.join("VERSION.new"), data.join("VERSION")).unwrap();
        }),
        ("the folder of keys", |data| fs::create_dir(data.join("keys")).unwrap()),
        ("one key", |data| {
            fs::write(data.join("keys/ids.key"), [7; 32]).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            fs::set_permissions(data.join("keys/ids.key"), mode).unwrap();
        }),
        ("all keys", |data| {
            let _ = crate::keys::Keys::open(&data.join("keys"), &SystemEntropy, true).unwrap();
        }),
        ("an empty catalog", |data| fs::write(data.join("catalog.sqlite"), "").unwrap()),
        ("a catalog without tables", |data| without_tables(&data.join("catalog.sqlite"))),
        ("empty folders and an empty log", |data| {
            fs::create_dir_all(data.join("text/ab")).unwrap();
            fs::create_dir(data.join("audit")).unwrap();
            fs::write(data.join("audit/log.jsonl"), "").unwrap();
        }),
    ];
    for until in 1..=steps.len() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        steps[..until].iter().for_each(|(_, step)| step(&data));
        filled(&data);
        assert_eq!(finds(&open(&data), "number7"), paths(&["berths.txt"]), "after {}", steps[until - 1].0);
        if until > 4 {
            assert_eq!(fs::read(data.join("keys/ids.key")).unwrap(), [7; 32], "after {}", steps[until - 1].0);
        }
        assert!(!data.join("VERSION.new").exists());
        assert_eq!(fs::read_to_string(data.join("VERSION")).unwrap(), "4\n");
    }
}

#[test]
fn a_key_with_a_flipped_bit_opens_nothing_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    filled(&data);
    for name in ["ids", "cursors", "receipts", "audit"] {
        let file = data.join(format!("keys/{name}.key"));
        let mut key = fs::read(&file).unwrap();
        key[13] ^= 4;
        fs::write(&file, &key).unwrap();
        let before = all(&data);
        let said = damaged(&data);
        assert!(said.contains("`keys/`") && said.contains("backup"), "{said}");
        assert_eq!(all(&data), before, "{name}");
        key[13] ^= 4;
        fs::write(&file, &key).unwrap();
    }
    assert_eq!(finds(&open(&data), "number7"), paths(&["berths.txt"]));
}

#[test]
fn an_empty_version_says_how_to_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    filled(&data);
    fs::write(data.join("VERSION"), "").unwrap();
    let before = all(&data);
    let said = damaged(&data);
    assert!(said.contains("write `4` into it"), "{said}");
    assert_eq!(all(&data), before);
    fs::write(data.join("VERSION"), "4").unwrap();
    assert_eq!(finds(&open(&data), "number7"), paths(&["berths.txt"]));
}
