//! Ours as a peer among peers: a process that builds, opens and asks by the same lines of JSON. It uses nothing but what
//! the product's search uses, and takes of each list what the product takes.

use super::data;
use super::made::DIMENSION;
use crate::support::{Ties, process, seeing};
use kenward_access::ids::ChunkNo;
use kenward_indexes::fusion::{Weights, fuse};
use kenward_indexes::lexical::{ChunkText, LexicalIndex, LexicalSearcher};
use kenward_indexes::vector::{VectorSnapshot, open_flat};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// What the product takes from each list, whatever the limit of a page.
const DEPTH: usize = 400;

/// What is open.
struct Open {
    folder: PathBuf,
    searcher: LexicalSearcher,
    vectors: Arc<dyn VectorSnapshot>,
    ties: Ties,
    texts: Vec<String>,
    asked: Vec<f32>,
}

/// Answers until the input ends.
pub fn serve() {
    let mut open = None;
    for line in std::io::stdin().lines() {
        let asked: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let folder = || Path::new(asked["folder"].as_str().unwrap());
        let number = |name: &str| asked[name].as_u64().unwrap() as usize;
        let answer = match asked["do"].as_str().unwrap() {
            "build" => build(folder(), number("first"), number("last")),
            "open" => {
                let (opened, told) = open_at(folder());
                open = Some(opened);
                told
            }
            "query" => query(open.as_ref().unwrap(), asked["sight"].as_str().unwrap()),
            _ => memory(),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}").and_then(|()| out.flush()).unwrap();
    }
}

fn place(folder: &Path, name: &str) -> PathBuf {
    folder.join("built/kenward").join(name)
}

fn memory() -> Value {
    let mib = |name| process::memory(std::process::id(), name);
    json!({ "resident_mib": mib("VmRSS:"), "peak_mib": mib("VmHWM:"), "own_mib": mib("RssAnon:") })
}

fn build(folder: &Path, first: usize, last: usize) -> Value {
    let position = if first == 0 { 1 } else { 1 << 32 };
    let began = Instant::now();
    std::fs::create_dir_all(place(folder, "words")).unwrap();
    std::fs::create_dir_all(place(folder, "vectors")).unwrap();
    let mut words = LexicalIndex::open(&place(folder, "words")).unwrap();
    for (number, line) in data::lines(folder).enumerate().take(last).skip(first) {
        let chunk = ChunkNo(number as u32);
        words
            .add(ChunkText {
                chunk,
                language: Some("en"),
                title: &line.title,
                headings: "",
                body: &line.text,
            })
            .unwrap();
    }
    words.commit(position).unwrap();
    drop(words);
    let (lexical, began) = (began.elapsed().as_secs_f64(), Instant::now());
    let mut vectors = open_flat(&place(folder, "vectors"), DIMENSION).unwrap();
    let mut file = std::fs::File::open(folder.join("vectors.f32")).unwrap();
    file.seek(SeekFrom::Start((first * DIMENSION * 4) as u64)).unwrap();
    for (step, from) in (0..).zip((first..last).step_by(16_384)) {
        let until = last.min(from + 16_384);
        let mut bytes = vec![0; (until - from) * DIMENSION * 4];
        file.read_exact(&mut bytes).unwrap();
        let row = |bytes: &[u8]| bytes.as_chunks::<4>().0.iter().map(|n| f32::from_le_bytes(*n)).collect();
        let rows: Vec<(ChunkNo, Vec<f32>)> =
            (from..until).map(|n| ChunkNo(n as u32)).zip(bytes.chunks(DIMENSION * 4).map(row)).collect();
        vectors.append(&rows).unwrap();
        vectors.commit(position + step).unwrap();
    }
    let flat = began.elapsed().as_secs_f64();
    drop(vectors);
    let disk = json!({ "words": size(&place(folder, "words")), "vectors": size(&place(folder, "vectors")) });
    json!({ "stages": { "words": lexical, "vectors": flat }, "disk": disk })
}

/// Bytes of all files below.
fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { size(&path) } else { path.metadata().unwrap().len() }).sum()
}

fn open_at(folder: &Path) -> (Open, Value) {
    let began = Instant::now();
    let searcher = LexicalIndex::open(&place(folder, "words")).unwrap().searcher().unwrap();
    let (words, began) = (began.elapsed().as_secs_f64(), Instant::now());
    let index = open_flat(&place(folder, "vectors"), DIMENSION).unwrap();
    let vectors = index.snapshot();
    let flat = began.elapsed().as_secs_f64();
    let held = memory();
    let texts = serde_json::from_slice(&std::fs::read(folder.join("queries.json")).unwrap()).unwrap();
    let rows = folder.join("vectors.f32").metadata().unwrap().len() as usize / (4 * DIMENSION);
    let open = Open {
        folder: folder.to_owned(),
        searcher,
        vectors,
        ties: Ties::new(rows),
        texts,
        asked: data::floats(&folder.join("queries.f32")),
    };
    (open, json!({ "stages": { "words": words, "vectors": flat }, "held": held }))
}

/// All queries as one caller: of the second try of each, CPU and wall milliseconds, and what came.
fn query(open: &Open, sight: &str) -> Value {
    let seen = data::sight(&open.folder, sight);
    let (mut cpu, mut wall, mut scan, mut answers, mut near) = (vec![], vec![], vec![], vec![], vec![]);
    seeing(seen.iter().copied(), |visible| {
        let view = open.searcher.view(&visible).unwrap();
        for (text, vector) in open.texts.iter().zip(open.asked.chunks(DIMENSION)) {
            for again in [false, true] {
                let (first, second) = (visible.clone(), visible.clone());
                let (began, on) = (Instant::now(), cpu_ms());
                let lexical = open.searcher.search(text, first, &view, &|_| true, DEPTH, &open.ties).unwrap();
                let scanned = Instant::now();
                let found = open.vectors.search(vector, second, &|_| true, DEPTH, &open.ties).unwrap();
                let scanned = scanned.elapsed();
                let fused = fuse(&lexical, &found, Weights::default(), &open.ties);
                let (took, on) = (began.elapsed(), cpu_ms() - on);
                if again {
                    cpu.push(on);
                    wall.push(took.as_secs_f64() * 1e3);
                    scan.push(scanned.as_secs_f64() * 1e3);
                    let ten = |list: &[kenward_indexes::Scored]| {
                        list.iter().take(10).map(|scored| scored.chunk.0).collect::<Vec<_>>()
                    };
                    answers.push(ten(&fused));
                    near.push(ten(&found));
                }
            }
        }
    });
    json!({ "cpu_ms": cpu, "wall_ms": wall, "scan_ms": scan, "answers": answers, "near": near })
}

/// CPU time of all threads of this process so far.
fn cpu_ms() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}
