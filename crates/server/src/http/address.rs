//! Under which address this server is reached: what is configured, else what it was asked for.
//!
//! The server sees its own end alone. Between it and a page there may be a balancer, a container with other port
//! numbers, or nothing; so its own address is worth nothing to others. The address that a page asked for has worked at
//! least once, and whatever maps the port of TCP is expected to map that of UDP alike.

use std::sync::Arc;

use axum::http::header::HOST;
use axum::http::{Method, Request, StatusCode, Version};
use axum::response::Response;

use super::plain;
use crate::certificate::TcpTls;
use crate::host::Host;
use crate::origin::default_port;
use crate::settings::Settings;

/// The host, and perhaps a port, that a request asks for. None if it is so old that it need not say.
#[derive(Debug, Clone)]
pub(super) struct Asked(Option<Arc<str>>);

impl Asked {
    /// What a request says, if it says it as RFC 9112, section 3.2, wants it.
    #[expect(clippy::result_large_err, reason = "a response is what the caller returns either way")]
    pub(super) fn of<B>(request: &Request<B>) -> Result<Self, Response> {
        let refused = |sentence| Err(plain(StatusCode::BAD_REQUEST, sentence));
        let mut named = request.headers().get_all(HOST).iter();
        let header = match (named.next(), named.next()) {
            (None, _) if request.version() <= Version::HTTP_10 => None,
            (Some(name), None) => Some(name.to_str().unwrap_or_default()),
            _ => return refused("A request has one Host header, which names the server that it is for."),
        };
        if header.is_some_and(|header| Host::parse(header).is_none()) {
            return refused("The Host header takes a host, and perhaps a port.");
        }
        // What stands in the target goes over the header.
        let target = request.uri();
        let is_target = match target.scheme_str() {
            None => target.authority().is_none() || request.method() == Method::CONNECT,
            Some(scheme) => default_port(scheme).is_some(),
        };
        let authority = target.authority().map(|authority| authority.as_str());
        if !is_target || authority.is_some_and(|authority| Host::parse(authority).is_none()) {
            return refused(
                "The target of a request takes a path, or an address that begins with http:// or https://.",
            );
        }
        Ok(Self(authority.or(header).map(Arc::from)))
    }

    pub(super) fn host(&self) -> Option<Host<'_>> {
        self.0.as_deref().and_then(Host::parse)
    }

    /// The same as it was written.
    pub(super) fn authority(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

/// Where WebTransport is for a page that came from this host. None where nothing tells.
pub(super) fn webtransport_origin(settings: &Settings, host: Option<Host<'_>>) -> Option<String> {
    if let Some(public) = &settings.public {
        // One that was picked on the spot is none that anybody outside could let through.
        let own = settings.own_udp.map(|own| own.port()).filter(|port| *port != 0);
        return Some(origin(public.host(), public.udp_port(own)));
    }
    let is_here = settings.is_local();
    let is_development = settings.mode.is_development();
    let has_proxy = !is_development && settings.tcp_tls == TcpTls::Off;
    let name = match host {
        None if is_here => "localhost".to_owned(),
        // The proxy has asked for this machine by a name of its own, which is no address for a page.
        Some(host) if has_proxy && host.is_loopback() => return None,
        None => return None,
        Some(host) => host.name.to_ascii_lowercase(),
    };
    let port = match host.and_then(|host| host.port) {
        // The page is on this machine, where the socket is, even if something local passes TCP on.
        _ if is_here => settings.udp_addr.port(),
        // A number of its own has nothing to do with the one that TCP is reached by.
        _ if settings.own_udp.is_some() => settings.udp_addr.port(),
        Some(port) => port,
        // The page came by the usual number, which is that of TLS unless this is known to have none.
        None => default_port(if is_development { "http" } else { "https" }).unwrap_or_default(),
    };
    // There is no socket on ::1, which is what `localhost` may mean to a browser.
    let name = if name == "localhost" && settings.udp_addr.is_ipv4() { "127.0.0.1" } else { &name };
    Some(origin(name, port))
}

fn origin(host: &str, port: u16) -> String {
    if port == 443 { format!("https://{host}") } else { format!("https://{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use anteroom_core::game::Registry;

    use super::*;
    use crate::app::Server;
    use crate::config::Config;

    /// What a proxy in front does with TCP says nothing about UDP, which goes past it.
    #[tokio::test]
    async fn udp_of_its_own_is_reached_under_its_own_port_unless_another_is_written() {
        for (public_url, listen_udp, origin) in [
            ("https://play.example.com", "0.0.0.0:7350", "https://play.example.com:7350"),
            ("https://play.example.com:443", "0.0.0.0:7350", "https://play.example.com"),
            ("https://play.example.com:8443", "0.0.0.0:7350", "https://play.example.com:8443"),
            ("https://play.example.com", "0.0.0.0:0", "https://play.example.com"),
        ] {
            let config = Config {
                public_url: Some(public_url.into()),
                listen_udp: Some(listen_udp.into()),
                ..Config::default()
            };
            let settings = Server::simulate(config, Registry::new(), 1).unwrap().parts.settings;
            let host = Host::parse("inside:80");
            assert_eq!(webtransport_origin(&settings, host).as_deref(), Some(origin), "{public_url} {listen_udp}");
        }
    }
}
