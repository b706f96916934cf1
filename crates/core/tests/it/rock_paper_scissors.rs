//! A complete game, as somebody who uses this crate writes one: rock, paper, scissors. What a player chose is hidden
//! until both have chosen; whoever lets the other wait too long loses the round.

use std::time::Duration;

use anteroom_core::bincode::{Decode, Encode};
use anteroom_core::game::TimerId;
use anteroom_core::schemars::JsonSchema;
use anteroom_core::{Context, Game, Outcome, Rejection, Seat, Seating, Seats, Viewer, Views};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
enum Hand {
    Rock,
    Paper,
    Scissors,
}

impl Hand {
    fn beats(self, other: Hand) -> bool {
        matches!(
            (self, other),
            (Hand::Rock, Hand::Scissors) | (Hand::Paper, Hand::Rock) | (Hand::Scissors, Hand::Paper)
        )
    }
}

/// `{"rounds": 3}`: so many rounds win the match.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(crate = "anteroom_core::schemars")]
#[serde(default)]
struct Options {
    rounds: u32,
}

impl Default for Options {
    fn default() -> Self {
        Options { rounds: 3 }
    }
}

/// What a client sends: `{"type": "choose", "data": {"hand": "rock"}}`.
#[derive(Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
enum Action {
    Choose { hand: Hand },
}

/// What everyone hears when a round is over: `{"type": "revealed", "data": {"hands": ["rock", "paper"], "winner": 1}}`.
#[derive(Debug, PartialEq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
enum Event {
    Revealed { hands: [Option<Hand>; 2], winner: Option<Seat> },
}

/// What a member sees: the own hand only.
#[derive(Debug, PartialEq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[bincode(crate = "anteroom_core::bincode")]
#[schemars(crate = "anteroom_core::schemars")]
struct View {
    my_hand: Option<Hand>,
    has_chosen: [bool; 2],
    score: [u32; 2],
}

#[derive(Serialize, Deserialize)]
struct RockPaperScissors {
    rounds: u32,
    hands: [Option<Hand>; 2],
    score: [u32; 2],
    clock: Option<TimerId>,
}

const TIME_TO_CHOOSE: Duration = Duration::from_secs(10);

impl RockPaperScissors {
    fn end_round(&mut self, ctx: &mut Context<'_, Self>) {
        let winner = match self.hands {
            [Some(first), Some(second)] if first == second => None,
            [Some(first), Some(second)] if second.beats(first) => Some(Seat(1)),
            [None, Some(_)] => Some(Seat(1)),
            _ => Some(Seat(0)),
        };
        self.clock.take().and_then(|clock| ctx.cancel(clock));
        ctx.broadcast(&Event::Revealed { hands: std::mem::take(&mut self.hands), winner });
        let Some(winner) = winner else { return };
        let score = &mut self.score[usize::from(winner.0)];
        *score += 1;
        if *score == self.rounds {
            ctx.finish(Outcome::won_by(winner));
            self.score = [0; 2];
        }
    }
}

impl Game for RockPaperScissors {
    type Options = Options;
    type Action = Action;
    type Event = Event;
    type View = View;
    type Timer = ();

    const KIND: &'static str = "rock_paper_scissors";
    const VERSION: u16 = 1;
    const VIEWS: Views = Views::PerSeat;

    fn seats(_: &Options) -> Seats {
        Seats::exactly(2)
    }

    fn new(options: Options, _: &mut Context<'_, Self>) -> Result<Self, Rejection> {
        Ok(Self { rounds: options.rounds.max(1), hands: [None; 2], score: [0; 2], clock: None })
    }

    fn joined(&mut self, _: Seat, _: &mut Context<'_, Self>) {}

    fn left(&mut self, _: Seat, ctx: &mut Context<'_, Self>) {
        self.clock.take().and_then(|clock| ctx.cancel(clock));
        (self.hands, self.score) = ([None; 2], [0; 2]);
        ctx.wait();
        ctx.publish(self);
    }

    fn act(
        &mut self,
        seat: Seat,
        Action::Choose { hand }: Action,
        ctx: &mut Context<'_, Self>,
    ) -> Result<(), Rejection> {
        if ctx.players().count() < 2 {
            return Err(Rejection::not_playing("Wait for somebody to play against."));
        }
        if self.hands[usize::from(seat.0)].is_some() {
            return Err(Rejection::invalid_move("You have chosen already."));
        }
        ctx.begin();
        self.hands[usize::from(seat.0)] = Some(hand);
        if self.hands.iter().all(Option::is_some) {
            self.end_round(ctx);
        } else {
            self.clock = ctx.after(TIME_TO_CHOOSE, ());
        }
        ctx.publish(self);
        Ok(())
    }

    fn timer(&mut self, (): (), ctx: &mut Context<'_, Self>) {
        self.end_round(ctx);
        ctx.publish(self);
    }

    fn view(&self, viewer: Viewer, _: &Seating) -> View {
        let my_hand = match viewer {
            Viewer::Seat(seat) => self.hands[usize::from(seat.0)],
            Viewer::Spectator => None,
        };
        View { my_hand, has_chosen: self.hands.map(|hand| hand.is_some()), score: self.score }
    }
}

#[cfg(test)]
mod tests {
    use anteroom_core::testing::{RoomState, Setup, Table, assert_deterministic};
    use anteroom_core::{ErrorCode, Registry};

    use super::*;

    fn choose(hand: Hand) -> Action {
        Action::Choose { hand }
    }

    #[test]
    fn a_hand_is_hidden_until_both_have_chosen() {
        let mut table = Table::<RockPaperScissors>::new();
        table.sit("ada");
        table.sit("bob");
        table.watch("eve");

        table.act("ada", choose(Hand::Rock)).unwrap();
        let seen = |my_hand| View { my_hand, has_chosen: [true, false], score: [0, 0] };
        assert_eq!(table.states("ada"), [seen(Some(Hand::Rock))]);
        assert_eq!(table.states("bob"), [seen(None)]);
        assert_eq!(table.states("eve"), [seen(None)]);

        table.act("bob", choose(Hand::Paper)).unwrap();
        let revealed = Event::Revealed { hands: [Some(Hand::Rock), Some(Hand::Paper)], winner: Some(Seat(1)) };
        assert_eq!(table.events("eve"), [revealed]);
        assert_eq!(table.view(Viewer::Spectator).score, [0, 1]);
    }

    #[test]
    fn who_lets_the_other_wait_loses_the_round() {
        let mut table = Table::<RockPaperScissors>::with(Setup::default().options(&Options { rounds: 1 }));
        table.sit("ada");
        assert_eq!(table.act("ada", choose(Hand::Rock)).unwrap_err().code, ErrorCode::NotPlaying);
        table.sit("bob");
        table.act("bob", choose(Hand::Rock)).unwrap();
        assert_eq!(table.act("bob", choose(Hand::Paper)).unwrap_err().code, ErrorCode::InvalidMove);

        table.advance(TIME_TO_CHOOSE);
        assert_eq!(table.outcomes(), [Outcome::won_by(Seat(1))]);
        assert_eq!(table.room_state(), RoomState::Finished);
    }

    #[test]
    fn it_is_deterministic_and_can_be_registered() {
        assert_deterministic::<RockPaperScissors>(&Setup::default(), |table| {
            table.sit("ada");
            table.sit("bob");
            for (first, second) in [(Hand::Rock, Hand::Paper), (Hand::Scissors, Hand::Scissors)] {
                table.act("ada", choose(first)).unwrap();
                table.act("bob", choose(second)).unwrap();
            }
            table.leave("bob");
        });
        Registry::new().register::<RockPaperScissors>().unwrap();
    }
}
