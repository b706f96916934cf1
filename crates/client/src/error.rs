//! Why connecting failed, why a request failed, and why a session or a membership ended.
//!
//! Each text is one sentence or clause that a player can be shown.

use std::io;
use std::time::Duration;

use anteroom_protocol::codec::InvalidData;
use anteroom_protocol::message::push::RoomClosed;
use anteroom_protocol::{CloseCode, ErrorBody};
use anteroom_transport::{Closed, DialError};

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address is not `HOST:PORT`, nor a URL that fits the transport.
    #[error("not an address to connect to: {0}")]
    Address(String),
    /// The hash of a loopback server's certificate could not be asked for.
    #[error("cannot learn the server's certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The token that was to be asked for is not there.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// There is no connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// A server is there and said why it takes no session from this client.
    #[error("the server refused: {reason} ({code})")]
    Refused {
        /// A number of [`CloseCode`], or another one of RFC 6455, section 7.4.
        code: u16,
        /// The server's sentence, or the code's own.
        reason: String,
    },
    /// The server did not accept the handshake as it is, such as a name that is not allowed. Another one may pass.
    #[error("{}", .0.message)]
    Server(ErrorBody),
    /// The connection was lost before the handshake was done.
    #[error(transparent)]
    Lost(Closed),
    /// No session within [`ConnectOptions::connect_timeout`](crate::ConnectOptions::connect_timeout).
    #[error("no session within {0:?}")]
    Timeout(Duration),
    /// The answer to the handshake is not one of this protocol.
    #[error("the server's answer makes no sense: {0}")]
    InvalidAnswer(String),
    /// The session was begun over one connection and knows no way to another.
    #[error("this session has no way to make another connection")]
    NoDial,
    /// Another move was asked for before this one was done, or the connection was lost on the way.
    #[error("the move was broken off")]
    BrokenOff,
    /// The session has ended.
    #[error("the session has ended: {0}")]
    Ended(SessionEnd),
}

impl ConnectError {
    /// Whether, as far as can be told, nobody listens at that address. A firewall looks the same.
    #[must_use]
    pub fn nobody_answers(&self) -> bool {
        matches!(
            self,
            Self::Certificate(CertificateError::Io(_))
                | Self::Dial(DialError::Io(_) | DialError::Timeout(_))
                | Self::Timeout(_)
        )
    }

    pub(crate) fn refused(code: u16, reason: String) -> Self {
        let reason = sentence(code, reason);
        Self::Refused { code, reason }
    }
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Whoever was asked for it gave an error.
    #[error("there is no token: {0}")]
    Failed(Box<dyn std::error::Error + Send + Sync>),
    /// It did not come within [`ConnectOptions::connect_timeout`](crate::ConnectOptions::connect_timeout).
    #[error("the token did not come in time")]
    Timeout,
}

/// Why the hash of a loopback server's certificate is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Only a server on this machine is believed without proof.
    #[error("{0} is not this machine; pin the certificate's hash or use one that the system trusts")]
    NotLoopback(String),
    /// Nobody listens there, or the connection broke.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Something answers that is not an Anteroom server with its certificate published.
    #[error("unexpected answer to GET /api/certificate: {0}")]
    Answer(String),
}

/// Why a request failed, or a message was not sent.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The server or the game said no. The session goes on.
    #[error("{}", .0.message)]
    Server(ErrorBody),
    /// No answer within [`SessionOptions::request_timeout`](crate::SessionOptions::request_timeout). Whether the
    /// server has done what was asked is not known.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The connection was lost before the answer came, and whether the server has done what was asked cannot be known
    /// any more. It is not done again.
    #[error("the connection was lost before the answer came, and it cannot be known any more")]
    OutcomeUnknown,
    /// The session has ended, or the server has closed its connection for what this program sent: see
    /// [`SessionState::Closed`](crate::SessionState::Closed).
    #[error("the session is closed: {0}")]
    Closed(SessionEnd),
    /// Too many requests wait for an answer already.
    #[error("more than {max} requests wait for an answer")]
    Busy {
        /// How many may wait.
        max: usize,
    },
    /// The message is larger than the server takes.
    #[error("a message of {len} bytes; the server takes {max}")]
    TooLarge {
        /// The message's length.
        len: usize,
        /// The server's bound.
        max: usize,
    },
    /// A server would not take it for a message of this game, and might end the session for it: the data nests too
    /// deeply, or the type is too long or one of the protocol's own. It was not sent.
    #[error("the message cannot be sent: {0}")]
    InvalidData(&'static str),
    /// The action is not an enum's struct variant, or refuses to be encoded.
    #[error("the message cannot be encoded: {0}")]
    Encode(InvalidData),
    /// The answer does not have the shape that was expected.
    #[error("the server's answer makes no sense: {0}")]
    InvalidAnswer(String),
    /// The room is one of another game. It was left again.
    #[error("that room plays {found}, not {expected}")]
    WrongGame {
        /// [`Game::KIND`](crate::Game::KIND).
        expected: &'static str,
        /// What the room plays.
        found: String,
    },
    /// The server has other binary shapes of this game than this program. Connect with
    /// [`Codec::Json`](crate::Codec::Json) instead, which bears differences. The room was left again.
    #[error("the server has version {server} of {game}, this program version {client}; connect with the JSON codec")]
    GameVersion {
        /// The kind of game.
        game: &'static str,
        /// The server's version.
        server: u16,
        /// [`Game::VERSION`](crate::Game::VERSION).
        client: u16,
    },
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionEnd {
    /// This side said goodbye.
    #[error("this client said goodbye")]
    ByClient,
    /// The server ended it.
    #[error("{reason} ({code})")]
    ByServer {
        /// A number of [`CloseCode`], or another one of RFC 6455, section 7.4. See
        /// [`CloseCode::reconnect_may_help`].
        code: u16,
        /// The server's sentence, or the code's own.
        reason: String,
    },
    /// The server sent something that is no message of this protocol.
    #[error("the server sent something that is no message: {0}")]
    Malformed(String),
    /// The connection was lost, and there is no way to make another one.
    #[error(transparent)]
    Lost(#[from] Closed),
    /// The connection was lost, and no other one could be made for the grace time and
    /// [`SessionOptions::away_max`](crate::SessionOptions::away_max).
    #[error("no connection for {after:?}, so the session is given up: {lost}")]
    Unreachable {
        /// How long it was tried.
        after: Duration,
        /// How the connection was lost.
        lost: Closed,
    },
    /// The server does not know the session any more: it was away for too long, or the server was started anew.
    #[error("the server does not know this session any more")]
    Unknown,
    /// The server refuses to go on with the session.
    #[error("the server does not go on with this session: {}", .0)]
    Refused(String),
}

impl SessionEnd {
    pub(crate) fn by_server(code: u16, reason: String) -> Self {
        let reason = sentence(code, reason);
        Self::ByServer { code, reason }
    }
}

impl From<SessionEnd> for ClientError {
    fn from(end: SessionEnd) -> Self {
        Self::Closed(end)
    }
}

/// Why this session is not in a room any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoomEnd {
    /// It left.
    #[error("left")]
    Left,
    /// The room is closed to this session, or to all.
    #[error("{}", .0.message)]
    Closed(RoomClosed),
    /// It ended while there was no connection, and the server has forgotten how.
    #[error("the room ended while the connection was lost")]
    Gone,
    /// The session itself has ended.
    #[error(transparent)]
    Session(#[from] SessionEnd),
}

/// What the peer said, or what its number means if it said nothing.
fn sentence(code: u16, reason: String) -> String {
    match CloseCode::from_number(code) {
        Some(known) if reason.is_empty() => known.sentence().to_owned(),
        None if reason.is_empty() => "no reason was given".to_owned(),
        _ => reason,
    }
}
