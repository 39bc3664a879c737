//! Runs that look at files more than once: what was forgotten to be looked at again is neither lost nor let out.

use crate::archives::zip;
use crate::content_moving::{Around, Before, OPEN, PUBLIC, SECRET, SHUT, around, ingest, leaked};
use crate::world::{World, by};
use kenward_ingest::pipeline::{RunReport, Stop, ingest_through, sync_rights_through};
use kenward_ingest::source::{
    FetchError, Fetched, Item, Listing, Rights, RootError, SourceConnector, Stamp, Unlisted,
};
use std::fs::rename;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

/// An archive out of which more came after it could not be looked at for a moment: the folder above it was elsewhere,
/// which leaves no mark on the archive itself.
#[test]
fn an_archive_that_is_out_of_sight_for_a_moment_loses_none_of_its_documents() {
    let world = World::new();
    let names: Vec<String> = (0..700).map(|number| format!("{number:03}.md")).collect();
    let members: Vec<(&str, String)> =
        names.iter().map(|name| (name.as_str(), format!("words of {name}"))).collect();
    world.write("in/a.zip", zip(&members));
    let (inside, away) = (world.root.join("in"), world.root.join("away"));
    let looked = AtomicBool::new(false);
    let report = ingest(&world, &|before| match before {
        Before::State(_) if !looked.swap(true, Relaxed) => rename(&inside, &away).unwrap(),
        Before::Rights(times) if times > 2 && away.exists() => rename(&away, &inside).unwrap(),
        _ => {}
    });
    assert!(looked.into_inner());
    let summary = &report.summary;
    assert_eq!((summary.added, summary.failed, summary.removed), (700, 0, 0), "{summary:?}");
    assert_eq!(world.vault.stats().unwrap().documents, 700);
    let run = world.vault.runs(None, 1).unwrap().remove(0);
    assert_eq!((run.done, run.of), (701, 701), "what was read again counts once");
}

/// A file that is blanked while the run reads: what it was is removed by this run, as if it had been blanked before.
#[test]
fn what_is_blanked_while_a_run_reads_does_not_go_on_answering() {
    for known in [true, false] {
        let world = World::new();
        for path in ["b.md", "c.md"] {
            world.write(path, "the rest");
        }
        if known {
            world.write("a.md", "as it was");
        }
        world.ingest().unwrap();
        world.write("a.md", "begins to change");
        let looked = AtomicBool::new(false);
        let report = ingest(&world, &|before| {
            if before == Before::State("a.md".to_owned()) && !looked.swap(true, Relaxed) {
                world.write("a.md", "");
            }
        });
        assert_eq!(World::failures(&report), [("a.md".to_owned(), "empty".to_owned())]);
        assert_eq!(world.may("bob", "a.md"), None, "known {known}: {report:?}");
        let summary = &report.summary;
        assert_eq!((summary.added, summary.changed, summary.unchanged, summary.failed), (0, 0, 2, 1));
    }
}

/// A folder of which a file could not be listed: it went in between, or the disk refused.
struct Unlisting<'h>(Around<'h>, &'h str);

impl SourceConnector for Unlisting<'_> {
    fn list(&self) -> Result<Listing, RootError> {
        let mut listing = self.0.list()?;
        listing.items.retain(|item| item.path != self.1);
        listing.failures.push(Unlisted { path: self.1.to_owned(), reason: "unreadable", detail: "refused" });
        Ok(listing)
    }

    fn rights(&self, listing: &Listing) -> Rights {
        self.0.rights(listing)
    }

    fn fetch(&self, item: &Item, rights: &Rights) -> Result<Fetched, FetchError> {
        self.0.fetch(item, rights)
    }

    fn still(&self, fetched: &Fetched) -> bool {
        self.0.still(fetched)
    }

    fn state(&self, path: &str, rights: &Rights) -> Option<Stamp> {
        self.0.state(path, rights)
    }
}

fn without(world: &World, path: &str, happens: &(dyn Fn(Before) + Sync)) -> RunReport {
    let (source, around) = around(world, happens);
    let connector = Unlisting(around, path);
    ingest_through(&connector, &world.vault, &by(), source, &world.spec, &world.options, &|_| {}).unwrap()
}

/// What could not be listed was not read: it does not come out with what opens while the run reads.
#[test]
fn what_could_not_be_listed_does_not_come_out_when_its_folder_opens_meanwhile() {
    for (alone, archive) in [(true, false), (false, false), (true, true), (false, true)] {
        let world = World::new();
        let (file, path) = if archive { ("in/a.zip", "in/a.zip/a.md") } else { ("in/a.md", "in/a.md") };
        world.write("rest.md", "the rest");
        world.write("more.md", "the rest");
        if !alone {
            world.write("in/beside.md", "beside it");
        }
        world.write("in/.access.toml", SHUT);
        match archive {
            true => world.write(file, zip(&[("a.md", SECRET)])),
            false => world.write(file, SECRET),
        }
        world.ingest().unwrap();
        let report = without(&world, file, &|before| {
            if before == Before::Rights(2) {
                world.write("in/.access.toml", OPEN);
            }
        });
        assert_eq!(report.summary.removed, 0);
        assert!(!leaked(&world, path), "alone {alone}, archive {archive}: {report:?}");
        assert_eq!(world.may("ann", path), Some(true), "alone {alone}, archive {archive}");
        // Opened and shut again, and read last when it was open.
        world.write("in/.access.toml", SHUT);
        without(&world, file, &|before| {
            if let Before::Rights(times) = before {
                world.write("in/.access.toml", if times == 1 || times > 4 { SHUT } else { OPEN });
                // Each time something else.
                world.write(".access.toml", format!("{OPEN}# {times}"));
            }
        });
        assert!(!leaked(&world, path), "alone {alone}, archive {archive}");
        world.write("in/.access.toml", OPEN);
        world.ingest().unwrap();
        assert!(leaked(&world, path), "read again it is open");
    }
}

/// Forgotten in the middle of the last round because it stirred, with other rights at that round's end: it is still there.
#[test]
fn what_stirs_while_its_rights_never_hold_still_is_not_taken_for_gone() {
    let world = World::new();
    for path in ["a.md", "b.md", "c.md"] {
        world.write(path, "as it was");
    }
    world.write(".access.toml", OPEN);
    world.ingest().unwrap();
    for number in 0..700 {
        world.write(&format!("rest/{number:03}.md"), format!("words of {number}"));
    }
    world.write("a.md", "another text");
    let (fetched, rounds, stirred) = (AtomicU32::new(0), AtomicU32::new(0), AtomicBool::new(false));
    let report = ingest(&world, &|before| match before {
        Before::Fetch(_) => {
            fetched.fetch_add(1, Relaxed);
        }
        Before::State(path)
            if path == "a.md" && rounds.load(Relaxed) == 3 && !stirred.swap(true, Relaxed) =>
        {
            world.write("a.md", "one more text");
        }
        // Once a round, after all of it was read.
        Before::Rights(_) if fetched.load(Relaxed) >= 703 * (rounds.load(Relaxed) + 1) => {
            let times = rounds.fetch_add(1, Relaxed);
            world.write(".access.toml", format!("{}{OPEN}", "\n".repeat(times as usize + 1)));
        }
        _ => {}
    });
    assert!(stirred.into_inner(), "nothing was published in the last round: {report:?}");
    assert_eq!(report.summary.removed, 0, "{:?}", report.summary);
    assert!(world.may("bob", "a.md").is_some(), "it is there");
    world.ingest().unwrap();
    assert_eq!(world.may("bob", "a.md"), Some(true));
}

/// A folder that is exchanged for another one and back, twice: no file in either of them changes, and what was read was
/// never there together with the rights that were read before and after.
#[test]
fn what_stood_in_a_folder_that_was_exchanged_is_not_let_out() {
    for whole in [true, false] {
        let world = World::new();
        let out = tempfile::tempdir_in(world.root.parent().unwrap()).unwrap();
        let (open, shut, place) = (out.path().join("open"), out.path().join("shut"), world.root.join("in"));
        world.write("in/.access.toml", SHUT);
        world.write("in/a.md", SECRET);
        world.write("rest.md", "the rest");
        if !whole {
            world.ingest().unwrap();
        }
        rename(&place, &shut).unwrap();
        world.write("in/.access.toml", OPEN);
        world.write("in/a.md", PUBLIC);
        let shuts = || {
            rename(&place, &open).unwrap();
            rename(&shut, &place).unwrap();
        };
        let opens = || {
            rename(&place, &shut).unwrap();
            rename(&open, &place).unwrap();
        };
        let (fetched, looked) = (AtomicU32::new(0), AtomicU32::new(0));
        let happens = |before: Before| match before {
            Before::Fetch(path) if path == "in/a.md" && fetched.fetch_add(1, Relaxed) == 0 => shuts(),
            Before::Rights(2) => opens(),
            Before::State(path) if path == "in/a.md" && looked.fetch_add(1, Relaxed) == 0 => shuts(),
            _ => {}
        };
        if whole {
            ingest(&world, &happens);
        } else {
            // Of the same length, so that it is hashed.
            let (source, around) = around(&world, &happens);
            sync_rights_through(&around, &world.vault, &by(), source, &world.spec, &Stop::default()).unwrap();
        }
        assert!(looked.into_inner() > 0);
        assert!(!leaked(&world, "in/a.md"), "whole {whole}");
    }
}
