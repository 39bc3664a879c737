//! An independent reading of `acl(5)`: the access check, for one process with one user and some groups. The
//! mapping must never be wider, whatever accounts and groups stand behind people of whom the list of names
//! says nothing; and the same where it says all.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Users 1 to 4 and groups 1 to 3; those from here on are not in the list of names.
const UNLISTED: u32 = 3;

#[derive(Debug, Clone)]
struct Thing {
    uid: u32,
    gid: u32,
    owner: u8,
    group: u8,
    other: u8,
    users: BTreeMap<u32, u8>,
    groups: BTreeMap<u32, u8>,
    mask: Option<u8>,
}

/// The algorithm of `acl(5)`, "ACCESS CHECK ALGORITHM".
fn check(thing: &Thing, uid: u32, gids: &BTreeSet<u32>, wanted: u8) -> bool {
    let mask = thing.mask.unwrap_or(7);
    if uid == thing.uid {
        return thing.owner & wanted != 0;
    }
    if let Some(perm) = thing.users.get(&uid) {
        return perm & mask & wanted != 0;
    }
    let mut matching: Vec<u8> =
        thing.groups.iter().filter(|(gid, _)| gids.contains(gid)).map(|(_, p)| *p).collect();
    if gids.contains(&thing.gid) {
        matching.push(thing.group);
    }
    if !matching.is_empty() {
        return matching.iter().any(|perm| perm & wanted != 0) && mask & wanted != 0;
    }
    thing.other & wanted != 0
}

/// As a connector hands it over.
fn bytes(thing: &Thing) -> Vec<u8> {
    let class = thing.mask.unwrap_or(thing.group);
    let mode = u32::from(thing.owner) << 6 | u32::from(class) << 3 | u32::from(thing.other);
    let Some(mask) = thing.mask else { return encode(mode | 0o100_000, thing.uid, thing.gid, None) };
    let mut acl = VERSION.to_le_bytes().to_vec();
    let mut entry = |tag: u16, perm: u8, id: u32| {
        acl.extend(tag.to_le_bytes());
        acl.extend(u16::from(perm).to_le_bytes());
        acl.extend(id.to_le_bytes());
    };
    entry(1, thing.owner, u32::MAX);
    thing.users.iter().for_each(|(uid, perm)| entry(2, *perm, *uid));
    entry(4, thing.group, u32::MAX);
    thing.groups.iter().for_each(|(gid, perm)| entry(8, *perm, *gid));
    entry(16, mask, u32::MAX);
    entry(32, thing.other, u32::MAX);
    encode(mode, thing.uid, thing.gid, Some(&acl))
}

const VERSION: u32 = 2;

fn thing() -> impl Strategy<Value = Thing> {
    let named = || prop::collection::btree_map(1_u32..5, 0_u8..8, 0..3);
    let perm = || prop_oneof![1 => 0_u8..8, 1 => Just(7_u8)];
    let mask = prop_oneof![1 => Just(None), 1 => (0_u8..8).prop_map(Some)];
    (1_u32..5, 1_u32..5, perm(), perm(), perm(), named(), named(), mask).prop_map(
        |(uid, gid, owner, group, other, users, groups, mask)| {
            let (users, groups) = if mask.is_some() { (users, groups) } else { Default::default() };
            Thing { uid, gid, owner, group, other, users, groups, mask }
        },
    )
}

/// What the mapping lets a person do who holds these principals.
fn mapped(spec: &RightsSpec, held: &BTreeSet<String>) -> bool {
    let lets = |list: &Vec<RightsEntry>| {
        let unknown = |entry: &RightsEntry| entry.principal.starts_with("unmapped:");
        let first = list.iter().find(|entry| match entry.effect {
            Effect::Allow => held.contains(&entry.principal),
            Effect::Deny => held.contains(&entry.principal) || unknown(entry),
        });
        first.is_some_and(|entry| entry.effect == Effect::Allow)
    };
    spec.problem.is_none() && lets(&spec.entries) && spec.also.iter().all(lets)
}

/// All sets of these.
fn subsets(of: &[u32]) -> Vec<BTreeSet<u32>> {
    of.iter().fold(vec![BTreeSet::new()], |all, one| {
        let with = all.iter().map(|set| set.iter().copied().chain([*one]).collect());
        with.collect::<Vec<_>>().into_iter().chain(all.iter().cloned()).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]
    #[test]
    fn the_mapping_is_the_access_check(
        file in thing(),
        folders in prop::collection::vec(thing(), 3),
        all_listed: bool,
        others: bool,
    ) {
        let paths = ["", "a", "a/b", "a/b/x.md"];
        let things: Vec<&Thing> = folders.iter().chain([&file]).collect();
        let raw = paths.iter().zip(&things).map(|(path, thing)| ((*path).to_owned(), bytes(thing))).collect();
        let mut list = SourceIdentity::default();
        let listed = if all_listed { 5 } else { UNLISTED };
        for number in 1..listed {
            list.names.insert(format!("uid.{number}"), format!("user:u{number}"));
            list.names.insert(format!("gid.{number}"), format!("group:g{number}"));
        }
        if others {
            list.names.insert("other".into(), "everyone".into());
        }
        let rules = PosixRules::read(&raw, &list, Defaults::default());
        let spec = rules.of_file("a/b/x.md").spec;
        let may = |uid: u32, gids: &BTreeSet<u32>| {
            things.iter().zip(&paths).all(|(thing, path)| {
                let wanted = if path.ends_with(".md") { 4 } else { 1 };
                check(thing, uid, gids, wanted)
            })
        };
        let unlisted: Vec<u32> = (listed..5).collect();
        for person in 1..5_u32 {
            for known in subsets(&(1..listed).collect::<Vec<_>>()) {
                let mut held: BTreeSet<String> = known.iter().map(|gid| format!("group:g{gid}")).collect();
                held.insert("everyone".into());
                if person < listed {
                    held.insert(format!("user:u{person}"));
                }
                let maps = mapped(&spec, &held);
                // Whichever of the groups that nothing is known of they may be in besides.
                for besides in subsets(&unlisted) {
                    let gids: BTreeSet<u32> = known.union(&besides).copied().collect();
                    let really = may(person, &gids);
                    prop_assert!(!maps || really, "{person} {gids:?} {spec:?}");
                    if all_listed && others {
                        prop_assert_eq!(maps, really, "{} {:?} {:?}", person, gids, spec);
                    }
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(acl in prop::collection::vec(any::<u8>(), 0..60)) {
        let bytes = encode(0o777, 1, 1, Some(&acl));
        if let Ok(facts) = Facts::decode(&bytes) {
            prop_assert!(facts.acl.len() >= 3);
        }
        let _ = Facts::decode(&acl);
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    let of = |bytes: &[u8]| Facts::decode(bytes).is_err();
    assert!(of(UNREADABLE) && of(OTHER_ACL) && of(b"") && of(b"p123"));
    let plain = encode(0o640, 1, 2, None);
    assert!(!of(&plain));
    // Another version; an ACL without its three entries; a named user without a mask.
    for acl in [
        [3_u32.to_le_bytes().to_vec()].concat(),
        2_u32.to_le_bytes().to_vec(),
        [2_u32.to_le_bytes().as_slice(), &[1, 0, 7, 0, 0, 0, 0, 0]].concat(),
        [
            2_u32.to_le_bytes().as_slice(),
            &[1, 0, 7, 0, 0, 0, 0, 0],
            &[2, 0, 7, 0, 9, 0, 0, 0],
            &[4, 0, 7, 0, 0, 0, 0, 0],
            &[32, 0, 7, 0, 0, 0, 0, 0],
        ]
        .concat(),
    ] {
        assert!(of(&encode(0o777, 1, 1, Some(&acl))), "{acl:?}");
    }
    let nothing = PosixRules::read(&BTreeMap::new(), &SourceIdentity::default(), Defaults::default());
    assert!(nothing.of_file("x").spec.problem.is_some());
}
