//! A server's certificate, the TLS configurations made of it, and TLS over TCP. One crypto provider everywhere: aws-lc-rs.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, server};

use crate::metered::Metered;

/// How much TLS holds that the socket does not take: one TLS record. What it holds cannot be replaced any more, and
/// nobody shares it.
pub(crate) const BUFFER_BYTES_MAX: usize = 16 << 10;

/// A server's end of TLS over a byte stream, of which [`websocket::accept_tls`](crate::websocket::accept_tls) makes a
/// connection.
///
/// # Errors
/// If the handshake fails.
pub async fn accept<S>(acceptor: &TlsAcceptor, stream: S) -> io::Result<server::TlsStream<Metered<S>>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    acceptor.accept_with(Metered::new(stream), |tls| tls.set_buffer_limit(Some(BUFFER_BYTES_MAX))).await
}

/// What a server proves its name with.
pub struct ServerTls {
    /// The server's certificate first, then those that lead to a root.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The private key of the first.
    pub key: PrivateKeyDer<'static>,
}

impl ServerTls {
    /// A configuration for TCP: TLS 1.2 and 1.3, and HTTP/1.1 only, since WebSocket needs it.
    ///
    /// # Errors
    /// If the key is of no known kind, or not the certificate's.
    pub fn tcp_config(&self) -> Result<Arc<rustls::ServerConfig>, rustls::Error> {
        self.config(&[&rustls::version::TLS13, &rustls::version::TLS12], &[b"http/1.1"]).map(Arc::new)
    }

    pub(crate) fn config(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
        alpn: &[&[u8]],
    ) -> Result<rustls::ServerConfig, rustls::Error> {
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)?
            .with_no_client_auth()
            .with_single_cert(self.certificates.clone(), self.key.clone_key())?;
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        // Early data can be replayed by whoever saw it.
        config.max_early_data_size = 0;
        Ok(config)
    }
}

impl Clone for ServerTls {
    fn clone(&self) -> Self {
        Self { certificates: self.certificates.clone(), key: self.key.clone_key() }
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("certificates", &self.certificates.len()).finish_non_exhaustive()
    }
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
