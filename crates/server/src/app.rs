//! The server put together: every part in the order in which it is needed, and taken apart in a stated one.
//!
//! The steps of its end are in `lifecycle`.

mod assembly;
mod quic;

use std::net::SocketAddr;
use std::sync::Arc;

use anteroom_core::game::Registry;
use anteroom_protocol::Codec;
use anteroom_transport::Connection;
use anteroom_transport::quic::Listener;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use self::assembly::{Startup, certificate, tcp_tls};
use crate::certificate::{Names, PublishedHashes, TcpTls};
use crate::clock::Clock;
use crate::config::Config;
use crate::connection::{self, Arrival, ConnectionLimits};
use crate::error::ConfigError;
pub use crate::error::StartError;
use crate::listen::{bind, bind_tcp, bind_udp};
use crate::lobby::Lobby;
pub use crate::mode::Mode;
use crate::panics::kept_up;
use crate::parts::Parts;
use crate::random::Randomness;
use crate::{budget, http, renewal};

/// A running server. Clones are the same one. Dropping it leaves its tasks running; call [`Server::shutdown`].
#[derive(Debug, Clone)]
pub struct Server {
    pub(crate) parts: Parts,
    quic: Option<Arc<Listener>>,
}

impl Server {
    /// Starts a server with these games, in the tokio runtime of the caller.
    ///
    /// # Errors
    /// [`StartError`], before anything listens.
    pub fn start(config: Config, mode: Mode, games: Registry) -> Result<Self, StartError> {
        if let Some(error) = Self::check(&config, mode).into_iter().next() {
            return Err(error);
        }
        if let Some(sentence) = config.tls.certificate.as_deref().and_then(crate::certificate::out_of_date) {
            tracing::error!("{sentence}");
        }
        let is_development = mode.is_development();
        let wanted = config.listen_addr().map_err(|why| ConfigError::Invalid { key: "listen", why })?;
        let wanted_udp = config.listen_udp_addr().map_err(|why| ConfigError::Invalid { key: "listen_udp", why })?;
        let certificate = certificate(&config, wanted_udp.unwrap_or(wanted))?;
        let names = certificate.tls.certificates.first().map(Names::of).unwrap_or_default();
        let tcp_tls = tcp_tls(&config, is_development, &certificate)?;
        let (tcp, udp) = match wanted_udp {
            None => bind(wanted)?,
            Some(udp) => (bind_tcp(wanted)?, bind_udp(udp)?),
        };
        let local_addr = tcp.local_addr().map_err(|error| StartError::Listen(wanted, error))?;
        let udp_addr = udp.local_addr().map_err(|error| StartError::Listen(wanted_udp.unwrap_or(wanted), error))?;
        let hashes = PublishedHashes::default();
        hashes.publish(certificate.pinned);
        let transport = ConnectionLimits::of(&config.limits, &config.times).transport;
        let quic = Listener::bind(udp, certificate.tls, transport)
            .map_err(|error| StartError::Certificate(error.to_string()))?;
        let (clock, randomness) = (Clock::start(), Randomness::default());
        let startup = Startup { clock, randomness, mode, local_addr, udp_addr, hashes, names };
        let parts = assembly::parts(&config, games, startup)?;
        let settings = &parts.settings;
        let quic = Arc::new(quic.path_prefix(settings.prefix()));
        let is_elsewhere = settings.tcp_tls == TcpTls::Off || settings.own_udp.is_some();
        if mode == Mode::Production && is_elsewhere && settings.public.is_none() {
            tracing::warn!(
                "public_url is not set, so the server goes by the Host header; pages behind a proxy that does not hand \
                 it on learn no address for WebTransport"
            );
        }
        let server = Self { parts, quic: Some(quic) };
        server.spawn(tcp, tcp_tls);
        Ok(server)
    }

    /// Everything about a configuration for which [`start`](Self::start) would refuse it. Reads the files that it names, and
    /// neither binds nor writes anything.
    #[must_use]
    pub fn check(config: &Config, mode: Mode) -> Vec<StartError> {
        let mut wrong: Vec<StartError> = config.problems().into_iter().map(StartError::Config).collect();
        if mode == Mode::Production {
            wrong.extend(config.missing_in_production().into_iter().map(StartError::Config));
        }
        let (listen, listen_udp) = (config.listen_addr().ok(), config.listen_udp_addr().ok().flatten());
        for (key, wanted) in [("listen", listen), ("listen_udp", listen_udp)] {
            let is_elsewhere = wanted.is_some_and(|wanted| !wanted.ip().is_loopback());
            if mode == (Mode::Development { on_network: false }) && is_elsewhere {
                let why =
                    "is not this machine alone; for a development server on the network add --danger-dev-on-network";
                wrong.push(ConfigError::Invalid { key, why: why.into() }.into());
            }
        }
        if let (Some(certificate), Some(key)) = (&config.tls.certificate, &config.tls.key) {
            wrong.extend(crate::certificate::problems(certificate, key));
        }
        if config.auth.token_key_file.is_some() {
            wrong.extend(config.auth.token_key().err().map(StartError::Config));
        }
        wrong
    }

    /// Starts a development server that has no sockets and makes no random choices but those of the seed, for a
    /// simulation: give it connections by [`serve`](Self::serve) or [`accept`](Self::accept). Its ids can be guessed.
    ///
    /// # Errors
    /// [`StartError::Config`].
    pub fn simulate(config: Config, games: Registry, seed: u64) -> Result<Self, StartError> {
        config.validate()?;
        let startup = Startup {
            clock: Clock::simulated(),
            randomness: Randomness::seeded(seed),
            mode: Mode::Development { on_network: false },
            local_addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            udp_addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            hashes: PublishedHashes::default(),
            names: Names::default(),
        };
        let server = Self { parts: assembly::parts(&config, games, startup)?, quic: None };
        server.spawn_keepers();
        Ok(server)
    }

    /// Serves one connection that stands; `codec` is what a WebSocket asked for when it was opened.
    pub fn serve(&self, connection: Connection, codec: Option<Codec>) {
        let arrival = Arrival { origin: None, authority: None, codec };
        self.parts.lifecycle.session_tasks.spawn(connection::run(self.parts.clone(), connection, arrival, ()));
    }

    /// Serves whoever connects to a listener, besides those that the server has itself.
    pub fn accept(&self, listener: Listener) {
        let (parts, listener) = (self.parts.clone(), Arc::new(listener));
        self.parts.lifecycle.connections.spawn(async move {
            tokio::select! {
                biased;
                () = parts.lifecycle.stop_serving.cancelled() => listener.close().await,
                () = kept_up("accepting", || quic::accept(parts.clone(), listener.clone())) => {}
            }
        });
    }

    fn spawn(&self, tcp: TcpListener, tls: Option<TlsAcceptor>) {
        let Parts { lifecycle, services, settings } = &self.parts;
        let accepting = self.parts.clone();
        lifecycle.connections.spawn(async move {
            let tcp = Arc::new(tcp);
            kept_up("accepting TCP", || http::run(accepting.clone(), tcp.clone(), tls.clone())).await;
        });
        self.spawn_keepers();
        let Some(quic) = &self.quic else { return };
        let accepting = (self.parts.clone(), quic.clone());
        lifecycle.connections.spawn(async move {
            kept_up("accepting QUIC", || quic::accept(accepting.0.clone(), accepting.1.clone())).await;
        });
        if settings.makes_certificates {
            let (life, hashes, quic, listen) =
                (lifecycle.clone(), services.hashes.clone(), quic.clone(), settings.udp_addr);
            lifecycle.connections.spawn(async move {
                tokio::select! {
                    () = life.stop_serving.cancelled() => {}
                    never = kept_up("renewal", || renewal::run(listen, hashes.clone(), quic.clone())) => match never {},
                }
            });
        }
    }

    fn spawn_keepers(&self) {
        let Parts { lifecycle, services, .. } = &self.parts;
        let (lobby, stop) = (services.lobby.clone(), lifecycle.stop_serving.clone());
        lifecycle.connections.spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = kept_up("the lobby", || publish(lobby.clone())) => {}
            }
        });
        let (parts, stop) = (self.parts.clone(), lifecycle.stop_serving.clone());
        lifecycle.connections.spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = kept_up("the budget", || keep_to_budget(parts.clone())) => {}
            }
        });
    }

    /// Where the server listens: for TCP, and for UDP as well unless that has an address of its own.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.parts.settings.local_addr
    }

    /// Whether there is a page to try it out.
    pub(crate) fn has_demo(&self) -> bool {
        self.parts.settings.demo
    }

    /// Where the server listens for UDP.
    #[must_use]
    pub fn udp_addr(&self) -> SocketAddr {
        self.parts.settings.udp_addr
    }

    /// The SHA-256 hashes of the certificates that clients may pin, the current one first.
    #[must_use]
    pub fn certificate_hashes(&self) -> Vec<[u8; 32]> {
        self.parts.services.hashes.current().iter().map(|pinned| pinned.hash).collect()
    }

    /// Uses a new certificate from now on, as the server does by itself half-way through the time of one that it made.
    /// Connections that stand go on; both hashes are published, the new one first. Does nothing where the certificate
    /// is a configured one.
    ///
    /// # Errors
    /// [`StartError::Certificate`] if none could be made; the old one stays then.
    pub fn renew_certificate(&self) -> Result<(), StartError> {
        let Parts { services, settings, .. } = &self.parts;
        match &self.quic {
            Some(quic) if settings.makes_certificates => renewal::renew(settings.udp_addr, &services.hashes, quic),
            _ => Ok(()),
        }
    }

    /// Shuts down: stops accepting, closes the rooms, says goodbye to every session and waits until all is written,
    /// as long as the configuration allows. Not cancel-safe: what was not told yet stays untold.
    pub async fn shutdown(self) {
        let Self { parts: Parts { lifecycle, services, .. }, quic } = self;
        lifecycle.shut_down(quic.as_deref(), services.rooms.close()).await;
    }
}

/// Tells of changes in the lobby, for ever.
async fn publish(lobby: Arc<Lobby>) {
    lobby.run().await;
}

/// Keeps what sessions keep within bounds, for ever.
async fn keep_to_budget(parts: Parts) {
    budget::run(&parts).await;
}
