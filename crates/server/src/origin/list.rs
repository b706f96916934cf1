//! The section `origins`: which pages of others may connect.

use serde::{Deserialize, Serialize};

use super::{Allowed, Pattern};
use crate::error::{ConfigError, Problems};
use crate::mode::Mode;

/// Which web pages may connect. Native clients send no origin and are not concerned.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OriginList {
    /// Origins such as `https://play.example.com`, or `https://*.example.com` for subdomains.
    pub allowed: Vec<String>,
}

impl OriginList {
    pub(crate) fn check(&self, problems: &mut Problems) {
        for origin in &self.allowed {
            if let Err(error) = origin.parse::<Pattern>() {
                problems.add("origins.allowed", error.to_string());
            }
        }
    }

    /// Who may connect to a server that runs like this. Those of a development server need not be listed.
    pub(crate) fn allowed(&self, mode: Mode) -> Result<Allowed, ConfigError> {
        if self.allowed.is_empty() {
            match mode {
                Mode::Development { on_network: true } => return Ok(Allowed::Any),
                Mode::Development { on_network: false } => return Ok(Allowed::Loopback),
                Mode::Production => {}
            }
        }
        let patterns = self.allowed.iter().map(|origin| origin.parse()).collect::<Result<_, _>>();
        let invalid =
            |error: super::InvalidOrigin| ConfigError::Invalid { key: "origins.allowed", why: error.to_string() };
        Ok(Allowed::Listed(patterns.map_err(invalid)?))
    }
}
