//! By which name a server is asked for (`Host`, a target's authority, `:authority`), believed only if it is one.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host and perhaps a port, of nothing but the characters that they may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Host<'a> {
    /// The name or the address, an IPv6 one in brackets. The dot that ends every name is left out.
    pub(crate) name: &'a str,
    pub(crate) port: Option<u16>,
}

impl<'a> Host<'a> {
    pub(crate) fn parse(authority: &'a str) -> Option<Self> {
        let (name, port) = match authority.rsplit_once(':') {
            // A port that is empty is the usual one (RFC 9110, section 4.2.3).
            Some((name, "")) => (name, None),
            Some((name, port)) if !port.ends_with(']') => (name, Some(parse_port(port)?)),
            _ => (authority, None),
        };
        let is_host = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => name.parse::<Ipv4Addr>().is_ok() || is_name(without_dot(name)),
        };
        is_host.then_some(Self { name: without_dot(name), port })
    }

    /// Whether it is an IPv6 address, which a Content-Security-Policy has no way to write.
    pub(crate) fn is_ipv6(&self) -> bool {
        self.name.starts_with('[')
    }

    /// Whether it means this machine without asking anyone.
    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(self.name)
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Whether a host means this machine without asking anyone.
#[must_use]
pub(crate) fn is_loopback(name: &str) -> bool {
    without_dot(name).eq_ignore_ascii_case("localhost") || address(name).is_some_and(|address| address.is_loopback())
}

/// The address that a host is, if it is one.
pub(crate) fn address(name: &str) -> Option<IpAddr> {
    name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name).parse().ok()
}

/// A name as it is compared: whether it ends in the dot that ends every name makes no difference.
pub(crate) fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// Labels of letters, digits, hyphens and underscores, which machines in containers have.
pub(crate) fn is_name(name: &str) -> bool {
    let is_character = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_character);
    name.len() <= 253 && name.split('.').all(is_label)
}

pub(crate) fn parse_port(text: &str) -> Option<u16> {
    // A sign would be read as well.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_hosts() {
        for (authority, name, port) in [
            ("localhost", "localhost", None),
            ("localhost:", "localhost", None),
            ("LOCALHOST.:7350", "LOCALHOST", Some(7350)),
            ("play.example.com:443", "play.example.com", Some(443)),
            ("play.example.com.", "play.example.com", None),
            ("game_server:7350", "game_server", Some(7350)),
            ("xn--bcher-kva.example", "xn--bcher-kva.example", None),
            ("127.0.0.1", "127.0.0.1", None),
            ("127.0.0.1:65535", "127.0.0.1", Some(65535)),
            ("[::1]", "[::1]", None),
            ("[2001:db8::1]:7350", "[2001:db8::1]", Some(7350)),
        ] {
            assert_eq!(Host::parse(authority), Some(Host { name, port }), "{authority}");
        }
        assert_eq!(Host::parse("a.example.:1").unwrap().to_string(), "a.example:1");
        assert_eq!(Host::parse("[::1]").unwrap().to_string(), "[::1]");
    }

    #[test]
    fn anything_else_is_none() {
        for wrong in [
            "",
            ".",
            ":7350",
            "localhost:+80",
            "localhost:65536",
            "localhost:7350:1",
            "localhost:x",
            "localhost::",
            "*",
            "*.example.com",
            "a..b",
            "example.com..",
            ".example.com",
            "two words",
            "a;script-src",
            "a;script-src *",
            "'unsafe-inline'",
            "a,b",
            "a/b",
            "a@b",
            "http://a",
            "::1",
            "[::1",
            "[::1]x",
            "[::1]]",
            "[::1].",
            "[localhost]",
            "[127.0.0.1]",
            "[fe80::1%25eth0]",
            "b\u{fc}cher.example",
            &"a".repeat(64),
            &"a.".repeat(200),
        ] {
            assert_eq!(Host::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn loopback_is_told_by_its_name_however_it_is_written() {
        for loopback in ["localhost", "LocalHost", "localhost.", "127.0.0.1", "127.8.9.1", "[::1]", "::1"] {
            assert!(is_loopback(loopback), "{loopback}");
        }
        for other in ["localhost..", "localhost.evil.test", "0.0.0.0", "[::]", "[::2]", "127.0.0.1.evil.test", ""] {
            assert!(!is_loopback(other), "{other}");
        }
    }
}
