//! What clients ask for: handled by whom it concerns, outside of the connection that it came on.
//!
//! The connection decodes the envelope, asks for [permission](crate::permission), and hands the request in. It is told
//! what to answer, if there is an answer at once. Sessions, rooms and the lobby are known here, and no connection.

pub(crate) mod answer;
mod asking;
mod lobby;
mod proving;
mod rooms;
mod session;

use std::sync::Arc;

use anteroom_core::lanes::ConnectionId;
use anteroom_protocol::codec::InvalidData;
use anteroom_protocol::message::row::Owner;
use anteroom_protocol::message::{Request, RequestKind};
use anteroom_protocol::{Batch, CloseCode, Data, Envelope, ErrorBody, ErrorCode};
use bytes::Bytes;

use crate::lifecycle::Lifecycle;
use crate::services::Services;
use crate::session::Session;
use asking::go_on;

/// What came of a request.
pub(crate) type Outcome = Result<Answer, Stop>;

/// What there is to say at once.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Nothing: whoever answers, if anybody does, says it on a lane.
    Later,
    /// This, on the control lane.
    Control(Batch),
    /// This, on the connection alone; it does not count.
    Connection(Batch),
    /// It is on the control lane already, with so many bytes.
    Said(usize),
}

/// Why a request is not carried out.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It was taken before, or means nothing here. Nobody is told.
    Ignore,
    /// It is refused; the connection lives on.
    Refuse(ErrorBody),
    /// The connection ends.
    Close(CloseCode),
    /// The client leaves.
    Goodbye,
}

impl From<ErrorBody> for Stop {
    fn from(error: ErrorBody) -> Self {
        Self::Refuse(error)
    }
}

impl From<CloseCode> for Stop {
    fn from(code: CloseCode) -> Self {
        Self::Close(code)
    }
}

/// A message of a session, as it came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) services: &'a Arc<Services>,
    pub(crate) lifecycle: &'a Arc<Lifecycle>,
    pub(crate) session: &'a Arc<Session>,
    /// The connection that it came on.
    pub(crate) connection: ConnectionId,
    /// What it came in, together with others perhaps.
    pub(crate) payload: &'a Bytes,
    pub(crate) message: &'a Envelope<'a>,
}

impl Call<'_> {
    /// Carries a request out that is allowed.
    pub(crate) fn handle(&self, kind: RequestKind) -> Outcome {
        // The room reads what its members ask of it.
        if kind.owner() == Owner::Member {
            if self.message.room_id.is_none() {
                let sentence = "Name the room in `room_id`, beside the type.";
                return self.refuse(kind, ErrorBody::new(ErrorCode::NotInRoom, sentence).into());
            }
            return rooms::ask(self, kind);
        }
        match Request::parse(kind, self.message) {
            Ok(Request::Action | Request::Member(_)) => rooms::act(self),
            Ok(Request::Room(request)) => rooms::handle(self, request),
            Ok(Request::Lobby(request)) => {
                self.take()?;
                lobby::handle(self, request)
            }
            Ok(Request::Session(request)) => {
                // Most of them do not count.
                if kind.is_counted() {
                    self.take()?;
                }
                session::handle(self, request)
            }
            Ok(Request::Unknown) => {
                let sentence = "There is no message of that type outside a room.";
                self.refuse(kind, ErrorBody::new(ErrorCode::UnknownType, sentence).into())
            }
            Err(error) => self.refuse(kind, unreadable(&error).into()),
        }
    }

    /// Refuses a request in front of whoever would have handled it. If it is numbered its number is taken, as that of any
    /// message on control, and one that was taken before is not refused again.
    pub(crate) fn refuse(&self, kind: RequestKind, stop: Stop) -> Outcome {
        if matches!(stop, Stop::Refuse(_)) && kind.is_counted() {
            self.take()?;
        }
        Err(stop)
    }

    /// Takes a message of the control lane, if it is new.
    fn take(&self) -> Result<(), Stop> {
        let Self { session, connection, message, .. } = self;
        let is_new = session.take(*connection, message.n, bytes_of(message.data));
        if is_new { Ok(()) } else { Err(Stop::Ignore) }
    }
}

fn unreadable(error: &InvalidData) -> ErrorBody {
    ErrorBody::new(ErrorCode::InvalidData, format!("The data does not fit the message: {error}."))
}

/// How many bytes of data a message has.
fn bytes_of(data: Data<'_>) -> usize {
    match data {
        Data::Json(text) => text.len(),
        Data::Binary(bytes) => bytes.len(),
    }
}
