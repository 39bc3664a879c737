//! Time and randomness, passed in so that tests can fix them. Production uses the system's.

use kenward_access::ids::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

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

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A clock that never goes backwards: where the one behind it does, time stands still until that has caught up.
///
/// INVARIANT: a window or a token that has ended does not begin again because a clock was set back.
pub(crate) struct SteadyClock {
    clock: Arc<dyn Clock>,
    latest: AtomicI64,
}

impl SteadyClock {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, latest: AtomicI64::new(i64::MIN) }
    }

    /// States that it has been as late as this.
    pub(crate) fn not_before(&self, time: Timestamp) {
        self.latest.fetch_max(time.0, Ordering::AcqRel);
    }

    /// Forgets how late it has been.
    pub(crate) fn forget(&self) {
        self.latest.store(self.clock.now().0, Ordering::Release);
    }

    /// By how many milliseconds the clock behind it is late, by what it has seen.
    pub(crate) fn behind(&self) -> u64 {
        let behind = self.latest.load(Ordering::Acquire).saturating_sub(self.clock.now().0);
        u64::try_from(behind).unwrap_or_default()
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        let now = self.clock.now().0;
        Timestamp(now.max(self.latest.fetch_max(now, Ordering::AcqRel)))
    }
}

/// The system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::panic, reason = "without randomness no key, token or boundary may be made")]
    fn fill(&self, buffer: &mut [u8]) {
        if getrandom::fill(buffer).is_err() {
            panic!("the system gives no random bytes");
        }
    }
}
