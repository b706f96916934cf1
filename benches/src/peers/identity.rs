//! A certificate made on the spot, for peers that encrypt.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Both in DER.
pub(super) struct Identity {
    pub(super) certificate: Vec<u8>,
    /// PKCS #8.
    pub(super) key: Vec<u8>,
}

impl Identity {
    /// Makes one for `localhost`.
    pub(super) fn new() -> Result<Self> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new(["localhost".to_owned()])?;
        let now = SystemTime::now();
        // A hash is trusted only of a certificate that is valid for two weeks at most.
        (params.not_before, params.not_after) = ((now - DAY).into(), (now + 10 * DAY).into());
        let certificate = params.self_signed(&key)?.der().to_vec();
        Ok(Self { certificate, key: key.serialize_der() })
    }
}
