//! What is indexed and asked: texts of the evaluation folder's generator, vectors that go with their topics and documents,
//! callers' sights, and real queries. Ours and the peers read the same files; nobody is given more than the other.

use super::made::{self, DIMENSION};
use crate::support::{self, Numbers, corpus};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub const SHARES: [f64; 5] = [100.0, 30.0, 10.0, 1.0, 0.1];
pub const RIGHTS: [&str; 2] = ["random", "topic"];
const BASES: [&str; 3] = ["sourcegraph-handbook", "k8s-community", "govuk-developer-docs"];

/// A caller: how rights were drawn, and what share of the chunks may be seen.
pub fn name_of(rights: &str, share: f64) -> String {
    format!("{rights}-{share}")
}

#[derive(Deserialize)]
pub struct Line {
    pub doc: String,
    pub folder: String,
    pub title: String,
    pub text: String,
}

/// The lines of the generated file, in order.
pub fn lines(folder: &Path) -> impl Iterator<Item = Line> {
    let file = BufReader::new(File::open(folder.join("chunks.jsonl")).unwrap());
    file.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap())
}

/// Generates the texts, unless they are there: it takes some minutes for a million.
pub fn texts(python: &Path, eval: &Path, count: usize) -> PathBuf {
    let folder = support::results().join(format!("scale-{count}"));
    if folder.join("meta.json").is_file() {
        return folder;
    }
    std::fs::create_dir_all(&folder).unwrap();
    let bases: Vec<String> = BASES
        .iter()
        .map(|base| eval.join("kb").join(base).join("corpus.jsonl.gz").to_string_lossy().into_owned())
        .collect();
    let status = Command::new(python)
        .arg(eval.join("scale/gen_scale.py"))
        .args(["--base", &bases.join(","), "--chunks", &count.to_string(), "--out"])
        .arg(&folder)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "the generator of texts: {status}");
    folder
}

struct Chunk {
    topic: usize,
    document: u64,
}

/// Writes vectors, sights of the first `size` chunks, and queries; gives how many may be seen in each sight.
pub fn write(folder: &Path, eval: &Path, size: usize, queries: usize) -> BTreeMap<String, usize> {
    let mut topics: HashMap<String, usize> = HashMap::new();
    let mut chunks = Vec::new();
    let mut vectors = BufWriter::new(File::create(folder.join("vectors.f32")).unwrap());
    for (number, line) in (0u64..).zip(lines(folder)) {
        let name = line.folder.rsplit_once('/').map_or("root", |(topic, _)| topic).to_owned();
        let next = topics.len();
        let topic = *topics.entry(name).or_insert(next);
        let document = line.doc.trim_start_matches('d').parse().unwrap();
        put(&mut vectors, &made::vector(topic, document, number));
        chunks.push(Chunk { topic, document });
    }
    vectors.flush().unwrap();
    write_queries(folder, eval, &topics, &chunks[..size], queries);
    sights(folder, &chunks[..size], topics.len())
}

fn put(file: &mut impl Write, vector: &[f32]) {
    assert_eq!(vector.len(), DIMENSION);
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    file.write_all(&bytes).unwrap();
}

fn sights(folder: &Path, chunks: &[Chunk], topics: usize) -> BTreeMap<String, usize> {
    let mut numbers = Numbers(31);
    let mut at_random: Vec<u32> = (0..chunks.len() as u32).collect();
    for last in (1..at_random.len()).rev() {
        at_random.swap(last, numbers.below(last + 1));
    }
    let mut places: Vec<usize> = (0..topics).collect();
    for last in (1..topics).rev() {
        places.swap(last, numbers.below(last + 1));
    }
    let mut by_topic: Vec<u32> = (0..chunks.len() as u32).collect();
    by_topic.sort_by_key(|n| {
        let Chunk { topic, document } = chunks[*n as usize];
        (places[topic], document, *n)
    });
    let mut seen = BTreeMap::new();
    for (rights, order) in RIGHTS.iter().zip([at_random, by_topic]) {
        for share in SHARES {
            let count = ((chunks.len() as f64 * share / 100.0).round() as usize).max(1);
            let mut sight = order[..count].to_vec();
            sight.sort_unstable();
            let bytes: Vec<u8> = sight.iter().flat_map(|number| number.to_le_bytes()).collect();
            let name = name_of(rights, share);
            std::fs::write(folder.join(format!("{name}.sight")), bytes).unwrap();
            seen.insert(name, count);
        }
    }
    seen
}

/// The texts of links between pages, as people wrote them, each with a vector near a passage of the page's topic.
fn write_queries(folder: &Path, eval: &Path, topics: &HashMap<String, usize>, chunks: &[Chunk], most: usize) {
    let mut of_topic: HashMap<usize, Vec<usize>> = HashMap::new();
    for (number, chunk) in chunks.iter().enumerate() {
        of_topic.entry(chunk.topic).or_default().push(number);
    }
    let mut asked = Vec::new();
    for base in BASES {
        let folder = eval.join("kb").join(base);
        let file = BufReader::new(File::open(folder.join("qrels/test.tsv")).unwrap());
        let mut pages = HashMap::new();
        for line in file.lines().skip(1) {
            let line = line.unwrap();
            let mut parts = line.split('\t').map(str::to_owned);
            pages.insert(parts.next().unwrap(), parts.next().unwrap());
        }
        for query in corpus::queries(&folder) {
            // A topic is the first three folders of a page, as the generator has it.
            let topic = pages.get(&query.id).map(|page| {
                let names: Vec<&str> =
                    page.rsplit_once('/').map_or("", |(path, _)| path).split('/').collect();
                names[..names.len().min(3)].join("/")
            });
            let of = topic.and_then(|topic| topics.get(if topic.is_empty() { "root" } else { &topic }));
            if let Some(near) = of.and_then(|topic| of_topic.get(topic)) {
                asked.push((query.text, near.as_slice()));
            }
        }
    }
    let mut numbers = Numbers(2026);
    while asked.len() > most {
        asked.swap_remove(numbers.below(asked.len()));
    }
    let mut vectors = BufWriter::new(File::create(folder.join("queries.f32")).unwrap());
    for (number, (_, near)) in (0u64..).zip(&asked) {
        let Chunk { topic, document } = chunks[near[numbers.below(near.len())]];
        put(&mut vectors, &made::vector(topic, document, (1 << 39) | number));
    }
    vectors.flush().unwrap();
    let texts: Vec<String> = asked.into_iter().map(|(text, _)| text).collect();
    std::fs::write(folder.join("queries.json"), serde_json::to_string(&texts).unwrap()).unwrap();
}

/// A file of numbers of four bytes each.
pub fn floats(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap();
    bytes.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number)).collect()
}

/// The chunks that a caller sees.
pub fn sight(folder: &Path, name: &str) -> Vec<u32> {
    let bytes = std::fs::read(folder.join(format!("{name}.sight"))).unwrap();
    bytes.as_chunks::<4>().0.iter().map(|number| u32::from_le_bytes(*number)).collect()
}
