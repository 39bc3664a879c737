//! A vector cluster through the real program: what is wrong with it is said by `doctor` with what to change, and stops
//! nobody; and with a real one (`KENWARD_QDRANT_URL`; see `real`), filling it, moving there and back, its collection in other
//! hands, and what somebody took out of it.

use crate::machine::Machine;
use qdrant_client::qdrant as api;
use qdrant_client::qdrant::collections_client::CollectionsClient;
use qdrant_client::qdrant::points_client::PointsClient;
use std::path::{Path, PathBuf};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig};

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
    ] {
        machine.configure(&format!("{before}[vectors]\n{vectors}\n"));
        let ran = machine.run(&["users", "list"]);
        ran.refused(&[words]);
    }
    machine.configure(&format!("{before}[vectors]\napi_key = \"secret-itself\"\n"));
    assert!(!machine.run(&["users", "list"]).err.contains("secret-itself"));
}

/// A real cluster: `KENWARD_QDRANT_URL`, several addresses with commas; the key that it wants in `KENWARD_QDRANT_KEY`; a file with
/// its authority's certificate in `KENWARD_QDRANT_CA`; how many replicas a collection gets in `KENWARD_QDRANT_REPLICAS`.
struct Real {
    urls: Vec<String>,
    key: Option<String>,
    ca: Option<PathBuf>,
    replicas: String,
    /// The key in a file, another authority.
    folder: tempfile::TempDir,
}

fn real() -> Option<Real> {
    let Ok(urls) = std::env::var("KENWARD_QDRANT_URL") else {
        eprintln!("KENWARD_QDRANT_URL is not set: nothing is tried on a real cluster");
        return None;
    };
    let real = Real {
        urls: urls.split(',').map(str::to_owned).collect(),
        key: std::env::var("KENWARD_QDRANT_KEY").ok(),
        ca: std::env::var_os("KENWARD_QDRANT_CA").map(Into::into),
        replicas: std::env::var("KENWARD_QDRANT_REPLICAS").unwrap_or("1".to_owned()),
        folder: tempfile::tempdir().unwrap(),
    };
    std::fs::write(real.folder.path().join("key"), real.key.as_deref().unwrap_or_default()).unwrap();
    std::fs::write(real.folder.path().join("wrong"), "another").unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(real.folder.path().join("other.pem"), other.cert.pem()).unwrap();
    Some(real)
}

impl Real {
    /// A name that no other test has.
    fn fresh(what: &str) -> String {
        format!("kenward-it-{what}-{}", std::process::id())
    }

    /// `[vectors]` with this collection, this file as the key and this one as the authority.
    fn with(&self, name: &str, key: &str, ca: Option<&Path>) -> String {
        let mut text = format!(
            "engine = \"qdrant\"\nurl = {:?}\ncollection = \"{name}\"\nask_from = 1\nreplicas = {}\n",
            self.urls, self.replicas
        );
        if self.key.is_some() {
            text.push_str(&format!("api_key = \"file:{}\"\n", self.folder.path().join(key).display()));
        }
        if let Some(ca) = ca {
            text.push_str(&format!("ca = \"{}\"\n", ca.display()));
        }
        text
    }

    fn vectors(&self, name: &str) -> String {
        self.with(name, "key", self.ca.as_deref())
    }

    /// Does something at the cluster that the program knows nothing of.
    fn behind_its_back<T>(&self, deed: impl AsyncFnOnce(Channel) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut endpoint = Channel::from_shared(self.urls[0].clone()).unwrap();
            if let Some(ca) = &self.ca {
                let ca = Certificate::from_pem(std::fs::read(ca).unwrap());
                endpoint = endpoint.tls_config(ClientTlsConfig::new().ca_certificate(ca)).unwrap();
            }
            deed(endpoint.connect().await.unwrap()).await
        })
    }

    fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        if let Some(key) = &self.key {
            let key: MetadataValue<Ascii> = key.parse().unwrap();
            request.metadata_mut().insert("api-key", key);
        }
        request
    }

    /// How many points are there.
    fn count(&self, name: &str) -> u64 {
        let count =
            api::CountPoints { collection_name: name.to_owned(), exact: Some(true), ..Default::default() };
        self.behind_its_back(async |channel| {
            let reply = PointsClient::new(channel).count(self.request(count)).await.unwrap().into_inner();
            reply.result.unwrap().count
        })
    }

    /// Takes so many points out.
    fn take(&self, name: &str, many: u32) {
        let scroll =
            api::ScrollPoints { collection_name: name.to_owned(), limit: Some(many), ..Default::default() };
        self.behind_its_back(async |channel| {
            let mut points = PointsClient::new(channel);
            let found = points.scroll(self.request(scroll)).await.unwrap().into_inner().result;
            assert_eq!(found.len() as u32, many);
            let ids = found.into_iter().filter_map(|point| point.id).collect();
            let these = api::points_selector::PointsSelectorOneOf::Points(api::PointsIdsList { ids });
            let delete = api::DeletePoints {
                collection_name: name.to_owned(),
                wait: Some(true),
                points: Some(api::PointsSelector { points_selector_one_of: Some(these) }),
                ..Default::default()
            };
            points.delete(self.request(delete)).await.unwrap();
        });
    }
}

fn flowing(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whatever becomes of what is known of the cluster, vectors stay, and rights can be changed.
#[test]
fn what_is_known_of_a_cluster_and_cannot_be_read_costs_no_vector() {
    let machine = machine(&format!("engine = \"qdrant\"\nurl = \"{}\"\ntimeout_ms = 300\n", closed()));
    let before = answer(&machine);
    let state = machine.data().join("vectors.state");
    std::fs::remove_file(&state).unwrap();
    std::fs::create_dir(&state).unwrap();
    for _ in 0..2 {
        assert!(machine.run(&["status"]).done().out.contains("2 vectors"));
        assert_eq!(answer(&machine), before);
    }
    let doctor = machine.run(&["doctor"]).found();
    for words in ["FAILED", "vectors.state", "give that file back"] {
        assert!(flowing(&doctor.out).contains(words), "`{words}` is not in {doctor:?}");
    }
    machine.run(&["users", "disable", DANA]).done();
    std::fs::remove_dir(&state).unwrap();
    std::fs::write(&state, [0xff]).unwrap();
    assert!(machine.run(&["status"]).done().out.contains("2 vectors"));
    // So with certificates that are not there.
    let config = std::fs::read_to_string(machine.config()).unwrap();
    machine.configure(&config.replace("timeout_ms", "ca = \"none.pem\"\ntimeout_ms"));
    let doctor = machine.run(&["doctor"]).found();
    for words in ["FAILED", "none.pem", "vectors.ca"] {
        assert!(flowing(&doctor.out).contains(words), "`{words}` is not in {doctor:?}");
    }
    machine.run(&["users", "list"]).done();
}

#[test]
fn a_real_cluster_is_filled_compared_moved_to_and_left_again() {
    let Some(real) = real() else { return };
    let name = Real::fresh("moved");
    // Documents that were there before the cluster: it is asked after the move.
    let machine = machine("engine = \"flat\"\n");
    let before = answer(&machine);
    let with = std::fs::read_to_string(machine.config()).unwrap();
    machine.configure(&with.replace("engine = \"flat\"\n", &real.vectors(&name)));
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
    let other = self::machine(&real.vectors(&name));
    assert_eq!(answer(&other), before);
    let doctor = other.run(&["doctor"]);
    assert!(doctor.out.contains("FAILED") && doctor.out.contains("vectors.collection"), "{doctor:?}");
    machine.run(&["migrate", "--to", "flat"]).done();
    assert_eq!(answer(&machine), before);
    let doctor = machine.run(&["doctor"]);
    assert!(doctor.out.contains("2 of 2 passages there"), "its own is as it was: {doctor:?}");
}

#[test]
fn a_real_cluster_that_lost_half_of_it_is_told_so_and_filled_again() {
    let Some(real) = real() else { return };
    let name = Real::fresh("half");
    let machine = machine(&real.vectors(&name));
    for n in 0..40 {
        machine.write(&format!("handbook/room-{n}.md"), format!("# Room {n}\n\nBook room {n} by noon.\n"));
    }
    machine.run(&["ingest", "handbook", "--default-allow", "everyone"]).done();
    let moved = machine.run(&["migrate", "--to", "qdrant", "--json"]).done().json();
    assert_eq!((&moved["standing"]["there"], real.count(&name)), (&42.into(), 42));
    let before = answer(&machine);
    real.take(&name, 20);
    // It is counted at every opening; what is gone is looked through here until it is there again.
    let doctor = machine.run(&["doctor"]);
    assert!(doctor.err.contains("missing=20"), "{doctor:?}");
    assert_eq!(answer(&machine), before);
    let moved = machine.run(&["migrate", "--to", "qdrant", "--json"]).done().json();
    assert_eq!((&moved["standing"]["there"], &moved["compared"]["differing"]), (&42.into(), &0.into()));
    assert_eq!((answer(&machine), real.count(&name)), (before, 42));
}

#[test]
fn what_is_wrong_with_a_real_cluster_is_said_and_nothing_of_others_is_touched() {
    let Some(real) = real() else { return };
    let name = Real::fresh("theirs");
    // Somebody's collection of that name, with vectors of other dimensions.
    real.behind_its_back(async |channel| {
        let params =
            api::VectorParams { size: 3, distance: api::Distance::Cosine.into(), ..Default::default() };
        let create = api::CreateCollection {
            collection_name: name.clone(),
            vectors_config: Some(api::VectorsConfig {
                config: Some(api::vectors_config::Config::Params(params)),
            }),
            ..Default::default()
        };
        CollectionsClient::new(channel.clone()).create(real.request(create)).await.unwrap();
        let points = (1..6u64).map(|id| api::PointStruct {
            id: Some(id.into()),
            payload: [("title".to_owned(), "theirs".into())].into(),
            vectors: Some(vec![1.0, 0.0, id as f32].into()),
        });
        let upsert = api::UpsertPoints {
            collection_name: name.clone(),
            wait: Some(true),
            points: points.collect(),
            ..Default::default()
        };
        PointsClient::new(channel).upsert(real.request(upsert)).await.unwrap();
    });
    let plain = answer(&machine("engine = \"flat\"\n"));
    let says = |vectors: &str, words: &[&str]| {
        let machine = machine(vectors);
        assert_eq!(answer(&machine), plain);
        let doctor = machine.run(&["doctor"]);
        assert_eq!(doctor.code, Some(3), "{doctor:?}");
        for words in words {
            assert!(flowing(&doctor.out).contains(words), "`{words}` is not in {}", doctor.out);
        }
        // And nobody is sent there.
        machine.run(&["migrate", "--to", "qdrant"]).refused(&words[..1]);
    };
    says(&real.vectors(&name), &["is somebody else's", "vectors.collection", "Nothing was written into it"]);
    assert_eq!(real.count(&name), 5);
    if real.key.is_some() {
        let wrong = real.with(&Real::fresh("key"), "wrong", real.ca.as_deref());
        says(&wrong, &["it refuses the API key", "vectors.api_key"]);
    }
    if real.ca.is_some() {
        let other = real.folder.path().join("other.pem");
        let words = ["its certificate does not prove", "vectors.ca"];
        says(&real.with(&Real::fresh("ca"), "key", Some(&other)), &words);
        says(&real.with(&Real::fresh("ca"), "key", None), &words);
    }
}
