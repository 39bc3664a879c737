//! The one door for connections that this program makes to other machines. It calls the places in its list, and
//! nothing else: what a place points on to must be in the list, too. It fetches model files, and the public keys of
//! issuers; no token ever goes through it, and no document or query, but for one door that is shut unless the configuration
//! names an endpoint that embeds (`embedding.engine = "remote"`): texts and queries leave by that, to that endpoint alone.
//!
//! Beside it stands what is switched on by name: a vector cluster, which the vector index calls itself over gRPC, and which
//! gets vectors of passages and of queries, and numbers. It is in the list, too.
//!
//! (Besides it, pip is started to fetch wheels, and calls whatever its own settings say.)

mod embedding;

pub use embedding::EmbeddingDoor;

use crate::config::Config;
use crate::config::remote::Remote;
use kenward_indexes::models::{Hub, HubError, HubPart};
use reqwest::Url;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};
use ureq::http::{Response, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};

/// How long a place may take until it is reached: `auto` has another way, and should soon go it.
const REACHED: Duration = Duration::from_secs(4);
/// How long it may take until it answers.
const ANSWERED: Duration = Duration::from_secs(10);
/// How long it may be silent in the middle.
const SILENT: Duration = Duration::from_secs(30);
/// How often it is looked at whether enough comes, and what is enough.
const LOOKED_AT: Duration = Duration::from_secs(60);
const LEAST_OF_HUB: u64 = 64 << 10;
/// How long an issuer may take for one document, all of it: people wait meanwhile.
const ISSUER_ANSWERED: Duration = Duration::from_secs(4);
/// The longest document of an issuer, in bytes.
const LONGEST_OF_ISSUER: u64 = 512 << 10;
/// How often it may point on.
const MOST_HOPS: usize = 5;

/// Where the hub that is named by default keeps large files: below these names.
const KEPT_BY_HUGGING_FACE: [&str; 2] = ["huggingface.co", "hf.co"];

/// What may be called, and over which protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// This host and port, over the protocol of the address that was configured.
    Origin(Url),
    /// Any host below this name, over HTTPS.
    Below(&'static str),
}

impl Place {
    fn origin(&self) -> Option<String> {
        match self {
            Self::Origin(url) => Some(url.origin().ascii_serialization()),
            Self::Below(_) => None,
        }
    }

    fn covers(&self, url: &Url) -> bool {
        match self {
            Self::Origin(place) => place.origin() == url.origin(),
            Self::Below(name) => {
                let below = |host: &str| host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
                url.scheme() == "https" && url.port().is_none() && url.host_str().is_some_and(below)
            }
        }
    }
}

/// Whether an address may be put into the list: HTTPS, or a service of this machine.
#[must_use]
pub fn may_be_asked(url: &Url) -> bool {
    let own = match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback()),
        None => return false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && own)
}

/// The door.
#[derive(Debug, Clone)]
pub struct Outgoing {
    hub: Option<Url>,
    places: Arc<[Place]>,
    issuers: Arc<[Place]>,
    /// The vector cluster, which the index calls itself, at these addresses and no others.
    cluster: Arc<[String]>,
    /// The endpoint that embeds.
    embedding: Option<Remote>,
}

impl Outgoing {
    /// What a configuration lets through.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let wanted = !crate::app::needed(config).is_empty();
        let issuers = config.issuers.iter().flat_map(|issuer| {
            let own = Url::parse(&issuer.url).ok();
            own.into_iter().chain(issuer.jwks_uri.clone()).map(Place::Origin)
        });
        let cluster = config.vectors.iter().flat_map(|options| options.urls.clone()).collect();
        let embedding = config.remote.clone();
        Self {
            issuers: issuers.collect(),
            cluster,
            embedding,
            ..Self::to_hub(config.hub.clone().filter(|_| wanted))
        }
    }

    fn to_hub(hub: Option<Url>) -> Self {
        let mut places: Vec<Place> = hub.iter().cloned().map(Place::Origin).collect();
        if hub.as_ref().and_then(Url::host_str) == Some("huggingface.co") {
            places.extend(KEPT_BY_HUGGING_FACE.map(Place::Below));
        }
        Self { hub, places: places.into(), issuers: Arc::default(), cluster: Arc::default(), embedding: None }
    }

    /// The list, for people.
    #[must_use]
    pub fn places(&self) -> Vec<String> {
        let mut origins: Vec<String> = self.issuers.iter().filter_map(Place::origin).collect();
        origins.dedup();
        let cluster = (!self.cluster.is_empty())
            .then(|| format!("{} (the vector cluster: vectors, under numbers)", self.cluster.join(", ")));
        let issuers = origins.iter().map(|origin| format!("{origin} (an issuer's keys)")).chain(cluster);
        let embeds =
            |remote: &Remote| format!("{} (it embeds: TEXTS AND QUERIES go there)", remote.asked.host);
        let issuers = self.embedding.iter().map(embeds).chain(issuers);
        let Some(hub) = &self.hub else { return issuers.collect() };
        let below = self.places.iter().filter_map(|place| match place {
            Place::Origin(_) => None,
            Place::Below(name) => Some(format!("*.{name}")),
        });
        let mut all = vec![hub.origin().ascii_serialization()];
        all.extend(below);
        let hub = format!("the model hub ({}), for models that are not here", all.join(", "));
        std::iter::once(hub).chain(issuers).collect()
    }

    /// The way to issuers' keys.
    #[must_use]
    pub fn issuers(&self) -> IssuerDoor {
        IssuerDoor { places: Arc::clone(&self.issuers) }
    }

    /// The way to the model hub, if one may be called.
    #[must_use]
    pub fn hub(&self) -> Option<HubDoor> {
        self.hub.clone().map(|base| HubDoor { base, places: Arc::clone(&self.places) })
    }
}

/// Why an issuer's document cannot be had. Nothing of what it said is in here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IssuerError {
    /// Its place is not in the list.
    #[error("its address is on a host that the configuration does not name")]
    NotAllowed,
    /// It cannot be reached, or took too long.
    #[error("it cannot be reached")]
    Unreachable,
    /// Another status than 200: redirections are not followed.
    #[error("it answered with status {0}")]
    Status(u16),
    /// The answer is longer than any such document.
    #[error("its answer is too long")]
    TooLong,
}

/// The way to issuers' metadata and keys: short documents, from the issuers' own places, in a short time.
#[derive(Debug, Clone)]
pub struct IssuerDoor {
    places: Arc<[Place]>,
}

impl IssuerDoor {
    /// A document's bytes.
    ///
    /// # Errors
    /// [`IssuerError`].
    pub fn fetch(&self, url: &Url) -> Result<Vec<u8>, IssuerError> {
        // INVARIANT: nothing that is not in the list is called, and what it points on to is not followed.
        if !allowed(&self.places, url) {
            return Err(IssuerError::NotAllowed);
        }
        let own = url.scheme() == "http";
        let mut request = agent().get(url.as_str()).header("Accept", "application/json").config();
        request = request.timeout_global(Some(ISSUER_ANSWERED));
        // A service of this machine is not asked through a proxy.
        let request = if own { request.proxy(None) } else { request };
        let mut response = request.build().call().map_err(|_| IssuerError::Unreachable)?;
        if response.status() != StatusCode::OK {
            return Err(IssuerError::Status(response.status().as_u16()));
        }
        let body = response.body_mut().with_config().limit(LONGEST_OF_ISSUER + 1).read_to_vec();
        match body {
            Ok(bytes) if bytes.len() as u64 <= LONGEST_OF_ISSUER => Ok(bytes),
            Ok(_) | Err(ureq::Error::BodyExceedsLimit(_)) => Err(IssuerError::TooLong),
            Err(_) => Err(IssuerError::Unreachable),
        }
    }
}

/// The way to the model hub.
pub struct HubDoor {
    base: Url,
    places: Arc<[Place]>,
}

impl Hub for HubDoor {
    fn fetch(
        &self,
        path: &str,
        from: u64,
        take: &mut dyn FnMut(HubPart<'_>) -> io::Result<()>,
    ) -> Result<(), HubError> {
        self.fetch_at(path, from, take, (LEAST_OF_HUB, LOOKED_AT))
    }
}

/// Where a part begins, by its `Content-Range` (RFC 9110, 14.4).
fn begin_of(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get("Content-Range")?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

impl HubDoor {
    /// As [`Hub::fetch`], given up when less than so many bytes come in so long a time.
    fn fetch_at(
        &self,
        path: &str,
        from: u64,
        take: &mut dyn FnMut(HubPart<'_>) -> io::Result<()>,
        (least, within): (u64, Duration),
    ) -> Result<(), HubError> {
        let response = self.ask(path, from)?;
        let begins = match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                begin_of(&response).filter(|begin| *begin <= from).ok_or_else(|| {
                    self.broken(path, io::Error::other("it sent another part than was asked for"))
                })?
            }
            _ => 0,
        };
        take(HubPart::Begins(begins)).map_err(HubError::Kept)?;
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; 64 << 10];
        let (mut since, mut came) = (Instant::now(), 0_u64);
        loop {
            // Whoever waits for the cache waits for this: what hardly comes at all is given up.
            if since.elapsed() >= within {
                if came < least {
                    return Err(self.broken(path, io::Error::other("it comes too slowly")));
                }
                (since, came) = (Instant::now(), 0);
            }
            let count = body.read(&mut buffer).map_err(|error| self.broken(path, error))?;
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
            came += bytes.len() as u64;
            take(HubPart::Bytes(bytes)).map_err(HubError::Kept)?;
        }
    }

    fn broken(&self, path: &str, error: io::Error) -> HubError {
        HubError::Broken { host: place_of(&self.base), path: path.into(), source: error.into() }
    }

    fn unreachable(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> HubError {
        HubError::Unreachable { host: place_of(&self.base), source: source.into() }
    }

    fn ask(&self, path: &str, from: u64) -> Result<Response<Body>, HubError> {
        let base = self.base.as_str().trim_end_matches('/');
        let mut url = Url::parse(&format!("{base}/{path}")).map_err(|error| self.unreachable(error))?;
        let agent = agent();
        for _ in 0..=MOST_HOPS {
            // INVARIANT: nothing that is not in the list is called, at the first step or at a later one.
            if !allowed(&self.places, &url) {
                return Err(HubError::NotAllowed { place: place_of(&url) });
            }
            let mut request = agent.get(url.as_str());
            if from > 0 {
                request = request.header("Range", format!("bytes={from}-"));
            }
            let response = request.call().map_err(|error| self.unreachable(error))?;
            let status = response.status();
            let next = response.headers().get("Location").filter(|_| status.is_redirection());
            if let Some(next) = next.and_then(|to| to.to_str().ok()).and_then(|to| url.join(to).ok()) {
                url = next;
                continue;
            }
            if !status.is_success() {
                let (host, path) = (place_of(&url), path.into());
                return Err(HubError::Status { host, status: status.as_u16(), path });
            }
            return Ok(response);
        }
        Err(self.unreachable("it points on and on"))
    }
}

/// A client that follows nothing by itself, and waits for nobody for long. A proxy is taken from the environment.
fn agent() -> Agent {
    // A provider is named here, so that none has to be set for the whole process.
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .max_redirects(0)
        .http_status_as_error(false)
        .timeout_resolve(Some(REACHED))
        .timeout_connect(Some(REACHED))
        .timeout_recv_response(Some(ANSWERED))
        .timeout_per_read(Some(SILENT))
        .user_agent(concat!("kenward/", env!("CARGO_PKG_VERSION")))
        .build();
    config.into()
}

fn allowed(places: &[Place], url: &Url) -> bool {
    places.iter().any(|place| place.covers(url))
}

/// Host and port of an address, for people: never its path, which may be signed.
fn place_of(url: &Url) -> Box<str> {
    url.origin().ascii_serialization().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    /// A hub that sends a byte every hundredth of a second, and one that sends enough.
    #[test]
    fn what_hardly_comes_is_given_up() {
        use std::io::{BufRead, BufReader, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = url(&format!("http://{}", listener.local_addr().unwrap()));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let asked: Vec<String> = lines.map_while(Result::ok).take_while(|l| !l.is_empty()).collect();
                let piece = if asked[0].contains("/slow ") { 1 } else { 20 };
                let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
                for _ in (0..1_000).step_by(piece) {
                    if stream.write_all(&vec![b'x'; piece]).is_err() {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
        });
        let door = Outgoing::to_hub(Some(base)).hub().unwrap();
        let fetched = |path: &str, least: u64| {
            let mut came = 0;
            let mut take = |part: HubPart<'_>| {
                if let HubPart::Bytes(bytes) = part {
                    came += bytes.len();
                }
                Ok(())
            };
            let ended = door.fetch_at(path, 0, &mut take, (least, Duration::from_millis(100)));
            (ended.map_err(|error| format!("{error:?}")), came)
        };
        let (ended, came) = fetched("slow", 50);
        assert!(ended.unwrap_err().contains("too slowly") && came < 1_000, "{came}");
        assert_eq!(fetched("quick", 1), (Ok(()), 1_000));
    }

    #[test]
    fn the_list_covers_the_hub_and_where_it_keeps_its_files_and_nothing_else() {
        let places = Outgoing::to_hub(Some(url("https://huggingface.co"))).places;
        for good in [
            "https://huggingface.co/a/b",
            "https://cdn-lfs.huggingface.co/x",
            "https://cas-bridge.xethub.hf.co/x?y",
        ] {
            assert!(allowed(&places, &url(good)), "{good}");
        }
        for bad in [
            "http://huggingface.co/a",
            "https://huggingface.co:8443/a",
            "https://huggingface.co.evil.example/a",
            "https://nothf.co/a",
            "https://hf.co/a",
            "http://cdn.hf.co/a",
            "https://cdn.hf.co:444/a",
            "https://127.0.0.1/a",
            "file:///etc/passwd",
        ] {
            assert!(!allowed(&places, &url(bad)), "{bad}");
        }
        let own = Outgoing::to_hub(Some(url("https://models.harbor.example/hf"))).places;
        assert!(allowed(&own, &url("https://models.harbor.example/other")));
        assert!(!allowed(&own, &url("https://huggingface.co/a")));
        assert!(Outgoing::to_hub(None).places.is_empty() && Outgoing::to_hub(None).places().is_empty());
    }

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for (text, may) in [
            ("https://models.harbor.example", true),
            ("http://models.harbor.example", false),
            ("http://127.0.0.1:8080", true),
            ("http://127.9.9.9", true),
            ("http://localhost:1", true),
            ("http://[::1]:1", true),
            ("http://127.0.0.1.evil.example", false),
            ("ftp://127.0.0.1", false),
        ] {
            assert_eq!(may_be_asked(&url(text)), may, "{text}");
        }
    }
}
