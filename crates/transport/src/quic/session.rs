//! What raw QUIC and WebTransport do differently: how streams are opened and accepted, what precedes a datagram,
//! and where the reason of an end is found.

use std::pin::Pin;

use anteroom_protocol::record::{put_varint, read_varint};
use bytes::{Buf, Bytes};

use super::dialed;
use super::http::{Code, UNIDIRECTIONAL};
use crate::error::Closed;

/// The largest quarter of a stream's number that a datagram can begin with (RFC 9297, section 2.1).
const QUARTER_MAX: u64 = (1 << 60) - 1;

/// A future that outlives the poll in which it was made.
pub(super) type Waiting<T> = Pin<Box<dyn Future<Output = Result<T, Closed>> + Send>>;

#[derive(Debug, Clone)]
pub(super) enum Session {
    Raw(quinn::Connection),
    /// A server's end of WebTransport.
    Served(Served),
    /// A client's end of WebTransport.
    #[cfg_attr(not(feature = "dial"), expect(dead_code, reason = "nothing dials"))]
    Dialed(dialed::Connection),
}

/// What a server needs to know of a session of WebTransport in order to use it.
#[derive(Debug, Clone)]
pub(super) struct Served {
    pub(super) connection: quinn::Connection,
    /// The number of the stream that the session was asked for on.
    pub(super) id: u64,
    /// Whether the client reads datagrams of HTTP/3.
    pub(super) datagrams: bool,
}

/// A stream to write on.
#[derive(Debug)]
pub(super) enum Sending {
    Quic(quinn::SendStream),
    Dialed(dialed::SendStream),
}

/// A stream to read from.
#[derive(Debug)]
pub(super) enum Receiving {
    Quic(quinn::RecvStream),
    Dialed(dialed::RecvStream),
}

impl Session {
    pub(super) fn quic(&self) -> &quinn::Connection {
        match self {
            Self::Raw(connection) => connection,
            Self::Served(served) => &served.connection,
            Self::Dialed(connection) => connection.quic(),
        }
    }

    /// Opens a stream from here to the peer, waiting until the peer allows one more.
    pub(super) fn open(&self) -> Waiting<Sending> {
        match self.clone() {
            Self::Raw(connection) | Self::Served(Served { connection, .. }) => Box::pin(async move {
                let stream = connection.open_uni().await.map_err(closed)?;
                Ok(Sending::Quic(stream))
            }),
            Self::Dialed(connection) => Box::pin(async move { connection.open().await.map(Sending::Dialed) }),
        }
    }

    /// Waits for a stream from the peer to here.
    pub(super) fn accept(&self) -> Waiting<Receiving> {
        match self.clone() {
            Self::Raw(connection) | Self::Served(Served { connection, .. }) => Box::pin(async move {
                let stream = connection.accept_uni().await.map_err(closed)?;
                Ok(Receiving::Quic(stream))
            }),
            Self::Dialed(connection) => Box::pin(async move { connection.accept().await.map(Receiving::Dialed) }),
        }
    }

    /// Waits for a datagram. Its error is the connection's.
    pub(super) fn datagram(&self) -> Waiting<Bytes> {
        match self.clone() {
            Self::Raw(connection) => Box::pin(async move { connection.read_datagram().await.map_err(closed) }),
            Self::Served(served) => Box::pin(async move { served.datagram().await }),
            Self::Dialed(connection) => Box::pin(async move { connection.datagram().await }),
        }
    }

    /// Appends what comes before our payload in a QUIC datagram: on WebTransport the quarter stream id of
    /// RFC 9297, section 2.1.
    pub(super) fn put_datagram_prefix(&self, out: &mut Vec<u8>) {
        match self {
            Self::Raw(_) => {}
            Self::Served(served) => put_varint(served.id / 4, out),
            Self::Dialed(connection) => put_varint(connection.id() / 4, out),
        }
    }

    /// What comes before our bytes on a stream from here to the peer.
    pub(super) fn stream_prefix(&self) -> Vec<u8> {
        let mut prefix = Vec::new();
        // A client opens none, but for the one that the session's own library begins.
        if let Self::Served(served) = self {
            put_varint(UNIDIRECTIONAL, &mut prefix);
            put_varint(served.id, &mut prefix);
        }
        prefix
    }

    /// The largest datagram of QUIC; `None` if the peer reads none.
    pub(super) fn max_datagram_size(&self) -> Option<usize> {
        match self {
            Self::Served(Served { datagrams: false, .. }) => None,
            _ => self.quic().max_datagram_size(),
        }
    }
}

impl Served {
    /// Waits for a datagram of this session. Those of others are dropped.
    async fn datagram(&self) -> Result<Bytes, Closed> {
        loop {
            let mut datagram = self.connection.read_datagram().await.map_err(closed)?;
            let Some((quarter, len)) = read_varint(&datagram) else {
                return Err(Code::Datagram.says("a datagram of no stream").end(&self.connection));
            };
            if quarter > QUARTER_MAX {
                return Err(Code::Datagram.says("a datagram of a stream that cannot be").end(&self.connection));
            }
            if quarter == self.id / 4 {
                datagram.advance(len);
                return Ok(datagram);
            }
        }
    }
}

impl Sending {
    pub(super) fn quic(&mut self) -> &mut quinn::SendStream {
        match self {
            Self::Quic(stream) => stream,
            Self::Dialed(stream) => stream.quic(),
        }
    }
}

impl Receiving {
    pub(super) fn quic(&mut self) -> &mut quinn::RecvStream {
        match self {
            Self::Quic(stream) => stream,
            Self::Dialed(stream) => stream.quic(),
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
