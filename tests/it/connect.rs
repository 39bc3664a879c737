//! `kenward connect` with the real program: the entry that it writes starts a server that answers, from
//! another folder and without the caller's environment.

use crate::machine::Machine;
use crate::served::{answer, newest};
use rmcp::model::ClientConfig;
use rmcp::service::ClientServiceExt as _;
use serde_json::{Value, json};
use std::process::Stdio;

fn machine() -> Machine {
    let machine = Machine::new();
    machine.run(&["users", "add", "olga@acorn.example"]).done();
    machine.write("notes/harvest.md", "# Harvest\n\nThe harvest was good.\n");
    machine.run(&["ingest", "notes", "--default-allow", "everyone"]).done();
    machine
}

/// Starts what an entry says, as a client would, and asks it.
async fn asks(machine: &Machine, entry: &Value) {
    let args: Vec<&str> = entry["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
    let mut command = tokio::process::Command::new(entry["command"].as_str().unwrap());
    command.args(args).env_clear().env("HOME", machine.path("nobody-s-home")).current_dir("/");
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = piped.kill_on_drop(true).spawn().unwrap();
    let transport = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
    let client = ClientConfig::default().serve_with_lifecycle(transport, newest()).await.unwrap();
    let found = answer(&client, "search", json!({ "query": "harvest" })).await;
    assert_eq!(found["results"].as_array().unwrap().len(), 1, "{found}");
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn every_client_gets_an_entry_that_starts_a_server_which_answers() {
    let machine = machine();
    let clients = machine.run(&["connect", "--json"]).done().json();
    let clients = clients.as_array().unwrap();
    assert!(clients.len() >= 8, "{clients:?}");
    let mut first = None;
    for client in clients {
        let name = client["client"].as_str().unwrap();
        let done = machine.run(&["connect", name, "--json"]).done().json();
        assert_eq!((&done["entry"], &done["file"]), (&json!("added"), &client["file"]), "{name}");
        let text = std::fs::read_to_string(done["file"].as_str().unwrap()).unwrap();
        let entry = match name {
            "codex" => {
                serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap()["mcp_servers"]["kenward"]
                    .clone()
            }
            _ => {
                let file: Value = serde_json::from_str(&text).unwrap();
                let key = match name {
                    "vscode" => "servers",
                    "zed" => "context_servers",
                    _ => "mcpServers",
                };
                file[key]["kenward"].clone()
            }
        };
        // All start the same; one of them is started.
        let start = (entry["command"].clone(), entry["args"].clone());
        if first.is_none() {
            asks(&machine, &entry).await;
        }
        assert_eq!(first.get_or_insert_with(|| start.clone()), &start, "{name}");
        assert_eq!(machine.run(&["connect", name, "--json"]).done().json()["entry"], "unchanged", "{name}");
        let removed = machine.run(&["connect", name, "--remove", "--json"]).done().json();
        assert_eq!(removed["entry"], "removed", "{name}");
        assert!(!std::fs::read_to_string(client["file"].as_str().unwrap()).unwrap().contains("kenward"));
    }
}

#[test]
fn what_cannot_be_connected_is_refused_and_nothing_is_lost() {
    let machine = machine();
    let file = machine.write(".cursor/mcp.json", "// my own servers\n{ \"mcpServers\": {} }\n");
    machine.run(&["connect", "cursor"]).refused(&["no plain JSON", "--print"]);
    assert!(std::fs::read_to_string(file).unwrap().starts_with("// my own"));
    machine
        .run(&["connect", "claude", "--http", "http://127.0.0.1:1/mcp"])
        .refused(&["Claude Desktop", "--http"]);
    machine.run(&["connect", "cursor", "--http", "ftp://x"]).refused(&["no URL"]);
    machine.run(&["connect", "windsurf", "--project", "notes"]).refused(&["no file in a project"]);
    machine.run(&["connect", "code", "--project", "nowhere"]).refused(&["`nowhere` is no folder"]);
    machine.run(&["connect", "code", "--name", "a b"]).refused(&["no name for a server"]);
    let unknown = machine.run(&["connect", "emacs"]);
    assert!(unknown.code == Some(1) && unknown.err.contains("possible values"), "{unknown:?}");
    let shown = machine.run(&["connect", "cursor", "--print", "--http", "http://127.0.0.1:8765/mcp"]).done();
    assert!(shown.out.contains("Bearer ${env:KENWARD_TOKEN}"), "{shown:?}");
    let project = machine.run(&["connect", "vscode", "--project", "notes"]).done();
    assert!(project.out.trim().ends_with("notes/.vscode/mcp.json"), "{project:?}");
}
