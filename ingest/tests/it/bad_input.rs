//! Input that must fail with a reason, and never stop a run.

use crate::world::World;
use kenward_ingest::pipeline::{IngestError, Progress};
use kenward_vault::writer::Failure;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

#[test]
fn bad_documents_fail_with_their_reasons_and_the_rest_goes_in() {
    let world = World::new();
    world.write("good.md", "# Good\n\ntext\n");
    world.write("empty.txt", "");
    world.write("blank.md", " \n\n<!-- nothing -->\n");
    world.write("latin.txt", b"caf\xe9 is one bad byte in a long enough line of text");
    world.write("wrong.txt", b"\xe9\xe8\xe7\xe9 \xe9\xe8\xe7\xe9 ab");
    world.write("broken.pdf", b"%PDF-1.7\n1 0 obj\n<< /Type");
    world.write("locked.pdf", include_bytes!("../fixtures/encrypted.pdf"));
    world.write("photo.md", b"\x89PNG\r\n\x1a\n\x00\x00");
    let report = world.ingest().unwrap();
    let mut failures = World::failures(&report);
    failures.sort();
    let expected = [
        ("blank.md", "empty"),
        ("broken.pdf", "broken"),
        ("empty.txt", "empty"),
        ("locked.pdf", "encrypted"),
        ("wrong.txt", "broken"),
    ];
    assert_eq!(failures, expected.map(|(path, reason)| (path.to_owned(), reason.to_owned())));
    assert_eq!((report.summary.added, report.summary.failed, report.skipped_unknown.len()), (2, 5, 1));
    let hints = report.failures.iter().all(|failure| !failure.detail.is_empty() && failure.attempts == 1);
    assert!(hints, "{:?}", report.failures);

    // Repaired, it goes in. The others have not changed: they count as failed, and are not tried again.
    world.write("empty.txt", "not any more");
    let report = world.ingest().unwrap();
    assert_eq!((report.summary.added, report.summary.failed, report.summary.unchanged), (1, 4, 2));
    let stand = |failure: &Failure| failure.attempts == 1 && failure.next.is_none();
    assert!(report.failures.iter().all(stand), "{:?}", report.failures);
}

#[test]
fn what_failed_is_not_tried_again_before_something_changes() {
    let mut world = World::new();
    world.write("good.md", "good");
    world.write("broken.pdf", b"%PDF-1.7\n1 0 obj\n<< /Type");
    world.write("later.pdf", b"%PDF-1.7\n1 0 obj\n<< /Type /Other");
    world.options.limits.output_bytes = 0;
    world.write("much.md", "much");
    world.ingest().unwrap();
    // Without a worker nothing can be tried; nothing has to be.
    let program = std::mem::replace(&mut world.options.worker.program, "/nonexistent/kenward".into());
    let report = world.ingest().unwrap();
    assert_eq!((report.summary.failed, report.failures.len()), (4, 4), "they count all the same");
    assert!(report.failures.iter().all(|failure| failure.attempts == 1), "{:?}", report.failures);
    // Other limits, other bytes, or somebody who insists.
    world.options.limits.cpu_seconds += 1;
    assert!(matches!(world.ingest(), Err(IngestError::Worker(_))));
    world.options.limits.cpu_seconds -= 1;
    world.options.retry_failed = true;
    assert!(matches!(world.ingest(), Err(IngestError::Worker(_))));
    world.options.worker.program = program;
    let report = world.ingest().unwrap();
    assert!(report.failures.iter().all(|failure| failure.attempts == 2), "{:?}", report.failures);
    world.options.retry_failed = false;
    world.write("broken.pdf", b"%PDF-1.7\n1 0 obj\n<< /Type /New");
    let report = world.ingest().unwrap();
    let tries: Vec<u32> = report.failures.iter().map(|failure| failure.attempts).collect();
    assert_eq!(tries, [3, 2, 2, 2], "{:?}", report.failures);
}

/// A look at the folder is no try: the pause of what it cannot list would grow with each.
#[test]
fn what_cannot_be_listed_is_tried_when_its_pause_is_over() {
    let world = World::new();
    world.write("a.md", "words");
    let name = std::os::unix::ffi::OsStrExt::from_bytes(&b"caf\xe9.md"[..]);
    fs::write(world.root.join::<&std::ffi::OsStr>(name), "x").unwrap();
    let first = world.ingest().unwrap().failures.remove(0);
    assert_eq!((first.reason.as_str(), first.attempts), ("unreadable", 1));
    let again = world.ingest().unwrap();
    assert_eq!((&again.failures[..], again.summary.failed), (&[first][..], 1));
}

#[test]
fn a_passing_failure_is_tried_again_when_its_pause_is_over() {
    let mut world = World::new();
    world.write("slow.md", "slow");
    let program = std::mem::replace(&mut world.options.worker.program, "/bin/false".into());
    let failure = world.ingest().unwrap().failures.remove(0);
    assert_eq!((failure.reason.as_str(), failure.attempts), ("crashed_parser", 1));
    assert_eq!(failure.next.unwrap().0 - failure.tried.unwrap().0, 60_000);
    // Too early, though it could be read now.
    world.options.worker.program = program;
    assert_eq!(world.ingest().unwrap().failures, std::slice::from_ref(&failure));
    world.options.retry_failed = true;
    let report = world.ingest().unwrap();
    assert_eq!((report.summary.added, report.failures.len()), (1, 0));
}

#[test]
fn a_file_that_vanishes_after_it_was_listed_is_a_failure_that_may_pass() {
    let world = World::new();
    world.write("a.md", "a");
    world.write("b.md", "b");
    let source = world.vault.source(&crate::world::by(), world.spec.clone()).unwrap();
    let report = kenward_ingest::pipeline::ingest(
        &world.vault,
        &crate::world::by(),
        source,
        &world.spec,
        &world.options,
        &|event| {
            if matches!(event, Progress::Listed { .. }) {
                world.remove("b.md");
                std::os::unix::fs::symlink("a.md", world.root.join("b.md")).unwrap();
            }
        },
    )
    .unwrap();
    assert_eq!((report.summary.added, report.summary.failed), (1, 1));
    assert!(report.failures[0].next.is_some() && world.may("ann", "b.md").is_none(), "{:?}", report.failures);
    world.remove("b.md");
    assert_eq!(world.ingest().unwrap().failures, []);
}

#[test]
fn a_document_that_fails_later_keeps_its_old_version_and_says_so() {
    let world = World::new();
    world.write("a.md", "good");
    world.write("b.md", "good too");
    world.write("hid/c.md", "good as well");
    world.ingest().unwrap();
    world.write("a.md", b"\xe9\xe8\xe7\xe9 \xe9\xe8\xe7\xe9 ab");
    world.write("hid/c.md", b"\xe9\xe8\xe7\xe9 \xe9\xe8\xe7\xe9 ab");
    world.write("hid/.access.toml", "alow = []");
    world.write("new.md", b"\xe9\xe8\xe7\xe9 \xe9\xe8\xe7\xe9 ab");
    let report = world.ingest().unwrap();
    assert_eq!((report.summary.failed, report.summary.removed), (3, 0));
    assert_eq!(world.may("ann", "a.md"), Some(true));
    let says: Vec<_> = report
        .failures
        .iter()
        .map(|failure| failure.detail.ends_with("; the version read before still answers"))
        .collect();
    assert_eq!(says, [true, false, false], "{:?}", report.failures);
}

#[test]
fn a_blanked_document_answers_no_more_and_is_a_failure() {
    let world = World::new();
    world.write("a.md", "good");
    world.write("b.md", "good too");
    world.ingest().unwrap();
    // It failed in another way before: that record is replaced, and the attempts go on.
    world.write("a.md", b"\xe9\xe8\xe7\xe9 \xe9\xe8\xe7\xe9 ab");
    world.ingest().unwrap();
    world.write("a.md", "");
    let source = world.vault.source(&crate::world::by(), world.spec.clone()).unwrap();
    for (removed, attempts) in [(1, 2), (0, 2)] {
        let report = world.ingest().unwrap();
        assert_eq!(world.vault.failures(source).unwrap(), report.failures, "what is told is recorded");
        assert_eq!((report.summary.failed, report.summary.removed), (1, removed));
        assert_eq!(World::failures(&report), [("a.md".to_owned(), "empty".to_owned())]);
        assert_eq!(report.failures[0].attempts, attempts);
        assert!(!report.failures[0].detail.contains("still answers"));
        assert_eq!((world.may("ann", "a.md"), world.may("ann", "b.md")), (None, Some(true)));
        assert_eq!(world.vault.stats().unwrap().documents, 1);
    }
    world.write("a.md", "good again");
    let report = world.ingest().unwrap();
    assert_eq!((report.summary.added, report.failures.len()), (1, 0));
    assert_eq!(world.may("ann", "a.md"), Some(true));
    // Blanked without having failed before, and then gone: nothing is recorded of it any more.
    world.write("a.md", "");
    assert_eq!(world.ingest().unwrap().summary.removed, 1);
    let recorded = world.vault.failures(source).unwrap();
    assert_eq!((recorded.len(), recorded[0].attempts), (1, 1), "{recorded:?}");
    world.remove("a.md");
    assert_eq!(world.ingest().unwrap().failures, []);
}

#[test]
fn blanking_most_of_a_source_is_stopped_like_removing_it() {
    let mut world = World::new();
    for n in 0..3 {
        world.write(&format!("{n}.md"), "good");
    }
    world.ingest().unwrap();
    world.write("0.md", "");
    world.write("1.md", "");
    let error = world.ingest().unwrap_err();
    assert!(matches!(error, IngestError::MassDelete { would_remove: 2, of: 3, .. }), "{error}");
    assert_eq!(world.may("ann", "0.md"), Some(true));
    let source = world.vault.source(&crate::world::by(), world.spec.clone()).unwrap();
    let failures = world.vault.failures(source).unwrap();
    assert_eq!(failures.len(), 2);
    assert!(failures.iter().all(|failure| failure.detail.ends_with("still answers")), "{failures:?}");
    world.options.allow_mass_delete = true;
    assert_eq!(world.ingest().unwrap().summary.removed, 2);
    assert_eq!(world.may("ann", "0.md"), None);
}

#[test]
fn a_large_text_goes_in_and_a_larger_one_is_refused() {
    let megabytes: usize = if std::env::var_os("KENWARD_LONG").is_some() { 200 } else { 20 };
    let mut world = World::new();
    let line = "The quick brown fox files its expense report on the 5th of every month, unless it is late.\n";
    let mut text = String::with_capacity(megabytes << 20);
    let mut number = 0;
    while text.len() + line.len() + 24 < megabytes << 20 {
        text.push_str(&format!("{number:08} {line}"));
        number += 1;
        if number % 12 == 0 {
            text.push('\n');
        }
    }
    world.write("large.txt", &text);
    let report = world.ingest().unwrap();
    assert_eq!((report.summary.added, report.summary.failed), (1, 0), "{:?}", report.failures);
    let peak = fs::read_to_string("/proc/self/status").unwrap();
    let peak = peak.lines().find(|line| line.starts_with("VmHWM")).unwrap().to_owned();
    eprintln!("{megabytes} MB of text: {} chunks, {:.1} s, {peak}", report.summary.chunks, report.seconds);
    world.options.max_text_bytes = 1 << 20;
    world.write("large.txt", text + "\nmore");
    let report = world.ingest().unwrap();
    assert_eq!(World::failures(&report), [("large.txt".to_owned(), "too_large".to_owned())]);
}

#[test]
fn a_bomb_and_a_truncated_file_stop_nothing() {
    let mut world = World::new();
    world.options.limits.memory_bytes = 400 << 20;
    let bomb = include_bytes!("../fixtures/deflate-bomb.pdf");
    world.write("bomb.pdf", bomb);
    world.write("cut.pdf", &bomb[..bomb.len() / 2]);
    for n in 0..10 {
        world.write(&format!("{n}.md"), format!("text {n}"));
    }
    let report = world.ingest().unwrap();
    assert_eq!(report.summary.added, 10);
    let mut failures = World::failures(&report);
    failures.sort();
    assert_eq!(failures[0], ("bomb.pdf".to_owned(), "out_of_memory".to_owned()));
    assert_eq!(failures[1].0, "cut.pdf");
}

#[test]
fn without_the_worker_program_the_run_says_so() {
    let mut world = World::new();
    world.options.worker.program = "/nonexistent/kenward".into();
    world.write("a.md", "a");
    assert!(matches!(world.ingest().unwrap_err(), IngestError::Worker(_)));
}

/// Root reads everything: as root this starts the test below as nobody.
#[test]
fn what_the_system_refuses_is_a_failure() {
    if rustix::process::geteuid().is_root() {
        let this = std::env::current_exe().unwrap();
        let home = tempfile::tempdir().unwrap();
        fs::set_permissions(home.path(), Permissions::from_mode(0o777)).unwrap();
        let ran = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(this)
            .args(["--exact", "bad_input::refused_by_the_system", "--ignored"])
            .env("TMPDIR", home.path())
            .output();
        match ran {
            Ok(out) => assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout)),
            Err(error) => eprintln!("skipped: setpriv cannot be run: {error}"),
        }
    } else {
        refused();
    }
}

#[test]
#[ignore = "run by the test above, as somebody who is not root"]
fn refused_by_the_system() {
    refused();
}

fn refused() {
    let world = World::new();
    world.write("good.md", "text");
    world.write("private.md", "text");
    world.write("shut/deep/a.md", "text");
    world.write("shut/b.md", "text");
    let report = world.ingest().unwrap();
    assert_eq!(report.summary.added, 4);
    let mode =
        |path: &str, mode| fs::set_permissions(world.root.join(path), Permissions::from_mode(mode)).unwrap();
    mode("private.md", 0o000);
    mode("shut", 0o000);
    let unreadable = ["private.md", "shut", "shut/b.md", "shut/deep/a.md"];
    let plan = crate::plan::planned(&world);
    let mut failures: Vec<&str> = plan.failed.iter().map(|failure| failure.path.as_str()).collect();
    failures.sort_unstable();
    assert_eq!((failures, plan.removed.count), (unreadable.to_vec(), 0));
    assert_eq!(plan.view.losses["everyone"].documents, 2, "what nobody will see: {:?}", plan.view);
    let report = world.ingest().unwrap();
    let mut failures = World::failures(&report);
    failures.sort();
    assert_eq!(failures, unreadable.map(|path| (path.to_owned(), "unreadable".to_owned())));
    assert_eq!(report.summary.removed, 0);
    // What may be seen still answers, and what nobody sees does not.
    for failure in &report.failures {
        assert_eq!(failure.detail.contains("answers"), failure.path == "private.md", "{failure:?}");
    }
    // The file's rights are known, the folder's are not any more.
    assert_eq!(world.may("ann", "private.md"), Some(true));
    assert_eq!(world.may("ann", "shut/b.md"), Some(false));
    assert_eq!(world.may("ann", "shut/deep/a.md"), Some(false));
    mode("private.md", 0o644);
    mode("shut", 0o755);
    let report = world.ingest().unwrap();
    assert_eq!((report.summary.unchanged, report.summary.failed), (4, 0));
    assert_eq!(world.may("ann", "shut/deep/a.md"), Some(true));
    mode("shut", 0o000);
    fs::set_permissions(&world.root, Permissions::from_mode(0o000)).unwrap();
    let error = world.ingest().unwrap_err();
    assert!(matches!(error, IngestError::Root { .. }), "{error}");
    fs::set_permissions(&world.root, Permissions::from_mode(0o755)).unwrap();
    mode("shut", 0o755);
    // What is below a folder that cannot be read is not gone, and makes up for nothing that is.
    for name in ["1.md", "2.md", "3.md"] {
        world.write(name, "text");
    }
    world.ingest().unwrap();
    mode("shut", 0o000);
    for name in ["1.md", "2.md", "3.md", "good.md"] {
        world.remove(name);
    }
    world.write("new.md", "new");
    let error = world.ingest().unwrap_err();
    mode("shut", 0o755);
    assert!(matches!(error, IngestError::MassDelete { would_remove: 4, of: 7, .. }), "{error}");
    let told = world.progress.lock().unwrap();
    assert!(!told.iter().any(|event| matches!(event, Progress::Failed(_))), "before any work: {told:?}");
    drop(told);
    crate::rights_formats::rights_that_the_system_refuses();
}
