//! Every bound of the protocol. A number here is a promise to peers; what a server may set is in [`Limits`].

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// The longest `type` of a message, in bytes.
pub const TYPE_BYTES_MAX: usize = 64;
/// The longest `ref`, in bytes of its JSON text.
pub const REF_BYTES_MAX: usize = 64;
/// The longest key of a `latest` message, in bytes.
pub const KEY_BYTES_MAX: usize = 64;
/// The longest user id, in bytes.
pub const USER_ID_BYTES_MAX: usize = 64;
/// The longest name of a player or room, in characters.
pub const NAME_CHARS_MAX: usize = 32;
/// The longest handshake token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 4096;
/// The most messages in one batch, in both directions; see [`crate::BatchBuilder::is_full`].
pub const BATCH_MESSAGES_MAX: usize = 256;
/// The deepest nesting of a message in JSON, counting the envelope. The array of a batch does not count, so that a
/// message fits wherever it is put.
pub const JSON_DEPTH_MAX: usize = 64;
/// The deepest nesting of the `data` of a message in JSON. What is deeper is [`crate::codec::InvalidData`], as any data
/// that does not fit; the rest of a message that is deeper makes it malformed.
pub const JSON_DATA_DEPTH_MAX: usize = JSON_DEPTH_MAX - 1;
/// The deepest nesting of a [`crate::Json`] value. Less than [`JSON_DEPTH_MAX`], so that what one peer sends still
/// fits into the messages that bring it to others.
pub const JSON_VALUE_DEPTH_MAX: usize = 32;
/// The largest frame or record that a server sends, in bytes. What a client may send is
/// [`Limits::message_bytes_max`].
pub const SERVER_FRAME_BYTES_MAX: usize = 1 << 20;
/// A flush is cut into frames of about this many bytes, so that no reader waits long for one frame.
pub const BATCH_BYTES_SOFT_MAX: usize = 64 << 10;
/// How many keys the data of a room or of a member has at most.
pub const DATA_KEYS_MAX: usize = 32;
/// The longest key of data, in bytes.
pub const DATA_KEY_BYTES_MAX: usize = 64;
/// The longest value of data, in bytes of its JSON text.
pub const DATA_VALUE_BYTES_MAX: usize = 1 << 10;
/// Keys and values of data of all listed members of a room together, in bytes; beyond it each has an equal share of it still.
pub const MEMBERS_DATA_BYTES_MAX: usize = 128 << 10;
/// The longest password of a room, in bytes.
pub const PASSWORD_BYTES_MAX: usize = 128;
/// The longest text that is said in a room, in bytes.
pub const CHAT_BYTES_MAX: usize = 2000;
/// How many of those who only watch are in a list of members; the others are a number.
pub const SPECTATORS_LISTED_MAX: usize = 100;
/// The most rooms in one `list_rooms_result` or `rooms_changed`.
pub const ROOMS_LISTED_MAX: usize = 500;

/// How many rooms are listed if nobody says how many.
pub const ROOMS_LISTED: u16 = 100;
/// The longest filter of rooms, in bytes of its JSON text.
pub const FILTER_BYTES_MAX: usize = 2 << 10;
/// The most parts of a filter.
pub const FILTER_PARTS_MAX: usize = 8;
/// The most values of one `in`.
pub const FILTER_VALUES_MAX: usize = 32;

/// What a server allows each session; told in `handshake_accepted.limits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub struct Limits {
    /// The largest frame or record a client may send, in bytes of payload. A batch counts as a whole.
    pub message_bytes_max: u32,
    /// The most counted messages that may wait for acknowledgement.
    pub unacked_messages_max: u32,
    /// The most bytes that may wait for acknowledgement.
    pub unacked_bytes_max: u32,
    /// The most rooms one session may be in at a time.
    pub rooms_max: u32,
    /// The most keys of newest values that one lane keeps for a client that has not read them.
    #[serde(default = "latest_keys_max")]
    pub latest_keys_max: u32,
    /// The most bytes of them.
    #[serde(default = "latest_bytes_max")]
    pub latest_bytes_max: u32,
}

fn latest_keys_max() -> u32 {
    Limits::default().latest_keys_max
}

fn latest_bytes_max() -> u32 {
    Limits::default().latest_bytes_max
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: 64 << 10,
            unacked_messages_max: 1024,
            unacked_bytes_max: 256 << 10,
            rooms_max: 16,
            latest_keys_max: 1024,
            latest_bytes_max: 4 << 20,
        }
    }
}
