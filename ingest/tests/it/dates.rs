//! When a document was last changed: as it says itself, if that can be, and else as its file says.

use crate::world::{World, by};
use std::fs::File;
use std::time::{Duration, UNIX_EPOCH};

/// 2020-05-01T00:00:00Z, and a day of 2021, in milliseconds.
const STATED: i64 = 1_588_291_200_000;
const OF_FILE: i64 = 1_620_000_000_000;

fn touch(world: &World, path: &str, millis: i64) {
    let at = UNIX_EPOCH + Duration::from_millis(millis.unsigned_abs());
    File::options().append(true).open(world.root.join(path)).unwrap().set_modified(at).unwrap();
}

/// What is known of a document: when it was changed, and whether it says so itself.
fn known(world: &World, path: &str) -> (i64, bool) {
    let source = world.vault.source(&by(), world.spec.clone()).unwrap();
    let known = world.vault.known(Some(source)).unwrap();
    (known[path].modified.0, known[path].dated)
}

#[test]
fn what_a_document_says_of_itself_goes_before_its_file() {
    let world = World::new();
    world.write("own.md", "---\nupdated: 2020-05-01\n---\nText.\n");
    world.write("page.html", "<html><meta property='article:modified_time' content='2020-05-01'><p>Text.");
    world.write("later.md", "---\ndate: 2099-01-01\n---\nText.\n");
    world.write("older.md", "---\ndate: 1020-01-01\n---\nText.\n");
    world.write("none.md", "Text.\n");
    let all = ["own.md", "page.html", "later.md", "older.md", "none.md"];
    all.iter().for_each(|path| touch(&world, path, OF_FILE));
    world.ingest().unwrap();
    let expected = [(STATED, true), (STATED, true), (OF_FILE, false), (OF_FILE, false), (OF_FILE, false)];
    assert_eq!(all.map(|path| known(&world, path)), expected);
    // A file that is touched, or whose clock is set back, changes nothing of what is stated.
    for at in [OF_FILE + 86_400_000, OF_FILE - 86_400_000] {
        all.iter().for_each(|path| touch(&world, path, at));
        assert_eq!(world.ingest().unwrap().summary.unchanged, 5);
        let expected = [(STATED, true), (STATED, true), (at, false), (at, false), (at, false)];
        assert_eq!(all.map(|path| known(&world, path)), expected);
    }
    // Nor does it stay when the document does not say it any more.
    world.write("own.md", "Text.\n");
    touch(&world, "own.md", OF_FILE);
    world.ingest().unwrap();
    assert_eq!(known(&world, "own.md"), (OF_FILE, false));
}
