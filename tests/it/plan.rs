//! `ingest --plan` with the real program: what would be done, whose view would change, and that nothing
//! is written; then the same is done, and was foreseen.

use crate::machine::Machine;
use serde_json::{Value, json};
use std::path::Path;

fn machine() -> Machine {
    let machine = Machine::new();
    machine.write(
        "directory.toml",
        "[[user]]\nhandle = \"olga@acorn.example\"\n[[user]]\nhandle = \"dana@acorn.example\"\n[[user]]\nhandle = \
         \"ben@acorn.example\"\n[[group]]\nhandle = \"finance\"\nmembers = [\"user:dana@acorn.example\"]\n",
    );
    machine.run(&["users", "import", "directory.toml"]).done();
    machine.write("handbook/travel.md", "# Travel\n\nBook trains early.\n");
    machine.write("handbook/old.md", "# Old\n\nOld rules.\n");
    machine.write("handbook/pay/.access.toml", "inherit = false\nallow = [\"group:finance\"]\n");
    machine.write("handbook/pay/bands.md", "# Bands\n\nThe quillfeather band.\n");
    machine.write("handbook/pay/bonus.md", "# Bonus\n\nThe quillfeather bonus.\n");
    machine
}

fn plan(machine: &Machine, more: &[&str]) -> Value {
    let ran = machine.run(&[&["ingest", "handbook", "--plan", "--json"], more].concat());
    assert!(ran.err.contains("nothing was written"), "{ran:?}");
    ran.json()["plan"].clone()
}

/// All files below a folder, with their bytes; the audit log and SQLite's shared memory apart.
fn files(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("audit") {
            all.extend(files(&path));
        } else if path.is_file() && !path.to_string_lossy().ends_with("-shm") {
            let bytes = std::fs::read(&path).unwrap();
            all.push((path, bytes));
        }
    }
    all.sort();
    all
}

#[test]
fn a_new_folder_is_foreseen_and_nothing_is_written() {
    let machine = machine();
    machine.run(&["doctor"]).done();
    let before = files(&machine.data());
    let refused = machine.run(&["ingest", "handbook", "--plan"]);
    assert!(refused.code == Some(3) && refused.out.contains("2 documents without rights"), "{refused:?}");
    let planned = plan(&machine, &["--default-allow", "everyone"]);
    assert_eq!(planned["added"]["count"], 4, "{planned}");
    let gains = json!({ "everyone": { "documents": 2, "people": 3 }, "group:finance": { "documents": 2, "people": 1 } });
    assert_eq!((&planned["view"]["gains"], &planned["view"]["losses"]), (&gains, &json!({})));
    assert_eq!(files(&machine.data()), before);
    let doctor = machine.run(&["doctor"]).done();
    assert!(doctor.out.contains("0 documents") && doctor.out.contains("in 0 sources"), "{doctor:?}");
}

#[test]
fn a_change_of_rights_names_who_gains_and_who_loses_and_comes_to_pass() {
    let machine = machine();
    machine.run(&["ingest", "handbook", "--default-allow", "everyone"]).done();
    machine.write("handbook/pay/.access.toml", "inherit = false\nallow = [\"user:ben@acorn.example\"]\n");
    machine.write("handbook/travel.md", "# Travel\n\nBook trains late.\n");
    machine.write("handbook/new.md", "# New\n\nNew rules.\n");
    machine.write("handbook/photo", [0xff, 0xd8, 0xff, 0xe0, 0, 1, 2, 3]);
    std::fs::remove_file(machine.path("handbook/old.md")).unwrap();
    let planned = plan(&machine, &["--html", "plan.html"]);
    let count = |what: &str| planned[what]["count"].as_u64().unwrap();
    assert_eq!(["added", "changed", "removed", "skipped"].map(count), [1, 1, 1, 1], "{planned}");
    assert_eq!((&planned["unchanged"], &planned["view"]["rights_changed"]), (&2.into(), &2.into()));
    let gains = json!({ "everyone": { "documents": 1, "people": 3 }, "user:ben@acorn.example": { "documents": 2, "people": 1 } });
    let losses = json!({ "everyone": { "documents": 1, "people": 3 }, "group:finance": { "documents": 2, "people": 1 } });
    assert_eq!((&planned["view"]["gains"], &planned["view"]["losses"]), (&gains, &losses));
    let page = std::fs::read_to_string(machine.path("plan.html")).unwrap();
    assert!(page.contains("group:finance") && page.contains("see no more"), "{page}");

    let may = |who: &str| machine.run(&["access", "why", who, "handbook/pay/bands.md"]).code == Some(0);
    assert!(may("dana@acorn.example") && !may("ben@acorn.example"));
    let summary = machine.run(&["ingest", "handbook", "--json"]).done();
    let last: Value = serde_json::from_str(summary.out.lines().last().unwrap()).unwrap();
    for what in ["added", "changed", "removed"] {
        assert_eq!(last["summary"][what], planned[what]["count"], "{what}");
    }
    assert!(!may("dana@acorn.example") && may("ben@acorn.example"));
    let again = plan(&machine, &[]);
    assert_eq!(
        (&again["unchanged"], &again["view"]["gains"], &again["view"]["losses"]),
        (&4.into(), &json!({}), &json!({}))
    );
    let said = machine.run(&["ingest", "handbook", "--plan"]).done();
    assert!(said.out.contains("nobody's view changes"), "{said:?}");
}

#[test]
fn what_would_be_refused_hidden_or_failing_is_said() {
    let machine = machine();
    machine.run(&["ingest", "handbook", "--default-allow", "everyone"]).done();
    for gone in ["travel.md", "old.md", "pay/bonus.md"] {
        std::fs::remove_file(machine.path(&format!("handbook/{gone}"))).unwrap();
    }
    machine.write(
        "handbook/pay/.access.toml",
        "allow = [\"group:nobody-knows\"]\n[[file]]\nmatch = \"x.md\"\nallow = []\n",
    );
    machine.write("handbook/empty.md", "");
    let ran = machine.run(&["ingest", "--plan"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    for words in [
        "more than half of the source would be removed",
        "hidden from everybody by rights that cannot be resolved: 1 document",
        "there is no group `nobody-knows`",
        "pay/.access.toml:3: the rule matches no file",
        "empty.md: there is no text",
        "2 documents are no longer visible to group:finance (1 person)",
    ] {
        assert!(ran.out.contains(words), "`{words}` is not in {ran:?}");
    }
    let alone = machine.run(&["ingest", "--html", "x.html"]);
    assert!(alone.code == Some(1) && alone.err.contains("--plan"), "{alone:?}");
    machine.write("kept.html", "precious");
    let over = machine.run(&["ingest", "--plan", "--html", "kept.html"]);
    assert!(over.code == Some(1) && over.err.contains("nothing is written over"), "{over:?}");
    assert_eq!(std::fs::read_to_string(machine.path("kept.html")).unwrap(), "precious");
    let nowhere = machine.run(&["ingest", "--plan", "--html", "no/such/folder.html"]);
    assert!(nowhere.code == Some(1) && nowhere.err.contains("cannot be written"), "{nowhere:?}");
}
