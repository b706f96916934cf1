//! Dialing over a simulated network, from one of its hosts.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use anteroom_protocol::Codec;
use quinn::Endpoint;

use super::trust::ClientTls;
use super::websocket::Target;
use super::{Address, DialError, quic, websocket};
use crate::config::TransportConfig;
use crate::connection::Connection;
use crate::simulation::Network;

/// Where a simulated client is. Its UDP socket is made on first use, as that of any dialer.
#[derive(Debug)]
pub(crate) struct Host {
    network: Network,
    addr: SocketAddr,
    endpoint: Mutex<Option<Endpoint>>,
}

impl Host {
    pub(crate) fn new(network: Network, addr: SocketAddr) -> Self {
        Self { network, addr, endpoint: Mutex::new(None) }
    }

    pub(super) async fn quic(
        &self,
        tls: &ClientTls,
        config: &TransportConfig,
        address: &Address,
    ) -> Result<Connection, DialError> {
        let addr = resolve(address)?;
        let endpoint = self.endpoint()?;
        quic::connect(&endpoint, tls, config, address, addr).await
    }

    pub(super) async fn websocket(
        &self,
        tls: &ClientTls,
        config: &TransportConfig,
        url: &str,
        codec: Codec,
    ) -> Result<Connection, DialError> {
        let target = Target::parse(url)?;
        let peer = resolve(&target.address)?;
        let stream = self.network.connect(SocketAddr::new(self.addr.ip(), 0), peer).await?;
        websocket::over(stream, peer, tls, config, target, codec).await
    }

    fn endpoint(&self) -> Result<Endpoint, DialError> {
        let mut endpoint = self.endpoint.lock().unwrap_or_else(PoisonError::into_inner);
        match &*endpoint {
            Some(made) => Ok(made.clone()),
            None => Ok(endpoint.insert(self.network.endpoint(self.addr, None)?).clone()),
        }
    }
}

/// There is nobody to ask for names.
fn resolve(address: &Address) -> Result<SocketAddr, DialError> {
    match address.host.parse::<IpAddr>() {
        Ok(ip) => Ok(SocketAddr::new(ip, address.port)),
        Err(_) => Err(DialError::Resolve { host: address.host.clone(), source: None }),
    }
}

/// The library that speaks WebTransport makes a socket of its own on the client's side.
pub(super) fn no_webtransport() -> DialError {
    DialError::Unsupported("WebTransport cannot be dialed in a simulated network".into())
}
