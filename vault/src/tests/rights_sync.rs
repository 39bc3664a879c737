//! Rights read alone: narrowing at once, widening for what is known to be published, and for nothing else.

use super::*;
use crate::writer::RightsNow;

/// Two documents in `.`, both Dana's.
fn with_two(dir: &Path) -> Arc<Vault> {
    let vault = open(dir);
    people(&vault, &["dana", "omar"]);
    let mut run = run_under(&vault, &[(".", &["user:dana"])]);
    run.put(document("a.txt", ".", "old text\n")).unwrap();
    run.put(document("b.txt", ".", "other text\n")).unwrap();
    run.finish().unwrap();
    vault
}

fn now(who: &[&str], documents: &[(&str, &str)], gone: &[&str]) -> RightsNow {
    RightsNow {
        containers: documents.iter().map(|(_, key)| ((*key).to_owned(), allow(who))).collect(),
        documents: documents.iter().map(|(id, key)| ((*id).to_owned(), (*key).to_owned())).collect(),
        gone: gone.iter().map(ToString::to_string).collect(),
        ..RightsNow::default()
    }
}

/// Reads the rights, and finds these documents to be what is published.
fn sync(vault: &Arc<Vault>, now: &RightsNow, verified: &[&str]) -> Vec<String> {
    let mut sync = vault.begin_rights(&by(), source(vault)).unwrap();
    let (unsure, _) = sync.state(now).unwrap();
    sync.widen(&paths(verified)).unwrap();
    sync.done().unwrap();
    unsure.into_iter().map(|unsure| unsure.source_id).collect()
}

const HERE: [(&str, &str); 2] = [("a.txt", "."), ("b.txt", ".")];

#[test]
fn what_narrows_acts_at_once_and_what_widens_for_the_same_bytes_alone() {
    let dir = tempfile::tempdir().unwrap();
    let vault = with_two(dir.path());
    assert_eq!(
        sync(&vault, &now(&["user:dana"], &HERE, &[]), &[]),
        paths(&[]).into_iter().collect::<Vec<_>>()
    );
    let unsure = sync(&vault, &now(&["everyone"], &HERE, &[]), &["a.txt"]);
    assert_eq!(unsure, ["a.txt", "b.txt"]);
    assert_eq!(sees(&vault, "omar"), paths(&["a.txt"]), "b.txt may have been redacted");
    assert_eq!(sees(&vault, "dana"), paths(&["a.txt", "b.txt"]));
    // Narrowed again, for both: the one that waits is under all rights that it ever was.
    sync(&vault, &now(&["user:omar"], &HERE, &[]), &[]);
    assert_eq!((sees(&vault, "omar"), sees(&vault, "dana")), (paths(&["a.txt"]), paths(&[])));
    drop(vault);
    let vault = open(dir.path());
    assert_eq!(sees(&vault, "omar"), paths(&["a.txt"]), "and after a restart");
    // A run reads the other.
    let mut run = run_under(&vault, &[(".", &["user:omar"])]);
    run.unchanged("a.txt", ".", Timestamp(5)).unwrap();
    run.put(document("b.txt", ".", "redacted\n")).unwrap();
    run.finish().unwrap();
    assert_eq!(sees(&vault, "omar"), paths(&["a.txt", "b.txt"]));
}

#[test]
fn a_version_that_waits_is_not_what_is_published_and_widens_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let vault = with_two(dir.path());
    let mut run = run_under(&vault, &[(".", &["user:dana"])]);
    run.put(document("a.txt", ".", "new text\n")).unwrap();
    drop(run);
    let unsure = sync(&vault, &now(&["everyone"], &HERE, &[]), &["a.txt", "b.txt"]);
    assert_eq!(unsure, ["b.txt"]);
    assert_eq!(sees(&vault, "omar"), paths(&["b.txt"]), "whoever says that a.txt is the same");
}

#[test]
fn a_document_that_is_gone_is_nobodys_until_it_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let vault = with_two(dir.path());
    sync(&vault, &now(&["user:dana"], &HERE[1..], &["a.txt"]), &[]);
    assert_eq!(sees(&vault, "dana"), paths(&["b.txt"]));
    assert_eq!(vault.stats().unwrap().documents, 2, "nothing is removed");
    assert_eq!(sync(&vault, &now(&["user:dana"], &HERE, &[]), &["a.txt"]), ["a.txt"]);
    assert_eq!(sees(&vault, "dana"), paths(&["a.txt", "b.txt"]));
    // Gone once more, and a run finds it.
    sync(&vault, &now(&["user:dana"], &HERE[1..], &["a.txt"]), &[]);
    let mut run = run_under(&vault, &[(".", &["user:dana"])]);
    run.unchanged("a.txt", ".", Timestamp(5)).unwrap();
    run.unchanged("b.txt", ".", Timestamp(5)).unwrap();
    run.finish().unwrap();
    assert_eq!(sees(&vault, "dana"), paths(&["a.txt", "b.txt"]));
}

#[test]
fn a_document_that_moves_to_other_rights_is_under_both_until_it_is_known_to_be_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let vault = with_two(dir.path());
    let mut moved = now(&["user:dana"], &HERE, &[]);
    moved.documents.insert("a.txt".into(), "a.txt".into());
    moved.containers.insert("a.txt".into(), allow(&["everyone"]));
    assert_eq!(sync(&vault, &moved, &[]), ["a.txt"]);
    assert_eq!((sees(&vault, "omar"), sees(&vault, "dana")), (paths(&[]), paths(&["a.txt", "b.txt"])));
    assert_eq!(sync(&vault, &moved, &["a.txt"]), ["a.txt"]);
    assert_eq!(sees(&vault, "omar"), paths(&["a.txt"]));
    assert_eq!(sync(&vault, &moved, &[]), Vec::<String>::new(), "and it is settled");
}

#[test]
fn rights_are_not_read_while_a_run_is_under_way_and_are_as_of_their_reading() {
    let dir = tempfile::tempdir().unwrap();
    let vault = with_two(dir.path());
    let before = vault.freshness().unwrap().remove(0);
    let run = open_run(&vault);
    assert!(matches!(vault.begin_rights(&by(), 0), Err(VaultError::Name { .. })));
    drop(run);
    let sync_under_way = vault.begin_rights(&by(), 0).unwrap();
    assert!(matches!(vault.begin_run(&by(), 0), Err(VaultError::Name { .. })));
    drop(sync_under_way);
    sync(&vault, &now(&["user:dana"], &HERE, &[]), &[]);
    let after = vault.freshness().unwrap().remove(0);
    assert!(after.rights_as_of > before.rights_as_of && after.listed == before.listed, "{after:?}");
}
