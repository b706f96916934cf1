//! What the server says unasked.

use serde::{Deserialize, Serialize};

use crate::id::{RoomId, UserId};
use crate::message::{DataMap, Member, Role, RoomState, RoomSummary, Visibility};

/// The `type` under which a game's view travels. Its data is the view itself.
pub const GAME_STATE: &str = "game_state";

/// `client_joined`: someone else came in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
#[serde(transparent)]
pub struct ClientJoined {
    /// Who.
    pub member: Member,
}

/// `client_disconnected`: a connection was lost; the seat is kept for the grace time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct ClientDisconnected {
    /// Who.
    pub user_id: UserId,
    /// The name to show.
    pub username: String,
    /// How long the seat is kept, in milliseconds.
    pub grace_ms: u64,
}

/// `client_reconnected`: they are back in their seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct ClientReconnected {
    /// Who.
    pub user_id: UserId,
    /// The name to show.
    pub username: String,
}

/// `client_left`: the seat, or the place among the spectators, is free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct ClientLeft {
    /// Who.
    pub user_id: UserId,
    /// The name to show.
    pub username: String,
    /// Why they are gone.
    pub reason: LeftReason,
}

/// Why a member is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
#[serde(rename_all = "snake_case")]
pub enum LeftReason {
    /// They said so.
    Left,
    /// The grace time passed without them.
    TimedOut,
    /// Their connection was lost, and they held no seat to keep.
    Disconnected,
    /// They were sent out.
    Kicked,
    /// They were sent out, and are not let in again.
    Banned,
}

/// `room_updated`: what has changed of the room, and nothing else. Of data only the keys that have.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct RoomUpdated {
    /// The name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who finds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// Whether nobody else is let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
    /// Whether a password is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has_password: Option<bool>,
    /// How many seats there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seats_max: Option<u16>,
    /// Who owns it; `null` if nobody does any more.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub owner: Option<Option<UserId>>,
    /// Where the match stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<RoomState>,
    /// How many watch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spectators: Option<u32>,
    /// Who waits for a seat, the first first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat_queue: Option<Vec<UserId>>,
    /// What is being voted on; `null` if nothing is any more.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub vote: Option<Option<Vote>>,
    /// Keys that were set, and with `null` those that are gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataMap>,
}

/// A vote on going on without players who are away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct Vote {
    /// Without whom.
    pub absent: Vec<UserId>,
    /// Who would go on.
    pub yes: Vec<UserId>,
    /// Who would wait.
    pub no: Vec<UserId>,
    /// When it is over: milliseconds since the Unix epoch.
    pub ends_at_ms: u64,
}

/// `member_updated`: what has changed of a member, and nothing else. Of data only the keys that have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct MemberUpdated {
    /// Who.
    pub user_id: UserId,
    /// Which stay of theirs it is about: if they have come again since, it is not about this one.
    pub number: u32,
    /// How they take part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Their seat; `null` if they have none any more.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub seat: Option<Option<u16>>,
    /// Whether they are ready for the match to begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    /// Whether a computer plays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot: Option<bool>,
    /// Whether what they say is not heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted: Option<bool>,
    /// The seat that they would like to have; `null` if they are content.
    #[serde(default, deserialize_with = "super::present", skip_serializing_if = "Option::is_none")]
    pub wants_seat: Option<Option<u16>>,
    /// Keys that were set, and with `null` those that are gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataMap>,
}

impl MemberUpdated {
    /// Nothing has changed yet.
    #[must_use]
    pub fn of(user_id: UserId, number: u32) -> Self {
        let (role, seat, ready, bot, muted, wants_seat, data) = (None, None, None, None, None, None, None);
        Self { user_id, number, role, seat, ready, bot, muted, wants_seat, data }
    }
}

/// `presence`: what somebody does just now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct PresenceChanged {
    /// Who.
    pub user_id: UserId,
    /// Which stay of theirs it is about.
    pub number: u32,
    /// Whether they write something. It is over after ten seconds, if nothing else is said.
    pub typing: bool,
    /// Whether they are away from the keyboard.
    pub away: bool,
}

/// `system`: something that is worth a line among what is said. It is not in the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct SystemSaid {
    /// What.
    pub event: SystemEvent,
    /// Whom it is about.
    pub user_id: UserId,
    /// The name to show.
    pub username: String,
    /// When: milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// What a line of the room itself is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
#[serde(rename_all = "snake_case")]
pub enum SystemEvent {
    /// A player came in.
    Joined,
    /// A player is gone.
    Left,
    /// Somebody owns the room now.
    OwnerChanged,
}

/// `rooms_changed`: what a subscriber's list has to change, in one batch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct RoomsChanged {
    /// New rooms.
    pub added: Vec<RoomSummary>,
    /// Rooms whose row changed.
    pub updated: Vec<RoomSummary>,
    /// Rooms that are gone.
    pub removed: Vec<RoomId>,
}

/// `room_closed`: the last message of a room's lane, unless `leave_room_result` is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct RoomClosed {
    /// What a program acts on.
    pub reason: ClosedReason,
    /// A sentence for a person.
    pub message: String,
}

/// Why a room is closed to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
#[serde(rename_all = "snake_case")]
pub enum ClosedReason {
    /// Another session of the same user took the seat; the room goes on.
    Replaced,
    /// The game failed; the room is gone for everyone.
    GameFailed,
    /// The server is shutting down.
    ShuttingDown,
    /// This member was sent out; the room goes on.
    Kicked,
    /// This member was sent out, and is not let in again; the room goes on.
    Banned,
    /// Nobody did anything in it for too long.
    Idle,
    /// It was there for as long as it may be.
    Expired,
    /// It was closed from outside.
    Closed,
}
