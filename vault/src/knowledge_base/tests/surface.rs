//! What the surface has beside search and fetch: quotes, resources, completions, what is watched, and how long an
//! answer may become.

use super::*;
use crate::knowledge_base::{Completed, Seen, VerifyQuoteRequest, Watch};

impl World {
    pub(super) fn put(&self, question: &Question, handle: &str) -> Result<Value, AnswerError> {
        self.vault.knowledge_base().answer_to(&self.caller(handle), question).map(json)
    }

    pub(super) fn uri(&self, path: &str) -> String {
        let request = ListDocumentsRequest { path: Some(path.to_owned()), ..ListDocumentsRequest::default() };
        let rows = self.put(&Question::ListDocuments(request), "dana").unwrap();
        rows["documents"][0]["uri"].as_str().unwrap().to_owned()
    }

    fn quote(&self, handle: &str, id: &str, quote: &str) -> Result<Value, AnswerError> {
        let request = VerifyQuoteRequest { id: id.into(), quote: quote.into() };
        self.put(&Question::VerifyQuote(request), handle)
    }
}

#[test]
fn a_quote_stands_or_it_does_not() {
    let text = "Expense reports are due\non the 5th of the month. Late ones wait.\n\nThe fee is “ten” euros — always.\n";
    let world = world(&[("fees.md", "everyone", text), ("pay.md", "user:dana", "Salaries are secret.\n")]);
    let id = world.uri("fees.md");
    let verbatim = world.quote("omar", &id, "due\non the 5th").unwrap();
    assert_eq!((&verbatim["found"], &verbatim["verbatim"]), (&true.into(), &true.into()));
    let span = &verbatim["occurrences"][0]["span"];
    let (from, to) = (span[0].as_u64().unwrap() as usize, span[1].as_u64().unwrap() as usize);
    let cut: String = text.chars().skip(from).take(to - from).collect();
    assert_eq!(cut, "due\non the 5th");
    let cite = verbatim["occurrences"][0]["cite"].as_str().unwrap();
    assert!(cite.starts_with("kd_") && cite.contains("#0@"), "{cite}");
    // A cite and a passage's URI are ways to the same document.
    for way in [cite, verbatim["occurrences"][0]["uri"].as_str().unwrap()] {
        assert_eq!(world.quote("omar", way, "due\non the 5th").unwrap()["found"], true);
    }

    let fenced = world.quote("omar", &id, "7Q| due\n7Q| on the 5th of the month").unwrap();
    assert_eq!((&fenced["found"], &fenced["verbatim"]), (&true.into(), &true.into()));
    for same in ["reports are due on the 5th", "fee is \"ten\" euros - always"] {
        let told = world.quote("omar", &id, same).unwrap();
        assert_eq!((&told["found"], &told["verbatim"]), (&true.into(), &false.into()), "{same}: {told}");
    }
    for other in ["due on the 6th", "Due on the 5th", "expense reports are due on the fifth", "Salaries are"]
    {
        let told = world.quote("omar", &id, other).unwrap();
        assert_eq!(told["found"], false, "{other}: {told}");
        assert!(told["metadata"]["notice"].as_str().unwrap().contains("do not quote them"));
    }
    // What agrees is shown, fenced.
    let told = world.quote("omar", &id, "Expense reports are due on the 15th of the month").unwrap();
    assert_eq!(told["closest"]["agrees"], "Expense reports are due on the ".chars().count());
    let shown = told["closest"]["text"].as_str().unwrap();
    assert!(shown.starts_with("=== ") && shown.contains("| on the 5th of the month"), "{shown}");
    assert!(world.quote("omar", &id, "zebra").unwrap()["closest"].is_null());

    // A hidden document and none at all.
    let hidden = world.quote("omar", &world.uri("pay.md"), "Salaries are secret").unwrap_err();
    assert_eq!(hidden, world.quote("omar", "kd_nothing", "Salaries are secret").unwrap_err());
    assert_eq!(hidden.code, ErrorCode::NotFound);
    assert_eq!(world.quote("dana", &world.uri("pay.md"), "Salaries are secret").unwrap()["found"], true);
    for (quote, says) in [("", "is empty"), (" \n", "is empty"), (&"x".repeat(10_001), "at most 10000")] {
        let error = world.quote("omar", &id, quote).unwrap_err();
        assert!(error.field.as_deref() == Some("quote") && error.message.contains(says), "{error:?}");
    }
}

#[test]
fn a_quote_is_found_wherever_it_stands_in_a_long_document() {
    let line = "The harbor keeps its rules in order, line by line, and no two are the same.\n";
    let filler = line.repeat(2_700);
    let text = format!("{filler}The needle lies here.\n{filler}");
    let world = world(&[("long.md", "everyone", &text)]);
    let id = world.uri("long.md");
    let told = world.quote("omar", &id, "The needle lies here.").unwrap();
    assert_eq!(told["occurrences"][0]["span"][0], filler.chars().count());
    let many = world.quote("omar", &id, "line by line").unwrap();
    assert_eq!((many["occurrences"].as_array().unwrap().len(), &many["more"]), (10, &true.into()));
    // The border of two windows lies within this one.
    let at = 200_000 - 40;
    let across: String = text.chars().skip(at).take(90).collect();
    let across = across.split_once(' ').unwrap().1.rsplit_once(' ').unwrap().0;
    assert_eq!(world.quote("omar", &id, across).unwrap()["found"], true);
}

#[test]
fn an_answer_stays_short_and_says_how_to_go_on() {
    let long = "港口的规则很多。".repeat(6_000);
    let texts: Vec<String> =
        (0..60).map(|n| format!("harbor {n} {}\n", format!("rule {n} ").repeat(320))).collect();
    let names: Vec<String> = (0..60).map(|n| format!("d{n}.md")).collect();
    let mut documents: Vec<(&str, &str, &str)> = vec![("long.md", "everyone", &long)];
    documents.extend(names.iter().zip(&texts).map(|(name, text)| (name.as_str(), "everyone", text.as_str())));
    let world = world(&documents);
    let id = world.uri("long.md");
    let fetch = |offset, max_chars| {
        let request = FetchRequest { offset, max_chars, ..fetching(&id) };
        world.put(&Question::Fetch(request), "omar").unwrap()
    };
    let (mut offset, mut read) = (Some(0), 0);
    while let Some(at) = offset {
        let window = fetch(Some(at), Some(40_000));
        assert!(window.to_string().len() <= 48_000, "{} bytes", window.to_string().len());
        read += window["metadata"]["chars"].as_u64().unwrap();
        offset = window["metadata"]["next_offset"].as_i64();
    }
    assert_eq!(read, long.chars().count() as u64);
    let around = FetchRequest { around: Some(1), max_chars: Some(40_000), ..fetching(&id) };
    let around = world.put(&Question::Fetch(around), "omar").unwrap();
    let passage = long.chars().count() as u64 / 2;
    let start = around["metadata"]["offset"].as_u64().unwrap();
    assert!((start..start + around["metadata"]["chars"].as_u64().unwrap()).contains(&passage));

    let (mut cursor, mut ranks, mut cut) = (None, Vec::new(), 0);
    loop {
        let request = SearchRequest { limit: Some(40), cursor, mode: Mode::Lexical, ..asking("harbor rule") };
        let page = world.put(&Question::Search(request), "omar").unwrap();
        assert!(page.to_string().len() <= 48_000, "{} bytes", page.to_string().len());
        cut += usize::from(page["notice"].as_str().unwrap().contains("too long"));
        ranks.extend(
            page["results"].as_array().unwrap().iter().map(|result| result["rank"].as_u64().unwrap()),
        );
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    assert!(cut > 0);
    assert_eq!(ranks, (1..=ranks.len() as u64).collect::<Vec<_>>());
    assert_eq!(ranks.len(), 120, "two passages of each of sixty documents");
    // What was only looked at is not said to have left.
    let answers: Vec<Value> = world.log().into_iter().filter(|r| r["asked"]["tool"] == "search").collect();
    assert_eq!(answers.iter().map(|r| r["returned"].as_array().unwrap().len()).sum::<usize>(), 120);
}

#[test]
fn resources_are_listed_once_each_and_read() {
    let texts: Vec<(String, String)> =
        (0..150).map(|n| (format!("d{n:03}.md"), format!("harbor note {n}\n"))).collect();
    let mut documents: Vec<_> = texts.iter().map(|(p, t)| (p.as_str(), "everyone", t.as_str())).collect();
    documents.push(("pay.md", "user:dana", "Salaries.\n"));
    let world = world(&documents);
    let (mut cursor, mut uris) = (None, Vec::new());
    loop {
        let page = world.put(&Question::ListResources { cursor }, "omar").unwrap();
        assert!(page["resources"].as_array().unwrap().len() <= 100);
        uris.extend(page["resources"].as_array().unwrap().iter().map(|row| row["uri"].clone()));
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((uris.len(), &uris[0]), (151, &"kb://source/handbook".into()));
    let distinct: std::collections::BTreeSet<&str> = uris.iter().map(|uri| uri.as_str().unwrap()).collect();
    assert_eq!(distinct.len(), 151);
    for uri in distinct {
        world.put(&Question::ReadResource { uri: uri.to_owned() }, "omar").unwrap();
    }
    let source = world.put(&Question::ReadResource { uri: "kb://source/handbook".into() }, "omar").unwrap();
    assert_eq!(source["documents"], 150);
    let read = |handle: &str, uri: String| world.put(&Question::ReadResource { uri }, handle);
    let document = world.uri("d007.md");
    let passage = read("omar", format!("{document}/passage/0")).unwrap();
    assert!(passage["text"].as_str().unwrap().contains("| harbor note 7"));
    let missing = read("omar", "kb://document/kd_none".into()).unwrap_err();
    for hidden in
        [world.uri("pay.md"), format!("{}/passage/0", world.uri("pay.md")), format!("{document}/passage/9")]
    {
        assert_eq!(read("omar", hidden.clone()).unwrap_err(), missing, "{hidden}");
    }
    assert_eq!(read("omar", "kb://source/pay".into()).unwrap_err().code, ErrorCode::NotFound);
}

#[test]
fn names_are_completed_with_what_is_visible() {
    let world = world(HANDBOOK);
    let values = |handle: &str, what, typed: &str| {
        let question = Question::Complete { what, typed: typed.into() };
        let told = world.put(&question, handle).unwrap();
        told["values"].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(values("omar", Completed::Source, "HAND"), ["handbook"]);
    assert_eq!(values("omar", Completed::Source, "x"), Vec::<String>::new());
    let sorted = |mut values: Vec<String>| {
        values.sort();
        values
    };
    assert_eq!(sorted(values("omar", Completed::Title, "about")), ["About berths.md", "About dues.md"]);
    assert_eq!(values("omar", Completed::Title, "pay"), Vec::<String>::new());
    assert_eq!(values("dana", Completed::Title, "pay"), ["About pay.md"]);
    let id = values("dana", Completed::Id, "about pay").remove(0);
    assert_eq!(world.uri("pay.md"), format!("kb://document/{id}"));
    assert_eq!(values("omar", Completed::Id, &id), Vec::<String>::new());
    let which =
        |handle: &str, named: &str| world.put(&Question::WhichDocument { named: named.into() }, handle);
    for named in ["About pay.md", &id, &world.uri("pay.md"), &format!("{id}#0@9f")] {
        assert_eq!(which("dana", named).unwrap()["id"], *id, "{named}");
    }
    assert_eq!(which("omar", "About pay.md").unwrap_err(), which("omar", "About nothing").unwrap_err());
    assert_eq!(which("omar", &id).unwrap_err(), which("omar", "kd_nothing").unwrap_err());
    assert_eq!(which("omar", &id).unwrap_err().field.as_deref(), Some("id"));
}

#[test]
fn only_what_changed_for_the_watcher_is_told_and_recorded() {
    let world = world(HANDBOOK);
    let uris =
        [world.uri("dues.md"), world.uri("pay.md"), world.uri("berths.md"), "kb://document/kd_x".into()];
    let watch = Watch { uris: uris.clone().into(), list: true };
    let kb = world.vault.knowledge_base();
    let look = |handle: &str, seen: Option<&Seen>| kb.watch(&world.caller(handle), &watch, seen).unwrap();
    let (omar, told) = look("omar", None);
    assert!(told.is_none(), "the first look tells nothing");
    let (dana, _) = look("dana", None);
    // The log may say that time went on; what is counted is answers.
    let answers = || world.log().iter().filter(|record| record["kind"] == "answer").count();
    let records = answers();
    assert!(look("omar", Some(&omar)).1.is_none());
    assert_eq!(answers(), records, "nothing left, nothing is recorded");

    // A hidden document changes, for omar; for dana it is one of hers.
    let mut changed = HANDBOOK.to_vec();
    changed[1].2 = "Salaries are paid weekly.\n";
    world.ingest(&changed, Window::ALWAYS);
    let (omar, told) = look("omar", Some(&omar));
    assert!(told.is_none(), "{:?}", told.map(json));
    let (dana, told) = look("dana", Some(&dana));
    let told = json(told.unwrap());
    assert_eq!(told["updated"], serde_json::json!([uris[1]]));
    assert_eq!(told["list_changed"], false);

    // It is opened: for omar that is as if it were written.
    changed[1].1 = "everyone";
    world.ingest(&changed, Window::ALWAYS);
    let told = json(look("omar", Some(&omar)).1.unwrap());
    assert_eq!((&told["updated"], &told["list_changed"]), (&serde_json::json!([uris[1]]), &true.into()));
    assert!(look("dana", Some(&dana)).1.is_none(), "who may read it has changed, not what she sees");
    let record = world.log().into_iter().rfind(|r| r["asked"]["tool"] == "watch").unwrap();
    assert_eq!(record["returned"].as_array().unwrap().len(), 1);
    assert!(record.get("gone").is_none(), "{record}");

    // It goes, and who was told of it can be said.
    changed.remove(1);
    world.ingest(&changed, Window::ALWAYS);
    let told = json(look("dana", Some(&dana)).1.unwrap());
    assert_eq!((&told["updated"], &told["list_changed"]), (&serde_json::json!([uris[1]]), &true.into()));
    let record = world.log().into_iter().rfind(|r| r["asked"]["tool"] == "watch").unwrap();
    assert_eq!(record["returned"], serde_json::json!([]));
    assert_eq!(record["gone"], serde_json::json!([uris[1].strip_prefix("kb://document/")]));

    let many = Watch { uris: (0..101).map(|n| format!("kb://document/{n}")).collect(), list: false };
    let error = kb.watch(&world.caller("omar"), &many, None).unwrap_err();
    assert!(error.message.contains("at most 100"), "{error:?}");
}

#[test]
fn the_further_filters_and_receipts() {
    let world = world(HANDBOOK);
    let hits = |filters: Filters| {
        let request = SearchRequest { filters, ..asking("harbor dues berth") };
        world.put(&Question::Search(request), "omar").map(|told| told["results"].as_array().unwrap().len())
    };
    let all = hits(Filters::default()).unwrap();
    assert!(all > 0);
    let label = |label: &str| Filters { label: Some(label.into()), ..Filters::default() };
    assert_eq!(
        (hits(label("internal")), hits(label("public")), hits(label("none"))),
        (Ok(all), Ok(0), Ok(0))
    );
    let trust = |min_trust| Filters { min_trust: Some(min_trust), ..Filters::default() };
    assert_eq!((hits(trust(2)), hits(trust(3))), (Ok(all), Ok(0)));
    for wrong in [-1, 5] {
        assert_eq!(hits(trust(wrong)).unwrap_err().field.as_deref(), Some("filters.min_trust"));
    }
    let language = |language: &str| Filters { language: Some(language.into()), ..Filters::default() };
    assert_eq!(hits(language("xx")), Ok(0));

    let receipt = world.search("omar", "dues")["receipt"].as_str().unwrap().to_owned();
    let after = |receipt: &str| {
        let request = SearchRequest { not_before: Some(receipt.into()), ..asking("dues") };
        world.put(&Question::Search(request), "omar")
    };
    assert!(after(&receipt).is_ok());
    for strange in ["kr_x", "", &receipt[..80]] {
        assert_eq!(after(strange).unwrap_err().field.as_deref(), Some("not_before"), "{strange}");
    }
}
