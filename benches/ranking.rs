//! Which question it answers: how well does ours rank beside stock parts with the same encoder: bm25s, fastembed, and both
//! by a weighted sum? nDCG@10 on the English development collections with judged questions.
//!
//! `benches/peers/setup.sh && cargo bench --workspace --bench hybrid --bench ranking`: ours is read from what `hybrid` wrote.
//! Writes `target/bench/ranking.json` and `.svg`. The first run embeds some 10,000 texts in Python, and keeps the vectors in
//! `target/bench/vectors`. `KENWARD_COLLECTIONS` names fewer (`scifact (train),cacm,cranfield,xquad-en`).

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
use serde_json::{Value, json};
use support::bars::{self, Bar};
use support::collections::{self, Collection};
use support::peer::{self, Peer};

const COLLECTIONS: &str = "scifact (train),cacm,cranfield,xquad-en";

fn main() {
    let Some(eval) = support::eval() else {
        eprintln!("no evaluation folder: nothing is measured (set KENWARD_EVAL)");
        return;
    };
    let (Some(python), Some((model, _))) = (peer::python(), support::model::installed()) else { return };
    let Ok(ours) = std::fs::read(support::results().join("hybrid.json")) else {
        eprintln!("ours is not there: run `cargo bench --workspace --bench hybrid` first");
        return;
    };
    let ours: Value = serde_json::from_slice(&ours).unwrap();
    let model = support::model::for_python(&model);
    let kept = support::results().join("vectors");
    std::fs::create_dir_all(&kept).unwrap();
    let wanted = std::env::var("KENWARD_COLLECTIONS").unwrap_or_else(|_| COLLECTIONS.to_owned());
    let mut peer = Peer::script(&python, "bm25s_peer.py", None);
    let (mut rows, mut drawn) = (Vec::new(), Vec::new());
    println!("{:<18}{:<22}{:>9}{:>9}", "collection", "who", "nDCG@10", "R@100");
    for (collection, folder) in collections::some(&eval, &wanted.split(',').collect::<Vec<_>>()) {
        let ranked =
            peer.ask(&json!({ "do": "rank", "folder": folder, "model": model.path(), "kept": kept }));
        let mut all = ours_of(&ours, collection.name);
        for (way, who) in [("bm25s", "bm25s"), ("fastembed", "fastembed"), ("both", "bm25s + fastembed")] {
            all.push((who.to_owned(), measure(&collection, &ranked[way])));
        }
        for (who, (ndcg, recall)) in all {
            println!("{:<18}{who:<22}{ndcg:>9.4}{recall:>9.4}", collection.name);
            rows.push(
                json!({ "collection": collection.name, "who": who, "ndcg_10": ndcg, "recall_100": recall }),
            );
            drawn.push(Bar {
                name: format!("{}, {who}", collection.name),
                value: ndcg,
                label: format!("{ndcg:.3}"),
                class: if who.starts_with("Kenward") { "ours" } else { "stock" },
            });
        }
    }
    let json = json!({ "bench": "ranking", "rows": rows });
    std::fs::write(support::results().join("ranking.json"), serde_json::to_string_pretty(&json).unwrap())
        .unwrap();
    let under = "nDCG@10 on the English development collections, the same encoder; higher is better";
    let svg = bars::draw_linear("How well it ranks", under, 1.0, &drawn);
    std::fs::write(support::results().join("ranking.svg"), svg).unwrap();
    println!("wrote {}", support::results().display());
}

/// What `hybrid` measured of a collection.
fn ours_of(ours: &Value, name: &str) -> Vec<(String, (f64, f64))> {
    let all = ours["collections"].as_array().unwrap();
    let of =
        all.iter().find(|collection| collection["collection"] == name).expect("a collection of `hybrid`");
    let ways = of["ways"].as_array().unwrap().iter();
    ways.map(|way| {
        let number = |field: &str| way[field].as_f64().unwrap();
        (format!("Kenward, {}", way["way"].as_str().unwrap()), (number("ndcg_10"), number("recall_100")))
    })
    .collect()
}

fn measure(collection: &Collection, ranked: &Value) -> (f64, f64) {
    let ranked: Vec<Vec<u32>> = serde_json::from_value(ranked.clone()).unwrap();
    assert_eq!(ranked.len(), collection.queries.len());
    collection.measure(&mut |query, _| {
        ranked[query].iter().map(|chunk| Scored { chunk: ChunkNo(*chunk), score: 0.0 }).collect()
    })
}
