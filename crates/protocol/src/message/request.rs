//! What clients ask for.

use serde::{Deserialize, Serialize};

use crate::codec::Codec;
use crate::id::RoomId;
use crate::json::Json;
use crate::message::{AccessMap, DataMap, OwnerPolicy, Role, Visibility};

/// `handshake`, the first message of a new session. JSON in every codec.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handshake {
    /// The protocol version, [`crate::VERSION`]; another one ends the connection.
    #[serde(default)]
    pub version: u32,
    /// The name to show. A guest without one gets one; a token's name comes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A JWT. Without one the player is a guest, where guests are welcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The client's software and version, for the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Whether the client will acknowledge messages and resume.
    #[serde(default, deserialize_with = "super::or_default")]
    pub resume: bool,
    /// The codec wanted; on WebSocket the subprotocol decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<Codec>,
    /// [`crate::SCHEMA`] of the client, if it asks for [`Codec::Bincode`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Made up for this session; repeating it asks for the same session again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
}

/// `goodbye`, the last message of a connection, from either side. JSON in every codec.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, bincode::Encode)]
pub struct Goodbye {
    /// A close code, or 1000 when a client leaves because it wants to.
    #[serde(default = "normal_closure")]
    pub code: u16,
    /// A sentence for a person, at most 123 bytes.
    #[serde(default)]
    pub reason: String,
}

const fn normal_closure() -> u16 {
    1000
}

/// `ping`, answered by `pong`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct Ping {
    /// Echoed.
    #[serde(default)]
    pub ts: Json,
}

/// `create_room`: makes a room and joins it as a player.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct CreateRoom {
    /// The kind of game.
    pub game: String,
    /// The name to show; made up without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The game's options; its defaults without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Json>,
    /// Whether the room outlives the server's process, where the game leaves the choice; as the game has it without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durable: Option<bool>,
    /// Who finds it; everybody without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// What others have to know to come in; at most [`crate::limits::PASSWORD_BYTES_MAX`] bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// How many seats there are; as many as the game has without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seats_max: Option<u16>,
    /// The room's data at the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataMap>,
    /// Who may read which of its keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<AccessMap>,
    /// By how much those who watch are behind, in milliseconds; not at all without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spectator_delay_ms: Option<u32>,
    /// Who owns it when its owner goes; as the game has it without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_policy: Option<OwnerPolicy>,
    /// How long it stays when nobody is in it, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_ttl_ms: Option<u64>,
    /// After how long without anybody doing anything in it it closes, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_ttl_ms: Option<u64>,
    /// After how long it closes in any case, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime_max_ms: Option<u64>,
    /// Whether what happens in it is recorded; not without, unless the server records all rooms of the game.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<bool>,
}

/// `join_room`: by id, or any room of a game with a free seat (`quick`), made if there is none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct JoinRoom {
    /// The room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<String>,
    /// For a quick join: the kind of game.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub game: Option<String>,
    /// Any room of the game will do.
    #[serde(default, deserialize_with = "super::or_default", skip_serializing_if = "std::ops::Not::not")]
    pub quick: bool,
    /// How to take part; a player without.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The room's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// The code of an invite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invite: Option<String>,
    /// For a quick join: only rooms that pass; see [`ListRooms::filter`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Json>,
}

/// `leave_room`: gives the seat up at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct LeaveRoom {
    /// The room, if the envelope does not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<RoomId>,
}

/// `list_rooms`: the rooms there are now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct ListRooms {
    /// Only rooms of this game.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub game: Option<String>,
    /// Only rooms that pass every part: `[[key, op, value], ...]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Json>,
    /// The key to sort by, with `-` in front the largest first; the newest first without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<String>,
    /// Where to go on: `next` of an earlier answer to the same question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many rooms at most; 100 without, [`crate::limits::ROOMS_LISTED_MAX`] at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
}

/// `subscribe_rooms`: the rooms there are now, then `rooms_changed` as they change. A second one replaces the
/// first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct SubscribeRooms {
    /// Only rooms of this game.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub game: Option<String>,
    /// Only rooms that pass every part; see [`ListRooms::filter`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Json>,
}

/// `unsubscribe_rooms`: no more `rooms_changed`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct UnsubscribeRooms {}
