//! Recordings: a room's seed, what came in turn by turn, and what the room was like, in one file that can be played again.
//!
//! A [`Recorder`] gives the bytes of a file as the room goes on, a [`Player`] takes them and makes the room again, turn by turn,
//! and says where it comes out otherwise. What lets somebody into a room, such as passwords and the codes of invites, is not in a
//! recording; all else that people did and said is, under their names.
//!
//! Where the bytes are kept, and who may read them, is not known here. The checksums tell a damaged file from a whole one, not one
//! that was made up from a true one.

mod chunk;
mod event;
mod player;
mod recorder;

use anteroom_protocol::bincode::{Decode, Encode};
use anteroom_protocol::{Json, RoomId};
use serde::{Deserialize, Serialize};

pub use event::Event;
pub use player::{Ended, Failing, Frame, Player, Present, Seated, Step};
pub use recorder::{Ending, Recorder, mentions};

use crate::room::{Log, Snapshot};

/// What every recording begins with.
pub const MAGIC: &[u8; 12] = b"ANTEROOM-REC";
/// Which shape a recording has; raised whenever that changes.
pub const FORMAT: u16 = 1;

/// What a recording is of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Which program made it.
    pub build: String,
    /// The game.
    pub game: String,
    /// Its version.
    pub version: u16,
    /// The room.
    pub room_id: RoomId,
    /// What the room was called when the recording began.
    pub room_name: String,
    /// When the room was made: milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// Where the room's randomness began.
    pub seed: u64,
    /// The game's options.
    pub options: Option<Json>,
    /// Whether everybody could find the room and come in when the recording began.
    pub public: bool,
}

/// One turn of a room, as it is recorded.
#[derive(Debug, PartialEq, Encode, Decode)]
#[bincode(crate = "anteroom_protocol::bincode")]
struct TurnRecord {
    log: Log,
    /// A hash of what the room was like afterwards, with each of a number of turns.
    state: Option<u64>,
}

/// How a recording ends.
#[derive(Debug, PartialEq, Encode, Decode)]
#[bincode(crate = "anteroom_protocol::bincode")]
struct EndRecord {
    ended: u8,
    why: String,
    /// What came in in the turn in which the game failed.
    log: Option<Log>,
}

/// Why a recording cannot be played, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// It does not begin as one.
    #[error("this is no recording of a room")]
    NotARecording,
    /// Another program made it.
    #[error("the recording has format {0}; {FORMAT} is known")]
    OtherFormat(u16),
    /// It ends before there is a room in it.
    #[error("the recording is cut short before the room is in it")]
    TooShort,
    /// Nobody plays that here.
    #[error("the recording is one of {0:?}, a game that is not known here")]
    UnknownGame(String),
    /// The game has changed since.
    #[error("the recording is of version {found} of {game}; this is version {expected}")]
    OtherVersion {
        /// The game.
        game: String,
        /// The version that was recorded.
        found: u16,
        /// The version that there is.
        expected: u16,
    },
    /// It was changed or damaged.
    #[error("the recording is damaged behind turn {turn}: {why}")]
    Damaged {
        /// The last turn that is whole.
        turn: u64,
        /// What is wrong.
        why: String,
    },
    /// The same inputs have led to something else.
    #[error("turn {turn} does not come out as it did under {build}")]
    Differs {
        /// The turn.
        turn: u64,
        /// Which program made the recording.
        build: String,
    },
    /// It cannot be read.
    #[error("the recording cannot be read: {0}")]
    Unreadable(String),
}

/// The hash of what a room is like.
fn state_of(snapshot: &Snapshot) -> Option<u64> {
    let mut bytes = Vec::new();
    snapshot.encode_but_for_time(&mut bytes).ok()?;
    Some(chunk::sum(chunk::START, &bytes))
}
