//! What a token claims, held against the configuration and the clock. It must never be used before the signature holds:
//! [`Read`] becomes a [`Verified`] only there.

use super::strict::Object;
use crate::config::issuers::GroupsClaim;
use crate::config::{Groups, IssuerConfig};
use kenward_access::caller::{Claimed, Issued, IssuedTo, Membership};
use kenward_access::ids::{AgentId, Timestamp};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// The scope that every surface of the agents' endpoint needs.
pub const READ: &str = "kb:read";

/// By how many milliseconds clocks may differ.
const LEEWAY: i64 = 60_000;
/// The longest id of a subject (OpenID Connect's bound).
const LONGEST_SUBJECT: usize = 255;
/// The first second after the year 9999: whatever is later is no time.
const END_OF_TIME: f64 = 253_402_300_800.0;

/// Why a token does not hold, in a word for logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused(pub &'static str);

/// A token that is what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Whose it is, and until when.
    pub issued: Issued,
    /// The client through which it came.
    pub client: Option<AgentId>,
    /// What it was issued for.
    pub scopes: BTreeSet<String>,
    /// What it says of groups, as far as the configuration asks it.
    pub membership: Membership,
}

/// What a token says; its signature is not looked at yet.
pub(super) struct Read {
    issuer: Box<str>,
    expires: Timestamp,
    holder: IssuedTo,
    client: Option<AgentId>,
    scopes: BTreeSet<String>,
    membership: Membership,
}

impl Read {
    /// States that the signature of this token holds.
    pub(super) fn of(self, token: &str) -> Verified {
        let hash = Sha256::digest(token.as_bytes()).into();
        let issued = Issued { issuer: self.issuer, hash, expires: self.expires, holder: self.holder };
        Verified { issued, client: self.client, scopes: self.scopes, membership: self.membership }
    }
}

/// Reads the claims of a token of this issuer.
pub(super) fn read(
    config: &IssuerConfig,
    audiences: &[String],
    claims: &Object,
    now: Timestamp,
) -> Result<Read, Refused> {
    // INVARIANT: a token for somebody else is none for here, whoever signed it.
    let ours = |name: &str| audiences.iter().any(|audience| audience == name);
    if !texts(claims.get("aud")).ok_or(Refused("audience"))?.iter().any(|name| ours(name)) {
        return Err(Refused("audience"));
    }
    let expires = time(claims, "exp")?.ok_or(Refused("expiry"))?;
    let expires = Timestamp(expires.saturating_add(LEEWAY));
    if expires <= now {
        return Err(Refused("expired"));
    }
    for name in ["nbf", "iat"] {
        if time(claims, name)?.is_some_and(|from| from > now.0.saturating_add(LEEWAY)) {
            return Err(Refused("not yet"));
        }
    }
    // Nothing here checks that whoever brings it has the key that it is bound to.
    if claims.get("cnf").is_some_and(|bound| !bound.is_null()) {
        return Err(Refused("bound"));
    }
    // An ID token's, and a logout token's or another event's.
    if ["at_hash", "c_hash", "events"].iter().any(|name| claims.contains_key(*name)) {
        return Err(Refused("another kind"));
    }
    let client = client(claims)?;
    let holder = holder(claims, client.as_ref())?;
    let membership = match (&config.groups, &holder) {
        (Groups::Directory, _) | (_, IssuedTo::Service(_)) => Membership::Directory,
        (Groups::Claims(claim), IssuedTo::Person(_)) => Membership::Claims(claimed(claim, claims)),
        (Groups::Intersect(claim), IssuedTo::Person(_)) => Membership::Intersect(claimed(claim, claims)),
    };
    let scopes = scopes(claims)?;
    Ok(Read { issuer: config.url.as_str().into(), expires, holder, client, scopes, membership })
}

/// One text or a list of texts, and nothing else.
fn texts(value: Option<&Value>) -> Option<Vec<&str>> {
    match value? {
        Value::String(text) => Some(vec![text]),
        Value::Array(items) => items.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// A NumericDate in milliseconds.
fn time(claims: &Object, name: &str) -> Result<Option<i64>, Refused> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| (0.0..END_OF_TIME).contains(seconds));
    #[expect(clippy::cast_possible_truncation, reason = "it is below the year 10000")]
    seconds.map(|seconds| Some((seconds * 1000.0) as i64)).ok_or(Refused("time"))
}

/// `client_id` (RFC 9068), `azp` (OpenID Connect), or what two large issuers call it; where several stand, they are the
/// same.
fn client(claims: &Object) -> Result<Option<AgentId>, Refused> {
    let mut found = None;
    for name in ["client_id", "azp", "cid", "appid"] {
        let Some(value) = claims.get(name) else { continue };
        let id = value.as_str().and_then(|text| AgentId::new(text).ok()).ok_or(Refused("client"))?;
        if found.as_ref().is_some_and(|known| *known != id) {
            return Err(Refused("client"));
        }
        found = Some(id);
    }
    Ok(found)
}

fn holder(claims: &Object, client: Option<&AgentId>) -> Result<IssuedTo, Refused> {
    let subject = match claims.get("sub") {
        None => None,
        Some(value) => {
            let fits = |text: &&str| !text.is_empty() && text.len() <= LONGEST_SUBJECT;
            Some(value.as_str().filter(fits).ok_or(Refused("subject"))?)
        }
    };
    match (subject, client) {
        (Some(subject), Some(client)) if subject == client.as_str() => Ok(IssuedTo::Service(client.clone())),
        (Some(subject), _) => Ok(IssuedTo::Person(subject.into())),
        (None, Some(client)) => Ok(IssuedTo::Service(client.clone())),
        (None, None) => Err(Refused("subject")),
    }
}

/// `scope` (RFC 8693), else `scp`.
fn scopes(claims: &Object) -> Result<BTreeSet<String>, Refused> {
    let words = |text: &str| text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    match (claims.get("scope"), claims.get("scp")) {
        (Some(Value::String(text)), _) | (None, Some(Value::String(text))) => Ok(words(text)),
        (None, Some(list)) => {
            let list = texts(Some(list)).ok_or(Refused("scope"))?;
            Ok(list.into_iter().map(str::to_owned).collect())
        }
        (Some(_), _) => Err(Refused("scope")),
        (None, None) => Ok(BTreeSet::new()),
    }
}

/// The claimed groups. INVARIANT: what the issuer should have said and did not, or says to be elsewhere, is missing, and
/// not "in no group".
fn claimed(config: &GroupsClaim, claims: &Object) -> Claimed {
    let elsewhere = match claims.get("_claim_names") {
        None => false,
        Some(Value::Object(names)) => names.contains_key(&config.claim),
        Some(_) => true,
    };
    let too_many =
        claims.get("hasgroups").is_some_and(|value| !matches!(value, Value::Bool(false) | Value::Null));
    match texts(claims.get(&config.claim)) {
        Some(values) if !elsewhere && !too_many => {
            let handle = |value: &str| config.names.get(value).map_or(value, String::as_str).into();
            Claimed::All(values.into_iter().map(handle).collect())
        }
        _ => Claimed::Incomplete,
    }
}
