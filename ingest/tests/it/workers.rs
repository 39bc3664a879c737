//! Worker processes that misbehave, and real ones at their limits. A hostile worker is a shell: what
//! it does is what a parser under foreign control could do.

use crate::world::{World, worker};
use kenward_ingest::formats::{Block, FailReason, Format};
use kenward_ingest::worker::{Limits, Worker, WorkerCommand, WorkerError};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn shell(script: &str) -> WorkerCommand {
    WorkerCommand { program: "/bin/sh".into(), args: vec!["-c".into(), script.into()] }
}

fn quick() -> Limits {
    Limits { wall_seconds: 1, ..Limits::default() }
}

fn read(worker: &mut Worker, format: Format, bytes: &[u8]) -> Result<usize, FailReason> {
    let mut blocks = 0;
    let result = worker.extract(format, &Arc::new(bytes.to_vec()), &mut |_: Block| blocks += 1);
    match result {
        Ok(_) => Ok(blocks),
        Err(WorkerError::Document(reason)) => Err(reason),
        Err(WorkerError::Start(error)) => panic!("{error}"),
    }
}

#[test]
fn a_worker_that_misbehaves_fails_its_document_with_the_reason() {
    for (script, reason) in [
        ("while :; do :; done", FailReason::Timeout),
        ("sleep 100", FailReason::Timeout),
        // It closes its pipes and lives on.
        ("exec >&- 2>&- <&-; sleep 100", FailReason::CrashedParser),
        ("kill -SEGV $$", FailReason::CrashedParser),
        ("kill -ABRT $$", FailReason::CrashedParser),
        ("kill -XCPU $$", FailReason::Timeout),
        ("echo 'memory allocation of 99 bytes failed' >&2; kill -ABRT $$", FailReason::OutOfMemory),
        ("exit 0", FailReason::CrashedParser),
        ("exit 1", FailReason::CrashedParser),
        // A frame of four gigabytes; one that is no JSON; one cut short; one of the wrong shape.
        ("printf '\\377\\377\\377\\377xxxx'", FailReason::CrashedParser),
        ("printf '\\002\\000\\000\\000xx'; sleep 100", FailReason::CrashedParser),
        ("printf '\\011\\000\\000\\000{'", FailReason::CrashedParser),
        ("printf '\\016\\000\\000\\000{\"failed\":\"hm\"}'; sleep 100", FailReason::CrashedParser),
    ] {
        let begun = Instant::now();
        let got = read(&mut Worker::new(shell(script), quick()), Format::Text, b"some text");
        assert_eq!(got, Err(reason), "{script}");
        assert!(begun.elapsed() < Duration::from_secs(8), "{script} took {:?}", begun.elapsed());
    }
}

#[test]
fn output_without_end_is_cut_off() {
    // `{"blocks":[]}` again and again.
    let script = "while printf '\\015\\000\\000\\000{\"blocks\":[]}'; do :; done";
    let limits = Limits { output_bytes: 100_000, wall_seconds: 60, ..Limits::default() };
    assert_eq!(
        read(&mut Worker::new(shell(script), limits), Format::Text, b"x"),
        Err(FailReason::TooMuchText)
    );
}

#[test]
fn a_worker_that_never_reads_does_not_block_its_parent() {
    let large = vec![b'a'; 8 << 20];
    let got = read(&mut Worker::new(shell("sleep 100"), quick()), Format::Text, &large);
    assert_eq!(got, Err(FailReason::Timeout));
}

#[test]
fn after_a_failure_a_fresh_worker_reads_the_next_document() {
    let mut worker = Worker::new(worker(), Limits::default());
    assert_eq!(read(&mut worker, Format::Markdown, b"# One\n\ntext"), Ok(2));
    assert_eq!(read(&mut worker, Format::Pdf, b"%PDF-1.7 nonsense"), Err(FailReason::Broken));
    assert_eq!(read(&mut worker, Format::Text, b"text\n\nmore"), Ok(2));
}

#[test]
fn a_deflate_bomb_ends_at_the_memory_limit() {
    let bomb = include_bytes!("../fixtures/deflate-bomb.pdf");
    let limits = Limits { memory_bytes: 400 << 20, ..Limits::default() };
    let mut worker = Worker::new(worker(), limits);
    assert_eq!(read(&mut worker, Format::Pdf, bomb), Err(FailReason::OutOfMemory));
    assert_eq!(read(&mut worker, Format::Text, b"alive"), Ok(1));
}

#[test]
fn cpu_time_ends_at_its_limit_too() {
    let bomb = include_bytes!("../fixtures/deflate-bomb.pdf");
    let limits = Limits { cpu_seconds: 1, memory_bytes: 16 << 30, ..Limits::default() };
    let begun = Instant::now();
    assert_eq!(read(&mut Worker::new(worker(), limits), Format::Pdf, bomb), Err(FailReason::Timeout));
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_missing_program_is_no_fault_of_the_document() {
    let nowhere = WorkerCommand { program: "/nonexistent/kenward".into(), args: Vec::new() };
    let error =
        Worker::new(nowhere, quick()).extract(Format::Text, &Arc::new(b"x".to_vec()), &mut |_: Block| {});
    assert!(matches!(error, Err(WorkerError::Start(_))));
}

#[test]
fn a_worker_inherits_no_environment_and_can_open_nothing() {
    // The real worker, asked from outside while it waits for its next document.
    let mut real = Worker::new(worker(), Limits::default());
    assert_eq!(read(&mut real, Format::Text, b"x"), Ok(1));
    let id = real.process_id().unwrap();
    let of = |file: &str| std::fs::read_to_string(format!("/proc/{id}/{file}")).unwrap();
    let environment = of("environ");
    assert!(environment.starts_with("KENWARD_WORKER_LIMITS=") && environment.matches('=').count() == 1);
    let limits = of("limits");
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(limit("Max open files"), "3");
    assert_eq!(limit("Max file size"), "0");
    assert_eq!(limit("Max core file size"), "0");
    assert_eq!(limit("Max cpu time"), "60");
    assert_eq!(limit("Max address space"), (2_u64 << 30).to_string());
}

/// What a document may use does not depend on what its worker read before it: one that dies over its second document
/// was not killed by that document alone.
#[test]
fn a_document_that_fails_in_a_used_worker_is_read_in_a_fresh_one() {
    let frame = |json: &str| {
        let length = json.len();
        format!("printf '\\{:03o}\\{:03o}\\000\\000%s' '{json}'", length % 256, length / 256)
    };
    let blocks = frame("{\"blocks\":[{\"kind\":\"paragraph\",\"text\":\"words\"}]}");
    let done = frame("{\"done\":{\"title\":null,\"modified\":null,\"signals\":[]}}");
    // It answers its first request, and has used up its time over the second.
    let script = format!("head -c 40 >/dev/null; {blocks}; {done}; head -c 1 >/dev/null; kill -XCPU $$");
    let mut world = World::with(None, &["everyone"]);
    world.options.worker = shell(&script);
    for name in ["a.md", "b.md", "c.md", "d.md", "e.md", "f.md"] {
        world.write(name, format!("words of {name}"));
    }
    let report = world.ingest().unwrap();
    assert_eq!((report.summary.added, report.summary.failed), (6, 0), "{:?}", report.failures);
}
