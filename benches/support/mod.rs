//! What the benches share: a caller with given sight, a stable order of equals, the evaluation
//! folder, and where results go.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench: it stops loudly, prints, and uses a part of this module each"
)]

pub mod bars;
pub mod chart;
pub mod collections;
pub mod corpus;
pub mod model;
pub mod panels;
pub mod peer;
pub mod process;
pub mod stacks;

use kenward_access::acl::{Ace, Acl, AclLayer, Clearance, Effect, Window};
use kenward_access::acl_class::ClassTable;
use kenward_access::caller::{Caller, Credential, Subject};
use kenward_access::groups::Memberships;
use kenward_access::ids::{ChunkNo, ClassId, RightsEpoch, TenantId, TieKey, Timestamp, UserId};
use kenward_access::principal::Principal;
use kenward_access::scope::{AccessScope, VisibleChunks};
use kenward_indexes::TieOrder;
use std::path::{Path, PathBuf};

/// Runs `then` as a caller who sees exactly these chunks.
#[expect(clippy::disallowed_methods, reason = "a bench's caller needs no proof")]
pub fn seeing<T>(seen: impl IntoIterator<Item = u32>, then: impl FnOnce(VisibleChunks<'_>) -> T) -> T {
    let dana = UserId::new("u_dana").unwrap();
    let caller = Caller::authenticated(
        TenantId::new("bench").unwrap(),
        Subject::User(dana.clone()),
        None,
        Credential::Peer { uid: 1 },
    );
    let scope = AccessScope::resolve(
        &caller,
        Memberships::none(),
        Clearance::default(),
        RightsEpoch(1),
        Timestamp(0),
    );
    let mut classes = ClassTable::default();
    let entry = Ace { effect: Effect::Allow, principal: Principal::User(dana), window: Window::ALWAYS };
    let open = classes.intern(Acl::new(vec![AclLayer::FirstMatch(vec![entry])]));
    let filter = scope.filter(&classes);
    then(filter.chunks(1, seen.into_iter().map(|n| (ChunkNo(n), open))))
}

/// Runs `then` as a caller who sees these (ascending) of so many classes, over chunks of given classes.
#[expect(clippy::disallowed_methods, reason = "a bench's caller needs no proof")]
pub fn seeing_classes<T>(
    seen: &[u32],
    classes: u32,
    chunks: impl IntoIterator<Item = (u32, u32)>,
    then: impl FnOnce(VisibleChunks<'_>) -> T,
) -> T {
    let dana = UserId::new("u_dana").unwrap();
    let tenant = TenantId::new("bench").unwrap();
    let caller =
        Caller::authenticated(tenant, Subject::User(dana.clone()), None, Credential::Peer { uid: 1 });
    let (none, clearance) = (Memberships::none(), Clearance::default());
    let scope = AccessScope::resolve(&caller, none, clearance, RightsEpoch(1), Timestamp(0));
    let mut table = ClassTable::default();
    let entry =
        |user| Ace { effect: Effect::Allow, principal: Principal::User(user), window: Window::ALWAYS };
    for class in 0..classes {
        let mut entries = vec![entry(UserId::new(format!("u_{class}")).unwrap())];
        entries.extend(seen.binary_search(&class).is_ok().then(|| entry(dana.clone())));
        assert_eq!(table.intern(Acl::new(vec![AclLayer::FirstMatch(entries)])), ClassId(class));
    }
    let filter = scope.filter(&table);
    then(filter.chunks(1, chunks.into_iter().map(|(chunk, class)| (ChunkNo(chunk), ClassId(class)))))
}

/// The order of equals, unlike any order of storage.
pub struct Ties(Vec<TieKey>);

impl Ties {
    /// Of documents of one chunk.
    pub fn new(chunks: usize) -> Self {
        Self::of(0..chunks)
    }

    /// Of chunks by the number of their document, those of a document together.
    pub fn of(documents: impl IntoIterator<Item = usize>) -> Self {
        let (mut numbers, mut keys, mut ties) = (Numbers(77), Vec::<[u8; 32]>::new(), Vec::<TieKey>::new());
        let mut last = None;
        for document in documents {
            while keys.len() <= document {
                let mut key = [0; 32];
                key.fill_with(|| numbers.below(256) as u8);
                keys.push(key);
            }
            let ordinal = ties.last().filter(|_| last == Some(document)).map_or(0, |tie| tie.ordinal + 1);
            ties.push(TieKey { document: keys[document], ordinal });
            last = Some(document);
        }
        Self(ties)
    }
}

impl TieOrder for Ties {
    fn tie(&self, chunk: ChunkNo) -> Option<TieKey> {
        self.0.get(chunk.0 as usize).copied()
    }
}

/// A small generator: the same numbers on every machine.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// In 0..1.
    pub fn unit(&mut self) -> f64 {
        self.next() as f64 / (1u64 << 31) as f64
    }
}

/// The evaluation folder, if it is there: `KENWARD_EVAL`, or beside the repository.
pub fn eval() -> Option<PathBuf> {
    let beside = repository().join("../shared/eval");
    let folder = std::env::var_os("KENWARD_EVAL").map_or(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

/// The repository's folder, of whichever package the bench is.
pub fn repository() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().find(|folder| folder.join("benches").is_dir()).unwrap_or(package).to_owned()
}

/// Where results go.
pub fn results() -> PathBuf {
    let folder = repository().join("target/bench");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The value below which this share of the values lies.
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}
