//! A game of no rules that the demo has no board for: matches begin when all are ready, and those who are left vote on
//! going on without somebody who is away. Its options are of all kinds that the page has a field for.

use std::time::Duration;

use anteroom_core::bincode::{Decode, Encode};
use anteroom_core::game::{Absence, Nothing, Start, Then};
use anteroom_core::schemars::JsonSchema;
use anteroom_core::{Context, Game, Outcome, Registry, Rejection, Seat, Seating, Seats, Viewer, Views};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Parlor {
    mode: Mode,
    rounds: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
enum Mode {
    #[default]
    Classic,
    QuickFire,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(crate = "anteroom_core::schemars")]
struct Options {
    /// How it is played.
    mode: Mode,
    #[schemars(range(min = 1, max = 9))]
    rounds: u8,
    /// How long somebody may be away until the others vote.
    #[schemars(title = "Patience, in seconds", range(min = 1, max = 60))]
    patience_s: u8,
    house_rules: bool,
    motto: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { mode: Mode::Classic, rounds: 3, patience_s: 1, house_rules: false, motto: String::new() }
    }
}

#[derive(Debug, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
enum Action {
    /// Ends the match.
    Finish {},
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
struct View {
    mode: Mode,
    rounds: u8,
}

impl Game for Parlor {
    type Options = Options;
    type Action = Action;
    type Event = Nothing;
    type View = View;
    type Timer = Nothing;

    const KIND: &'static str = "parlor";
    const VERSION: u16 = 1;
    const VIEWS: Views = Views::Shared;
    const BOTS: bool = true;
    const START: Start = Start::Ready;

    fn seats(_options: &Options) -> Seats {
        Seats { min: 2, max: 4, teams: 1, spectators: true }
    }

    fn absence(options: &Options) -> Absence {
        Absence { after: Duration::from_secs(options.patience_s.into()), then: Then::Vote }
    }

    fn new(options: Options, _ctx: &mut Context<'_, Self>) -> Result<Self, Rejection> {
        Ok(Self { mode: options.mode, rounds: options.rounds })
    }

    fn joined(&mut self, _seat: Seat, _ctx: &mut Context<'_, Self>) {}

    fn left(&mut self, _seat: Seat, _ctx: &mut Context<'_, Self>) {}

    fn act(&mut self, _seat: Seat, Action::Finish {}: Action, ctx: &mut Context<'_, Self>) -> Result<(), Rejection> {
        ctx.finish(Outcome::draw());
        Ok(())
    }

    fn view(&self, _viewer: Viewer, _seating: &Seating) -> View {
        View { mode: self.mode, rounds: self.rounds }
    }
}

/// The games that come with a server, and this one.
pub(crate) fn with_parlor() -> Registry {
    let mut games = anteroom_games::registry().unwrap();
    games.register::<Parlor>().unwrap();
    games
}
