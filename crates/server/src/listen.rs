//! Where the server listens: addresses as people write them, and the sockets on them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use tokio::net::TcpListener;

use crate::error::StartError;

/// An address as a person types it: `localhost:7350` is 127.0.0.1, which every machine has. Files name addresses, since
/// `localhost` may be two of them, and a server listens on one.
pub(crate) fn typed_addr(text: &str) -> String {
    on_localhost(text).map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"))
}

fn on_localhost(text: &str) -> Option<&str> {
    text.rsplit_once(':').filter(|(host, _)| host.eq_ignore_ascii_case("localhost")).map(|(_, port)| port)
}

/// The address that a text names, or what is wrong with it as the rest of a sentence.
pub(crate) fn parse_addr(text: &str) -> Result<SocketAddr, String> {
    if let Some(port) = on_localhost(text) {
        let sentence = "names a host that may be several addresses; write 127.0.0.1:PORT, or [::1]:PORT";
        return Err(format!("{text:?} {}", sentence.replace("PORT", port)));
    }
    text.parse().map_err(|_| format!("{text:?} is not HOST:PORT, such as 0.0.0.0:7350 or [::]:7350"))
}

/// Binds TCP and UDP on the same number. With port 0 the system picks one for TCP, which may be taken for UDP; a
/// few tries find one that is free for both.
pub(crate) fn bind(wanted: SocketAddr) -> Result<(TcpListener, UdpSocket), StartError> {
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

pub(crate) fn bind_tcp(wanted: SocketAddr) -> Result<TcpListener, StartError> {
    let failed = |error| not_bound(wanted, error);
    let tcp = std::net::TcpListener::bind(wanted).map_err(failed)?;
    tcp.set_nonblocking(true).map_err(failed)?;
    TcpListener::from_std(tcp).map_err(failed)
}

pub(crate) fn bind_udp(wanted: SocketAddr) -> Result<UdpSocket, StartError> {
    UdpSocket::bind(wanted).map_err(|error| not_bound(wanted, error))
}

fn not_bound(address: SocketAddr, error: io::Error) -> StartError {
    match error.kind() {
        io::ErrorKind::AddrInUse => StartError::PortInUse(address),
        _ => StartError::Listen(address, error),
    }
}

/// Where this machine reaches itself: a server that listens on every address is not at all of zeros.
pub(crate) fn reachable(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listening.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_every_address_is_reached_at_its_own_machine_s() {
        for (listening, reached) in [
            ("0.0.0.0:7350", "127.0.0.1:7350"),
            ("[::]:1", "[::1]:1"),
            ("127.0.0.1:7350", "127.0.0.1:7350"),
            ("192.0.2.1:80", "192.0.2.1:80"),
        ] {
            assert_eq!(reachable(listening.parse().unwrap()), reached.parse().unwrap());
        }
    }
}
