//! The authenticator: the one place that states that an identity was proven.
//!
//! Dana's agent sends her token: the vault knows its hash, the caller is Dana through that agent.
//! She may come by a token of an issuer that the configuration trusts: its signature holds, and a link of the
//! directory says that this subject of this issuer is Dana; nothing else that the token says makes her so.
//! Dana types `kenward search` on the server: the operating system says which user id is at the
//! other end of the socket, `[operators]` says that it is Dana. She asks `--as ben --reason "…"`:
//! her role allows it, it is recorded, and the caller is Ben with Ben's rights, never with hers.

use super::Refusal;
use super::issued::{self, Issuers, NotVerified, Verified};
use crate::config::{Config, Role, agents};
use crate::owner::ops::Claim;
use kenward_access::agent::AgentLimits;
use kenward_access::caller::{self, Caller, Credential, IssuedTo, Subject};
use kenward_access::ids::AgentId;
use kenward_vault::Vault;
use kenward_vault::vault::Operator;

/// What no issuer's token begins with.
const TOKEN_OF_THE_DIRECTORY: &str = "kwt_";

/// Proves a claim. `uid` is what the operating system says of the process that makes it.
///
/// # Errors
/// [`Refusal`].
pub fn authenticate(
    (vault, issuers): (&Vault, &Issuers),
    config: &Config,
    claim: &Claim,
    uid: u32,
) -> Result<Caller, Refusal> {
    match claim {
        Claim::Bearer(token) if !issuers.is_empty() && !token.starts_with(TOKEN_OF_THE_DIRECTORY) => {
            let verified = issuers.verify(token, vault.now()).map_err(|error| match error {
                NotVerified::Refused(why) => {
                    tracing::info!(why, "a token of an issuer does not hold");
                    Refusal::Token
                }
                NotVerified::Later => Refusal::Later,
            })?;
            by_issuer(vault, config, verified)
        }
        Claim::Bearer(secret) => {
            let subject = vault.token_subject(secret).ok_or(Refusal::Token)?;
            // INVARIANT: a token for an agent whose id we cannot read is no token without an agent.
            let agent = subject.agent.map(AgentId::new).transpose().map_err(|_| Refusal::Token)?;
            Ok(proven(config, Subject::User(subject.user), agent, Credential::Token(subject.hash)))
        }
        Claim::Local { act_as, reason } => {
            let person = config.operators.get(&uid).ok_or(Refusal::NotNamed { uid })?;
            let own = person.handle.as_deref();
            let other = act_as.as_deref().filter(|handle| Some(*handle) != own);
            // Who may not ask as others does not learn who there is.
            let by =
                other.map(|handle| may_act_as(vault, config, uid, handle, reason.as_deref())).transpose()?;
            let handle = other.or(own).ok_or(Refusal::NobodyHere { uid })?;
            let user = vault.user_by_handle(handle).ok_or_else(|| unknown(vault, handle))?;
            if let Some(by) = by {
                // INVARIANT: nobody acts as somebody else without a durable record of it.
                vault.record_acting_as(&by, &user.id).map_err(|_| Refusal::NotRecorded)?;
            }
            Ok(proven(config, Subject::User(user.id), None, Credential::Peer { uid }))
        }
    }
}

/// The caller behind an issuer's token.
fn by_issuer(vault: &Vault, config: &Config, verified: Verified) -> Result<Caller, Refusal> {
    let Verified { issued, client, scopes, membership } = verified;
    let refused = |why| {
        tracing::info!(why, "a token of an issuer does not hold");
        Err(Refusal::Token)
    };
    // INVARIANT: where agents are limited, a token that does not say which agent it is of is no way round the limits.
    if client.is_none() && !config.agents.is_empty() {
        return refused("it names no client");
    }
    // INVARIANT: by the link alone, never by an address or a name that the token says.
    let subject = match (vault.holder(&issued.issuer, &issued.holder), &issued.holder) {
        (Ok(Some(entry)), _) => Subject::User(entry.id),
        (Ok(None), IssuedTo::Service(client)) => match caller::service(&issued.issuer, client) {
            Ok(service) => Subject::Service(service),
            Err(_) => return refused("the names of its client and its issuer are too long together"),
        },
        (Ok(None), IssuedTo::Person(_)) => return refused("nobody is linked"),
        (Err(()), _) => return refused("whoever is linked is disabled"),
    };
    if !scopes.contains(issued::READ) {
        return Err(Refusal::Scope);
    }
    Ok(proven(config, subject, client, Credential::Issued(issued)).with_membership(membership))
}

fn unknown(vault: &Vault, handle: &str) -> Refusal {
    let known = vault.users().unwrap_or_default().into_iter().find(|user| user.handle == handle);
    Refusal::UnknownPerson { handle: handle.to_owned(), disabled: known.is_some_and(|user| user.disabled) }
}

/// The operator who may ask as `handle`, with the reason.
fn may_act_as(
    vault: &Vault,
    config: &Config,
    uid: u32,
    handle: &str,
    reason: Option<&str>,
) -> Result<Operator, Refusal> {
    let by = operator(vault, config, uid)?;
    let reason = reason.map(str::trim).filter(|text| !text.is_empty());
    let reason = reason.ok_or_else(|| Refusal::NoReason { handle: handle.to_owned() })?;
    Ok(Operator { reason: Some(reason.to_owned()), ..by })
}

/// The operator behind `uid`.
///
/// # Errors
/// [`Refusal::NotNamed`], [`Refusal::NotOperator`].
pub fn operator(vault: &Vault, config: &Config, uid: u32) -> Result<Operator, Refusal> {
    let person = config.operators.get(&uid).ok_or(Refusal::NotNamed { uid })?;
    match person.role {
        Role::Operator => {}
        Role::Person => return Err(Refusal::NotOperator { uid }),
    }
    let user = person.handle.as_deref().and_then(|handle| vault.user_by_handle(handle)).map(|user| user.id);
    Ok(Operator { uid, user, reason: None })
}

#[expect(clippy::disallowed_methods, reason = "the one place that states that an identity was proven")]
fn proven(config: &Config, subject: Subject, agent: Option<AgentId>, credential: Credential) -> Caller {
    // A person at this machine asks without an agent.
    let limits = match credential {
        Credential::Peer { .. } => AgentLimits::default(),
        Credential::Token(_) | Credential::Issued(_) => agents::limits(&config.agents, agent.as_ref()),
    };
    Caller::authenticated(config.tenant.clone(), subject, agent, credential).with_limits(limits)
}
