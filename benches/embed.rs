//! Which question it answers: do the two embedders agree, and how fast are they beside each other and beside Python's
//! fastembed with its defaults, on the same texts in the same run?
//!
//! `cargo bench --workspace --bench embed`; writes `target/bench/embed.json` and `.svg`. Needs both models in the cache
//! (`kenward models pull`); the peer is what `benches/peers/setup.sh` made, or `KENWARD_PYTHON`. `KENWARD_TEXTS`
//! changes the number of texts (2,000).

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

use kenward_indexes::embedding::{self, Embedder, Precision, Sizer};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use support::bars::{self, Bar};
use support::corpus;

/// One way of embedding them all: wall and CPU seconds.
struct Measured {
    who: String,
    cores: usize,
    wall: f64,
    cpu: f64,
    cosine: f64,
}

fn main() {
    let Some(eval) = support::eval() else {
        eprintln!("no evaluation folder: nothing is measured (set KENWARD_EVAL)");
        return;
    };
    let Some((model, library)) = support::model::installed() else { return };
    let engines = [
        embedding::fastembed(&model, &library, Precision::F32).unwrap(),
        embedding::fastembed(&model, &library, Precision::Int8).unwrap(),
        embedding::builtin(&model).unwrap(),
    ];
    let texts = texts(&eval, &engines[1]);
    let tokens: usize = texts.iter().map(|text| engines[1].count_tokens(text).min(256)).sum();
    println!("{} texts, {tokens} tokens, {:.0} a text", texts.len(), tokens as f64 / texts.len() as f64);

    let (reference, first) = run(&engines[0], &texts, 1);
    let mut measured = vec![first];
    for (engine, cores) in [(0, 2), (1, 1), (1, 2), (2, 1), (2, 2)] {
        let (vectors, mut one) = run(&engines[engine], &texts, cores);
        one.cosine = lowest(&reference, &vectors);
        measured.push(one);
    }
    // The peer reads up to 512 tokens of a text, where the model was made for 256: only shorter ones can agree.
    let short: Vec<bool> = texts.iter().map(|text| engines[1].count_tokens(text) < 256).collect();
    measured.extend(python(&model, &texts, &reference, &short));
    println!("{:<42}{:>6}{:>12}{:>18}{:>16}", "", "cores", "tokens/s", "tokens/CPU-second", "lowest cosine");
    let (mut json, mut bars) = (Vec::new(), Vec::new());
    for Measured { who, cores, wall, cpu, cosine } in measured {
        let (of_wall, of_cpu) = (tokens as f64 / wall, tokens as f64 / cpu);
        println!("{who:<42}{cores:>6}{of_wall:>12.0}{of_cpu:>18.0}{cosine:>16.7}");
        json.push(serde_json::json!({ "who": who, "cores": cores, "wall_seconds": wall, "cpu_seconds": cpu,
            "tokens_per_second": of_wall, "tokens_per_cpu_second": of_cpu, "lowest_cosine": cosine }));
        bars.push(Bar {
            class: if who.starts_with("python") { "stock" } else { "ours" },
            name: format!(
                "{}, {cores} core{}",
                who.split(", onnx").next().unwrap(),
                if cores == 1 { "" } else { "s" }
            ),
            value: of_wall,
            label: format!("{of_wall:.0} tokens/s"),
        });
    }
    println!(
        "the peer's cosine is over the {} texts of fewer than 256 tokens",
        short.iter().filter(|s| **s).count()
    );
    let json = serde_json::json!({ "bench": "embed", "texts": texts.len(), "tokens": tokens, "runs": json });
    std::fs::write(support::results().join("embed.json"), serde_json::to_string_pretty(&json).unwrap())
        .unwrap();
    let under = format!("{} passages of real pages, {tokens} tokens; tokens per second", texts.len());
    std::fs::write(support::results().join("embed.svg"), bars::draw("Embedders", &under, &bars)).unwrap();
}

/// Chunks of real pages, as many from each collection, at most the model's length.
fn texts(eval: &Path, embedder: &Arc<dyn Embedder>) -> Vec<String> {
    let wanted = std::env::var("KENWARD_TEXTS").map_or(2_000, |n| n.parse().unwrap());
    let sizer = Sizer::new(Some(Arc::clone(embedder)));
    let mut texts = Vec::new();
    let folders = ["kb/sourcegraph-handbook", "kb/govuk-developer-docs", "kb/k8s-community"];
    for (left, folder) in (1..=folders.len()).rev().zip(folders) {
        let pages = corpus::pages(&eval.join(folder));
        let chunks: Vec<_> =
            pages.iter().enumerate().flat_map(|(n, page)| corpus::cut(n, page, 900)).collect();
        let take = (wanted - texts.len()) / left;
        let step = (chunks.len() / take.max(1)).max(1);
        texts.extend(chunks.iter().step_by(step).take(take).map(|chunk| {
            let headings: Vec<String> = chunk.headings.lines().map(str::to_owned).collect();
            sizer.input(&chunk.title, &headings, &chunk.body)
        }));
    }
    texts
}

fn run(embedder: &Arc<dyn Embedder>, texts: &[String], cores: usize) -> (Vec<Vec<f32>>, Measured) {
    let next = AtomicUsize::new(0);
    let warm = || drop(embedder.embed(&[&texts[0]]).unwrap());
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(warm))));
    let (begun, cpu) = (Instant::now(), cpu_seconds());
    let mut vectors: Vec<(usize, Vec<f32>)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores)
            .map(|_| {
                scope.spawn(|| {
                    let mut own = Vec::new();
                    while let Some((at, text)) = {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        texts.get(at).map(|text| (at, text))
                    } {
                        own.push((at, embedder.embed(&[text]).unwrap().remove(0)));
                    }
                    own
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    vectors.sort_by_key(|(at, _)| *at);
    let space = embedder.space();
    let who = format!("kenward, {}{}", space.engine, if space.precision == "int8" { " in int8" } else { "" });
    let vectors = vectors.into_iter().map(|(_, vector)| vector).collect();
    (vectors, Measured { who, cores, wall, cpu, cosine: 1.0 })
}

fn only(vectors: &[Vec<f32>], these: &[bool]) -> Vec<Vec<f32>> {
    vectors.iter().zip(these).filter(|(_, these)| **these).map(|(vector, _)| vector.clone()).collect()
}

fn lowest(a: &[Vec<f32>], b: &[Vec<f32>]) -> f64 {
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum() };
    let cosine = |(a, b): (&Vec<f32>, &Vec<f32>)| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    a.iter().zip(b).map(cosine).fold(1.0, f64::min)
}

/// Python's fastembed as its users have it: its own batches, threads and ONNX Runtime, on the same graph and weights.
/// It agrees or not over those texts that are `short`.
fn python(model: &Path, texts: &[String], reference: &[Vec<f32>], short: &[bool]) -> Vec<Measured> {
    let Some(python) = support::peer::python() else { return Vec::new() };
    let folder = support::model::for_python(model);
    let list = folder.path().join("texts.json");
    std::fs::write(&list, serde_json::to_string(texts).unwrap()).unwrap();
    let script = support::peer::script("fastembed_peer.py");
    let mut measured = Vec::new();
    for cores in [1, 2] {
        let output = Command::new(&python)
            .arg(&script)
            .args([folder.path(), &list])
            .arg(cores.to_string())
            .stderr(std::process::Stdio::inherit())
            .output()
            .unwrap();
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("the peer's figures");
        let vectors: Vec<Vec<f32>> = serde_json::from_value(said["vectors"].clone()).unwrap();
        measured.push(Measured {
            who: said["who"].as_str().unwrap().to_owned(),
            cores,
            wall: said["wall"].as_f64().unwrap(),
            cpu: said["cpu"].as_f64().unwrap(),
            cosine: lowest(&only(reference, short), &only(&vectors, short)),
        });
    }
    measured
}

/// CPU time of this process so far (Linux).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let ticks: Vec<f64> = rest.split(' ').skip(12).take(2).filter_map(|t| t.parse().ok()).collect();
    ticks.iter().sum::<f64>() / 100.0
}
