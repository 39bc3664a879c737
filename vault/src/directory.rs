//! The built-in directory: people, groups, memberships, tokens. Every change that narrows a right is
//! acknowledged only after the release lock has been free once.

use crate::error::VaultError;
use kenward_access::acl::Clearance;
use kenward_access::ids::{GroupId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Immutable id.
    pub id: UserId,
    /// Handle, unique: what rights files and the command line say (`dana@harbor.example`).
    pub handle: String,
    /// Display name.
    pub name: String,
    /// What the person is cleared for.
    pub clearance: Clearance,
    /// Disabled people are no callers.
    pub disabled: bool,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Immutable id.
    pub id: GroupId,
    /// Handle, unique.
    pub handle: String,
    /// Direct members, as `user:HANDLE` and `group:HANDLE`, sorted.
    pub members: Vec<String>,
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// First 12 hex digits of its SHA-256: enough to name it.
    pub id: String,
    /// Whose it is.
    pub user: UserId,
    /// The agent (client id) it was issued for.
    pub agent: Option<String>,
    /// A label.
    pub label: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
}

/// What a valid token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSubject {
    /// The person.
    pub user: UserId,
    /// The agent.
    pub agent: Option<String>,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
}

/// One change to the directory. All names are handles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
#[allow(missing_docs, reason = "each field is named in its variant's words")]
pub enum DirectoryChange {
    /// Adds a person.
    AddUser { handle: String, name: String, clearance: Clearance },
    /// Changes a person's clearance.
    SetClearance { handle: String, clearance: Clearance },
    /// Disables a person (their tokens stop at once) or enables them again.
    SetDisabled { handle: String, disabled: bool },
    /// Removes a person and their memberships and tokens.
    RemoveUser { handle: String },
    /// Adds a group.
    AddGroup { handle: String },
    /// Removes a group and its memberships.
    RemoveGroup { handle: String },
    /// Adds a member (`user:HANDLE` or `group:HANDLE`).
    AddMember { group: String, member: String },
    /// Removes a member.
    RemoveMember { group: String, member: String },
    /// Revokes a token by its id (see [`Token::id`]).
    RevokeToken { id: String },
}

/// A token that was just made; its secret is shown once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewToken {
    /// `kwt_…`
    pub secret: String,
    /// Everything else about it.
    pub token: Token,
}

/// Kept so that the module's error type is named in one place.
pub type DirectoryResult<T> = Result<T, VaultError>;
