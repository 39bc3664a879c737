//! Sources and the state of everything with the real program: listed, renamed, moved, removed, verified, shown on one screen.

use crate::machine::Machine;
use serde_json::Value;
use std::path::PathBuf;

fn machine() -> Machine {
    let machine = Machine::new();
    machine.run(&["users", "add", "olga@acorn.example"]).done();
    for n in 0..5 {
        machine.write(&format!("handbook/{n}.md"), format!("# Page {n}\n\nThe quillfeather number{n}.\n"));
    }
    machine.write("notes/one.md", "# One\n\nThe quillfeather note.\n");
    machine.run(&["ingest", "handbook", "notes", "--default-allow", "everyone"]).done();
    machine
}

fn found(machine: &Machine) -> Vec<(String, String)> {
    let answer = machine.run(&["search", "quillfeather", "--json", "--limit", "40"]).done().json();
    let text = |r: &Value, at: &str| r.pointer(at).unwrap().as_str().unwrap().to_owned();
    let results = answer["results"].as_array().unwrap().iter();
    let mut found: Vec<_> = results.map(|r| (text(r, "/provenance/source"), text(r, "/id"))).collect();
    found.sort();
    found
}

fn counted(machine: &Machine) -> Vec<(String, u64)> {
    let list = machine.run(&["sources", "list", "--json"]).done().json();
    let row = |s: &Value| (s["spec"]["name"].as_str().unwrap().to_owned(), s["documents"].as_u64().unwrap());
    list.as_array().unwrap().iter().map(row).collect()
}

#[test]
fn a_source_is_renamed_moved_and_removed() {
    let machine = machine();
    let before = found(&machine);
    assert_eq!(counted(&machine), [("handbook".to_owned(), 5), ("notes".to_owned(), 1)]);
    machine.run(&["sources", "rename", "handbook", "manual"]).done();
    let after = found(&machine);
    assert_eq!(after.len(), 6);
    let ids = |all: &[(String, String)]| {
        let mut ids: Vec<_> = all.iter().map(|(_, id)| id.clone()).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&after), ids(&before), "ids stay");
    assert!(after.iter().all(|(source, _)| source != "handbook"));
    machine.run(&["ingest", "manual"]).done();
    assert_eq!(ids(&found(&machine)), ids(&before));

    std::fs::rename(machine.path("handbook"), machine.path("elsewhere")).unwrap();
    machine.run(&["ingest", "manual"]).refused(&["handbook"]);
    machine.run(&["sources", "move", "manual", "notes"]).refused(&["the source `notes`", "overlap"]);
    machine.run(&["sources", "move", "manual", "elsewhere"]).done();
    let run = machine.run(&["ingest", "manual"]).done();
    assert!(run.out.contains('5') && ids(&found(&machine)) == ids(&before), "{run:?}");

    machine.run(&["sources", "remove", "manual"]).refused(&["its 5 documents", "--yes"]);
    assert_eq!(found(&machine).len(), 6);
    machine.run(&["sources", "remove", "manual", "--yes"]).done();
    assert_eq!(found(&machine), before.iter().filter(|(s, _)| s == "notes").cloned().collect::<Vec<_>>());
    assert_eq!(counted(&machine), [("notes".to_owned(), 1)]);
    assert!(machine.path("elsewhere/1.md").exists(), "its folder is not touched");
    let verified = machine.run(&["sources", "verify"]).done();
    assert!(verified.out.contains("1 text is what was written"), "{verified:?}");

    machine.run(&["sources", "rename", "notes", "notes"]).refused(&["is `notes` already"]);
    machine.run(&["sources", "rename", "none", "other"]).refused(&["there is no source `none`"]);
    machine.run(&["sources", "rename", "notes", "a/b"]).refused(&["cannot name a source"]);
    machine.run(&["sources", "move", "notes", "none"]).refused(&["is not a folder"]);
    machine.run(&["sources", "verify", "none"]).refused(&["there is no source `none`"]);
    // The audit log is no document, whichever way the folder comes in.
    for folder in ["data", "."] {
        machine.run(&["sources", "move", "notes", folder]).refused(&["and the data folder", "overlap"]);
    }
    // Nor are backups and keys, which the next run would read.
    for verb in [&["backup", "notes/copy"][..], &["keys", "export", "notes/keys.json"]] {
        machine.run(verb).refused(&["would lie in the source", "outside of all sources"]);
    }
    assert!(!machine.path("notes/copy").exists() && !machine.path("notes/keys.json").exists());
    let config = std::fs::read_to_string(machine.config()).unwrap();
    machine.configure(&format!(
        "{config}[[source]]\nname = \"all\"\npath = \".\"\ndefault_allow = [\"everyone\"]\n"
    ));
    machine.run(&["ingest", "all"]).refused(&["and the data folder", "overlap"]);
    machine.configure(&format!("{config}[backup]\nledger = \"notes/led\"\n"));
    machine.run(&["ingest", "notes"]).refused(&["the rights ledger", "lies in the source's folder"]);
}

fn texts(machine: &Machine) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(machine.data().join("text")).unwrap();
    let mut all: Vec<PathBuf> = folders
        .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .collect();
    all.sort();
    all
}

#[test]
fn what_differs_is_told_by_counts_with_the_way_to_mend_it() {
    let machine = machine();
    let whole = machine.run(&["sources", "verify", "--json"]).done().json();
    assert_eq!(whole["files"][0]["same"], 5);
    assert_eq!(whole["stored"]["texts"], 6);
    machine.write("handbook/1.md", "# Page 1\n\nOther words.\n");
    machine.write("handbook/new.md", "# New\n\nWords.\n");
    std::fs::remove_file(machine.path("handbook/2.md")).unwrap();
    let told = machine.run(&["sources", "verify"]);
    assert_eq!(told.code, Some(3), "{told:?}");
    for words in ["3 files as read before, 1 changed, 1 new, 1 gone", "hint: "] {
        assert!(told.out.contains(words), "`{words}` is not in {told:?}");
    }
    // What is kept is whole: the doctor has something to tell, and finds nothing.
    let deep = machine.run(&["doctor", "--deep"]).done();
    assert!(deep.out.contains("note    files") && deep.out.contains("1 changed, 1 new, 1 gone"), "{deep:?}");
    let text = texts(&machine).remove(0);
    let mut bytes = std::fs::read(&text).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(&text, bytes).unwrap();
    let told = machine.run(&["sources", "verify"]);
    assert_eq!(told.code, Some(3), "{told:?}");
    assert!(told.out.contains("1 stored text is missing or damaged"), "{told:?}");
    assert!(!told.out.contains("quillfeather"), "no content is told");
    let deep = machine.run(&["doctor", "--deep", "--repair"]);
    assert!(deep.code == Some(3) && deep.out.contains("1 stored text"), "{deep:?}");
    machine.run(&["ingest"]).done();
    machine.run(&["doctor", "--deep"]).done();
    assert_eq!(machine.run(&["sources", "verify"]).done().code, Some(0));
    assert_eq!(machine.run(&["doctor", "--repair"]).code, Some(1), "it needs --deep");
}

#[test]
fn a_configuration_that_has_the_old_name_of_a_source_is_told_so() {
    let machine = machine();
    let config = std::fs::read_to_string(machine.config()).unwrap();
    let source = "[[source]]\nname = \"handbook\"\npath = \"handbook\"\ndefault_allow = [\"everyone\"]\n";
    machine.configure(&format!("{config}{source}"));
    machine.run(&["ingest", "handbook"]).done();
    let renamed = machine.run(&["sources", "rename", "handbook", "manual"]).done();
    assert!(renamed.err.contains("configuration"), "{renamed:?}");
    machine.run(&["ingest", "handbook"]).refused(&["was renamed to `manual`", "configuration"]);
    assert_eq!(counted(&machine), [("manual".to_owned(), 5), ("notes".to_owned(), 1)]);
    machine.configure(&format!("{config}{}", source.replace("\"handbook\"\npath", "\"manual\"\npath")));
    machine.run(&["ingest", "manual"]).done();
    // Another folder may have the name.
    machine.write("other/one.md", "# One\n\nThe quillfeather of the other folder.\n");
    machine.run(&["ingest", "other", "--name", "handbook", "--default-allow", "everyone"]).done();
    assert_eq!(counted(&machine).len(), 3);
}

#[test]
fn links_are_named() {
    let machine = machine();
    std::os::unix::fs::symlink("0.md", machine.path("handbook/link.md")).unwrap();
    let ran = machine.run(&["ingest", "handbook"]).done();
    assert!(ran.err.contains("never followed: 1") && ran.err.contains("  handbook/link.md"), "{ran:?}");
}

#[test]
fn rights_above_a_folder_are_told_and_flags_against_the_configuration_are_refused() {
    let machine = Machine::new();
    machine.run(&["users", "add", "olga@acorn.example"]).done();
    machine.write("tree/.access.toml", "inherit = false\nallow = []\n");
    machine.write("tree/part/a.md", "# A\n\nWords.\n");
    let ran = machine.run(&["ingest", "tree/part", "--default-allow", "everyone"]).done();
    for words in ["tree/.access.toml is not read", "ingest that folder instead"] {
        assert!(ran.err.contains(words), "`{words}` is not in {ran:?}");
    }
    let config = std::fs::read_to_string(machine.config()).unwrap();
    let source = "[[source]]\nname = \"part\"\npath = \"tree/part\"\n";
    machine.configure(&format!("{config}{source}"));
    // What the configuration leaves open a flag may say.
    machine.run(&["ingest", "part", "--default-allow", "me"]).done();
    machine.configure(&format!("{config}{source}default_allow = [\"everyone\"]\n"));
    for flags in [&["--label", "secret"][..], &["--default-allow", "me"], &["--rights", "posix"]] {
        let ran = machine.run(&[&["ingest", "part"], flags].concat());
        ran.refused(&["the configuration says otherwise", flags[0], "`part`", "[[source]]"]);
    }
    machine.run(&["ingest", "part", "--default-allow", "everyone"]).done();
}

#[test]
fn status_is_one_screen() {
    let machine = machine();
    let shown = machine.run(&["status"]).done();
    for words in
        ["holds     6 documents", "backup    never", "verified  never", "no server runs", "handbook", "done"]
    {
        assert!(shown.out.contains(words), "`{words}` is not in {shown:?}");
    }
    assert!(shown.out.lines().count() <= 24, "{shown:?}");
    machine.run(&["backup", "copy"]).done();
    machine.run(&["doctor", "--deep"]).done();
    let shown = machine.run(&["status"]).done();
    assert!(shown.out.contains("6 documents, ") && shown.out.contains("nothing was wrong"), "{shown:?}");
    let status = machine.run(&["status", "--json"]).done().json();
    assert_eq!(status["stats"]["documents"], 6);
    assert_eq!(status["sources"][0]["last_run"]["state"], "done");
    assert!(
        status["disk"].as_array().unwrap().iter().all(|store| store[1].as_u64().unwrap() > 0),
        "{status}"
    );
    assert!(status["free"].as_u64().unwrap() > 0);
}
