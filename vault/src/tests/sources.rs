//! Sources renamed, moved and removed: ids stay, numbers are given to no other, and nobody is answered from what is gone.

use super::*;

fn id_of(vault: &Vault, name: &str) -> String {
    vault.source_infos().unwrap().into_iter().find(|s| s.spec.name == name).unwrap().id
}

fn filled(vault: &Arc<Vault>, name: &str, word: &str) -> u32 {
    let no = vault.source(&by(), spec(name, &format!("/srv/{name}"))).unwrap();
    let mut run = vault.begin_run(&by(), no).unwrap();
    rights(&mut run, &[(".", &["everyone"])]);
    run.put(document("one.txt", ".", &format!("harbor {word}\n"))).unwrap();
    run.finish().unwrap();
    no
}

fn keys(vault: &Vault) -> BTreeMap<u32, [u8; 32]> {
    vault.core.published.load().image.documents.values().map(|d| (d.source, d.key)).collect()
}

#[test]
fn a_renamed_source_keeps_its_ids_and_its_old_name_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    people(&vault, &["dana"]);
    let no = filled(&vault, "handbook", "number1");
    let (id, before) = (id_of(&vault, "handbook"), keys(&vault));
    vault.rename_source(&by(), &id, "manual").unwrap();
    vault.rename_source(&by(), &id, "manual").unwrap();
    assert_eq!(vault.core.published.load().image.sources[no as usize].name.as_ref(), "manual");
    // Read again under its new name, it is the same document; another source of the old name has other ids.
    let mut run = vault.begin_run(&by(), no).unwrap();
    rights(&mut run, &[(".", &["everyone"])]);
    run.put(document("one.txt", ".", "harbor number2\n")).unwrap();
    run.finish().unwrap();
    assert_eq!(keys(&vault), before);
    // Over the same folder it would be the renamed one, which nobody would read any more.
    let again = vault.sources().unwrap().into_iter().find(|(_, spec)| spec.name == "manual").unwrap().1;
    let refused = vault.source(&by(), crate::writer::SourceSpec { name: "handbook".into(), ..again });
    assert!(refused.unwrap_err().to_string().contains("was renamed to `manual`"));
    vault.move_source(&by(), &id, "/srv/elsewhere").unwrap();
    let other = filled(&vault, "handbook", "number3");
    let all = keys(&vault);
    assert_eq!(all.len(), 2);
    assert_ne!(all[&other], all[&no]);
    assert_ne!(id_of(&vault, "handbook"), id);
    assert!(vault.rename_source(&by(), &id, "handbook").is_err(), "that name is taken");
    drop(vault);
    let vault = open(dir.path());
    assert_eq!(keys(&vault), all);
    assert!(vault.sources().unwrap().iter().any(|(_, s)| s.name == "manual" && s.root == "/srv/elsewhere"));
}

#[test]
fn a_removed_source_is_gone_at_once_and_from_every_store() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    people(&vault, &["dana"]);
    let (no, kept) = (filled(&vault, "handbook", "number1"), filled(&vault, "notes", "number2"));
    let (id, before) = (id_of(&vault, "handbook"), keys(&vault));
    let run = vault.begin_run(&by(), no).unwrap();
    let refused = vault.remove_source(&by(), &id);
    assert!(refused.unwrap_err().to_string().contains("is being ingested"));
    run.stop(crate::runs::RunState::Cancelled);
    assert_eq!(vault.remove_source(&by(), &id).unwrap(), 1);
    assert_eq!(vault.remove_source(&by(), &id).unwrap(), 0, "asked again, it is gone");
    assert_eq!(finds(&vault, "number1"), paths(&[]));
    assert_eq!(keys(&vault).len(), 1);
    let found = vault.verify(false).unwrap();
    assert_eq!((found.problems(), found.texts, found.lexical.passages, found.vectors.passages), (0, 1, 1, 1));
    let texts = crate::tests::backup::all_files(&dir.path().join("text"));
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert_eq!(vault.stats().unwrap().sources, 1);
    drop(vault);
    let vault = open(dir.path());
    assert!(vault.begin_run(&by(), no).is_err(), "its number is nobody's");
    // Recorded again it has another number, and its documents the ids that they had.
    let again = filled(&vault, "handbook", "number3");
    assert!(again != no && again != kept);
    assert_eq!(keys(&vault)[&again], before[&no]);
    assert_eq!(sees(&vault, "dana").len(), 1);
    assert_eq!(finds(&vault, "number3"), paths(&["one.txt"]));
}

#[test]
fn a_source_that_was_removed_or_renamed_since_the_backup_stays_so() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(&dir.path().join("data"));
    people(&vault, &["dana"]);
    filled(&vault, "handbook", "number1");
    filled(&vault, "notes", "number2");
    let backup = vault.backup(&by(), &dir.path().join("backup"), "one").unwrap();
    vault.remove_source(&by(), &id_of(&vault, "handbook")).unwrap();
    vault.rename_source(&by(), &id_of(&vault, "notes"), "handbook").unwrap();
    let restored = crate::backup::restore(crate::backup::Restore {
        backup: backup.folder,
        keys: crate::keys::KeyMaterial::read(&dir.path().join("data/keys")).unwrap(),
        ledger: crate::backup::LedgerGiven::File(dir.path().join("data/keys/rights.ledger")),
        open: options(&dir.path().join("copy"), None),
        by: by(),
    });
    assert_eq!((restored.as_ref().unwrap().narrowed.removed, restored.unwrap().narrowed.sources), (1, 2));
    let copy = open(&dir.path().join("copy"));
    assert_eq!(finds(&copy, "number1"), paths(&[]));
    assert_eq!(finds(&copy, "number2"), paths(&["one.txt"]));
    let names: Vec<String> = copy.sources().unwrap().into_iter().map(|(_, s)| s.name).collect();
    assert_eq!(names, ["handbook"]);
}
