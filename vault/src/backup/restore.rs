//! The way back from a backup. Everything is put together in a folder beside the wanted one, checked, opened, narrowed
//! by the rights ledger, closed, and renamed: a restore that is cut off leaves nothing under the wanted name. It must
//! never put back a right that was taken away since, as far as anybody can tell.

use super::manifest::{FileEntry, Manifest, tampered};
use super::seal::In;
use super::{AUDIT, CATALOG, Hidden, TEXTS, VECTORS};
use crate::audit;
use crate::error::VaultError;
use crate::folder::{self, private_dir, set_version_to};
use crate::keys::KeyMaterial;
use crate::ledger::{self, After, Since};
use crate::text::TextStore;
use crate::vault::{OpenOptions, Operator, Vault};
use kenward_access::ids::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, BufReader, ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Marks a folder as one that a restore did not come to the end of.
pub(crate) const UNFINISHED: &str = "unfinished-kenward-restore";

/// What is restored, and where to.
pub struct Restore {
    /// The backup.
    pub backup: PathBuf,
    /// Its keys.
    pub keys: KeyMaterial,
    /// What tells which rights narrowed since.
    pub ledger: LedgerGiven,
    /// How the restored folder is opened; `data_dir` is the wanted folder, which must be missing or empty.
    pub open: OpenOptions,
    /// By whom, for the record.
    pub by: Operator,
}

/// What tells which rights narrowed since the backup.
pub enum LedgerGiven {
    /// The newest copy of the rights ledger.
    File(PathBuf),
    /// Nothing: everything is hidden until its source is ingested anew, and nobody is let in before an operator says so.
    Nothing,
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The folder.
    pub folder: PathBuf,
    /// As of when.
    pub made: Timestamp,
    /// What the backup held.
    pub counts: super::Counts,
    /// Entries of the ledger since the backup; `None` = there was no ledger.
    pub ledger_entries: Option<u64>,
    /// What was narrowed.
    pub narrowed: Hidden,
}

/// Restores a backup into a folder that is missing or empty.
///
/// # Errors
/// [`VaultError`]; nothing is then under the wanted name.
pub fn restore(restore: Restore) -> Result<Restored, VaultError> {
    let to = restore.open.data_dir.clone();
    free(&to)?;
    let manifest = Manifest::read(&restore.backup, &restore.keys)?;
    let tenant = restore.open.tenant.as_str();
    if manifest.tenant != tenant || restore.keys.tenant().is_some_and(|theirs| theirs != tenant) {
        return Err(VaultError::mismatch(
            format!("the backup belongs to the tenant `{}`", manifest.tenant),
            "restore it with the configuration of that tenant",
        ));
    }
    sizes(&restore.backup, &manifest)?;
    // Before anything is put beside it.
    apart(manifest.sources.iter().map(|(name, root)| (name.as_str(), root.as_str())), &to)?;
    let since = since(&restore, &manifest)?;
    let beside = staging(&to)?;
    let restored = fill(restore, &manifest, since, &beside, &to);
    if restored.is_err() {
        let _ = fs::remove_dir_all(&beside);
    }
    restored
}

/// Refuses a folder that somebody uses, or that holds something.
fn free(to: &Path) -> Result<(), VaultError> {
    let shown = to.display();
    let hint = "give a folder that is not there yet: nothing is ever restored over something";
    if let Ok(lock) = File::open(to.join("lock"))
        && matches!(lock.try_lock(), Err(fs::TryLockError::WouldBlock))
    {
        return Err(VaultError::name(format!("a process owns the data in `{shown}`"), hint));
    }
    match fs::read_dir(to).map(|mut entries| entries.next().is_some()) {
        Ok(false) => Ok(()),
        Ok(true) => Err(VaultError::name(format!("`{shown}` is not empty"), hint)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            Err(VaultError::name(format!("`{shown}` is not a folder"), hint))
        }
        Err(error) => Err(VaultError::io("reading", to)(error)),
    }
}

/// Every file that the manifest names is there, of its size: told before anything is copied.
fn sizes(backup: &Path, manifest: &Manifest) -> Result<(), VaultError> {
    for entry in &manifest.files {
        let plain = |part: std::path::Component<'_>| matches!(part, std::path::Component::Normal(_));
        let found =
            Path::new(&entry.name).components().all(plain).then(|| fs::metadata(backup.join(&entry.name)));
        match found {
            Some(Ok(found)) if found.is_file() && found.len() == entry.bytes => {}
            _ => return Err(tampered(backup, &format!("`{}` is missing or of another size", entry.name))),
        }
    }
    Ok(())
}

/// What the ledger says since the backup.
fn since(restore: &Restore, manifest: &Manifest) -> Result<Option<Since>, VaultError> {
    let LedgerGiven::File(path) = &restore.ledger else { return Ok(None) };
    let key = |print: &str| restore.keys.ledger(print);
    match ledger::read_since(path, &key, &manifest.ledger)? {
        Some(since) => Ok(Some(since)),
        None => Err(VaultError::mismatch(
            format!(
                "the rights ledger `{}` does not tell all that narrowed since the backup: it is older, of other data, or it \
                 began anew in between",
                path.display()
            ),
            "give the newest copy of it; or restore with `--without-ledger`: then everything is hidden until its source is \
             ingested again",
        )),
    }
}

/// The folder beside the wanted one in which everything is put together.
fn staging(to: &Path) -> Result<PathBuf, VaultError> {
    let above = to.parent().filter(|above| above.is_dir());
    let (Some(above), Some(last)) = (above, to.file_name()) else {
        return Err(VaultError::name(
            format!("there is no folder to put `{}` in", to.display()),
            "make the folder above it first",
        ));
    };
    let mut name = last.to_owned();
    name.push(".unfinished");
    let beside = above.join(name);
    // One that was cut off before its first file is empty.
    if beside.symlink_metadata().is_ok() && fs::remove_dir(&beside).is_err() {
        let ours = File::open(beside.join(UNFINISHED));
        match ours.map(|mark| mark.try_lock()) {
            Ok(Ok(())) => {
                fs::remove_dir_all(&beside).map_err(VaultError::io("removing", &beside))?;
            }
            Ok(Err(_)) => {
                return Err(VaultError::name(
                    format!("another restore into `{}` is under way", to.display()),
                    "wait for its end",
                ));
            }
            Err(_) => {
                return Err(VaultError::name(
                    format!("`{}` is in the way", beside.display()),
                    "move it, or give another folder",
                ));
            }
        }
    }
    fs::DirBuilder::new().mode(0o700).create(&beside).map_err(VaultError::io("making", &beside))?;
    private_dir(&beside)?;
    Ok(beside)
}

fn fill(
    restore: Restore,
    manifest: &Manifest,
    since: Option<Since>,
    beside: &Path,
    to: &Path,
) -> Result<Restored, VaultError> {
    let mark = new_file(&beside.join(UNFINISHED))?;
    // Held to the end: whoever finds it locked leaves the folder alone.
    mark.try_lock().map_err(|_| VaultError::name("another restore is under way", "wait for its end"))?;
    for entry in &manifest.files {
        put(&restore.backup, entry, beside)?;
    }
    let audit = audit::verify(&beside.join("audit"), &restore.open.tenant)?;
    if (audit.records, &audit.tip) != (manifest.audit.0, &manifest.audit.1) {
        return Err(tampered(&restore.backup, "its audit log is not the one that was backed up"));
    }
    restore.keys.write(&beside.join("keys"))?;
    set_version_to(beside, manifest.data)?;
    if let LedgerGiven::File(path) = &restore.ledger {
        let copy = beside.join("keys").join(ledger::FILE);
        let mut out = new_file(&copy)?;
        File::open(path)
            .and_then(|mut from| io::copy(&mut from, &mut out))
            .and_then(|_| out.sync_all())
            .map_err(VaultError::io("copying", path))?;
    }
    sync(beside)?;
    let entries = since.as_ref().map(|since| since.entries);
    let last = since.as_ref().and_then(|since| since.last);
    let after = since.map_or(After::Nothing, |since| After::Ledger(Box::new(since.narrowed)));
    let open = OpenOptions { data_dir: beside.to_owned(), ledger: None, ..restore.open };
    // What its catalog lacks is what the ledger says since the backup.
    let (vault, _) = Vault::open_behind(open, true)?;
    // What an older backup did not say.
    let sources = vault.sources()?;
    apart(sources.iter().map(|(_, spec)| (spec.name.as_str(), spec.root.as_str())), to)?;
    if let Some(last) = last {
        vault.clock.not_before(last);
    }
    let narrowed = vault.narrow_restored(&restore.by, &after)?;
    // Closed before it gets its name: everything in it is durable then.
    drop(vault);
    let name = || {
        sync_file(beside)?;
        fs::rename(beside, to)?;
        to.parent().map_or(Ok(()), sync_file)
    };
    name().map_err(VaultError::io("making", to))?;
    // Harmless if it stays: the folder has its name.
    let _ = fs::remove_file(to.join(UNFINISHED));
    Ok(Restored {
        folder: to.to_owned(),
        made: manifest.made,
        counts: manifest.counts,
        ledger_entries: entries,
        narrowed,
    })
}

/// Refuses to put data into the folder of a source that it has: the next run would read it, audit log and all.
fn apart<'s>(sources: impl Iterator<Item = (&'s str, &'s str)>, to: &Path) -> Result<(), VaultError> {
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    // It is not there yet; the folder above it is.
    let to = match (to.parent(), to.file_name()) {
        (Some(above), Some(name)) => real(above).join(name),
        _ => to.to_owned(),
    };
    for (name, folder) in sources {
        let root = real(Path::new(folder));
        if to.starts_with(&root) || root.starts_with(&to) {
            return Err(VaultError::name(
                format!("`{}` and the folder `{}` of the source `{}` overlap", to.display(), folder, name),
                "give a folder outside of all sources",
            ));
        }
    }
    Ok(())
}

/// Puts one file back, and checks it on the way.
fn put(backup: &Path, entry: &FileEntry, beside: &Path) -> Result<(), VaultError> {
    let path = backup.join(&entry.name);
    let file = File::open(&path).map_err(VaultError::io("opening", &path))?;
    let mut from = In::new(BufReader::with_capacity(1 << 20, file));
    let target = match entry.name.as_str() {
        TEXTS => None,
        CATALOG => Some(beside.join(folder::CATALOG)),
        AUDIT => Some(beside.join("audit").join(audit::FILE)),
        name => {
            let vectors = name.strip_prefix(VECTORS).and_then(|rest| rest.strip_prefix('/'));
            let name = vectors.ok_or_else(|| tampered(backup, "it names a file that no backup has"))?;
            Some(beside.join(VECTORS).join(name))
        }
    };
    match target {
        None => unpack(&mut from, backup, &beside.join("text"))?,
        Some(target) => {
            if let Some(above) = target.parent() {
                private_dir(above)?;
            }
            let mut out = new_file(&target)?;
            io::copy(&mut from, &mut out).map_err(VaultError::io("writing", &target))?;
        }
    }
    if from.is(entry) {
        Ok(())
    } else {
        Err(tampered(backup, &format!("`{}` is not what was written", entry.name)))
    }
}

/// Puts the texts back, one by one.
fn unpack(from: &mut impl Read, backup: &Path, dir: &Path) -> Result<(), VaultError> {
    let store = TextStore::open(dir)?;
    let broken = || tampered(backup, &format!("`{TEXTS}` is not what was written"));
    let mut number = [0u8; 8];
    loop {
        match from.read(&mut number[..1]) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(VaultError::io("reading", backup)(error)),
        }
        let [_, rest @ ..] = &mut number;
        from.read_exact(rest).map_err(|_| broken())?;
        let length = usize::try_from(u64::from_be_bytes(number)).ok().filter(|n| (3..256).contains(n));
        let mut name = vec![0u8; length.ok_or_else(broken)?];
        from.read_exact(&mut name).map_err(|_| broken())?;
        let name = String::from_utf8(name).ok();
        // As the store names them; anything else could lead out of its folder.
        let plain = |name: &String| name.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        let name = name.filter(plain).ok_or_else(broken)?;
        from.read_exact(&mut number).map_err(|_| broken())?;
        let length = u64::from_be_bytes(number);
        let mut text = from.by_ref().take(length);
        store.put_back(&name, &mut text)?;
        if text.limit() != 0 {
            return Err(broken());
        }
    }
}

/// Makes all that was put back durable at once.
fn sync(dir: &Path) -> Result<(), VaultError> {
    #[cfg(target_os = "linux")]
    let done = File::open(dir).and_then(|dir| rustix::fs::syncfs(&dir).map_err(io::Error::from));
    #[cfg(not(target_os = "linux"))]
    let done = {
        rustix::fs::sync();
        sync_file(dir)
    };
    done.map_err(VaultError::io("syncing", dir))
}

fn sync_file(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn new_file(path: &Path) -> Result<File, VaultError> {
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map_err(VaultError::io("making", path))
}
