//! Issuers whose tokens are accepted: `[[issuer]]` tables. An issuer is what its tokens say, to the letter; what is not
//! said here (algorithms, audiences, groups) is never taken from a token.

use super::error::{ConfigError, Place};
use super::raw::Entry;
use super::reach::exact;
use super::validate::Values;
use reqwest::Url;
use std::collections::{BTreeMap, BTreeSet};

/// An issuer that is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerConfig {
    /// Exactly what its tokens say as `iss`.
    pub url: String,
    /// Audiences beside the public URL of `/mcp`.
    pub audience: Vec<String>,
    /// Where its keys are; `None` = its metadata says.
    pub jwks_uri: Option<Url>,
    /// How its tokens may be signed.
    pub algorithms: Vec<Algorithm>,
    /// Whether tokens are taken that do not say that they are access tokens (RFC 9068).
    pub any_typ: bool,
    /// Where memberships come from.
    pub groups: Groups,
}

/// How a token may be signed. There is no `none`, and nothing with a shared secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "they are RFC 7518's names")]
pub enum Algorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

impl Algorithm {
    /// All of them, by RFC 7518's names.
    pub const ALL: [(&'static str, Self); 9] = [
        ("RS256", Self::RS256),
        ("RS384", Self::RS384),
        ("RS512", Self::RS512),
        ("PS256", Self::PS256),
        ("PS384", Self::PS384),
        ("PS512", Self::PS512),
        ("ES256", Self::ES256),
        ("ES384", Self::ES384),
        ("EdDSA", Self::EdDSA),
    ];
    const DEFAULT: [Self; 4] = [Self::RS256, Self::PS256, Self::ES256, Self::EdDSA];

    /// By its name, to the letter.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, algorithm)| algorithm)
    }
}

/// Where the memberships of an issuer's people come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Groups {
    /// The directory alone.
    Directory,
    /// The token alone.
    Claims(GroupsClaim),
    /// What both say.
    Intersect(GroupsClaim),
}

impl Groups {
    /// As the configuration has it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Claims(_) => "claims",
            Self::Intersect(_) => "intersect",
        }
    }
}

/// How a token names groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupsClaim {
    /// The claim.
    pub claim: String,
    /// Handle of the directory by the claim's value; a value that is not here is a handle itself.
    pub names: BTreeMap<String, String>,
}

pub(super) fn read(written: &[(Place, BTreeMap<String, Entry>)]) -> Result<Vec<IssuerConfig>, ConfigError> {
    let mut issuers: Vec<IssuerConfig> = Vec::new();
    for (at, table) in written {
        let values = Values { raw: table, prefix: "issuer." };
        let url = values.text("url")?.ok_or_else(|| ConfigError::Value {
            key: "issuer.url".into(),
            place: at.clone(),
            found: "missing".into(),
            expected: URL.into(),
        })?;
        // A slash at the end is part of some issuers' names.
        if !exact(&url) {
            return Err(values.wrong("url", &format!("`{url}`"), URL));
        }
        if issuers.iter().any(|issuer| issuer.url == url) {
            return Err(values.wrong(
                "url",
                &format!("`{url}`, which another issuer has"),
                "one table for each issuer",
            ));
        }
        let audience = values.texts("audience")?.unwrap_or_default();
        if audience.iter().any(String::is_empty) {
            return Err(values.wrong(
                "audience",
                "a list with an empty name",
                "audiences beside the public URL",
            ));
        }
        issuers.push(IssuerConfig {
            jwks_uri: jwks_uri(values)?,
            algorithms: algorithms(values)?,
            any_typ: values.flag("any_typ")?,
            groups: groups(values)?,
            url,
            audience,
        });
    }
    Ok(issuers)
}

const URL: &str = "the issuer exactly as its tokens say it: an `https://` address (`http://` on this machine only), without query";

fn jwks_uri(values: Values<'_>) -> Result<Option<Url>, ConfigError> {
    let Some(text) = values.text("jwks_uri")? else { return Ok(None) };
    let url = Url::parse(&text).ok().filter(|url| {
        let plain = url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
        plain && crate::outgoing::may_be_asked(url)
    });
    let expected = "the address of its keys: `https://` (`http://` on this machine only)";
    url.map(Some).ok_or_else(|| values.wrong("jwks_uri", &format!("`{text}`"), expected))
}

fn algorithms(values: Values<'_>) -> Result<Vec<Algorithm>, ConfigError> {
    let Some(names) = values.texts("algorithms")? else { return Ok(Algorithm::DEFAULT.to_vec()) };
    let known: Vec<&str> = Algorithm::ALL.iter().map(|(name, _)| *name).collect();
    let expected = format!("a list of {}", known.join(", "));
    let mut algorithms = BTreeSet::new();
    for name in &names {
        // INVARIANT: `none` and shared secrets are no algorithms here.
        let found = Algorithm::named(name);
        algorithms.insert(found.ok_or_else(|| values.wrong("algorithms", &format!("`{name}`"), &expected))?);
    }
    if algorithms.is_empty() {
        return Err(values.wrong("algorithms", "an empty list", &expected));
    }
    Ok(algorithms.into_iter().collect())
}

fn groups(values: Values<'_>) -> Result<Groups, ConfigError> {
    let claim = values.text("groups_claim")?;
    let names = group_names(values)?;
    let mode = values.text("groups")?.unwrap_or_else(|| "directory".to_owned());
    let claimed = || GroupsClaim {
        claim: claim.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| "groups".to_owned()),
        names: names.clone().unwrap_or_default(),
    };
    match mode.as_str() {
        "directory" => match [("groups_claim", claim.is_some()), ("group_names", names.is_some())]
            .iter()
            .find(|(_, set)| *set)
        {
            Some((key, _)) => Err(values.wrong(
                key,
                "set beside `groups = \"directory\"`",
                "nothing there, or `groups` to `claims` or `intersect`",
            )),
            None => Ok(Groups::Directory),
        },
        "claims" => Ok(Groups::Claims(claimed())),
        "intersect" => Ok(Groups::Intersect(claimed())),
        other => {
            Err(values.wrong("groups", &format!("`{other}`"), "one of `directory`, `claims`, `intersect`"))
        }
    }
}

fn group_names(values: Values<'_>) -> Result<Option<BTreeMap<String, String>>, ConfigError> {
    let expected = "a table such as `{ \"5f3c…\" = \"finance\" }`: what the claim says = handle of a group";
    match values.raw.get("group_names").map(|entry| &entry.value) {
        None => Ok(None),
        Some(toml::Value::Table(table)) => table
            .iter()
            .map(|(claimed, handle)| match handle {
                toml::Value::String(handle) if !handle.is_empty() => Ok((claimed.clone(), handle.clone())),
                other => Err(values.kind("group_names", other, expected)),
            })
            .collect::<Result<_, _>>()
            .map(Some),
        Some(other) => Err(values.kind("group_names", other, expected)),
    }
}
