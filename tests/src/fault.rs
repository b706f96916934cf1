//! A relay between clients and a server that fails as networks do: on real sockets, without privileges, seeded.
//!
//! [`UdpRelay`] loses, doubles, delays and reorders datagrams, swallows them all, and changes its port towards the
//! server as a router does that forgets a client. [`TcpRelay`] stalls, slows and cuts connections and turns new ones
//! away. [`Relay`] is both on one port number, as the server is. Each runs in a thread of its own, so it needs no
//! runtime and works in any; dropping it ends every connection and frees its ports.
//!
//! Which datagrams suffer follows from the seed and from their order. It does not read what it relays, and makes no
//! promise about time but that a delay is never shorter than asked for.

mod random;
mod tcp;
mod udp;
mod worker;

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::ops::RangeInclusive;
use std::time::Duration;

pub use self::tcp::{Cut, TcpCounts, TcpRelay};
pub use self::udp::{UdpCounts, UdpRelay};

/// How often to look for a port that is free for both halves of a [`Relay`].
const TRIES: usize = 32;

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From clients to the server.
    Up,
    /// From the server to clients.
    Down,
}

/// What befalls datagrams in one direction. By default nothing does.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// How likely one is lost, from 0 to 1.
    pub loss: f64,
    /// How likely one is sent twice, each with a delay of its own.
    pub duplicate: f64,
    /// How likely one is held back for [`hold`](Self::hold), so that others overtake it.
    pub reorder: f64,
    /// How much longer one that is held back takes.
    pub hold: Duration,
    /// How long each takes; each draws its own.
    pub delay: RangeInclusive<Duration>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            loss: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            hold: Duration::from_millis(20),
            delay: Duration::ZERO..=Duration::ZERO,
        }
    }
}

/// A relay for UDP and TCP on one port number.
#[derive(Debug)]
pub struct Relay {
    addr: SocketAddr,
    /// The half that carries QUIC.
    pub udp: UdpRelay,
    /// The half that carries HTTP and WebSocket.
    pub tcp: TcpRelay,
}

impl Relay {
    /// A relay in front of a server, at the same IP address and a free port.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn start(server: SocketAddr, seed: u64) -> io::Result<Self> {
        Self::start_at(SocketAddr::new(server.ip(), 0), server, seed)
    }

    /// A relay at an address, with port 0 at one that is free for both.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn start_at(listen: SocketAddr, server: SocketAddr, seed: u64) -> io::Result<Self> {
        let (tcp, udp) = bind_both(listen)?;
        let addr = tcp.local_addr()?;
        Ok(Self { addr, udp: UdpRelay::serve(udp, server, seed)?, tcp: TcpRelay::serve(tcp, server)? })
    }

    /// Where clients connect.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Whether no datagram passes while TCP does, as behind many firewalls.
    pub fn block_udp(&self, on: bool) {
        self.udp.blackhole(on);
    }

    /// Whether nothing passes at all, as when a cable is pulled: datagrams are lost, connections stand still, and new
    /// ones come to nothing.
    pub fn unplug(&self, on: bool) {
        self.udp.blackhole(on);
        self.tcp.stall(Way::Up, on);
        self.tcp.stall(Way::Down, on);
    }
}

fn bind_both(listen: SocketAddr) -> io::Result<(TcpListener, UdpSocket)> {
    let mut tries = if listen.port() == 0 { TRIES } else { 1 };
    loop {
        let tcp = TcpListener::bind(listen)?;
        tries -= 1;
        match UdpSocket::bind(tcp.local_addr()?) {
            Ok(udp) => return Ok((tcp, udp)),
            Err(error) if tries == 0 => return Err(error),
            Err(_) => {}
        }
    }
}
