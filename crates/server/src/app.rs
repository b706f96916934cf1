//! The server put together: every part in the order in which it is needed, and taken apart in a stated one.
//!
//! The steps of its end are in `lifecycle`.

mod assembly;
mod builder;
mod hosting;
mod quic;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anteroom_core::game::Registry;
use anteroom_protocol::Codec;
use anteroom_transport::Connection;
use anteroom_transport::quic::Listener;
use axum::Router;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use self::assembly::Startup;
pub use self::builder::ServerBuilder;
pub use self::hosting::Hosting;
use crate::certificate::{self, Names, PublishedHashes};
use crate::clock::Clock;
use crate::config::Config;
use crate::connection::{self, Arrival};
use crate::error::ConfigError;
pub use crate::error::StartError;
use crate::hooks::Hooked;
use crate::lobby::Lobby;
pub use crate::mode::Mode;
use crate::panics::{caught, kept_up};
use crate::parts::Parts;
use crate::random::Randomness;
use crate::recovery::recover;
use crate::services::Services;
use crate::sessions::keep_to_budget;
#[cfg(unix)]
use crate::stores::control::Control;
use crate::stores::{Opened, Sqlite, Store};
#[cfg(unix)]
use crate::upkeep::Live;
use crate::{http, renewal};

/// How long a store may take to close.
const CLOSE_MAX: Duration = Duration::from_secs(2);
/// How often it is noted that the server runs: a restart puts everything off by that much more at most.
const ALIVE_EVERY: Duration = Duration::from_secs(1);
/// The same while no room is in memory.
const ALIVE_EVERY_IDLE: Duration = Duration::from_secs(60);
/// How often what was said too long ago is forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(300);

/// A running server. Clones are the same one. Dropping it leaves its tasks running; call [`Server::shutdown`].
#[derive(Debug, Clone)]
pub struct Server {
    pub(crate) parts: Parts,
    quic: Option<Arc<Listener>>,
}

impl Server {
    /// Puts a server together from its configuration and what you bring: games, routes, hooks.
    ///
    /// ```
    /// # use anteroom_server::axum::Router;
    /// # use anteroom_server::axum::routing::get;
    /// # use anteroom_server::{Config, Mode, Server};
    /// # use tokio::io::{AsyncReadExt, AsyncWriteExt};
    /// # use tokio::net::TcpStream;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # anteroom_server::cli::runtime()?.block_on(async {
    /// let config = Config { listen: "127.0.0.1:0".into(), ..Config::development() };
    /// let server = Server::builder(config, Mode::Development { on_network: false })
    ///     .games(anteroom_games::registry()?)
    ///     .routes(Router::new().route("/news", get(|| async { "A new map is out." })))
    ///     .start()?;
    ///
    /// let mut client = TcpStream::connect(server.local_addr()).await?;
    /// client.write_all(b"GET /news HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    /// let mut answer = String::new();
    /// client.read_to_string(&mut answer).await?;
    /// assert!(answer.ends_with("A new map is out."));
    /// # server.shutdown().await;
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub fn builder(config: Config, mode: Mode) -> ServerBuilder {
        ServerBuilder::new(config, mode)
    }

    /// Starts a server with these games and nothing else, in the tokio runtime of the caller.
    ///
    /// # Errors
    /// [`StartError`], before anything listens.
    pub fn start(config: Config, mode: Mode, games: Registry) -> Result<Self, StartError> {
        Self::builder(config, mode).games(games).start()
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
            wrong.extend(config.auth.token_key().err().map(StartError::Config));
        }
        wrong.extend(config.store.key_problems());
        wrong
    }

    /// Starts a development server that has no sockets and makes no random choices but those of the seed, for a
    /// simulation: give it connections by [`serve`](Self::serve) or [`accept`](Self::accept). Its ids can be guessed.
    ///
    /// # Errors
    /// [`StartError::Config`].
    pub fn simulate(config: Config, games: Registry, seed: u64) -> Result<Self, StartError> {
        Self::simulate_with(config, games, seed, None)
    }

    /// The same with a store: what is in it goes on.
    ///
    /// # Errors
    /// The same.
    pub fn simulate_with(
        config: Config,
        games: Registry,
        seed: u64,
        store: Option<Arc<dyn Store>>,
    ) -> Result<Self, StartError> {
        config.validate()?;
        let clock = store.as_ref().map_or_else(Clock::simulated, |store| Clock::start_at(store.boot().start_ms));
        let startup = Startup {
            clock,
            randomness: Randomness::seeded(seed),
            mode: Mode::Development { on_network: false },
            local_addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            udp_addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            hashes: PublishedHashes::default(),
            names: Names::default(),
            games,
            hooks: Hooked::default(),
            filter: crate::chat::Filter::default(),
            // One that has the store of another goes on with its tokens.
            opened: Opened::given(store, vec![0; 32]),
        };
        let server = Self { parts: assembly::parts(&config, startup)?, quic: None };
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

    fn spawn(&self, tcp: TcpListener, tls: Option<TlsAcceptor>, routes: Vec<Router>) {
        let Parts { lifecycle, services, settings } = &self.parts;
        let router = http::router(self.parts.clone(), routes);
        let accepting = self.parts.clone();
        lifecycle.connections.spawn(async move {
            let tcp = Arc::new(tcp);
            kept_up("accepting TCP", || http::run(accepting.clone(), router.clone(), tcp.clone(), tls.clone())).await;
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
        match &services.store {
            Some(store) => self.spawn_keepers_of(store),
            None => lifecycle.restored.cancel(),
        }
        let (lobby, stop) = (services.lobby.clone(), lifecycle.stop_serving.clone());
        lifecycle.connections.spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = kept_up("the lobby", || publish(lobby.clone())) => {}
            }
        });
        let (sessions, stop) = (services.sessions.clone(), lifecycle.stop_serving.clone());
        lifecycle.connections.spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = kept_up("the budget", || keep_to_budget(&sessions)) => {}
            }
        });
        let (sessions, stop) = (services.sessions.clone(), lifecycle.stop_serving.clone());
        lifecycle.connections.spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = kept_up("the grace time", || sessions.end_those_who_stay_away()) => {}
            }
        });
    }

    /// Answers whoever looks after the store.
    #[cfg(unix)]
    fn spawn_control(&self, store: Arc<Sqlite>, folder: PathBuf) {
        let Parts { lifecycle, services, .. } = &self.parts;
        let Some(control) = Control::listen(&folder) else { return };
        let live = Live { services: services.clone(), store, folder, restored: lifecycle.restored.clone() };
        let stop = lifecycle.stop_serving.clone();
        let answer = async move { kept_up("the control socket", || control.serve(&live)).await };
        lifecycle.connections.spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = answer => {}
            }
        });
    }

    /// There are no such sockets here.
    #[cfg(not(unix))]
    fn spawn_control(&self, _: Arc<Sqlite>, _: PathBuf) {}

    /// Restores what is stored, and keeps the store up to date.
    fn spawn_keepers_of(&self, store: &Arc<dyn Store>) {
        let Parts { lifecycle, services, .. } = &self.parts;
        let (known, store, restored) = (services.clone(), store.clone(), lifecycle.restored.clone());
        lifecycle.connections.spawn(async move {
            // Half a recovery is none: the server serves nobody then, and says why.
            if let Err(why) = caught(recover(&known, &store)).await {
                return tracing::error!(why, "what is stored could not be restored");
            }
            restored.cancel();
        });
        let (sessions, stop) = (services.sessions.clone(), lifecycle.stop_serving.clone());
        lifecycle.connections.spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = kept_up("storing sessions", || sessions.write_behind()) => {}
            }
        });
        let (rooms, stop) = (services.rooms.clone(), lifecycle.stop_serving.clone());
        lifecycle.connections.spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = kept_up("waking rooms", || rooms.wake_those_due()) => {}
            }
        });
        let (known, stop) = (services.clone(), lifecycle.stop_serving.clone());
        lifecycle.connections.spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = kept_up("the store's clock", || note_alive(&known)) => {}
                () = kept_up("the store's chat", || forget_old_chat(&known)) => {}
            }
        });
    }

    /// Where the server listens: for TCP, and for UDP as well unless that has an address of its own.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.parts.settings.local_addr
    }

    /// How many rooms are in memory: durable ones in which nobody has been for a while are not.
    #[must_use]
    pub fn rooms_in_memory(&self) -> usize {
        self.parts.services.rooms.in_memory()
    }

    /// Whether there is a page to try it out.
    pub(crate) fn has_demo(&self) -> bool {
        self.parts.settings.demo
    }

    /// Where the data is, in words.
    pub(crate) fn data(&self) -> &str {
        &self.parts.settings.data
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
    /// as long as the configuration allows. With a store nothing ends: rooms and sessions are stored as they are, and clients
    /// come back when the server does. Not cancel-safe: what was not told yet stays untold.
    pub async fn shutdown(self) {
        let Self { parts: Parts { lifecycle, services, .. }, quic } = self;
        let Some(store) = &services.store else {
            let end_all_who_are_away = || services.sessions.end_all_who_are_away();
            return lifecycle.shut_down(quic.as_deref(), services.rooms.close(), end_all_who_are_away).await;
        };
        let keep = async {
            // Half a recovery is not to be stored.
            lifecycle.restored.cancelled().await;
            services.rooms.close().await;
            services.sessions.keep_all().await;
            drop(store.alive(store.place().await, services.clock.now().as_millis()));
        };
        if !lifecycle.shut_down_to_go_on(quic.as_deref(), keep).await {
            let rooms = services.rooms.in_memory();
            tracing::error!(rooms, "what could not be stored in time is as it was stored last, or lost");
        }
        // It waits for a medium that fails.
        drop(timeout(CLOSE_MAX, store.close()).await);
    }
}

/// Notes in the store that the server runs, for ever: what is not noted counts as down-time.
async fn note_alive(services: &Services) {
    let Some(store) = &services.store else { return std::future::pending().await };
    loop {
        // What falls due in a room that sleeps is days away, and a disk may rest meanwhile.
        let is_idle = services.rooms.in_memory() == 0;
        tokio::time::sleep(if is_idle { ALIVE_EVERY_IDLE } else { ALIVE_EVERY }).await;
        let place = store.place().await;
        // If the store is closed there is nobody to tell.
        drop(store.alive(place, services.clock.now().as_millis()).committed().await);
    }
}

/// Forgets what was said too long ago, for ever.
async fn forget_old_chat(services: &Services) {
    let (Some(store), Some(kept)) = (&services.store, services.chat_kept) else { return std::future::pending().await };
    loop {
        tokio::time::sleep(FORGET_EVERY).await;
        let kept_ms = u64::try_from(kept.as_millis()).unwrap_or(u64::MAX);
        let before_ms = services.clock.now().as_millis().saturating_sub(kept_ms);
        // If the store is closed there is nothing to forget.
        drop(store.prune(store.place().await, before_ms).committed().await);
    }
}

/// Tells of changes in the lobby, for ever.
async fn publish(lobby: Arc<Lobby>) {
    lobby.run().await;
}
