//! Runs: what is put, listed, removed, replaced and counted.

use super::*;
use crate::runs::RunState;

#[test]
fn what_is_put_is_published_found_and_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    {
        let vault = open(dir.path());
        people(&vault, &["dana"]);
        let mut run = run_under(&vault, &[(".", &["everyone"]), ("hr", &["user:dana"])]);
        run.put(document("a.txt", ".", "harbor dues\nare paid monthly\n")).unwrap();
        run.put(document("hr/pay.txt", "hr", "salaries\n")).unwrap();
        assert_eq!(sees(&vault, "dana"), paths(&[]), "nothing before publication");
        let summary = run.finish().unwrap();
        assert_eq!((summary.added, summary.chunks), (2, 3));
        assert_eq!(sees(&vault, "dana"), paths(&["a.txt", "hr/pay.txt"]));
        assert_eq!(finds(&vault, "harbor"), paths(&["a.txt"]));
    }
    let vault = open(dir.path());
    assert_eq!(sees(&vault, "dana"), paths(&["a.txt", "hr/pay.txt"]));
    assert_eq!(finds(&vault, "salaries"), paths(&["hr/pay.txt"]));
    assert_eq!(text_of(&vault.core, "a.txt").as_deref(), Some("harbor dues\nare paid monthly\n"));
    let stats = vault.stats().unwrap();
    assert_eq!((stats.documents, stats.chunks, stats.vectors, stats.outbox_waiting), (2, 3, 3, 0));
}

#[test]
fn an_interrupted_run_keeps_what_was_put_and_the_next_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    {
        let vault = open(dir.path());
        people(&vault, &["dana"]);
        let mut run = open_run(&vault);
        run.put(document("a.txt", ".", "first\n")).unwrap();
        run.put(document("b.txt", ".", "second\n")).unwrap();
        // Dropped without an end, and without publication.
    }
    let vault = open(dir.path());
    assert_eq!(sees(&vault, "dana"), paths(&[]), "kept, and not let out before its source was read again");
    let mut run = vault.begin_run(&by(), source(&vault)).unwrap();
    assert_eq!(run.known_count(), 2);
    let known = run.known("a.txt").unwrap();
    assert_eq!(known.raw_hash, <[u8; 32]>::from(Sha256::digest("first\n")));
    assert!(known.embedded);
    rights(&mut run, &[(".", &["everyone"])]);
    run.unchanged("a.txt", ".", Timestamp(5)).unwrap();
    run.unchanged("b.txt", ".", Timestamp(5)).unwrap();
    run.put(document("c.txt", ".", "third\n")).unwrap();
    let summary = run.finish().unwrap();
    assert_eq!((summary.added, summary.unchanged, summary.removed), (1, 2, 0));
    assert_eq!(sees(&vault, "dana"), paths(&["a.txt", "b.txt", "c.txt"]));
}

#[test]
fn the_number_of_a_chunk_is_never_given_again() {
    let dir = tempfile::tempdir().unwrap();
    let first = |vault: &Vault, path: &str| {
        let published = vault.core.published.load();
        published.image.documents.values().find(|d| &*d.path == path).unwrap().chunks.clone()
    };
    let gone = {
        let vault = open(dir.path());
        let mut run = open_run(&vault);
        run.put(document("a.txt", ".", "one\n")).unwrap();
        run.put(document("b.txt", ".", "two\nthree\n")).unwrap();
        run.finish().unwrap();
        let gone = first(&vault, "b.txt");
        let mut run = vault.begin_run(&by(), 0).unwrap();
        run.unchanged("a.txt", ".", Timestamp(5)).unwrap();
        run.finish().unwrap();
        gone
    };
    let vault = open(dir.path());
    let mut run = vault.begin_run(&by(), 0).unwrap();
    run.unchanged("a.txt", ".", Timestamp(5)).unwrap();
    run.put(document("c.txt", ".", "four\n")).unwrap();
    run.finish().unwrap();
    assert!(first(&vault, "c.txt").start >= gone.end, "{:?} after {gone:?}", first(&vault, "c.txt"));
}

#[test]
fn a_run_keeps_its_number_until_it_ends_and_says_how_it_was_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let state = |vault: &Vault| {
        let row = vault.runs(None, 1).unwrap().remove(0);
        (row.no, row.state, row.legs)
    };
    {
        let vault = open(dir.path());
        let mut run = open_run(&vault);
        run.progress(3, 9);
        assert_eq!(state(&vault), (1, RunState::Running, 1));
        run.stop(RunState::Paused);
        let row = vault.runs(Some("handbook"), 9).unwrap().remove(0);
        assert_eq!((row.state, row.done, row.of), (RunState::Paused, 3, 9));
        assert!(row.ended.is_some() && vault.runs(Some("other"), 9).unwrap().is_empty());
        // Killed: nothing ends it.
        std::mem::forget(vault.begin_run(&by(), 0).unwrap());
        assert_eq!(state(&vault), (1, RunState::Running, 2));
        assert!(matches!(vault.mark_run(&by(), 1, RunState::Paused), Err(VaultError::Name { .. })));
    }
    // Opened by another process: the forgotten run holds the first vault for ever, which closes nothing.
    let catalog = dir.path().join("catalog.sqlite");
    let copy = tempfile::tempdir().unwrap();
    copy_all(dir.path(), copy.path());
    assert!(catalog.exists());
    let vault = open(copy.path());
    assert_eq!(state(&vault), (1, RunState::Interrupted, 2));
    vault.explain_run(0, "the disk is full").unwrap();
    assert_eq!(vault.run(1).unwrap().unwrap().0.why.as_deref(), Some("the disk is full"));
    vault.mark_run(&by(), 1, RunState::Paused).unwrap();
    vault.mark_run(&by(), 1, RunState::Paused).unwrap();
    let run = vault.begin_run(&by(), 0).unwrap();
    assert_eq!((run.number(), state(&vault)), (1, (1, RunState::Running, 3)));
    assert_eq!(vault.run(1).unwrap().unwrap().0.why, None);
    run.finish().unwrap();
    assert_eq!(state(&vault), (1, RunState::Done, 3));
    vault.keep_report(1, "{}").unwrap();
    assert_eq!(vault.run(1).unwrap().unwrap().1.as_deref(), Some("{}"));
    // A cancelled one is over: what follows is another run.
    vault.begin_run(&by(), 0).unwrap().stop(RunState::Cancelled);
    assert!(matches!(vault.mark_run(&by(), 2, RunState::Paused), Err(VaultError::Name { .. })));
    assert!(matches!(vault.mark_run(&by(), 9, RunState::Paused), Err(VaultError::Name { .. })));
    drop(vault.begin_run(&by(), 0).unwrap());
    assert_eq!(state(&vault), (3, RunState::Interrupted, 1));
    let seen = vault.runs(None, 9).unwrap();
    assert_eq!(seen.iter().map(|row| row.no).collect::<Vec<_>>(), [3, 2, 1]);
}

fn copy_all(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let (entry, kind) = entry.map(|e| (e.path(), e.file_type().unwrap())).unwrap();
        let to = to.join(entry.file_name().unwrap());
        if kind.is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            copy_all(&entry, &to);
        } else {
            std::fs::copy(&entry, &to).unwrap();
        }
    }
}

/// The file became secret, and its folder's rights narrowed, and the process was killed between the
/// two readings: neither a restart nor another source's run may let the new text out under the old rights.
#[test]
fn what_a_cut_off_run_left_is_published_by_a_run_of_its_own_source_alone() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = |vault: &Arc<Vault>| {
        let other = vault.source(&by(), spec("other", "/srv/other")).unwrap();
        let mut run = vault.begin_run(&by(), other).unwrap();
        rights(&mut run, &[("x", &["everyone"])]);
        run.put(document("x.txt", "x", "elsewhere\n")).unwrap();
        run.finish().unwrap();
    };
    {
        let vault = open(dir.path());
        people(&vault, &["dana", "omar"]);
        let mut run = vault.begin_run(&by(), source(&vault)).unwrap();
        rights(&mut run, &[(".", &["everyone"])]);
        run.put(document("a.txt", ".", "harmless\n")).unwrap();
        run.finish().unwrap();
        let mut run = vault.begin_run(&by(), source(&vault)).unwrap();
        rights(&mut run, &[(".", &["everyone"])]);
        run.put(document("a.txt", ".", "secret\n")).unwrap();
        elsewhere(&vault);
        assert_eq!(text_of(&vault.core, "a.txt").as_deref(), Some("harmless\n"), "while the run goes on");
        assert!(vault.read_again().unwrap().is_empty(), "a run under way is nothing to be told of");
        drop(run);
        elsewhere(&vault);
        assert_eq!(text_of(&vault.core, "a.txt").as_deref(), Some("harmless\n"), "cut off");
    }
    let vault = open(dir.path());
    assert_eq!(text_of(&vault.core, "a.txt").as_deref(), Some("harmless\n"), "after a restart");
    elsewhere(&vault);
    assert_eq!(text_of(&vault.core, "a.txt").as_deref(), Some("harmless\n"), "and another source's run");
    assert_eq!(vault.stats().unwrap().outbox_waiting, 0, "the engines know it all the same");
    let waiting = vault.read_again().unwrap();
    assert_eq!((waiting.len(), &*waiting[0].source, waiting[0].waiting), (1, "handbook", 1));
    let mut run = vault.begin_run(&by(), source(&vault)).unwrap();
    rights(&mut run, &[(".", &["user:dana"])]);
    assert_eq!(sees(&vault, "omar"), paths(&["x.txt"]));
    run.unchanged("a.txt", ".", Timestamp(5)).unwrap();
    run.finish().unwrap();
    assert_eq!(text_of(&vault.core, "a.txt").as_deref(), Some("secret\n"));
    assert_eq!(sees(&vault, "omar"), paths(&["x.txt"]));
    assert_eq!(sees(&vault, "dana"), paths(&["a.txt", "x.txt"]));
    assert_eq!(finds(&vault, "secret"), paths(&["a.txt"]));
    assert_eq!(finds(&vault, "harmless"), paths(&[]));
    assert!(vault.read_again().unwrap().is_empty());
}

#[test]
fn the_old_version_is_read_until_the_new_one_is_published_and_then_goes() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    people(&vault, &["dana"]);
    let mut run = open_run(&vault);
    run.put(document("a.txt", ".", "mooring\n")).unwrap();
    run.finish().unwrap();
    let mut run = open_run(&vault);
    run.put(document("a.txt", ".", "pilotage\n")).unwrap();
    run.put(document("a.txt", ".", "pilotage dues\n")).unwrap();
    assert_eq!(text_of(&vault.core, "a.txt").as_deref(), Some("mooring\n"));
    assert_eq!(finds(&vault, "mooring"), paths(&["a.txt"]));
    let (pinned, _) = vault.core.pin();
    run.publish().unwrap();
    assert_eq!(text_of(&vault.core, "a.txt").as_deref(), Some("pilotage dues\n"));
    assert_eq!(finds(&vault, "mooring"), paths(&[]));
    assert_eq!(finds(&vault, "pilotage"), paths(&["a.txt"]));
    // Whoever pinned the old state still reads it.
    let old = pinned.image.documents.values().next().unwrap();
    assert!(vault.core.text_span(old, 0..100).unwrap().is_some());
    assert!(vault.core.details(old).unwrap().is_some());
    let old = (**old).clone();
    drop(pinned);
    run.finish().unwrap();
    assert!(vault.core.text_span(&old, 0..100).unwrap().is_none(), "gone with its last reader");
    assert!(vault.core.details(&old).unwrap().is_none());
    let stats = vault.stats().unwrap();
    assert_eq!((stats.documents, stats.chunks, stats.vectors, stats.outbox_waiting), (1, 1, 1, 0));
    let texts = std::fs::read_dir(dir.path().join("text")).unwrap();
    let files: usize = texts.map(|f| std::fs::read_dir(f.unwrap().path()).unwrap().count()).sum();
    assert_eq!(files, 1);
}

#[test]
fn what_a_full_listing_did_not_see_is_removed_before_anything_is_published() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    people(&vault, &["dana"]);
    let mut run = open_run(&vault);
    run.put(document("a.txt", ".", "first\n")).unwrap();
    run.put(document("b.txt", ".", "second\n")).unwrap();
    run.failed("c.txt", ".", &Tried::of("broken", "at byte 7")).unwrap();
    run.finish().unwrap();
    assert_eq!(vault.failures(0).unwrap().len(), 1);
    let mut run = open_run(&vault);
    run.unchanged("b.txt", ".", Timestamp(5)).unwrap();
    assert_eq!(run.would_remove(), 1);
    let summary = run.finish().unwrap();
    assert_eq!(summary.removed, 1);
    assert_eq!(sees(&vault, "dana"), paths(&["b.txt"]));
    assert_eq!(finds(&vault, "first"), paths(&[]));
    assert_eq!(vault.failures(0).unwrap(), vec![], "the failing file is gone too");
    // It comes back under the same id.
    let id = |vault: &Vault| {
        let published = vault.core.published.load();
        published.image.documents.values().find(|d| &*d.path == "a.txt").map(|d| d.key)
    };
    assert_eq!(id(&vault), None);
    let mut run = open_run(&vault);
    run.put(document("a.txt", ".", "first\n")).unwrap();
    run.unchanged("b.txt", ".", Timestamp(5)).unwrap();
    run.finish().unwrap();
    let key = vault.core.keys.document_key(&vault.core.tenant, "handbook", "a.txt");
    assert_eq!(id(&vault), Some(key));
    assert_eq!(vault.stats().unwrap().vectors, 2);
}

#[test]
fn failures_count_their_attempts_and_go_with_success() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    for attempts in 1..3 {
        let mut run = open_run(&vault);
        run.failed("c.pdf", ".", &Tried::of("encrypted", "")).unwrap();
        assert_eq!(run.finish().unwrap().failed, 1);
        let recorded = vault.failures(0).unwrap();
        let failure = &recorded[0];
        assert_eq!((recorded.len(), failure.path.as_str(), failure.attempts), (1, "c.pdf", attempts));
        assert_eq!((failure.reason.as_str(), failure.next), ("encrypted", None));
    }
    let mut run = open_run(&vault);
    run.put(document("c.pdf", ".", "now it opens\n")).unwrap();
    run.finish().unwrap();
    assert_eq!(vault.failures(0).unwrap(), vec![]);
}

#[test]
fn what_failed_is_known_again_and_its_next_try_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let under = Under { pipeline: 3, limits: "small".into() };
    let tried = Tried {
        raw_hash: Some([7; 32]),
        under: under.clone(),
        again: Again::Later,
        ..Tried::of("timeout", "slow")
    };
    let mut run = open_run(&open(dir.path()));
    let told = run.failed("c.pdf", ".", &tried).unwrap();
    run.finish().unwrap();

    let vault = open(dir.path());
    assert_eq!(vault.failures(0).unwrap(), std::slice::from_ref(&told));
    let mut run = open_run(&vault);
    let standing = run.standing("c.pdf").unwrap();
    let (early, due) = (Timestamp(told.next.unwrap().0 - 1), told.next.unwrap());
    assert!(standing.stands(&[7; 32], &under, early) && !standing.stands(&[7; 32], &under, due));
    // Not tried: nothing but what is said of it changes, and it counts as failed.
    let still = run.still_failed("c.pdf", ".", "slow, still").unwrap();
    assert_eq!((still.attempts, still.tried, still.next), (1, told.tried, told.next));
    assert_eq!(run.finish().unwrap().failed, 1);
    assert_eq!(vault.failures(0).unwrap()[0].detail, "slow, still");
}

#[test]
fn an_unchanged_document_may_have_a_new_time() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    let modified =
        |vault: &Vault| vault.core.published.load().image.documents.values().next().map(|d| d.modified);
    let mut run = open_run(&vault);
    run.put(document("a.txt", ".", "first\n")).unwrap();
    run.finish().unwrap();
    let mut run = open_run(&vault);
    run.unchanged("a.txt", ".", Timestamp(77)).unwrap();
    let started = run.started();
    run.finish().unwrap();
    assert_eq!(modified(&vault), Some(Timestamp(77)));
    assert_eq!(vault.core.published.load().image.sources[0].fresh, Some(started));
    drop(vault);
    assert_eq!(modified(&open(dir.path())), Some(Timestamp(77)));
}

#[test]
fn a_source_has_one_run_at_a_time_and_one_root() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    let no = source(&vault);
    let run = vault.begin_run(&by(), no).unwrap();
    assert!(matches!(vault.begin_run(&by(), no), Err(VaultError::Name { .. })));
    drop(run);
    vault.begin_run(&by(), no).unwrap();
    assert_eq!(vault.source(&by(), spec("handbook", "/srv/handbook")).unwrap(), no);
    let clash = vault.source(&by(), spec("handbook", "/srv/other")).unwrap_err();
    assert!(clash.to_string().contains("--name"), "{clash}");
    assert_eq!(vault.source(&by(), spec("other", "/srv/other")).unwrap(), no + 1);
    let mut changed = spec("handbook", "/srv/handbook");
    changed.default_allow = vec!["user:dana".into()];
    changed.url_template = Some("https://wiki.harbor.example/{path}".into());
    assert_eq!(vault.source(&by(), changed.clone()).unwrap(), no);
    assert_eq!(vault.sources().unwrap()[0].1, changed);
    let published = vault.core.published.load();
    assert_eq!(published.image.sources[0].url_template, changed.url_template.map(Into::into));
}

#[test]
fn documents_that_are_put_together_are_kept_all_or_none() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    people(&vault, &["dana"]);
    let texts = || -> usize {
        let folders = std::fs::read_dir(dir.path().join("text")).unwrap();
        folders.map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap().count()).sum()
    };
    let mut run = open_run(&vault);
    let three = ["a", "b", "c"].map(|name| document(name, ".", &format!("{name} stands here\n")));
    // The second one finds no number for its passage any more.
    let next = |number: u32| {
        let set = |tx: &crate::catalog::Tx<'_>| tx.set_meta("next_chunk", &number.to_string());
        vault.catalog.lock().transaction("a test", set).unwrap();
    };
    next(u32::MAX - 1);
    assert!(matches!(run.put_all(&three), Err(VaultError::Mismatch { .. })));
    assert_eq!((texts(), vault.stats().unwrap().documents), (0, 0));
    next(0);
    run.put_all(&three).unwrap();
    // One that was put already is put once more, beside itself.
    let again = ["c", "d", "c"].map(|name| document(name, ".", &format!("{name} stands there\n")));
    run.put_all(&again).unwrap();
    let summary = run.finish().unwrap();
    // A document counts once, its passages as often as they were kept.
    assert_eq!((summary.added, summary.chunks), (4, 6));
    assert_eq!(sees(&vault, "dana"), paths(&["a", "b", "c", "d"]));
    assert_eq!(finds(&vault, "there"), paths(&["c", "d"]));
    vault.sweep_retired().unwrap();
    assert_eq!(texts(), 4);
}
