//! Bets between two players on which of them is out first. Knows nothing of dice and lives.

use anteroom_core::{ErrorCode, Rejection, Seat};
use serde::{Deserialize, Serialize};

/// What may be bet.
pub(super) const AMOUNT_MIN: i32 = 1;
pub(super) const AMOUNT_MAX: i32 = 100;

/// One bet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bet {
    pub(super) from: Seat,
    pub(super) to: Seat,
    pub(super) amount: i32,
    pub(super) is_accepted: bool,
}

impl Bet {
    fn is_of(&self, seat: Seat) -> bool {
        self.from == seat || self.to == seat
    }

    fn is_between(&self, one: Seat, other: Seat) -> bool {
        self.is_of(one) && self.is_of(other)
    }
}

/// The bets of a table: at most one between any two players.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Bets(Vec<Bet>);

impl Bets {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Bet> {
        self.0.iter()
    }

    pub(super) fn propose(&mut self, from: Seat, to: Seat, amount: i32) -> Result<(), Rejection> {
        if !(AMOUNT_MIN..=AMOUNT_MAX).contains(&amount) {
            return Err(Rejection::invalid_move(format!("A side bet is of {AMOUNT_MIN} to {AMOUNT_MAX} points.")));
        }
        if self.0.iter().any(|bet| bet.is_between(from, to)) {
            return Err(Rejection::new(ErrorCode::Conflict, "There is a side bet between you two already."));
        }
        self.0.push(Bet { from, to, amount, is_accepted: false });
        Ok(())
    }

    /// Accepts what one player, or the only one who did, proposed to another.
    pub(super) fn accept(&mut self, to: Seat, from: Option<Seat>) -> Result<(), Rejection> {
        let place = self.proposed_to(to, from)?;
        self.0[place].is_accepted = true;
        Ok(())
    }

    /// Turns down what was proposed to a player, or takes back what the player proposed to the one who is named.
    pub(super) fn decline(&mut self, seat: Seat, other: Option<Seat>) -> Result<(), Rejection> {
        let own = |bet: &Bet| bet.from == seat && Some(bet.to) == other && !bet.is_accepted;
        let place = match self.0.iter().position(own) {
            Some(place) => place,
            None => self.proposed_to(seat, other)?,
        };
        self.0.remove(place);
        Ok(())
    }

    fn proposed_to(&self, to: Seat, from: Option<Seat>) -> Result<usize, Rejection> {
        let open = |bet: &Bet| bet.to == to && !bet.is_accepted && from.is_none_or(|from| bet.from == from);
        let mut places = (0..self.0.len()).filter(|place| open(&self.0[*place]));
        match (places.next(), places.next()) {
            (Some(place), None) => Ok(place),
            (Some(_), Some(_)) => {
                Err(Rejection::invalid_move("Say whose side bet is meant: several have proposed one."))
            }
            (None, _) => Err(Rejection::invalid_move("No such side bet is proposed to you.")),
        }
    }

    /// Forgets what nobody has accepted.
    pub(super) fn drop_proposals(&mut self) {
        self.0.retain(|bet| bet.is_accepted);
    }

    /// Forgets what a player has to do with.
    pub(super) fn drop_of(&mut self, seat: Seat) {
        self.0.retain(|bet| !bet.is_of(seat));
    }

    /// Ends all: calls with who gets how much of whom, given which of two was out later.
    pub(super) fn settle(&mut self, outlives: impl Fn(Seat, Seat) -> bool, mut pays: impl FnMut(Seat, Seat, i32)) {
        for Bet { from, to, amount, is_accepted } in self.0.drain(..) {
            match is_accepted {
                true if outlives(from, to) => pays(to, from, amount),
                true => pays(from, to, amount),
                false => {}
            }
        }
    }
}
