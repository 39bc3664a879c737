//! The vault as its writer's side drives it: runs, restarts, rights, publication. What these tests say in one
//! word, tests elsewhere in this package say too.

#![expect(clippy::disallowed_methods, reason = "tests play the authenticator, the extractor and the gate")]

mod backup;
mod catalog;
mod directory;
mod disk;
mod folder;
mod ledger;
mod ledger_place;
mod lost;
mod reembed;
mod restart;
mod rights;
mod rights_sync;
mod runs;
mod sources;
mod verify;

use crate::core::Core;
use crate::directory::DirectoryChange;
use crate::error::VaultError;
use crate::seams::{Clock, SystemEntropy};
use crate::vault::{OpenOptions, Operator, Vault};
use crate::writer::{Again, NewChunk, NewDocument, Run, SourceRights, SourceSpec, Tried, Under};
use kenward_access::acl::{Clearance, Effect, Window};
use kenward_access::decision::{Holder, decide};
use kenward_access::ids::{TenantId, Timestamp};
use kenward_access::principal::Principal;
use kenward_access::rights::{Naming, Origin, RightsEntry, RightsSpec};
use kenward_access::untrusted::{UntrustedText, expose_to_gate};
use kenward_indexes::embedding::{Embedder, hashing};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

#[derive(Default)]
struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.fetch_add(1, Ordering::Relaxed) + 1_000_000)
    }
}

fn options(dir: &Path, embedder: Option<Arc<dyn Embedder>>) -> OpenOptions {
    OpenOptions {
        data_dir: dir.to_owned(),
        tenant: TenantId::new("harbor").unwrap(),
        embedder,
        labels: vec!["public".into(), "internal".into(), "secret".into()],
        clock: Arc::new(TestClock::default()),
        entropy: Arc::new(SystemEntropy),
        ledger: None,
        vectors: kenward_indexes::vector::Engine::Flat,
        reranking: None,
    }
}

fn open(dir: &Path) -> Arc<Vault> {
    Vault::open(options(dir, Some(hashing(32)))).unwrap()
}

pub(crate) fn by() -> Operator {
    Operator { uid: 0, user: None, reason: None }
}

fn source(vault: &Vault) -> u32 {
    vault.source(&by(), spec("handbook", "/srv/handbook")).unwrap()
}

pub(crate) fn spec(name: &str, root: &str) -> SourceSpec {
    SourceSpec {
        name: name.into(),
        kind: "files".into(),
        root: root.into(),
        default_allow: vec!["everyone".into()],
        url_template: None,
        tier: 2,
        label: None,
        rights: SourceRights::default(),
    }
}

fn allow(principals: &[&str]) -> RightsSpec {
    let entry = |(line, principal): (u32, &&str)| RightsEntry {
        effect: Effect::Allow,
        principal: (*principal).to_owned(),
        naming: Naming::Handle,
        window: Window::ALWAYS,
        origin: Origin { file: ".access.toml".into(), line },
    };
    RightsSpec { entries: (1u32..).zip(principals).map(entry).collect(), ..RightsSpec::default() }
}

/// A document with a chunk for each line.
fn document(path: &str, container: &str, text: &str) -> NewDocument {
    let ends = text.char_indices().filter(|(_, c)| *c == '\n').map(|(at, _)| text[..=at].chars().count());
    let spans = ends.scan(0, |from, to| Some((std::mem::replace(from, to), to)));
    document_of(path, container, text, spans)
}

/// A document with a chunk for each span of scalars.
pub(crate) fn document_of(
    path: &str,
    container: &str,
    text: &str,
    spans: impl IntoIterator<Item = (usize, usize)>,
) -> NewDocument {
    let embedder = hashing(32);
    let chunks = spans.into_iter().map(|(from, to)| {
        let body: String = text.chars().skip(from).take(to - from).collect();
        NewChunk {
            span: (u32::try_from(from).unwrap(), u32::try_from(to).unwrap()),
            body: u32::try_from(from).unwrap(),
            page: None,
            headings: vec![UntrustedText::mint("Top".into())],
            vector: Some(embedder.embed(&[&body]).unwrap().remove(0)),
        }
    });
    NewDocument {
        source_id: path.into(),
        path: path.into(),
        title: UntrustedText::mint(format!("About {path}")),
        kind: "text",
        modified: Timestamp(5),
        dated: false,
        language: Some("en".into()),
        length: text.len() as u64,
        raw_hash: Sha256::digest(text).into(),
        pipeline: 1,
        container: container.into(),
        text: UntrustedText::mint(text.into()),
        chunks: chunks.collect(),
        links: Vec::new(),
        flags: Vec::new(),
        removed: BTreeMap::new(),
    }
}

/// A run under these rights.
fn run_under(vault: &Arc<Vault>, of: &[(&str, &[&str])]) -> Run {
    let mut run = vault.begin_run(&by(), source(vault)).unwrap();
    rights(&mut run, of);
    run
}

/// A run in which everybody may read everything.
fn open_run(vault: &Arc<Vault>) -> Run {
    run_under(vault, &[(".", &["everyone"])])
}

fn rights(run: &mut Run, of: &[(&str, &[&str])]) {
    run.set_rights(of.iter().map(|(key, who)| ((*key).to_owned(), allow(who))).collect()).unwrap();
}

pub(crate) fn people(vault: &Vault, handles: &[&str]) {
    let changes: Vec<_> = handles
        .iter()
        .map(|h| DirectoryChange::AddUser {
            handle: (*h).into(),
            name: (*h).into(),
            clearance: Clearance::default(),
        })
        .collect();
    vault.change_directory(&by(), &changes).unwrap();
}

/// The paths that a person may see now: published, and allowed by the rights as they are now.
fn sees(vault: &Vault, handle: &str) -> BTreeSet<String> {
    let (published, rights) = (vault.core.published.load(), vault.core.rights.load());
    let Some(user) = rights.handles.get(handle).and_then(|id| rights.active(id)) else {
        return BTreeSet::new();
    };
    let holder = Holder::new(
        [Principal::User(user.id.clone()), Principal::Everyone],
        rights.groups.closure(&user.id),
        user.clearance.clone(),
    );
    published
        .image
        .documents
        .values()
        .filter(|d| {
            let acl = rights.class_of(d.no).and_then(|class| rights.classes.get(class));
            acl.is_some_and(|acl| decide(acl, &holder, Timestamp(0)).allowed)
        })
        .map(|d| d.path.to_string())
        .collect()
}

fn paths(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(ToString::to_string).collect()
}

fn text_of(core: &Core, path: &str) -> Option<String> {
    let published = core.published.load();
    let document = published.image.documents.values().find(|d| &*d.path == path)?;
    let text = core.text_span(document, 0..u32::MAX).unwrap()?;
    Some(expose_to_gate(&text).to_owned())
}

/// Runs an ignored test of this package in a process of its own, whose files may not grow beyond a number of
/// blocks of 1 KiB: a real refusal of the kernel to write.
pub(crate) fn with_small_files(blocks: u32, test: &str) {
    // XFSZ ignored: a write over the limit then fails with an error in place of a signal.
    let script =
        format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" --exact {test} --ignored --nocapture");
    let out = std::process::Command::new("bash")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && said.contains("the limit was met"), "{said}");
}

/// Chunks that the lexical engine finds for a word, seen by a filter that lets everything through.
fn finds(vault: &Vault, word: &str) -> BTreeSet<String> {
    use kenward_access::acl_class::ClassTable;
    use kenward_access::{acl, caller, groups, ids, scope};
    let published = vault.core.published.load();
    let who = caller::Subject::Service(ids::AgentId::new("test").unwrap());
    let credential = caller::Credential::Peer { uid: 0 };
    let caller = caller::Caller::authenticated(vault.core.tenant.clone(), who, None, credential);
    let scope = scope::AccessScope::resolve(
        &caller,
        groups::Memberships::none(),
        Clearance::default(),
        ids::RightsEpoch(0),
        Timestamp(0),
    );
    let mut classes = ClassTable::default();
    let open = classes.intern(acl::Acl::new(vec![acl::AclLayer::FirstMatch(vec![acl::Ace {
        effect: Effect::Allow,
        principal: Principal::Everyone,
        window: Window::ALWAYS,
    }])]));
    let filter = scope.filter(&classes);
    let image = &published.image;
    let visible = filter.chunks(image.generation, image.chunks.iter().map(|(no, _)| (no, open)));
    let view = published.lexical.view(&visible).unwrap();
    let hits = published.lexical.search(word, visible, &view, &|_| true, 100, image).unwrap();
    hits.iter()
        .filter_map(|hit| image.chunks.get(&hit.chunk))
        .filter_map(|chunk| image.documents.get(&chunk.doc))
        .map(|d| d.path.to_string())
        .collect()
}
