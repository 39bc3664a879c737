//! The same comparison through the protocol: a real client over an in-memory pipe, as over stdio, in both versions. Every
//! byte that the server writes is compared, notices of what somebody watches included. And the server's own list of
//! surfaces beside what the harness drives.

use crate::ask::{Request, at, cursor, difference, requests};
use crate::at_once::strangers_come_and_go;
use crate::broken::no_faults;
use crate::dice::Dice;
use crate::message::{message, surface};
use crate::served::{Answers, PACE};
use crate::stage::Stage;
use crate::transport::{Tally, play_each, seeds};
use crate::watched::{Watched, asker};
use crate::wire::{NEWER, OLDER};
use crate::world::World;
use kenward::mcp::request_id::RequestIds;
use kenward::mcp::surfaces::surfaces;
use kenward::mcp::{Claims, KenwardServer};
use kenward_vault::knowledge_base::ListSourcesRequest;
use rmcp::model::{CallToolRequestParams, ClientConfig, ClientRequest, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _, Peer, RoleClient, RunningService};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// Questions of one world: picked at random, other ones in each world.
const QUESTIONS: usize = 80;
const LATER: usize = 20;
/// Lists of which the next page is asked for.
const PAGES: usize = 4;
/// What is subscribed to one by one, in the older version.
const ONE_BY_ONE: usize = 40;

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
        .map(surface)
        .collect();
    let own = TOOLS.iter().chain(TEMPLATES).chain(&["completion/complete", "prompts/get", "resources/list"]);
    assert_eq!(driven, own.copied().collect());
}

/// The client's end of the pipe, which keeps all that comes out of the server.
struct Tap {
    pipe: DuplexStream,
    came: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Tap {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let own = self.get_mut();
        let before = to.filled().len();
        let polled = Pin::new(&mut own.pipe).poll_read(cx, to);
        own.came.lock().unwrap().extend_from_slice(&to.filled()[before..]);
        polled
    }
}

impl AsyncWrite for Tap {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().pipe).poll_write(cx, from)
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().pipe).poll_flush(cx)
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().pipe).poll_shutdown(cx)
    }
}

/// A world that is asked over a pipe.
struct Piped {
    stage: Stage,
    answers: Answers,
    client: RunningService<RoleClient, ClientConfig>,
    came: Arc<Mutex<Vec<u8>>>,
}

impl Piped {
    async fn connect(mut stage: Stage, handle: &str, version: &str) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (claim, answers) = (stage.claim(handle), Answers::of(&stage));
        let server = KenwardServer::new(answers.clone(), Claims::Process(claim))
            .with_request_ids(RequestIds::from_fn(|| "r_fixed".to_owned()))
            .with_pace(PACE);
        tokio::spawn(async move {
            let running = rmcp::serve_server(server, ours).await.unwrap();
            running.waiting().await.unwrap();
        });
        let lifecycle = if version == OLDER {
            ClientLifecycleMode::Initialize
        } else {
            ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
        };
        let came = Arc::default();
        let tap = Tap { pipe: theirs, came: Arc::clone(&came) };
        let client = ClientConfig::default().serve_with_lifecycle(tap, lifecycle).await.unwrap();
        Self { stage, answers, client, came }
    }

    /// All that came out of the server since the last time; an answer that the client has is among it.
    fn came(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.came.lock().unwrap())).unwrap()
    }

    /// Begins to watch: all at once, or one by one and the list with it.
    async fn watch(&self, watched: &Watched, version: &str) {
        if version == NEWER {
            let params = json!({ "notifications": watched.notifications() });
            let peer = self.client.peer().clone();
            // It is answered when it ends.
            tokio::spawn(async move { sent(&peer, "subscriptions/listen", params).await });
            return;
        }
        for uri in watched.uris.iter().take(ONE_BY_ONE) {
            sent(self.client.peer(), "resources/subscribe", json!({ "uri": uri })).await;
        }
        sent(self.client.peer(), "resources/unsubscribe", json!({ "uri": watched.uris[0] })).await;
        sent(self.client.peer(), "resources/subscribe", json!({ "uri": watched.uris[0] })).await;
    }

    async fn lists(&self) {
        let client = &self.client;
        let _ = client.list_tools(None).await.unwrap();
        let _ = client.list_resources(None).await.unwrap();
        let _ = client.list_resource_templates(None).await.unwrap();
        let _ = client.list_prompts(None).await.unwrap();
        let _ = client.call_tool(CallToolRequestParams::new("grep")).await.unwrap_err();
    }
}

/// One request; the tap has its answer.
async fn sent(peer: &Peer<RoleClient>, method: &str, params: Value) -> bool {
    // Every message is of the protocol, so it reads as one.
    let request: ClientRequest =
        serde_json::from_value(json!({ "method": method, "params": params })).unwrap();
    peer.send_request(request).await.is_ok()
}

struct Pair<'w> {
    world: &'w World,
    handle: String,
    a: Piped,
    b: Piped,
    number: u64,
    tally: &'w mut Tally,
}

/// Plays the world of a seed. Stops at its first difference.
pub async fn compare(seed: u64, tally: &mut Tally) -> Result<(), String> {
    let world = World::make(seed);
    let (handle, stays) = asker(&world, &mut Dice::of(seed, "who asks over the pipe"));
    let visible = world.first_state.visible(&handle, world.first_asked);
    let (a, b) = (Stage::everything(&world), Stage::only(&world, &handle, &visible));
    let version = if seed.is_multiple_of(2) { OLDER } else { NEWER };
    let (a, b) = (Piped::connect(a, &handle, version).await, Piped::connect(b, &handle, version).await);
    let mut pair = Pair { world: &world, handle, a, b, number: 0, tally };
    pair.draw();
    pair.a.lists().await;
    pair.b.lists().await;
    pair.same("what it lists")?;
    pair.ask_some(&visible, false).await?;
    if stays {
        pair.listen(version).await?;
    }
    pair.a.client.cancel().await.unwrap();
    pair.b.client.cancel().await.unwrap();
    Ok(())
}

impl Pair<'_> {
    fn draw(&mut self) {
        self.number += 1;
        let draw = Dice::of(self.world.seed ^ (self.number << 32), "protocol").next();
        self.a.stage.entropy.reset(draw);
        self.b.stage.entropy.reset(draw);
    }

    /// What came out of both, though nobody asked.
    async fn heard(&mut self, what: &str) -> Result<(String, String), String> {
        // It is on its way to the client's own task, which is never slower than the clock.
        tokio::time::sleep(PACE.tick).await;
        self.same(what)
    }

    /// What came out of both must be the same bytes. Gives them, as each world sealed them.
    fn same(&mut self, what: &str) -> Result<(String, String), String> {
        let (from_a, from_b) = (self.a.came(), self.b.came());
        self.tally.bytes += from_a.len() as u64;
        match difference(&from_a, &from_b) {
            Some(difference) => Err(format!("{}, {what}: heard\n{difference}", self.handle)),
            None => Ok((from_a, from_b)),
        }
    }

    async fn ask_some(&mut self, visible: &BTreeSet<crate::world::Place>, later: bool) -> Result<(), String> {
        let (state, act) = match later {
            false => (&self.world.first_state, "first over the pipe"),
            true => (&self.world.second_state, "second over the pipe"),
        };
        let mut dice = Dice::of(self.world.seed, act);
        let mut all = requests(self.world, state, visible, &mut dice);
        dice.shuffle(&mut all);
        all.truncate(if later { LATER } else { QUESTIONS });
        let mut further = 0;
        for request in &all {
            let (from_a, from_b) = self.ask(request, request).await?;
            let (Some(a), Some(b)) = (cursor(&from_a), cursor(&from_b)) else { continue };
            if further < PAGES
                && let (Some(a), Some(b)) = (at(request, &a), at(request, &b))
            {
                self.ask(&a, &b).await?;
                further += 1;
                self.tally.pages += 1;
            }
        }
        Ok(())
    }

    async fn ask(&mut self, of_a: &Request, of_b: &Request) -> Result<(String, String), String> {
        self.draw();
        let ((method, to_a), (_, to_b)) = (message(of_a), message(of_b));
        let answered = sent(self.a.client.peer(), method, to_a).await;
        sent(self.b.client.peer(), method, to_b).await;
        self.tally.requests += 1;
        self.tally.answered += u64::from(answered);
        self.same(&format!("{of_a:?}"))
    }

    /// As over HTTP: what is hidden changes, then both go on to the second state, then the token is revoked.
    async fn listen(&mut self, version: &str) -> Result<(), String> {
        let watched = Watched::of(self.world, &[]);
        self.a.watch(&watched, version).await;
        self.b.watch(&watched, version).await;
        self.looked().await?;
        self.heard("subscribed").await?;

        self.a.stage.hidden_run();
        strangers_come_and_go(&self.a.stage);
        self.looked().await?;
        let (silent, _) = self.heard("nothing changed").await?;
        if !silent.is_empty() {
            return Err(format!("nothing changed for {}, who heard {silent}", self.handle));
        }
        self.tally.silent += 1;

        let visible = self.world.second_state.visible(&self.handle, self.world.second_asked);
        self.a.stage.second_act(self.world, None);
        self.b.stage.second_act(self.world, Some(&visible));
        self.looked().await?;
        let (told, _) = self.heard("the second state").await?;
        let watched = if version == NEWER { watched } else { watched.first(ONE_BY_ONE) };
        if let Some(wrong) = watched.wrong(self.world, &self.handle, &told) {
            return Err(wrong);
        }
        self.tally.events += told.lines().count() as u64;
        self.ask_some(&visible, true).await?;

        let handle = self.handle.clone();
        self.a.stage.revoke(&handle);
        self.b.stage.revoke(&handle);
        // The last look is the one that is refused.
        self.a.answers.ended().await?;
        self.b.answers.ended().await?;
        let (ended, _) = self.heard("the end").await?;
        if ended.is_empty() == (version == NEWER) {
            return Err(format!("{handle} has no access any more and heard at the end {ended:?}"));
        }
        sent(self.a.client.peer(), "ping", json!({})).await;
        sent(self.b.client.peer(), "ping", json!({})).await;
        let last = Request::ListSources(ListSourcesRequest::default());
        self.ask(&last, &last).await?;
        self.tally.streams += 1;
        Ok(())
    }

    async fn looked(&self) -> Result<(), String> {
        self.a.answers.looked().await?;
        self.b.answers.looked().await
    }
}

#[test]
fn hidden_documents_change_no_byte_over_the_protocol() {
    let _quiet = no_faults();
    let logs = crate::logs::capture();
    let begun = std::time::Instant::now();
    let tally = play_each(seeds(20_000).into_iter(), compare);
    tally.report("the pipe", begun);
    logs.assert_silent();
}
