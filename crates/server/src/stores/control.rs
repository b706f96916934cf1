//! What an operator asks of a store: checked, backed up, compacted, and one user exported or erased. Through the running server,
//! whose store it is, by a socket in the folder; the program that asks is `anteroom store`.
//!
//! A question is a line of JSON, and so is its answer. One question at a time: none of them is urgent, and each may read
//! everything. What answers is not known here.

#[cfg(unix)]
mod asking;
#[cfg(unix)]
mod listening;

use std::fmt;
use std::path::PathBuf;

use anteroom_protocol::UserId;
use serde::{Deserialize, Serialize};

use super::Later;
#[cfg(unix)]
pub(crate) use asking::ask;
#[cfg(unix)]
pub(crate) use listening::Control;

/// The socket's name in the folder.
#[cfg(unix)]
const SOCKET: &str = "control";
/// How long the path of a socket may be: Linux has room for 107 bytes, macOS for 103.
#[cfg(unix)]
const PATH_BYTES_MAX: usize = 100;
/// How long a question may be, in bytes: it holds one path.
#[cfg(unix)]
const QUESTION_BYTES_MAX: u64 = 16 << 10;
/// How long an answer may be, in bytes.
#[cfg(unix)]
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Question {
    /// Is everything that is stored what was written?
    Check,
    /// Put a copy of everything into a file that is not there yet.
    Backup {
        /// Absolute: the server was started elsewhere.
        to: PathBuf,
    },
    /// Give back the space of what was deleted.
    Vacuum,
    /// What is stored of a user?
    Export {
        /// Who.
        user: UserId,
    },
    /// Forget a user, wherever they are.
    Erase {
        /// Who.
        user: UserId,
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) struct Answer {
    /// Whether all is well.
    pub(crate) is_good: bool,
    /// For stdout, as it stands.
    pub(crate) words: String,
}

impl Answer {
    pub(crate) fn good(words: impl Into<String>) -> Self {
        Self { is_good: true, words: words.into() }
    }
}

/// What answers: a store alone, or the server that has it. Why something could not be done is a sentence.
pub(crate) trait Operations: fmt::Debug + Send + Sync {
    /// Looks at everything that is stored. Damage is an answer, and no failure.
    fn check(&self) -> Later<'_, Result<Answer, String>>;

    /// Puts a copy of everything into a file that is not there yet.
    fn backup(&self, to: PathBuf) -> Later<'_, Result<Answer, String>>;

    /// Gives back the space of what was deleted.
    fn vacuum(&self) -> Later<'_, Result<Answer, String>>;

    /// Everything that is stored of a user, as JSON.
    fn export(&self, user: UserId) -> Later<'_, Result<Answer, String>>;

    /// Forgets a user: when it is answered, no byte of their id and name is stored.
    fn erase(&self, user: UserId) -> Later<'_, Result<Answer, String>>;
}

impl Question {
    /// What is asked, without of whom.
    #[cfg(unix)]
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Backup { .. } => "backup",
            Self::Vacuum => "vacuum",
            Self::Export { .. } => "export",
            Self::Erase { .. } => "erase",
        }
    }

    /// Asks whoever answers.
    pub(crate) async fn put(self, operations: &dyn Operations) -> Result<Answer, String> {
        match self {
            Self::Check => operations.check().await,
            Self::Backup { to } => operations.backup(to).await,
            Self::Vacuum => operations.vacuum().await,
            Self::Export { user } => operations.export(user).await,
            Self::Erase { user } => operations.erase(user).await,
        }
    }
}
