//! The denial matrix of what operators do: whoever is a person of this machine without that role is refused, verb by verb,
//! and nothing is done.

use crate::machine::Machine;

/// Every verb that is for operators, as it would succeed for one.
const VERBS: &[&[&str]] = &[
    &["backup", "copy"],
    &["keys", "list"],
    &["keys", "rotate", "cursors"],
    &["keys", "export", "keys.json"],
    &["restore", "copy", "--keys", "data/keys", "--to", "to", "--without-ledger"],
    &["status"],
    &["sources", "list"],
    &["sources", "verify"],
    &["sources", "rename", "handbook", "other"],
    &["sources", "move", "handbook", "handbook"],
    &["sources", "remove", "handbook", "--yes"],
    &["runs", "list"],
    &["runs", "show", "1"],
    &["users", "list"],
    &["groups", "list"],
    &["tokens", "list"],
    &["ingest", "handbook", "--default-allow", "everyone"],
    &["access", "why", "olga@acorn.example", "handbook/a.md"],
    &["migrate", "--to", "qdrant"],
    &["migrate", "--to", "flat"],
];

#[test]
fn who_is_no_operator_is_refused_every_verb() {
    let machine = Machine::new();
    machine.run(&["users", "add", "olga@acorn.example"]).done();
    machine.write("handbook/a.md", "# A\n\nwords\n");
    let uid = rustix::process::getuid().as_raw();
    let config = std::fs::read_to_string(machine.config()).unwrap();
    let person = format!("{uid} = {{ user = \"olga@acorn.example\", role = \"person\" }}");
    machine.configure(&config.replace(&format!("{uid} = \"olga@acorn.example\""), &person));
    for verb in VERBS {
        machine.run(verb).refused(&["is not an operator"]);
    }
    for made in ["copy", "copy.unfinished", "keys.json", "to"] {
        assert!(!machine.path(made).exists(), "{made}");
    }
    let log = std::fs::read_to_string(machine.data().join("audit/log.jsonl")).unwrap();
    for act in ["\"act\":\"backup\"", "key_rotated", "keys_exported", "source_recorded"] {
        assert!(!log.contains(act), "{act} is in {log}");
    }
    machine.configure("data_dir = \"data\"\n[operators]\n[embedding]\nengine = \"hashing\"\n");
    for verb in VERBS {
        machine.run(verb).refused(&["is nobody here"]);
    }
}
