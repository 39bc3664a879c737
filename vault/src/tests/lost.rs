//! Stored texts and vectors that are lost: found, marked, and brought back by the next run.

use super::*;
use crate::lost::ReadAgain;
use std::fs;
use std::path::PathBuf;

/// A vault with `0.txt` to `5.txt`.
fn filled(dir: &Path) -> Arc<Vault> {
    let vault = open(dir);
    let mut run = vault.begin_run(&by(), source(&vault)).unwrap();
    rights(&mut run, &[(".", &["everyone"])]);
    for n in 0..6 {
        run.put(document(&format!("{n}.txt"), ".", &words(n))).unwrap();
    }
    run.finish().unwrap();
    vault
}

fn words(n: usize) -> String {
    format!("harbor\nberth number{n}\n")
}

/// The file of a published document's text.
fn text_file(vault: &Vault, dir: &Path, path: &str) -> PathBuf {
    let published = vault.core.published.load();
    let document = published.image.documents.values().find(|d| &*d.path == path).unwrap();
    dir.join("text").join(&document.text[..2]).join(&*document.text)
}

fn lost(text_lost: u64) -> Vec<ReadAgain> {
    vec![ReadAgain { source: "handbook".into(), text_lost, not_embedded: 0, waiting: 0 }]
}

/// What the pipeline does: the next run reads again what does not answer, and nothing else.
fn read_again(vault: &Arc<Vault>) -> BTreeSet<String> {
    vault.find_lost_texts().unwrap();
    let mut run = vault.begin_run(&by(), 0).unwrap();
    rights(&mut run, &[(".", &["everyone"])]);
    let mut again = BTreeSet::new();
    for n in 0..6 {
        let path = format!("{n}.txt");
        if run.known(&path).is_some_and(|known| known.answers()) {
            run.unchanged(&path, ".", Timestamp(5)).unwrap();
        } else {
            run.put(document(&path, ".", &words(n))).unwrap();
            again.insert(path);
        }
    }
    run.finish().unwrap();
    again
}

/// Everything can be read and found, now and after a restart.
fn all_is_well(vault: Arc<Vault>, dir: &Path) {
    let right = |vault: &Vault| {
        for n in 0..6 {
            let path = format!("{n}.txt");
            assert_eq!(text_of(&vault.core, &path), Some(words(n)));
            assert_eq!(finds(vault, &format!("number{n}")), paths(&[&path]));
        }
        assert_eq!(finds(vault, "harbor").len(), 6);
        assert_eq!(vault.read_again().unwrap(), []);
    };
    right(&vault);
    drop(vault);
    let vault = open(dir);
    right(&vault);
    let folders = fs::read_dir(dir.join("text")).unwrap();
    let files: usize = folders.map(|f| fs::read_dir(f.unwrap().path()).unwrap().count()).sum();
    assert_eq!(files, 6, "no text and no mark is left over");
}

#[test]
fn a_missing_text_is_found_at_the_start_and_comes_back_with_the_next_run() {
    let dir = tempfile::tempdir().unwrap();
    let vault = filled(dir.path());
    fs::remove_file(text_file(&vault, dir.path(), "1.txt")).unwrap();
    drop(vault);
    let vault = open(dir.path());
    let run = vault.begin_run(&by(), 0).unwrap();
    assert!(!run.known("1.txt").unwrap().answers() && run.known("2.txt").unwrap().answers());
    drop(run);
    assert_eq!(vault.read_again().unwrap(), lost(1));
    assert_eq!(text_of(&vault.core, "1.txt"), None);
    assert_eq!(read_again(&vault), paths(&["1.txt"]));
    all_is_well(vault, dir.path());
}

#[test]
fn a_text_that_goes_missing_while_the_vault_is_open_is_found_by_the_next_look() {
    let dir = tempfile::tempdir().unwrap();
    let vault = filled(dir.path());
    assert_eq!(vault.find_lost_texts().unwrap(), 0);
    fs::remove_dir_all(dir.path().join("text")).unwrap();
    assert_eq!((vault.find_lost_texts().unwrap(), vault.find_lost_texts().unwrap()), (6, 0));
    assert_eq!(vault.read_again().unwrap(), lost(6));
    assert_eq!(read_again(&vault).len(), 6);
    all_is_well(vault, dir.path());
}

#[test]
fn a_damaged_text_is_marked_when_it_is_read_however_the_process_ends() {
    let dir = tempfile::tempdir().unwrap();
    let vault = filled(dir.path());
    for path in ["1.txt", "2.txt"] {
        let file = text_file(&vault, dir.path(), path);
        let mut bytes = fs::read(&file).unwrap();
        bytes[0] ^= 1;
        fs::write(&file, bytes).unwrap();
    }
    assert_eq!(text_of(&vault.core, "1.txt"), None);
    // Killed here: the catalog was told nothing.
    let vault = {
        drop(vault);
        open(dir.path())
    };
    assert_eq!(vault.read_again().unwrap(), lost(1), "nobody has read the other one");
    assert_eq!(text_of(&vault.core, "2.txt"), None);
    assert_eq!(vault.read_again().unwrap(), lost(2));
    assert_eq!(read_again(&vault), paths(&["1.txt", "2.txt"]));
    all_is_well(vault, dir.path());
}

#[test]
fn what_is_whole_of_a_damaged_text_is_still_read() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    let mut run = vault.begin_run(&by(), source(&vault)).unwrap();
    rights(&mut run, &[(".", &["everyone"])]);
    let line = "0123456789 berths\n";
    run.put(document("long.txt", ".", &line.repeat(20_000))).unwrap();
    run.finish().unwrap();
    let file = text_file(&vault, dir.path(), "long.txt");
    let mut bytes = fs::read(&file).unwrap();
    bytes[3] ^= 1;
    fs::write(&file, bytes).unwrap();
    let published = vault.core.published.load_full();
    let meta = published.image.documents.values().next().unwrap();
    let read = |span| vault.core.text_span(meta, span).unwrap().map(|text| expose_to_gate(&text).to_owned());
    assert_eq!(read(0..18), None);
    assert_eq!(read(360_000 - 18..360_000).as_deref(), Some(line));
    assert_eq!(vault.read_again().unwrap(), lost(1));
}

#[test]
fn an_index_is_built_anew_around_what_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let vault = filled(dir.path());
    fs::remove_file(text_file(&vault, dir.path(), "1.txt")).unwrap();
    fs::write(text_file(&vault, dir.path(), "2.txt"), b"not what was written").unwrap();
    drop(vault);
    fs::remove_dir_all(dir.path().join("lexical")).unwrap();
    let vault = open(dir.path());
    assert_eq!(finds(&vault, "harbor"), paths(&["0.txt", "3.txt", "4.txt", "5.txt"]));
    assert_eq!(read_again(&vault), paths(&["1.txt", "2.txt"]));
    all_is_well(vault, dir.path());
}

#[test]
fn a_text_that_is_lost_before_it_was_published_keeps_nothing_from_opening() {
    let dir = tempfile::tempdir().unwrap();
    let vault = filled(dir.path());
    let texts = |dir: &Path| -> BTreeSet<PathBuf> {
        let folders = fs::read_dir(dir.join("text")).unwrap().map(|f| f.unwrap().path());
        folders.flat_map(|f| fs::read_dir(f).unwrap().map(|f| f.unwrap().path())).collect()
    };
    let before = texts(dir.path());
    let mut run = vault.begin_run(&by(), 0).unwrap();
    rights(&mut run, &[(".", &["everyone"])]);
    run.put(document("6.txt", ".", "dredging\n")).unwrap();
    run.put(document("7.txt", ".", "pilotage\n")).unwrap();
    // Killed before publication, and both texts are harmed.
    drop(run);
    drop(vault);
    let new: Vec<PathBuf> = texts(dir.path()).difference(&before).cloned().collect();
    fs::remove_file(&new[0]).unwrap();
    fs::write(&new[1], b"not what was written").unwrap();
    let vault = open(dir.path());
    vault.find_lost_texts().unwrap();
    let mut run = vault.begin_run(&by(), 0).unwrap();
    assert!(["6.txt", "7.txt"].iter().all(|path| run.known(path).is_none_or(|known| !known.answers())));
    rights(&mut run, &[(".", &["everyone"])]);
    for n in 0..6 {
        run.unchanged(&format!("{n}.txt"), ".", Timestamp(5)).unwrap();
    }
    run.put(document("6.txt", ".", "dredging\n")).unwrap();
    run.put(document("7.txt", ".", "pilotage\n")).unwrap();
    run.finish().unwrap();
    assert_eq!(finds(&vault, "dredging"), paths(&["6.txt"]));
    assert_eq!(text_of(&vault.core, "7.txt").as_deref(), Some("pilotage\n"));
    assert_eq!(vault.read_again().unwrap(), []);
}

#[test]
fn documents_without_vectors_are_counted_until_they_are_embedded() {
    let dir = tempfile::tempdir().unwrap();
    let vault = filled(dir.path());
    assert_eq!(vault.read_again().unwrap(), []);
    drop(vault);
    fs::remove_dir_all(dir.path().join("vectors")).unwrap();
    let vault = open(dir.path());
    let waits =
        |not_embedded| vec![ReadAgain { source: "handbook".into(), text_lost: 0, not_embedded, waiting: 0 }];
    assert_eq!(vault.read_again().unwrap(), waits(6));
    let mut run = vault.begin_run(&by(), 0).unwrap();
    rights(&mut run, &[(".", &["everyone"])]);
    for n in 0..4 {
        run.put(document(&format!("{n}.txt"), ".", &words(n))).unwrap();
    }
    // One that has nothing to embed is none of them.
    run.put(document("empty.txt", ".", "")).unwrap();
    run.publish().unwrap();
    drop(run);
    assert_eq!(vault.read_again().unwrap(), waits(2));
    assert_eq!(read_again(&vault), paths(&[]), "the pipeline asks for `embedded` too");
}
