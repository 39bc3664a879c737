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
use kenward::owner::ops::{Claim, Question, Standing};
use kenward_vault::knowledge_base::{Filters, Mode};
use kenward_vault::{AnswerError, Vault};
use rmcp::model::{CallToolRequestParams, ClientConfig, ProtocolVersion, ReadResourceRequestParams};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _, RoleClient, RunningService};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Worlds that are asked through the protocol: few, because the vault below it is asked by all.
const WORLDS: u64 = 8;

/// What the harness drives. A surface that is not here is not tried: the server's list must be this.
const TOOLS: &[&str] = &["search", "fetch", "list_sources", "list_documents"];
const TEMPLATES: &[&str] = &["kb://document/{id}"];
const METHODS: &[&str] = &[
    "initialize",
    "ping",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "server/discover",
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

    // And each of them is among the requests of a world.
    let world = World::make(1);
    let visible = world.first_state.visible(&world.first_state.callers()[0], world.first_asked);
    let driven: BTreeSet<&str> = requests(&world, &world.first_state, &visible, &mut Dice::of(1, "surfaces"))
        .iter()
        .map(|request| surface(request))
        .collect();
    assert_eq!(driven, TOOLS.iter().chain(TEMPLATES).copied().collect());
}

pub fn surface(request: &Request) -> &'static str {
    match request {
        Request::Search(_) => "search",
        Request::Fetch(_) => "fetch",
        Request::ListSources(_) => "list_sources",
        Request::ListDocuments(_) => "list_documents",
        Request::Resource(_) => "kb://document/{id}",
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
        let knowledge = self.vault.knowledge_base();
        let answer = match &question {
            Question::Search(request) => knowledge.search(&caller, request),
            Question::Fetch(request) => knowledge.fetch(&caller, request),
            Question::ListSources(request) => knowledge.list_sources(&caller, request),
            Question::ListDocuments(request) => knowledge.list_documents(&caller, request),
            Question::ReadResource { uri } => knowledge.read_resource(&caller, uri),
        };
        let bytes = answer.map_err(|error: AnswerError| AskError::Refused(error))?.into_bytes();
        Ok(String::from_utf8(bytes).unwrap())
    }

    async fn authenticate(&self, claim: Claim) -> Result<Standing, AskError> {
        Ok(kenward::identity::authenticate((&self.vault, &Issuers::default()), &self.config, &claim, 0)
            .map_or(Standing::Refused, |_| Standing::Accepted))
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
            put("cursor", json!(list.cursor));
        }
        Request::Resource(_) => {}
    }
    arguments
}

/// The whole result as it goes over the wire, or the protocol's error.
async fn told(client: &Client, request: &Request) -> String {
    let told = match request {
        Request::Resource(uri) => client
            .read_resource(ReadResourceRequestParams::new(uri.clone()))
            .await
            .map(|result| serde_json::to_string(&result).unwrap()),
        tool => client
            .call_tool(CallToolRequestParams::new(surface(tool)).with_arguments(arguments(tool)))
            .await
            .map(|result| serde_json::to_string(&result).unwrap()),
    };
    told.unwrap_or_else(|error| format!("error {error:?}"))
}

async fn lists(client: &Client) -> String {
    let tools = serde_json::to_string(&client.list_tools(None).await.unwrap()).unwrap();
    let resources = serde_json::to_string(&client.list_resources(None).await.unwrap()).unwrap();
    let templates = serde_json::to_string(&client.list_resource_templates(None).await.unwrap()).unwrap();
    let server = serde_json::to_string(&*client.peer_info().unwrap()).unwrap();
    let unknown = client.call_tool(CallToolRequestParams::new("grep")).await;
    format!("{tools}{resources}{templates}{server}{unknown:?}")
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
        assert_eq!(lists(&client_a).await, lists(&client_b).await, "world {seed}");
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
