//! A full disk, for real: a small tmpfs. Skipped, with a word, where mounting is not allowed.

use super::*;
use std::process::Command;

struct Mount(tempfile::TempDir);

impl Mount {
    fn small() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=6m,mode=700", "tmpfs"])
            .arg(dir.path())
            .output();
        if done.is_ok_and(|d| d.status.success()) {
            return Some(Self(dir));
        }
        eprintln!("skipped: a tmpfs cannot be mounted here");
        None
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

/// Text that does not compress.
fn noise(seed: u32, bytes: usize) -> String {
    let mut out = String::new();
    let mut hash = blake3::hash(&seed.to_le_bytes());
    while out.len() < bytes {
        out.push_str(hash.to_hex().as_str());
        out.push(if out.len() % 640 < 64 { '\n' } else { ' ' });
        hash = blake3::hash(hash.as_bytes());
    }
    out.push('\n');
    out
}

#[test]
fn a_full_disk_stops_the_run_cleanly_and_the_next_goes_on() {
    let Some(mount) = Mount::small() else { return };
    let data = mount.0.path().join("data");
    let vault = open(&data);
    people(&vault, &["dana"]);
    let mut run = open_run(&vault);
    let mut put = Vec::new();
    let mut full = None;
    for n in 0..200u32 {
        let path = format!("{n}.txt");
        match run.put(document(&path, ".", &noise(n, 60_000))) {
            Ok(()) => put.push(path),
            Err(error) => {
                full = Some(error);
                break;
            }
        }
        if n % 5 == 4
            && let Err(error) = run.publish()
        {
            full = Some(error);
            break;
        }
    }
    let full = full.expect("6 MB hold no 12");
    assert!(matches!(full, VaultError::DiskFull { .. }), "{full:?}");
    assert!(full.to_string().contains("free some space"));
    assert!(!put.is_empty());
    // Still full: it says so again, and loses nothing. What was published is still read.
    let again = run.publish().and_then(|()| run.put(document("x.txt", ".", &noise(999, 900_000))));
    assert!(matches!(again, Err(VaultError::DiskFull { .. })), "{again:?}");
    drop(run);
    let grow = Command::new("mount").args(["-o", "remount,size=64m"]).arg(mount.0.path()).status();
    assert!(grow.unwrap().success());
    // The same process goes on, without being started again.
    let mut run = open_run(&vault);
    for path in &put {
        assert!(run.known(path).is_some(), "{path} was put");
        run.unchanged(path, ".", Timestamp(5)).unwrap();
    }
    run.put(document("last.txt", ".", "and room again\n")).unwrap();
    let summary = run.finish().unwrap();
    assert_eq!((summary.added, summary.removed), (1, 0));
    put.push("last.txt".into());
    assert_eq!(sees(&vault, "dana"), put.iter().cloned().collect());
    drop(vault);
    let vault = open(&data);
    for (n, path) in put.iter().enumerate().take(put.len() - 1) {
        let n = u32::try_from(n).unwrap();
        assert_eq!(text_of(&vault.core, path).unwrap(), noise(n, 60_000));
        let word = blake3::hash(&n.to_le_bytes()).to_hex();
        assert_eq!(finds(&vault, word.as_str()), paths(&[path]), "{path}");
    }
    assert_eq!(vault.stats().unwrap().outbox_waiting, 0);
}

#[test]
fn a_full_disk_stops_an_embedding_anew_and_the_next_goes_on() {
    let Some(mount) = Mount::small() else { return };
    let vault = open(&mount.0.path().join("data"));
    let mut run = open_run(&vault);
    for n in 0..40 {
        let text: String = (0..20).map(|line| format!("line {line} of {n}\n")).collect();
        run.put(document(&format!("{n}.txt"), ".", &text)).unwrap();
    }
    run.finish().unwrap();
    // 800 vectors of 8 KiB do not fit.
    let ballast = mount.0.path().join("ballast");
    std::fs::write(&ballast, vec![0u8; 1 << 20]).unwrap();
    let other: Arc<dyn Embedder> = hashing(2_048);
    let anew = || vault.embed_anew(&by(), &other, &|| false, &|_| ());
    for _ in 0..2 {
        let error = anew().unwrap_err();
        assert!(matches!(error, VaultError::DiskFull { .. }), "{error}");
        assert_eq!(vault.embedder().unwrap().space().dimension, 32);
        assert!(!finds(&vault, "line").is_empty());
    }
    let smaller: Arc<dyn Embedder> = hashing(64);
    std::fs::remove_file(&ballast).unwrap();
    vault.embed_anew(&by(), &smaller, &|| false, &|_| ()).unwrap();
    assert_eq!(vault.embedder().unwrap().space().dimension, 64);
}

#[test]
fn what_is_put_together_onto_a_full_disk_leaves_nothing() {
    let Some(mount) = Mount::small() else { return };
    let data = mount.0.path().join("data");
    let vault = open(&data);
    people(&vault, &["dana"]);
    let mut run = open_run(&vault);
    let many: Vec<_> = (0..60).map(|n| document(&format!("{n}.txt"), ".", &noise(n, 150_000))).collect();
    assert!(matches!(run.put_all(&many), Err(VaultError::DiskFull { .. })));
    assert_eq!(vault.stats().unwrap().documents, 0);
    let folders = std::fs::read_dir(data.join("text")).unwrap();
    let texts = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    assert_eq!(texts.count(), 0, "no text is left over");
    run.put_all(many.get(..3).unwrap()).unwrap();
    run.finish().unwrap();
    assert_eq!(sees(&vault, "dana").len(), 3);
}

#[test]
fn opened_on_a_full_disk_it_says_so() {
    let Some(mount) = Mount::small() else { return };
    let data = mount.0.path().join("data");
    let filled = || {
        let mut run = open_run(&open(&data));
        run.put(document("a.txt", ".", "harbor\n")).unwrap();
        run.finish().unwrap();
    };
    filled();
    let ballast = mount.0.path().join("ballast");
    let mut full = 0;
    for free in [0, 8, 16, 24, 32, 48, 64, 96] {
        let _ = std::fs::write(&ballast, vec![0; 6 << 20]);
        let length = std::fs::metadata(&ballast).unwrap().len();
        std::fs::File::options().write(true).open(&ballast).unwrap().set_len(length - (free << 10)).unwrap();
        match Vault::open(options(&data, Some(hashing(32)))) {
            Ok(_) => {}
            Err(VaultError::DiskFull { .. }) => full += 1,
            Err(other) => panic!("with {free} KiB: {other:?}"),
        }
        std::fs::remove_file(&ballast).unwrap();
        // Nothing is lost by it.
        filled();
    }
    assert!(full > 1, "a full disk stops it");
}
