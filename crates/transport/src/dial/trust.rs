//! Which servers a client believes.

use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::WantsClientCert;
use rustls::pki_types::CertificateDer;
use rustls::{ConfigBuilder, RootCertStore, SupportedProtocolVersion};
use wtransport::tls::Sha256Digest;
use wtransport::tls::client::ServerHashVerification;

use crate::tls::provider;

/// Which certificates a [`Dialer`](crate::Dialer) accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// Those that lead to a root of the operating system, for the name dialed.
    System,
    /// Those with one of these SHA-256 hashes of the whole certificate (DER), whatever the name: as browsers do with
    /// `serverCertificateHashes`, so they must be valid now, for at most 14 days in all, with a key on P-256.
    CertificateHashes(Vec<[u8; 32]>),
    /// Those that lead to one of these certificates, for the name dialed: a certificate authority of one's own, or
    /// the server's certificate itself if nobody else signed it. Those that cannot be read are left out.
    Roots(Vec<CertificateDer<'static>>),
}

/// What becomes of a [`Trust`]: TLS configurations for each use.
pub(super) struct ClientTls {
    verifier: Verifier,
}

enum Verifier {
    Roots(Arc<RootCertStore>),
    Hashes(Arc<ServerHashVerification>),
}

impl ClientTls {
    pub(super) fn new(trust: Trust) -> Self {
        let verifier = match trust {
            Trust::System => Verifier::Roots(Arc::new(system_roots())),
            Trust::Roots(certificates) => Verifier::Roots(Arc::new(own_roots(certificates))),
            Trust::CertificateHashes(hashes) => {
                Verifier::Hashes(Arc::new(hashes.into_iter().map(Sha256Digest::new).collect()))
            }
        };
        Self { verifier }
    }

    pub(super) fn config(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[u8],
    ) -> Result<ClientConfig, rustls::Error> {
        let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions)?;
        let builder: ConfigBuilder<ClientConfig, WantsClientCert> = match &self.verifier {
            Verifier::Roots(roots) => builder.with_root_certificates(roots.clone()),
            Verifier::Hashes(hashes) => builder.dangerous().with_custom_certificate_verifier(hashes.clone()),
        };
        let mut config = builder.with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        config.enable_early_data = false;
        Ok(config)
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").finish_non_exhaustive()
    }
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let loaded = rustls_native_certs::load_native_certs();
    for error in loaded.errors {
        tracing::debug!(%error, "a root certificate cannot be read");
    }
    let (_, ignored) = roots.add_parsable_certificates(loaded.certs);
    if roots.is_empty() {
        tracing::warn!(ignored, "this system has no usable root certificates; no server will be trusted");
    }
    roots
}

fn own_roots(certificates: Vec<CertificateDer<'static>>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let (_, ignored) = roots.add_parsable_certificates(certificates);
    if ignored > 0 || roots.is_empty() {
        tracing::warn!(ignored, usable = roots.len(), "not every root certificate given is usable");
    }
    roots
}
