//! Reading the address to connect to. Pure: nothing is resolved or dialed here.

use std::net::IpAddr;

use anteroom_protocol::{DEFAULT_PORT, WEBSOCKET_PATH, WEBTRANSPORT_PATH};
use anteroom_transport::Address;

use crate::error::ConnectError;
use crate::options::TransportChoice;

/// Where to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Host and port.
    pub(crate) address: Address,
    /// The URL to open a WebSocket with.
    pub(crate) websocket_url: String,
    /// Whether the connection is encrypted; only a WebSocket may not be.
    pub(crate) encrypted: bool,
}

impl Endpoint {
    pub(crate) fn parse(text: &str, transport: TransportChoice) -> Result<Self, ConnectError> {
        let wrong = |why: &str| ConnectError::Address(format!("{text}: {why}"));
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, text),
        };
        let (authority, path) = match rest.find('/') {
            Some(place) => rest.split_at(place),
            None => (rest, ""),
        };
        let port_default = match scheme {
            Some("ws") => 80,
            Some("wss" | "https") => 443,
            _ => DEFAULT_PORT,
        };
        let address = split_port(authority, port_default).ok_or_else(|| wrong("HOST:PORT expected"))?;
        let encrypted = match (transport, scheme) {
            (TransportChoice::Quic | TransportChoice::Automatic, None)
            | (TransportChoice::WebTransport, None | Some("https")) => true,
            (TransportChoice::WebSocket, Some("ws")) => false,
            (TransportChoice::WebSocket, Some("wss")) => true,
            (TransportChoice::WebSocket, None) => !is_loopback(&address.host),
            _ => return Err(wrong(&format!("not an address for {transport}"))),
        };
        let path = match transport {
            TransportChoice::WebSocket if path.is_empty() || path == "/" => WEBSOCKET_PATH,
            TransportChoice::WebTransport if path == WEBTRANSPORT_PATH => path,
            TransportChoice::Quic | TransportChoice::WebTransport | TransportChoice::Automatic
                if !path.is_empty() && path != "/" =>
            {
                return Err(wrong(&format!("there is nothing at {path}")));
            }
            _ => path,
        };
        let scheme = if encrypted { "wss" } else { "ws" };
        let websocket_url = format!("{scheme}://{address}{path}");
        Ok(Self { address, websocket_url, encrypted })
    }

    /// Whether this names this very machine.
    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.address.host)
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn split_port(authority: &str, port_default: u16) -> Option<Address> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = port.map_or(Some(port_default), |port| port.parse().ok().filter(|port| *port != 0))?;
    let sensible = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || "@?#%".contains(c));
    sensible.then(|| Address { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, transport: TransportChoice) -> Option<(String, u16, String)> {
        let endpoint = Endpoint::parse(text, transport).ok()?;
        Some((endpoint.address.host, endpoint.address.port, endpoint.websocket_url))
    }

    #[test]
    fn hosts_and_ports() {
        for (text, host, port) in [
            ("127.0.0.1:7350", "127.0.0.1", 7350),
            ("localhost", "localhost", 7350),
            ("[::1]:9", "::1", 9),
            ("[::1]", "::1", 7350),
            ("play.example.org:443", "play.example.org", 443),
        ] {
            let found = parse(text, TransportChoice::Quic).unwrap();
            assert_eq!((found.0.as_str(), found.1), (host, port), "{text}");
        }
        for text in
            ["", ":7350", "host:0", "host:port", "host:70000", "a b:1", "[::1:9", "::1", "https://h:1", "h:1/wt"]
        {
            assert_eq!(parse(text, TransportChoice::Quic), None, "{text}");
        }
    }

    #[test]
    fn urls_fit_their_transport() {
        let url = |text| parse(text, TransportChoice::WebSocket).map(|(_, _, url)| url);
        assert_eq!(url("127.0.0.1:7350").as_deref(), Some("ws://127.0.0.1:7350/ws"));
        assert_eq!(url("[::1]:7350").as_deref(), Some("ws://[::1]:7350/ws"));
        assert_eq!(url("play.example.org").as_deref(), Some("wss://play.example.org:7350/ws"));
        assert_eq!(url("wss://play.example.org").as_deref(), Some("wss://play.example.org:443/ws"));
        assert_eq!(url("ws://10.0.0.1:80/ws/k3v9").as_deref(), Some("ws://10.0.0.1:80/ws/k3v9"));
        assert_eq!(url("https://h:1/ws"), None);
        assert!(parse("https://h:1/wt", TransportChoice::WebTransport).is_some());
        assert!(parse("https://h:1/other", TransportChoice::WebTransport).is_none());
        assert!(parse("ws://h:1/ws", TransportChoice::WebTransport).is_none());
    }
}
