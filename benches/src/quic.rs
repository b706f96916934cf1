//! What clients on QUIC and WebTransport need: a runtime, and dialers that trust a server.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anteroom_protocol::limits::SERVER_FRAME_BYTES_MAX;
use anteroom_transport::{Address, Dialer, TransportConfig, Trust};
use anyhow::{Context, Result, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::runtime::Runtime;

use crate::servers::Server;

/// How long a server may take to let somebody in.
pub(crate) const ENTER_MAX: Duration = Duration::from_secs(10);

/// The one thread that plays all clients.
pub(crate) fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Dialers that trust a server, each with sockets of its own.
pub(crate) fn dialers(server: &Server, count: usize) -> Result<Vec<Dialer>> {
    Ok(trusting(&Trust::CertificateHashes(hashes(server.addr)?), count))
}

/// Dialers that trust as told, each with sockets of its own.
pub(crate) fn trusting(trust: &Trust, count: usize) -> Vec<Dialer> {
    let config = TransportConfig { inbound_bytes_max: SERVER_FRAME_BYTES_MAX, ..TransportConfig::default() };
    (0..count).map(|_| Dialer::new(trust.clone(), config)).collect()
}

/// Where a server is, or what stands before it.
pub(crate) fn address(addr: SocketAddr) -> Address {
    Address { host: addr.ip().to_string(), port: addr.port() }
}

/// Asks a server for the hashes of its certificates.
pub(crate) fn hashes(addr: SocketAddr) -> Result<Vec<[u8; 32]>> {
    let mut stream = TcpStream::connect(addr)?;
    write!(stream, "GET /api/certificate HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n")?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    let (_, body) = response.split_once("\r\n\r\n").context("no body")?;
    let body: serde_json::Value = serde_json::from_str(body)?;
    let hashes = body["hashes"].as_array().context("no hashes")?;
    let hash = |entry: &serde_json::Value| {
        let decoded = STANDARD.decode(entry["value"].as_str().unwrap_or_default())?;
        decoded.try_into().map_err(|_| anyhow!("a hash of another length"))
    };
    hashes.iter().map(hash).collect()
}
