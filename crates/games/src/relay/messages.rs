//! What travels between a relay room and its members.

use std::collections::BTreeMap;

use anteroom_core::bincode::{Decode, Encode};
use anteroom_core::schemars::JsonSchema;
use anteroom_core::{Json, UserId};
use serde::{Deserialize, Serialize};

use super::{MEMBERS_MAX, RECIPIENTS_MAX};

/// What a relay room is created with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(crate = "anteroom_core::schemars")]
#[serde(default)]
pub struct Options {
    /// Not counting those who only watch; 1 to 1024.
    #[schemars(title = "How many may be in it", range(min = 1, max = 1024))]
    pub members_max: u16,
    /// Whether what is said goes out at once, or together with everything else of the same tick.
    #[schemars(title = "What is said goes out")]
    pub flush: Flush,
    /// Makes a difference with a flush by `tick` only; 1 to 1000.
    #[schemars(title = "The tick, in milliseconds", range(min = 1, max = 1000))]
    pub tick_ms: u16,
}

/// When what was said goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(crate = "anteroom_core::schemars")]
#[serde(rename_all = "snake_case")]
pub enum Flush {
    /// At once.
    #[default]
    Immediate,
    /// Every `tick_ms`.
    Tick,
}

impl Default for Options {
    fn default() -> Self {
        Self { members_max: MEMBERS_MAX, flush: Flush::Immediate, tick_ms: TICK_MS }
    }
}

/// The tick of a room that names none: a frame of a screen.
pub const TICK_MS: u16 = 16;

/// What members do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub enum Action {
    /// Says something to everyone, or to those who are named.
    Send {
        /// Any JSON value of at most 512 KiB.
        payload: Json,
        /// How it is delivered; reliably if not said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delivery: Option<DeliveryClass>,
        /// What the payload is the newest value of, unless it is reliable; at most 64 bytes, shared by
        /// all who use the same one. `message` if not said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        /// To whom; to everyone if not said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Recipients>,
    },
    /// Sets a value that all members share.
    Set {
        /// Its name, of 1 to 63 bytes.
        key: String,
        /// Any JSON value of at most 4 KiB, nested at most 24 deep; `null` removes the key.
        value: Json,
        /// The version that the sender takes for the current one, 0 for a key that is not there: another one is a `conflict`.
        /// Whatever there is is replaced if this is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<u64>,
    },
}

/// To whom something is said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(untagged)]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub enum Recipients {
    /// Whoever is the host: `"host"`.
    Host(Host),
    /// These players, 1 to 64.
    Users(#[schemars(length(min = 1, max = RECIPIENTS_MAX))] Vec<UserId>),
}

/// The word for the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub enum Host {
    /// `"host"`.
    Host,
}

/// How a message is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub enum DeliveryClass {
    /// Ordered, exactly once.
    #[default]
    Reliable,
    /// Only the newest value of a key counts.
    Latest,
    /// As a datagram, where there are any.
    Unreliable,
}

/// What members hear.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub enum Event {
    /// Somebody said something.
    Message {
        /// Who.
        from: UserId,
        /// What.
        payload: Json,
    },
    /// A value that all share is another one now.
    Value {
        /// Its name.
        key: String,
        /// `null` if it is gone.
        value: Json,
        /// Higher than any that this key had before.
        version: u64,
        /// Who set it.
        from: UserId,
    },
    /// Somebody else is the host. Not told of the first player who comes to where none was: that is the host.
    HostChanged {
        /// Who; none if no player is there.
        user_id: Option<UserId>,
    },
}

/// What the room looks like, as it is seen on joining and after a gap; what changes of it is told by `value` and `host_changed`. Who is there is in `members` and `client_joined`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub struct View {
    /// How many may be in it, not counting those who only watch.
    pub members_max: u16,
    /// The room's owner while they play, otherwise the player who is there for longest; none if no player is there.
    pub host: Option<UserId>,
    /// What all share.
    pub values: BTreeMap<String, Value>,
}

/// A value that all share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub struct Value {
    /// Any JSON value but `null`.
    pub value: Json,
    /// To be given in `set` by who wants to replace this one and no other.
    pub version: u64,
    /// Who set it; none if they have left.
    pub from: Option<UserId>,
}
