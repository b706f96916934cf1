//! The section `store`: whether what rooms and sessions are outlives the process, where, and with which key resume tokens are
//! signed. How it is stored is not known here.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::key;
use crate::error::{ConfigError, Problems, StartError};
use crate::secret;

/// Where what outlives the process is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSection {
    /// What keeps it.
    pub kind: StoreKind,
    /// The folder that it is in. Needed unless nothing is kept.
    pub path: Option<PathBuf>,
    /// A file with the key that signs resume tokens, instead of the one that is made in the folder: at least 32 bytes of text.
    pub resume_key_file: Option<PathBuf>,
}

/// What keeps what outlives the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// Nothing: rooms and sessions end with the server.
    #[default]
    Memory,
    /// A database in a folder: rooms and sessions come back when the server starts again.
    Sqlite,
}

impl StoreSection {
    /// A database in this folder.
    pub(crate) fn in_folder(path: impl Into<PathBuf>) -> Self {
        Self { kind: StoreKind::Sqlite, path: Some(path.into()), resume_key_file: None }
    }

    /// The folder that everything is in, if anything is kept.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.path.as_deref().filter(|path| self.kind == StoreKind::Sqlite && !path.as_os_str().is_empty())
    }

    /// The key that signs resume tokens, if it is configured.
    ///
    /// # Errors
    /// [`ConfigError`] if the file cannot be read, or holds none.
    pub(crate) fn resume_key(&self) -> Result<Option<Vec<u8>>, ConfigError> {
        let read = |path: &PathBuf| secret::read(path, "resume key", "store.resume_key_file");
        self.resume_key_file.as_ref().map(read).transpose()
    }

    /// The same, or one that nobody else ever has.
    ///
    /// # Errors
    /// The same.
    pub(crate) fn resume_key_or_random(&self) -> Result<Vec<u8>, ConfigError> {
        Ok(self.resume_key()?.unwrap_or_else(key::random))
    }

    /// What is wrong with the keys that are there.
    pub(crate) fn key_problems(&self) -> Option<StartError> {
        if self.resume_key_file.is_some() {
            return self.resume_key().err().map(StartError::Config);
        }
        let folder = self.path.as_ref().filter(|_| self.kind == StoreKind::Sqlite)?;
        key::read(folder).err().map(|error| StartError::Store(error.to_string()))
    }

    pub(crate) fn check(&self, problems: &mut Problems) {
        if self.kind == StoreKind::Sqlite && self.path.as_ref().is_none_or(|path| path.as_os_str().is_empty()) {
            problems.add(
                "store.path",
                "must name a folder to keep the data in, such as \"/var/lib/anteroom\"; --data DIR names one, too",
            );
        }
    }
}
