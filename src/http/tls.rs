//! TLS where no proxy does it (RFC 8446 and 5246, by rustls): a certificate chain and its key from two PEM files,
//! which are read again when they change, so that a renewed certificate needs no restart.
//!
//! It must never fall back to clear text, or log anything of a key.

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Longest that a client may take to shake hands.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(30);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds no PEM of this kind.
    #[error("reading {what} in `{path}`")]
    File {
        /// What should be in it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The file of certificates has none.
    #[error("there is no certificate in `{0}`")]
    NoCertificate(PathBuf),
    /// Key and certificate do not go together, or are of a kind that is not served.
    #[error("the certificate in `{path}` and its key cannot be used")]
    Pair {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

/// The two files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// When the files were changed last, and how long they are.
type Stamp = [Option<(SystemTime, u64)>; 2];

/// A way to serve TLS.
#[derive(Clone)]
pub struct Tls {
    files: Files,
    now: Arc<RwLock<Arc<ServerConfig>>>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn read(files: Files) -> Result<Self, TlsError> {
        let now = Arc::new(RwLock::new(Arc::new(configured(&files)?)));
        Ok(Self { files, now })
    }

    /// Shakes hands; `None` if the client does not, in time, as it must.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Option<TlsStream<S>> {
        let config = Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner));
        let shaking = TlsAcceptor::from(config).accept(stream);
        tokio::time::timeout(HANDSHAKE, shaking).await.ok()?.ok()
    }

    /// Reads the files again whenever they change. What cannot be used is said, and the old ones stay.
    pub async fn keep(self) -> std::convert::Infallible {
        let mut seen = self.stamp();
        loop {
            tokio::time::sleep(LOOK).await;
            self.look(&mut seen);
        }
    }

    fn look(&self, seen: &mut Stamp) {
        let stamp = self.stamp();
        if stamp == *seen {
            return;
        }
        *seen = stamp;
        match configured(&self.files) {
            Ok(config) => {
                *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                tracing::info!("the certificate was read again");
            }
            Err(error) => {
                let error = crate::mcp::errors::chain(&error);
                tracing::error!(error, "the changed certificate cannot be used; the old one is served");
            }
        }
    }

    fn stamp(&self) -> Stamp {
        let of = |path: &Path| {
            let about = std::fs::metadata(path).ok()?;
            Some((about.modified().ok()?, about.len()))
        };
        [of(&self.files.certificate), of(&self.files.key)]
    }
}

fn configured(files: &Files) -> Result<ServerConfig, TlsError> {
    let file = |what, path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::File { what, path, source }
    };
    let chain: Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_file_iter(&files.certificate).and_then(Iterator::collect);
    let chain = chain.map_err(file("certificates", &files.certificate))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(files.certificate.clone()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(file("a private key", &files.key))?;
    let pair = |source| TlsError::Pair { path: files.certificate.clone(), source };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(files: &Files, name: &str) -> Vec<u8> {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        std::fs::write(&files.certificate, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        made.cert.der().to_vec()
    }

    fn files(folder: &Path) -> Files {
        Files { certificate: folder.join("chain.pem"), key: folder.join("key.pem") }
    }

    #[test]
    fn a_renewed_certificate_is_served_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        write(&files, "localhost");
        let tls = Tls::read(files.clone()).unwrap();
        let mut seen = tls.stamp();
        let served = || Arc::clone(&tls.now.read().unwrap());
        let first = served();
        tls.look(&mut seen);
        assert!(Arc::ptr_eq(&first, &served()), "nothing changed");
        write(&files, "renewed.localhost");
        tls.look(&mut seen);
        let second = served();
        assert!(!Arc::ptr_eq(&first, &second));
        std::fs::write(&files.key, "no key").unwrap();
        tls.look(&mut seen);
        assert!(Arc::ptr_eq(&second, &served()), "the last good one stays");
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        let says = |files: &Files| crate::mcp::errors::chain(&Tls::read(files.clone()).err().unwrap());
        assert!(says(&files).contains("chain.pem"));
        write(&files, "localhost");
        std::fs::write(&files.certificate, "").unwrap();
        assert!(says(&files).contains("no certificate"), "{}", says(&files));
        write(&files, "localhost");
        let key = std::fs::read(&files.key).unwrap();
        write(&files, "localhost");
        std::fs::write(&files.key, key).unwrap();
        assert!(says(&files).contains("cannot be used"), "another certificate's key: {}", says(&files));
        std::fs::write(&files.key, "").unwrap();
        assert!(says(&files).contains("key.pem"));
    }
}
