//! Going on with a session: on a new connection, and acknowledging on the one there is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{LaneId, RoomId, SessionId};
use crate::json::Json;

/// A count for each lane that has one. In JSON an object whose keys are the lanes' numbers.
pub type Counts = BTreeMap<LaneId, u64>;

/// `reconnect`, the first message of a connection that goes on with a session. JSON in every codec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconnect {
    /// The session.
    pub session_id: SessionId,
    /// The newest token received.
    pub resume_token: String,
    /// Rises with every `reconnect` sent.
    pub attempt: u64,
    /// How many counted messages have arrived on each lane, if the old connection is dead. Without it the session
    /// moves over from a connection that lives, and [`Resume`] says when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<Counts>,
    /// Nothing of the session is known any more but how to go on with it: every lane begins with a snapshot.
    #[serde(default, deserialize_with = "super::or_default", skip_serializing_if = "std::ops::Not::not")]
    pub fresh: bool,
}

/// `reconnect_result`: the session goes on. JSON in every codec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconnected {
    /// Proves the session from now on.
    pub resume_token: String,
    /// The rooms' lanes that go on. Others have ended.
    pub lanes: Vec<LaneOfRoom>,
    /// The highest `n` that has arrived in this session, or 0.
    pub last_n: u64,
}

/// A lane and the room that owns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct LaneOfRoom {
    /// The lane.
    pub lane: LaneId,
    /// Its room.
    pub room_id: RoomId,
}

/// `resume`, after a `reconnect` without `received`: the lanes come over now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct Resume {
    /// How many counted messages have arrived on each lane.
    #[serde(default, deserialize_with = "super::or_default")]
    pub received: Counts,
}

/// `ack`: from a client how many counted messages have arrived on each lane, from the server the highest `n` that
/// each lane's owner has taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
#[serde(transparent)]
pub struct Ack {
    /// By lane.
    pub counts: Counts,
}

/// `lane`: where a lane goes on on this connection. Its first message there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct LaneOpened {
    /// The lane.
    pub lane: LaneId,
    /// Its room; none for control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<RoomId>,
    /// The number of the next counted message.
    pub next: u64,
    /// The highest `n` that its owner has taken.
    pub applied: u64,
    /// Messages were lost; the next counted one is a snapshot.
    pub gap: bool,
}

/// `session_state`: the snapshot of the control lane.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct SessionState {
    /// The rooms this session is in.
    pub rooms: Vec<LaneOfRoom>,
    /// The party this player is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub party: Option<Json>,
    /// Requests for a match.
    #[serde(default)]
    pub tickets: Vec<Json>,
    /// What this session is subscribed to. The list itself may have changed unseen; subscribing again brings it.
    #[serde(default)]
    pub subscriptions: Vec<Subscription>,
}

/// Something that a session is subscribed to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, bincode::Encode, bincode::Decode)]
pub struct Subscription {
    /// What: `rooms`.
    pub to: String,
    /// Only of this game.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub game: Option<String>,
    /// Only rooms that pass this filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Json>,
}
