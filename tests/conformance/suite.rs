//! Runs the suite's requirement sets against the server under test, counts what it wrote, and names
//! what failed. Nothing is excused: a warning about something that a server should do counts as a failure.

use super::package::Package;
use super::stage::{Serve, Stage};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// The versions of the protocol that the product speaks.
const SETS: [&str; 2] = ["2026-07-28", "2025-11-25"];

/// On standard error itself: the test runner keeps the output of a test that passes.
#[allow(clippy::explicit_write, reason = "what `eprintln!` writes is what the test runner keeps")]
fn say(text: &str) {
    writeln!(std::io::stderr(), "{text}").unwrap();
}

/// What a requirement set says of its server scenarios.
struct Requirements {
    scored: Vec<String>,
    /// Run as well, and counted by nobody: extensions, and what is newer than the revision.
    visible: Vec<String>,
}

impl Requirements {
    /// From the suite's own list, whose form is `server:` with names, and `not_scored:` with maps.
    fn read(folder: &Path, set: &str) -> Self {
        let text = std::fs::read_to_string(folder.join(format!("requirements/{set}.yaml"))).unwrap();
        let mut found = Self { scored: Vec::new(), visible: Vec::new() };
        let (mut section, mut scenario) = (String::new(), String::new());
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            let item = line.trim_start();
            if item == line && item.ends_with(':') {
                section = item.trim_end_matches(':').to_owned();
            } else if let (Some(name), "server") = (item.strip_prefix("- "), section.as_str()) {
                found.scored.push(name.trim().to_owned());
            } else if let Some(name) = item.strip_prefix("- scenario: ") {
                scenario = name.trim().to_owned();
            } else if item == "leg: server" && section == "not_scored" {
                found.visible.push(std::mem::take(&mut scenario));
            }
        }
        assert!(found.scored.len() >= 20, "the list of {set} has another form now: {}", found.scored.len());
        found
    }
}

/// What became of the checks of one scenario.
#[derive(Default)]
struct Outcome {
    passed: usize,
    failed: Vec<String>,
}

impl Outcome {
    fn read(checks: &Path) -> Self {
        let checks: Vec<Value> = serde_json::from_slice(&std::fs::read(checks).unwrap()).unwrap();
        let mut outcome = Self::default();
        for check in checks {
            let id = check["id"].as_str().unwrap_or("no id");
            let why = || check["errorMessage"].as_str().unwrap_or("no reason").to_owned();
            match check["status"].as_str().unwrap_or_default() {
                "SUCCESS" => outcome.passed += 1,
                // What was sent and received.
                "INFO" => {}
                other => outcome.failed.push(format!("{id}: {other}: {}", why())),
            }
        }
        if outcome.passed == 0 && outcome.failed.is_empty() {
            outcome.failed.push("no check was made".to_owned());
        }
        outcome
    }

    fn checks(&self) -> usize {
        self.passed + self.failed.len()
    }
}

/// The suite's folders of results, by scenario.
fn outcomes(results: &Path) -> BTreeMap<String, Outcome> {
    let mut found = BTreeMap::new();
    for entry in walk(results) {
        let name = entry.parent().unwrap().file_name().unwrap().to_str().unwrap();
        // server-NAME-TIME, where the time is of the form 2026-07-28T10-11-12-131Z and a name may hold a year.
        let time = "-2026-07-28T10-11-12-131Z".len();
        let name = name.strip_prefix("server-").and_then(|rest| rest.get(..rest.len().checked_sub(time)?));
        let name = name.unwrap_or_else(|| panic!("results have other names now: {}", entry.display()));
        found.insert(name.to_owned(), Outcome::read(&entry));
    }
    found
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path));
        } else if path.file_name().is_some_and(|name| name == "checks.json") {
            found.push(path);
        }
    }
    found
}

/// Runs one set. Gives a line for a person, and what failed.
async fn run(package: &Package, url: &str, set: &str) -> (String, String) {
    let results = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("conformance-results-{set}"));
    let _ = std::fs::remove_dir_all(&results);
    std::fs::create_dir_all(&results).unwrap();
    let output = Command::new(&package.node)
        .arg(package.folder.join("dist/index.js"))
        .args(["server", "--url", url, "--requirements", set, "-o"])
        .arg(&results)
        .output()
        .await
        .unwrap();
    let words = String::from_utf8_lossy(&output.stdout);
    let requirements = Requirements::read(&package.folder, set);
    let outcomes = outcomes(&results);
    let mut failures = String::new();
    let (mut scenarios, mut passed, mut all) = (0, 0, 0);
    for name in &requirements.scored {
        match outcomes.get(name) {
            None => writeln!(failures, "{set} {name}: it was not run").unwrap(),
            Some(outcome) => {
                (passed, all) = (passed + outcome.passed, all + outcome.checks());
                scenarios += usize::from(outcome.failed.is_empty());
                for check in &outcome.failed {
                    writeln!(failures, "{set} {name}: {check}").unwrap();
                }
            }
        }
    }
    if !output.status.success() && failures.is_empty() {
        writeln!(failures, "{set}: the suite itself says no: {}\n{words}", output.status).unwrap();
    }
    let mut line =
        format!("{set}: {scenarios} of {} scenarios, {passed} of {all} checks", requirements.scored.len());
    let unscored: Vec<String> = requirements
        .visible
        .iter()
        .map(|name| {
            let (passed, all) = outcomes.get(name).map_or((0, 0), |found| (found.passed, found.checks()));
            format!("{name} {passed}/{all}")
        })
        .collect();
    if !unscored.is_empty() {
        write!(line, " (run and not part of the requirements: {})", unscored.join(", ")).unwrap();
    }
    (line, failures)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_required_scenario_passes() {
    let package = match Package::find() {
        Ok(package) => package,
        Err(why) => {
            let required = std::env::var_os("KENWARD_CONFORMANCE").is_some_and(|value| value == "required");
            assert!(!required, "the conformance suite cannot be run: {why}");
            return say(&format!("skipped: the conformance suite cannot be run: {why}"));
        }
    };
    let stage = Stage::start(Serve::Bound).await;
    let which = if package.chosen { "chosen" } else { "locked" };
    say(&format!("conformance suite {} ({which})", package.version()));
    let mut failures = String::new();
    for set in SETS {
        let (line, failed) = run(&package, &stage.url, set).await;
        say(&line);
        failures.push_str(&failed);
    }
    assert!(failures.is_empty(), "\n{failures}");
}
