//! A network inside the process, for tests of what distance, loss and broken paths do: QUIC over simulated UDP, byte
//! streams in the place of TCP, all of it drawn from a seed and driven by tokio's clock.
//!
//! In a current-thread runtime whose clock was paused from the beginning
//! (`Builder::new_current_thread().enable_time().start_paused(true)`) time jumps to the next event, and everything
//! that happens is a function of the seed and of what the program does; [`Network::fingerprint`] tells two runs
//! apart. For that, nothing may come from outside: no real sockets, no threads (names are not resolved), no chance
//! of tokio's own (`select!` without `biased`, several tasks that wait on one `watch`), and certificates of Ed25519,
//! since the signatures of other keys vary in length ([`certificate`] makes one). What QUIC and TLS still draw from
//! the system are keys and identifiers, whose lengths are fixed and whose values decide nothing.
//!
//! A host is an IP address; faults concern hosts. Datagrams and streams of one host suffer the same blackhole. What
//! a browser would dial cannot be: WebTransport's client makes its own socket, so
//! [`Dialer::webtransport`](crate::Dialer::webtransport) refuses.

mod certificate;
mod datagrams;
mod state;
mod streams;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use quinn::{Endpoint, EndpointConfig, TokioRuntime};
use tokio::sync::Notify;

pub use self::certificate::certificate;
use self::state::State;
pub use self::streams::{Stream, StreamListener, Upgraded};
use crate::config::TransportConfig;
use crate::connection::Connection;
use crate::dial::{Dialer, Host, Trust};
use crate::quic::Listener;
use crate::tls::ServerTls;
use crate::websocket;

/// What a network does to what is sent. The same in both directions.
#[derive(Debug, Clone, PartialEq)]
pub struct Conditions {
    /// How long a datagram, or a part of a stream, is under way. Each draws its own, so datagrams overtake each
    /// other as far as this range goes.
    pub latency: RangeInclusive<Duration>,
    /// How likely a datagram is lost, from 0 to 1. What is lost of a stream comes later, and holds up the rest.
    pub loss: f64,
    /// How likely a datagram arrives twice, the second copy with a latency of its own.
    pub duplicate: f64,
    /// How likely a datagram is held back.
    pub reorder: f64,
    /// For how long, on top of its latency.
    pub reorder_delay: RangeInclusive<Duration>,
}

impl Default for Conditions {
    /// 20 ms each way, and nothing goes wrong.
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(20)..=Duration::from_millis(20),
            loss: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            reorder_delay: Duration::from_millis(30)..=Duration::from_millis(90),
        }
    }
}

/// How many datagrams met which fate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Handed to the network.
    pub sent: u64,
    /// Taken by a receiver, copies included.
    pub delivered: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Copied by chance.
    pub duplicated: u64,
    /// Held back by chance.
    pub reordered: u64,
    /// Lost for a reason: a blackhole, nobody at the address, too large, too many waiting there.
    pub dropped: u64,
}

/// A simulated network. Clones are the same network.
#[derive(Debug, Clone)]
pub struct Network {
    state: Arc<Mutex<State>>,
    /// Some path may have opened.
    changed: Arc<Notify>,
}

impl Network {
    /// A network without hosts. Needs a tokio runtime with time enabled, as does everything in it.
    #[must_use]
    pub fn new(seed: u64, conditions: Conditions) -> Self {
        Self { state: Arc::new(Mutex::new(State::new(seed, conditions))), changed: Arc::new(Notify::new()) }
    }

    /// Other conditions, for everything sent from now on.
    pub fn set_conditions(&self, conditions: Conditions) {
        self.lock().conditions = conditions;
    }

    /// Whether nothing passes to and from a host. Datagrams are lost, also those under way; streams stand still, and
    /// go on afterwards.
    pub fn blackhole(&self, host: IpAddr, on: bool) {
        set(&mut self.lock().paths.blackholes, host, on);
        self.paths_changed();
    }

    /// Whether a host's datagrams are lost while its streams go on, as where a firewall lets no UDP through.
    pub fn block_datagrams(&self, host: IpAddr, on: bool) {
        set(&mut self.lock().paths.without_datagrams, host, on);
    }

    /// Whether a host's streams stand still, both ways, while its datagrams go on.
    pub fn stall_streams(&self, host: IpAddr, on: bool) {
        set(&mut self.lock().paths.stalled, host, on);
        self.paths_changed();
    }

    /// How many bytes a second a host reads of each stream; without a number, all there are. Datagrams are not read more
    /// slowly.
    pub fn pace_streams(&self, host: IpAddr, bytes: Option<u32>) {
        let mut state = self.lock();
        match bytes {
            Some(bytes) => state.paths.paces.insert(host, bytes),
            None => state.paths.paces.remove(&host),
        };
        drop(state);
        self.paths_changed();
    }

    /// Resets every stream of a host: both ends fail at once, and what was under way is lost.
    pub fn cut_streams(&self, host: IpAddr) {
        self.lock().cut_streams(host);
    }

    /// Gives a UDP socket another address, which it does not notice: what it sends comes from the new one, and what
    /// is sent to the old one is lost. So does a router that forgets a client, or a phone that changes networks.
    ///
    /// # Errors
    /// If there is no socket at `old`, or one at `new`.
    pub fn rebind(&self, old: SocketAddr, new: SocketAddr) -> io::Result<()> {
        self.lock().rebind(old, new)
    }

    /// Serves QUIC at an address, which must have no other UDP socket. With port 0 one is picked. The address is
    /// free again when the listener and its connections are gone, which takes QUIC some round trips.
    ///
    /// # Errors
    /// If the address is taken, or certificate and key do not work.
    pub fn listener(&self, addr: SocketAddr, tls: &ServerTls, config: TransportConfig) -> io::Result<Listener> {
        Listener::serve(tls, config, |server| self.endpoint(addr, Some(server)))
    }

    /// Dials from an address: QUIC from just there (with port 0 from a port that is picked), WebSocket from any port
    /// of that host. It understands IP addresses, not names. The UDP socket is made by the first
    /// [`quic`](Dialer::quic), which fails if the address is taken.
    #[must_use]
    pub fn dialer(&self, addr: SocketAddr, trust: Trust, config: TransportConfig) -> Dialer {
        Dialer::simulated(Host::new(self.clone(), addr), trust, config)
    }

    /// QUIC alone at an address, which must have no other UDP socket, for a peer that speaks for itself. With port 0 one
    /// is picked.
    ///
    /// # Errors
    /// If the address is taken.
    pub fn bare_quic(&self, addr: SocketAddr) -> io::Result<Endpoint> {
        self.endpoint(addr, None)
    }

    /// Takes streams at an address, for WebSocket or anything else. With port 0 one is picked.
    ///
    /// # Errors
    /// If there is another listener for streams.
    pub fn stream_listener(&self, addr: SocketAddr) -> io::Result<StreamListener> {
        StreamListener::bind(self, addr)
    }

    /// Opens a stream from an address, picking a port if it has none, to a listener, which takes a round trip. While
    /// the path is blocked it waits.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    /// If nobody listens there, or nobody takes what waits there already.
    pub async fn connect(&self, from: SocketAddr, to: SocketAddr) -> io::Result<Stream> {
        Stream::connect(self, from, to).await
    }

    /// Both ends of a WebSocket that is established already, the client's first.
    #[must_use]
    pub fn websocket(
        &self,
        (client, client_config): (SocketAddr, TransportConfig),
        (server, server_config): (SocketAddr, TransportConfig),
    ) -> (Connection, Connection) {
        let (near, far) = Stream::pair(self, client, server);
        let near = websocket::connected(near, Bytes::new(), server, client_config);
        (near, websocket::accept(far, Bytes::new(), client, server_config))
    }

    /// What became of the datagrams so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// A number that stands for everything sent so far: when, from where to where, how long and with what fate,
    /// but not its content. Two runs with the same one went the same way.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.lock().fingerprint
    }

    /// A QUIC endpoint at an address.
    pub(crate) fn endpoint(&self, addr: SocketAddr, server: Option<quinn::ServerConfig>) -> io::Result<Endpoint> {
        let socket = datagrams::Socket::bind(self, addr)?;
        let mut config = EndpointConfig::default();
        config.rng_seed(Some(self.lock().random.seed()));
        Endpoint::new_with_abstract_socket(config, server, Arc::new(socket), Arc::new(TokioRuntime))
    }

    /// Lets everything see whether it can go on.
    fn paths_changed(&self) {
        self.lock().wake_streams();
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code below panics between two consistent states.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn set(hosts: &mut std::collections::BTreeSet<IpAddr>, host: IpAddr, on: bool) {
    if on {
        hosts.insert(host);
    } else {
        hosts.remove(&host);
    }
}
