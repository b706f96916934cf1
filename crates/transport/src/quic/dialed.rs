//! A client's end: of raw QUIC, and of a WebTransport session, by wtransport.

use bytes::Bytes;
use wtransport::error::ConnectionError;

use super::Quic;
use super::outgoing::Side;
use super::session::{Receiving, Sending, Session};
use crate::config::TransportConfig;
use crate::connection;
use crate::error::Closed;

/// A session of WebTransport.
#[derive(Debug, Clone)]
pub(super) struct Connection(wtransport::Connection);

/// A stream to write on.
#[derive(Debug)]
pub(super) struct SendStream(wtransport::SendStream);

/// A stream to read from.
#[derive(Debug)]
pub(super) struct RecvStream(wtransport::RecvStream);

/// A client's connection whose control stream is open.
pub(crate) fn dialed(
    connection: quinn::Connection,
    (send, recv): (quinn::SendStream, quinn::RecvStream),
    config: &TransportConfig,
) -> connection::Connection {
    let streams = (Sending::Quic(send), Receiving::Quic(recv));
    connection::Connection::Quic(Quic::link(Side::Client, Session::Raw(connection), streams, config))
}

/// A client's session whose control stream is open.
pub(crate) fn dialed_session(
    connection: wtransport::Connection,
    (send, recv): (wtransport::SendStream, wtransport::RecvStream),
    config: &TransportConfig,
) -> connection::Connection {
    let streams = (Sending::Dialed(SendStream(send)), Receiving::Dialed(RecvStream(recv)));
    let session = Session::Dialed(Connection(connection));
    connection::Connection::WebTransport(Quic::link(Side::Client, session, streams, config))
}

impl Connection {
    pub(super) fn quic(&self) -> &quinn::Connection {
        self.0.quic_connection()
    }

    /// The number of the stream that the session was asked for on.
    pub(super) fn id(&self) -> u64 {
        self.0.session_id().into_u64()
    }

    pub(super) async fn open(&self) -> Result<SendStream, Closed> {
        let opening = self.0.open_uni().await.map_err(closed)?;
        opening.await.map(SendStream).map_err(|error| Closed::Lost(error.to_string().into()))
    }

    pub(super) async fn accept(&self) -> Result<RecvStream, Closed> {
        self.0.accept_uni().await.map(RecvStream).map_err(closed)
    }

    pub(super) async fn datagram(&self) -> Result<Bytes, Closed> {
        let datagram = self.0.receive_datagram().await.map_err(closed)?;
        Ok(datagram.payload())
    }
}

impl SendStream {
    pub(super) fn quic(&mut self) -> &mut quinn::SendStream {
        self.0.quic_stream_mut()
    }
}

impl RecvStream {
    pub(super) fn quic(&mut self) -> &mut quinn::RecvStream {
        self.0.quic_stream_mut()
    }
}

fn closed(error: ConnectionError) -> Closed {
    match error {
        ConnectionError::ApplicationClosed(close) => Closed::by_peer(close.code().into_inner(), close.reason()),
        ConnectionError::TimedOut => Closed::Silence,
        ConnectionError::LocalH3Error(error) => Closed::Malformed(error.to_string().into()),
        error => Closed::Lost(error.to_string().into()),
    }
}
