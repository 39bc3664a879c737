//! What was measured, printed, as JSON and drawn. A ratio is to ours in the same run.

use crate::support;
use crate::support::bars::{self, Bar};
use crate::support::stacks::{self, Stack};
use serde_json::{Value, json};

/// One way of taking a folder in.
pub struct Ran {
    pub who: String,
    /// Seconds by stage, in order.
    pub stages: Vec<(String, f64)>,
    pub wall: f64,
    pub cpu: f64,
    /// Peak of resident memory in MiB.
    pub memory: f64,
    pub chunks: f64,
    /// Milliseconds of a question, p50 and p95.
    pub question: [f64; 2],
    /// Seconds from the change to its acknowledgement, and until a search was answered without the document; hits of it in
    /// that answer. `None` where there is no way of taking a right away.
    pub revoked: Option<(f64, f64, f64)>,
}

impl Ran {
    fn speed(&self) -> f64 {
        self.chunks / self.wall
    }
}

pub fn print(ran: &Ran, ours: &Ran) {
    let stages: Vec<String> = ran.stages.iter().map(|(name, s)| format!("{name} {s:.2}")).collect();
    println!(
        "{:<28}{:>7.0} chunks {:>8.2} s wall {:>8.2} s CPU {:>7.1} chunks/s ({:.2} x ours' time) {:>6.0} MiB | {} | question {:.1} ms (p95 {:.1})",
        ran.who,
        ran.chunks,
        ran.wall,
        ran.cpu,
        ran.speed(),
        ran.wall / ours.wall,
        ran.memory,
        stages.join(", "),
        ran.question[0],
        ran.question[1]
    );
    match ran.revoked {
        Some((said, seen, hits)) => println!(
            "{:<28}a right taken away: acknowledged in {:.1} ms, searched without it at {:.1} ms, hits of it then {hits}",
            "",
            said * 1e3,
            seen * 1e3
        ),
        None => println!("{:<28}no way to take a right away", ""),
    }
}

pub fn all(files: usize, runs: &[Ran]) {
    let ours = &runs[0];
    let rows: Vec<Value> = runs
        .iter()
        .map(|ran| {
            let stages: serde_json::Map<String, Value> =
                ran.stages.iter().map(|(name, seconds)| (name.clone(), json!(seconds))).collect();
            let revoked = ran.revoked.map(|(said, seen, hits)| {
                json!({ "acknowledged_seconds": said, "searched_without_it_seconds": seen, "hits_afterwards": hits })
            });
            json!({
                "who": ran.who, "chunks": ran.chunks, "wall_seconds": ran.wall, "cpu_seconds": ran.cpu,
                "chunks_per_second": ran.speed(), "times_the_wall_of_ours": ran.wall / ours.wall,
                "ours_chunks_per_second_times": ours.speed() / ran.speed(), "peak_memory_mib": ran.memory,
                "stage_seconds": stages, "question_ms": { "p50": ran.question[0], "p95": ran.question[1] },
                "revocation": revoked,
            })
        })
        .collect();
    let json = json!({ "bench": "pipelines", "files": files, "runs": rows });
    let place = support::results();
    std::fs::write(place.join("pipelines.json"), serde_json::to_string_pretty(&json).unwrap()).unwrap();
    let drawn: Vec<Stack> = runs
        .iter()
        .map(|ran| Stack {
            name: ran.who.clone(),
            parts: ran.stages.clone(),
            label: format!("{:.1} s, {:.0} chunks, {:.0} MiB", ran.wall, ran.chunks, ran.memory),
        })
        .collect();
    let under = format!("seconds by stage, {files} pages of a handbook, the same model; shorter is better");
    let svg = stacks::draw("A folder of Markdown comes in", &under, &drawn);
    std::fs::write(place.join("pipelines.svg"), svg).unwrap();
    let bars: Vec<Bar> = runs
        .iter()
        .filter_map(|ran| ran.revoked.map(|(said, ..)| (ran, said * 1e3)))
        .map(|(ran, said)| Bar {
            name: ran.who.clone(),
            value: said,
            label: format!("{said:.1} ms"),
            class: if ran.who == ours.who { "ours" } else { "stock" },
        })
        .collect();
    let under =
        "milliseconds from the change to its acknowledgement; Kenward's with a process of its own, on disk";
    std::fs::write(place.join("revocation.svg"), bars::draw("A right is taken away", under, &bars)).unwrap();
    println!("wrote {}", place.display());
}
