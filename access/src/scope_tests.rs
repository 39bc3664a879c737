//! Tests of the scope, and of the grants that it gives.
#![expect(
    clippy::disallowed_methods,
    reason = "callers and grants are tried without an authenticator and a gate"
)]

use super::*;
use crate::acl::{Ace, Acl, AclLayer, Effect, Level, Window};
use crate::caller::Credential;
use crate::groups::{GroupGraph, Member};
use crate::ids::{GroupId, UserId};
use crate::visible::OfDocument;

fn caller(tenant: &str, user: &str, agent: Option<&str>) -> Caller {
    Caller::authenticated(
        TenantId::new(tenant).unwrap(),
        Subject::User(UserId::new(user).unwrap()),
        agent.map(|a| AgentId::new(a).unwrap()),
        Credential::Peer { uid: 1000 },
    )
}

fn groups() -> GroupGraph {
    let mut graph = GroupGraph::default();
    graph.add(GroupId::new("g_hr").unwrap(), Member::User(UserId::new("u_dana").unwrap()));
    graph
}

fn scope_of(caller: &Caller, memberships: Memberships) -> AccessScope {
    AccessScope::resolve(caller, memberships, Clearance::default(), RightsEpoch(1), Timestamp(0))
}

fn allow(principal: Principal) -> Acl {
    Acl::new(vec![AclLayer::FirstMatch(vec![Ace {
        effect: Effect::Allow,
        principal,
        window: Window::ALWAYS,
    }])])
}

struct Passage(DocNo);
impl OfDocument for Passage {
    fn document(&self) -> DocNo {
        self.0
    }
}

#[test]
fn a_grant_admits_its_own_document_only() {
    let mut table = ClassTable::default();
    let open = table.intern(allow(Principal::Everyone));
    let closed = table.intern(Acl::nobody());
    let dana = caller("harbor", "u_dana", None);
    let scope = scope_of(&dana, groups().closure(&UserId::new("u_dana").unwrap()));
    let grant = scope.check(DocNo(7), open, &table).1.unwrap();
    assert_eq!(grant.admit(Passage(DocNo(7))).unwrap().get().0, DocNo(7));
    assert!(grant.admit(Passage(DocNo(8))).is_none());
    assert!(scope.check(DocNo(7), closed, &table).1.is_none());
    assert!(scope.check(DocNo(7), ClassId(99), &table).1.is_none());
}

#[test]
fn groups_of_somebody_else_count_for_nothing() {
    let mut table = ClassTable::default();
    let hr = table.intern(allow(Principal::Group(GroupId::new("g_hr").unwrap())));
    let dana = groups().closure(&UserId::new("u_dana").unwrap());
    let sees = |user: &str, memberships: &Memberships| {
        let caller = caller("harbor", user, None);
        scope_of(&caller, memberships.clone()).filter(&table).sees(hr)
    };
    assert!(sees("u_dana", &dana));
    assert!(!sees("u_omar", &dana));
    let omar = caller("harbor", "u_omar", None);
    assert_eq!(scope_of(&omar, dana).holder().memberships().completeness(), Completeness::Incomplete);
}

#[test]
fn every_fact_that_can_matter_is_in_the_right_set() {
    let dana = UserId::new("u_dana").unwrap();
    let held = || groups().closure(&dana);
    let clearance = |level, compartments: &[&str]| Clearance {
        level: Level(level),
        compartments: compartments.iter().map(ToString::to_string).collect(),
    };
    let set = |tenant, user, agent, memberships, clearance| {
        let caller = caller(tenant, user, agent);
        AccessScope::resolve(&caller, memberships, clearance, RightsEpoch(1), Timestamp(0)).right_set()
    };
    let sets = [
        set("harbor", "u_dana", None, held(), clearance(0, &[])),
        set("other", "u_dana", None, held(), clearance(0, &[])),
        set(
            "harbor",
            "u_omar",
            None,
            GroupGraph::default().closure(&UserId::new("u_omar").unwrap()),
            clearance(0, &[]),
        ),
        set("harbor", "u_dana", Some("agent"), held(), clearance(0, &[])),
        set("harbor", "u_dana", None, held().incomplete(), clearance(0, &[])),
        set("harbor", "u_dana", None, GroupGraph::default().closure(&dana), clearance(0, &[])),
        set("harbor", "u_dana", None, held(), clearance(1, &[])),
        set("harbor", "u_dana", None, held(), clearance(0, &["a", "b"])),
        set("harbor", "u_dana", None, held(), clearance(0, &["a"])),
        set("harbor", "u_dana", None, held(), clearance(0, &["ab"])),
    ];
    let distinct: std::collections::BTreeSet<_> = sets.iter().collect();
    assert_eq!(distinct.len(), sets.len());
    assert_eq!(sets[0], set("harbor", "u_dana", None, held(), clearance(0, &[])));
}

#[test]
fn a_service_is_not_the_person_of_its_name() {
    let service = Caller::authenticated(
        TenantId::new("harbor").unwrap(),
        Subject::Service(AgentId::new("u_dana").unwrap()),
        None,
        Credential::Token([1; 32]),
    );
    let scope = scope_of(&service, Memberships::none());
    let mut table = ClassTable::default();
    let person = table.intern(allow(Principal::User(UserId::new("u_dana").unwrap())));
    let own = table.intern(allow(Principal::Service("u_dana".into())));
    assert!(!scope.filter(&table).sees(person));
    assert!(scope.filter(&table).sees(own));
}

#[test]
fn a_part_of_what_is_visible_never_goes_for_the_whole() {
    let mut table = ClassTable::default();
    let open = table.intern(allow(Principal::Everyone));
    let closed = table.intern(Acl::nobody());
    let dana = caller("harbor", "u_dana", None);
    let scope = scope_of(&dana, groups().closure(&UserId::new("u_dana").unwrap()));
    let filter = scope.filter(&table);
    let chunks = (0..10).map(|n| (ChunkNo(n), if n < 7 { open } else { closed }));
    let whole = filter.chunks(3, chunks);
    assert!(whole.sees(open) && !whole.sees(closed) && !whole.sees(ClassId(99)));
    assert_eq!(whole.among(&(5..20).collect()), (5..7).collect());
    let part = whole.without(&(0..3).chain(8..9).collect());
    assert_eq!(part.iter().map(|chunk| chunk.0).collect::<Vec<_>>(), [3, 4, 5, 6]);
    let (_, _, generation, set) = part.cacheable();
    assert_ne!(generation, 3);
    assert!(filter.reuse(3, Timestamp(0), set).is_none());
    let (_, _, generation, set) = whole.cacheable();
    assert_eq!(filter.reuse(generation, Timestamp(0), set).unwrap().len(), 7);
}
