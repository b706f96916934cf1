//! Making connections to a server, again and again: the session outlives each of them.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anteroom_protocol::Codec;
use anteroom_protocol::limits::SERVER_FRAME_BYTES_MAX;
use anteroom_transport::{Connection, DialError, Dialer, TransportConfig};

use crate::certificate::{self, Published};
use crate::endpoint::Endpoint;
use crate::error::ConnectError;
use crate::options::{ConnectOptions, TransportChoice, Trust};

/// Brings connections to one server, over the transport that is asked for. Implement it to bring them from
/// elsewhere than the network, such as a simulation; see [`Client::with_dial`](crate::Client::with_dial).
pub trait Dial: Send + Sync + 'static {
    /// Connects, once. `choice` is never [`TransportChoice::Automatic`]. `codec` is what a WebSocket has to ask for by
    /// subprotocol.
    ///
    /// Dropping the future ends the attempt. It is given up after a while, so it needs no deadline of its own.
    fn dial(
        &self,
        choice: TransportChoice,
        codec: Codec,
    ) -> Pin<Box<dyn Future<Output = Result<Connection, ConnectError>> + Send>>;
}

/// Dials a server as the options tell.
#[derive(Debug)]
pub(crate) struct ServerDial {
    server: Arc<Server>,
}

#[derive(Debug)]
struct Server {
    address: String,
    /// What to dial in place of raw QUIC: behind a path prefix, only WebTransport can say which server is meant.
    udp: TransportChoice,
    trust: Trust,
    connect_timeout: Duration,
    /// Made when the certificates to trust are known, and kept, because it holds the sockets.
    known: Mutex<Option<Arc<Known>>>,
}

/// How to reach the server when there is TLS.
#[derive(Debug)]
struct Known {
    dialer: Dialer,
    /// Where the server itself says that its UDP is.
    udp: Option<Endpoint>,
}

impl ServerDial {
    /// Checks the address.
    pub(crate) fn new(options: &ConnectOptions) -> Result<Self, ConnectError> {
        let endpoint = Endpoint::parse(&options.address, options.transport)?;
        let is_prefixed = options.transport == TransportChoice::Automatic && !endpoint.prefix.is_empty();
        let server = Server {
            address: options.address.clone(),
            udp: if is_prefixed { TransportChoice::WebTransport } else { TransportChoice::Quic },
            trust: options.trust.clone(),
            connect_timeout: options.connect_timeout,
            known: Mutex::default(),
        };
        Ok(Self { server: Arc::new(server) })
    }
}

impl Dial for ServerDial {
    fn dial(
        &self,
        choice: TransportChoice,
        codec: Codec,
    ) -> Pin<Box<dyn Future<Output = Result<Connection, ConnectError>> + Send>> {
        let server = self.server.clone();
        Box::pin(async move { server.dial(choice, codec).await })
    }
}

impl Server {
    async fn dial(&self, choice: TransportChoice, codec: Codec) -> Result<Connection, ConnectError> {
        let choice = if choice == TransportChoice::Quic { self.udp } else { choice };
        let endpoint = Endpoint::parse(&self.address, choice)?;
        let known = self.known(&endpoint).await?;
        let Known { dialer, .. } = &*known;
        let Endpoint { address, webtransport_path, .. } = known.place(&endpoint);
        let dialed = match choice {
            TransportChoice::Quic | TransportChoice::Automatic => dialer.quic(address).await,
            TransportChoice::WebTransport => dialer.webtransport_at(address, webtransport_path).await,
            TransportChoice::WebSocket => dialer.websocket(&endpoint.websocket_url, codec).await,
        };
        if let Err(DialError::Handshake(_)) = &dialed {
            // A server that was started anew on this machine has another certificate.
            *self.lock() = None;
        }
        Ok(dialed?)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Known>>> {
        // Nothing panics while it holds the lock.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn known(&self, endpoint: &Endpoint) -> Result<Arc<Known>, ConnectError> {
        if !endpoint.encrypted {
            // Nothing has to be believed, so nothing has to be read from the system.
            let nobody = anteroom_transport::Trust::CertificateHashes(Vec::new());
            return Ok(Arc::new(Known { dialer: Dialer::new(nobody, self.config()), udp: None }));
        }
        let known = self.lock().clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let (trust, udp) = self.trust(endpoint).await?;
        let known = Arc::new(Known { dialer: Dialer::new(trust, self.config()), udp });
        *self.lock() = Some(known.clone());
        Ok(known)
    }

    fn config(&self) -> TransportConfig {
        TransportConfig {
            inbound_bytes_max: SERVER_FRAME_BYTES_MAX,
            establish_timeout: self.connect_timeout,
            ..TransportConfig::default()
        }
    }

    async fn trust(&self, endpoint: &Endpoint) -> Result<(anteroom_transport::Trust, Option<Endpoint>), ConnectError> {
        Ok(match &self.trust {
            Trust::CertificateHashes(hashes) => (anteroom_transport::Trust::CertificateHashes(hashes.clone()), None),
            Trust::Automatic if endpoint.is_loopback() => {
                let Published { hashes, udp } = certificate::fetch(&endpoint.address, &endpoint.prefix).await?;
                if hashes.is_empty() {
                    (anteroom_transport::Trust::System, udp)
                } else {
                    (anteroom_transport::Trust::CertificateHashes(hashes), udp)
                }
            }
            Trust::Automatic | Trust::System => (anteroom_transport::Trust::System, None),
        })
    }
}

impl Known {
    /// Where to dial over UDP: behind a path prefix, where the server itself says, if it was asked. What is in front of
    /// its TCP may not be in front of its UDP.
    fn place<'a>(&'a self, endpoint: &'a Endpoint) -> &'a Endpoint {
        let is_behind = !endpoint.prefix.is_empty() && !endpoint.is_exact;
        self.udp.as_ref().filter(|_| is_behind).unwrap_or(endpoint)
    }
}
