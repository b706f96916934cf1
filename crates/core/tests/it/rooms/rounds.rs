//! A game of rounds: who has not counted last counts on. What it leaves to its room is said by its rules.

use std::marker::PhantomData;
use std::time::Duration;

use anteroom_core::bincode::{Decode, Encode};
use anteroom_core::game::{Absence, Start, Then};
use anteroom_core::rng::Rng;
use anteroom_core::schemars::JsonSchema;
use anteroom_core::{Context, Game, Outcome, Rejection, Seat, Seating, Seats, Viewer, Views};
use serde::{Deserialize, Serialize};

/// What a game of rounds leaves to its room.
pub(crate) trait Rules: Send + 'static {
    const BOTS: bool = true;
    const LATE_JOIN: bool = true;
    const START: Start = Start::Game;
    const TICK: Option<Duration> = None;
}

/// Begins when it is told to.
pub(crate) struct Told;
impl Rules for Told {}

/// Has no bots.
pub(crate) struct Botless;
impl Rules for Botless {
    const BOTS: bool = false;
}

/// Begins when all are ready, and takes nobody late.
pub(crate) struct WhenReady;
impl Rules for WhenReady {
    const LATE_JOIN: bool = false;
    const START: Start = Start::Ready;
}

/// Begins when all seats are taken.
pub(crate) struct WhenFull;
impl Rules for WhenFull {
    const START: Start = Start::Full;
}

/// Ticks.
pub(crate) struct Ticks;
impl Rules for Ticks {
    const TICK: Option<Duration> = Some(Duration::from_millis(100));
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct Rounds<R: Rules> {
    total: u32,
    last: Option<Seat>,
    is_on: bool,
    goal: u32,
    stubborn: bool,
    #[serde(skip)]
    rules: PhantomData<R>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(crate = "anteroom_core::schemars")]
#[serde(default)]
pub(crate) struct Options {
    seats: u16,
    min: u16,
    teams: u16,
    /// Where a match ends.
    goal: u32,
    /// Its bots count when it is not for them to count.
    stubborn: bool,
    absent_ms: u64,
    then: String,
}

impl Default for Options {
    fn default() -> Self {
        let (seats, min, teams, goal, stubborn) = (3, 1, 1, 1000, false);
        Self { seats, min, teams, goal, stubborn, absent_ms: 0, then: String::new() }
    }
}

#[derive(Debug, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub(crate) enum Action {
    /// What the player sees of their own.
    Count {
        mine: Option<Seat>,
    },
    Begin {},
    Finish {},
    Wait {},
    Remind {
        ms: u64,
    },
}

#[derive(Debug, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub(crate) enum Event {
    Counted { seat: Seat, mine: Option<Seat>, total: u32 },
    Note { text: String },
}

#[derive(Debug, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub(crate) struct View {
    total: u32,
    last: Option<Seat>,
    is_on: bool,
    stubborn: bool,
    /// What nobody else sees.
    mine: Option<Seat>,
}

fn note<R: Rules>(text: String, ctx: &mut Context<'_, Rounds<R>>) {
    ctx.broadcast(&Event::Note { text });
}

impl<R: Rules> Game for Rounds<R> {
    type Options = Options;
    type Action = Action;
    type Event = Event;
    type View = View;
    type Timer = u32;

    const KIND: &'static str = "rounds";
    const VERSION: u16 = 1;
    const VIEWS: Views = Views::PerSeat;
    const TICK: Option<Duration> = R::TICK;
    const BOTS: bool = R::BOTS;
    const LATE_JOIN: bool = R::LATE_JOIN;
    const START: Start = R::START;
    const SEARCHABLE: &'static [&'static str] = &["map"];

    fn seats(options: &Options) -> Seats {
        Seats { min: options.min, teams: options.teams, ..Seats::exactly(options.seats) }
    }

    fn absence(options: &Options) -> Absence {
        let then = match options.then.as_str() {
            "bot" => Then::Bot,
            "vote" => Then::Vote,
            "pause" => Then::Pause,
            _ => Then::Wait,
        };
        Absence { after: Duration::from_millis(options.absent_ms), then }
    }

    fn new(options: Options, _: &mut Context<'_, Self>) -> Result<Self, Rejection> {
        let Options { goal, stubborn, .. } = options;
        Ok(Self { total: 0, last: None, is_on: false, goal, stubborn, rules: PhantomData })
    }

    fn joined(&mut self, seat: Seat, ctx: &mut Context<'_, Self>) {
        note(format!("joined {}", seat.0), ctx);
    }

    fn left(&mut self, seat: Seat, ctx: &mut Context<'_, Self>) {
        note(format!("left {}", seat.0), ctx);
    }

    fn ready_changed(&mut self, seat: Seat, ready: bool, ctx: &mut Context<'_, Self>) {
        note(format!("ready {} {ready}", seat.0), ctx);
    }

    fn start(&mut self, ctx: &mut Context<'_, Self>) {
        self.is_on = true;
        note("start".into(), ctx);
    }

    fn act(&mut self, seat: Seat, action: Action, ctx: &mut Context<'_, Self>) -> Result<(), Rejection> {
        match action {
            Action::Count { .. } if !self.is_on || self.last == Some(seat) => {
                return Err(Rejection::invalid_move("It is for somebody else to count."));
            }
            Action::Count { mine } => {
                self.total += 1;
                self.last = Some(seat);
                ctx.broadcast(&Event::Counted { seat, mine, total: self.total });
                if self.total >= self.goal {
                    self.is_on = false;
                    ctx.finish(Outcome::won_by(seat));
                }
            }
            Action::Begin {} => {
                self.is_on = true;
                ctx.begin();
            }
            Action::Finish {} => {
                self.is_on = false;
                ctx.finish(Outcome::draw());
            }
            Action::Wait {} => ctx.wait(),
            Action::Remind { ms } => {
                ctx.after(Duration::from_millis(ms), 0);
            }
        }
        Ok(())
    }

    fn timer(&mut self, _: u32, ctx: &mut Context<'_, Self>) {
        note(format!("rang at {}", ctx.now().as_millis()), ctx);
    }

    fn tick(&mut self, ctx: &mut Context<'_, Self>) {
        note(format!("tick at {}", ctx.now().as_millis()), ctx);
    }

    fn view(&self, viewer: Viewer, _: &Seating) -> View {
        let Self { total, last, is_on, stubborn, .. } = *self;
        let mine = match viewer {
            Viewer::Seat(seat) => Some(seat),
            Viewer::Spectator => None,
        };
        View { total, last, is_on, stubborn, mine }
    }

    fn bot(view: &View, seat: Seat, _: &mut Rng) -> Option<Action> {
        let may = view.is_on && view.last != Some(seat);
        (may || view.stubborn).then_some(Action::Count { mine: view.mine })
    }
}
