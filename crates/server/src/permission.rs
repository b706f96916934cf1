//! Whether somebody may ask for something: the one place that is asked before anything is done.
//!
//! It knows what a request is and where it stands, and does not read its data. Whether a session is in a room, and may act
//! there, is for the room's link to say, which has to look anyway.

use anteroom_protocol::message::RequestKind;
use anteroom_protocol::message::row::Access;
use anteroom_protocol::{CloseCode, Envelope, ErrorBody, ErrorCode};

use crate::requests::Stop;

/// How a message came.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Channel<'a> {
    /// On a connection that has no session yet.
    NoSession,
    /// In its turn, in the session's codec.
    InTurn,
    /// In JSON, and the session is binary.
    Json,
    /// In a datagram for the lane of this room. It may have overtaken others.
    Datagram(&'a str),
}

/// Allows a request, or says what becomes of it.
///
/// # Errors
/// [`Stop`].
pub(crate) fn allow(kind: RequestKind, message: &Envelope<'_>, channel: Channel<'_>) -> Result<(), Stop> {
    match (channel, kind.access()) {
        (Channel::InTurn, Access::Always | Access::Inside) => Ok(()),
        (Channel::NoSession, Access::Always | Access::Opening) => Ok(()),
        (Channel::NoSession, Access::Inside) => Err(Stop::Close(CloseCode::HandshakeRequired)),
        (Channel::InTurn | Channel::Json, Access::Opening) => {
            let sentence = "This connection has a session already.";
            Err(ErrorBody::new(ErrorCode::AlreadyAuthenticated, sentence).into())
        }
        (Channel::Json, Access::Always) => Ok(()),
        (Channel::Json, Access::Inside) => Err(Stop::Close(CloseCode::WrongFrameKind)),
        (Channel::Datagram(room_id), _) => {
            // What has its place on the control lane cannot have it here.
            let may_overtake = kind == RequestKind::Action || !kind.is_counted();
            if may_overtake && message.room_id.as_deref() == Some(room_id) { Ok(()) } else { Err(Stop::Ignore) }
        }
    }
}
