//! Documents whose stored text is lost or damaged: who may see them is told the truth, and nobody
//! else can tell that anything is wrong.

use super::*;
use crate::knowledge_base::KnowledgeBase;
use std::path::PathBuf;

impl World {
    /// The file of a document's stored text.
    fn text_file(&self, path: &str) -> PathBuf {
        let published = self.vault.core.published.load();
        let document = published.image.documents.values().find(|d| &*d.path == path).unwrap();
        self.dir.path().join("text").join(&document.text[..2]).join(&*document.text)
    }

    fn lose(&self, path: &str) {
        std::fs::remove_file(self.text_file(path)).unwrap();
    }

    /// Turns a byte over in the first frame.
    fn damage(&self, path: &str) {
        let file = self.text_file(path);
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[3] ^= 0x41;
        std::fs::write(file, bytes).unwrap();
    }

    fn id(&self, path: &str) -> String {
        let published = self.vault.core.published.load();
        let document = published.image.documents.values().find(|d| &*d.path == path).unwrap();
        crate::keys::document_id(&document.key)
    }

    fn fetch_error(&self, handle: &str, path: &str) -> AnswerError {
        let kb = self.vault.knowledge_base();
        kb.fetch(&self.caller(handle), &fetching(&self.id(path))).unwrap_err()
    }
}

fn shown(answer: &Value) -> Vec<&str> {
    answer["results"].as_array().unwrap().iter().map(|result| result["title"].as_str().unwrap()).collect()
}

#[test]
fn a_lost_or_damaged_text_is_an_error_that_does_not_ask_to_try_again() {
    for harm in [World::lose, World::damage] {
        let world = world(HANDBOOK);
        harm(&world, "dues.md");
        let error = world.fetch_error("omar", "dues.md");
        assert_eq!(error.code, ErrorCode::Unreadable);
        assert!(error.hint.contains("asking again will not help") && error.hint.contains("request id"));
        assert!(!error.message.contains("dues") && !error.hint.contains("dues"), "{error:?}");
        // The same for all who may see it, and on every way to it.
        assert_eq!(world.fetch_error("dana", "dues.md"), error);
        let uri = format!("kb://document/{}", world.id("dues.md"));
        let kb = world.vault.knowledge_base();
        let read = Question::ReadResource { uri };
        assert_eq!(kb.answer_to(&world.caller("omar"), &read).unwrap_err(), error);
        // It is recorded like an answer: with the decision, and without anything returned.
        let record = world.log().into_iter().find(|r| r["outcome"]["code"] == "unreadable").unwrap();
        assert_eq!(record["returned"], serde_json::json!([]));
        assert_eq!(record["decisions"].as_object().unwrap().len(), 1);
        // Nothing else is touched.
        let beside = kb.fetch(&world.caller("omar"), &fetching(&world.id("berths.md")));
        assert!(json(beside.unwrap())["text"].as_str().unwrap().contains("| A berth"));
    }
}

#[test]
fn a_search_leaves_out_what_cannot_be_read_and_says_so() {
    for harm in [World::lose, World::damage] {
        let world = world(HANDBOOK);
        let before = world.search("omar", "harbor dues");
        assert_eq!(shown(&before), ["About dues.md", "About berths.md"]);
        assert!(!before["notice"].as_str().unwrap().contains("Left out"));
        harm(&world, "dues.md");
        let answer = world.search("omar", "harbor dues");
        assert_eq!(shown(&answer), ["About berths.md"]);
        assert_eq!(answer["results"][0]["rank"], 1);
        let notice = answer["notice"].as_str().unwrap();
        assert!(notice.contains("Left out: 1 matching passage is lost or damaged"), "{notice}");
        assert!(notice.contains("asking again will not help"), "{notice}");
        // The next page goes on behind it.
        let kb = world.vault.knowledge_base();
        let page = |cursor| SearchRequest { limit: Some(1), cursor, ..asking("harbor dues") };
        let first = json(kb.search(&world.caller("dana"), &page(None)).unwrap());
        let cursor = first["next_cursor"].as_str().map(str::to_owned);
        let second = json(kb.search(&world.caller("dana"), &page(cursor)).unwrap());
        let mut both = [shown(&first), shown(&second)].concat();
        both.sort_unstable();
        assert_eq!(both, ["About berths.md", "About pay.md"]);
        assert_eq!(second["results"][0]["rank"], 2);
        assert!(second["next_cursor"].is_null(), "{second}");
        // Nothing is left: it must not say that nothing matched.
        harm(&world, "berths.md");
        let answer = world.search("omar", "harbor dues");
        let notice = answer["notice"].as_str().unwrap();
        assert!(
            shown(&answer).is_empty() && notice.starts_with("0 passages. Left out: 2 matching passages are")
        );
        assert!(!notice.contains("Nothing more"), "{notice}");
    }
}

#[test]
fn a_copy_of_what_is_lost_takes_its_place() {
    for harm in [World::lose, World::damage] {
        let (one, two) = ("The quillfeather dues are paid.\n", "The quillfeather dues\nare paid.\n");
        let world = world(&[("one.md", "everyone", one), ("two.md", "everyone", two)]);
        let before = world.search("omar", "quillfeather dues");
        let [first] = shown(&before)[..] else { panic!("{before}") };
        assert_eq!(before["results"][0]["copies"].as_array().unwrap().len(), 1);
        let (lost, other) = match first {
            "About one.md" => ("one.md", "About two.md"),
            _ => ("two.md", "About one.md"),
        };
        harm(&world, lost);
        let after = world.search("omar", "quillfeather dues");
        assert_eq!(shown(&after), [other]);
        assert!(after["results"][0]["copies"].is_null(), "{after}");
        assert!(after["notice"].as_str().unwrap().contains("Left out: 1 matching passage is"), "{after}");
    }
}

#[test]
fn a_hidden_documents_loss_is_nothing_to_who_cannot_see_it() {
    for harm in [World::lose, World::damage] {
        let with = world(HANDBOOK);
        let visible: Vec<_> = HANDBOOK.iter().filter(|d| d.1 == "everyone").copied().collect();
        let without = world(&visible);
        let ids = [with.id("pay.md"), with.id("dues.md"), "kd_aaaaaaaaaaaaaaaaaaaaaaaaaa".into()];
        let same = |with: &World, when: &str| {
            let (a, b) = (everything(with, "omar", &ids), everything(&without, "omar", &ids));
            assert_eq!(a.len(), b.len());
            for (n, (a, b)) in a.iter().zip(&b).enumerate() {
                let show =
                    |r: &Result<Vec<u8>, AnswerError>| r.clone().map(|b| String::from_utf8(b).unwrap());
                assert_eq!(show(a), show(b), "{when}, answer {n}");
            }
        };
        harm(&with, "pay.md");
        same(&with, "harmed");
        // Somebody who may see it has run into it, and it is marked.
        assert_eq!(with.fetch_error("dana", "pay.md").code, ErrorCode::Unreadable);
        assert_eq!(with.vault.find_lost_texts().unwrap(), 1);
        same(&with, "marked");
        // Opened again, with an index that was built around it.
        let World { vault, clock, dir } = with;
        drop(vault);
        std::fs::remove_dir_all(dir.path().join("lexical")).unwrap();
        let with = World { vault: open(dir.path(), &clock), clock, dir };
        same(&with, "opened again");
        // And both documents harmed: the visible one is told of, the hidden one changes nothing.
        harm(&with, "dues.md");
        harm(&without, "dues.md");
        same(&with, "both harmed");
        assert_eq!(with.fetch_error("omar", "pay.md").code, ErrorCode::NotFound);
        assert_eq!(with.fetch_error("omar", "dues.md").code, ErrorCode::Unreadable);
    }
}

#[test]
fn what_is_told_of_a_document_is_checked_at_the_hand_over_too() {
    let around = FetchRequest { around: Some(99), ..fetching("") };
    for (harm, request, code) in
        [(true, fetching(""), ErrorCode::Unreadable), (false, around, ErrorCode::InvalidArgument)]
    {
        let world = world(HANDBOOK);
        let request = FetchRequest { id: world.id("pay.md"), ..request };
        if harm {
            world.lose("pay.md");
        }
        let ask = |kb: KnowledgeBase| kb.fetch(&world.caller("dana"), &request).unwrap_err();
        assert_eq!(ask(world.vault.knowledge_base()).code, code);
        // The right goes after the decision, before the hand-over.
        let vault = Arc::clone(&world.vault);
        let gap = move || {
            let mut run = vault.begin_run(&by(), 0).unwrap();
            run.set_rights([("user:dana".to_owned(), rights("user:omar", Window::ALWAYS))].into()).unwrap();
        };
        let error = ask(world.vault.knowledge_base().with_gap(Arc::new(gap)));
        assert_eq!(error.code, ErrorCode::NotFound, "{error:?}");
        assert!(world.log().iter().any(|r| r["kind"] == "withdrawn"));
    }
}

#[test]
fn the_next_run_mends_it() {
    for harm in [World::lose, World::damage] {
        let world = world(HANDBOOK);
        let before = world.search("omar", "when are harbor dues paid?");
        harm(&world, "dues.md");
        assert_eq!(world.fetch_error("omar", "dues.md").code, ErrorCode::Unreadable);
        world.vault.find_lost_texts().unwrap();
        world.ingest(HANDBOOK, Window::ALWAYS);
        let after = world.search("omar", "when are harbor dues paid?");
        for field in ["id", "cite", "title", "text", "rank", "relevance"] {
            assert_eq!(after["results"][0][field], before["results"][0][field], "{field}");
        }
        let kb = world.vault.knowledge_base();
        assert!(kb.fetch(&world.caller("omar"), &fetching(&world.id("dues.md"))).is_ok());
        assert_eq!(world.vault.find_lost_texts().unwrap(), 0);
        assert_eq!(world.vault.read_again().unwrap(), []);
    }
}
