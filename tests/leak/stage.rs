//! A world played into a real vault: everything (world A), or only what one person may see (world B).

mod elsewhere;
mod operators;

pub use elsewhere::answered_elsewhere;

use crate::dice::Dice;
use crate::seams::{FixedClock, FixedEntropy};
use crate::sight::LABELS;
use crate::words;
use crate::world::{Doc, Found, Op, Place, Run, Step, Sync, World};
use kenward::config::{Config, Overrides};
use kenward::owner::ops::Claim;
use kenward_access::acl::{Clearance, Effect, Level, Window};
use kenward_access::caller::Caller;
use kenward_access::ids::{AgentId, TenantId, Timestamp};
use kenward_access::rights::{Naming, Origin, RightsEntry, RightsSpec};
use kenward_access::untrusted::UntrustedText;
use kenward_indexes::embedding::{Embedder, hashing};
use kenward_indexes::reranking::shared_words;
use kenward_vault::directory::DirectoryChange;
use kenward_vault::vault::Operator;
use kenward_vault::writer::{Link, NewChunk, NewDocument, RightsNow, SourceRights, SourceSpec, Tried};
use kenward_vault::{OpenOptions, Reranking, Vault};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use tempfile::TempDir;

/// The tenant of all worlds.
pub const TENANT: &str = "leak";
/// Another one, which the same process may serve. It has the same keys: that they differ must not be what keeps two apart.
pub const OTHER: &str = "other";
/// The agent that may do less.
const AGENT: &str = "narrow";

/// What a server answers from: the vault of a stage, also after it was closed and opened again.
#[derive(Default)]
pub struct Served(Mutex<Option<Arc<Vault>>>);

impl Served {
    pub fn vault(&self) -> Arc<Vault> {
        Arc::clone(self.0.lock().unwrap().as_ref().unwrap())
    }

    fn set(&self, vault: Option<Arc<Vault>>) {
        *self.0.lock().unwrap() = vault;
    }
}

/// One vault with the world that was played into it.
pub struct Stage {
    tenant: TenantId,
    /// Always there, but while it is closed and opened again.
    open: Option<Arc<Vault>>,
    served: Arc<Served>,
    data: PathBuf,
    pub clock: Arc<FixedClock>,
    pub entropy: Arc<FixedEntropy>,
    config: Arc<Config>,
    /// Who asks through [`AGENT`].
    narrow: Option<String>,
    sources: HashMap<usize, u32>,
    /// Secret and id.
    tokens: HashMap<String, (String, String)>,
    /// What world B is restricted to: one person, and what they see at the next questions.
    only: Option<String>,
    embedder: Arc<dyn Embedder>,
    /// In every other world.
    reranking: Option<Reranking>,
    /// World A's own troubles: time that passes, publications, in an order of their own.
    troubles: Dice,
    /// A run that is under way when questions are asked.
    going: Option<kenward_vault::writer::Run>,
    _folder: TempDir,
}

pub fn operator() -> Operator {
    Operator { uid: 1000, user: None, reason: None }
}

/// A folder in memory if the machine has one: nothing here needs to outlive the test.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let builder = |dir: &Path| tempfile::Builder::new().prefix("kenward-leak-").tempdir_in(dir);
    if memory.is_dir()
        && let Ok(dir) = builder(memory)
    {
        return dir;
    }
    builder(&std::env::temp_dir()).unwrap()
}

/// The keys that all worlds share: ids and ties are the same in A and B.
pub fn keys() -> &'static Path {
    static KEYS: OnceLock<TempDir> = OnceLock::new();
    let dir = KEYS.get_or_init(|| {
        let dir = folder();
        let entropy = FixedEntropy::default();
        kenward_vault::keys::Keys::open(&dir.path().join("keys"), &entropy, true).unwrap();
        dir
    });
    Box::leak(dir.path().join("keys").into_boxed_path())
}

/// The public id of a document, as the product makes it.
pub fn document_id(world: &World, place: &Place) -> String {
    static IDS: OnceLock<kenward_vault::keys::Keys> = OnceLock::new();
    let keys =
        IDS.get_or_init(|| kenward_vault::keys::Keys::open(keys(), &FixedEntropy::default(), false).unwrap());
    let tenant = TenantId::new(TENANT).unwrap();
    kenward_vault::keys::document_id(&keys.document_key(&tenant, &world.named[place.0].name, &place.1))
}

impl Stage {
    /// An empty vault with the shared keys.
    fn open(world: &World, tenant: &str, only: Option<&str>) -> Self {
        let folder = folder();
        let data = folder.path().join("data");
        std::fs::create_dir_all(data.join("keys")).unwrap();
        {
            use std::os::unix::fs::PermissionsExt as _;
            let private = |mode| std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&data, private(0o700)).unwrap();
            std::fs::set_permissions(data.join("keys"), private(0o700)).unwrap();
        }
        for key in std::fs::read_dir(keys()).unwrap() {
            let key = key.unwrap();
            std::fs::copy(key.path(), data.join("keys").join(key.file_name())).unwrap();
        }
        let file = folder.path().join("kenward.toml");
        let narrow = world.first_state.directory.narrow.clone();
        let mut text = format!("data_dir = \"data\"\ntenant = \"{tenant}\"\nlabels = {LABELS:?}\n");
        if let Some(narrow) = &narrow {
            let sources: Vec<&str> =
                narrow.sources.iter().map(|number| world.named[*number].name.as_str()).collect();
            text.push_str(&format!("[[agent]]\nid = \"{AGENT}\"\nsources = {sources:?}\n"));
            if let Some(label) = LABELS.get(usize::from(narrow.ceiling)) {
                text.push_str(&format!("label = \"{label}\"\n"));
            }
        }
        std::fs::write(&file, text).unwrap();
        let config = Config::load(&Overrides { config: Some(file), ..Overrides::default() }).unwrap();
        let (clock, entropy) =
            (Arc::new(FixedClock::at(crate::world::BEGIN)), Arc::new(FixedEntropy::default()));
        entropy.reset(world.seed ^ u64::from(only.is_some()));
        let embedder = hashing(32);
        let mut stage = Self {
            tenant: TenantId::new(tenant).unwrap(),
            open: None,
            served: Arc::default(),
            data,
            clock,
            entropy,
            config: Arc::new(config),
            narrow: narrow.map(|narrow| narrow.handle),
            sources: HashMap::new(),
            tokens: HashMap::new(),
            only: only.map(ToOwned::to_owned),
            embedder,
            reranking: world.seed.is_multiple_of(2).then(|| Reranking { by: shared_words(), depth: 6 }),
            troubles: Dice::of(world.seed, if only.is_some() { "its troubles" } else { "troubles" }),
            going: None,
            _folder: folder,
        };
        stage.reopen();
        stage
    }

    /// What was opened.
    pub fn vault(&self) -> &Arc<Vault> {
        self.open.as_ref().unwrap()
    }

    /// Ends the process, as far as the vault can tell, and starts it again.
    pub fn reopen(&mut self) {
        self.going = None;
        self.count_elsewhere();
        self.served.set(None);
        self.open = None;
        let vault = Vault::open(OpenOptions {
            data_dir: self.data.clone(),
            tenant: self.tenant.clone(),
            embedder: Some(Arc::clone(&self.embedder)),
            labels: LABELS.iter().map(ToString::to_string).collect(),
            clock: Arc::<FixedClock>::clone(&self.clock),
            entropy: Arc::<FixedEntropy>::clone(&self.entropy),
            ledger: None,
            vectors: self.vectors(),
            reranking: self.reranking.clone(),
        });
        self.open = Some(vault.unwrap());
        self.served.set(self.open.clone());
    }

    /// For servers.
    pub fn served(&self) -> Arc<Served> {
        Arc::clone(&self.served)
    }

    /// World A at its first questions.
    pub fn everything(world: &World) -> Self {
        Self::everything_of(world, TENANT)
    }

    /// A tenant without documents, and one person.
    pub fn bare(world: &World, tenant: &str, handle: &str) -> Self {
        let stage = Self::open(world, tenant, Some(handle));
        stage.direct(&[DirectoryChange::AddUser {
            handle: handle.to_owned(),
            name: "Person".to_owned(),
            clearance: Clearance::default(),
        }]);
        stage.clock.set(world.first_asked);
        stage
    }

    /// Everything of a world, for a tenant.
    pub fn everything_of(world: &World, tenant: &str) -> Self {
        let mut stage = Self::open(world, tenant, None);
        for source in 0..world.named.len() {
            stage.source(world, source);
        }
        stage.play(world, &world.first, None);
        stage.clock.set(world.first_asked);
        stage.settle();
        stage
    }

    /// World B of one person at the first questions.
    pub fn only(world: &World, handle: &str, visible: &BTreeSet<Place>) -> Self {
        let mut stage = Self::open(world, TENANT, Some(handle));
        let (level, _) = world.first_state.directory.people[handle];
        stage.direct(&[DirectoryChange::AddUser {
            handle: handle.to_owned(),
            name: "Person".to_owned(),
            clearance: clearance(level),
        }]);
        stage.play(world, &world.first, Some(visible));
        stage.clock.set(world.first_asked);
        stage
    }

    /// World B of one person at the second questions, made from what they see at another moment.
    pub fn second(world: &World, handle: &str, visible: &BTreeSet<Place>) -> Self {
        let mut stage = Self::only(world, handle, visible);
        stage.second_act(world, Some(visible));
        stage
    }

    /// Goes on to the second questions.
    pub fn second_act(&mut self, world: &World, visible: Option<&BTreeSet<Place>>) {
        self.entropy.reset(world.seed.wrapping_mul(77) ^ 2);
        if let Some(handle) = self.only.clone() {
            let (level, _) = world.second_state.directory.people[&handle];
            if level != world.first_state.directory.people[&handle].0 {
                self.direct(&[DirectoryChange::SetClearance { handle, clearance: clearance(level) }]);
            }
        }
        self.play(world, &world.second, visible);
        self.clock.set(world.second_asked);
        self.settle();
    }

    fn direct(&self, changes: &[DirectoryChange]) {
        self.vault().change_directory(&operator(), changes).unwrap();
    }

    fn source(&mut self, world: &World, number: usize) -> u32 {
        if let Some(known) = self.sources.get(&number) {
            return *known;
        }
        let named = &world.named[number];
        let spec = SourceSpec {
            name: named.name.clone(),
            kind: "files".to_owned(),
            root: format!("/srv/{}", named.name),
            default_allow: Vec::new(),
            url_template: named.url_template.clone(),
            tier: named.tier,
            label: named.label.clone(),
            rights: SourceRights::default(),
        };
        let id = self.vault().source(&operator(), spec).unwrap();
        self.sources.insert(number, id);
        id
    }

    fn play(&mut self, world: &World, steps: &[Step], visible: Option<&BTreeSet<Place>>) {
        for step in steps {
            if self.troubles.percent(4) {
                self.reopen();
            }
            match step {
                Step::Directory { at, changes } if self.only.is_none() => {
                    self.clock.set(*at);
                    self.direct(changes);
                }
                Step::Directory { .. } => {}
                Step::Run(run) => self.run(world, run, visible),
                Step::Sync(sync) => self.sync(sync, visible),
            }
        }
    }

    fn run(&mut self, world: &World, run: &Run, visible: Option<&BTreeSet<Place>>) {
        let shown = |id: &str| visible.is_none_or(|v| v.contains(&(run.source, id.to_owned())));
        // A source of which the person sees nothing does not exist in world B.
        let exists = self.sources.contains_key(&run.source)
            || visible.is_none_or(|v| v.iter().any(|(source, _)| *source == run.source));
        if !exists {
            return;
        }
        let source = self.source(world, run.source);
        self.clock.set(run.at);
        let mut going = self.vault().begin_run(&operator(), source).unwrap();
        let mut ops: Vec<&(String, Op)> = run.ops.iter().filter(|(id, _)| shown(id)).collect();
        if self.only.is_some() {
            // The order in which documents come in is the machine's affair, and shows nowhere.
            self.troubles.shuffle(&mut ops);
        }
        let named = ops.iter().map(|(_, op)| container(op).to_owned()).collect();
        going.set_rights(self.rights(&run.rights, &named)).unwrap();
        for (id, op) in ops {
            if self.only.is_none() {
                // Only here does time pass within a run, and content come out in pieces.
                self.passes(run.ops.len());
                if self.troubles.percent(15) {
                    going.publish().unwrap();
                }
            }
            self.tell(&mut going, id, op);
        }
        if run.complete {
            going.finish().unwrap();
        } else {
            // How far its content came out is a question of time; the third act asks in the middle.
            going.publish().unwrap();
        }
    }

    /// Lets a part of the time pass that a run of so many documents has before the next step begins.
    fn passes(&mut self, documents: usize) {
        let most = usize::try_from(crate::world::MINUTE).unwrap() / (documents + 1);
        self.clock.advance(1 + i64::try_from(self.troubles.below(most.min(2_000))).unwrap());
    }

    fn tell(&self, going: &mut kenward_vault::writer::Run, id: &str, op: &Op) {
        match op {
            Op::Put(doc) => going.put(self.document(id, doc)).unwrap(),
            Op::Unchanged { container, modified } => {
                going.unchanged(id, container, Timestamp(*modified)).unwrap();
            }
            Op::Failed { container } => {
                let tried = Tried::of("broken", "no end of file");
                going.failed(id, container, &tried).unwrap();
            }
        }
    }

    /// Plays the third act up to its middle, and leaves the run under way. In world B the run tells
    /// what the person may see, and publishes at the same moment.
    pub fn middle(&mut self, world: &World, visible: Option<&BTreeSet<Place>>) {
        let (third, run) = (&world.third, &world.third.run);
        let shown = |id: &String| visible.is_none_or(|v| v.contains(&(run.source, id.clone())));
        if !self.sources.contains_key(&run.source) && !run.ops.iter().any(|(id, _)| shown(id)) {
            self.clock.set(third.asked);
            return;
        }
        let source = self.source(world, run.source);
        self.clock.set(run.at);
        let mut going = self.vault().begin_run(&operator(), source).unwrap();
        let before = &world.second_state.sources[run.source].docs;
        let stood = before.iter().filter(|(id, _)| shown(id)).map(|(_, doc)| doc.container.clone());
        let named = run.ops.iter().filter(|(id, _)| shown(id)).map(|(_, op)| container(op).to_owned());
        going.set_rights(self.rights(&run.rights, &stood.chain(named).collect())).unwrap();
        for (number, (id, op)) in run.ops.iter().take(third.told).enumerate() {
            if number == third.published {
                going.publish().unwrap();
            }
            if self.only.is_none() {
                self.passes(run.ops.len());
            }
            if shown(id) {
                self.tell(&mut going, id, op);
            }
        }
        if third.published == third.told {
            going.publish().unwrap();
        }
        self.going = Some(going);
        self.hidden_run();
        self.clock.set(third.asked);
    }

    /// Reads the rights of a source alone; in world B, of what the person may see.
    pub fn sync(&mut self, sync: &Sync, visible: Option<&BTreeSet<Place>>) {
        let Some(source) = self.sources.get(&sync.source).copied() else { return };
        self.clock.set(sync.at);
        let shown = |id: &String| visible.is_none_or(|v| v.contains(&(sync.source, id.clone())));
        let mut now = RightsNow::default();
        let (mut named, mut verified) = (BTreeSet::new(), BTreeSet::new());
        for (id, (was_in, found)) in sync.docs.iter().filter(|(id, _)| shown(id)) {
            named.insert(was_in.clone());
            match found {
                Found::Gone => drop(now.gone.insert(id.clone())),
                Found::Missing { container } => {
                    named.insert(container.clone());
                    now.missing.insert(id.clone(), BTreeSet::from([container.clone()]));
                }
                Found::Same { container } | Found::Other { container } => {
                    named.insert(container.clone());
                    now.documents.insert(id.clone(), container.clone());
                }
            }
            if matches!(found, Found::Same { .. }) {
                verified.insert(id.clone());
            }
        }
        now.containers = self.rights(&sync.rights, &named);
        let mut reading = self.vault().begin_rights(&operator(), source).unwrap();
        let (unsure, _) = reading.state(&now).unwrap();
        verified.retain(|id| unsure.iter().any(|unsure| unsure.source_id == *id));
        if self.only.is_none() && self.troubles.percent(10) {
            // Cut off before anything widened: the same once more.
            drop(reading);
            self.reopen();
            reading = self.vault().begin_rights(&operator(), source).unwrap();
            reading.state(&now).unwrap();
        }
        reading.widen(&verified).unwrap();
        reading.done().unwrap();
    }

    /// Reads the rights of the third act's source alone.
    pub fn sync_after_the_cut(&mut self, world: &World, visible: Option<&BTreeSet<Place>>) {
        if let Some((sync, asked)) = &world.third.synced {
            self.sync(sync, visible);
            self.clock.set(*asked);
        }
    }

    /// Cuts the run off.
    pub fn cut(&mut self, world: &World) {
        self.going = None;
        if world.third.killed {
            self.reopen();
        }
        self.hidden_run();
    }

    /// Goes on to the end.
    pub fn again(&mut self, world: &World, visible: Option<&BTreeSet<Place>>) {
        self.run(world, &world.third.again, visible);
        self.clock.set(world.third.again_asked);
    }

    /// In world B every container says "this person may read", and keeps its label.
    fn rights(
        &self,
        all: &BTreeMap<String, RightsSpec>,
        containers: &BTreeSet<String>,
    ) -> BTreeMap<String, RightsSpec> {
        let Some(handle) = &self.only else { return all.clone() };
        let alone = |container: &String| {
            let spec = RightsSpec {
                entries: vec![RightsEntry {
                    effect: Effect::Allow,
                    principal: format!("user:{handle}"),
                    naming: Naming::Handle,
                    window: Window::ALWAYS,
                    origin: Origin { file: "only".to_owned(), line: 1 },
                }],
                labels: all[container]
                    .labels
                    .iter()
                    .filter(|(label, _)| LABELS.contains(&label.as_str()))
                    .cloned()
                    .collect(),
                ..RightsSpec::default()
            };
            (container.clone(), spec)
        };
        containers.iter().map(alone).collect()
    }

    #[expect(clippy::disallowed_methods, reason = "the harness stands in the place of the extractors")]
    fn document(&self, id: &str, doc: &Doc) -> NewDocument {
        let written = words::write(doc.seed, doc.twin);
        let scalars: Vec<char> = written.text.chars().collect();
        let texts: Vec<String> = written
            .chunks
            .iter()
            .map(|((from, to), _)| scalars[*from as usize..*to as usize].iter().collect())
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let vectors = self.embedder.embed(&texts).unwrap();
        let mut hash = [0u8; 32];
        hash[..8].copy_from_slice(&doc.seed.to_le_bytes());
        let mut chunks = Vec::new();
        for (number, ((span, headings), vector)) in (1u32..).zip(written.chunks.into_iter().zip(vectors)) {
            chunks.push(NewChunk {
                span,
                body: span.0,
                page: (doc.kind == "pdf").then_some(number),
                headings: headings.into_iter().map(UntrustedText::mint).collect(),
                vector: Some(vector),
            });
        }
        NewDocument {
            source_id: id.to_owned(),
            path: id.to_owned(),
            title: UntrustedText::mint(written.title),
            kind: doc.kind,
            modified: Timestamp(doc.modified),
            dated: doc.seed.is_multiple_of(2),
            language: [None, Some("en"), Some("de")][usize::try_from(doc.seed % 3).unwrap()]
                .map(str::to_owned),
            length: written.text.len() as u64,
            raw_hash: hash,
            pipeline: 1,
            container: doc.container.clone(),
            text: UntrustedText::mint(written.text),
            chunks,
            links: vec![Link { n: 1, url: format!("https://{}.example/a", words::canary(doc.seed)) }],
            flags: if doc.seed.is_multiple_of(5) {
                vec!["hidden_characters_removed".to_owned()]
            } else {
                Vec::new()
            },
            removed: if doc.seed.is_multiple_of(5) {
                BTreeMap::from([("zero_width".to_owned(), 3)])
            } else {
                BTreeMap::new()
            },
        }
    }

    /// The person, proven by the product's own authenticator with a token of theirs.
    pub fn caller(&mut self, handle: &str) -> Caller {
        let claim = self.claim(handle);
        kenward::identity::authenticate(
            (self.vault(), &kenward::identity::issued::Issuers::default()),
            &self.config,
            &claim,
            0,
        )
        .unwrap()
    }

    /// The claim that stands for the person.
    pub fn claim(&mut self, handle: &str) -> Claim {
        if !self.tokens.contains_key(handle) {
            let life = std::time::Duration::from_secs(90 * 86_400);
            let narrow = self.narrow.as_deref() == Some(handle);
            let agent = narrow.then(|| AgentId::new(AGENT).unwrap());
            let token = self.vault().create_token(&operator(), handle, agent, "leak", life).unwrap();
            self.tokens.insert(handle.to_owned(), (token.secret, token.token.id));
        }
        Claim::Bearer(self.tokens[handle].0.clone())
    }

    /// The token of the person's claim.
    pub fn token(&mut self, handle: &str) -> String {
        match self.claim(handle) {
            Claim::Bearer(token) => token,
            Claim::Local { .. } => panic!("the claim is a token"),
        }
    }

    /// Revokes it.
    pub fn revoke(&mut self, handle: &str) {
        let (_, id) = self.tokens.remove(handle).unwrap();
        self.direct(&[DirectoryChange::RevokeToken { id }]);
    }

    /// The configuration that goes with the vault.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config)
    }
}

/// The container that an operation names.
fn container(op: &Op) -> &str {
    match op {
        Op::Put(doc) => &doc.container,
        Op::Unchanged { container, .. } | Op::Failed { container } => container,
    }
}

fn clearance(level: u16) -> Clearance {
    Clearance { level: Level(level), ..Clearance::default() }
}
