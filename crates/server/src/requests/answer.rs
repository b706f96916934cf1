//! What the session answers itself, on the control lane.

use anteroom_protocol::code::floor_char_boundary;
use anteroom_protocol::codec::InvalidData;
use anteroom_protocol::envelope::{Empty, Ref};
use anteroom_protocol::limits::TYPE_BYTES_MAX;
use anteroom_protocol::{Batch, Codec, ErrorBody, ErrorCode, Header};
use serde::Serialize;

use super::Stop;

/// What the type of an answer ends in.
const RESULT: &str = "_result";

/// The most bytes of a room's id that are told again: no room has so long a one.
const ROOM_ID_BYTES_MAX: usize = 64;

/// A message that is refused, by what the error's details say of it.
#[derive(Debug, Serialize)]
pub(crate) struct Refused<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) room_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) n: Option<u64>,
}

impl Refused<'_> {
    /// The refusal: the request's result if it can be told, else an `error`.
    pub(crate) fn answer(
        mut self,
        codec: Codec,
        reference: Option<&Ref>,
        error: ErrorBody,
    ) -> Result<Batch, InvalidData> {
        self.room_id = self.room_id.map(cut);
        let kind = self.kind;
        let error = match error.details {
            Some(_) => error,
            None => error.with_details(&self),
        };
        let result;
        let kind = match reference {
            // Where the answer's type would be too long for one, it is that of any failure.
            Some(_) if kind.len() + RESULT.len() <= TYPE_BYTES_MAX => {
                result = format!("{kind}{RESULT}");
                &result
            }
            _ => "error",
        };
        let header = Header { reference, success: Some(false), error: Some(&error), ..Header::new(kind) };
        Batch::one(codec, &header, &Empty {})
    }
}

/// What was encoded. If it could not be, that is a mistake of ours, and is not said.
pub(crate) fn encoded<T>(encoded: Result<T, InvalidData>) -> Result<T, Stop> {
    encoded.map_err(|error| {
        tracing::error!(%error, "an answer could not be encoded");
        Stop::Ignore
    })
}

/// The header of the answer to a request that has succeeded.
pub(crate) fn success<'a>(kind: &'a str, reference: Option<&'a Ref>) -> Header<'a> {
    Header { reference, success: Some(true), ..Header::new(kind) }
}

/// As much of a room's id as is told again.
pub(crate) fn cut(room_id: &str) -> &str {
    &room_id[..floor_char_boundary(room_id, ROOM_ID_BYTES_MAX)]
}

/// Says in the details which room it is about, unless there is more to say there.
pub(crate) fn about_room(error: ErrorBody, room_id: &str) -> ErrorBody {
    if error.details.is_some() {
        return error;
    }
    error.with_details(&std::collections::BTreeMap::from([("room_id", cut(room_id))]))
}

/// The session is not in a room that it wants to leave.
pub(crate) fn not_in_room(room_id: Option<&str>) -> ErrorBody {
    match room_id {
        Some(room_id) => about_room(ErrorBody::new(ErrorCode::NotInRoom, "You are not in that room."), room_id),
        None => ErrorBody::new(ErrorCode::NotInRoom, "Name the room to leave in `room_id`."),
    }
}
