//! Whose collection it is: one that is not ours is left alone, in words that say what to change; ours is known again.

use super::peer::Collection;
use super::play::{Both, DIMENSION};
use super::*;
use qdrant_client::qdrant as api;

fn refused(standing: &Standing) -> Option<(&str, &str)> {
    match &standing.condition {
        Condition::Refused { what, hint } => Some((what, hint)),
        _ => None,
    }
}

/// Fills an engine, and gives what it says when it is refused, with the answers compared.
fn words(peer: &Peer, change: impl Fn(Options) -> Options) -> (String, String) {
    let mut both = Both::new(|folder| change(options(&peer.url, "kenward-claims", folder)));
    both.append(0..50);
    both.commit();
    let standing = both.mirrored.until(|standing| refused(standing).is_some());
    both.compare(3);
    let (what, hint) = refused(&standing).unwrap();
    (what.to_owned(), hint.to_owned())
}

fn somebodys(metadata: &[(&str, &str)]) -> Collection {
    let metadata = metadata.iter().map(|(name, text)| ((*name).to_owned(), api::Value::from(*text)));
    let points = [(5, (5, vec![1.0; 3]))].into();
    Collection { dimension: 3, metadata: metadata.collect(), points, indexed: false }
}

/// An engine whose hundred passages are there.
fn settled(peer: &Peer) -> Both {
    let mut both = Both::new(|folder| options(&peer.url, "kenward-claims", folder));
    both.append(0..100);
    both.commit();
    both.mirrored.settle();
    both
}

#[test]
fn a_collection_that_is_not_ours_is_left_as_it_is() {
    for (metadata, says) in [
        (vec![], "somebody else's"),
        (vec![("kenward_mark", "00112233445566778899aabbccddeeff")], "other data of this program"),
    ] {
        let peer = Peer::start();
        peer.store.lock().collections.insert("kenward-claims".to_owned(), somebodys(&metadata));
        let (what, hint) = words(&peer, |options| options);
        assert!(what.contains(says) && hint.contains("vectors.collection"), "{what}; {hint}");
        assert_eq!(peer.points(), somebodys(&[]).points);
        for method in [
            "Points/Upsert",
            "Points/Delete",
            "Collections/Delete",
            "Collections/Update",
            "Points/UpdateBatch",
        ] {
            assert_eq!(peer.asked(method), 0, "{method}");
        }
    }
}

#[test]
fn a_wrong_version_or_key_is_said_with_what_to_do() {
    let peer = Peer::start();
    peer.store.lock().version = "1.18.3\u{1b}[31m with words of its own".to_owned();
    let (what, hint) = words(&peer, |options| options);
    assert!(what.ends_with("`1.18.331mwithwordsofitso`") && hint.contains("1.19"), "{what}; {hint}");
    peer.store.lock().version = "1.20.1".to_owned();
    peer.store.lock().key = Some("right".to_owned());
    let (what, hint) = words(&peer, |options| options);
    assert!(what.contains("refuses the API key") && hint.contains("vectors.api_key"), "{what}; {hint}");
    let (what, _) =
        words(&peer, |options| Options { key: Some(KeyPlace::File("/nowhere/key".into())), ..options });
    assert!(what.contains("cannot be read from `/nowhere/key`"), "{what}");
    assert!(peer.store.lock().collections.is_empty());
}

#[test]
fn a_key_in_a_file_is_read_again_when_it_changes() {
    let peer = Peer::start();
    peer.store.lock().key = Some("right".to_owned());
    let keys = folder();
    let file = keys.path().join("key");
    std::fs::write(&file, "wrong\n").unwrap();
    let mut both = Both::new(|folder| Options {
        key: Some(KeyPlace::File(file.clone())),
        ..options(&peer.url, "kenward-claims", folder)
    });
    both.append(0..50);
    both.commit();
    both.mirrored.until(|standing| refused(standing).is_some());
    std::fs::write(&file, "right\n").unwrap();
    assert_eq!(both.mirrored.settle().there, 50);
}

#[test]
fn ours_is_known_again_and_not_filled_again() {
    let peer = Peer::start();
    let mut both = Both::new(|folder| options(&peer.url, "kenward-claims", folder));
    both.append(0..300);
    both.commit();
    both.mirrored.settle();
    // The state is written down once there is nothing to do.
    std::thread::sleep(Duration::from_millis(200));
    let before = peer.asked("Points/Upsert");
    both.reopen();
    both.mirrored.settle();
    both.compare(10);
    assert_eq!((peer.asked("Points/Upsert"), both.mirrored.standing().there), (before, 300));
    assert_eq!(both.mirrored.standing().fell_back, 0);
}

#[test]
fn a_collection_that_was_dropped_is_made_and_filled_again() {
    let peer = Peer::start();
    let mut both = settled(&peer);
    peer.store.lock().collections.clear();
    both.compare(5);
    both.mirrored.settle();
    both.compare(5);
    assert_eq!(peer.points().len(), 100);
}

#[test]
fn a_collection_whose_making_was_broken_off_is_completed() {
    let peer = Peer::start();
    peer.mood(Mood::MakesNoIndex);
    let mut both = Both::new(|folder| options(&peer.url, "kenward-claims", folder));
    both.append(0..100);
    both.commit();
    both.mirrored.until(|standing| matches!(standing.condition, Condition::Down { .. }));
    assert!(peer.store.lock().collections.contains_key("kenward-claims"));
    peer.mood(Mood::Honest);
    both.reopen();
    both.mirrored.settle();
    both.compare(5);
    assert_eq!(peer.points().len(), 100);
}

#[test]
fn other_vectors_get_another_collection_and_ours_makes_room() {
    let peer = Peer::start();
    let both = settled(&peer);
    let marks = || -> Vec<String> {
        let store = peer.store.lock();
        store
            .collections
            .values()
            .map(|collection| format!("{:?}", collection.metadata["kenward_mark"]))
            .collect()
    };
    let before = marks();
    // As when everything is embedded anew: another folder, the same state.
    let folder = folder();
    let other = open(
        folder.path(),
        DIMENSION + 1,
        Options { state: both.state(), ..options(&peer.url, "kenward-claims", folder.path()) },
    );
    let other = other.unwrap();
    other.until(|standing| standing.condition == Condition::Well);
    assert_ne!(marks(), before);
    assert_eq!(peer.store.lock().collections["kenward-claims"].dimension, DIMENSION as u64 + 1);
}

#[test]
fn a_copied_folder_never_shares_a_collection_with_the_first() {
    let peer = Peer::start();
    let mut both = settled(&peer);
    std::thread::sleep(Duration::from_millis(200));
    let copy = folder();
    std::fs::create_dir(copy.path().join("vectors")).unwrap();
    for file in std::fs::read_dir(both.state().parent().unwrap().join("vectors")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join("vectors").join(file.file_name())).unwrap();
    }
    std::fs::copy(both.state(), copy.path().join("qdrant.state")).unwrap();
    // The first goes on, and writes its name into it.
    both.reopen();
    both.mirrored.settle();
    let copied = open(copy.path(), DIMENSION, options(&peer.url, "kenward-claims", copy.path())).unwrap();
    let standing = copied.until(|standing| refused(standing).is_some());
    assert!(refused(&standing).unwrap().0.contains("a copy of this data"), "{standing:?}");
    both.compare(5);
}

#[test]
fn what_a_copy_has_taken_since_is_not_dropped_by_the_other() {
    let peer = Peer::start();
    let mut both = settled(&peer);
    std::thread::sleep(Duration::from_millis(200));
    let copy = folder();
    std::fs::copy(both.state(), copy.path().join("qdrant.state")).unwrap();
    // The first goes on, under a name of its own; in the copy everything is embedded anew.
    both.reopen();
    both.mirrored.settle();
    let other = open(copy.path(), DIMENSION, options(&peer.url, "kenward-claims", copy.path())).unwrap();
    let standing = other.until(|standing| refused(standing).is_some());
    assert!(refused(&standing).unwrap().0.contains("a copy of this data"), "{standing:?}");
    assert_eq!((peer.points().len(), peer.asked("Collections/Delete")), (100, 0));
    both.compare(5);
}

#[test]
fn a_collection_that_somebody_puts_in_its_place_is_not_written_into() {
    let peer = Peer::start();
    let mut both = Both::new(|folder| Options {
        counted_every: Duration::from_millis(50),
        ..options(&peer.url, "kenward-claims", folder)
    });
    both.append(0..100);
    both.commit();
    both.mirrored.settle();
    let theirs = || Collection {
        dimension: DIMENSION as u64,
        indexed: true,
        points: (1..9).map(|id| (id, (id as i64, vec![0.5; DIMENSION]))).collect(),
        ..Collection::default()
    };
    peer.store.lock().collections.insert("kenward-claims".to_owned(), theirs());
    both.append(100..150);
    both.commit();
    both.compare(3);
    let standing = both.mirrored.until(|standing| refused(standing).is_some());
    assert!(refused(&standing).unwrap().0.contains("somebody else's"), "{standing:?}");
    assert_eq!(peer.points(), theirs().points);
    both.compare(3);
}

#[test]
fn what_is_known_of_it_and_cannot_be_read_costs_the_cluster_and_nothing_else() {
    let peer = Peer::start();
    let mut both = settled(&peer);
    std::thread::sleep(Duration::from_millis(200));
    // A folder where the file was: nobody can read it, whoever they are.
    let aside = both.state().with_extension("aside");
    std::fs::rename(both.state(), &aside).unwrap();
    std::fs::create_dir(both.state()).unwrap();
    both.reopen();
    let standing = both.mirrored.until(|standing| refused(standing).is_some());
    let (what, hint) = refused(&standing).unwrap();
    assert!(what.contains("qdrant.state") && hint.contains("give that file back"), "{what}; {hint}");
    assert!(both.mirrored.cluster.ask_it(true).is_err());
    both.mirrored.cluster.ask_it(false).unwrap();
    both.append(100..120);
    both.commit();
    both.compare(5);
    assert_eq!(peer.points().len(), 100);
    std::fs::remove_dir(both.state()).unwrap();
    std::fs::rename(&aside, both.state()).unwrap();
    both.reopen();
    assert_eq!(both.mirrored.settle().there, 120);
    both.compare(5);
}

#[test]
fn certificates_that_are_none_are_named_and_nobody_is_trusted() {
    let peer = Peer::start();
    let files = folder();
    let empty = files.path().join("empty.pem");
    std::fs::write(&empty, "root:x:0:0\n").unwrap();
    for (ca, says) in [
        (files.path().join("none.pem"), "cannot be read"),
        (files.path().to_owned(), "cannot be read"),
        ("/dev/zero".into(), "cannot be read"),
        (empty, "holds no certificate"),
    ] {
        let (what, hint) = words(&peer, |options| Options { ca: Some(ca.clone()), ..options });
        assert!(what.contains(says) && what.contains("vectors.ca") && hint.contains("PEM"), "{what}; {hint}");
        assert!(what.contains(&ca.display().to_string()), "{what}");
    }
    assert!(peer.store.lock().asked.is_empty());
}

#[test]
fn an_address_that_is_none_is_an_error_at_once() {
    let folder = folder();
    let refused = Cluster::new(options("not an address", "kenward", folder.path())).err().unwrap();
    assert!(refused.to_string().contains("not an address"), "{refused}");
    assert_eq!(Options::new(vec![], String::new(), "x".into()).consistency, Consistency::Majority);
}
