//! Making connections to a server, again and again: the session outlives each of them.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anteroom_protocol::Codec;
use anteroom_protocol::limits::SERVER_FRAME_BYTES_MAX;
use anteroom_transport::{Connection, DialError, Dialer, TransportConfig};

use crate::certificate;
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
    trust: Trust,
    connect_timeout: Duration,
    /// Made when the certificates to trust are known, and kept, because it holds the sockets.
    dialer: Mutex<Option<Arc<Dialer>>>,
}

impl ServerDial {
    /// Checks the address.
    pub(crate) fn new(options: &ConnectOptions) -> Result<Self, ConnectError> {
        for choice in options.transport.tried() {
            Endpoint::parse(&options.address, *choice)?;
        }
        let server = Server {
            address: options.address.clone(),
            trust: options.trust.clone(),
            connect_timeout: options.connect_timeout,
            dialer: Mutex::default(),
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
        let endpoint = Endpoint::parse(&self.address, choice)?;
        let dialer = self.dialer(&endpoint).await?;
        let dialed = match choice {
            TransportChoice::Quic | TransportChoice::Automatic => dialer.quic(&endpoint.address).await,
            TransportChoice::WebTransport => dialer.webtransport(&endpoint.address).await,
            TransportChoice::WebSocket => dialer.websocket(&endpoint.websocket_url, codec).await,
        };
        if let Err(DialError::Handshake(_)) = &dialed {
            // A server that was started anew on this machine has another certificate.
            *self.lock() = None;
        }
        Ok(dialed?)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Dialer>>> {
        // Nothing panics while it holds the lock.
        self.dialer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn dialer(&self, endpoint: &Endpoint) -> Result<Arc<Dialer>, ConnectError> {
        if !endpoint.encrypted {
            // Nothing has to be believed, so nothing has to be read from the system.
            let nobody = anteroom_transport::Trust::CertificateHashes(Vec::new());
            return Ok(Arc::new(Dialer::new(nobody, self.config())));
        }
        let known = self.lock().clone();
        if let Some(dialer) = known {
            return Ok(dialer);
        }
        let dialer = Arc::new(Dialer::new(self.trust(endpoint).await?, self.config()));
        *self.lock() = Some(dialer.clone());
        Ok(dialer)
    }

    fn config(&self) -> TransportConfig {
        TransportConfig {
            inbound_bytes_max: SERVER_FRAME_BYTES_MAX,
            establish_timeout: self.connect_timeout,
            ..TransportConfig::default()
        }
    }

    async fn trust(&self, endpoint: &Endpoint) -> Result<anteroom_transport::Trust, ConnectError> {
        Ok(match &self.trust {
            Trust::CertificateHashes(hashes) => anteroom_transport::Trust::CertificateHashes(hashes.clone()),
            Trust::Automatic if endpoint.is_loopback() => {
                let hashes = certificate::fetch(&endpoint.address).await?;
                if hashes.is_empty() {
                    anteroom_transport::Trust::System
                } else {
                    anteroom_transport::Trust::CertificateHashes(hashes)
                }
            }
            Trust::Automatic | Trust::System => anteroom_transport::Trust::System,
        })
    }
}
