//! Properties of the rules, each over random askers, ACLs and instants.

use super::model::{Asker, Entry, Layer, Who};
use super::worlds::{self, Dice, TIMES, World};
use kenward_access::acl::Acl;
use kenward_access::acl_class::ClassTable;
use kenward_access::decision::decide;
use kenward_access::ids::{ChunkNo, ClassId, Timestamp};
use proptest::prelude::*;

fn case(seed: u64) -> (Dice, World, Asker, i64) {
    let mut dice = Dice(seed);
    let world = worlds::world(&mut dice);
    let asker = world.askers[dice.below(world.askers.len())].clone();
    let now = i64::try_from(dice.below(TIMES + 1)).unwrap();
    (dice, world, asker, now)
}

fn may(acl: &Acl, asker: &Asker, world: &World, now: i64) -> bool {
    let scope = worlds::scope(asker, &worlds::graph(&world.edges), now, 0);
    decide(acl, scope.holder(), Timestamp(now)).allowed
}

/// `a` implies `b`.
fn implies(a: bool, b: bool) -> bool {
    !a || b
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn without_an_allow_nobody_reads(seed: u64) {
        let (_, world, asker, now) = case(seed);
        for layers in &world.acls {
            let mut layers = layers.clone();
            for layer in &mut layers {
                if let Layer::List(entries) = layer {
                    entries.retain(|entry| !entry.allow);
                }
            }
            prop_assert!(!may(&worlds::acl(&layers), &asker, &world, now));
        }
        prop_assert!(!may(&Acl::nobody(), &asker, &world, now));
    }

    #[test]
    fn adding_a_layer_never_widens(seed: u64) {
        let (mut dice, world, asker, now) = case(seed);
        for layers in &world.acls {
            let acl = worlds::acl(layers);
            let both = acl.and(&worlds::acl(&worlds::layers(&mut dice)));
            prop_assert!(implies(may(&both, &asker, &world, now), may(&acl, &asker, &world, now)));
            let mut more = acl.layers().to_vec();
            more.extend(worlds::acl(&worlds::layers(&mut dice)).layers().to_vec());
            prop_assert!(implies(may(&Acl::new(more), &asker, &world, now), may(&acl, &asker, &world, now)));
        }
    }

    #[test]
    fn and_is_both(seed: u64) {
        let (_, world, asker, now) = case(seed);
        for pair in world.acls.windows(2) {
            let (a, b) = (worlds::acl(&pair[0]), worlds::acl(&pair[1]));
            let both = may(&a, &asker, &world, now) && may(&b, &asker, &world, now);
            prop_assert_eq!(may(&a.and(&b), &asker, &world, now), both);
            prop_assert_eq!(may(&b.and(&a), &asker, &world, now), both);
        }
    }

    #[test]
    fn removing_a_deny_never_narrows(seed: u64) {
        let (_, world, asker, now) = case(seed);
        for layers in &world.acls {
            for (at, layer) in layers.iter().enumerate() {
                let Layer::List(entries) = layer else { continue };
                for (index, _) in entries.iter().enumerate().filter(|(_, entry)| !entry.allow) {
                    let mut fewer = layers.clone();
                    if let Layer::List(entries) = &mut fewer[at] {
                        entries.remove(index);
                    }
                    let before = may(&worlds::acl(layers), &asker, &world, now);
                    prop_assert!(implies(before, may(&worlds::acl(&fewer), &asker, &world, now)));
                }
            }
        }
    }

    #[test]
    fn a_deny_in_front_refuses_whom_it_names(seed: u64) {
        let (_, world, asker, now) = case(seed);
        let deny = Entry { allow: false, who: Who::Everyone, from: None, until: None };
        for layers in &world.acls {
            let mut layers = layers.clone();
            let Some(Layer::List(entries)) = layers.iter_mut().find(|l| matches!(l, Layer::List(_))) else {
                continue;
            };
            entries.insert(0, deny.clone());
            prop_assert!(!may(&worlds::acl(&layers), &asker, &world, now));
        }
    }

    #[test]
    fn missing_facts_never_widen(seed: u64) {
        let (_, world, asker, now) = case(seed);
        let (mut sure, mut unsure) = (asker.clone(), asker);
        (sure.complete, unsure.complete) = (true, false);
        let mut lower = sure.clone();
        lower.level = lower.level.saturating_sub(1);
        lower.compartments.pop();
        for layers in &world.acls {
            let acl = worlds::acl(layers);
            prop_assert!(implies(may(&acl, &unsure, &world, now), may(&acl, &sure, &world, now)));
            prop_assert!(implies(may(&acl, &lower, &world, now), may(&acl, &sure, &world, now)));
        }
    }

    #[test]
    fn an_acl_survives_being_written_down(seed: u64) {
        let (_, world, _, _) = case(seed);
        for layers in &world.acls {
            let acl = worlds::acl(layers);
            let json = serde_json::to_string(&acl).unwrap();
            prop_assert_eq!(serde_json::from_str::<Acl>(&json).unwrap(), acl);
        }
    }

    /// Two callers share a right-set only if no ACL can tell them apart, and a set of chunks is
    /// taken again only under the same right-set, epoch and content, inside its time.
    #[test]
    fn nothing_is_reused_across_callers(seed: u64) {
        let (_, world, asker, now) = case(seed);
        let graph = worlds::graph(&world.edges);
        let mut table = ClassTable::default();
        for layers in &world.acls {
            table.intern(worlds::acl(layers));
        }
        let chunks = || (0..u32::try_from(table.len()).unwrap()).map(|n| (ChunkNo(n), ClassId(n)));
        let scope = worlds::scope(&asker, &graph, now, 1);
        let filter = scope.filter(&table);
        let (right_set, _, _, set) = filter.chunks(5, chunks()).cacheable();
        for other in &world.askers {
            let theirs = worlds::scope(other, &graph, now, 1);
            let their_filter = theirs.filter(&table);
            let reused = their_filter.reuse(5, Timestamp(now), set.clone());
            prop_assert_eq!(reused.is_some(), theirs.right_set() == right_set);
            if let Some(reused) = reused {
                prop_assert!(reused.iter().eq(their_filter.chunks(5, chunks()).iter()));
            }
        }
        prop_assert!(filter.reuse(6, Timestamp(now), set.clone()).is_none());
        let next = worlds::scope(&asker, &graph, now, 2);
        prop_assert!(next.filter(&table).reuse(5, Timestamp(now), set.clone()).is_none());
        for at in 0..=i64::try_from(TIMES).unwrap() + 1 {
            let then = worlds::scope(&asker, &graph, at, 1);
            let fresh = then.filter(&table);
            if let Some(reused) = fresh.reuse(5, Timestamp(at), set.clone()) {
                prop_assert!(at >= now, "a clock that went back takes nothing again");
                prop_assert!(reused.iter().eq(fresh.chunks(5, chunks()).iter()), "at {} of {}", at, now);
            }
        }
    }
}
