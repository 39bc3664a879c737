//! Where HTTP is served, and how it is reached. INVARIANT: beyond loopback nothing listens unless an issuer, the public
//! URL, the allowed hosts and whoever ends TLS are all named; a key that is missing is an error, never a default.

use super::error::ConfigError;
use super::validate::Values;
use crate::http::limits::Limits;
use crate::http::tls::Files;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::Path;

/// How the endpoint is reached, beside its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// The URL under which clients reach `/mcp`, as configured.
    pub public_url: Option<String>,
    /// Authorities that a request's `Host` may name, beside loopback's own.
    pub allowed_hosts: Vec<String>,
    /// Origins of pages that may call, beside loopback's own.
    pub allowed_origins: Vec<String>,
    /// From where.
    pub reach: Reach,
    /// The certificate and the key of TLS, if it is spoken here.
    pub tls: Option<Files>,
    /// What one caller may ask for.
    pub limits: Limits,
    /// Connections at once of one address that stands for itself.
    pub connections_per_address: usize,
}

/// From where requests may come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// This machine.
    Loopback,
    /// Elsewhere, through proxies that end TLS.
    Proxied(Vec<Network>),
    /// Anywhere, by TLS that ends here.
    Direct,
}

/// Addresses with a common beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// `10.0.0.7`, `10.0.0.0/24`, `2001:db8::/32`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        // All of the internet is nobody whom one can trust.
        (1..=most).contains(&bits).then_some(Self { address, bits })
    }

    /// Whether an address is one of them. One of IPv4 that comes as one of IPv6 is what it is.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        let same = |a: u128, b: u128, width: u8| (a ^ b) >> (width - self.bits) == 0;
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                same(u128::from(ours.to_bits()), u128::from(theirs.to_bits()), 32)
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => same(ours.to_bits(), theirs.to_bits(), 128),
            _ => false,
        }
    }
}

/// The two files of TLS: both, or neither.
fn tls(values: Values<'_>, base: &Path) -> Result<Option<Files>, ConfigError> {
    let of = |name| values.path(name, base);
    match (of("http.tls_certificate")?, of("http.tls_key")?) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(Files { certificate, key })),
        (Some(_), None) => Err(values.wrong("http.tls_key", "missing, with `http.tls_certificate`", PEM)),
        (None, Some(_)) => Err(values.wrong("http.tls_certificate", "missing, with `http.tls_key`", PEM)),
    }
}

const PEM: &str = "the path of a PEM file";

fn limits(values: Values<'_>) -> Result<Limits, ConfigError> {
    let one = |name, default: NonZeroU32| -> Result<NonZeroU32, ConfigError> {
        let number = values.number(name, u64::from(default.get()), 1..=1_000_000)?;
        Ok(u32::try_from(number).ok().and_then(NonZeroU32::new).unwrap_or(default))
    };
    let default = Limits::default();
    Ok(Limits {
        per_second: one("http.requests_per_second", default.per_second)?,
        at_once: one("http.requests_at_once", default.at_once)?,
        listens: one("http.listens_at_once", default.listens)?,
    })
}

pub(super) fn read(
    values: Values<'_>,
    issuers: bool,
    hosts_others: bool,
    base: &Path,
) -> Result<(SocketAddr, HttpConfig), ConfigError> {
    let (tls, limits) = (tls(values, base)?, limits(values)?);
    let connections = values.number("http.connections_per_address", 512, 1..=4096)?;
    let connections_per_address = usize::try_from(connections).unwrap_or(512);
    let text = values.text("http.addr")?.unwrap_or_else(|| "127.0.0.1:8765".to_owned());
    let addr: SocketAddr = text.parse().map_err(|_| {
        values.wrong("http.addr", &format!("`{text}`"), "an address and a port such as `127.0.0.1:8765`")
    })?;
    let public_url = public_url(values)?;
    let allowed_hosts = list(values, "http.allowed_hosts", "a host such as `kb.example.com`", |host| {
        let authority = host.parse::<axum::http::uri::Authority>();
        authority.is_ok_and(|authority| !authority.host().is_empty()) && !host.contains('@')
    })?;
    let allowed_origins =
        list(values, "http.allowed_origins", "an origin such as `https://app.example.com`", |text| {
            reqwest::Url::parse(text).is_ok_and(|url| url.origin().is_tuple() && url.path() == "/")
                && !text.ends_with('/')
        })?;
    let expected = "an address or a network such as `10.0.0.7` or `10.0.0.0/24`";
    let proxies = list(values, "http.trusted_proxies", expected, |text| Network::parse(text).is_some())?;
    let proxies: Vec<Network> = proxies.iter().filter_map(|text| Network::parse(text)).collect();
    let reach = if addr.ip().is_loopback() {
        Reach::Loopback
    } else {
        let https = public_url.as_deref().is_some_and(|url| url.starts_with("https://"));
        let given = [
            // Several tenants have their own, which are looked at when they are served.
            (issuers || hosts_others, "`[[issuer]]`"),
            (https || hosts_others, "`http.public_url` (https)"),
            (!allowed_hosts.is_empty(), "`http.allowed_hosts`"),
            (
                !proxies.is_empty() || tls.is_some(),
                "`http.trusted_proxies` (or `http.tls_certificate` and `http.tls_key`)",
            ),
        ];
        let missing: Vec<&str> = given.iter().filter(|(given, _)| !given).map(|(_, name)| *name).collect();
        if !missing.is_empty() {
            return Err(ConfigError::Open {
                key: "http.addr".into(),
                place: values.place("http.addr"),
                found: text.into(),
                why: "beyond this machine it serves only tokens of an issuer, under its public name, behind TLS"
                    .into(),
                instead: format!("set {}, or listen on loopback: `127.0.0.1:8765`", missing.join(", ")).into(),
            });
        }
        if proxies.is_empty() { Reach::Direct } else { Reach::Proxied(proxies) }
    };
    if issuers && public_url.is_none() && addr.port() == 0 {
        return Err(ConfigError::Value {
            key: "http.public_url".into(),
            place: values.place("http.addr"),
            found: "missing, with `[[issuer]]` and port 0".into(),
            expected: PUBLIC_URL.into(),
        });
    }
    let http = HttpConfig {
        public_url,
        allowed_hosts,
        allowed_origins,
        reach,
        tls,
        limits,
        connections_per_address,
    };
    Ok((addr, http))
}

const PUBLIC_URL: &str = "the URL of `/mcp` as clients reach it, such as `https://kb.example.com/mcp` (`http://` on this \
     machine only; no query, no slash at its end)";

fn public_url(values: Values<'_>) -> Result<Option<String>, ConfigError> {
    let Some(text) = values.text("http.public_url")? else { return Ok(None) };
    let plain = exact(&text) && text.ends_with(crate::http::MCP_PATH);
    if plain {
        Ok(Some(text))
    } else {
        Err(values.wrong("http.public_url", &format!("`{text}`"), PUBLIC_URL))
    }
}

/// Whether a text is the one way to write an address that may be asked, without what can hide something. Two ways to write
/// one would be two issuers, or two resources.
pub(super) fn exact(text: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(text) else { return false };
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    let same = url.as_str() == text || url.as_str().strip_suffix('/') == Some(text);
    plain && url.password().is_none() && same && crate::outgoing::may_be_asked(&url)
}

fn list(
    values: Values<'_>,
    name: &str,
    expected: &str,
    fits: impl Fn(&str) -> bool,
) -> Result<Vec<String>, ConfigError> {
    let texts = values.texts(name)?.unwrap_or_default();
    match texts.iter().find(|text| !fits(text)) {
        Some(bad) => Err(values.wrong(name, &format!("`{bad}`"), expected)),
        None => Ok(texts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_own_and_nothing_else() {
        let holds =
            |network: &str, address: &str| Network::parse(network).unwrap().holds(address.parse().unwrap());
        for (network, inside, outside) in [
            ("10.0.0.7", "10.0.0.7", "10.0.0.8"),
            ("10.0.0.0/24", "10.0.0.255", "10.0.1.0"),
            ("10.0.0.0/24", "::ffff:10.0.0.9", "::ffff:10.1.0.9"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("128.0.0.0/1", "255.0.0.1", "127.0.0.1"),
        ] {
            assert!(holds(network, inside) && !holds(network, outside), "{network}");
        }
        assert!(!holds("10.0.0.0/8", "2001:db8::1"));
        for bad in ["", "10.0.0.0/33", "0.0.0.0/0", "::/0", "10.0.0/8", "proxy.example", "10.0.0.0/-1"] {
            assert!(Network::parse(bad).is_none(), "{bad}");
        }
    }
}
