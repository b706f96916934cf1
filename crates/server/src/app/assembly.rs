//! The parts of a server put together, each in the order in which it is needed.

use std::net::SocketAddr;
use std::sync::Arc;

use anteroom_core::game::Registry;
use tokio_rustls::TlsAcceptor;

use crate::budget::Budget;
use crate::certificate::{self, Certificate, Names, PublishedHashes, TcpTls};
use crate::clock::Clock;
use crate::config::Config;
use crate::error::StartError;
use crate::http::PublicUrl;
use crate::identity::Authority;
use crate::lifecycle::Lifecycle;
use crate::lobby::Lobby;
use crate::mode::Mode;
use crate::origin::{Origins, Own};
use crate::parts::Parts;
use crate::random::Randomness;
use crate::rooms::{RoomLimits, Rooms};
use crate::services::Services;
use crate::sessions::{SessionLimits, Sessions};
use crate::settings::Settings;
use crate::{random, renewal};

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
}

/// Puts the parts together.
pub(super) fn parts(config: &Config, games: Registry, startup: Startup) -> Result<Parts, StartError> {
    let Startup { clock, randomness, mode, local_addr, udp_addr, hashes, names } = startup;
    let Config { limits, times, auth, .. } = config;
    let settings = Settings::of(config, mode, local_addr, udp_addr)?;
    let public = settings.public.as_ref().map(PublicUrl::origin);
    let own = Own { public, names, is_development: mode.is_development() };
    let budget = Arc::new(Budget::of(limits));
    let (lobby, randomness) = (Arc::new(Lobby::new(budget.control().clone())), Arc::new(randomness));
    let of_rooms = RoomLimits::of(limits, times);
    let of_sessions = SessionLimits::of(limits, times);
    let services = Services {
        clock,
        authority: Authority::new(auth.token_key()?.as_deref(), auth.guests),
        origins: Origins { allowed: config.origins.allowed(mode)?, own },
        hashes: Arc::new(hashes),
        rooms: Rooms::new(games, lobby.clone(), clock, of_rooms, randomness.clone(), budget.clone()),
        sessions: Arc::new(Sessions::new(&random::bytes::<32>(), of_sessions, budget.clone())),
        randomness,
        lobby,
        budget,
    };
    Ok(Parts {
        lifecycle: Arc::new(Lifecycle::of(limits, times)),
        services: Arc::new(services),
        settings: Arc::new(settings),
    })
}

/// The configured certificate; in development one made on the spot will do.
pub(super) fn certificate(config: &Config, listen: SocketAddr) -> Result<Certificate, StartError> {
    match (&config.tls.certificate, &config.tls.key) {
        (Some(certificate), Some(key)) => Ok(certificate::read(certificate, key)?),
        _ => renewal::made(listen),
    }
}

/// What speaks TLS over TCP, if the server does.
pub(super) fn tcp_tls(
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
