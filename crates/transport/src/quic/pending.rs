//! How many handshakes are going on, in all and from each network; decides what a new one gets.
//!
//! A made-up address costs its sender nothing: above a first bound an address must be proven by a retry, which keeps
//! no state here. A real one is bounded by its network's share, so that one host does not take everyone's place.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// From here on addresses have to be proven.
const UNPROVEN_MAX: usize = 64;
/// From here on a network's further handshakes are ignored; its clients try again by themselves.
const NETWORK_MAX: usize = 256;
/// From here on everything is refused.
const ALL_MAX: usize = 4096;

/// The handshakes of one listener.
#[derive(Debug, Clone, Default)]
pub(super) struct Pending(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_network: BTreeMap<u64, usize>,
}

/// What to do with a new handshake.
#[derive(Debug)]
pub(super) enum Verdict {
    Accept(Place),
    Retry,
    Ignore,
    Refuse,
}

/// One handshake going on; counts until dropped.
#[derive(Debug)]
pub(super) struct Place {
    pending: Pending,
    network: u64,
}

impl Pending {
    pub(super) fn admit(&self, address: IpAddr, proven: bool) -> Verdict {
        let network = network(address);
        let mut counts = self.lock();
        if !proven && counts.all >= UNPROVEN_MAX {
            return Verdict::Retry;
        }
        if counts.by_network.get(&network).is_some_and(|count| *count >= NETWORK_MAX) {
            return Verdict::Ignore;
        }
        if counts.all >= ALL_MAX {
            return Verdict::Refuse;
        }
        counts.all += 1;
        *counts.by_network.entry(network).or_default() += 1;
        drop(counts);
        Verdict::Accept(Place { pending: self.clone(), network })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Counting does not panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.pending.lock();
        counts.all -= 1;
        if let Some(count) = counts.by_network.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                counts.by_network.remove(&self.network);
            }
        }
    }
}

/// What one host can have many addresses of: a /64 of IPv6.
fn network(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn places(pending: &Pending, count: usize, address: impl Fn(u32) -> IpAddr) -> Vec<Place> {
        (0..count as u32)
            .filter_map(|number| match pending.admit(address(number), true) {
                Verdict::Accept(place) => Some(place),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn addresses_have_to_be_proven_when_many_handshakes_are_pending() {
        let pending = Pending::default();
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut places = places(&pending, UNPROVEN_MAX - 1, |_| address);
        assert!(matches!(pending.admit(address, false), Verdict::Accept(_)));
        places.extend(match pending.admit(address, true) {
            Verdict::Accept(place) => Some(place),
            _ => None,
        });
        assert!(matches!(pending.admit(address, false), Verdict::Retry));
        drop(places);
        assert!(matches!(pending.admit(address, false), Verdict::Accept(_)));
    }

    #[test]
    fn a_network_has_a_share_and_all_have_a_bound() {
        let pending = Pending::default();
        let neighbour = |number: u32| IpAddr::V6(Ipv6Addr::from_bits(1 << 64 | u128::from(number)));
        let one = places(&pending, 2 * NETWORK_MAX, neighbour);
        assert_eq!(one.len(), NETWORK_MAX);
        assert!(matches!(pending.admit(neighbour(7), true), Verdict::Ignore));
        let others = places(&pending, 2 * ALL_MAX, |number| IpAddr::V4(Ipv4Addr::from_bits(number)));
        assert_eq!(one.len() + others.len(), ALL_MAX);
        assert!(matches!(pending.admit(Ipv4Addr::BROADCAST.into(), true), Verdict::Refuse));
        drop((one, others));
        assert!(pending.lock().by_network.is_empty());
    }
}
