//! The server's UDP socket: one endpoint for raw QUIC and WebTransport, told apart by ALPN.
//!
//! Accepting is cheap and concerns nobody in particular; what can fail or take long for one peer happens in
//! [`Incoming::establish`]. Origins are handed on, not judged.

use std::fmt;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anteroom_protocol::{ALPN, CloseCode, WEBTRANSPORT_PATH};
use quinn::crypto::rustls::HandshakeData;
use quinn::{Endpoint, EndpointConfig, TokioRuntime, VarInt};
use tokio::time::{Instant, timeout, timeout_at};

use super::config::{self, H3_ALPN};
use super::outgoing::Side;
use super::pending::{Pending, Place, Verdict};
use super::session::{Receiving, Sending, Session};
use super::{Quic, http, session};
use crate::config::TransportConfig;
use crate::connection::Connection;
use crate::error::{Closed, EstablishError};
use crate::tls::ServerTls;

/// How long [`Listener::close`] waits until every peer is told.
const IDLE_MAX: Duration = Duration::from_secs(3);

/// Accepts raw QUIC (ALPN `anteroom/1`) and WebTransport (`h3`, path `/wt`) on one UDP socket. Live connections do
/// not need it: dropping it only stops accepting.
pub struct Listener {
    endpoint: Endpoint,
    config: TransportConfig,
    path_prefix: Arc<str>,
    pending: Pending,
    stopped: AtomicBool,
}

impl Listener {
    /// Serves a bound socket. Needs a tokio runtime.
    ///
    /// # Errors
    /// If the certificate and key do not work, or the socket cannot be used.
    pub fn bind(socket: UdpSocket, tls: ServerTls, config: TransportConfig) -> io::Result<Self> {
        Self::serve(&tls, config, |server| {
            Endpoint::new(EndpointConfig::default(), Some(server), socket, Arc::new(TokioRuntime))
        })
    }

    /// Serves what an endpoint with these settings receives.
    pub(crate) fn serve(
        tls: &ServerTls,
        config: TransportConfig,
        endpoint: impl FnOnce(quinn::ServerConfig) -> io::Result<Endpoint>,
    ) -> io::Result<Self> {
        let endpoint = endpoint(config::server(tls, &config).map_err(io::Error::other)?)?;
        let (path_prefix, pending, stopped) = (Arc::default(), Pending::default(), AtomicBool::new(false));
        Ok(Self { endpoint, config, path_prefix, pending, stopped })
    }

    /// Accepts sessions of WebTransport under this path as well, as `/game` for `/game/wt`. It begins with a slash and
    /// does not end with one; what is not written so is no page's path, and opens nothing.
    #[must_use]
    pub fn path_prefix(mut self, prefix: &str) -> Self {
        self.path_prefix = prefix.into();
        self
    }

    /// The next peer that wants to connect; `None` after [`close`](Self::close), or when the socket is broken. It
    /// must be called until then: nobody else turns peers away after [`stop_accepting`](Self::stop_accepting).
    ///
    /// Cancel-safe. Under a flood of handshakes it makes peers prove their address, and ignores or refuses some.
    pub async fn accept(&self) -> Option<Incoming> {
        loop {
            let incoming = self.endpoint.accept().await?;
            if self.stopped.load(Relaxed) {
                incoming.refuse();
                continue;
            }
            match self.pending.admit(incoming.remote_address().ip(), !incoming.may_retry()) {
                Verdict::Accept(place) => {
                    let path_prefix = Arc::clone(&self.path_prefix);
                    return Some(Incoming { incoming, config: self.config, path_prefix, place });
                }
                // It fails only for an address that is proven already.
                Verdict::Retry => drop(incoming.retry()),
                Verdict::Ignore => incoming.ignore(),
                Verdict::Refuse => incoming.refuse(),
            }
        }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Uses another certificate for handshakes from now on.
    ///
    /// # Errors
    /// If the certificate and key do not work; the old ones stay then.
    pub fn replace_certificate(&self, tls: ServerTls) -> Result<(), rustls::Error> {
        let server = config::server(&tls, &self.config)?;
        self.endpoint.set_server_config(Some(server));
        Ok(())
    }

    /// Refuses new handshakes from now on. Live connections go on, and so do handshakes that
    /// [`accept`](Self::accept) has given.
    pub fn stop_accepting(&self) {
        self.stopped.store(true, Relaxed);
    }

    /// Ends everything that is still connected, and waits at most 3 seconds until the peers are told.
    ///
    /// Cancel-safe: a dropped future has closed everything and only does not wait.
    pub async fn close(&self) {
        let code = CloseCode::ShuttingDown;
        self.endpoint.close(VarInt::from(code.number()), code.sentence().as_bytes());
        // What is not told in time finds out by silence.
        let _ = timeout(IDLE_MAX, self.endpoint.wait_idle()).await;
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("local_addr", &self.local_addr().ok()).finish_non_exhaustive()
    }
}

/// A peer that has sent its first packet. Dropping it refuses the peer.
#[derive(Debug)]
pub struct Incoming {
    incoming: quinn::Incoming,
    config: TransportConfig,
    path_prefix: Arc<str>,
    place: Place,
}

/// A connection on which the client has opened its control stream.
#[derive(Debug)]
pub struct Established {
    /// The server's end.
    pub connection: Connection,
    /// The page that opened a WebTransport session; the caller judges it. `None` on raw QUIC, and from programs.
    pub origin: Option<String>,
    /// The host the client wanted to reach. `None` on raw QUIC.
    pub authority: Option<String>,
    /// The path with its query: [`WEBTRANSPORT_PATH`], or that behind [`Listener::path_prefix`]. `None` on raw QUIC.
    pub path: Option<String>,
}

impl Incoming {
    /// Where the peer says it is.
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        self.incoming.remote_address()
    }

    /// Whether the peer receives packets there; before, anybody may have written that address.
    #[must_use]
    pub fn is_addr_proven(&self) -> bool {
        self.incoming.remote_address_validated()
    }

    /// Turns the peer away.
    pub fn refuse(self) {
        self.incoming.refuse();
    }

    /// Completes the handshake, for at most [`establish_timeout`](TransportConfig::establish_timeout), and 3 seconds more
    /// if it tells a peer of HTTP/3 why there is no session. It belongs in a task of its own. Dropping the future ends
    /// the attempt.
    ///
    /// # Errors
    /// [`EstablishError`], which concerns this peer only.
    pub async fn establish(self) -> Result<Established, EstablishError> {
        let Self { incoming, config, path_prefix, place } = self;
        let deadline = Instant::now() + config.establish_timeout;
        let established = Box::pin(establish(incoming, &config, &path_prefix, deadline)).await;
        drop(place);
        established
    }
}

/// What a peer is told that opens no control stream, on which its handshake would come.
const NO_HANDSHAKE: CloseCode = CloseCode::HandshakeTimeout;

async fn establish(
    incoming: quinn::Incoming,
    config: &TransportConfig,
    path_prefix: &str,
    deadline: Instant,
) -> Result<Established, EstablishError> {
    let late = || EstablishError::Timeout(config.establish_timeout);
    let (connection, protocol) = timeout_at(deadline, connect(incoming)).await.map_err(|_| late())??;
    match protocol.as_deref() {
        Some(H3_ALPN) => establish_session(connection, config, path_prefix, deadline).await,
        Some(ALPN) => establish_raw(connection, config, deadline).await,
        _ => Err(EstablishError::Handshake("no protocol was agreed on".into())),
    }
}

/// The connection, and the protocol that both sides speak.
async fn connect(incoming: quinn::Incoming) -> Result<(quinn::Connection, Option<Vec<u8>>), EstablishError> {
    let mut connecting = incoming.accept().map_err(failed)?;
    let data = connecting.handshake_data().await.map_err(failed)?;
    let protocol = data.downcast::<HandshakeData>().ok().and_then(|data| data.protocol);
    Ok((connecting.await.map_err(failed)?, protocol))
}

async fn establish_raw(
    connection: quinn::Connection,
    config: &TransportConfig,
    deadline: Instant,
) -> Result<Established, EstablishError> {
    let Ok(control) = timeout_at(deadline, connection.accept_bi()).await else {
        connection.close(VarInt::from(NO_HANDSHAKE.number()), NO_HANDSHAKE.sentence().as_bytes());
        return Err(EstablishError::Timeout(config.establish_timeout));
    };
    let (send, recv) = control.map_err(failed)?;
    let streams = (Sending::Quic(send), Receiving::Quic(recv));
    let link = Quic::link(Side::Server, Session::Raw(connection), streams, config);
    Ok(Established { connection: Connection::Quic(link), origin: None, authority: None, path: None })
}

async fn establish_session(
    connection: quinn::Connection,
    config: &TransportConfig,
    path_prefix: &str,
    deadline: Instant,
) -> Result<Established, EstablishError> {
    let is_here = |path: &str| is_our_path(path, path_prefix);
    let accepted = http::accept(connection.clone(), is_here, deadline, NO_HANDSHAKE).await;
    let accepted = accepted.map_err(|why| refused(why, config))?;
    let origin = accepted.request.origin.clone();
    let authority = Some(accepted.request.authority.clone());
    let path = Some(accepted.request.path.clone());
    let connection = Connection::WebTransport(Quic::served(accepted, connection, config));
    Ok(Established { connection, origin, authority, path })
}

fn is_our_path(path: &str, prefix: &str) -> bool {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    path == WEBTRANSPORT_PATH || path.strip_prefix(prefix) == Some(WEBTRANSPORT_PATH)
}

fn refused(refused: http::Refused, config: &TransportConfig) -> EstablishError {
    match refused {
        http::Refused::Late => EstablishError::Timeout(config.establish_timeout),
        http::Refused::NotFound(path) => EstablishError::NotFound(path.chars().take(100).collect()),
        http::Refused::Lost(error) => failed(error),
        http::Refused::Broken(closed) => EstablishError::Handshake(closed.to_string().into()),
    }
}

fn failed(error: quinn::ConnectionError) -> EstablishError {
    EstablishError::Handshake(Closed::to_string(&session::closed(error)).into())
}
