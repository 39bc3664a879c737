//! Which question it answers: what does an exact hybrid search of what one caller may see cost, at 100 to 0.1 % visible,
//! with rights at random and by topic, beside what one would build from stock parts: tantivy and a graph of vectors
//! (HNSW), with a filter, or with hidden hits dropped afterwards? How near does each come to the exact answer, and how
//! often does an answer change when documents come in that the caller may not see?
//!
//! `benches/peers/setup.sh && cargo bench --workspace --bench scale`; `KENWARD_BENCH_CHUNKS` changes the size (100000),
//! `KENWARD_QUERIES` the number of questions (200). Writes `target/bench/scale*.json` and `.svg`. Every side is a process
//! of its own, held to one core and then to two (`taskset`), and times its own calls.

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

#[path = "support/reading.rs"]
mod reading;
mod support;
mod scale {
    pub mod data;
    pub mod made;
    pub mod ours;
    pub mod tell;
}

use scale::data::{self, RIGHTS, SHARES};
use scale::tell::{Cell, Measured, Way};
use scale::{ours, tell};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use support::peer::{self, Peer};

/// Set in the process that is ours among the peers.
const OURS: &str = "KENWARD_SCALE_OURS";

fn main() {
    if std::env::var_os(OURS).is_some() {
        ours::serve();
        return;
    }
    let Some(eval) = support::eval() else {
        eprintln!("no evaluation folder: nothing is measured (set KENWARD_EVAL)");
        return;
    };
    let Some(python) = peer::python() else { return };
    let number = |name: &str, default| std::env::var(name).map_or(default, |n| n.parse().unwrap());
    let (size, queries) = (number("KENWARD_BENCH_CHUNKS", 100_000), number("KENWARD_QUERIES", 200));
    // As many again as a tenth come in later, and nobody of the callers may see them.
    let all = size + size / 10;
    let folder = data::texts(&python, &eval, all);
    let seen = data::write(&folder, &eval, size, queries);
    let _ = std::fs::remove_dir_all(folder.join("built"));
    // More than any cache holds, whatever the size.
    let read = reading::limit(&vec![1.0; 256 << 20]);

    let first = built(&folder, &python, 0, size);
    let mut measured = Measured { size, queries, read, built: first, opened: Vec::new(), cells: Vec::new() };
    let (mut answers, mut nearest) = (BTreeMap::new(), BTreeMap::<String, Vec<Vec<u32>>>::new());
    // A process of its own: what it holds is not the peers'.
    let mut plain = Peer::script(&python, "scale_peer.py", None);
    for cores in [1, 2] {
        let (mut our, mut their) = (start(cores), Peer::script(&python, "scale_peer.py", Some(cores)));
        let open = json!({ "do": "open", "folder": folder });
        let opened = [our.ask(&open), their.ask(&open)];
        for (rights, share) in RIGHTS.iter().flat_map(|rights| SHARES.map(|share| (*rights, share))) {
            let name = data::name_of(rights, share);
            let ask = json!({ "do": "query", "sight": name });
            let (ours, theirs) = (our.ask(&ask), their.ask(&ask));
            let exact = nearest.entry(name.clone()).or_insert_with(|| {
                let exact = plain.ask(&json!({ "do": "exact", "folder": folder, "sight": name }));
                serde_json::from_value(exact).unwrap()
            });
            let ways = [&ours, &theirs["filter"], &theirs["after"]];
            if cores == 1 {
                answers.insert(name.clone(), ways.map(|way| way["answers"].clone()));
            }
            let cell = Cell {
                rights,
                share,
                cores,
                seen: seen[&name],
                ways: ways.map(|way| Way::new(way, exact)),
                scan: support::percentile(&peer::numbers(&ours["scan_ms"]), 0.5),
                changed: None,
            };
            tell::print(&cell, read);
            measured.cells.push(cell);
        }
        let now = json!({ "do": "memory" });
        let memory = [our.ask(&now), their.ask(&now)];
        measured.opened.push((cores, opened, memory));
    }
    // What nobody of them may see comes in, and everybody asks again.
    built(&folder, &python, size, all);
    let (mut our, mut their) = (start(1), Peer::script(&python, "scale_peer.py", Some(1)));
    let open = json!({ "do": "open", "folder": folder });
    our.ask(&open);
    their.ask(&open);
    for cell in &mut measured.cells {
        let name = data::name_of(cell.rights, cell.share);
        let Some(before) = answers.get(&name).filter(|_| cell.cores == 1) else { continue };
        let ask = json!({ "do": "query", "sight": name });
        let (ours, theirs) = (our.ask(&ask), their.ask(&ask));
        let after = [&ours["answers"], &theirs["filter"]["answers"], &theirs["after"]["answers"]];
        cell.changed = Some([0, 1, 2].map(|way| differing(&before[way], after[way])));
    }
    let _ = std::fs::remove_dir_all(folder.join("built"));
    tell::all(&measured);
    let ours = measured.cells.iter().filter_map(|cell| cell.changed).map(|[ours, ..]| ours).sum::<usize>();
    assert_eq!(ours, 0, "answers of ours that hidden chunks changed");
}

fn start(cores: usize) -> Peer {
    // Only the processes started here look for it.
    let program = std::env::current_exe().unwrap();
    Peer::start(Path::new("env"), &[format!("{OURS}=1").as_ref(), program.as_os_str()], Some(cores))
}

/// Both sides take in the chunks first..last, one after the other, with both cores.
fn built(folder: &Path, python: &Path, first: usize, last: usize) -> [Value; 2] {
    let ask = json!({ "do": "build", "folder": folder, "first": first, "last": last });
    let ours = start(2).ask(&ask);
    let mut ask = ask;
    ask["threads"] = json!(2);
    let theirs = Peer::script(python, "scale_peer.py", Some(2)).ask(&ask);
    println!("chunks {first}..{last}: ours {}, stock {} (seconds)", ours["stages"], theirs["stages"]);
    [ours, theirs]
}

/// How many answers are not the same list.
fn differing(before: &Value, after: &Value) -> usize {
    let (before, after) = (before.as_array().unwrap(), after.as_array().unwrap());
    before.iter().zip(after).filter(|(before, after)| before != after).count()
}
