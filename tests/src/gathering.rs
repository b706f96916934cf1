//! Rooms with all that they can do, over servers that go away and come back: doors, owners, bots, absences, spectators who queue
//! for a seat, reservations, data, and what is said.
//!
//! Each client keeps a record of its room, from the snapshot and the pushes alone; whenever all is at rest,
//! the room is shown anew, and has to be that. What was answered is kept as facts, against which nothing may be done. How
//! connections are lost and servers stopped is chosen by one number, like everything else.

pub(crate) mod circle;
mod deeds;
mod facts;
mod guest;
mod knocking;
mod lists;
mod record;
mod resting;
pub mod simulated;

/// Who they are. Nobody else is ever asked for.
const USERS: [&str; 5] = ["ada", "bob", "cyd", "dan", "eve"];
