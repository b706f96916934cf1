//! A server in the test's own process, on a free port.

use std::net::SocketAddr;

use anteroom_core::game::Registry;
use anteroom_protocol::limits::SERVER_FRAME_BYTES_MAX;
use anteroom_server::certificate;
use anteroom_server::config::Config;
use anteroom_server::{Mode, Server};
use anteroom_transport::{Address, Dialer, TransportConfig, Trust};

use crate::in_time;

/// A running server, and how to reach it.
#[derive(Debug)]
pub struct TestServer {
    server: Server,
    dialer: Dialer,
}

impl TestServer {
    /// A development server with the games that come with it.
    #[must_use]
    pub fn start() -> Self {
        Self::with(|_| ())
    }

    /// The same, with changes to its configuration.
    #[must_use]
    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::with_games(anteroom_games::registry().unwrap(), change)
    }

    /// A development server with other games.
    #[must_use]
    pub fn with_games(games: Registry, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { listen: "127.0.0.1:0".into(), ..Config::development() };
        change(&mut config);
        Self::run(config, Mode::Development { on_network: false }, games)
    }

    /// A server as `anteroom serve` runs it, except that TCP has no TLS: with a certificate of its own and
    /// [`token::KEY`](crate::token::KEY).
    #[must_use]
    pub fn in_production(change: impl FnOnce(&mut Config)) -> Self {
        Self::in_production_at(&["localhost", "127.0.0.1"], change)
    }

    /// The same with a certificate for these names.
    #[must_use]
    pub fn in_production_at(names: &[&str], change: impl FnOnce(&mut Config)) -> Self {
        let folder = scratch("production");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = certificate::make(&names).unwrap();
        let (chain, key) = made.pem.unwrap();
        let (chain_file, key_file) = (folder.join("certificate.pem"), folder.join("key.pem"));
        std::fs::write(&chain_file, chain).unwrap();
        std::fs::write(&key_file, key).unwrap();
        let mut config = Config { listen: "127.0.0.1:0".into(), ..Config::default() };
        config.tls.certificate = Some(chain_file);
        config.tls.key = Some(key_file);
        config.tls.tcp = anteroom_server::config::TcpTls::Off;
        config.auth.token_key = Some(crate::token::KEY.into());
        change(&mut config);
        Self::run(config, Mode::Production, anteroom_games::registry().unwrap())
    }

    fn run(config: Config, mode: Mode, games: Registry) -> Self {
        let server = Server::start(config, mode, games).unwrap();
        let dialer = dialer(&server.certificate_hashes());
        Self { server, dialer }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// The same for UDP.
    #[must_use]
    pub fn udp_addr(&self) -> SocketAddr {
        self.server.udp_addr()
    }

    /// The same, for dialing.
    #[must_use]
    pub fn address(&self) -> Address {
        address(self.addr())
    }

    /// Connects to it, trusting its certificate.
    #[must_use]
    pub fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// The hash of its certificate.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.server.certificate_hashes()[0]
    }

    /// Has it renew its certificate, as it does after a week. Its [`dialer`](Self::dialer) trusts the one before.
    ///
    /// # Panics
    /// If that fails.
    pub fn renew_certificate(&self) {
        self.server.renew_certificate().unwrap();
    }

    /// Shuts it down as a signal would.
    pub async fn shutdown(self) {
        in_time("the shutdown", self.server.shutdown()).await;
    }
}

/// A dialer that trusts certificates by their hashes.
#[must_use]
pub fn dialer(hashes: &[[u8; 32]]) -> Dialer {
    let config = TransportConfig { inbound_bytes_max: SERVER_FRAME_BYTES_MAX, ..TransportConfig::default() };
    Dialer::new(Trust::CertificateHashes(hashes.to_vec()), config)
}

/// An address for dialing.
#[must_use]
pub fn address(addr: SocketAddr) -> Address {
    Address { host: addr.ip().to_string(), port: addr.port() }
}

/// The hash of the certificate that a server publishes, for [`dialer`].
///
/// # Panics
/// If it publishes none.
pub async fn published_hash(addr: SocketAddr) -> [u8; 32] {
    use base64::Engine;
    let published = crate::http::get(addr, "/api/certificate", &[]).await;
    let certificate: serde_json::Value = serde_json::from_str(&published.body).unwrap();
    let value = certificate["hashes"][0]["value"].as_str().unwrap();
    base64::engine::general_purpose::STANDARD.decode(value).unwrap().try_into().unwrap()
}

/// An empty folder for one test's files, below the target folder.
///
/// # Panics
/// If it cannot be made.
#[must_use]
pub fn scratch(name: &str) -> std::path::PathBuf {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let folder = crate::program::target().join("tmp").join(format!("{name}-{}-{number}", std::process::id()));
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
