//! `kenward ingest --re-embed`: what is embedded anew is what was embedded when it came, searches go on meanwhile, and
//! a killed one costs nobody an answer.

use crate::eval_rmc::pulled;
use crate::machine::Machine;
use crate::world::World;
use kenward_indexes::embedding::{EmbedError, Embedder, EmbeddingSpace, hashing};
use kenward_indexes::models::Artifact;
use kenward_vault::reembed::Ended;
use kenward_vault::vault::Operator;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

const DANA: &str = "dana@acorn.example";

/// The hashing embedder under another name: the same vectors in another space.
struct Renamed(Arc<dyn Embedder>, EmbeddingSpace);

impl Embedder for Renamed {
    fn space(&self) -> &EmbeddingSpace {
        &self.1
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.0.embed(texts)
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.0.count_tokens(text)
    }
}

/// If what is embedded anew differed in a word from what was embedded first, an answer would.
#[test]
fn what_is_embedded_anew_is_what_was_embedded_when_it_came() {
    let embedder = hashing(256);
    let world = World::new(Some(Arc::clone(&embedder)), &[]);
    let documents = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/harbor/documents/handbook");
    let root = world.root();
    for file in fs::read_dir(documents).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|e| e == "md" || e == "html") {
            fs::copy(&path, root.join(path.file_name().unwrap())).unwrap();
        }
    }
    // Headings in headings, a table that is cut, and text that looks like a heading and is none.
    let rows: String = (0..200).map(|n| format!("| {n} | pier {n} opens at {n} |\n")).collect();
    fs::write(root.join("table.md"), format!("# Piers\n\n## Hours\n\n| n | what |\n|---|---|\n{rows}"))
        .unwrap();
    fs::write(root.join("plain.txt"), "# Not a heading here\n\n# Not a heading here\n\nThe end.\n").unwrap();
    let report = world.ingest("handbook", &root, &["everyone"]);
    assert_eq!(report.summary.failed, 0);
    world.people(&[kenward_vault::directory::DirectoryChange::AddUser {
        handle: DANA.to_owned(),
        name: "Dana".to_owned(),
        clearance: kenward_access::acl::Clearance::default(),
    }]);
    let queries = ["parental leave", "pier 77", "not a heading", "expenses and travel", "hours"];
    let answers = || -> Vec<_> {
        (1u64..)
            .zip(queries)
            .map(|(wind, query)| world.search(DANA, query, 40, 100 + wind).unwrap())
            .collect()
    };
    let before = answers();
    let space = EmbeddingSpace { engine: "renamed".to_owned(), ..embedder.space().clone() };
    let renamed: Arc<dyn Embedder> = Arc::new(Renamed(embedder, space));
    let by = Operator { uid: 0, user: None, reason: None };
    let ended = world.vault.embed_anew(&by, &renamed, &|| false, &|_| ()).unwrap();
    assert!(
        matches!(ended, Ended::Switched { passages, .. } if passages == report.summary.chunks),
        "{ended:?}"
    );
    assert_eq!(world.vault.embedder().unwrap().space().engine, "renamed");
    assert!(answers() == before);
}

#[test]
fn the_engine_is_changed_by_the_program_and_a_killed_change_is_none() {
    let Some(model) = pulled(Artifact::MiniLm) else { return };
    let machine = Machine::new();
    machine.run(&["users", "add", DANA]).done();
    for n in 0..12 {
        let text: String =
            (0..30).map(|line| format!("Rule {line} of pier {n}: the master signs.\n\n")).collect();
        machine.write(&format!("handbook/{n}.md"), format!("# Pier {n}\n\n{text}"));
    }
    machine.write("handbook/travel.md", "# Travel\n\nBook trains early.\n");
    machine.run(&["ingest", "handbook", "--default-allow", "everyone"]).done();
    let search = |query: &str| {
        let ran = machine.run(&["search", query, "--as", DANA, "--reason", "a test", "--json"]).done();
        let results = ran.json()["results"].as_array().unwrap().clone();
        let cites = results.iter().map(|result| result["cite"].as_str().unwrap().to_owned());
        cites.collect::<Vec<String>>()
    };
    let before = search("pier 7");
    // The configuration asks for another engine: the documents keep theirs, and it is said.
    let hashing = fs::read_to_string(machine.config()).unwrap();
    let models = model.parent().unwrap().display();
    let builtin = hashing.replace("\"hashing\"", &format!("\"builtin\"\nmodels_dir = \"{models}\""));
    machine.configure(&builtin);
    let doctor = machine.run(&["doctor"]).found();
    assert!(doctor.out.contains("ingest --re-embed"), "{doctor:?}");

    // Killed as soon as something is made.
    let mut child = machine
        .command(&["ingest", "--re-embed", "--json"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let made = machine.data().join("vectors-2");
    for _ in 0..600 {
        if made.exists() || child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(300));
    child.kill().unwrap();
    child.wait().unwrap();
    machine.configure(&hashing);
    if made.exists() {
        assert_eq!(search("pier 7"), before, "a killed one changes no answer");
        let doctor = machine.run(&["doctor"]).found();
        assert!(doctor.out.contains("embedded anew by builtin all-MiniLM-L6-v2"), "{doctor:?}");
        let status = machine.run(&["status"]).done();
        assert!(
            status.out.contains("re-embed  by builtin") && status.out.contains("stopped before"),
            "{status:?}"
        );
        let runs = machine.run(&["runs", "list"]).done();
        assert!(runs.err.contains("embedding anew by builtin"), "{runs:?}");
        let vectors = |name: &str| -> u64 {
            let files = fs::read_dir(machine.data().join(name)).into_iter().flatten();
            files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
        };
        let status = machine.run(&["status", "--json"]).done().json();
        let disk = status["disk"].as_array().unwrap().iter().find(|store| store[0] == "vectors").unwrap();
        assert_eq!(disk[1].as_u64().unwrap(), vectors("vectors") + vectors("vectors-2"));
    }

    machine.configure(&builtin);
    let ran = machine.run(&["ingest", "--re-embed", "--json"]).done();
    let last: serde_json::Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    assert!(last["ended"] == "switched" && last["documents"] == 13, "{ran:?}");
    assert!(last["engine"].as_str().unwrap().starts_with("builtin all-MiniLM-L6-v2@"), "{ran:?}");
    let doctor = machine.run(&["doctor"]).found();
    assert!(doctor.out.contains("ok      embedder       builtin all-MiniLM"), "{doctor:?}");
    let travel = machine.run(&["search", "rail journeys", "--as", DANA, "--reason", "a test"]).done();
    assert!(travel.out.contains("Book trains early"), "its meaning is found: {travel:?}");
    // Nothing changed in the source: nothing is read again, and once more there is nothing to do.
    let ran = machine.run(&["ingest", "handbook", "--json"]).done();
    let report: serde_json::Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    assert_eq!(report["summary"]["unchanged"], 13, "{ran:?}");
    assert!(machine.run(&["ingest", "--re-embed"]).done().err.contains("nothing was done"));
    in_whole_numbers(&machine, &builtin);
}

/// The same files in a folder that the configuration names, with those that say how the model is used.
fn a_folder_of_ones_own(machine: &Machine, fastembed: &str) {
    let Some(model) = pulled(Artifact::MiniLm) else { return };
    let folder = machine.path("harbor-model");
    fs::create_dir_all(folder.join("1_Pooling")).unwrap();
    for file in fs::read_dir(model).unwrap() {
        let file = file.unwrap();
        std::os::unix::fs::symlink(file.path(), folder.join(file.file_name())).unwrap();
    }
    fs::write(folder.join("1_Pooling/config.json"), r#"{"pooling_mode_mean_tokens": true}"#).unwrap();
    let own = fastembed.replace("\"fastembed\"", "\"fastembed\"\nmodel = \"harbor-model\"");
    machine.configure(&own);
    let doctor = machine.run(&["doctor"]).found();
    assert!(doctor.out.contains("`embedding.model` is "), "it goes on with the other: {doctor:?}");
    let last = |ran: &crate::machine::Ran| -> serde_json::Value {
        serde_json::from_str(ran.out.lines().last().unwrap()).unwrap()
    };
    let ran = machine.run(&["ingest", "--re-embed", "--json"]).done();
    assert!(last(&ran)["engine"].as_str().unwrap().contains("harbor-model@"), "{ran:?}");
    let found = machine.run(&["search", "rail journeys", "--as", DANA, "--reason", "a test"]).done();
    assert!(found.out.contains("Book trains early"), "{found:?}");
    // The folder is named no more: words alone, and it is said what to do.
    machine.configure(fastembed);
    let doctor = machine.run(&["doctor"]).found();
    assert!(doctor.out.contains("which the configuration does not name"), "{doctor:?}");
    fs::remove_file(folder.join("1_Pooling/config.json")).unwrap();
    machine.configure(&own);
    machine.run(&["ingest", "handbook"]).refused(&["harbor-model", "how it pools", "embedding.model"]);
}

/// The same model in int8: another space, which is gone over to in the same way, and which nothing else computes.
fn in_whole_numbers(machine: &Machine, builtin: &str) {
    if pulled(Artifact::OnnxRuntime).is_none() {
        return;
    }
    let fastembed = builtin.replace("\"builtin\"", "\"fastembed\"");
    machine.configure(&fastembed);
    machine.run(&["ingest", "--re-embed"]).done();
    let int8 = fastembed.replace("\"fastembed\"", "\"fastembed\"\nprecision = \"int8\"");
    machine.configure(&int8);
    let doctor = machine.run(&["doctor"]).found();
    assert!(doctor.out.contains("`embedding.precision` is `int8`"), "{doctor:?}");
    let rails = |machine: &Machine| {
        let ran = machine.run(&["search", "rail journeys", "--as", DANA, "--reason", "a test"]).done();
        assert!(ran.out.contains("Book trains early"), "{ran:?}");
    };
    rails(machine);
    let ran = machine.run(&["ingest", "--re-embed", "--json"]).done();
    let last: serde_json::Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    assert!(
        last["ended"] == "switched" && last["engine"].as_str().unwrap().ends_with(", in int8"),
        "{ran:?}"
    );
    rails(machine);
    let status = machine.run(&["status"]).done();
    assert!(status.out.contains(", in int8)"), "{status:?}");
    // Asked for f32 again, it goes on in int8, and says so.
    machine.configure(&fastembed);
    let doctor = machine.run(&["doctor"]).found();
    assert!(doctor.out.contains("`embedding.precision` is `f32`"), "{doctor:?}");
    rails(machine);
    a_folder_of_ones_own(machine, &fastembed);
    for (precision, engine) in [("int8", "builtin"), ("int8", "none"), ("int4", "fastembed")] {
        let engine = format!("\"{engine}\"\nprecision = \"{precision}\"");
        machine.configure(&builtin.replace("\"builtin\"", &engine));
        machine.run(&["users", "list"]).refused(&["embedding.precision"]);
    }
}
