//! Which question it answers: how well do words alone, vectors alone and both together rank, with the real embedder?
//! On the development collections only: nDCG@10 and recall@100, and, with `KENWARD_SWEEP=1`, a sweep over the weights of
//! the two lists.
//!
//! `cargo bench --workspace --bench hybrid`; writes `target/bench/hybrid.json` and `.svg`. Needs the model in the cache
//! (`kenward models pull`); `KENWARD_PRECISION=int8` has it compute in whole numbers. Vectors are kept in `target/bench/vectors`: the first run embeds everything.

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

use kenward_access::ids::ChunkNo;
use kenward_indexes::Scored;
use kenward_indexes::embedding::{self, Embedder, Precision, Sizer};
use kenward_indexes::fusion::{Weights, fuse};
use kenward_indexes::lexical::Parameters;
use kenward_indexes::vector::open_flat;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::bars::{self, Bar};
use support::collections::{self, Collection};
use support::seeing;

/// What the product takes from each list, whatever the limit of a page.
const DEPTH: usize = 400;

/// The two lists of each query of a collection.
struct Lists {
    lexical: Vec<Vec<Scored>>,
    vector: Vec<Vec<Scored>>,
}

/// Ranks a query, given by its number.
type Way = fn(&Collection, &Lists, usize) -> Vec<Scored>;

fn main() {
    let Some(eval) = support::eval() else {
        eprintln!("no evaluation folder: nothing is measured (set KENWARD_EVAL)");
        return;
    };
    let Some((model, library)) = support::model::installed() else { return };
    let embedder = embedding::fastembed(&model, &library, precision()).unwrap();
    let collections: Vec<(Collection, Lists)> = collections::all(&eval)
        .into_iter()
        .map(|collection| {
            let lists = lists(&collection, &embedder);
            (collection, lists)
        })
        .collect();
    let ways: [(&str, Way); 3] = [
        ("words", |_, lists, query| lists.lexical[query].clone()),
        ("vectors", |_, lists, query| lists.vector[query].clone()),
        ("both", |collection, lists, query| both(collection, lists, query, Weights::default())),
    ];
    println!("{:<24}{:>9}{:>9}{:>9}   R@100", "nDCG@10", "words", "vectors", "both");
    let (mut json, mut drawn) = (Vec::new(), Vec::new());
    for (collection, lists) in &collections {
        let measured =
            ways.map(|(name, way)| (name, collection.measure(&mut |query, _| way(collection, lists, query))));
        let [words, vectors, fused] = measured.map(|(_, (ndcg, _))| ndcg);
        let recall = measured.map(|(_, (_, recall))| format!("{recall:.3}"));
        println!("{:<24}{words:>9.4}{vectors:>9.4}{fused:>9.4}   {}", collection.name, recall.join(" "));
        for (name, (ndcg, _)) in measured {
            drawn.push(Bar {
                name: format!("{}, {name}", collection.name),
                class: if name == "both" { "ours" } else { "stock" },
                value: ndcg,
                label: format!("{ndcg:.3}"),
            });
        }
        let of = measured.map(|(name, (ndcg, recall))| {
            serde_json::json!({ "way": name, "ndcg_10": ndcg, "recall_100": recall })
        });
        json.push(serde_json::json!({ "collection": collection.name, "ways": of }));
    }
    // The picture that README shows is of f32.
    let name = if precision() == Precision::F32 { "hybrid" } else { "hybrid-int8" };
    let json = serde_json::json!({ "bench": name, "depth": DEPTH, "collections": json });
    std::fs::write(
        support::results().join(format!("{name}.json")),
        serde_json::to_string_pretty(&json).unwrap(),
    )
    .unwrap();
    let svg = bars::draw_linear(
        "What ranks best",
        "nDCG@10 on the development collections; higher is better",
        1.0,
        &drawn,
    );
    std::fs::write(support::results().join(format!("{name}.svg")), svg).unwrap();
    if std::env::var_os("KENWARD_SWEEP").is_some() {
        sweep(&collections);
        bands(&collections, "both", |collection, lists, query| {
            both(collection, lists, query, Weights::default())
        });
        bands(&collections, "vectors", |_, lists, query| lists.vector[query].clone());
    }
}

/// How many of the ten best are relevant, by their value: what the bands of `relevance` are drawn by.
fn bands(collections: &[(Collection, Lists)], name: &str, way: Way) {
    let mut buckets = [(0u32, 0u32); 20];
    for (collection, lists) in collections.iter().filter(|(collection, _)| collection.is_english()) {
        for (value, relevant) in collection.judged(&mut |query, _| way(collection, lists, query)) {
            let bucket = &mut buckets[((value * 20.0) as usize).min(19)];
            bucket.0 += u32::from(relevant);
            bucket.1 += 1;
        }
    }
    println!("\n{name}: value | of the ten best | relevant");
    for (at, (relevant, all)) in buckets.iter().enumerate().filter(|(_, (_, all))| *all > 0) {
        println!("{:.2} | {all} | {:.3}", at as f64 / 20.0, f64::from(*relevant) / f64::from(*all));
    }
}

fn both(collection: &Collection, lists: &Lists, query: usize, weights: Weights) -> Vec<Scored> {
    fuse(&lists.lexical[query], &lists.vector[query], weights, &collection.ties)
}

fn sweep(collections: &[(Collection, Lists)]) {
    println!("\nwords | {} | mean", collections.iter().map(|(c, _)| c.name).collect::<Vec<_>>().join(" | "));
    for step in 0..=25 {
        let lexical = f64::from(step) / 25.0;
        let weights = Weights { lexical, vector: 1.0 - lexical };
        let all: Vec<f64> = collections
            .iter()
            .map(|(collection, lists)| {
                collection.measure(&mut |query, _| both(collection, lists, query, weights)).0
            })
            .collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let all: Vec<String> = all.iter().map(|v| format!("{v:.4}")).collect();
        println!("{lexical:.2} | {} | {mean:.4}", all.join(" | "));
    }
}

fn lists(collection: &Collection, embedder: &Arc<dyn Embedder>) -> Lists {
    let sizer = Sizer::new(Some(Arc::clone(embedder)));
    let inputs: Vec<String> = collection
        .texts
        .iter()
        .map(|chunk| {
            let headings: Vec<String> = chunk.headings.lines().map(str::to_owned).collect();
            sizer.input(&chunk.title, &headings, &chunk.body)
        })
        .collect();
    let queries: Vec<String> = collection.queries.iter().map(|query| query.text.clone()).collect();
    let vectors = embedded(collection.name, &inputs, embedder);
    let asked = embedded(&format!("{}, queries", collection.name), &queries, embedder);
    let folder = tempfile::tempdir().unwrap();
    let mut index = open_flat(folder.path(), embedder.space().dimension).unwrap();
    let rows: Vec<_> = (0u32..).map(ChunkNo).zip(vectors).collect();
    index.append(&rows).unwrap();
    index.commit(1).unwrap();
    let snapshot = index.snapshot();
    let everything = collection.everything();
    let near = |query: &Vec<f32>| {
        seeing(everything.iter().copied(), |visible| {
            snapshot.search(query, visible, &|_| true, DEPTH, &collection.ties).unwrap()
        })
    };
    Lists {
        lexical: queries
            .iter()
            .map(|query| collection.lexical(query, &everything, Parameters::default()))
            .collect(),
        vector: asked.iter().map(near).collect(),
    }
}

/// In what the model computes: `KENWARD_PRECISION`, or f32.
fn precision() -> Precision {
    let Ok(name) = std::env::var("KENWARD_PRECISION") else { return Precision::F32 };
    Precision::named(&name)
        .unwrap_or_else(|| panic!("KENWARD_PRECISION is `{name}`; `f32` and `int8` are known"))
}

/// The vectors of these texts, from the cache if they are there.
fn embedded(name: &str, texts: &[String], embedder: &Arc<dyn Embedder>) -> Vec<Vec<f32>> {
    let space = embedder.space();
    let mut hash = blake3::Hasher::new();
    hash.update(serde_json::to_string(space).unwrap().as_bytes());
    for text in texts {
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    let folder = support::results().join("vectors");
    std::fs::create_dir_all(&folder).unwrap();
    let file: PathBuf = folder.join(format!("{}.f32", hash.finalize().to_hex()));
    if let Ok(bytes) = std::fs::read(&file) {
        let numbers = bytes.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number));
        let numbers: Vec<f32> = numbers.collect();
        return numbers.chunks_exact(space.dimension).map(<[f32]>::to_vec).collect();
    }
    let next = AtomicUsize::new(0);
    let mut vectors: Vec<(usize, Vec<f32>)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..embedder.workers().max(1))
            .map(|_| {
                scope.spawn(|| {
                    let mut own = Vec::new();
                    while let Some((at, text)) = {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        texts.get(at).map(|text| (at, text))
                    } {
                        if at.is_multiple_of(2_000) {
                            eprintln!("{name}: {at} of {}", texts.len());
                        }
                        own.push((at, embedder.embed(&[text]).unwrap().remove(0)));
                    }
                    own
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    vectors.sort_by_key(|(at, _)| *at);
    let vectors: Vec<Vec<f32>> = vectors.into_iter().map(|(_, vector)| vector).collect();
    let bytes: Vec<u8> = vectors.iter().flatten().flat_map(|number| number.to_le_bytes()).collect();
    std::fs::write(&file, bytes).unwrap();
    vectors
}
