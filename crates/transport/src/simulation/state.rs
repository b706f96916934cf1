//! What a simulated network knows: its chances, its paths, and everything that is under way.
//!
//! One lock around all of it, and nothing in it whose order depends on more than the seed and the order of calls.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use tokio::time::Instant;

use super::datagrams::Inbox;
use super::streams::{Backlog, Route};
use super::{Conditions, Counts};
use crate::random::Random;

/// The first of the ports that are picked.
const PICKED_PORTS: u16 = 49_152;

#[derive(Debug)]
pub(super) struct State {
    began: Instant,
    pub(super) random: Random,
    pub(super) conditions: Conditions,
    pub(super) paths: Paths,
    pub(super) counts: Counts,
    pub(super) fingerprint: u64,
    /// UDP sockets by number, and the numbers by address.
    pub(super) inboxes: BTreeMap<u64, Inbox>,
    pub(super) udp: BTreeMap<SocketAddr, u64>,
    pub(super) streams: BTreeMap<u64, Route>,
    pub(super) listeners: BTreeMap<SocketAddr, Backlog>,
    last_number: u64,
    next_port: u16,
}

/// The hosts that have trouble.
#[derive(Debug, Default)]
pub(super) struct Paths {
    pub(super) blackholes: BTreeSet<IpAddr>,
    pub(super) without_datagrams: BTreeSet<IpAddr>,
    pub(super) stalled: BTreeSet<IpAddr>,
    /// How many bytes a second a host reads of each stream.
    pub(super) paces: BTreeMap<IpAddr, u32>,
}

impl Paths {
    pub(super) fn pass_datagrams(&self, from: IpAddr, to: IpAddr) -> bool {
        ![from, to].iter().any(|host| self.blackholes.contains(host) || self.without_datagrams.contains(host))
    }

    pub(super) fn pass_streams(&self, from: IpAddr, to: IpAddr) -> bool {
        ![from, to].iter().any(|host| self.blackholes.contains(host) || self.stalled.contains(host))
    }
}

impl State {
    pub(super) fn new(seed: u64, conditions: Conditions) -> Self {
        Self {
            began: Instant::now(),
            random: Random::new(seed),
            conditions,
            paths: Paths::default(),
            counts: Counts::default(),
            // FNV-1a's (Fowler, Noll, Vo) own beginning.
            fingerprint: 0xcbf2_9ce4_8422_2325,
            inboxes: BTreeMap::new(),
            udp: BTreeMap::new(),
            streams: BTreeMap::new(),
            listeners: BTreeMap::new(),
            last_number: 0,
            next_port: PICKED_PORTS,
        }
    }

    /// A number that nothing else here has; greater than those before.
    pub(super) fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// The address itself, or with port 0 one with a port that `taken` does not say is in use.
    pub(super) fn pick(
        &mut self,
        addr: SocketAddr,
        taken: impl Fn(&Self, SocketAddr) -> bool,
    ) -> io::Result<SocketAddr> {
        if addr.port() != 0 {
            return if taken(self, addr) { Err(io::ErrorKind::AddrInUse.into()) } else { Ok(addr) };
        }
        for _ in PICKED_PORTS..=u16::MAX {
            let picked = SocketAddr::new(addr.ip(), self.next_port);
            self.next_port = self.next_port.checked_add(1).unwrap_or(PICKED_PORTS);
            if !taken(self, picked) {
                return Ok(picked);
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    pub(super) fn rebind(&mut self, old: SocketAddr, new: SocketAddr) -> io::Result<()> {
        if self.udp.contains_key(&new) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let number = self.udp.remove(&old).ok_or(io::ErrorKind::AddrNotAvailable)?;
        self.udp.insert(new, number);
        if let Some(inbox) = self.inboxes.get_mut(&number) {
            inbox.addr = new;
        }
        Ok(())
    }

    /// How long something sent now is under way.
    pub(super) fn latency(&mut self) -> Duration {
        self.random.between(&self.conditions.latency)
    }

    /// Adds something sent to the fingerprint (FNV-1a).
    pub(super) fn note(&mut self, from: SocketAddr, to: SocketAddr, len: usize, fate: Fate) {
        let at = self.began.elapsed().as_nanos() as u64;
        let [from, to] = [from, to].map(|addr| {
            let ip = match addr.ip() {
                IpAddr::V4(ip) => u128::from(ip.to_bits()),
                IpAddr::V6(ip) => ip.to_bits(),
            };
            (ip as u64) ^ ((ip >> 64) as u64).rotate_left(17) ^ u64::from(addr.port()).rotate_left(40)
        });
        let (kind, delay) = match fate {
            Fate::Lost => (0, Duration::ZERO),
            Fate::Dropped => (1, Duration::ZERO),
            Fate::Delayed(delay) => (2, delay),
        };
        for byte in [at, from, to, len as u64, kind, delay.as_nanos() as u64].iter().flat_map(|word| word.to_be_bytes())
        {
            self.fingerprint = (self.fingerprint ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}

/// What becomes of something sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Lost,
    Dropped,
    Delayed(Duration),
}

impl Random {
    pub(super) fn chance(&mut self, likelihood: f64) -> bool {
        // The 53 bits that such a number holds, so that 1 is always and 0 is never.
        ((self.bits() >> 11) as f64) < likelihood * (1_u64 << 53) as f64
    }

    /// The beginning of the range if it is empty.
    pub(super) fn between(&mut self, range: &RangeInclusive<Duration>) -> Duration {
        let width = range.end().saturating_sub(*range.start()).as_nanos() as u64;
        *range.start() + Duration::from_nanos(self.below(width.saturating_add(1)))
    }

    /// For another generator.
    pub(super) fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        seed.chunks_exact_mut(8).for_each(|chunk| chunk.copy_from_slice(&self.bits().to_be_bytes()));
        seed
    }
}
