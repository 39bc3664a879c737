//! Restarts: what lags is told again, what is lost starts anew, what is another's is refused.

use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn filled(dir: &Path) {
    let vault = open(dir);
    people(&vault, &["dana"]);
    let mut run = open_run(&vault);
    for n in 0..40 {
        run.put(document(&format!("{n}.txt"), ".", &format!("harbor\nberth number{n}\n"))).unwrap();
        if n == 20 {
            run.publish().unwrap();
        }
    }
    run.finish().unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = (entry.as_ref().unwrap().path(), entry.unwrap().file_name());
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

#[test]
fn engines_that_lag_behind_are_told_again() {
    let dir = tempfile::tempdir().unwrap();
    let kept = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    filled(&data);
    for engine in ["lexical", "vectors"] {
        copy(&data.join(engine), &kept.path().join(engine));
    }
    {
        let vault = open(&data);
        let mut run = open_run(&vault);
        run.put(document("new.txt", ".", "dredging\n")).unwrap();
        // Killed before publication; one engine is as it was before, too.
    }
    for engine in ["lexical", "vectors"] {
        fs::remove_dir_all(data.join(engine)).unwrap();
        copy(&kept.path().join(engine), &data.join(engine));
    }
    let vault = open(&data);
    assert_eq!(finds(&vault, "dredging"), paths(&[]), "its run was cut off");
    goes_on(&vault, &["new.txt"]);
    assert_eq!(finds(&vault, "dredging"), paths(&["new.txt"]));
    assert_eq!(vault.stats().unwrap().vectors, 81);
    assert_eq!(vault.stats().unwrap().outbox_waiting, 0);
}

/// The next run of the source finds these as they were read last, and ends.
fn goes_on(vault: &Arc<Vault>, besides: &[&str]) {
    let mut run = vault.begin_run(&by(), 0).unwrap();
    rights(&mut run, &[(".", &["everyone"])]);
    let filled = (0..40).map(|n| format!("{n}.txt"));
    for path in filled.chain(besides.iter().map(ToString::to_string)) {
        run.unchanged(&path, ".", Timestamp(5)).unwrap();
    }
    run.finish().unwrap();
}

/// A version that was applied and waits has no row in the outbox any more: engines that are built
/// anew must know it too.
#[test]
fn engines_built_anew_know_what_was_applied_and_waits() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    filled(&data);
    {
        let vault = open(&data);
        let mut run = vault.begin_run(&by(), 0).unwrap();
        rights(&mut run, &[(".", &["everyone"])]);
        run.put(document("new.txt", ".", "dredging\n")).unwrap();
        drop(run);
        // Another source's publication tells the engines everything.
        let other = vault.source(&by(), spec("other", "/srv/other")).unwrap();
        vault.begin_run(&by(), other).unwrap().finish().unwrap();
        assert_eq!(vault.stats().unwrap().outbox_waiting, 0);
    }
    fs::remove_dir_all(data.join("lexical")).unwrap();
    {
        let vault = open(&data);
        assert!(vault.begin_run(&by(), 0).unwrap().known("new.txt").unwrap().embedded);
        goes_on(&vault, &["new.txt"]);
        assert_eq!(finds(&vault, "dredging"), paths(&["new.txt"]));
        let mut run = vault.begin_run(&by(), 0).unwrap();
        run.put(document("newer.txt", ".", "pilotage\n")).unwrap();
        drop(run);
        let other = vault.source(&by(), spec("other", "/srv/other")).unwrap();
        vault.begin_run(&by(), other).unwrap().finish().unwrap();
    }
    fs::remove_dir_all(data.join("vectors")).unwrap();
    let vault = open(&data);
    let known = vault.begin_run(&by(), 0).unwrap().known("newer.txt").unwrap();
    assert!(!known.embedded, "its vectors are lost, and the next run embeds it");
}

#[test]
fn a_lost_lexical_index_is_built_anew_and_lost_vectors_are_said_to_be_lost() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    filled(&data);
    fs::remove_dir_all(data.join("lexical")).unwrap();
    {
        let vault = open(&data);
        assert_eq!(finds(&vault, "number7"), paths(&["7.txt"]));
        assert_eq!(finds(&vault, "harbor").len(), 40);
        assert_eq!(vault.stats().unwrap().vectors, 80);
        let run = vault.begin_run(&by(), 0).unwrap();
        assert!(run.known("7.txt").unwrap().embedded);
    }
    fs::remove_dir_all(data.join("vectors")).unwrap();
    let vault = open(&data);
    assert_eq!(vault.stats().unwrap().vectors, 0);
    let mut run = vault.begin_run(&by(), 0).unwrap();
    assert!(!run.known("7.txt").unwrap().embedded, "the next run embeds it again");
    rights(&mut run, &[(".", &["everyone"])]);
    run.put(document("7.txt", ".", "harbor\nberth number7\n")).unwrap();
    run.publish().unwrap();
    assert_eq!(vault.stats().unwrap().vectors, 2);
    drop(run);
    drop(vault);
    let vault = open(&data);
    let run = vault.begin_run(&by(), 0).unwrap();
    assert!(run.known("7.txt").unwrap().embedded && !run.known("8.txt").unwrap().embedded);
}

#[test]
fn damaged_engines_are_built_anew() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    filled(&data);
    for engine in ["lexical", "vectors"] {
        for file in fs::read_dir(data.join(engine)).unwrap() {
            fs::write(file.unwrap().path(), b"not what was written").unwrap();
        }
    }
    let vault = open(&data);
    assert_eq!(finds(&vault, "number7"), paths(&["7.txt"]));
}

#[test]
fn a_lexical_index_that_opens_but_cannot_be_written_is_built_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (data, twin) = (dir.path().join("data"), dir.path().join("twin"));
    filled(&data);
    {
        let vault = open(&data);
        let mut run = open_run(&vault);
        for n in 0..10 {
            run.put(document(&format!("{n}.txt"), ".", &format!("dredging\nberth number{n}\n"))).unwrap();
        }
        run.publish().unwrap();
        // Killed before the engines were told to drop what it replaced.
    }
    let deletions = |data: &Path| -> BTreeSet<String> {
        let names = fs::read_dir(data.join("lexical")).unwrap().map(|f| f.unwrap().file_name());
        names.filter_map(|n| n.into_string().ok()).filter(|n| n.ends_with(".del")).collect()
    };
    // What the next opening will write, it writes in a twin first. In its way lies what no sweep removes.
    copy(&data, &twin);
    drop(open(&twin));
    let wanted = &deletions(&twin) - &deletions(&data);
    assert!(!wanted.is_empty());
    for name in &wanted {
        fs::create_dir_all(data.join("lexical").join(name).join("in the way")).unwrap();
    }
    let right = |vault: &Vault| {
        assert_eq!(finds(vault, "harbor").len(), 30);
        assert_eq!(finds(vault, "dredging").len(), 10);
        assert_eq!(finds(vault, "number7"), paths(&["7.txt"]));
        assert_eq!(vault.stats().unwrap().outbox_waiting, 0);
    };
    {
        let vault = open(&data);
        right(&vault);
        assert!(deletions(&data).is_disjoint(&wanted), "it was built anew");
        let mut run = open_run(&vault);
        run.put(document("new.txt", ".", "pilotage\n")).unwrap();
        run.publish().unwrap();
        assert_eq!(finds(&vault, "pilotage"), paths(&["new.txt"]));
    }
    right(&open(&data));
}

#[test]
fn a_catalog_from_a_backup_never_believes_engines_that_are_ahead_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let backup = dir.path().join("backup");
    filled(&data);
    copy(&data, &backup);
    {
        let vault = open(&data);
        let mut run = open_run(&vault);
        run.put(document("secret.txt", ".", "dredging\n")).unwrap();
        run.publish().unwrap();
    }
    // Catalog and text go back; the engines stay as they are, ahead.
    for name in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
        let _ = fs::remove_file(data.join(name));
        if backup.join(name).exists() {
            fs::copy(backup.join(name), data.join(name)).unwrap();
        }
    }
    fs::remove_dir_all(data.join("text")).unwrap();
    copy(&backup.join("text"), &data.join("text"));
    let vault = open(&data);
    assert_eq!(finds(&vault, "dredging"), paths(&[]));
    let mut run = open_run(&vault);
    run.put(document("other.txt", ".", "pilotage\n")).unwrap();
    run.publish().unwrap();
    assert_eq!(finds(&vault, "dredging"), paths(&[]), "its chunk's number is another's now");
    assert_eq!(finds(&vault, "pilotage"), paths(&["other.txt"]));
}

#[test]
fn another_tenant_version_or_embedding_space_is_refused_with_the_way_on() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    filled(&data);
    let refused = |options: OpenOptions| match Vault::open(options) {
        Err(error @ VaultError::Mismatch { .. }) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("opened"),
    };
    let mut other = options(&data, None);
    other.tenant = TenantId::new("other").unwrap();
    assert!(refused(other).contains("`harbor`"));
    let hint = refused(options(&data, Some(hashing(64))));
    assert!(hint.contains("vectors"), "{hint}");
    // The hint is true: without the vectors another space is taken, and all counts as not embedded.
    fs::remove_dir_all(data.join("vectors")).unwrap();
    {
        let vault = Vault::open(options(&data, Some(hashing(64)))).unwrap();
        let run = vault.begin_run(&by(), 0).unwrap();
        assert!(!run.known("1.txt").unwrap().embedded);
    }
    fs::write(data.join("VERSION"), "5\n").unwrap();
    assert!(refused(options(&data, None)).contains("version `5`"));
    fs::remove_file(data.join("VERSION")).unwrap();
    assert!(refused(options(&data, None)).contains("VERSION"));
    let foreign = dir.path().join("home");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("notes.txt"), "mine").unwrap();
    assert!(refused(options(&foreign, None)).contains("not empty"));
}

#[test]
fn without_an_embedder_words_alone_are_searched_and_vectors_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    {
        let vault = Vault::open(options(dir.path(), None)).unwrap();
        assert!(vault.core.published.load().vectors.is_none());
        let mut run = open_run(&vault);
        let mut plain = document("plain.txt", ".", "no vector here\n");
        plain.chunks.iter_mut().for_each(|c| c.vector = None);
        run.put(plain).unwrap();
        run.publish().unwrap();
        assert_eq!(finds(&vault, "vector"), paths(&["plain.txt"]));
    }
    let vault = open(dir.path());
    assert_eq!(vault.stats().unwrap().vectors, 80);
    assert!(vault.core.published.load().vectors.is_some());
    assert!(!vault.begin_run(&by(), 0).unwrap().known("plain.txt").unwrap().embedded);
}

#[test]
fn nobody_else_can_read_the_folder_the_keys_or_the_catalog() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    filled(&data);
    let _open = open(&data);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    for folder in ["keys", "text", "lexical", "vectors"] {
        assert_eq!(mode(&data.join(folder)), 0o700, "{folder}");
    }
    for file in ["catalog.sqlite", "catalog.sqlite-wal", "keys/ids.key"] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
    }
}

#[test]
fn texts_that_no_row_names_are_swept_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let orphan = dir.path().join("text").join("ab").join("abcdef-0123-0");
    fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    fs::write(&orphan, b"left by a killed process").unwrap();
    let vault = open(dir.path());
    assert!(!orphan.exists());
    assert_eq!(text_of(&vault.core, "7.txt").as_deref(), Some("harbor\nberth number7\n"));
}
