//! Which question it answers: does plain BM25, with our analyzer and these numbers, rank as it should?
//! On the development collections only: nDCG@10 and recall per collection, and, with
//! `KENWARD_SWEEP=1`, a sweep over the numbers of the formula (`K1`, `B`, `B_SHORT`, `TITLE`,
//! `HEADINGS`, `IDENTIFIER`: lists with commas).
//!
//! `cargo bench --workspace --bench quality`; writes `target/bench/quality.json`.

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

use kenward_indexes::lexical::Parameters;
use std::path::Path;
use support::collections::{self, Collection};

fn main() {
    let Some(eval) = support::eval() else {
        eprintln!("no evaluation folder: nothing is measured (set KENWARD_EVAL)");
        return;
    };
    let collections = collections::all(&eval);

    let mut json = Vec::new();
    println!("{:<24}{:>9}{:>9}", "collection", "nDCG@10", "R@100");
    for collection in &collections {
        let (ndcg, recall) = measure(collection, Parameters::default());
        println!("{:<24}{ndcg:>9.4}{recall:>9.4}", collection.name);
        json.push(serde_json::json!({"collection": collection.name, "ndcg_10": ndcg, "recall_100": recall}));
    }
    let k8s = collections.iter().find(|c| c.name == "k8s-community").unwrap();
    let (reached, asked) = permitted(k8s, &eval, Parameters::default());
    println!("k8s-community as the permitted user: {reached} of {asked} in the top 10");
    let json = serde_json::json!({
        "bench": "quality", "collections": json, "permitted": {"reached": reached, "asked": asked},
    });
    let folder = support::results();
    std::fs::write(folder.join("quality.json"), serde_json::to_string_pretty(&json).unwrap()).unwrap();
    if std::env::var_os("KENWARD_SWEEP").is_some() {
        sweep(&eval, &collections, k8s);
    }
}

fn sweep(eval: &Path, collections: &[Collection], k8s: &Collection) {
    let names: Vec<&str> = collections.iter().map(|c| c.name).collect();
    println!(
        "\nk1 | b body | b title, headings | w title | w headings | w identifier | {} | permitted | mean",
        names.join(" | ")
    );
    let choices = |name: &str, default: &[f64]| -> Vec<f64> {
        match std::env::var(name) {
            Ok(list) => list.split(',').map(|v| v.parse().unwrap()).collect(),
            Err(_) => default.to_vec(),
        }
    };
    for k1 in choices("K1", &[0.9, 1.2]) {
        for b in choices("B", &[0.4, 0.6, 0.75]) {
            for b_short in choices("B_SHORT", &[b]) {
                for title in choices("TITLE", &[1.0, 2.0, 3.0]) {
                    for headings in choices("HEADINGS", &[0.5, 1.0, 2.0]) {
                        let weight = [title, headings, 1.0];
                        for identifier in choices("IDENTIFIER", &[1.0]) {
                            let parameters = Parameters { k1, b: [b_short, b_short, b], weight, identifier };
                            let all: Vec<f64> =
                                collections.iter().map(|c| measure(c, parameters).0).collect();
                            let mean = all.iter().sum::<f64>() / all.len() as f64;
                            let all: Vec<String> = all.iter().map(|v| format!("{v:.4}")).collect();
                            let (reached, _) = permitted(k8s, eval, parameters);
                            let all = all.join(" | ");
                            println!(
                                "{k1} | {b} | {b_short} | {title} | {headings} | {identifier} | {all} | {reached} | {mean:.4}"
                            );
                        }
                    }
                }
            }
        }
    }
}

fn measure(collection: &Collection, parameters: Parameters) -> (f64, f64) {
    let everything = collection.everything();
    collection.measure(&mut |_, query| collection.lexical(query, &everything, parameters))
}

fn permitted(collection: &Collection, eval: &Path, parameters: Parameters) -> (usize, usize) {
    collection.permitted(eval, &|query, seen| collection.lexical(query, seen, parameters))
}
