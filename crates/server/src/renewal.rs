//! Certificates made on the spot, and made anew while the server runs: browsers accept one by its hash for two weeks.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anteroom_transport::quic::Listener;

use crate::certificate::{self, Certificate, PublishedHashes};
use crate::error::StartError;

/// How often the clock is read. A timer for the whole time would stand still while the machine sleeps.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(60);

/// A certificate for this machine, and for the address that is listened on.
pub(crate) fn made(listen: SocketAddr) -> Result<Certificate, StartError> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if !listen.ip().is_loopback() && !listen.ip().is_unspecified() {
        names.push(listen.ip().to_string());
    }
    certificate::make(&names).map_err(|error| StartError::Certificate(error.to_string()))
}

/// Uses a new certificate for handshakes from now on. The hash before is published beside its own, so that whoever
/// has read the hashes just now knows what to do with either answer.
pub(crate) fn renew(listen: SocketAddr, hashes: &PublishedHashes, quic: &Listener) -> Result<(), StartError> {
    let Certificate { tls, pinned, .. } = made(listen)?;
    let used = hashes.publish_with(pinned, || quic.replace_certificate(tls));
    used.map_err(|error| StartError::Certificate(error.to_string()))
}

/// Renews the certificate half-way through its time, for as long as the server runs.
pub(crate) async fn run(listen: SocketAddr, hashes: Arc<PublishedHashes>, quic: Arc<Listener>) -> Infallible {
    loop {
        tokio::time::sleep(LOOKED_AT_EVERY).await;
        let is_due = hashes.current().first().is_none_or(|pinned| pinned.is_due(SystemTime::now()));
        if !is_due {
            continue;
        }
        match renew(listen, &hashes, &quic) {
            Ok(()) => tracing::info!("certificate renewed"),
            Err(error) => tracing::error!(%error, "the certificate cannot be renewed"),
        }
    }
}
