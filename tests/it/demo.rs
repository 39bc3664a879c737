//! `kenward demo` by the real program, with words alone: nothing is fetched, and the outcome is fixed.

use super::harbor::company as harbor;
use super::served::kenward;
use std::path::Path;

#[test]
fn both_people_get_what_they_may_see_and_nothing_is_left() {
    let temporary = tempfile::tempdir().unwrap();
    let output = kenward(Path::new("/dev/null"))
        .args(["demo", "--no-model"])
        .env("TMPDIR", temporary.path())
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{shown}\n{said}");
    let left: Vec<_> = std::fs::read_dir(temporary.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");

    // One block per question, in it one block per person, and then the deciding path.
    let blocks: Vec<&str> = shown.split("Question ").skip(1).collect();
    assert_eq!(blocks.len(), harbor::QUESTIONS.len(), "{shown}");
    let [(_, first), (_, second)] = harbor::ASKERS;
    for (question, block) in harbor::QUESTIONS.iter().zip(blocks) {
        assert!(block.contains(question.ask), "{block}");
        let (one, rest) = block.split_once(&format!("{second}'s agent gets")).unwrap();
        let (two, why) = rest.split_once("  Why: ").unwrap_or_else(|| panic!("no reason is given: {block}"));
        for (answer, expected) in [one, two].into_iter().zip(question.expected) {
            for never in expected.never {
                assert!(!answer.contains(never), "`{never}` is shown: {block}");
            }
        }
        for (name, decision) in [(first, "may read it"), (second, "may not")] {
            let either = [format!("{name} may read it"), format!("{name} may not")];
            assert!(either.iter().any(|words| why.contains(words.as_str())), "{decision}: {why}");
        }
        assert!(why.contains("may read it") && why.contains("may not"), "{why}");
        assert!(why.contains(".access.toml"), "where it is written: {why}");
        println!("{block}");
    }
    for command in ["kenward init", "kenward ingest", "kenward tokens create", "kenward serve"] {
        assert!(shown.contains(command), "{command}");
    }
    for phase in ["model", "ingest", "serve", "ask"] {
        assert!(said.contains(&format!("  {phase}")), "{phase}: {said}");
    }
    assert!(!shown.contains('\u{1b}') && !said.contains("kwt_"), "no colours in a pipe, and no tokens");
}
