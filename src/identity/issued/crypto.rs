//! Signatures: `jsonwebtoken` takes a token apart, ring, which TLS brings already, does the arithmetic. It verifies only,
//! and by the algorithm that it is told.

use crate::config::Algorithm as Ours;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey, Validation};
use ring::signature as ring_sig;
use serde::de::IgnoredAny;
use std::sync::Once;

/// Whether this key signed this token by this algorithm, for one of these audiences, as this issuer. Times are the
/// caller's to check: there is one clock.
pub(super) fn verify(
    token: &str,
    key: &DecodingKey,
    algorithm: Ours,
    issuer: &str,
    audiences: &[String],
) -> bool {
    static INSTALLED: Once = Once::new();
    // It fails only where it is installed already, and nobody else here does that.
    INSTALLED.call_once(|| {
        let _ = PROVIDER.install_default();
    });
    let mut validation = Validation::new(theirs(algorithm));
    (validation.validate_exp, validation.validate_nbf) = (false, false);
    validation.set_required_spec_claims(&["iss", "aud"]);
    validation.set_issuer(&[issuer]);
    validation.set_audience(audiences);
    jsonwebtoken::decode::<IgnoredAny>(token, key, &validation).is_ok()
}

fn theirs(algorithm: Ours) -> Algorithm {
    match algorithm {
        Ours::RS256 => Algorithm::RS256,
        Ours::RS384 => Algorithm::RS384,
        Ours::RS512 => Algorithm::RS512,
        Ours::PS256 => Algorithm::PS256,
        Ours::PS384 => Algorithm::PS384,
        Ours::PS512 => Algorithm::PS512,
        Ours::ES256 => Algorithm::ES256,
        Ours::ES384 => Algorithm::ES384,
        Ours::EdDSA => Algorithm::EdDSA,
    }
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: never_sign,
    verifier_factory: verifier,
    // Asked for private keys and thumbprints alone, which nothing here has.
    key_utils: KeyUtils::new_unimplemented(),
};

fn unsupported<T>() -> Result<T, Error> {
    Err(ErrorKind::UnsupportedAlgorithm.into())
}

fn never_sign(_: &Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    unsupported()
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    // INVARIANT: a key is used for its own kind of algorithm; a public key is never a shared secret.
    let by = match (key.family(), algorithm) {
        (AlgorithmFamily::Rsa, Algorithm::RS256) => By::Rsa(&ring_sig::RSA_PKCS1_2048_8192_SHA256),
        (AlgorithmFamily::Rsa, Algorithm::RS384) => By::Rsa(&ring_sig::RSA_PKCS1_2048_8192_SHA384),
        (AlgorithmFamily::Rsa, Algorithm::RS512) => By::Rsa(&ring_sig::RSA_PKCS1_2048_8192_SHA512),
        (AlgorithmFamily::Rsa, Algorithm::PS256) => By::Rsa(&ring_sig::RSA_PSS_2048_8192_SHA256),
        (AlgorithmFamily::Rsa, Algorithm::PS384) => By::Rsa(&ring_sig::RSA_PSS_2048_8192_SHA384),
        (AlgorithmFamily::Rsa, Algorithm::PS512) => By::Rsa(&ring_sig::RSA_PSS_2048_8192_SHA512),
        (AlgorithmFamily::Ec, Algorithm::ES256) => By::Other(&ring_sig::ECDSA_P256_SHA256_FIXED),
        (AlgorithmFamily::Ec, Algorithm::ES384) => By::Other(&ring_sig::ECDSA_P384_SHA384_FIXED),
        (AlgorithmFamily::Ed, Algorithm::EdDSA) => By::Other(&ring_sig::ED25519),
        _ => return unsupported(),
    };
    Ok(Box::new(ByRing { algorithm: *algorithm, by, key: key.clone() }))
}

enum By {
    Rsa(&'static ring_sig::RsaParameters),
    Other(&'static dyn ring_sig::VerificationAlgorithm),
}

struct ByRing {
    algorithm: Algorithm,
    by: By,
    key: DecodingKey,
}

impl Verifier<Vec<u8>> for ByRing {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let verified = match (&self.by, self.key.kind()) {
            (By::Rsa(by), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                ring_sig::RsaPublicKeyComponents { n, e }.verify(by, message, signature)
            }
            (By::Other(by), DecodingKeyKind::SecretOrDer(key)) => {
                ring_sig::UnparsedPublicKey::new(*by, key).verify(message, signature)
            }
            _ => return Err(signature::Error::new()),
        };
        verified.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for ByRing {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
