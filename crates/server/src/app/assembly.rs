//! A server's start: what it is made of, each in the order in which it is needed.

use std::net::SocketAddr;
use std::sync::Arc;

use anteroom_core::game::Registry;
use anteroom_transport::quic::Listener;
use tokio_rustls::TlsAcceptor;

use super::Server;
use super::builder::Additions;
use crate::budget::Budget;
use crate::certificate::{self, Certificate, Names, PublishedHashes, TcpTls};
use crate::chat::Filter;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::{ConfigError, StartError};
use crate::hooks::Hooked;
use crate::identity::Authority;
use crate::lifecycle::Lifecycle;
use crate::listen::{bind, bind_tcp, bind_udp};
use crate::lobby::Lobby;
use crate::mode::Mode;
use crate::origin::{Origins, Own};
use crate::parts::Parts;
use crate::passwords::Passwords;
use crate::random::Randomness;
use crate::recordings::Recordings;
use crate::renewal;
use crate::rooms::{RoomLimits, Rooms};
use crate::services::Services;
use crate::sessions::{SessionLimits, Sessions, Surroundings};
use crate::settings::{ConnectionLimits, PublicUrl};
use crate::stores::{self, Opened};

/// What a server does not find in its configuration.
pub(super) struct Startup {
    pub(super) clock: Clock,
    pub(super) randomness: Randomness,
    pub(super) mode: Mode,
    pub(super) local_addr: SocketAddr,
    pub(super) udp_addr: SocketAddr,
    pub(super) hashes: PublishedHashes,
    /// For which the certificate is.
    pub(super) names: Names,
    pub(super) games: Registry,
    pub(super) hooks: Hooked,
    pub(super) filter: Filter,
    pub(super) opened: Opened,
}

/// Starts a server in the tokio runtime of the caller.
pub(super) fn start(config: Config, mode: Mode, additions: Additions) -> Result<Server, StartError> {
    let Additions { games, routes, hooks, filter, store } = additions;
    if let Some(error) = Server::check(&config, mode).into_iter().next() {
        return Err(error);
    }
    if let Some(sentence) = config.tls.certificate.as_deref().and_then(certificate::out_of_date) {
        tracing::error!("{sentence}");
    }
    let is_development = mode.is_development();
    let wanted = config.listen_addr().map_err(|why| ConfigError::Invalid { key: "listen", why })?;
    let wanted_udp = config.listen_udp_addr().map_err(|why| ConfigError::Invalid { key: "listen_udp", why })?;
    let certificate = configured(&config, wanted_udp.unwrap_or(wanted))?;
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
    let quic =
        Listener::bind(udp, certificate.tls, transport).map_err(|error| StartError::Certificate(error.to_string()))?;
    // Last of all that can fail: from here on the store is ours.
    let opened = match store {
        Some(store) => Opened::given(Some(store), config.store.resume_key_or_random()?),
        None => stores::open(&config.store, mode, Clock::start().now().as_millis())?,
    };
    let clock = opened.store.as_ref().map_or_else(Clock::start, |store| Clock::start_at(store.boot().start_ms));
    let randomness = Randomness::default();
    let startup =
        Startup { clock, randomness, mode, local_addr, udp_addr, hashes, names, games, hooks, filter, opened };
    let database = startup.opened.database.clone();
    let parts = parts(&config, startup)?;
    let settings = &parts.settings;
    let quic = Arc::new(quic.path_prefix(settings.prefix()));
    let is_elsewhere = settings.tcp_tls == TcpTls::Off || settings.own_udp.is_some();
    if mode == Mode::Production && is_elsewhere && settings.public.is_none() {
        tracing::warn!(
            "public_url is not set, so the server goes by the Host header; pages behind a proxy that does not hand \
             it on learn no address for WebTransport"
        );
    }
    let server = Server { parts, quic: Some(quic) };
    server.spawn(tcp, tcp_tls, routes);
    if let Some((store, folder)) = database {
        server.spawn_control(store, folder);
    }
    Ok(server)
}

/// Puts the parts together.
pub(super) fn parts(config: &Config, startup: Startup) -> Result<Parts, StartError> {
    let Startup { clock, randomness, mode, local_addr, udp_addr, hashes, names, games, hooks, filter, opened } =
        startup;
    let Opened { store, resume_key, remark, .. } = opened;
    let Config { limits, times, auth, .. } = config;
    let settings = config.settings(mode, local_addr, udp_addr, remark)?;
    let public = settings.public.as_ref().map(PublicUrl::origin);
    let own = Own { public, names, is_development: mode.is_development() };
    let budget = Arc::new(Budget::of(limits));
    let (lobby, randomness) = (Arc::new(Lobby::new(budget.control().clone())), Arc::new(randomness));
    let of_rooms = RoomLimits::of(limits, times, config.chat);
    let surroundings = Surroundings {
        limits: SessionLimits::of(limits, times),
        clock,
        budget: budget.clone(),
        lobby: lobby.clone(),
        hooks: hooks.clone(),
        store: store.clone(),
    };
    let around_rooms = crate::rooms::Surroundings {
        registry: games,
        lobby: lobby.clone(),
        clock,
        limits: of_rooms,
        randomness: randomness.clone(),
        budget: budget.clone(),
        hooks,
        filter,
        store: store.clone(),
        recordings: Arc::new(Recordings::new(&config.recordings, config.store.folder())),
    };
    let passwords = Passwords::new(randomness.clone());
    let services = Services {
        clock,
        authority: Authority::new(auth.token_key()?.as_deref(), auth.guests),
        origins: Origins { allowed: config.origins.allowed(mode)?, own },
        hashes: Arc::new(hashes),
        rooms: Rooms::new(around_rooms),
        sessions: Arc::new(Sessions::new(&resume_key, surroundings)),
        randomness,
        lobby,
        budget,
        passwords,
        page: settings.page(),
        store,
        chat_kept: config.chat.keep(),
    };
    Ok(Parts {
        lifecycle: Arc::new(Lifecycle::of(limits, times)),
        services: Arc::new(services),
        settings: Arc::new(settings),
    })
}

/// The configured certificate; in development one made on the spot will do.
fn configured(config: &Config, listen: SocketAddr) -> Result<Certificate, StartError> {
    match (&config.tls.certificate, &config.tls.key) {
        (Some(certificate), Some(key)) => Ok(certificate::read(certificate, key)?),
        _ => renewal::made(listen),
    }
}

/// What speaks TLS over TCP, if the server does.
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
