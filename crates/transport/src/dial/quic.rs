//! Dialing by raw QUIC and WebTransport.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use anteroom_protocol::ALPN;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ConnectError, ConnectionError, Endpoint, EndpointConfig, TokioRuntime};
use tokio::net::lookup_host;
use wtransport::config::{DnsLookupFuture, DnsResolver};
use wtransport::endpoint::endpoint_side::Client;
use wtransport::error::ConnectingError;

use super::Address;
use super::trust::ClientTls;
use crate::config::TransportConfig;
use crate::connection::Connection;
use crate::error::DialError;
use crate::quic;

/// A client of WebTransport's; it cannot share a socket with one of raw QUIC.
type SessionEndpoint = wtransport::Endpoint<Client>;

/// The sockets by address family, IPv4 first.
#[derive(Default)]
pub(super) struct Sockets {
    raw: Mutex<[Option<Endpoint>; 2]>,
    sessions: Mutex<[Option<Arc<SessionEndpoint>>; 2]>,
}

impl Sockets {
    pub(super) async fn connect(
        &self,
        tls: &ClientTls,
        config: &TransportConfig,
        address: &Address,
        addr: SocketAddr,
    ) -> Result<Connection, DialError> {
        let endpoint = cached(&self.raw, addr, || {
            let runtime = Arc::new(TokioRuntime);
            Ok(Endpoint::new(EndpointConfig::default(), None, socket(addr)?, runtime)?)
        })?;
        connect(&endpoint, tls, config, address, addr).await
    }

    pub(super) async fn connect_session(
        &self,
        tls: &ClientTls,
        config: &TransportConfig,
        address: &Address,
        addr: SocketAddr,
        path: &str,
    ) -> Result<Connection, DialError> {
        let endpoint = cached(&self.sessions, addr, || {
            let client = client_config(tls, config, quic::H3_ALPN)?;
            let builder = wtransport::ClientConfig::builder().with_bind_socket(socket(addr)?);
            let mut client = builder.build_with_quic_config(client);
            client.set_dns_resolver(Family { ipv4: addr.is_ipv4() });
            Ok(Arc::new(SessionEndpoint::client(client)?))
        })?;
        let url = format!("https://{address}{path}");
        let connection = endpoint.connect(url).await.map_err(session_failed)?;
        let lost = |error: wtransport::error::ConnectionError| DialError::Handshake(error.to_string().into());
        let opening = connection.open_bi().await.map_err(lost)?;
        let control = opening.await.map_err(|error| DialError::Handshake(error.to_string().into()))?;
        Ok(quic::dialed_session(connection, control, config))
    }
}

/// Connects by raw QUIC from an endpoint and opens the control stream.
pub(super) async fn connect(
    endpoint: &Endpoint,
    tls: &ClientTls,
    config: &TransportConfig,
    address: &Address,
    addr: SocketAddr,
) -> Result<Connection, DialError> {
    let client = client_config(tls, config, ALPN)?;
    let connection = endpoint.connect_with(client, addr, &address.host).map_err(invalid)?.await.map_err(failed)?;
    let control = connection.open_bi().await.map_err(failed)?;
    Ok(quic::dialed(connection, control, config))
}

impl std::fmt::Debug for Sockets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sockets").finish_non_exhaustive()
    }
}

/// Finds the addresses of one family only: the endpoint asks by itself, and has a socket of that family.
#[derive(Debug)]
struct Family {
    ipv4: bool,
}

impl DnsResolver for Family {
    fn resolve(&self, host: &str) -> Pin<Box<dyn DnsLookupFuture>> {
        let (host, ipv4) = (host.to_owned(), self.ipv4);
        Box::pin(async move { Ok(lookup_host(host).await?.find(|addr| addr.is_ipv4() == ipv4)) })
    }
}

fn cached<T: Clone>(
    by_family: &Mutex<[Option<T>; 2]>,
    addr: SocketAddr,
    make: impl FnOnce() -> Result<T, DialError>,
) -> Result<T, DialError> {
    // A place is filled at once or not at all.
    let mut by_family = by_family.lock().unwrap_or_else(PoisonError::into_inner);
    let place = &mut by_family[usize::from(addr.is_ipv6())];
    match place {
        Some(made) => Ok(made.clone()),
        None => Ok(place.insert(make()?).clone()),
    }
}

fn socket(addr: SocketAddr) -> io::Result<UdpSocket> {
    match addr {
        SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)),
    }
}

fn client_config(tls: &ClientTls, config: &TransportConfig, alpn: &[u8]) -> Result<quinn::ClientConfig, DialError> {
    let unusable = |error: &dyn std::error::Error| DialError::Handshake(error.to_string().into());
    let tls = tls.config(&[&rustls::version::TLS13], alpn).map_err(|error| unusable(&error))?;
    let crypto = QuicClientConfig::try_from(tls).map_err(|error| unusable(&error))?;
    let mut client = quinn::ClientConfig::new(Arc::new(crypto));
    client.transport_config(Arc::new(quic::client_transport(config)));
    Ok(client)
}

fn invalid(error: ConnectError) -> DialError {
    DialError::InvalidAddress(error.to_string().into())
}

fn failed(error: ConnectionError) -> DialError {
    match error {
        ConnectionError::ConnectionClosed(_) | ConnectionError::ApplicationClosed(_) => {
            DialError::Refused(error.to_string().into())
        }
        error => DialError::Handshake(error.to_string().into()),
    }
}

fn session_failed(error: ConnectingError) -> DialError {
    match error {
        ConnectingError::InvalidUrl(_) | ConnectingError::InvalidServerName(_) => {
            DialError::InvalidAddress(error.to_string().into())
        }
        ConnectingError::SessionRejected => DialError::Refused("no WebTransport sessions there".into()),
        error => DialError::Handshake(error.to_string().into()),
    }
}
