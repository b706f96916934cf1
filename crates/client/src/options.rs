//! Where to connect, over what, trusting whom, and as whom.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anteroom_protocol::Codec;

use crate::paths::PathMemory;
use crate::token::Token;

/// What carries the session. One that is named is used, and no other; the session resumes over it, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TransportChoice {
    /// QUIC, or WebSocket where UDP does not get through. WebSocket starts 250 ms later, what stands first is used,
    /// and when QUIC comes after that the session moves over. What fails is remembered for a while; see
    /// [`PathMemory`].
    #[default]
    Automatic,
    /// QUIC with our own ALPN, the leanest.
    Quic,
    /// WebTransport over HTTP/3, as browsers use it.
    WebTransport,
    /// WebSocket, where UDP does not get through.
    WebSocket,
}

impl TransportChoice {
    const NAMES: [(&'static str, Self); 4] = [
        ("automatic", Self::Automatic),
        ("quic", Self::Quic),
        ("webtransport", Self::WebTransport),
        ("websocket", Self::WebSocket),
    ];
}

impl fmt::Display for TransportChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Automatic => "automatic",
            Self::Quic => "quic",
            Self::WebTransport => "webtransport",
            Self::WebSocket => "websocket",
        })
    }
}

/// A text names no transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("automatic, quic, webtransport or websocket expected")]
pub struct InvalidTransport;

impl FromStr for TransportChoice {
    type Err = InvalidTransport;

    fn from_str(text: &str) -> Result<Self, InvalidTransport> {
        Self::NAMES.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice).ok_or(InvalidTransport)
    }
}

/// Which server certificates to accept, where there is TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Trust {
    /// A server on this machine is asked for the hash of its certificate, over plain HTTP that does not leave the
    /// machine, and pinned to it; if it publishes none, and everywhere else, as [`Trust::System`].
    #[default]
    Automatic,
    /// What the operating system trusts.
    System,
    /// Certificates with one of these SHA-256 hashes, and no others.
    CertificateHashes(Vec<[u8; 32]>),
}

/// What to connect to, and how.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// What carries the session.
    pub transport: TransportChoice,
    /// `HOST:PORT`, `http://HOST:PORT` or `https://HOST:PORT`, and perhaps a path that all of the server's paths begin
    /// with, such as `https://HOST/game/`. Over WebSocket `http` means without TLS; a bare `HOST:PORT` has none on this
    /// machine, and has it elsewhere. Raw QUIC has no paths, so [`TransportChoice::Automatic`] takes WebTransport in its
    /// place where there is one; a server on this machine says where, since what is in front of its TCP may not be in
    /// front of its UDP. With [`TransportChoice::WebSocket`] it may also be the URL of the WebSocket itself:
    /// `ws://HOST:PORT/ws` or `wss://...`; with [`TransportChoice::WebTransport`], `https://HOST:PORT/wt`.
    pub address: String,
    /// Which certificates to accept.
    pub trust: Trust,
    /// How long it may take until there is a session: to get a token, to connect, and to shake hands.
    pub connect_timeout: Duration,
    /// What is remembered of the ways to servers; one for the whole process unless told otherwise.
    pub paths: PathMemory,
    /// Who this is, and how the session behaves.
    pub session: SessionOptions,
}

/// Who this is, and how the session behaves.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// The name to show; the server makes one up without, and a token's name comes first.
    pub name: Option<String>,
    /// A JWT, or where to get one. Without it this is a guest, where guests are welcome.
    pub token: Option<Token>,
    /// The codec to ask for. The server may decide for JSON.
    pub codec: Codec,
    /// This program's name and version, for the server's log.
    pub software: Option<String>,
    /// How long each request waits for its answer.
    pub request_timeout: Duration,
    /// Whether the server keeps what has not arrived, so that nothing is lost with a connection. Without, the session
    /// goes on after a loss as well, but each room with a gap.
    pub resume: bool,
    /// How long a session without a connection goes on trying beyond the grace time. A server that was started anew begins
    /// to count the grace time when it is back, so no client can know when its seats are given up. One that is reached, and
    /// does not know the session any more, ends it at once.
    pub away_max: Duration,
    /// What to draw the session's random numbers from, for simulations that are to be repeated. They must not be
    /// guessed, so real sessions leave it out.
    pub seed: Option<u64>,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            name: None,
            token: None,
            codec: Codec::Bincode,
            software: Some(concat!("anteroom-client/", env!("CARGO_PKG_VERSION")).to_owned()),
            request_timeout: Duration::from_secs(10),
            resume: true,
            away_max: Duration::from_secs(60 * 60),
            seed: None,
        }
    }
}

impl ConnectOptions {
    /// A guest without a name, the binary codec, 10 s to connect and 10 s for each request.
    #[must_use]
    pub fn new(transport: TransportChoice, address: impl Into<String>) -> Self {
        Self {
            transport,
            address: address.into(),
            trust: Trust::default(),
            connect_timeout: Duration::from_secs(10),
            paths: PathMemory::default(),
            session: SessionOptions::default(),
        }
    }

    /// With the name to show.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.session.name = Some(name.into());
        self
    }

    /// With a JWT, or with what to ask for one: [`Token::with`].
    #[must_use]
    pub fn token(mut self, token: impl Into<Token>) -> Self {
        self.session.token = Some(token.into());
        self
    }

    /// With a codec.
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> Self {
        self.session.codec = codec;
        self
    }

    /// Accepting certificates by other rules.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }
}
