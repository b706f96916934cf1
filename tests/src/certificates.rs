//! Certificates of any age.

use std::ops::Range;
use std::path::Path;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

/// The years for which a certificate is valid, from the first day of each.
pub type Years = Range<i32>;

/// Good for every test.
pub const GOOD: Years = 2020..2099;
/// It has expired.
pub const EXPIRED: Years = 2020..2021;
/// It is not valid yet.
pub const NOT_YET_VALID: Years = 2098..2099;

/// Writes `certificate.pem` and `key.pem` into a folder.
///
/// # Panics
/// If that cannot be done.
pub fn write(folder: &Path, valid: Years) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = date_time_ymd(valid.start, 1, 1);
    params.not_after = date_time_ymd(valid.end, 1, 1);
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("certificate.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
}
