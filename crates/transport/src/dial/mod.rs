//! The client's side: one [`Dialer`] makes connections of every kind.
//!
//! It tries what it is asked for, once. Which transport to prefer, and when to try again, is for the caller.

mod quic;
#[cfg(feature = "simulation")]
mod simulated;
mod trust;
mod websocket;

use std::fmt;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anteroom_protocol::{Codec, WEBTRANSPORT_PATH};
use tokio::net::lookup_host;
use tokio::time::{sleep, timeout};

#[cfg(feature = "simulation")]
pub(crate) use self::simulated::Host;
pub use self::trust::Trust;
use crate::config::TransportConfig;
use crate::connection::Connection;
use crate::error::DialError;

/// How much earlier the first address is tried than the second, of the other family (RFC 8305 suggests as much).
const HEAD_START: Duration = Duration::from_millis(250);

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// A name, or an address of IPv4 or IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// Connects to servers. Holds a UDP socket per address family for raw QUIC and one for WebTransport, made on first
/// use and shared by all its connections, which outlive it.
#[derive(Debug)]
pub struct Dialer {
    config: TransportConfig,
    tls: Arc<trust::ClientTls>,
    network: Network,
}

/// What a dialer dials over.
#[derive(Debug)]
enum Network {
    System(quic::Sockets),
    #[cfg(feature = "simulation")]
    Simulated(Host),
}

impl Dialer {
    /// A dialer that trusts as told. [`Trust::System`] reads the system's certificates here, once.
    #[must_use]
    pub fn new(trust: Trust, config: TransportConfig) -> Self {
        Self::over(Network::System(quic::Sockets::default()), trust, config)
    }

    /// A dialer of a host in a simulated network.
    #[cfg(feature = "simulation")]
    pub(crate) fn simulated(host: Host, trust: Trust, config: TransportConfig) -> Self {
        Self::over(Network::Simulated(host), trust, config)
    }

    fn over(network: Network, trust: Trust, config: TransportConfig) -> Self {
        Self { config, tls: Arc::new(trust::ClientTls::new(trust)), network }
    }

    /// Connects by raw QUIC and opens the control stream, which the server sees with the first record.
    ///
    /// Dropping the future ends the attempt.
    ///
    /// # Errors
    /// [`DialError`], within [`establish_timeout`](TransportConfig::establish_timeout).
    pub async fn quic(&self, address: &Address) -> Result<Connection, DialError> {
        let Self { config, tls, network } = self;
        match network {
            Network::System(sockets) => {
                self.in_time(race(address, |addr| sockets.connect(tls, config, address, addr))).await
            }
            #[cfg(feature = "simulation")]
            Network::Simulated(host) => self.in_time(host.quic(tls, config, address)).await,
        }
    }

    /// Opens a WebTransport session at `/wt` and in it the control stream.
    ///
    /// Dropping the future ends the attempt.
    ///
    /// # Errors
    /// [`DialError`], within [`establish_timeout`](TransportConfig::establish_timeout).
    pub async fn webtransport(&self, address: &Address) -> Result<Connection, DialError> {
        self.webtransport_at(address, WEBTRANSPORT_PATH).await
    }

    /// The same at another path, for a server whose paths have a prefix. It begins with a slash.
    ///
    /// Dropping the future ends the attempt.
    ///
    /// # Errors
    /// [`DialError`], within [`establish_timeout`](TransportConfig::establish_timeout).
    pub async fn webtransport_at(&self, address: &Address, path: &str) -> Result<Connection, DialError> {
        let Self { config, tls, network } = self;
        match network {
            Network::System(sockets) => {
                self.in_time(race(address, |addr| sockets.connect_session(tls, config, address, addr, path))).await
            }
            #[cfg(feature = "simulation")]
            Network::Simulated(_) => Err(simulated::no_webtransport()),
        }
    }

    /// Connects to a `ws://` or `wss://` URL and asks for the codec by subprotocol.
    ///
    /// Dropping the future ends the attempt.
    ///
    /// # Errors
    /// [`DialError`], within [`establish_timeout`](TransportConfig::establish_timeout).
    pub async fn websocket(&self, url: &str, codec: Codec) -> Result<Connection, DialError> {
        let Self { config, tls, network } = self;
        match network {
            Network::System(_) => self.in_time(websocket::connect(tls, config, url, codec)).await,
            #[cfg(feature = "simulation")]
            Network::Simulated(host) => self.in_time(host.websocket(tls, config, url, codec)).await,
        }
    }

    fn in_time(
        &self,
        dialing: impl Future<Output = Result<Connection, DialError>>,
    ) -> impl Future<Output = Result<Connection, DialError>> {
        let max = self.config.establish_timeout;
        let dialing = timeout(max, Box::pin(dialing));
        async move { dialing.await.map_err(|_| DialError::Timeout(max))? }
    }
}

/// Tries the host's first address, and the first of the other family if that one does not answer soon; gives what
/// connects first, or the first one's error.
async fn race<F>(address: &Address, connect: impl Fn(SocketAddr) -> F) -> Result<Connection, DialError>
where
    F: Future<Output = Result<Connection, DialError>>,
{
    let (first, second) = resolve(address).await?;
    let mut first = pin!(connect(first));
    let Some(second) = second else { return first.await };
    // Polled in a fixed order, as everything in this crate: chance must not decide what a simulation does.
    tokio::select! {
        biased;
        connected = &mut first => return match connected {
            Ok(connection) => Ok(connection),
            Err(error) => connect(second).await.map_err(|_| error),
        },
        () = sleep(HEAD_START) => {}
    }
    let mut second = pin!(connect(second));
    tokio::select! {
        biased;
        connected = &mut first => match connected {
            Ok(connection) => Ok(connection),
            Err(error) => second.await.map_err(|_| error),
        },
        connected = &mut second => match connected {
            Ok(connection) => Ok(connection),
            Err(_) => first.await,
        },
    }
}

/// The host's first address, and the first of the other family.
async fn resolve(address: &Address) -> Result<(SocketAddr, Option<SocketAddr>), DialError> {
    let unknown = |source| DialError::Resolve { host: address.host.clone(), source };
    let addresses: Vec<_> =
        lookup_host((&*address.host, address.port)).await.map_err(|error| unknown(Some(error)))?.collect();
    let first = *addresses.first().ok_or_else(|| unknown(None))?;
    let second = addresses.into_iter().find(|addr| addr.is_ipv4() != first.is_ipv4());
    Ok((first, second))
}
