//! A game that does what it is told, one thing at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use anteroom_core::bincode::{Decode, Encode};
use anteroom_core::game::TimerId;
use anteroom_core::schemars::JsonSchema;
use anteroom_core::{Context, Delivery, ErrorCode, Game, Outcome, Rejection, Seat, Seating, Seats, Viewer, Views};
use serde::{Deserialize, Serialize};

/// With `HIDDEN`, every seat has a view of its own; with a `TICK_MS` it ticks.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Probe<const HIDDEN: bool, const TICK_MS: u64> {
    turn: u32,
    timer: Option<TimerId>,
    mute: bool,
    fragile: bool,
}

pub(crate) type Open = Probe<false, 0>;
pub(crate) type Hidden = Probe<true, 0>;
pub(crate) type Ticking = Probe<false, 10>;
pub(crate) type HiddenTicking = Probe<true, 10>;

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(crate = "anteroom_core::schemars")]
#[serde(default)]
pub(crate) struct Options {
    seats: u16,
    spectators: bool,
    /// Refuses to be created.
    refuse: bool,
    /// Panics when somebody joins.
    fragile: bool,
    /// Its view cannot be JSON.
    mute: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { seats: 3, spectators: true, refuse: false, fragile: false, mute: false }
    }
}

/// JSON has no maps with such keys.
pub(crate) type Unspeakable = BTreeMap<(u8, u8), u8>;

#[derive(Debug, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub(crate) enum Action {
    Say { n: u32 },
    SayLatest { key: String, n: u32 },
    Whisper { seat: Seat, n: u32 },
    Publish {},
    Refuse {},
    Remind { ms: u64, n: u32 },
    Cancel {},
    Roll {},
    Begin {},
    Finish {},
    Panic {},
    Choke {},
    Big { bytes: u32 },
}

#[derive(Debug, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub(crate) enum Event {
    Said { seat: Seat, n: u32 },
    Note { text: String },
    Choked { map: Unspeakable },
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
pub(crate) struct View {
    pub(crate) turn: u32,
    pub(crate) seat: Option<Seat>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) unspeakable: Unspeakable,
}

impl<const HIDDEN: bool, const TICK_MS: u64> Probe<HIDDEN, TICK_MS> {
    fn note(text: String, ctx: &mut Context<'_, Self>) {
        ctx.broadcast(&Event::Note { text });
    }
}

impl<const HIDDEN: bool, const TICK_MS: u64> Game for Probe<HIDDEN, TICK_MS> {
    type Options = Options;
    type Action = Action;
    type Event = Event;
    type View = View;
    type Timer = u32;

    const KIND: &'static str = "probe";
    const VERSION: u16 = 3;
    const VIEWS: Views = if HIDDEN { Views::PerSeat } else { Views::Shared };
    const TICK: Option<Duration> = if TICK_MS > 0 { Some(Duration::from_micros(TICK_MS * 1000 + 900)) } else { None };

    fn seats(options: &Options) -> Seats {
        Seats { spectators: options.spectators, ..Seats::exactly(options.seats) }
    }

    fn new(options: Options, ctx: &mut Context<'_, Self>) -> Result<Self, Rejection> {
        if options.refuse {
            return Err(Rejection::new(ErrorCode::InvalidOptions, "Not like this."));
        }
        Self::note("nobody hears this".into(), ctx);
        Ok(Self { turn: 0, timer: None, mute: options.mute, fragile: options.fragile })
    }

    fn joined(&mut self, seat: Seat, ctx: &mut Context<'_, Self>) {
        Self::note(format!("joined {}", seat.0), ctx);
        assert!(!self.fragile, "broken");
    }

    fn left(&mut self, seat: Seat, ctx: &mut Context<'_, Self>) {
        let player = ctx.player(seat).expect("it is still known who it was");
        assert_eq!(player.member, None, "they are not connected any more");
        Self::note(format!("left {} {}", seat.0, player.username), ctx);
    }

    fn disconnected(&mut self, seat: Seat, ctx: &mut Context<'_, Self>) {
        Self::note(format!("lost {}", seat.0), ctx);
    }

    fn reconnected(&mut self, seat: Seat, ctx: &mut Context<'_, Self>) {
        Self::note(format!("back {}", seat.0), ctx);
    }

    fn act(&mut self, seat: Seat, action: Action, ctx: &mut Context<'_, Self>) -> Result<(), Rejection> {
        match action {
            Action::Say { n } => ctx.broadcast(&Event::Said { seat, n }),
            Action::SayLatest { key, n } => {
                ctx.broadcast_as(&Event::Said { seat, n }, &Delivery::Latest { key: key.into() });
            }
            Action::Whisper { seat: to, n } => ctx.send(to, &Event::Said { seat, n }),
            Action::Publish {} => {
                self.turn += 1;
                ctx.publish(self);
            }
            Action::Refuse {} => {
                Self::note(format!("a slip of the tongue, {}", ctx.rng().next_u64()), ctx);
                ctx.publish(self);
                ctx.begin();
                ctx.finish(Outcome::won_by(seat));
                return Err(Rejection::new(ErrorCode::Rejected, "No."));
            }
            Action::Remind { ms, n } => self.timer = ctx.after(Duration::from_millis(ms), n),
            Action::Cancel {} => {
                let cancelled = self.timer.take().and_then(|timer| ctx.cancel(timer));
                Self::note(format!("cancelled {cancelled:?}"), ctx);
            }
            Action::Roll {} => {
                let n = ctx.rng().roll(1000);
                ctx.broadcast(&Event::Said { seat, n });
            }
            Action::Begin {} => ctx.begin(),
            Action::Finish {} => ctx.finish(Outcome::won_by(seat)),
            Action::Panic {} => {
                Self::note("one last thing".into(), ctx);
                panic!("told to");
            }
            Action::Choke {} => ctx.broadcast(&Event::Choked { map: Unspeakable::from([((1, 2), 3)]) }),
            Action::Big { bytes } => Self::note("x".repeat(bytes as usize), ctx),
        }
        Ok(())
    }

    fn timer(&mut self, n: u32, ctx: &mut Context<'_, Self>) {
        Self::note(format!("rang {n} at {}", ctx.now().as_millis()), ctx);
        // So that a test can have a chain of them.
        if n >= 1000 {
            ctx.after(Duration::ZERO, n);
        }
    }

    fn tick(&mut self, ctx: &mut Context<'_, Self>) {
        Self::note(format!("tick at {}", ctx.now().as_millis()), ctx);
    }

    fn view(&self, viewer: Viewer, _: &Seating) -> View {
        let seat = match viewer {
            Viewer::Seat(seat) if HIDDEN => Some(seat),
            _ => None,
        };
        let unspeakable = if self.mute { Unspeakable::from([((1, 2), 3)]) } else { Unspeakable::new() };
        View { turn: self.turn, seat, unspeakable }
    }
}

pub(crate) const SEAT_0: Seat = Seat(0);
