//! One data folder over a folder of documents that others read too: runs that may be killed, what it
//! answers, and what lies in it afterwards.

use crate::machine::Machine;
use crate::served::{Client, Served, answer, call, newest};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const PEOPLE: [&str; 4] =
    ["olga@acorn.example", "dana@acorn.example", "ben@acorn.example", "carl@acorn.example"];

const DIRECTORY: &str = r#"
[[user]]
handle = "olga@acorn.example"
clearance = "secret"
[[user]]
handle = "dana@acorn.example"
clearance = "internal"
[[user]]
handle = "ben@acorn.example"
[[user]]
handle = "carl@acorn.example"
[[group]]
handle = "board"
members = ["user:olga@acorn.example"]
[[group]]
handle = "finance"
members = ["user:dana@acorn.example"]
[[group]]
handle = "hr"
members = ["user:olga@acorn.example"]
[[group]]
handle = "contractors"
members = ["user:carl@acorn.example"]
[[group]]
handle = "staff"
members = ["user:ben@acorn.example", "group:finance", "group:hr", "group:contractors"]
"#;

/// What a search is about; the last words are in one edition of one document.
const QUERIES: [(&str, &str); 5] = [
    ("harbour tariff", "hybrid"),
    ("salary ledger", "lexical"),
    ("pilot notice officer", "semantic"),
    ("note007e0", "lexical"),
    ("nothing of the kind zebra", "lexical"),
];

/// A data folder.
pub struct Twin<'a> {
    machine: &'a Machine,
    pub name: String,
    tokens: Vec<(&'static str, String)>,
}

/// How a run came out that was not disturbed (any more).
pub struct Run {
    pub code: Option<i32>,
    pub summary: Value,
    /// How often it was begun: more than once if an owner was lost meanwhile.
    pub begun: usize,
    /// From its start to its first word, and from the word that it publishes to its end.
    opening: Duration,
    publishing: Duration,
}

impl Run {
    pub fn counted(&self, what: &str) -> u64 {
        self.summary[what].as_u64().unwrap()
    }

    /// Documents that were read, cut and put.
    pub fn put(&self) -> u64 {
        self.counted("added") + self.counted("changed")
    }
}

/// How far a run had come, by the last thing that it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Opening,
    Listing,
    Reading,
    Publishing,
    Over,
}

/// A run under way.
pub struct Going {
    child: Child,
    out: PathBuf,
    err: PathBuf,
    texts: PathBuf,
    texts_before: usize,
    begun: Instant,
}

/// How often it is looked at.
const GLANCE: Duration = Duration::from_millis(1);

/// Where a run stood when it was killed.
#[derive(Debug, Clone, Copy)]
pub struct Stood {
    pub phase: Phase,
    /// Documents that it had said to be done with, and of how many.
    done: u64,
    of: u64,
}

impl Stood {
    /// The run was over.
    pub const OVER: Self = Self { phase: Phase::Over, done: 0, of: 0 };

    /// How many documents it had put at least, if an undisturbed run puts `all` and needs not put the rest.
    pub fn put(&self, all: u64) -> u64 {
        self.done.saturating_sub(self.of.saturating_sub(all))
    }
}

impl Going {
    fn said(&self) -> Vec<Value> {
        let said = std::fs::read_to_string(&self.out).unwrap();
        // What a kill cut off says nothing.
        said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// How far it is, as it goes on.
    pub fn stands(&mut self) -> Stood {
        let said = self.said();
        let counted = said.iter().rev().find(|event| event["event"] == "documents");
        let count = |name: &str| counted.map_or(0, |event| event[name].as_u64().unwrap());
        let phase = match said.last().and_then(|event| event["event"].as_str()) {
            _ if self.child.try_wait().unwrap().is_some_and(|status| status.signal().is_none()) => {
                Phase::Over
            }
            None => Phase::Opening,
            Some("started") => Phase::Listing,
            Some("publishing" | "finished") => Phase::Publishing,
            Some(_) => Phase::Reading,
        };
        Stood { phase, done: count("done"), of: count("of") }
    }

    /// Waits until a share of the way of `whole` lies behind it: a tenth of the way is the opening, by the
    /// clock; half of it the reading, by the texts that were stored; the rest the publication and the end,
    /// by the clock. It is over sooner if the run is.
    pub fn wait(&mut self, share: f64, whole: &Run) {
        let (opening, reading) = (0.1, 0.6);
        let mut published = None;
        loop {
            let there = if share < opening {
                self.begun.elapsed() >= whole.opening.mul_f64(share / opening)
            } else {
                if published.is_none() && self.stands().phase >= Phase::Publishing {
                    published = Some(Instant::now());
                }
                let put = texts(&self.texts).saturating_sub(self.texts_before);
                let wanted = (share - opening) / (reading - opening) * whole.put() as f64;
                match published {
                    Some(_) if share < reading => true,
                    Some(since) => {
                        since.elapsed() >= whole.publishing.mul_f64((share - reading) / (1.0 - reading))
                    }
                    None => share < reading && put as f64 >= wanted,
                }
            };
            if there || self.child.try_wait().unwrap().is_some() {
                return;
            }
            std::thread::sleep(GLANCE);
        }
    }

    /// Kills it there.
    pub fn kill(mut self, share: f64, whole: &Run) -> Stood {
        self.wait(share, whole);
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        nobody_left(self.child.id());
        self.stands()
    }

    /// Waits for its end; an error are the words with which it ended before its own.
    pub fn end(mut self) -> Result<Run, String> {
        let (mut opened, mut published) = (None, None);
        let status = loop {
            let phase = self.stands().phase;
            let now = Some(self.begun.elapsed());
            opened = opened.or(now.filter(|_| phase >= Phase::Listing));
            published = published.or(now.filter(|_| phase >= Phase::Publishing));
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => std::thread::sleep(GLANCE),
            }
        };
        let took = self.begun.elapsed();
        nobody_left(self.child.id());
        let mut said = self.said();
        let begun = said.iter().filter(|event| event["event"] == "started").count();
        match said.pop() {
            Some(last) if last["event"] == "finished" => Ok(Run {
                code: status.code(),
                begun,
                summary: last["summary"].clone(),
                opening: opened.unwrap_or_default(),
                publishing: took - published.unwrap_or(took),
            }),
            _ => Err(std::fs::read_to_string(&self.err).unwrap()),
        }
    }
}

/// By person and path: a document as it is listed.
pub type Rows = BTreeMap<(&'static str, String), String>;

/// What everybody is told.
pub struct Answers {
    pub rows: Rows,
    /// Sources, searches and documents, in the order in which they were asked for.
    pub rest: Vec<String>,
}

impl<'a> Twin<'a> {
    /// A folder with the people, and a token for each of them.
    pub fn new(machine: &'a Machine, name: &str) -> Self {
        machine.write("directory.toml", DIRECTORY);
        std::fs::create_dir_all(machine.path("tmp")).unwrap();
        let mut twin = Self { machine, name: name.to_owned(), tokens: Vec::new() };
        assert!(twin.command(&["users", "import", "directory.toml"]).status().unwrap().success());
        for person in PEOPLE {
            let made = twin.command(&["tokens", "create", person]).stdout(Stdio::piped()).output().unwrap();
            let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
            assert!(token.starts_with("kwt_"), "{person} has no token");
            twin.tokens.push((person, token));
        }
        twin
    }

    pub fn data(&self) -> PathBuf {
        self.machine.path(&self.name)
    }

    /// The same at this moment, keys and all, under another name.
    pub fn copy(&self, name: &str) -> Self {
        copy(&self.data(), &self.machine.path(name));
        Self { machine: self.machine, name: name.to_owned(), tokens: self.tokens.clone() }
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        size(&self.data())
    }

    pub fn remove(self) {
        std::fs::remove_dir_all(self.data()).unwrap();
    }

    /// The program over this folder, in a process group of its own, so that its workers are known.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.machine.command(&[&["--data-dir", &self.name], args].concat());
        command.env("TMPDIR", self.machine.path("tmp")).process_group(0);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Starts a run.
    pub fn start(&self) -> Going {
        let (out, err) = (self.machine.path("run.out"), self.machine.path("run.err"));
        let mut command = self.command(&["ingest", "documents", "--json"]);
        command.stdout(std::fs::File::create(&out).unwrap()).stderr(std::fs::File::create(&err).unwrap());
        let texts = self.data().join("text");
        let texts_before = self::texts(&texts);
        Going { child: command.spawn().unwrap(), out, err, texts, texts_before, begun: Instant::now() }
    }

    /// A run to its end.
    pub fn ingest(&self) -> Run {
        self.start().end().unwrap_or_else(|words| panic!("{}: {words}", self.name))
    }

    pub fn serve(&self) -> Served {
        let mut command = self.command(&["serve", "--http", "127.0.0.1:0"]);
        Served::start(&mut command, self.machine.path("serve.out"), self.machine.path("serve.log"))
    }

    /// What `doctor` says of the catalog; it has nothing to complain about that a kill may leave.
    #[track_caller]
    pub fn healthy(&self) -> String {
        let ran = self.command(&["doctor", "--json"]).stdout(Stdio::piped()).output().unwrap();
        let checks: Value = serde_json::from_slice(&ran.stdout).unwrap();
        let detail = |name: &str| {
            let found = checks.as_array().unwrap().iter().find(|check| check["check"] == name);
            found.map(|check| check["detail"].as_str().unwrap().to_owned())
        };
        // A run that goes on later, and what the source itself has wrong, is told; nothing else is.
        let wrong: Vec<&Value> =
            checks.as_array().unwrap().iter().filter(|check| check["state"] != "ok").collect();
        let of_the_source = |check: &Value| {
            check["state"] == "warning"
                && ["runs", "documents", "hidden"].contains(&check["check"].as_str().unwrap())
        };
        assert!(wrong.iter().all(|check| of_the_source(check)), "{}: {checks:#}", self.name);
        assert_eq!(
            ran.status.code(),
            Some(if wrong.is_empty() { 0 } else { 3 }),
            "{}: {checks:#}",
            self.name
        );
        assert!(detail("audit").unwrap().ends_with("the chain holds"), "{checks:#}");
        assert_eq!(detail("publication"), None, "{checks:#}");
        detail("catalog").unwrap()
    }

    /// What lies in the folder beside what must: texts are counted, engines hold what they name.
    pub fn lies_there(&self) -> (usize, Vec<String>) {
        let data = self.data();
        let mut stray = Vec::new();
        for name in names(&data) {
            let known = ["VERSION", "audit", "catalog.sqlite", "keys", "lexical", "lock", "text", "vectors"];
            if !known.contains(&name.as_str()) {
                stray.push(name);
            }
        }
        let meta = std::fs::read_to_string(data.join("lexical/meta.json")).unwrap().replace('-', "");
        let manifest = std::fs::read_to_string(data.join("vectors/manifest")).unwrap();
        for name in names(&data.join("lexical")) {
            let segment = name.split_once('.').map_or("", |(id, _)| id);
            if segment.len() == 32 && !meta.contains(segment) {
                stray.push(format!("lexical/{name}"));
            }
        }
        for name in names(&data.join("vectors")) {
            let number = name.split_once('.').map_or("", |(number, _)| number.trim_start_matches('0'));
            if name != "manifest" && !manifest.contains(&format!("\"number\":{number},")) {
                stray.push(format!("vectors/{name}"));
            }
        }
        stray.extend(names(&data.join("audit")).into_iter().filter(|name| {
            // A line that a kill cut off is kept aside.
            name != "log.jsonl" && !name.starts_with("torn-")
        }));
        stray.extend(names(&self.machine.path("tmp")));
        (texts(&data.join("text")), stray)
    }

    /// Asks everybody everything, of this server.
    pub fn answers(&self, served: &Served) -> Answers {
        blocking(async {
            let mut clients = Vec::new();
            for (person, token) in &self.tokens {
                clients.push((*person, served.client(token, newest()).await));
            }
            let mut answers = Answers { rows: BTreeMap::new(), rest: Vec::new() };
            let mut ids = BTreeMap::new();
            for (person, client) in &clients {
                ids.extend(list(person, client, &mut answers.rows).await);
            }
            // A few, the same whoever asks: some are hidden from some.
            let every = (ids.len() / 6).max(1);
            let chosen: Vec<&String> = ids.values().step_by(every).collect();
            for (_, client) in &clients {
                answers.rest.push(told(client, "list_sources", json!({})).await);
                for (query, mode) in QUERIES {
                    let asked = json!({ "query": query, "mode": mode, "limit": 40 });
                    answers.rest.push(told(client, "search", asked).await);
                }
                for id in &chosen {
                    answers.rest.push(told(client, "fetch", json!({ "id": id })).await);
                }
            }
            for (_, client) in clients {
                client.cancel().await.unwrap();
            }
            answers
        })
    }

    /// Lists alone.
    pub fn rows(&self, served: &Served) -> Rows {
        blocking(async {
            let mut rows = BTreeMap::new();
            for (person, token) in &self.tokens {
                let client = served.client(token, newest()).await;
                list(person, &client, &mut rows).await;
                client.cancel().await.unwrap();
            }
            rows
        })
    }
}

fn blocking<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// All pages of a person's list; gives the ids by path.
async fn list(person: &'static str, client: &Client, rows: &mut Rows) -> BTreeMap<String, String> {
    let mut ids = BTreeMap::new();
    let mut asked = json!({});
    loop {
        let page = answer(client, "list_documents", asked).await;
        for row in page["documents"].as_array().unwrap() {
            let path = row["path"].as_str().unwrap().to_owned();
            let twice = rows.insert((person, path.clone()), plain(row));
            assert_eq!(twice, None, "{path} is listed twice for {person}");
            ids.insert(path, row["id"].as_str().unwrap().to_owned());
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => asked = json!({ "cursor": cursor }),
            None => return ids,
        }
    }
}

async fn told(client: &Client, tool: &'static str, arguments: Value) -> String {
    let (failed, value) = call(client, tool, arguments.clone()).await;
    format!("{tool} {arguments}: {failed} {}", plain(&value))
}

/// An answer without what differs from one answer to the same question to the next: seals, ids of
/// requests, the boundary, and the times of runs.
fn plain(answer: &Value) -> String {
    let mut answer = answer.clone();
    strip(&mut answer);
    let text = answer.to_string();
    match text.split_once("=== ").and_then(|(_, rest)| rest.split_once(" BEGIN ===")) {
        Some((boundary, _)) => text.replace(boundary, "…").replace(&format!("{}|", &boundary[..2]), "…|"),
        None => text,
    }
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                match name.as_str() {
                    "receipt" | "request_id" | "ingested" | "fresh" => *value = Value::Null,
                    "next_cursor" => *value = Value::Bool(value.is_string()),
                    _ => strip(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// How many texts are stored. Folders may come and texts may go while they are counted.
fn texts(folder: &Path) -> usize {
    let files = |folder: &Path| std::fs::read_dir(folder).map_or(0, Iterator::count);
    let Ok(folders) = std::fs::read_dir(folder) else { return 0 };
    folders.flatten().map(|entry| files(&entry.path())).sum()
}

fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| match entry.metadata().unwrap() {
            found if found.is_dir() => size(&entry.path()),
            found => found.len(),
        })
        .sum()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    std::fs::set_permissions(to, std::fs::metadata(from).unwrap().permissions()).unwrap();
    for name in names(from) {
        if from.join(&name).is_dir() {
            copy(&from.join(&name), &to.join(&name));
        } else {
            std::fs::copy(from.join(&name), to.join(&name)).unwrap();
        }
    }
}

/// Waits until nobody of a process group lives: the workers of a program that was killed end by
/// themselves, because nobody feeds them any more.
pub fn nobody_left(group: u32) {
    if !cfg!(target_os = "linux") {
        return;
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while lives(group) {
        assert!(Instant::now() < deadline, "processes of group {group} are left");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn lives(group: u32) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // Behind the name, which is in brackets: state, parent, group.
        let mut fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ');
        let state = fields.next();
        let dead = matches!(state, None | Some("Z" | "X"));
        !dead && fields.nth(1).is_some_and(|of| of.parse() == Ok(group))
    })
}
