//! Which web pages may connect.
//!
//! A browser says which origin a page is from, and it cannot lie about it; a native client says nothing. Checked
//! on WebSocket and WebTransport alike, because a browser lets any page open either.
//!
//! That a page comes from the host that it connects to proves nothing: whoever has a name can make it point here, after
//! the page was loaded from elsewhere. So the server's own origin counts only under a name that is known to be its own.

mod list;

use crate::certificate::Names;
use crate::host::{self, Host};
pub use list::OriginList;

/// The origins that may connect.
#[derive(Debug, Clone)]
pub(crate) struct Origins {
    pub(crate) allowed: Allowed,
    pub(crate) own: Own,
}

/// Other servers' pages.
#[derive(Debug, Clone)]
pub(crate) enum Allowed {
    /// Any page at all: a development server that was put on the network on purpose.
    Any,
    /// Pages served from this machine, whatever the port.
    Loopback,
    /// These and no others.
    Listed(Vec<Pattern>),
}

/// Pages of this server.
#[derive(Debug, Clone)]
pub(crate) struct Own {
    /// What is configured.
    pub(crate) public: Option<Origin>,
    /// Nobody else has these.
    pub(crate) names: Names,
    /// Then pages come without TLS, and this machine's names are known to be its own.
    pub(crate) is_development: bool,
}

/// Where a page is from: what RFC 6454, section 6.2, writes as one word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// In lower case, as the host is.
    pub(crate) scheme: String,
    pub(crate) host: String,
    /// What is written, or what the scheme implies. Those of app shells imply none.
    pub(crate) port: Option<u16>,
}

/// One allowed origin: scheme, host and port must all be the same; `*.` in front of the host allows its
/// subdomains instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    origin: Origin,
    subdomains: bool,
}

/// The text is no origin, or none that can be allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidOrigin {
    #[error("{0:?} is not an origin such as https://play.example.com, https://*.example.com or capacitor://localhost")]
    Malformed(String),
    #[error(
        "\"null\" cannot be allowed: it is what every page without an origin says, such as those of files and of \
         sandboxed frames, whoever wrote them"
    )]
    Null,
    #[error("{0:?} cannot be allowed: pages of files share one origin, whoever wrote them; serve the page over HTTP")]
    File(String),
    #[error("{0:?} is where a WebSocket goes; the origin of a page begins with https:// or http://")]
    WebSocket(String),
}

impl std::str::FromStr for Pattern {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let (scheme, _) = text.split_once(':').unwrap_or((text, ""));
        match &*scheme.to_ascii_lowercase() {
            "null" => return Err(InvalidOrigin::Null),
            "file" => return Err(InvalidOrigin::File(text.to_owned())),
            "ws" | "wss" => return Err(InvalidOrigin::WebSocket(text.to_owned())),
            _ => {}
        }
        let malformed = || InvalidOrigin::Malformed(text.to_owned());
        let mut origin = Origin::parse(text).ok_or_else(malformed)?;
        let parent = origin.host.strip_prefix("*.").map(str::to_owned);
        let subdomains = parent.is_some();
        origin.host = parent.unwrap_or(origin.host);
        if origin.host.contains('*') || subdomains && !origin.host.contains('.') {
            return Err(malformed());
        }
        Ok(Self { origin, subdomains })
    }
}

impl Origin {
    /// Takes one apart.
    fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let (scheme, rest) = text.split_once("://")?;
        let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        if !scheme.starts_with(|first: char| first.is_ascii_alphabetic()) || !scheme.bytes().all(is_scheme) {
            return None;
        }
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(host::parse_port(port)?)),
            _ => (rest, default_port(scheme)),
        };
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '*');
        let is_address = host.starts_with('[') && host.ends_with(']');
        if host.is_empty() || !is_address && !host.chars().all(is_host) {
            return None;
        }
        Some(Self { scheme: scheme.to_owned(), host: host.to_owned(), port })
    }
}

/// The port of an address that names none.
pub(crate) fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

impl Pattern {
    fn allows(&self, origin: &Origin) -> bool {
        let Self { origin: Origin { scheme, host, port }, subdomains } = self;
        let host_fits = if *subdomains {
            origin.host.strip_suffix(host.as_str()).is_some_and(|sub| sub.len() > 1 && sub.ends_with('.'))
        } else {
            origin.host == *host
        };
        origin.scheme == *scheme && origin.port == *port && host_fits
    }
}

impl Own {
    /// Whether a page is this server's, which was asked for by this authority.
    fn is(&self, origin: &Origin, authority: Option<&str>) -> bool {
        if self.public.as_ref() == Some(origin) {
            return true;
        }
        let Some(asked) = authority.and_then(Host::parse) else { return false };
        let is_loopback = self.is_development && host::is_loopback(&origin.host);
        // WebTransport is dialed at 127.0.0.1 by pages of localhost, which is the same machine.
        let is_same = is_loopback && asked.is_loopback() || same_name(&origin.host, asked.name);
        let scheme = if self.is_development { "http" } else { "https" };
        let is_same_port = origin.port == asked.port.or(default_port(scheme));
        origin.scheme == scheme && is_same && is_same_port && (is_loopback || self.names.cover(asked.name))
    }
}

fn same_name(a: &str, b: &str) -> bool {
    host::without_dot(a).eq_ignore_ascii_case(host::without_dot(b))
}

impl Origins {
    /// Whether a connection with this `Origin` header may go on, on which the server was asked for by this authority.
    /// One without an origin is a native client's.
    #[must_use]
    pub(crate) fn allow(&self, origin: Option<&str>, authority: Option<&str>) -> bool {
        let Some(origin) = origin else { return true };
        let Some(origin) = Origin::parse(origin) else { return false };
        let is_allowed = match &self.allowed {
            Allowed::Any => true,
            Allowed::Loopback => default_port(&origin.scheme).is_some() && host::is_loopback(&origin.host),
            Allowed::Listed(patterns) => patterns.iter().any(|pattern| pattern.allows(&origin)),
        };
        is_allowed || self.own.is(&origin, authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate;

    fn origins(allowed: Allowed) -> Origins {
        Origins { allowed, own: Own { public: None, names: Names::default(), is_development: false } }
    }

    #[test]
    fn listed_origins_match_exactly() {
        let origins = origins(Allowed::Listed(
            ["https://play.example.com", "https://*.example.org", "http://127.0.0.1:8080"]
                .map(|text| text.parse().unwrap())
                .into(),
        ));
        for allowed in [
            None,
            Some("https://play.example.com"),
            Some("https://PLAY.example.com:443"),
            Some("https://a.example.org"),
            Some("https://a.b.example.org"),
            Some("http://127.0.0.1:8080"),
        ] {
            assert!(origins.allow(allowed, None), "{allowed:?}");
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
            assert!(!origins.allow(Some(refused), None), "{refused:?}");
        }
    }

    #[test]
    fn shells_of_apps_have_origins_of_their_own() {
        let listed = [
            "capacitor://localhost",
            "ionic://localhost",
            "tauri://localhost",
            "http://tauri.localhost",
            "https://tauri.localhost",
            "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
            "moz-extension://01234567-89ab-cdef-0123-456789abcdef",
            "app+web.shell://game:81",
        ];
        let origins = origins(Allowed::Listed(listed.map(|text| text.parse().unwrap()).into()));
        for allowed in listed.into_iter().chain(["CAPACITOR://LOCALHOST"]) {
            assert!(origins.allow(Some(allowed), None), "{allowed}");
        }
        for refused in [
            "capacitor://localhost:80",
            "capacitor://localhost:443",
            "capacitor://localhost.evil.test",
            "capacitor://",
            "http://localhost",
            "https://localhost",
            "chrome-extension://ponmlkjihgfedcbaponmlkjihgfedcba",
            "app+web.shell://game",
        ] {
            assert!(!origins.allow(Some(refused), None), "{refused}");
        }
    }

    #[test]
    fn development_allows_this_machine_only() {
        let origins = origins(Allowed::Loopback);
        for allowed in [
            "http://localhost:5173",
            "http://localhost.:7350",
            "http://127.0.0.1",
            "http://127.8.9.1:1",
            "https://[::1]:7350",
        ] {
            assert!(origins.allow(Some(allowed), None), "{allowed:?}");
        }
        for refused in [
            "null",
            "http://localhost.evil.test",
            "http://192.168.0.1",
            "http://127.0.0.1.evil.test",
            "http://0.0.0.0",
            "chrome-extension://localhost",
            "capacitor://localhost",
        ] {
            assert!(!origins.allow(Some(refused), None), "{refused:?}");
        }
        assert!(origins.allow(None, None));
    }

    #[test]
    fn what_is_no_origin_is_not_configured() {
        for wrong in [
            "*",
            "example.com",
            "https://",
            "https://*",
            "https://*.com*",
            "https://a/b",
            "https://*.localhost",
            "https://play.example.com/",
            "https://play.example.com:",
            "https://play.example.com:+443",
            "capacitor://",
            "1app://localhost",
            "my app://localhost",
            "://localhost",
        ] {
            let error = wrong.parse::<Pattern>().unwrap_err();
            assert_eq!(error, InvalidOrigin::Malformed(wrong.to_owned()));
        }
        assert_eq!("null".parse::<Pattern>(), Err(InvalidOrigin::Null));
        for (wrong, said) in [("file://", "files"), ("file:///game", "files"), ("wss://a.example", "https://")] {
            let error = wrong.parse::<Pattern>().unwrap_err().to_string();
            assert!(error.contains(wrong) && error.contains(said), "{error}");
        }
    }

    fn own(names: &[&str], is_development: bool) -> Origins {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let names = Names::of(&certificate::make(&names).unwrap().tls.certificates[0]);
        Origins { allowed: Allowed::Listed(Vec::new()), own: Own { public: None, names, is_development } }
    }

    #[test]
    fn the_own_origin_is_one_that_the_certificate_names() {
        let origins = own(&["play.example.com", "*.games.example", "192.0.2.1"], false);
        for (origin, authority) in [
            ("https://play.example.com", "play.example.com"),
            ("https://play.example.com", "PLAY.example.com.:443"),
            ("https://play.example.com.", "play.example.com"),
            ("https://play.example.com:7350", "play.example.com:7350"),
            ("https://one.games.example:7350", "one.games.example:7350"),
            ("https://192.0.2.1:7350", "192.0.2.1:7350"),
        ] {
            assert!(origins.allow(Some(origin), Some(authority)), "{origin} at {authority}");
        }
        for (origin, authority) in [
            // A name that was made to point here.
            ("https://evil.test:7350", "evil.test:7350"),
            ("https://evil.test:7350", "play.example.com:7350"),
            ("https://play.example.com:7350", "evil.test:7350"),
            ("https://a.b.games.example", "a.b.games.example"),
            ("https://games.example", "games.example"),
            // Other servers of the same machine, and pages that anyone on the way may have written.
            ("https://play.example.com", "play.example.com:7350"),
            ("https://play.example.com:7351", "play.example.com:7350"),
            ("http://play.example.com:7350", "play.example.com:7350"),
            ("capacitor://play.example.com", "play.example.com"),
            ("https://localhost:7350", "localhost:7350"),
            ("https://192.0.2.2", "192.0.2.2"),
            ("null", "play.example.com"),
            ("https://play.example.com", "two words"),
            ("https://play.example.com", ""),
        ] {
            assert!(!origins.allow(Some(origin), Some(authority)), "{origin} at {authority}");
        }
        assert!(!origins.allow(Some("https://play.example.com"), None));
    }

    #[test]
    fn the_own_origin_in_development_is_this_machine_s() {
        let origins = own(&["localhost"], true);
        for (origin, authority, is_own) in [
            ("http://localhost:7350", "localhost:7350", true),
            ("http://localhost:7350", "127.0.0.1:7350", true),
            ("http://[::1]:7350", "[::1]:7350", true),
            ("http://localhost", "localhost", true),
            ("http://localhost:5173", "localhost:7350", false),
            ("https://localhost:7350", "localhost:7350", false),
            ("http://evil.test:7350", "evil.test:7350", false),
            ("http://evil.test:7350", "localhost:7350", false),
            ("http://localhost:7350", "evil.test:7350", false),
        ] {
            assert_eq!(origins.allow(Some(origin), Some(authority)), is_own, "{origin} at {authority}");
        }
    }

    #[test]
    fn the_own_origin_is_the_configured_one_whatever_was_asked_for() {
        let mut origins = own(&["inside"], false);
        origins.own.public = Origin::parse("https://play.example.com");
        for authority in [None, Some("127.0.0.1:7350"), Some("evil.test")] {
            assert!(origins.allow(Some("https://PLAY.example.com:443"), authority), "{authority:?}");
            assert!(!origins.allow(Some("https://play.example.com:8443"), authority), "{authority:?}");
            assert!(!origins.allow(Some("http://play.example.com"), authority), "{authority:?}");
        }
    }
}
