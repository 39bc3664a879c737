//! Data that an older version of the program left is opened, migrated and answered from. The
//! folders in `tests/fixtures` were made by those versions; each stays as it is.

use crate::machine::Machine;
use std::path::Path;
use std::process::Command;

/// A machine with the data of an older version.
fn machine(version: u32) -> Machine {
    let machine = Machine::new();
    let archive =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/data-v{version}.tar.gz"));
    let unpacked = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(machine.home.path()).status();
    assert!(unpacked.unwrap().success());
    machine
}

#[test]
fn version_1_is_migrated_after_a_copy_and_answers_as_before() {
    let machine = machine(1);
    let search = |who: &str| {
        let ran = machine.run(&["search", "salary band", "--as", who, "--reason", "a test", "--json"]).done();
        ran.out.contains("quillfeather")
    };
    assert!(search("dana@acorn.example") && !search("ben@acorn.example"));
    assert_eq!(std::fs::read_to_string(machine.data().join("VERSION")).unwrap(), "4\n");
    let copy = std::fs::metadata(machine.data().join("catalog.sqlite.v1")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&copy.permissions()) & 0o777, 0o600);
    let runs = machine.run(&["runs", "list", "--json"]).done().json();
    let states: Vec<&str> =
        runs.as_array().unwrap().iter().map(|run| run["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["interrupted", "done", "done"]);
    assert_eq!(runs[2]["summary"]["added"], 3);
    let doctor = machine.run(&["doctor"]).found();
    for words in
        ["2 documents, 2 passages, 2 vectors", "1 token", "the chain holds", "1 document failed (empty"]
    {
        assert!(doctor.out.contains(words), "`{words}` is not in {doctor:?}");
    }
    // The next run goes on with the interrupted one.
    let root = machine.path("handbook");
    let ran =
        machine.run(&["ingest", root.to_str().unwrap(), "--name", "second", "--default-allow", "everyone"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert_eq!(machine.run(&["runs", "list", "--json"]).done().json()[0]["no"], 4);
}

#[test]
fn version_2_is_migrated_and_its_paused_run_goes_on() {
    let machine = machine(2);
    let search = |who: &str| {
        let ran = machine.run(&["search", "salary band", "--as", who, "--reason", "a test", "--json"]).done();
        ran.out.contains("quillfeather")
    };
    // Dana is of the group, and cleared for the label.
    assert!(search("dana@acorn.example") && !search("ben@acorn.example"));
    assert_eq!(std::fs::read_to_string(machine.data().join("VERSION")).unwrap(), "4\n");
    assert!(machine.data().join("catalog.sqlite.v2").exists());
    let doctor = machine.run(&["doctor"]).found();
    for words in ["1 token", "the chain holds", "1 document failed (empty"] {
        assert!(doctor.out.contains(words), "`{words}` is not in {doctor:?}");
    }
    let runs = machine.run(&["runs", "list", "--json"]).done().json();
    let states: Vec<&str> =
        runs.as_array().unwrap().iter().map(|run| run["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["paused", "done"]);
    // Its folder is somewhere else now.
    let catalog = rusqlite::Connection::open(machine.data().join("catalog.sqlite")).unwrap();
    let here = machine.home.path().to_str().unwrap();
    catalog.execute("UPDATE sources SET spec = replace(spec, '/tmp/v2', ?1)", [here]).unwrap();
    drop(catalog);
    machine.run(&["runs", "resume", "2"]).done();
    let runs = machine.run(&["runs", "list", "--json"]).done().json();
    assert_eq!((&runs[0]["no"], &runs[0]["state"], &runs[0]["legs"]), (&2.into(), &"done".into(), &2.into()));
    machine.run(&["search", "number7"]).done();
}

#[test]
fn version_3_is_migrated_and_answers_as_before() {
    let machine = machine(3);
    let first = |query: &str, who: &str| {
        let ran = machine.run(&["search", query, "--as", who, "--reason", "a test"]).done();
        ran.out.lines().next().unwrap_or_default().to_owned()
    };
    let (dana, ben) = ("dana@acorn.example", "ben@acorn.example");
    assert_eq!(first("quillfeather salary band", dana), "1. Bands  (high)");
    assert!(!first("quillfeather salary band", ben).contains("Bands"));
    // It was redacted as it was opened to everybody, and has not been read since.
    assert_eq!(first("trains early", dana), "1. Travel  (high)");
    assert!(!first("trains early", ben).contains("Travel"));
    assert_eq!(first("marmalade clause", ben), "1. Inside  (high)");
    assert_eq!(std::fs::read_to_string(machine.data().join("VERSION")).unwrap(), "4\n");
    assert!(machine.data().join("catalog.sqlite.v3").exists());
    // What came with this version works on it.
    let issuer = "https://login.acorn.example";
    machine.run(&["users", "link", dana, "--issuer", issuer, "--subject", "s-1"]).done();
    let catalog = rusqlite::Connection::open(machine.data().join("catalog.sqlite")).unwrap();
    let here = machine.home.path().to_str().unwrap();
    catalog.execute("UPDATE sources SET spec = replace(spec, '/tmp/v3', ?1)", [here]).unwrap();
    drop(catalog);
    assert_eq!(machine.run(&["ingest", "handbook"]).code, Some(3), "a file of it is empty");
    // Under its new name, its documents are the ones that it had; they are read again, by a newer pipeline.
    let ran = machine.run(&["ingest", "notes", "--json"]).done();
    let report: serde_json::Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    assert_eq!(report["summary"]["changed"], 14, "{report}");
    assert_eq!(first("buses early", ben), "1. Travel  (high)");
    let doctor = machine.run(&["doctor"]).found();
    for words in ["16 documents, 16 passages, 16 vectors in 2 sources", "1 token", "the chain holds"] {
        assert!(doctor.out.contains(words), "`{words}` is not in {doctor:?}");
    }
}

#[test]
fn version_4_is_this_version_and_opens_as_it_is() {
    let machine = machine(4);
    let users = machine.run(&["users", "list", "--json"]).done().json();
    let dana = users.as_array().unwrap().iter().find(|user| user["handle"] == "dana@acorn.example").unwrap();
    assert_eq!(
        dana["identities"],
        serde_json::json!([{ "issuer": "https://login.acorn.example", "subject": "s-1" }])
    );
    assert!(!machine.data().join("catalog.sqlite.v4").exists(), "nothing was migrated");
    let search = |who: &str| {
        let ran = machine.run(&["search", "salary band", "--as", who, "--reason", "a test", "--json"]).done();
        ran.out.contains("quillfeather")
    };
    assert!(search("dana@acorn.example") && !search("ben@acorn.example"));
}

#[test]
fn a_migration_that_was_cut_off_is_done_again_from_the_same_catalog() {
    let machine = machine(1);
    // As if the copy had been half made.
    std::fs::write(machine.data().join("catalog.sqlite.v1.new"), "half").unwrap();
    machine.run(&["doctor"]).found();
    assert!(!machine.data().join("catalog.sqlite.v1.new").exists());
    // As if the version had not been written any more.
    std::fs::write(machine.data().join("VERSION"), "1\n").unwrap();
    let doctor = machine.run(&["doctor"]).found();
    assert!(doctor.out.contains("2 documents, 2 passages"), "{doctor:?}");
    assert_eq!(std::fs::read_to_string(machine.data().join("VERSION")).unwrap(), "4\n");
    // The copy is what the older version opens.
    let copied = std::fs::read(machine.data().join("catalog.sqlite.v1")).unwrap();
    assert!(copied.starts_with(b"SQLite format 3"));
    let newer = machine.data().join("VERSION");
    std::fs::write(newer, "5\n").unwrap();
    let refused = machine.run(&["users", "list"]);
    assert!(refused.code != Some(0) && refused.err.contains("version `5`"), "{refused:?}");
}
