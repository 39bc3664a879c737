//! Searches whose best candidates a model reads again: in which order they come, and what it is given to read.

use super::*;
use kenward_indexes::reranking::{MOST, RerankError, Reranker};
use parking_lot::Mutex;

/// Scores by the place of a passage's mark in a list, and notes what it was given.
struct Listed {
    marks: Vec<&'static str>,
    given: Mutex<Vec<(String, Vec<String>)>>,
    /// Run before the first scores are told.
    before: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    fails: AtomicBool,
}

impl Listed {
    fn of(marks: &[&'static str]) -> Arc<Self> {
        let (given, before) = (Mutex::default(), Mutex::default());
        Arc::new(Self { marks: marks.to_vec(), given, before, fails: AtomicBool::new(false) })
    }

    fn with(self: &Arc<Self>, depth: usize) -> Option<Reranking> {
        Some(Reranking { by: Arc::<Self>::clone(self), depth })
    }

    /// Every text that it ever had to read.
    fn texts(&self) -> Vec<String> {
        self.given.lock().iter().flat_map(|(_, texts)| texts.clone()).collect()
    }
}

impl Reranker for Listed {
    fn model(&self) -> &str {
        "listed@1"
    }

    fn score(&self, question: &str, passages: &[&str]) -> Result<Vec<f32>, RerankError> {
        let texts = passages.iter().map(|text| (*text).to_owned()).collect();
        self.given.lock().push((question.to_owned(), texts));
        if let Some(before) = self.before.lock().take() {
            before();
        }
        if self.fails.load(Ordering::Relaxed) {
            return Err(RerankError::Engine { reason: "it is a test".into() });
        }
        let score = |text: &&str| {
            let at = self.marks.iter().position(|mark| text.contains(mark));
            at.map_or(-9.0, |at| -(at as f32))
        };
        Ok(passages.iter().map(score).collect())
    }
}

const BERTHS: &[(&str, &str, &str)] = &[
    ("a.md", "everyone", "Berth berth berth berth: the first quay.\n"),
    ("b.md", "everyone", "Berth berth berth: the second quay of them.\n"),
    ("c.md", "everyone", "Berth berth: the third quay, which lies to the north.\n"),
    ("d.md", "everyone", "Berth: the fourth quay, which nobody uses in winter storms.\n"),
    ("s.md", "user:dana", "Berth berth berth berth berth: the secret quay.\n"),
];

fn titles(answer: &Value) -> Vec<String> {
    let results = answer["results"].as_array().unwrap();
    results.iter().map(|result| result["title"].as_str().unwrap().replace("About ", "")).collect()
}

#[test]
fn the_first_are_put_in_order_and_the_others_stay_behind_them() {
    let plain = titles(&world(BERTHS).search("omar", "berth"));
    assert_eq!(plain, ["a.md", "b.md", "c.md", "d.md"]);
    let model = Listed::of(&["fourth", "third", "second", "first"]);
    let world = world_reranked(BERTHS, model.with(3));
    assert_eq!(titles(&world.search("omar", "berth")), ["c.md", "b.md", "a.md", "d.md"]);
    // What it read: the question, and titles with texts.
    let (question, texts) = model.given.lock()[0].clone();
    assert_eq!((question.as_str(), texts.len()), ("berth", 3));
    assert_eq!(texts[0], "About a.md\nTop\nBerth berth berth berth: the first quay.\n");
    let record = world.log().into_iter().find(|record| record["asked"]["tool"] == "search").unwrap();
    assert_eq!(record["policy"]["reranker"], "listed@1");
}

#[test]
fn pages_go_on_where_the_last_one_ended() {
    let model = Listed::of(&["third", "first", "second"]);
    let world = world_reranked(BERTHS, model.with(3));
    let (kb, omar) = (world.vault.knowledge_base(), world.caller("omar"));
    let mut cursor = None;
    let mut all = Vec::new();
    loop {
        let request = SearchRequest { limit: Some(1), cursor, ..asking("berth") };
        let page = json(kb.search(&omar, &request).unwrap());
        all.extend(titles(&page));
        cursor = page["next_cursor"].as_str().map(ToOwned::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(all, ["c.md", "a.md", "b.md", "d.md"]);
}

#[test]
fn words_alone_are_not_read_again_and_further_phrasings_do_not_change_the_question() {
    let model = Listed::of(&["fourth"]);
    let world = world_reranked(BERTHS, model.with(4));
    let (kb, omar) = (world.vault.knowledge_base(), world.caller("omar"));
    let words = SearchRequest { mode: Mode::Lexical, ..asking("berth") };
    assert_eq!(titles(&json(kb.search(&omar, &words).unwrap()))[0], "a.md");
    assert!(model.given.lock().is_empty());
    let also = SearchRequest { also: vec!["quay".into()], ..asking("berth") };
    assert_eq!(titles(&json(kb.search(&omar, &also).unwrap()))[0], "d.md");
    assert_eq!(model.given.lock()[0].0, "berth");
}

#[test]
fn it_reads_what_its_caller_may_see_and_never_more_than_the_most() {
    let model = Listed::of(&[]);
    let many: Vec<(String, String)> = (0..70)
        .map(|n| {
            (
                format!("{n}.md"),
                format!("Berth number {n} of the {} quay.\n", if n % 2 == 0 { "secret" } else { "open" }),
            )
        })
        .collect();
    let documents: Vec<(&str, &str, &str)> = many
        .iter()
        .enumerate()
        .map(|(n, (path, text))| {
            (path.as_str(), if n % 2 == 0 { "user:dana" } else { "everyone" }, text.as_str())
        })
        .collect();
    let world = world_reranked(&documents, model.with(1_000));
    world.search("omar", "berth quay");
    assert_eq!(model.texts().len(), 35);
    assert!(model.texts().iter().all(|text| !text.contains("secret")));
    model.given.lock().clear();
    world.search("dana", "berth quay");
    assert_eq!(model.texts().len(), MOST);
}

#[test]
fn what_is_revoked_while_it_is_read_is_not_in_the_answer() {
    let model = Listed::of(&["secret", "first", "second", "third", "fourth"]);
    let world = world_reranked(BERTHS, model.with(5));
    assert_eq!(titles(&world.search("dana", "berth"))[0], "s.md");
    let (vault, source) = (Arc::clone(&world.vault), world.vault.sources().unwrap()[0].0);
    let revoke = move || {
        let mut run = vault.begin_run(&by(), source).unwrap();
        run.set_rights([("user:dana".to_owned(), rights("user:omar", Window::ALWAYS))].into()).unwrap();
    };
    *model.before.lock() = Some(Box::new(revoke));
    model.given.lock().clear();
    let answer = world.search("dana", "berth");
    assert!(!answer.to_string().contains("secret"), "{answer}");
    assert_eq!(titles(&answer), ["a.md", "b.md", "c.md", "d.md"]);
    let readings = model.given.lock().iter().map(|(_, texts)| texts.len()).collect::<Vec<_>>();
    assert_eq!(readings, [5, 4], "the second attempt reads four");
}

#[test]
fn a_model_that_fails_is_an_error_without_a_word_of_it() {
    let model = Listed::of(&[]);
    let world = world_reranked(BERTHS, model.with(5));
    model.fails.store(true, Ordering::Relaxed);
    let error = world.vault.knowledge_base().search(&world.caller("omar"), &asking("berth")).unwrap_err();
    assert_eq!(error.code, ErrorCode::Internal);
    assert!(!format!("{error:?}").contains("it is a test"));
}

#[test]
fn what_cannot_be_read_is_told_of_and_nothing_else_is_lost() {
    let model = Listed::of(&["third", "second"]);
    let world = world_reranked(BERTHS, model.with(4));
    let file = {
        let published = world.vault.core.published.load();
        let document = published.image.documents.values().find(|d| &*d.path == "c.md").unwrap();
        world.dir.path().join("text").join(&document.text[..2]).join(&*document.text)
    };
    std::fs::remove_file(file).unwrap();
    let answer = world.search("omar", "berth");
    assert_eq!(titles(&answer), ["b.md", "a.md", "d.md"]);
    assert!(answer["notice"].as_str().unwrap().contains("Left out: 1 matching passage"), "{answer}");
}

#[test]
fn a_copy_is_read_where_a_text_is_lost_and_takes_its_place() {
    let same = "Berth berth: the third quay, which lies to the north.\n";
    let documents = [BERTHS, &[("c2.md", "everyone", same)]].concat();
    let model = Listed::of(&["third", "second"]);
    let world = world_reranked(&documents, model.with(4));
    let first = titles(&world.search("omar", "berth"))[0].clone();
    let other = if first == "c.md" { "c2.md" } else { "c.md" };
    let file = {
        let published = world.vault.core.published.load();
        let document = published.image.documents.values().find(|d| *d.path == *first).unwrap();
        world.dir.path().join("text").join(&document.text[..2]).join(&*document.text)
    };
    std::fs::remove_file(file).unwrap();
    let answer = world.search("omar", "berth");
    assert_eq!(titles(&answer)[..2], [other, "b.md"]);
    assert!(model.texts().iter().filter(|text| text.contains("third")).count() >= 2);
}

#[test]
fn hidden_documents_do_not_move_an_order_that_a_model_made() {
    let visible: Vec<_> = BERTHS.iter().copied().filter(|(_, who, _)| *who == "everyone").collect();
    for depth in 1..6 {
        let answers = [BERTHS, &visible].map(|documents| {
            let model = Listed::of(&["fourth", "third", "second", "first"]);
            let world = world_reranked(documents, model.with(depth));
            let ids = Vec::new();
            everything(&world, "omar", &ids)
        });
        assert!(answers[0] == answers[1], "depth {depth}");
    }
}
