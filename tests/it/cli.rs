//! The command line with the real program: configuration, directory, tokens, doctor, and what it
//! says when something is wrong.

use crate::machine::{Machine, holds};

#[test]
fn an_unknown_key_is_refused_with_its_place_and_a_suggestion() {
    let machine = Machine::bare();
    machine.configure("data_dir = \"data\"\n[htpp]\naddr = \"127.0.0.1:1\"\n");
    machine.run(&["users", "list"]).refused(&["unknown key `htpp` in line 2", "did you mean `http`?"]);
    assert!(!machine.data().exists(), "nothing may be made before the configuration is right");

    let machine = Machine::new();
    let ran = machine.command(&["users", "list"]).env("KENWARD__LOG__LEVLE", "info").output().unwrap();
    crate::machine::Ran::from(ran).refused(&["`KENWARD__LOG__LEVLE`", "did you mean `log.level`?"]);
}

#[test]
fn what_would_be_open_does_not_start() {
    let machine = Machine::new();
    machine.run(&["serve", "--http", "0.0.0.0:0"]).refused(&["`http.addr`", "`--http`", "loopback"]);
    let mut open = machine.command(&["users", "list"]);
    let ran = open.env("KENWARD__HTTP__ADDR", "192.0.2.1:80").output().unwrap();
    crate::machine::Ran::from(ran).refused(&["`http.addr`", "open"]);
}

#[test]
fn a_configuration_that_was_asked_for_must_be_there() {
    let machine = Machine::bare();
    machine.run(&["--config", "none.toml", "users", "list"]).refused(&["none.toml"]);
    machine.run(&["--config", ".", "users", "list"]).refused(&["Is a directory", "a file of text"]);
    machine.write("wide.toml", b"\xff\xfed\0a\0");
    machine.run(&["--config", "wide.toml", "users", "list"]).refused(&["wide.toml", "UTF-8"]);
    let homeless = machine.command(&["init"]).env_remove("HOME").output().unwrap();
    crate::machine::Ran::from(homeless).refused(&["`HOME` is not set", "`--config`"]);
}

#[test]
fn a_wrong_use_is_for_the_user_to_fix() {
    let machine = Machine::new();
    assert_eq!(machine.run(&["serch", "x"]).code, Some(1));
    assert_eq!(machine.run(&["users", "add"]).code, Some(1));
    assert_eq!(machine.run(&["--help"]).done().err, "");
    assert!(machine.run(&["--version"]).done().out.starts_with("kenward "));
    assert!(!machine.run(&["--help"]).out.contains("__worker"));
}

#[test]
fn init_makes_an_operator_once_and_writes_over_nothing() {
    let machine = Machine::bare();
    let engine = ("KENWARD__EMBEDDING__ENGINE", "none");
    let init = machine.command(&["init"]).envs([engine]).output().unwrap();
    let ran = crate::machine::Ran::from(init).done();
    let file = machine.path(".config/kenward/kenward.toml");
    assert_eq!(ran.out.trim_end(), file.to_str().unwrap());
    assert!(ran.err.contains("`olga@localhost`"), "{ran:?}");
    let list = machine.command(&["users", "list", "--json"]).envs([engine]).output().unwrap();
    let users = crate::machine::Ran::from(list).done().json();
    assert_eq!(users[0]["handle"], "olga@localhost");
    let written = std::fs::read_to_string(&file).unwrap();
    machine.run(&["init"]).refused(&["already there"]);
    let made =
        machine.command(&["--config", "other.toml", "init", "--json"]).envs([engine]).output().unwrap();
    let made = crate::machine::Ran::from(made).done().json();
    assert_eq!(made["user"], "olga@localhost");
    assert!(made["file"].as_str().unwrap().ends_with("other.toml"), "{made}");
    assert!(made["data_dir"].as_str().unwrap().ends_with("kenward-data"), "{made}");
    std::fs::remove_dir_all(machine.path("kenward-data")).unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), written);

    machine.run(&["--config", "third.toml", "init", "--here"]).refused(&["`--here` and `--config`"]);
    assert!(!machine.path("third.toml").exists());
    // Beside the configuration, and gone again if the data cannot be made.
    machine.write("kenward-data", "in the way");
    machine.run(&["init", "--here"]).refused(&["kenward-data"]);
    assert!(!machine.config().exists());
}

#[test]
fn the_directory_is_changed_as_a_whole_or_not_at_all() {
    let machine = Machine::new();
    let good = "[[user]]\nhandle = \"dana@acorn.example\"\nclearance = \"secret\"\n[[user]]\nhandle = \
                \"ben@acorn.example\"\nname = \"Ben Okafor\"\n[[group]]\nhandle = \"staff\"\nmembers = \
                [\"user:ben@acorn.example\", \"group:finance\"]\n[[group]]\nhandle = \"finance\"\nmembers = \
                [\"user:dana@acorn.example\"]\n";
    machine.write("directory.toml", good);
    let ran = machine.run(&["users", "import", "directory.toml"]).done();
    assert!(ran.err.contains("people: 2 added") && ran.err.contains("members: 3 added"), "{ran:?}");
    assert!(machine.run(&["groups", "import", "directory.toml"]).done().err.contains("nothing to change"));

    let users = machine.run(&["users", "list", "--json"]).done().json();
    assert_eq!(users[0]["handle"], "ben@acorn.example");
    assert_eq!(users[1]["clearance"]["level"], 2);
    let groups = machine.run(&["groups", "list", "--json"]).done().json();
    assert_eq!(groups[1]["members"], serde_json::json!(["group:finance", "user:ben@acorn.example"]));

    // The groups that a file names have exactly the members that it lists.
    machine.write("less.toml", "[[group]]\nhandle = \"staff\"\nmembers = [\"group:finance\"]\n");
    assert!(machine.run(&["groups", "import", "less.toml"]).done().err.contains("1 removed"));

    let before = machine.run(&["groups", "list", "--json"]).out;
    for (text, words) in [
        ("[[user]]\nhandel = \"x@acorn.example\"\n", "unknown field `handel`"),
        ("[[user]]\nhandle = \"x@acorn.example\"\nclearance = \"top\"\n", "no label `top`"),
        (
            "[[user]]\nhandle = \"x@acorn.example\"\n[[group]]\nhandle = \"staff\"\nmembers = \
             [\"user:nobody@acorn.example\"]\n",
            "nobody@acorn.example",
        ),
        ("[[group]]\nhandle = \"staff\"\nmembers = [\"ben\"]\n", "`ben`"),
        ("[[user]]\nhandle = \"y\"\n[[user]]\nhandle = \"y\"\n", "twice"),
    ] {
        machine.write("bad.toml", text);
        machine.run(&["users", "import", "bad.toml"]).refused(&[words]);
    }
    machine.run(&["users", "import", "none.toml"]).refused(&["`none.toml`"]);
    assert_eq!(machine.run(&["groups", "list", "--json"]).out, before);
    assert!(!machine.run(&["users", "list"]).out.contains("x@acorn.example"));
}

#[test]
fn unknown_people_and_groups_are_refused_by_name() {
    let machine = Machine::new();
    for verb in [
        &["users", "remove", "nobody@acorn.example"][..],
        &["users", "disable", "nobody@acorn.example"],
        &["tokens", "create", "nobody@acorn.example"],
        &["access", "why", "nobody@acorn.example", "handbook/a.md"],
        &["search", "words", "--as", "nobody@acorn.example", "--reason", "a test"],
    ] {
        machine.run(verb).refused(&["`nobody@acorn.example`"]);
    }
    machine.run(&["groups", "remove", "nothing"]).refused(&["`nothing`"]);
    machine.run(&["groups", "add", "staff"]).done();
    machine.run(&["groups", "add-member", "staff", "ben"]).refused(&["`ben`", "user:ben"]);
    // As rights files write it: it would be a group of which no rights file could speak.
    machine
        .run(&["groups", "add", "group:sales"])
        .refused(&["`group:sales`", "give the handle alone: `sales`"]);
    machine.run(&["users", "add", "user:eve"]).refused(&["`user:eve`", "give the handle alone: `eve`"]);
    for add in [&["users", "add", "Dana@Acorn.example"][..], &["users", "add", "dana@acorn.example"]] {
        machine.run(add).done();
        let twin = if add[2].starts_with('D') { "dana@acorn.example" } else { "DANA@acorn.example" };
        machine.run(&["users", "add", twin]).refused(&["differs from", "in case alone"]);
        machine.run(&["users", "remove", add[2]]).done();
    }
    machine.run(&["groups", "add", "Staff"]).refused(&["differs from `staff` in case alone"]);
    machine.write(
        "two.toml",
        "[[user]]\nhandle = \"eve@acorn.example\"\n[[user]]\nhandle = \"Eve@acorn.example\"\n",
    );
    machine.run(&["users", "import", "two.toml"]).refused(&["in case alone"]);
    machine.run(&["groups", "add", "Everyone"]).refused(&["`Everyone` means all people", "another name"]);
    machine.run(&["users", "add", "dana@acorn.example"]).done();
    machine.run(&["users", "add", "dana@acorn.example"]).refused(&["`dana@acorn.example`"]);
    machine.run(&["tokens", "revoke", "000000000000"]).refused(&["`000000000000`"]);
}

#[test]
fn a_token_is_shown_once_and_kept_nowhere() {
    let machine = Machine::new();
    machine.run(&["users", "add", "dana@acorn.example"]).done();
    let made =
        machine.run(&["--log", "trace", "tokens", "create", "dana@acorn.example", "--label", "laptop"]);
    let made = made.done();
    let secret = made.out.trim_end();
    assert!(secret.starts_with("kwt_") && secret.len() > 40 && !made.err.contains(secret), "{made:?}");
    let listed = machine.run(&["tokens", "list", "--json"]).done();
    assert!(!listed.out.contains(secret));
    assert!(!holds(&machine.data(), secret), "the secret lies in the data folder");
    let id = listed.json()[0]["id"].as_str().unwrap().to_owned();
    assert!(machine.run(&["tokens", "list"]).out.contains("valid"));
    machine.run(&["tokens", "revoke", &id]).done();
    assert!(machine.run(&["tokens", "list"]).out.contains("revoked"));
    assert_eq!(machine.run(&["tokens", "create", "dana@acorn.example", "--days", "0"]).code, Some(1));
}

#[test]
fn acting_as_somebody_else_needs_a_reason_and_the_role() {
    let machine = Machine::new();
    machine.run(&["users", "add", "dana@acorn.example"]).done();
    let asked = ["search", "words", "--as", "dana@acorn.example"];
    machine.run(&asked).refused(&["`dana@acorn.example` needs a reason", "--reason"]);
    machine.run(&[&asked[..], &["--reason", "  "]].concat()).refused(&["needs a reason"]);
    assert!(!holds(&machine.data().join("audit"), "acting_as"));

    let uid = rustix::process::getuid().as_raw();
    let config = std::fs::read_to_string(machine.config()).unwrap();
    let person = format!("{uid} = {{ user = \"olga@acorn.example\", role = \"person\" }}");
    machine.configure(&config.replace(&format!("{uid} = \"olga@acorn.example\""), &person));
    let reason = ["--reason", "a test"];
    machine.run(&[&asked[..], &reason].concat()).refused(&["is not an operator"]);
    machine.run(&["users", "list"]).refused(&["is not an operator"]);

    machine.configure("data_dir = \"data\"\n[operators]\n[embedding]\nengine = \"hashing\"\n");
    machine.run(&["users", "list"]).refused(&["is nobody here", "[operators]"]);
    machine.run(&["search", "words"]).refused(&["is nobody here"]);
}

#[test]
fn a_data_folder_that_cannot_be_used_is_named() {
    let machine = Machine::new();
    machine.write("file", "x");
    machine.run(&["--data-dir", "file", "users", "list"]).refused(&["file` is not a folder", "data_dir"]);
    machine.run(&["--data-dir", "file/data", "users", "list"]).refused(&["cannot be made"]);
    machine.run(&["--data-dir", "/proc/kenward", "users", "list"]).refused(&["cannot be made"]);
    let open = machine.path("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    machine.run(&["--data-dir", "open", "users", "list"]).refused(&["can be read by others", "chmod 700"]);
}

#[test]
fn an_operator_who_is_nobody_is_told_by_the_doctor() {
    let machine = Machine::new();
    machine.run(&["users", "add", "olga@acorn.example"]).done();
    assert!(!machine.run(&["doctor"]).done().out.contains("name somebody else"));
    machine.run(&["users", "remove", "olga@acorn.example"]).refused(&["`[operators]` names", "--yes"]);
    let verbs = [
        (&["disable"][..], "`olga@acorn.example`, who is disabled"),
        (&["remove", "--yes"], "no such person"),
    ];
    for (verb, told) in verbs {
        machine.run(&[&["users"], verb, &["olga@acorn.example"]].concat()).done();
        let ran = machine.run(&["doctor"]).found();
        assert!(ran.out.contains(told) && ran.out.contains("name somebody else"), "{ran:?}");
    }
}

#[test]
fn an_error_is_json_where_json_was_asked_for() {
    let machine = Machine::new();
    let ran = machine.run(&["sources", "verify", "nowhere", "--json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let told: serde_json::Value = serde_json::from_str(&ran.err).unwrap();
    assert!(told["error"].as_str().unwrap().contains("`nowhere`"), "{told}");
    assert!(told["hint"].is_string() && told["exit_code"] == 1, "{told}");
}

#[test]
fn a_catalog_that_is_none_is_told_with_the_way_out() {
    let machine = Machine::new();
    machine.run(&["users", "add", "olga@acorn.example"]).done();
    let catalog = machine.data().join("catalog.sqlite");
    assert!(catalog.exists());
    std::fs::write(&catalog, vec![b'x'; 100_000]).unwrap();
    let ran = machine.run(&["users", "list"]).refused(&["catalog.sqlite is damaged", "kenward restore"]);
    assert!(!ran.err.contains("in the catalog"), "{ran:?}");
    let doctor = machine.run(&["doctor"]).found();
    assert!(doctor.out.contains("FAILED  owner") && doctor.out.contains("kenward restore"), "{doctor:?}");
}

#[test]
fn labels_that_stand_the_other_way_round_open_nothing() {
    let machine = Machine::new();
    let config = std::fs::read_to_string(machine.config()).unwrap();
    let as_it_is = "labels = [\"public\", \"internal\", \"secret\"]";
    assert!(config.contains(as_it_is));
    let with = |labels: &str| machine.configure(&config.replace(as_it_is, &format!("labels = {labels}")));
    machine.run(&["users", "add", "olga@acorn.example"]).done();
    machine.write("notes/.access.toml", "allow = [\"everyone\"]\nlabel = \"secret\"\n");
    machine.write("notes/a.md", "# A\n\nThe quillfeather.\n");
    machine.run(&["ingest", "notes"]).done();
    let none = |machine: &Machine| machine.run(&["search", "quillfeather"]).done();
    assert!(!none(&machine).out.contains("quillfeather"));
    for turned in ["[\"secret\", \"internal\", \"public\"]", "[\"internal\", \"public\", \"secret\"]"] {
        with(turned);
        machine.run(&["search", "quillfeather"]).refused(&["the other way round", "least sensitive first"]);
    }
    // What is new may come in anywhere, and what is gone hides.
    for grown in [
        "[\"all\", \"public\", \"partners\", \"internal\", \"secret\", \"board\"]",
        "[\"public\", \"internal\"]",
    ] {
        with(grown);
        assert!(!none(&machine).out.contains("quillfeather"), "{grown}");
    }
    // What is gone does not come back elsewhere.
    with("[\"secret\", \"public\", \"internal\"]");
    machine.run(&["search", "quillfeather"]).refused(&["is more sensitive than `secret`"]);
    with("[\"public\", \"internal\", \"secret\"]");
    machine.run(&["users", "clear", "olga@acorn.example", "secret"]).done();
    assert!(none(&machine).out.contains("quillfeather"), "it came back to its place");
}

#[test]
fn what_only_reads_makes_no_data() {
    let machine = Machine::new();
    for verb in
        [&["status"][..], &["search", "words"], &["runs", "list"], &["keys", "list"], &["backup", "copy"]]
    {
        machine
            .run(&[&["--data-dir", "slip"], verb].concat())
            .refused(&["there is no data in", "kenward init"]);
    }
    assert!(!machine.path("slip").exists() && !machine.path("copy").exists());
}

#[test]
fn keys_and_backups_do_not_go_into_the_data() {
    let machine = Machine::new();
    machine.run(&["users", "add", "olga@acorn.example"]).done();
    machine
        .run(&["keys", "export", "data/keys.json"])
        .refused(&["would lie in the data itself", "elsewhere"]);
    machine.run(&["backup", "data/copy"]).refused(&["would lie in the data itself", "elsewhere"]);
    assert!(!machine.data().join("keys.json").exists() && !machine.data().join("copy").exists());
}

#[test]
fn without_a_model_words_alone_are_searched_and_that_is_said() {
    let machine = Machine::new();
    let config = std::fs::read_to_string(machine.config()).unwrap();
    let auto = config.replace("\"hashing\"", "\"auto\"\nmodels_dir = \"models\"");
    machine.configure(&auto);
    let ran = machine.run(&["doctor"]).found();
    assert!(ran.out.contains("only words are searched (BM25)") && ran.out.contains("models pull"), "{ran:?}");
    let checks = machine.run(&["doctor", "--json"]).found().json();
    let embedder = checks.as_array().unwrap().iter().find(|check| check["check"] == "embedder").unwrap();
    assert_eq!(embedder["state"], "warning");

    machine.configure(&auto.replace("\"auto\"", "\"fastembed\""));
    let search = ["search", "rope", "--as", "olga@acorn.example", "--reason", "a test"];
    machine.run(&search).refused(&["no active person"]);
    machine.run(&["users", "add", "olga@acorn.example"]).done();
    machine.run(&search).refused(&["`embedding.engine`", "kenward models pull"]);
    machine.run(&["users", "list"]).done();
    let ran = machine.run(&["doctor"]);
    assert!(ran.code == Some(3) && ran.out.contains("FAILED"), "{ran:?}");
}

#[test]
fn models_are_listed_and_a_folder_without_them_is_refused() {
    let machine = Machine::new();
    let list = machine.run(&["models", "list", "--json"]).done().json();
    assert!(list.as_array().unwrap().iter().all(|model| model["installed"].is_null()));
    std::fs::create_dir(machine.path("empty")).unwrap();
    let ran = machine.run(&["models", "pull", "--from", "dir:empty"]);
    assert!(ran.code == Some(1) && ran.err.contains("error: ") && ran.err.contains("not found"), "{ran:?}");
    machine.run(&["models", "pull", "gpt"]).refused(&["`gpt`", "all-minilm-l6-v2", "models list --all"]);
    // A library that the environment names goes before a fetched one: it has to be there.
    let pull = |library: &str, more: &[&str]| -> crate::machine::Ran {
        let verb = [&["models", "pull", "onnxruntime"], more].concat();
        machine.command(&verb).env("ORT_DYLIB_PATH", machine.path(library)).output().unwrap().into()
    };
    pull("none.so", &[]).refused(&["`ORT_DYLIB_PATH`", "none.so", "unset it"]);
    machine.write("some.so", "x");
    let ran = pull("some.so", &["--json"]).done();
    assert!(ran.err.contains("none is fetched"), "{ran:?}");
    assert!(ran.json()[0]["installed"].as_str().unwrap().ends_with("some.so"), "{ran:?}");
    machine.run(&["models", "pull", "--from", "hub"]).refused(&["`embedding.hub` is `off`"]);
    assert_eq!(machine.run(&["models", "pull", "--from", "elsewhere"]).code, Some(1));
}

#[test]
fn a_taken_port_is_named_with_the_reason_and_then_the_way_out() {
    let machine = Machine::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = machine.run(&["serve", "--http", &address]).refused(&[&address, "in use", "port 0"]);
    let hint = ran.err.lines().find(|line| line.starts_with("hint: ")).unwrap();
    assert!(hint.contains("port 0") && !hint.contains("in use"), "{ran:?}");
    // And nothing that is scheduled was begun.
    machine.write("handbook/a.md", "# A\n\nWords.\n");
    let config = std::fs::read_to_string(machine.config()).unwrap();
    machine.configure(&format!(
        "{config}[[source]]\nname = \"handbook\"\npath = \"handbook\"\ndefault_allow = [\"everyone\"]\nevery = \"1s\"\n"
    ));
    machine.run(&["serve", "--http", &address]).refused(&["in use"]);
    let operations = [("KENWARD__OPERATIONS__LISTEN", address.as_str())];
    let ran = machine.command(&["serve", "--http", "127.0.0.1:0"]).envs(operations).output().unwrap();
    assert!(String::from_utf8_lossy(&ran.stderr).contains("in use"), "{ran:?}");
    assert_eq!(machine.run(&["runs", "list", "--json"]).done().json(), serde_json::json!([]));
    assert_eq!(machine.run(&["sources", "list", "--json"]).done().json(), serde_json::json!([]));
}

#[test]
fn nothing_is_fetched_before_there_is_something_to_ingest() {
    let machine = Machine::new();
    let config = std::fs::read_to_string(machine.config()).unwrap();
    machine.configure(&config.replace("\"hashing\"", "\"auto\"\nmodels_dir = \"models\""));
    let python = machine.write("bin/python3", "#!/bin/sh\n: > \"$HOME/asked\"\nexit 7\n");
    std::fs::set_permissions(&python, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", machine.path("bin").display());
    let run = |args: &[&str]| -> crate::machine::Ran {
        machine.command(args).env("PATH", &path).output().unwrap().into()
    };
    run(&["ingest", "hand-book"]).refused(&["`hand-book`"]);
    assert!(!machine.path("asked").exists());
    machine.write("handbook/a.md", "# A\n\nWords.\n");
    run(&["ingest", "handbook", "--default-allow", "everyone"]).done();
    assert!(machine.path("asked").exists(), "then a model is looked for");
}

#[test]
fn the_doctor_makes_nothing_where_nothing_was_set_up() {
    let machine = Machine::bare();
    let ran = machine.run(&["doctor"]);
    assert!(ran.out.contains("not made yet") && !ran.out.contains("ledger"), "{ran:?}");
    assert!(!machine.path(".local").exists(), "{ran:?}");
}

#[test]
fn doctor_finds_a_broken_configuration_and_an_audit_log_that_was_written_to() {
    let machine = Machine::new();
    machine.run(&["users", "add", "dana@acorn.example"]).done();
    let ran = machine.run(&["doctor"]).found();
    assert!(ran.out.contains("the chain holds") && ran.out.contains("nobody else runs"), "{ran:?}");

    let log = machine.data().join("audit/log.jsonl");
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, text.replace("dana", "dora")).unwrap();
    let ran = machine.run(&["doctor"]);
    assert!(ran.code == Some(3) && ran.out.contains("FAILED") && ran.out.contains("damaged"), "{ran:?}");
    machine.run(&["users", "list"]).refused(&["damaged"]);

    machine.configure("labels = 3\n");
    let ran = machine.run(&["doctor"]);
    assert!(ran.code == Some(3) && ran.out.contains("`labels`"), "{ran:?}");
}

#[test]
fn what_is_no_plain_file_is_no_ledger_no_list_of_names_and_no_configuration() {
    let machine = Machine::new();
    machine.run(&["users", "add", "olga@acorn.example"]).done();
    machine.write("handbook/a.md", "# A\n\nWords.\n");
    let notes = machine.write("notes.txt", "first\nsecond, without an end");
    let config = std::fs::read_to_string(machine.config()).unwrap();
    for (ledger, words) in [
        ("/dev/full", "no plain file"),
        ("/dev/zero", "no plain file"),
        ("/", "no plain file"),
        (notes.to_str().unwrap(), "something else than a rights ledger"),
    ] {
        machine.configure(&format!("{config}[backup]\nledger = \"{ledger}\"\n"));
        machine.run(&["users", "list"]).refused(&[words, "set `backup.ledger`"]);
    }
    assert_eq!(std::fs::read_to_string(&notes).unwrap(), "first\nsecond, without an end");
    machine.configure(&config);
    for file in ["/", "/dev/zero"] {
        let args =
            ["ingest", "handbook", "--rights", "owners", "--default-allow", "everyone", "--identity", file];
        machine.run(&args).refused(&["no plain file", "--identity"]);
        machine.run(&[&args[..], &["--plan"]].concat()).refused(&["no plain file"]);
        // As the configuration may have it, whoever reads it.
        machine.configure(&format!(
            "{config}[[source]]\nname = \"all\"\npath = \"handbook\"\nrights = \"owners\"\nidentity = \"{file}\"\n"
        ));
        machine.run(&["ingest", "all"]).refused(&["no plain file", "identity"]);
        machine.configure(&config);
    }
    machine.run(&["--config", "/dev/zero", "users", "list"]).refused(&["longer than"]);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let machine = Machine::new();
    let mut child = machine
        .command(&["users", "list"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ran = crate::machine::Ran::from(child.wait_with_output().unwrap()).done();
    assert_eq!(ran.err, "");
}
