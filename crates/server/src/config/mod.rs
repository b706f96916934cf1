//! The configuration: one tree of defaults, a file, the environment and flags, in that order.
//!
//! Unknown keys are errors. Every bound carries its unit in its name, and what is dangerous says so.

mod load;
mod public_url;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anteroom_core::lanes::SessionBounds;
use anteroom_protocol::lane::Bounds;
use anteroom_protocol::{Limits, limits};
use anteroom_transport::TransportConfig;
use serde::{Deserialize, Serialize};

pub(crate) use load::remarks;
pub use load::{ConfigError, load};
pub(crate) use public_url::PublicUrl;

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where to listen: TCP and UDP on the same number. Port 0 takes one that is free for both.
    pub listen: String,
    /// Where to listen for UDP, if that is elsewhere: QUIC and WebTransport.
    pub listen_udp: Option<String>,
    /// The address under which players reach the server: `https://play.example.com:8443/game`. Without it the server
    /// goes by the `Host` that it is asked for.
    pub public_url: Option<String>,
    /// Whether the page to try it out is at `/`.
    pub demo: bool,
    /// The server's certificate.
    pub tls: Tls,
    /// Who may come in.
    pub auth: Auth,
    /// Which web pages may connect.
    pub origins: OriginList,
    /// What each session, and all of them together, may use.
    pub limits: LimitList,
    /// How long things may take.
    pub times: Times,
}

/// The server's certificate. Needed to serve; in development one is made on the spot.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// A PEM file: the server's certificate first, then those that lead to a root.
    pub certificate: Option<PathBuf>,
    /// A PEM file: the private key of the first.
    pub key: Option<PathBuf>,
    /// Whether TCP speaks TLS; `off` behind a proxy that does. QUIC always does.
    pub tcp: TcpTls,
}

/// Whether TCP speaks TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TcpTls {
    /// It does.
    #[default]
    On,
    /// Something in front of the server does.
    Off,
}

/// Who may come in.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// The secret that tokens are signed with (JWT, HS256): at least 32 bytes.
    pub token_key: Option<String>,
    /// A file with that secret, instead: its text as it stands, without the white space around it.
    pub token_key_file: Option<PathBuf>,
    /// Whether players without a token may come in as guests.
    pub guests: bool,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let token_key = self.token_key.as_ref().map(|_| "(secret)");
        f.debug_struct("Auth")
            .field("token_key", &token_key)
            .field("token_key_file", &self.token_key_file)
            .field("guests", &self.guests)
            .finish()
    }
}

/// Which web pages may connect. Native clients send no origin and are not concerned.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OriginList {
    /// Origins such as `https://play.example.com`, or `https://*.example.com` for subdomains.
    pub allowed: Vec<String>,
}

/// What each session, and all of them together, may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitList {
    /// The largest frame or record a client may send, in bytes.
    pub message_bytes_max: u32,
    /// Connections at a time, with or without a session.
    pub connections_max: u32,
    /// Rooms at a time.
    pub rooms_max: u32,
    /// Rooms one session may be in at a time.
    pub rooms_per_session_max: u32,
    /// Members who only watch, in each room.
    pub spectators_per_room_max: u16,
    /// Sessions at a time, with or without a connection.
    pub sessions_max: u32,
    /// What may wait for one client to read it, besides what its rooms say, in bytes. Beyond it the connection ends.
    pub outbox_bytes_max: u32,
    /// What may wait of what one room says to one client, in bytes. Beyond it the client gets a snapshot instead.
    pub lane_bytes_max: u32,
    /// What is kept of a lane for a client that has not acknowledged it, in bytes.
    pub kept_bytes_max: u32,
    /// What all members of a room together may leave unread or unacknowledged, in bytes.
    pub room_bytes_max: u32,
    /// Keys of newest values that may wait on one lane. Beyond it the client gets a snapshot instead of one of them.
    pub latest_keys_max: u32,
    /// Bytes of newest values that may wait on one lane. The same beyond it.
    pub latest_bytes_max: u32,
    /// What may be kept for all sessions together, in bytes. Beyond it those that are furthest behind get snapshots, and
    /// then sessions without a connection end.
    pub retained_bytes_max: u64,
}

/// How long things may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Times {
    /// How long a session, and its seats, are kept for a player who lost the connection, in milliseconds.
    pub grace_ms: u64,
    /// How long a connection may take to send its handshake, in milliseconds.
    pub handshake_ms: u64,
    /// How often an idle WebSocket is pinged, in milliseconds.
    pub websocket_ping_ms: u64,
    /// How often an idle QUIC connection is kept alive, in milliseconds.
    pub quic_keep_alive_ms: u64,
    /// How long a connection may be silent before it counts as lost, in milliseconds.
    pub silence_ms: u64,
    /// How long an HTTP connection is kept for the next request, in milliseconds.
    pub http_idle_ms: u64,
    /// How long a client may read nothing while something waits for it, in milliseconds.
    pub stall_ms: u64,
    /// How long a shutdown may take to say goodbye, in milliseconds.
    pub shutdown_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: format!("127.0.0.1:{}", anteroom_protocol::DEFAULT_PORT),
            listen_udp: None,
            public_url: None,
            demo: false,
            tls: Tls::default(),
            auth: Auth::default(),
            origins: OriginList::default(),
            limits: LimitList::default(),
            times: Times::default(),
        }
    }
}

impl Default for LimitList {
    fn default() -> Self {
        Self {
            message_bytes_max: Limits::default().message_bytes_max,
            connections_max: 50_000,
            rooms_max: 10_000,
            rooms_per_session_max: Limits::default().rooms_max,
            spectators_per_room_max: 256,
            sessions_max: 100_000,
            outbox_bytes_max: 4 << 20,
            lane_bytes_max: 1 << 20,
            kept_bytes_max: 256 << 10,
            room_bytes_max: 32 << 20,
            latest_keys_max: Limits::default().latest_keys_max,
            latest_bytes_max: Limits::default().latest_bytes_max,
            retained_bytes_max: 1 << 30,
        }
    }
}

impl Default for Times {
    fn default() -> Self {
        Self {
            grace_ms: 60_000,
            handshake_ms: 10_000,
            websocket_ping_ms: 25_000,
            quic_keep_alive_ms: 20_000,
            silence_ms: 60_000,
            http_idle_ms: 75_000,
            stall_ms: 20_000,
            shutdown_ms: 5_000,
        }
    }
}

impl Config {
    /// The configuration of the development server: loopback, guests welcome, with a page to try it out.
    #[must_use]
    pub fn development() -> Self {
        Self { demo: true, auth: Auth { guests: true, ..Auth::default() }, ..Self::default() }
    }

    /// Checks what the types cannot: values that make no sense, or none together.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`], naming the key; the first of [`problems`](Self::problems).
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.problems().into_iter().next().map_or(Ok(()), Err)
    }

    /// All that [`validate`](Self::validate) finds, in the order of the keys.
    #[must_use]
    pub fn problems(&self) -> Vec<ConfigError> {
        let mut wrong = Vec::new();
        let mut invalid = |key: &'static str, why: &str| wrong.push(ConfigError::Invalid { key, why: why.to_owned() });
        // What a client sends may come back to others with more around it, in a frame that every client takes.
        if !(1024..=limits::SERVER_FRAME_BYTES_MAX as u32 / 2).contains(&self.limits.message_bytes_max) {
            invalid("limits.message_bytes_max", "must be 1024 to 524288");
        }
        if self.limits.outbox_bytes_max < limits::SERVER_FRAME_BYTES_MAX as u32 {
            invalid("limits.outbox_bytes_max", "must be at least 1048576, the largest frame there can be");
        }
        if self.limits.lane_bytes_max < limits::BATCH_BYTES_SOFT_MAX as u32 {
            invalid("limits.lane_bytes_max", "must be at least 65536, what one flush may come to");
        }
        for (key, value) in [
            ("limits.connections_max", self.limits.connections_max),
            ("limits.sessions_max", self.limits.sessions_max),
            ("limits.rooms_max", self.limits.rooms_max),
            ("limits.rooms_per_session_max", self.limits.rooms_per_session_max),
        ] {
            if value == 0 {
                invalid(key, "must be at least 1");
            }
        }
        for (key, value) in [
            ("times.handshake_ms", self.times.handshake_ms),
            ("times.websocket_ping_ms", self.times.websocket_ping_ms),
            ("times.quic_keep_alive_ms", self.times.quic_keep_alive_ms),
            ("times.silence_ms", self.times.silence_ms),
            ("times.http_idle_ms", self.times.http_idle_ms),
            ("times.stall_ms", self.times.stall_ms),
        ] {
            if value == 0 || value > 24 * 3600 * 1000 {
                invalid(key, "must be 1 to 86400000 (a day)");
            }
        }
        if self.times.silence_ms <= self.times.websocket_ping_ms.max(self.times.quic_keep_alive_ms) {
            invalid("times.silence_ms", "must be longer than the ping and keep-alive times, or nobody stays");
        }
        if self.limits.room_bytes_max < limits::SERVER_FRAME_BYTES_MAX as u32 {
            invalid("limits.room_bytes_max", "must be at least 1048576, the largest frame there can be");
        }
        if self.limits.latest_keys_max == 0 {
            invalid("limits.latest_keys_max", "must be at least 1");
        }
        if self.limits.latest_bytes_max < limits::SERVER_FRAME_BYTES_MAX as u32 {
            invalid("limits.latest_bytes_max", "must be at least 1048576, the largest frame there can be");
        }
        if self.limits.retained_bytes_max < RETAINED_BYTES_MIN {
            invalid("limits.retained_bytes_max", "must be at least 16777216 (16 MiB)");
        }
        if let Err(error) = self.listen_addr() {
            invalid("listen", &error);
        }
        if let Err(error) = self.listen_udp_addr() {
            invalid("listen_udp", &error);
        }
        if let Err(error) = self.public_url() {
            invalid("public_url", &error);
        }
        for origin in &self.origins.allowed {
            if let Err(error) = origin.parse::<crate::origin::Pattern>() {
                invalid("origins.allowed", &error.to_string());
            }
        }
        if self.tls.certificate.is_some() != self.tls.key.is_some() {
            invalid("tls", "needs both `certificate` and `key`, or neither");
        }
        if self.auth.token_key.is_some() && self.auth.token_key_file.is_some() {
            invalid("auth", "takes `token_key` or `token_key_file`, not both");
        }
        if self.auth.token_key.as_ref().is_some_and(|key| key.len() < TOKEN_KEY_BYTES_MIN) {
            invalid("auth.token_key", "must be at least 32 bytes: `openssl rand -base64 32` makes one");
        }
        wrong
    }

    /// What serving in public needs and is not there: a certificate, and a key to check tokens with.
    #[must_use]
    pub fn missing_in_production(&self) -> Vec<ConfigError> {
        let mut missing = Vec::new();
        if self.tls.certificate.is_none() && self.tls.key.is_none() {
            missing.push(ConfigError::Missing(
                "serving needs a certificate: set tls.certificate and tls.key (`anteroom cert` makes a pair to try out)",
            ));
        }
        if self.auth.token_key.is_none() && self.auth.token_key_file.is_none() {
            missing.push(ConfigError::Missing(
                "serving needs a key to check tokens with: set auth.token_key_file (`openssl rand -base64 32` makes a key)",
            ));
        }
        missing
    }

    /// The address to listen on.
    ///
    /// # Errors
    /// A sentence, if it is none.
    pub fn listen_addr(&self) -> Result<SocketAddr, String> {
        parse_addr(&self.listen)
    }

    /// The address to listen on for UDP, if it is another.
    ///
    /// # Errors
    /// A sentence, if it is none.
    pub fn listen_udp_addr(&self) -> Result<Option<SocketAddr>, String> {
        self.listen_udp.as_deref().map(parse_addr).transpose()
    }

    /// The address under which players reach the server, if it is configured.
    pub(crate) fn public_url(&self) -> Result<Option<PublicUrl>, String> {
        self.public_url.as_deref().map(str::parse).transpose()
    }

    /// The secret that tokens are signed with.
    ///
    /// # Errors
    /// [`ConfigError`] if the file with it cannot be read, or it is too short.
    pub fn token_key(&self) -> Result<Option<Vec<u8>>, ConfigError> {
        let Some(path) = &self.auth.token_key_file else {
            return Ok(self.auth.token_key.clone().map(String::into_bytes));
        };
        let bytes = std::fs::read(path).map_err(|source| ConfigError::Unreadable {
            what: "token key",
            path: path.clone(),
            source,
        })?;
        let invalid = |why: &str| Err(ConfigError::Invalid { key: "auth.token_key_file", why: why.to_owned() });
        // Bytes that are no text could end in what looks like white space.
        let Ok(text) = String::from_utf8(bytes) else {
            return invalid("names a file that is no text: `openssl rand -base64 32` makes a key");
        };
        let key = text.trim().as_bytes().to_vec();
        if key.len() < TOKEN_KEY_BYTES_MIN {
            return invalid("names a file with less than 32 bytes: `openssl rand -base64 32` makes a key");
        }
        Ok(Some(key))
    }

    pub(crate) fn transport(&self) -> TransportConfig {
        TransportConfig {
            inbound_bytes_max: self.limits.message_bytes_max as usize,
            websocket_ping: Duration::from_millis(self.times.websocket_ping_ms),
            quic_keep_alive: Duration::from_millis(self.times.quic_keep_alive_ms),
            silence_max: Duration::from_millis(self.times.silence_ms),
            ..TransportConfig::default()
        }
    }

    /// How much a session keeps, and lets wait.
    pub(crate) fn session_bounds(&self) -> SessionBounds {
        let room = Bounds {
            messages_max: LANE_MESSAGES_MAX,
            // A player who comes back at the last moment has missed nothing.
            age_max_ms: self.times.grace_ms.saturating_mul(2),
            kept_bytes_max: self.limits.kept_bytes_max as usize,
            waiting_bytes_max: self.limits.lane_bytes_max as usize,
            values_max: self.limits.latest_keys_max as usize,
            value_bytes_max: self.limits.latest_bytes_max as usize,
        };
        // Beyond twice what may wait nothing more is kept, not even for the writer to find out.
        let waiting_bytes_max = 2 * self.limits.outbox_bytes_max as usize;
        SessionBounds { room, control: Bounds { messages_max: u64::MAX, waiting_bytes_max, ..room } }
    }

    pub(crate) fn session_limits(&self) -> Limits {
        Limits {
            message_bytes_max: self.limits.message_bytes_max,
            rooms_max: self.limits.rooms_per_session_max,
            latest_keys_max: self.limits.latest_keys_max,
            latest_bytes_max: self.limits.latest_bytes_max,
            ..Limits::default()
        }
    }
}

/// An address as a person types it: `localhost:7350` is 127.0.0.1, which every machine has. Files name addresses, since
/// `localhost` may be two of them, and a server listens on one.
pub(crate) fn typed_addr(text: &str) -> String {
    on_localhost(text).map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"))
}

fn on_localhost(text: &str) -> Option<&str> {
    text.rsplit_once(':').filter(|(host, _)| host.eq_ignore_ascii_case("localhost")).map(|(_, port)| port)
}

fn parse_addr(text: &str) -> Result<SocketAddr, String> {
    if let Some(port) = on_localhost(text) {
        let sentence = "names a host that may be several addresses; write 127.0.0.1:PORT, or [::1]:PORT";
        return Err(format!("{text:?} {}", sentence.replace("PORT", port)));
    }
    text.parse().map_err(|_| format!("{text:?} is not HOST:PORT, such as 0.0.0.0:7350 or [::]:7350"))
}

/// How many messages a lane keeps.
const LANE_MESSAGES_MAX: u64 = 8192;
/// Less would be gone with a few large rooms.
const RETAINED_BYTES_MIN: u64 = 16 << 20;
/// Shorter HMAC keys weaken the signature (RFC 7518, section 3.2).
const TOKEN_KEY_BYTES_MIN: usize = 32;
