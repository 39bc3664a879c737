//! The caller: who is asking, as the authenticator has proven it.
//! It must never be made from anything that a request says about itself.

use crate::agent::{AgentLimits, Only};
use crate::ids::{AgentId, InvalidId, TenantId, Timestamp, UserId};
use std::collections::BTreeSet;

/// Who acts: a person, or a service for itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A person of the directory.
    User(UserId),
    /// A service without a person behind it, by its name ([`service`]).
    Service(AgentId),
}

/// A proven identity. No `Deserialize`, no `Default`, no `Clone`: one per request, made by the authenticator.
#[derive(Debug)]
pub struct Caller {
    tenant: TenantId,
    subject: Subject,
    agent: Option<AgentId>,
    credential: Credential,
    membership: Membership,
    limits: AgentLimits,
}

/// What proved the identity; looked at again when an answer is released, so that a revoked token ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A bearer token, by its SHA-256.
    Token([u8; 32]),
    /// A local person whom the operating system vouches for (user id of the control socket's peer).
    Peer {
        /// The operating system's user id.
        uid: u32,
    },
    /// A token that a trusted issuer has signed.
    Issued(Issued),
}

/// What is kept of an issuer's token while its answer is made. Never the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The issuer, exactly as it names itself.
    pub issuer: Box<str>,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// First instant at which it holds no more.
    pub expires: Timestamp,
    /// For whom it was issued.
    pub holder: IssuedTo,
}

/// For whom an issuer's token was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IssuedTo {
    /// A person, by the issuer's immutable id; only a link in the directory says who that is.
    Person(Box<str>),
    /// A service for itself, by its client id.
    Service(AgentId),
}

/// Where a caller's memberships come from. Never from a union of two: a token would bring back what the directory took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Membership {
    /// The directory's edges alone.
    #[default]
    Directory,
    /// What the token claims, closed over the directory's groups within groups.
    Claims(Claimed),
    /// Groups that the directory and the token both say.
    Intersect(Claimed),
}

/// The groups that a token claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// All of them, by handles of the directory. One that the directory does not have is no group.
    All(BTreeSet<Box<str>>),
    /// The issuer did not say all of them.
    Incomplete,
}

/// The name of a service without an entry of its own: its client id, at its issuer. The same client id at another issuer
/// is another service.
///
/// # Errors
/// [`InvalidId`] if both together are too long.
pub fn service(issuer: &str, client: &AgentId) -> Result<AgentId, InvalidId> {
    AgentId::new(format!("{client}@{issuer}"))
}

impl Caller {
    /// States that this identity was proven. The only allowed call site is the authenticator
    /// (`src/identity/authenticator.rs`); `clippy.toml` and the tidy test hold that.
    #[must_use]
    pub fn authenticated(
        tenant: TenantId,
        subject: Subject,
        agent: Option<AgentId>,
        credential: Credential,
    ) -> Self {
        Self {
            tenant,
            subject,
            agent,
            credential,
            membership: Membership::Directory,
            limits: AgentLimits::default(),
        }
    }

    /// The same caller, whose memberships come from elsewhere.
    #[must_use]
    pub fn with_membership(self, membership: Membership) -> Self {
        Self { membership, ..self }
    }

    /// The same caller, through an agent that may do only this.
    #[must_use]
    pub fn with_limits(self, limits: AgentLimits) -> Self {
        Self { limits, ..self }
    }

    /// The same caller, who sees nothing.
    #[must_use]
    pub fn seeing_nothing(&self) -> Self {
        Self {
            tenant: self.tenant.clone(),
            subject: self.subject.clone(),
            agent: self.agent.clone(),
            credential: self.credential.clone(),
            membership: self.membership.clone(),
            limits: AgentLimits { sources: Only::These(BTreeSet::new()), ..self.limits.clone() },
        }
    }

    /// What the agent may do at most.
    #[must_use]
    pub fn limits(&self) -> &AgentLimits {
        &self.limits
    }

    /// Whom a request is counted for: the same for all credentials of one subject, whatever the agent. Where clients
    /// register themselves, agents are as many as somebody wants.
    #[must_use]
    pub fn counted_as(&self) -> [u8; 16] {
        let mut hash = blake3::Hasher::new_derive_key("kenward 2026 counted caller v1");
        let (kind, id) = match &self.subject {
            Subject::User(id) => ("user", id.as_str()),
            Subject::Service(id) => ("service", id.as_str()),
        };
        for text in [self.tenant.as_str(), kind, id] {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        let mut counted = [0; 16];
        counted.copy_from_slice(hash.finalize().as_bytes().get(..16).unwrap_or(&[0; 16]));
        counted
    }

    /// Where the memberships come from.
    #[must_use]
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// The tenant that the identity belongs to.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Who acts.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// What proved it.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The agent through which the person acts, if one is known.
    #[must_use]
    pub fn agent(&self) -> Option<&AgentId> {
        self.agent.as_ref()
    }
}
