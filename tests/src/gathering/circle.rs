//! A game for rooms: everyone who is in it counts on, until the match is over. It begins when all are ready, bots count too,
//! and what becomes of those who are away is an option.

use std::time::Duration;

use anteroom_core::bincode::{Decode, Encode};
use anteroom_core::game::{Absence, Durable, Nothing, Start, Then};
use anteroom_core::schemars::JsonSchema;
use anteroom_core::{Context, Game, Outcome, Registry, Rejection, Rng, Seat, Seating, Seats, Viewer, Views};
use serde::{Deserialize, Serialize};

/// How many times a match is counted on.
const COUNTS: u32 = 8;
/// A match in which nobody counts is over after this long.
const LASTS: Duration = Duration::from_secs(40);
/// How long somebody is away until it matters.
const AWAY: Duration = Duration::from_millis(700);

/// The state. An `OPEN` circle has bots, and lets players in while it counts; another has neither.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Circle<const OPEN: bool> {
    count: u32,
    seats: Vec<Seat>,
    matches: u32,
}

/// How the room is made.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(crate = "anteroom_core::schemars")]
#[serde(default)]
pub(super) struct Options {
    absence: Rule,
}

/// What becomes of those who are away.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(crate = "anteroom_core::schemars")]
#[serde(rename_all = "snake_case")]
pub(super) enum Rule {
    #[default]
    Wait,
    Bot,
    Vote,
    Pause,
}

/// What players do.
#[derive(Debug, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub(crate) enum Action {
    /// Counts on.
    Count {},
}

/// What there is to see.
#[derive(Debug, PartialEq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub(crate) struct View {
    count: u32,
    seats: Vec<Seat>,
    matches: u32,
}

/// The end of a match in which nobody counts.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TooLong {
    which: u32,
}

impl<const OPEN: bool> Game for Circle<OPEN> {
    type Options = Options;
    type Action = Action;
    type Event = Nothing;
    type View = View;
    type Timer = TooLong;

    const KIND: &'static str = if OPEN { "circle" } else { "closed_circle" };
    const VERSION: u16 = 1;
    const VIEWS: Views = Views::Shared;
    const DURABLE: Durable = Durable::Choice(true);
    const BOTS: bool = OPEN;
    const LATE_JOIN: bool = OPEN;
    const START: Start = Start::Ready;
    const SEARCHABLE: &'static [&'static str] = &["level"];

    fn seats(_options: &Options) -> Seats {
        Seats { min: 2, max: 4, teams: 1, spectators: true }
    }

    fn absence(options: &Options) -> Absence {
        let then = match options.absence {
            Rule::Wait => Then::Wait,
            Rule::Bot => Then::Bot,
            Rule::Vote => Then::Vote,
            Rule::Pause => Then::Pause,
        };
        Absence { after: AWAY, then }
    }

    fn new(_options: Options, _ctx: &mut Context<'_, Self>) -> Result<Self, Rejection> {
        Ok(Self { count: 0, seats: Vec::new(), matches: 0 })
    }

    fn joined(&mut self, seat: Seat, ctx: &mut Context<'_, Self>) {
        assert!(!self.seats.contains(&seat), "seat {} is taken twice", seat.0);
        self.seats.push(seat);
        ctx.publish(self);
    }

    fn left(&mut self, seat: Seat, ctx: &mut Context<'_, Self>) {
        assert!(self.seats.contains(&seat), "seat {} is left by nobody", seat.0);
        self.seats.retain(|taken| *taken != seat);
        if self.seats.len() < 2 && self.is_on() {
            self.end(ctx);
        }
        ctx.publish(self);
    }

    fn start(&mut self, ctx: &mut Context<'_, Self>) {
        self.count = COUNTS;
        self.matches += 1;
        let _ = ctx.after(LASTS, TooLong { which: self.matches });
        ctx.publish(self);
    }

    fn act(&mut self, _seat: Seat, Action::Count {}: Action, ctx: &mut Context<'_, Self>) -> Result<(), Rejection> {
        if !self.is_on() {
            return Err(Rejection::not_playing("There is nothing to count."));
        }
        self.count -= 1;
        if self.count == 0 {
            self.end(ctx);
        }
        ctx.publish(self);
        Ok(())
    }

    fn timer(&mut self, TooLong { which }: TooLong, ctx: &mut Context<'_, Self>) {
        if which == self.matches && self.is_on() {
            self.end(ctx);
            ctx.publish(self);
        }
    }

    fn view(&self, _viewer: Viewer, _seating: &Seating) -> View {
        View { count: self.count, seats: self.seats.clone(), matches: self.matches }
    }

    fn bot(view: &View, _seat: Seat, rng: &mut Rng) -> Option<Action> {
        // Now and then what it does is refused.
        (view.count > 0 || rng.below(8) == 0).then_some(Action::Count {})
    }
}

impl<const OPEN: bool> Circle<OPEN> {
    fn is_on(&self) -> bool {
        self.count > 0
    }

    fn end(&mut self, ctx: &mut Context<'_, Self>) {
        self.count = 0;
        ctx.finish(Outcome::draw());
    }
}

/// The games that come with the server, and both circles.
pub(super) fn registry() -> Registry {
    let mut games = anteroom_games::registry().unwrap();
    games.register::<Circle<true>>().unwrap();
    games.register::<Circle<false>>().unwrap();
    games
}
