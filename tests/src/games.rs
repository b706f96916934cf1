//! Games that misbehave.

use anteroom_core::bincode::{Decode, Encode};
use anteroom_core::game::{Nothing, Registry};
use anteroom_core::{Context, Game, Rejection, Seat, Seating, Seats, Viewer, Views};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Does what it is told, and fails in the way it is told.
#[derive(Debug, Serialize, Deserialize)]
pub struct Broken {
    when: When,
    unencodable: bool,
}

/// When it panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Only when asked to.
    #[default]
    Asked,
    /// When the room is made.
    Made,
    /// When the second player sits down.
    Joined,
    /// When a player leaves.
    Left,
}

/// How the room is made.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// When it panics.
    pub when: When,
}

/// What players do.
#[derive(Debug, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
pub enum Action {
    /// Nothing bad.
    Live {},
    /// Panics.
    Panic {},
    /// Publishes a view that has no encoding in JSON.
    Mumble {},
    /// Says something larger than any frame.
    Shout {},
}

/// What it says.
#[derive(Debug, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
pub enum Event {
    /// All is well.
    Alive {},
    /// Too much.
    Shouted {
        /// How much.
        words: String,
    },
}

/// What it looks like: a map whose keys are no strings, which JSON does not have.
#[derive(Debug, Serialize, Deserialize, Encode, Decode)]
#[bincode(crate = "anteroom_core::bincode")]
pub struct View {
    cells: BTreeMap<Option<(u8, u8)>, u8>,
}

impl Game for Broken {
    type Options = Options;
    type Action = Action;
    type Event = Event;
    type View = View;
    type Timer = Nothing;

    const KIND: &'static str = "broken";
    const VERSION: u16 = 1;
    const VIEWS: Views = Views::Shared;

    fn seats(_options: &Options) -> Seats {
        Seats { min: 1, max: 4, teams: 1, spectators: false }
    }

    fn new(options: Options, _ctx: &mut Context<'_, Self>) -> Result<Self, Rejection> {
        assert_ne!(options.when, When::Made, "as asked, when made");
        Ok(Self { when: options.when, unencodable: false })
    }

    fn joined(&mut self, seat: Seat, _ctx: &mut Context<'_, Self>) {
        assert!(self.when != When::Joined || seat == Seat(0), "as asked, when joined");
    }

    fn left(&mut self, _seat: Seat, _ctx: &mut Context<'_, Self>) {
        assert_ne!(self.when, When::Left, "as asked, when left");
    }

    fn act(&mut self, _seat: Seat, action: Action, ctx: &mut Context<'_, Self>) -> Result<(), Rejection> {
        match action {
            Action::Live {} => ctx.broadcast(&Event::Alive {}),
            Action::Panic {} => panic!("as asked, with a line\nbreak and \u{1b}[31mcolour"),
            Action::Mumble {} => {
                self.unencodable = true;
                ctx.publish(self);
            }
            Action::Shout {} => ctx.broadcast(&Event::Shouted { words: "a".repeat(2 << 20) }),
        }
        Ok(())
    }

    fn view(&self, _viewer: Viewer, _seating: &Seating) -> View {
        let cells = if self.unencodable { BTreeMap::from([(Some((1, 2)), 3)]) } else { BTreeMap::new() };
        View { cells }
    }
}

/// The games that come with the server, and the broken one.
///
/// # Panics
/// Never: their names are fine.
#[must_use]
pub fn with_broken() -> Registry {
    let mut games = anteroom_games::registry().unwrap();
    games.register::<Broken>().unwrap();
    games
}
