//! A look at everything: what is damaged in any store is counted, and what can be built again is built again.

use super::backup::all_files as files;
use super::*;
use kenward_access::ids::ChunkNo;
use std::fs;

fn filled(dir: &Path) -> Arc<Vault> {
    let vault = open(dir);
    people(&vault, &["dana"]);
    let mut run = open_run(&vault);
    for n in 0..4 {
        let text = format!("harbor berth number{n}\nand more of it\n");
        run.put(document(&format!("{n}.txt"), ".", &text)).unwrap();
    }
    run.finish().unwrap();
    vault
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = at.min(bytes.len() - 1);
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_is_whole_is_counted_and_nothing_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let vault = filled(dir.path());
    // A record that is waited for: those that were only noted are written before it.
    people(&vault, &["late"]);
    let found = vault.verify(false).unwrap();
    assert_eq!(found.problems(), 0, "{found:?}");
    assert_eq!((found.texts, found.lexical.passages, found.vectors.passages), (4, 8, 8));
    assert!(found.audit.unwrap() > 3 && found.ledger.unwrap() > 0);
    assert_eq!(vault.last_verify().unwrap().unwrap().problems, 0);
    // In the middle of a run, with what waits and what goes.
    let mut run = open_run(&vault);
    run.put(document("0.txt", ".", "harbor another number7\n")).unwrap();
    run.put(document("new.txt", ".", "harbor new number8\n")).unwrap();
    assert_eq!(vault.verify(false).unwrap().problems(), 0);
    run.publish().unwrap();
    assert_eq!(vault.verify(false).unwrap().problems(), 0);
    run.stop(crate::runs::RunState::Paused);
    assert_eq!(vault.verify(true).unwrap().problems(), 0);
}

#[test]
fn a_text_that_is_damaged_missing_or_another_is_marked_for_its_source() {
    let dir = tempfile::tempdir().unwrap();
    let vault = filled(dir.path());
    let texts = files(&dir.path().join("text"));
    flip(&texts[0], 30);
    fs::remove_file(&texts[1]).unwrap();
    fs::copy(&texts[3], &texts[2]).unwrap();
    let found = vault.verify(false).unwrap();
    assert_eq!(found.texts_wrong, BTreeMap::from([("handbook".to_owned(), 3)]));
    assert_eq!(vault.read_again().unwrap()[0].text_lost, 3);
    assert_eq!(found.problems(), 1);
}

#[test]
fn passages_outside_of_their_text_are_marked() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()));
    let catalog = rusqlite::Connection::open(dir.path().join("catalog.sqlite")).unwrap();
    catalog.execute("UPDATE chunks SET stop = 100000 WHERE no = 3", []).unwrap();
    drop(catalog);
    let vault = open(dir.path());
    let found = vault.verify(false).unwrap();
    assert_eq!((found.passages_wrong, found.problems()), (1, 1), "{found:?}");
    assert_eq!(vault.read_again().unwrap()[0].text_lost, 1);
}

#[test]
fn an_index_that_lacks_passages_is_built_anew() {
    let dir = tempfile::tempdir().unwrap();
    let vault = filled(dir.path());
    assert_eq!(finds(&vault, "number2"), paths(&["2.txt"]));
    vault.engines.lock().forget_for_test(&[ChunkNo(4), ChunkNo(5)]);
    let found = vault.verify(false).unwrap();
    assert_eq!((found.lexical.missing, found.lexical.stray, found.lexical.passages), (2, 0, 6));
    assert_eq!(found.vectors.missing, 2);
    assert_eq!(found.problems(), 2);
    assert!(vault.verify(true).unwrap().repaired);
    assert_eq!(finds(&vault, "number2"), paths(&["2.txt"]));
    let found = vault.verify(false).unwrap();
    assert_eq!(found.problems(), 0, "{found:?}");
    assert_eq!(
        vault.read_again().unwrap()[0].not_embedded,
        1,
        "what has no vectors is embedded by the next run"
    );
}

#[test]
fn vectors_whose_bytes_changed_begin_anew() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()));
    let vault = open(dir.path());
    let vectors =
        files(&dir.path().join("vectors")).into_iter().find(|p| p.extension().is_some_and(|e| e == "f32"));
    flip(&vectors.unwrap(), 200);
    let found = vault.verify(false).unwrap();
    assert!(found.vectors.damaged.is_some() && found.problems() == 1, "{found:?}");
    vault.verify(true).unwrap();
    let found = vault.verify(false).unwrap();
    assert_eq!((found.problems(), found.vectors.passages), (0, 0), "{found:?}");
    assert_eq!(vault.read_again().unwrap()[0].not_embedded, 4);
}

#[test]
fn of_damaged_vectors_those_alone_are_embedded_again() {
    let dir = tempfile::tempdir().unwrap();
    let vault = filled(dir.path());
    // Vectors of another commit.
    let mut run = open_run(&vault);
    for n in 0..4 {
        run.unchanged(&format!("{n}.txt"), ".", Timestamp(0)).unwrap();
    }
    run.put(document("late.txt", ".", "harbor berth number9\n")).unwrap();
    run.finish().unwrap();
    drop(vault);
    let of_kind = |kind: &str| {
        let all = files(&dir.path().join("vectors"));
        all.into_iter().find(|p| p.extension().is_some_and(|e| e == kind)).unwrap()
    };
    for (kind, lost) in [("i8", 0), ("f32", 4)] {
        let vault = open(dir.path());
        flip(&of_kind(kind), 30);
        let found = vault.verify(false).unwrap();
        assert!(found.vectors.damaged.is_some() && found.problems() == 1, "{kind}: {found:?}");
        vault.verify(true).unwrap();
        let found = vault.verify(false).unwrap();
        assert_eq!((found.problems(), found.vectors.passages), (0, 9 - 2 * lost), "{kind}: {found:?}");
        let again = vault.read_again().unwrap();
        assert_eq!(again.first().map_or(0, |source| source.not_embedded), lost, "{kind}");
        assert_eq!(finds(&vault, "number9"), paths(&["late.txt"]));
    }
}

#[test]
fn a_changed_log_or_ledger_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let vault = filled(dir.path());
    flip(&dir.path().join("audit/log.jsonl"), 400);
    flip(&dir.path().join("keys/rights.ledger"), 100);
    let found = vault.verify(false).unwrap();
    assert!(
        found.audit_wrong.is_some() && found.ledger_wrong.is_some() && found.problems() == 2,
        "{found:?}"
    );
}

#[test]
fn a_record_that_is_being_written_is_nothing_wrong_and_one_that_lost_its_end_is() {
    let dir = tempfile::tempdir().unwrap();
    let vault = filled(dir.path());
    // Durable, and so behind whatever the run noted without waiting for it.
    people(&vault, &["gil"]);
    let log = dir.path().join("audit/log.jsonl");
    let whole = fs::read(&log).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    // As a reader may see it between two pages.
    let half = &whole[last..last + 20];
    fs::write(&log, [&whole[..], half].concat()).unwrap();
    let found = vault.verify(false).unwrap();
    assert!(found.problems() == 0 && found.audit == Some(vault.core.audit.count()), "{found:?}");
    fs::write(&log, &whole[..whole.len() - 5]).unwrap();
    assert!(vault.verify(false).unwrap().audit_wrong.is_some());
    // At rest nothing is on its way.
    fs::write(&log, [&whole[..], half].concat()).unwrap();
    assert!(crate::audit::verify(&dir.path().join("audit"), &vault.core.tenant).is_err());
    fs::write(&log, whole).unwrap();
}
