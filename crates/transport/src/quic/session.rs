//! What raw QUIC and WebTransport do differently: how streams are opened and accepted, what precedes a datagram,
//! and where the reason of an end is found.

use std::pin::Pin;

use anteroom_protocol::record::put_varint;
use bytes::Bytes;

use crate::error::Closed;

/// A future that outlives the poll in which it was made.
pub(super) type Waiting<T> = Pin<Box<dyn Future<Output = Result<T, Closed>> + Send>>;

#[derive(Debug, Clone)]
pub(super) enum Session {
    Raw(quinn::Connection),
    WebTransport(wtransport::Connection),
}

/// A stream to write on.
#[derive(Debug)]
pub(super) enum Sending {
    Raw(quinn::SendStream),
    WebTransport(wtransport::SendStream),
}

/// A stream to read from.
#[derive(Debug)]
pub(super) enum Receiving {
    Raw(quinn::RecvStream),
    WebTransport(wtransport::RecvStream),
}

impl Session {
    pub(super) fn quic(&self) -> &quinn::Connection {
        match self {
            Self::Raw(connection) => connection,
            Self::WebTransport(connection) => connection.quic_connection(),
        }
    }

    /// Opens a stream from here to the peer, waiting until the peer allows one more.
    pub(super) fn open(&self) -> Waiting<Sending> {
        match self.clone() {
            Self::Raw(connection) => Box::pin(async move {
                let stream = connection.open_uni().await.map_err(closed)?;
                Ok(Sending::Raw(stream))
            }),
            Self::WebTransport(connection) => Box::pin(async move {
                let opening = connection.open_uni().await.map_err(session_closed)?;
                let stream = opening.await.map_err(|error| Closed::Lost(error.to_string().into()))?;
                Ok(Sending::WebTransport(stream))
            }),
        }
    }

    /// Waits for a stream from the peer to here.
    pub(super) fn accept(&self) -> Waiting<Receiving> {
        match self.clone() {
            Self::Raw(connection) => Box::pin(async move {
                let stream = connection.accept_uni().await.map_err(closed)?;
                Ok(Receiving::Raw(stream))
            }),
            Self::WebTransport(connection) => Box::pin(async move {
                let stream = connection.accept_uni().await.map_err(session_closed)?;
                Ok(Receiving::WebTransport(stream))
            }),
        }
    }

    /// Waits for a datagram. Its error is the connection's.
    pub(super) fn datagram(&self) -> Waiting<Bytes> {
        match self.clone() {
            Self::Raw(connection) => Box::pin(async move { connection.read_datagram().await.map_err(closed) }),
            Self::WebTransport(connection) => Box::pin(async move {
                let datagram = connection.receive_datagram().await.map_err(session_closed)?;
                Ok(datagram.payload())
            }),
        }
    }

    /// Appends what comes before our payload in a QUIC datagram: on WebTransport the quarter stream id of
    /// RFC 9297, section 2.1.
    pub(super) fn put_datagram_prefix(&self, out: &mut Vec<u8>) {
        if let Self::WebTransport(connection) = self {
            put_varint(connection.session_id().into_u64() / 4, out);
        }
    }
}

impl Sending {
    pub(super) fn quic(&mut self) -> &mut quinn::SendStream {
        match self {
            Self::Raw(stream) => stream,
            Self::WebTransport(stream) => stream.quic_stream_mut(),
        }
    }
}

impl Receiving {
    pub(super) fn quic(&mut self) -> &mut quinn::RecvStream {
        match self {
            Self::Raw(stream) => stream,
            Self::WebTransport(stream) => stream.quic_stream_mut(),
        }
    }
}

pub(super) fn closed(error: quinn::ConnectionError) -> Closed {
    match error {
        quinn::ConnectionError::ApplicationClosed(close) => {
            Closed::by_peer(close.error_code.into_inner(), &close.reason)
        }
        quinn::ConnectionError::TimedOut => Closed::Silence,
        quinn::ConnectionError::LocallyClosed => Closed::Lost("closed on this side".into()),
        error => Closed::Lost(error.to_string().into()),
    }
}

pub(super) fn session_closed(error: wtransport::error::ConnectionError) -> Closed {
    use wtransport::error::ConnectionError;
    match error {
        ConnectionError::ApplicationClosed(close) => Closed::by_peer(close.code().into_inner(), close.reason()),
        ConnectionError::TimedOut => Closed::Silence,
        ConnectionError::LocalH3Error(error) => Closed::Malformed(error.to_string().into()),
        error => Closed::Lost(error.to_string().into()),
    }
}
