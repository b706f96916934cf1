//! The protocol's own messages: the [table] of them all, and their typed bodies. A game's messages are its own; see
//! `anteroom_core::game`.

pub mod error;
pub mod push;
pub mod request;
pub mod result;
pub mod resume;
pub mod row;
pub mod schema;
pub mod table;

use serde::{Deserialize, Deserializer, Serialize};

use crate::codec::Body;
use crate::id::{RoomId, UserId};
pub use table::{RESERVED_TYPES, Request, RequestKind};

/// A body with a fixed `type`.
pub trait Message: Body {
    /// The `type` it travels under.
    const TYPE: &'static str;
}

/// A request that is answered by `<type>_result`, with this data if it succeeds.
pub trait Answered: Message {
    /// The `type` of the answer.
    const RESULT: &'static str;
    /// The data of a successful one.
    type Answer: serde::de::DeserializeOwned + bincode::Decode<()>;
}

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
    /// Whether the room outlives the server's process.
    #[serde(default)]
    pub durable: bool,
}
