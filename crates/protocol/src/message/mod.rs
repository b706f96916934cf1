//! The typed bodies of the protocol's own messages. A game's messages are its own; see `anteroom_core::game`.

pub mod error;
pub mod push;
pub mod request;
pub mod result;
pub mod resume;

use serde::{Deserialize, Deserializer, Serialize};

use crate::codec::Body;
use crate::id::{RoomId, UserId};

/// A body with a fixed `type`.
pub trait Message: Body {
    /// The `type` it travels under.
    const TYPE: &'static str;
}

macro_rules! message_types {
    ($($body:ty = $name:literal,)*) => { $(impl Message for $body { const TYPE: &'static str = $name; })* };
}

message_types! {
    request::Ping = "ping",
    request::CreateRoom = "create_room",
    request::JoinRoom = "join_room",
    request::LeaveRoom = "leave_room",
    request::ListRooms = "list_rooms",
    request::SubscribeRooms = "subscribe_rooms",
    request::UnsubscribeRooms = "unsubscribe_rooms",
    result::Pong = "pong",
    push::ClientJoined = "client_joined",
    push::ClientDisconnected = "client_disconnected",
    push::ClientReconnected = "client_reconnected",
    push::ClientLeft = "client_left",
    push::RoomsChanged = "rooms_changed",
    push::RoomClosed = "room_closed",
    resume::Ack = "ack",
    resume::LaneOpened = "lane",
    resume::Resume = "resume",
    resume::SessionState = "session_state",
}

/// A message that is answered by `<type>_result` when it carries a `ref`.
pub trait Request: Message {
    /// The data of a successful answer.
    type Answer: serde::de::DeserializeOwned + bincode::Decode<()>;
}

macro_rules! request_answers {
    ($($request:ident => $answer:ty,)*) => { $(impl Request for request::$request { type Answer = $answer; })* };
}

request_answers! {
    CreateRoom => result::RoomJoined,
    JoinRoom => result::RoomJoined,
    LeaveRoom => crate::envelope::Empty,
    ListRooms => result::RoomList,
    SubscribeRooms => result::RoomList,
    UnsubscribeRooms => crate::envelope::Empty,
}

/// Types that mean something to the server itself. A game may not use one for an action or an event, nor one
/// that ends in `_result`.
pub const RESERVED_TYPES: &[&str] = &[
    "ack",
    "client_disconnected",
    "client_joined",
    "client_left",
    "client_reconnected",
    "create_room",
    "error",
    "game_state",
    "goodbye",
    "handshake",
    "handshake_accepted",
    "join_room",
    "lane",
    "leave_room",
    "list_rooms",
    "ping",
    "pong",
    "reconnect",
    "resume",
    "room_closed",
    "rooms_changed",
    "session_state",
    "subscribe_rooms",
    "unsubscribe_rooms",
];

/// Reads a field that may be left out: `null` is as if it were not there, as it is everywhere else.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// How a member takes part in a room.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, bincode::Encode, bincode::Decode,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Has a seat and may act.
    #[default]
    Player,
    /// Watches.
    Spectator,
}

/// One member of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct Member {
    /// Who it is.
    pub user_id: UserId,
    /// The name to show.
    pub username: String,
    /// How they take part.
    pub role: Role,
    /// A player's seat, counted from 0.
    pub seat: Option<u16>,
    /// Whether a connection is there just now.
    pub connected: bool,
}

/// What a room's listing says about the match in it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, bincode::Encode, bincode::Decode,
)]
#[serde(rename_all = "snake_case")]
pub enum RoomState {
    /// No match yet.
    #[default]
    Waiting,
    /// A match is being played.
    Playing,
    /// The last match is over.
    Finished,
}

/// One room in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct RoomSummary {
    /// What to join.
    pub room_id: RoomId,
    /// The kind of game.
    pub game: String,
    /// The name to show.
    pub name: String,
    /// Seats that are taken.
    pub players: u16,
    /// Seats there are.
    pub seats_max: u16,
    /// How many watch.
    pub spectators: u16,
    /// Where the match stands.
    pub state: RoomState,
}
