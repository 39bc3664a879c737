//! Rights read without content, from a real tree.

use crate::world::{World, by};
use kenward_ingest::pipeline::{IngestError, RightsReport, Stop, sync_rights};
use std::fs;

pub fn sync(world: &World) -> RightsReport {
    let source = world.vault.source(&by(), world.spec.clone()).unwrap();
    sync_rights(&world.vault, &by(), source, &world.spec, &Stop::default()).unwrap()
}

#[test]
fn narrowing_needs_no_content_and_widening_needs_it_to_be_the_same() {
    let world = World::new();
    world.write("open/a.md", "open");
    world.write("shut/.access.toml", "allow = [\"user:ann\"]\n");
    world.write("shut/same.md", "the same");
    world.write("shut/redacted.md", "the secret words");
    world.ingest().unwrap();
    let quiet = sync(&world);
    assert_eq!((quiet.documents, quiet.changed, quiet.looked_at, quiet.waiting), (3, 0, 0, 0), "{quiet:?}");

    // Redacted together with its folder's opening, to as many bytes: only who could see it sees it.
    world.write("shut/redacted.md", "the public words");
    world.write("shut/.access.toml", "allow = [\"everyone\"]\n");
    world.write("open/.access.toml", "allow = [\"user:ann\"]\n");
    let report = sync(&world);
    assert_eq!((report.looked_at, report.widened, report.waiting), (3, 2, 1), "{report:?}");
    assert_eq!(world.may("bob", "open/a.md"), Some(false));
    assert_eq!(
        (world.may("bob", "shut/same.md"), world.may("bob", "shut/redacted.md")),
        (Some(true), Some(false))
    );
    assert_eq!(world.may("ann", "shut/redacted.md"), Some(true));
    assert_eq!(sync(&world).waiting, 1, "it goes on waiting");
    assert_eq!(world.may("bob", "shut/redacted.md"), Some(false));
    let ran = world.ingest().unwrap();
    assert_eq!((ran.summary.changed, ran.summary.unchanged), (1, 2));
    assert_eq!(world.may("bob", "shut/redacted.md"), Some(true));
    assert_eq!(sync(&world).waiting, 0);
}

#[test]
fn files_that_are_new_or_gone_or_moved_by_a_rule() {
    let world = World::new();
    for name in ["a.md", "b.md", "c.md", "d.md"] {
        world.write(name, name);
    }
    world.ingest().unwrap();
    world.write("new.md", "new");
    world.remove("a.md");
    std::os::unix::fs::symlink("c.md", world.root.join("link.md")).unwrap();
    world
        .write(".access.toml", "allow = [\"everyone\"]\n[[file]]\nmatch = \"b.md\"\ndeny = [\"user:bob\"]\n");
    let report = sync(&world);
    assert_eq!((report.gone, report.gone_too_many, report.waiting), (1, false, 0), "{report:?}");
    assert_eq!((world.may("ann", "a.md"), world.may("ann", "new.md")), (Some(false), None));
    assert_eq!(
        (world.may("ann", "b.md"), world.may("bob", "b.md"), world.may("bob", "c.md")),
        (Some(true), Some(false), Some(true))
    );
    // Back again with the same bytes: no run is needed.
    world.write("a.md", "a.md");
    assert_eq!(sync(&world).gone, 0);
    assert_eq!(world.may("ann", "a.md"), Some(true));

    // More than half: rather a disk that is not there.
    for name in ["a.md", "b.md", "c.md"] {
        world.remove(name);
    }
    let report = sync(&world);
    assert!(report.gone == 3 && report.gone_too_many, "{report:?}");
    assert_eq!(world.may("ann", "c.md"), Some(true));
    assert_eq!(world.may("bob", "b.md"), Some(false), "its rule still stands");
    fs::rename(&world.root, world.root.with_extension("away")).unwrap();
    let source = world.vault.source(&by(), world.spec.clone()).unwrap();
    let error = sync_rights(&world.vault, &by(), source, &world.spec, &Stop::default()).unwrap_err();
    assert!(matches!(error, IngestError::Root { .. }), "{error}");
}

#[test]
fn a_run_that_is_refused_takes_rights_from_what_is_missing_and_gives_none() {
    let world = World::new();
    world.write(".access.toml", "allow = [\"everyone\"]\n");
    world.write("shut/.access.toml", "inherit = false\nallow = [\"user:ann\"]\n");
    for name in ["a.md", "b.md", "stays.md", "shut/c.md", "shut/d.md"] {
        world.write(name, name);
    }
    world.ingest().unwrap();
    for name in ["a.md", "b.md", "shut/c.md", "shut/d.md"] {
        world.remove(name);
    }
    world
        .write(".access.toml", "allow = [\"everyone\"]\n[[file]]\nmatch = \"a.md\"\ndeny = [\"user:bob\"]\n");
    world.write("shut/.access.toml", "allow = [\"everyone\"]\n");
    let error = world.ingest().unwrap_err();
    assert!(matches!(error, IngestError::MassDelete { would_remove: 4, of: 5, .. }), "{error}");
    assert_eq!((world.may("ann", "a.md"), world.may("bob", "a.md")), (Some(true), Some(false)));
    assert_eq!((world.may("bob", "b.md"), world.may("bob", "stays.md")), (Some(true), Some(true)));
    assert_eq!((world.may("ann", "shut/c.md"), world.may("bob", "shut/c.md")), (Some(true), Some(false)));
}

#[test]
fn a_run_that_waits_for_a_default_takes_what_the_source_took() {
    let mut world = World::new();
    world.spec.default_allow.clear();
    world.write("in/.access.toml", "allow = [\"everyone\"]\n");
    world.write("in/a.md", "a");
    world.ingest().unwrap();
    assert_eq!(world.may("bob", "in/a.md"), Some(true));
    world.write("unsaid.md", "new");
    world.write("in/.access.toml", "allow = [\"user:ann\"]\n");
    let error = world.ingest().unwrap_err();
    assert!(matches!(error, IngestError::NoDefault { files: 1, .. }), "{error}");
    assert_eq!((world.may("ann", "in/a.md"), world.may("bob", "in/a.md")), (Some(true), Some(false)));
}

#[test]
fn a_rights_file_that_cannot_be_used_hides_and_is_told() {
    let world = World::new();
    world.write("a/one.md", "one");
    world.write("b/two.md", "two");
    world.ingest().unwrap();
    world.write("a/.access.toml", "alow = []\n");
    let report = sync(&world);
    assert_eq!((world.may("ann", "a/one.md"), world.may("ann", "b/two.md")), (Some(false), Some(true)));
    assert_eq!(report.rights_problems.len(), 1, "{report:?}");
    assert_eq!(report.rights_problems[0].0, "a/.access.toml:1");
    world.write("a/.access.toml", "");
    let report = sync(&world);
    assert!(report.rights_problems.is_empty() && report.widened == 1, "{report:?}");
    assert_eq!(world.may("ann", "a/one.md"), Some(true));
}
