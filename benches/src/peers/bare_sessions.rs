//! A WebTransport server with nothing on top: the library as it comes, sessions accepted and kept.

use anyhow::Result;
use wtransport::endpoint::IncomingSession;
use wtransport::tls::{Certificate, CertificateChain, PrivateKey, Sha256DigestFmt};
use wtransport::{Endpoint, ServerConfig};

use super::identity::Identity;

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

fn identity() -> Result<wtransport::Identity> {
    let Identity { certificate, key } = Identity::new()?;
    let chain = CertificateChain::single(Certificate::from_der(certificate)?);
    Ok(wtransport::Identity::new(chain, PrivateKey::from_der_pkcs8(key)))
}
