//! The section `auth`: with which key tokens are signed, and whether guests are welcome.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{ConfigError, Problems};
use crate::secret;

/// Who may come in.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// The secret that tokens are signed with (JWT, HS256): at least 32 bytes.
    pub token_key: Option<String>,
    /// A file with that secret, instead: its text as it stands, without the white space around it.
    pub token_key_file: Option<PathBuf>,
    /// Whether players without a token may come in as guests.
    pub guests: bool,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let token_key = self.token_key.as_ref().map(|_| "(secret)");
        f.debug_struct("Auth")
            .field("token_key", &token_key)
            .field("token_key_file", &self.token_key_file)
            .field("guests", &self.guests)
            .finish()
    }
}

impl Auth {
    pub(crate) fn check(&self, problems: &mut Problems) {
        if self.token_key.is_some() && self.token_key_file.is_some() {
            problems.add("auth", "takes `token_key` or `token_key_file`, not both");
        }
        if self.token_key.as_ref().is_some_and(|key| key.len() < secret::BYTES_MIN) {
            problems.add("auth.token_key", "must be at least 32 bytes: `openssl rand -base64 32` makes one");
        }
    }

    /// What serving in public needs and is not there.
    pub(crate) fn missing_in_production(&self) -> Option<ConfigError> {
        let sentence =
            "serving needs a key to check tokens with: set auth.token_key_file (`openssl rand -base64 32` makes a key)";
        (self.token_key.is_none() && self.token_key_file.is_none()).then_some(ConfigError::Missing(sentence))
    }

    /// The secret that tokens are signed with.
    ///
    /// # Errors
    /// [`ConfigError`] if the file with it cannot be read, or it is too short.
    pub fn token_key(&self) -> Result<Option<Vec<u8>>, ConfigError> {
        let Some(path) = &self.token_key_file else {
            return Ok(self.token_key.clone().map(String::into_bytes));
        };
        secret::read(path, "token key", "auth.token_key_file").map(Some)
    }
}
