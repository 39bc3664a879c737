//! Backups and restores with the real program: while it serves and ingests, killed at any moment, and what it refuses.

use crate::machine::{Machine, holds};
use crate::served::Served;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

const OLGA: &str = "olga@acorn.example";
const DANA: &str = "dana@acorn.example";
const BEN: &str = "ben@acorn.example";

/// Dana is in finance; the handbook is everyone's, its folder `finance` is finance's.
fn machine(files: usize) -> Machine {
    let machine = Machine::new();
    for person in [OLGA, DANA, BEN] {
        machine.run(&["users", "add", person]).done();
    }
    machine.run(&["groups", "add", "finance"]).done();
    machine.run(&["groups", "add-member", "finance", &format!("user:{DANA}")]).done();
    for n in 0..files {
        machine.write(
            &format!("handbook/{}/{n}.md", n % 7),
            format!("# Page {n}\n\nThe berth number{n} is free, and tariff {} holds there.\n", n % 5),
        );
    }
    machine.write("handbook/finance/pay.md", "# Pay\n\nThe quillfeather band starts at 71,000.\n");
    machine.write("handbook/finance/.access.toml", "inherit = false\nallow = [\"group:finance\"]\n");
    machine.run(&["ingest", "handbook", "--default-allow", "everyone"]).done();
    machine.run(&["keys", "export", "keys.json"]).done();
    machine
}

/// What somebody is answered, without what is drawn anew for each answer.
fn asked(machine: &Machine, data: &str, person: &str, query: &str) -> Vec<Value> {
    let args =
        ["--data-dir", data, "search", query, "--as", person, "--reason", "test", "--limit", "40", "--json"];
    let ran = machine.run(&args);
    if ran.err.contains("no active person") {
        return Vec::new();
    }
    let answer = ran.done().json();
    let results = answer["results"].as_array().unwrap();
    let told = ["rank", "id", "title", "path", "relevance", "provenance"];
    results.iter().map(|r| told.iter().map(|key| r[*key].clone()).collect::<Value>()).collect()
}

const QUERIES: [&str; 4] = ["quillfeather", "berth number3", "tariff 4 holds", "free"];

fn all(machine: &Machine, data: &str) -> Vec<(&'static str, &'static str, Vec<Value>)> {
    let people = [OLGA, DANA, BEN].into_iter();
    people.flat_map(|p| QUERIES.map(|q| (p, q, asked(machine, data, p, q)))).collect()
}

fn people_who_see_pay(all: &[(&'static str, &'static str, Vec<Value>)]) -> Vec<&'static str> {
    let sees = |found: &[Value]| found.iter().any(|r| r[2] == "Pay");
    all.iter().filter(|(_, q, found)| *q == "quillfeather" && sees(found)).map(|(who, ..)| *who).collect()
}

fn ledger(machine: &Machine) -> String {
    machine.data().join("keys/rights.ledger").display().to_string()
}

fn restore(machine: &Machine, backup: &str, to: &str) -> Value {
    let args = ["restore", backup, "--keys", "keys.json", "--to", to, "--ledger", &ledger(machine), "--json"];
    machine.run(&args).done().json()
}

#[test]
fn a_backup_while_serving_and_ingesting_is_one_moment_and_comes_back_elsewhere() {
    let machine = machine(300);
    let mut command = machine.command(&["serve", "--http", "127.0.0.1:0"]);
    let mut served = Served::start(&mut command, machine.path("serve.out"), machine.path("serve.log"));
    let before = all(&machine, "data");
    for n in 0..900 {
        machine.write(&format!("harbour/{}/{n}.md", n % 9), format!("# Berth {n}\n\nquay{n} is deep.\n"));
    }
    let ingest = ["ingest", "harbour", "--default-allow", "everyone"];
    let run = machine.command(&ingest).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let since = Instant::now();
    loop {
        let shown = machine.run(&["runs", "list", "--source", "harbour", "--json"]).done().json();
        if shown[0]["done"].as_u64() > Some(0) {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "no run began");
    }
    let made = machine.run(&["backup", "copies-1", "--json"]);
    let running = machine.run(&["runs", "show", "harbour"]);
    // In the middle of the run, unless this machine is very quick.
    eprintln!("after the backup: {}", running.out.lines().next().unwrap_or_default());
    let made = made.done().json();
    let ended: crate::machine::Ran = run.wait_with_output().unwrap().into();
    ended.done();
    assert_eq!(served.stop(), Some(0), "{}", served.log());

    let restored = restore(&machine, "copies-1", "elsewhere");
    eprintln!("backup {} s, restore {} s", made["seconds"], restored["seconds"]);
    let after = all(&machine, "elsewhere");
    for (was, now) in before.iter().zip(&after) {
        let handbook = |all: &[Value]| -> Vec<Value> {
            all.iter()
                .filter(|r| r.to_string().contains("\"source\":\"handbook\""))
                .map(|r| r[1].clone())
                .collect()
        };
        assert_eq!(handbook(&was.2), handbook(&now.2), "{} {}", was.0, was.1);
    }
    assert_eq!(people_who_see_pay(&after), [DANA]);
    let healthy = machine.run(&["--data-dir", "elsewhere", "doctor"]);
    assert!(healthy.out.contains("the chain holds"), "{healthy:?}");
    // The cut-off run goes on where it was.
    machine.run(&["--data-dir", "elsewhere", "ingest", "harbour"]).done();
    assert_eq!(
        asked(&machine, "elsewhere", BEN, "quay77").len(),
        asked(&machine, "data", BEN, "quay77").len()
    );
    assert!(holds(&machine.data().join("audit"), "\"act\":\"backup\""));
}

#[test]
fn answers_are_those_of_the_moment_but_for_what_was_taken_away_since() {
    let machine = machine(30);
    let before = all(&machine, "data");
    machine.run(&["backup", "copy"]).done();
    restore(&machine, "copy", "same");
    assert_eq!(all(&machine, "same"), before);

    machine.run(&["groups", "remove-member", "finance", &format!("user:{DANA}")]).done();
    machine.run(&["users", "disable", BEN]).done();
    machine.write("handbook/3/.access.toml", "inherit = false\nallow = [\"group:finance\"]\n");
    std::fs::remove_file(machine.path("handbook/4/4.md")).unwrap();
    machine.run(&["ingest"]).done();
    let now = all(&machine, "data");
    let told = restore(&machine, "copy", "narrowed");
    assert_eq!(told["restored"]["narrowed"]["removed"], 1, "{told}");
    let after = all(&machine, "narrowed");
    let ids = |found: &[Value]| found.iter().map(|r| r[1].to_string()).collect::<Vec<_>>();
    for ((was, now), after) in before.iter().zip(&now).zip(&after) {
        let still = |id: &String| ids(&was.2).contains(id);
        let both: Vec<String> = ids(&now.2).into_iter().filter(still).collect();
        let mut got = ids(&after.2);
        // The order may move, since hits of more were left out.
        got.sort();
        let mut both = both;
        both.sort();
        assert!(got.iter().all(|id| ids(&was.2).contains(id)), "{} {}", was.0, was.1);
        if now.2.len() < 40 {
            assert_eq!(got, both, "{} {}", was.0, was.1);
        }
    }
    assert_eq!(people_who_see_pay(&before), [DANA]);
    assert!(people_who_see_pay(&after).is_empty());
    assert!(after.iter().all(|(who, _, found)| *who != BEN || found.is_empty()));

    // Without a ledger nobody sees anything before an operator has said so and the source was read.
    let args = ["restore", "copy", "--keys", "keys.json", "--to", "blind", "--without-ledger"];
    let said = machine.run(&args).done();
    assert!(said.err.contains("WITHOUT A RIGHTS LEDGER") && said.err.contains("users enable"), "{said:?}");
    assert!(all(&machine, "blind").iter().all(|(_, _, found)| found.is_empty()));
    let blind = |args: &[&str]| machine.run(&[&["--data-dir", "blind"], args].concat());
    blind(&["users", "enable", OLGA]).done();
    assert!(all(&machine, "blind").iter().all(|(_, _, found)| found.is_empty()));
    blind(&["ingest", "handbook"]).refused(&["--default-allow"]);
    blind(&["ingest", "handbook", "--default-allow", "everyone"]).done();
    assert!(!asked(&machine, "blind", OLGA, "free").is_empty());
    assert!(asked(&machine, "blind", DANA, "free").is_empty(), "she is still disabled");
}

#[test]
fn killed_at_any_moment_a_backup_or_a_restore_is_whole_or_not_there() {
    let machine = machine(250);
    let killed = |args: &[&str], after: Duration| {
        let mut child = machine.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
    };
    let whole = |args: &[&str]| {
        let begun = Instant::now();
        machine.run(args).done();
        begun.elapsed()
    };
    let before = all(&machine, "data");
    let took = whole(&["backup", "first"]);
    let (mut cut, mut there) = (0, 0);
    for moment in 1..=8 {
        let name = format!("copy-{moment}");
        killed(&["backup", &name], took * moment / 8);
        if machine.path(&name).exists() {
            there += 1;
        } else {
            cut += 1;
            assert!(!machine.path(&name).join("manifest.json").exists());
            machine.run(&["backup", &name]).done();
        }
        assert!(!machine.path(&format!("{name}.unfinished")).exists(), "what was cut off is cleared away");
        restore(&machine, &name, &format!("of-{moment}"));
        assert_eq!(all(&machine, &format!("of-{moment}")), before, "moment {moment}");
    }
    eprintln!("backups: {cut} cut off, {there} whole, one takes {took:?}");
    assert!(cut >= 2, "too few kills came in time");
    assert_eq!(all(&machine, "data"), before);

    let args = |to: &str| {
        let ledger = ledger(&machine);
        ["restore", "first", "--keys", "keys.json", "--to", to, "--ledger", &ledger].map(str::to_owned)
    };
    let begun = Instant::now();
    machine.run(&args("r").iter().map(String::as_str).collect::<Vec<_>>()).done();
    let took = begun.elapsed();
    let mut cut = 0;
    for moment in 1..=8 {
        let to = format!("r-{moment}");
        let args = args(&to);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        killed(&args, took * moment / 8);
        if !machine.path(&to).exists() {
            cut += 1;
            machine.run(&args).done();
        }
        assert!(!machine.path(&format!("{to}.unfinished")).exists());
        assert_eq!(all(&machine, &to), before, "moment {moment}");
    }
    eprintln!("restores: {cut} of 8 cut off, one takes {took:?}");
    assert!(cut >= 2, "too few kills came in time");
}

#[test]
fn what_would_be_written_over_or_cannot_be_believed_is_refused() {
    let machine = machine(5);
    machine.run(&["backup", "copy"]).done();
    let ledger = ledger(&machine);
    let restore = |backup: &str, keys: &str, to: &str| {
        machine.run(&["restore", backup, "--keys", keys, "--to", to, "--ledger", &ledger])
    };
    restore("copy", "keys.json", "data")
        .refused(&["is not empty", "nothing is ever restored over something"]);
    let mut command = machine.command(&["serve", "--http", "127.0.0.1:0"]);
    let mut served = Served::start(&mut command, machine.path("serve.out"), machine.path("serve.log"));
    restore("copy", "keys.json", "data").refused(&["a process owns the data in"]);
    assert_eq!(served.stop(), Some(0));
    machine.write("full/file", "x");
    restore("copy", "keys.json", "full").refused(&["is not empty"]);
    restore("copy", "keys.json", "full/file").refused(&["is not a folder"]);
    restore("copy", "keys.json", "none/below").refused(&["there is no folder to put"]);
    restore("copy", "none.json", "to").refused(&["keys at `none.json` cannot be read", "keys export"]);
    restore("copy", "kenward.toml", "to").refused(&["holds no keys"]);
    restore("handbook", "keys.json", "to").refused(&["is no backup"]);
    let missing = ["restore", "copy", "--keys", "keys.json", "--to", "to", "--ledger", "none"];
    machine.run(&missing).refused(&["there is no rights ledger at `none`", "--without-ledger"]);
    // Nothing is restored without a word about the ledger.
    let silent = machine.run(&["restore", "copy", "--keys", "keys.json", "--to", "to"]);
    assert!(silent.code == Some(1) && silent.err.contains("--without-ledger"), "{silent:?}");

    machine.run(&["backup", "copy"]).refused(&["is there already", "nothing is written over"]);
    machine.run(&["backup", "data/copy"]).refused(&["would lie in the data itself"]);
    machine.run(&["backup", "none/copy"]).refused(&["there is no folder to put"]);
    machine.run(&["keys", "export", "keys.json"]).done();
    machine.write("other.json", "x");
    machine.run(&["keys", "export", "other.json"]).refused(&["is there already"]);
    machine.run(&["keys", "export", "copy/keys.json"]).refused(&["would lie in a backup"]);

    // Of another tenant, with other keys, of a newer version, changed.
    let other = self::machine(1);
    std::fs::copy(other.path("keys.json"), machine.path("theirs.json")).unwrap();
    restore("copy", "theirs.json", "to").refused(&["sealed with a key that is not among those given"]);
    let manifest = machine.path("copy/manifest.json");
    let good = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, good.replace("\"documents\":6", "\"documents\":7")).unwrap();
    restore("copy", "keys.json", "to")
        .refused(&["its manifest is not what was written", "nothing was written"]);
    std::fs::write(&manifest, &good[..good.len() / 2]).unwrap();
    restore("copy", "keys.json", "to").refused(&["its manifest is not what was written"]);
    std::fs::write(&manifest, good).unwrap();
    let catalog = machine.path("copy/catalog.sqlite");
    let bytes = std::fs::read(&catalog).unwrap();
    std::fs::write(&catalog, &bytes[..bytes.len() - 1]).unwrap();
    restore("copy", "keys.json", "to").refused(&["`catalog.sqlite` is missing or of another size"]);
    std::fs::write(&catalog, bytes).unwrap();
    assert!(!machine.path("to").exists() && !machine.path("to.unfinished").exists());
    restore("copy", "keys.json", "to").done();
    // A folder of a newer version is refused when it is opened, as ever.
    std::fs::write(machine.path("to/VERSION"), "99\n").unwrap();
    machine.run(&["--data-dir", "to", "users", "list"]).refused(&["of version `99`"]);
}

#[test]
fn what_is_backed_up_and_exported_is_for_its_owner_alone_and_holds_no_keys() {
    let machine = machine(3);
    machine.run(&["backup", "copy"]).done();
    let mode =
        |path: PathBuf| std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(path).unwrap()) & 0o777;
    assert_eq!(mode(machine.path("copy")), 0o700);
    assert_eq!(mode(machine.path("keys.json")), 0o600);
    let mut looked = 0;
    each(&machine.path("copy"), &mut |file| {
        looked += 1;
        assert_eq!(mode(file.to_owned()), 0o600, "{}", file.display());
        let bytes = std::fs::read(file).unwrap();
        each(&machine.data().join("keys"), &mut |key| {
            let key = std::fs::read(key).unwrap();
            assert!(
                key.len() != 32 || !bytes.windows(32).any(|window| window == key),
                "a key is in {}",
                file.display()
            );
        });
    });
    assert!(looked > 5);
    let listed = machine.run(&["keys", "list"]).done();
    let exported: Value = serde_json::from_slice(&std::fs::read(machine.path("keys.json")).unwrap()).unwrap();
    assert!(listed.out.contains("cursors") && !listed.out.contains(exported["ids"].as_str().unwrap()));
    machine.run(&["keys", "rotate", "receipts"]).done();
    machine.run(&["keys", "rotate", "ids"]).refused(&["the key `ids` cannot be rotated", "document's id"]);
    machine.run(&["keys", "rotate", "none"]).refused(&["there is no key `none`"]);
    assert_eq!(machine.run(&["keys", "list", "--json"]).done().json()[2]["older"], 1);
    let exported = machine.run(&["keys", "export", "again.json"]).done();
    assert!(exported.err.contains("WHOEVER HAS THIS FILE"), "{exported:?}");
}

fn each(dir: &Path, look: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { each(&path, look) } else { look(&path) }
    }
}

#[test]
fn what_a_restore_hid_is_counted_with_what_brings_it_back() {
    let machine = machine(3);
    machine.run(&["backup", "copy"]).done();
    machine.write("handbook/1/.access.toml", "inherit = false\nallow = [\"group:finance\"]\n");
    machine.run(&["ingest"]).done();
    restore(&machine, "copy", "some");
    let on = |data: &'static str| {
        let machine = &machine;
        move |args: &[&str]| machine.run(&[&["--data-dir", data], args].concat())
    };
    let some = on("some");
    let listed = some(&["sources", "list"]).done();
    assert!(listed.err.contains("hidden until they are ingested again: 1 of `handbook`"), "{listed:?}");
    let listed = some(&["sources", "list", "--json"]).done().json();
    assert_eq!((&listed[0]["hidden"], &listed[0]["hidden_until_ingested"]), (&1.into(), &1.into()));
    let status = some(&["status"]).done();
    assert!(status.out.contains("HIDDEN    1 document from everybody: 1 until their source"), "{status:?}");
    let doctor = some(&["doctor"]).found();
    assert!(doctor.out.contains("1 document is hidden from everybody until the source"), "{doctor:?}");
    assert!(doctor.out.contains("`kenward ingest handbook` reads them"), "{doctor:?}");

    let args = ["restore", "copy", "--keys", "keys.json", "--to", "all", "--without-ledger"];
    machine.run(&args).done();
    let all = on("all");
    all(&["search", "berth"]).refused(&["no active person", &format!("`kenward users enable {OLGA}`")]);
    let again = machine.run(&["keys", "export", "keys.json"]).done();
    assert!(
        again.err.contains("in keys.json already") || again.err.contains("already: it holds"),
        "{again:?}"
    );
    let status = all(&["status", "--json"]).done().json();
    assert_eq!(status["stats"]["hidden_until_ingested"], 4, "{status}");
    // A change of the directory resolves rights again; what is hidden stays so, and is counted.
    all(&["groups", "remove-member", "finance", &format!("user:{DANA}")]).done();
    assert_eq!(all(&["status", "--json"]).done().json()["stats"]["hidden"], 4);
    all(&["ingest", "handbook", "--default-allow", "everyone"]).done();
    assert_eq!(all(&["status", "--json"]).done().json()["stats"]["hidden"], 0);
}

#[test]
fn nothing_is_restored_into_the_folder_of_a_source() {
    let machine = machine(1);
    machine.run(&["backup", "copy"]).done();
    let ledger = ledger(&machine);
    let into =
        |to: &str| machine.run(&["restore", "copy", "--keys", "keys.json", "--to", to, "--ledger", &ledger]);
    std::os::unix::fs::symlink(machine.path("handbook"), machine.path("link")).unwrap();
    for to in ["handbook/again", "link/again", "handbook/0/again"] {
        into(to).refused(&["of the source `handbook` overlap", "outside of all sources"]);
        assert!(!machine.path(to).exists() && !machine.path(&format!("{to}.unfinished")).exists());
    }
    // One that the configuration alone has.
    std::fs::create_dir(machine.path("other")).unwrap();
    let config = std::fs::read_to_string(machine.config()).unwrap();
    machine.configure(&format!("{config}[[source]]\nname = \"other\"\npath = \"other\"\n"));
    into("other/again").refused(&["of the source `other` overlap"]);
    // One that the backup alone has: nothing is put beside it first (what is in the way would be told).
    machine.run(&["sources", "remove", "handbook", "--yes"]).done();
    machine.write("handbook/again.unfinished", "in the way");
    into("handbook/again").refused(&["of the source `handbook` overlap"]);
    into("again").done();
}
