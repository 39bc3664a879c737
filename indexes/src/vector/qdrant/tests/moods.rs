//! A cluster in each of its moods: the answer is always the embedded engine's, and what the cluster lost is brought again.

use super::play::Both;
use super::*;
use crate::vector::qdrant::ids::{Ids, Secret};
use qdrant_client::qdrant as api;

fn filled(peer: &Peer) -> Both {
    let mut both = Both::new(|folder| options(&peer.url, &fresh("mood"), folder));
    both.append(0..400);
    both.commit();
    both.mirrored.settle();
    both
}

#[test]
fn the_answers_of_a_cluster_that_keeps_its_word_are_taken() {
    let peer = Peer::start();
    let mut both = filled(&peer);
    both.compare(60);
    let standing = both.mirrored.standing();
    assert_eq!((standing.there, standing.of, standing.fell_back), (400, 400, 0));
    assert!(standing.answered > 100, "{standing:?}");
}

#[test]
fn whatever_a_cluster_does_the_answers_are_right_and_it_is_believed_again_afterwards() {
    for mood in [
        Mood::Down,
        Mood::Slow(1_500),
        Mood::LosesAnswers(2),
        Mood::Busy,
        Mood::Within,
        Mood::OtherClasses,
        Mood::WrongScores,
        Mood::UnknownIds,
        Mood::TooFew(1),
        Mood::Unsorted,
        Mood::Twice,
    ] {
        let peer = Peer::start();
        let mut both = filled(&peer);
        peer.mood(mood);
        both.compare(3);
        both.append(400..440);
        both.commit();
        both.reclass(100..200, 1, true);
        both.compare(3);
        let standing = both.mirrored.standing();
        assert!(
            mood == Mood::OtherClasses || mood == Mood::Twice || standing.fell_back > 0,
            "{mood:?}: {standing:?}"
        );
        peer.mood(Mood::Honest);
        both.mirrored.settle();
        let before = both.mirrored.standing();
        both.compare(10);
        let after = both.mirrored.standing();
        assert_eq!((after.there, after.fell_back), (440, before.fell_back), "{mood:?}");
        assert!(after.answered > before.answered, "{mood:?}");
    }
}

#[test]
fn a_slow_cluster_is_waited_for_once_and_not_by_everybody() {
    let peer = Peer::start();
    let mut both = filled(&peer);
    peer.mood(Mood::Slow(5_000));
    let begun = Instant::now();
    both.compare(20);
    // Eighty questions: one or two of them waited.
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[test]
fn what_was_acknowledged_and_forgotten_is_found_by_counting() {
    let peer = Peer::start();
    peer.mood(Mood::Forgets(5));
    let mut both = Both::new(|folder| Options {
        counted_every: Duration::from_millis(50),
        ..options(&peer.url, &fresh("forgets"), folder)
    });
    both.append(0..400);
    both.commit();
    both.mirrored.until(|standing| standing.there > 300);
    peer.mood(Mood::Honest);
    let begun = Instant::now();
    while peer.points().len() < 400 {
        assert!(begun.elapsed() < PATIENCE, "{} points", peer.points().len());
        std::thread::sleep(Duration::from_millis(10));
        // The task sleeps for seconds when it has nothing to do.
        both.tag();
    }
    both.mirrored.settle();
    both.compare(20);
}

#[test]
fn a_class_that_was_acknowledged_and_not_changed_is_found_by_counting() {
    let peer = Peer::start();
    let mut both = Both::new(|folder| Options {
        counted_every: Duration::from_millis(50),
        ..options(&peer.url, &fresh("classes"), folder)
    });
    both.append(0..200);
    both.commit();
    both.mirrored.settle();
    peer.mood(Mood::KeepsClasses);
    both.reclass(0..100, 5, true);
    both.mirrored.settle();
    peer.mood(Mood::Honest);
    let begun = Instant::now();
    loop {
        let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
        peer.points().values().for_each(|(tag, _)| *counts.entry(*tag).or_default() += 1);
        if counts.values().any(|count| *count >= 100) && both.mirrored.standing().waiting == 0 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE);
        both.tag();
        std::thread::sleep(Duration::from_millis(10));
    }
    both.mirrored.settle();
    both.compare(20);
}

#[test]
fn points_that_nobody_knows_of_are_deleted() {
    let peer = Peer::start();
    let mut both = filled(&peer);
    for collection in peer.store.lock().collections.values_mut() {
        for id in 0..50 {
            collection.points.insert(id, (id as i64, vec![0.5; play::DIMENSION]));
        }
    }
    both.compare(10);
    both.reopen();
    both.mirrored.settle();
    assert_eq!(peer.points().len(), 400);
}

#[test]
fn nothing_goes_out_but_numbers_that_say_nothing_and_filters_name_the_classes_that_are_seen() {
    let peer = Peer::start();
    let both = filled(&peer);
    let text = std::fs::read_to_string(both.state()).unwrap();
    let hex = text.split("\"secret\":\"").nth(1).unwrap().get(..64).unwrap();
    let secret = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
    let ids = Ids::new(&Secret(secret.try_into().unwrap()));
    let points = peer.points();
    assert_eq!(points.len(), 400);
    for (id, (tag, _)) in &points {
        let chunk = ids.passage(*id).chunk.0;
        assert_eq!(ids.class(*tag), Some(both.classes[&chunk]));
        assert!(*id > 1_000_000 && tag.unsigned_abs() > 1_000_000, "a small number would say something");
    }
    peer.store.lock().filters.clear();
    let query = vec![0.3; play::DIMENSION];
    seeing_classes(&[1, 4], play::CLASSES, both.classes.iter().map(|(a, b)| (*a, *b)), |visible| {
        both.snapshots().0.search(&query, visible, &|_| true, 3, &ByHash).unwrap()
    });
    let filters = peer.store.lock().filters.clone();
    let named = |class: u32| store::takes(filters[0].as_ref(), ids.tag(class));
    assert_eq!((0..play::CLASSES).filter(|class| named(*class)).collect::<Vec<_>>(), [1, 4]);
    assert!(matches!(&filters[0], Some(api::Filter { must, .. }) if must.len() == 1));
    for collection in peer.store.lock().collections.values() {
        let names: Vec<&str> = collection.metadata.keys().map(String::as_str).collect();
        assert!(names.iter().all(|name| ["kenward_mark", "kenward_holder"].contains(name)));
        assert!(!format!("{:?}", collection.metadata).contains(hex), "the secret stays here");
    }
}

#[test]
fn no_more_is_sent_than_the_cluster_takes() {
    let peer = Peer::start();
    let mut both = Both::new(|folder| options(&peer.url, &fresh("much"), folder));
    both.append(0..9_000);
    both.commit();
    both.mirrored.settle();
    let store = peer.store.lock();
    assert!(store.largest <= 1_000 && store.at_once.1 <= 3, "{} {:?}", store.largest, store.at_once);
}

#[test]
fn both_ways_to_an_answer_are_compared_before_anybody_is_asked_there() {
    let peer = Peer::start();
    let mut both = filled(&peer);
    both.mirrored.cluster.ask_it(false).unwrap();
    let before = both.mirrored.standing().answered;
    both.compare(5);
    assert_eq!(both.mirrored.standing().answered, before, "nobody asks");
    let compared = |both: &Both| {
        let chunks = both.classes.iter().map(|(a, b)| (*a, *b));
        seeing_classes(&[0, 2, 3], play::CLASSES, chunks, |visible| {
            both.snapshots().0.compare(ChunkNo(17), visible, 10, &ByHash).unwrap()
        })
    };
    assert_eq!(compared(&both), Compared::Same);
    peer.mood(Mood::WrongScores);
    assert_eq!(compared(&both), Compared::Differs);
    peer.mood(Mood::Down);
    both.mirrored.until(|standing| standing.condition != Condition::Starting);
    assert_ne!(compared(&both), Compared::Same);
    both.mirrored.cluster.ask_it(true).unwrap();
    peer.mood(Mood::Honest);
    both.mirrored.settle();
    both.compare(5);
    assert!(both.mirrored.standing().answered > before);
}

#[test]
fn whoever_sees_too_many_classes_to_be_named_and_too_few_to_be_left_out_is_answered_here() {
    let peer = Peer::start();
    let mut both =
        Both::new(|folder| Options { most_classes: 2, ..options(&peer.url, &fresh("classes"), folder) });
    both.append(0..400);
    both.commit();
    both.mirrored.settle();
    let filters = |seen: &[u32]| {
        peer.store.lock().filters.clear();
        let query = vec![0.3; play::DIMENSION];
        seeing_classes(seen, play::CLASSES, both.classes.iter().map(|(a, b)| (*a, *b)), |visible| {
            both.snapshots().0.search(&query, visible, &|_| true, 3, &ByHash).unwrap()
        });
        peer.store.lock().filters.clone()
    };
    assert_eq!(filters(&[0, 1, 2]).len(), 0, "nobody is asked");
    assert!(matches!(filters(&[0, 1]).first(), Some(Some(filter)) if filter.must.len() == 1));
    assert!(matches!(filters(&[0, 1, 2, 3]).first(), Some(Some(filter)) if filter.must_not.len() == 1));
    assert!(matches!(filters(&[0, 1, 2, 3, 4, 5]).first(), Some(None)), "all that is there");
    both.compare(40);
}

#[test]
fn of_many_that_are_equally_near_the_key_decides_and_not_the_cluster() {
    let peer = Peer::start();
    let mut both = Both::new(|folder| options(&peer.url, &fresh("alike"), folder));
    // More than a first page holds.
    both.append_alike(0..900);
    both.append(900..1_000);
    both.commit();
    both.mirrored.settle();
    both.compare(40);
    let standing = both.mirrored.standing();
    assert!(standing.answered > 40 && standing.fell_back == 0, "{standing:?}");
}

#[test]
fn what_differs_by_a_comparison_is_brought_again() {
    let peer = Peer::start();
    let both = filled(&peer);
    // As somebody does who turns vectors round, and leaves all numbers as they are.
    let mut turned = Vec::new();
    for collection in peer.store.lock().collections.values_mut() {
        for (_, vector) in collection.points.values_mut().take(300) {
            vector.iter_mut().for_each(|number| *number = -*number);
            turned.push(vector.clone());
        }
    }
    let left = || peer.points().values().filter(|(_, vector)| turned.contains(vector)).count();
    let compared = |like: u32| {
        let chunks = both.classes.iter().map(|(a, b)| (*a, *b));
        seeing_classes(&[0, 2, 3], play::CLASSES, chunks, |visible| {
            both.snapshots().0.compare(ChunkNo(like), visible, 3, &ByHash).unwrap()
        })
    };
    assert!((0..40).map(compared).any(|compared| compared == Compared::Differs));
    // What comes back wrong is mended; of what does not come any more nobody knows.
    both.mirrored.settle();
    assert!(left() > 0);
    both.mirrored.cluster.bring_again();
    both.mirrored
        .until(|standing| standing.condition == Condition::Well && standing.there == 400 && left() == 0);
    assert!((0..40).map(compared).all(|compared| compared == Compared::Same));
}

#[test]
fn replicas_that_differ_for_a_moment_are_asked_again_and_nothing_is_written_for_it() {
    for mood in [Mood::Unsorted, Mood::TooFew(1)] {
        let peer = Peer::start();
        peer.store.lock().replicas = 3;
        let mut both = filled(&peer);
        let written = peer.asked("Points/Upsert");
        peer.mood(mood);
        both.compare(10);
        let standing = both.mirrored.standing();
        assert!(standing.condition == Condition::Well && standing.fell_back > 0, "{mood:?}: {standing:?}");
        peer.mood(Mood::Honest);
        both.compare(10);
        let after = both.mirrored.standing();
        assert!(after.fell_back == standing.fell_back && after.answered > standing.answered, "{after:?}");
        assert_eq!((peer.asked("Points/Upsert"), after.there), (written, 400));
    }
}

#[test]
fn while_a_replica_is_down_who_reads_one_goes_on_and_who_wants_more_is_answered_here() {
    for (consistency, goes_on) in [
        (Consistency::One, true),
        (Consistency::Quorum, true),
        (Consistency::Majority, false),
        (Consistency::All, false),
    ] {
        let peer = Peer::start();
        peer.store.lock().replicas = 3;
        let mut both =
            Both::new(|folder| Options { consistency, ..options(&peer.url, &fresh("down"), folder) });
        both.append(0..400);
        both.commit();
        both.mirrored.settle();
        peer.mood(Mood::OneDown);
        // It is counted at an opening: by those that are up.
        both.reopen();
        both.mirrored.until(|standing| standing.condition != Condition::Starting);
        both.compare(10);
        let standing = both.mirrored.standing();
        assert_eq!(standing.condition == Condition::Well, goes_on, "{consistency:?}: {standing:?}");
        assert_eq!(standing.answered > 0, goes_on, "{consistency:?}: {standing:?}");
        peer.mood(Mood::Honest);
        both.mirrored.settle();
        both.compare(5);
    }
}
