//! `embedding.engine = "remote"`: an OpenAI-compatible server of this machine that computes with the hashing embedder, and
//! all the ways in which one can fail. What is asked of it is what the program sends, over HTTP.

use crate::machine::{Machine, Ran, holds};
use kenward_indexes::embedding::hashing;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const DANA: &str = "dana@acorn.example";
const KEY: &str = "sk-harbor-5f3c0d5e9a";
const DIMENSION: usize = 64;

/// How a request is answered.
#[derive(Clone, Debug)]
enum Way {
    Good,
    /// This status, with these headers.
    Status(&'static str, String),
    /// This body, under 200.
    Body(String),
    /// So many zeroes, under 200.
    Huge(usize),
    /// Vectors of another length.
    Dimension(usize),
    /// One vector fewer.
    Fewer,
    /// Only after so long.
    Slow(Duration),
    /// Not at all: the connection is closed.
    Gone,
}

#[derive(Default)]
struct Seen {
    /// What comes next; then all is good.
    script: VecDeque<Way>,
    /// If set, what comes always.
    always: Option<Way>,
    /// What was asked: the texts of each request.
    texts: Vec<Vec<String>>,
    /// Whether each came with the key.
    keyed: Vec<bool>,
    /// Whether nobody listens any more after the next connection.
    ended: bool,
}

struct Server {
    url: String,
    seen: Arc<Mutex<Seen>>,
}

impl Server {
    fn new() -> Self {
        Self::with(None)
    }

    /// Over HTTPS, as `localhost`, and the certificate of the authority that says so.
    fn over_tls() -> (Self, String) {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap();
        (Self::with(Some(Arc::new(config))), authority.pem())
    }

    fn with(tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = match tls {
            Some(_) => format!("https://localhost:{}/v1", listener.local_addr().unwrap().port()),
            None => format!("http://{}/v1", listener.local_addr().unwrap()),
        };
        let seen = Arc::<Mutex<Seen>>::default();
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.lock().unwrap().ended {
                    return;
                }
                let (stream, shared) = (stream.unwrap(), Arc::clone(&shared));
                let tls = tls.clone();
                // A client that goes away in the middle is no matter.
                std::thread::spawn(move || match tls {
                    None => answer(stream, &shared),
                    Some(config) => {
                        let connection = rustls::ServerConnection::new(config).unwrap();
                        answer(rustls::StreamOwned::new(connection, stream), &shared)
                    }
                });
            }
        });
        Self { url, seen }
    }

    /// Nobody listens there any more.
    fn end(&self) {
        self.seen.lock().unwrap().ended = true;
        let address = self.url.strip_prefix("http://").unwrap().strip_suffix("/v1").unwrap();
        while TcpStream::connect(address).is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn always(&self, way: Option<Way>) {
        self.seen.lock().unwrap().always = way;
    }

    fn asked(&self) -> usize {
        self.seen.lock().unwrap().texts.len()
    }
}

fn answer(stream: impl Read + Write, seen: &Mutex<Seen>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut length, mut keyed, mut first) = (0, false, String::new());
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").unwrap();
        match name.to_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "authorization" => keyed = value == format!("Bearer {KEY}"),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body: Value = serde_json::from_slice(&body).unwrap();
    let texts: Vec<String> =
        body["input"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect();
    let way = {
        let mut seen = seen.lock().unwrap();
        seen.texts.push(texts.clone());
        seen.keyed.push(keyed);
        let next = seen.script.pop_front();
        seen.always.clone().or(next).unwrap_or(Way::Good)
    };
    let refused = !first.starts_with("POST /v1/embeddings ") || body["model"] != "words";
    let (status, headers, body) = match way {
        _ if refused => ("404 Not Found", String::new(), first),
        // It says the key and the texts again, as some do.
        _ if !keyed => ("401 Unauthorized", String::new(), format!("no: {first} {texts:?}")),
        Way::Status(status, headers) => (status, headers, format!("{texts:?} {KEY}")),
        Way::Body(body) => ("200 OK", String::new(), body),
        Way::Huge(bytes) => ("200 OK", String::new(), format!("{{\"data\": [{}", "0".repeat(bytes))),
        Way::Dimension(dimension) => ("200 OK", String::new(), list(&texts, dimension, texts.len())),
        Way::Fewer => ("200 OK", String::new(), list(&texts, DIMENSION, texts.len() - 1)),
        Way::Good => ("200 OK", String::new(), list(&texts, DIMENSION, texts.len())),
        Way::Gone => return Ok(()),
        Way::Slow(time) => {
            std::thread::sleep(time);
            ("200 OK", String::new(), list(&texts, DIMENSION, texts.len()))
        }
    };
    let length = body.len();
    write!(
        reader.get_mut(),
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    reader.get_mut().flush()
}

/// Vectors three times as long as they should be, the last text's first.
fn list(texts: &[String], dimension: usize, count: usize) -> String {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let vectors = hashing(dimension).embed(&texts).unwrap();
    let data = vectors.iter().take(count).enumerate().rev().map(|(index, vector)| {
        let thrice: Vec<f32> = vector.iter().map(|n| 3.0 * n).collect();
        json!({"object": "embedding", "index": index, "embedding": thrice})
    });
    json!({"object": "list", "model": "words", "data": data.collect::<Vec<_>>()}).to_string()
}

/// Three documents, not ingested yet, and a configuration that names the server.
fn machine(server: &Server, more: &str) -> (Machine, String) {
    let machine = Machine::new();
    machine.run(&["users", "add", DANA]).done();
    machine.write("key", format!("{KEY}\n"));
    machine.write("handbook/travel.md", "# Travel\n\nBook trains early in the year.\n");
    machine.write("handbook/desks.md", "# Desks\n\nBook desks by noon.\n");
    machine.write("handbook/leave.md", "# Leave\n\nParental leave is twenty weeks.\n");
    let hashing = std::fs::read_to_string(machine.config()).unwrap();
    let section = format!(
        "[embedding.remote]\nurl = \"{}\"\nmodel = \"words\"\ndimension = {DIMENSION}\napi_key = \"file:key\"\n{more}",
        server.url
    );
    machine.configure(&format!("{}{section}", hashing.replace("\"hashing\"", "\"remote\"")));
    (machine, hashing)
}

fn ingest(machine: &Machine) -> Ran {
    machine.run(&["ingest", "handbook", "--default-allow", "everyone", "--log", "trace"])
}

fn search(machine: &Machine) -> Ran {
    let query = ["search", "weeks of parental leave", "--as", DANA, "--reason", "a test", "--log", "trace"];
    machine.run(&query)
}

#[track_caller]
fn says(ran: &Ran, words: &[&str]) {
    let flowing = format!("{} {}", ran.out, ran.err).split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(flowing.contains(word), "`{word}` is not in {ran:?}");
    }
    assert!(!flowing.contains(KEY), "the key is told: {ran:?}");
}

#[test]
fn documents_and_queries_are_embedded_there_and_it_is_said_loudly() {
    let server = Server::new();
    let (machine, hashing) = machine(&server, "");
    let host = server.url.strip_suffix("/v1").unwrap();
    let ran = ingest(&machine).done();
    says(
        &ran,
        &[&format!("embedded by words at {host} (remote)"), "TEXTS LEFT THIS MACHINE", "not promised"],
    );
    let before = server.asked();
    assert!(before >= 1 && server.seen.lock().unwrap().keyed.iter().all(|keyed| *keyed));
    let ran = search(&machine).done();
    says(&ran, &["Parental leave is twenty weeks"]);
    let sent = server.seen.lock().unwrap().texts.last().unwrap().clone();
    assert_eq!((server.asked(), sent), (before + 1, vec!["weeks of parental leave".to_owned()]));
    let leaves = format!("TEXTS AND QUERIES LEAVE THIS MACHINE, to {host}");
    let doctor = machine.run(&["doctor"]);
    says(&doctor, &[&leaves, "TEXTS AND QUERIES go there", &format!("{host} embeds"), "not promised"]);
    says(&machine.run(&["status"]).done(), &[&leaves]);
    // The key is nowhere in what is kept, logs among it.
    assert!(!holds(&machine.data(), KEY));

    // Without its name nothing goes there any more: the vectors are of a space that nobody asks for.
    machine.configure(&hashing);
    let asked = server.asked();
    says(&machine.run(&["doctor"]), &["the configuration does not ask for", "--re-embed"]);
    says(&search(&machine).done(), &["Parental leave is twenty weeks"]);
    machine.run(&["ingest", "--re-embed"]).done();
    says(&machine.run(&["doctor"]), &["hashing hashing-1"]);
    assert_eq!(server.asked(), asked);
}

#[test]
fn what_is_here_already_is_embedded_anew_there() {
    let server = Server::new();
    let (machine, hashing) = machine(&server, "batch = 1\n");
    let remote = std::fs::read_to_string(machine.config()).unwrap();
    machine.configure(&hashing);
    ingest(&machine).done();
    machine.configure(&remote);
    // Hashing is no engine that goes on by itself; a query is not sent where the documents were not.
    search(&machine).done();
    assert_eq!(server.asked(), 0);
    let ran = machine.run(&["ingest", "--re-embed"]).done();
    says(&ran, &["embedded anew by remote words at", "3 passages", "TEXTS LEFT THIS MACHINE"]);
    let seen = server.seen.lock().unwrap().texts.clone();
    assert!(seen.len() == 3 && seen.iter().all(|texts| texts.len() == 1), "one text a request: {seen:?}");
    search(&machine).done();
    assert_eq!(server.asked(), 4);
}

#[test]
fn an_endpoint_that_is_busy_or_broken_for_a_moment_is_asked_again_when_it_says() {
    let server = Server::new();
    let (machine, _) = machine(&server, "");
    server.seen.lock().unwrap().script = VecDeque::from([
        Way::Status("429 Too Many Requests", "Retry-After: 2\r\n".to_owned()),
        Way::Status("500 Internal Server Error", String::new()),
        Way::Status("503 Service Unavailable", "Retry-After: Fri, 01 Jan 2027 00:00:00 GMT\r\n".to_owned()),
    ]);
    let begun = Instant::now();
    says(&ingest(&machine).done(), &["TEXTS LEFT THIS MACHINE"]);
    assert!(begun.elapsed() > Duration::from_secs(2));
    // A query is asked once, and the person is told to try again.
    server.seen.lock().unwrap().script =
        VecDeque::from([Way::Status("429 Too Many Requests", String::new())]);
    let asked = server.asked();
    let ran = search(&machine);
    assert_eq!((ran.code, server.asked()), (Some(1), asked + 1), "{ran:?}");
    says(&ran, &["no answer could be given just now", "status 429"]);
    search(&machine).done();
}

#[test]
fn a_wrong_answer_ends_the_run_with_what_is_wrong_and_tells_nothing_of_it() {
    let server = Server::new();
    let other = Server::new();
    let (machine, _) = machine(&server, "");
    let points = format!("Location: {}/embeddings\r\n", other.url);
    let datum = |numbers: &str| {
        let data = (0..8).map(|index| format!("{{\"index\": {index}, \"embedding\": [{numbers}]}}"));
        format!("{{\"data\": [{}]}}", data.collect::<Vec<_>>().join(","))
    };
    for (way, words) in [
        (Way::Status("401 Unauthorized", String::new()), "it does not take the key (status 401)"),
        (Way::Status("307 Temporary Redirect", points), "it points elsewhere (status 307)"),
        (Way::Status("400 Bad Request", String::new()), "it answered with status 400"),
        (Way::Dimension(63), "have 63 numbers, and `embedding.remote.dimension` is 64"),
        (Way::Fewer, "vectors for"),
        (Way::Body(datum("NaN")), "no list of embeddings"),
        (Way::Body("Parental leave".to_owned()), "no list of embeddings"),
        (Way::Huge(4 << 20), "its answer is too long"),
    ] {
        server.always(Some(way.clone()));
        let ran = ingest(&machine);
        assert_ne!(ran.code, Some(0), "{way:?}: {ran:?}");
        says(&ran, &[words, "the endpoint at http://127.0.0.1:", "hint: `kenward doctor`"]);
        assert!(!ran.out.contains("Parental") && !ran.err.contains("Parental"), "{way:?}: {ran:?}");
    }
    assert_eq!(other.asked(), 0, "nothing goes where it points");
    // The wrong key, as the server sees it, and none at all.
    server.always(None);
    machine.write("key", "sk-another\n");
    says(&ingest(&machine), &["it does not take the key (status 401)"]);
    machine.write("key", "\n");
    says(&ingest(&machine), &["there is no key for it in"]);
    machine.write("key", format!("{KEY}\n"));
    // What was cut off goes on.
    ingest(&machine).done();
    says(&search(&machine).done(), &["Parental leave is twenty weeks"]);
    for (way, words) in [(Way::Dimension(63), "63 numbers"), (Way::Huge(4 << 20), "too long")] {
        server.always(Some(way));
        let ran = search(&machine);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        says(&ran, &["no answer could be given just now", words]);
    }
}

#[test]
fn who_asks_waits_a_few_seconds_for_a_slow_endpoint_and_not_at_all_for_none() {
    let server = Server::new();
    let (machine, _) = machine(&server, "");
    ingest(&machine).done();
    server.always(Some(Way::Slow(Duration::from_secs(60))));
    let begun = Instant::now();
    let ran = search(&machine);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    says(&ran, &["no answer could be given just now", "it took too long"]);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    server.always(Some(Way::Gone));
    says(&search(&machine), &["no answer could be given just now", "it cannot be reached"]);
    server.end();
    let begun = Instant::now();
    let ran = search(&machine);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    says(&ran, &["no answer could be given just now", "it cannot be reached"]);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    says(&machine.run(&["doctor"]).found(), &["it cannot be reached", "[embedding.remote]"]);
    // Another address is another space: words alone are searched, and it is said.
    let other = Server::new();
    let config = std::fs::read_to_string(machine.config()).unwrap();
    machine.configure(&config.replace(&server.url, &other.url));
    says(&search(&machine).done(), &["Parental leave is twenty weeks"]);
    assert_eq!(other.asked(), 0);
    says(&machine.run(&["doctor"]).found(), &["the configuration does not name", "--re-embed"]);
}

#[test]
fn over_https_it_must_prove_to_be_the_one_that_is_named() {
    let (server, authority) = Server::over_tls();
    let (machine, _) = machine(&server, "");
    let trusted = machine.write("authority.pem", authority);
    let run = |trusts: &str, args: &[&str]| {
        // The authorities that this machine trusts, as OpenSSL has them named.
        let mut command = machine.command(args);
        command.env("SSL_CERT_FILE", trusted.with_file_name(trusts)).env_remove("SSL_CERT_DIR");
        Ran::from(command.output().unwrap())
    };
    let ingest = ["ingest", "handbook", "--default-allow", "everyone", "--log", "trace"];
    let ran = run("key", &ingest);
    assert_ne!(ran.code, Some(0), "{ran:?}");
    says(&ran, &["it cannot be reached"]);
    assert_eq!(server.asked(), 0);
    says(&run("authority.pem", &ingest).done(), &["TEXTS LEFT THIS MACHINE"]);
    let ran =
        run("authority.pem", &["search", "weeks of parental leave", "--as", DANA, "--reason", "a test"]);
    says(&ran.done(), &["Parental leave is twenty weeks"]);
    assert!(server.asked() >= 2 && server.seen.lock().unwrap().keyed.iter().all(|keyed| *keyed));
}

#[test]
fn who_stops_a_run_waits_for_no_endpoint_that_hangs() {
    let server = Server::new();
    let (machine, hashing) = machine(&server, "");
    let remote = std::fs::read_to_string(machine.config()).unwrap();
    server.always(Some(Way::Slow(Duration::from_secs(600))));
    let stopped = |args: &[&str]| {
        let before = server.asked();
        let mut command = machine.command(args);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let begun = Instant::now();
        while server.asked() == before {
            assert!(begun.elapsed() < Duration::from_secs(60), "nothing was asked");
            std::thread::sleep(Duration::from_millis(10));
        }
        let begun = Instant::now();
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        let ran: Ran = child.wait_with_output().unwrap().into();
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
        ran.found()
    };
    stopped(&["ingest", "handbook", "--default-allow", "everyone"]);
    server.always(None);
    ingest(&machine).done();
    // As well when all is embedded anew.
    machine.configure(&hashing);
    machine.run(&["ingest", "--re-embed"]).done();
    machine.configure(&remote);
    server.always(Some(Way::Slow(Duration::from_secs(600))));
    says(&stopped(&["ingest", "--re-embed"]), &["stopped", "the same command goes on"]);
    server.always(None);
    says(&machine.run(&["ingest", "--re-embed"]).done(), &["embedded anew by remote"]);
    says(&search(&machine).done(), &["Parental leave is twenty weeks"]);
}

#[test]
fn it_is_switched_on_by_both_its_name_and_its_section() {
    let server = Server::new();
    let (machine, hashing) = machine(&server, "");
    let remote = std::fs::read_to_string(machine.config()).unwrap();
    machine.configure(&hashing.replace("\"hashing\"", "\"remote\""));
    ingest(&machine).refused(&["`embedding.engine`", "[embedding.remote]"]);
    machine.configure(&remote.replace("\"remote\"", "\"auto\""));
    ingest(&machine).refused(&["embedding.remote.", "engine = \"remote\""]);
    machine.configure(&remote.replace(&server.url, "http://vectors.harbor.example/v1"));
    ingest(&machine).refused(&["`embedding.remote.url`", "https"]);
    assert_eq!(server.asked(), 0);
}
