//! Agents that err: scripted agents (`tests/agent/*.yaml`) call the real program wrongly in every way that we know
//! of, and each error must lead to a call that works. The form of the files is in `tests/agent/README.md`.

mod house;
mod model;
mod play;
mod refusal;
mod sample;
mod script;
mod stand_in;
mod walk;
mod yaml;

use house::House;
use std::collections::BTreeSet;

/// The least number of turns that check something.
const LEAST: usize = 150;

#[tokio::test]
async fn agents_that_err_are_led_to_a_call_that_works() {
    let house = House::open().await;
    let scripts = script::all();
    let (mut wrong, mut followed) = (Vec::new(), 0);
    for script in &scripts {
        let (found, hints) = play::play(&house, script).await;
        wrong.extend(found);
        followed += hints;
    }
    let turns: usize = scripts.iter().flat_map(|script| &script.turns).map(script::Turn::checks).sum();
    eprintln!("{} files, {turns} turns, {followed} hints followed", scripts.len());
    assert!(wrong.is_empty(), "{} of {turns} turns:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn there_are_enough_turns_of_every_kind_and_each_checks_something() {
    let scripts = script::all();
    let mut turns = 0;
    let (mut tools, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    for script in &scripts {
        assert!(!script.about.is_empty(), "{}", script.name);
        for (number, turn) in (1..).zip(&script.turns) {
            let checks = turn.checks();
            // What only fetches a name for later may check nothing.
            assert!(checks > 0 || !turn.keep.is_empty(), "{}, turn {number} checks nothing", script.name);
            turns += checks;
            for turn in std::iter::once(turn).chain(&turn.parallel) {
                tools.extend(turn.call.clone().filter(|_| turn.refused.is_some()));
                let kind = [
                    (turn.read.is_some(), "read"),
                    (turn.prompt.is_some(), "prompt"),
                    (turn.complete.is_some(), "complete"),
                    (turn.list, "list"),
                    (turn.raw.is_some(), "raw"),
                ];
                let refused = turn.refused.is_some();
                kinds.extend(kind.into_iter().filter(|(is, _)| *is && refused).map(|(_, kind)| kind));
                kinds.extend(turn.until.is_some().then_some("until"));
                kinds.extend((!turn.parallel.is_empty()).then_some("parallel"));
            }
        }
    }
    assert!(turns >= LEAST, "{turns} turns check something");
    for tool in ["search", "fetch", "list_sources", "list_documents", "verify_quote"] {
        assert!(tools.contains(tool), "no agent errs with `{tool}`");
    }
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        ["complete", "list", "parallel", "prompt", "raw", "read", "until"]
    );
    let versions: Vec<&str> = scripts.iter().map(|script| script.protocol.as_str()).collect();
    let newest = versions.iter().filter(|version| **version == "2026-07-28").count();
    assert!(newest.abs_diff(versions.len() - newest) <= 1, "half of the files in each version: {versions:?}");
}
