//! Killed at any moment, nothing is lost: the real program is ended by SIGKILL at drawn moments, or
//! stopped by a disk that is full or read-only, run again to its end, and then answers everybody as one
//! that was never disturbed.
//!
//! One folder of documents changes from step to step. At each step one data folder, calm, reads it
//! without disturbance; copies of another, shaken, are killed in several ways and go on. `KENWARD_SEED`
//! draws other moments and another folder, `KENWARD_LONG=1` kills 500 times.

mod history;
mod twin;

use crate::common::long;
use crate::full_disk::Mount;
use crate::machine::Machine;
use crate::served::Served;
use history::{Dice, History};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use twin::{Answers, PEOPLE, Phase, Rows, Run, Stood, Twin, nobody_left};

/// How a run is disturbed.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// Killed once.
    Once,
    /// Killed, and killed again while it goes on.
    Twice,
    /// A server owns the data and runs on behalf of the command line; the server is killed, and the
    /// command line goes on by itself.
    Owner,
    /// The command line is killed; the server, which goes on to own the data, is asked for the run
    /// again, and is killed as soon as it has acknowledged it.
    Front,
    /// The disk has no more space from some moment on, then it has again.
    Full,
    /// Killed, and the disk is read-only when it is to go on; then it is writable again.
    ReadOnly,
}

const WAYS: [Way; 6] = [Way::Full, Way::ReadOnly, Way::Once, Way::Twice, Way::Owner, Way::Front];
/// Moments that are drawn for one step.
const MOMENTS: usize = 7;

/// A step: how the undisturbed run went, and what is right before and after it.
struct Step<'a> {
    run: &'a Run,
    before: &'a Answers,
    answers: &'a Answers,
    catalog: &'a str,
    /// Bytes by which its folder grew.
    grown: u64,
}

/// What is drawn and counted.
struct Test {
    /// When to kill, in shares of a run's way.
    moments: Vec<f64>,
    kills: BTreeMap<Phase, u32>,
    acknowledged: u32,
    /// Runs that a disk stopped: full, read-only.
    stopped: (u32, u32),
    /// Documents that the runs that went on had to put, and might have had to.
    put: (u64, u64),
    compared: usize,
}

#[test]
fn a_run_that_is_killed_goes_on_and_answers_as_if_it_had_not_been() {
    let begun = Instant::now();
    let seed = std::env::var("KENWARD_SEED").map_or(1, |seed| seed.parse().unwrap());
    let steps = if long() { 100 } else { 3 };
    let machine = Machine::new();
    let mut history = History::begin(machine.path("documents"), seed);
    let mut test = Test {
        moments: spread(&mut Dice::of(!seed), steps * MOMENTS),
        kills: BTreeMap::new(),
        acknowledged: 0,
        stopped: (0, 0),
        put: (0, 0),
        compared: 0,
    };
    let calm = Twin::new(&machine, "calm");
    let mut shaken = calm.copy("shaken");
    let disk = Mount::new(machine.path("disk"), 512);
    let mut before = ask(&calm);
    for at in 0..steps {
        history.step();
        let small = calm.size();
        let run = calm.ingest();
        let catalog = calm.healthy();
        leaves_nothing(&calm, &catalog, "undisturbed");
        let answers = ask(&calm);
        let grown = calm.size().saturating_sub(small).max(200_000);
        let step = Step { run: &run, before: &before, answers: &answers, catalog: &catalog, grown };
        let mut last = None;
        for way in WAYS {
            let place = format!("KENWARD_SEED={seed}, step {at}, {way:?}");
            if let Way::Full | Way::ReadOnly = way {
                let Some(disk) = &disk else { continue };
                let twin = shaken.copy("disk/shaken");
                test.stop(&twin, disk, way, &step, &place);
                twin.remove();
                continue;
            }
            let twin = shaken.copy(&format!("shaken-{at}-{way:?}"));
            test.disturb(&twin, way, &step, &place);
            last.replace(twin).into_iter().for_each(Twin::remove);
        }
        // The next step begins with what was disturbed in this one.
        std::mem::replace(&mut shaken, last.unwrap()).remove();
        before = answers;
    }
    let kills: u32 = test.kills.values().sum();
    eprintln!(
        "KENWARD_SEED={seed}: {kills} kills of a run ({:?}), {} of a server that had acknowledged one, {} runs stopped \
         by a full disk, {} by a read-only one; {} of {} documents had to be put by the runs that went on; {} answers compared; {:.1} s",
        test.kills,
        test.acknowledged,
        test.stopped.0,
        test.stopped.1,
        test.put.0,
        test.put.1,
        test.compared,
        begun.elapsed().as_secs_f64()
    );
    let missed = test.kills.get(&Phase::Over).copied().unwrap_or_default();
    assert!(missed * 3 < kills, "too many moments came after the end: {:?}", test.kills);
}

impl Test {
    /// Kills a run over `twin` in some way, lets it go on, and compares.
    fn disturb(&mut self, twin: &Twin<'_>, way: Way, step: &Step<'_>, place: &str) {
        let whole = step.run;
        let mut stood;
        let run = match way {
            Way::Once => {
                stood = twin.start().kill(self.moment(), whole);
                let rows = served(twin, |served| twin.rows(served));
                between(&rows, step, place);
                twin.healthy();
                twin.ingest()
            }
            Way::Twice => {
                stood = twin.start().kill(self.moment(), whole);
                self.count(stood);
                stood = twin.start().kill(self.moment(), whole);
                twin.ingest()
            }
            Way::Owner => {
                let mut server = twin.serve();
                let mut going = twin.start();
                going.wait(self.moment(), whole);
                stood = going.stands();
                nobody_left(server.kill());
                let run = going.end().unwrap_or_else(|words| panic!("{place}: {words}"));
                if run.begun < 2 && stood.phase > Phase::Opening {
                    stood = Stood::OVER;
                }
                run
            }
            Way::Front => {
                let mut server = twin.serve();
                stood = twin.start().kill(self.moment(), whole);
                between_while_it_runs(twin, &server, step, place);
                let run = again(twin, place);
                nobody_left(server.kill());
                self.acknowledged += 1;
                run
            }
            Way::Full | Way::ReadOnly => panic!("{place}: a disk is not a kill"),
        };
        self.count(stood);
        assert_eq!(run.code, whole.code, "{place}");
        // What was over before the kill is not gone on with: this is its own report.
        let over = matches!(way, Way::Owner) && stood.phase == Phase::Over;
        let (all, again) = (whole.put(), if over { 0 } else { run.put() });
        assert!(again + stood.put(all) <= all, "{place}: {again} of {all} were put again, {stood:?}");
        self.put = (self.put.0 + again, self.put.1 + all);

        if matches!(way, Way::Once | Way::Twice) {
            // What a killed server leaves goes at the next opening.
            leaves_nothing(twin, step.catalog, place);
        }
        self.compare(twin, step, place);
    }

    /// Stops a run over `twin`, which lies on `disk`, by that disk, lets it go on, and compares.
    fn stop(&mut self, twin: &Twin<'_>, disk: &Mount, way: Way, step: &Step<'_>, place: &str) {
        match way {
            Way::Full => {
                // What is written passes through journals too: not every moment stops a run.
                let space = self.moment() * 2.0 * step.grown as f64;
                let filler = disk.fill(space as u64);
                let ended = twin.start().end();
                std::fs::remove_file(filler).unwrap();
                if let Err(words) = ended {
                    assert!(words.contains("is full") && words.contains("\"hint\":"), "{place}: {words}");
                    self.stopped.0 += 1;
                }
            }
            _ => {
                twin.start().kill(self.moment(), step.run);
                disk.with("ro");
                let words = twin.start().end().map(|run| run.code).unwrap_err();
                assert!(
                    words.contains("Read-only file system") && words.contains("\"hint\":"),
                    "{place}: {words}"
                );
                disk.with("rw");
                self.stopped.1 += 1;
            }
        }
        let rows = served(twin, |served| twin.rows(served));
        between(&rows, step, place);
        let run = twin.ingest();
        assert_eq!(run.code, step.run.code, "{place}");
        self.compare(twin, step, place);
    }

    /// It answers as if it had never been disturbed, and nothing lies there that should not.
    fn compare(&mut self, twin: &Twin<'_>, step: &Step<'_>, place: &str) {
        assert_eq!(twin.healthy(), step.catalog, "{place}");
        leaves_nothing(twin, step.catalog, place);
        let answers = ask(twin);
        same(step.answers, &answers, place);
        self.compared += answers.rows.len() + answers.rest.len();
    }

    fn moment(&mut self) -> f64 {
        self.moments.pop().unwrap()
    }

    fn count(&mut self, stood: Stood) {
        *self.kills.entry(stood.phase).or_default() += 1;
    }
}

/// A run that another one of the same source, which is ending, may hold up.
fn again(twin: &Twin<'_>, place: &str) -> Run {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match twin.start().end() {
            Ok(run) => return run,
            Err(words) => {
                let waits = words.contains("is being ingested already") && Instant::now() < deadline;
                assert!(waits, "{place}: {words}");
            }
        }
    }
}

/// After a kill everybody sees every document as it was before its change or after it, and what they
/// see before and after they see all the time.
fn between(rows: &Rows, step: &Step<'_>, place: &str) {
    assert_eq!(missing(rows, step, place), BTreeSet::new(), "{place}: gone");
}

/// The same of a server whose run may still go on. A list has the newest first, so what is published while somebody
/// turns its pages goes from a page to come to one that was read: then it is listed anew, and is the new one.
fn between_while_it_runs(twin: &Twin<'_>, server: &Served, step: &Step<'_>, place: &str) {
    let gone = missing(&twin.rows(server), step, place);
    if gone.is_empty() {
        return;
    }
    let again = twin.rows(server);
    missing(&again, step, place);
    for key in gone {
        assert_eq!(again.get(&key), step.answers.rows.get(&key), "{place}: {key:?} was gone");
    }
}

/// What is seen before and after, and not in these rows, which must all be right.
fn missing(rows: &Rows, step: &Step<'_>, place: &str) -> BTreeSet<(&'static str, String)> {
    for (key, row) in rows {
        let right = [step.before, step.answers].iter().any(|answers| answers.rows.get(key) == Some(row));
        assert!(right, "{place}: {key:?} is {row}");
    }
    let (before, after) = (&step.before.rows, &step.answers.rows);
    before.keys().filter(|key| after.contains_key(*key) && !rows.contains_key(*key)).cloned().collect()
}

fn same(right: &Answers, answers: &Answers, place: &str) {
    for key in right.rows.keys().chain(answers.rows.keys()) {
        assert_eq!(right.rows.get(key), answers.rows.get(key), "{place}: {key:?}");
    }
    for (right, answer) in right.rest.iter().zip(&answers.rest) {
        assert_eq!(right, answer, "{place}");
    }
    assert_eq!(right.rest.len(), answers.rest.len());
}

fn leaves_nothing(twin: &Twin<'_>, catalog: &str, place: &str) {
    let (texts, stray) = twin.lies_there();
    assert_eq!(stray, Vec::<String>::new(), "{place}");
    assert!(catalog.starts_with(&format!("{texts} documents")), "{place}: {texts} texts, {catalog}");
}

fn served<T>(twin: &Twin<'_>, work: impl FnOnce(&Served) -> T) -> T {
    let mut served = twin.serve();
    let result = work(&served);
    assert_eq!(served.stop(), Some(0), "{}", served.log());
    result
}

fn ask(twin: &Twin<'_>) -> Answers {
    served(twin, |served| twin.answers(served))
}

/// Shares of a whole, one from each of so many equal parts, in any order.
fn spread(dice: &mut Dice, parts: usize) -> Vec<f64> {
    let mut shares: Vec<f64> = (0..parts).map(|part| (part as f64 + dice.unit()) / parts as f64).collect();
    for at in (1..shares.len()).rev() {
        shares.swap(at, dice.below(at + 1));
    }
    shares
}

#[test]
fn a_first_use_that_is_killed_is_gone_on_with() {
    let machine = Machine::new();
    let begun = Instant::now();
    drop(Twin::new(&machine, "whole"));
    let whole = begun.elapsed().div_f64(1.0 + PEOPLE.len() as f64);
    let kills = if long() { 100 } else { 6 };
    let mut cut = 0;
    for (at, share) in (0..).zip(spread(&mut Dice::of(7), kills)) {
        let data = format!("data-{at}");
        let verb = ["--data-dir", &data, "users", "import", "directory.toml"];
        let mut child = machine.command(&verb).stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole.mul_f64(share));
        child.kill().unwrap();
        cut += u32::from(!child.wait().unwrap().success());
        machine.run(&verb).done();
        let users = machine.run(&["--data-dir", &data, "users", "list", "--json"]).done().json();
        assert_eq!(users.as_array().unwrap().len(), PEOPLE.len(), "after {share} of {whole:?}");
        machine.run(&["--data-dir", &data, "doctor"]).done();
    }
    eprintln!("{kills} kills of a first use, {cut} of them before its end");
    assert!(cut > 0);
}

#[test]
fn what_was_acknowledged_outlives_the_owner() {
    let machine = Machine::new();
    let twin = Twin::new(&machine, "data");
    let run = |args: &[&str]| machine.run(&[&["--data-dir", "data"], args].concat()).done();
    for at in 0..if long() { 40 } else { 4 } {
        let mut server = twin.serve();
        let (person, group) = (format!("p{at}@acorn.example"), format!("g{at}"));
        run(&["users", "add", &person]);
        run(&["groups", "add", &group]);
        run(&["groups", "add-member", &group, &format!("user:{person}")]);
        let last = run(&["tokens", "create", &person, "--json"]).json();
        server.kill();
        let users = run(&["users", "list"]).out;
        assert!(users.contains(&person), "{users}");
        let groups = run(&["groups", "list", "--json"]).json();
        let found = groups.as_array().unwrap().iter().find(|g| g["handle"] == group.as_str()).unwrap();
        assert_eq!(found["members"], serde_json::json!([format!("user:{person}")]));
        assert!(run(&["tokens", "list"]).out.contains(last["token"]["id"].as_str().unwrap()));
    }
    twin.healthy();
}
