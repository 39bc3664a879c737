//! Random worlds in the model's words, and their translation into the crate's types.

use super::model::{Asker, Edges, Entry, Layer, Who};
use kenward_access::acl::{Ace, Acl, AclLayer, Clearance, Effect, Level, Window};
use kenward_access::caller::{Caller, Credential, Subject};
use kenward_access::groups::{GroupGraph, Member};
use kenward_access::ids::{AgentId, GroupId, RightsEpoch, TenantId, Timestamp, UserId};
use kenward_access::principal::Principal;
use kenward_access::scope::AccessScope;

/// SplitMix64: a seed gives the same worlds on every machine.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// 0..n
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }
    /// True once in n.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

pub const PEOPLE: usize = 5;
pub const GROUPS: usize = 6;
/// Instants run from 0 to this, so that "now" often lies on an edge of a window.
pub const TIMES: usize = 8;

pub struct World {
    pub edges: Edges,
    pub askers: Vec<Asker>,
    pub acls: Vec<Vec<Layer>>,
}

pub fn world(dice: &mut Dice) -> World {
    let edges = (0..dice.below(20))
        .map(|_| {
            let member =
                if dice.once_in(2) { Who::User(dice.below(PEOPLE)) } else { Who::Group(dice.below(GROUPS)) };
            (dice.below(GROUPS), member)
        })
        .collect();
    let askers = (0..PEOPLE).map(|number| asker(dice, number)).collect();
    let acls = (0..12).map(|_| layers(dice)).collect();
    World { edges: Edges(edges), askers, acls }
}

fn asker(dice: &mut Dice, number: usize) -> Asker {
    Asker {
        person: !dice.once_in(8),
        number,
        complete: !dice.once_in(5),
        level: u16::try_from(dice.below(3)).unwrap(),
        compartments: (0..3).filter(|_| !dice.once_in(3)).collect(),
    }
}

pub fn layers(dice: &mut Dice) -> Vec<Layer> {
    let count = [0, 1, 1, 1, 1, 1, 1, 2, 2, 3][dice.below(10)];
    (0..count)
        .map(|_| {
            if dice.once_in(4) {
                let level = u16::try_from(dice.below(3)).unwrap();
                Layer::Label(level, (0..3).filter(|_| dice.once_in(6)).collect())
            } else {
                Layer::List((0..dice.below(6)).map(|_| entry(dice)).collect())
            }
        })
        .collect()
}

pub fn entry(dice: &mut Dice) -> Entry {
    let who = match dice.below(20) {
        0..=4 => Who::User(dice.below(PEOPLE)),
        5..=10 => Who::Group(dice.below(GROUPS)),
        11..=15 => Who::Everyone,
        16 => Who::Service(dice.below(PEOPLE)),
        17 => Who::Domain(dice.below(2)),
        18 => Who::Unknown(dice.below(2)),
        _ if dice.once_in(2) => Who::Anonymous,
        _ => Who::Link(dice.below(2)),
    };
    let mut edge = || dice.once_in(6).then(|| i64::try_from(dice.below(TIMES)).unwrap());
    let (from, until) = (edge(), edge());
    Entry { allow: !dice.once_in(4), who, from, until }
}

// ---- translation ----

pub fn user_id(n: usize) -> UserId {
    UserId::new(format!("u_{n}")).unwrap()
}

pub fn group_id(n: usize) -> GroupId {
    GroupId::new(format!("g_{n}")).unwrap()
}

pub fn principal(who: &Who) -> Principal {
    match who {
        Who::User(n) => Principal::User(user_id(*n)),
        Who::Group(n) => Principal::Group(group_id(*n)),
        Who::Service(n) => Principal::Service(format!("agent-{n}")),
        Who::Everyone => Principal::Everyone,
        Who::Anonymous => Principal::Anonymous,
        Who::Domain(n) => Principal::Domain(format!("d{n}.example")),
        Who::Link(n) => Principal::Link(format!("link-{n}")),
        Who::Unknown(n) => Principal::Unresolved(format!("who-{n}")),
    }
}

pub fn ace(entry: &Entry) -> Ace {
    Ace {
        effect: if entry.allow { Effect::Allow } else { Effect::Deny },
        principal: principal(&entry.who),
        window: Window { from: entry.from.map(Timestamp), until: entry.until.map(Timestamp) },
    }
}

pub fn acl(layers: &[Layer]) -> Acl {
    let layers = layers.iter().map(|layer| match layer {
        Layer::List(entries) => AclLayer::FirstMatch(entries.iter().map(ace).collect()),
        Layer::Label(level, compartments) => AclLayer::Label {
            level: Level(*level),
            compartments: compartments.iter().map(ToString::to_string).collect(),
        },
    });
    Acl::new(layers.collect())
}

pub fn graph(edges: &Edges) -> GroupGraph {
    let mut graph = GroupGraph::default();
    for (group, member) in &edges.0 {
        let member = match member {
            Who::User(n) => Member::User(user_id(*n)),
            Who::Group(n) => Member::Group(group_id(*n)),
            other => panic!("{other:?} is no member"),
        };
        graph.add(group_id(*group), member);
    }
    graph
}

pub fn scope(asker: &Asker, graph: &GroupGraph, now: i64, epoch: u64) -> AccessScope {
    let subject = if asker.person {
        Subject::User(user_id(asker.number))
    } else {
        Subject::Service(AgentId::new(format!("agent-{}", asker.number)).unwrap())
    };
    let memberships = if asker.person {
        graph.closure(&user_id(asker.number))
    } else {
        kenward_access::groups::Memberships::none()
    };
    let memberships = if asker.complete { memberships } else { memberships.incomplete() };
    let clearance = Clearance {
        level: Level(asker.level),
        compartments: asker.compartments.iter().map(ToString::to_string).collect(),
    };
    let caller =
        Caller::authenticated(TenantId::new("model").unwrap(), subject, None, Credential::Token([0; 32]));
    AccessScope::resolve(&caller, memberships, clearance, RightsEpoch(epoch), Timestamp(now))
}
