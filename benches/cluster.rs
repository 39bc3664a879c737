//! Which questions it answers: what does a Qdrant cluster beside the embedded vectors cost and bring? How long it takes to
//! fill; what a question costs there and here, at several visible shares; how long 10,000 documents of ten passages
//! take to get another class, and whether any answer is wrong meanwhile.
//!
//! `KENWARD_QDRANT_URL=http://127.0.0.1:6334 cargo bench --workspace --bench cluster`; several addresses with commas;
//! `KENWARD_BENCH_CHUNKS` changes the size (200000), `KENWARD_BENCH_REPLICAS` and `KENWARD_BENCH_SHARDS` the collection,
//! `KENWARD_BENCH_MOVED` how many documents get another class.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench: it stops loudly and prints what it measured"
)]

mod support;

use kenward_access::ids::{ChunkNo, ClassId};
use kenward_indexes::KeyPlace;
use kenward_indexes::embedding::{EmbeddingSpace, hashing};
use kenward_indexes::vector::qdrant::{Cluster, Condition, Consistency, Options};
use kenward_indexes::vector::{Engine, VectorSnapshot};
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{Numbers, Ties, percentile, seeing_classes};

const DIMENSION: usize = 384;
const DEPTH: usize = 400;
const QUERIES: usize = 30;
/// Passages of a document.
const OF_DOCUMENT: u32 = 10;
/// Passages of a class, about.
const OF_CLASS: u32 = 100;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn main() {
    let Ok(urls) = std::env::var("KENWARD_QDRANT_URL") else {
        eprintln!("KENWARD_QDRANT_URL is not set: there is nothing to measure");
        return;
    };
    let size = setting("KENWARD_BENCH_CHUNKS").unwrap_or(200_000) as u32;
    let folder = tempfile::tempdir().unwrap();
    let name = format!("kenward-bench-{}", std::process::id());
    let urls = urls.split(',').map(str::to_owned).collect();
    let mut options = Options::new(urls, name, folder.path().join("state"));
    options.least = 1;
    options.timeout = Duration::from_secs(20);
    options.replicas = setting("KENWARD_BENCH_REPLICAS").unwrap_or(1) as u32;
    options.ca = std::env::var_os("KENWARD_QDRANT_CA").map(Into::into);
    options.key =
        std::env::var("KENWARD_QDRANT_KEY").map(|_| KeyPlace::Variable("KENWARD_QDRANT_KEY".to_owned())).ok();
    if std::env::var("KENWARD_QDRANT_READ").is_ok_and(|read| read == "one") {
        options.consistency = Consistency::One;
    }
    options.shards = setting("KENWARD_BENCH_SHARDS").map(|shards| shards as u32);
    let space: EmbeddingSpace = hashing(DIMENSION).space().clone();
    let engine = Engine::Qdrant(Arc::new(Cluster::new(options).unwrap()));
    let mut index = engine.open(&folder.path().join("both"), &space).unwrap();
    let mut alone = Engine::Flat.open(&folder.path().join("flat"), &space).unwrap();
    let began = Instant::now();
    for (position, from) in (1..).zip((0..size).step_by(16_384)) {
        let batch: Vec<_> = (from..size.min(from + 16_384)).map(|n| (ChunkNo(n), vector(n))).collect();
        index.append(&batch).unwrap();
        index.commit(position).unwrap();
        alone.append(&batch).unwrap();
        alone.commit(position).unwrap();
    }
    println!("{size} vectors of {DIMENSION}, written twice here in {:.1} s", began.elapsed().as_secs_f64());
    let classes = size.div_ceil(OF_CLASS);
    let mut class: Vec<u32> =
        (0..size).map(|n| (n / OF_DOCUMENT).wrapping_mul(2_654_435_761) % classes).collect();
    let began = Instant::now();
    engine.tag(&mut told(&class));
    settle(&engine);
    println!("brought there in {:.1} s", began.elapsed().as_secs_f64());
    let ties = Ties::new(size as usize);
    let (both, flat) = (index.snapshot(), alone.snapshot());
    for share in [100.0, 50.0, 10.0, 1.0] {
        let seen: Vec<u32> = (0..classes).filter(|n| f64::from(n % 1_000) < share * 10.0).collect();
        let before = engine.standing().unwrap();
        let (there, here) = measure(both.as_ref(), flat.as_ref(), &seen, classes, &class, &ties, QUERIES);
        let after = engine.standing().unwrap();
        println!(
            "{share:>5} % visible ({} classes): with the cluster {:.2} ms (p95 {:.2}), embedded {:.2} (p95 {:.2}); {} of {} answered there",
            seen.len(),
            percentile(&there, 0.5),
            percentile(&there, 0.95),
            percentile(&here, 0.5),
            percentile(&here, 0.95),
            after.answered - before.answered,
            QUERIES
        );
    }
    // Other classes for 10,000 documents, while questions are asked.
    let documents = setting("KENWARD_BENCH_MOVED").unwrap_or(10_000) as u32;
    let moved = size.min(documents * OF_DOCUMENT);
    let seen: Vec<u32> = (0..classes).filter(|n| n % 2 == 0).collect();
    for chunk in 0..moved {
        class[chunk as usize] = (class[chunk as usize] + 1) % classes;
    }
    let began = Instant::now();
    engine.tag(&mut told(&class));
    let (mut asked, mut done) = (0, None);
    while done.is_none() || asked < 10 {
        // It stops where an answer differs.
        measure(both.as_ref(), flat.as_ref(), &seen, classes, &class, &ties, 1);
        asked += 1;
        let standing = engine.standing().unwrap();
        if standing.waiting == 0 && done.is_none() {
            done = Some(began.elapsed().as_secs_f64());
        }
    }
    println!(
        "{} documents ({moved} passages) got another class in {:.2} s; {asked} questions meanwhile and after, none answered otherwise",
        moved / OF_DOCUMENT,
        done.unwrap()
    );
}

fn told(class: &[u32]) -> impl Iterator<Item = (ChunkNo, ClassId)> + '_ {
    (0..).zip(class).map(|(chunk, class)| (ChunkNo(chunk), ClassId(*class)))
}

fn settle(engine: &Engine) {
    loop {
        let standing = engine.standing().unwrap();
        if standing.condition == Condition::Well && standing.waiting == 0 && standing.there == standing.of {
            return;
        }
        assert!(!matches!(standing.condition, Condition::Refused { .. }), "{standing:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn measure(
    both: &dyn VectorSnapshot,
    flat: &dyn VectorSnapshot,
    seen: &[u32],
    classes: u32,
    class: &[u32],
    ties: &Ties,
    queries: usize,
) -> (Vec<f64>, Vec<f64>) {
    let (mut there, mut here) = (Vec::new(), Vec::new());
    seeing_classes(seen, classes, (0..).zip(class.iter().copied()), |visible| {
        for n in 0..queries as u32 {
            let query = vector(u32::MAX - n);
            let timed = |snapshot: &dyn VectorSnapshot, times: &mut Vec<f64>| {
                let began = Instant::now();
                let found = snapshot.search(&query, visible.clone(), &|_| true, DEPTH, ties).unwrap();
                times.push(began.elapsed().as_secs_f64() * 1e3);
                found.iter().map(|scored| (scored.chunk, scored.score.to_bits())).collect::<Vec<_>>()
            };
            assert_eq!(
                timed(both, &mut there),
                timed(flat, &mut here),
                "the answers are the same, to the bit"
            );
        }
    });
    (there, here)
}

/// Around one of many topics, so that what is near is near.
fn vector(n: u32) -> Vec<f32> {
    let mut topic = Numbers(u64::from(n % 997) * 7_919 + 1);
    let mut own = Numbers(u64::from(n) * 104_729 + 3);
    let mut vector: Vec<f32> =
        (0..DIMENSION).map(|_| (topic.unit() - 0.5) as f32 + (own.unit() - 0.5) as f32 * 0.9).collect();
    let length = vector.iter().map(|n| n * n).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|n| *n /= length);
    vector
}
