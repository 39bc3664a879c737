//! Rights alone and failures, with the real program.

use crate::machine::Machine;

#[test]
fn rights_are_read_alone_and_say_what_waits_for_content() {
    let machine = Machine::new();
    machine.run(&["users", "add", "olga@acorn.example"]).done();
    machine.run(&["users", "add", "ben@acorn.example"]).done();
    machine.write("handbook/pay/bands.md", "# Bands\n\nThe quillfeather band.\n");
    machine.write("handbook/travel.md", "# Travel\n\nThe quillfeather train.\n");
    machine.run(&["ingest", "handbook", "--rights-only"]).refused(&["never ingested"]);
    machine.run(&["ingest", "handbook", "--default-allow", "everyone"]).done();
    let ben = || {
        let args = ["search", "quillfeather", "--as", "ben@acorn.example", "--reason", "a test", "--json"];
        let out = machine.run(&args).done().out;
        (out.contains("The quillfeather band"), out.contains("The quillfeather train"))
    };
    assert_eq!(ben(), (true, true));
    machine.write("handbook/pay/.access.toml", "inherit = false\nallow = [\"user:olga@acorn.example\"]\n");
    let ran = machine.run(&["ingest", "handbook", "--rights-only"]).done();
    assert!(ran.out.contains("FEWER SEE") && ran.err.is_empty(), "{ran:?}");
    assert_eq!(ben(), (false, true));
    // Opened, and changed.
    machine.write("handbook/pay/.access.toml", "allow = [\"everyone\"]\n");
    machine.write("handbook/pay/bands.md", "# Bands\n\nThe quillfeather range.\n");
    let ran = machine.run(&["ingest", "--rights-only"]).done();
    assert!(ran.err.contains("1 document stays under old rights, too"), "{ran:?}");
    assert_eq!(ben(), (false, true));
    let ran = machine.run(&["ingest", "--rights-only", "--json"]).done();
    assert_eq!(ran.json()["report"]["waiting"], 1);
    assert_eq!(ran.json()["event"], "rights_read");
    let views = |ran: &crate::machine::Ran| {
        let report = &ran.json()["report"];
        (report["seen_by_fewer"].as_u64().unwrap(), report["seen_by_more"].as_u64().unwrap())
    };
    assert_eq!(views(&ran), (0, 0));
    // As it was read, and open to Olga and Ben again; then Olga's alone.
    machine.write("handbook/pay/bands.md", "# Bands\n\nThe quillfeather band.\n");
    let rights_only = || machine.run(&["ingest", "--rights-only", "--json"]).done();
    assert_eq!(views(&rights_only()), (0, 1));
    machine.write("handbook/pay/.access.toml", "inherit = false\nallow = [\"user:olga@acorn.example\"]\n");
    assert_eq!(views(&rights_only()), (1, 0));
    machine.write("handbook/pay/.access.toml", "inherit = false\nallow = [\"user:ben@acorn.example\"]\n");
    assert_eq!(views(&rights_only()), (1, 1));
    machine.write("handbook/pay/.access.toml", "allow = [\"everyone\"]\n");
    rights_only();
    let runs = machine.run(&["runs", "list", "--json"]).done().json();
    assert_eq!(runs.as_array().unwrap().len(), 1, "it is no run");
    let doctor = machine.run(&["doctor"]).done();
    assert!(
        doctor.out.contains("source `handbook`: all read at") && doctor.out.contains("its rights at"),
        "{doctor:?}"
    );
}

/// A source whose folder is not there keeps no other from being read.
#[test]
fn a_source_that_cannot_be_read_holds_up_no_other() {
    let machine = Machine::new();
    machine.run(&["users", "add", "olga@acorn.example"]).done();
    machine.run(&["users", "add", "ben@acorn.example"]).done();
    for source in ["first", "second", "third"] {
        machine.write(&format!("{source}/page.md"), format!("# Page\n\nThe quillfeather of the {source}.\n"));
        machine.run(&["ingest", source, "--default-allow", "everyone"]).done();
    }
    std::fs::rename(machine.path("first"), machine.path("away")).unwrap();
    for source in ["second", "third"] {
        machine.write(&format!("{source}/.access.toml"), "allow = [\"user:olga@acorn.example\"]\n");
    }
    let ran = machine.run(&["ingest", "--rights-only"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("first") && ran.out.contains("third"), "{ran:?}");
    let args = ["search", "quillfeather", "--as", "ben@acorn.example", "--reason", "a test", "--json"];
    let out = machine.run(&args).done().out;
    assert!(
        out.contains("of the first") && !out.contains("of the second") && !out.contains("of the third"),
        "{out}"
    );
}

/// What stands in an archive has the archive's rights, and is no file that is gone.
#[test]
fn members_of_an_archive_follow_its_rights_and_widen_with_a_run() {
    let machine = Machine::new();
    machine.run(&["users", "add", "olga@acorn.example"]).done();
    machine.run(&["users", "add", "ben@acorn.example"]).done();
    machine.write("packed/bands.md", "# Bands\n\nThe quillfeather band.\n");
    std::fs::create_dir(machine.path("handbook")).unwrap();
    let pack = || {
        let mut tar = std::process::Command::new("tar");
        let tar = tar.arg("-C").arg(machine.path("packed")).arg("-cf").arg(machine.path("handbook/pay.tar"));
        assert!(tar.arg("bands.md").status().unwrap().success());
    };
    pack();
    machine.run(&["ingest", "handbook", "--default-allow", "everyone"]).done();
    let sees = |who: &str| {
        let args = ["search", "quillfeather", "--as", who, "--reason", "a test", "--json"];
        machine.run(&args).done().out.contains("The quillfeather")
    };
    let both = || (sees("olga@acorn.example"), sees("ben@acorn.example"));
    let rights_only = || machine.run(&["ingest", "handbook", "--rights-only", "--json"]).done().json();
    assert_eq!(both(), (true, true));
    assert_eq!(rights_only()["report"]["gone"], 0);
    assert_eq!(both(), (true, true));
    let rule = "[[file]]\nmatch = \"pay.tar\"\nonly = true\nallow = [\"user:olga@acorn.example\"]\n";
    machine.write("handbook/.access.toml", format!("allow = [\"everyone\"]\n{rule}"));
    rights_only();
    assert_eq!(both(), (true, false));
    // Opened again, and redacted meanwhile: nobody can tell without unpacking it.
    machine.write("handbook/.access.toml", "allow = [\"everyone\"]\n");
    machine.write("packed/bands.md", "# Bands\n\nThe redacted band.\n");
    pack();
    assert_eq!(rights_only()["report"]["waiting"], 1);
    assert_eq!(both(), (true, false));
    machine.run(&["ingest", "handbook"]).done();
    assert_eq!(both(), (false, false), "the old text is gone");
    std::fs::remove_file(machine.path("handbook/pay.tar")).unwrap();
    machine.write("handbook/other.md", "# Other\n\nwords\n");
    machine.run(&["ingest", "handbook", "--allow-mass-delete"]).done();
    assert!(!machine.run(&["search", "band", "--json"]).done().out.contains("redacted"));
}

#[test]
fn what_failed_says_how_often_and_when_again() {
    let machine = Machine::new();
    machine.run(&["users", "add", "olga@acorn.example"]).done();
    machine.write("handbook/good.md", "# Good\n\nwords\n");
    machine.write("handbook/broken.pdf", b"%PDF-1.7\n1 0 obj\n<< /Type");
    let first = machine.run(&["ingest", "handbook", "--default-allow", "everyone"]);
    assert_eq!(first.code, Some(3), "{first:?}");
    assert!(first.err.contains("not tried again until they change"), "{first:?}");
    let second = machine.run(&["ingest"]);
    assert!(second.code == Some(3) && !second.err.contains("tried 2 times"), "{second:?}");
    let third = machine.run(&["ingest", "--retry-failed"]);
    assert!(third.code == Some(3) && third.err.contains("broken.pdf (tried 2 times)"), "{third:?}");
    let shown = machine.run(&["runs", "show", "handbook"]).done();
    assert!(shown.out.contains("broken, 2 tries, not tried again until they change"), "{shown:?}");
    let doctor = machine.run(&["doctor"]).found();
    assert!(doctor.out.contains("tried up to 2 times, not tried again until they change"), "{doctor:?}");
    let json = machine.run(&["ingest", "--json"]);
    let line =
        json.out.lines().find(|line| line.contains("\"failed\"") && line.contains("broken.pdf")).unwrap();
    assert!(line.contains("\"attempts\":2") && line.contains("\"next\":null"), "{line}");
}
