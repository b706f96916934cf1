//! The data of successful answers.

use serde::{Deserialize, Serialize};

use crate::codec::{Codec, Payload};
use crate::id::{LaneId, RoomId, SessionId, UserId};
use crate::json::Json;
use crate::limits::Limits;
use crate::message::{Member, Role, RoomSummary};

/// `handshake_accepted`: the session exists. JSON in every codec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandshakeAccepted {
    /// Names the session.
    pub session_id: SessionId,
    /// Proves it; changes with every resume.
    pub resume_token: String,
    /// Who the player is.
    pub user_id: UserId,
    /// The name others see.
    pub username: String,
    /// The codec of everything that follows.
    pub codec: Codec,
    /// What this session may do.
    pub limits: Limits,
    /// How long a seat outlives its connection, in milliseconds.
    pub grace_ms: u64,
    /// The server's clock: milliseconds since the Unix epoch, never going back.
    pub server_time_ms: u64,
}

/// `pong`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct Pong {
    /// What the `ping` carried.
    pub ts: Json,
    /// The server's clock, as in [`HandshakeAccepted::server_time_ms`].
    pub server_time_ms: u64,
}

/// `create_room_result` and `join_room_result`: the first message on the room's lane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct RoomJoined {
    /// The lane's number in this session.
    pub lane: LaneId,
    /// The room.
    pub room_id: RoomId,
    /// The kind of game.
    pub game: String,
    /// The version of the game's binary shapes.
    pub game_version: u16,
    /// The name to show.
    pub name: String,
    /// The seat taken, counted from 0; none for spectators.
    pub seat: Option<u16>,
    /// How this session takes part.
    pub role: Role,
    /// Whether the room outlives the server's process: what was acknowledged there is never lost.
    #[serde(default)]
    pub durable: bool,
    /// Everyone in the room, this player among them.
    pub members: Vec<Member>,
    /// The game as this member sees it; what `game_state` brings anew.
    pub view: Payload,
}

/// `list_rooms_result` and `subscribe_rooms_result`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct RoomList {
    /// The newest rooms, at most [`crate::limits::ROOMS_LISTED_MAX`].
    pub rooms: Vec<RoomSummary>,
    /// How many there are.
    pub total: u32,
}
