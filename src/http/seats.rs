//! The seats of connections: so many in all, and so many for one address, so that a stranger cannot take them all.
//! Proxies that are trusted, and this machine where nothing else reaches it, stand for many and have no share.
//!
//! It must never wait for an address that has its share: others are waiting behind it.

use crate::config::Reach;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many seats each has who has any.
type Taken = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// The seats of one listener.
pub(super) struct Seats {
    all: Arc<Semaphore>,
    share: usize,
    reach: Reach,
    taken: Taken,
}

impl Seats {
    pub(super) fn new(all: usize, share: usize, reach: Reach) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), share, reach, taken: Arc::default() }
    }

    /// Waits until there is a free one.
    pub(super) async fn free(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.all).acquire_owned().await.ok()
    }

    /// Gives it to an address; `None` if that has its share.
    pub(super) fn give(&self, free: OwnedSemaphorePermit, address: IpAddr) -> Option<Seat> {
        let for_many = match &self.reach {
            Reach::Loopback => true,
            Reach::Proxied(proxies) => proxies.iter().any(|network| network.holds(address)),
            Reach::Direct => false,
        };
        if for_many {
            return Some(Seat { _free: free, held: None });
        }
        let who = household(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(who).or_default();
        if *count >= self.share {
            return None;
        }
        *count += 1;
        Some(Seat { _free: free, held: Some((Arc::clone(&self.taken), who)) })
    }
}

/// Whom an address is counted for: itself, or the network of 64 bits that one customer has in IPv6.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(long) => Ipv6Addr::from_bits(long.to_bits() >> 64 << 64).into(),
        short @ IpAddr::V4(_) => short,
    }
}

/// A seat, until it is dropped.
pub(super) struct Seat {
    _free: OwnedSemaphorePermit,
    held: Option<(Taken, IpAddr)>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some((taken, who)) = &self.held else { return };
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(who) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn given(seats: &Seats, address: &str) -> Option<Seat> {
        seats.give(seats.free().await.unwrap(), address.parse().unwrap())
    }

    #[tokio::test]
    async fn an_address_has_its_share_and_others_theirs() {
        let seats = Seats::new(6, 2, Reach::Direct);
        let first = given(&seats, "192.0.2.7").await;
        let second = given(&seats, "::ffff:192.0.2.7").await;
        assert!(first.is_some() && second.is_some());
        assert!(given(&seats, "192.0.2.7").await.is_none());
        assert!(given(&seats, "192.0.2.8").await.is_some());
        drop(first);
        assert!(given(&seats, "192.0.2.7").await.is_some());
        drop(second);
        assert!(seats.taken.lock().unwrap().is_empty());
        assert_eq!(seats.all.available_permits(), 6, "whoever was refused holds no seat");
    }

    #[tokio::test]
    async fn one_network_of_ipv6_is_one() {
        let seats = Seats::new(6, 1, Reach::Direct);
        let _one = given(&seats, "2001:db8:0:1::1").await.unwrap();
        assert!(given(&seats, "2001:db8:0:1:ffff::2").await.is_none());
        assert!(given(&seats, "2001:db8:0:2::1").await.is_some());
    }

    #[tokio::test]
    async fn who_stands_for_many_has_no_share() {
        let here = Seats::new(6, 1, Reach::Loopback);
        let proxied =
            Seats::new(6, 1, Reach::Proxied(vec![crate::config::Network::parse("10.0.0.7").unwrap()]));
        for (seats, address) in [(&here, "127.0.0.1"), (&proxied, "10.0.0.7")] {
            let held = [given(seats, address).await, given(seats, address).await];
            assert!(held.iter().all(Option::is_some), "{address}");
        }
        let _one = given(&proxied, "10.0.0.8").await.unwrap();
        assert!(given(&proxied, "10.0.0.8").await.is_none());
    }
}
