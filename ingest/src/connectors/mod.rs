//! Where documents come from. A connector lists what is there, reads the rights as they are now, and
//! fetches bytes together with those rights. It must never hand out bytes without saying which
//! container's rights guard them, and never read outside its root.

mod facts;
mod files;
mod open;
mod rights_files;
mod stamp;
mod watch;
mod ways;

pub use files::FilesConnector;
pub use rights_files::RIGHTS_FILE;
pub(crate) use rights_files::in_an_archive;
pub use stamp::Stamp;
pub use watch::{FolderWatch, Seen, WatchError};
pub use ways::Ways;

use crate::acl_mapping::Rules;
use kenward_access::ids::Timestamp;
use kenward_access::rights::RightsSpec;
use std::collections::BTreeMap;
use std::fs::File;

/// A document as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Path within the source, `/`-separated; also its immutable id within the source.
    pub path: String,
    /// When the source last changed it.
    pub modified: Timestamp,
    /// Length in bytes.
    pub length: u64,
}

/// Something that a listing could not read: a failure, reported, never a reason to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlisted {
    /// Its path as far as it can be written.
    pub path: String,
    /// From the taxonomy of failures.
    pub reason: &'static str,
    /// More, for an operator.
    pub detail: &'static str,
}

/// What a source holds now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Documents, sorted by path.
    pub items: Vec<Item>,
    /// Every folder that was read, the root (`""`) included, sorted.
    pub folders: Vec<String>,
    /// What could not be read.
    pub failures: Vec<Unlisted>,
    /// Symbolic links and special files: never followed, never read.
    pub links: Vec<String>,
    /// Files whose names were probably meant for a rights file's. They are not read, and told.
    pub near_rights: Vec<String>,
    /// Folders that could not be read. If there are any, the listing proves nobody's absence.
    pub unreadable_folders: Vec<String>,
}

impl Listing {
    /// Whether there is a file of this path, one that could not be read included. A folder is none, readable or not.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        if self.unreadable_folders.binary_search_by(|folder| folder.as_str().cmp(path)).is_ok() {
            return false;
        }
        self.items.binary_search_by(|item| item.path.as_str().cmp(path)).is_ok()
            || self.failures.binary_search_by(|failure| failure.path.as_str().cmp(path)).is_ok()
    }

    /// The place of a file among the items.
    #[must_use]
    pub fn index(&self, path: &str) -> Option<usize> {
        self.items.binary_search_by(|item| item.path.as_str().cmp(path)).ok()
    }

    /// The file that a document stands in: an archive, or the document itself.
    #[must_use]
    pub fn file_of<'p>(&self, path: &'p str) -> &'p str {
        let above = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
        above.into_iter().find(|above| self.has(above)).unwrap_or(path)
    }
}

/// The rights of a source, read at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// The rights files as they were: for telling whether a later reading differs.
    pub raw: BTreeMap<String, Vec<u8>>,
    /// Their meaning.
    pub rules: Rules,
    /// In which folders they were read.
    pub ways: Ways,
}

/// Rights of one item: the container they hang on, and what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemRights {
    /// Key of the container: the folder's path, or the file's own if it has rights of its own.
    pub container: String,
    /// The rights.
    pub spec: RightsSpec,
    /// Nothing in the source says who may read it.
    pub unsaid: bool,
}

/// Bytes and rights, together.
#[derive(Debug)]
pub struct Fetched {
    /// The open file; reads are bounded by the caller.
    pub file: File,
    /// When it was last changed, as of the opening.
    pub modified: Timestamp,
    /// Its length, as of the opening.
    pub length: u64,
    /// Who may read it.
    pub rights: ItemRights,
    /// The state that it was in, as of the opening.
    pub stamp: Stamp,
}

/// Why something could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It is a link, a device, a pipe: nothing that is read.
    #[error("not a plain file")]
    NotAFile,
    /// Its rights, or those of a folder on the way, are not those that were read.
    #[error("its rights changed while the source was read")]
    RightsMoved,
    /// It went away after it was listed.
    #[error("vanished while the source was read")]
    Vanished,
    /// Somebody is writing to it.
    #[error("is being written to")]
    Moving,
    /// The system refused.
    #[error("cannot be read")]
    Io(#[source] std::io::Error),
}

/// The root of a source is not there or cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; hint: {hint}")]
pub struct RootError {
    /// What is wrong.
    pub problem: &'static str,
    /// What to do.
    pub hint: &'static str,
}

/// One kind of source.
pub trait SourceConnector: Send + Sync {
    /// Everything that is there now, in one fixed order.
    ///
    /// # Errors
    /// [`RootError`]: only the root can stop a run.
    fn list(&self) -> Result<Listing, RootError>;

    /// The rights as they are now.
    fn rights(&self, listing: &Listing) -> Rights;

    /// One document's bytes, together with its rights by this reading.
    ///
    /// # Errors
    /// [`FetchError`].
    fn fetch(&self, item: &Item, rights: &Rights) -> Result<Fetched, FetchError>;

    /// Whether the document is still what it was when it was fetched. Asked after its bytes were read.
    fn still(&self, fetched: &Fetched) -> bool;

    /// The state that what is at this path is in now; `None` if that cannot be told, or if a folder on the way is not the
    /// one that these rights were read in. Asked after they were read once more: what is in the state in which it was
    /// fetched had its bytes all the time since, and stood where they held.
    fn state(&self, path: &str, rights: &Rights) -> Option<Stamp>;
}
