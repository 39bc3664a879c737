//! Which question it answers: what do per-caller statistics cost? On one index, in one run: our
//! per-caller BM25 at 100, 10 and 1 % visible, beside stock tantivy with block-max pruning and no
//! rights at all, and beside tantivy with a bitset filter and the statistics of the whole index.
//!
//! `cargo bench --workspace --bench query`; `KENWARD_BENCH_CHUNKS` changes the size (200000).
//! Writes `target/bench/query.json` and `target/bench/query.svg`.

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
use kenward_indexes::lexical::{self, ChunkText, LexicalIndex};
use std::collections::{BTreeSet, HashMap};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;
use support::chart::{self, Line};
use support::corpus;
use support::{Numbers, Ties, percentile, seeing};
use tantivy::collector::TopDocs;
use tantivy::index::SegmentId;
use tantivy::query::{
    BitSetDocSet, BooleanQuery, ConstScorer, EnableScoring, Explanation, Occur, Query, Scorer, TermQuery,
    Weight,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{BitSet, DocId, Score, Searcher, SegmentReader, Term};

const SHARES: [f64; 3] = [100.0, 10.0, 1.0];
const QUERIES: usize = 200;
const ROUNDS: usize = 5;
/// What the product takes from each list, whatever the limit of a page.
const DEPTH: usize = 400;

fn main() {
    let size: usize =
        std::env::var("KENWARD_BENCH_CHUNKS").ok().and_then(|v| v.parse().ok()).unwrap_or(200_000);
    let folder = tempfile::tempdir().unwrap();
    let (queries, real) = build(folder.path(), size);
    let ties = Ties::new(size);
    let ours = LexicalIndex::open(folder.path()).unwrap();
    let searcher = ours.searcher().unwrap();
    let stock = tantivy::Index::open_in_dir(folder.path()).unwrap().reader().unwrap().searcher();
    let schema = stock.schema().clone();
    let fields: Vec<Field> =
        ["title", "headings", "body"].iter().map(|f| schema.get_field(f).unwrap()).collect();
    println!(
        "{size} chunks ({real} of real text), {} segments, {} queries, p50 of the medians of {ROUNDS} rounds, ms",
        stock.segment_readers().len(),
        queries.len()
    );

    let mut rows = Vec::new();
    for share in SHARES {
        let seen: Vec<u32> = (0..size as u32).filter(|n| visible(*n, share)).collect();
        let bits = bitsets(&stock, &seen);
        seeing(seen.iter().copied(), |visible| {
            let began = Instant::now();
            let view = searcher.view(&visible).unwrap();
            let view_ms = began.elapsed().as_secs_f64() * 1e3;
            let everything = seeing(0..size as u32, |all| searcher.view(&all).unwrap());
            let mut times: [Vec<f64>; 5] = Default::default();
            let mut changed = 0;
            for query in &queries {
                let parsed = disjunction(query, &fields);
                let filtered = BooleanQuery::new(vec![
                    (Occur::Must, Box::new(parsed.clone()) as Box<dyn Query>),
                    (Occur::Must, Box::new(Within(Arc::clone(&bits)))),
                ]);
                let per_caller =
                    || searcher.search(query, visible.clone(), &view, &|_| true, DEPTH, &ties).unwrap().len();
                let block_max = || {
                    let top = TopDocs::with_limit(DEPTH).order_by_score();
                    stock.search(&parsed, &top).unwrap().len()
                };
                let block_max_ten =
                    || stock.search(&parsed, &TopDocs::with_limit(10).order_by_score()).unwrap().len();
                let intersected = || {
                    let top = TopDocs::with_limit(DEPTH).order_by_score();
                    stock.search(&filtered, &top).unwrap().len()
                };
                let checked = || each_checked(&stock, &parsed, &bits, DEPTH);
                times[0].push(median_ms(per_caller));
                times[1].push(median_ms(block_max));
                times[2].push(median_ms(intersected));
                times[3].push(median_ms(checked));
                times[4].push(median_ms(block_max_ten));
                let own = searcher.search(query, visible.clone(), &view, &|_| true, 10, &ties).unwrap();
                let accept = |chunk: ChunkNo| visible.contains(chunk);
                let global = seeing(0..size as u32, |all| {
                    searcher.search(query, all, &everything, &accept, 10, &ties).unwrap()
                });
                changed += usize::from(!own.iter().map(|c| c.chunk).eq(global.iter().map(|c| c.chunk)));
            }
            let p = |at: usize| (percentile(&times[at], 0.5), percentile(&times[at], 0.95));
            let filter = if p(2).0 < p(3).0 { p(2) } else { p(3) };
            let row = Row { share, ours: p(0), stock: p(1), stock_ten: p(4), filter, changed, view_ms };
            println!(
                "{share:>5} % visible: per caller {:.3} (p95 {:.3}) | block-max, no rights {:.3} (top 10: {:.3}) | filter, global statistics {:.3} \
                 | ours / filter {:.2} | ours / none {:.2} | order changes under global statistics {changed} of {} | view {view_ms:.1}",
                row.ours.0,
                row.ours.1,
                row.stock.0,
                row.stock_ten.0,
                row.filter.0,
                row.ours.0 / row.filter.0,
                row.ours.0 / row.stock.0,
                queries.len()
            );
            rows.push(row);
        });
    }
    write(size, real, queries.len(), &rows);
}

struct Row {
    share: f64,
    ours: (f64, f64),
    stock: (f64, f64),
    stock_ten: (f64, f64),
    filter: (f64, f64),
    changed: usize,
    view_ms: f64,
}

/// Random rights: whether this chunk is among the visible share.
fn visible(chunk: u32, share: f64) -> bool {
    f64::from(chunk.wrapping_mul(2_654_435_761) >> 12) < share / 100.0 * f64::from(1 << 20)
}

/// Indexes the chunks, and gives the queries and how many chunks are real text.
fn build(folder: &std::path::Path, size: usize) -> (Vec<String>, usize) {
    let (mut chunks, mut queries, mut pages) = (Vec::new(), Vec::new(), 0);
    match support::eval() {
        None => eprintln!("no evaluation folder: generated text only (set KENWARD_EVAL)"),
        Some(eval) => {
            for name in ["k8s-community", "sourcegraph-handbook", "govuk-developer-docs"] {
                let folder = eval.join("kb").join(name);
                for page in corpus::pages(&folder) {
                    chunks.extend(corpus::cut(pages, &page, 800));
                    pages += 1;
                }
                queries.extend(corpus::queries(&folder).into_iter().map(|q| q.text));
            }
        }
    }
    chunks.truncate(size);
    let real = chunks.len();
    let words = corpus::vocabulary(&chunks);
    let mut numbers = Numbers(5);
    if queries.is_empty() {
        queries.extend((0..QUERIES).map(|_| {
            let word = |numbers: &mut Numbers| words[(1.2f64.powf(numbers.unit() * 55.0)) as usize].clone();
            let length = 1 + numbers.below(5);
            (0..length).map(|_| word(&mut numbers)).collect::<Vec<_>>().join(" ")
        }));
    }
    while queries.len() > QUERIES {
        queries.swap_remove(numbers.below(queries.len()));
    }
    let mut index = LexicalIndex::open(folder).unwrap();
    let generated = corpus::generated(size - real, pages, &words);
    for (number, chunk) in (0u32..).zip(chunks.into_iter().chain(generated)) {
        let corpus::Chunk { title, headings, body, .. } = &chunk;
        index.add(ChunkText { chunk: ChunkNo(number), language: None, title, headings, body }).unwrap();
    }
    index.commit(1).unwrap();
    (queries, real)
}

/// The same terms in the same fields, as tantivy takes them.
fn disjunction(query: &str, fields: &[Field]) -> BooleanQuery {
    let mut terms = BTreeSet::new();
    lexical::terms(query, None, |term| {
        terms.insert(term.to_owned());
    });
    let one = |field: Field, term: &str| {
        let query = TermQuery::new(Term::from_field_text(field, term), IndexRecordOption::WithFreqs);
        (Occur::Should, Box::new(query) as Box<dyn Query>)
    };
    BooleanQuery::new(terms.iter().flat_map(|term| fields.iter().map(|field| one(*field, term))).collect())
}

fn median_ms(mut search: impl FnMut() -> usize) -> f64 {
    black_box(search());
    let mut times = [0.0; ROUNDS];
    for time in &mut times {
        let began = Instant::now();
        black_box(search());
        *time = began.elapsed().as_secs_f64() * 1e3;
    }
    percentile(&times, 0.5)
}

type Bitsets = HashMap<SegmentId, BitSet>;

fn bitsets(searcher: &Searcher, seen: &[u32]) -> Arc<Bitsets> {
    let mut sets = Bitsets::new();
    for reader in searcher.segment_readers() {
        let chunks = reader.fast_fields().u64("chunk").unwrap().first_or_default_col(0);
        let mut bits = BitSet::with_max_value(reader.max_doc());
        for document in 0..reader.max_doc() {
            if seen.binary_search(&(chunks.get_val(document) as u32)).is_ok() {
                bits.insert(document);
            }
        }
        sets.insert(reader.segment_id(), bits);
    }
    Arc::new(sets)
}

/// A filter by bitset as one would write it for tantivy.
#[derive(Clone)]
struct Within(Arc<Bitsets>);

impl std::fmt::Debug for Within {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Within")
    }
}

impl Query for Within {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for Within {
    fn scorer(&self, reader: &SegmentReader, _: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let bits = self.0[&reader.segment_id()].clone();
        Ok(Box::new(ConstScorer::new(BitSetDocSet::from(bits), 0.0)))
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Ok(Explanation::new("within", 0.0))
    }
}

/// The other way to filter: score every match, look it up in the bitset, keep the best.
fn each_checked(searcher: &Searcher, query: &BooleanQuery, bits: &Bitsets, depth: usize) -> usize {
    let weight = query.weight(EnableScoring::enabled_from_searcher(searcher)).unwrap();
    let mut kept: Vec<(Score, DocId)> = Vec::with_capacity(2 * depth);
    let mut floor = Score::NEG_INFINITY;
    for reader in searcher.segment_readers() {
        let bits = &bits[&reader.segment_id()];
        weight
            .for_each(reader, &mut |document, score| {
                if score > floor && bits.contains(document) {
                    kept.push((score, document));
                    if kept.len() == 2 * depth {
                        kept.select_nth_unstable_by(depth - 1, |a, b| b.0.total_cmp(&a.0));
                        kept.truncate(depth);
                        floor = kept[depth - 1].0;
                    }
                }
            })
            .unwrap();
    }
    kept.sort_by(|a, b| b.0.total_cmp(&a.0));
    kept.truncate(depth);
    kept.len()
}

fn write(size: usize, real: usize, queries: usize, rows: &[Row]) {
    let json: Vec<_> = rows
        .iter()
        .map(|r| {
            serde_json::json!({
                "visible_percent": r.share,
                "per_caller_ms": {"p50": r.ours.0, "p95": r.ours.1},
                "block_max_without_rights_ms": {"p50": r.stock.0, "p95": r.stock.1},
                "block_max_without_rights_top_10_ms": {"p50": r.stock_ten.0, "p95": r.stock_ten.1},
                "filter_global_statistics_ms": {"p50": r.filter.0, "p95": r.filter.1},
                "ratio_to_filter": r.ours.0 / r.filter.0,
                "ratio_to_none": r.ours.0 / r.stock.0,
                "order_changed_under_global_statistics": r.changed,
                "first_view_ms": r.view_ms,
            })
        })
        .collect();
    let json = serde_json::json!({
        "bench": "query", "chunks": size, "real_chunks": real, "queries": queries, "depth": DEPTH, "rows": json,
    });
    let folder = support::results();
    std::fs::write(folder.join("query.json"), serde_json::to_string_pretty(&json).unwrap()).unwrap();
    let line = |name: &str, class, of: fn(&Row) -> f64| Line {
        name: name.to_owned(),
        class,
        points: rows.iter().map(|r| (r.share, of(r))).collect(),
    };
    let svg = chart::draw(
        "What exact per-caller BM25 costs",
        &format!("p50 of {queries} queries, {size} chunks, the best {DEPTH}, one thread; lower is better"),
        "share of the chunks that the caller may see (log)",
        "milliseconds (log)",
        &SHARES,
        &[
            line("Kenward, per caller", "ours", |r| r.ours.0),
            line("filter, global statistics", "filter", |r| r.filter.0),
            line("block-max, top 10, no rights", "stock", |r| r.stock_ten.0),
        ],
    );
    std::fs::write(folder.join("query.svg"), svg).unwrap();
    println!("wrote {}", folder.display());
}
