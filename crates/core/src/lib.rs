//! The rules of the lobby as state machines: rooms, the games in them, and the listing of rooms.
//!
//! Pure: no runtime, no sockets, no clock, no randomness of its own. Time and seeds come in as arguments, effects
//! go out as values, so that everything here runs the same way twice.
//!
//! | module | what it owns |
//! |---|---|
//! | [`game`] | the [`Game`] trait, what a game can do, and the registry of kinds |
//! | [`room`] | one room: seats, members, spectators, the game in it; its turns, their log, and its snapshot |
//! | [`flush`] | what a room says, encoded once per codec |
//! | [`lanes`] | the lanes of one session, which connection they are attached to, and going on after a loss |
//! | [`listing`] | the rooms a lobby shows, and how they change |
//! | [`name`] | which names players and rooms may have |
//! | [`replay`] | recordings of rooms, and playing them again |
//! | [`testing`] | playing a game in a test, without a server |

pub mod flush;
pub mod game;
pub mod lanes;
pub mod listing;
pub mod name;
pub mod replay;
pub mod rng;
pub mod room;
pub mod testing;
pub mod text;
pub mod time;

pub use game::{
    Absence, Context, Durable, FlushMode, Game, Outcome, Registry, Rejection, Seat, Seating, Seats, Start, Then,
    Viewer, Views,
};
pub use rng::Rng;
pub use room::{Command, Flush, Room};
pub use time::Time;

/// Re-exported for games: derive `Encode` and `Decode` with `#[bincode(crate = "anteroom_core::bincode")]`.
pub use anteroom_protocol::bincode;
pub use anteroom_protocol::message::OwnerPolicy;
pub use anteroom_protocol::{Delivery, ErrorCode, Json, UserId};

/// Re-exported for games: derive `JsonSchema` for their options with `#[schemars(crate = "anteroom_core::schemars")]`.
pub use schemars;
