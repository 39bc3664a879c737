//! Folders that are watched, with the real program: what changes is found, and is found no more.

use crate::machine::Machine;
use crate::served::Served;
use std::fs::File;
use std::process::Stdio;
use std::time::{Duration, Instant};

fn machine() -> Machine {
    let machine = Machine::new();
    machine.run(&["users", "add", "olga@acorn.example"]).done();
    machine.run(&["users", "add", "ben@acorn.example"]).done();
    for name in ["one", "two", "three"] {
        machine.write(&format!("handbook/{name}.md"), format!("# {name}\n\nThe quillfeather {name}.\n"));
    }
    machine
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < Duration::from_secs(90), "{what} did not come about");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn finds(machine: &Machine, word: &str) -> bool {
    let args = ["search", "quillfeather", "--as", "ben@acorn.example", "--reason", "a test", "--json"];
    machine.run(&args).out.contains(&format!("The quillfeather {word}"))
}

/// New, changed, in a new folder, narrowed, gone.
fn follows(machine: &Machine) {
    until("the first reading", || finds(machine, "two"));
    machine.write("handbook/new/deep/four.md", "# Four\n\nThe quillfeather four.\n");
    until("a file in a new folder", || finds(machine, "four"));
    machine.write("handbook/new/deep/four.md", "# Four\n\nThe quillfeather fifth.\n");
    until("a change", || finds(machine, "fifth") && !finds(machine, "four"));
    machine.write("handbook/new/.access.toml", "inherit = false\nallow = [\"user:olga@acorn.example\"]\n");
    until("a narrowing", || !finds(machine, "fifth"));
    machine.write("handbook/new/.access.toml", "");
    until("a widening", || finds(machine, "fifth"));
    std::fs::remove_file(machine.path("handbook/one.md")).unwrap();
    until("a removal", || !finds(machine, "one"));
    assert!(finds(machine, "two"));
}

#[test]
fn ingest_watches_until_it_is_stopped() {
    let machine = machine();
    let log = machine.path("watch.log");
    let args = ["ingest", "handbook", "--default-allow", "everyone", "--watch"];
    let mut child =
        machine.command(&args).stdout(Stdio::null()).stderr(File::create(&log).unwrap()).spawn().unwrap();
    follows(&machine);
    // An error of one pass does not end it.
    std::fs::rename(machine.path("handbook"), machine.path("away")).unwrap();
    let said = || std::fs::read_to_string(&log).unwrap();
    until("a lost folder", || said().contains("the watch was lost"));
    assert!(finds(&machine, "two"), "nothing is lost for it");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{}", said());
    assert!(said().contains("watching handbook") && said().contains("stopped"), "{}", said());
}

#[test]
fn a_server_watches_what_says_so() {
    let machine = machine();
    let config = std::fs::read_to_string(machine.config()).unwrap();
    let source = "[[source]]\nname = \"handbook\"\npath = \"handbook\"\ndefault_allow = [\"everyone\"]\nwatch = true\n";
    machine.configure(&format!("{config}{source}"));
    let mut command = machine.command(&["serve", "--http", "127.0.0.1:0"]);
    let mut served = Served::start(&mut command, machine.path("serve.out"), machine.path("serve.log"));
    follows(&machine);
    assert_eq!(served.stop(), Some(0), "{}", served.log());
}

#[test]
fn a_server_reads_rights_by_their_own_clock_and_leaves_content() {
    let machine = machine();
    let config = std::fs::read_to_string(machine.config()).unwrap();
    let source = "[[source]]\nname = \"handbook\"\npath = \"handbook\"\ndefault_allow = [\"everyone\"]\nrights_every = \"1s\"\n";
    machine.configure(&format!("{config}{source}"));
    machine.run(&["ingest"]).done();
    let mut command = machine.command(&["serve", "--http", "127.0.0.1:0"]);
    let mut served = Served::start(&mut command, machine.path("serve.out"), machine.path("serve.log"));
    machine.write("handbook/four.md", "# Four\n\nThe quillfeather four.\n");
    machine.write("handbook/.access.toml", "allow = [\"user:olga@acorn.example\"]\n");
    until("a narrowing", || !finds(&machine, "two"));
    let runs = machine.run(&["runs", "list", "--json"]).done().json();
    assert_eq!(runs.as_array().unwrap().len(), 1, "no run began");
    assert_eq!(served.stop(), Some(0), "{}", served.log());
}

#[test]
fn a_list_of_names_outside_of_the_folder_is_watched_too() {
    let machine = machine();
    let uid = rustix::process::getuid().as_raw();
    let list = |who: &str| {
        // As most programs write: a new file in the place of the old one.
        machine.write("lists/new.toml", format!("[uid]\n{uid} = \"user:{who}@acorn.example\"\n"));
        std::fs::rename(machine.path("lists/new.toml"), machine.path("lists/names.toml")).unwrap();
    };
    list("ben");
    let log = machine.path("watch.log");
    let args =
        ["ingest", "handbook", "--rights", "posix", "--identity", "lists/names.toml", "--watch", "--json"];
    let mut child =
        machine.command(&args).stdout(Stdio::null()).stderr(File::create(&log).unwrap()).spawn().unwrap();
    until("the first reading", || finds(&machine, "two"));
    let fresh = || machine.run(&["sources", "list", "--json"]).done().json()[0]["fresh"].clone();
    let before = fresh();
    list("olga");
    until("a narrowing", || !finds(&machine, "two"));
    list("ben");
    until("a widening", || finds(&machine, "two"));
    assert_eq!(fresh(), before, "the source was not read for it");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Nothing in the folder can be told to be what is published, but what changed is read.
#[test]
fn a_folder_that_opens_while_all_of_it_is_redacted_opens_when_that_is_read() {
    let machine = machine();
    machine.write("handbook/shut/.access.toml", "inherit = false\nallow = [\"user:olga@acorn.example\"]\n");
    machine.write("handbook/shut/four.md", "# Four\n\nThe quillfeather secret.\n");
    let args = ["ingest", "handbook", "--default-allow", "everyone", "--watch"];
    let mut child = machine.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("the first reading", || finds(&machine, "two"));
    // The watch stands when it has seen something.
    machine.write("handbook/two.md", "# Two\n\nThe quillfeather fifth.\n");
    until("a change", || finds(&machine, "fifth"));
    machine.write("handbook/shut/four.md", "# Four\n\nThe quillfeather redacted.\n");
    machine.write("handbook/shut/.access.toml", "");
    until("an opening", || {
        assert!(!finds(&machine, "secret"));
        finds(&machine, "redacted")
    });
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    child.wait().unwrap();
}
