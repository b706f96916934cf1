//! The server put together: every part in the order in which it is needed, and taken apart in a stated one.
//!
//! Shutting down: no new connections; rooms close and tell their members; sessions say goodbye, write what is
//! left, and close; then what is left of HTTP and QUIC.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anteroom_core::game::Registry;
use anteroom_protocol::Codec;
use anteroom_transport::Connection;
use anteroom_transport::quic::Listener;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::budget::Budget;
use crate::certificate::{self, Certificate, Names, PublishedHashes};
use crate::clock::Clock;
use crate::config::{Config, ConfigError, PublicUrl, TcpTls};
use crate::connection::{self, Arrival};
use crate::host::Host;
use crate::identity::Authority;
use crate::lobby::Lobby;
use crate::origin::{Allowed, Origins, Own};
use crate::panics::kept_up;
use crate::random::Randomness;
use crate::rooms::Rooms;
use crate::sessions::{Sessions, Surroundings, keep_to_budget};
use crate::shared::{Shared, Shutdown};
use crate::{http, random, renewal};

/// How long the parts of the shutdown after the last goodbye may take.
const TAIL_MAX: Duration = Duration::from_secs(2);

/// How a server is to run, besides its configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Guests, any page of this machine, a certificate made on the spot.
    Development {
        /// Whether other machines may connect.
        on_network: bool,
    },
    /// What is configured, and nothing else.
    Production,
}

/// The server does not start. Each is one sentence with the next step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Somebody else has the port.
    #[error(
        "port {0} is taken; stop the other program, or choose another with --listen HOST:PORT, or --listen-udp (port 0 \
         finds one)"
    )]
    PortInUse(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    /// The certificate and the key do not work together.
    #[error("the certificate cannot be used: {0}; check that the key belongs to it")]
    Certificate(String),
}

/// A running server. Clones are the same one. Dropping it leaves its tasks running; call [`Server::shutdown`].
#[derive(Debug, Clone)]
pub struct Server {
    pub(crate) shared: Arc<Shared>,
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
        if let Some(sentence) = config.tls.certificate.as_deref().and_then(certificate::out_of_date) {
            tracing::error!("{sentence}");
        }
        let is_development = mode != Mode::Production;
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
        let quic = Listener::bind(udp, certificate.tls, config.transport())
            .map_err(|error| StartError::Certificate(error.to_string()))?;
        let (clock, randomness) = (Clock::start(), Randomness::default());
        let shared = shared(config, games, Seat { clock, randomness, mode, local_addr, udp_addr, hashes, names })?;
        let prefix = shared.public.as_ref().map_or("", |public| &public.prefix);
        let quic = Arc::new(quic.path_prefix(prefix));
        let is_elsewhere = shared.config.tls.tcp == TcpTls::Off || shared.config.listen_udp.is_some();
        if mode == Mode::Production && is_elsewhere && shared.public.is_none() {
            tracing::warn!(
                "public_url is not set, so the server goes by the Host header; pages behind a proxy that does not hand \
                 it on learn no address for WebTransport"
            );
        }
        let server = Self { shared, quic: Some(quic) };
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
            wrong.extend(certificate::problems(certificate, key));
        }
        if config.auth.token_key_file.is_some() {
            wrong.extend(config.token_key().err().map(StartError::Config));
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
        let seat = Seat {
            clock: Clock::simulated(),
            randomness: Randomness::seeded(seed),
            mode: Mode::Development { on_network: false },
            local_addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            udp_addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            hashes: PublishedHashes::default(),
            names: Names::default(),
        };
        let server = Self { shared: shared(config, games, seat)?, quic: None };
        server.spawn_keepers();
        Ok(server)
    }

    /// Serves one connection that stands; `codec` is what a WebSocket asked for when it was opened.
    pub fn serve(&self, connection: Connection, codec: Option<Codec>) {
        let arrival = Arrival { origin: None, authority: None, codec };
        self.shared.session_tasks.spawn(connection::run(self.shared.clone(), connection, arrival, ()));
    }

    /// Serves whoever connects to a listener, besides those that the server has itself.
    pub fn accept(&self, listener: Listener) {
        let (shared, listener) = (self.shared.clone(), Arc::new(listener));
        self.shared.connections.spawn(async move {
            tokio::select! {
                biased;
                () = shared.stop_serving.cancelled() => listener.close().await,
                () = kept_up("accepting", || accept_quic(shared.clone(), listener.clone())) => {}
            }
        });
    }

    fn spawn(&self, tcp: TcpListener, tls: Option<TlsAcceptor>) {
        let shared = &self.shared;
        let accepting = shared.clone();
        shared.connections.spawn(async move {
            let tcp = Arc::new(tcp);
            kept_up("accepting TCP", || http::run(accepting.clone(), tcp.clone(), tls.clone())).await;
        });
        self.spawn_keepers();
        let Some(quic) = &self.quic else { return };
        let accepting = (shared.clone(), quic.clone());
        shared.connections.spawn(async move {
            kept_up("accepting QUIC", || accept_quic(accepting.0.clone(), accepting.1.clone())).await;
        });
        if shared.config.tls.certificate.is_none() {
            let (shared, quic) = (shared.clone(), quic.clone());
            shared.clone().connections.spawn(async move {
                tokio::select! {
                    () = shared.stop_serving.cancelled() => {}
                    never = kept_up("renewal", || renewal::run(shared.clone(), quic.clone())) => match never {},
                }
            });
        }
    }

    fn spawn_keepers(&self) {
        let (lobby, stop) = (self.shared.lobby.clone(), self.shared.stop_serving.clone());
        self.shared.connections.spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = kept_up("the lobby", || publish(lobby.clone())) => {}
            }
        });
        let shared = self.shared.clone();
        self.shared.connections.spawn(async move {
            tokio::select! {
                biased;
                () = shared.stop_serving.cancelled() => {}
                () = kept_up("the budget", || keep_to_budget(&shared.sessions)) => {}
            }
        });
        let shared = self.shared.clone();
        self.shared.connections.spawn(async move {
            tokio::select! {
                biased;
                () = shared.stop_serving.cancelled() => {}
                () = kept_up("the grace time", || shared.sessions.end_those_who_stay_away()) => {}
            }
        });
    }

    /// Where the server listens: for TCP, and for UDP as well unless that has an address of its own.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.local_addr
    }

    /// Whether there is a page to try it out.
    pub(crate) fn has_demo(&self) -> bool {
        self.shared.config.demo
    }

    /// Where the server listens for UDP.
    #[must_use]
    pub fn udp_addr(&self) -> SocketAddr {
        self.shared.udp_addr
    }

    /// The SHA-256 hashes of the certificates that clients may pin, the current one first.
    #[must_use]
    pub fn certificate_hashes(&self) -> Vec<[u8; 32]> {
        self.shared.hashes.current().iter().map(|pinned| pinned.hash).collect()
    }

    /// Uses a new certificate from now on, as the server does by itself half-way through the time of one that it made.
    /// Connections that stand go on; both hashes are published, the new one first. Does nothing where the certificate
    /// is a configured one.
    ///
    /// # Errors
    /// [`StartError::Certificate`] if none could be made; the old one stays then.
    pub fn renew_certificate(&self) -> Result<(), StartError> {
        match (&self.quic, &self.shared.config.tls.certificate) {
            (Some(quic), None) => renewal::renew(&self.shared, quic),
            _ => Ok(()),
        }
    }

    /// Shuts down: stops accepting, closes the rooms, says goodbye to every session and waits until all is written,
    /// as long as the configuration allows. Not cancel-safe: what was not told yet stays untold.
    pub async fn shutdown(self) {
        let Self { shared, quic } = self;
        let writing_max = Duration::from_millis(shared.config.times.shutdown_ms);
        // Set once: shutting down takes the server.
        let _ = shared.shutdown_deadline.set(Instant::now() + writing_max);
        shared.stop_accepting.cancel();
        quic.iter().for_each(|quic| quic.stop_accepting());
        let goodbyes = async {
            shared.rooms.close().await;
            shared.shutdown.begin();
            shared.sessions.end_all_who_are_away();
            shared.session_tasks.close();
            shared.session_tasks.wait().await;
            shared.sessions.end_all_who_are_away();
        };
        if tokio::time::timeout(writing_max + TAIL_MAX, goodbyes).await.is_err() {
            tracing::warn!(sessions = shared.session_tasks.len(), "some sessions did not hear the goodbye");
        }
        shared.shutdown.begin();
        shared.stop_serving.cancel();
        shared.connections.close();
        let tail = async {
            if let Some(quic) = &quic {
                quic.close().await;
            }
            shared.connections.wait().await;
        };
        drop(tokio::time::timeout(TAIL_MAX, tail).await);
    }
}

/// Tells of changes in the lobby, for ever.
async fn publish(lobby: Arc<Lobby>) {
    lobby.run().await;
}

/// What a server does not find in its configuration.
struct Seat {
    clock: Clock,
    randomness: Randomness,
    mode: Mode,
    local_addr: SocketAddr,
    udp_addr: SocketAddr,
    hashes: PublishedHashes,
    /// For which the certificate is.
    names: Names,
}

/// Puts together what the parts of a server share.
fn shared(config: Config, games: Registry, seat: Seat) -> Result<Arc<Shared>, StartError> {
    let Seat { clock, randomness, mode, local_addr, udp_addr, hashes, names } = seat;
    let public = config.public_url().map_err(|why| ConfigError::Invalid { key: "public_url", why })?;
    let is_development = mode != Mode::Production;
    let own = Own { public: public.as_ref().map(PublicUrl::origin), names, is_development };
    let retained_bytes_max = usize::try_from(config.limits.retained_bytes_max).unwrap_or(usize::MAX);
    let budget = Arc::new(Budget::new(retained_bytes_max));
    let (lobby, randomness) = (Arc::new(Lobby::new(budget.control().clone())), Arc::new(randomness));
    let rooms = Rooms::new(games, lobby.clone(), clock, &config, randomness.clone(), budget.clone());
    let surroundings = Surroundings {
        sessions_max: config.limits.sessions_max as usize,
        grace: Duration::from_millis(config.times.grace_ms),
        clock,
        budget: budget.clone(),
        lobby: lobby.clone(),
    };
    Ok(Arc::new(Shared {
        is_development,
        on_network: mode == Mode::Development { on_network: true },
        local_addr,
        udp_addr,
        public,
        clock,
        authority: Authority::new(config.token_key()?.as_deref(), config.auth.guests),
        origins: Origins { allowed: allowed(&config, mode)?, own },
        hashes,
        randomness,
        lobby,
        rooms,
        sessions: Arc::new(Sessions::new(&random::bytes::<32>(), surroundings)),
        budget,
        session_tasks: TaskTracker::new(),
        connections: TaskTracker::new(),
        stop_accepting: CancellationToken::new(),
        shutdown_deadline: OnceLock::new(),
        shutdown: Shutdown::default(),
        stop_serving: CancellationToken::new(),
        admission: Arc::new(Semaphore::new(config.limits.connections_max as usize)),
        config,
    }))
}

/// The configured certificate; in development one made on the spot will do.
fn certificate(config: &Config, listen: SocketAddr) -> Result<Certificate, StartError> {
    match (&config.tls.certificate, &config.tls.key) {
        (Some(certificate), Some(key)) => Ok(certificate::read(certificate, key)?),
        _ => renewal::made(listen),
    }
}

fn tcp_tls(
    config: &Config,
    is_development: bool,
    certificate: &Certificate,
) -> Result<Option<TlsAcceptor>, StartError> {
    if is_development || config.tls.tcp == TcpTls::Off {
        return Ok(None);
    }
    let tls = certificate.tls.tcp_config().map_err(|error| StartError::Certificate(error.to_string()))?;
    Ok(Some(TlsAcceptor::from(tls)))
}

fn allowed(config: &Config, mode: Mode) -> Result<Allowed, StartError> {
    if config.origins.allowed.is_empty() {
        match mode {
            Mode::Development { on_network: true } => return Ok(Allowed::Any),
            Mode::Development { on_network: false } => return Ok(Allowed::Loopback),
            Mode::Production => {}
        }
    }
    let patterns = config.origins.allowed.iter().map(|origin| origin.parse()).collect::<Result<_, _>>();
    let invalid =
        |error: crate::origin::InvalidOrigin| ConfigError::Invalid { key: "origins.allowed", why: error.to_string() };
    Ok(Allowed::Listed(patterns.map_err(invalid)?))
}

/// Binds TCP and UDP on the same number. With port 0 the system picks one for TCP, which may be taken for UDP; a
/// few tries find one that is free for both.
fn bind(wanted: SocketAddr) -> Result<(TcpListener, UdpSocket), StartError> {
    const TRIES: usize = 32;
    let mut last = None;
    for _ in 0..if wanted.port() == 0 { TRIES } else { 1 } {
        let tcp = bind_tcp(wanted)?;
        let address = tcp.local_addr().map_err(|error| not_bound(wanted, error))?;
        match bind_udp(address) {
            Ok(udp) => return Ok((tcp, udp)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or(StartError::PortInUse(wanted)))
}

fn bind_tcp(wanted: SocketAddr) -> Result<TcpListener, StartError> {
    let failed = |error| not_bound(wanted, error);
    let tcp = std::net::TcpListener::bind(wanted).map_err(failed)?;
    tcp.set_nonblocking(true).map_err(failed)?;
    TcpListener::from_std(tcp).map_err(failed)
}

fn bind_udp(wanted: SocketAddr) -> Result<UdpSocket, StartError> {
    UdpSocket::bind(wanted).map_err(|error| not_bound(wanted, error))
}

fn not_bound(address: SocketAddr, error: io::Error) -> StartError {
    match error.kind() {
        io::ErrorKind::AddrInUse => StartError::PortInUse(address),
        _ => StartError::Listen(address, error),
    }
}

/// By which host and port this server's pages come, for a session of WebTransport that asked for this authority.
fn authority_of_pages(shared: &Shared, authority: Option<String>) -> Option<String> {
    let authority = authority?;
    if shared.config.listen_udp.is_none() {
        return Some(authority);
    }
    Host::parse(&authority).map(|host| format!("{}:{}", host.name, shared.local_addr.port()))
}

async fn accept_quic(shared: Arc<Shared>, quic: Arc<Listener>) {
    while let Some(incoming) = quic.accept().await {
        let Some(permit) = shared.admit() else {
            drop(incoming);
            continue;
        };
        let task = shared.clone();
        shared.session_tasks.spawn(async move {
            let established = tokio::select! {
                biased;
                established = Box::pin(incoming.establish()) => established,
                // Whoever has not come as far as a session has no goodbye to hear.
                () = task.stop_accepting.cancelled() => return,
            };
            match established {
                Ok(established) => {
                    let authority = authority_of_pages(&task, established.authority);
                    let arrival = Arrival { origin: established.origin, authority, codec: None };
                    connection::run(task, established.connection, arrival, permit).await;
                }
                Err(error) => tracing::debug!(%error, "QUIC connection not established"),
            }
        });
    }
}
