//! What came into a room in a turn, as a person is told.

use anteroom_protocol::{Json, UserId};
use serde::Serialize;

/// Something that happened: a join, a request, an action.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// What: `join`, `leave`, `disconnect`, `reconnect`, `expire`, `erase`, `reserve`, `set_data`, `close`; else the `type` of an
    /// action or a request.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whose it is, if it is anybody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// What came with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Json>,
}
