//! The rights ledger: which rights narrowed, in order, in a small file of its own that no backup holds. After a
//! restore it tells what must not come back. It holds numbers and ids, no names of documents and no text.
//!
//! One line an entry: `{"v":1,"seq":7,"key":"1a2b3c4d","mac":"<64 hex>","entry":{…}}`, where `mac` is a hash under
//! the ledger key of that short name over the mac before, `seq` (8 bytes, big-endian) and the entry's bytes. An entry is
//! durable before the catalog's transaction commits: what is acknowledged is always in it, and what is in it
//! and was not committed only narrows more. That it was committed is told by an entry after it (`done`), so that a change
//! that failed or was cut off is no sign of an older catalog. It begins anew (`begun`) where something could not be written: what
//! was backed up before is then restored without it. A catalog that is older than the ledger is narrowed when it is
//! opened, as a restored one is; a restored folder goes on with a copy of its own (`taken`). A file that is removed or replaced while it is in use is put back
//! whole before the next entry is acknowledged.

mod apply;
mod chain;
mod diff;
mod file;
mod moved;
#[cfg(test)]
mod tests;

pub(crate) use apply::After;
pub use apply::Hidden;
pub(crate) use chain::{Since, read_since};
pub(crate) use diff::between;
pub(crate) use file::{FILE, Ledger};
pub(crate) use moved::{carry, left_behind, put_aside};

use crate::directory::Identity;
use crate::writer::SourceSpec;
use kenward_access::acl::Clearance;
use kenward_access::groups::Member;
use kenward_access::ids::{ContainerNo, DocNo, GroupId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A place in the ledger: how many entries, and the mac of the last one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) seq: u64,
    pub(crate) mac: String,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) at: Timestamp,
    /// It begins, or begins anew: something before it may be missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) begun: bool,
    /// From here on it is a restored folder's alone: the data that wrote what stands before cannot go on with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) taken: bool,
    /// What the entry before says was committed. Not synced by itself: the next entry makes it durable.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) done: bool,
    #[serde(flatten)]
    pub(crate) narrowed: Narrowed,
}

impl Entry {
    /// One that says nothing yet.
    fn empty(at: Timestamp) -> Self {
        Self { at, begun: false, taken: false, done: false, narrowed: Narrowed::default() }
    }
}

/// What may be narrower than before. Where it is not certain, it is in here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Narrowed {
    /// Containers in which something else is in force.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) containers: Vec<ContainerNo>,
    /// Documents that something else guards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) documents: Vec<DocNo>,
    /// Documents that are gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) gone: Vec<DocNo>,
    /// People as they are now; `None` = removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) users: Vec<(UserId, Option<UserState>)>,
    /// Groups that are gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) groups: Vec<GroupId>,
    /// Memberships that came or went. Those that came, too: a deny may hang on them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) members: Vec<Membership>,
    /// Tokens that are revoked, by their SHA-256 in hex.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tokens: Vec<String>,
    /// Subjects of issuers that are not the people any more who they were, by [`link_name`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) links: Vec<String>,
    /// Sources of which something else is recorded; `None` = removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) sources: Vec<(u32, Option<SourceSpec>)>,
}

/// What of a person decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UserState {
    pub(crate) disabled: bool,
    pub(crate) clearance: Clearance,
    /// The name of its level: lists of labels change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<String>,
}

/// A membership, and whether it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Membership {
    pub(crate) group: GroupId,
    #[serde(flatten)]
    pub(crate) member: MemberId,
    pub(crate) there: bool,
}

/// A member by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MemberId {
    User(UserId),
    Inner(GroupId),
}

impl From<&Member> for MemberId {
    fn from(member: &Member) -> Self {
        match member {
            Member::User(id) => Self::User(id.clone()),
            Member::Group(id) => Self::Inner(id.clone()),
        }
    }
}

impl From<&MemberId> for Member {
    fn from(member: &MemberId) -> Self {
        match member {
            MemberId::User(id) => Self::User(id.clone()),
            MemberId::Inner(id) => Self::Group(id.clone()),
        }
    }
}

/// What the ledger calls a link: it holds no subject of anybody.
pub(crate) fn link_name(identity: &Identity, user: &UserId) -> String {
    let mut hash = Sha256::new();
    for part in [identity.issuer.as_str(), identity.subject.as_str(), user.as_str()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    data_encoding::HEXLOWER.encode(&hash.finalize())
}

impl Narrowed {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what a later entry says; of a person or a membership the last word counts.
    pub(crate) fn then(&mut self, later: Self) {
        self.containers.extend(later.containers);
        self.documents.extend(later.documents);
        self.gone.extend(later.gone);
        self.users.extend(later.users);
        self.groups.extend(later.groups);
        self.members.extend(later.members);
        self.tokens.extend(later.tokens);
        self.links.extend(later.links);
        self.sources.extend(later.sources);
    }
}
