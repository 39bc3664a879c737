//! The company that is asked: generated pages in folders with rights of their own, people who see all, half, a tenth and
//! a hundredth of them, what they ask for, and the program that serves it.

use super::wrk::Call;
use crate::support::{Numbers, corpus};
use serde_json::{Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Who asks, and of how many folders they see one.
pub const PEOPLE: &[(&str, usize)] = &[
    ("ava@acorn.example", 1),
    ("ben@acorn.example", 2),
    ("cleo@acorn.example", 10),
    ("dov@acorn.example", 100),
];
const FOLDERS: usize = 100;
/// Passages of a page; each is cut at its heading.
const PASSAGES: usize = 5;
/// How many different searches, and how many different documents, of each person.
const QUERIES: usize = 250;

pub struct Company {
    folder: TempDir,
    program: PathBuf,
    files: Vec<PathBuf>,
    queries: Vec<String>,
    tokens: Vec<String>,
    pub chunks: u64,
    pub ingest_seconds: f64,
}

impl Company {
    /// Writes the pages and reads them in.
    pub fn new(program: &Path, chunks: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (files, queries) = write(folder.path(), chunks);
        let mut company = Self {
            folder,
            program: program.to_owned(),
            files,
            queries,
            tokens: Vec::new(),
            chunks: 0,
            ingest_seconds: 0.0,
        };
        let uid = rustix::process::geteuid().as_raw();
        let olga = "olga@acorn.example";
        // More at once than the generator sends: what is measured is not a refusal.
        let config = format!(
            "data_dir = \"data\"\n[operators]\n{uid} = \"{olga}\"\n[embedding]\nengine = \"hashing\"\n[http]\nrequests_per_second = 1000000\nrequests_at_once = 4096\n"
        );
        std::fs::write(company.path("kenward.toml"), config).unwrap();
        let mut directory = String::new();
        for handle in PEOPLE.iter().map(|(handle, _)| *handle).chain([olga]) {
            directory.push_str(&format!("[[user]]\nhandle = \"{handle}\"\nname = \"{handle}\"\n"));
        }
        for (handle, nth) in PEOPLE {
            let members = format!("members = [\"user:{handle}\"]");
            directory.push_str(&format!("[[group]]\nhandle = \"every-{nth}\"\n{members}\n"));
        }
        std::fs::write(company.path("directory.toml"), directory).unwrap();
        succeeds(company.command().arg("users").arg("import").arg(company.path("directory.toml")));
        let begun = Instant::now();
        let report = company.ingest();
        company.ingest_seconds = begun.elapsed().as_secs_f64();
        company.chunks = report["summary"]["chunks"].as_u64().unwrap();
        for (handle, _) in PEOPLE {
            let token = succeeds(company.command().args(["tokens", "create", handle]));
            company.tokens.push(token.trim().to_owned());
        }
        company
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self) -> Command {
        command(&self.program, &self.path("kenward.toml"))
    }

    fn ingest(&self) -> Value {
        ingest(&self.program, &self.path("kenward.toml"), &self.path("pages"))
    }

    pub fn files(&self) -> usize {
        self.files.len()
    }

    pub fn serve(&self) -> Served {
        Served::start(self.command().args(["serve", "--http", "127.0.0.1:0"]), &self.path("serve"))
    }

    /// Everybody's searches, in turn.
    pub fn searches(&self) -> Vec<Call> {
        let mut calls = Vec::new();
        for query in &self.queries {
            for token in &self.tokens {
                let token = Some(token.clone());
                calls.push(Call { token, tool: "search", arguments: json!({ "query": query }) });
            }
        }
        calls
    }

    /// Everybody's documents in turn, as their searches gave them.
    pub fn fetches(&self, served: &Served, searches: &[Call]) -> Vec<Call> {
        let mut ids: Vec<Vec<String>> = vec![Vec::new(); self.tokens.len()];
        for (at, call) in searches.iter().enumerate() {
            let found = &mut ids[at % self.tokens.len()];
            if found.len() < QUERIES {
                let answer = served.answer(call);
                let results = answer["result"]["structuredContent"]["results"].as_array().unwrap();
                found.extend(results.iter().map(|result| result["id"].as_str().unwrap().to_owned()));
                found.sort();
                found.dedup();
            }
        }
        let mut calls = Vec::new();
        for at in 0..QUERIES {
            for (token, ids) in self.tokens.iter().zip(&ids) {
                let id = &ids[at % ids.len()];
                calls.push(Call {
                    token: Some(token.clone()),
                    tool: "fetch",
                    arguments: json!({ "id": id }),
                });
            }
        }
        calls
    }

    /// How many records the audit log has.
    pub fn records(&self) -> u64 {
        use std::io::{Read, Seek, SeekFrom};
        let mut log = File::open(self.path("data/audit/log.jsonl")).unwrap();
        let length = log.metadata().unwrap().len();
        log.seek(SeekFrom::Start(length.saturating_sub(1 << 16))).unwrap();
        let mut tail = String::new();
        log.read_to_string(&mut tail).unwrap();
        // The last line may still be under way.
        let whole = tail.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let (_, seq) = whole.rsplit_once("{\"v\":1,\"seq\":").expect("a record");
        seq.split_once(',').unwrap().0.parse().unwrap()
    }

    /// Changes a hundredth of the pages and reads them in, again and again.
    pub fn keep_changing(&self) -> Changing {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (program, config, folder) = (self.program.clone(), self.path("kenward.toml"), self.path("pages"));
        let files = self.files.clone();
        let thread = std::thread::spawn(move || {
            let (mut runs, mut put) = (0, 0);
            while !stopped.load(Ordering::Acquire) {
                for file in files.iter().skip(runs % 100).step_by(100) {
                    let text = std::fs::read_to_string(file).unwrap();
                    std::fs::write(file, format!("{text}\nAmended in round {runs}.\n")).unwrap();
                }
                let report = ingest(&program, &config, &folder);
                assert_eq!(report["summary"]["failed"], 0, "{report}");
                put += report["summary"]["changed"].as_u64().unwrap();
                runs += 1;
            }
            (runs, put)
        });
        Changing { stop, thread }
    }
}

/// A folder that changes.
pub struct Changing {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(usize, u64)>,
}

impl Changing {
    /// Lets the run that is under way end. Gives how many there were, and how many documents they put.
    pub fn stop(self) -> (usize, u64) {
        self.stop.store(true, Ordering::Release);
        self.thread.join().unwrap()
    }
}

/// Pages of five passages, in folders, and the queries: some neighbouring words of passages.
fn write(folder: &Path, chunks: usize) -> (Vec<PathBuf>, Vec<String>) {
    let words = corpus::vocabulary(&[]);
    let chunks: Vec<corpus::Chunk> =
        corpus::generated(chunks.next_multiple_of(PASSAGES), 0, &words).collect();
    let mut files = Vec::new();
    for (n, page) in chunks.chunks(PASSAGES).enumerate() {
        let mut text = format!("# {}\n", page[0].title.trim());
        for passage in page {
            text.push_str(&format!("\n## {}\n\n{}\n", passage.headings.trim(), passage.body.trim()));
        }
        let file = folder.join(format!("pages/{:02}/{n}.md", n % FOLDERS));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
        files.push(file);
    }
    for n in 0..FOLDERS {
        let groups =
            PEOPLE.iter().filter(|(_, nth)| n % nth == 0).map(|(_, nth)| format!("\"group:every-{nth}\""));
        let allowed = groups.collect::<Vec<_>>().join(", ");
        std::fs::create_dir_all(folder.join(format!("pages/{n:02}"))).unwrap();
        std::fs::write(folder.join(format!("pages/{n:02}/.access.toml")), format!("allow = [{allowed}]\n"))
            .unwrap();
    }
    let mut numbers = Numbers(11);
    let queries = (0..QUERIES).map(|_| {
        let body: Vec<&str> = chunks[numbers.below(chunks.len())].body.split_whitespace().collect();
        let (length, at) = (2 + numbers.below(5), numbers.below(body.len() - 7));
        body[at..at + length].join(" ")
    });
    (files, queries.collect())
}

fn command(program: &Path, config: &Path) -> Command {
    let mut command = Command::new(program);
    for name in ["RUST_LOG", "KENWARD__LOG__LEVEL"] {
        command.env_remove(name);
    }
    command.env("KENWARD_CONFIG", config);
    command
}

fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{error}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn ingest(program: &Path, config: &Path, folder: &Path) -> Value {
    let told = succeeds(command(program, config).args(["ingest", "--json"]).arg(folder));
    let last: Value = serde_json::from_str(told.lines().last().expect("a report")).unwrap();
    assert_eq!(last["event"], "finished", "{last}");
    last
}

/// A server that runs.
pub struct Served {
    child: Child,
    pub url: String,
}

impl Served {
    /// Starts it, and waits for the URL that it says first. What it says goes into files beside `name`.
    pub fn start(command: &mut Command, name: &Path) -> Self {
        let (out, log) = (name.with_extension("out"), name.with_extension("log"));
        let child = command
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut served = Self { child, url: String::new() };
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let told = || std::fs::read_to_string(&log).unwrap_or_default();
            assert!(Instant::now() < deadline, "no URL: {}", told());
            assert!(served.child.try_wait().unwrap().is_none(), "it ended: {}", told());
            if let Some((url, _)) = std::fs::read_to_string(&out).unwrap().split_once('\n') {
                url.clone_into(&mut served.url);
                return served;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// One call by itself, which must succeed: the whole message.
    pub fn answer(&self, call: &Call) -> Value {
        let mut request = ureq::post(&self.url);
        for (name, value) in call.headers() {
            request = request.header(name, value);
        }
        let mut response = request.send(call.body()).unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        let message: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(message["result"]["isError"], false, "{text}");
        message
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
