//! Access tokens of trusted issuers (OAuth 2.1, RFC 9068): whether one is what it says, by the issuer's keys.
//!
//! Dana's agent brings a token of `https://login.harbor.example`. Its form is read strictly (`strict`), what it claims is held against
//! the configuration and the clock (`claims`), and only then its signature against the one key of that issuer that the
//! token names (`keys`, `crypto`). What comes out says which subject of which issuer it is; who that is in the directory
//! is the authenticator's to say. It must never take a key, an address or an algorithm from a token, nor log any of it.

mod claims;
mod crypto;
mod fetch;
mod keys;
mod strict;
#[cfg(test)]
mod tests;

pub use claims::{READ, Verified};
pub use fetch::FetchError;

use crate::config::{Algorithm, Config, IssuerConfig};
use crate::outgoing::Outgoing;
use claims::Refused;
use kenward_access::ids::Timestamp;
use keys::{KeyError, Keys};
use std::sync::Arc;

/// Longer is no token of any issuer.
pub const LONGEST_TOKEN: usize = 16 << 10;
/// The longest name of a key.
const LONGEST_KID: usize = 256;

/// Why a token was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotVerified {
    /// It is no valid token for here. The word is for logs; strangers are told nothing but that.
    Refused(&'static str),
    /// The issuer's keys cannot be had now: nobody can tell.
    Later,
}

impl From<Refused> for NotVerified {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused.0)
    }
}

/// The trusted issuers, each with its keys as far as they are known.
#[derive(Debug, Default)]
pub struct Issuers {
    issuers: Vec<Issuer>,
}

#[derive(Debug)]
struct Issuer {
    config: IssuerConfig,
    audiences: Vec<String>,
    keys: Arc<Keys>,
}

impl Issuers {
    /// Those of a configuration. No key is fetched before a token needs one.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let door = Outgoing::of(config).issuers();
        let resource = config.resource();
        let issuer = |issuer: &IssuerConfig| Issuer {
            audiences: issuer.audience.iter().cloned().chain(resource.clone()).collect(),
            keys: Arc::new(Keys::new(issuer.clone(), door.clone(), keys::Bounds::default())),
            config: issuer.clone(),
        };
        Self { issuers: config.issuers.iter().map(issuer).collect() }
    }

    /// Fetches the keys of each issuer now, for whoever looks whether that works: its configuration, and how many keys it has.
    #[must_use]
    pub fn look(config: &Config) -> Vec<(IssuerConfig, Result<usize, FetchError>)> {
        let door = Outgoing::of(config).issuers();
        let look =
            |issuer: &IssuerConfig| (issuer.clone(), fetch::keys(issuer, &door).map(|keys| keys.len()));
        config.issuers.iter().map(look).collect()
    }

    /// Whether there are none: then no token can be any of theirs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.issuers.is_empty()
    }

    /// Verifies a token at `now`. May wait some seconds for an issuer's keys; never for another issuer's.
    ///
    /// # Errors
    /// [`NotVerified`].
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Verified, NotVerified> {
        let form = Form::read(token)?;
        let claimed = form.claims.get("iss").and_then(serde_json::Value::as_str);
        let issuer = self.issuers.iter().find(|known| Some(known.config.url.as_str()) == claimed);
        let issuer = issuer.ok_or(Refused("issuer"))?;
        let config = &issuer.config;
        // INVARIANT: the list is the configuration's; the token only says which of it.
        let algorithm = form.algorithm()?;
        if !config.algorithms.contains(&algorithm) {
            return Err(Refused("algorithm").into());
        }
        form.typ(config.any_typ)?;
        let verified = claims::read(config, &issuer.audiences, &form.claims, now)?;
        let key = issuer.keys.find(form.kid()?, algorithm).map_err(|error| match error {
            KeyError::Unknown => NotVerified::Refused("key"),
            KeyError::Later => NotVerified::Later,
        })?;
        crypto::verify(token, &key, algorithm, &config.url, &issuer.audiences)
            .then(|| verified.of(token))
            .ok_or(NotVerified::Refused("signature"))
    }
}

/// A token taken apart, not verified.
struct Form {
    header: strict::Object,
    claims: strict::Object,
}

impl Form {
    /// Exactly three parts (five are an encrypted token's), each without padding, two of them JSON objects.
    fn read(token: &str) -> Result<Self, Refused> {
        if token.len() > LONGEST_TOKEN {
            return Err(Refused("length"));
        }
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refused("form"));
        };
        if signature.is_empty() {
            return Err(Refused("signature"));
        }
        let object = |part: &str| {
            let bytes = data_encoding::BASE64URL_NOPAD.decode(part.as_bytes()).ok()?;
            strict::object(&bytes)
        };
        let header = object(header).ok_or(Refused("header"))?;
        let claims = object(claims).ok_or(Refused("claims"))?;
        // What must be understood is not; and a payload that is not encoded is another payload.
        if ["crit", "b64", "zip", "enc"].iter().any(|name| header.contains_key(*name)) {
            return Err(Refused("header"));
        }
        Ok(Self { header, claims })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.header.get(name).and_then(serde_json::Value::as_str)
    }

    fn algorithm(&self) -> Result<Algorithm, Refused> {
        self.text("alg").and_then(Algorithm::named).ok_or(Refused("algorithm"))
    }

    fn kid(&self) -> Result<&str, Refused> {
        self.text("kid").filter(|kid| !kid.is_empty() && kid.len() <= LONGEST_KID).ok_or(Refused("key"))
    }

    /// An access token's type; with `any` also what says no type, or merely that it is a JWT. Never another kind of token's.
    fn typ(&self, any: bool) -> Result<(), Refused> {
        let typ = match self.header.get("typ") {
            None => None,
            Some(typ) => Some(typ.as_str().ok_or(Refused("typ"))?.to_ascii_lowercase()),
        };
        match typ.as_deref() {
            Some("at+jwt" | "application/at+jwt") => Ok(()),
            None | Some("jwt" | "application/jwt") if any => Ok(()),
            _ => Err(Refused("typ")),
        }
    }
}
