//! What goes through a room's mailbox. How it gets there, and in which order, is the link's to know.

use anteroom_core::Time;
use anteroom_core::room::{AnswerTo, Change, Join, MemberId, Place};
use anteroom_protocol::envelope::Ref;
use anteroom_protocol::message::member::ChatPage;
use anteroom_protocol::message::push::ClosedReason;
use anteroom_protocol::message::{AccessMap, DataMap};
use anteroom_protocol::{Codec, ErrorBody, UserId};
use bytes::Bytes;
use tokio::sync::oneshot;

use super::link::Reply;
use super::member::Visitor;
use crate::carrier::{DoneLater, Presence};
use crate::lobby::Reservation;

/// A command on its way into a room. The room reads player input from the bytes in which it arrived.
#[derive(Debug)]
pub(super) enum Mail {
    Join(Box<Request>),
    Act {
        member: MemberId,
        n: Option<u64>,
        input: Input,
        /// Given back when the room has handled it.
        place: Place,
    },
    Presence {
        member: MemberId,
        presence: Presence,
    },
    Snapshot {
        member: MemberId,
        /// What is answered by it, if it is.
        answer: Option<AnswerTo>,
    },
    Leave {
        member: MemberId,
        n: Option<u64>,
        reference: Option<Ref>,
        /// Dropped when the member has left for good: the question that asked for it is done then.
        done: Option<DoneLater>,
    },
    /// What was said before, or none if it cannot be read.
    History {
        member: MemberId,
        reference: Option<Ref>,
        page: Option<ChatPage>,
        change: Option<Change>,
    },
    Expire {
        member: MemberId,
    },
    Abandon {
        member: MemberId,
    },
    /// A user is to be forgotten.
    Erase {
        user_id: UserId,
        username: Option<String>,
        done: oneshot::Sender<()>,
    },
    /// Seats are to be kept for these users, who are not here yet.
    Reserve {
        users: Vec<UserId>,
        until: Time,
        done: Done,
    },
    /// The program that this server is in sets data of the room, or of somebody in it.
    SetData {
        whose: Option<UserId>,
        data: DataMap,
        access: AccessMap,
        done: Done,
    },
    Close {
        reason: ClosedReason,
    },
    /// Another room needs its place.
    GiveWay,
    /// The server stops: the room is stored as it is.
    Park,
}

/// Told what came of it, once that is stored.
pub(super) type Done = oneshot::Sender<Result<(), ErrorBody>>;

impl Mail {
    /// How much there is to read.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Act { input, .. } => input.data.len(),
            _ => 0,
        }
    }
}

/// Someone who wants to come in. Boxed in the mailbox, where most of the places hold player input.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) join: Join,
    pub(super) visitor: Visitor,
    /// The seat that is reserved for them, if they looked for one.
    pub(super) seat: Option<Reservation>,
    pub(super) answer: oneshot::Sender<Reply>,
}

/// A player's input, not decoded.
#[derive(Debug)]
pub(crate) struct Input {
    /// The action's `type`, in UTF-8.
    pub(crate) kind: Bytes,
    /// Its data.
    pub(crate) data: Bytes,
    /// The codec of the data.
    pub(crate) codec: Codec,
    /// The mark of the request.
    pub(crate) reference: Option<Ref>,
    /// Whether it is a request of the room itself, and not for the game.
    pub(crate) is_request: bool,
    /// What the server adds to a request; see [`anteroom_core::room::Ask::with`].
    pub(crate) with: Option<Box<str>>,
}

impl Input {
    /// The same in memory of its own.
    pub(crate) fn alone(self) -> Self {
        Self { kind: Bytes::copy_from_slice(&self.kind), data: Bytes::copy_from_slice(&self.data), ..self }
    }
}
