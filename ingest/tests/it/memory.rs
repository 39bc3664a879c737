//! What documents under way hold stays within what it may be, whatever they are.

use crate::world::World;

fn text(megabytes: usize, seed: usize) -> String {
    let line =
        "The quick brown fox files its expense report on the 5th of every month, unless it is late.\n\n";
    let mut text = String::with_capacity((megabytes << 20) + 200);
    while text.len() < megabytes << 20 {
        text.push_str(&format!("{} {seed} {line}", text.len()));
    }
    text
}

#[test]
fn large_documents_take_turns_and_the_rest_goes_on() {
    const MIB: u64 = 1 << 20;
    let mut world = World::new();
    world.options.memory_bytes = 24 * MIB;
    for n in 0..5 {
        world.write(&format!("large{n}.txt"), text(5, n));
    }
    for n in 0..60 {
        world.write(&format!("small{n}.md"), format!("# Small {n}\n\nwords\n"));
    }
    world.write("huge.txt", text(22, 0));
    let report = world.ingest().unwrap();
    assert_eq!(World::failures(&report), [("huge.txt".to_owned(), "too_large".to_owned())]);
    assert!(report.failures[0].detail.contains("ingest.memory"), "{:?}", report.failures);
    assert_eq!(report.summary.added, 65);
    assert!((8 * MIB..=24 * MIB).contains(&report.memory_peak), "{} MiB", report.memory_peak / MIB);

    // More memory is another limit: it is tried again.
    world.options.memory_bytes = 256 * MIB;
    let report = world.ingest().unwrap();
    assert_eq!((report.summary.added, report.summary.failed), (1, 0), "{:?}", report.failures);
}
