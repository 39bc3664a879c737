//! From nothing to two answers, with the real program: a person makes a knowledge base of a folder,
//! two people ask, and the reason of the difference is shown.

use crate::machine::{Machine, Ran, holds};
use crate::served::Served;
use std::process::Stdio;

const DANA: &str = "dana@acorn.example";
const BEN: &str = "ben@acorn.example";

/// A configured machine with a small folder of documents, nothing ingested yet.
fn machine() -> Machine {
    let machine = Machine::new();
    machine.write(
        "directory.toml",
        "[[user]]\nhandle = \"dana@acorn.example\"\n[[user]]\nhandle = \"ben@acorn.example\"\n[[user]]\nhandle = \
         \"olga@acorn.example\"\n[[group]]\nhandle = \"accounting\"\nmembers = [\"user:dana@acorn.example\"]\n\
         [[group]]\nhandle = \"finance\"\nmembers = [\"group:accounting\"]\n",
    );
    machine.run(&["users", "import", "directory.toml"]).done();
    machine.write("handbook/travel.md", "# Travel\n\nBook trains early; bands of travel cost are fixed.\n");
    machine.write("handbook/pay/.access.toml", "inherit = false\nallow = [\"group:finance\"]\n");
    machine.write(
        "handbook/pay/bands.md",
        "# Salary bands\n\nThe quillfeather band starts at 71,000 and is reviewed in spring.\n",
    );
    machine
}

fn search(machine: &Machine, who: &str, query: &str) -> Ran {
    machine.run(&["search", query, "--as", who, "--reason", "a test", "--json"]).done()
}

fn titles(ran: &Ran) -> Vec<String> {
    let answer = ran.json();
    let results = answer["results"].as_array().unwrap();
    results.iter().map(|result| result["title"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn two_people_get_different_answers_and_why_says_why() {
    let machine = machine();
    let ran = machine.run(&["ingest", "handbook", "--default-allow", "everyone"]).done();
    assert!(ran.out.contains("handbook") && ran.out.contains("ADDED"), "{ran:?}");
    assert!(!ran.err.contains("quillfeather"), "{ran:?}");

    let dana = search(&machine, DANA, "quillfeather salary band");
    assert!(titles(&dana).contains(&"Salary bands".to_owned()), "{dana:?}");
    let ben = search(&machine, BEN, "quillfeather salary band");
    assert!(!titles(&ben).contains(&"Salary bands".to_owned()), "{ben:?}");
    assert!(!ben.out.contains("quillfeather") && !ben.out.contains("71,000"), "{ben:?}");

    // As somebody else only with a reason, which the log keeps.
    for reason in [&[][..], &["--reason", " "]] {
        let asked = [&["search", "salary band", "--as", DANA], reason].concat();
        let refused = machine.run(&asked);
        assert!(refused.code == Some(1) && refused.err.contains("reason"), "{refused:?}");
        assert!(!refused.out.contains("71,000"), "{refused:?}");
    }
    let shown = machine.run(&["search", "salary band", "--as", DANA, "--reason", "a test"]).done();
    assert!(shown.out.contains("   | ") && shown.out.contains("71,000"), "{shown:?}");
    assert!(!shown.out.contains("BEGIN"), "the marks are for agents: {shown:?}");

    let yes = machine.run(&["access", "why", DANA, "handbook/pay/bands.md"]).done();
    for words in
        ["yes: dana@acorn.example", "group:finance", "pay/.access.toml", "accounting > group:finance"]
    {
        assert!(yes.out.contains(words), "`{words}` is not in {yes:?}");
    }
    let no = machine.run(&["access", "why", BEN, "handbook/pay/bands.md", "--json"]);
    assert!(no.code == Some(3) && no.json()["allowed"] == false, "{no:?}");
    let told = machine.run(&["access", "why", BEN, "handbook/pay/bands.md"]);
    assert!(
        told.out.contains("others are named: allow group:finance") && told.out.contains("pay/.access.toml:2"),
        "{told:?}"
    );
    machine.run(&["access", "why", BEN, "handbook/none.md"]).refused(&["handbook/none.md"]);

    // Acting as others was recorded with the reason; no query and no text lies in the audit log.
    let audit = machine.data().join("audit");
    assert!(holds(&audit, "acting_as") && holds(&audit, "a test"));
    assert!(!holds(&audit, "quillfeather") && !holds(&audit, "Salary bands"));

    // A right that is taken away is gone with the acknowledgement.
    machine.run(&["groups", "remove-member", "accounting", "user:dana@acorn.example"]).done();
    assert!(!search(&machine, DANA, "quillfeather salary band").out.contains("71,000"));
    machine.run(&["search", "words", "--as", DANA, "--reason", "a test", "--limit", "0"]).refused(&["limit"]);
}

#[test]
fn the_second_run_changes_nothing_and_a_source_is_known_by_name() {
    let machine = machine();
    machine.run(&["ingest", "handbook", "--default-allow", "everyone"]).done();
    let ran = machine.run(&["ingest", "handbook", "--json"]).done();
    let last: serde_json::Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "finished");
    assert_eq!(last["summary"]["unchanged"], 2, "{last}");
    assert_eq!(last["summary"]["added"], 0, "{last}");
    for line in ran.out.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).unwrap()["event"].is_string());
    }
    // Without a name: all that is recorded.
    assert!(machine.run(&["ingest"]).done().out.contains("handbook"));

    machine.write("b/handbook/x.md", "# X\n\nWords.\n");
    machine.run(&["ingest", "b/handbook", "--default-allow", "everyone"]).refused(&["`handbook`", "--name"]);
    let named = ["ingest", "b/handbook", "--default-allow", "everyone", "--name", "other"];
    assert!(machine.run(&named).done().out.contains("other"));
    // The folder, under another name than the source that is called like it.
    let renamed = ["ingest", "handbook", "--default-allow", "everyone", "--name", "second"];
    let again = machine.run(&renamed).done();
    assert!(again.out.contains("second"), "{again:?}");
    assert!(again.err.contains("the source `handbook`") && again.err.contains("overlap"), "{again:?}");
}

#[test]
fn words_need_no_quotes_and_a_hit_says_where_it_stands() {
    let machine = machine();
    machine.run(&["ingest", "handbook", "--default-allow", "everyone"]).done();
    let quoted = machine.run(&["search", "trains early"]).done();
    let bare = machine.run(&["search", "trains", "early", "--limit", "10"]).done();
    assert!(bare.out.contains("   Travel\n") && bare.out == quoted.out, "{bare:?} {quoted:?}");
}

#[test]
fn nobody_is_not_everybody() {
    let machine = machine();
    machine
        .run(&["ingest", "handbook"])
        .refused(&["carries no rights of its own", "--default-allow everyone"]);
    machine.run(&["ingest", "handbook", "--default-allow", "bob"]).refused(&["`bob`"]);
    machine
        .run(&["ingest", "handbook", "--default-allow", "group:nothing"])
        .refused(&["`nothing`", "groups add"]);
    // What was refused is not recorded: no later run, and nobody's list, goes by it.
    assert_eq!(machine.run(&["sources", "list", "--json"]).done().json(), serde_json::json!([]));
    machine.run(&["ingest"]).refused(&["nothing to ingest"]);
    assert!(titles(&search(&machine, DANA, "travel")).is_empty());
    // `me` is this machine's user.
    machine.run(&["ingest", "handbook", "--default-allow", "me"]).done();
    assert!(titles(&search(&machine, DANA, "trains early")).iter().all(|title| title != "Travel"));
    let mine = machine.run(&["search", "trains early", "--json"]).done();
    assert_eq!(titles(&mine), ["Travel"]);
}

#[test]
fn a_rule_that_guards_nothing_is_told_and_stops_nothing() {
    let machine = machine();
    machine
        .write("handbook/pay/.access.toml", "inherit = false\n[[file]]\nmatch = \"band.md\"\nallow = []\n");
    let ran = machine.run(&["ingest", "handbook", "--default-allow", "everyone"]).done();
    for words in ["1 `[[file]]` rule matches no file", "handbook/pay/.access.toml:3", "spelling of `match`"] {
        assert!(ran.err.contains(words), "`{words}` is not in {ran:?}");
    }
    machine
        .write("handbook/pay/.access.toml", "inherit = false\n[[file]]\nmatch = \"bands.md\"\nallow = []\n");
    let ran = machine.run(&["ingest", "handbook"]).done();
    assert!(!ran.err.contains("matches no file"), "{ran:?}");
}

#[test]
fn what_cannot_be_ingested_is_refused_or_reported() {
    let machine = machine();
    machine.run(&["ingest", "nothing-there"]).refused(&["`nothing-there`"]);
    machine.run(&["ingest", "directory.toml"]).refused(&["not a folder"]);
    machine.run(&["ingest", "."]).refused(&["overlap", "data_dir"]);
    machine.run(&["ingest"]).refused(&["nothing to ingest"]);
    machine.run(&["ingest", "handbook", "--label", "top"]).refused(&["`top`", "`secret`"]);

    machine.write("handbook/empty.md", "");
    std::os::unix::fs::symlink(machine.path("directory.toml"), machine.path("handbook/link.md")).unwrap();
    machine.write("handbook/lost/.access.toml", "allow = [\"group:nobody-knows\"]\n");
    machine.write("handbook/lost/x.md", "# Lost\n\nThe lost words.\n");
    let ran = machine.run(&["ingest", "handbook", "--default-allow", "everyone"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    for words in ["empty.md", "nobody-knows", "hint: ", "links and special files, never followed: 1"] {
        assert!(ran.err.contains(words), "`{words}` is not in {ran:?}");
    }
    assert!(titles(&search(&machine, DANA, "lost words")).iter().all(|title| title != "Lost"));
    let doctor = machine.run(&["doctor"]).found();
    assert!(doctor.out.contains("1 document failed (empty"), "{doctor:?}");

    // Nearly everything gone: refused, and nothing is removed.
    std::fs::remove_dir_all(machine.path("handbook")).unwrap();
    std::fs::create_dir(machine.path("handbook")).unwrap();
    machine.run(&["ingest", "handbook"]).refused(&["--allow-mass-delete"]);
    let last = machine.run(&["runs", "list", "--json"]).done().json()[0].clone();
    assert_eq!(last["state"], "refused", "{last}");
    let shown = machine.run(&["runs", "list"]).done();
    assert!(
        shown.out.lines().nth(1).unwrap().contains("refused") && !shown.out.contains("interrupted"),
        "{shown:?}"
    );
    let number = last["no"].to_string();
    let shown = machine.run(&["runs", "show", &number]).done();
    assert!(shown.out.contains("stopped by") && shown.out.contains(": refused"), "{shown:?}");
    machine.run(&["runs", "resume", &number]).refused(&["is refused", "--allow-mass-delete"]);
    assert!(machine.run(&["status"]).done().out.contains(&format!("{number} REFUSED")));
    let doctor = machine.run(&["doctor"]).found();
    assert!(
        doctor.out.contains("of `handbook` is refused") && doctor.out.contains("--allow-mass-delete"),
        "{doctor:?}"
    );
    assert!(titles(&search(&machine, DANA, "trains early")).contains(&"Travel".to_owned()));
    let ran = machine.run(&["ingest", "handbook", "--allow-mass-delete"]).done();
    assert!(ran.out.lines().nth(1).is_some_and(|row| row.split_whitespace().nth(4) == Some("3")), "{ran:?}");
    assert!(titles(&search(&machine, DANA, "trains early")).is_empty());
}

#[test]
fn logs_carry_no_words_at_any_level() {
    let machine = machine();
    let mut log = String::new();
    for args in [
        &["ingest", "handbook", "--default-allow", "everyone"][..],
        &["search", "quillfeather salary band", "--as", DANA, "--reason", "because-of-zebras"],
    ] {
        let output = machine.command(args).env("RUST_LOG", "trace").output().unwrap();
        log.push_str(&Ran::from(output).done().err);
    }
    assert!(log.contains("request_id") || log.contains("r_"), "{log}");
    for words in ["quillfeather", "Salary bands", "71,000"] {
        assert!(!log.contains(words), "`{words}` is in the log");
    }
    let json =
        machine.run(&["--log", "info", "--log-json", "search", "travel", "--as", BEN, "--reason", "a test"]);
    let line = json.err.lines().next().expect("a line is logged").to_owned();
    assert!(serde_json::from_str::<serde_json::Value>(&line).unwrap()["level"].is_string());
}

#[test]
fn every_request_and_every_stage_of_a_run_is_logged_under_its_request_id() {
    let machine = machine();
    let run = |args: &[&str]| -> Vec<serde_json::Value> {
        let ran = machine.run(&[&["--log", "info", "--log-json"], args].concat()).done();
        ran.err.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    let lines = run(&["ingest", "handbook", "--default-allow", "everyone"]);
    let of_stage = |stage: &str| {
        let mut found = lines.iter().filter(|line| line["span"]["stage"] == stage);
        found.find(|line| line["message"] == "stage over").unwrap_or_else(|| panic!("{stage}: {lines:#?}"))
    };
    for stage in ["listing", "reading", "publishing"] {
        let line = of_stage(stage);
        assert!(line["milliseconds"].is_u64() && line["span"]["source"] == "handbook", "{line}");
        let request = &line["spans"][0];
        assert_eq!((&request["name"], &request["op"]), (&"request".into(), &"ingest".into()), "{line}");
        assert!(request["request_id"].as_str().unwrap().starts_with("r_"), "{line}");
    }
    let over = lines.iter().find(|line| line["message"] == "run over").unwrap();
    assert_eq!((&over["added"], &over["failed"]), (&2.into(), &0.into()), "{over}");
    for verb in [&["users", "list"][..], &["groups", "add", "staff"], &["search", "travel", "--json"]] {
        let lines = run(verb);
        let request = lines.iter().find(|line| line["span"]["request_id"].is_string());
        assert!(request.is_some_and(|line| line["milliseconds"].is_u64()), "{verb:?}: {lines:#?}");
    }
}

#[test]
fn a_search_and_a_run_go_through_another_owner() {
    let machine = machine();
    machine.run(&["ingest", "handbook", "--default-allow", "everyone"]).done();
    let mut server = machine
        .command(&["serve", "--http", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(server.stdout.take().unwrap()), &mut line)
        .unwrap();
    assert!(line.starts_with("http://127.0.0.1:"), "{line}");
    let over = titles(&search(&machine, DANA, "salary band"));
    // An ingestion at the same time goes over the socket as well.
    machine.write("handbook/news.md", "# News\n\nThe salary band news of spring.\n");
    let ran = machine.run(&["ingest", "handbook"]).done();
    assert!(ran.err.contains("publishing"), "progress comes over the socket: {ran:?}");
    server.kill().unwrap();
    server.wait().unwrap();
    let own = titles(&search(&machine, DANA, "salary band"));
    assert!(!over.contains(&"News".to_owned()) && own.contains(&"News".to_owned()), "{over:?} {own:?}");
}

#[test]
fn a_server_with_other_labels_takes_no_clearance_that_would_mean_another_label() {
    let machine = machine();
    let mut command = machine.command(&["serve", "--http", "127.0.0.1:0"]);
    let mut served = Served::start(&mut command, machine.path("serve.out"), machine.path("serve.log"));
    machine.run(&["users", "clear", BEN, "internal"]).done();
    let config = std::fs::read_to_string(machine.config()).unwrap();
    machine.configure(&config.replace("[\"public\",", "[\"public\", \"team\","));
    for verb in [&["users", "clear", BEN, "internal"][..], &["users", "list"]] {
        machine.run(verb).refused(&["other `labels`", "restart it"]);
    }
    assert_eq!(served.stop(), Some(0));
    let listed = machine.run(&["users", "list"]).done();
    let ben = listed.out.lines().find(|line| line.starts_with(BEN)).unwrap();
    assert!(ben.contains("internal"), "a clearance is kept by name: {listed:?}");
}

#[test]
fn an_operator_is_told_what_a_removal_hides_and_what_is_gone() {
    let machine = machine();
    machine.run(&["ingest", "handbook", "--default-allow", "everyone"]).done();
    let found = search(&machine, DANA, "quillfeather salary band").json();
    let bands = found["results"].as_array().unwrap().iter().find(|r| r["title"] == "Salary bands").unwrap();
    let uri = bands["provenance"]["uri"].as_str().unwrap().to_owned();
    let why = machine.run(&["access", "why", DANA, &uri]).done();
    assert!(why.out.contains("handbook/pay/bands.md"), "{why:?}");

    let quiet = machine.run(&["users", "remove", BEN]).done();
    assert!(!quiet.err.contains("hidden"), "{quiet:?}");
    let removed = machine.run(&["groups", "remove", "finance"]).done();
    assert!(removed.err.contains("1 document is hidden from everybody now"), "{removed:?}");
    assert!(machine.run(&["doctor"]).found().out.contains("hidden from everybody"));

    machine.write("handbook/pay/.acces.toml", "allow = []\n");
    let near = machine.run(&["ingest", "handbook"]);
    assert!(
        near.code == Some(3) && near.err.contains("NOT READ, so what it should guard is open: 1 rights file"),
        "{near:?}"
    );
    std::fs::rename(machine.path("handbook"), machine.path("moved")).unwrap();
    let doctor = machine.run(&["doctor"]).found();
    assert!(doctor.out.contains("is not there; what was read of it still answers"), "{doctor:?}");
    let status = machine.run(&["status"]).done();
    assert!(status.out.contains("its FOLDER IS NOT THERE"), "{status:?}");
}
