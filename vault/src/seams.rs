//! Time and randomness, passed in so that tests can fix them. Production uses the system's.

use kenward_access::ids::Timestamp;

/// A clock.
pub trait Clock: Send + Sync {
    /// Now, in milliseconds UTC.
    fn now(&self) -> Timestamp;
}

/// A source of random bytes.
pub trait Entropy: Send + Sync {
    /// Fills the buffer.
    fn fill(&self, buffer: &mut [u8]);
}
