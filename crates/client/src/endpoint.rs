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
    /// What the server's paths begin with: nothing, or a slash and something.
    pub(crate) prefix: String,
    /// The URL to open a WebSocket with.
    pub(crate) websocket_url: String,
    /// The path to open a WebTransport session at.
    pub(crate) webtransport_path: String,
    /// Whether the address names the very place of the transport, and not only the server.
    pub(crate) is_exact: bool,
    /// Whether the connection is encrypted; only a WebSocket may not be.
    pub(crate) encrypted: bool,
}

impl Endpoint {
    pub(crate) fn parse(text: &str, transport: TransportChoice) -> Result<Self, ConnectError> {
        let wrong = |why: &str| ConnectError::Address(format!("{text}: {why}"));
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
            None => (None, text),
        };
        let scheme = scheme.as_deref();
        if let Some(why) = superfluous(rest) {
            // Without the address: a password is nothing to show.
            return Err(ConnectError::Address(why.to_owned()));
        }
        let (authority, path) = match rest.find('/') {
            Some(place) => rest.split_at(place),
            None => (rest, ""),
        };
        let port_default = match scheme {
            Some("ws" | "http") => 80,
            Some("wss" | "https") => 443,
            _ => DEFAULT_PORT,
        };
        let address = split_port(authority, port_default).ok_or_else(|| wrong("HOST:PORT expected"))?;
        if !path.bytes().all(is_of_a_path) {
            return Err(wrong("the path has characters that have to be escaped"));
        }
        let is_websocket = transport == TransportChoice::WebSocket;
        let encrypted = match scheme {
            Some("ws") if is_websocket => false,
            Some("wss") if is_websocket => true,
            Some("http") => !is_websocket,
            Some("https") => true,
            None => !is_websocket || !is_loopback(&address.host),
            _ => return Err(wrong(&format!("not an address for {transport}"))),
        };
        let path = path.trim_end_matches('/');
        let place = match transport {
            TransportChoice::WebSocket => path.strip_suffix(WEBSOCKET_PATH),
            TransportChoice::WebTransport => path.strip_suffix(WEBTRANSPORT_PATH),
            TransportChoice::Quic if !path.is_empty() => return Err(wrong("raw QUIC has no paths")),
            TransportChoice::Quic | TransportChoice::Automatic => None,
        };
        let prefix = place.unwrap_or(path);
        // Who writes ws:// means the URL of a WebSocket, wherever it is.
        let is_websocket_url = matches!(scheme, Some("ws" | "wss")) && !path.is_empty();
        let websocket_path = if is_websocket_url { path.to_owned() } else { format!("{prefix}{WEBSOCKET_PATH}") };
        let scheme = if encrypted { "wss" } else { "ws" };
        Ok(Self {
            websocket_url: format!("{scheme}://{address}{websocket_path}"),
            webtransport_path: format!("{prefix}{WEBTRANSPORT_PATH}"),
            prefix: prefix.to_owned(),
            is_exact: place.is_some() || is_websocket_url,
            address,
            encrypted,
        })
    }

    /// Whether this names this very machine.
    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.address.host)
    }
}

/// What an address may not have, because it would get lost on the way.
fn superfluous(rest: &str) -> Option<&'static str> {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if rest.contains('#') {
        Some("a server hears of no fragment; leave out the # and what follows")
    } else if rest.contains('?') {
        Some("a server takes no query here; leave out the ? and what follows")
    } else if authority.contains('@') {
        Some("a server takes no user and password in an address; a token says who one is")
    } else {
        None
    }
}

/// RFC 3986, section 3.3.
fn is_of_a_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:@".contains(&byte)
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
            ("https://play.example.org", "play.example.org", 443),
            ("HTTP://play.example.org/", "play.example.org", 80),
        ] {
            let found = parse(text, TransportChoice::Quic).unwrap();
            assert_eq!((found.0.as_str(), found.1), (host, port), "{text}");
        }
        for text in
            ["", ":7350", "host:0", "host:port", "host:70000", "a b:1", "[::1:9", "::1", "ftp://h:1", "https://h:1/wt"]
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
        assert!(parse("ws://h:1/ws", TransportChoice::WebTransport).is_none());
        assert!(parse("wss://h:1/ws", TransportChoice::Automatic).is_none());
    }

    #[test]
    fn a_prefix_is_in_front_of_every_path() {
        for (text, prefix, websocket_url) in [
            ("http://h/game/", "/game", "ws://h:80/game/ws"),
            ("https://h:8443/game", "/game", "wss://h:8443/game/ws"),
            ("h:7350/a/b%20c/", "/a/b%20c", "wss://h:7350/a/b%20c/ws"),
            ("localhost/game", "/game", "ws://localhost:7350/game/ws"),
            ("http://h/", "", "ws://h:80/ws"),
        ] {
            for transport in [TransportChoice::WebSocket, TransportChoice::WebTransport, TransportChoice::Automatic] {
                let endpoint = Endpoint::parse(text, transport).unwrap();
                assert_eq!(endpoint.prefix, prefix, "{text}");
                assert_eq!(endpoint.webtransport_path, format!("{prefix}/wt"), "{text}");
                assert!(endpoint.encrypted || transport == TransportChoice::WebSocket, "{text}");
                if transport == TransportChoice::WebSocket {
                    assert_eq!(endpoint.websocket_url, websocket_url);
                }
            }
            assert_eq!(Endpoint::parse(text, TransportChoice::Quic).is_ok(), prefix.is_empty(), "{text}");
        }
        // The place of the transport itself is no prefix.
        for (text, prefix) in [("https://h:1/wt", ""), ("https://h:1/game/wt", "/game"), ("h:1/wt/", "")] {
            let endpoint = Endpoint::parse(text, TransportChoice::WebTransport).unwrap();
            assert_eq!((&*endpoint.prefix, endpoint.webtransport_path), (prefix, format!("{prefix}/wt")), "{text}");
        }
        let endpoint = Endpoint::parse("https://h:1/game/ws", TransportChoice::WebSocket).unwrap();
        assert_eq!((&*endpoint.prefix, &*endpoint.websocket_url), ("/game", "wss://h:1/game/ws"));
    }

    #[test]
    fn nothing_is_dropped_without_a_word() {
        for (text, why) in [
            ("http://h/game?room=k3v9", "query"),
            ("h:1?x", "query"),
            ("ws://h/ws?", "query"),
            ("http://h/game#k3v9", "fragment"),
            ("h#", "fragment"),
            ("https://ada:secret@h/", "user"),
            ("ada@h:7350", "user"),
            ("http://h/a b", "escaped"),
            ("http://h/spiel/ü", "escaped"),
            ("http://h/\\evil", "escaped"),
        ] {
            for transport in [TransportChoice::WebSocket, TransportChoice::WebTransport, TransportChoice::Automatic] {
                let refused = Endpoint::parse(text, transport);
                let Err(ConnectError::Address(said)) = refused else { panic!("{text}: {refused:?}") };
                assert!(said.contains(why) && !said.contains("secret"), "{said}");
            }
        }
    }
}
