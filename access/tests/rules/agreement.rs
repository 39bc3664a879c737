//! 100,000 random cases: what the crate returns must be allowed by the model, and what it does not
//! return must be denied by it. Every way to a verdict is asked: `decide`, the filter, the check,
//! the visible chunks.

use super::model;
use super::worlds::{self, Dice, TIMES};
use kenward_access::acl_class::ClassTable;
use kenward_access::decision::decide;
use kenward_access::ids::{ChunkNo, ClassId, DocNo, Timestamp};

const WORLDS: u64 = 900;

#[test]
fn crate_and_model_agree_both_ways() {
    let (mut cases, mut allowed_cases) = (0u64, 0u64);
    for seed in 0..WORLDS {
        let mut dice = Dice(seed);
        let world = worlds::world(&mut dice);
        let graph = worlds::graph(&world.edges);
        let mut table = ClassTable::default();
        let classes: Vec<ClassId> =
            world.acls.iter().map(|layers| table.intern(worlds::acl(layers))).collect();
        // Two chunks for every ACL, in an order of its own, and one whose class nobody knows.
        let mut chunks: Vec<(ChunkNo, usize)> =
            (0u32..).map(ChunkNo).zip((0..classes.len()).chain(0..classes.len())).collect();
        let turn = dice.below(chunks.len());
        chunks.rotate_left(turn);
        let stray = (ChunkNo(9_999), ClassId(7_777));

        for asker in &world.askers {
            let groups = if asker.person { world.edges.groups_of(asker.number) } else { Vec::new() };
            if asker.person {
                let closure = graph.closure(&worlds::user_id(asker.number));
                let mut names: Vec<_> = groups.iter().map(|n| worlds::group_id(*n)).collect();
                names.sort_unstable();
                assert!(closure.groups().eq(names.iter()), "seed {seed}: closure of {asker:?}");
                for group in &names {
                    let chain = closure.chain(group);
                    assert_eq!(chain.last(), Some(group), "seed {seed}: chain ends at its group");
                }
            }
            for _ in 0..2 {
                let now = i64::try_from(dice.below(TIMES + 1)).unwrap();
                let scope = worlds::scope(asker, &graph, now, seed);
                let filter = scope.filter(&table);
                let visible =
                    filter.chunks(1, chunks.iter().map(|(chunk, at)| (*chunk, classes[*at])).chain([stray]));
                assert!(!visible.contains(stray.0) && !filter.sees(stray.1), "seed {seed}: unknown class");

                for (layers, class) in world.acls.iter().zip(&classes) {
                    cases += 1;
                    let expected = model::may(layers, asker, &groups, now);
                    allowed_cases += u64::from(expected);
                    let told = || format!("seed {seed}, now {now}, {asker:?}, groups {groups:?}, {layers:?}");

                    let decision = decide(table.get(*class).unwrap(), scope.holder(), Timestamp(now));
                    assert_eq!(decision.allowed, expected, "decide: {}", told());
                    assert_eq!(filter.sees(*class), expected, "filter: {}", told());
                    let (checked, grant) = scope.check(DocNo(3), *class, &table);
                    assert_eq!(checked, decision, "check decides alike: {}", told());
                    assert_eq!(
                        grant.map(|g| g.document()),
                        expected.then_some(DocNo(3)),
                        "grant: {}",
                        told()
                    );

                    // Until the edge that the decision names, time alone changes nothing.
                    let edge = decision.next_edge.map_or(i64::MAX, |e| e.0);
                    assert!(edge > now);
                    for later in now..edge.min(i64::try_from(TIMES).unwrap() + 2) {
                        assert_eq!(
                            model::may(layers, asker, &groups, later),
                            expected,
                            "at {later}: {}",
                            told()
                        );
                    }
                    assert!(filter.void_from().is_none_or(|v| v.0 <= edge || edge == i64::MAX));
                }
                let expected: Vec<ChunkNo> = {
                    let mut seen: Vec<ChunkNo> = chunks
                        .iter()
                        .filter(|(_, at)| model::may(&world.acls[*at], asker, &groups, now))
                        .map(|(chunk, _)| *chunk)
                        .collect();
                    seen.sort_unstable();
                    seen
                };
                assert!(visible.iter().eq(expected.iter().copied()), "seed {seed}: chunks of {asker:?}");
                assert_eq!(visible.len(), expected.len() as u64);
            }
        }
    }
    println!("{cases} cases, {allowed_cases} allowed");
    assert!(cases >= 100_000, "{cases} cases");
    // Neither direction may be tested on next to nothing.
    assert!(allowed_cases * 5 > cases && allowed_cases * 5 < cases * 4, "{allowed_cases} of {cases} allowed");
}
