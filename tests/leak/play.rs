//! One world: both acts, every person, every request, A beside B.

use crate::ask::{Request, ask, at, difference, next_cursor, requests};
use crate::cut;
use crate::dice::Dice;
use crate::stage::{Stage, document_id};
use crate::words;
use crate::world::{Place, State, Step, World};
use kenward::owner::ops::Claim;
use kenward_vault::knowledge_base::{ListDocumentsRequest, ListSourcesRequest, Seen, Watch};
use std::collections::BTreeSet;

/// Deepest page that is followed.
const PAGES: usize = 14;
/// Requests in each part of the third act.
const SAMPLE: usize = 40;
/// People who ask in one world; others differ from them in nothing that matters here.
const CALLERS: usize = 2;

/// What one world, or many, came to.
#[derive(Debug, Default)]
pub struct Tally {
    pub worlds: u64,
    pub people: u64,
    pub requests: u64,
    pub bytes: u64,
    pub shown: u64,
    pub withheld: u64,
    pub refused: u64,
    pub pages: u64,
    pub resumed: u64,
    /// Runs that were asked about while they were under way.
    pub within: u64,
    /// Worlds asked about after the rights of a source were read alone in the middle of a run.
    pub synced: u64,
    /// Worlds in which that was stopped in its middle before.
    pub stopped: u64,
    /// Worlds that were embedded anew.
    pub anew: u64,
    /// People who may not ask any more, and were refused like strangers.
    pub strangers: u64,
    /// People who were told that something changed of what they watched.
    pub notices: u64,
    /// Worlds with a difference, and the first difference of each.
    pub leaks: Vec<String>,
}

impl Tally {
    pub fn add(&mut self, other: Self) {
        self.worlds += other.worlds;
        self.people += other.people;
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.shown += other.shown;
        self.withheld += other.withheld;
        self.refused += other.refused;
        self.pages += other.pages;
        self.resumed += other.resumed;
        self.within += other.within;
        self.synced += other.synced;
        self.stopped += other.stopped;
        self.anew += other.anew;
        self.strangers += other.strangers;
        self.notices += other.notices;
        self.leaks.extend(other.leaks);
    }
}

/// A cursor from the first questions, to be taken up again at the second.
struct Kept {
    request: Request,
    a: String,
    b: String,
}

/// What somebody watched at the first questions, and what they saw of it; looked at again at the second.
struct Watched {
    watch: Watch,
    a: Seen,
    b: Seen,
}

struct Pair<'w> {
    world: &'w World,
    handle: String,
    number: u64,
    a: &'w mut Stage,
    b: Stage,
    tally: &'w mut Tally,
    /// Words that must not come out: the canaries of what is hidden.
    forbidden: Vec<String>,
}

/// Plays the world of a seed. Stops at its first difference.
pub fn play(seed: u64) -> Tally {
    let world = World::make(seed);
    let mut tally = Tally { worlds: 1, ..Tally::default() };
    if let Err(leak) = compare(&world, &mut tally) {
        tally.leaks.push(format!("world {seed}: {leak}\n{}", history(&world, &leak)));
    }
    tally
}

/// What happened to the documents that a difference names, step by step.
fn history(world: &World, leak: &str) -> String {
    let mut told = Vec::new();
    let third = [Step::Run(world.third.run.clone()), Step::Run(world.third.again.clone())];
    let synced = world.third.synced.iter().map(|(sync, _)| Step::Sync(sync.clone())).collect::<Vec<_>>();
    let third = third.iter().chain(&synced);
    for step in world.first.iter().chain(&world.second).chain(third) {
        if let Step::Sync(sync) = step {
            for (id, found) in &sync.docs {
                if leak.contains(&document_id(world, &(sync.source, id.clone()))) {
                    told.push(format!("  {id}, rights alone at {}: {found:?}", sync.at));
                }
            }
        }
        let Step::Run(run) = step else { continue };
        for (id, op) in &run.ops {
            if leak.contains(&document_id(world, &(run.source, id.clone()))) {
                let complete = if run.complete { "complete" } else { "cut off" };
                told.push(format!("  {id}, run at {} ({complete}): {op:?}", run.at));
            }
        }
    }
    told.join("\n")
}

fn canaries(states: &[&State], visible: &BTreeSet<Place>, state: &State) -> Vec<String> {
    let mut shown = BTreeSet::new();
    for (source, id) in visible {
        shown.insert(words::canary(state.sources[*source].docs[id].seed));
    }
    let all = states.iter().flat_map(|s| &s.sources).flat_map(|s| s.docs.values());
    all.map(|doc| words::canary(doc.seed)).filter(|canary| !shown.contains(canary)).collect()
}

fn compare(world: &World, tally: &mut Tally) -> Result<(), String> {
    let mut a = Stage::everything(world);
    let mut callers = world.first_state.callers();
    Dice::of(world.seed, "callers").shuffle(&mut callers);
    callers.truncate(CALLERS);
    let mut waiting: Vec<(String, u64, Stage, Vec<Kept>, Watched)> = Vec::new();
    for (number, handle) in (1u64..).zip(&callers) {
        let visible = world.first_state.visible(handle, world.first_asked);
        let b = Stage::only(world, handle, &visible);
        let total: usize = world.first_state.sources.iter().map(|s| s.docs.len()).sum();
        tally.people += 1;
        tally.shown += visible.len() as u64;
        tally.withheld += (total - visible.len()) as u64;
        let forbidden = canaries(&[&world.first_state], &visible, &world.first_state);
        let mut pair = Pair { world, handle: handle.clone(), number, a: &mut a, b, tally, forbidden };
        let kept = pair.ask_all(&world.first_state, &visible, "first")?;
        let watched = pair.watch(&world.first_state)?;
        waiting.push((handle.clone(), number, pair.b, kept, watched));
    }

    a.second_act(world, None);
    for (handle, number, mut b, kept, watched) in waiting {
        if !world.second_state.callers().contains(&handle) {
            // Disabled meanwhile: refused in the words that a token gets which never was.
            let claim = a.claim(&handle);
            let refused = |claim| {
                kenward::identity::authenticate(
                    (a.vault(), &kenward::identity::issued::Issuers::default()),
                    &a.config(),
                    claim,
                    0,
                )
                .map(drop)
                .map_err(|refusal| serde_json::to_string(&refusal.answer()).unwrap())
            };
            let theirs = refused(&claim);
            if theirs.is_ok() || theirs != refused(&Claim::Bearer(format!("kwt_{}", "a".repeat(52)))) {
                return Err(format!("{handle} is disabled and is answered {theirs:?}"));
            }
            tally.strangers += 1;
            continue;
        }
        let visible = world.second_state.visible(&handle, world.second_asked);
        b.second_act(world, Some(&visible));
        let forbidden = canaries(&[&world.first_state, &world.second_state], &visible, &world.second_state);
        let mut pair = Pair { world, handle, number, a: &mut a, b, tally, forbidden };
        pair.look_again(watched)?;
        for (at, kept) in kept.into_iter().enumerate() {
            pair.tally.resumed += 1;
            pair.follow(&kept.request, Some((kept.a, kept.b)), 9_000 + at as u64, "resumed")?;
        }
        pair.ask_all(&world.second_state, &visible, "second")?;
    }
    in_the_middle(world, &mut a, tally)
}

/// The third act: asked while a run is under way, after it was cut off, and when the next one has
/// gone on to its end. Both worlds publish at the same moment: that moment is declassified, for it
/// is time; what is published then is not.
fn in_the_middle(world: &World, a: &mut Stage, tally: &mut Tally) -> Result<(), String> {
    let Some(handle) = cut::asker(world) else { return Ok(()) };
    let seen = cut::visible_within(world, &handle);
    let visible: BTreeSet<Place> = seen.iter().map(|(place, _)| place.clone()).collect();
    let state = cut::state_within(world, &seen);
    let shown: BTreeSet<u64> = seen.iter().map(|(_, seed)| *seed).collect();
    let hidden = cut::versions(world).into_iter().filter(|seed| !shown.contains(seed));
    let forbidden: Vec<String> = hidden.map(words::canary).collect();

    a.middle(world, None);
    let mut b = Stage::second(world, &handle, &visible);
    b.middle(world, Some(&visible));
    let mut pair = Pair { world, handle: handle.clone(), number: 77, a, b, tally, forbidden };
    pair.ask_some(&state, &visible, "within a run")?;
    pair.tally.within += 1;
    pair.a.cut(world);
    pair.b.cut(world);
    pair.ask_some(&state, &visible, "after it was cut off")?;

    if let Some(seen) = cut::visible_synced(world, &handle) {
        let visible: BTreeSet<Place> = seen.iter().map(|(place, _)| place.clone()).collect();
        let shown: BTreeSet<u64> = seen.iter().map(|(_, seed)| *seed).collect();
        let hidden = cut::versions(world).into_iter().filter(|seed| !shown.contains(seed));
        pair.forbidden = hidden.map(words::canary).collect();
        pair.a.sync_after_the_cut(world, None);
        pair.b = Stage::second(world, &handle, &visible);
        pair.b.middle(world, Some(&visible));
        pair.b.cut(world);
        pair.b.sync_after_the_cut(world, Some(&visible));
        pair.ask_some(&cut::state_within(world, &seen), &visible, "after its rights were read alone")?;
        pair.tally.synced += 1;
    }

    let end = &world.third.again_state;
    let visible = end.visible(&handle, world.third.again_asked);
    let shown: BTreeSet<u64> = visible.iter().map(|(s, id)| end.sources[*s].docs[id].seed).collect();
    let hidden = cut::versions(world).into_iter().filter(|seed| !shown.contains(seed));
    pair.forbidden = hidden.map(words::canary).collect();
    pair.a.again(world, None);
    pair.b = Stage::second(world, &handle, &visible);
    pair.b.middle(world, Some(&visible));
    pair.b.cut(world);
    pair.b.sync_after_the_cut(world, Some(&visible));
    pair.b.again(world, Some(&visible));
    pair.ask_some(end, &visible, "after the run that went on")?;

    // Embedded anew: in the middle of it nothing has changed; then both have switched, A with all that is hidden.
    if pair.a.embed_anew(true) {
        // It was too late to be stopped.
        pair.b.embed_anew(false);
    } else {
        pair.tally.stopped += 1;
    }
    pair.ask_some(end, &visible, "while all is embedded anew")?;
    pair.a.embed_anew(false);
    pair.b.embed_anew(false);
    pair.tally.anew += 1;
    pair.ask_some(end, &visible, "after the switch")?;
    pair.a.reopen();
    pair.ask_some(end, &visible, "opened after the switch")
}

impl Pair<'_> {
    fn ask_all(&mut self, state: &State, visible: &BTreeSet<Place>, act: &str) -> Result<Vec<Kept>, String> {
        let mut dice = Dice::of(self.world.seed ^ (self.number << 32), act);
        let mut kept = Vec::new();
        for (at, request) in requests(self.world, state, visible, &mut dice).into_iter().enumerate() {
            let cursors = self.follow(&request, None, at as u64, act)?;
            if let Some((a, b)) = cursors
                && kept.len() < 8
            {
                kept.push(Kept { request, a, b });
            }
        }
        Ok(kept)
    }

    /// Begins to watch documents that the person sees, and others, and the list.
    fn watch(&mut self, state: &State) -> Result<Watched, String> {
        let places = state
            .sources
            .iter()
            .enumerate()
            .flat_map(|(number, source)| source.docs.keys().map(move |id| (number, id.clone())));
        let mut uris: Vec<String> =
            places.map(|place| format!("kb://document/{}", document_id(self.world, &place))).collect();
        Dice::of(self.world.seed ^ self.number, "watched").shuffle(&mut uris);
        uris.truncate(60);
        let passages: Vec<String> = uris.iter().take(20).map(|uri| format!("{uri}/passage/1")).collect();
        let sources = self.world.named.iter().map(|named| format!("kb://source/{}", named.name));
        let uris = uris.into_iter().chain(passages).chain(sources).chain(["kb://source/nowhere".to_owned()]);
        let watch = Watch { uris: uris.collect(), list: true };
        let (a, told_a) = self.look(true, &watch, None)?;
        let (b, told_b) = self.look(false, &watch, None)?;
        // The first look tells nothing, and neither does a second while nothing happens.
        let again = [self.look(true, &watch, Some(&a))?.1, self.look(false, &watch, Some(&b))?.1];
        match (told_a, told_b, again) {
            (None, None, [None, None]) => Ok(Watched { watch, a, b }),
            told => Err(format!("{} was told before anything changed: {told:?}", self.handle)),
        }
    }

    /// Looks again at what was watched: the same must be told in both worlds.
    fn look_again(&mut self, watched: Watched) -> Result<(), String> {
        let (_, told_a) = self.look(true, &watched.watch, Some(&watched.a))?;
        let (_, told_b) = self.look(false, &watched.watch, Some(&watched.b))?;
        self.tally.notices += u64::from(told_a.is_some());
        let text = |told: Option<String>| told.unwrap_or_else(|| "nothing".to_owned());
        match difference(&text(told_a), &text(told_b)) {
            None => Ok(()),
            Some(difference) => Err(format!("{} was told of changes\n{difference}", self.handle)),
        }
    }

    fn look(
        &mut self,
        of_a: bool,
        watch: &Watch,
        seen: Option<&Seen>,
    ) -> Result<(Seen, Option<String>), String> {
        let stage = if of_a { &mut *self.a } else { &mut self.b };
        let caller = stage.caller(&self.handle);
        let act = if seen.is_some() { "looking again" } else { "watching" };
        stage.entropy.reset(Dice::of(self.world.seed ^ (self.number << 40), act).next());
        let told = stage.vault().knowledge_base().watch(&caller, watch, seen);
        let (seen, told) = told.map_err(|error| format!("{} could not watch: {error}", self.handle))?;
        Ok((seen, told.map(|told| String::from_utf8(told.into_bytes()).unwrap())))
    }

    /// Asks some of it: the lists, and requests picked at random.
    fn ask_some(&mut self, state: &State, visible: &BTreeSet<Place>, act: &str) -> Result<(), String> {
        let mut dice = Dice::of(self.world.seed, act);
        let mut all = requests(self.world, state, visible, &mut dice);
        dice.shuffle(&mut all);
        all.truncate(SAMPLE);
        all.push(Request::ListDocuments(ListDocumentsRequest::default()));
        all.push(Request::ListSources(ListSourcesRequest::default()));
        for (at, request) in (0u64..).zip(&all) {
            self.follow(request, None, at, act)?;
        }
        Ok(())
    }

    /// Asks both worlds, page by page; gives the cursors to the second page.
    fn follow(
        &mut self,
        request: &Request,
        from: Option<(String, String)>,
        number: u64,
        act: &str,
    ) -> Result<Option<(String, String)>, String> {
        let mut first = None;
        let mut cursors = from;
        for page in 0..PAGES {
            let (ask_a, ask_b) = match &cursors {
                None => (request.clone(), request.clone()),
                Some((a, b)) => match (at(request, a), at(request, b)) {
                    (Some(a), Some(b)) => (a, b),
                    _ => break,
                },
            };
            let mut draw = Dice::of(self.world.seed ^ (self.number << 40) ^ (number << 8), act);
            draw.0 ^= page as u64;
            let draw = draw.next();
            let answer_a = ask(self.a, &self.handle, &ask_a, draw);
            let answer_b = ask(&mut self.b, &self.handle, &ask_b, draw);
            self.tally.requests += 1;
            self.tally.bytes += answer_a.len() as u64;
            self.tally.refused += u64::from(answer_a.starts_with("refused"));
            let told = || format!("{act} questions, {} page {page}, {request:?}", self.handle);
            if let Some(difference) = difference(&answer_a, &answer_b) {
                return Err(format!("{}\n{difference}", told()));
            }
            for canary in &self.forbidden {
                if answer_a.contains(canary) {
                    return Err(format!("{}\nthe canary of a hidden version came out: {answer_a}", told()));
                }
            }
            cursors = match (next_cursor(&answer_a), next_cursor(&answer_b)) {
                (Some(a), Some(b)) => Some((a, b)),
                _ => break,
            };
            self.tally.pages += 1;
            if page == 0 {
                first.clone_from(&cursors);
            }
        }
        Ok(first)
    }
}

/// The generator and the stage alone: both worlds can be played, and the stage holds what the
/// harness thinks it holds.
#[test]
fn worlds_can_be_staged() {
    let _quiet = crate::broken::no_faults();
    for seed in 700..706 {
        let world = World::make(seed);
        let mut a = Stage::everything(&world);
        let count = |state: &State| state.sources.iter().map(|s| s.docs.len() as u64).sum::<u64>();
        assert_eq!(a.vault().stats().unwrap().documents, count(&world.first_state), "world {seed}");
        a.second_act(&world, None);
        assert_eq!(a.vault().stats().unwrap().documents, count(&world.second_state), "world {seed}");
        for handle in world.first_state.callers() {
            let visible = world.first_state.visible(&handle, world.first_asked);
            let b = Stage::only(&world, &handle, &visible);
            assert_eq!(b.vault().stats().unwrap().documents, visible.len() as u64, "world {seed}, {handle}");
        }
    }
}
