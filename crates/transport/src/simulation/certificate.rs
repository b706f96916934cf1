//! A server's certificate that is the same in every run.

use std::net::IpAddr;

use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::tls::ServerTls;

/// An Ed25519 key in PKCS #8 (RFC 8410) up to the key's own 32 bytes.
const PKCS8_HEAD: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// Known to everyone, and good for nothing but simulations.
const KEY: [u8; 32] = *b"a simulated server's private key";

/// A certificate for these hosts, to be given to a listener, and what a dialer trusts it by:
/// [`Trust::Roots`](crate::Trust::Roots). The same bytes whenever it is made, since their number matters to what
/// QUIC sends. Its key is public; use it nowhere else.
///
/// # Panics
/// Never: everything that could fail is constant.
#[must_use]
pub fn certificate(hosts: &[IpAddr]) -> (ServerTls, CertificateDer<'static>) {
    let key = [&PKCS8_HEAD[..], &KEY].concat();
    let key = PrivatePkcs8KeyDer::from(key);
    let signer = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ED25519).expect("the key is one");
    let mut params = CertificateParams::default();
    params.subject_alt_names = hosts.iter().copied().map(SanType::IpAddress).collect();
    let certificate = params.self_signed(&signer).expect("the parameters can be written");
    let certificate = certificate.der().clone();
    (ServerTls { certificates: vec![certificate.clone()], key: PrivateKeyDer::Pkcs8(key) }, certificate)
}
