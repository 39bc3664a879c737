//! The same comparison through the protocol: a real client over an in-memory pipe, in both versions,
//! and the server's own list of surfaces beside what the harness drives.

use crate::ask::{Request, difference, requests};
use crate::broken::no_faults;
use crate::dice::Dice;
use crate::stage::Stage;
use crate::world::World;
use kenward::config::Config;
use kenward::identity::issued::Issuers;
use kenward::mcp::ask::AskError;
use kenward::mcp::request_id::RequestIds;
use kenward::mcp::surfaces::surfaces;
use kenward::mcp::{Ask, Claims, KenwardServer};
use kenward::owner::ops::{Accepted, Claim, Question, Standing};
use kenward_vault::knowledge_base::{Completed, Filters, Mode, Seen, Watch};
use kenward_vault::{AnswerError, Vault};
use rmcp::model::{CallToolRequestParams, ClientConfig, ClientRequest, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _, RoleClient, RunningService};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Worlds that are asked through the protocol: few, because the vault below it is asked by all.
const WORLDS: u64 = 8;

/// What the harness drives. A surface that is not here is not tried: the server's list must be this.
const TOOLS: &[&str] = &["search", "fetch", "list_sources", "list_documents", "verify_quote"];
const TEMPLATES: &[&str] = &["kb://document/{id}", "kb://document/{id}/passage/{n}", "kb://source/{name}"];
const PROMPTS: &[&str] = &["answer_with_citations", "compare_documents"];
const METHODS: &[&str] = &[
    "completion/complete",
    "initialize",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "server/discover",
    "subscriptions/listen",
    "tools/call",
    "tools/list",
];

#[test]
fn every_surface_of_the_server_is_driven() {
    let own = surfaces();
    assert_eq!(own.tools, TOOLS, "a tool is not driven by the harness: add it to `ask.rs`");
    assert_eq!(own.resource_templates, TEMPLATES, "a resource is not driven by the harness");
    let sorted: BTreeSet<&str> = own.methods.iter().copied().collect();
    assert_eq!(sorted, METHODS.iter().copied().collect(), "a method is not driven by the harness");

    assert_eq!(own.prompts, PROMPTS, "a prompt is not driven by the harness");

    // And each of them is among the requests of a world.
    let world = World::make(1);
    let visible = world.first_state.visible(&world.first_state.callers()[0], world.first_asked);
    let driven: BTreeSet<&str> = requests(&world, &world.first_state, &visible, &mut Dice::of(1, "surfaces"))
        .iter()
        .map(|request| surface(request))
        .collect();
    let own = TOOLS.iter().chain(TEMPLATES).chain(&["completion/complete", "prompts/get", "resources/list"]);
    assert_eq!(driven, own.copied().collect());
}

pub fn surface(request: &Request) -> &'static str {
    match request {
        Request::Search(_) => "search",
        Request::Fetch(_) => "fetch",
        Request::ListSources(_) => "list_sources",
        Request::ListDocuments(_) => "list_documents",
        Request::VerifyQuote(_) => "verify_quote",
        Request::ReadResource { uri } if uri.starts_with("kb://source/") => "kb://source/{name}",
        Request::ReadResource { uri } if uri.contains("/passage/") => "kb://document/{id}/passage/{n}",
        Request::ReadResource { .. } => "kb://document/{id}",
        Request::ListResources { .. } => "resources/list",
        Request::Complete { .. } => "completion/complete",
        Request::WhichDocument { .. } => "prompts/get",
    }
}

/// A request as it goes over the wire: method and parameters.
pub fn message(request: &Request) -> (&'static str, Value) {
    match request {
        Request::ReadResource { uri } => ("resources/read", json!({ "uri": uri })),
        Request::ListResources { cursor: None } => ("resources/list", json!({})),
        Request::ListResources { cursor } => ("resources/list", json!({ "cursor": cursor })),
        Request::Complete { what, typed } => {
            let (reference, name) = match what {
                Completed::Source => (json!({ "type": "ref/resource", "uri": "kb://source/{name}" }), "name"),
                Completed::Title => (json!({ "type": "ref/prompt", "name": "compare_documents" }), "first"),
                Completed::Id => (json!({ "type": "ref/resource", "uri": "kb://document/{id}" }), "id"),
            };
            ("completion/complete", json!({ "ref": reference, "argument": { "name": name, "value": typed } }))
        }
        Request::WhichDocument { named } => {
            let arguments = json!({ "first": named, "second": named });
            ("prompts/get", json!({ "name": "compare_documents", "arguments": arguments }))
        }
        tool => ("tools/call", json!({ "name": surface(tool), "arguments": arguments(tool) })),
    }
}

/// Answers from a vault of this process, through the product's authenticator.
#[derive(Clone)]
pub struct InProcess {
    pub vault: Arc<Vault>,
    pub config: Arc<Config>,
}

impl Ask for InProcess {
    async fn ask(&self, claim: Claim, question: Question, _: String) -> Result<String, AskError> {
        let caller =
            kenward::identity::authenticate((&self.vault, &Issuers::default()), &self.config, &claim, 0)
                .map_err(|refusal| AskError::Refused(refusal.answer()))?;
        let answer = self.vault.knowledge_base().answer_to(&caller, &question);
        let bytes = answer.map_err(|error: AnswerError| AskError::Refused(error))?.into_bytes();
        Ok(String::from_utf8(bytes).unwrap())
    }

    async fn watch(
        &self,
        claim: Claim,
        watch: Watch,
        seen: Option<Seen>,
        _: String,
    ) -> Result<(Seen, Option<String>), AskError> {
        let caller =
            kenward::identity::authenticate((&self.vault, &Issuers::default()), &self.config, &claim, 0)
                .map_err(|refusal| AskError::Refused(refusal.answer()))?;
        let looked = self.vault.knowledge_base().watch(&caller, &watch, seen.as_ref());
        let (seen, told) = looked.map_err(AskError::Refused)?;
        Ok((seen, told.map(|told| String::from_utf8(told.into_bytes()).unwrap())))
    }

    async fn authenticate(&self, claim: Claim) -> Result<Standing, AskError> {
        Ok(kenward::identity::authenticate((&self.vault, &Issuers::default()), &self.config, &claim, 0)
            .map_or(Standing::Refused, |caller| Standing::Accepted(Accepted::of(&caller))))
    }
}

type Client = RunningService<RoleClient, ClientConfig>;

async fn connect(stage: &mut Stage, handle: &str, lifecycle: ClientLifecycleMode) -> Client {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let claim = stage.claim(handle);
    let answers = InProcess { vault: Arc::clone(stage.vault()), config: stage.config() };
    let server = KenwardServer::new(answers, Claims::Process(claim))
        .with_request_ids(RequestIds::from_fn(|| "r_fixed".to_owned()));
    tokio::spawn(async move {
        let running = rmcp::serve_server(server, ours).await.unwrap();
        running.waiting().await.unwrap();
    });
    ClientConfig::default().serve_with_lifecycle(theirs, lifecycle).await.unwrap()
}

pub fn arguments(request: &Request) -> Map<String, Value> {
    let mut arguments = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            arguments.insert(name.to_owned(), value);
        }
    };
    match request {
        Request::Search(search) => {
            put("query", json!(search.query));
            put("limit", json!(search.limit));
            put("cursor", json!(search.cursor));
            if search.filters != Filters::default() {
                put("filters", json!(search.filters));
            }
            if search.mode != Mode::Hybrid {
                put("mode", json!(search.mode));
            }
            put("not_before", json!(search.not_before));
        }
        Request::Fetch(fetch) => {
            put("id", json!(fetch.id));
            put("offset", json!(fetch.offset));
            put("max_chars", json!(fetch.max_chars));
            put("around", json!(fetch.around));
        }
        Request::ListSources(list) => put("cursor", json!(list.cursor)),
        Request::ListDocuments(list) => {
            put("source", json!(list.source));
            put("path", json!(list.path));
            put("modified_after", json!(list.modified_after));
            put("limit", json!(list.limit));
            put("cursor", json!(list.cursor));
        }
        Request::VerifyQuote(verify) => {
            put("id", json!(verify.id));
            put("quote", json!(verify.quote));
        }
        Request::ReadResource { .. }
        | Request::ListResources { .. }
        | Request::Complete { .. }
        | Request::WhichDocument { .. } => {}
    }
    arguments
}

/// The whole result as it goes over the wire, or the protocol's error.
async fn told(client: &Client, request: &Request) -> String {
    let (method, params) = message(request);
    // Every message is of the protocol, so it reads as one.
    let typed =
        |params: Value| serde_json::from_value(json!({ "method": method, "params": params })).unwrap();
    let request: ClientRequest = typed(params);
    match client.send_request(request).await {
        Ok(result) => serde_json::to_string(&result).unwrap(),
        Err(error) => format!("error {error:?}"),
    }
}

async fn lists(client: &Client) -> String {
    let tools = serde_json::to_string(&client.list_tools(None).await.unwrap()).unwrap();
    let resources = serde_json::to_string(&client.list_resources(None).await.unwrap()).unwrap();
    let templates = serde_json::to_string(&client.list_resource_templates(None).await.unwrap()).unwrap();
    let server = serde_json::to_string(&*client.peer_info().unwrap()).unwrap();
    let prompts = serde_json::to_string(&client.list_prompts(None).await.unwrap()).unwrap();
    let unknown = client.call_tool(CallToolRequestParams::new("grep")).await;
    format!("{tools}{resources}{templates}{prompts}{server}{unknown:?}")
}

#[tokio::test]
#[expect(clippy::await_holding_lock, reason = "one test on one thread: it keeps the switches off to its end")]
async fn hidden_documents_change_no_byte_over_the_protocol() {
    let _quiet = no_faults();
    let logs = crate::logs::capture();
    let (mut compared, mut bytes) = (0u64, 0u64);
    for seed in 500..500 + WORLDS {
        let world = World::make(seed);
        let handle = world.first_state.callers()[0].clone();
        let visible = world.first_state.visible(&handle, world.first_asked);
        let mut a = Stage::everything(&world);
        let mut b = Stage::only(&world, &handle, &visible);
        let lifecycle = || {
            if seed % 2 == 0 {
                ClientLifecycleMode::Initialize
            } else {
                ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
            }
        };
        let client_a = connect(&mut a, &handle, lifecycle()).await;
        let client_b = connect(&mut b, &handle, lifecycle()).await;
        a.entropy.reset(seed);
        let lists_a = lists(&client_a).await;
        b.entropy.reset(seed);
        let lists_b = lists(&client_b).await;
        assert_eq!(difference(&lists_a, &lists_b), None, "world {seed}");
        let mut dice = Dice::of(seed, "protocol");
        let all = requests(&world, &world.first_state, &visible, &mut dice);
        for (at, request) in (0u64..).zip(&all) {
            let draw = Dice::of(seed ^ (at << 20), "protocol").next();
            a.entropy.reset(draw);
            let from_a = told(&client_a, request).await;
            b.entropy.reset(draw);
            let from_b = told(&client_b, request).await;
            if let Some(difference) = difference(&from_a, &from_b) {
                panic!("world {seed}, {handle}, {request:?}\n{difference}");
            }
            compared += 1;
            bytes += from_a.len() as u64;
        }
        client_a.cancel().await.unwrap();
        client_b.cancel().await.unwrap();
    }
    println!(
        "{WORLDS} worlds over the protocol, {compared} requests, {bytes} bytes compared, {} logged",
        logs.bytes()
    );
    assert!(bytes > 100_000);
    logs.assert_silent();
}
