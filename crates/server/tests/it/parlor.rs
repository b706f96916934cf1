//! A game for rooms: it has no rules, and begins, is played by bots and waits for those who are away as the room has it.

use std::time::Duration;

use anteroom_core::bincode::{Decode, Encode};
use anteroom_core::game::{Absence, Nothing, Start, Then};
use anteroom_core::schemars::JsonSchema;
use anteroom_core::{Context, Game, Outcome, Registry, Rejection, Seat, Seating, Seats, Viewer, Views};
use serde::{Deserialize, Serialize};

/// How long somebody is away until the others vote.
pub(crate) const AWAY: Duration = Duration::from_secs(5);

/// Nothing to know.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Parlor {}

/// None.
#[derive(Debug, Default, Serialize, Deserialize, anteroom_core::schemars::JsonSchema)]
#[schemars(crate = "anteroom_core::schemars")]
pub(crate) struct Options {}

/// What players do.
#[derive(Debug, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub(crate) enum Action {
    /// Ends the match.
    Finish {},
}

/// What there is to see.
#[derive(Debug, PartialEq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub(crate) struct View {}

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
    const SEARCHABLE: &'static [&'static str] = &["mode"];

    fn seats(_options: &Options) -> Seats {
        Seats { min: 2, max: 4, teams: 1, spectators: true }
    }

    fn absence(_options: &Options) -> Absence {
        Absence { after: AWAY, then: Then::Vote }
    }

    fn new(_options: Options, _ctx: &mut Context<'_, Self>) -> Result<Self, Rejection> {
        Ok(Self {})
    }

    fn joined(&mut self, _seat: Seat, _ctx: &mut Context<'_, Self>) {}

    fn left(&mut self, _seat: Seat, _ctx: &mut Context<'_, Self>) {}

    fn act(&mut self, _seat: Seat, Action::Finish {}: Action, ctx: &mut Context<'_, Self>) -> Result<(), Rejection> {
        ctx.finish(Outcome::draw());
        Ok(())
    }

    fn view(&self, _viewer: Viewer, _seating: &Seating) -> View {
        View {}
    }
}

/// The games that come with the server, and the parlor.
pub(crate) fn with_parlor() -> Registry {
    let mut games = anteroom_games::registry().unwrap();
    games.register::<Parlor>().unwrap();
    games
}
