//! The protocol's own messages: the [table] of them all, and their typed bodies. A game's messages are its own; see
//! `anteroom_core::game`.

pub mod chat;
pub mod error;
pub mod member;
pub mod push;
pub mod request;
pub mod result;
pub mod resume;
pub mod row;
pub mod schema;
pub mod table;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::codec::Body;
use crate::id::{RoomId, UserId};
use crate::json::Json;
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

/// Reads a field that makes a difference between being left out, which is none, and being `null`, which is none inside.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// What was set for a room or a member, by key. `null` stands for a key that is gone.
pub type DataMap = BTreeMap<String, Json>;

/// Who may read a key of data.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    bincode::Encode,
    bincode::Decode,
)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Everybody, also in the list of rooms if the game has the key there.
    Public,
    /// Whoever is in the room.
    #[default]
    Members,
    /// The room's owner, and for a member's data the member.
    Owner,
    /// No client.
    Server,
}

/// Who may read which keys of data; what is not named stays as it is, and is for members at first.
pub type AccessMap = BTreeMap<String, Access>;

/// Who finds a room.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, bincode::Encode, bincode::Decode,
)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// It is in the list.
    #[default]
    Public,
    /// It is in no list; whoever knows its id may come in.
    Unlisted,
    /// It is in no list, and without an invite there is no such room.
    Private,
}

/// Who owns a room when its owner goes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, bincode::Encode, bincode::Decode,
)]
#[serde(rename_all = "snake_case")]
pub enum OwnerPolicy {
    /// Whoever is in it for the longest time.
    #[default]
    Automatic,
    /// Still the one who went, until they give it away.
    Manual,
    /// Nobody owns it, ever.
    None,
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
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
    /// The number that the room gave to this stay of theirs; another one if they come again.
    #[serde(default)]
    pub number: u32,
    /// Whether they are ready for the match to begin.
    #[serde(default)]
    pub ready: bool,
    /// Whether a computer plays: all the time, or for a player who is away.
    #[serde(default)]
    pub bot: bool,
    /// When they came in: milliseconds since the Unix epoch.
    #[serde(default)]
    pub joined_at_ms: u64,
    /// What was set for them, as far as the reader may see it.
    #[serde(default)]
    pub data: DataMap,
    /// Whether what they say is not heard.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub muted: bool,
    /// Whether they are away from the keyboard, as they say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub away: bool,
    /// Whether they are writing something, as they say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub typing: bool,
    /// The seat that they would like to have, and whose player has not agreed to swap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wants_seat: Option<u16>,
}

impl Member {
    /// Somebody of whom nothing else is known.
    #[must_use]
    pub fn of(user_id: UserId, username: impl Into<String>, role: Role, seat: Option<u16>, connected: bool) -> Self {
        Self {
            user_id,
            username: username.into(),
            role,
            seat,
            connected,
            number: 0,
            ready: false,
            bot: false,
            joined_at_ms: 0,
            data: DataMap::new(),
            muted: false,
            away: false,
            typing: false,
            wants_seat: None,
        }
    }
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
    /// A match is being played, and stands still.
    Paused,
}

/// One room in a listing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
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
    /// Whether nobody else is let in.
    #[serde(default)]
    pub locked: bool,
    /// Whether a password is asked for.
    #[serde(default)]
    pub has_password: bool,
    /// When it was made: milliseconds since the Unix epoch.
    #[serde(default)]
    pub created_at_ms: u64,
    /// The room's data that the game has in lists.
    #[serde(default)]
    pub data: DataMap,
}
