//! Runs with the real program: listed, shown, paused, cancelled, gone on with.

use crate::machine::{Machine, Ran, holds};
use crate::served::Served;
use serde_json::Value;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// So many files that a run over them can be stopped in its middle.
const FILES: usize = 1_500;

fn machine() -> Machine {
    let machine = Machine::new();
    machine.run(&["users", "add", "olga@acorn.example"]).done();
    for n in 0..FILES {
        machine.write(
            &format!("handbook/{}/{n}.md", n % 7),
            format!("# Page {n}\n\nThe berth number{n} is free.\n"),
        );
    }
    machine
}

fn begin(machine: &Machine) -> Child {
    let args = ["ingest", "handbook", "--default-allow", "everyone"];
    machine.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn ended(child: Child) -> Ran {
    child.wait_with_output().unwrap().into()
}

fn last(machine: &Machine) -> Value {
    machine.run(&["runs", "list", "--limit", "1", "--json"]).done().json()[0].clone()
}

/// Waits until the run is under way and something of it is done.
fn under_way(machine: &Machine) {
    let since = Instant::now();
    let running = |row: &Value| row["state"] == "running" && row["done"].as_u64() > Some(0);
    while !running(&last(machine)) {
        assert!(since.elapsed() < Duration::from_secs(60), "no run began");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_run_is_paused_and_resumed_under_its_number_and_ends_with_everything() {
    let machine = machine();
    let run = begin(&machine);
    under_way(&machine);
    let paused = machine.run(&["runs", "pause", "handbook"]).done();
    assert!(
        paused.err.contains("run 1 of handbook is paused") && paused.err.contains("runs resume 1"),
        "{paused:?}"
    );
    let run = ended(run);
    assert!(run.code == Some(3) && run.err.contains("run 1 of handbook was paused"), "{run:?}");
    assert!(holds(&machine.data().join("audit"), "run_stopped"), "who stopped it is recorded");
    let row = last(&machine);
    assert_eq!((&row["no"], &row["state"], &row["legs"]), (&1.into(), &"paused".into(), &1.into()));
    assert!(row["done"].as_u64().unwrap() < FILES as u64, "{row}");

    // Twice is once, and a pause outlives its owner.
    machine.run(&["runs", "pause", "1"]).done();
    let resumed = machine.run(&["runs", "resume", "1"]).done();
    assert!(resumed.out.contains("UNCHANGED"), "{resumed:?}");
    let row = last(&machine);
    assert_eq!((&row["no"], &row["state"], &row["legs"]), (&1.into(), &"done".into(), &2.into()));
    assert_eq!((&row["done"], &row["of"]), (&FILES.into(), &FILES.into()));
    let counts = machine.run(&["doctor"]).done();
    assert!(counts.out.contains(&format!("{FILES} documents, {FILES} passages")), "{counts:?}");

    machine.run(&["runs", "resume", "1"]).refused(&["run 1 is done", "`kenward ingest handbook`"]);
    machine.run(&["runs", "pause", "1"]).refused(&["run 1 is done"]);
    let shown = machine.run(&["runs", "show", "handbook"]).done();
    for words in ["run 1 of handbook: done", "1500 of 1500, gone on with 1 time", "hashing-1"] {
        assert!(shown.out.contains(words), "`{words}` is not in {shown:?}");
    }
}

#[test]
fn a_cancelled_run_is_over_and_the_next_is_another() {
    let machine = machine();
    let run = begin(&machine);
    under_way(&machine);
    machine.run(&["runs", "cancel", "1"]).done();
    let run = ended(run);
    assert!(run.code == Some(3) && run.err.contains("was cancelled"), "{run:?}");
    machine.run(&["runs", "resume", "1"]).refused(&["run 1 is cancelled"]);
    machine.run(&["ingest"]).done();
    let row = last(&machine);
    assert_eq!((&row["no"], &row["state"]), (&2.into(), &"done".into()));
    let listed = machine.run(&["runs", "list"]).done();
    assert!(listed.out.contains("cancelled") && listed.out.lines().count() == 3, "{listed:?}");

    // A killed owner leaves an interrupted run, which can be cancelled before anything goes on with it.
    std::fs::write(machine.path("handbook/0/0.md"), "# New\n\nwords\n").unwrap();
    let mut run = begin(&machine);
    under_way(&machine);
    run.kill().unwrap();
    run.wait().unwrap();
    assert_eq!(last(&machine)["state"], "interrupted");
    machine.run(&["runs", "cancel", "3"]).done();
    assert_eq!(last(&machine)["state"], "cancelled");
}

#[test]
fn a_run_that_an_error_stopped_says_which() {
    let machine = Machine::new();
    machine.run(&["users", "add", "olga@acorn.example"]).done();
    machine.run(&["runs", "show", "1"]).refused(&["there is no run 1", "runs list"]);
    machine.run(&["runs", "pause", "handbook"]).refused(&["no run of a source `handbook`"]);
    assert_eq!(machine.run(&["runs", "list", "--json"]).done().json(), serde_json::json!([]));
    for name in ["a", "b", "c", "d"] {
        machine.write(&format!("handbook/{name}.md"), format!("# {name}\n\nwords\n"));
    }
    machine.run(&["ingest", "handbook", "--default-allow", "everyone"]).done();
    for name in ["a", "b", "c"] {
        std::fs::remove_file(machine.path(&format!("handbook/{name}.md"))).unwrap();
    }
    machine.run(&["ingest"]).refused(&["--allow-mass-delete"]);
    let shown = machine.run(&["runs", "show", "2"]).done();
    assert!(shown.out.contains("run 2 of handbook: refused"), "{shown:?}");
    assert!(shown.out.contains("stopped by source `handbook`: this run would remove 3 of 4"), "{shown:?}");
    machine.run(&["runs", "resume", "2"]).refused(&["--allow-mass-delete"]);
    machine.run(&["ingest", "--allow-mass-delete"]).done();
    assert_eq!(last(&machine)["no"], 2);
}

#[test]
fn a_server_runs_over_what_has_a_schedule_and_leaves_what_is_paused() {
    let machine = Machine::new();
    machine.run(&["users", "add", "olga@acorn.example"]).done();
    machine.write("handbook/stays.md", "# Stays\n\nHere.\n");
    machine.write("handbook/x/a.md", "# First\n\nThe quillfeather words.\n");
    let config = std::fs::read_to_string(machine.config()).unwrap();
    let source = "[[source]]\nname = \"handbook\"\npath = \"handbook\"\ndefault_allow = [\"everyone\"]\nevery = \"1s\"\n";
    machine.configure(&format!("{config}{source}"));
    let mut command = machine.command(&["serve", "--http", "127.0.0.1:0"]);
    let mut served = Served::start(&mut command, machine.path("serve.out"), machine.path("serve.log"));
    let found = |word: &str| {
        let ran = machine.run(&["search", word, "--json"]).done();
        ran.out.contains(&format!("The quillfeather {word}"))
    };
    let until = |what: &str, holds: &dyn Fn() -> bool| {
        let since = Instant::now();
        while !holds() {
            assert!(
                since.elapsed() < Duration::from_secs(60),
                "{what} did not come about: {}",
                last(&machine)
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    until("the first run", &|| found("words"));
    machine.write("handbook/x/b.md", "# Second\n\nThe quillfeather sentence.\n");
    until("the next run", &|| found("sentence"));

    // A run that was stopped by an error is paused: nothing goes on with it.
    std::fs::rename(machine.path("handbook/x"), machine.path("gone")).unwrap();
    until("a run that is refused", &|| {
        last(&machine)["why"].as_str().is_some_and(|why| why.contains("remove 2 of 3"))
    });
    machine.run(&["runs", "pause", "handbook"]).done();
    let row = last(&machine);
    std::thread::sleep(Duration::from_millis(2_500));
    assert_eq!((&last(&machine)["state"], &last(&machine)["legs"]), (&"paused".into(), &row["legs"]));
    machine.run(&["ingest", "handbook", "--allow-mass-delete"]).done();
    let ended = machine.run(&["runs", "show", &row["no"].to_string()]).done();
    assert!(ended.out.contains("handbook: done"), "{ended:?}");
    assert_eq!(served.stop(), Some(0), "{}", served.log());
}
