//! What people at a table ask of the room: to be ready, another seat, bots, a pause, a vote.
//!
//! At a table nobody owns the room, so whoever plays may do all of it. Doors, data and chat are not here: a game knows nothing
//! of them.

use anteroom_protocol::message::member::{AddBot, CastVote, ChooseSeat, Pause, Ready, RemoveBot, Unpause};
use anteroom_protocol::message::{Member, Message};
use anteroom_protocol::{ErrorBody, Payload};

use super::Table;
use crate::game::{Game, Seat};
use crate::room::{Ask, Command};

impl<G: Game> Table<G> {
    /// A player is ready for a match to begin, or is not any more.
    ///
    /// # Errors
    /// What the player is told.
    pub fn ready(&mut self, name: &str, ready: bool) -> Result<(), ErrorBody> {
        self.ask(name, &Ready { ready })
    }

    /// A player would like another seat. Gives the one that they have then: it is the same where another player has to agree,
    /// by a wish for this one.
    ///
    /// # Errors
    /// What the player is told.
    ///
    /// # Panics
    /// If they have no seat afterwards.
    pub fn choose_seat(&mut self, name: &str, seat: Seat) -> Result<Seat, ErrorBody> {
        self.ask(name, &ChooseSeat { seat: seat.0 })?;
        Ok(self.seat(name).expect("a player has a seat"))
    }

    /// A player has a bot sit down in the first free seat. The first bot's name is `bot-1`, that of the next `bot-2`. Bots think
    /// for some time: let it [pass](Table::advance).
    ///
    /// # Errors
    /// What the player is told.
    ///
    /// # Panics
    /// If the room has a bot sit down where there is no seat.
    pub fn add_bot(&mut self, name: &str) -> Result<Seat, ErrorBody> {
        let free = self.room.seating().free();
        self.ask(name, &AddBot { seat: free.map(|seat| seat.0) })?;
        Ok(free.expect("a bot sits where a seat was free"))
    }

    /// A player sends the bot of a seat away.
    ///
    /// # Errors
    /// What the player is told.
    pub fn remove_bot(&mut self, name: &str, seat: Seat) -> Result<(), ErrorBody> {
        self.ask(name, &RemoveBot { seat: seat.0 })
    }

    /// A player has the match stand still.
    ///
    /// # Errors
    /// What the player is told.
    pub fn pause(&mut self, name: &str) -> Result<(), ErrorBody> {
        self.ask(name, &Pause {})
    }

    /// A player has the match go on.
    ///
    /// # Errors
    /// What the player is told.
    pub fn unpause(&mut self, name: &str) -> Result<(), ErrorBody> {
        self.ask(name, &Unpause {})
    }

    /// A player votes on going on without those who are away, where [`Game::absence`] lets them. To be away long enough, see
    /// [`Table::disconnect`] and [`Table::advance`]; the [grace time](super::Setup::grace) has to be longer than that.
    ///
    /// # Errors
    /// What the player is told.
    pub fn vote(&mut self, name: &str, goes_on: bool) -> Result<(), ErrorBody> {
        self.ask(name, &CastVote { goes_on })
    }

    /// Somebody as the others see them, bots too: whether they are ready or connected, whether a computer plays for them.
    /// `None` if they are not in the room.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<Member> {
        self.room.shown(&name.parse().ok()?, None)
    }

    fn ask<T: Message>(&mut self, name: &str, request: &T) -> Result<(), ErrorBody> {
        let (member, codec) = (self.member_of(name), self.codec_of(name));
        let data = Payload::encode(codec, request).expect("a request that can be encoded");
        let reference = Some(self.next_reference());
        let ask = Ask { kind: T::TYPE, data: data.data(), with: None, reference, n: None };
        self.handle(Command::Ask { member, ask });
        self.take_answer(name)
    }
}
