//! Which question it answers: does plain BM25, with our analyzer and these numbers, rank as it should?
//! On the development collections only: nDCG@10 and recall per collection, and, with
//! `KENWARD_SWEEP=1`, a sweep over the numbers of the formula (`K1`, `B`, `B_SHORT`, `TITLE`,
//! `HEADINGS`: lists with commas).
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

use kenward_access::ids::ChunkNo;
use kenward_indexes::lexical::{ChunkText, LexicalIndex, LexicalSearcher, Parameters};
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use support::corpus::{self, Chunk};
use support::{Ties, seeing};

/// A collection: its chunks in an index, its queries and what is relevant.
struct Collection {
    name: &'static str,
    _folder: tempfile::TempDir,
    searcher: LexicalSearcher,
    chunks: Vec<usize>,
    pages: Vec<String>,
    queries: Vec<corpus::Query>,
    relevant: HashMap<String, HashMap<String, u32>>,
    exclude: HashMap<String, HashSet<String>>,
    ties: Ties,
}

fn main() {
    let Some(eval) = support::eval() else {
        eprintln!("no evaluation folder: nothing is measured (set KENWARD_EVAL)");
        return;
    };
    let collections: Vec<Collection> = [
        ("scifact (train)", "ir/scifact", "train", None),
        ("cacm", "ir/cacm", "test", None),
        ("cranfield", "ir/cranfield", "test", None),
        ("xquad-en", "ir/xquad-en", "test", None),
        ("xquad-de", "ir/xquad-de", "test", None),
        ("xquad-ru", "ir/xquad-ru", "test", None),
        ("xquad-zh", "ir/xquad-zh", "test", None),
        ("k8s-community", "kb/k8s-community", "test", Some(1000)),
        ("sourcegraph-handbook", "kb/sourcegraph-handbook", "test", Some(1000)),
        ("govuk-developer-docs", "kb/govuk-developer-docs", "test", Some(1000)),
    ]
    .into_iter()
    .map(|(name, folder, split, cut)| load(name, &eval.join(folder), split, cut))
    .collect();

    let mut json = Vec::new();
    println!("{:<24}{:>9}{:>9}", "collection", "nDCG@10", "R@100");
    for collection in &collections {
        let (ndcg, recall) = collection.measure(Parameters::default());
        println!("{:<24}{ndcg:>9.4}{recall:>9.4}", collection.name);
        json.push(serde_json::json!({"collection": collection.name, "ndcg_10": ndcg, "recall_100": recall}));
    }
    let k8s = collections.iter().find(|c| c.name == "k8s-community").unwrap();
    let (reached, asked) = k8s.permitted(&eval, Parameters::default());
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
        "\nk1 | b body | b title, headings | w title | w headings | {} | permitted | mean",
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
                        let parameters = Parameters { k1, b: [b_short, b_short, b], weight };
                        let all: Vec<f64> = collections.iter().map(|c| c.measure(parameters).0).collect();
                        let mean = all.iter().sum::<f64>() / all.len() as f64;
                        let all: Vec<String> = all.iter().map(|v| format!("{v:.4}")).collect();
                        let (reached, _) = k8s.permitted(eval, parameters);
                        let all = all.join(" | ");
                        println!(
                            "{k1} | {b} | {b_short} | {title} | {headings} | {all} | {reached} | {mean:.4}"
                        );
                    }
                }
            }
        }
    }
}

fn load(name: &'static str, folder: &Path, split: &str, size: Option<usize>) -> Collection {
    let pages = corpus::pages(folder);
    let chunks: Vec<Chunk> = pages
        .iter()
        .enumerate()
        .flat_map(|(number, page)| match size {
            Some(size) => corpus::cut(number, page, size),
            None => vec![Chunk {
                page: number,
                title: page.title.clone(),
                headings: String::new(),
                body: page.text.clone(),
            }],
        })
        .collect();
    let place = tempfile::tempdir().unwrap();
    let mut index = LexicalIndex::open(place.path()).unwrap();
    for (number, chunk) in (0u32..).zip(&chunks) {
        let Chunk { title, headings, body, .. } = chunk;
        index.add(ChunkText { chunk: ChunkNo(number), title, headings, body }).unwrap();
    }
    index.commit(1).unwrap();
    let mut relevant: HashMap<String, HashMap<String, u32>> = HashMap::new();
    for line in lines(&folder.join("qrels").join(format!("{split}.tsv"))) {
        let [query, page, grade] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("qrels of {name}")
        };
        relevant.entry(query.to_owned()).or_default().insert(page.to_owned(), grade.parse().unwrap());
    }
    let mut exclude: HashMap<String, HashSet<String>> = HashMap::new();
    let file = folder.join("exclude.tsv");
    if file.exists() {
        for line in lines(&file) {
            let (query, page) = line.split_once('\t').unwrap();
            exclude.entry(query.to_owned()).or_default().insert(page.to_owned());
        }
    }
    Collection {
        name,
        searcher: index.searcher().unwrap(),
        _folder: place,
        ties: Ties::new(chunks.len()),
        chunks: chunks.iter().map(|c| c.page).collect(),
        pages: pages.into_iter().map(|p| p.id).collect(),
        queries: corpus::queries(folder),
        relevant,
        exclude,
    }
}

/// The lines after the first.
fn lines(path: &Path) -> Vec<String> {
    let file = BufReader::new(std::fs::File::open(path).unwrap());
    file.lines().map(Result::unwrap).skip(1).collect()
}

#[derive(Deserialize)]
struct Permitted {
    #[serde(rename = "query-id")]
    query: String,
    relevant: Vec<String>,
    allowed_user: String,
}

impl Collection {
    /// Mean nDCG@10 and recall@100 over the queries that have something relevant.
    fn measure(&self, parameters: Parameters) -> (f64, f64) {
        let everything: Vec<u32> = (0..self.chunks.len() as u32).collect();
        let (mut ndcg, mut recall, mut count) = (0.0, 0.0, 0.0);
        for query in &self.queries {
            let Some(relevant) = self.relevant.get(&query.id) else { continue };
            if relevant.values().all(|grade| *grade == 0) {
                continue;
            }
            let none = HashSet::new();
            let exclude = self.exclude.get(&query.id).unwrap_or(&none);
            let ranked = self.ranked(&query.text, &everything, exclude, parameters);
            let grade = |page: &usize| f64::from(relevant.get(&self.pages[*page]).copied().unwrap_or(0));
            let discount = |place: usize| 1.0 / ((place + 2) as f64).log2();
            let gain: f64 = ranked.iter().take(10).enumerate().map(|(at, p)| grade(p) * discount(at)).sum();
            let mut best: Vec<f64> = relevant.values().map(|g| f64::from(*g)).collect();
            best.sort_by(|a, b| b.total_cmp(a));
            let ideal: f64 = best.iter().take(10).enumerate().map(|(at, g)| g * discount(at)).sum();
            let found = ranked.iter().take(100).filter(|p| grade(p) > 0.0).count();
            ndcg += gain / ideal;
            recall += found as f64 / relevant.values().filter(|g| **g > 0).count() as f64;
            count += 1.0;
        }
        (ndcg / count, recall / count)
    }

    /// Pages by their best chunk.
    fn ranked(
        &self,
        query: &str,
        seen: &[u32],
        exclude: &HashSet<String>,
        parameters: Parameters,
    ) -> Vec<usize> {
        seeing(seen.iter().copied(), |visible| {
            let view = self.searcher.view_with(&visible, parameters).unwrap();
            let found = self.searcher.search(query, visible, &view, &|_| true, 400, &self.ties).unwrap();
            let mut ranked = Vec::new();
            let mut had = HashSet::new();
            for candidate in found {
                let page = self.chunks[candidate.chunk.0 as usize];
                if !exclude.contains(&self.pages[page]) && had.insert(page) {
                    ranked.push(page);
                }
            }
            ranked
        })
    }

    /// Of the queries with a person who may read the answer: how many find it in their top ten.
    fn permitted(&self, eval: &Path, parameters: Parameters) -> (usize, usize) {
        #[derive(Deserialize)]
        struct Sight {
            user: String,
            docs: Vec<u32>,
        }
        let folder = eval.join("acl/k8s-community");
        let read = |name: &str| {
            let file = BufReader::new(std::fs::File::open(folder.join(name)).unwrap());
            file.lines().map(Result::unwrap).collect::<Vec<_>>()
        };
        let sight: HashMap<String, HashSet<u32>> = read("expected_visibility.jsonl")
            .iter()
            .map(|line| serde_json::from_str::<Sight>(line).unwrap())
            .map(|sight| (sight.user, sight.docs.into_iter().collect()))
            .collect();
        let texts: HashMap<&str, &str> =
            self.queries.iter().map(|q| (q.id.as_str(), q.text.as_str())).collect();
        let asked: Vec<Permitted> =
            read("perm_queries.jsonl").iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let none = HashSet::new();
        let reached = asked.iter().filter(|p| {
            let sees = &sight[&p.allowed_user];
            let seen: Vec<u32> = (0..self.chunks.len() as u32)
                .filter(|chunk| sees.contains(&(self.chunks[*chunk as usize] as u32)))
                .collect();
            let exclude = self.exclude.get(&p.query).unwrap_or(&none);
            let ranked = self.ranked(texts[p.query.as_str()], &seen, exclude, parameters);
            ranked.iter().take(10).any(|page| p.relevant.contains(&self.pages[*page]))
        });
        (reached.count(), asked.len())
    }
}
