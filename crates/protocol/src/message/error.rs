//! The body of a failure.

use serde::{Deserialize, Serialize};

use crate::code::ErrorCode;
use crate::json::Json;

/// Why a request failed: `error` of a `_result`, or of a bare `error` message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, bincode::Encode, bincode::Decode, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ErrorBody {
    /// What a program acts on.
    pub code: ErrorCode,
    /// A sentence for a person.
    pub message: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// More for a program, such as the `room_id` that was refused or the `type` that was not understood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Json>,
}

impl ErrorBody {
    /// A failure with the code's own idea of whether retrying helps.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retryable: code.retryable(), details: None }
    }

    /// Adds details; see [`ErrorBody::details`].
    #[must_use]
    pub fn with_details<T: Serialize + ?Sized>(self, details: &T) -> Self {
        Self { details: Json::new(details).ok(), ..self }
    }
}
