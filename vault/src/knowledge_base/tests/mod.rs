//! Answers over real vaults: what a caller gets, and what they must not be able to tell. Here is the
//! world that the tests share: a handbook, two people, a clock that stands and randomness that repeats.

#![expect(clippy::disallowed_methods, reason = "tests play the authenticator and the extractor")]

mod answers;
mod in_flight;
mod issued;
mod lost;
mod records;
mod requests;
mod reranked;
mod surface;

use super::{FetchRequest, Filters, ListDocumentsRequest, ListSourcesRequest, Mode, Question, SearchRequest};
use crate::directory::DirectoryChange;
use crate::error::{AnswerError, ErrorCode};
use crate::gate::Disclosure;
use crate::sanitize;
use crate::seams::{Clock, Entropy};
use crate::tests::{by, document_of, people, spec, with_small_files};
use crate::vault::{OpenOptions, Reranking, Vault};
use crate::writer::{Link, NewDocument, SourceSpec};
use kenward_access::acl::{Clearance, Effect, Window};
use kenward_access::caller::{Caller, Credential, Subject};
use kenward_access::ids::{TenantId, Timestamp};
use kenward_access::rights::{Naming, Origin, RightsEntry, RightsSpec};
use kenward_access::untrusted::UntrustedText;
use kenward_indexes::embedding::hashing;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

#[derive(Default)]
struct TestClock(AtomicI64);
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_790_000_000_000 + self.0.load(Ordering::Relaxed))
    }
}

/// Always the same bytes: whole answers can then be compared.
struct Fixed;
impl Entropy for Fixed {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0x5A);
    }
}

struct World {
    vault: Arc<Vault>,
    clock: Arc<TestClock>,
    dir: tempfile::TempDir,
}

fn rights(principal: &str, window: Window) -> RightsSpec {
    let origin = Origin { file: ".access.toml".into(), line: 1 };
    let (effect, naming) = (Effect::Allow, Naming::Handle);
    let entry = RightsEntry { effect, principal: principal.into(), naming, window, origin };
    RightsSpec { entries: vec![entry], ..RightsSpec::default() }
}

/// As the pipeline would put it; a longer one in two chunks.
fn document(path: &str, container: &str, raw: &str) -> NewDocument {
    let clean = sanitize::text(raw, 1);
    let length = clean.text.chars().count();
    let spans = if length > 400 { vec![(0, length / 2), (length / 2, length)] } else { vec![(0, length)] };
    let links = (1..).zip(clean.links).map(|(n, url)| Link { n, url }).collect();
    NewDocument { links, removed: clean.removed, ..document_of(path, container, &clean.text, spans) }
}

/// (path, container, text); a container's name is who may read it.
fn world(documents: &[(&str, &str, &str)]) -> World {
    world_reranked(documents, None)
}

fn world_reranked(documents: &[(&str, &str, &str)], reranking: Option<Reranking>) -> World {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(TestClock::default());
    let vault = open_reranked(dir.path(), &clock, reranking);
    people(&vault, &["dana", "omar"]);
    let world = World { vault, clock, dir };
    world.ingest(documents, Window::ALWAYS);
    world
}

fn open(dir: &Path, clock: &Arc<TestClock>) -> Arc<Vault> {
    open_reranked(dir, clock, None)
}

fn open_reranked(dir: &Path, clock: &Arc<TestClock>, reranking: Option<Reranking>) -> Arc<Vault> {
    Vault::open(OpenOptions {
        data_dir: dir.to_owned(),
        tenant: TenantId::new("harbor").unwrap(),
        embedder: Some(hashing(32)),
        labels: vec!["public".into(), "internal".into()],
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        entropy: Arc::new(Fixed),
        ledger: None,
        vectors: kenward_indexes::vector::Engine::Flat,
        reranking,
    })
    .unwrap()
}

impl World {
    fn ingest(&self, documents: &[(&str, &str, &str)], window: Window) {
        let spec = SourceSpec { label: Some("internal".into()), ..spec("handbook", "/srv/handbook") };
        let source = self.vault.source(&by(), spec).unwrap();
        let mut run = self.vault.begin_run(&by(), source).unwrap();
        let containers = documents.iter().map(|(_, c, _)| ((*c).to_owned(), rights(c, window)));
        run.set_rights(containers.collect()).unwrap();
        for (path, container, text) in documents {
            run.put(document(path, container, text)).unwrap();
        }
        run.finish().unwrap();
    }

    fn caller(&self, handle: &str) -> Caller {
        let id = self.vault.user_by_handle(handle).unwrap().id;
        let tenant = TenantId::new("harbor").unwrap();
        Caller::authenticated(tenant, Subject::User(id), None, Credential::Peer { uid: 1 })
    }

    fn log(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.dir.path().join("audit/log.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["record"].clone()).collect()
    }

    fn search(&self, handle: &str, query: &str) -> Value {
        json(self.vault.knowledge_base().search(&self.caller(handle), &asking(query)).unwrap())
    }
}

fn asking(query: &str) -> SearchRequest {
    SearchRequest { query: query.into(), ..SearchRequest::default() }
}

fn fetching(id: &str) -> FetchRequest {
    FetchRequest { id: id.into(), ..FetchRequest::default() }
}

fn json(disclosure: Disclosure) -> Value {
    serde_json::from_slice(disclosure.as_bytes()).unwrap()
}

const HANDBOOK: &[(&str, &str, &str)] = &[
    (
        "dues.md",
        "everyone",
        "Harbor dues are paid on the fifth. See [the table](https://wiki.example.com/t).\n",
    ),
    ("pay.md", "user:dana", "Salaries of harbor staff are paid monthly, dues withheld.\n"),
    ("berths.md", "everyone", "A berth is booked with the harbor master.\n"),
];

/// All answers to one person on every surface, byte for byte.
fn everything(world: &World, handle: &str, ids: &[String]) -> Vec<Result<Vec<u8>, AnswerError>> {
    let kb = world.vault.knowledge_base();
    let caller = world.caller(handle);
    let bytes = |answer: Result<Disclosure, AnswerError>| answer.map(Disclosure::into_bytes);
    let mut all = Vec::new();
    for mode in [Mode::Hybrid, Mode::Lexical, Mode::Semantic] {
        for query in ["salaries", "harbor dues paid", "nothing at all"] {
            all.push(bytes(kb.search(&caller, &SearchRequest { mode, ..asking(query) })));
        }
    }
    for path in ["", "pay", "none"] {
        let filters = Filters { path: Some(path.into()), ..Filters::default() };
        all.push(bytes(kb.search(&caller, &SearchRequest { filters, ..asking("harbor") })));
    }
    all.push(bytes(kb.list_documents(&caller, &ListDocumentsRequest::default())));
    all.push(bytes(kb.list_sources(&caller, &ListSourcesRequest::default())));
    for id in ids {
        all.push(bytes(kb.fetch(&caller, &fetching(id))));
        all.push(bytes(kb.fetch(&caller, &fetching(&format!("{id}#0@0000")))));
        all.push(bytes(
            kb.answer_to(&caller, &Question::ReadResource { uri: format!("kb://document/{id}") }),
        ));
    }
    all
}
