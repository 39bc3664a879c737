//! What one caller may ask for at once: so many requests a second, so many at the same time, and of those so many
//! subscriptions. A caller is who the owner says that a token is of: several tokens and agents of one person are
//! one caller. What is refused is refused by what this caller did, never by what others do or what there is.

use axum::body::Body;
use axum::response::Response;
use http_body_util::BodyExt as _;
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How much a caller may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests a second; twice as many in a burst.
    pub per_second: NonZeroU32,
    /// Requests at once, subscriptions included.
    pub at_once: NonZeroU32,
    /// Subscriptions at once.
    pub listens: NonZeroU32,
}

impl Limits {
    const fn of(per_second: u32, at_once: u32, listens: u32) -> Self {
        const fn least_one(n: u32) -> NonZeroU32 {
            match NonZeroU32::new(n) {
                Some(n) => n,
                None => NonZeroU32::MIN,
            }
        }
        Self { per_second: least_one(per_second), at_once: least_one(at_once), listens: least_one(listens) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::of(100, 32, 8)
    }
}

/// Who a request is counted for: a hash that the owner makes, and that stands for nothing else.
pub type Key = [u8; 16];

/// What kind of request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One that is answered.
    Call,
    /// One that stays open.
    Listen,
}

/// Why a request is refused, and when it may come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Which limit, in words.
    pub what: &'static str,
    /// At the earliest after so long.
    pub after: Duration,
}

/// Counts of all callers that ask for something just now or did a moment ago.
#[derive(Clone)]
pub struct Callers {
    limits: Limits,
    counts: Arc<Mutex<HashMap<Key, Count>>>,
}

struct Count {
    /// Requests that may come now, and when that was so.
    left: f64,
    at: Instant,
    open: u32,
    listens: u32,
}

/// From so many callers on, those that ask for nothing are forgotten at each request.
const MANY: usize = 1_000;

impl Callers {
    /// Nobody yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, counts: Arc::default() }
    }

    fn burst(&self) -> f64 {
        f64::from(self.limits.per_second.get()) * 2.0
    }

    /// Lets a request in, or refuses it. It counts until the pass is dropped.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn enter(&self, key: Key, kind: Kind) -> Result<Pass, Refused> {
        self.enter_at(key, kind, Instant::now())
    }

    fn enter_at(&self, key: Key, kind: Kind, now: Instant) -> Result<Pass, Refused> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let (burst, rate) = (self.burst(), f64::from(self.limits.per_second.get()));
        let refilled = |count: &Count| {
            (count.left + now.saturating_duration_since(count.at).as_secs_f64() * rate).min(burst)
        };
        if counts.len() >= MANY {
            // Who has all its requests left and none open is as if it had never come.
            counts.retain(|_, count| count.open > 0 || refilled(count) < burst);
        }
        let count = counts.entry(key).or_insert(Count { left: burst, at: now, open: 0, listens: 0 });
        (count.left, count.at) = (refilled(count), now);
        let soon = Duration::from_secs(1);
        if count.left < 1.0 {
            let wait = Duration::from_secs_f64((1.0 - count.left) / rate);
            return Err(Refused { what: "too many requests in a short time", after: wait.max(soon) });
        }
        if count.open >= self.limits.at_once.get() {
            return Err(Refused { what: "too many requests at once", after: soon });
        }
        if kind == Kind::Listen && count.listens >= self.limits.listens.get() {
            return Err(Refused { what: "too many subscriptions at once", after: Duration::from_secs(30) });
        }
        count.left -= 1.0;
        count.open += 1;
        count.listens += u32::from(kind == Kind::Listen);
        Ok(Pass { callers: self.clone(), key, kind })
    }
}

/// A request that is under way.
pub struct Pass {
    callers: Callers,
    key: Key,
    kind: Kind,
}

impl Pass {
    /// Counts on until the whole response has gone, or nobody reads it any more.
    #[must_use]
    pub fn until_sent(self, response: Response) -> Response {
        response.map(|body| {
            let counted = body.map_frame(move |frame| {
                let _under_way = &self;
                frame
            });
            Body::new(counted)
        })
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut counts = self.callers.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.key) {
            count.open = count.open.saturating_sub(1);
            count.listens = count.listens.saturating_sub(u32::from(self.kind == Kind::Listen));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(callers: &Callers, key: u8, kind: Kind, now: Instant) -> Option<&'static str> {
        callers.enter_at([key; 16], kind, now).err().map(|refused| refused.what)
    }

    #[test]
    fn each_limit_holds_for_one_caller_and_no_other() {
        let callers = Callers::new(Limits::of(100, 4, 2));
        let now = Instant::now();
        let open: Vec<Pass> = (0..2).map(|_| callers.enter_at([1; 16], Kind::Listen, now).unwrap()).collect();
        assert_eq!(refusal(&callers, 1, Kind::Listen, now), Some("too many subscriptions at once"));
        let more: Vec<Pass> = (0..2).map(|_| callers.enter_at([1; 16], Kind::Call, now).unwrap()).collect();
        assert_eq!(refusal(&callers, 1, Kind::Call, now), Some("too many requests at once"));
        assert_eq!(refusal(&callers, 2, Kind::Listen, now), None);
        drop((open, more));
        assert_eq!(refusal(&callers, 1, Kind::Listen, now), None);
    }

    #[test]
    fn a_burst_is_let_through_and_then_the_rate() {
        let callers = Callers::new(Limits::of(10, 100, 1));
        let begin = Instant::now();
        let let_in = |from: u64, to: u64| {
            (from..to)
                .filter(|ms| refusal(&callers, 1, Kind::Call, begin + Duration::from_millis(*ms)).is_none())
                .count()
        };
        assert_eq!(let_in(0, 1), 1);
        let burst = (0..100).filter(|_| refusal(&callers, 1, Kind::Call, begin).is_none()).count();
        assert_eq!(burst, 19);
        assert_eq!(let_in(1, 1_001), 10);
        let refused =
            callers.enter_at([1; 16], Kind::Call, begin + Duration::from_millis(1_001)).err().unwrap();
        assert!(refused.after >= Duration::from_secs(1), "{refused:?}");
    }

    #[test]
    fn who_asks_for_nothing_is_forgotten() {
        let callers = Callers::new(Limits::default());
        let now = Instant::now();
        for n in 0..MANY as u64 {
            let mut key = [0; 16];
            key[..8].copy_from_slice(&n.to_le_bytes());
            drop(callers.enter_at(key, Kind::Call, now).unwrap());
        }
        drop(callers.enter_at([255; 16], Kind::Call, now + Duration::from_secs(60)).unwrap());
        assert_eq!(callers.counts.lock().unwrap().len(), 1);
    }
}
