//! A whole game, and a server for it: rock, paper, scissors. Both choose in secret, then both see.

use std::process::ExitCode;

use anteroom_core::bincode::{Decode, Encode};
use anteroom_core::game::Nothing;
use anteroom_core::schemars::JsonSchema;
use anteroom_core::{Context, ErrorCode, Game, Outcome, Registry, Rejection, Seat, Seating, Seats, Viewer, Views};
use serde::{Deserialize, Serialize};

/// The whole state; its serde form is the snapshot.
#[derive(Serialize, Deserialize)]
struct RockPaperScissors {
    choices: [Option<Hand>; 2],
    last: Option<[Hand; 2]>,
    score: [u32; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
enum Hand {
    Rock,
    Paper,
    Scissors,
}

/// `{"type":"choose","room_id":"...","data":{"hand":"rock"}}`
#[derive(Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
enum Action {
    Choose { hand: Hand },
}

/// What one pair of eyes sees: never the other's choice before both are made.
#[derive(Debug, PartialEq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
struct View {
    yours: Option<Hand>,
    have_chosen: [bool; 2],
    last: Option<[Hand; 2]>,
    score: [u32; 2],
}

#[derive(Deserialize, JsonSchema)]
#[schemars(crate = "anteroom_core::schemars")]
struct Options {}

impl Game for RockPaperScissors {
    type Options = Options;
    type Action = Action;
    type Event = Nothing;
    type View = View;
    type Timer = Nothing;

    const KIND: &'static str = "rock_paper_scissors";
    const VERSION: u16 = 1;
    const VIEWS: Views = Views::PerSeat;

    fn seats(_options: &Options) -> Seats {
        Seats::exactly(2)
    }

    fn new(_options: Options, _ctx: &mut Context<'_, Self>) -> Result<Self, Rejection> {
        Ok(Self { choices: [None; 2], last: None, score: [0; 2] })
    }

    fn joined(&mut self, _seat: Seat, ctx: &mut Context<'_, Self>) {
        if ctx.players().count() == 2 {
            *self = Self { choices: [None; 2], last: None, score: [0; 2] };
            ctx.begin();
        }
        ctx.publish(self);
    }

    fn left(&mut self, seat: Seat, ctx: &mut Context<'_, Self>) {
        self.choices = [None; 2];
        // Until this returns, who leaves is still counted.
        if ctx.players().count() == 2 {
            ctx.finish(Outcome::won_by(Seat(1 - seat.0)));
        }
        ctx.publish(self);
    }

    fn act(&mut self, seat: Seat, action: Action, ctx: &mut Context<'_, Self>) -> Result<(), Rejection> {
        let Action::Choose { hand } = action;
        if ctx.players().count() < 2 {
            return Err(Rejection::new(ErrorCode::NotPlaying, "It takes two; wait for the other player."));
        }
        let choice = &mut self.choices[usize::from(seat.0)];
        if choice.is_some() {
            return Err(Rejection::invalid_move("You have chosen already."));
        }
        *choice = Some(hand);
        if let [Some(a), Some(b)] = self.choices {
            match (3 + a as i32 - b as i32) % 3 {
                1 => self.score[0] += 1,
                2 => self.score[1] += 1,
                _ => {}
            }
            self.last = Some([a, b]);
            self.choices = [None; 2];
        }
        ctx.publish(self);
        Ok(())
    }

    fn view(&self, viewer: Viewer, _: &Seating) -> View {
        let yours = match viewer {
            Viewer::Seat(seat) => self.choices[usize::from(seat.0)],
            Viewer::Spectator => None,
        };
        View { yours, have_chosen: self.choices.map(|choice| choice.is_some()), last: self.last, score: self.score }
    }
}

fn main() -> ExitCode {
    let mut games = Registry::new();
    match games.register::<RockPaperScissors>() {
        Ok(()) => anteroom_server::cli::main(games),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use anteroom_core::testing::{Setup, Table, assert_deterministic};

    use super::*;

    #[test]
    fn nobody_sees_a_choice_before_both_are_made() {
        let mut table = Table::<RockPaperScissors>::new();
        table.sit("ada");
        table.sit("bob");
        table.act("ada", Action::Choose { hand: Hand::Paper }).unwrap();
        assert_eq!(table.states("ada").last().unwrap().yours, Some(Hand::Paper));
        let seen = table.states("bob").pop().unwrap();
        assert_eq!((seen.yours, seen.have_chosen, seen.last), (None, [true, false], None));

        table.act("bob", Action::Choose { hand: Hand::Rock }).unwrap();
        let after = table.states("bob").pop().unwrap();
        assert_eq!((after.last, after.score), (Some([Hand::Paper, Hand::Rock]), [1, 0]));
    }

    #[test]
    fn a_round_goes_the_same_way_again() {
        assert_deterministic::<RockPaperScissors>(&Setup::default(), |table| {
            table.sit("ada");
            table.sit("bob");
            table.act("ada", Action::Choose { hand: Hand::Paper }).unwrap();
            table.act("bob", Action::Choose { hand: Hand::Rock }).unwrap();
        });
    }
}
