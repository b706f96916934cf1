//! What travels between owe drahn and its players.

use std::collections::BTreeMap;

use anteroom_core::UserId;
use anteroom_core::bincode::{Decode, Encode};
use anteroom_core::schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a room of owe drahn is created with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(crate = "anteroom_core::schemars")]
#[serde(default)]
pub struct Options {
    /// How long a result is shown before the table is set for a new game, in milliseconds; 0 to 60000.
    #[schemars(title = "Pause between games, in milliseconds", range(min = 0, max = 60_000))]
    pub pause_ms: u16,
    /// For a player who is away; 1 to 600.
    #[schemars(title = "Seconds until a bot takes over", range(min = 1, max = 600))]
    pub bot_after_s: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self { pause_ms: 5000, bot_after_s: 15 }
    }
}

/// What players do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub enum Action {
    /// Rolls the die onto the total.
    Roll {},
    /// Gives a life, which may not be the last, to have the total at 0; `choose_next` comes next.
    LoseLife {},
    /// Says who goes on after a life was given.
    ChooseNext {
        /// One of the others who are not out.
        user_id: UserId,
    },
    /// Proposes a bet on who of two is out first, until a match begins.
    SidebetPropose {
        /// To whom.
        user_id: UserId,
        /// The points that whoever is out first gives to the other; 1 to 100.
        #[schemars(range(min = 1, max = 100))]
        amount: i32,
    },
    /// Accepts a bet.
    SidebetAccept {
        /// Whose; it can be left out while there is only one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_id: Option<UserId>,
    },
    /// Turns a bet down, or takes back one's own that was not accepted.
    SidebetDecline {
        /// Whose, or to whom; it can be left out while there is only one to turn down.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_id: Option<UserId>,
    },
}

/// What everyone sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub struct View {
    /// Where the match stands.
    pub status: Status,
    /// What is to be done by whose turn it is.
    pub phase: Phase,
    /// Whose turn it is; none unless a match is on.
    pub current_turn: Option<UserId>,
    /// What was rolled together; 0 to 15.
    #[schemars(range(max = 15))]
    pub total: u8,
    /// What was rolled last in this match, 1 to 6.
    #[schemars(range(min = 1, max = 6))]
    pub last_roll: Option<u8>,
    /// The lives of everybody at the table; 0 for those who are out.
    pub lives: BTreeMap<UserId, u8>,
    /// Who is out, the first first.
    pub out: Vec<UserId>,
    /// Who is ready for a match.
    pub ready: Vec<UserId>,
    /// The points of everybody at the table, over all matches.
    pub scores: BTreeMap<UserId, i32>,
    /// Who won the match that is over.
    pub winner: Option<UserId>,
    /// The bets between two.
    pub sidebets: Vec<Sidebet>,
    /// Who sits where, in the order in which they take turns; none where the seat is free, up to the last that is taken.
    pub players: Vec<Option<UserId>>,
}

/// Where the match stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub enum Status {
    /// For all to be ready.
    Waiting,
    /// It is somebody's turn.
    Playing,
    /// One is left; a new game is set up in a moment.
    Over,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub enum Phase {
    /// `roll` or `lose_life`; also while no match is on.
    Roll,
    /// `choose_next`.
    ChooseNext,
}

/// A bet between two players: whoever is out first gives the amount to the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub struct Sidebet {
    /// Who proposed it.
    pub from: UserId,
    /// To whom.
    pub to: UserId,
    /// In points.
    pub amount: i32,
    /// Whether it holds.
    pub accepted: bool,
}
