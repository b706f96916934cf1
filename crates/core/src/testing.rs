//! Playing a game in a test: a table with players and spectators, without a server, a clock or a socket.
//!
//! A [`Table`] is a real room. Actions go in and messages come out through the real codecs, JSON and binary by turns,
//! so that what a test sees is what players see. Time stands still until [`Table::advance`].
//!
//! ```
//! use anteroom_core::bincode::{Decode, Encode};
//! use anteroom_core::game::Nothing;
//! use anteroom_core::testing::Table;
//! use anteroom_core::{Context, Game, Rejection, Seat, Seating, Seats, Viewer, Views};
//! use anteroom_core::schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//!
//! /// Everyone counts together.
//! #[derive(Serialize, Deserialize)]
//! struct Counter {
//!     total: u32,
//! }
//!
//! #[derive(Deserialize, JsonSchema)]
//! #[schemars(crate = "anteroom_core::schemars")]
//! struct Options {}
//!
//! #[derive(Serialize, Deserialize, Encode, Decode, JsonSchema)]
//! #[serde(rename_all = "snake_case")]
//! #[bincode(crate = "anteroom_core::bincode")]
//! #[schemars(crate = "anteroom_core::schemars")]
//! enum Action {
//!     Add { number: u32 },
//! }
//!
//! impl Game for Counter {
//!     type Options = Options;
//!     type Action = Action;
//!     type Event = Nothing;
//!     type View = u32;
//!     type Timer = Nothing;
//!     const KIND: &'static str = "counter";
//!     const VERSION: u16 = 1;
//!     const VIEWS: Views = Views::Shared;
//!
//!     fn seats(_: &Options) -> Seats {
//!         Seats::exactly(2)
//!     }
//!
//!     fn new(_: Options, _: &mut Context<'_, Self>) -> Result<Self, Rejection> {
//!         Ok(Self { total: 0 })
//!     }
//!
//!     fn joined(&mut self, _: Seat, _: &mut Context<'_, Self>) {}
//!
//!     fn left(&mut self, _: Seat, _: &mut Context<'_, Self>) {}
//!
//!     fn act(&mut self, _: Seat, action: Action, ctx: &mut Context<'_, Self>) -> Result<(), Rejection> {
//!         let Action::Add { number } = action;
//!         self.total = self.total.checked_add(number).ok_or_else(|| Rejection::invalid_move("Too much."))?;
//!         ctx.publish(self);
//!         Ok(())
//!     }
//!
//!     fn view(&self, _: Viewer, _: &Seating) -> u32 {
//!         self.total
//!     }
//! }
//!
//! let mut table = Table::<Counter>::new();
//! table.sit("ada");
//! table.act("ada", Action::Add { number: 2 })?;
//! table.watch("bob");
//! table.act("ada", Action::Add { number: 3 })?;
//! assert!(table.act("ada", Action::Add { number: u32::MAX }).is_err());
//!
//! assert_eq!(table.states("ada"), [2, 5]);
//! assert_eq!(table.states("bob"), [5]);
//! # Ok::<(), anteroom_core::testing::Refusal>(())
//! ```

mod ask;
mod determinism;
mod heard;
mod look;
mod recording;
mod setup;
mod table;

pub use determinism::assert_deterministic;
pub use heard::Heard;
pub use setup::Setup;
pub use table::Table;

/// Why something was refused, as the player is told.
pub use anteroom_protocol::ErrorBody as Refusal;
/// Who is told what about coming and going.
pub use anteroom_protocol::message::push::{ClosedReason, LeftReason};
/// One member of a room, and how the lobby shows the room.
pub use anteroom_protocol::message::{Member, Role, RoomState};
