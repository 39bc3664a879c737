//! Content that comes and goes while a run reads, between two readings of the rights that come out equal: nobody sees
//! what stood there while other rights held.

use crate::archives::zip;
use crate::world::{World, by};
use kenward_ingest::pipeline::{RunReport, Stop, ingest_through, sync_rights_through};
use kenward_ingest::source::{
    FetchError, Fetched, FilesConnector, Item, Listing, Rights, RootError, SourceConnector, Stamp,
};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// Before what something happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// The rights are read for the so-manieth time.
    Rights(u32),
    /// This file is opened.
    Fetch(String),
    /// It is looked at whether it still is what it was.
    State(String),
}

/// A folder in which something happens.
pub struct Around<'h> {
    files: FilesConnector,
    happens: &'h (dyn Fn(Before) + Sync),
    times: AtomicU32,
}

impl SourceConnector for Around<'_> {
    fn list(&self) -> Result<Listing, RootError> {
        self.files.list()
    }

    fn rights(&self, listing: &Listing) -> Rights {
        (self.happens)(Before::Rights(self.times.fetch_add(1, Ordering::Relaxed) + 1));
        self.files.rights(listing)
    }

    fn fetch(&self, item: &Item, rights: &Rights) -> Result<Fetched, FetchError> {
        (self.happens)(Before::Fetch(item.path.clone()));
        self.files.fetch(item, rights)
    }

    fn still(&self, fetched: &Fetched) -> bool {
        self.files.still(fetched)
    }

    fn state(&self, path: &str, rights: &Rights) -> Option<Stamp> {
        (self.happens)(Before::State(path.to_owned()));
        self.files.state(path, rights)
    }
}

pub fn around<'h>(world: &World, happens: &'h (dyn Fn(Before) + Sync)) -> (u32, Around<'h>) {
    let source = world.vault.source(&by(), world.spec.clone()).unwrap();
    (source, Around { files: FilesConnector::of(&world.spec), happens, times: AtomicU32::new(0) })
}

pub fn ingest(world: &World, happens: &(dyn Fn(Before) + Sync)) -> RunReport {
    let (source, around) = around(world, happens);
    ingest_through(&around, &world.vault, &by(), source, &world.spec, &world.options, &|_| {}).unwrap()
}

pub const OPEN: &str = "allow = [\"everyone\"]\n";
pub const SHUT: &str = "allow = [\"user:ann\"]\n";
pub const PUBLIC: &str = "the public words";
pub const SECRET: &str = "the secret words";

/// Whether bob may see a document that was kept with the secret words.
pub fn leaked(world: &World, path: &str) -> bool {
    let source = world.vault.source(&by(), world.spec.clone()).unwrap();
    let known = world.vault.known(Some(source)).unwrap();
    let secret: [u8; 32] = Sha256::digest(SECRET).into();
    known.get(path).is_some_and(|known| known.raw_hash == secret) && world.may("bob", path) == Some(true)
}

/// In an archive or not, known before or not: the secret words stood there while the folder was shut, and were taken
/// out before it was opened again, with the same rights.
#[test]
fn what_stood_there_while_other_rights_held_is_not_let_out() {
    for (known, archive) in [(false, false), (true, false), (false, true), (true, true)] {
        let world = World::new();
        let (file, path) = if archive { ("a.zip", "a.zip/a.md") } else { ("a.md", "a.md") };
        let write = |words: &str| match archive {
            true => world.write(file, zip(&[("a.md", words)])),
            false => world.write(file, words),
        };
        world.write(".access.toml", OPEN);
        world.write("z.md", "the rest");
        if known {
            write(PUBLIC);
            world.ingest().unwrap();
        }
        write(PUBLIC);
        let fetched = AtomicU32::new(0);
        let report = ingest(&world, &|before| match before {
            Before::Fetch(path) if path == file && fetched.fetch_add(1, Ordering::Relaxed) == 0 => {
                world.write(".access.toml", SHUT);
                write(SECRET);
            }
            Before::Rights(2) => {
                write(PUBLIC);
                world.write(".access.toml", OPEN);
            }
            _ => {}
        });
        assert!(!leaked(&world, path), "known {known}, archive {archive}");
        // It was read again, and counts once.
        assert_eq!(world.may("bob", path), Some(true), "known {known}, archive {archive}");
        let summary = report.summary;
        let told = (summary.added, summary.changed, summary.unchanged, summary.failed, summary.removed);
        assert_eq!(told, if known { (0, 1, 1, 0, 0) } else { (2, 0, 0, 0, 0) }, "archive {archive}");
    }
}

/// The same with what is published before the run comes to its end.
#[test]
fn nor_by_a_publication_in_the_middle_of_a_run() {
    let world = World::new();
    world.write(".access.toml", OPEN);
    world.write("a.md", PUBLIC);
    // So many that what was read is published before the run ends.
    for number in 0..700 {
        world.write(&format!("rest/{number:03}.md"), format!("words of {number}"));
    }
    let (fetched, seen) = (AtomicU32::new(0), Mutex::new(Vec::new()));
    ingest(&world, &|before| match before {
        Before::Fetch(path) if path == "a.md" && fetched.fetch_add(1, Ordering::Relaxed) == 0 => {
            world.write(".access.toml", SHUT);
            world.write("a.md", SECRET);
        }
        Before::Rights(2) => {
            world.write("a.md", PUBLIC);
            world.write(".access.toml", OPEN);
        }
        Before::Rights(times) if times > 2 => {
            seen.lock().unwrap().push((leaked(&world, "a.md"), world.vault.stats().unwrap().documents));
        }
        _ => {}
    });
    let seen = seen.into_inner().unwrap();
    assert!(
        seen.iter().any(|(_, documents)| *documents > 400),
        "nothing was published before the end: {seen:?}"
    );
    assert!(seen.iter().all(|(leaked, _)| !leaked), "{seen:?}");
    assert!(!leaked(&world, "a.md"));
    assert_eq!(world.may("bob", "a.md"), Some(true));
}

/// What is published already comes out from under old rights only if it is there under the new ones: in a whole run,
/// and in a reading of the rights alone.
#[test]
fn what_is_published_is_not_let_out_either() {
    for whole in [true, false] {
        let world = World::new();
        world.write(".access.toml", SHUT);
        world.write("a.md", SECRET);
        world.write("same.md", "the same words");
        world.ingest().unwrap();
        let modified = std::fs::metadata(world.root.join("a.md")).unwrap().modified().unwrap();
        world.write("a.md", PUBLIC);
        world.write(".access.toml", OPEN);
        let fetched = AtomicU32::new(0);
        let happens = |before: Before| match before {
            Before::Fetch(path) if path == "a.md" && fetched.fetch_add(1, Ordering::Relaxed) == 0 => {
                world.write(".access.toml", SHUT);
                world.write("a.md", SECRET);
                // Of its row nothing would be written.
                let file = File::options().write(true).open(world.root.join("a.md")).unwrap();
                file.set_modified(modified).unwrap();
            }
            Before::Rights(2) => {
                world.write("a.md", PUBLIC);
                world.write(".access.toml", OPEN);
            }
            _ => {}
        };
        if whole {
            ingest(&world, &happens);
            assert_eq!(world.may("bob", "a.md"), Some(true), "it was read again");
        } else {
            let (source, around) = around(&world, &happens);
            let stop = Stop::default();
            let report =
                sync_rights_through(&around, &world.vault, &by(), source, &world.spec, &stop).unwrap();
            assert_eq!((report.looked_at, report.widened, report.waiting), (2, 1, 1), "{report:?}");
        }
        assert!(!leaked(&world, "a.md"), "whole {whole}");
        assert_eq!(world.may("bob", "same.md"), Some(true));
    }
}

/// A file that is written to whenever it was read fails, and what was read of it before goes on answering; the next
/// run reads it.
#[test]
fn what_never_holds_still_fails_and_is_tried_again() {
    let world = World::new();
    world.write("a.md", "as it was");
    world.write("rest.md", "the rest");
    world.ingest().unwrap();
    world.write("a.md", "begins to change");
    let times = AtomicU32::new(0);
    let report = ingest(&world, &|before| {
        if matches!(before, Before::State(_)) {
            // What a kill would leave of it says how many files there are.
            assert_eq!(world.vault.runs(None, 1).unwrap()[0].of, 2);
            world.write("a.md", format!("changed {}", times.fetch_add(1, Ordering::Relaxed)));
        }
    });
    assert_eq!(times.into_inner(), 4, "it is looked at again three times, and not for ever");
    assert_eq!(World::failures(&report), [("a.md".to_owned(), "changed_while_read".to_owned())]);
    assert!(report.failures[0].detail.ends_with("the version read before still answers"), "{report:?}");
    let summary = &report.summary;
    assert_eq!((summary.changed, summary.unchanged, summary.failed, summary.removed), (0, 1, 1, 0));
    assert_eq!(world.may("bob", "a.md"), Some(true));
    let report = world.ingest().unwrap();
    assert_eq!((report.summary.changed, report.summary.failed), (1, 0), "{report:?}");
}
