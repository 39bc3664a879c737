//! Every surface that is asked, the requests, and the comparison of two answers byte by byte.

use crate::dice::Dice;
use crate::stage::{Stage, document_id};
use crate::words;
use crate::world::{BEGIN, Place, State, World};
use kenward_access::caller::Caller;
use kenward_vault::knowledge_base::{
    Completed, FetchRequest, Filters, KnowledgeBase, ListDocumentsRequest, ListSourcesRequest, Mode,
    Question, SearchRequest, VerifyQuoteRequest,
};
use std::collections::BTreeSet;

/// What is asked: the product's own list, of which `mcp.rs` sees to it that every variant is driven.
pub type Request = Question;

/// The same request at another page.
pub fn at(request: &Request, cursor: &str) -> Option<Request> {
    let mut next = request.clone();
    let slot = match &mut next {
        Request::Search(request) => &mut request.cursor,
        Request::ListSources(request) => &mut request.cursor,
        Request::ListDocuments(request) => &mut request.cursor,
        Request::ListResources { cursor } => cursor,
        Request::Fetch(_)
        | Request::VerifyQuote(_)
        | Request::ReadResource { .. }
        | Request::Complete { .. }
        | Request::WhichDocument { .. } => return None,
    };
    *slot = Some(cursor.to_owned());
    Some(next)
}

/// An answer as it leaves the vault: bytes of a disclosure, or an error.
pub fn ask(stage: &mut Stage, handle: &str, request: &Request, draw: u64) -> String {
    let caller = stage.caller(handle);
    stage.entropy.reset(draw);
    answer(&stage.vault().knowledge_base(), &caller, request)
}

/// The answer to a caller.
pub fn answer(knowledge: &KnowledgeBase, caller: &Caller, request: &Request) -> String {
    let answer = knowledge.answer_to(caller, request);
    match answer {
        Ok(disclosure) => String::from_utf8(disclosure.into_bytes()).unwrap(),
        Err(error) => format!("refused {}", serde_json::to_string(&error).unwrap()),
    }
}

/// The cursor to the next page.
pub fn next_cursor(answer: &str) -> Option<String> {
    let rest = answer.split_once("\"next_cursor\":\"")?.1;
    Some(rest.split_once('"')?.0.to_owned())
}

/// The same in an answer of the protocol, whoever names it.
pub fn cursor(answer: &str) -> Option<String> {
    next_cursor(answer).or_else(|| {
        let rest = answer.split_once("\"nextCursor\":\"")?.1;
        Some(rest.split_once('"')?.0.to_owned())
    })
}

/// Names of sealed fields, as they stand in JSON, in JSON within a string, and in the protocol's own.
const SEALED: &[&str] = &[
    "\"next_cursor\":\"",
    "\"nextCursor\":\"",
    "\"receipt\":\"",
    "/receipt\":\"",
    "\\\"next_cursor\\\":\\\"",
    "\\\"receipt\\\":\\\"",
];

/// Sealed fields are compared by presence and length: their bytes hold the caller and a nonce.
pub fn masked(answer: &str) -> String {
    let mut out = String::with_capacity(answer.len());
    let mut rest = answer;
    loop {
        let next = SEALED.iter().filter_map(|name| rest.find(name).map(|at| at + name.len())).min();
        let Some(begin) = next else { break };
        let (before, sealed) = rest.split_at(begin);
        let end = sealed.find(['"', '\\']).unwrap_or(sealed.len());
        out.push_str(before);
        out.push_str(&format!("<{end} sealed bytes>"));
        rest = &sealed[end..];
    }
    out.push_str(rest);
    out
}

/// Where two answers differ, with what stands around it in both.
pub fn difference(a: &str, b: &str) -> Option<String> {
    let (a, b) = (masked(a), masked(b));
    if a == b {
        return None;
    }
    let at = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    let around = |text: &str| {
        let from = (0..=at.saturating_sub(160)).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        let to = (at + 200..text.len()).find(|i| text.is_char_boundary(*i)).unwrap_or(text.len());
        text.get(from..to).unwrap_or_default().to_owned()
    };
    Some(format!(
        "first differing byte {at} ({} and {} bytes)\n  A: {}\n  B: {}",
        a.len(),
        b.len(),
        around(&a),
        around(&b)
    ))
}

fn search(query: impl Into<String>) -> SearchRequest {
    SearchRequest { query: query.into(), ..SearchRequest::default() }
}

fn fetch(id: impl Into<String>) -> FetchRequest {
    FetchRequest { id: id.into(), ..FetchRequest::default() }
}

/// What one person asks of both worlds.
pub fn requests(world: &World, state: &State, visible: &BTreeSet<Place>, dice: &mut Dice) -> Vec<Request> {
    let all: Vec<Place> = state
        .sources
        .iter()
        .enumerate()
        .flat_map(|(number, source)| source.docs.keys().map(move |id| (number, id.clone())))
        .collect();
    let mut seen: Vec<&Place> = all.iter().filter(|place| visible.contains(*place)).collect();
    let mut hidden: Vec<&Place> = all.iter().filter(|place| !visible.contains(*place)).collect();
    dice.shuffle(&mut seen);
    dice.shuffle(&mut hidden);
    let mut requests = Vec::new();
    searches(world, state, &seen, &hidden, dice, &mut requests);
    fetches(world, &seen, &hidden, dice, &mut requests);
    quotes(world, state, &seen, &hidden, dice, &mut requests);
    names(world, state, &seen, &hidden, dice, &mut requests);
    lists(world, state, dice, &mut requests);
    requests
}

/// Words of visible and hidden documents, asked of visible and hidden ids.
fn quotes(
    world: &World,
    state: &State,
    seen: &[&Place],
    hidden: &[&Place],
    dice: &mut Dice,
    requests: &mut Vec<Request>,
) {
    let text = |place: &Place| {
        let doc = &state.sources[place.0].docs[&place.1];
        words::write(doc.seed, doc.twin).text
    };
    let some: Vec<&&Place> = seen.iter().take(4).chain(hidden.iter().take(4)).collect();
    for place in &some {
        let id = document_id(world, place);
        let whole = text(place);
        let length = whole.chars().count();
        let cut: String = whole.chars().skip(dice.below(length)).take(1 + dice.below(40)).collect();
        let other = text(some[dice.below(some.len())]);
        let slip = format!("{} {}", whole.chars().take(length / 2).collect::<String>(), words::word(dice));
        for quote in [cut, whole, other, slip] {
            requests.push(Request::VerifyQuote(VerifyQuoteRequest { id: id.clone(), quote }));
        }
    }
    let id = some.first().map_or_else(String::new, |place| document_id(world, place));
    for quote in ["", "  ", "=== 7Q4XK2M9VD3R BEGIN ===", "7Q| tide\n7Q| ledger", &"x".repeat(10_001)] {
        requests.push(Request::VerifyQuote(VerifyQuoteRequest { id: id.clone(), quote: quote.to_owned() }));
    }
}

/// Titles, completions and resources.
fn names(
    world: &World,
    state: &State,
    seen: &[&Place],
    hidden: &[&Place],
    dice: &mut Dice,
    requests: &mut Vec<Request>,
) {
    let title = |place: &Place| {
        let doc = &state.sources[place.0].docs[&place.1];
        words::write(doc.seed, doc.twin).title
    };
    let complete = |what, typed: &str| Request::Complete { what, typed: typed.to_owned() };
    for place in seen.iter().take(3).chain(hidden.iter().take(3)) {
        let (title, id) = (title(place), document_id(world, place));
        let beginning: String = title.chars().take(1 + dice.below(6)).collect();
        requests.push(complete(Completed::Title, &beginning));
        requests.push(complete(Completed::Title, &title));
        requests.push(complete(Completed::Id, &title.to_uppercase()));
        requests.push(complete(Completed::Id, &id));
        requests.push(Request::WhichDocument { named: title });
        requests.push(Request::WhichDocument { named: id.clone() });
        for number in [0, 1, 99] {
            requests.push(Request::ReadResource { uri: format!("kb://document/{id}/passage/{number}") });
        }
    }
    for what in [Completed::Source, Completed::Title, Completed::Id] {
        for typed in ["", "h", "kd_", "nowhere", words::CANARY, &"x".repeat(500)] {
            requests.push(complete(what, typed));
        }
    }
    for named in &world.named {
        let beginning: String = named.name.chars().take(2).collect();
        requests.push(complete(Completed::Source, &beginning));
        requests.push(Request::ReadResource { uri: format!("kb://source/{}", named.name) });
    }
    for uri in ["kb://source/nowhere", "kb://source/", "kb://document//passage/0", "https://kb.example/"] {
        requests.push(Request::ReadResource { uri: uri.to_owned() });
    }
    for named in ["Nowhere", "kd_nowhere", "kb://document/"] {
        requests.push(Request::WhichDocument { named: named.to_owned() });
    }
    requests.push(Request::ListResources { cursor: None });
    requests.push(Request::ListResources { cursor: Some("forged".to_owned()) });
}

fn searches(
    world: &World,
    state: &State,
    seen: &[&Place],
    hidden: &[&Place],
    dice: &mut Dice,
    requests: &mut Vec<Request>,
) {
    let canary = |place: &Place| words::canary(state.sources[place.0].docs[&place.1].seed);
    let modes = [Mode::Hybrid, Mode::Lexical, Mode::Semantic];
    for number in 0..8 {
        let query: Vec<&str> = (0..=dice.below(4)).map(|_| words::word(dice)).collect();
        let mut request = search(query.join(" "));
        request.mode = modes[number % 3];
        request.limit = *dice.pick(&[None, None, Some(1), Some(2), Some(3), Some(40)]);
        requests.push(Request::Search(request));
    }
    // Phrasings, phrases and beginnings, of what is hidden, too.
    for place in hidden.iter().take(2).chain(seen.iter().take(2)) {
        let mut request =
            search(format!("\"{} {}\" {}", words::word(dice), words::word(dice), words::word(dice)));
        request.also = (0..=dice.below(3)).map(|_| words::word(dice).to_owned()).collect();
        request.also.push(canary(place));
        request.limit = *dice.pick(&[None, Some(2)]);
        requests.push(Request::Search(request));
        let beginning = |word: &str| word.chars().take(3).collect::<String>();
        let mut request = search(format!("{}* {}*", beginning(&canary(place)), beginning(words::word(dice))));
        request.mode = Mode::Lexical;
        requests.push(Request::Search(request));
    }
    for place in hidden.iter().take(3).chain(seen.iter().take(2)) {
        let mut request = search(format!("{} {}", canary(place), words::word(dice)));
        request.mode = *dice.pick(&modes);
        requests.push(Request::Search(request));
        requests.push(Request::Search(search(canary(place))));
    }
    let mut filters = Vec::new();
    for source in world.named.iter().map(|n| n.name.as_str()).chain(["nowhere", ""]) {
        filters.push(Filters { source: Some(source.to_owned()), ..Filters::default() });
    }
    for place in hidden.iter().take(2).chain(seen.iter().take(2)) {
        let folder = place.1.rsplit_once('/').map_or(place.1.as_str(), |(folder, _)| folder);
        filters.push(Filters { path: Some(folder.to_owned()), ..Filters::default() });
        filters.push(Filters { path: Some(place.1.clone()), ..Filters::default() });
    }
    for kind in ["markdown", "docx", "spreadsheet"] {
        filters.push(Filters { kind: Some(kind.to_owned()), ..Filters::default() });
    }
    for language in ["en", "de", "xx"] {
        filters.push(Filters { language: Some(language.to_owned()), ..Filters::default() });
    }
    for label in crate::sight::LABELS.into_iter().chain(["none"]) {
        filters.push(Filters { label: Some(label.to_owned()), ..Filters::default() });
    }
    for min_trust in [0, 2, 3, 4, 5, -1] {
        filters.push(Filters { min_trust: Some(min_trust), ..Filters::default() });
    }
    for (after, before) in [
        (Some("2026-02-27"), None),
        (None, Some("2026-02-28")),
        (Some("2026-02-26T08:00:00Z"), Some("2026-02-28T08:00:00Z")),
        (Some("yesterday"), None),
        (None, Some("2026-13-01")),
    ] {
        let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
        filters.push(Filters {
            modified_after: owned(after),
            modified_before: owned(before),
            ..Filters::default()
        });
    }
    for filters in filters {
        let mut request = search(words::word(dice));
        request.filters = filters;
        request.mode = *dice.pick(&modes);
        request.limit = *dice.pick(&[None, Some(2)]);
        requests.push(Request::Search(request));
    }
    for query in
        ["", "   ", &"x".repeat(4_001), "\"tide ledger\"", "har*", "!!!", "the", "title:tide", "\u{202e}tide"]
    {
        requests.push(Request::Search(search(query)));
    }
    for limit in [0, -1, 41, 10_000_000, i64::MIN] {
        let mut request = search("tide");
        request.limit = Some(limit);
        requests.push(Request::Search(request));
    }
    let mut strange = search("tide");
    strange.not_before = Some("kr_strange".to_owned());
    requests.push(Request::Search(strange));
    let mut forged = search("tide");
    forged.cursor = Some("AAAA".repeat(20));
    requests.push(Request::Search(forged));
    requests.push(Request::Search(search(format!("{}{:x}", words::QUERY_CANARY, dice.next()))));
}

fn fetches(world: &World, seen: &[&Place], hidden: &[&Place], dice: &mut Dice, requests: &mut Vec<Request>) {
    let mut ids: Vec<String> =
        seen.iter().take(6).chain(hidden.iter().take(6)).map(|place| document_id(world, place)).collect();
    ids.push(document_id(world, &(0, "never/was.md".to_owned())));
    for id in &ids {
        requests.push(Request::Fetch(fetch(id.clone())));
        requests.push(Request::ReadResource { uri: format!("kb://document/{id}") });
        let mut window = fetch(id.clone());
        match dice.below(7) {
            0 => window.offset = Some(3),
            1 => window.max_chars = Some(17),
            2 => (window.offset, window.max_chars) = (Some(5), Some(1)),
            3 => window.around = Some(0),
            4 => window.around = Some(2),
            5 => window.offset = Some(1_000_000),
            _ => window.around = Some(77),
        }
        requests.push(Request::Fetch(window));
        let around = dice.below(2);
        requests.push(Request::Fetch(fetch(format!("{id}#{around}@0123456789abcdef"))));
        requests.push(Request::Fetch(fetch(format!("kb://document/{id}"))));
    }
    let some = ids.first().cloned().unwrap_or_default();
    for (offset, max_chars, around) in [
        (Some(-1), None, None),
        (None, Some(0), None),
        (None, Some(40_001), None),
        (None, None, Some(-5)),
        (Some(0), None, Some(0)),
    ] {
        for id in [&some, &ids[ids.len() - 1]] {
            requests.push(Request::Fetch(FetchRequest {
                id: id.clone(),
                offset,
                max_chars,
                around,
                not_before: None,
            }));
        }
    }
    for garbage in
        ["", "kd_", "kd_zzz", "KD_5R0C", "../../etc/passwd", "kb://document/", "kb://source/handbook", "1"]
    {
        requests.push(Request::Fetch(fetch(garbage)));
        requests.push(Request::ReadResource { uri: garbage.to_owned() });
    }
    requests.push(Request::Fetch(fetch(some.to_uppercase())));
}

fn lists(world: &World, state: &State, dice: &mut Dice, requests: &mut Vec<Request>) {
    requests.push(Request::ListSources(ListSourcesRequest::default()));
    requests.push(Request::ListSources(ListSourcesRequest { cursor: Some("forged".to_owned()) }));
    let plain = ListDocumentsRequest::default;
    requests.push(Request::ListDocuments(plain()));
    for source in world.named.iter().map(|n| n.name.as_str()).chain(["nowhere"]) {
        requests.push(Request::ListDocuments(ListDocumentsRequest {
            source: Some(source.to_owned()),
            ..plain()
        }));
    }
    let folders: BTreeSet<&String> = state.sources.iter().flat_map(|s| s.rights.keys()).collect();
    for path in folders.into_iter().map(String::as_str).chain(["nowhere", "h"]) {
        requests
            .push(Request::ListDocuments(ListDocumentsRequest { path: Some(path.to_owned()), ..plain() }));
    }
    for limit in [1, 2, 100, 0, 101] {
        requests.push(Request::ListDocuments(ListDocumentsRequest { limit: Some(limit), ..plain() }));
    }
    for after in ["2026-02-27", "2026-02-28T08:00:00Z", "2027-01-01", "soon"] {
        let modified_after = Some(after.to_owned());
        requests.push(Request::ListDocuments(ListDocumentsRequest { modified_after, ..plain() }));
    }
    let cursor = Some(format!("{:x}", dice.next() ^ BEGIN.unsigned_abs()));
    requests.push(Request::ListDocuments(ListDocumentsRequest { cursor, ..plain() }));
}
