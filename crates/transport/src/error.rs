//! Why a connection ended, why it never began, and why a datagram stayed behind.
//!
//! These are for logs and for choosing what to do next; none of the texts is meant for a player.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use anteroom_protocol::record::RecordTooLarge;

/// Why a connection carries nothing any more. Once given, every later call gives the same.
///
/// After [`Closed::TooLarge`], [`Closed::Malformed`], [`Closed::Flooded`] and [`Closed::Silence`] the peer does not know
/// yet: [`Connection::close`](crate::Connection::close) still tells it a code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Closed {
    /// The peer said so, with a code of [`CloseCode`](anteroom_protocol::CloseCode) or another number of
    /// RFC 6455, section 7.4 (1005 when a WebSocket peer gave none that may be sent).
    #[error("closed by the peer: {code} {reason}")]
    ByPeer {
        /// The peer's close code.
        code: u16,
        /// The peer's words, at most 123 bytes; not to be trusted.
        reason: String,
    },
    /// The connection broke, or the peer went away without a word.
    #[error("the connection was lost: {0}")]
    Lost(Cow<'static, str>),
    /// Nothing was heard from the peer for [`silence_max`](crate::TransportConfig::silence_max).
    #[error("nothing was heard from the peer for too long")]
    Silence,
    /// The peer sends a record or frame above [`inbound_bytes_max`](crate::TransportConfig::inbound_bytes_max).
    #[error("a record of {len} bytes; {max} are allowed")]
    TooLarge {
        /// The length the peer claims, in bytes.
        len: u64,
        /// The bound.
        max: usize,
    },
    /// The peer breaks the transport's rules.
    #[error("the peer broke the protocol: {0}")]
    Malformed(Cow<'static, str>),
    /// The peer says next to nothing, again and again, more often than it may.
    #[error("the peer flooded the connection: {0}")]
    Flooded(Cow<'static, str>),
}

impl From<RecordTooLarge> for Closed {
    fn from(RecordTooLarge { len, max }: RecordTooLarge) -> Self {
        Self::TooLarge { len, max }
    }
}

impl From<io::Error> for Closed {
    fn from(error: io::Error) -> Self {
        Self::Lost(error.to_string().into())
    }
}

impl Closed {
    /// The end that a peer announced with this number: one that is not a close code says nothing but that the
    /// connection is gone.
    pub(crate) fn by_peer(code: u64, reason: &[u8]) -> Self {
        match u16::try_from(code) {
            Ok(code @ 1000..5000) => {
                let reason = String::from_utf8_lossy(reason);
                Self::ByPeer { code, reason: anteroom_protocol::code::close_reason(&reason).to_owned() }
            }
            _ => Self::Lost("the peer went away".into()),
        }
    }
}

/// Why a datagram was not sent. It may become a record instead, or be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatagramRefused {
    /// This connection has no datagrams.
    #[error("this connection has no datagrams")]
    Unsupported,
    /// The payload is larger than [`Connection::max_datagram_size`](crate::Connection::max_datagram_size).
    #[error("a datagram of {len} bytes; {max} fit")]
    TooLarge {
        /// Bytes of payload.
        len: usize,
        /// What fits at the moment.
        max: usize,
    },
    /// Records wait for the network; a datagram would only go before them.
    #[error("the network does not take more just now")]
    Congested,
    /// The connection has ended.
    #[error("the connection has ended")]
    Closed,
}

/// Why an incoming QUIC connection did not become a [`Connection`](crate::Connection). It concerns that one peer
/// only; a listener goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EstablishError {
    /// Not done within [`establish_timeout`](crate::TransportConfig::establish_timeout).
    #[error("not established within {0:?}")]
    Timeout(Duration),
    /// The handshake failed, or the peer left during it.
    #[error("the handshake failed: {0}")]
    Handshake(Cow<'static, str>),
    /// The session asked for another path; it was answered with 404.
    #[error("a WebTransport session for `{0}`, which is not here")]
    NotFound(String),
}

/// Why dialing failed. Each text is one sentence that a player's log can show.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The URL is not one of `ws://` or `wss://`, or the host is not a name or address.
    #[error("not an address: {0}")]
    InvalidAddress(Cow<'static, str>),
    /// The host name has no address, or none was found out.
    #[error("no address found for {host}")]
    Resolve {
        /// The name asked for.
        host: String,
        /// What the resolver said.
        source: Option<io::Error>,
    },
    /// No socket, or the operating system refused the connection.
    #[error("cannot reach the server")]
    Io(#[from] io::Error),
    /// Not done within [`establish_timeout`](crate::TransportConfig::establish_timeout).
    #[error("no connection within {0:?}")]
    Timeout(Duration),
    /// The TLS or QUIC handshake failed: no such protocol there, or a certificate that is not trusted.
    #[error("the handshake failed: {0}")]
    Handshake(Cow<'static, str>),
    /// A server is there and said no: another path, too many requests, not a WebSocket.
    #[error("the server refused: {0}")]
    Refused(Cow<'static, str>),
    /// This dialer cannot do that, whatever the server.
    #[error("not possible with this dialer: {0}")]
    Unsupported(Cow<'static, str>),
}
