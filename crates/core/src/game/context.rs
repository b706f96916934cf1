//! What a game can do besides changing its own state: speak, wait, roll dice, begin and end matches.

use std::borrow::Cow;
use std::time::Duration;

use anteroom_protocol::message::RoomState;
use anteroom_protocol::message::push::GAME_STATE;
use anteroom_protocol::{Delivery, RoomId, UserId};

use super::seating::{Occupant, Seating};
use super::timers::{TimerId, Timers};
use super::{Game, Outcome, Seat, Viewer, Views};
use crate::flush::{Mark, Said, To};
use crate::rng::Rng;
use crate::time::Time;

/// What a game can do in the moment it is called.
#[derive(Debug)]
pub struct Context<'a, G: Game> {
    stage: &'a mut Stage,
    timers: &'a mut Timers<G::Timer>,
}

impl<'a, G: Game> Context<'a, G> {
    pub(super) fn new(stage: &'a mut Stage, timers: &'a mut Timers<G::Timer>) -> Self {
        Self { stage, timers }
    }

    /// The time of this call. Does not move while the call lasts.
    #[must_use]
    pub fn now(&self) -> Time {
        self.stage.now
    }

    /// The room's own randomness, seeded when the room was made.
    pub fn rng(&mut self) -> &mut Rng {
        &mut self.stage.rng
    }

    /// The player of a seat, connected or not.
    #[must_use]
    pub fn player(&self, seat: Seat) -> Option<&Occupant> {
        self.stage.seating.occupant(seat)
    }

    /// The seat of the room's owner: none if the owner does not play, or if nobody owns the room.
    #[must_use]
    pub fn owner(&self) -> Option<Seat> {
        self.stage.owner.as_ref().and_then(|owner| self.stage.seating.of_user(owner))
    }

    /// The seats that are taken, in order, with their players.
    pub fn players(&self) -> impl Iterator<Item = (Seat, &Occupant)> {
        self.stage.seating.taken()
    }

    /// Tells every member, spectators too: ordered, exactly once.
    pub fn broadcast(&mut self, event: &G::Event) {
        self.broadcast_as(event, &Delivery::Reliable);
    }

    /// Tells every member, spectators too, in a delivery class. A key is cut at 64 bytes; an empty one stands for
    /// the event's type.
    pub fn broadcast_as(&mut self, event: &G::Event, delivery: &Delivery) {
        self.stage.said.event(To::Everyone, delivery, &self.stage.room_id, event);
    }

    /// Tells the player of one seat; nobody if the player is not connected.
    pub fn send(&mut self, seat: Seat, event: &G::Event) {
        self.send_as(seat, event, &Delivery::Reliable);
    }

    /// Tells the player of one seat, in a delivery class; nobody if the player is not connected.
    pub fn send_as(&mut self, seat: Seat, event: &G::Event, delivery: &Delivery) {
        if let Some(member) = self.player(seat).and_then(|occupant| occupant.member) {
            self.stage.said.event(To::Only(member), delivery, &self.stage.room_id, event);
        }
    }

    /// Publishes what the game looks like now, as `game_state`, so that every state is seen: what turn-based games
    /// want. Call it after the state has changed.
    pub fn publish(&mut self, game: &G) {
        self.publish_as(game, &Delivery::Reliable);
    }

    /// Publishes what the game looks like now, as `game_state`, so that only the newest state counts: what real-time
    /// games want.
    pub fn publish_latest(&mut self, game: &G) {
        self.publish_as(game, &Delivery::Latest { key: Cow::Borrowed(GAME_STATE) });
    }

    fn publish_as(&mut self, game: &G, delivery: &Delivery) {
        let Stage { said, seating, room_id, .. } = &mut *self.stage;
        match G::VIEWS {
            Views::Shared if !said.reaches(To::Everyone) => {}
            Views::Shared => said.view(To::Everyone, delivery, room_id, &game.view(Viewer::Spectator, seating)),
            Views::PerSeat => {
                for (seat, occupant) in seating.taken() {
                    if let Some(member) = occupant.member {
                        said.view(To::Only(member), delivery, room_id, &game.view(Viewer::Seat(seat), seating));
                    }
                }
                if said.reaches(To::Spectators) {
                    said.view(To::Spectators, delivery, room_id, &game.view(Viewer::Spectator, seating));
                }
            }
        }
    }

    /// Asks for [`Game::timer`] to be called once, after at least a millisecond. `None` if [`TIMERS_MAX`](super::TIMERS_MAX) are
    /// running already.
    pub fn after(&mut self, duration: Duration, timer: G::Timer) -> Option<TimerId> {
        self.timers.start(self.stage.now, duration, timer)
    }

    /// Takes a reminder back; `None` if it was given already.
    pub fn cancel(&mut self, id: TimerId) -> Option<G::Timer> {
        self.timers.cancel(id)
    }

    /// A match begins: the lobby shows the room as playing.
    pub fn begin(&mut self) {
        self.stage.state = RoomState::Playing;
    }

    /// The room waits for players again, without a result.
    pub fn wait(&mut self) {
        self.stage.state = RoomState::Waiting;
    }

    /// The match is over. The room goes on; a rematch is another match.
    pub fn finish(&mut self, outcome: Outcome) {
        self.stage.state = RoomState::Finished;
        self.stage.outcomes.push(outcome);
    }
}

/// The part of a room that a game reaches through its [`Context`].
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) now: Time,
    pub(crate) rng: Rng,
    pub(crate) room_id: RoomId,
    /// As in the room's record.
    pub(crate) owner: Option<UserId>,
    pub(crate) seating: Seating,
    pub(crate) state: RoomState,
    pub(crate) said: Said,
    pub(crate) outcomes: Vec<Outcome>,
}

/// What a game had told the room at some moment, and its randomness; see [`Stage::mark`].
#[derive(Debug)]
pub(crate) struct StageMark {
    pub(crate) said: Mark,
    rng: Rng,
    state: RoomState,
    outcomes: usize,
}

impl Stage {
    /// This moment.
    pub(crate) fn mark(&self) -> StageMark {
        let Self { said, rng, state, outcomes, .. } = self;
        StageMark { said: said.mark(), rng: rng.clone(), state: *state, outcomes: outcomes.len() }
    }

    /// Takes back what the game said and announced since the mark, and the dice that it threw.
    pub(crate) fn take_back(&mut self, mark: StageMark) {
        self.said.take_back(mark.said);
        self.rng = mark.rng;
        self.state = mark.state;
        self.outcomes.truncate(mark.outcomes);
    }
}
