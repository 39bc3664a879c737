//! Pulling a model of the catalogue. The hub is asked once which files a repository has at a revision, how long they are and
//! with which hash (SHA-256 of large ones, git's of others); what comes is compared with that and written into the model's
//! [`lock`](super::lock). It must never put files of two revisions into one folder.

use super::catalogue::Entry;
use super::lock::{self, Lock, Locked};
use super::{Hub, ModelSource, PullError, PullProgress, held, hub, put};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a hub says of a repository: of one with thousands of files some 100 bytes each.
const LONGEST_LISTING: usize = 16 << 20;

/// What is read of it.
#[derive(Deserialize)]
struct Listing {
    sha: String,
    siblings: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    rfilename: String,
    size: Option<u64>,
    #[serde(rename = "blobId")]
    blob: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: String,
}

/// What a hub says of a file's content.
enum Said {
    /// SHA-256 of a large one.
    Sha256(String),
    /// The name that git gives any other: SHA-1 of `blob LENGTH`, a zero byte, and it.
    Git(String),
    /// Nothing: it was given in a folder.
    Nothing,
}

/// A file that is to come.
struct Wanted {
    bytes: u64,
    said: Said,
}

/// Where the model lies, if all of it is there.
pub(super) fn installed(cache: &Path, entry: &Entry) -> Option<PathBuf> {
    let folder = cache.join(&entry.name);
    Lock::read(&folder, entry).map(|_| folder)
}

/// The revision of a model that is here; `None` if it was given in a folder, or is not here.
#[must_use]
pub fn revision(cache: &Path, entry: &Entry) -> Option<String> {
    Lock::read(&cache.join(&entry.name), entry)?.revision
}

/// Whether every file of a model in its folder is what was pulled.
///
/// # Errors
/// [`PullError`]: which is not.
pub fn check(folder: &Path, entry: &Entry) -> Result<(), PullError> {
    let missing = || PullError::Missing { file: lock::FILE.into(), place: folder.to_owned() };
    Lock::read(folder, entry).ok_or_else(missing)?.check(folder)
}

pub(super) fn pull(
    cache: &Path,
    entry: &'static Entry,
    from: &ModelSource,
    hub: Option<&dyn Hub>,
    progress: &mut dyn FnMut(PullProgress<'_>),
) -> Result<PathBuf, PullError> {
    let _held = held(cache, progress)?;
    let here = cache.join(&entry.name);
    let asked = match from {
        ModelSource::Revision(revision) => Some(revision.as_str()),
        _ => None,
    };
    // A revision that is named goes before one that is here; and what is damaged comes anew, at the revision that it had.
    let lock = Lock::read(&here, entry);
    let had = lock.as_ref().and_then(|lock| lock.revision.clone());
    if let Some(lock) = lock
        && asked.is_none_or(|asked| lock.revision.as_deref() == Some(asked))
        && lock.check(&here).is_ok()
    {
        return Ok(here);
    }
    let asked = asked.map(ToOwned::to_owned).or(had);
    let io = |source| PullError::Io { path: cache.to_owned(), source };
    let work = tempfile::Builder::new().prefix(".pull-").tempdir_in(cache).map_err(io)?;
    let ready = match from {
        ModelSource::Wheel => return Err(PullError::NotInWheel { artifact: entry.name.as_str().into() }),
        ModelSource::Dir(folder) => copied(folder, entry, &work.path().join("ready"), progress)?,
        ModelSource::Auto | ModelSource::Hub | ModelSource::Revision(_) => {
            fetched(hub.ok_or(PullError::HubOff)?, cache, entry, asked.as_deref(), progress)?
        }
    };
    progress(PullProgress::Step("writing"));
    put(&ready, cache, &entry.name, work.path())?;
    sweep(cache, entry);
    installed(cache, entry)
        .ok_or_else(|| PullError::Missing { file: entry.name.as_str().into(), place: cache.to_owned() })
}

/// Removes what came half-way of this model, at whatever revision.
fn sweep(cache: &Path, entry: &Entry) {
    let of_it = |name: &str| {
        name.strip_prefix(&format!(".hub-{}-", entry.name)).is_some_and(|revision| hex(revision, 40))
    };
    for found in fs::read_dir(cache).into_iter().flatten().flatten() {
        if found.file_name().to_str().is_some_and(of_it) {
            // It costs room and nothing else: the next pull tries again.
            let _ = fs::remove_dir_all(found.path());
        }
    }
}

fn hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Brings a model from the hub into a folder beside the cache's, with its lock, and gives that.
fn fetched(
    hub: &dyn Hub,
    cache: &Path,
    entry: &Entry,
    asked: Option<&str>,
    progress: &mut dyn FnMut(PullProgress<'_>),
) -> Result<PathBuf, PullError> {
    progress(PullProgress::Step("asking the hub for its files"));
    let at = asked.unwrap_or("main");
    let path = format!("api/models/{}/revision/{at}?blobs=true", entry.repository);
    let unusable = |reason: String| PullError::Listing {
        repository: entry.repository.as_str().into(),
        reason: reason.into(),
    };
    let listing: Listing = serde_json::from_slice(&hub::document(hub, &path, LONGEST_LISTING)?)
        .map_err(|_| unusable("it is no list of files".to_owned()))?;
    if !hex(&listing.sha, 40) || asked.is_some_and(|asked| asked != listing.sha) {
        return Err(unusable("it does not name the revision".to_owned()));
    }
    let mut listed: BTreeMap<String, Listed> =
        listing.siblings.into_iter().map(|file| (file.rfilename.clone(), file)).collect();
    let mut files = BTreeMap::new();
    for (name, must) in entry.files() {
        match listed.remove(name) {
            Some(file) => {
                let bytes = file.size.ok_or_else(|| unusable(format!("no length of {name}")))?;
                let said = match (file.lfs, file.blob) {
                    (Some(lfs), _) if hex(&lfs.sha256, 64) => Said::Sha256(lfs.sha256),
                    (None, Some(blob)) if hex(&blob, 40) => Said::Git(blob),
                    _ => return Err(unusable(format!("no hash of {name}"))),
                };
                files.insert(name, Wanted { bytes, said });
            }
            None if must => return Err(unusable(format!("there is no {name}"))),
            None => {}
        }
    }
    let folder = hub::folder(cache, &format!("{}-{}", entry.name, listing.sha));
    let place = hub::Place { repository: &entry.repository, revision: &listing.sha };
    let sizes: Vec<(&str, u64)> = files.iter().map(|(name, file)| (*name, file.bytes)).collect();
    hub::download(hub, place, &sizes, &folder, progress)?;
    match locked(&folder, entry, Some(listing.sha.clone()), &files, progress) {
        Ok(()) => Ok(folder),
        Err(error) => {
            // What came is no good, and would be none at the next try.
            fs::remove_dir_all(&folder).map_err(|source| PullError::Io { path: folder.clone(), source })?;
            Err(error)
        }
    }
}

/// Hashes what came, compares it with what is known of it, and writes the lock.
fn locked(
    folder: &Path,
    entry: &Entry,
    revision: Option<String>,
    wanted: &BTreeMap<&str, Wanted>,
    progress: &mut dyn FnMut(PullProgress<'_>),
) -> Result<(), PullError> {
    let mut files = BTreeMap::new();
    for (name, file) in wanted {
        progress(PullProgress::Step(&format!("checking {name}")));
        let path = folder.join(name);
        let sha256 = lock::hash(&path, progress)?;
        let bytes = path.metadata().map_err(|source| PullError::Io { path, source })?.len();
        let listing = |reason: String| PullError::Listing {
            repository: entry.repository.as_str().into(),
            reason: reason.into(),
        };
        if bytes != file.bytes {
            return Err(listing(format!("{name} has {bytes} bytes, and it says {}", file.bytes)));
        }
        match &file.said {
            Said::Sha256(expected) if *expected != sha256 => {
                return Err(lock::differs(name, expected, &sha256));
            }
            Said::Git(expected) if *expected != lock::git_blob(&folder.join(name), bytes)? => {
                return Err(listing(format!("{name} is not the file that it names")));
            }
            _ => {}
        }
        files.insert((*name).to_owned(), Locked { bytes, sha256 });
    }
    let (name, repository) = (entry.name.clone(), entry.repository.clone());
    Lock { name, repository, revision, files }.write(folder)
}

/// Copies a model that lies in a folder as a repository has it; its hashes are what they are.
fn copied(
    from: &Path,
    entry: &Entry,
    ready: &Path,
    progress: &mut dyn FnMut(PullProgress<'_>),
) -> Result<PathBuf, PullError> {
    let mut wanted = BTreeMap::new();
    for (name, must) in entry.files() {
        let (source, target) = (from.join(name), ready.join(name));
        if !source.is_file() {
            if must {
                return Err(PullError::Missing { file: name.into(), place: from.to_owned() });
            }
            continue;
        }
        progress(PullProgress::Step(&format!("copying {name}")));
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| PullError::Io { path, source }
        };
        fs::create_dir_all(target.parent().unwrap_or(ready)).map_err(io(&target))?;
        let bytes = fs::copy(&source, &target).map_err(io(&source))?;
        fs::File::open(&target).and_then(|file| file.sync_all()).map_err(io(&target))?;
        wanted.insert(name, Wanted { bytes, said: Said::Nothing });
    }
    locked(ready, entry, None, &wanted, progress)?;
    Ok(ready.to_owned())
}
