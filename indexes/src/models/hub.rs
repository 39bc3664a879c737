//! Files from a model hub, at a pinned revision. Who speaks to the hub is given from outside ([`Hub`]): nothing here
//! knows a protocol. What has come stays beside the cache, so that the next try goes on where this one ended; it is
//! used only after its hash was compared, like every other file.

use super::pins::Pin;
use super::{PullError, PullProgress};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What comes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HubPart<'a> {
    /// What follows begins at this byte.
    Begins(u64),
    /// Bytes, in order.
    Bytes(&'a [u8]),
}

/// Fetches files of a hub.
pub trait Hub {
    /// Fetches `path` (`OWNER/NAME/resolve/REVISION/FILE`) from the byte `from` on, or from its beginning if the hub
    /// cannot do that, and hands it to `take` as it comes.
    ///
    /// # Errors
    /// [`HubError`]; one of `take` as [`HubError::Kept`].
    fn fetch(
        &self,
        path: &str,
        from: u64,
        take: &mut dyn FnMut(HubPart<'_>) -> std::io::Result<()>,
    ) -> Result<(), HubError>;
}

/// Why a file of a hub did not come.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// Nobody answers there.
    #[error("the model hub at {host} could not be reached")]
    Unreachable {
        /// Where.
        host: Box<str>,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It answered with something else than the file.
    #[error("the model hub at {host} answered with status {status} to {path}")]
    Status {
        /// Where.
        host: Box<str>,
        /// The HTTP status.
        status: u16,
        /// What was asked for.
        path: Box<str>,
    },
    /// It began and did not come to the end.
    #[error("the model hub at {host} stopped in the middle of {path}; the same command goes on from there")]
    Broken {
        /// Where.
        host: Box<str>,
        /// What was asked for.
        path: Box<str>,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It points to a place that may not be called.
    #[error(
        "the model hub points to {place}, which is not among the places that may be called (`kenward doctor` lists them)"
    )]
    NotAllowed {
        /// Where.
        place: Box<str>,
    },
    /// What came could not be kept.
    #[error("keeping what came")]
    Kept(#[source] std::io::Error),
}

/// Brings all files of an artefact into a folder of the cache and gives it. Their hashes are not looked at yet.
pub(super) fn download(
    hub: &dyn Hub,
    pin: &Pin,
    cache: &Path,
    progress: &mut dyn FnMut(PullProgress<'_>),
) -> Result<PathBuf, PullError> {
    let place = pin.hub.as_ref().ok_or(PullError::NotOnHub { artifact: pin.folder.into() })?;
    let folder = folder(cache, pin);
    fs::create_dir_all(&folder).map_err(|source| PullError::Io { path: folder.clone(), source })?;
    for file in pin.files {
        let whole = folder.join(file.name);
        if whole.is_file() {
            continue;
        }
        progress(PullProgress::Step(&format!("fetching {} from the hub", file.name)));
        let part = folder.join(format!("{}.part", file.name));
        let io = |source| PullError::Io { path: part.clone(), source };
        let mut kept = OpenOptions::new().create(true).append(true).open(&part).map_err(io)?;
        let mut done = kept.metadata().map_err(io)?.len();
        if done > file.bytes {
            kept.set_len(0).map_err(io)?;
            done = 0;
        }
        let have = done;
        let path = format!("{}/resolve/{}/{}", place.repository, place.revision, file.name);
        let mut take = |came: HubPart<'_>| match came {
            HubPart::Begins(at) => {
                // Either goes on where it was, or begins again.
                kept.set_len(at.min(done))?;
                done = at.min(done);
                Ok(())
            }
            HubPart::Bytes(bytes) => {
                done += bytes.len() as u64;
                // A hash of so many bytes can only be another one: no more is kept than was pinned, and one.
                if done > file.bytes {
                    return Err(std::io::Error::new(
                        std::io::ErrorKind::InvalidData,
                        "longer than what is pinned",
                    ));
                }
                progress(PullProgress::Bytes(done, file.bytes));
                kept.write_all(bytes)
            }
        };
        if have < file.bytes {
            hub.fetch(&path, have, &mut take).map_err(PullError::Hub)?;
        }
        kept.sync_all().map_err(io)?;
        fs::rename(&part, &whole).map_err(io)?;
    }
    Ok(folder)
}

/// Where what comes from the hub waits.
pub(super) fn folder(cache: &Path, pin: &Pin) -> PathBuf {
    cache.join(format!(".hub-{}", pin.folder))
}
