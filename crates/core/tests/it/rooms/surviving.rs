//! What the check for determinism says of games that do, and do not, survive a snapshot.

use std::panic::{AssertUnwindSafe, catch_unwind};

use anteroom_core::bincode::{Decode, Encode};
use anteroom_core::game::Nothing;
use anteroom_core::schemars::JsonSchema;
use anteroom_core::testing::{Setup, Table, assert_deterministic};
use anteroom_core::{Context, Game, Rejection, Seat, Seating, Seats, Viewer, Views};
use serde::{Deserialize, Serialize};

/// A game of numbers that are not whole.
#[derive(Serialize, Deserialize)]
struct Drifting {
    place: f64,
    pace: f32,
    /// Shown if there is an option that says so.
    #[serde(skip)]
    steps: u32,
    counts: bool,
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[schemars(crate = "anteroom_core::schemars")]
#[serde(default)]
struct Options {
    counts: bool,
}

#[derive(Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
enum Action {
    Drift {},
    GetLost {},
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
struct View {
    place: f64,
    steps: Option<u32>,
}

impl Game for Drifting {
    type Options = Options;
    type Action = Action;
    type Event = Nothing;
    type View = View;
    type Timer = Nothing;
    const KIND: &'static str = "drifting";
    const VERSION: u16 = 1;
    const VIEWS: Views = Views::Shared;

    fn seats(_: &Options) -> Seats {
        Seats::exactly(2)
    }

    fn new(options: Options, _: &mut Context<'_, Self>) -> Result<Self, Rejection> {
        Ok(Self { place: 0.1, pace: 1.1, steps: 0, counts: options.counts })
    }

    fn joined(&mut self, _: Seat, _: &mut Context<'_, Self>) {}

    fn left(&mut self, _: Seat, _: &mut Context<'_, Self>) {}

    fn act(&mut self, _: Seat, action: Action, ctx: &mut Context<'_, Self>) -> Result<(), Rejection> {
        match action {
            Action::Drift {} => {
                self.pace = (self.pace * 1.7) % 3.0 + 0.1;
                self.place = (self.place * f64::from(self.pace) + 0.2) % 10.0;
            }
            Action::GetLost {} => self.place = f64::NAN,
        }
        self.steps += 1;
        ctx.publish(self);
        Ok(())
    }

    fn view(&self, _: Viewer, _: &Seating) -> View {
        View { place: if self.place.is_nan() { -1.0 } else { self.place }, steps: self.counts.then_some(self.steps) }
    }
}

fn drift(table: &mut Table<Drifting>) {
    table.sit("ada");
    table.sit("bob");
    for _ in 0..200 {
        table.act("ada", Action::Drift {}).unwrap();
    }
}

fn panic_of(run: impl FnOnce()) -> String {
    *catch_unwind(AssertUnwindSafe(run)).unwrap_err().downcast::<String>().unwrap()
}

#[test]
fn numbers_are_the_same_to_the_last_bit() {
    assert_deterministic::<Drifting>(&Setup::default(), drift);
}

#[test]
fn a_game_that_forgets_is_told_where() {
    let setup = Setup::default().options(&Options { counts: true });
    let words = panic_of(|| assert_deterministic::<Drifting>(&setup, drift));
    assert!(words.starts_with("drifting sent something else when made anew from its snapshots:\n"), "{words}");
    assert!(words.contains(r#""steps":2"#) && words.contains(r#""steps":1"#), "{words}");
}

#[test]
fn a_state_that_cannot_be_read_back_is_named() {
    let words = panic_of(|| {
        assert_deterministic::<Drifting>(&Setup::default(), |table| {
            table.sit("ada");
            table.act("ada", Action::GetLost {}).unwrap();
        });
    });
    assert!(
        words.starts_with("drifting cannot be restored: the snapshot is damaged: the state of drifting: "),
        "{words}"
    );
}
