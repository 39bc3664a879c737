//! Ours: the program itself, as its users run it. `ingest` of a new folder, then a server over standard input that is asked
//! like an agent asks, then a rights file that takes one document from everybody, read in by a second process.

use super::tell::Ran;
use crate::support::peer::Peer;
use crate::support::{percentile, process};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub fn run(program: &Path, folder: &Path, questions: &[String], (document, words): (&str, &str)) -> Ran {
    let (config, place) = (folder.join("kenward.toml"), folder.join("handbook"));
    let command = || {
        let mut command = Command::new(program);
        command.env("KENWARD_CONFIG", &config).env("KENWARD__EMBEDDING__HUB", "off").stdin(Stdio::null());
        command
    };
    let mut init = command();
    init.args(["init", "--user", "olga@acorn.example", "--data-dir"]).arg(folder.join("data"));
    assert!(init.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
    let ingest = |more: &[&str]| {
        let mut ingest = command();
        ingest.args(["ingest", "--json", "--default-allow", "everyone"]).args(more).arg(&place);
        ingest
    };
    let cpu = process::children_seconds();
    let begun = Instant::now();
    let (report, memory) = watched(&mut ingest(&[]));
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), process::children_seconds() - cpu);
    assert_eq!(report["summary"]["failed"].as_u64(), Some(0), "{report}");
    let embed = report["embedder_seconds"].as_f64().unwrap();
    assert!(report["embedder"].as_str().is_some_and(|engine| !engine.contains("hashing")), "{report}");

    let variable = |name: &str, value: &OsStr| {
        let mut variable = std::ffi::OsString::from(format!("{name}="));
        variable.push(value);
        variable
    };
    let config_is = variable("KENWARD_CONFIG", config.as_os_str());
    let arguments = [
        config_is.as_os_str(),
        "KENWARD__EMBEDDING__HUB=off".as_ref(),
        "RUST_LOG=warn".as_ref(),
        program.as_os_str(),
        "serve".as_ref(),
        "--stdio".as_ref(),
    ];
    let mut server = Peer::start(Path::new("env"), &arguments, None);
    let hello = json!({
        "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": { "protocolVersion": "2025-11-25",
            "capabilities": {}, "clientInfo": { "name": "bench", "version": "1" } },
    });
    server.ask(&hello);
    server.tell(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let mut search = |query: &str| {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": "search", "arguments": { "query": query } } });
        let answer = server.ask(&call);
        let results = answer["result"]["structuredContent"]["results"].as_array().cloned();
        results.unwrap_or_else(|| panic!("no results: {answer}"))
    };
    let mut hits = |query: &str| {
        let of = |result: &&Value| result["provenance"]["path"] == document;
        search(query).iter().filter(of).count()
    };
    hits(words);
    let mut question = Vec::new();
    for text in questions {
        let begun = Instant::now();
        hits(text);
        question.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    assert!(hits(words) > 0, "{document} was not found before: {words}");
    let (dir, name) = document.rsplit_once('/').unwrap_or(("", document));
    let rule = format!("[[file]]\nmatch = \"{name}\"\nonly = true\nallow = []\n");
    std::fs::write(place.join(dir).join(".access.toml"), rule).unwrap();
    let begun = Instant::now();
    let mut narrow = ingest(&["--rights-only"]);
    assert!(narrow.stdout(Stdio::null()).status().unwrap().success());
    let acknowledged = begun.elapsed().as_secs_f64();
    let after = hits(words) as f64;
    assert!(after == 0.0, "seen after the acknowledgement");
    Ran {
        who: "Kenward".to_owned(),
        stages: vec![("embed".to_owned(), embed), ("all else".to_owned(), (wall - embed).max(0.0))],
        wall,
        cpu,
        memory,
        chunks: report["summary"]["chunks"].as_f64().unwrap(),
        question: [0.5, 0.95].map(|share| percentile(&question, share)),
        revoked: Some((acknowledged, begun.elapsed().as_secs_f64(), after)),
    }
}

/// Runs it to its end; gives the last line that it says, and the peak of its resident memory in MiB.
fn watched(command: &mut Command) -> (Value, f64) {
    let out = tempfile::NamedTempFile::new().unwrap();
    let mut child = command.stdout(out.reopen().unwrap()).spawn().unwrap();
    let mut peak = 0.0_f64;
    let status = loop {
        peak = peak.max(process::memory(child.id(), "VmHWM:"));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "{status}");
    let said = std::fs::read_to_string(out.path()).unwrap();
    (serde_json::from_str(said.lines().last().expect("a report")).unwrap(), peak)
}
