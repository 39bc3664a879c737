//! How documents get in.
//!
//! One document's journey: a connector lists it and gives its bytes together with its rights
//! ([`acl_mapping`]); [`formats`] sniffs and extracts it in a [`worker`] process, which also unpacks
//! `archives`, whose members are documents of their own; the vault's
//! sanitizer cleans it; `chunking` cuts it; the embedder turns it into vectors; [`pipeline`]
//! puts it into the vault.

pub mod acl_mapping;
mod archives;
mod chunking;
mod connectors;
mod doors;
pub mod formats;
mod language;
pub mod pipeline;
pub mod worker;

/// What a source is read through: for kinds of sources that are not here.
pub mod source {
    pub use crate::connectors::{
        FetchError, Fetched, FilesConnector, Item, ItemRights, Listing, RIGHTS_FILE, Rights, RootError,
        SourceConnector, Stamp, Unlisted, Ways,
    };
}

/// What a folder source is watched with.
pub mod watch {
    pub use crate::connectors::{FolderWatch, Seen, WatchError};
}
