//! The section `store`: whether what rooms and sessions are outlives the process, where, and with which key resume tokens are
//! signed. How it is stored is not known here.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::Problems;

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

    pub(crate) fn check(&self, problems: &mut Problems) {
        if self.kind == StoreKind::Sqlite && self.path.as_ref().is_none_or(|path| path.as_os_str().is_empty()) {
            problems.add(
                "store.path",
                "must name a folder to keep the data in, such as \"/var/lib/anteroom\"; --data DIR names one, too",
            );
        }
    }
}
