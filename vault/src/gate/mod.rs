//! The gate: the only door out. It decides again with the rights as they are now, reads the text,
//! fences and labels it, has the record made durable, and releases the answer under the lock.

/// A rendered answer, as JSON bytes: recorded, labelled, final. Minted by `Gate::release` only.
#[derive(Debug)]
pub struct Disclosure {
    bytes: Vec<u8>,
}

impl Disclosure {
    /// The final bytes (one JSON object). Transports never alter them.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
    /// The final bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}
