//! Files from a model hub, at one revision. Who speaks to the hub is given from outside ([`Hub`]): nothing here
//! knows a protocol. What has come stays beside the cache, so that the next try goes on where this one ended; it is
//! used only after its hash was compared, like every other file.

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

/// A repository of a hub, at one revision.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) repository: &'a str,
    pub(super) revision: &'a str,
}

/// Brings files, each with its path in the repository and its length, into a folder. Their hashes are not looked at yet.
pub(super) fn download(
    hub: &dyn Hub,
    place: Place<'_>,
    files: &[(&str, u64)],
    folder: &Path,
    progress: &mut dyn FnMut(PullProgress<'_>),
) -> Result<(), PullError> {
    for (name, bytes) in files {
        let whole = folder.join(name);
        if whole.metadata().is_ok_and(|found| found.is_file() && found.len() == *bytes) {
            continue;
        }
        progress(PullProgress::Step(&format!("fetching {name} from the hub")));
        let part = folder.join(format!("{name}.part"));
        let io = |source| PullError::Io { path: part.clone(), source };
        fs::create_dir_all(part.parent().unwrap_or(folder)).map_err(io)?;
        let mut kept = OpenOptions::new().create(true).append(true).open(&part).map_err(io)?;
        let mut done = kept.metadata().map_err(io)?.len();
        if done > *bytes {
            kept.set_len(0).map_err(io)?;
            done = 0;
        }
        let have = done;
        let path = format!("{}/resolve/{}/{name}", place.repository, place.revision);
        let mut take = |came: HubPart<'_>| match came {
            HubPart::Begins(at) => {
                // Either goes on where it was, or begins again.
                kept.set_len(at.min(done))?;
                done = at.min(done);
                Ok(())
            }
            HubPart::Bytes(piece) => {
                done += piece.len() as u64;
                // A hash of so many bytes can only be another one: no more is kept than was told, and one.
                if done > *bytes {
                    return Err(std::io::Error::new(
                        std::io::ErrorKind::InvalidData,
                        "longer than it should be",
                    ));
                }
                progress(PullProgress::Bytes(done, *bytes));
                kept.write_all(piece)
            }
        };
        if have < *bytes {
            let fetched = hub.fetch(&path, have, &mut take);
            if done > *bytes {
                // It is no part of the file: the next try begins anew.
                let _ = fs::remove_file(&part);
            }
            fetched.map_err(PullError::Hub)?;
        }
        kept.sync_all().map_err(io)?;
        fs::rename(&part, &whole).map_err(io)?;
    }
    Ok(())
}

/// A short document of a hub, whole; of one that is longer than `most` bytes, an error.
pub(super) fn document(hub: &dyn Hub, path: &str, most: usize) -> Result<Vec<u8>, PullError> {
    let mut all = Vec::new();
    let mut take = |came: HubPart<'_>| {
        if let HubPart::Bytes(piece) = came {
            if all.len() + piece.len() > most {
                return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "it is far too long"));
            }
            all.extend_from_slice(piece);
        }
        Ok(())
    };
    hub.fetch(path, 0, &mut take).map_err(PullError::Hub)?;
    Ok(all)
}

/// Where what comes from the hub waits.
pub(super) fn folder(cache: &Path, name: &str) -> PathBuf {
    cache.join(format!(".hub-{name}"))
}
