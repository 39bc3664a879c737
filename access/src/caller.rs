//! The caller: who is asking, as the authenticator has proven it.
//! It must never be made from anything that a request says about itself.

use crate::ids::{AgentId, TenantId, UserId};

/// Who acts: a person, or a service for itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A person of the directory.
    User(UserId),
    /// A service without a person behind it, by its client id.
    Service(AgentId),
}

/// A proven identity. No `Deserialize`, no `Default`, no `Clone`: one per request, made by the authenticator.
#[derive(Debug)]
pub struct Caller {
    tenant: TenantId,
    subject: Subject,
    agent: Option<AgentId>,
    credential: Credential,
}

/// What proved the identity; looked at again when an answer is released, so that a revoked token ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// A bearer token, by its SHA-256.
    Token([u8; 32]),
    /// A local person whom the operating system vouches for (user id of the control socket's peer).
    Peer {
        /// The operating system's user id.
        uid: u32,
    },
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
        Self { tenant, subject, agent, credential }
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
    pub fn credential(&self) -> Credential {
        self.credential
    }

    /// The agent through which the person acts, if one is known.
    #[must_use]
    pub fn agent(&self) -> Option<&AgentId> {
        self.agent.as_ref()
    }
}
