//! The built-in directory: people, groups, memberships, tokens. Every change that narrows a right is
//! acknowledged only after the release lock has been free once.

use crate::seams::Entropy;
use kenward_access::acl::Clearance;
use kenward_access::caller::IssuedTo;
use kenward_access::ids::{AgentId, GroupId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::time::Duration;

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
    /// Subjects of trusted issuers that are this person, sorted.
    #[serde(default)]
    pub identities: Vec<Identity>,
}

/// A subject of an issuer. Both texts are compared to the letter; neither is a name or an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The issuer, exactly as its tokens say it (`iss`).
    pub issuer: String,
    /// The issuer's immutable id of the person (`sub`), or `client:` and the id of a client that asks for itself.
    pub subject: String,
}

/// What stands before the id of a client that asks for itself.
const CLIENT: &str = "client:";

impl Identity {
    /// The subject of a client that asks for itself.
    #[must_use]
    pub fn client(id: &str) -> String {
        format!("{CLIENT}{id}")
    }

    /// The subject under which the holder of a token may be linked.
    ///
    /// INVARIANT: a person is never taken for a client, nor a client for a person, whatever their ids are: of a person
    /// whose own id begins like a client's nobody can be linked.
    pub(crate) fn subject_of(holder: &IssuedTo) -> Option<String> {
        match holder {
            IssuedTo::Person(subject) if subject.starts_with(CLIENT) => None,
            IssuedTo::Person(subject) => Some(subject.to_string()),
            IssuedTo::Service(client) => Some(Self::client(client.as_str())),
        }
    }
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
    /// Says that an issuer's subject is this person.
    Link { handle: String, identity: Identity },
    /// Says that it is not any more.
    Unlink { handle: String, identity: Identity },
}

/// The name of one operation, drawn by whoever asks for it and kept for every further try: what was
/// done under a name is not done twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationId(String);

impl OperationId {
    /// Draws a name.
    #[must_use]
    pub fn draw(entropy: &dyn Entropy) -> Self {
        let mut random = [0u8; 16];
        entropy.fill(&mut random);
        Self(data_encoding::HEXLOWER.encode(&random))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What every secret of a token begins with.
const SECRET: &str = "kwt_";

/// A token's secret. Whoever makes a token draws it and keeps it to themselves; the vault is given
/// its hash, so that nothing on the way can log or keep the secret.
pub struct TokenSecret(String);

impl TokenSecret {
    /// Draws 32 random bytes.
    #[must_use]
    pub fn draw(entropy: &dyn Entropy) -> Self {
        let mut random = [0u8; 32];
        entropy.fill(&mut random);
        Self(format!("{SECRET}{}", data_encoding::BASE64URL_NOPAD.encode(&random)))
    }

    /// What the vault knows it by.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// The hash of what a bearer brought; `None` if it has not the form of a secret.
    pub(crate) fn hash_of(brought: &str) -> Option<[u8; 32]> {
        brought.starts_with(SECRET).then(|| Sha256::digest(brought.as_bytes()).into())
    }

    /// The secret itself, to be shown once.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }
}

impl fmt::Debug for TokenSecret {
    /// INVARIANT (I11): a secret is in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret(hidden)")
    }
}

/// A token to be made. It does not hold the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenOrder {
    /// [`TokenSecret::hash`].
    pub hash: [u8; 32],
    /// For whom, by handle.
    pub user: String,
    /// For which agent (client id).
    pub agent: Option<AgentId>,
    /// A label.
    pub label: String,
    /// How long it holds.
    pub life: Duration,
}

/// A token that was just made; its secret is shown once.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct NewToken {
    /// `kwt_…`
    pub secret: String,
    /// Everything else about it.
    pub token: Token,
}

impl fmt::Debug for NewToken {
    /// INVARIANT (I11): a secret is in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewToken").field("token", &self.token).finish_non_exhaustive()
    }
}
