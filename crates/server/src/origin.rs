//! Which web pages may connect.
//!
//! A browser says which origin a page is from, and it cannot lie about it; a native client says nothing. Checked
//! on WebSocket and WebTransport alike, because a browser lets any page open either.

/// The origins that may connect.
#[derive(Debug, Clone)]
pub(crate) enum Origins {
    /// Any page at all: a development server that was put on the network on purpose.
    Any,
    /// Pages served from this machine, whatever the port.
    Loopback,
    /// These and no others.
    Listed(Vec<Pattern>),
}

/// One allowed origin: scheme, host and port must all be the same; `*.` in front of the host allows its
/// subdomains instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    scheme: String,
    subdomains: bool,
    host: String,
    port: u16,
}

/// The text is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an origin such as https://play.example.com or https://*.example.com")]
pub(crate) struct InvalidOrigin(String);

impl std::str::FromStr for Pattern {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let invalid = || InvalidOrigin(text.to_owned());
        let (scheme, host, port) = split(text).ok_or_else(invalid)?;
        let (subdomains, host) = match host.strip_prefix("*.") {
            Some(host) => (true, host),
            None => (false, host.as_str()),
        };
        if host.contains('*') || !host.contains('.') && subdomains {
            return Err(invalid());
        }
        Ok(Self { scheme, subdomains, host: host.to_owned(), port })
    }
}

/// Takes a serialized origin apart (RFC 6454, section 6.2), in lower case and with the port that its scheme implies.
fn split(origin: &str) -> Option<(String, String, u16)> {
    let origin = origin.to_ascii_lowercase();
    let (scheme, rest) = origin.split_once("://")?;
    let default_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (rest, default_port),
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '*');
    let is_address = host.starts_with('[') && host.ends_with(']');
    if host.is_empty() || !is_address && !host.chars().all(is_host) {
        return None;
    }
    Some((scheme.to_owned(), host.to_owned(), port))
}

impl Pattern {
    fn allows(&self, scheme: &str, host: &str, port: u16) -> bool {
        let host_fits = if self.subdomains {
            host.strip_suffix(self.host.as_str()).is_some_and(|sub| sub.len() > 1 && sub.ends_with('.'))
        } else {
            host == self.host
        };
        self.scheme == scheme && self.port == port && host_fits
    }
}

impl Origins {
    /// Whether a connection with this `Origin` header may go on. A missing one is a native client's.
    #[must_use]
    pub(crate) fn allow(&self, origin: Option<&str>) -> bool {
        let Some(origin) = origin else { return true };
        let Some((scheme, host, port)) = split(origin) else { return false };
        match self {
            Self::Any => true,
            Self::Loopback => is_loopback(&host),
            Self::Listed(patterns) => patterns.iter().any(|pattern| pattern.allows(&scheme, &host, port)),
        }
    }
}

/// Whether a host name means this machine without asking anyone.
#[must_use]
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_origins_match_exactly() {
        let origins = Origins::Listed(
            ["https://play.example.com", "https://*.example.org", "http://127.0.0.1:8080"]
                .map(|text| text.parse().unwrap())
                .into(),
        );
        for allowed in [
            None,
            Some("https://play.example.com"),
            Some("https://PLAY.example.com:443"),
            Some("https://a.example.org"),
            Some("https://a.b.example.org"),
            Some("http://127.0.0.1:8080"),
        ] {
            assert!(origins.allow(allowed), "{allowed:?}");
        }
        for refused in [
            "null",
            "",
            "http://play.example.com",
            "https://play.example.com:8443",
            "https://play.example.com.evil.test",
            "https://evilplay.example.com",
            "https://example.org",
            "https://evilexample.org",
            "https://.example.org",
            "https://play.example.com@evil.test",
            "https://evil.test#.example.org",
            "file://",
            "http://127.0.0.1:8081",
            "chrome-extension://abcdef",
        ] {
            assert!(!origins.allow(Some(refused)), "{refused:?}");
        }
    }

    #[test]
    fn development_allows_this_machine_only() {
        for allowed in ["http://localhost:5173", "http://127.0.0.1", "http://127.8.9.1:1", "https://[::1]:7350"] {
            assert!(Origins::Loopback.allow(Some(allowed)), "{allowed:?}");
        }
        for refused in
            ["null", "http://localhost.evil.test", "http://192.168.0.1", "http://127.0.0.1.evil.test", "http://0.0.0.0"]
        {
            assert!(!Origins::Loopback.allow(Some(refused)), "{refused:?}");
        }
        assert!(Origins::Loopback.allow(None));
    }

    #[test]
    fn what_is_no_origin_is_not_configured() {
        for wrong in
            ["*", "example.com", "https://", "https://*", "https://*.com*", "https://a/b", "https://*.localhost"]
        {
            assert!(wrong.parse::<Pattern>().is_err(), "{wrong}");
        }
    }
}
