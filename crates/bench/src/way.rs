//! How a session of Anteroom gets to its server over any transport, with IO that waits.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anteroom_protocol::envelope::Envelope;
use anteroom_protocol::limits::SERVER_FRAME_BYTES_MAX;
use anteroom_protocol::{BatchBuilder, Codec, LaneId, WEBSOCKET_PATH};
use anteroom_transport::{Address, Closed, Connection, DialError, Dialer, Event, Transport, TransportConfig, Trust};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::error::BenchError;
use crate::session::{Destination, Heard, Session, Wish};

/// How long a server may take to let somebody in, or to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long the last words may take to be written.
const LEAVE_MAX: Duration = Duration::from_millis(500);

/// The way to a server.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    /// As it was typed, to speak of it.
    pub(crate) server: String,
    pub(crate) host: String,
    pub(crate) addr: SocketAddr,
    pub(crate) transport: Transport,
    /// Whether a WebSocket goes over TLS.
    pub(crate) tls: bool,
    pub(crate) codec: Codec,
    pub(crate) token: Option<String>,
    pub(crate) trust: Trust,
}

/// A session on its connection.
pub(crate) struct Client {
    pub(crate) connection: Connection,
    pub(crate) session: Session,
    pub(crate) start: Instant,
}

impl Way {
    /// What dials, with sockets of its own.
    pub(crate) fn dialer(&self) -> Dialer {
        let config = TransportConfig {
            inbound_bytes_max: SERVER_FRAME_BYTES_MAX,
            establish_timeout: ANSWER_MAX,
            ..TransportConfig::default()
        };
        Dialer::new(self.trust.clone(), config)
    }

    pub(crate) async fn dial(&self, dialer: &Dialer) -> Result<Connection, BenchError> {
        let address = Address { host: self.host.clone(), port: self.addr.port() };
        let scheme = if self.tls { "wss" } else { "ws" };
        let dialed = match self.transport {
            Transport::Quic => dialer.quic(&address).await,
            Transport::WebTransport => dialer.webtransport(&address).await,
            _ => dialer.websocket(&format!("{scheme}://{address}{WEBSOCKET_PATH}"), self.codec).await,
        };
        dialed.map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, error: &DialError) -> BenchError {
        let why = match error.source() {
            Some(source) => source.to_string(),
            None => error.to_string(),
        };
        BenchError::failed(format_args!("cannot reach {}: {why}", self.server))
    }

    /// Brings a new session where it is going.
    pub(crate) async fn enter(&self, dialer: &Dialer, destination: Destination) -> Result<Client, BenchError> {
        let wish = Wish { codec: self.codec, token: self.token.clone(), destination };
        let mut client =
            Client { connection: self.dial(dialer).await?, session: Session::new(wish), start: Instant::now() };
        let handshake = client.session.handshake()?;
        client.send(Codec::Json, &handshake).await?;
        client.arrive().await?;
        Ok(client)
    }
}

impl Client {
    pub(crate) async fn send(&mut self, codec: Codec, message: &[u8]) -> Result<(), BenchError> {
        let mut batch = BatchBuilder::new(codec);
        batch.push_encoded(message);
        self.connection.send(LaneId::CONTROL, Arc::new(batch.finish())).await.map_err(ended)
    }

    /// Sends in the session's codec.
    pub(crate) async fn say(&mut self, message: &[u8]) -> Result<(), BenchError> {
        self.send(self.session.codec(), message).await
    }

    /// Waits for the answer that brings the session where it is going.
    pub(crate) async fn arrive(&mut self) -> Result<(), BenchError> {
        let arriving = async {
            loop {
                let heard = self.hear(|_| {}).await?;
                if let Some((codec, payload)) = heard.say {
                    self.send(codec, &payload).await?;
                }
                if heard.arrived {
                    if let Some(rooms_max) = self.session.rooms_max() {
                        self.connection.allow_rooms(rooms_max);
                    }
                    return Ok(());
                }
            }
        };
        timeout(ANSWER_MAX, arriving).await.unwrap_or_else(|_| Err(no_answer()))
    }

    /// Waits until a message of a type came.
    pub(crate) async fn until(&mut self, kind: &str) -> Result<(), BenchError> {
        let hearing = async {
            let mut there = false;
            while !there {
                self.hear(|message| there |= message.kind == kind).await?;
            }
            Ok(())
        };
        timeout(ANSWER_MAX, hearing).await.unwrap_or_else(|_| Err(no_answer()))
    }

    /// Hears one payload, and acknowledges if it is time.
    pub(crate) async fn hear(&mut self, show: impl FnMut(&Envelope<'_>)) -> Result<Heard, BenchError> {
        loop {
            let event = self.connection.recv().await.map_err(ended)?;
            if let Event::Record { lane, codec, payload } = event {
                return self.take(lane, codec, &payload, show).await;
            }
        }
    }

    /// Takes a payload that was heard, and acknowledges if it is time.
    pub(crate) async fn take(
        &mut self,
        lane: Option<LaneId>,
        codec: Codec,
        payload: &[u8],
        show: impl FnMut(&Envelope<'_>),
    ) -> Result<Heard, BenchError> {
        let now_ms = self.now_ms();
        let heard = self.session.hear(lane, codec, payload, now_ms, show)?;
        self.acknowledge().await?;
        Ok(heard)
    }

    pub(crate) async fn acknowledge(&mut self) -> Result<(), BenchError> {
        match self.session.acknowledgement(self.now_ms()) {
            Some(ack) => self.say(&ack).await,
            None => Ok(()),
        }
    }

    /// Ends the session.
    pub(crate) async fn leave(mut self) {
        let leaving = async {
            self.send(Codec::Json, &Session::goodbye()).await?;
            self.connection.flush().await.map_err(ended)?;
            // The server closes.
            while self.connection.recv().await.is_ok() {}
            Ok::<_, BenchError>(())
        };
        // Whether the server still hears it makes no difference here.
        let _ = timeout(LEAVE_MAX, leaving).await;
    }

    fn now_ms(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }
}

/// The runtime of one thread.
pub(crate) fn runtime() -> Result<Runtime, BenchError> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

pub(crate) fn ended(closed: Closed) -> BenchError {
    match closed {
        Closed::ByPeer { code, reason } => {
            let reason = reason.trim_end_matches('.');
            BenchError::failed(format_args!("the server closed the connection: {code} {reason}"))
        }
        closed => BenchError::failed(closed),
    }
}

fn no_answer() -> BenchError {
    BenchError::failed(format_args!("the server did not answer within {} seconds", ANSWER_MAX.as_secs()))
}
