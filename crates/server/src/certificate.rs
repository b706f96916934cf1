//! Certificates: made on the spot for development, read from files to serve, and their hashes for browsers.
//!
//! A browser accepts a certificate that no authority has signed if the page knows its hash, it has a P-256 key, and
//! it is valid for at most 14 days (W3C WebTransport, section 6.1.1).

mod names;
mod section;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anteroom_transport::ServerTls;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Serialize;
use x509_parser::time::ASN1Time;

use crate::error::{ConfigError, StartError};

pub(crate) use names::Names;
pub use section::{TcpTls, Tls};

/// How long a self-made certificate is valid: a day less than browsers accept.
pub const VALIDITY: Duration = Duration::from_secs(13 * 24 * 3600);
/// Clocks of other machines may be behind ours by this much.
const BACKDATED: Duration = Duration::from_secs(3600);

/// A certificate with its key, and what is published of it.
#[derive(Debug)]
pub struct Certificate {
    /// What the listeners use.
    pub tls: ServerTls,
    /// What browsers need to trust it by its hash; none for one that an authority has signed.
    pub pinned: Option<PinnedHash>,
    /// The certificate and the key in PEM, if it was made here.
    pub pem: Option<(String, String)>,
}

/// One entry of `GET /api/certificate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PinnedHash {
    /// Always `sha-256`.
    pub algorithm: &'static str,
    /// The hash of the certificate in DER, in base64.
    pub value: String,
    /// When it stops being valid, in milliseconds since the Unix epoch.
    pub not_after_ms: u64,
    /// The hash itself.
    #[serde(skip)]
    pub hash: [u8; 32],
}

/// A certificate could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a certificate: {0}")]
pub struct MakeError(String);

impl PinnedHash {
    /// Whether it is time for another certificate: half of this one's is over. Or the clock was set back so far that
    /// this one is not valid yet.
    #[must_use]
    pub fn is_due(&self, now: SystemTime) -> bool {
        let not_after = UNIX_EPOCH + Duration::from_millis(self.not_after_ms);
        let left = not_after.duration_since(now).unwrap_or_default();
        left < VALIDITY / 2 || left > VALIDITY
    }
}

/// Makes a self-signed P-256 certificate for these host names and addresses, valid from an hour ago for
/// [`VALIDITY`].
///
/// # Errors
/// [`MakeError`] if a name is not one.
pub fn make(names: &[String]) -> Result<Certificate, MakeError> {
    let failed = |error: &dyn std::fmt::Display| MakeError(error.to_string());
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| failed(&error))?;
    let mut params = CertificateParams::new(Vec::new()).map_err(|error| failed(&error))?;
    let is_host =
        |name: &str| name.parse::<std::net::IpAddr>().is_ok() || is_host_name(name.strip_prefix("*.").unwrap_or(name));
    if let Some(name) = names.iter().find(|name| !is_host(name)) {
        return Err(MakeError(format!("{name:?} is no host name and no address")));
    }
    params.subject_alt_names = names
        .iter()
        .map(|name| match name.parse() {
            Ok(address) => Ok(SanType::IpAddress(address)),
            Err(_) => name.as_str().try_into().map(SanType::DnsName),
        })
        .collect::<Result<_, rcgen::Error>>()
        .map_err(|error| failed(&error))?;
    params.distinguished_name.push(DnType::CommonName, "Anteroom");
    let start = SystemTime::now() - BACKDATED;
    params.not_before = start.into();
    params.not_after = (start + VALIDITY).into();
    let certificate = params.self_signed(&key).map_err(|error| failed(&error))?;
    let key_der = PrivateKeyDer::try_from(key.serialize_der()).map_err(|error| failed(&error))?;
    Ok(Certificate {
        pinned: Some(pinned(certificate.der(), start + VALIDITY)),
        pem: Some((certificate.pem(), key.serialize_pem())),
        tls: ServerTls { certificates: vec![certificate.der().clone()], key: key_der },
    })
}

/// Labels of letters, digits and hyphens (RFC 1123, section 2.1).
pub(crate) fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

fn pinned(certificate: &CertificateDer<'_>, not_after: SystemTime) -> PinnedHash {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    let not_after = not_after.duration_since(UNIX_EPOCH).unwrap_or_default();
    PinnedHash {
        algorithm: "sha-256",
        value: STANDARD.encode(hash),
        not_after_ms: u64::try_from(not_after.as_millis()).unwrap_or(u64::MAX),
        hash,
    }
}

/// Reads a certificate chain and its key from PEM files.
///
/// # Errors
/// [`ConfigError::Unreadable`], if a file is missing or has nothing of the kind.
pub fn read(certificate: &Path, key: &Path) -> Result<Certificate, ConfigError> {
    let certificates = read_chain(certificate)?;
    let pinned = certificates.first().and_then(|first| Some(pinned(first, self_signed_until(first)?)));
    Ok(Certificate { tls: ServerTls { certificates, key: read_key(key)? }, pinned, pem: None })
}

/// Everything for which these files cannot be served with, not only the first.
pub(crate) fn problems(certificate: &Path, key: &Path) -> Vec<StartError> {
    match (read_chain(certificate), read_key(key)) {
        (Ok(certificates), Ok(key)) => {
            let usable = ServerTls { certificates, key }.tcp_config();
            usable.err().map(|error| StartError::Certificate(error.to_string())).into_iter().collect()
        }
        (chain, key) => chain.err().into_iter().chain(key.err()).map(StartError::Config).collect(),
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable("certificate", path, &error))?;
    match certificates.is_empty() {
        true => Err(unreadable("certificate", path, &"there is no certificate in it")),
        false => Ok(certificates),
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, ConfigError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| unreadable("private key", path, &error))
}

fn unreadable(what: &'static str, path: &Path, error: &dyn std::fmt::Display) -> ConfigError {
    let source = std::io::Error::other(error.to_string());
    ConfigError::Unreadable { what, path: PathBuf::from(path), source }
}

/// Why clients will not trust a certificate for its age: it has expired, or is not valid yet.
///
/// A server starts with one all the same, and says so: WebSocket may have another in front of it, and a clock may be wrong
/// until the network is there.
pub(crate) fn out_of_date(path: &Path) -> Option<String> {
    let chain = read_chain(path).ok()?;
    let (_, parsed) = x509_parser::parse_x509_certificate(chain.first()?).ok()?;
    let (validity, now) = (parsed.validity(), ASN1Time::now());
    let said = if now > validity.not_after {
        format!("has expired ({})", validity.not_after)
    } else if now < validity.not_before {
        format!("is not valid yet ({})", validity.not_before)
    } else {
        return None;
    };
    Some(format!("the certificate {} {said}; put a new one there", path.display()))
}

/// When a certificate expires, if a browser would accept it by its hash.
fn self_signed_until(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let validity = parsed.validity();
    let short = validity.not_after.timestamp() - validity.not_before.timestamp() <= 14 * 24 * 3600;
    let not_after = u64::try_from(validity.not_after.timestamp()).ok()?;
    (short && parsed.issuer() == parsed.subject()).then(|| UNIX_EPOCH + Duration::from_secs(not_after))
}

/// The hashes that browsers may trust, the current one first.
#[derive(Debug, Default)]
pub struct PublishedHashes(std::sync::RwLock<Arc<[PinnedHash]>>);

impl PublishedHashes {
    /// Puts a certificate's hash in front and forgets all but the one before it.
    pub fn publish(&self, pinned: Option<PinnedHash>) {
        let published: Result<(), std::convert::Infallible> = self.publish_with(pinned, || Ok(()));
        let Ok(()) = published;
    }

    /// The same while a certificate is put to use, unless that fails: nobody reads the hashes in between.
    ///
    /// # Errors
    /// What `use_it` says.
    pub fn publish_with<E>(&self, pinned: Option<PinnedHash>, use_it: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let mut hashes = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        use_it()?;
        *hashes = pinned.into_iter().chain(hashes.iter().take(1).cloned()).collect();
        Ok(())
    }

    /// The hashes now.
    #[must_use]
    pub fn current(&self) -> Arc<[PinnedHash]> {
        self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_certificate_is_one_that_browsers_accept_by_hash() {
        let made = make(&["localhost".into(), "127.0.0.1".into(), "::1".into()]).unwrap();
        let (_, parsed) = x509_parser::parse_x509_certificate(&made.tls.certificates[0]).unwrap();
        let days = (parsed.validity().not_after.timestamp() - parsed.validity().not_before.timestamp()) / (24 * 3600);
        assert_eq!(days, 13);
        assert!(parsed.validity().is_valid());
        assert_eq!(parsed.public_key().parsed().unwrap().key_size(), 256);
        let (certificate, key) = made.pem.unwrap();
        let folder = std::env::temp_dir().join(format!("anteroom-certificate-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("c.pem"), certificate).unwrap();
        std::fs::write(folder.join("k.pem"), key).unwrap();
        let read = read(&folder.join("c.pem"), &folder.join("k.pem")).unwrap();
        assert_eq!(read.pinned.map(|pinned| pinned.hash), made.pinned.map(|pinned| pinned.hash));
        let missing = super::read(&folder.join("none.pem"), &folder.join("k.pem")).unwrap_err().to_string();
        assert!(missing.contains("none.pem") && missing.contains("check the path"), "{missing}");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_no_host_gets_no_certificate() {
        for wrong in ["", "not a name", "a..b", "-_-", "*.*.example.com", &"x".repeat(64)] {
            assert!(make(&[wrong.to_owned()]).is_err(), "{wrong:?}");
        }
        assert!(make(&["*.play.example.com".into(), "10.0.0.1".into()]).is_ok());
    }

    #[test]
    fn the_newest_hash_is_published_first() {
        let hashes = PublishedHashes::default();
        let made: Vec<_> = (0..3).map(|_| make(&["localhost".into()]).unwrap().pinned.unwrap()).collect();
        for hash in &made {
            hashes.publish(Some(hash.clone()));
        }
        assert_eq!(*hashes.current(), [made[2].clone(), made[1].clone()]);
        let unused = hashes.publish_with(Some(made[0].clone()), || Err("it cannot be used"));
        assert_eq!(unused, Err("it cannot be used"));
        assert_eq!(*hashes.current(), [made[2].clone(), made[1].clone()]);
    }

    #[test]
    fn a_certificate_is_due_half_way_or_when_the_clock_was_set_back() {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        let pinned = make(&["localhost".into()]).unwrap().pinned.unwrap();
        let now = SystemTime::now();
        for (when, is_due) in [
            (now, false),
            (now + 6 * DAY, false),
            (now + 7 * DAY, true),
            (now + 30 * DAY, true),
            (now - DAY / 48, false),
            (now - DAY, true),
        ] {
            assert_eq!(pinned.is_due(when), is_due, "{when:?}");
        }
    }
}
