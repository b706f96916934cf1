//! The configuration: one tree of defaults, a file, the environment and flags, in that order.
//!
//! Unknown keys are errors. Every bound carries its unit in its name, and what is dangerous says so. What a section means is
//! not here: the part of the server that uses it has it, with its checks, and this is where they come together.

mod load;

use std::net::SocketAddr;
use std::time::Duration;

use anteroom_core::lanes::SessionBounds;
use anteroom_protocol::lane::Bounds;
use anteroom_protocol::{Limits, limits};
use anteroom_transport::TransportConfig;
use serde::{Deserialize, Serialize};

pub use crate::certificate::{TcpTls, Tls};
pub use crate::error::ConfigError;
use crate::error::Problems;
use crate::http::PublicUrl;
pub use crate::identity::Auth;
use crate::listen::parse_addr;
pub use crate::origin::OriginList;
pub use crate::tables::{LimitList, Times};
pub use load::load;
pub(crate) use load::remarks;

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

    /// All that [`validate`](Self::validate) finds: of limits and times first, then of the rest in the order of the keys.
    #[must_use]
    pub fn problems(&self) -> Vec<ConfigError> {
        let mut problems = Problems::default();
        self.check_tables(&mut problems);
        let addresses = [
            ("listen", self.listen_addr().err()),
            ("listen_udp", self.listen_udp_addr().err()),
            ("public_url", self.public_url().err()),
        ];
        for (key, error) in addresses {
            error.into_iter().for_each(|error| problems.add(key, error));
        }
        self.origins.check(&mut problems);
        self.tls.check(&mut problems);
        self.auth.check(&mut problems);
        problems.into_errors()
    }

    fn check_tables(&self, problems: &mut Problems) {
        let (limits, times) = (&self.limits, &self.times);
        // What a client sends may come back to others with more around it, in a frame that every client takes.
        if !(1024..=limits::SERVER_FRAME_BYTES_MAX as u32 / 2).contains(&limits.message_bytes_max) {
            problems.add("limits.message_bytes_max", "must be 1024 to 524288");
        }
        problems.holds_a_frame("limits.outbox_bytes_max", limits.outbox_bytes_max);
        if limits.lane_bytes_max < limits::BATCH_BYTES_SOFT_MAX as u32 {
            problems.add("limits.lane_bytes_max", "must be at least 65536, what one flush may come to");
        }
        problems.at_least_one("limits.connections_max", limits.connections_max);
        problems.at_least_one("limits.sessions_max", limits.sessions_max);
        problems.at_least_one("limits.rooms_max", limits.rooms_max);
        problems.at_least_one("limits.rooms_per_session_max", limits.rooms_per_session_max);
        problems.milliseconds("times.handshake_ms", times.handshake_ms);
        problems.milliseconds("times.websocket_ping_ms", times.websocket_ping_ms);
        problems.milliseconds("times.quic_keep_alive_ms", times.quic_keep_alive_ms);
        problems.milliseconds("times.silence_ms", times.silence_ms);
        problems.milliseconds("times.http_idle_ms", times.http_idle_ms);
        problems.milliseconds("times.stall_ms", times.stall_ms);
        if times.silence_ms <= times.websocket_ping_ms.max(times.quic_keep_alive_ms) {
            problems.add("times.silence_ms", "must be longer than the ping and keep-alive times, or nobody stays");
        }
        problems.holds_a_frame("limits.room_bytes_max", limits.room_bytes_max);
        problems.at_least_one("limits.latest_keys_max", limits.latest_keys_max);
        problems.holds_a_frame("limits.latest_bytes_max", limits.latest_bytes_max);
        if limits.retained_bytes_max < RETAINED_BYTES_MIN {
            problems.add("limits.retained_bytes_max", "must be at least 16777216 (16 MiB)");
        }
    }

    /// What serving in public needs and is not there: a certificate, and a key to check tokens with.
    #[must_use]
    pub fn missing_in_production(&self) -> Vec<ConfigError> {
        self.tls.missing_in_production().into_iter().chain(self.auth.missing_in_production()).collect()
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

/// How many messages a lane keeps.
const LANE_MESSAGES_MAX: u64 = 8192;
/// Less would be gone with a few large rooms.
const RETAINED_BYTES_MIN: u64 = 16 << 20;
