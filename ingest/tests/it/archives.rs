//! Archives in whole runs: members are documents with exactly the archive's rights; a change of one is a change
//! of one; an archive that cannot be opened loses nothing and shows nothing to anybody new.

use crate::rights_only::sync;
use crate::world::World;
use kenward_ingest::pipeline::{IngestError, plan};
use rawzip::path::EntryPath;
use rawzip::{CompressionMethod, ZipArchiveWriter};
use std::io::Write;

pub fn zip<B: AsRef<[u8]>>(members: &[(&str, B)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut archive = ZipArchiveWriter::new(&mut out);
    for (name, content) in members {
        let new = archive
            .new_file(EntryPath::verbatim(name.as_bytes()))
            .compression_method(CompressionMethod::DEFLATE);
        let (mut entry, config) = new.start().unwrap();
        let encoder = flate2::write::DeflateEncoder::new(&mut entry, flate2::Compression::default());
        let mut writer = config.wrap(encoder);
        writer.write_all(content.as_ref()).unwrap();
        let (encoder, descriptor) = writer.finish().unwrap();
        encoder.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
    out
}

fn planned(world: &World) -> plan::Plan {
    let source = world.vault.source(&crate::world::by(), world.spec.clone()).unwrap();
    plan::plan(&world.vault, &crate::world::by(), Some(source), &world.spec, &world.options).unwrap()
}

#[test]
fn members_are_documents_and_only_what_changed_is_read_again() {
    let world = World::new();
    world.write("plain.md", "plain");
    world.write("year.zip", zip(&[("a.md", "# A\n\none"), ("in/b.md", "two"), ("photo.png", "\u{1}\u{0}")]));
    let expected = planned(&world);
    assert_eq!((expected.added.count, expected.skipped.count), (3, 1));
    assert_eq!(expected.added.first, ["plain.md", "year.zip/a.md", "year.zip/in/b.md"]);
    let report = world.ingest().unwrap();
    assert_eq!((report.summary.added, report.summary.failed), (3, 0), "{:?}", report.failures);
    assert_eq!(report.skipped_unknown, ["year.zip/photo.png"]);
    for path in ["year.zip/a.md", "year.zip/in/b.md"] {
        assert_eq!(world.may("ann", path), Some(true), "{path}");
    }
    assert_eq!(world.may("ann", "year.zip"), None);
    assert_eq!(world.ingest().unwrap().summary.unchanged, 3);

    world.write("year.zip", zip(&[("a.md", "# A\n\nthree"), ("in/b.md", "two")]));
    let expected = planned(&world);
    assert_eq!((expected.changed.first, expected.unchanged), (vec!["year.zip/a.md".to_owned()], 2));
    let report = world.ingest().unwrap();
    assert_eq!((report.summary.changed, report.summary.unchanged, report.summary.removed), (1, 2, 0));

    // A member that goes is a deletion; most of them are too many at once.
    world.write("year.zip", zip(&[("a.md", "# A\n\nthree")]));
    assert_eq!(planned(&world).removed.first, ["year.zip/in/b.md"]);
    assert_eq!(world.ingest().unwrap().summary.removed, 1);
    assert_eq!(world.may("ann", "year.zip/in/b.md"), None);
    world.write("year.zip", zip(&[("a.md", "1"), ("b.md", "2"), ("c.md", "3"), ("d.md", "4")]));
    world.ingest().unwrap();
    world.write("year.zip", zip(&[("a.md", "1")]));
    assert!(planned(&world).mass_delete);
    let error = world.ingest().unwrap_err();
    assert!(matches!(error, IngestError::MassDelete { would_remove: 3, of: 5, .. }), "{error}");
    assert_eq!(world.may("ann", "year.zip/d.md"), Some(true));
    world.remove("year.zip");
    assert!(matches!(world.ingest().unwrap_err(), IngestError::MassDelete { would_remove: 4, .. }));
}

#[test]
fn a_member_has_the_rights_of_its_archive_and_no_others() {
    let world = World::new();
    world.write("open/all.zip", zip(&[("pay.md", "pay"), ("sub/news.md", "news")]));
    world.write("shut/pay.md", "pay");
    world.write("shut/all.zip", zip(&[("pay.md", "pay"), ("open/news.md", "news")]));
    world.write("shut/.access.toml", "allow = [\"group:staff\"]\n");
    // Names of members are no names of files: the rule is for the archive or for nothing in it.
    world.write(
        "open/.access.toml",
        "allow = [\"everyone\"]\n[[file]]\nmatch = \"pay.md\"\nonly = true\nallow = []\n",
    );
    let report = world.ingest().unwrap();
    assert_eq!(report.summary.added, 5);
    for (path, ann, bob) in [
        ("open/all.zip/pay.md", true, true),
        ("open/all.zip/sub/news.md", true, true),
        ("shut/pay.md", true, false),
        ("shut/all.zip/pay.md", true, false),
        ("shut/all.zip/open/news.md", true, false),
    ] {
        assert_eq!((world.may("ann", path), world.may("bob", path)), (Some(ann), Some(bob)), "{path}");
    }
    world.write(
        "open/.access.toml",
        "allow = [\"everyone\"]\n[[file]]\nmatch = \"*.zip\"\nonly = true\nallow = [\"group:staff\"]\n",
    );
    world.ingest().unwrap();
    assert_eq!(
        (world.may("ann", "open/all.zip/pay.md"), world.may("bob", "open/all.zip/pay.md")),
        (Some(true), Some(false))
    );
}

#[test]
fn an_archive_that_fails_keeps_what_it_was_under_old_and_new_rights() {
    let world = World::new();
    world.write("a/year.zip", zip(&[("one.md", "one"), ("two.md", "two")]));
    world.write("rest.md", "rest");
    world.ingest().unwrap();
    let whole = std::fs::read(world.root.join("a/year.zip")).unwrap();
    world.write("a/year.zip", &whole[..whole.len() - 25]);
    assert_eq!(planned(&world).removed.count, 0);
    let report = world.ingest().unwrap();
    assert_eq!(World::failures(&report), [("a/year.zip".to_owned(), "broken".to_owned())]);
    assert_eq!((report.summary.failed, report.summary.removed), (1, 0));
    assert!(
        report.failures[0].detail.ends_with("what was read of it before still answers (2)"),
        "{report:?}"
    );
    assert_eq!(world.may("bob", "a/year.zip/one.md"), Some(true));
    // Narrower rights hold at once; wider ones wait until it can be read.
    world.write("a/.access.toml", "allow = [\"group:staff\"]\n");
    world.ingest().unwrap();
    assert_eq!(
        (world.may("ann", "a/year.zip/one.md"), world.may("bob", "a/year.zip/one.md")),
        (Some(true), Some(false))
    );
    world.write("a/.access.toml", "allow = [\"everyone\"]\n");
    world.ingest().unwrap();
    assert_eq!(world.may("bob", "a/year.zip/one.md"), Some(false));
    world.write("a/year.zip", zip(&[("one.md", "one"), ("two.md", "redacted")]));
    let report = world.ingest().unwrap();
    assert_eq!((report.summary.changed, report.summary.unchanged, report.failures.len()), (1, 2, 0));
    assert_eq!(world.may("bob", "a/year.zip/two.md"), Some(true));
    // Emptied, it is what it is: nothing. The guard counts what goes.
    world.write("b.md", "more");
    world.write("c.md", "more");
    world.ingest().unwrap();
    world.write("a/year.zip", "");
    let report = world.ingest().unwrap();
    assert_eq!((report.summary.removed, World::failures(&report)[0].1.as_str()), (2, "empty"));
    assert!(!report.failures[0].detail.contains("answers"), "it is gone: {:?}", report.failures);
    // So is an archive that has nothing in it.
    world.write("a/year.zip", zip(&[("one.md", "one")]));
    world.ingest().unwrap();
    world.write("a/year.zip", zip::<&str>(&[]));
    let report = world.ingest().unwrap();
    assert_eq!((report.summary.removed, World::failures(&report)[0].1.as_str()), (1, "empty"));
    assert!(!report.failures[0].detail.contains("answers"), "{:?}", report.failures);
}

#[test]
fn a_rights_file_that_comes_into_an_archive_hides_what_was_read_of_it() {
    let world = World::new();
    world.write("year.zip", zip(&[("one.md", "one"), ("pay/bands.md", "bands")]));
    world.write("new.zip", zip(&[("one.md", "one"), (".access.toml", "allow = [\"everyone\"]")]));
    let report = world.ingest().unwrap();
    assert_eq!(World::failures(&report), [("new.zip".to_owned(), "rights_inside".to_owned())]);
    assert_eq!(world.may("ann", "new.zip/one.md"), None);
    world.write(
        "year.zip",
        zip(&[("one.md", "one"), ("pay/bands.md", "bands"), ("pay/.access.toml", "allow = []")]),
    );
    let report = world.ingest().unwrap();
    assert_eq!((report.summary.failed, report.summary.removed), (2, 0));
    assert!(
        report.failures.iter().all(|failure| !failure.detail.contains("answers")),
        "{:?}",
        report.failures
    );
    assert!(
        report.rights_problems.iter().any(|(place, _)| place == "year.zip"),
        "{:?}",
        report.rights_problems
    );
    assert_eq!(
        (world.may("ann", "year.zip/one.md"), world.may("ann", "year.zip/pay/bands.md")),
        (Some(false), Some(false))
    );
    world.write("year.zip", zip(&[("one.md", "one"), ("pay/bands.md", "bands")]));
    let report = world.ingest().unwrap();
    assert_eq!((report.summary.unchanged, report.summary.failed), (2, 1));
    assert_eq!(world.may("ann", "year.zip/pay/bands.md"), Some(true));
}

#[test]
fn bad_members_fail_alone_and_bombs_as_a_whole() {
    let mut world = World::new();
    world.options.limits.memory_bytes = 400 << 20;
    let deep = zip(&[("deep.md", "deep")]);
    let middle = zip(&[("inner.zip", &deep[..]), ("middle.md", b"middle")]);
    let zeros = "\0".repeat(80 << 20);
    world.write(
        "bad.zip",
        zip(&[
            ("../out.md", "out"),
            ("/abs.md", "abs"),
            ("good.md", "good"),
            ("empty.md", ""),
            ("same.md", "1"),
            ("same.md", "2"),
        ]),
    );
    world.write("nested.zip", zip(&[("middle.zip", &middle)]));
    world.write(
        "bomb.docx",
        zip(&[("[Content_Types].xml", "<Types/>".to_owned()), ("word/document.xml", " ".repeat(140 << 20))]),
    );
    world.write("bomb.zip", zip(&[("fine.md", "fine".to_owned()), ("zeros.md", zeros)]));
    world.write("other.zip", zip(&[("fine.md", "fine")]));
    let report = world.ingest().unwrap();
    let mut failures = World::failures(&report);
    failures.sort();
    let expected = [
        ("bad.zip/../out.md", "bad_name"),
        ("bad.zip//abs.md", "bad_name"),
        ("bad.zip/empty.md", "empty"),
        ("bad.zip/same.md", "bad_name"),
        ("bomb.docx", "unpacks_too_large"),
        ("bomb.zip", "unpacks_too_large"),
        ("nested.zip/middle.zip/inner.zip", "nested_archive"),
    ];
    assert_eq!(failures, expected.map(|(path, reason)| (path.to_owned(), reason.to_owned())));
    for path in ["bad.zip/good.md", "nested.zip/middle.zip/middle.md", "other.zip/fine.md"] {
        assert_eq!(world.may("ann", path), Some(true), "{path}");
    }
    assert_eq!(report.summary.added, 3);
    assert_eq!(world.may("ann", "bomb.zip/fine.md"), None);
}

#[test]
fn an_archive_that_is_missing_with_most_of_its_source_still_narrows() {
    let world = World::new();
    let year = zip(&[("one.md", "one"), ("deep/two.md", "two"), ("three.md", "three")]);
    world.write("in/year.zip", &year);
    world.write("own.zip", zip(&[("one.md", "one"), ("in/two.md", "two")]));
    world.write("folder/page.md", "page");
    world.write("rest.md", "rest");
    let rules = |rules: &str| world.write(".access.toml", format!("allow = [\"everyone\"]\n{rules}"));
    let rule =
        |name: &str, who: &str| format!("[[file]]\nmatch = \"{name}\"\nonly = true\nallow = [\"{who}\"]\n");
    // With rights of its own from the beginning, it hangs where files of a folder of its name would.
    rules(&rule("own.zip", "everyone"));
    world.ingest().unwrap();
    let members = ["in/year.zip/one.md", "in/year.zip/deep/two.md", "own.zip/one.md", "own.zip/in/two.md"];
    let bob = |path: &str| world.may("bob", path).unwrap();
    for path in ["in/year.zip", "own.zip", "folder/page.md"] {
        world.remove(path);
    }
    let report = sync(&world);
    assert!(report.gone == 6 && report.gone_too_many, "{report:?}");
    assert!(members.iter().all(|path| bob(path)), "nothing is hidden for it");
    rules(&(rule("year.zip", "group:staff") + &rule("own.zip", "group:staff")));
    for _ in 0..2 {
        assert!(sync(&world).gone_too_many);
        for path in members {
            assert_eq!((world.may("ann", path), bob(path)), (Some(true), false), "{path}");
        }
        assert!(bob("folder/page.md") && bob("rest.md"), "no rule is for it");
    }
    // Taken back, what is known of them is not known to be what is published.
    rules("");
    sync(&world);
    assert!(members.iter().all(|path| !bob(path)));
    // What it stood in narrows it like what it is named by.
    world.write("in/.access.toml", "deny = [\"user:ann\"]\n");
    sync(&world);
    assert_eq!(world.may("ann", members[0]), Some(false));
    world.remove("in/.access.toml");
    // There again: the run that unpacks it finds it to be what it was.
    world.write("in/year.zip", &year);
    world.write("own.zip", zip(&[("one.md", "one"), ("in/two.md", "two")]));
    world.write("folder/page.md", "page");
    sync(&world);
    assert!(!bob(members[0]), "it is not unpacked for its rights");
    world.ingest().unwrap();
    assert!(members.iter().all(|path| bob(path) && world.may("ann", path) == Some(true)));
}

#[test]
fn of_what_nobody_sees_it_is_not_said_that_it_answers() {
    let world = World::new();
    let good = zip(&[("one.md", "one"), ("two.md", "two")]);
    for name in ["shut", "in/unknown", "seen"] {
        world.write(&format!("{name}.zip"), &good);
    }
    world.write("plain.md", "words");
    world.ingest().unwrap();
    world.write("shut.zip", zip(&[("one.md", "one"), ("in/.access.toml", "allow = []")]));
    world.ingest().unwrap();
    world.write("in/.access.toml", "allow = [\"user:zoe\"]\n");
    let rule = "[[file]]\nmatch = \"plain.md\"\nonly = true\nallow = []\n";
    world.write(".access.toml", format!("allow = [\"everyone\"]\n{rule}"));
    for name in ["shut", "in/unknown", "seen"] {
        world.write(&format!("{name}.zip"), &good[..good.len() - 25]);
    }
    world.write("plain.md", b"\xe9\xe8\xe7\xe9 \xe9\xe8\xe7\xe9 ab");
    for _ in 0..2 {
        let report = world.ingest().unwrap();
        assert_eq!(report.failures.len(), 4, "{report:?}");
        for failure in &report.failures {
            let answers = failure.detail.ends_with("still answers (2)");
            assert_eq!(answers, failure.path == "seen.zip", "{failure:?}");
            assert_eq!(failure.detail.contains("answers"), answers, "{failure:?}");
        }
    }
    for path in ["shut.zip/one.md", "in/unknown.zip/one.md", "plain.md"] {
        assert_eq!(world.may("ann", path), Some(false), "{path}");
    }
}
