//! Where the cluster is, and how it is spoken to. Whatever is missing here is chosen so that nothing becomes wider or
//! less sure: it must never hold a secret, only where one is.

use super::fault::Fault;
use crate::KeyPlace;
use std::path::PathBuf;
use std::time::Duration;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Error};

/// Which replicas are asked, and how many must agree on what is read. Where too few are up, questions are answered here. (As
/// version 1.19 does it; its documentation says less of who has to be up.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// All must be up, and more than half agree: one that is behind is outvoted.
    Majority,
    /// More than half must be up, and agree: one of three may be down.
    Quorum,
    /// All must be up, and agree.
    All,
    /// One is believed.
    One,
}

/// How a cluster is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Addresses of its nodes (gRPC), `https://…`, or `http://…` on this machine.
    pub urls: Vec<String>,
    /// The collection, which is this data's alone.
    pub collection: String,
    /// Where the API key is; `None` = it wants none.
    pub key: Option<KeyPlace>,
    /// Certificates (PEM) that its own must lead to; `None` = the system's.
    pub ca: Option<PathBuf>,
    /// Shards of a new collection; `None` = the cluster's choice.
    pub shards: Option<u32>,
    /// Replicas of each shard of a new collection.
    pub replicas: u32,
    /// Of reading.
    pub consistency: Consistency,
    /// How long a question may take there, until it is answered here.
    pub timeout: Duration,
    /// Questions that concern fewer passages at the cluster are answered here.
    pub least: u64,
    /// Most classes that a question names; see [`MOST_CLASSES`].
    pub most_classes: usize,
    /// Where it is written down what is at the cluster.
    pub state: PathBuf,
    /// How often what is there is counted.
    pub counted_every: Duration,
    /// How long, at most, until what failed is tried again.
    pub longest_wait: Duration,
}

/// How a certificate begins in PEM.
const PEM: &[u8] = b"-----BEGIN CERTIFICATE-----";

impl Options {
    /// For a cluster at these addresses.
    #[must_use]
    pub fn new(urls: Vec<String>, collection: String, state: PathBuf) -> Self {
        Self {
            urls,
            collection,
            key: None,
            ca: None,
            shards: None,
            replicas: 1,
            consistency: Consistency::Majority,
            timeout: Duration::from_secs(2),
            least: LEAST,
            most_classes: MOST_CLASSES,
            state,
            counted_every: Duration::from_secs(600),
            longest_wait: Duration::from_secs(30),
        }
    }

    /// The certificates that the cluster's own must lead to.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn read_ca(&self) -> Result<Option<Certificate>, String> {
        let Some(path) = &self.ca else { return Ok(None) };
        let place = path.display();
        let pem = crate::regular::read(path)
            .map_err(|e| format!("`{place}`, which `vectors.ca` names, cannot be read: {e}"))?;
        if !pem.windows(PEM.len()).any(|some| some == PEM) {
            return Err(format!("`{place}`, which `vectors.ca` names, holds no certificate"));
        }
        Ok(Some(Certificate::from_pem(pem)))
    }

    pub(super) fn endpoint(&self, url: &str, ca: Option<&Certificate>) -> Result<Endpoint, Error> {
        let endpoint = Endpoint::from_shared(url.to_owned())?
            .connect_timeout(self.timeout)
            .keep_alive_while_idle(true)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .user_agent(concat!("kenward/", env!("CARGO_PKG_VERSION")))?;
        if !url.starts_with("https://") {
            return Ok(endpoint);
        }
        // Those that are named are trusted, and no others.
        endpoint.tls_config(match ca {
            Some(ca) => ClientTlsConfig::new().ca_certificate(ca.clone()),
            None => ClientTlsConfig::new().with_native_roots(),
        })
    }

    /// The API key, read anew.
    pub(super) fn read_key(&self) -> Result<Option<MetadataValue<Ascii>>, Fault> {
        let Some(place) = &self.key else { return Ok(None) };
        let key = place.read().and_then(|key| MetadataValue::try_from(key).ok());
        let mut key = key.ok_or_else(|| Fault::NoKey(place.to_string().into()))?;
        key.set_sensitive(true);
        Ok(Some(key))
    }
}

/// There is no limit in the server. Measured on version 1.19 (100,000 points, two cores, JSON): naming 1,000 of 50,000 classes
/// costs 2 ms, 4,096 of them 5, 16,384 of them 21, 50,000 of them 70; leaving out as many 9, 10, 17 and 43, where no filter costs 5.
/// Those that are seen or those that are not, whichever are fewer, are named; where both are more than this, a look through a
/// million rows here takes no longer.
pub const MOST_CLASSES: usize = 16_384;

/// Passages at the cluster from which on it is asked: fewer are looked through here in less time than a question
/// and its answer take on the way.
const LEAST: u64 = 50_000;
