//! An issuer's public keys, fetched: from where the configuration says, else from where its metadata says, which must be
//! its own (RFC 8414, OpenID Connect Discovery). What is no key for verifying is passed over.

use crate::config::{Algorithm, IssuerConfig};
use crate::outgoing::{IssuerDoor, IssuerError};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk};
use reqwest::Url;
use serde_json::Value;

/// More keys than this an issuer does not have.
const MOST_KEYS: usize = 100;

/// Why an issuer's keys cannot be had. Nothing of what it said is in here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// A document could not be had.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// Metadata that is no JSON, or names no keys.
    #[error("its metadata does not say where its keys are")]
    Metadata,
    /// Metadata of another issuer.
    #[error("its metadata is another issuer's")]
    Another,
    /// Keys that are no key set.
    #[error("what stands where its keys should be is no key set")]
    NoKeySet,
    /// A key set without a key that verifies.
    #[error("none of its keys can verify a signature")]
    NoKeys,
}

/// A key of an issuer.
#[derive(Debug)]
pub(super) struct Key {
    pub kid: String,
    pub key: DecodingKey,
    pub algorithms: Vec<Algorithm>,
}

/// Fetches the keys.
///
/// # Errors
/// [`FetchError`].
pub(super) fn keys(config: &IssuerConfig, door: &IssuerDoor) -> Result<Vec<Key>, FetchError> {
    let place = match &config.jwks_uri {
        Some(place) => place.clone(),
        None => discover(&config.url, door)?,
    };
    let set: Value = serde_json::from_slice(&door.fetch(&place)?).map_err(|_| FetchError::NoKeySet)?;
    let set = set.get("keys").and_then(Value::as_array).ok_or(FetchError::NoKeySet)?;
    let keys: Vec<Key> = set.iter().take(MOST_KEYS).filter_map(key).collect();
    if keys.is_empty() { Err(FetchError::NoKeys) } else { Ok(keys) }
}

/// Where the metadata says that the keys are.
fn discover(issuer: &str, door: &IssuerDoor) -> Result<Url, FetchError> {
    let mut last = FetchError::Metadata;
    for place in metadata_places(issuer) {
        let found = door.fetch(&place).map_err(FetchError::from).and_then(|bytes| jwks_uri(issuer, &bytes));
        match found {
            Ok(place) => return Ok(place),
            // Somebody else's metadata at the issuer's own place is no reason to look elsewhere.
            Err(FetchError::Another) => return Err(FetchError::Another),
            Err(error) => last = error,
        }
        if last == FetchError::Issuer(IssuerError::Unreachable) {
            return Err(last);
        }
    }
    Err(last)
}

/// RFC 8414 puts its name before the issuer's path, OpenID Connect after it.
fn metadata_places(issuer: &str) -> Vec<Url> {
    let Ok(url) = Url::parse(issuer) else { return Vec::new() };
    let path = url.path().trim_end_matches('/').to_owned();
    let at = |path: String| {
        let mut place = url.clone();
        place.set_path(&path);
        place
    };
    vec![
        at(format!("/.well-known/oauth-authorization-server{path}")),
        at(format!("{path}/.well-known/openid-configuration")),
    ]
}

fn jwks_uri(issuer: &str, metadata: &[u8]) -> Result<Url, FetchError> {
    let metadata: Value = serde_json::from_slice(metadata).map_err(|_| FetchError::Metadata)?;
    let text = |name: &str| metadata.get(name).and_then(Value::as_str).ok_or(FetchError::Metadata);
    // INVARIANT: to the letter (RFC 8414, 3.3), or one issuer could speak for another.
    if text("issuer")? != issuer {
        return Err(FetchError::Another);
    }
    Url::parse(text("jwks_uri")?).map_err(|_| FetchError::Metadata)
}

/// A key that can verify a signature; `None` for any other.
fn key(value: &Value) -> Option<Key> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let kid = text("kid").filter(|kid| !kid.is_empty())?.to_owned();
    let for_signatures = value.get("use").is_none_or(|used| used.as_str() == Some("sig"));
    let verifies = value.get("key_ops").is_none_or(|operations| {
        operations.as_array().is_some_and(|all| all.iter().any(|one| one.as_str() == Some("verify")))
    });
    if !for_signatures || !verifies {
        return None;
    }
    use Algorithm as A;
    let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
    let mut algorithms = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => vec![A::RS256, A::RS384, A::RS512, A::PS256, A::PS384, A::PS512],
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => vec![A::ES256],
            EllipticCurve::P384 => vec![A::ES384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => vec![A::EdDSA],
        // INVARIANT: a shared secret is no key of an issuer.
        _ => return None,
    };
    if let Some(own) = value.get("alg") {
        let own = own.as_str().and_then(A::named)?;
        algorithms.retain(|algorithm| *algorithm == own);
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    (!algorithms.is_empty()).then_some(Key { kid, key, algorithms })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn metadata_is_looked_for_in_both_forms() {
        let places = |issuer: &str| metadata_places(issuer).iter().map(Url::to_string).collect::<Vec<_>>();
        for (issuer, first, second) in [
            (
                "https://login.example.com",
                "https://login.example.com/.well-known/oauth-authorization-server",
                "https://login.example.com/.well-known/openid-configuration",
            ),
            (
                "https://login.example.com/t/1/",
                "https://login.example.com/.well-known/oauth-authorization-server/t/1",
                "https://login.example.com/t/1/.well-known/openid-configuration",
            ),
        ] {
            assert_eq!(places(issuer), [first, second]);
        }
    }

    #[test]
    fn metadata_of_another_issuer_is_none() {
        let said =
            |issuer: &str| json!({ "issuer": issuer, "jwks_uri": "https://a.example/keys" }).to_string();
        let uri = |issuer: &str| jwks_uri("https://a.example", said(issuer).as_bytes());
        assert!(uri("https://a.example").is_ok());
        for other in ["https://a.example/", "https://A.example", "https://a.example.evil.example", ""] {
            assert_eq!(uri(other), Err(FetchError::Another), "{other}");
        }
        assert_eq!(jwks_uri("https://a.example", b"<html>"), Err(FetchError::Metadata));
    }

    #[test]
    fn what_verifies_nothing_is_passed_over() {
        let ed = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "1", "x": data_encoding::BASE64URL_NOPAD.encode(&[7; 32]) });
        let with = |name: &str, value: Value| {
            let mut changed = ed.clone();
            changed[name] = value;
            key(&changed)
        };
        assert_eq!(key(&ed).unwrap().algorithms, [Algorithm::EdDSA]);
        assert!(with("use", json!("sig")).is_some() && with("key_ops", json!(["verify"])).is_some());
        for (name, value) in [
            ("use", json!("enc")),
            ("use", json!(7)),
            ("key_ops", json!(["sign"])),
            ("key_ops", json!("verify")),
            ("alg", json!("RS256")),
            ("alg", json!("none")),
            ("alg", json!("HS256")),
            ("crv", json!("X25519")),
            ("kid", json!("")),
            ("kid", json!(7)),
        ] {
            assert!(with(name, value.clone()).is_none(), "{name} {value}");
        }
        assert!(key(&json!({ "kty": "oct", "kid": "1", "k": "c2VjcmV0" })).is_none());
    }
}
