//! Which question it answers: how many questions a second does the server answer over HTTP, how long do they take, and how
//! much memory does it hold, at 1 to 256 connections, audit on, in quiet and while documents come in, beside what the
//! protocol alone takes?
//!
//! `cargo bench --workspace --bench load`; writes `target/bench/load.json` and `.svg`. It builds and runs the program itself
//! (or runs `KENWARD_PROGRAM`), over a new folder of generated pages (`KENWARD_CHUNKS` passages, 100,000), and sends with
//! `wrk` (`KENWARD_WRK`, or the one in `PATH`) for `KENWARD_SECONDS` (10) a cell. The peer is this program again: a bare
//! server of the same protocol's library with one tool.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "a bench: it stops loudly and prints what it measured"
)]

mod support;
mod load {
    pub mod company;
    pub mod echo;
    pub mod tell;
    pub mod wrk;
}

use load::company::{Company, Served};
use load::wrk::{self, Call, Counted};
use load::{echo, tell};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::process;

const CONNECTIONS: &[usize] = &[1, 16, 64, 256];

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    Ours,
    /// While a folder changes and is read in.
    OursDuringIngest,
    /// With a text as long as our answers.
    Echo,
    /// With a text of some bytes.
    ShortEcho,
}

impl Server {
    pub const ALL: [Self; 4] = [Self::Ours, Self::OursDuringIngest, Self::Echo, Self::ShortEcho];

    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "kenward",
            Self::OursDuringIngest => "kenward, during an ingest",
            Self::Echo => "rmcp echo, as long an answer",
            Self::ShortEcho => "rmcp echo, 2 bytes",
        }
    }
}

/// One measurement.
pub struct Cell {
    pub server: Server,
    pub tool: &'static str,
    pub connections: usize,
    pub counted: Counted,
    /// CPU seconds of the server and of the generator (that of a run's readers is with the latter).
    pub server_cpu: f64,
    pub other_cpu: f64,
    /// Peak of the server's resident memory in this cell, and what of it is no mapped file at the end, in MiB.
    pub memory: f64,
    pub own: f64,
    /// Records that the audit log has more than before.
    pub records: u64,
    /// Runs that came to their end and documents they put, from before this cell to behind its neighbour.
    pub ingested: Option<(usize, u64)>,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(echo::ARGUMENT) {
        return echo::serve(arguments);
    }
    let Some(wrk) = wrk::find() else {
        eprintln!(
            "no `wrk`: nothing is measured (Debian and Ubuntu: `apt-get install wrk`; or name the program in KENWARD_WRK)"
        );
        return;
    };
    let program = built();
    let number = |name: &str, or: usize| std::env::var(name).map_or(or, |n| n.parse().unwrap());
    let (chunks, seconds) = (number("KENWARD_CHUNKS", 100_000), number("KENWARD_SECONDS", 10) as u64);
    let company = Company::new(&program, chunks);
    println!(
        "{} passages of {} pages came in within {:.1} s; {seconds} s a cell",
        company.chunks,
        company.files(),
        company.ingest_seconds
    );
    let ours = company.serve();
    let searches = company.searches();
    let fetches = company.fetches(&ours, &searches);
    let scripts = [("search", &searches), ("fetch", &fetches)].map(|(tool, calls)| {
        let file = company.path(&format!("{tool}.lua"));
        wrk::script(&file, calls);
        // Files are read and views are made once before anything is measured.
        let warm = wrk::run(&wrk, &file, &ours.url, 16, 2);
        println!("{tool}: {:.0} bytes an answer", warm.bytes);
        (tool, file, warm.bytes)
    });
    let echo = Peer::start(&company, &scripts.each_ref().map(|(_, _, bytes)| *bytes));
    let mut cells = Vec::new();
    for connections in CONNECTIONS {
        let bench = Bench { wrk: &wrk, company: &company, connections: *connections, seconds };
        for ((tool, script, _), long) in scripts.iter().zip(&echo.long) {
            cells.push(bench.cell(Server::ShortEcho, tool, &echo.served, &echo.short));
            cells.push(bench.cell(Server::Echo, tool, &echo.served, long));
            cells.push(bench.cell(Server::Ours, tool, &ours, script));
        }
        let changing = company.keep_changing();
        let from = cells.len();
        for (tool, script, _) in &scripts {
            cells.push(bench.cell(Server::OursDuringIngest, tool, &ours, script));
        }
        let ingested = changing.stop();
        for cell in &mut cells[from..] {
            cell.ingested = Some(ingested);
        }
        println!("  meanwhile {} runs put {} documents", ingested.0, ingested.1);
    }
    tell::tell(&company, seconds, &cells);
    let (errors, answers) = cells.iter().fold((0, 0), |(errors, answers), cell| {
        (errors + cell.counted.errors, answers + cell.counted.answers)
    });
    println!("{answers} answers, {errors} errors");
    assert_eq!(errors, 0, "errors");
}

/// The program as it is released: cargo builds it for this bench with the faults that tests turn on.
fn built() -> PathBuf {
    if std::env::var_os("KENWARD_PROGRAM").is_none() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--release", "--bin", "kenward"]).current_dir(support::repository());
        assert!(build.stdin(Stdio::null()).status().unwrap().success(), "the program could not be built");
    }
    process::program()
}

/// The peer, and its scripts.
struct Peer {
    served: Served,
    short: PathBuf,
    /// As long as an answer of each tool.
    long: Vec<PathBuf>,
}

impl Peer {
    fn start(company: &Company, bytes: &[f64]) -> Self {
        let words = support::corpus::vocabulary(&[]);
        let words: String = support::corpus::generated(2_000, 0, &words).map(|chunk| chunk.body).collect();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(echo::ARGUMENT);
        let lengths: Vec<usize> = std::iter::once(2).chain(bytes.iter().map(|n| *n as usize)).collect();
        let mut scripts = Vec::new();
        for (at, length) in lengths.iter().enumerate() {
            let text = company.path(&format!("echo-{at}.txt"));
            std::fs::write(&text, &words[..*length]).unwrap();
            command.arg(text);
            let script = company.path(&format!("echo-{at}.lua"));
            let call = Call { token: None, tool: "echo", arguments: json!({ "text": at }) };
            wrk::script(&script, &[call]);
            scripts.push(script);
        }
        let served = Served::start(&mut command, &company.path("echo"));
        Self { served, short: scripts[0].clone(), long: scripts[1..].to_vec() }
    }
}

struct Bench<'a> {
    wrk: &'a Path,
    company: &'a Company,
    connections: usize,
    seconds: u64,
}

impl Bench<'_> {
    fn cell(&self, server: Server, tool: &'static str, served: &Served, script: &Path) -> Cell {
        let pid = served.pid();
        process::forget_peak(pid);
        let (cpu, other, records) =
            (process::seconds(pid), process::children_seconds(), self.company.records());
        let counted = wrk::run(self.wrk, script, &served.url, self.connections, self.seconds);
        let cell = Cell {
            server,
            tool,
            connections: self.connections,
            counted,
            server_cpu: process::seconds(pid) - cpu,
            other_cpu: process::children_seconds() - other,
            memory: process::memory(pid, "VmHWM:"),
            own: process::memory(pid, "RssAnon:"),
            records: self.company.records() - records,
            ingested: None,
        };
        println!("{}", tell::line(&cell));
        if matches!(server, Server::Ours | Server::OursDuringIngest) {
            // INVARIANT of the product that the figures rest on: no answer without a durable record.
            assert!(cell.records >= counted.answers, "{} records, {} answers", cell.records, counted.answers);
        }
        cell
    }
}
