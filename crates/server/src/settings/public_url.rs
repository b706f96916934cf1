//! The address under which players reach the server, which it cannot know where something stands in front of it.

use std::str::FromStr;

use crate::host::Host;
use crate::origin::{Origin, default_port};

/// A scheme, a host, perhaps a port, perhaps a path in front of all paths of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicUrl {
    /// `http` or `https`.
    scheme: &'static str,
    /// In lower case.
    host: String,
    port: Option<u16>,
    /// Empty, or begins with a slash and does not end with one.
    pub(crate) prefix: String,
}

/// The longest path; requests have to fit behind it.
const PREFIX_BYTES_MAX: usize = 200;
/// Where the server has something of its own.
const OWN: [&str; 7] = ["ws", "wt", "api", "sdk", "demo", "healthz", "favicon.ico"];

impl PublicUrl {
    /// The origin of pages that are loaded from there.
    pub(crate) fn origin(&self) -> Origin {
        let port = self.port.or(default_port(self.scheme));
        Origin { scheme: self.scheme.to_owned(), host: self.host.clone(), port }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Where the page is, with the last slash.
    pub(crate) fn page(&self) -> String {
        let Self { scheme, host, port, prefix } = self;
        port.map_or_else(|| format!("{scheme}://{host}{prefix}/"), |port| format!("{scheme}://{host}:{port}{prefix}/"))
    }

    /// Where pages from there find WebSocket.
    pub(crate) fn websocket_origin(&self) -> String {
        let (scheme, host) = (if self.scheme == "https" { "wss" } else { "ws" }, &self.host);
        self.port.map_or_else(|| format!("{scheme}://{host}"), |port| format!("{scheme}://{host}:{port}"))
    }

    /// Under which port they find WebTransport: the same, unless none is written and UDP has a number of its own.
    pub(crate) fn udp_port(&self, own: Option<u16>) -> u16 {
        self.port.or(own).or(default_port(self.scheme)).unwrap_or_default()
    }
}

impl FromStr for PublicUrl {
    /// What is wrong, as the rest of a sentence.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("{text:?} {what}");
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| wrong("is no address; write one such as https://play.example.com/game"))?;
        let scheme = match &*scheme.to_ascii_lowercase() {
            "https" => "https",
            "http" => "http",
            _ => return Err(wrong("begins with another scheme; write https://, or http:// where there is no TLS")),
        };
        if let Some(more) = rest.chars().find(|c| matches!(c, '?' | '#')) {
            return Err(wrong(&format!("has something behind a {more:?}; an address ends with its path")));
        }
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if authority.contains('@') {
            return Err(wrong("names a user; leave out what stands before the @"));
        }
        let host = Host::parse(authority).ok_or_else(|| {
            wrong("has no host, or a port that is none; write one such as play.example.com or play.example.com:8443")
        })?;
        if host.port == Some(0) {
            return Err(wrong("has the port 0, which nobody can reach; write the one that players use"));
        }
        let prefix = path.strip_suffix('/').unwrap_or(path);
        if !prefix.split('/').skip(1).all(is_segment) || prefix.len() > PREFIX_BYTES_MAX {
            return Err(wrong(
                "has a path that cannot be used; between single slashes it takes letters, digits, and - _ . ~, and at \
                 most 200 characters",
            ));
        }
        if let Some(own) = prefix.split('/').nth(1).filter(|first| OWN.contains(first)) {
            return Err(wrong(&format!(
                "has a path that begins with /{own}, where the server has something of its own"
            )));
        }
        Ok(Self { scheme, host: host.name.to_ascii_lowercase(), port: host.port, prefix: prefix.to_owned() })
    }
}

fn is_segment(text: &str) -> bool {
    let is_character = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    !text.is_empty() && text != "." && text != ".." && text.bytes().all(is_character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_perhaps_a_port_and_a_path() {
        for (text, websocket, udp_port, prefix) in [
            ("https://play.example.com", "wss://play.example.com", 443, ""),
            ("https://play.example.com/", "wss://play.example.com", 443, ""),
            ("HTTPS://PLAY.example.com.:443", "wss://play.example.com:443", 443, ""),
            ("https://play.example.com:8443/game", "wss://play.example.com:8443", 8443, "/game"),
            ("https://play.example.com/a/b-c_d.e~f/", "wss://play.example.com", 443, "/a/b-c_d.e~f"),
            ("http://game_server", "ws://game_server", 80, ""),
            ("http://192.168.1.5:7350", "ws://192.168.1.5:7350", 7350, ""),
            ("https://[2001:db8::1]:7350", "wss://[2001:db8::1]:7350", 7350, ""),
        ] {
            let url: PublicUrl = text.parse().unwrap();
            let found = (&*url.websocket_origin(), url.udp_port(None), &*url.prefix);
            assert_eq!(found, (websocket, udp_port, prefix), "{text}");
        }
    }

    /// The port of a proxy in front is that of TCP.
    #[test]
    fn udp_has_its_own_port_unless_one_is_written() {
        let of = |text: &str, own| text.parse::<PublicUrl>().unwrap().udp_port(own);
        assert_eq!(of("https://play.example.com", Some(7350)), 7350);
        assert_eq!(of("https://play.example.com:443", Some(7350)), 443);
    }

    #[test]
    fn each_wrong_one_is_told_what_is_wrong() {
        for (text, said) in [
            ("", "is no address"),
            ("play.example.com", "is no address"),
            ("//play.example.com", "is no address"),
            ("wss://play.example.com", "write https://"),
            ("ftp://play.example.com", "write https://"),
            ("https://", "has no host"),
            ("https:///game", "has no host"),
            ("https://two words", "has no host"),
            ("https://*.example.com", "has no host"),
            ("https://a..b", "has no host"),
            ("https://play.example.com:x", "a port that is none"),
            ("https://play.example.com:65536", "a port that is none"),
            ("https://play.example.com:0", "the port 0"),
            ("https://me@play.example.com", "names a user"),
            ("https://play.example.com?a=b", "something behind a '?'"),
            ("https://play.example.com/game#top", "something behind a '#'"),
            ("https://play.example.com/a//b", "has a path that cannot be used"),
            ("https://play.example.com//", "has a path that cannot be used"),
            ("https://play.example.com/a/../b", "has a path that cannot be used"),
            ("https://play.example.com/a b", "has a path that cannot be used"),
            ("https://play.example.com/a%20b", "has a path that cannot be used"),
            ("https://play.example.com/{game}", "has a path that cannot be used"),
            ("https://play.example.com/ws", "begins with /ws"),
            ("https://play.example.com/api/game", "begins with /api"),
        ] {
            let error = text.parse::<PublicUrl>().unwrap_err();
            assert!(error.contains(said) && error.contains(&format!("{text:?}")), "{text}: {error}");
        }
        let long = format!("https://play.example.com/{}", "a".repeat(PREFIX_BYTES_MAX));
        assert!(long.parse::<PublicUrl>().is_err());
    }
}
