//! Rolls a world. The first two acts are made here: a directory, sources that are read again and
//! again, rights that move meanwhile.
//! The generator must never call the product's rules: who sees what is [`crate::sight`]'s to say.

use crate::dice::Dice;
use crate::sight::{LABELS, Narrow};
use crate::synced::is_synced;
use crate::world::{BEGIN, Doc, MINUTE, Named, Op, Place, Run, Source, State, Step, World, is_wide};
use kenward_access::acl::{Clearance, Effect, Level, Window};
use kenward_access::ids::Timestamp;
use kenward_access::rights::{Naming, Origin, RightsEntry, RightsSpec};
use kenward_vault::directory::DirectoryChange;
use std::collections::BTreeSet;

/// Containers of wide worlds, and how many documents each holds; they stay as they are.
const ATTIC: (&str, usize) = ("attic", 450);
const LOBBY: (&str, usize) = ("lobby", 120);

pub fn stays(container: &str) -> bool {
    container == ATTIC.0 || container == LOBBY.0
}

pub struct Maker {
    pub dice: Dice,
    pub state: State,
    pub now: i64,
    made: u64,
    pub steps: Vec<Step>,
    names: BTreeSet<String>,
    twins: Vec<u64>,
    wide: bool,
    /// Draws for worlds whose rights have names of another system and further lists; the others are
    /// drawn without it, and stay what they were.
    foreign: Option<Dice>,
}

impl World {
    pub fn make(seed: u64) -> Self {
        let mut dice = Dice::of(seed, "world");
        let named: Vec<Named> = (0..=dice.below(3))
            .map(|n| Named {
                name: ["handbook", "finance", "people"][n % 3].to_owned(),
                url_template: dice.percent(50).then(|| format!("https://wiki{n}.example/{{path}}")),
                tier: u8::try_from(dice.below(5)).unwrap(),
                label: dice.percent(40).then(|| (*dice.pick(&LABELS)).to_owned()),
            })
            .take(3)
            .collect();
        let mut maker = Maker {
            state: State { sources: vec![Source::default(); named.len()], ..State::default() },
            now: BEGIN,
            made: seed << 20,
            steps: Vec::new(),
            names: BTreeSet::new(),
            twins: (0..4).map(|_| dice.next()).collect(),
            wide: false,
            foreign: seed.is_multiple_of(3).then(|| Dice::of(seed, "foreign")),
            dice,
        };
        maker.state.directory.narrow = narrow(seed, named.len());
        maker.settle();
        maker.wide = is_wide(seed);
        for source in 0..named.len() {
            maker.run(source, true);
        }
        for _ in 0..1 + maker.dice.below(4) {
            match maker.dice.below(10) {
                0..=3 => maker.change_directory(),
                4 => {
                    let source = maker.dice.below(named.len());
                    maker.interrupted(source);
                }
                _ => {
                    let source = maker.dice.below(named.len());
                    maker.run(source, true);
                }
            }
        }
        let stale: Vec<usize> = (0..named.len())
            .filter(|s| {
                !maker
                    .steps
                    .iter()
                    .rev()
                    .any(|step| matches!(step, Step::Run(r) if r.source == *s && r.complete))
            })
            .chain(maker.steps.iter().rev().find_map(|step| match step {
                Step::Run(run) if !run.complete => Some(run.source),
                _ => None,
            }))
            .collect();
        for source in stale {
            maker.run(source, true);
        }
        if is_synced(seed) {
            maker.with_dice(Dice::of(seed, "rights alone"), |maker| {
                for _ in 0..2 * named.len() {
                    let source = maker.dice.below(named.len());
                    maker.sync(source);
                    if maker.dice.percent(25) {
                        maker.change_directory();
                    }
                }
            });
        }
        let first = std::mem::take(&mut maker.steps);
        maker.tick();
        let (first_state, first_asked) = (maker.state.clone(), maker.now);

        // The second act: the directory moves, then every source is read again.
        maker.tick();
        if maker.dice.percent(60) {
            maker.change_directory();
        }
        if is_synced(seed) {
            let source = maker.dice.clone().below(named.len());
            maker.with_dice(Dice::of(seed, "rights alone once more"), |maker| maker.sync(source));
        }
        let asked = maker.now + MINUTE * 12;
        for source in 0..named.len() {
            maker.second_run(source, &first_state, first_asked, asked);
        }
        maker.now = asked;
        let (second, second_state) = (std::mem::take(&mut maker.steps), maker.state.clone());
        let source = maker.dice.below(named.len());
        let third =
            maker.third_act(source, is_synced(seed).then(|| Dice::of(seed, "rights alone after a cut")));
        Self {
            seed,
            named,
            first,
            first_state,
            first_asked,
            second,
            second_state,
            second_asked: asked,
            third,
        }
    }
}

const PEOPLE: [&str; 5] = [
    "anna@harbor.example",
    "ben@harbor.example",
    "cleo@harbor.example",
    "dov@harbor.example",
    "eve@harbor.example",
];
const GROUPS: [&str; 5] = ["sales", "finance", "board", "crew", "contractors"];

impl Maker {
    pub fn tick(&mut self) {
        self.now += MINUTE * (1 + i64::try_from(self.dice.below(3)).unwrap());
    }

    fn clearance(&mut self) -> Clearance {
        Clearance {
            level: Level(u16::try_from(self.dice.below(LABELS.len())).unwrap()),
            ..Clearance::default()
        }
    }

    fn push_directory(&mut self, changes: Vec<DirectoryChange>) {
        for change in &changes {
            self.state.directory.apply(change);
            self.state.harden();
        }
        self.tick();
        self.steps.push(Step::Directory { at: self.now, changes });
    }

    /// The first people and groups.
    fn settle(&mut self) {
        let mut changes = Vec::new();
        for handle in &PEOPLE[..2 + self.dice.below(3)] {
            let clearance = self.clearance();
            let name = format!("Person {handle}");
            changes.push(DirectoryChange::AddUser { handle: (*handle).to_owned(), name, clearance });
        }
        for handle in &GROUPS[..2 + self.dice.below(3)] {
            changes.push(DirectoryChange::AddGroup { handle: (*handle).to_owned() });
        }
        self.push_directory(changes);
        let count = 2 + self.dice.below(7);
        let mut edges = BTreeSet::new();
        for _ in 0..count {
            edges.insert((self.group(), self.member()));
        }
        let changes =
            edges.into_iter().map(|(group, member)| DirectoryChange::AddMember { group, member }).collect();
        self.push_directory(changes);
    }

    fn person(&mut self) -> String {
        let all: Vec<String> = self.state.directory.people.keys().cloned().collect();
        self.dice.pick(&all).clone()
    }

    fn group(&mut self) -> String {
        let all: Vec<String> = self.state.directory.groups.keys().cloned().collect();
        self.dice.pick(&all).clone()
    }

    fn member(&mut self) -> String {
        if self.dice.percent(60) {
            format!("user:{}", self.person())
        } else {
            format!("group:{}", self.group())
        }
    }

    fn change_directory(&mut self) {
        let mut changes = Vec::new();
        let directory = self.state.directory.clone();
        match self.dice.below(9) {
            0 | 1 => {
                let (group, member) = (self.group(), self.member());
                if !directory.groups[&group].contains(&member) {
                    changes.push(DirectoryChange::AddMember { group, member });
                }
            }
            2..=4 => {
                let edges: Vec<(String, String)> = directory
                    .groups
                    .iter()
                    .flat_map(|(g, members)| members.iter().map(move |m| (g.clone(), m.clone())))
                    .collect();
                if !edges.is_empty() {
                    let (group, member) = self.dice.pick(&edges).clone();
                    changes.push(DirectoryChange::RemoveMember { group, member });
                }
            }
            5 => {
                let (handle, clearance) = (self.person(), self.clearance());
                changes.push(DirectoryChange::SetClearance { handle, clearance });
            }
            6 => {
                if let Some(new) = GROUPS.iter().find(|g| !directory.groups.contains_key(**g)) {
                    changes.push(DirectoryChange::AddGroup { handle: (*new).to_owned() });
                }
            }
            7 => {
                if directory.groups.len() > 1 {
                    changes.push(DirectoryChange::RemoveGroup { handle: self.group() });
                }
            }
            _ => {
                let new = PEOPLE.iter().find(|p| !directory.people.contains_key(**p));
                if let (Some(new), true) = (new, self.dice.percent(50)) {
                    let (handle, clearance) = ((*new).to_owned(), self.clearance());
                    changes.push(DirectoryChange::AddUser { handle, name: "New".to_owned(), clearance });
                } else if directory.people.len() > 2 {
                    changes.push(DirectoryChange::SetDisabled { handle: self.person(), disabled: true });
                }
            }
        }
        if !changes.is_empty() {
            self.push_directory(changes);
        }
    }

    fn window(&mut self) -> Window {
        let now = self.now;
        let edge = |percent: usize, dice: &mut Dice| {
            dice.percent(percent)
                .then(|| Timestamp(now + MINUTE * (i64::try_from(dice.below(40)).unwrap() - 15)))
        };
        Window { from: edge(8, &mut self.dice), until: edge(12, &mut self.dice) }
    }

    pub fn rights(&mut self, container: &str) -> RightsSpec {
        let origin = |line| Origin { file: format!("{container}/.access.toml"), line };
        let mut spec = RightsSpec::default();
        for line in 0..=self.dice.below(4) {
            let principal = match self.dice.below(100) {
                0..=2 => "group:nobody-knows".to_owned(),
                3..=5 => format!("group:{}", self.dice.pick(&GROUPS)),
                6..=35 => format!("user:{}", self.person()),
                36..=70 => format!("group:{}", self.group()),
                _ => "everyone".to_owned(),
            };
            let effect = if self.dice.percent(25) { Effect::Deny } else { Effect::Allow };
            let window = self.window();
            let line = u32::try_from(line + 1).unwrap();
            let naming = Naming::Handle;
            spec.entries.push(RightsEntry { effect, principal, naming, window, origin: origin(line) });
        }
        if self.dice.percent(25) {
            spec.labels.push(((*self.dice.pick(&LABELS)).to_owned(), origin(9)));
        }
        if self.dice.percent(2) {
            spec.labels.push(("unheard-of".to_owned(), origin(10)));
        }
        if self.dice.percent(3) {
            spec.problem = Some(("line 2: unknown key".to_owned(), origin(2)));
        }
        if self.dice.percent(3) {
            spec.mentioned.push(("user:nobody-knows".to_owned(), origin(11)));
        }
        if let Some(mut dice) = self.foreign.take() {
            self.estrange(&mut spec, &mut dice);
            self.foreign = Some(dice);
        }
        spec
    }

    /// Makes of rights what `OWNERS` files and file systems come to.
    fn estrange(&self, spec: &mut RightsSpec, dice: &mut Dice) {
        for entry in &mut spec.entries {
            if dice.percent(50) {
                entry.naming = Naming::Foreign;
                if let (true, Some((kind, name))) = (dice.percent(50), entry.principal.split_once(':')) {
                    entry.principal = format!("{kind}:{}", name.to_uppercase());
                }
            }
        }
        for _ in 0..dice.below(3) {
            let mut list = spec.entries.clone();
            dice.shuffle(&mut list);
            list.truncate(dice.below(4));
            for entry in &mut list {
                entry.naming = Naming::Foreign;
                if dice.percent(10) {
                    entry.principal = "unmapped:uid.7".to_owned();
                }
            }
            if dice.percent(70) {
                let origin = Origin { file: "folder rwxr-xr-x".to_owned(), line: 0 };
                let (effect, principal) = (Effect::Allow, "everyone".to_owned());
                let (naming, window) = (Naming::Foreign, Window::ALWAYS);
                list.push(RightsEntry { effect, principal, naming, window, origin });
            }
            spec.also.push(list);
        }
    }

    pub fn version(&mut self, container: &str) -> Doc {
        self.made += 1;
        let seed = self.made.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let twin = if self.dice.percent(30) { *self.dice.pick(&self.twins.clone()) } else { seed };
        Doc {
            container: container.to_owned(),
            kind: ["markdown", "text", "html", "pdf", "docx"][self.dice.below(5)],
            modified: BEGIN - MINUTE * 60 * 24 * i64::try_from(self.dice.below(6)).unwrap(),
            seed,
            twin,
            held: Vec::new(),
        }
    }

    /// A name that no document of this world ever had.
    pub fn fresh_id(&mut self, container: &str) -> String {
        loop {
            // Some are members of archives: several in one, under the rights of the folder that it lies in.
            let archive = if self.dice.percent(20) { "box.zip/" } else { "" };
            let id = format!(
                "{container}/{archive}{}-{}.md",
                self.dice.pick(&["note", "plan", "list"]),
                self.dice.below(90)
            );
            if self.names.insert(id.clone()) {
                return id;
            }
        }
    }

    pub fn container(&mut self, source: usize) -> String {
        let all: Vec<String> =
            self.state.sources[source].rights.keys().filter(|name| !stays(name)).cloned().collect();
        self.dice.pick(&all).clone()
    }

    /// New rights for some containers, and new containers.
    pub fn move_rights(&mut self, source: usize, percent: usize) {
        if self.state.sources[source].rights.is_empty() {
            for name in &["hr", "ops", "hr/pay", "board"][..2 + self.dice.below(3)] {
                let rights = self.rights(name);
                self.state.sources[source].rights.insert((*name).to_owned(), rights);
            }
            return;
        }
        for name in self.state.sources[source].rights.keys().cloned().collect::<Vec<_>>() {
            if !stays(&name) && self.dice.percent(percent) {
                let rights = self.rights(&name);
                self.state.sources[source].rights.insert(name, rights);
            }
        }
    }

    fn run(&mut self, source: usize, complete: bool) {
        self.tick();
        let before = self.state.sources[source].clone();
        let first = before.rights.is_empty();
        self.move_rights(source, if complete { 18 } else { 0 });
        let mut ops: Vec<(String, Op)> = Vec::new();
        for (id, old) in &before.docs {
            if stays(&old.container) {
                self.keep(&mut ops, source, id, &old.container);
                continue;
            }
            match self.dice.below(100) {
                0..=11 => self.put(&mut ops, source, id, &old.container),
                12..=16 if complete => {
                    self.state.sources[source].docs.remove(id);
                }
                17..=21 if complete => {
                    // Moved: gone here, new there, with the same words.
                    let mut doc = self.state.sources[source].docs.remove(id).unwrap();
                    doc.container = self.container(source);
                    doc.held.clear();
                    let id = self.fresh_id(&doc.container.clone());
                    self.state.sources[source].docs.insert(id.clone(), doc.clone());
                    ops.push((id, Op::Put(doc)));
                }
                22..=25 if complete => {
                    // Its rights file came nearer, or went: the same bytes under another container.
                    let container = self.container(source);
                    self.keep(&mut ops, source, id, &container);
                }
                26..=30 if complete => {
                    let container =
                        if self.dice.percent(70) { old.container.clone() } else { self.container(source) };
                    // What is known of it stays under all rights of its old place and under its new one's.
                    let was = before.rights[&old.container].clone();
                    let now = self.state.sources[source].rights[&old.container].clone();
                    let changed = self.state.directory.frozen(&was) != self.state.directory.frozen(&now);
                    let doc = self.state.sources[source].docs.get_mut(id).unwrap();
                    if changed || container != old.container || !doc.held.is_empty() {
                        doc.held.extend([was, now]);
                    }
                    doc.container.clone_from(&container);
                    ops.push((id.clone(), Op::Failed { container }));
                }
                _ if complete => self.keep(&mut ops, source, id, &old.container),
                _ => {}
            }
        }
        if first && self.wide && source == 0 {
            self.widen(&mut ops);
        }
        let new = if first { 3 + self.dice.below(9) } else { self.dice.below(3) };
        for _ in 0..new {
            let container = self.container(source);
            let id = self.fresh_id(&container);
            if self.dice.percent(3) {
                ops.push((id, Op::Failed { container }));
            } else {
                self.put(&mut ops, source, &id, &container);
            }
        }
        self.push_run(source, ops, complete);
    }

    /// The attic, for one person alone, and the lobby, for all.
    fn widen(&mut self, ops: &mut Vec<(String, Op)>) {
        let somebody = format!("user:{}", self.person());
        for ((container, count), principal) in [(ATTIC, somebody.as_str()), (LOBBY, "everyone")] {
            let origin = Origin { file: format!("{container}/.access.toml"), line: 1 };
            let entry = RightsEntry {
                effect: Effect::Allow,
                principal: principal.to_owned(),
                naming: Naming::Handle,
                window: Window::ALWAYS,
                origin,
            };
            let rights = RightsSpec { entries: vec![entry], ..RightsSpec::default() };
            self.state.sources[0].rights.insert(container.to_owned(), rights);
            for number in 0..count {
                self.put(ops, 0, &format!("{container}/{number}.md"), container);
            }
        }
    }

    /// A run that is cut off: some documents came in, nothing was removed.
    fn interrupted(&mut self, source: usize) {
        self.run(source, false);
    }

    /// Everything in its place; whoever gains sight of a document does so with a new version of it.
    fn second_run(&mut self, source: usize, first: &State, then: i64, asked: i64) {
        self.tick();
        self.move_rights(source, 30);
        let docs = self.state.sources[source].docs.clone();
        for id in docs.keys() {
            let doc = self.state.sources[source].docs.get_mut(id).unwrap();
            doc.held.clear();
        }
        let removed: Vec<String> = docs
            .iter()
            .filter(|(_, doc)| !stays(&doc.container) && self.dice.percent(8))
            .map(|(id, _)| id.clone())
            .collect();
        for id in &removed {
            self.state.sources[source].docs.remove(id);
        }
        let people = self.state.callers();
        let sight = |state: &State, at: i64| -> Vec<BTreeSet<Place>> {
            people
                .iter()
                .map(|p| {
                    if state.directory.people.contains_key(p) {
                        state.visible(p, at)
                    } else {
                        BTreeSet::new()
                    }
                })
                .collect()
        };
        let (before, after) = (sight(first, then), sight(&self.state, asked));
        let mut ops = Vec::new();
        for (id, old) in docs.iter().filter(|(id, _)| !removed.contains(id)) {
            let place = (source, id.clone());
            if stays(&old.container) {
                self.keep(&mut ops, source, id, &old.container);
                continue;
            }
            let gained = before.iter().zip(&after).any(|(b, a)| a.contains(&place) && !b.contains(&place));
            if gained || self.dice.percent(10) {
                self.put(&mut ops, source, id, &old.container);
            } else {
                self.keep(&mut ops, source, id, &old.container);
            }
        }
        for _ in 0..self.dice.below(3) {
            let container = self.container(source);
            let id = self.fresh_id(&container);
            self.put(&mut ops, source, &id, &container);
        }
        self.push_run(source, ops, true);
    }

    pub fn put(&mut self, ops: &mut Vec<(String, Op)>, source: usize, id: &str, container: &str) {
        let doc = self.version(container);
        self.state.sources[source].docs.insert(id.to_owned(), doc.clone());
        ops.push((id.to_owned(), Op::Put(doc)));
    }

    fn keep(&mut self, ops: &mut Vec<(String, Op)>, source: usize, id: &str, container: &str) {
        let doc = self.state.sources[source].docs.get_mut(id).unwrap();
        doc.held.clear();
        container.clone_into(&mut doc.container);
        ops.push((id.to_owned(), Op::Unchanged { container: container.to_owned(), modified: doc.modified }));
    }

    fn push_run(&mut self, source: usize, mut ops: Vec<(String, Op)>, complete: bool) {
        self.state.harden();
        self.dice.shuffle(&mut ops);
        let rights = self.state.sources[source].rights.clone();
        self.steps.push(Step::Run(Run { at: self.now, source, rights, ops, complete }));
    }
}

/// In half of the worlds somebody asks through an agent that may do less.
fn narrow(seed: u64, sources: usize) -> Option<Narrow> {
    let mut dice = Dice::of(seed, "agent");
    let sources = (0..sources).filter(|_| dice.percent(60)).collect();
    let ceiling = if dice.percent(40) { u16::try_from(dice.below(LABELS.len())).unwrap() } else { u16::MAX };
    let handle = (*dice.pick(&PEOPLE[..2])).to_owned();
    dice.percent(50).then_some(Narrow { handle, sources, ceiling })
}
