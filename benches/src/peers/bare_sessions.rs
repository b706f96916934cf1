//! A WebTransport server with nothing on top: the library as it comes, sessions accepted and kept.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use wtransport::endpoint::IncomingSession;
use wtransport::tls::{Certificate, CertificateChain, PrivateKey, Sha256DigestFmt};
use wtransport::{Endpoint, Identity, ServerConfig};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Serves until it is killed.
pub(crate) fn main() -> Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve())
}

async fn serve() -> Result<()> {
    let address = "127.0.0.1:0".parse()?;
    let identity = identity()?;
    for certificate in identity.certificate_chain().as_slice() {
        println!("certificate {}", certificate.hash().fmt(Sha256DigestFmt::DottedHex));
    }
    let config = ServerConfig::builder().with_bind_address(address).with_identity(identity).build();
    let endpoint = Endpoint::server(config)?;
    println!("listening on {}", endpoint.local_addr()?);
    loop {
        let incoming = endpoint.accept().await;
        tokio::spawn(keep(incoming));
    }
}

async fn keep(incoming: IncomingSession) -> Result<()> {
    let session = incoming.await?.accept().await?;
    session.closed().await;
    Ok(())
}

fn identity() -> Result<Identity> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(["localhost".to_owned()])?;
    let now = SystemTime::now();
    // A hash is trusted only of a certificate that is valid for two weeks at most.
    (params.not_before, params.not_after) = ((now - DAY).into(), (now + 10 * DAY).into());
    let certificate = Certificate::from_der(params.self_signed(&key)?.der().to_vec())?;
    let key = PrivateKey::from_der_pkcs8(key.serialize_der());
    Ok(Identity::new(CertificateChain::single(certificate), key))
}
