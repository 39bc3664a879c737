//! Runs that read only what may have changed: they follow every change that they hear of, and claim nothing of
//! what they leave.

use crate::archives::zip;
use crate::rights_only::sync;
use crate::world::{World, by};
use kenward_ingest::pipeline::Stop;
use kenward_vault::runs::RunState;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::sync::Arc;

fn heard(world: &mut World, paths: &[&str]) {
    let paths: BTreeSet<String> = paths.iter().map(ToString::to_string).collect();
    world.options.only = Some(Arc::new(paths));
}

/// Other bytes, as many as before, at the time of before.
fn quietly(world: &World, path: &str, text: &str) {
    let file = world.root.join(path);
    let before = fs::metadata(&file).unwrap();
    assert_eq!(before.len(), text.len() as u64);
    fs::write(&file, text).unwrap();
    File::options().write(true).open(&file).unwrap().set_modified(before.modified().unwrap()).unwrap();
}

#[test]
fn what_a_listing_shows_or_somebody_heard_of_is_read_and_the_rest_left() {
    let mut world = World::new();
    for name in ["a.md", "b.md", "in/c.md", "in/d.md"] {
        world.write(name, "some words");
    }
    world.ingest().unwrap();
    let fresh = world.vault.freshness().unwrap();

    quietly(&world, "b.md", "same words");
    world.write("a.md", "other words");
    world.write("new.md", "new words");
    heard(&mut world, &[]);
    let report = world.ingest().unwrap();
    let s = &report.summary;
    assert_eq!((s.added, s.changed, s.unchanged, s.removed, report.partial), (1, 1, 3, 0, true), "{s:?}");
    heard(&mut world, &["b.md"]);
    assert_eq!(world.ingest().unwrap().summary.changed, 1);
    // Of a folder: of all in it.
    quietly(&world, "in/d.md", "same words");
    heard(&mut world, &["in"]);
    assert_eq!(world.ingest().unwrap().summary.changed, 1);
    heard(&mut world, &["in/c.md"]);
    world.remove("in/c.md");
    assert_eq!(world.ingest().unwrap().summary.removed, 1);
    assert_eq!(world.vault.freshness().unwrap(), fresh, "the source was not read");
    world.options.only = None;
    let report = world.ingest().unwrap();
    assert_eq!((report.summary.unchanged, report.partial), (4, false));
}

#[test]
fn what_was_left_unread_widens_nothing() {
    let mut world = World::new();
    world.write("shut/.access.toml", "allow = [\"user:ann\"]\n");
    world.write("shut/one.md", "secret word");
    world.write("shut/two.md", "secret word");
    world.ingest().unwrap();
    // Redacted together with the folder's opening, and nobody heard of it.
    quietly(&world, "shut/one.md", "public word");
    world.write(
        "shut/.access.toml",
        "allow = [\"everyone\"]\n[[file]]\nmatch = \"two.md\"\nallow = [\"user:bob\"]\n",
    );
    heard(&mut world, &[]);
    let report = world.ingest().unwrap();
    assert_eq!((report.summary.unchanged, report.summary.changed), (2, 0));
    for name in ["shut/one.md", "shut/two.md"] {
        assert_eq!((world.may("ann", name), world.may("bob", name)), (Some(true), Some(false)), "{name}");
    }
    world.options.only = None;
    assert_eq!(world.ingest().unwrap().summary.changed, 1);
    assert_eq!((world.may("bob", "shut/one.md"), world.may("bob", "shut/two.md")), (Some(true), Some(true)));
}

#[test]
fn what_was_read_widens_with_what_was_read_of_it() {
    let mut world = World::new();
    world.write("shut/.access.toml", "allow = [\"user:ann\"]\n");
    world.write("shut/one.md", "secret word");
    world.write("packed/.access.toml", "allow = [\"user:ann\"]\n");
    world.write("packed/year.zip", zip(&[("a.md", "secret word"), ("b.md", "other word")]));
    world.ingest().unwrap();
    let fresh = world.vault.freshness().unwrap()[0].listed;
    // Redacted together with their folders' opening: of nothing there it is known that it is what is published.
    world.write("shut/one.md", "public word");
    world.write("packed/year.zip", zip(&[("a.md", "public word"), ("b.md", "other word")]));
    for folder in ["shut", "packed"] {
        world.write(&format!("{folder}/.access.toml"), "allow = [\"everyone\"]\n");
    }
    let seen = ["shut/one.md", "packed/year.zip/a.md", "packed/year.zip/b.md"];
    let bob = |world: &World| seen.map(|path| world.may("bob", path).unwrap());
    assert_eq!(sync(&world).waiting, 3);
    assert_eq!(bob(&world), [false; 3], "the old text is still what is published");
    heard(&mut world, &["shut/one.md", "shut/.access.toml", "packed"]);
    let report = world.ingest().unwrap();
    assert_eq!((report.partial, report.summary.changed, report.summary.failed), (true, 2, 0));
    assert_eq!(bob(&world), [true; 3]);
    assert_eq!(world.vault.freshness().unwrap()[0].listed, fresh);

    // Beside one that is read, one that nobody heard of, and one that cannot be read.
    world.write("mixed/.access.toml", "allow = [\"user:ann\"]\n");
    for name in ["read", "left", "fails"] {
        world.write(&format!("mixed/{name}.md"), "secret word");
    }
    world.options.only = None;
    world.ingest().unwrap();
    world.write("mixed/.access.toml", "allow = [\"everyone\"]\n");
    world.write("mixed/read.md", "public word");
    quietly(&world, "mixed/left.md", "public word");
    world.write("mixed/fails.md", b"\xe9\xe8\xe7\xe9 \xe9\xe8\xe7\xe9 ab");
    heard(&mut world, &["mixed/read.md"]);
    assert_eq!(world.ingest().unwrap().summary.failed, 1);
    let seen = ["read", "left", "fails"].map(|name| world.may("bob", &format!("mixed/{name}.md")).unwrap());
    assert_eq!(seen, [true, false, false]);
    assert_eq!(world.may("ann", "mixed/left.md"), Some(true));
    heard(&mut world, &["mixed/left.md"]);
    world.ingest().unwrap();
    assert_eq!(world.may("bob", "mixed/left.md"), Some(true));
}

#[test]
fn a_run_that_came_to_no_end_is_gone_on_with_as_a_whole() {
    let mut world = World::new();
    world.write("a.md", "some words");
    world.ingest().unwrap();
    quietly(&world, "a.md", "same words");
    world.options.stop.ask(RunState::Interrupted);
    assert_eq!(world.ingest().unwrap().state, RunState::Interrupted);
    world.options.stop = Stop::default();
    heard(&mut world, &[]);
    let report = world.ingest().unwrap();
    assert_eq!((report.partial, report.summary.changed), (false, 1));
}

#[test]
fn failures_stand_until_they_are_due_or_heard_of() {
    let mut world = World::new();
    world.write("good.md", "good");
    world.write("bad.txt", b"\xe9\xe8\xe7\xe9 \xe9\xe8\xe7\xe9 ab");
    world.ingest().unwrap();
    quietly(&world, "bad.txt", "now it is ab");
    heard(&mut world, &[]);
    let report = world.ingest().unwrap();
    assert_eq!((report.summary.failed, report.failures[0].attempts), (1, 1));
    heard(&mut world, &["bad.txt"]);
    let report = world.ingest().unwrap();
    assert_eq!((report.summary.added, report.summary.failed), (1, 0), "{:?}", report.failures);
    let source = world.vault.source(&by(), world.spec.clone()).unwrap();
    assert_eq!(world.vault.failures(source).unwrap(), []);
}
