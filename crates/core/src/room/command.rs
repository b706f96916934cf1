//! What goes into a room.

use std::time::Duration;

use anteroom_protocol::bincode::{Decode, Encode};
use anteroom_protocol::envelope::Ref;
use anteroom_protocol::message::member::ChatPage;
use anteroom_protocol::message::push::ClosedReason;
use anteroom_protocol::message::{AccessMap, DataMap, Role};
use anteroom_protocol::{Codec, Data, Json, LaneId, RoomId, SessionId, UserId};
use serde::{Deserialize, Serialize};

use super::{Ask, Change, Terms};
use crate::time::Time;

/// Names one membership: one session's time in one room. The room gives them out, from 1 on, and none twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode)]
#[bincode(crate = "anteroom_protocol::bincode")]
pub struct MemberId(pub u64);

/// What a room is made of.
#[derive(Debug, Clone)]
pub struct RoomSpec {
    /// Its id.
    pub room_id: RoomId,
    /// The name to show.
    pub name: String,
    /// The game's options; its defaults without.
    pub options: Option<Json>,
    /// Where the room's randomness begins.
    pub seed: u64,
    /// How the room treats its members.
    pub policy: RoomPolicy,
    /// Whether it outlives the server: its owner stores each turn before anybody hears of it.
    pub durable: bool,
    /// Who made it, who owns it, who finds it, and how long it stays.
    pub terms: Terms,
}

/// How a room treats its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomPolicy {
    /// How long a session is waited for that has lost its connection, and a seat is kept that outlives its session.
    pub grace: Duration,
    /// In a durable room: how long a seat is kept that outlives its session, and it outlives one that is not waited for any
    /// more, too. None: as in other rooms.
    pub seat_kept: Option<Duration>,
    /// The most members who only watch; [`SPECTATORS_MAX`](super::SPECTATORS_MAX) at most, however large this is.
    pub spectators_max: u16,
}

/// Someone who wants to come in.
#[derive(Debug, Clone)]
pub struct Join {
    /// Who it is.
    pub user_id: UserId,
    /// The name to show.
    pub username: String,
    /// As what.
    pub role: Role,
    /// The lane that the session has given to this room.
    pub lane: LaneId,
    /// The codec of the session.
    pub codec: Codec,
    /// The `type` of the answer.
    pub answer: &'static str,
    /// The mark of the request.
    pub reference: Option<Ref>,
    /// The number of the session's last message before it came in: none up to there was meant for this membership.
    pub applied: u64,
    /// Whose membership it is, for whoever makes sessions of memberships again; none for one that nobody comes back to.
    pub session_id: Option<SessionId>,
    /// The number of the request: one that comes again was carried out.
    pub n: Option<u64>,
    /// Which password of the room they have proved to know; see [`Door::password`](super::Door::password).
    pub password: Option<u32>,
    /// The code of an invite.
    pub invite: Option<String>,
}

/// What can happen to a room, besides [joins](super::Room::join).
#[derive(Debug, Clone)]
pub enum Command<'a> {
    /// A member goes, for good.
    Leave {
        /// Who.
        member: MemberId,
        /// The mark of the request.
        reference: Option<Ref>,
        /// The number of the message, if it came on the room's lane and has one.
        n: Option<u64>,
    },
    /// A member's session has lost its connection.
    Disconnect {
        /// Who.
        member: MemberId,
        /// Whether what is said to them meanwhile is kept. A spectator for whom it is not has no reason to stay.
        kept: bool,
    },
    /// A member's session has a connection again.
    Reconnect {
        /// Who.
        member: MemberId,
    },
    /// A member's session was without a connection for too long: the place is free, unless a durable room
    /// [keeps the seat](RoomPolicy::seat_kept).
    Expire {
        /// Who.
        member: MemberId,
    },
    /// A member's session is gone without a goodbye; a player's seat is kept for another session of theirs, for the grace
    /// time, or in a durable room for as long as that [keeps it](RoomPolicy::seat_kept).
    Abandon {
        /// Who.
        member: MemberId,
    },
    /// A member's lane has lost messages and needs to know where everything stands.
    Snapshot {
        /// Who.
        member: MemberId,
        /// The request that is answered with it: one that came again, and was carried out before. The answer follows like
        /// anything else that is said; the snapshot ends a gap, and is dropped where there is none.
        answer: Option<AnswerTo>,
    },
    /// A member does something in the game. With a number that is not above the member's mark it has been dealt with
    /// before, and nothing happens.
    Act {
        /// Who.
        member: MemberId,
        /// The action's `type`.
        kind: &'a str,
        /// Its data.
        data: Data<'a>,
        /// The mark of the request; without one only failures are answered.
        reference: Option<Ref>,
        /// The number of the message, which rises with every one of the member's; none for at most once.
        n: Option<u64>,
    },
    /// A member asks something of the room itself; see [`Ask`]. The same goes for its number.
    Ask {
        /// Who.
        member: MemberId,
        /// What.
        ask: Ask<'a>,
    },
    /// Seats are kept for users until a time.
    Reserve {
        /// For whom.
        users: Vec<UserId>,
        /// Until when.
        until: Time,
    },
    /// The server's program sets data, and who may read it, as [`Room::check_data`](super::Room::check_data) allows.
    SetData {
        /// Whose; the room's if nobody's.
        whose: Option<UserId>,
        /// The values by key; null removes one.
        data: DataMap,
        /// Who may read which.
        access: AccessMap,
    },
    /// What was asked for outside has been found; see [`Wanted`](super::Wanted).
    History {
        /// Who asked.
        member: MemberId,
        /// The mark of the request.
        reference: Option<Ref>,
        /// What was said before; none if it could not be read.
        page: Option<ChatPage>,
        /// What the member wants of the last entry of it, if they have asked for it to change it.
        change: Option<Change>,
    },
    /// The room ends for everyone.
    Close {
        /// Why.
        reason: ClosedReason,
    },
    /// The room's randomness begins anew, so that what one match has shown does not foretell the next.
    Reseed {
        /// Where.
        seed: u64,
    },
    /// A user is to be forgotten. Their memberships end, their seat is free, and from the next turn on the room neither says nor
    /// keeps who they were. What happened before, this included, is for the owner to delete.
    Erase {
        /// Who.
        user_id: UserId,
        /// The name that they were known by: a room that is named after them gets another name.
        username: Option<String>,
    },
}

/// A request to come in that is answered.
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerTo {
    /// The `type` of the answer.
    pub kind: &'static str,
    /// The mark of the request.
    pub reference: Option<Ref>,
}
