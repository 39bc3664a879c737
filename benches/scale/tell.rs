//! What was measured, printed, as JSON and drawn. A figure is never given without those of the other ways in the same cell.

use super::data::{RIGHTS, SHARES};
use crate::support::bars::{self, Bar};
use crate::support::chart::{self, Line};
use crate::support::{self, peer, percentile};
use serde_json::{Value, json};

pub const WAYS: [&str; 3] = ["Kenward", "filter (tantivy, faiss)", "post-filter (tantivy, usearch)"];

/// One way of answering in one cell.
pub struct Way {
    /// p50, p95, p99 in milliseconds.
    pub cpu: [f64; 3],
    pub wall: [f64; 3],
    /// Of the ten nearest visible vectors.
    pub recall: f64,
    /// Hits in an answer, of ten, on average.
    pub hits: f64,
}

impl Way {
    pub fn new(answer: &Value, exact: &[Vec<u32>]) -> Self {
        let of = |name: &str| {
            let times = peer::numbers(&answer[name]);
            [0.5, 0.95, 0.99].map(|share| percentile(&times, share))
        };
        let lists = |name: &str| serde_json::from_value::<Vec<Vec<u32>>>(answer[name].clone()).unwrap();
        let (near, answers) = (lists("near"), lists("answers"));
        let found = exact.iter().zip(&near).map(|(exact, near)| {
            exact.iter().filter(|chunk| near.contains(chunk)).count() as f64 / exact.len() as f64
        });
        let recall = found.sum::<f64>() / exact.len() as f64;
        let hits = answers.iter().map(Vec::len).sum::<usize>() as f64 / answers.len() as f64;
        Self { cpu: of("cpu_ms"), wall: of("wall_ms"), recall, hits }
    }
}

pub struct Cell {
    pub rights: &'static str,
    pub share: f64,
    pub cores: usize,
    /// How many chunks the caller sees.
    pub seen: usize,
    pub ways: [Way; 3],
    /// Milliseconds of the vectors alone, ours.
    pub scan: f64,
    /// Answers that changed when only hidden chunks came in.
    pub changed: Option<[usize; 3]>,
}

pub struct Measured {
    pub size: usize,
    pub queries: usize,
    /// What the machine reads with one thread, in GB/s.
    pub read: f64,
    pub built: [Value; 2],
    /// Cores, what opening took, and memory after all queries.
    pub opened: Vec<(usize, [Value; 2], [Value; 2])>,
    pub cells: Vec<Cell>,
}

impl Cell {
    /// GB/s of what lies in memory for the first pass.
    fn speed(&self) -> f64 {
        (self.seen * (super::made::DIMENSION + 8)) as f64 / self.scan / 1e6
    }
}

pub fn print(cell: &Cell, read: f64) {
    print!("{:>6}, {:>5} % visible, {} core(s): ", cell.rights, cell.share, cell.cores);
    for (name, way) in ["ours", "filter", "afterwards"].iter().zip(&cell.ways) {
        let [p50, p95, p99] = way.cpu;
        print!(
            "{name} {p50:.2} ms CPU (p95 {p95:.2}, p99 {p99:.2}; wall {:.2}), recall {:.3}, {:.1} hits | ",
            way.wall[0], way.recall, way.hits
        );
    }
    let [ours, filter, after] = [0, 1, 2].map(|way| cell.ways[way].cpu[0]);
    println!(
        "ours / filter {:.2}, ours / afterwards {:.2} | scan {:.1} GB/s, {:.2} of what is read",
        ours / filter,
        ours / after,
        cell.speed(),
        cell.speed() / read
    );
}

pub fn all(measured: &Measured) {
    let Measured { size, queries, .. } = measured;
    println!("answers that changed when only hidden chunks came in, of {queries}: ours, filter, afterwards");
    for cell in &measured.cells {
        if let Some([ours, filter, after]) = cell.changed {
            println!("{:>6}, {:>5} % visible: {ours}, {filter}, {after}", cell.rights, cell.share);
        }
    }
    for (cores, opened, memory) in &measured.opened {
        let took = |side: usize| {
            let stages = opened[side]["stages"].as_object().unwrap();
            let of = |(name, seconds): (&String, &Value)| {
                format!("{name} {:.0} ms", 1e3 * seconds.as_f64().unwrap())
            };
            stages.iter().map(of).collect::<Vec<_>>().join(", ")
        };
        let mib = |side: usize, name: &str| memory[side][name].as_f64().unwrap();
        println!(
            "{cores} core(s): opened, ours: {}; stock: {} | after all queries, MiB: ours {:.0} ({:.0} with mapped files), stock {:.0} ({:.0})",
            took(0),
            took(1),
            mib(0, "own_mib"),
            mib(0, "resident_mib"),
            mib(1, "own_mib"),
            mib(1, "resident_mib"),
        );
    }
    println!("bytes on disk: ours {}, stock {}", measured.built[0]["disk"], measured.built[1]["disk"]);
    write(measured);
    for rights in RIGHTS {
        let of = |way: usize, class| Line {
            name: WAYS[way].to_owned(),
            class,
            points: cells(measured, rights).map(|cell| (cell.share, cell.ways[way].cpu[0])).collect(),
        };
        let recalls: Vec<Vec<f64>> =
            (0..3).map(|way| cells(measured, rights).map(|cell| cell.ways[way].recall).collect()).collect();
        let how = if rights == "topic" { "whole topics are visible" } else { "rights at random" };
        let svg = chart::draw_with(
            "Hybrid search over what one caller may see",
            &format!("CPU ms p50, {size} chunks, {how}; at the points: recall@10 of the vectors"),
            "share of the chunks that the caller may see (log)",
            "milliseconds of CPU (log)",
            &SHARES,
            &[of(0, "ours"), of(1, "filter"), of(2, "stock")],
            // Rounded down: 1.00 is all of them.
            &|line, point, _| format!("{:.2}", (recalls[line][point] * 100.0 + 1e-9).floor() / 100.0),
        );
        save(&format!("scale-{rights}.svg"), &svg);
    }
    let mut bars = Vec::new();
    for cell in measured.cells.iter().filter(|cell| cell.rights == "topic") {
        for (way, changed) in cell.changed.into_iter().flatten().enumerate() {
            let share = 100.0 * changed as f64 / *queries as f64;
            bars.push(Bar {
                name: format!("{} %, {}", cell.share, ["Kenward", "filter", "post-filter"][way]),
                value: share,
                label: format!("{share:.1} %"),
                class: ["ours", "filter", "stock"][way],
            });
        }
    }
    let svg = bars::draw_linear(
        "Answers that hidden documents change",
        &format!(
            "share of {queries} answers that change when a tenth more comes in that the caller may not see, {size} chunks"
        ),
        100.0,
        &bars,
    );
    save("scale-changed.svg", &svg);
    println!("wrote {}", support::results().display());
}

fn cells<'m>(measured: &'m Measured, rights: &'m str) -> impl Iterator<Item = &'m Cell> {
    measured.cells.iter().filter(move |cell| cell.rights == rights && cell.cores == 1)
}

fn save(name: &str, text: &str) {
    std::fs::write(support::results().join(name), text).unwrap();
}

fn write(measured: &Measured) {
    let rows: Vec<Value> = measured
        .cells
        .iter()
        .map(|cell| {
            let ways = cell.ways.each_ref().map(|way| {
                let of = |[p50, p95, p99]: [f64; 3]| json!({ "p50": p50, "p95": p95, "p99": p99 });
                json!({ "cpu_ms": of(way.cpu), "wall_ms": of(way.wall), "recall_10": way.recall, "hits": way.hits })
            });
            json!({
                "rights": cell.rights, "visible_percent": cell.share, "visible": cell.seen, "cores": cell.cores,
                "ours": ways[0], "filter": ways[1], "filtered_afterwards": ways[2],
                "cpu_ratio_to_filter": cell.ways[0].cpu[0] / cell.ways[1].cpu[0],
                "cpu_ratio_to_filtered_afterwards": cell.ways[0].cpu[0] / cell.ways[2].cpu[0],
                "scan_ms": cell.scan, "scan_gb_per_s": cell.speed(), "scan_of_read_limit": cell.speed() / measured.read,
                "answers_changed_by_hidden_chunks": cell.changed,
            })
        })
        .collect();
    let opened: Vec<Value> = measured
        .opened
        .iter()
        .map(|(cores, opened, memory)| {
            json!({ "cores": cores, "ours": opened[0], "stock": opened[1], "memory_ours": memory[0], "memory_stock": memory[1] })
        })
        .collect();
    let json = json!({
        "bench": "scale", "chunks": measured.size, "queries": measured.queries, "read_limit_gb_per_s": measured.read,
        "built_ours": measured.built[0], "built_stock": measured.built[1], "opened": opened, "rows": rows,
    });
    save("scale.json", &serde_json::to_string_pretty(&json).unwrap());
}
