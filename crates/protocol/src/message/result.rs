//! The data of successful answers.

use serde::{Deserialize, Serialize};

use crate::codec::{Codec, Payload};
use crate::id::{LaneId, RoomId, SessionId, UserId};
use crate::json::Json;
use crate::limits::Limits;
use crate::message::chat::ChatEntry;
use crate::message::push::Vote;
use crate::message::{DataMap, Member, Role, RoomState, RoomSummary, Visibility};

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
    /// Whether what happens in the room is recorded, under the names of those who do it.
    #[serde(default)]
    pub recorded: bool,
    /// When the room was made: milliseconds since the Unix epoch.
    #[serde(default)]
    pub created_at_ms: u64,
    /// Who made it.
    #[serde(default)]
    pub created_by: Option<UserId>,
    /// Who owns it, if anybody does.
    #[serde(default)]
    pub owner: Option<UserId>,
    /// How many seats there are.
    #[serde(default)]
    pub seats_max: u16,
    /// Who finds it.
    #[serde(default)]
    pub visibility: Visibility,
    /// Whether nobody else is let in.
    #[serde(default)]
    pub locked: bool,
    /// Whether a password is asked for.
    #[serde(default)]
    pub has_password: bool,
    /// Where the match stands.
    #[serde(default)]
    pub state: RoomState,
    /// How many watch.
    #[serde(default)]
    pub spectators: u32,
    /// By how much those who watch are behind, in milliseconds.
    #[serde(default)]
    pub spectator_delay_ms: u32,
    /// What was set for the room, as far as this member may see it.
    #[serde(default)]
    pub data: DataMap,
    /// Who waits for a seat, the first first.
    #[serde(default)]
    pub seat_queue: Vec<UserId>,
    /// What is being voted on.
    #[serde(default)]
    pub vote: Option<Vote>,
    /// What was said last, the oldest first.
    #[serde(default)]
    pub chat: Vec<ChatEntry>,
    /// Everyone who plays, and the first of those who watch, this member among them.
    pub members: Vec<Member>,
    /// The game as this member sees it; what `game_state` brings anew.
    pub view: Payload,
}

/// `list_rooms_result` and `subscribe_rooms_result`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct RoomList {
    /// The newest rooms, at most [`crate::limits::ROOMS_LISTED_MAX`].
    pub rooms: Vec<RoomSummary>,
    /// How many there are, on this page or not.
    pub total: u32,
    /// What to ask for as `cursor` to get those behind; none if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
