//! What goes in, what a second run does, what goes away.

use crate::world::World;
use kenward_ingest::pipeline::{IngestError, Progress, Stop};
use kenward_vault::runs::RunState;
use std::fs;

fn three_formats(world: &World) {
    world.write("travel.md", "# Travel\n\nBook early. See [rates](rates.html).\n");
    world.write("pay/notes.txt", "Pay day is the 5th.\n\nAsk Ann.\n");
    world.write("rates.html", "<html><title>Rates</title><p>Gold is 5</p><p hidden>SECRET</p></html>");
}

#[test]
fn files_go_in_and_a_second_run_does_nothing() {
    let world = World::new();
    three_formats(&world);
    world.write("photo.png", b"\x89PNG\r\n\x1a\n\x00\x00\x00");
    world.write("notes/.hidden.md", "not read");
    let first = world.ingest().unwrap();
    assert_eq!(
        (first.summary.added, first.summary.failed, first.skipped_unknown.len()),
        (3, 0, 1),
        "{first:?}"
    );
    assert!(first.summary.chunks >= 3);
    let stats = world.vault.stats().unwrap();
    assert_eq!((stats.documents, stats.chunks, stats.outbox_waiting), (3, first.summary.chunks, 0));
    assert_eq!(stats.vectors, stats.chunks);
    assert_eq!(world.may("ann", "travel.md"), Some(true));
    assert!(matches!(world.progress.lock().unwrap().last(), Some(Progress::Finished(_))));

    let second = world.ingest().unwrap();
    let s = &second.summary;
    assert_eq!((s.added, s.changed, s.unchanged, s.removed, s.rights_changed, s.chunks), (0, 0, 3, 0, 0, 0));
    assert_eq!(second.embedder_seconds, 0.0);
}

#[test]
fn changes_and_deletions_are_followed() {
    let world = World::new();
    three_formats(&world);
    world.ingest().unwrap();
    world.write("travel.md", "# Travel\n\nBook late.\n");
    world.remove("rates.html");
    let report = world.ingest().unwrap();
    let s = &report.summary;
    assert_eq!((s.added, s.changed, s.unchanged, s.removed), (0, 1, 1, 1), "{s:?}");
    assert_eq!(world.may("ann", "rates.html"), None);
    assert_eq!(world.vault.stats().unwrap().documents, 2);
}

#[test]
fn a_touched_file_with_the_same_bytes_is_unchanged_and_a_reset_clock_hides_no_change() {
    let world = World::new();
    world.write("a.txt", "one");
    world.write("b.txt", "two");
    world.ingest().unwrap();
    let path = world.root.join("a.txt");
    let old = fs::metadata(&path).unwrap().modified().unwrap();
    let set = |time| fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    set(old + std::time::Duration::from_secs(60));
    assert_eq!(world.ingest().unwrap().summary.unchanged, 2);
    world.write("a.txt", "eno");
    set(old + std::time::Duration::from_secs(60));
    assert_eq!(world.ingest().unwrap().summary.changed, 1);
}

#[test]
fn without_an_embedder_text_alone_goes_in_and_a_model_later_reads_again() {
    let world = World::with(None, &["everyone"]);
    three_formats(&world);
    let report = world.ingest().unwrap();
    assert_eq!((report.summary.added, report.embedder), (3, None));
    assert_eq!(world.vault.stats().unwrap().vectors, 0);
    assert_eq!(world.ingest().unwrap().summary.unchanged, 3);
}

#[test]
fn many_documents_go_in_whatever_the_order_of_the_stages() {
    let world = World::new();
    for n in 0..300 {
        world.write(
            &format!("f{}/d{n}.md", n % 7),
            format!("# Doc {n}\n\n{}\n", "words and words. ".repeat(n)),
        );
    }
    let report = world.ingest().unwrap();
    assert_eq!((report.summary.added, report.summary.failed), (300, 0));
    let stats = world.vault.stats().unwrap();
    assert_eq!((stats.documents, stats.vectors), (300, report.summary.chunks));
    assert_eq!(world.ingest().unwrap().summary.unchanged, 300);
}

#[test]
fn a_cancelled_run_keeps_what_it_has_and_removes_nothing() {
    let mut world = World::new();
    three_formats(&world);
    world.ingest().unwrap();
    world.remove("rates.html");
    world.options.stop.ask(RunState::Cancelled);
    let report = world.ingest().unwrap();
    assert_eq!(report.state, RunState::Cancelled);
    assert_eq!(report.summary.removed, 0);
    assert_eq!(world.vault.stats().unwrap().documents, 3);
    world.options.stop = Stop::default();
    assert_eq!(world.ingest().unwrap().summary.removed, 1);
}

#[test]
fn a_run_that_would_remove_too_much_is_refused() {
    let mut world = World::new();
    three_formats(&world);
    world.ingest().unwrap();
    world.remove("rates.html");
    world.remove("travel.md");
    let error = world.ingest().unwrap_err();
    assert!(matches!(error, IngestError::MassDelete { would_remove: 2, of: 3, .. }), "{error}");
    assert_eq!(world.vault.stats().unwrap().documents, 3);
    // Replaced by as many others: the same removal.
    world.write("x.md", "x");
    world.write("y.md", "y");
    assert!(matches!(world.ingest().unwrap_err(), IngestError::MassDelete { .. }));
    world.options.allow_mass_delete = true;
    let report = world.ingest().unwrap();
    assert_eq!((report.summary.removed, report.summary.added), (2, 2));
}

#[test]
fn a_root_that_is_suddenly_empty_or_gone_removes_nothing() {
    let world = World::new();
    world.write("only.md", "text");
    world.ingest().unwrap();
    world.remove("only.md");
    assert!(matches!(world.ingest().unwrap_err(), IngestError::MassDelete { would_remove: 1, of: 1, .. }));
    fs::remove_dir(&world.root).unwrap();
    let error = world.ingest().unwrap_err();
    assert!(matches!(error, IngestError::Root { .. }));
    assert!(error.to_string().contains("does not exist") && error.to_string().contains("hint:"), "{error}");
    assert_eq!(world.vault.stats().unwrap().documents, 1);
}

/// The stored texts of the vault, by what they hold.
fn texts(world: &World) -> Vec<std::path::PathBuf> {
    let folders = fs::read_dir(world.data().join("text")).unwrap().map(|folder| folder.unwrap().path());
    let mut all: Vec<_> =
        folders.flat_map(|folder| fs::read_dir(folder).unwrap().map(|file| file.unwrap().path())).collect();
    all.sort();
    all
}

#[test]
fn a_document_whose_stored_text_is_lost_is_read_again_though_it_has_not_changed() {
    let world = World::new();
    three_formats(&world);
    world.ingest().unwrap();
    let before = texts(&world);
    fs::remove_file(&before[0]).unwrap();
    let report = world.ingest().unwrap();
    let s = &report.summary;
    assert_eq!((s.added, s.changed, s.unchanged, s.failed), (0, 1, 2, 0), "{s:?}");
    assert_eq!(texts(&world).len(), 3);
    assert_eq!(world.vault.read_again().unwrap(), []);
    // All of them, and nothing is removed for it.
    fs::remove_dir_all(world.data().join("text")).unwrap();
    let s = world.ingest().unwrap().summary;
    assert_eq!((s.changed, s.unchanged, s.removed), (3, 0, 0), "{s:?}");
    assert_eq!(world.ingest().unwrap().summary.unchanged, 3);
    let stats = world.vault.stats().unwrap();
    assert_eq!((stats.documents, stats.vectors), (3, stats.chunks));
}

#[test]
fn a_failure_never_says_that_a_version_answers_whose_text_is_lost() {
    let world = World::new();
    world.write("a.md", "good");
    world.write("b.md", "good too");
    world.ingest().unwrap();
    fs::remove_dir_all(world.data().join("text")).unwrap();
    world.write("a.md", b"\xe9\xe8\xe7\xe9 \xe9\xe8\xe7\xe9 ab");
    let report = world.ingest().unwrap();
    assert_eq!(World::failures(&report), [("a.md".to_owned(), "broken".to_owned())]);
    assert!(!report.failures[0].detail.contains("still answers"), "{:?}", report.failures);
    // It is tried again until it can be read, and then all is well.
    assert_eq!(world.vault.read_again().unwrap()[0].text_lost, 1);
    world.write("a.md", "good again");
    assert_eq!(world.ingest().unwrap().summary.changed, 1);
    assert_eq!(world.vault.read_again().unwrap(), []);
}
