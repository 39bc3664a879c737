//! Rights during runs: narrowings at once, widenings after their content, unknown is nobody.

use super::*;
use crate::writer::RunSummary;

/// A vault with one document in `.`, readable by the people named.
fn with_one(dir: &Path, who: &[&str]) -> Arc<Vault> {
    let vault = open(dir);
    people(&vault, &["dana", "omar", "vera"]);
    let mut run = run_under(&vault, &[(".", who)]);
    run.put(document("a.txt", ".", "old text\n")).unwrap();
    run.finish().unwrap();
    vault
}

fn who_sees(vault: &Vault, path: &str) -> String {
    ["dana", "omar", "vera"]
        .into_iter()
        .filter(|p| sees(vault, p).contains(path))
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn narrowing_acts_at_once_and_widening_with_the_end_of_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let vault = with_one(dir.path(), &["user:dana", "user:omar"]);
    assert_eq!(who_sees(&vault, "a.txt"), "dana omar");
    let mut run = run_under(&vault, &[(".", &["user:omar", "user:vera"])]);
    assert_eq!(who_sees(&vault, "a.txt"), "omar", "old AND new");
    run.put(document("a.txt", ".", "new text\n")).unwrap();
    run.publish().unwrap();
    assert_eq!(who_sees(&vault, "a.txt"), "omar", "others of the container may still be old");
    assert_eq!(run.finish().unwrap().rights_changed, 1);
    assert_eq!(who_sees(&vault, "a.txt"), "omar vera");
}

/// What a cut-off run read under narrow rights, and a later run could not read any more, must not come
/// out under the wider ones that this later run found; nor before the later run has seen the document.
#[test]
fn what_was_read_under_narrow_rights_and_never_published_does_not_come_out_under_wider_ones() {
    for looked in ["never", "failed"] {
        let dir = tempfile::tempdir().unwrap();
        let vault = open(dir.path());
        people(&vault, &["dana", "omar", "vera"]);
        let no = source(&vault);
        let mut run = vault.begin_run(&by(), no).unwrap();
        rights(&mut run, &[(".", &["user:dana"])]);
        run.put(document("a.txt", ".", "secret\n")).unwrap();
        drop(run);
        drop(vault);
        let vault = open(dir.path());
        let mut run = run_under(&vault, &[(".", &["everyone"])]);
        if looked == "failed" {
            run.failed("a.txt", ".", &Tried::of("broken", "")).unwrap();
        }
        run.put(document("b.txt", ".", "berths\n")).unwrap();
        run.publish().unwrap();
        assert_eq!(who_sees(&vault, "a.txt"), "", "{looked}");
        if looked == "failed" {
            run.finish().unwrap();
            assert_eq!(who_sees(&vault, "a.txt"), "");
            let mut run = run_under(&vault, &[(".", &["everyone"])]);
            run.unchanged("a.txt", ".", Timestamp(5)).unwrap();
            run.unchanged("b.txt", ".", Timestamp(5)).unwrap();
            run.finish().unwrap();
            assert_eq!(who_sees(&vault, "a.txt"), "dana omar vera", "found to be what the source has now");
        }
    }
}

/// Put, then failed in a later round of the same run, because its rights had moved meanwhile.
#[test]
fn what_a_round_read_and_the_next_could_not_is_not_published() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    people(&vault, &["dana", "omar", "vera"]);
    let mut run = vault.begin_run(&by(), source(&vault)).unwrap();
    rights(&mut run, &[(".", &["user:dana"])]);
    run.put(document("a.txt", ".", "secret\n")).unwrap();
    rights(&mut run, &[(".", &["everyone"])]);
    run.failed("a.txt", ".", &Tried::of("broken", "")).unwrap();
    run.finish().unwrap();
    assert_eq!(who_sees(&vault, "a.txt"), "");
}

#[test]
fn a_run_that_is_killed_between_stays_at_old_and_new() {
    let dir = tempfile::tempdir().unwrap();
    let vault = with_one(dir.path(), &["user:dana"]);
    let run = run_under(&vault, &[(".", &["user:dana", "user:vera"])]);
    drop(run);
    drop(vault);
    let vault = open(dir.path());
    assert_eq!(who_sees(&vault, "a.txt"), "dana");
    // A third set before the run goes on: all three must allow.
    let mut run = run_under(&vault, &[(".", &["user:omar", "user:vera"])]);
    assert_eq!(who_sees(&vault, "a.txt"), "");
    run.unchanged("a.txt", ".", Timestamp(5)).unwrap();
    run.finish().unwrap();
    assert_eq!(who_sees(&vault, "a.txt"), "omar vera");
}

#[test]
fn content_that_moves_to_other_rights_is_under_both_until_it_is_published() {
    let dir = tempfile::tempdir().unwrap();
    let vault = with_one(dir.path(), &["user:dana", "user:omar"]);
    let mut run =
        run_under(&vault, &[(".", &["user:dana", "user:omar"]), ("a.txt", &["user:omar", "user:vera"])]);
    assert_eq!(who_sees(&vault, "a.txt"), "dana omar", "not moved yet");
    run.put(document("a.txt", "a.txt", "new text\n")).unwrap();
    assert_eq!(who_sees(&vault, "a.txt"), "omar");
    // A narrowing of the container meanwhile reaches the held class too.
    rights(&mut run, &[("a.txt", &["user:vera"])]);
    assert_eq!(who_sees(&vault, "a.txt"), "");
    run.publish().unwrap();
    assert_eq!(who_sees(&vault, "a.txt"), "vera");
    run.finish().unwrap();
    assert_eq!(who_sees(&vault, "a.txt"), "vera");
}

#[test]
fn an_unchanged_document_that_moves_is_under_both_until_the_next_publication() {
    let dir = tempfile::tempdir().unwrap();
    let vault = with_one(dir.path(), &["user:dana", "user:omar"]);
    let mut run = run_under(&vault, &[(".", &["user:dana"]), ("a.txt", &["user:omar", "user:vera"])]);
    run.unchanged("a.txt", "a.txt", Timestamp(5)).unwrap();
    assert_eq!(who_sees(&vault, "a.txt"), "");
    drop(run);
    drop(vault);
    // Killed: it stays held, and the next run lets it go.
    let vault = open(dir.path());
    assert_eq!(who_sees(&vault, "a.txt"), "");
    let mut run = run_under(&vault, &[(".", &["user:dana"]), ("a.txt", &["user:omar", "user:vera"])]);
    run.unchanged("a.txt", "a.txt", Timestamp(5)).unwrap();
    run.finish().unwrap();
    assert_eq!(who_sees(&vault, "a.txt"), "omar vera");
}

#[test]
fn a_failed_document_stays_under_old_and_new_until_it_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let vault = with_one(dir.path(), &["user:dana", "user:omar"]);
    let again = |who: &[&str], failed: bool| -> RunSummary {
        let mut run = run_under(&vault, &[(".", who)]);
        if failed {
            run.failed("a.txt", ".", &Tried::of("broken", "")).unwrap();
        } else {
            run.put(document("a.txt", ".", "new text\n")).unwrap();
        }
        run.finish().unwrap()
    };
    again(&["user:omar", "user:vera"], true);
    assert_eq!(who_sees(&vault, "a.txt"), "omar");
    again(&["everyone"], true);
    assert_eq!(who_sees(&vault, "a.txt"), "omar", "whom all three allow");
    again(&["user:vera"], false);
    assert_eq!(who_sees(&vault, "a.txt"), "vera");
}

#[test]
fn what_was_never_published_stays_so_when_its_next_reading_fails() {
    let dir = tempfile::tempdir().unwrap();
    let vault = with_one(dir.path(), &["user:dana", "user:omar"]);
    let mut run = run_under(&vault, &[(".", &["user:dana", "user:omar"])]);
    run.put(document("b.txt", ".", "read under narrow rights\n")).unwrap();
    drop(run);

    let mut run = open_run(&vault);
    run.put(document("a.txt", ".", "new text\n")).unwrap();
    run.failed("b.txt", ".", &Tried::of("broken", "")).unwrap();
    run.finish().unwrap();
    assert_eq!(who_sees(&vault, "a.txt"), "dana omar vera");
    assert_eq!(who_sees(&vault, "b.txt"), "", "not what the source has now");
    let mut run = run_under(&vault, &[(".", &["user:dana", "user:vera"])]);
    run.unchanged("a.txt", ".", Timestamp(5)).unwrap();
    run.unchanged("b.txt", ".", Timestamp(5)).unwrap();
    run.finish().unwrap();
    assert_eq!(who_sees(&vault, "b.txt"), "dana vera", "found again as it was read");
}

/// A document that moved and could not be read stays under its old place's rights too. Whoever these
/// denied through a group must not gain sight of it because the group is gone.
#[test]
fn old_rights_that_name_somebody_who_is_gone_hide() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    people(&vault, &["dana", "omar", "vera"]);
    let crew = |change: fn(String, String) -> DirectoryChange| change("crew".into(), "user:omar".into());
    let add = crew(|handle, _| DirectoryChange::AddGroup { handle });
    let member = crew(|group, member| DirectoryChange::AddMember { group, member });
    vault.change_directory(&by(), &[add, member]).unwrap();
    let mut denied = allow(&["everyone"]);
    let deny = RightsEntry {
        effect: Effect::Deny,
        principal: "group:crew".into(),
        naming: Naming::Handle,
        window: Window::ALWAYS,
        origin: Origin { file: "hr/.access.toml".into(), line: 1 },
    };
    denied.entries.insert(0, deny);
    let both = BTreeMap::from([("hr".to_owned(), denied), ("ops".to_owned(), allow(&["everyone"]))]);
    let mut run = vault.begin_run(&by(), source(&vault)).unwrap();
    run.set_rights(both.clone()).unwrap();
    run.put(document("a.txt", "hr", "secret\n")).unwrap();
    run.finish().unwrap();
    let mut run = vault.begin_run(&by(), 0).unwrap();
    run.set_rights(both.clone()).unwrap();
    run.failed("a.txt", "ops", &Tried::of("broken", "")).unwrap();
    run.finish().unwrap();
    assert_eq!(who_sees(&vault, "a.txt"), "dana vera");
    let remove = crew(|handle, _| DirectoryChange::RemoveGroup { handle });
    vault.change_directory(&by(), &[remove]).unwrap();
    assert_eq!(who_sees(&vault, "a.txt"), "", "neither omar nor anybody else");
    drop(vault);
    let vault = open(dir.path());
    assert_eq!(who_sees(&vault, "a.txt"), "", "nor after a restart");
    let mut run = vault.begin_run(&by(), 0).unwrap();
    run.set_rights(both).unwrap();
    run.unchanged("a.txt", "ops", Timestamp(5)).unwrap();
    run.finish().unwrap();
    assert_eq!(
        who_sees(&vault, "a.txt"),
        "dana omar vera",
        "read again, it is under its new place's rights alone"
    );
}

#[test]
fn unknown_names_hide_until_the_directory_knows_them() {
    let dir = tempfile::tempdir().unwrap();
    let vault = with_one(dir.path(), &["everyone", "group:crew"]);
    assert_eq!(who_sees(&vault, "a.txt"), "");
    let mut run = vault.begin_run(&by(), 0).unwrap();
    assert_eq!(run.rights_problems().unwrap(), vec![], "of what no listing names any more");
    rights(&mut run, &[(".", &["everyone", "group:crew"])]);
    assert_eq!(
        run.rights_problems().unwrap(),
        vec![(".access.toml:2".into(), "there is no group `crew`".into())]
    );
    drop(run);
    assert_eq!(vault.stats().unwrap().rights_unresolved, 1);
    vault.change_directory(&by(), &[DirectoryChange::AddGroup { handle: "crew".into() }]).unwrap();
    assert_eq!(who_sees(&vault, "a.txt"), "dana omar vera");
    vault.change_directory(&by(), &[DirectoryChange::RemoveGroup { handle: "crew".into() }]).unwrap();
    assert_eq!(who_sees(&vault, "a.txt"), "");
    drop(vault);
    let vault = open(dir.path());
    assert_eq!(who_sees(&vault, "a.txt"), "");
    // A group of the same name is another group; the rights name whoever has the name now.
    vault.change_directory(&by(), &[DirectoryChange::AddGroup { handle: "crew".into() }]).unwrap();
    assert_eq!(who_sees(&vault, "a.txt"), "dana omar vera");
}

#[test]
fn a_container_whose_rights_nobody_stated_is_nobodys() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    people(&vault, &["dana", "omar", "vera"]);
    let mut run = vault.begin_run(&by(), source(&vault)).unwrap();
    run.put(document("a.txt", "somewhere", "text\n")).unwrap();
    assert_eq!(run.finish().unwrap().hidden_for_unresolved_rights, 1);
    assert_eq!(vault.stats().unwrap().documents, 1);
    assert_eq!(who_sees(&vault, "a.txt"), "");
}

#[test]
fn a_widening_that_waits_goes_on_waiting_when_a_name_becomes_known() {
    let dir = tempfile::tempdir().unwrap();
    let vault = with_one(dir.path(), &["user:dana"]);
    assert_eq!(who_sees(&vault, "a.txt"), "dana");
    let stated = || [(".".to_owned(), allow(&["everyone", "user:zoe"]))].into();
    let mut run = vault.begin_run(&by(), source(&vault)).unwrap();
    run.set_rights(stated()).unwrap();
    drop(run);
    assert_eq!(who_sees(&vault, "a.txt"), "", "nobody knows zoe");
    people(&vault, &["zoe"]);
    assert_eq!(who_sees(&vault, "a.txt"), "", "what was read under the old rights is not read again yet");
    let mut run = vault.begin_run(&by(), source(&vault)).unwrap();
    run.set_rights(stated()).unwrap();
    run.unchanged("a.txt", ".", Timestamp(5)).unwrap();
    run.finish().unwrap();
    assert_eq!(who_sees(&vault, "a.txt"), "dana omar vera");
}

#[test]
fn labels_that_change_in_the_configuration_are_resolved_again() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    people(&vault, &["dana", "omar", "vera"]);
    let clear = DirectoryChange::SetClearance {
        handle: "dana".into(),
        clearance: Clearance { level: kenward_access::acl::Level(1), ..Clearance::default() },
    };
    vault.change_directory(&by(), &[clear]).unwrap();
    let mut run = vault.begin_run(&by(), source(&vault)).unwrap();
    let mut labelled = allow(&["everyone"]);
    labelled.labels.push(("internal".into(), Origin { file: ".access.toml".into(), line: 1 }));
    run.set_rights(BTreeMap::from([(".".to_owned(), labelled)])).unwrap();
    run.put(document("a.txt", ".", "text\n")).unwrap();
    run.finish().unwrap();
    assert_eq!(who_sees(&vault, "a.txt"), "dana");
    let sensitivity = |vault: &Vault| {
        let (published, rights) = vault.core.pin();
        let document = published.image.documents.values().next().cloned().unwrap();
        vault.core.sensitivity(&published, &rights, &document)
    };
    assert_eq!(sensitivity(&vault).as_deref(), Some("internal"));
    drop(vault);
    let mut with = options(dir.path(), Some(hashing(32)));
    with.labels = vec!["public".into(), "new".into(), "internal".into()];
    let vault = Vault::open(with).unwrap();
    assert_eq!(who_sees(&vault, "a.txt"), "dana", "a clearance is kept by name");
    drop(vault);
    let mut with = options(dir.path(), Some(hashing(32)));
    with.labels = Vec::new();
    assert_eq!(who_sees(&Vault::open(with).unwrap(), "a.txt"), "", "nobody knows that label");
}

#[test]
fn other_labels_lift_nobodys_clearance_and_believe_no_old_rights() {
    let dir = tempfile::tempdir().unwrap();
    let under = |label: &str| {
        let mut rights = allow(&["everyone"]);
        rights.labels.push((label.into(), Origin { file: ".access.toml".into(), line: 1 }));
        rights
    };
    {
        let vault = open(dir.path());
        people(&vault, &["dana", "vera"]);
        for (handle, level) in [("dana", 1), ("vera", 2)] {
            let clearance = Clearance { level: kenward_access::acl::Level(level), ..Clearance::default() };
            let clear = DirectoryChange::SetClearance { handle: handle.into(), clearance };
            vault.change_directory(&by(), &[clear]).unwrap();
        }
        let mut run = vault.begin_run(&by(), source(&vault)).unwrap();
        let containers = ["public", "internal", "secret"].map(|label| (label.to_owned(), under(label)));
        run.set_rights(containers.into()).unwrap();
        for label in ["public", "internal", "secret"] {
            run.put(document(&format!("{label}.txt"), label, "text\n")).unwrap();
        }
        run.put(document("moves.txt", "secret", "text\n")).unwrap();
        run.finish().unwrap();
        // It moves, and cannot be read there: the old rights go on guarding it.
        let mut run = vault.begin_run(&by(), source(&vault)).unwrap();
        run.set_rights([("public".to_owned(), under("public"))].into()).unwrap();
        run.failed("moves.txt", "public", &Tried::of("unreadable", "the system refused to read it")).unwrap();
        drop(run);
        assert_eq!(who_sees(&vault, "moves.txt"), "vera");
    }
    let seen = |labels: &[&str], path: &str| {
        let mut with = options(dir.path(), Some(hashing(32)));
        with.labels = labels.iter().map(|label| (*label).to_owned()).collect();
        who_sees(&Vault::open(with).unwrap(), path)
    };
    // The same places in another list: `secret` is where `internal` was.
    let labels = ["internal", "secret"];
    assert_eq!(seen(&labels, "secret.txt"), "vera");
    assert_eq!(seen(&labels, "internal.txt"), "dana vera");
    assert_eq!(seen(&labels, "public.txt"), "", "nobody knows that label");
    assert_eq!(seen(&labels, "moves.txt"), "", "the old rights are in places of the old list");
    // Dana's label goes: the next lower one counts, until the name is there again.
    assert_eq!(seen(&["public", "secret"], "secret.txt"), "vera");
    assert_eq!(seen(&["public", "internl", "secret"], "public.txt"), "dana vera");
    assert_eq!(seen(&[], "public.txt"), "");
    assert_eq!(seen(&["public", "internal", "secret"], "internal.txt"), "dana vera");
    assert_eq!(seen(&["public", "internal", "secret"], "secret.txt"), "vera");
    let log = std::fs::read_to_string(dir.path().join("audit/log.jsonl")).unwrap();
    assert!(log.contains("labels_changed"));
}

#[test]
fn a_change_of_rights_waits_for_an_answer_that_is_being_handed_over() {
    let dir = tempfile::tempdir().unwrap();
    let vault = with_one(dir.path(), &["group:crew", "user:dana"]);
    let handing_over = vault.core.release.read();
    let revoke = std::thread::spawn({
        let vault = Arc::clone(&vault);
        move || {
            let change = DirectoryChange::SetDisabled { handle: "dana".into(), disabled: true };
            vault.change_directory(&by(), &[change]).unwrap();
        }
    });
    // The right is gone for whoever asks now, and the acknowledgement waits.
    let began = std::time::Instant::now();
    while vault.user_by_handle("dana").is_some() {
        assert!(began.elapsed() < Duration::from_secs(60), "the right never went");
        std::thread::yield_now();
    }
    std::thread::sleep(Duration::from_millis(50));
    assert!(!revoke.is_finished(), "acknowledged while an answer was being handed over");
    drop(handing_over);
    revoke.join().unwrap();
}

#[test]
fn a_pin_never_joins_old_content_with_rights_that_came_with_new_content() {
    let dir = tempfile::tempdir().unwrap();
    let vault = with_one(dir.path(), &["user:dana"]);
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let reader = std::thread::spawn({
        let (vault, stop) = (Arc::clone(&vault), Arc::clone(&stop));
        move || {
            let mut pins = 0u64;
            while !stop.load(Ordering::Relaxed) {
                let (published, rights) = vault.core.pin();
                let document = published.image.documents.values().next().unwrap();
                // In every round, old text goes with few rights and new text with many.
                let acl = rights.class_of(document.no).and_then(|c| rights.classes.get(c)).unwrap();
                let open = format!("{acl:?}").contains("Everyone") && acl.layers().len() == 1;
                assert!(!(open && &*document.kind == "text"), "old content under widened rights");
                pins += 1;
            }
            pins
        }
    });
    for round in 0..30 {
        for (who, container, kind) in [("everyone", "open", "html"), ("user:dana", ".", "text")] {
            let mut run = run_under(&vault, &[(container, &[who])]);
            let mut new = document("a.txt", container, &format!("{kind} {round}\n"));
            new.kind = kind;
            run.put(new).unwrap();
            run.finish().unwrap();
        }
    }
    stop.store(true, Ordering::Relaxed);
    assert!(reader.join().unwrap() > 0);
}
