//! Bad input through the real program: it is refused or reported in words that say what to change,
//! ends with the exit code of what the user can fix, and loses nothing that was there before.

use crate::eval_rmc::pulled;
use crate::machine::{Machine, Ran};
use kenward_indexes::models::Artifact;
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

const DANA: &str = "dana@acorn.example";

/// A small folder that was ingested, for everyone.
fn machine() -> Machine {
    let machine = Machine::new();
    machine.run(&["users", "add", DANA]).done();
    machine.write("handbook/travel.md", "# Travel\n\nBook trains early.\n");
    machine.write("handbook/desks.md", "# Desks\n\nBook desks by noon.\n");
    machine.run(&["ingest", "handbook", "--default-allow", "everyone"]).done();
    machine
}

fn titles(machine: &Machine, query: &str) -> Vec<String> {
    let ran = machine.run(&["search", query, "--as", DANA, "--reason", "a test", "--json"]).done();
    let answer = ran.json();
    let results = answer["results"].as_array().unwrap();
    results.iter().map(|result| result["title"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn finds(machine: &Machine, query: &str, title: &str) -> bool {
    titles(machine, query).iter().any(|found| found == title)
}

/// The report of a run with `--json`.
fn report(ran: &Ran) -> Value {
    let last: Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "finished", "{ran:?}");
    last
}

/// It ended well but for what it says, and says all of this.
#[track_caller]
fn reported(ran: &Ran, words: &[&str]) {
    ended(ran, 3, words);
}

/// It ended so, and says all of this.
#[track_caller]
fn ended(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    for word in words {
        assert!(ran.err.contains(word), "`{word}` is not in {ran:?}");
    }
    assert!(!ran.err.contains("panicked") && !ran.err.contains("something failed inside"), "{ran:?}");
}

#[test]
fn documents_that_fail_say_what_to_change_and_the_rest_goes_in() {
    let machine = machine();
    let config = fs::read_to_string(machine.config()).unwrap();
    machine.configure(&format!("{config}[ingest]\nmax_text_mb = 1\n"));
    machine.write("handbook/empty.md", "");
    machine.write("handbook/broken.pdf", b"%PDF-1.7\n1 0 obj\n<< /Type");
    machine.write("handbook/locked.pdf", include_bytes!("../../ingest/tests/fixtures/encrypted.pdf"));
    machine.write("handbook/wrong.txt", b"\xe9\xe8\xe7\xe9 \xe9\xe8\xe7\xe9 ab");
    machine.write("handbook/large.txt", "Words and words and words.\n".repeat(60_000));
    machine.write("handbook/photo.md", b"\x89PNG\r\n\x1a\n\x00\x00");
    machine
        .write("handbook/latin.txt", b"The caf\xe9 opens at nine, and closes when the last guest has gone.");
    let ran = machine.run(&["ingest", "handbook"]);
    reported(
        &ran,
        &[
            "handbook/empty.md",
            "empty: 1 document",
            "hint: fill them or remove them",
            "handbook/broken.pdf",
            "handbook/wrong.txt",
            "broken: 2 documents",
            "more than a tenth of it is not valid UTF-8; save it as UTF-8",
            "open and save it again",
            "handbook/locked.pdf",
            "encrypted: 1 document",
            "hint: save them without a password, then run this again",
            "handbook/large.txt",
            "too large: 1 document",
            "hint: raise `ingest.max_text_mb`, or split them",
        ],
    );
    // Of no known format is no failure, and named all the same.
    let (before, after) =
        ran.err.split_once("skipped, neither Markdown, text, HTML, PDF, DOCX nor an archive").unwrap();
    assert!(!before.contains("photo") && after.contains("1 file\n  handbook/photo"), "{ran:?}");
    // Nobody's rights changed and nothing is hidden: those columns are left out.
    let table: Vec<Vec<&str>> = ran.out.lines().map(|line| line.split_whitespace().collect()).collect();
    let headings = ["SOURCE", "ADDED", "CHANGED", "UNCHANGED", "REMOVED", "FAILED", "SKIPPED", "PASSAGES"];
    assert_eq!(table[0][..8], headings, "{ran:?}");
    assert_eq!(table[1][..7], ["handbook", "1", "0", "2", "0", "5", "1"], "{ran:?}");
    assert!(finds(&machine, "trains early", "Travel"));

    // A byte of an older encoding is read, and said to be guessed.
    let ran = machine.run(&["search", "last guest", "--as", DANA, "--reason", "a test", "--json"]).done();
    let found = ran.json()["results"][0].clone();
    assert!(found["text"].as_str().unwrap().contains("caf\u{e9} opens"), "{found}");
    assert_eq!(found["trust"]["flags"], serde_json::json!(["encoding_guessed"]));

    // For programs: each with its reason and its words. It counts as failed though nothing has changed and it
    // is not tried again, unless somebody asks for that.
    for (more, attempts) in [(&["--json"][..], 1), (&["--json", "--retry-failed"], 2)] {
        let report = report(&machine.run(&[&["ingest", "handbook"], more].concat()));
        let failures = report["failures"].as_array().unwrap();
        assert_eq!(failures.len(), 5, "{report}");
        for failure in failures {
            assert!(failure["detail"].as_str().unwrap().len() > 10, "{failure}");
            let tries =
                if failure["reason"] == "empty" || failure["reason"] == "too_large" { 1 } else { attempts };
            assert_eq!(failure["attempts"], tries, "{failure}");
        }
    }
    let doctor = machine.run(&["doctor"]).found();
    assert!(doctor.out.contains("hint: save them without a password"), "{doctor:?}");

    // What answered before a file went bad goes on to, and that is said.
    machine.write("handbook/travel.md", b"\xe9\xe8\xe7\xe9 \xe9\xe8\xe7\xe9 ab");
    reported(&machine.run(&["ingest", "handbook"]), &["the version read before still answers"]);
    assert!(finds(&machine, "trains early", "Travel"));
}

#[test]
fn every_reason_has_its_own_way_out() {
    let machine = machine();
    let config = fs::read_to_string(machine.config()).unwrap();
    machine.configure(&format!("{config}[ingest]\nworker_memory_mb = 400\n"));
    machine.write("handbook/bomb.pdf", include_bytes!("../../ingest/tests/fixtures/deflate-bomb.pdf"));
    let ran = machine.run(&["ingest", "handbook"]);
    reported(&ran, &["out of memory: 1 document", "hint: raise `ingest.worker_memory_mb`"]);
    assert!(finds(&machine, "trains early", "Travel"));
}

/// Root reads everything, so that as root the program is started as nobody.
#[test]
fn what_cannot_be_read_is_reported_and_still_answers() {
    let machine = Machine::new();
    let root = rustix::process::geteuid().is_root();
    let run = |args: &[&str]| -> Ran {
        let inner = machine.command(args);
        if !root {
            return machine.run(args);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(inner.get_program());
        command.args(inner.get_args()).current_dir(machine.home.path()).env("HOME", machine.home.path());
        for (name, _) in inner.get_envs().filter(|(_, value)| value.is_none()) {
            command.env_remove(name);
        }
        command.output().unwrap().into()
    };
    if root {
        let text = fs::read_to_string(machine.config()).unwrap().replace("\n0 = ", "\n65534 = ");
        machine.configure(&text);
        own(machine.home.path());
        let reached = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", env!("CARGO_BIN_EXE_kenward")])
            .arg("--version")
            .output();
        if !reached.is_ok_and(|ran| ran.status.success()) {
            eprintln!("skipped: nobody can start the program (setpriv is missing, or a folder is shut)");
            return;
        }
    }
    let mode =
        |path: &str, mode| fs::set_permissions(machine.path(path), Permissions::from_mode(mode)).unwrap();
    machine.write("handbook/travel.md", "# Travel\n\nBook trains early.\n");
    machine.write("handbook/shut/pay.md", "# Pay\n\nPaid on the 5th.\n");
    own(&machine.path("handbook"));
    // A folder for data that somebody else has shut.
    machine.write("theirs/data/x", "");
    if root {
        mode("theirs", 0o700);
        run(&["--data-dir", "theirs/data", "users", "list"]).refused(&[
            "theirs/data",
            "cannot be reached",
            "belongs to somebody else",
        ]);
    }
    run(&["users", "add", "olga@acorn.example"]).done();
    run(&["ingest", "handbook", "--default-allow", "everyone"]).done();
    mode("handbook/travel.md", 0o000);
    mode("handbook/shut", 0o000);
    let ran = run(&["ingest", "handbook"]);
    reported(
        &ran,
        &[
            "handbook/travel.md",
            "handbook/shut",
            "the source refused to give it; the version read before still answers",
            "hint: check owner and mode of the files, then run this again",
            "hidden from everybody: handbook/shut: the folder cannot be read",
        ],
    );
    let found = run(&["search", "trains early", "--json"]).done();
    assert!(found.out.contains("\"title\":\"Travel\""), "{found:?}");
    let hidden = run(&["search", "paid", "--json"]).done();
    assert!(!hidden.out.contains("\"title\":\"Pay\""), "its rights are unknown: {hidden:?}");
    mode("handbook/travel.md", 0o644);
    mode("handbook/shut", 0o755);
    run(&["ingest", "handbook"]).done();
    assert!(run(&["search", "paid", "--json"]).done().out.contains("\"title\":\"Pay\""));

    mode("handbook", 0o000);
    run(&["ingest", "handbook"]).refused(&["`handbook`", "cannot be read", "give this account read access"]);
    mode("handbook", 0o755);
    assert!(run(&["search", "trains early", "--json"]).done().out.contains("\"title\":\"Travel\""));
}

/// Gives a folder to nobody, as far as that is allowed.
fn own(path: &Path) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| own(&entry.unwrap().path()));
    }
}

#[test]
fn a_rights_file_that_is_wrong_hides_its_folder_and_says_what_to_write() {
    let machine = machine();
    machine.write("handbook/pay/bands.md", "# Bands\n\nThe bands of pay.\n");
    machine.write("handbook/pay/.access.toml", "allow = [\"everyone\"]\n");
    machine.run(&["ingest", "handbook"]).done();
    assert!(finds(&machine, "bands of pay", "Bands"));
    for (text, place, words) in [
        ("# pay\nalow = [\"everyone\"]\n", "handbook/pay/.access.toml:2", "did you mean `allow`"),
        ("allow = [\"group:finance\"]\n", "handbook/pay/.access.toml:1", "there is no group `finance`"),
        ("allow = [\"everyone\"\n", "handbook/pay/.access.toml:", "hidden from everybody"),
        (
            "allow = [\"finance\"]\n",
            "handbook/pay/.access.toml:1",
            "`finance` is neither `everyone`, `user:HANDLE` nor `group:HANDLE`",
        ),
    ] {
        machine.write("handbook/pay/.access.toml", text);
        let ran = machine.run(&["ingest", "handbook"]);
        reported(&ran, &[place, words, "hint: correct the rights file, or add the person or group"]);
        assert!(!finds(&machine, "bands of pay", "Bands"), "{text}");
        assert!(finds(&machine, "trains early", "Travel"));
        let doctor = machine.run(&["doctor"]).found();
        assert!(doctor.out.contains("hidden from everybody"), "{doctor:?}");
    }
    // The directory comes to know the group, without another run.
    machine.write("handbook/pay/.access.toml", "allow = [\"group:finance\"]\n");
    assert_eq!(machine.run(&["ingest", "handbook"]).code, Some(3));
    machine.run(&["groups", "add", "finance"]).done();
    machine.run(&["groups", "add-member", "finance", "user:dana@acorn.example"]).done();
    assert!(finds(&machine, "bands of pay", "Bands"));
    machine.run(&["ingest", "handbook"]).done();
}

#[test]
fn a_source_whose_folder_is_gone_or_empty_loses_nothing_and_holds_up_no_other() {
    let machine = machine();
    machine.write("archive/old.md", "# Old\n\nOld words.\n");
    machine.run(&["ingest", "archive", "--default-allow", "everyone"]).done();
    machine.write("plans/plan.md", "# Plan\n\nThe plan.\n");
    machine.run(&["ingest", "plans", "--default-allow", "everyone"]).done();
    fs::rename(machine.path("archive"), machine.path("away")).unwrap();
    machine.write("handbook/news.md", "# News\n\nNew words.\n");
    machine.write("plans/next.md", "# Next\n\nThe next plan.\n");
    let ran = machine.run(&["ingest"]);
    ended(&ran, 1, &["source `archive`", "does not exist", "hint: "]);
    // Those before it and those behind it.
    assert!(ran.out.contains("handbook") && ran.out.contains("plans"), "{ran:?}");
    assert!(finds(&machine, "next plan", "Next"));
    assert!(finds(&machine, "new words", "News") && finds(&machine, "old words", "Old"));
    machine.run(&["ingest", "archive"]).refused(&["archive", "does not exist"]);

    fs::create_dir(machine.path("archive")).unwrap();
    let ran = machine.run(&["ingest", "--json"]);
    ended(&ran, 1, &["would remove 1 of 1 documents; nothing was removed", "--allow-mass-delete"]);
    let finished = ran.out.lines().filter(|line| line.contains("\"event\":\"finished\"")).count();
    assert_eq!(finished, 2, "{ran:?}");
    assert!(finds(&machine, "old words", "Old"));
}

#[test]
fn questions_that_cannot_be_answered_say_what_to_send() {
    let machine = machine();
    let ask = |args: &[&str]| {
        let fixed = ["search", "--as", DANA, "--reason", "a test"];
        machine.run(&[&fixed[..], args].concat())
    };
    for limit in ["0", "-1", "41", "10000000"] {
        ask(&["words", "--limit", limit]).refused(&["`limit`", limit, "1 to 40", "(request r_"]);
    }
    let long = "word ".repeat(20_000);
    let ran = ask(&[&long]).refused(&["`query`", "(request r_"]);
    assert!(ran.err.len() < 1_000, "the query is not repeated: {} bytes", ran.err.len());
    ask(&["  "]).refused(&["`query`", "(request r_"]);
    // No such source that she can see is an answer without results, not an error: nothing is told.
    assert!(
        ask(&["trains", "--source", "nothing"]).done().out.starts_with("nothing in what you can see matches")
    );
    assert!(finds(&machine, "trains early", "Travel"));
}

#[test]
fn an_onnx_runtime_that_is_missing_or_none_is_named_and_the_built_in_engine_runs() {
    let Some(model) = pulled(Artifact::MiniLm) else { return };
    for (library, words) in [("none.so", "no ONNX Runtime at"), ("bogus.so", "cannot be used")] {
        let machine = Machine::new();
        machine.run(&["users", "add", DANA]).done();
        let config = fs::read_to_string(machine.config()).unwrap();
        let models = model.parent().unwrap().display();
        let auto = config.replace("\"hashing\"", &format!("\"auto\"\nmodels_dir = \"{models}\""));
        let only = |engine: &str| auto.replace("\"auto\"", &format!("\"{engine}\""));
        machine.write("bogus.so", "not a library");
        let library = machine.path(library);
        let run = |args: &[&str]| -> Ran {
            machine.command(args).env("ORT_DYLIB_PATH", &library).output().unwrap().into()
        };
        let path = library.to_str().unwrap();
        // Nothing is embedded yet: whoever insists on fastembed is refused.
        machine.configure(&only("fastembed"));
        run(&["search", "x", "--as", DANA, "--reason", "a test"]).refused(&[
            "`embedding.engine`",
            words,
            path,
            "ORT_DYLIB_PATH",
        ]);
        assert_eq!(run(&["doctor"]).code, Some(3));

        machine.configure(&auto);
        let doctor = run(&["doctor"]).found();
        for word in [words, path, "builtin all-MiniLM-L6-v2", "the slower engine", "ORT_DYLIB_PATH"] {
            assert!(doctor.out.contains(word), "`{word}` is not in {doctor:?}");
        }
        assert!(!doctor.out.contains("; hint:"), "the hint has its own line: {doctor:?}");
        machine.write("handbook/travel.md", "# Travel\n\nBook trains early.\n");
        let ran = run(&["ingest", "handbook", "--default-allow", "everyone", "--json"]).done();
        assert_eq!(report(&ran)["embedder"], "all-MiniLM-L6-v2@53aa51172d142c89 (builtin)", "{ran:?}");
        let found = run(&["search", "rail journeys", "--as", DANA, "--reason", "a test"]).done();
        assert!(found.out.contains("Travel"), "its meaning is found: {found:?}");

        // From now on this index has its engine, whatever else there is; a better one is named, not mixed in.
        machine.configure(&only("fastembed"));
        let doctor = run(&["doctor"]).found();
        for word in ["warn    embedder", "builtin all-MiniLM-L6-v2", "`embedding.engine` is `fastembed`"] {
            assert!(doctor.out.contains(word), "`{word}` is not in {doctor:?}");
        }
        machine.configure(&only("builtin"));
        let doctor = run(&["doctor"]).found();
        assert!(doctor.out.contains("ok      embedder       builtin all-MiniLM-L6-v2"), "{doctor:?}");
        // Where the engine that embedded the documents cannot be had, none is put in its place.
        machine.configure(&auto.replace(&models.to_string(), "no-models"));
        let doctor = run(&["doctor"]).found();
        for word in ["the documents were embedded by `builtin`", "only words are searched (BM25)"] {
            assert!(doctor.out.contains(word), "`{word}` is not in {doctor:?}");
        }
    }
}

#[test]
fn without_a_model_and_a_network_words_are_searched_and_the_way_to_a_model_is_said() {
    let machine = machine();
    let config = fs::read_to_string(machine.config()).unwrap();
    let auto = config.replace("\"hashing\"", "\"auto\"\nmodels_dir = \"models\"");
    machine.configure(&auto);
    // A pip that reaches nobody, and no python3 at all.
    let python =
        machine.write("bin/python3", "#!/bin/sh\ncase \"$*\" in *--version*) exit 0;; esac\nexit 7\n");
    fs::set_permissions(&python, Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(machine.path("nothing")).unwrap();
    for (path, words) in [("bin", "pip could not fetch"), ("nothing", "python3 with pip was not found")] {
        let run = |args: &[&str]| -> Ran {
            let path = format!("{}:/usr/bin:/bin", machine.path(path).display());
            let path = if words.contains("not found") {
                machine.path("nothing").display().to_string()
            } else {
                path
            };
            machine.command(args).env("PATH", path).output().unwrap().into()
        };
        machine.configure(&auto);
        machine.write("handbook/news.md", format!("# News\n\nThe news of {words}.\n"));
        let ran = run(&["ingest", "handbook"]).done();
        for word in
            [words, "--from dir:PATH", "only words are searched (BM25)", "hint: `kenward models pull`"]
        {
            assert!(ran.err.contains(word), "`{word}` is not in {ran:?}");
        }
        assert!(finds(&machine, "news", "News"));
        let ran = run(&["models", "pull"]);
        assert!(ran.code == Some(1) && ran.err.contains(words) && ran.out.is_empty(), "{ran:?}");

        machine.configure(&auto.replace("\"auto\"", "\"fastembed\""));
        let ran = run(&["ingest", "handbook"]);
        assert!(ran.code == Some(1) && ran.err.contains(words) && ran.out.is_empty(), "{ran:?}");
    }
    machine.configure(&auto);
    assert!(finds(&machine, "trains early", "Travel"));
}
