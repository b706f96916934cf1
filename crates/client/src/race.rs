//! The way to a server: one transport as told, or QUIC against WebSocket, whichever stands first.
//!
//! Nothing is said on a connection here, so the one that loses costs the server no session.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anteroom_protocol::Codec;
use anteroom_transport::{Connection, Transport};
use tokio::time::{Instant, sleep, timeout};

use crate::dial::Dial;
use crate::error::ConnectError;
use crate::options::TransportChoice;
use crate::paths::{Advice, PathMemory};

/// How long QUIC may take in a race.
const QUIC_MAX: Duration = Duration::from_secs(3);
/// How long any other way may take.
const DIAL_MAX: Duration = Duration::from_secs(10);
/// How much earlier QUIC starts than WebSocket.
const HEAD_START: Duration = Duration::from_millis(250);
/// How long a session stays on a WebSocket before QUIC is tried again.
const UPGRADE_AFTER: Duration = Duration::from_secs(60);

/// A connection that is being made.
pub(crate) type Dialing = Pin<Box<dyn Future<Output = Result<Connection, ConnectError>> + Send>>;

/// A connection that stands, and one that may still come and would be better.
pub(crate) struct Won {
    pub(crate) connection: Connection,
    pub(crate) better: Option<Dialing>,
}

/// How to come to the server. Clones share what is known of the ways.
#[derive(Clone)]
pub(crate) struct Route {
    dial: Arc<dyn Dial>,
    paths: PathMemory,
    origin: Arc<str>,
    pub(crate) choice: TransportChoice,
    codec: Codec,
}

impl Route {
    pub(crate) fn new(
        dial: Arc<dyn Dial>,
        paths: PathMemory,
        origin: &str,
        choice: TransportChoice,
        codec: Codec,
    ) -> Self {
        Self { dial, paths, origin: origin.into(), choice, codec }
    }

    /// For a session whose codec the server has decided.
    pub(crate) fn with_codec(self, codec: Codec) -> Self {
        Self { codec, ..self }
    }

    /// Makes a connection.
    pub(crate) async fn stand(&self) -> Result<Won, ConnectError> {
        match self.choice {
            TransportChoice::Automatic => self.race().await,
            choice => within(DIAL_MAX, self.dial.dial(choice, self.codec)).await.map(Won::alone),
        }
    }

    /// Tries QUIC beside a connection that works.
    pub(crate) fn try_quic(&self) -> Dialing {
        within(QUIC_MAX, self.dial.dial(TransportChoice::Quic, self.codec))
    }

    /// When to try QUIC beside a connection that has come to stand; never if it is as good, or was chosen.
    pub(crate) fn upgrade_at(&self, transport: Transport, now: Instant) -> Option<Instant> {
        let wanted = self.choice == TransportChoice::Automatic && transport == Transport::WebSocket;
        wanted.then(|| self.paths.udp_at(&self.origin, now).max(now + UPGRADE_AFTER))
    }

    /// QUIC did not come, although a WebSocket did.
    pub(crate) fn note_blocked(&self, now: Instant) {
        self.paths.note_blocked(&self.origin, now);
    }

    /// A transport has failed after it carried the session.
    pub(crate) fn note_broken(&self, transport: Transport, now: Instant) {
        if self.choice == TransportChoice::Automatic && transport != Transport::WebSocket {
            self.paths.note_broken(&self.origin, now);
        }
    }

    async fn race(&self) -> Result<Won, ConnectError> {
        match self.paths.advice(&self.origin, Instant::now()) {
            Advice::QuicFirst => self.quic_against_websocket(HEAD_START).await,
            Advice::Together => self.quic_against_websocket(Duration::ZERO).await,
            Advice::WebSocketFirst => match self.try_websocket().await {
                Ok(connection) => Ok(Won::alone(connection)),
                Err(error) => self.try_quic().await.map(Won::alone).map_err(|_| error),
            },
        }
    }

    async fn quic_against_websocket(&self, head_start: Duration) -> Result<Won, ConnectError> {
        let mut quic = self.try_quic();
        tokio::select! {
            biased;
            dialed = &mut quic => return match dialed {
                Ok(connection) => Ok(self.open(connection)),
                Err(error) => self.without_quic(self.try_websocket(), error).await,
            },
            () = sleep(head_start) => {}
        }
        let mut websocket = self.try_websocket();
        tokio::select! {
            biased;
            dialed = &mut quic => match dialed {
                Ok(connection) => Ok(self.open(connection)),
                Err(error) => self.without_quic(websocket, error).await,
            },
            dialed = &mut websocket => match dialed {
                Ok(connection) => Ok(Won { connection, better: Some(quic) }),
                Err(error) => match quic.await {
                    Ok(connection) => Ok(self.open(connection)),
                    Err(quic_error) => Err(more_telling(quic_error, error)),
                },
            },
        }
    }

    fn open(&self, connection: Connection) -> Won {
        self.paths.note_open(&self.origin);
        Won::alone(connection)
    }

    async fn without_quic(&self, websocket: Dialing, error: ConnectError) -> Result<Won, ConnectError> {
        match websocket.await {
            Ok(connection) => {
                self.note_blocked(Instant::now());
                Ok(Won::alone(connection))
            }
            Err(websocket_error) => Err(more_telling(error, websocket_error)),
        }
    }

    fn try_websocket(&self) -> Dialing {
        within(DIAL_MAX, self.dial.dial(TransportChoice::WebSocket, self.codec))
    }
}

impl Won {
    fn alone(connection: Connection) -> Self {
        Self { connection, better: None }
    }
}

fn within(max: Duration, dialing: Dialing) -> Dialing {
    Box::pin(async move { timeout(max, dialing).await.unwrap_or(Err(ConnectError::Timeout(max))) })
}

/// That nobody answers is what a firewall looks like, too.
fn more_telling(quic: ConnectError, websocket: ConnectError) -> ConnectError {
    if quic.nobody_answers() { websocket } else { quic }
}
