//! The development collections, and how a ranking of theirs is measured.

use super::corpus::{self, Chunk};
use super::{Ties, seeing};
use kenward_access::ids::ChunkNo;
use kenward_indexes::Scored;
use kenward_indexes::lexical::{ChunkText, LexicalIndex, LexicalSearcher, Parameters};
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// A collection: its chunks in an index, its queries and what is relevant.
pub struct Collection {
    pub name: &'static str,
    _folder: tempfile::TempDir,
    pub searcher: LexicalSearcher,
    pub texts: Vec<Chunk>,
    pub chunks: Vec<usize>,
    pub pages: Vec<String>,
    pub queries: Vec<corpus::Query>,
    relevant: HashMap<String, HashMap<String, u32>>,
    exclude: HashMap<String, HashSet<String>>,
    pub ties: Ties,
}

/// Names, folders, which judgements, and at how many characters pages are cut.
const ALL: [(&str, &str, &str, Option<usize>); 12] = [
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
    ("rmc-aventro", "tenants/rmc-aventro", "test", Some(1000)),
    ("rmc-cloudway", "tenants/rmc-cloudway", "test", Some(1000)),
];

/// All of them.
pub fn all(eval: &Path) -> Vec<Collection> {
    ALL.into_iter().map(|(name, folder, split, cut)| load(name, &eval.join(folder), split, cut)).collect()
}

/// Those of these names, with their folders, one at a time.
pub fn some<'a>(eval: &'a Path, names: &'a [&str]) -> impl Iterator<Item = (Collection, PathBuf)> + 'a {
    let wanted = ALL.into_iter().filter(|(name, ..)| names.contains(name));
    wanted.map(|(name, folder, split, cut)| {
        let folder = eval.join(folder);
        (load(name, &folder, split, cut), folder)
    })
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
        index
            .add(ChunkText {
                chunk: ChunkNo(number),
                language: name.strip_prefix("xquad-"),
                title,
                headings,
                body,
            })
            .unwrap();
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
        ties: Ties::of(chunks.iter().map(|chunk| chunk.page)),
        chunks: chunks.iter().map(|c| c.page).collect(),
        texts: chunks,
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
    pub fn measure(&self, rank: &mut dyn FnMut(usize, &str) -> Vec<Scored>) -> (f64, f64) {
        let (mut ndcg, mut recall, mut count) = (0.0, 0.0, 0.0);
        for (number, query) in self.queries.iter().enumerate() {
            let Some(relevant) = self.relevant.get(&query.id) else { continue };
            if relevant.values().all(|grade| *grade == 0) {
                continue;
            }
            let ranked = self.pages_of(query, &rank(number, &query.text));
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

    /// Whether it is in English.
    pub fn is_english(&self) -> bool {
        !["xquad-de", "xquad-ru", "xquad-zh"].contains(&self.name)
    }

    /// The value of each of the ten best of each judged query, and whether its page is relevant.
    pub fn judged(&self, rank: &mut dyn FnMut(usize, &str) -> Vec<Scored>) -> Vec<(f64, bool)> {
        let mut judged = Vec::new();
        for (number, query) in self.queries.iter().enumerate() {
            let Some(relevant) = self.relevant.get(&query.id) else { continue };
            for found in rank(number, &query.text).iter().take(10) {
                let page = &self.pages[self.chunks[found.chunk.0 as usize]];
                judged.push((found.score, relevant.get(page).is_some_and(|grade| *grade > 0)));
            }
        }
        judged
    }

    /// Pages by their best chunk.
    fn pages_of(&self, query: &corpus::Query, found: &[Scored]) -> Vec<usize> {
        let none = HashSet::new();
        let exclude = self.exclude.get(&query.id).unwrap_or(&none);
        let mut had = HashSet::new();
        let pages = found.iter().map(|candidate| self.chunks[candidate.chunk.0 as usize]);
        pages.filter(|page| !exclude.contains(&self.pages[*page]) && had.insert(*page)).collect()
    }

    /// What BM25 finds among some chunks.
    pub fn lexical(&self, query: &str, seen: &[u32], parameters: Parameters) -> Vec<Scored> {
        seeing(seen.iter().copied(), |visible| {
            let view = self.searcher.view_with(&visible, parameters).unwrap();
            self.searcher.search(query, visible, &view, &|_| true, 400, &self.ties).unwrap()
        })
    }

    /// The numbers of all its chunks.
    pub fn everything(&self) -> Vec<u32> {
        (0..self.chunks.len() as u32).collect()
    }

    /// Of the queries with a person who may read the answer: how many find it in their top ten.
    pub fn permitted(&self, eval: &Path, rank: &dyn Fn(&str, &[u32]) -> Vec<Scored>) -> (usize, usize) {
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
        let queries: HashMap<&str, &corpus::Query> =
            self.queries.iter().map(|q| (q.id.as_str(), q)).collect();
        let asked: Vec<Permitted> =
            read("perm_queries.jsonl").iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let reached = asked.iter().filter(|p| {
            let sees = &sight[&p.allowed_user];
            let seen: Vec<u32> = (0..self.chunks.len() as u32)
                .filter(|chunk| sees.contains(&(self.chunks[*chunk as usize] as u32)))
                .collect();
            let query = queries[p.query.as_str()];
            let ranked = self.pages_of(query, &rank(&query.text, &seen));
            ranked.iter().take(10).any(|page| p.relevant.contains(&self.pages[*page]))
        });
        (reached.count(), asked.len())
    }
}
