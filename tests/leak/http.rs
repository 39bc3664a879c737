//! The same comparison over HTTP, byte by byte as it comes over the wire: the product's own listener and layers on
//! loopback, alone or for two tenants, a client that knows nothing but sockets, both versions of the protocol, and what
//! subscriptions tell. The other tenant holds something else beside each of both worlds, its people ask meanwhile, and
//! whatever is brought from one to the other must be a stranger's.

use crate::ask::{Request, at, cursor, difference, requests};
use crate::at_once::strangers_come_and_go;
use crate::broken::no_faults;
use crate::dice::Dice;
use crate::house::House;
use crate::message::message;
use crate::stage::{OTHER, Stage};
use crate::transport::{Tally, play_each, seeds};
use crate::watched::{Watched, asker};
use crate::wire::{NEWER, OLDER, Place, Stream, Wire};
use crate::world::{State, World};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What is asked besides questions: everything that a client lists, how it begins, and mistakes.
const LISTS: [(&str, &str); 11] = [
    ("tools/list", "{}"),
    ("resources/list", "{}"),
    ("resources/templates/list", "{}"),
    ("prompts/list", "{}"),
    (
        "prompts/get",
        r#"{"name":"answer_with_citations","arguments":{"question":"tide ledger","source":"handbook"}}"#,
    ),
    (
        "initialize",
        r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"wire","version":"0"}}"#,
    ),
    ("server/discover", "{}"),
    ("ping", "{}"),
    ("tools/call", r#"{"name":"grep","arguments":{}}"#),
    ("resources/subscribe", r#"{"uri":"kb://source/handbook"}"#),
    ("resources/unsubscribe", r#"{"uri":"kb://source/handbook"}"#),
];
/// Questions of one world, and of those at its second state: picked at random, other ones in each world.
const QUESTIONS: usize = 80;
const LATER: usize = 20;
/// Lists of which the next page is asked for.
const PAGES: usize = 4;
/// Worlds of the other tenant: never wide, and nobody else's.
const OTHERS: u64 = 1 << 30;

/// Nobody's token.
fn strange() -> String {
    format!("kwt_{}", "a".repeat(52))
}

/// One request: method and parameters.
type Message = (&'static str, Value);

/// Both worlds and the connections to them.
struct Pair<'w> {
    world: &'w World,
    handle: String,
    a: House,
    b: House,
    to_a: Wire,
    to_b: Wire,
    /// Requests so far.
    number: u64,
    tally: &'w mut Tally,
}

/// Somebody of the other tenant.
struct Neighbor {
    handle: String,
    token: String,
    wire: Wire,
    /// Documents that they can see, and a cursor of theirs.
    ids: Vec<String>,
    cursor: Option<String>,
    traffic: Vec<Message>,
    /// As many subscriptions as they may have.
    hears: Stream,
}

/// Plays the world of a seed. Stops at its first difference.
pub async fn compare(seed: u64, tally: &mut Tally) -> Result<(), String> {
    let world = World::make(seed);
    let (handle, stays) = asker(&world, &mut Dice::of(seed, "who asks over HTTP"));
    let visible = world.first_state.visible(&handle, world.first_asked);
    let (mut a, mut b) = (Stage::everything(&world), Stage::only(&world, &handle, &visible));
    let mine = (a.token(&handle), b.token(&handle));
    // One in four listens alone.
    let hosted = seed % 4 != 3;
    let theirs = World::make((OTHERS + seed) * 100);
    let (beside_a, beside_b) = if hosted { beside(&theirs, seed, &handle) } else { (None, None) };
    tally.hosted += u64::from(hosted);
    let (a, b) = (House::open(a, beside_a).await, House::open(b, beside_b).await);
    let (to_a, to_b) = (Wire::to(&a.at), Wire::to(&b.at));
    let mut pair = Pair { world: &world, handle, a, b, to_a, to_b, number: 0, tally };

    let mut neighbor = pair.neighbor(&theirs).await;
    let all = questions(&world, &world.first_state, &visible, QUESTIONS, "first");
    pair.ask_all(&all, (&mine.0, &mine.1), neighbor.as_mut()).await?;
    if let Some(neighbor) = &mut neighbor {
        pair.use_up(neighbor).await?;
        pair.crossings(neighbor, (&mine.0, &mine.1)).await?;
    }
    if !stays {
        return Ok(());
    }
    pair.listen(&theirs, neighbor.as_mut(), mine).await
}

/// The other tenant beside A, with a whole world, and beside B: with another one, or with nothing.
fn beside(theirs: &World, seed: u64, handle: &str) -> (Option<Stage>, Option<Stage>) {
    let beside_a = Stage::everything_of(theirs, OTHER);
    let beside_b = if seed % 8 < 2 {
        let another = World::make((2 * OTHERS + seed) * 100);
        Stage::everything_of(&another, OTHER)
    } else {
        Stage::bare(theirs, OTHER, handle)
    };
    (Some(beside_a), Some(beside_b))
}

/// Lists and questions, in an order of their own.
fn questions(
    world: &World,
    state: &State,
    visible: &BTreeSet<crate::world::Place>,
    count: usize,
    act: &str,
) -> Vec<(Message, Option<Request>)> {
    let mut dice = Dice::of(world.seed, &format!("{act} over HTTP"));
    let mut all = requests(world, state, visible, &mut dice);
    dice.shuffle(&mut all);
    all.truncate(count);
    let lists = LISTS.iter().map(|(method, params)| ((*method, serde_json::from_str(params).unwrap()), None));
    lists.chain(all.into_iter().map(|request| (message(&request), Some(request)))).collect()
}

impl Pair<'_> {
    /// Asks both; the answers must be the same bytes. Gives them.
    async fn ask(
        &mut self,
        version: &str,
        (token_a, token_b): (&str, &str),
        (method, params): &Message,
    ) -> Result<(String, String), String> {
        self.ask_each(version, (token_a, token_b), (method, params, params)).await
    }

    async fn ask_each(
        &mut self,
        version: &str,
        (token_a, token_b): (&str, &str),
        (method, of_a, of_b): (&str, &Value, &Value),
    ) -> Result<(String, String), String> {
        self.number += 1;
        let draw = Dice::of(self.world.seed ^ (self.number << 32), "http").next();
        self.a.asked.entropy.reset(draw);
        let from_a = self.to_a.ask(version, token_a, method, of_a).await;
        self.b.asked.entropy.reset(draw);
        let from_b = self.to_b.ask(version, token_b, method, of_b).await;
        self.tally.requests += 1;
        self.tally.bytes += from_a.len() as u64;
        let answered = from_a.starts_with("HTTP/1.1 200") && from_a.contains("\"result\"");
        self.tally.answered += u64::from(answered);
        // The two listeners differ in their port, which no answer says.
        match difference(&from_a, &from_b) {
            Some(difference) => Err(format!("{}, {version} {method} {of_a}\n{difference}", self.handle)),
            None => Ok((from_a, from_b)),
        }
    }

    /// Asks all of it, in both versions, now and then as a stranger; and, while A is asked, as somebody of the other
    /// tenant.
    async fn ask_all(
        &mut self,
        all: &[(Message, Option<Request>)],
        mine: (&str, &str),
        mut neighbor: Option<&mut Neighbor>,
    ) -> Result<(), String> {
        let strange = strange();
        let mut further = 0;
        for (at_request, (asked, request)) in (self.world.seed..).zip(all) {
            let version = if at_request.is_multiple_of(2) { OLDER } else { NEWER };
            let meanwhile = neighbor.as_mut().and_then(|neighbor| Some((neighbor.traffic.pop()?, neighbor)));
            let going = meanwhile.map(|((method, params), neighbor)| {
                let mut wire = Wire::to(&self.a.beside.as_ref().unwrap().at);
                let token = neighbor.token.clone();
                tokio::spawn(async move { wire.ask(version, &token, method, &params).await })
            });
            let own = if at_request % 40 == 7 { (strange.as_str(), strange.as_str()) } else { mine };
            let answers = self.ask(version, own, asked).await?;
            if let Some(going) = going {
                self.tally.meanwhile += 1;
                self.tally.too_many += u64::from(going.await.unwrap().starts_with("HTTP/1.1 429"));
            }
            let Some(request) = request.as_ref().filter(|_| further < PAGES) else { continue };
            let (Some(cursor_a), Some(cursor_b)) = (cursor(&answers.0), cursor(&answers.1)) else { continue };
            let (Some(next_a), Some(next_b)) = (at(request, &cursor_a), at(request, &cursor_b)) else {
                continue;
            };
            let ((method, of_a), (_, of_b)) = (message(&next_a), message(&next_b));
            self.ask_each(version, mine, (method, &of_a, &of_b)).await?;
            further += 1;
            self.tally.pages += 1;
        }
        Ok(())
    }

    /// Somebody of the tenant beside A, and what they have that might be brought over.
    async fn neighbor(&mut self, theirs: &World) -> Option<Neighbor> {
        let beside = self.a.beside.as_mut()?;
        let callers = theirs.first_state.callers();
        // Who sees most: there must be something to bring over.
        let seen = |handle: &&String| theirs.first_state.visible(handle, theirs.first_asked).len();
        let handle = callers.iter().max_by_key(seen)?;
        let token = beside.stage.token(handle);
        let mut wire = Wire::to(&beside.at);
        let listed = json!({ "name": "list_documents", "arguments": { "limit": 1 } });
        let listed = wire.ask(OLDER, &token, "tools/call", &listed).await;
        let more = json!({ "name": "list_documents", "arguments": {} });
        let more = wire.ask(OLDER, &token, "tools/call", &more).await;
        let visible = theirs.first_state.visible(handle, theirs.first_asked);
        let mut dice = Dice::of(theirs.seed, "traffic");
        let mut traffic = requests(theirs, &theirs.first_state, &visible, &mut dice);
        dice.shuffle(&mut traffic);
        let traffic = traffic.iter().take(24).map(message).collect();
        let hears = Stream::listen(&beside.at, &token, &json!({ "resourcesListChanged": true })).await;
        Some(Neighbor {
            handle: handle.clone(),
            token,
            wire,
            ids: ids(&more),
            cursor: cursor(&listed),
            traffic,
            hears,
        })
    }

    /// The neighbor asks until it is too much, and holds as many subscriptions as they may.
    async fn use_up(&mut self, neighbor: &mut Neighbor) -> Result<(), String> {
        let heard = neighbor.hears.heard().await;
        if !heard.starts_with("HTTP/1.1 200") {
            return Err(format!("the other tenant's person may not listen: {heard}"));
        }
        for _ in 0..1_000 {
            self.tally.meanwhile += 1;
            let answer = neighbor.wire.ask(NEWER, &neighbor.token, "ping", &json!({})).await;
            if answer.starts_with("HTTP/1.1 429") {
                self.tally.too_many += 1;
                return Ok(());
            }
        }
        Err("the other tenant's person was never told that it is too much".to_owned())
    }

    /// What is of one tenant is, at the other's, what never was.
    async fn crossings(&mut self, neighbor: &Neighbor, mine: (&str, &str)) -> Result<(), String> {
        let (strange, forged) = (strange(), "A".repeat(neighbor.cursor.as_ref().map_or(0, String::len)));
        let call =
            |name: &str, arguments: Value| ("tools/call", json!({ "name": name, "arguments": arguments }));
        let search: Message = call("search", json!({ "query": "tide ledger" }));
        let list: Message = ("resources/list", json!({}));
        for (version, asked) in [(OLDER, &search), (NEWER, &search), (NEWER, &list), (OLDER, &list)] {
            // Their token here.
            let theirs = self.ask(version, (&neighbor.token, &strange), asked).await;
            let (theirs, nobodys) = theirs.map_err(|leak| format!("a token of the other tenant: {leak}"))?;
            assert_eq!(theirs, nobodys);
            // Mine there.
            let (at_a, at_b) = (self.beside_at(true), self.beside_at(false));
            let (mut there_a, mut there_b) = (Wire::to(&at_a), Wire::to(&at_b));
            let (method, params) = asked;
            let told = [
                there_a.ask(version, mine.0, method, params).await,
                there_a.ask(version, &strange, method, params).await,
                there_b.ask(version, mine.1, method, params).await,
                there_b.ask(version, &strange, method, params).await,
            ];
            if told.iter().any(|answer| *answer != told[0]) {
                return Err(format!("a token at the other tenant: {told:#?}"));
            }
            self.tally.crossings += 2;
        }
        let unknown = "kd_".to_owned() + &"a".repeat(neighbor.ids.first().map_or(0, |id| id.len() - 3));
        for id in neighbor.ids.iter().take(2) {
            for version in [OLDER, NEWER] {
                let asked = |id: &str| {
                    [
                        call("fetch", json!({ "id": id })),
                        call("verify_quote", json!({ "id": id, "quote": "tide" })),
                        ("resources/read", json!({ "uri": format!("kb://document/{id}") })),
                        ("resources/read", json!({ "uri": format!("kb://document/{id}/passage/0") })),
                        (
                            "prompts/get",
                            json!({ "name": "compare_documents", "arguments": { "first": id, "second": id } }),
                        ),
                    ]
                };
                for (theirs, nobodys) in asked(id).iter().zip(&asked(&unknown)) {
                    let (theirs, _) = self.ask(version, mine, theirs).await?;
                    let (nobodys, _) = self.ask(version, mine, nobodys).await?;
                    if let Some(difference) = difference(&theirs.replace(id, &unknown), &nobodys) {
                        return Err(format!("an id of the other tenant: {difference}"));
                    }
                    self.tally.crossings += 1;
                }
            }
        }
        if let Some(cursor) = &neighbor.cursor {
            for version in [OLDER, NEWER] {
                let asked = |cursor: &str| call("list_documents", json!({ "limit": 1, "cursor": cursor }));
                let (theirs, _) = self.ask(version, mine, &asked(cursor)).await?;
                let (nobodys, _) = self.ask(version, mine, &asked(&forged)).await?;
                if let Some(difference) = difference(&theirs, &nobodys) {
                    return Err(format!("a cursor of the other tenant: {difference}"));
                }
                self.tally.crossings += 1;
            }
        }
        Ok(())
    }

    fn beside_at(&self, of_a: bool) -> Place {
        let house = if of_a { &self.a } else { &self.b };
        house.beside.as_ref().unwrap().at.clone()
    }

    /// Subscriptions in both worlds: first while what changes is hidden or somebody else's, then while both go on to the
    /// second state, and until the person's token is revoked.
    async fn listen(
        &mut self,
        theirs: &World,
        mut neighbor: Option<&mut Neighbor>,
        mine: (String, String),
    ) -> Result<(), String> {
        let ids = neighbor.as_ref().map(|neighbor| neighbor.ids.as_slice()).unwrap_or_default();
        let watched = Watched::of(self.world, ids);
        let notifications = watched.notifications();
        let mut hears_a = Stream::listen(&self.a.at, &mine.0, &notifications).await;
        let mut hears_b = Stream::listen(&self.b.at, &mine.1, &notifications).await;
        let acknowledged = self.hear(&mut hears_a, &mut hears_b, "acknowledged").await?;
        self.looked().await?;

        // Nothing that they see changes.
        self.a.asked.hidden_run();
        strangers_come_and_go(&self.a.asked);
        if let Some(beside) = &mut self.a.beside {
            beside.stage.hidden_run();
            beside.stage.second_act(theirs, None);
        }
        self.looked().await?;
        let silent = self.hear(&mut hears_a, &mut hears_b, "nothing changed").await?;
        if silent != acknowledged {
            return Err(format!("nothing changed for {}, who heard {silent}", self.handle));
        }
        self.tally.silent += 1;
        if let (Some(neighbor), Some(beside)) = (&mut neighbor, &self.a.beside)
            // Whoever was disabled meanwhile hears nothing any more.
            && theirs.second_state.callers().contains(&neighbor.handle)
        {
            beside.answers.looked().await?;
            self.tally.beside_heard += u64::from(Stream::events(&neighbor.hears.heard().await) > 1);
        }

        let visible = self.world.second_state.visible(&self.handle, self.world.second_asked);
        self.a.asked.second_act(self.world, None);
        self.b.asked.second_act(self.world, Some(&visible));
        self.looked().await?;
        let told = self.hear(&mut hears_a, &mut hears_b, "the second state").await?;
        if let Some(wrong) = watched.wrong(self.world, &self.handle, &told) {
            return Err(wrong);
        }
        self.tally.events += Stream::events(&told);
        let all = questions(self.world, &self.world.second_state, &visible, LATER, "second");
        self.ask_all(&all, (&mine.0, &mine.1), None).await?;

        // The end of their access is the end of what they hear.
        let handle = self.handle.clone();
        self.a.asked.revoke(&handle);
        self.b.asked.revoke(&handle);
        let (ended_a, ended_b) = (hears_a.until_it_ends().await, hears_b.until_it_ends().await);
        if let Some(difference) = difference(&ended_a, &ended_b) {
            return Err(format!("{handle} heard at the end\n{difference}"));
        }
        let strange = strange();
        let (revoked, _) = self.ask(NEWER, (&mine.0, &mine.1), &("ping", json!({}))).await?;
        let (unknown, _) = self.ask(NEWER, (&strange, &strange), &("ping", json!({}))).await?;
        if revoked != unknown {
            return Err(format!("a token that was revoked: {revoked}\none that never was: {unknown}"));
        }
        self.tally.streams += 1;
        Ok(())
    }

    async fn looked(&self) -> Result<(), String> {
        self.a.answers.looked().await?;
        self.b.answers.looked().await
    }

    async fn hear(&mut self, a: &mut Stream, b: &mut Stream, when: &str) -> Result<String, String> {
        let (from_a, from_b) = (a.heard().await, b.heard().await);
        self.tally.bytes += from_a.len() as u64;
        match difference(&from_a, &from_b) {
            Some(difference) => Err(format!("{}, {when}: heard\n{difference}", self.handle)),
            None if !from_a.starts_with("HTTP/1.1 200") => Err(format!("not heard: {from_a}")),
            None => Ok(from_a),
        }
    }
}

/// The ids of documents in an answer.
fn ids(answer: &str) -> Vec<String> {
    let rest = answer.split("\"id\":\"kd_").skip(1);
    let found: BTreeSet<String> =
        rest.filter_map(|rest| Some(format!("kd_{}", rest.split_once('"')?.0))).collect();
    found.into_iter().collect()
}

#[test]
fn hidden_documents_change_no_byte_over_http() {
    let _quiet = no_faults();
    let logs = crate::logs::capture();
    let begun = std::time::Instant::now();
    let tally = play_each(seeds(10_000).into_iter(), compare);
    tally.report("HTTP", begun);
    if tally.worlds >= 10 {
        assert!(tally.crossings > tally.worlds && tally.too_many >= tally.hosted, "{tally:?}");
        assert!(tally.beside_heard > 0, "{tally:?}");
    }
    logs.assert_silent();
}
