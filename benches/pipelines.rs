//! Which question it answers: how fast does a folder of Markdown come in, from its files to what can be asked, beside what
//! users would build in Python with the same model, and where does the time go? And when a right is taken away, how long
//! until nobody sees the document?
//!
//! `cargo build --release && benches/peers/setup.sh && cargo bench --workspace --bench pipelines`; writes
//! `target/bench/pipelines.json`, `pipelines.svg` and `revocation.svg`. `KENWARD_FILES` is the number of pages (60, taken
//! evenly; 0 is all 878), `KENWARD_PEERS` a list of peers (`chroma,lancedb,qdrant,langchain,mcp_qdrant`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "a bench: it stops loudly and prints what it measured"
)]

mod support;
mod pipelines {
    pub mod ours;
    pub mod tell;
}

use pipelines::tell::{self, Ran};
use serde_json::{Value, json};
use std::path::Path;
use support::peer::{self, Peer};
use support::{corpus, process};

const PEERS: &str = "chroma,lancedb,qdrant,langchain,mcp_qdrant";
/// Questions to each, after everything is in.
const QUESTIONS: usize = 50;

fn main() {
    let Some(eval) = support::eval() else {
        eprintln!("no evaluation folder: nothing is measured (set KENWARD_EVAL)");
        return;
    };
    let program = process::program();
    if !program.is_file() {
        eprintln!("no program at {}: nothing is measured (run `cargo build --release`)", program.display());
        return;
    }
    let (Some(python), Some((model, _))) = (peer::python(), support::model::installed()) else { return };
    let model = support::model::for_python(&model);
    let handbook = eval.join("kb/sourcegraph-handbook");
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("handbook");
    let (files, document, words) = write(&place, &handbook);
    let questions: Vec<String> =
        corpus::queries(&handbook).into_iter().map(|query| query.text).step_by(7).take(QUESTIONS).collect();
    let mut runs = vec![pipelines::ours::run(&program, folder.path(), &questions, (&document, &words))];
    tell::print(&runs[0], &runs[0]);
    let peers = std::env::var("KENWARD_PEERS").unwrap_or_else(|_| PEERS.to_owned());
    for name in peers.split(',') {
        let data = tempfile::tempdir().unwrap();
        let mut peer = Peer::script(&python, &format!("{name}_peer.py"), None);
        let indexed =
            peer.ask(&json!({ "do": "index", "folder": place, "model": model.path(), "data": data.path() }));
        assert_eq!(indexed["files"], files, "{name}");
        let asked = peer.ask(&json!({ "do": "query", "texts": questions }));
        let revoked = peer.ask(&json!({ "do": "revoke", "document": document, "text": words }));
        runs.push(ran(name, &indexed, &asked, &revoked));
        tell::print(&runs[runs.len() - 1], &runs[0]);
    }
    tell::all(files, &runs);
}

/// Writes pages, evenly taken; gives how many, and of one of the longer ones its name and some of its words.
fn write(place: &Path, handbook: &Path) -> (usize, String, String) {
    let pages = corpus::pages(handbook);
    let wanted = match std::env::var("KENWARD_FILES").map_or(60, |n| n.parse().unwrap()) {
        0 => pages.len(),
        some => pages.len().min(some),
    };
    let taken: Vec<&corpus::Page> = (0..wanted).map(|n| &pages[n * pages.len() / wanted]).collect();
    let name = |page: &corpus::Page| format!("{}.md", page.id.trim_end_matches(".md"));
    for page in &taken {
        let path = place.join(name(page));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &page.text).unwrap();
    }
    let long = taken.iter().find(|page| page.text.len() > 2_000).unwrap_or(&taken[0]);
    // Its first words that are prose.
    let prose = long.text.lines().filter(|line| line.len() > 60 && !line.starts_with(['#', '|', '<', '-']));
    let words: Vec<&str> = prose.flat_map(str::split_whitespace).take(25).collect();
    (wanted, name(long), words.join(" "))
}

/// What a peer said.
fn ran(name: &str, indexed: &Value, asked: &Value, revoked: &Value) -> Ran {
    let number = |value: &Value| value.as_f64().unwrap();
    let stages = indexed["stages"].as_object().unwrap();
    let revoked = (!revoked.is_null()).then(|| {
        assert!(number(&revoked["before"]) > 0.0, "{name} did not find what was to be revoked: {revoked}");
        (number(&revoked["seconds"]), number(&revoked["seen_seconds"]), number(&revoked["after"]))
    });
    let both = peer::numbers(&asked["embed_ms"]).into_iter().zip(peer::numbers(&asked["search_ms"]));
    let question: Vec<f64> = both.map(|(embed, search)| embed + search).collect();
    Ran {
        who: match name {
            "chroma" => "fastembed + Chroma",
            "lancedb" => "fastembed + LanceDB",
            "qdrant" => "fastembed + Qdrant, local",
            "langchain" => "LangChain + Chroma",
            "mcp_qdrant" => "mcp-server-qdrant's store",
            other => other,
        }
        .to_owned(),
        stages: stages.iter().map(|(stage, seconds)| (stage.clone(), number(seconds))).collect(),
        wall: number(&indexed["wall"]),
        cpu: number(&indexed["cpu"]),
        memory: number(&indexed["peak_mib"]),
        chunks: number(&indexed["chunks"]),
        question: [0.5, 0.95].map(|share| support::percentile(&question, share)),
        revoked,
    }
}
