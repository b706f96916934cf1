//! The three ways on which readers stall: each with buffers, and bounds of its own, between a server and a client.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use anteroom_protocol::{Codec, WEBSOCKET_PATH};
use anteroom_transport::{Connection, Dialer, Trust};
use anyhow::{Context, Result};
use clap::ValueEnum;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::quic;

/// How many connections share sockets of UDP.
const PER_DIALER: usize = 50;

/// What a session's connection runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Carrier {
    /// WebSocket.
    Ws,
    /// WebSocket with TLS.
    Wss,
    /// QUIC.
    Quic,
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ws => "WebSocket",
            Self::Wss => "WebSocket, TLS",
            Self::Quic => "QUIC",
        })
    }
}

/// A server as it is reached over one carrier.
#[derive(Debug)]
pub(crate) struct Reach {
    pub(crate) carrier: Carrier,
    addr: SocketAddr,
    dialers: Vec<Dialer>,
}

impl Reach {
    /// Enough for so many connections. `certificate` is the server's, in PEM, where TLS on TCP is to be believed.
    pub(crate) fn new(carrier: Carrier, addr: SocketAddr, certificate: Option<&Path>, count: usize) -> Result<Self> {
        let trust = match carrier {
            Carrier::Ws => Trust::CertificateHashes(Vec::new()),
            Carrier::Wss => {
                let path = certificate.context("nobody knows the certificate")?;
                Trust::Roots(vec![CertificateDer::from_pem_file(path)?])
            }
            Carrier::Quic => Trust::CertificateHashes(quic::hashes(addr)?),
        };
        Ok(Self { carrier, addr, dialers: quic::trusting(&trust, count.div_ceil(PER_DIALER)) })
    }

    /// Connects the how manieth session.
    pub(crate) async fn dial(&self, place: usize) -> Result<Connection> {
        let (dialer, address) = (&self.dialers[place / PER_DIALER % self.dialers.len()], quic::address(self.addr));
        Ok(match self.carrier {
            Carrier::Ws => dialer.websocket(&format!("ws://{address}{WEBSOCKET_PATH}"), Codec::Json).await?,
            Carrier::Wss => dialer.websocket(&format!("wss://{address}{WEBSOCKET_PATH}"), Codec::Json).await?,
            Carrier::Quic => dialer.quic(&address).await?,
        })
    }
}
