//! The `Host` header: by which name this server was asked for, believed only if it is one.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::http::HeaderMap;
use axum::http::header::HOST;

use crate::certificate::is_host_name;

/// A host and perhaps a port, of nothing but the characters that they may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Host<'a> {
    /// All of it, as it was sent.
    pub(super) authority: &'a str,
    /// The name or the address, an IPv6 one in brackets.
    pub(super) name: &'a str,
}

impl<'a> Host<'a> {
    /// The one that a request names; none if it names several, or something else.
    pub(super) fn read(headers: &'a HeaderMap) -> Option<Self> {
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return None };
        Self::parse(host.to_str().ok()?)
    }

    fn parse(authority: &'a str) -> Option<Self> {
        let name = match authority.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => is_port(port).then_some(name)?,
            _ => authority,
        };
        let is_host = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => name.parse::<Ipv4Addr>().is_ok() || is_host_name(name),
        };
        is_host.then_some(Self { authority, name })
    }

    /// Whether it is an IPv6 address, which a Content-Security-Policy has no way to write.
    pub(super) fn is_ipv6(&self) -> bool {
        self.name.starts_with('[')
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn names_and_addresses_are_hosts() {
        for (authority, name) in [
            ("localhost", "localhost"),
            ("localhost:7350", "localhost"),
            ("play.example.com:443", "play.example.com"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("127.0.0.1", "127.0.0.1"),
            ("127.0.0.1:65535", "127.0.0.1"),
            ("[::1]", "[::1]"),
            ("[2001:db8::1]:7350", "[2001:db8::1]"),
        ] {
            assert_eq!(Host::parse(authority), Some(Host { authority, name }), "{authority}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        for wrong in [
            "",
            ":7350",
            "localhost:",
            "localhost:+80",
            "localhost:65536",
            "localhost:7350:1",
            "localhost:x",
            "*",
            "*.example.com",
            "a..b",
            "example.com.",
            "two words",
            "a;script-src",
            "a;script-src *",
            "'unsafe-inline'",
            "a,b",
            "a/b",
            "a@b",
            "http://a",
            "https:",
            "data:",
            "::1",
            "[::1",
            "[::1]x",
            "[::1]]",
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
    fn two_hosts_are_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(Host::read(&headers), None);
        headers.append(HOST, HeaderValue::from_static("localhost"));
        assert!(Host::read(&headers).is_some());
        headers.append(HOST, HeaderValue::from_static("localhost"));
        assert_eq!(Host::read(&headers), None);
    }
}
