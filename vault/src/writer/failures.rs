//! Failed documents: what is recorded of each, and when it is tried again. What failed for a reason of its
//! own bytes is not tried again before something changes; what failed for a passing reason is, later and
//! later. A failure must never be forgotten because it was not tried.

use kenward_access::ids::Timestamp;
use serde::{Deserialize, Serialize};

/// The pause after the first try.
const FIRST_PAUSE: i64 = 60_000;
/// The longest pause. A next try that lies further ahead was noted by a clock that has been set back since.
const LONGEST_PAUSE: i64 = 24 * 3_600_000;

/// A failed document, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Path within its source.
    pub path: String,
    /// From the fixed taxonomy (`unreadable`, `encrypted`, `too_large`, `timeout`, `crashed_parser`, `empty`,
    /// `broken`, `rights_unresolved`, `rights_inside`, …).
    pub reason: String,
    /// More, for an operator. Never text of the document.
    pub detail: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was last tried.
    #[serde(default)]
    pub tried: Option<Timestamp>,
    /// Not tried again before; `None` = not before its bytes, the limits or the pipeline change.
    #[serde(default)]
    pub next: Option<Timestamp>,
}

/// What made of the bytes what it made: when it changes, everything that failed is tried again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Under {
    /// The extraction pipeline, from 1.
    pub pipeline: u32,
    /// The limits that it worked under, in a form of the pipeline's own.
    pub limits: String,
}

/// When a failed document is worth another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// When its bytes, the limits or the pipeline have changed.
    WhenChanged,
    /// After a pause, which doubles with every try.
    Later,
}

/// A try that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// From the fixed taxonomy.
    pub reason: String,
    /// More, for an operator. Never text of the document.
    pub detail: String,
    /// SHA-256 of the bytes that failed; `None` = they could not be read, or not all of them.
    pub raw_hash: Option<[u8; 32]>,
    /// What worked on them.
    pub under: Under,
    /// When it is worth another try.
    pub again: Again,
    /// It was told by a look that costs nothing: the same once more is no further try.
    pub by_a_look: bool,
}

impl Tried {
    /// A try that failed for a reason of the document's own.
    #[must_use]
    pub fn of(reason: &str, detail: &str) -> Self {
        Self {
            reason: reason.to_owned(),
            detail: detail.to_owned(),
            raw_hash: None,
            under: Under::default(),
            again: Again::WhenChanged,
            by_a_look: false,
        }
    }

    /// What is to be recorded of this try, made at `now` after `before`.
    pub(crate) fn after(&self, path: &str, before: Option<&Standing>, now: Timestamp) -> Standing {
        let same = |old: &&Standing| {
            (&old.failure.reason, &old.raw_hash, &old.under) == (&self.reason, &self.raw_hash, &self.under)
        };
        let tries = before.map_or(0, |old| old.failure.attempts);
        let failure = match before.filter(same).filter(|_| self.by_a_look) {
            Some(old) => Failure { detail: self.detail.clone(), ..old.failure.clone() },
            None => Failure {
                path: path.to_owned(),
                reason: self.reason.clone(),
                detail: self.detail.clone(),
                attempts: tries.saturating_add(1),
                tried: Some(now),
                next: match self.again {
                    Again::WhenChanged => None,
                    Again::Later => Some(Timestamp(now.0.saturating_add(pause(tries)))),
                },
            },
        };
        Standing { failure, raw_hash: self.raw_hash, under: self.under.clone() }
    }
}

/// The pause after a try that so many went before.
fn pause(before: u32) -> i64 {
    FIRST_PAUSE.checked_shl(before.min(32)).map_or(LONGEST_PAUSE, |pause| pause.min(LONGEST_PAUSE))
}

/// A failure that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// As operators see it.
    pub failure: Failure,
    /// SHA-256 of the bytes that failed.
    pub raw_hash: Option<[u8; 32]>,
    /// What worked on them.
    pub under: Under,
}

impl Standing {
    /// Whether another try now would be of the same bytes under the same limits, and too early. A clock that
    /// was set back makes nothing wait longer than the longest pause.
    #[must_use]
    pub fn stands(&self, raw_hash: &[u8; 32], under: &Under, now: Timestamp) -> bool {
        let waits = self.failure.next.is_none_or(|next| early(next, now));
        self.raw_hash.as_ref() == Some(raw_hash) && self.under == *under && waits
    }
}

impl Failure {
    /// Whether it is to be tried again by now.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> bool {
        self.next.is_some_and(|next| !early(next, now))
    }
}

fn early(next: Timestamp, now: Timestamp) -> bool {
    next.0 > now.0 && next.0.saturating_sub(now.0) <= LONGEST_PAUSE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(again: Again) -> Tried {
        Tried { raw_hash: Some([1; 32]), again, ..Tried::of("timeout", "slow") }
    }

    #[test]
    fn pauses_double_and_have_an_end() {
        let mut standing: Option<Standing> = None;
        let mut pauses = Vec::new();
        for n in 0..40 {
            let now = Timestamp(1_000_000 * n);
            let next = tried(Again::Later).after("a", standing.as_ref(), now);
            pauses.push(next.failure.next.unwrap().0 - now.0);
            standing = Some(next);
        }
        assert_eq!(pauses[..4], [60_000, 120_000, 240_000, 480_000]);
        assert!(pauses.windows(2).all(|two| two[0] <= two[1]));
        assert_eq!(pauses.last(), Some(&LONGEST_PAUSE));
        assert_eq!(standing.unwrap().failure.attempts, 40);
    }

    #[test]
    fn what_stands_is_let_be_until_something_changes() {
        let (hash, under, now) = ([1; 32], Under::default(), Timestamp(0));
        let settled = tried(Again::WhenChanged).after("a", None, now);
        assert!(settled.stands(&hash, &under, Timestamp(i64::MAX)));
        assert!(!settled.stands(&[2; 32], &under, now), "other bytes");
        let other = Under { pipeline: 9, ..Under::default() };
        assert!(!settled.stands(&hash, &other, now), "another pipeline");

        let later = tried(Again::Later).after("a", None, now);
        assert!(later.stands(&hash, &under, Timestamp(59_999)) && !later.failure.due(Timestamp(59_999)));
        assert!(!later.stands(&hash, &under, Timestamp(60_000)) && later.failure.due(Timestamp(60_000)));
        // Noted by a clock that was far ahead: not waited for.
        assert!(!later.stands(&hash, &under, Timestamp(-2 * LONGEST_PAUSE)));
    }

    #[test]
    fn the_same_seen_at_a_look_is_no_further_try() {
        let look = Tried { by_a_look: true, ..tried(Again::WhenChanged) };
        let first = look.after("a", None, Timestamp(5));
        let second = look.after("a", Some(&first), Timestamp(9));
        assert_eq!(first, second);
        let other = Tried { reason: "empty".into(), ..look };
        assert_eq!(other.after("a", Some(&second), Timestamp(9)).failure.attempts, 2);
    }
}
