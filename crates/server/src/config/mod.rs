//! The configuration: one tree of defaults, a file, the environment and flags, in that order.
//!
//! Unknown keys are errors. Every bound carries its unit in its name, and what is dangerous says so. What a section means is
//! not here: the part of the server that uses it has it, with its checks, and this is where they come together.

mod load;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::budget::Budget;
pub use crate::certificate::{TcpTls, Tls};
pub use crate::chat::ChatSection;
pub use crate::error::ConfigError;
use crate::error::Problems;
pub use crate::identity::Auth;
use crate::lifecycle::Lifecycle;
use crate::listen::parse_addr;
use crate::mode::Mode;
pub use crate::origin::OriginList;
pub use crate::recordings::RecordingsSection;
use crate::rooms::RoomLimits;
use crate::sessions::SessionLimits;
use crate::settings::{ConnectionLimits, HttpLimits, PublicUrl, Settings};
pub use crate::stores::{StoreKind, StoreSection};
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
    /// Where what outlives the process is kept.
    pub store: StoreSection,
    /// Recordings of rooms.
    pub recordings: RecordingsSection,
    /// What is said in rooms.
    pub chat: ChatSection,
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
            store: StoreSection::default(),
            recordings: RecordingsSection::default(),
            chat: ChatSection::default(),
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
        let (limits, times) = (&self.limits, &self.times);
        ConnectionLimits::check(limits, times, &mut problems);
        SessionLimits::check(limits, &mut problems);
        RoomLimits::check(limits, times, &mut problems);
        HttpLimits::check(times, &mut problems);
        Budget::check(limits, &mut problems);
        Lifecycle::check(limits, &mut problems);
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
        self.store.check(&mut problems);
        self.recordings.check(&mut problems);
        problems.into_errors()
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

    /// What it comes to for a server that listens on these two addresses, and has its data there.
    pub(crate) fn settings(
        &self,
        mode: Mode,
        local_addr: SocketAddr,
        udp_addr: SocketAddr,
        data: String,
    ) -> Result<Settings, ConfigError> {
        let invalid = |key| move |why| ConfigError::Invalid { key, why };
        Ok(Settings {
            mode,
            local_addr,
            udp_addr,
            own_udp: self.listen_udp_addr().map_err(invalid("listen_udp"))?,
            public: self.public_url().map_err(invalid("public_url"))?,
            tcp_tls: self.tls.tcp,
            makes_certificates: self.tls.is_made(),
            demo: self.demo,
            data,
            connection: ConnectionLimits::of(&self.limits, &self.times),
            http: HttpLimits::of(&self.times),
        })
    }

    /// The address under which players reach the server, if it is configured.
    pub(crate) fn public_url(&self) -> Result<Option<PublicUrl>, String> {
        self.public_url.as_deref().map(str::parse).transpose()
    }
}
