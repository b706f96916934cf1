//! The section `tls`: which certificate the server has, and what speaks TLS.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{ConfigError, Problems};

/// The server's certificate. Needed to serve; in development one is made on the spot.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// A PEM file: the server's certificate first, then those that lead to a root.
    pub certificate: Option<PathBuf>,
    /// A PEM file: the private key of the first.
    pub key: Option<PathBuf>,
    /// Whether TCP speaks TLS; `off` behind a proxy that does. QUIC always does.
    pub tcp: TcpTls,
}

/// Whether TCP speaks TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TcpTls {
    /// It does.
    #[default]
    On,
    /// Something in front of the server does.
    Off,
}

impl Tls {
    /// Whether the certificate is one that the server makes for itself.
    pub(crate) fn is_made(&self) -> bool {
        self.certificate.is_none()
    }

    pub(crate) fn check(&self, problems: &mut Problems) {
        if self.certificate.is_some() != self.key.is_some() {
            problems.add("tls", "needs both `certificate` and `key`, or neither");
        }
    }

    /// What serving in public needs and is not there.
    pub(crate) fn missing_in_production(&self) -> Option<ConfigError> {
        let sentence =
            "serving needs a certificate: set tls.certificate and tls.key (`anteroom cert` makes a pair to try out)";
        (self.certificate.is_none() && self.key.is_none()).then_some(ConfigError::Missing(sentence))
    }
}
