//! A vector cluster through the real program: what is wrong with it is said by `doctor` with what to change, and stops
//! nobody; and with a real one (`KENWARD_QDRANT_URL`), filling it, moving there and back, and its collection in other hands.

use crate::machine::Machine;

const DANA: &str = "dana@acorn.example";

/// A small folder that was ingested, for everyone, by a configuration with such a `[vectors]`.
fn machine(vectors: &str) -> Machine {
    let machine = Machine::new();
    machine.run(&["users", "add", DANA]).done();
    machine.write("handbook/travel.md", "# Travel\n\nBook trains early.\n");
    machine.write("handbook/desks.md", "# Desks\n\nBook desks by noon.\n");
    let before = std::fs::read_to_string(machine.config()).unwrap();
    machine.configure(&format!("{before}[vectors]\n{vectors}"));
    machine.run(&["ingest", "handbook", "--default-allow", "everyone"]).done();
    machine
}

/// What is found, by title, in its order.
fn answer(machine: &Machine) -> Vec<String> {
    let ran = machine.run(&["search", "Book trains", "--as", DANA, "--reason", "a test", "--json"]).done();
    let answer = ran.json();
    let results = answer["results"].as_array().unwrap();
    results.iter().map(|result| result["title"].as_str().unwrap().to_owned()).collect()
}

/// Nobody listens there.
fn closed() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn a_cluster_that_is_not_there_stops_nobody_and_doctor_says_what_to_do() {
    let plain = machine("engine = \"flat\"\n");
    let url = closed();
    let machine = machine(&format!("engine = \"qdrant\"\nurl = \"{url}\"\ntimeout_ms = 300\n"));
    assert_eq!(answer(&machine), answer(&plain));
    let doctor = machine.run(&["doctor"]);
    assert_eq!(doctor.code, Some(3), "{doctor:?}");
    for words in
        ["cannot be reached", &url, "questions are answered here", "drop that", "(the vector cluster"]
    {
        let flowing = doctor.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flowing.contains(words), "`{words}` is not in {doctor:?}");
    }
    let status = machine.run(&["status"]).done();
    assert!(status.out.contains("NOT USED"), "{status:?}");
    machine.run(&["migrate", "--to", "flat"]).done();
    plain.run(&["migrate", "--to", "qdrant"]).refused(&["no cluster is configured", "[vectors]"]);
    assert_eq!(machine.run(&["migrate", "--to", "hnsw"]).code, Some(1));
}

#[test]
fn what_is_wrong_with_its_configuration_is_named_before_anything_is_done() {
    let machine = Machine::new();
    let before = std::fs::read_to_string(machine.config()).unwrap();
    for (vectors, words) in [
        ("engine = \"qdrant\"", "`vectors.url`"),
        ("engine = \"qdrant\"\nurl = \"http://cluster.example:6334\"", "https"),
        ("api_key = \"secret-itself\"", "env:NAME"),
        ("engine = \"qdrant\"\nurl = \"https://127.0.0.1:1\"\nca = \"none.pem\"", "none.pem"),
    ] {
        machine.configure(&format!("{before}[vectors]\n{vectors}\n"));
        let ran = machine.run(&["users", "list"]);
        ran.refused(&[words]);
    }
    machine.configure(&format!("{before}[vectors]\napi_key = \"secret-itself\"\n"));
    assert!(!machine.run(&["users", "list"]).err.contains("secret-itself"));
}

#[test]
fn a_real_cluster_is_filled_compared_moved_to_and_left_again() {
    let Ok(url) = std::env::var("KENWARD_QDRANT_URL") else {
        eprintln!("KENWARD_QDRANT_URL is not set: nothing is tried on a real cluster");
        return;
    };
    let name = format!("kenward-it-{}", std::process::id());
    let keys = tempfile::tempdir().unwrap();
    let key = std::env::var("KENWARD_QDRANT_KEY").map_or(String::new(), |key| {
        let file = keys.path().join("key");
        std::fs::write(&file, key).unwrap();
        format!("api_key = \"file:{}\"\n", file.display())
    });
    let vectors = |name: &str| {
        format!("engine = \"qdrant\"\nurl = \"{url}\"\n{key}collection = \"{name}\"\nask_from = 1\n")
    };
    // Documents that were there before the cluster: it is asked after the move.
    let machine = machine("engine = \"flat\"\n");
    let before = answer(&machine);
    let with = std::fs::read_to_string(machine.config()).unwrap();
    machine.configure(&with.replace("engine = \"flat\"\n", &vectors(&name)));
    let doctor = machine.run(&["doctor"]);
    assert!(doctor.out.contains("migrate --to qdrant"), "{doctor:?}");
    let moved = machine.run(&["migrate", "--to", "qdrant", "--json"]).done();
    let moved = moved.json();
    assert_eq!((&moved["asked"], &moved["standing"]["there"]), (&true.into(), &moved["standing"]["of"]));
    assert!(
        moved["compared"]["same"].as_u64().unwrap() > 0 && moved["compared"]["differing"] == 0,
        "{moved}"
    );
    assert_eq!(answer(&machine), before);
    // Other data with the same collection's name.
    let other = self::machine(&vectors(&name));
    assert_eq!(answer(&other), before);
    let doctor = other.run(&["doctor"]);
    assert!(doctor.out.contains("FAILED") && doctor.out.contains("vectors.collection"), "{doctor:?}");
    machine.run(&["migrate", "--to", "flat"]).done();
    assert_eq!(answer(&machine), before);
    let doctor = machine.run(&["doctor"]);
    assert!(doctor.out.contains("2 of 2 passages there"), "its own is as it was: {doctor:?}");
}
