//! The example programs with the Python MCP client, run for real. They need python3 with pip and a
//! package index; where there is none, the test says so and passes.

use super::served::{DANA, Home};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PACKAGE: &str = "mcp==2.3.0";

/// A virtual environment with the client, made once and kept under `target/`.
fn python() -> Option<PathBuf> {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?.join("python-mcp-2.3.0");
    let python = place.join("bin/python");
    let has_it = || {
        let check = "import importlib.metadata as m; assert m.version('mcp') == '2.3.0'";
        Command::new(&python).args(["-c", check]).output().is_ok_and(|output| output.status.success())
    };
    if has_it() {
        return Some(python);
    }
    let skip = |why: &str, output: std::io::Result<Output>| {
        let more = output.map(|o| String::from_utf8_lossy(&o.stderr).into_owned()).unwrap_or_default();
        eprintln!("skipped: {why}; {}", more.lines().last().unwrap_or_default());
    };
    let made = Command::new("python3").args(["-m", "venv"]).arg(&place).output();
    if !made.as_ref().is_ok_and(|output| output.status.success()) {
        skip("python3 with venv is not here", made);
        return None;
    }
    let installed = Command::new(&python).args(["-m", "pip", "install", "-q", PACKAGE]).output();
    if !installed.as_ref().is_ok_and(|output| output.status.success()) || !has_it() {
        skip("pip cannot provide mcp 2.3.0", installed);
        return None;
    }
    Some(python)
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/clients").join(name)
}

fn check(output: &Output, protocol: &str) {
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for expected in [
        &format!("protocol  {protocol}"),
        "tools     search, fetch, list_sources, list_documents, verify_quote",
        "sources   1",
        "documents 4",
        "1. Expense policy",
        "fetch     Expense policy",
        "resource  kb://document/{id}: Expense policy",
        "mistake   unknown filter `colour`",
    ] {
        assert!(said.contains(expected), "`{expected}` is not in\n{said}");
    }
}

#[test]
fn python_clients_list_search_fetch_and_read_over_both_transports() {
    let Some(python) = python() else { return };
    let home = Home::new();
    let served = home.serve();
    let question = "when are expense reports due";
    for (mode, protocol) in [("auto", "2026-07-28"), ("legacy", "2025-11-25")] {
        let output = Command::new(&python)
            .arg(example("python_http.py"))
            .args(["--url", &served.url, "--mode", mode, question])
            .env("KENWARD_TOKEN", home.token(DANA))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("NO_PROXY", "*")
            .output()
            .unwrap();
        check(&output, protocol);
        let output = Command::new(&python)
            .arg(example("python_stdio.py"))
            .args(["--program", env!("CARGO_BIN_EXE_kenward"), "--mode", mode, "--config"])
            .arg(home.config())
            .arg(question)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .output()
            .unwrap();
        check(&output, protocol);
    }
}
