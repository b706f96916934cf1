//! Why nothing could be measured, in a sentence for the person who asked.

use std::fmt;
use std::io;

/// What ended a run before its figures were complete.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The plan or an option makes no sense; nothing was started.
    #[error("{0}")]
    Usage(String),
    /// The server could not be reached, refused, closed or died, or this machine lacks what the plan needs.
    #[error("{0}")]
    Failed(String),
}

impl BenchError {
    /// A run that failed, in one sentence without a full stop.
    pub fn failed(sentence: impl fmt::Display) -> Self {
        Self::Failed(sentence.to_string())
    }

    /// A plan that makes no sense, in one sentence without a full stop.
    pub fn usage(sentence: impl fmt::Display) -> Self {
        Self::Usage(sentence.to_string())
    }
}

impl From<io::Error> for BenchError {
    fn from(error: io::Error) -> Self {
        Self::failed(error)
    }
}
