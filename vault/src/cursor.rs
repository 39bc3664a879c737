//! Cursors: where a listing goes on, sealed. Fixed length whatever is inside, bound to the tenant,
//! the caller and the request, good for an hour. They must never carry a total, an epoch, or anything
//! else that hidden things could move; they resume in the view as it is then.

use crate::seams::Entropy;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use data_encoding::BASE64URL_NOPAD;
use kenward_access::ids::{TenantId, Timestamp};

const NONCE: usize = 24;
const TAG: usize = 16;
const LIFE_MS: i64 = 60 * 60 * 1000;
/// Longest sort key.
const KEY: usize = 128;
const PLAIN: usize = 8 + 32 + 32 + 2 + KEY;

/// Seals `plain` for one purpose of one tenant.
pub(crate) fn seal(
    key: &[u8; 32],
    entropy: &dyn Entropy,
    tenant: &TenantId,
    purpose: &str,
    plain: &[u8],
) -> Option<Vec<u8>> {
    let mut nonce = [0_u8; NONCE];
    entropy.fill(&mut nonce);
    let aad = aad(tenant, purpose);
    let cipher = XChaCha20Poly1305::new(&Key::from(*key));
    let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: &aad }).ok()?;
    Some([nonce.as_slice(), &sealed].concat())
}

/// Opens what [`seal`] made; `None` for anything else.
pub(crate) fn unseal(key: &[u8; 32], tenant: &TenantId, purpose: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, body) = sealed.split_first_chunk::<NONCE>()?;
    let aad = aad(tenant, purpose);
    let cipher = XChaCha20Poly1305::new(&Key::from(*key));
    cipher.decrypt(&XNonce::from(*nonce), Payload { msg: body, aad: &aad }).ok()
}

fn aad(tenant: &TenantId, purpose: &str) -> Vec<u8> {
    format!("kenward v1\0{}\0{purpose}", tenant.as_str()).into_bytes()
}

/// Makes and reads the cursors of one caller and one request.
pub(crate) struct Cursors<'a> {
    /// Newest first: made with the newest, read with any.
    pub(crate) keys: &'a [[u8; 32]],
    pub(crate) tenant: &'a TenantId,
    pub(crate) now: Timestamp,
    /// Hash of the caller: subject and agent.
    pub(crate) caller: [u8; 32],
    /// Hash of the request without cursor and limit.
    pub(crate) request: [u8; 32],
}

impl Cursors<'_> {
    /// A cursor that goes on behind `last`, the sort key of the last thing given.
    pub(crate) fn make(&self, entropy: &dyn Entropy, last: &[u8]) -> Option<String> {
        let mut plain = Vec::with_capacity(PLAIN);
        plain.extend_from_slice(&self.now.0.to_be_bytes());
        plain.extend_from_slice(&self.caller);
        plain.extend_from_slice(&self.request);
        let length = u16::try_from(last.len()).ok().filter(|n| usize::from(*n) <= KEY)?;
        plain.extend_from_slice(&length.to_be_bytes());
        plain.extend_from_slice(last);
        plain.resize(PLAIN, 0);
        seal(self.keys.first()?, entropy, self.tenant, "cursor", &plain)
            .map(|sealed| BASE64URL_NOPAD.encode(&sealed))
    }

    /// The sort key inside; `None` if it is forged, of another caller or request, or too old.
    pub(crate) fn read(&self, cursor: &str) -> Option<Vec<u8>> {
        if cursor.len() != BASE64URL_NOPAD.encode_len(NONCE + PLAIN + TAG) {
            return None;
        }
        let sealed = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
        let plain = self.keys.iter().find_map(|key| unseal(key, self.tenant, "cursor", &sealed))?;
        let (issued, rest) = plain.split_first_chunk::<8>()?;
        let (caller, rest) = rest.split_first_chunk::<32>()?;
        let (request, rest) = rest.split_first_chunk::<32>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let age = self.now.0.saturating_sub(i64::from_be_bytes(*issued));
        let mine = *caller == self.caller && *request == self.request && (-1000..LIFE_MS).contains(&age);
        mine.then(|| rest.get(..usize::from(u16::from_be_bytes(*length))).map(<[u8]>::to_vec))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(std::sync::atomic::AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, buffer: &mut [u8]) {
            for byte in buffer {
                *byte = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        }
    }

    fn cursors<'a>(
        key: &'a [u8; 32],
        tenant: &'a TenantId,
        caller: u8,
        request: u8,
        now: i64,
    ) -> Cursors<'a> {
        Cursors {
            keys: std::slice::from_ref(key),
            tenant,
            now: Timestamp(now),
            caller: [caller; 32],
            request: [request; 32],
        }
    }

    #[test]
    fn a_cursor_is_good_for_its_caller_its_request_and_an_hour() {
        let (key, tenant, other) = ([7; 32], TenantId::new("a").unwrap(), TenantId::new("b").unwrap());
        let entropy = Counting(0.into());
        let mine = cursors(&key, &tenant, 1, 1, 1_000_000);
        let cursor = mine.make(&entropy, b"last").unwrap();
        assert_eq!(mine.read(&cursor).as_deref(), Some(b"last".as_slice()));
        assert!(cursors(&key, &tenant, 1, 1, 1_000_000 + LIFE_MS - 1).read(&cursor).is_some());
        for wrong in [
            cursors(&key, &tenant, 2, 1, 1_000_000),
            cursors(&key, &tenant, 1, 2, 1_000_000),
            cursors(&key, &tenant, 1, 1, 1_000_000 + LIFE_MS),
            cursors(&key, &other, 1, 1, 1_000_000),
            cursors(&[8; 32], &tenant, 1, 1, 1_000_000),
        ] {
            assert_eq!(wrong.read(&cursor), None);
        }
        for at in 0..cursor.len() {
            let mut forged = cursor.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(mine.read(std::str::from_utf8(&forged).unwrap()), None, "at {at}");
        }
        for junk in ["", "x", "ä", &"A".repeat(cursor.len())] {
            assert_eq!(mine.read(junk), None);
        }
    }

    #[test]
    fn a_cursor_outlives_its_key_while_that_is_kept() {
        let tenant = TenantId::new("a").unwrap();
        let cursor = cursors(&[7; 32], &tenant, 1, 1, 0).make(&Counting(0.into()), b"last").unwrap();
        let rotated = Cursors { keys: &[[8; 32], [7; 32]], ..cursors(&[8; 32], &tenant, 1, 1, 0) };
        assert_eq!(rotated.read(&cursor).as_deref(), Some(b"last".as_slice()));
        let new = rotated.make(&Counting(0.into()), b"last").unwrap();
        assert_eq!(cursors(&[7; 32], &tenant, 1, 1, 0).read(&new), None);
    }

    #[test]
    fn its_length_says_nothing() {
        let (key, tenant) = ([7; 32], TenantId::new("a").unwrap());
        let mine = cursors(&key, &tenant, 1, 1, 0);
        let lengths: Vec<_> =
            [0, 1, KEY].iter().map(|n| mine.make(&Counting(0.into()), &vec![9; *n]).unwrap().len()).collect();
        assert!(lengths.windows(2).all(|w| w[0] == w[1]));
        assert_eq!(mine.make(&Counting(0.into()), &[9; KEY + 1]), None);
    }
}
