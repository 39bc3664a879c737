//! The scorer against a naive one: BM25F over a list of texts in memory that holds the visible chunks
//! and nothing else. Results must be equal to the bit, however the index came to its state.

use super::language::{Language, Languages};
use super::query::{Group, groups};
use super::words::identifiers;
use super::{ChunkText, LexicalError, LexicalIndex, Parameters, analysis, beginning};
use crate::testing::{ByHash, bits, folder, seeing};
use crate::{Scored, order};
use kenward_access::ids::ChunkNo;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use tantivy::fieldnorm::FieldNormReader;

/// Title, headings, body, and the language.
#[derive(Debug, Clone)]
struct Text([String; 3], Option<&'static str>);

/// The oracle. It is given the visible chunks and cannot know of others.
fn naive(visible: &BTreeMap<u32, Text>, query: &str, depth: usize) -> Vec<(u32, u64)> {
    let Parameters { k1, b, weight, identifier } = Parameters::default();
    let stored = |length: usize| {
        u64::from(FieldNormReader::id_to_fieldnorm(FieldNormReader::fieldnorm_to_id(length as u32)))
    };
    let fields: BTreeMap<u32, Vec<Vec<String>>> = visible
        .iter()
        .map(|(n, Text(texts, language))| {
            let of = |text: &String| {
                let mut terms = Vec::new();
                analysis::terms(text, *language, |t| terms.push(t.to_owned()));
                terms
            };
            (*n, texts.iter().map(of).collect())
        })
        .collect();
    let names: BTreeMap<u32, Vec<String>> = visible
        .iter()
        .map(|(n, Text(texts, _))| {
            let mut names = Vec::new();
            texts.iter().for_each(|text| identifiers(text, |name| names.push(name.to_owned())));
            (*n, names)
        })
        .collect();
    let mut languages = Languages::default();
    visible.values().for_each(|Text(_, language)| languages.insert(Language::of(*language) as u8));
    let count = fields.len() as f64;
    let average: Vec<f64> =
        (0..3).map(|f| fields.values().map(|c| stored(c[f].len())).sum::<u64>() as f64 / count).collect();
    let norm = |f: usize, length: usize| weight[f] / (1.0 - b[f] + b[f] * stored(length) as f64 / average[f]);
    let mut scores: BTreeMap<u32, f64> = BTreeMap::new();
    for (group, occurrences) in groups(query, languages) {
        // What each chunk has of the group, in each field, summed as the formula says.
        let mut having: BTreeMap<u32, f64> = BTreeMap::new();
        let mut count_in_fields = |times: &dyn Fn(&[String]) -> Vec<usize>| {
            for (chunk, texts) in &fields {
                for (f, text) in texts.iter().enumerate() {
                    let times: Vec<usize> = times(text).into_iter().filter(|n| *n > 0).collect();
                    let weighed = times.iter().map(|n| norm(f, text.len()) * *n as f64);
                    if let Some(sum) = weighed.reduce(|sum, next| sum + next) {
                        *having.entry(*chunk).or_insert(0.0) += sum;
                    }
                }
            }
        };
        let each = |terms: &[String], text: &[String]| {
            terms.iter().map(|term| text.iter().filter(|t| *t == term).count()).collect::<Vec<_>>()
        };
        match &group {
            Group::Word(stems) => count_in_fields(&|text| each(stems, text)),
            Group::Beginning(with) => {
                let all: BTreeSet<&String> = fields.values().flatten().flatten().collect();
                let begin = all.into_iter().filter(|term| term.starts_with(with)).take(beginning::MOST);
                let mut terms: BTreeSet<String> = begin.cloned().collect();
                terms.extend(beginning::stems(with, languages));
                let terms: Vec<String> = terms.into_iter().collect();
                count_in_fields(&|text| each(&terms, text));
            }
            Group::Phrase(words) => count_in_fields(&|text| {
                let here = |at: &[String]| at.iter().zip(words).all(|(term, stems)| stems.contains(term));
                vec![text.windows(words.len()).filter(|at| here(at)).count()]
            }),
            Group::Identifier(name) => {
                for (chunk, names) in &names {
                    let times = names.iter().filter(|n| *n == name).count();
                    if times > 0 {
                        having.insert(*chunk, identifier * times as f64);
                    }
                }
            }
        }
        let frequency = having.len() as f64;
        let idf = ((count - frequency + 0.5) / (frequency + 0.5)).ln_1p();
        for (chunk, frequency) in having {
            *scores.entry(chunk).or_insert(0.0) +=
                f64::from(occurrences) * (k1 + 1.0) * idf * (frequency / (k1 + frequency));
        }
    }
    let all = scores.into_iter().map(|(chunk, score)| Scored { chunk: ChunkNo(chunk), score });
    bits(&order::top(all, depth, &ByHash))
}

fn found(
    index: &LexicalIndex,
    seen: impl IntoIterator<Item = u32>,
    query: &str,
    depth: usize,
) -> Vec<(u32, u64)> {
    let searcher = index.searcher().unwrap();
    seeing(seen, [], |visible| {
        let view = searcher.view(&visible).unwrap();
        bits(&searcher.search(query, visible, &view, &|_| true, depth, &ByHash).unwrap())
    })
}

fn add(index: &mut LexicalIndex, chunk: u32, text: &Text) {
    let Text([title, headings, body], language) = text;
    let language = *language;
    index.add(ChunkText { chunk: ChunkNo(chunk), language, title, headings, body }).unwrap();
}

fn text(words: &str) -> Text {
    Text(["Plan".to_owned(), "Plan\nNights".to_owned(), words.to_owned()], None)
}

#[derive(Debug, Clone)]
enum Step {
    Put(u32, Text),
    Delete(u32),
    Commit,
    Merge,
}

fn words(most: usize) -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "ward",
        "night",
        "nights",
        "roster",
        "shift",
        "plan",
        "fund",
        "audit",
        "ken",
        "東京都",
        "Café",
        "Häuser",
        "haus",
        "values.yaml",
        "INC-2041",
        "/etc/ward/plan.conf",
        "getWardPlan",
    ]);
    prop::collection::vec(word, 0..most).prop_map(|words| words.join(" "))
}

/// Words, phrases of two or three of them in quotation marks, and beginnings.
fn query() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => words(4),
        1 => words(4).prop_map(|words| format!("\"{words}\"")),
        1 => prop::sample::select(vec!["nig*", "wards*", "haus*", "plan*", "getw*"]).prop_map(str::to_owned),
    ];
    prop::collection::vec(part, 1..4).prop_map(|parts| parts.join(" "))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0u32..40, words(3), words(4), words(60), prop::sample::select(vec![None, Some("de"), Some("fr")]))
            .prop_map(|(n, a, b, c, language)| Step::Put(n, Text([a, b, c], language))),
        3 => (0u32..40).prop_map(Step::Delete),
        3 => Just(Step::Commit),
        1 => Just(Step::Merge),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn equal_to_the_naive_scorer_over_the_visible_however_the_index_came_about(
        steps in prop::collection::vec(step(), 1..60),
        seen in prop::collection::btree_set(0u32..40, 0..40),
        queries in prop::collection::vec(query(), 1..5),
        depth in 1usize..20,
    ) {
        let folder = folder();
        let mut index = LexicalIndex::open(folder.path()).unwrap();
        let mut live: BTreeMap<u32, Text> = BTreeMap::new();
        for step in &steps {
            match step {
                Step::Put(chunk, text) => {
                    add(&mut index, *chunk, text);
                    live.insert(*chunk, text.clone());
                }
                Step::Delete(chunk) => {
                    index.delete(ChunkNo(*chunk));
                    live.remove(chunk);
                }
                Step::Commit => index.commit(1).unwrap(),
                Step::Merge => index.merge_all(),
            }
        }
        index.commit(2).unwrap();
        let visible: BTreeMap<u32, Text> = live.into_iter().filter(|(n, _)| seen.contains(n)).collect();
        for query in &queries {
            let expected = naive(&visible, query, depth);
            prop_assert_eq!(&found(&index, seen.iter().copied(), query, depth), &expected);
            index.merge_all();
            prop_assert_eq!(&found(&index, seen.iter().copied(), query, depth), &expected);
        }
        drop(index);
        let again = LexicalIndex::open(folder.path()).unwrap();
        prop_assert_eq!(again.position(), 2);
        for query in &queries {
            prop_assert_eq!(found(&again, seen.iter().copied(), query, depth), naive(&visible, query, depth));
        }
    }
}

#[test]
fn many_blocks_of_postings_are_read_right() {
    // More than one block of 128 postings, a sparse and a dense sight, segments of unequal size.
    let folder = folder();
    let mut index = LexicalIndex::open(folder.path()).unwrap();
    let all: BTreeMap<u32, Text> = (0..3000u32)
        .map(|n| {
            (
                n,
                text(&format!(
                    "ward {} {}",
                    "night ".repeat((n % 7) as usize),
                    if n % 3 == 0 { "fund" } else { "" }
                )),
            )
        })
        .collect();
    for (n, text) in &all {
        add(&mut index, *n, text);
        if [10, 700, 2500].contains(n) {
            index.commit(u64::from(*n)).unwrap();
        }
    }
    (0..3000).step_by(11).for_each(|n| index.delete(ChunkNo(n)));
    index.commit(3000).unwrap();
    for share in [1, 2, 10, 301] {
        let seen: BTreeSet<u32> = (0..3000).filter(|n| n % share == 0).collect();
        let visible = all
            .iter()
            .filter(|(n, _)| *n % 11 != 0 && seen.contains(n))
            .map(|(n, t)| (*n, t.clone()))
            .collect();
        for query in ["night fund", "ward", "plan night night"] {
            assert_eq!(found(&index, seen.iter().copied(), query, 50), naive(&visible, query, 50));
        }
    }
}

#[test]
fn phrases_beginnings_and_identifiers_find_what_they_say() {
    let folder = folder();
    let mut index = LexicalIndex::open(folder.path()).unwrap();
    let all: BTreeMap<u32, Text> = [
        "the night shift begins at ten",
        "a shift of the night, and another shift",
        "configuration of the roster",
        "see values.yaml, and INC-2041",
        "values of yaml, 2041",
    ]
    .into_iter()
    .zip(0..)
    .map(|(words, n)| (n, Text([String::new(), String::new(), words.to_owned()], None)))
    .collect();
    all.iter().for_each(|(n, t)| add(&mut index, *n, t));
    index.commit(1).unwrap();
    let best =
        |query: &str| found(&index, 0..9, query, 9).into_iter().map(|(chunk, _)| chunk).collect::<Vec<_>>();
    assert_eq!(best("\"night shift\""), [0, 1]);
    for beginning in ["config*", "configurat*", "configurations*"] {
        assert_eq!(best(beginning), [2], "{beginning}");
    }
    assert_eq!(best("values.yaml")[0], 3);
    assert_eq!(best("INC-2041")[0], 3);
}

#[test]
fn terms_of_hidden_chunks_take_no_visible_ones_place_among_beginnings() {
    let folder = folder();
    let mut index = LexicalIndex::open(folder.path()).unwrap();
    // All hidden terms come before the visible one, and there are more than may be taken.
    (0..300).for_each(|n| add(&mut index, n, &text(&format!("tide{n:03}q"))));
    add(&mut index, 300, &text("tidezz"));
    index.commit(1).unwrap();
    assert_eq!(found(&index, [300], "tide*", 9).len(), 1);
    assert_eq!(found(&index, 0..301, "tide*", 400).len(), beginning::MOST);
}

#[test]
fn a_query_is_read_in_the_languages_of_visible_chunks_alone() {
    let folder = folder();
    let mut index = LexicalIndex::open(folder.path()).unwrap();
    for (n, language) in (0..).zip([None, Some("de"), Some("fr"), Some("tlh")]) {
        add(&mut index, n, &Text([String::new(), String::new(), "Häuser".to_owned()], language));
    }
    index.commit(1).unwrap();
    let searcher = index.searcher().unwrap();
    let of = |seen: &[u32]| {
        seeing(seen.iter().copied(), [], |visible| searcher.view(&visible).unwrap().languages)
            .iter()
            .collect::<Vec<_>>()
    };
    assert_eq!(of(&[]), [Language::English]);
    assert_eq!(of(&[0, 3]), [Language::English]);
    assert_eq!(of(&[0, 1]), [Language::English, Language::German]);
    assert_eq!(of(&[0, 1, 2]), [Language::English, Language::German, Language::French]);
}

#[test]
fn filters_come_before_the_cut_and_change_no_statistic() {
    let folder = folder();
    let mut index = LexicalIndex::open(folder.path()).unwrap();
    (0..50).for_each(|n| add(&mut index, n, &text(&"ward ".repeat(1 + n as usize % 9))));
    index.commit(1).unwrap();
    let searcher = index.searcher().unwrap();
    seeing(0..50, [], |visible| {
        let view = searcher.view(&visible).unwrap();
        let accept = |chunk: ChunkNo| chunk.0.is_multiple_of(5);
        let full = searcher.search("ward", visible.clone(), &view, &|_| true, 50, &ByHash).unwrap();
        let some = searcher.search("ward", visible, &view, &accept, 3, &ByHash).unwrap();
        let expected: Vec<Scored> = full.into_iter().filter(|c| accept(c.chunk)).take(3).collect();
        assert_eq!(bits(&some), bits(&expected));
        assert_eq!(some.len(), 3);
    });
}

#[test]
fn a_view_of_somebody_else_or_of_another_index_shows_nothing_hidden() {
    let folder = folder();
    let mut index = LexicalIndex::open(folder.path()).unwrap();
    (0..20).for_each(|n| add(&mut index, n, &text("ward")));
    index.commit(1).unwrap();
    let searcher = index.searcher().unwrap();
    let theirs = seeing(0..20, [], |visible| searcher.view(&visible).unwrap());
    seeing([3, 4], 5..20, |visible| {
        let found = searcher.search("ward", visible, &theirs, &|_| true, 50, &ByHash).unwrap();
        assert_eq!(found.iter().map(|c| c.chunk.0).collect::<BTreeSet<_>>(), BTreeSet::from([3, 4]));
    });
    index.merge_all();
    add(&mut index, 30, &text("ward"));
    index.commit(2).unwrap();
    let newer = index.searcher().unwrap();
    seeing(0..40, [], |visible| {
        let old = searcher.view(&visible).unwrap();
        let found = newer.search("ward", visible, &old, &|_| true, 50, &ByHash).unwrap();
        assert!(found.iter().all(|c| c.chunk.0 < 20), "a segment that the view does not know holds nothing");
    });
}

#[test]
fn a_snapshot_stays_as_it_was() {
    let folder = folder();
    let mut index = LexicalIndex::open(folder.path()).unwrap();
    add(&mut index, 1, &text("ward"));
    index.commit(1).unwrap();
    let before = index.searcher().unwrap();
    index.delete(ChunkNo(1));
    add(&mut index, 2, &text("ward"));
    index.commit(2).unwrap();
    let of = |searcher: &super::LexicalSearcher| {
        seeing(0..9, [], |visible| {
            let view = searcher.view(&visible).unwrap();
            let found = searcher.search("ward", visible, &view, &|_| true, 9, &ByHash).unwrap();
            found.iter().map(|c| c.chunk.0).collect::<Vec<_>>()
        })
    };
    assert_eq!(of(&before), [1]);
    assert_eq!(of(&index.searcher().unwrap()), [2]);
}

#[test]
fn long_and_odd_queries_are_bounded_and_answered() {
    let folder = folder();
    let mut index = LexicalIndex::open(folder.path()).unwrap();
    let all: BTreeMap<u32, Text> =
        (0..30).map(|n| (n, text(&format!("ward word{n} word{}", n + 1)))).collect();
    all.iter().for_each(|(n, t)| add(&mut index, *n, t));
    index.commit(1).unwrap();
    let long: String = (0..10_000).map(|n| format!("word{n} ")).collect();
    for query in
        ["", " ", "the", "🙂", ".*[a-z]", "שלום עולם", "\u{0}\u{202e}ward", "\"\" \"ward", "wor*", &long]
    {
        assert_eq!(found(&index, 0..30, query, 10), naive(&all, query, 10));
    }
    assert!(found(&index, 0..30, &long, 10).len() == 10);
}

#[test]
fn damage_is_an_error_and_never_a_panic() {
    let folder = folder();
    let mut index = LexicalIndex::open(folder.path()).unwrap();
    (0..20).for_each(|n| add(&mut index, n, &text("ward")));
    index.commit(7).unwrap();
    drop(index);
    assert_eq!(LexicalIndex::open(folder.path()).unwrap().position(), 7);
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().path()).collect();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with('.') || std::fs::metadata(&file).unwrap().len() == 0 {
            continue;
        }
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        let opened = LexicalIndex::open(folder.path());
        assert!(matches!(opened, Err(LexicalError::Open(_))), "half of {name} was taken for an index");
        // The list of files is not of the index's own making, and holds no sum.
        if name.ends_with(".json") {
            std::fs::write(&file, &whole).unwrap();
            continue;
        }
        for at in [0, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
            let mut flipped = whole.clone();
            flipped[at] ^= 4;
            std::fs::write(&file, &flipped).unwrap();
            let opened = LexicalIndex::open(folder.path());
            assert!(
                matches!(opened, Err(LexicalError::Open(_))),
                "{name} with a flipped bit at {at} was opened"
            );
        }
        std::fs::remove_file(&file).unwrap();
        let opened = LexicalIndex::open(folder.path());
        assert!(matches!(opened, Err(LexicalError::Open(_))), "the index was opened without {name}");
        std::fs::write(&file, &whole).unwrap();
    }
    assert_eq!(found(&LexicalIndex::open(folder.path()).unwrap(), 0..20, "ward", 50).len(), 20);
}

/// The first state of the replay tests: twenty chunks, committed.
fn twenty(dir: &std::path::Path) {
    let mut index = LexicalIndex::open(dir).unwrap();
    (0..20).for_each(|n| add(&mut index, n, &text("ward")));
    index.commit(1).unwrap();
}

/// What is told after it, every time in the same order, and so with the same stamps.
fn replay(index: &mut LexicalIndex) -> Result<(), LexicalError> {
    (0..5).for_each(|n| index.delete(ChunkNo(n)));
    (20..25).for_each(|n| add(index, n, &text("night")));
    index.commit(2)
}

fn replayed() -> BTreeMap<u32, Text> {
    (5..25).map(|n| (n, text(if n < 20 { "ward" } else { "night" }))).collect()
}

fn deletions(dir: &std::path::Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".del")).collect()
}

#[test]
fn a_replay_goes_on_over_what_killed_replays_of_the_same_have_left() {
    for listed in [true, false] {
        let folder = folder();
        let dir = folder.path();
        twenty(dir);
        let kept = ["meta.json", ".managed.json"].map(|name| (name, std::fs::read(dir.join(name)).unwrap()));
        for _ in 0..2 {
            // Killed after the files were written and before the commit was: with or without tantivy's
            // list of them.
            replay(&mut LexicalIndex::open(dir).unwrap()).unwrap();
            for (name, bytes) in kept.iter().take(if listed { 1 } else { 2 }) {
                std::fs::write(dir.join(name), bytes).unwrap();
            }
            assert_eq!(deletions(dir).len(), 1, "the orphan whose name the next replay wants");
        }
        let mut index = LexicalIndex::open(dir).unwrap();
        assert_eq!(index.position(), 1);
        assert_eq!(deletions(dir), [""; 0], "no commit names it");
        assert_eq!(found(&index, 0..30, "ward", 50).len(), 20);
        replay(&mut index).unwrap();
        for query in ["ward", "night", "plan"] {
            assert_eq!(found(&index, 0..30, query, 50), naive(&replayed(), query, 50));
        }
        drop(index);
        let index = LexicalIndex::open(dir).unwrap();
        assert_eq!(index.position(), 2);
        assert_eq!(deletions(dir).len(), 1, "what the commit names stays");
        assert_eq!(found(&index, 0..30, "night", 50), naive(&replayed(), "night", 50));
    }
}

#[test]
fn after_a_failed_commit_the_same_index_goes_on() {
    let (folder, twin) = (folder(), folder());
    twenty(folder.path());
    for file in std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), twin.path().join(file.file_name())).unwrap();
    }
    replay(&mut LexicalIndex::open(twin.path()).unwrap()).unwrap();
    let mut index = LexicalIndex::open(folder.path()).unwrap();
    for name in deletions(twin.path()) {
        std::fs::write(folder.path().join(name), b"in the way").unwrap();
    }
    assert!(matches!(replay(&mut index), Err(LexicalError::Write(_))));
    assert_eq!(index.position(), 1);
    assert_eq!(found(&index, 0..30, "ward", 50).len(), 20, "the last commit stays what is read");
    replay(&mut index).unwrap();
    assert_eq!(index.position(), 2);
    for query in ["ward", "night"] {
        assert_eq!(found(&index, 0..30, query, 50), naive(&replayed(), query, 50));
    }
}

#[test]
fn what_is_closed_after_a_commit_leaves_no_merge_half_done() {
    let folder = folder();
    for round in 0..4u32 {
        let mut index = LexicalIndex::open(folder.path()).unwrap();
        for commit in 0..8 {
            for n in 0..300 {
                let n = (round * 8 + commit) * 300 + n;
                add(
                    &mut index,
                    n,
                    &text(&format!("tide{n} {}", "berth quay ".repeat(40 + (n % 9) as usize))),
                );
            }
            index.commit(u64::from(round * 8 + commit)).unwrap();
        }
        drop(index);
        // As tantivy writes it: a segment's number has dashes there, and none in the names of its files.
        let named = std::fs::read_to_string(folder.path().join("meta.json")).unwrap().replace('-', "");
        let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let stray: Vec<String> = names
            .map(|name| name.into_string().unwrap())
            .filter(|name| name.split_once('.').is_some_and(|(id, _)| id.len() == 32 && !named.contains(id)))
            .collect();
        assert_eq!(stray, Vec::<String>::new(), "round {round}");
    }
}
