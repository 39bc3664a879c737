//! A full disk and a read-only one, for real, under the real program: a small tmpfs that holds the data.
//! What was put stays, no answer is given that is not recorded, and with space again everything goes
//! on. Skipped, with a word, where mounting is not allowed.

use crate::machine::Machine;
use crate::served::{Served, answer, newest, refusal};
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

/// A small file system, gone with its end.
pub struct Mount(PathBuf);

impl Mount {
    /// Of so many megabytes.
    pub fn new(place: PathBuf, megabytes: u32) -> Option<Self> {
        std::fs::create_dir(&place).unwrap();
        let options = format!("size={megabytes}m,mode=700");
        let mut command = Command::new("mount");
        let command = command.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&place);
        if command.output().is_ok_and(|ran| ran.status.success()) {
            return Some(Self(place));
        }
        eprintln!("skipped: a tmpfs cannot be mounted here");
        None
    }

    /// Mounts it anew with other options.
    pub fn with(&self, options: &str) {
        let done = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0).status();
        assert!(done.unwrap().success());
    }

    /// Takes all the space that is left but so many bytes; gives the file that takes it.
    pub fn fill(&self, but: u64) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = std::fs::File::create(&path).unwrap();
        while file.write_all(&[7; 1024]).is_ok() {}
        while file.write_all(&[7]).is_ok() {}
        file.set_len(file.metadata().unwrap().len().saturating_sub(but)).unwrap();
        path
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// Text that does not compress.
fn noise(seed: u64, bytes: usize) -> String {
    let mut dice = seed;
    let mut text = format!("# Noise {seed}\n\n");
    while text.len() < bytes {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(&format!(
            "{:016x}{}",
            dice ^ (dice >> 29),
            if dice.is_multiple_of(11) { ".\n" } else { " " }
        ));
    }
    text
}

fn small() -> Option<(Machine, Mount)> {
    let machine = Machine::new();
    let mount = Mount::new(machine.path("small"), 6)?;
    let config = std::fs::read_to_string(machine.config()).unwrap();
    machine.configure(&config.replace("data_dir = \"data\"", "data_dir = \"small/data\""));
    machine.run(&["users", "add", "olga@acorn.example"]).done();
    Some((machine, mount))
}

#[test]
fn an_ingestion_stops_cleanly_and_goes_on_with_space_again() {
    let Some((machine, mount)) = small() else { return };
    machine.write("notes/a.md", "# First\n\nThe first words.\n");
    machine.run(&["ingest", "notes", "--default-allow", "everyone"]).done();
    for n in 0..120 {
        machine.write(&format!("notes/n{n:03}.md"), noise(n, 60_000));
    }
    for _ in 0..2 {
        machine.run(&["ingest", "notes"]).refused(&["is full", "free some space"]);
    }
    mount.with("size=64m");
    let found = machine.run(&["search", "first words", "--json"]).done();
    assert!(found.out.contains("\"title\":\"First\""), "{found:?}");
    let ran = machine.run(&["ingest", "notes", "--json"]).done();
    let report: serde_json::Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    let (added, unchanged) = (&report["summary"]["added"], &report["summary"]["unchanged"]);
    assert_eq!(added.as_u64().unwrap() + unchanged.as_u64().unwrap(), 121, "{report}");
    assert!(unchanged.as_u64().unwrap() > 1, "what was put before it was full stayed: {report}");
    let doctor = machine.run(&["doctor"]).done();
    assert!(doctor.out.contains("121 documents") && doctor.out.contains("the chain holds"), "{doctor:?}");
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_answered_and_not_changed() {
    let Some((machine, mount)) = small() else { return };
    machine.write("notes/a.md", "# First\n\nThe quillfeather words.\n");
    machine.run(&["ingest", "notes", "--default-allow", "everyone"]).done();
    let token = machine.run(&["tokens", "create", "olga@acorn.example"]).done().out.trim().to_owned();
    let mut command = machine.command(&["serve", "--http", "127.0.0.1:0"]);
    let mut served = Served::start(&mut command, machine.path("serve.out"), machine.path("serve.log"));
    let client = served.client(&token, newest()).await;
    let asked = || json!({ "query": "quillfeather" });
    answer(&client, "search", asked()).await;

    let filler = mount.fill(0);
    let error = refusal(&client, "search", asked()).await;
    assert_eq!(error["code"], "try_again", "{error}");
    assert!(error["try"].as_str().unwrap().contains("again") && error["request_id"].is_string(), "{error}");
    // The operator is told why.
    served.logs(|line| line.contains("audit log"));
    // Over the socket of the server.
    let ran = machine.run(&["search", "quillfeather"]).refused(&["no answer could be given", "(request r_"]);
    assert!(!ran.err.contains("First"), "{ran:?}");
    for verb in [&["users", "add", "ben@acorn.example"][..], &["tokens", "create", "olga@acorn.example"]] {
        // The log's last block may have room for one more record: then the catalog is what is full.
        machine.run(verb).refused(&["is full", "free some space"]);
    }

    // With space again the same process goes on.
    std::fs::remove_file(&filler).unwrap();
    answer(&client, "search", asked()).await;
    let users = machine.run(&["users", "list"]).done().out;
    assert!(!users.contains("ben@"), "{users}");
    client.cancel().await.unwrap();
    assert_eq!(served.stop(), Some(0), "{}", served.log());

    // Nobody owns the data, and it cannot be opened for want of space: that is said, and harms nothing.
    let filler = mount.fill(0);
    machine
        .run(&["search", "quillfeather"])
        .refused(&["cannot be written", "the disk is full: free some space"]);
    std::fs::remove_file(&filler).unwrap();
    let found = machine.run(&["search", "quillfeather", "--json"]).done();
    assert!(found.out.contains("\"title\":\"First\""), "{found:?}");
    assert!(machine.run(&["doctor"]).done().out.contains("the chain holds"));
    let log: Vec<_> = std::fs::read_dir(machine.path("small/data/audit")).unwrap().collect();
    assert_eq!(log.len(), 1, "nothing was torn: {log:?}");
}

#[test]
fn a_read_only_disk_is_said_and_with_it_writable_again_all_is_as_it_was() {
    let Some((machine, mount)) = small() else { return };
    machine.write("notes/a.md", "# First\n\nThe quillfeather words.\n");
    machine.run(&["ingest", "notes", "--default-allow", "everyone"]).done();
    machine.write("notes/b.md", "# Second\n\nMore quillfeather words.\n");
    mount.with("ro");
    for verb in [
        &["ingest", "notes"][..],
        &["search", "quillfeather"],
        &["users", "add", "ben@acorn.example"],
        &["runs", "list"],
    ] {
        let ran = machine.run(verb).refused(&["Read-only file system", "small/data"]);
        assert!(!ran.err.contains("First"), "{ran:?}");
    }
    let doctor = machine.run(&["doctor"]);
    assert!(doctor.code == Some(3) && doctor.out.contains("Read-only file system"), "{doctor:?}");
    mount.with("rw");
    machine.run(&["ingest", "notes"]).done();
    let found = machine.run(&["search", "quillfeather", "--json"]).done();
    assert!(
        found.out.contains("\"title\":\"First\"") && found.out.contains("\"title\":\"Second\""),
        "{found:?}"
    );
    assert!(machine.run(&["doctor"]).done().out.contains("the chain holds"));
}
