//! What travels between dice and its players.

use std::collections::BTreeMap;

use anteroom_core::UserId;
use anteroom_core::bincode::{Decode, Encode};
use anteroom_core::schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a room of dice is created with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(crate = "anteroom_core::schemars")]
#[serde(default)]
pub struct Options {
    /// How many play; 2 to 6. A match begins when all seats are taken.
    #[schemars(title = "Players", range(min = 2, max = 6))]
    pub players: u16,
    /// The points that win; 50 to 100000. The classic game is played to 10000.
    #[schemars(title = "Points to win", range(min = 50, max = 100_000))]
    pub target: u32,
    /// How long a bust is shown before the turn passes, in milliseconds; 0 to 10000.
    #[schemars(title = "A bust is shown for, in milliseconds", range(min = 0, max = 10_000))]
    pub bust_ms: u16,
    /// For a player who is away; 1 to 600.
    #[schemars(title = "Seconds until a bot takes over", range(min = 1, max = 600))]
    pub bot_after_s: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self { players: 2, target: 3000, bust_ms: 2000, bot_after_s: 30 }
    }
}

/// What players do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub enum Action {
    /// Throws all the dice there are to throw: six at the beginning of a turn and when all six were set aside, otherwise what
    /// is left.
    Roll {},
    /// Selects one of the dice on the table, or takes that back.
    Select {
        /// Its place in `dice`, from 0.
        dice_index: i32,
    },
    /// Sets the selected dice aside for their worth. Each of them has to score.
    SetAside {
        /// Whether the turn ends with that, and its points are safe; otherwise `roll` comes next.
        end_turn: bool,
    },
    /// Asks for another match once one is over. It begins when all have asked.
    Rematch {},
}

/// What everyone sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub struct View {
    /// Where the match stands.
    pub status: Status,
    /// Whose turn it is; none unless a match is on.
    pub current_turn: Option<UserId>,
    /// The dice on the table, 1 to 6 each; none before the first roll of a turn.
    #[schemars(inner(range(min = 1, max = 6)))]
    pub dice: Vec<u8>,
    /// Which of them are selected, by their places, in order.
    pub selected: Vec<i32>,
    /// The dice that were set aside in this turn; none again once all six were.
    #[schemars(inner(range(min = 1, max = 6)))]
    pub set_aside: Vec<u8>,
    /// What the selection is worth; 0 if one of its dice does not score.
    pub roll_score: u32,
    /// What the turn has so far, without the selection.
    pub turn_score: u32,
    /// The points of everybody at the table.
    pub scores: BTreeMap<UserId, u32>,
    /// The points that win.
    pub target: u32,
    /// Who won.
    pub winner: Option<UserId>,
    /// Whether `roll` is what comes next.
    pub can_roll: bool,
    /// Who sits where, in the order in which they take turns; none where the seat is free.
    pub players: Vec<Option<UserId>>,
    /// Who wants a rematch.
    pub rematch_wanted: Vec<UserId>,
}

/// Where the match stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub enum Status {
    /// For more players.
    Waiting,
    /// It is somebody's turn.
    Playing,
    /// Nothing of what was thrown scores: the turn's points are lost, and it passes on in a moment.
    Busted,
    /// Somebody reached the target, or is the last who did not leave.
    Won,
}
