//! What a running server goes by and never changes: taken from its configuration once, and from where it has come to listen.
//!
//! What the rooms and the sessions go by is not here: they have it themselves.

mod connection;
mod http;
mod public_url;

use std::net::SocketAddr;

use crate::certificate::TcpTls;
use crate::listen::reachable;
use crate::mode::Mode;
pub(crate) use connection::ConnectionLimits;
pub(crate) use http::HttpLimits;
pub(crate) use public_url::PublicUrl;

/// See the module.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) mode: Mode,
    pub(crate) local_addr: SocketAddr,
    /// The same for UDP.
    pub(crate) udp_addr: SocketAddr,
    /// Where to listen for UDP is configured apart; the port may be 0.
    pub(crate) own_udp: Option<SocketAddr>,
    /// Where players reach the server, if that is configured.
    pub(crate) public: Option<PublicUrl>,
    pub(crate) tcp_tls: TcpTls,
    /// Whether the certificate is one that the server has made.
    pub(crate) makes_certificates: bool,
    pub(crate) demo: bool,
    /// Where the data is, in words.
    pub(crate) data: String,
    pub(crate) connection: ConnectionLimits,
    pub(crate) http: HttpLimits,
}

impl Settings {
    /// Whether nobody but this machine reaches the server.
    pub(crate) fn is_local(&self) -> bool {
        self.mode.is_development() && !self.mode.is_on_network()
    }

    /// Where players find the page, as far as that is known.
    pub(crate) fn page(&self) -> String {
        if let Some(public) = &self.public {
            return public.page();
        }
        let has_tls = !self.mode.is_development() && self.tcp_tls == TcpTls::On;
        format!("{}://{}/", if has_tls { "https" } else { "http" }, reachable(self.local_addr))
    }

    /// The path in front of all of the server's; empty if there is none.
    pub(crate) fn prefix(&self) -> &str {
        self.public.as_ref().map_or("", |public| &public.prefix)
    }
}
