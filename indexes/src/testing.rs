//! What the unit tests of this package share: callers with given sight, and a stable order.

use crate::{Scored, TieOrder};
use kenward_access::acl::{Ace, Acl, AclLayer, Clearance, Effect, Window};
use kenward_access::acl_class::ClassTable;
use kenward_access::caller::{Caller, Credential, Subject};
use kenward_access::groups::Memberships;
use kenward_access::ids::{ChunkNo, ClassId, RightsEpoch, TenantId, TieKey, Timestamp, UserId};
use kenward_access::principal::Principal;
use kenward_access::scope::{AccessScope, VisibleChunks};

#[expect(clippy::disallowed_methods, reason = "a test's caller needs no proof")]
/// Runs `then` as a caller who sees exactly these of these chunks.
pub(crate) fn seeing<T>(
    seen: impl IntoIterator<Item = u32>,
    hidden: impl IntoIterator<Item = u32>,
    then: impl FnOnce(VisibleChunks<'_>) -> T,
) -> T {
    let dana = UserId::new("u_dana").unwrap();
    let subject = Subject::User(dana.clone());
    let tenant = TenantId::new("test").unwrap();
    let caller = Caller::authenticated(tenant, subject, None, Credential::Peer { uid: 1 });
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
    let shut = classes.intern(Acl::nobody());
    let chunks = seen.into_iter().map(|n| (n, open)).chain(hidden.into_iter().map(|n| (n, shut)));
    let filter = scope.filter(&classes);
    then(filter.chunks(1, chunks.map(|(n, class)| (ChunkNo(n), class))))
}

/// Runs `then` as a caller who sees these of the first `classes` classes, over chunks of given classes.
#[expect(clippy::disallowed_methods, reason = "a test's caller needs no proof")]
pub(crate) fn seeing_classes<T>(
    seen: &[u32],
    classes: u32,
    chunks: impl IntoIterator<Item = (u32, u32)>,
    then: impl FnOnce(VisibleChunks<'_>) -> T,
) -> T {
    let dana = UserId::new("u_dana").unwrap();
    let tenant = TenantId::new("test").unwrap();
    let caller =
        Caller::authenticated(tenant, Subject::User(dana.clone()), None, Credential::Peer { uid: 1 });
    let (none, clearance) = (Memberships::none(), Clearance::default());
    let scope = AccessScope::resolve(&caller, none, clearance, RightsEpoch(1), Timestamp(0));
    let mut table = ClassTable::default();
    for class in 0..classes {
        let entry =
            |user| Ace { effect: Effect::Allow, principal: Principal::User(user), window: Window::ALWAYS };
        let mut entries = vec![entry(UserId::new(format!("u_{class}")).unwrap())];
        if seen.contains(&class) {
            entries.push(entry(dana.clone()));
        }
        assert_eq!(table.intern(Acl::new(vec![AclLayer::FirstMatch(entries)])), ClassId(class));
    }
    let filter = scope.filter(&table);
    then(filter.chunks(1, chunks.into_iter().map(|(chunk, class)| (ChunkNo(chunk), ClassId(class)))))
}

/// Ties by a hash of the chunk number: unlike any order of storage.
pub(crate) struct ByHash;

impl TieOrder for ByHash {
    fn tie(&self, chunk: ChunkNo) -> Option<TieKey> {
        Some(TieKey { document: *blake3::hash(&chunk.0.to_le_bytes()).as_bytes(), ordinal: 0 })
    }
}

/// Chunks and the exact bits of their scores.
pub(crate) fn bits(list: &[Scored]) -> Vec<(u32, u64)> {
    list.iter().map(|c| (c.chunk.0, c.score.to_bits())).collect()
}

/// A folder in memory where there is one: these tests commit often, and need no disk to be true.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}
