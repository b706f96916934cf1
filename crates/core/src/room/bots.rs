//! Seats that a computer plays: those of bots, and those of players who are away.
//!
//! A bot is asked some time after the game may have changed, and by the room's time, so that a replay has it do the same again. It
//! has its own randomness. Whether what it does is allowed is the game's to say, as it is for everybody.

use std::collections::BTreeMap;
use std::time::Duration;

use anteroom_protocol::message::Role;
use anteroom_protocol::message::member::{AddBot, BotAdded, RemoveBot};
use anteroom_protocol::message::push::{LeftReason, SystemEvent};
use anteroom_protocol::{ErrorBody, ErrorCode, UserId};
use serde::{Deserialize, Serialize};

use super::asking::Reply;
use super::{Effects, MemberId, Room};
use crate::flush::To;
use crate::game::Seat;
use crate::rng::Rng;
use crate::time::Time;

/// How long a bot thinks at least, in milliseconds of the room's time.
const THINKS_MS_MIN: u32 = 400;
/// How much longer it may think.
const THINKS_MS_MORE: u32 = 1001;
/// After so many refusals in a row a bot rests until the game changes.
const REFUSED_MAX: u8 = 3;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bots {
    /// Begins where the room's says with the first bot.
    rng: Option<Rng>,
    /// How many bots there ever were, which numbers them.
    ever: u32,
    /// The seats that computers play, bots' and others'.
    minds: BTreeMap<Seat, Mind>,
}

/// What goes on behind a seat that a computer plays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mind {
    /// When it has thought; none while there is nothing to think about.
    due: Option<Time>,
    /// How often in a row it was refused.
    refused: u8,
}

impl Bots {
    /// The next that has thought, and when that is.
    pub(super) fn next(&self) -> Option<(Time, Seat)> {
        self.minds.iter().filter_map(|(seat, mind)| Some((mind.due?, *seat))).min()
    }

    pub(super) fn put_off(&mut self, by: Duration) {
        self.minds.values_mut().for_each(|mind| mind.due = mind.due.map(|due| due + by));
    }

    /// Whether it can have been left like this with so many seats, of which some are played by computers.
    pub(super) fn is_sound(&self, plays: impl Fn(Seat) -> bool) -> bool {
        self.minds.keys().all(|seat| plays(*seat)) && self.rng.as_ref().is_none_or(Rng::is_sound)
    }
}

impl Room {
    /// Whether a computer has a seat of its own.
    pub(super) fn is_computer(&self, seat: Seat) -> bool {
        self.stage.seating.occupant(seat).is_some_and(|occupant| occupant.bot)
    }

    /// Whether a computer plays a seat: all the time, or for somebody who is away.
    pub(super) fn is_bot(&self, seat: Seat) -> bool {
        self.bots.minds.contains_key(&seat)
    }

    pub(super) fn add_bot(
        &mut self,
        id: MemberId,
        request: AddBot,
        _effects: &mut Effects,
    ) -> Result<Reply, ErrorBody> {
        self.check_host(id)?;
        if !self.kind.bots {
            return Err(ErrorBody::new(ErrorCode::InvalidData, format!("{} has no bots.", self.kind.name)));
        }
        if !self.takes_players() {
            return Err(ErrorBody::new(ErrorCode::Conflict, "Nobody is let in while a match is being played."));
        }
        let full = || ErrorBody::new(ErrorCode::RoomFull, "There is no free seat.");
        let seat = match request.seat {
            Some(seat) => self.seat_named(seat)?,
            None => self.stage.seating.free().ok_or_else(full)?,
        };
        if self.stage.seating.occupant(seat).is_some() {
            return Err(ErrorBody::new(ErrorCode::Conflict, "That seat is taken."));
        }
        if self.seats_free() == 0 {
            return Err(full());
        }
        let (user_id, name) = self.next_bot()?;
        self.turnover += 1;
        self.stage.seating.sit_bot(seat, user_id.clone(), name.clone());
        self.person_enters(&user_id, &name, Role::Player);
        // It has no session, and stays for its seat alone.
        self.person_loses_session(&user_id, true);
        self.begin_to_play(seat);
        self.announce(To::Everyone, &user_id);
        self.tell_system(To::Everyone, SystemEvent::Joined, &user_id, &name);
        self.game.joined(seat, &mut self.stage);
        self.stir_bots();
        Ok(Reply::Bot(BotAdded { seat: seat.0, user_id }))
    }

    pub(super) fn remove_bot(
        &mut self,
        id: MemberId,
        request: RemoveBot,
        _effects: &mut Effects,
    ) -> Result<Reply, ErrorBody> {
        self.check_host(id)?;
        let seat = self.seat_named(request.seat)?;
        if !self.stage.seating.occupant(seat).is_some_and(|occupant| occupant.bot) {
            return Err(ErrorBody::new(ErrorCode::Conflict, "There is no bot in that seat."));
        }
        self.give_up_seat(seat, LeftReason::Left);
        Ok(Reply::Done)
    }

    /// A bot that is not here yet: a user who is called like one keeps the name.
    fn next_bot(&mut self) -> Result<(UserId, String), ErrorBody> {
        loop {
            self.bots.ever = self.bots.ever.wrapping_add(1);
            let number = self.bots.ever;
            let user_id: UserId = format!("bot-{number}")
                .parse()
                .map_err(|_| ErrorBody::new(ErrorCode::Internal, "There is no name left for a bot."))?;
            if !self.people.contains_key(&user_id) {
                return Ok((user_id, format!("Bot {number}")));
            }
        }
    }

    /// A computer plays a seat from now on.
    pub(super) fn begin_to_play(&mut self, seat: Seat) {
        if self.bots.rng.is_none() {
            self.bots.rng = Some(Rng::new(self.stage.rng.next_u64()));
        }
        self.bots.minds.entry(seat).or_default();
        self.stir_bots();
    }

    /// No computer plays the seat any more.
    pub(super) fn stop_playing(&mut self, seat: Seat) -> bool {
        self.bots.minds.remove(&seat).is_some()
    }

    /// A computer that plays one seat plays another one, or two swap.
    pub(super) fn swap_minds(&mut self, one: Seat, other: Seat) {
        let minds = &mut self.bots.minds;
        let (first, second) = (minds.remove(&one), minds.remove(&other));
        minds.extend(first.map(|mind| (other, mind)).into_iter().chain(second.map(|mind| (one, mind))));
    }

    /// The game may have changed, so there is something to think about.
    pub(super) fn stir_bots(&mut self) {
        let now = self.stage.now;
        if self.bots.minds.is_empty() {
            return;
        }
        let Bots { rng: Some(rng), minds, .. } = &mut *self.bots else { return };
        for mind in minds.values_mut() {
            mind.refused = 0;
            if mind.due.is_none() {
                mind.due = Some(now + thinking(rng));
            }
        }
    }

    /// Lets the computer of a seat do what it has thought of.
    pub(super) fn bot_acts(&mut self, seat: Seat) {
        let (Some(mut rng), Some(mind)) = (self.bots.rng.take(), self.bots.minds.get_mut(&seat)) else { return };
        mind.due = None;
        let before = self.stage.mark();
        match self.game.act_as_bot(seat, &mut rng, &mut self.stage) {
            None => self.bots.rng = Some(rng),
            Some(Ok(())) => {
                self.bots.rng = Some(rng);
                self.stir_bots();
            }
            Some(Err(_)) => {
                self.stage.take_back(before);
                if let Some(mind) = self.bots.minds.get_mut(&seat) {
                    mind.refused = mind.refused.saturating_add(1);
                    mind.due = (mind.refused < REFUSED_MAX).then(|| self.stage.now + thinking(&mut rng));
                }
                self.bots.rng = Some(rng);
            }
        }
    }

    /// Whether a player may come in just now, as far as the match goes.
    pub(super) fn takes_players(&self) -> bool {
        !self.refuses_late()
    }
}

fn thinking(rng: &mut Rng) -> Duration {
    Duration::from_millis(u64::from(THINKS_MS_MIN + rng.below(THINKS_MS_MORE)))
}
