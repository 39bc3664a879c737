//! Files that change while a run reads them: what is kept is what stood in one at one moment, or it is a failure that
//! is tried again. Never half of one thing and half of another, and never what the rights that act are not of.

use crate::archives::zip;
use crate::world::{World, by};
use kenward_ingest::pipeline::{RunReport, ingest_through};
use kenward_ingest::source::{
    FetchError, Fetched, FilesConnector, Item, Listing, Rights, RootError, SourceConnector, Stamp,
};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Mutex;

/// After which step of a run something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Listed,
    Opened,
    HalfRead,
    Read,
    /// The rights were about to be read for the so-manieth time.
    Rights,
}

/// What happens, at which time (from 1) that a run comes there.
type Happens<'h> = &'h (dyn Fn(When, u32) + Sync);

/// A folder in which something happens to the file `a.md`.
struct Restless<'h> {
    files: FilesConnector,
    happens: Happens<'h>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tries: u32,
    rights: u32,
    /// What was really opened, while its bytes come through a pipe.
    opened: Option<Fetched>,
}

impl SourceConnector for Restless<'_> {
    fn list(&self) -> Result<Listing, RootError> {
        let listing = self.files.list();
        (self.happens)(When::Listed, 1);
        listing
    }

    fn rights(&self, listing: &Listing) -> Rights {
        let mut state = self.state.lock().unwrap();
        state.rights += 1;
        (self.happens)(When::Rights, state.rights);
        self.files.rights(listing)
    }

    fn fetch(&self, item: &Item, rights: &Rights) -> Result<Fetched, FetchError> {
        let mut given = self.files.fetch(item, rights)?;
        if item.path != "a.md" {
            return Ok(given);
        }
        let mut opened = self.files.fetch(item, rights)?;
        let mut state = self.state.lock().unwrap();
        state.tries += 1;
        (self.happens)(When::Opened, state.tries);
        // Whoever reads reads a pipe, so that something can happen in the middle.
        let (out, mut into) = std::io::pipe().unwrap();
        let mut bytes = Vec::new();
        (&mut opened.file).take(opened.length / 2).read_to_end(&mut bytes).unwrap();
        (self.happens)(When::HalfRead, state.tries);
        opened.file.read_to_end(&mut bytes).unwrap();
        assert!(bytes.len() < 1 << 16, "it fits into the pipe");
        into.write_all(&bytes).unwrap();
        given.file = File::from(std::os::fd::OwnedFd::from(out));
        state.opened = Some(opened);
        Ok(given)
    }

    fn state(&self, path: &str, rights: &Rights) -> Option<Stamp> {
        self.files.state(path, rights)
    }

    fn still(&self, fetched: &Fetched) -> bool {
        let state = self.state.lock().unwrap();
        let through_a_pipe = fetched.file.metadata().is_ok_and(|meta| !meta.is_file());
        let Some(opened) = state.opened.as_ref().filter(|_| through_a_pipe) else {
            return self.files.still(fetched);
        };
        (self.happens)(When::Read, state.tries);
        self.files.still(opened)
    }
}

fn ingest(world: &World, happens: Happens<'_>) -> RunReport {
    let source = world.vault.source(&by(), world.spec.clone()).unwrap();
    let restless = Restless { files: FilesConnector::of(&world.spec), happens, state: Mutex::default() };
    ingest_through(&restless, &world.vault, &by(), source, &world.spec, &world.options, &|_| {}).unwrap()
}

/// SHA-256 of the bytes that the kept version came from.
fn kept(world: &World) -> [u8; 32] {
    let source = world.vault.source(&by(), world.spec.clone()).unwrap();
    world.vault.known(Some(source)).unwrap()["a.md"].raw_hash
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// So long that it is read in several pieces.
fn text(generation: u32) -> String {
    format!("Words of moment {generation:04}.\n").repeat(900)
}

/// Something that happens to a file: the way of it, and what it leaves.
const WAYS: [fn(&Path, u32); 4] = [
    // Written over, as many bytes, and its time set back.
    |path, generation| {
        let before = fs::metadata(path).unwrap().modified().unwrap();
        let mut file = File::options().write(true).open(path).unwrap();
        file.write_all(text(generation).as_bytes()).unwrap();
        file.set_modified(before).unwrap();
    },
    |path, generation| {
        let mut file = File::options().append(true).open(path).unwrap();
        file.write_all(format!("And {generation}.\n").as_bytes()).unwrap();
    },
    |path, generation| {
        let length = fs::metadata(path).unwrap().len();
        File::options().write(true).open(path).unwrap().set_len(length - u64::from(generation) - 1).unwrap();
    },
    |path, generation| {
        let new = path.with_extension("new");
        fs::write(&new, text(generation)).unwrap();
        fs::rename(new, path).unwrap();
    },
];

#[test]
fn what_is_kept_of_a_file_that_changes_is_of_one_moment() {
    for (way, happens) in WAYS.iter().enumerate() {
        for when in [When::Listed, When::Opened, When::HalfRead, When::Read] {
            let world = World::new();
            let path = world.root.join("a.md");
            world.write("a.md", text(0));
            world.ingest().unwrap();
            world.write("a.md", text(1));
            let report = ingest(&world, &|now, times| {
                if now == when && times == 1 {
                    happens(&path, 2);
                }
            });
            assert_eq!((report.summary.changed, report.summary.failed), (1, 0), "{way} {when:?}: {report:?}");
            assert_eq!(kept(&world), hash(&fs::read(&path).unwrap()), "{way} {when:?}");
        }
    }
}

#[test]
fn what_changes_all_the_time_fails_and_is_tried_again() {
    for (way, happens) in WAYS.iter().enumerate() {
        for when in [When::Opened, When::HalfRead, When::Read] {
            let world = World::new();
            let path = world.root.join("a.md");
            world.write("a.md", text(0));
            world.ingest().unwrap();
            world.write("a.md", text(1));
            let report = ingest(&world, &|now, times| {
                if now == when {
                    happens(&path, times + 1);
                }
            });
            let failure = &report.failures[0];
            assert_eq!(
                (failure.path.as_str(), failure.reason.as_str()),
                ("a.md", "changed_while_read"),
                "{way} {when:?}"
            );
            assert!(failure.next.is_some() && failure.detail.ends_with("still answers"), "{failure:?}");
            assert_eq!(kept(&world), hash(text(0).as_bytes()), "{way} {when:?}");
            assert_eq!((world.may("ann", "a.md"), report.summary.removed), (Some(true), 0));
            world.ingest().unwrap();
            assert_eq!(kept(&world), hash(&fs::read(&path).unwrap()), "{way} {when:?}");
        }
    }
}

/// Half of a file that is no text must not let the text go.
#[test]
fn what_looks_like_nothing_for_a_moment_is_looked_at_again() {
    let world = World::new();
    let path = world.root.join("a.md");
    world.write("a.md", text(0));
    world.ingest().unwrap();
    fs::write(&path, b"\x89PNG\r\n\x1a\n\x00\x00").unwrap();
    let report = ingest(&world, &|now, times| {
        if now == When::Read && times == 1 {
            fs::write(&path, text(1)).unwrap();
        }
    });
    assert_eq!((report.summary.changed, report.summary.removed), (1, 0), "{report:?}");
    assert_eq!(kept(&world), hash(text(1).as_bytes()));
}

/// Rights that open while a run reads are acted on with what is read after them, or not at all.
#[test]
fn what_went_together_with_an_opening_in_the_middle_of_a_run_is_shown_to_nobody_new() {
    for known in [true, false] {
        let world = World::new();
        world.write("keep/page.md", "page");
        world.write("keep/other.md", "other");
        world.write("keep/more.md", "more");
        world.write(".access.toml", "allow = [\"user:ann\"]\n");
        let secret = zip(&[("secret.md", "secret"), ("open.md", "open")]);
        if known {
            world.write("a.md", "secret");
            world.write("year.zip", &secret);
        }
        world.ingest().unwrap();
        world.write("a.md", "secret");
        world.write("year.zip", &secret);
        let report = ingest(&world, &|now, times| {
            if (now, times) == (When::Rights, 2) {
                world.write("a.md", b"\x89PNG\r\n\x1a\n\x00\x00");
                world.write("year.zip", zip(&[("open.md", "open")]));
                world.write(".access.toml", "allow = [\"everyone\"]\n");
            }
        });
        assert_eq!(report.summary.failed, 0, "{report:?}");
        for gone in ["a.md", "year.zip/secret.md"] {
            assert_eq!(world.may("bob", gone), None, "{gone}: the source does not have it any more");
        }
        for there in ["keep/page.md", "year.zip/open.md"] {
            assert_eq!(world.may("bob", there), Some(true), "{there}");
        }
    }
}
