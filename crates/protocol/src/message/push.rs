//! What the server says unasked.

use serde::{Deserialize, Serialize};

use crate::id::{RoomId, UserId};
use crate::message::{Member, RoomSummary};

/// The `type` under which a game's view travels. Its data is the view itself.
pub const GAME_STATE: &str = "game_state";

/// `client_joined`: someone else came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
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
}

/// `rooms_changed`: what a subscriber's list has to change, in one batch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
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
}
