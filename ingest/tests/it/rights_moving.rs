//! Rights that move while a run reads, more than once: whatever comes when, nobody sees content under rights that it
//! was not read between, and what narrows acts before anything is read.

use crate::content_moving::{self, Before};
use crate::world::{World, by};
use kenward_ingest::pipeline::{IngestOptions, RunReport, Stop};
use kenward_vault::runs::RunState;
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicU32, Ordering};

/// A run in which something happens when the rights are about to be read for the so-manieth time.
fn ingest(world: &World, happens: &(dyn Fn(u32) + Sync)) -> RunReport {
    content_moving::ingest(world, &|before| {
        if let Before::Rights(times) = before {
            happens(times);
        }
    })
}

/// Whether the kept version of a document came from these bytes.
fn is(world: &World, path: &str, bytes: &str) -> bool {
    let source = world.vault.source(&by(), world.spec.clone()).unwrap();
    let hash: [u8; 32] = Sha256::digest(bytes).into();
    world.vault.known(Some(source)).unwrap()[path].raw_hash == hash
}

/// A folder that opens while another one is read again is read again itself.
#[test]
fn what_opens_while_something_else_is_read_again_is_read_again_too() {
    for known in [true, false] {
        let world = World::new();
        let ann = "allow = [\"user:ann\"]\n";
        world.write("rest.md", "rest");
        world.write("x/.access.toml", ann);
        world.write("y/.access.toml", ann);
        if known {
            world.write("x/page.md", "page");
            world.write("y/page.md", "the secret words");
        }
        world.ingest().unwrap();
        world.write("x/page.md", "page");
        world.write("y/page.md", "the secret words");
        ingest(&world, &|times| match times {
            2 => world.write("x/.access.toml", "allow = [\"everyone\"]\n"),
            // While `x` alone is read again, `y` is redacted and opened.
            3 => {
                world.write("y/page.md", "the public words");
                world.write("y/.access.toml", "allow = [\"everyone\"]\n");
            }
            _ => {}
        });
        assert_eq!(world.may("bob", "x/page.md"), Some(true));
        assert_eq!(world.may("bob", "y/page.md"), Some(true), "it was opened before the run ended");
        assert!(is(&world, "y/page.md", "the public words"), "known {known}: bob reads what was redacted");
    }
}

/// What a run has read and published itself is what its next reading is compared with.
#[test]
fn a_file_that_is_set_back_in_the_middle_of_a_run_is_set_back_here() {
    let world = World::new();
    world.write(".access.toml", "allow = [\"user:ann\"]\n");
    world.write("a.md", "the public words");
    world.ingest().unwrap();
    world.write("a.md", "the secret words");
    // So many that what was read is published before the run ends.
    for number in 0..700 {
        world.write(&format!("rest/{number:03}.md"), format!("words of {number}"));
    }
    let set_back = AtomicU32::new(0);
    ingest(&world, &|_| {
        let published = world.vault.stats().unwrap().documents > 500;
        if published && set_back.fetch_add(1, Ordering::Relaxed) == 0 {
            world.write("a.md", "the public words");
            world.write(".access.toml", "allow = [\"everyone\"]\n");
        }
    });
    assert_eq!(world.may("bob", "a.md"), Some(true));
    assert!(is(&world, "a.md", "the public words"), "bob reads what was taken back");
}

/// Rights that do not hold still hide what they concern, wherever it hung before.
#[test]
fn what_gets_rights_of_its_own_in_the_last_round_is_hidden_with_them() {
    let world = World::new();
    let rules = |rules: &str| world.write(".access.toml", rules);
    rules("allow = [\"everyone\"]\n");
    world.write("a.md", "the public words");
    world.write("rest.md", "rest");
    world.ingest().unwrap();
    ingest(&world, &|times| match times {
        2 => rules("allow = [\"everyone\", \"user:ann\"]\n"),
        3 => rules("allow = [\"everyone\", \"user:bob\"]\n"),
        // What is read last is under the rules of before. (It names nobody who was not named, so nothing else moves.)
        4 => {
            rules("allow = [\"everyone\", \"user:ann\"]\n");
            world.write("a.md", "the secret words");
        }
        5 => rules(
            "allow = [\"everyone\", \"user:ann\"]\n[[file]]\nmatch = \"a.md\"\nonly = true\nallow = [\"user:ann\"]\n",
        ),
        _ => {}
    });
    assert!(
        !(is(&world, "a.md", "the secret words") && world.may("bob", "a.md") == Some(true)),
        "bob reads what only ann may"
    );
    world.ingest().unwrap();
    assert_eq!((world.may("ann", "a.md"), world.may("bob", "a.md")), (Some(true), Some(false)));
    assert_eq!(world.may("bob", "rest.md"), Some(true));
}

/// A rule that gives a file rights of its own narrows like one of its folder: before anything is read, also in a run
/// that is stopped, or that the guard against mass deletion refuses.
#[test]
fn a_rule_for_a_file_narrows_before_anything_is_read() {
    let rule = "allow = [\"everyone\"]\n[[file]]\nmatch = \"pay.*\"\nonly = true\nallow = [\"user:ann\"]\n";
    let prepared = || {
        let world = World::new();
        world.write(".access.toml", "allow = [\"everyone\"]\n");
        for name in ["a.md", "b.md", "c.md", "pay.md"] {
            world.write(name, name);
        }
        world.write("pay.zip", crate::archives::zip(&[("bands.md", "bands")]));
        world.ingest().unwrap();
        assert_eq!(world.may("bob", "pay.md"), Some(true));
        world
    };
    let narrowed = |world: &World| {
        for path in ["pay.md", "pay.zip/bands.md"] {
            assert_eq!((world.may("ann", path), world.may("bob", path)), (Some(true), Some(false)), "{path}");
        }
        assert_eq!(world.may("bob", "a.md"), Some(true));
    };
    let mut stopped = prepared();
    stopped.write(".access.toml", rule);
    let stop = Stop::default();
    stop.ask(RunState::Paused);
    stopped.options = IngestOptions { stop, ..stopped.options.clone() };
    assert_eq!(stopped.ingest().unwrap().state, RunState::Paused);
    narrowed(&stopped);
    stopped.options = IngestOptions { stop: Stop::default(), ..stopped.options.clone() };
    stopped.ingest().unwrap();
    narrowed(&stopped);
    // Taken back, it opens again when it has been read.
    stopped.write(".access.toml", "allow = [\"everyone\"]\n");
    stopped.ingest().unwrap();
    assert_eq!(
        (stopped.may("bob", "pay.md"), stopped.may("bob", "pay.zip/bands.md")),
        (Some(true), Some(true))
    );

    let refused = prepared();
    refused.write(".access.toml", rule);
    for name in ["a.md", "b.md", "c.md"] {
        refused.remove(name);
    }
    refused.ingest().unwrap_err();
    narrowed(&refused);
}

/// Between a run's listing and its beginning no other run over the source comes to its end: the listing would lack what
/// that one brought.
#[test]
fn what_another_run_brings_after_a_listing_stays() {
    let world = World::new();
    for name in ["a.md", "b.md", "c.md"] {
        world.write(name, name);
    }
    world.ingest().unwrap();
    let other = std::sync::Mutex::new(None);
    ingest(&world, &|times| {
        if times == 1 {
            world.write("new.md", "new");
            *other.lock().unwrap() = Some(world.ingest().is_ok());
        }
    });
    let brought = other.into_inner().unwrap().unwrap();
    assert!(!brought || world.may("ann", "new.md") == Some(true), "it was read, and is in the source");
    world.ingest().unwrap();
    assert_eq!(world.may("ann", "new.md"), Some(true));
}
