//! Why a write was not committed, which decides what is done about it.

use std::io;

use rusqlite::ErrorCode;

/// Why a transaction failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// What is to be written cannot be, on any medium. The same again would fail again.
    #[error("it cannot be stored: {0}")]
    Content(String),
    /// It is a turn of a room that is not stored. Nothing is behind it that would be wrong without it.
    #[error("a turn of a room that is not stored")]
    NoRoom,
    /// The medium cannot do it just now. The same is to be tried again, however often.
    #[error("{0}")]
    Medium(String),
    /// Somebody else has opened the store since.
    #[error("another process has opened the store")]
    Fenced,
}

impl Fault {
    pub(super) fn medium(why: impl ToString) -> Self {
        Self::Medium(why.to_string())
    }
}

impl From<rusqlite::Error> for Fault {
    /// Whatever is not known to be the content's fault is the medium's: then nothing is given up that could still be stored.
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch) => {
                Self::Content(error.to_string())
            }
            None if matches!(error, rusqlite::Error::ToSqlConversionFailure(_)) => Self::Content(error.to_string()),
            _ => Self::Medium(error.to_string()),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Medium(error.to_string())
    }
}
