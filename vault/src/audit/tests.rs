//! The log on real files: durable, chained, and honest about what it could not write.

use super::chain::{FILE, Tip, append};
use super::{AuditLog, Record, verify};
use crate::error::VaultError;
use crate::seams::{Clock, SteadyClock};
use kenward_access::ids::{TenantId, Timestamp};
use std::fs;
use std::path::Path;
use std::sync::Arc;

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp(1_000)
    }
}

fn tenant() -> TenantId {
    TenantId::new("harbor").unwrap()
}

fn open(dir: &Path) -> Result<AuditLog, VaultError> {
    AuditLog::open(dir, &tenant(), Arc::new(SteadyClock::new(Arc::new(Fixed))))
}

fn run(n: u64) -> Record {
    Record::Run { source: "handbook".into(), state: "began".into(), counts: serde_json::json!({ "n": n }) }
}

fn lines(dir: &Path) -> Vec<String> {
    fs::read_to_string(dir.join(FILE)).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn many_threads_make_one_chain_that_verifies_and_goes_on_after_opening() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).unwrap();
    std::thread::scope(|scope| {
        for t in 0..8 {
            let log = &log;
            scope.spawn(move || {
                for n in 0..50 {
                    log.write(&run(t * 100 + n)).unwrap();
                    log.note(&Record::HandedOver { answer: format!("a{n}") });
                }
            });
        }
    });
    drop(log);
    assert_eq!(verify(dir.path(), &tenant()).unwrap().records, 800);
    let log = open(dir.path()).unwrap();
    log.write(&run(0)).unwrap();
    assert_eq!(log.count(), 801);
    assert_eq!(verify(dir.path(), &tenant()).unwrap().records, 801);
    assert!(verify(dir.path(), &TenantId::new("other").unwrap()).is_err());
}

#[test]
fn flipped_dropped_and_swapped_lines_are_found_and_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).unwrap();
    for n in 0..5 {
        log.write(&run(n)).unwrap();
    }
    drop(log);
    let good = lines(dir.path());
    let mut flipped = good.clone();
    flipped[2] = flipped[2].replace("handbook", "hendbook");
    let mut dropped = good.clone();
    dropped.remove(1);
    let mut swapped = good.clone();
    swapped.swap(1, 2);
    for bad in [flipped, dropped, swapped] {
        fs::write(dir.path().join(FILE), bad.join("\n") + "\n").unwrap();
        assert!(verify(dir.path(), &tenant()).is_err());
        let Err(error) = open(dir.path()) else { panic!("a broken chain was opened") };
        assert!(error.to_string().contains("move the `audit` folder aside"), "{error}");
    }
}

#[test]
fn a_line_that_was_made_anew_is_found_by_the_lines_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).unwrap();
    for n in 0..4 {
        log.write(&run(n)).unwrap();
    }
    drop(log);
    let mut lines = lines(dir.path());
    let field = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!("\"{name}\":\"")).unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    // The second record is another one, with a hash that is right for it; the third names that hash.
    let before = data_encoding::HEXLOWER.decode(field(&lines[1], "prev").as_bytes()).unwrap();
    let mut tip = Tip { seq: 1, hash: before.try_into().unwrap(), length: 0 };
    let mut made = Vec::new();
    append(&mut tip, br#"{"kind":"handed_over","answer":"a"}"#, &mut made);
    let old = field(&lines[1], "hash");
    lines[1] = String::from_utf8(made).unwrap().trim_end().to_owned();
    lines[2] = lines[2].replace(&old, &data_encoding::HEXLOWER.encode(&tip.hash));
    fs::write(dir.path().join(FILE), lines.join("\n") + "\n").unwrap();
    let error = verify(dir.path(), &tenant()).unwrap_err();
    assert!(error.to_string().contains("at record 3"), "{error}");
    assert!(open(dir.path()).is_err());
}

#[test]
fn a_torn_last_line_is_moved_aside_and_noted() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).unwrap();
    log.write(&run(1)).unwrap();
    log.write(&run(2)).unwrap();
    drop(log);
    let path = dir.path().join(FILE);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 7]).unwrap();
    assert!(verify(dir.path(), &tenant()).is_err(), "a torn line is told as long as it is there");
    drop(open(dir.path()).unwrap());
    let after = lines(dir.path());
    assert_eq!(after.len(), 2);
    assert!(after[1].contains("torn_line"));
    assert!(dir.path().join("torn-2.jsonl").exists());
    assert_eq!(verify(dir.path(), &tenant()).unwrap().records, 2);
}

#[test]
#[ignore = "run by `what_cannot_be_written_is_refused_and_leaves_no_trace`"]
fn within_a_small_file_limit() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).unwrap();
    log.write(&run(1)).unwrap();
    let large =
        Record::Run { source: "x".repeat(100_000), state: String::new(), counts: serde_json::Value::Null };
    assert!(matches!(log.write(&large), Err(VaultError::Audit(_))));
    log.note(&large);
    log.write(&run(2)).unwrap();
    drop(log);
    assert_eq!(verify(dir.path(), &tenant()).unwrap().records, 2);
    println!("the limit was met");
}

#[test]
fn what_cannot_be_written_is_refused_and_leaves_no_trace() {
    crate::tests::with_small_files(16, "audit::tests::within_a_small_file_limit");
}
