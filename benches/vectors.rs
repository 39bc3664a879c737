//! Which question it answers: what does an exact search of the visible vectors cost? On one index, in one run: ours at
//! 100 to 0.1 % visible, with rights drawn at random and by topic, beside a scan of the same rows in f32, which is what
//! the first pass in whole numbers is to beat, and beside what the machine reads at most.
//!
//! `cargo bench --workspace --bench vectors`; `KENWARD_BENCH_CHUNKS` changes the size (200000). Held to one core
//! (`taskset -c 0`), it is one thread. Writes `target/bench/vectors.json` and `target/bench/vectors.svg`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench: it stops loudly and prints what it measured"
)]

#[path = "support/reading.rs"]
mod reading;
mod support;

use kenward_access::ids::ChunkNo;
use kenward_indexes::TieOrder as _;
use kenward_indexes::vector::{VectorSnapshot, open_flat};
use multiversion::multiversion;
use std::time::Instant;
use support::chart::{self, Line};
use support::{Numbers, Ties, percentile, seeing};

const SHARES: [f64; 5] = [100.0, 30.0, 10.0, 1.0, 0.1];
const DIMENSION: usize = 384;
const TOPICS: usize = 1_000;
const QUERIES: usize = 50;
/// What the product takes from each list, whatever the limit of a page.
const DEPTH: usize = 400;

fn main() {
    let size: usize =
        std::env::var("KENWARD_BENCH_CHUNKS").ok().and_then(|v| v.parse().ok()).unwrap_or(200_000);
    let cores = std::thread::available_parallelism().unwrap().get();
    let folder = tempfile::tempdir().unwrap();
    let made = Made::new();
    let began = Instant::now();
    let mut index = open_flat(folder.path(), DIMENSION).unwrap();
    let mut rows = Vec::with_capacity(size * DIMENSION);
    for (position, from) in (1..).zip((0..size).step_by(16_384)) {
        let batch: Vec<_> =
            (from..size.min(from + 16_384)).map(|n| (ChunkNo(n as u32), made.vector(n as u64))).collect();
        rows.extend(batch.iter().flat_map(|(_, vector)| vector.iter().copied()));
        index.append(&batch).unwrap();
        index.commit(position).unwrap();
    }
    drop(index);
    let built = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let index = open_flat(folder.path(), DIMENSION).unwrap();
    let opened = began.elapsed().as_secs_f64() * 1e3;
    let snapshot = index.snapshot();
    let ties = Ties::new(size);
    let read = reading::limit(&rows);
    println!(
        "{size} vectors of {DIMENSION}, {cores} cores, written in {built:.1} s, opened in {opened:.0} ms; the machine \
         reads {read:.1} GB/s with one thread"
    );
    let queries: Vec<Vec<f32>> = (0..QUERIES as u64).map(|n| made.vector((1 << 40) | (n * 7))).collect();
    let mut all = Vec::new();
    for (by, rights) in [("random", by_number as fn(u64, f64) -> bool), ("topic", by_topic)] {
        for share in SHARES {
            let seen: Vec<u32> = (0..size as u32).filter(|n| rights(u64::from(*n), share)).collect();
            let row = measure(snapshot.as_ref(), &rows, &seen, &queries, &ties);
            let bytes = (seen.len() * (DIMENSION + 8)) as f64;
            let speed = bytes / row.ours[0] / 1e6;
            println!(
                "{share:>5} % visible, {by:>6}: ours {:.2} ms (p95 {:.2}, p99 {:.2}) | f32 {:.2} | ours / f32 {:.2} | {speed:.1} GB/s, {:.2} of what is read",
                row.ours[0],
                row.ours[1],
                row.ours[2],
                row.plain,
                row.ours[0] / row.plain,
                speed / read
            );
            all.push((by, share, row));
        }
    }
    write(size, cores, opened, read, &all);
}

struct Row {
    ours: [f64; 3],
    plain: f64,
}

fn measure(
    snapshot: &dyn VectorSnapshot,
    rows: &[f32],
    seen: &[u32],
    queries: &[Vec<f32>],
    ties: &Ties,
) -> Row {
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for query in queries {
        let (mut found, mut best) = (Vec::new(), Vec::new());
        ours.push(median_ms(|began| {
            seeing(seen.iter().copied(), |visible| {
                *began = Instant::now();
                found = snapshot.search(query, visible, &|_| true, DEPTH, ties).unwrap();
                began.elapsed().as_secs_f64() * 1e3
            })
        }));
        plain.push(median_ms(|began| {
            *began = Instant::now();
            best = scan(query, rows, seen, ties);
            began.elapsed().as_secs_f64() * 1e3
        }));
        // Both are exact; sums of f32 in another order may differ in their last bits.
        assert_eq!(found.len(), best.len());
        for (ours, plain) in found.iter().zip(&best) {
            assert!((ours.score - f64::from(plain.0)).abs() < 1e-5, "{} {}", ours.score, plain.0);
        }
    }
    let p = |share| percentile(&ours, share);
    Row { ours: [p(0.5), p(0.95), p(0.99)], plain: percentile(&plain, 0.5) }
}

/// The peer: every visible row in f32, the best kept.
fn scan(query: &[f32], rows: &[f32], seen: &[u32], ties: &Ties) -> Vec<(f32, u32)> {
    let mut kept: Vec<(f32, u32)> = Vec::with_capacity(2 * DEPTH);
    let mut floor = f32::NEG_INFINITY;
    let cut = |kept: &mut Vec<(f32, u32)>| {
        let order = |a: &(f32, u32), b: &(f32, u32)| {
            b.0.total_cmp(&a.0).then_with(|| ties.tie(ChunkNo(a.1)).cmp(&ties.tie(ChunkNo(b.1))))
        };
        kept.sort_unstable_by(order);
        kept.truncate(DEPTH);
        kept.last().map_or(f32::NEG_INFINITY, |last| last.0)
    };
    for chunk in seen {
        let at = *chunk as usize * DIMENSION;
        let score = dot(query, &rows[at..at + DIMENSION]);
        if score >= floor {
            kept.push((score, *chunk));
            if kept.len() == 2 * DEPTH {
                floor = cut(&mut kept);
            }
        }
    }
    cut(&mut kept);
    kept
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn dot(query: &[f32], row: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 32];
    for (q, r) in query.as_chunks::<32>().0.iter().zip(row.as_chunks::<32>().0) {
        for ((lane, q), r) in lanes.iter_mut().zip(q).zip(r) {
            *lane += q * r;
        }
    }
    lanes.iter().sum()
}

fn median_ms(mut once: impl FnMut(&mut Instant) -> f64) -> f64 {
    let mut began = Instant::now();
    once(&mut began);
    let times = [(); 3].map(|()| once(&mut began));
    percentile(&times, 0.5)
}

/// Random rights: whether this chunk is among the visible share.
fn by_number(chunk: u64, share: f64) -> bool {
    ((chunk as u32).wrapping_mul(2_654_435_761) >> 12) as f64 <= share / 100.0 * f64::from(1 << 20)
}

/// Whole topics are visible.
fn by_topic(chunk: u64, share: f64) -> bool {
    (topic(chunk) as f64 + 0.5) / TOPICS as f64 <= share / 100.0
}

fn topic(chunk: u64) -> usize {
    Numbers(chunk.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 3).below(TOPICS)
}

/// Vectors that lie around the middles of topics, as those of text do.
struct Made {
    middles: Vec<Vec<f32>>,
}

impl Made {
    fn new() -> Self {
        let mut numbers = Numbers(11);
        Self { middles: (0..TOPICS).map(|_| unit((0..DIMENSION).map(|_| bell(&mut numbers)))).collect() }
    }

    fn vector(&self, chunk: u64) -> Vec<f32> {
        let mut numbers = Numbers(chunk ^ 0x5bd1_e995);
        numbers.next();
        let apart = 1.0 / (DIMENSION as f32).sqrt();
        unit(self.middles[topic(chunk)].iter().map(|middle| middle + 1.2 * apart * bell(&mut numbers)))
    }
}

/// About the normal distribution: four even ones.
fn bell(numbers: &mut Numbers) -> f32 {
    let sum: f64 = (0..4).map(|_| numbers.unit()).sum();
    ((sum - 2.0) * 3f64.sqrt()) as f32
}

fn unit(numbers: impl Iterator<Item = f32>) -> Vec<f32> {
    let vector: Vec<f32> = numbers.collect();
    let length = vector.iter().map(|n| n * n).sum::<f32>().sqrt();
    vector.iter().map(|n| n / length).collect()
}

fn write(size: usize, cores: usize, opened: f64, read: f64, all: &[(&str, f64, Row)]) {
    let rows: Vec<_> = all
        .iter()
        .map(|(by, share, row)| {
            serde_json::json!({
                "rights": by, "visible_percent": share, "f32_ms": {"p50": row.plain},
                "ours_ms": {"p50": row.ours[0], "p95": row.ours[1], "p99": row.ours[2]},
                "ratio_to_f32": row.ours[0] / row.plain,
            })
        })
        .collect();
    let json = serde_json::json!({
        "bench": "vectors", "vectors": size, "dimension": DIMENSION, "depth": DEPTH, "cores": cores,
        "opened_ms": opened, "read_limit_gb_per_s": read, "rows": rows,
    });
    let folder = support::results();
    std::fs::write(folder.join("vectors.json"), serde_json::to_string_pretty(&json).unwrap()).unwrap();
    let line = |name: &str, class, which: &str, of: fn(&Row) -> f64| Line {
        name: name.to_owned(),
        class,
        points: all.iter().filter(|row| row.0 == which).map(|row| (row.1, of(&row.2))).collect(),
    };
    let svg = chart::draw(
        "What an exact search of the visible vectors costs",
        &format!(
            "p50 of {QUERIES} queries, {size} vectors of {DIMENSION}, the best {DEPTH}, {cores} cores; lower is better"
        ),
        "share of the vectors that the caller may see (log)",
        "milliseconds (log)",
        &SHARES,
        &[
            line("Kenward, rights at random", "ours", "random", |row| row.ours[0]),
            line("Kenward, by topic", "filter", "topic", |row| row.ours[0]),
            line("f32 alone, at random", "stock", "random", |row| row.plain),
        ],
    );
    std::fs::write(folder.join("vectors.svg"), svg).unwrap();
    println!("wrote {}", folder.display());
}
