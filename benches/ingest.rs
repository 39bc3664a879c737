//! Which question it answers: how fast does a folder come in, cold, unchanged and with 1 % changed, how much of it is the
//! embedder, are both cores busy, and does memory stay flat when there are ten times as many files?
//!
//! `cargo build --release && cargo bench --workspace --bench ingest`; writes `target/bench/ingest.json` and `.svg`.
//! It runs the program itself (`KENWARD_PROGRAM`, or the one in `target/release`), each time with new folders. The baseline
//! is the least that could be done: reading and hashing the same files in one thread. `KENWARD_FILES` is the number of
//! small files (20,000).

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

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::bars::{self, Bar};
use support::process::{children_seconds, memory, program};
use support::{Numbers, corpus};

/// One run of the program.
struct Ran {
    what: String,
    files: usize,
    wall: f64,
    cpu: f64,
    /// Peaks of resident memory, in MiB: of the program, of that what is no mapped file, and of the largest process
    /// that reads documents.
    memory: f64,
    own: f64,
    workers: f64,
    chunks: u64,
    embedder: f64,
    put: u64,
    /// Times the baseline.
    ratio: f64,
}

fn main() {
    let program = program();
    if !program.is_file() {
        eprintln!("no program at {}: nothing is measured (run `cargo build --release`)", program.display());
        return;
    }
    let mut runs = Vec::new();
    match support::eval() {
        Some(eval) => {
            let folder = tempfile::tempdir().unwrap();
            let pages = corpus::pages(&eval.join("kb/sourcegraph-handbook"));
            let texts = pages
                .iter()
                .map(|page| (format!("{}.md", page.id.trim_end_matches(".md")), page.text.as_str()));
            let files = write(&folder.path().join("handbook"), texts);
            measure(&program, folder.path(), "handbook", "auto", &files, &mut runs);
        }
        None => eprintln!("no evaluation folder: no handbook is measured (set KENWARD_EVAL)"),
    }
    let most = std::env::var("KENWARD_FILES").map_or(20_000, |n| n.parse().unwrap());
    let words = corpus::vocabulary(&[]);
    for count in [most / 10, most] {
        let folder = tempfile::tempdir().unwrap();
        let chunks: Vec<corpus::Chunk> = corpus::generated(count, 0, &words).collect();
        let texts =
            chunks.iter().enumerate().map(|(n, chunk)| (format!("{}/{n}.md", n / 500), chunk.body.as_str()));
        let files = write(&folder.path().join("small"), texts);
        drop(chunks);
        measure(&program, folder.path(), "small", "hashing", &files, &mut runs);
    }
    tell(&runs, most);
}

fn write<'t>(folder: &Path, texts: impl Iterator<Item = (String, &'t str)>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for (name, text) in texts {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        files.push(path);
    }
    files
}

/// Cold, unchanged, and with every hundredth file changed.
fn measure(program: &Path, dir: &Path, name: &str, engine: &str, files: &[PathBuf], runs: &mut Vec<Ran>) {
    let config = dir.join("kenward.toml");
    let mut init = Command::new(program);
    init.args(["init", "--user", "olga@acorn.example", "--data-dir"])
        .arg(dir.join("data"))
        .env("KENWARD_CONFIG", &config);
    assert!(init.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
    let begun = Instant::now();
    for file in files {
        std::hint::black_box(Sha256::digest(std::fs::read(file).unwrap()));
    }
    let least = begun.elapsed().as_secs_f64();
    println!("{name}: {} files, read and hashed in {least:.2} s", files.len());
    for what in ["cold", "nothing changed", "1 % changed"] {
        if what == "1 % changed" {
            let mut numbers = Numbers(7);
            for file in files.iter().step_by(100) {
                let text = std::fs::read_to_string(file).unwrap();
                std::fs::write(file, format!("{text}\nAmended under number {}.\n", numbers.next())).unwrap();
            }
        }
        let mut ran = run(program, &config, engine, &dir.join(name));
        (ran.what, ran.files, ran.ratio) = (format!("{name}, {what}"), files.len(), ran.wall / least);
        println!(
            "{:<26}{:>9} files{:>9.2} s{:>7.2} cores{:>9} chunks{:>9.1} chunks/s{:>6.0} % embedder{:>8.0} MiB, {:.0} its own, workers {:.0}{:>9.1} x reading",
            ran.what,
            ran.files,
            ran.wall,
            ran.cpu / ran.wall,
            ran.chunks,
            ran.chunks as f64 / ran.wall,
            100.0 * ran.embedder / ran.wall,
            ran.memory,
            ran.own,
            ran.workers,
            ran.ratio
        );
        runs.push(ran);
    }
}

/// Runs the program over a folder and looks at it meanwhile.
fn run(program: &Path, config: &Path, engine: &str, folder: &Path) -> Ran {
    let (begun, cpu) = (Instant::now(), children_seconds());
    let out = tempfile::tempfile().unwrap();
    let mut child = Command::new(program)
        .args(["ingest", "--json", "--default-allow", "everyone"])
        .arg(folder)
        .env("KENWARD_CONFIG", config)
        .env("KENWARD__EMBEDDING__ENGINE", engine)
        .env("KENWARD__EMBEDDING__HUB", "off")
        .stdout(out.try_clone().unwrap())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut peaks: BTreeMap<u32, f64> = BTreeMap::new();
    let mut own = 0.0_f64;
    let status = loop {
        for pid in std::iter::once(child.id()).chain(readers(child.id())) {
            let peak = peaks.entry(pid).or_default();
            *peak = peak.max(memory(pid, "VmHWM:"));
        }
        own = own.max(memory(child.id(), "RssAnon:"));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "{status}");
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), children_seconds() - cpu);
    let report = last_line(out);
    let number = |name: &str| report["summary"][name].as_u64().unwrap();
    assert_eq!(number("failed"), 0, "{report}");
    let memory = peaks.remove(&child.id()).unwrap_or_default();
    Ran {
        what: String::new(),
        files: 0,
        wall,
        cpu,
        memory,
        own,
        workers: peaks.values().copied().fold(0.0, f64::max),
        chunks: number("chunks"),
        embedder: report["embedder_seconds"].as_f64().unwrap(),
        put: number("added") + number("changed"),
        ratio: 0.0,
    }
}

fn last_line(mut out: std::fs::File) -> Value {
    use std::io::{Read, Seek};
    let mut text = String::new();
    out.rewind().unwrap();
    out.read_to_string(&mut text).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().expect("a report")).unwrap();
    assert_eq!(last["event"], "finished", "{last}");
    last
}

/// The processes that read documents for this one (Linux).
fn readers(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let children =
        children.flat_map(|list| list.split(' ').filter_map(|n| n.parse().ok()).collect::<Vec<u32>>());
    // Between its fork and its exec a child is its parent's copy, with the parent's memory.
    let is_reader = |pid: &u32| {
        std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.ends_with(b"__worker\0"))
    };
    children.filter(is_reader).collect()
}

fn tell(runs: &[Ran], most: usize) {
    let cold: Vec<&Ran> = runs.iter().filter(|run| run.what == "small, cold").collect();
    if let [few, many] = cold.as_slice() {
        println!(
            "small files, cold: {:.0} bytes of memory for each file more, {:.0} of them no mapped file; {:.2} ms a file at {}, {:.2} at {}",
            (many.memory - few.memory) * f64::from(1 << 20) / (many.files - few.files) as f64,
            (many.own - few.own) * f64::from(1 << 20) / (many.files - few.files) as f64,
            1_000.0 * few.wall / few.files as f64,
            few.files,
            1_000.0 * many.wall / many.files as f64,
            many.files
        );
    }
    let all: Vec<Value> = runs
        .iter()
        .map(|run| {
            json!({ "run": run.what, "files": run.files, "wall_seconds": run.wall, "cpu_seconds": run.cpu,
                "memory_mib": run.memory, "own_memory_mib": run.own, "worker_memory_mib": run.workers, "chunks": run.chunks, "put": run.put,
                "embedder_seconds": run.embedder, "times_reading_and_hashing": run.ratio })
        })
        .collect();
    let json = json!({ "bench": "ingest", "small_files": most, "runs": all });
    std::fs::write(support::results().join("ingest.json"), serde_json::to_string_pretty(&json).unwrap())
        .unwrap();
    let bars: Vec<Bar> = runs
        .iter()
        .map(|run| Bar {
            name: format!("{} ({} files)", run.what, run.files),
            value: run.ratio,
            label: format!("{:.1} x, {:.1} s, {:.0} MiB", run.ratio, run.wall, run.memory),
            class: if run.what.starts_with("handbook") { "ours" } else { "filter" },
        })
        .collect();
    let svg = bars::draw(
        "A folder comes in",
        "times as long as reading and hashing its files in one thread",
        &bars,
    );
    std::fs::write(support::results().join("ingest.svg"), svg).unwrap();
}
