//! Refused claims, gathered per address and minute before they are noted in the audit log: whoever
//! tries many tokens must not be able to fill the disk and so stop the answers.

use kenward_vault::Vault;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long they are gathered.
const MINUTE: Duration = Duration::from_secs(60);
/// How many addresses are told apart in a minute; the rest counts together.
const ADDRESSES: usize = 1000;

/// Refusals that are not noted yet.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<Gathered>);

#[derive(Debug, Default)]
struct Gathered {
    since: Option<Instant>,
    counts: BTreeMap<String, u64>,
}

impl Refusals {
    /// Counts one. The first of a minute is noted at once, the others when it is over.
    pub fn count(&self, vault: &Vault, address: &str) {
        self.count_at(Instant::now(), address, &mut |address, count| vault.note_refused(address, count));
    }

    /// Notes what was gathered: when the data is closed.
    pub fn flush(&self, vault: &Vault) {
        let gathered = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (address, count) in gathered.counts {
            vault.note_refused(&address, count);
        }
    }

    fn count_at(&self, now: Instant, address: &str, note: &mut dyn FnMut(&str, u64)) {
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if gathered.since.is_some_and(|since| now.duration_since(since) < MINUTE) {
            let known = gathered.counts.contains_key(address) || gathered.counts.len() < ADDRESSES;
            let address = if known { address } else { "others" };
            *gathered.counts.entry(address.to_owned()).or_default() += 1;
            return;
        }
        gathered.since = Some(now);
        for (address, count) in std::mem::take(&mut gathered.counts) {
            note(&address, count);
        }
        note(address, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_becomes_one_note_a_minute_and_none_is_lost() {
        let refusals = Refusals::default();
        let start = Instant::now();
        let mut notes = Vec::new();
        for second in 0..120 {
            let now = start + Duration::from_secs(second);
            for _ in 0..100 {
                refusals.count_at(now, "uid 7", &mut |address, count| {
                    notes.push((address.to_owned(), count));
                });
            }
        }
        assert_eq!(notes, [("uid 7".into(), 1), ("uid 7".into(), 5999), ("uid 7".into(), 1)]);
        let left: u64 = refusals.0.lock().unwrap().counts.values().sum();
        assert_eq!(notes.iter().map(|(_, count)| count).sum::<u64>() + left, 12_000);
    }

    #[test]
    fn many_addresses_do_not_grow_without_bound() {
        let refusals = Refusals::default();
        let now = Instant::now();
        for address in 0..5000 {
            refusals.count_at(now, &address.to_string(), &mut |_, _| {});
        }
        assert_eq!(refusals.0.lock().unwrap().counts.len(), ADDRESSES + 1);
    }
}
