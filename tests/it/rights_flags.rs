//! `ingest --rights` and `--identity` with the real program: what is said, what is recorded, what is refused.

use crate::machine::Machine;
use serde_json::Value;

const OWNERS: &str = "approvers:\n- jdoe\n- somebody-else\n";

fn machine() -> Machine {
    let machine = Machine::new();
    machine.write(
        "directory.toml",
        "[[user]]\nhandle = \"dana@acorn.example\"\n[[user]]\nhandle = \"ben@acorn.example\"\n",
    );
    machine.run(&["users", "import", "directory.toml"]).done();
    machine.write("handbook/.access.toml", "allow = [\"user:ben@acorn.example\"]\n");
    machine.write("handbook/OWNERS", OWNERS);
    machine.write("handbook/a/OWNERS", "approvers:\n- jdoe\nrequired_reviewers:\n- ben\n");
    machine.write("handbook/a/page.md", "# Page\n\nThe quillfeather page.\n");
    // Under `.access.toml` the OWNERS files are documents; they are to be no more than half of them.
    for page in ["b.md", "c.md"] {
        machine.write(&format!("handbook/a/{page}"), "# More\n\nMore.\n");
    }
    machine.write("names.toml", "jdoe = \"user:dana@acorn.example\"\n");
    machine
}

fn may(machine: &Machine, who: &str) -> bool {
    machine.run(&["access", "why", who, "handbook/a/page.md"]).code == Some(0)
}

#[test]
fn rights_of_another_format_are_recorded_and_reported() {
    let machine = machine();
    machine.run(&["ingest", "handbook"]).done();
    assert!(may(&machine, "ben@acorn.example") && !may(&machine, "dana@acorn.example"));

    let owners = ["ingest", "handbook", "--rights", "owners", "--identity", "names.toml"];
    let planned = machine.run(&[owners.as_slice(), &["--plan"]].concat());
    for line in [
        "visible to user:dana@acorn.example",
        "no longer visible to user:ben@acorn.example",
        "approvers: 3 exactly",
    ] {
        assert!(planned.out.contains(line), "{planned:?}");
    }
    assert!(may(&machine, "ben@acorn.example"));
    assert!(
        planned.err.contains("with owners it would be") && !planned.err.contains("from now on"),
        "{planned:?}"
    );

    let ran = machine.run(&owners);
    // A rights file that this source does not read is something to look at.
    assert_eq!(ran.code, Some(3), "{ran:?}");
    for line in [
        "had its rights as access-toml, and has them as owners from now on",
        "handbook/.access.toml",
        "required_reviewers: 1 narrower",
        "narrower at a/OWNERS:3",
        "1 name stands for nobody in the directory",
        "user:somebody-else at OWNERS:3",
    ] {
        assert!(ran.err.contains(line), "`{line}` is not in {ran:?}");
    }
    assert!(may(&machine, "dana@acorn.example") && !may(&machine, "ben@acorn.example"));
    let why = machine.run(&["access", "why", "dana@acorn.example", "handbook/a/page.md"]).done();
    assert!(why.out.contains("a/OWNERS:2"), "{why:?}");

    // It was recorded: the same without flags, and nothing more is said of a change.
    std::fs::remove_file(machine.path("handbook/.access.toml")).unwrap();
    let again = machine.run(&["ingest", "handbook", "--json"]).done();
    assert!(!again.err.contains("from now on"), "{again:?}");
    let finished: Value = serde_json::from_str(again.out.lines().last().unwrap()).unwrap();
    assert_eq!(finished["fidelity"]["format"], "owners", "{finished}");
    assert_eq!(finished["fidelity"]["unmapped"], 1, "{finished}");
    let shown = machine.run(&["runs", "show", "handbook"]).done();
    assert!(shown.out.contains("1 name stands for nobody"), "{shown:?}");

    // The list of names changed: at the next run its people are others.
    machine.write("names.toml", "listed_only = true\njdoe = \"user:ben@acorn.example\"\n");
    machine.run(&["ingest", "handbook"]).done();
    assert!(may(&machine, "ben@acorn.example") && !may(&machine, "dana@acorn.example"));
}

#[test]
fn flags_that_make_no_sense_are_refused() {
    let machine = machine();
    machine.run(&["ingest", "handbook", "--rights", "owner"]).refused(&["`owner`", "`codeowners`"]);
    machine.run(&["ingest", "handbook", "--identity", "names.toml"]).refused(&["`--identity`", "--rights"]);
    machine
        .run(&["ingest", "handbook", "--rights", "posix", "--identity", "gone.toml"])
        .refused(&["`gone.toml`", "--identity"]);
}
