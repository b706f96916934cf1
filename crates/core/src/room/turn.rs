//! What a turn of a room yields, as one value: it can be delivered at once, or held until it is stored.
//!
//! A turn is all that happens between two flushes. Whatever leaves a room is in here; nothing goes beside it.

use anteroom_protocol::bincode::{Decode, Encode};
use anteroom_protocol::envelope::Ref;
use anteroom_protocol::message::Role;
use anteroom_protocol::message::chat::{ChatEntry, MessageId};
use anteroom_protocol::{ErrorBody, LaneId, UserId};

use super::{Door, Log, MemberId};
use crate::flush::Dispatch;
use crate::game::Outcome;
use crate::listing::Entry;

/// One turn of a room. Reuse it once it is delivered: [`Flush::clear`] keeps its memory.
#[derive(Debug, Default, PartialEq)]
pub struct Flush {
    /// Which of the room's flushes it is, from 1 on; 0 before the turn has ended.
    pub index: u64,
    /// What happened, to be stored and replayed; empty unless the room [keeps a log](super::Room::logged).
    pub log: Log,
    /// What follows from it.
    pub effects: Effects,
    /// Who was let in and who was not, in the order in which they wanted to come in.
    pub answers: Vec<Answer>,
}

/// What follows from a turn, in order.
#[derive(Debug, Default, PartialEq)]
pub struct Effects {
    /// Whose lanes begin, and what goes on whose lane.
    pub dispatches: Vec<Dispatch>,
    /// Memberships that are over; nothing more goes on their lanes after the dispatches above.
    pub released: Vec<MemberId>,
    /// The number of the last message that was acted on or refused, for each member for whom it has changed. To be
    /// acknowledged once the dispatches are on their way: they show what came of it.
    pub applied: Vec<(MemberId, u64)>,
    /// What the lobby is to know of the room, if it changed.
    pub entry: Option<Entry>,
    /// Matches that ended.
    pub outcomes: Vec<Outcome>,
    /// What those at the door have to know, if that has changed.
    pub door: Option<Door>,
    /// Who is in the room now who was not, or is not any more, in order.
    pub people: Vec<(UserId, bool)>,
    /// How members take part now who take part in another way than before.
    pub roles: Vec<(MemberId, Role)>,
    /// What was said, changed or taken back, to be kept with the turn.
    pub chat: Vec<ChatEntry>,
    /// What somebody outside is to find.
    pub wanted: Vec<Wanted>,
    /// Whether the room is over. It takes no more commands.
    pub closed: bool,
}

/// Part of the history that the room does not have any more: to be looked up outside, and told by
/// [`Command::History`](super::Command::History).
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Who asks.
    pub member: MemberId,
    /// The mark of the request.
    pub reference: Option<Ref>,
    /// Before what.
    pub before: Option<MessageId>,
    /// How much at most.
    pub limit: u16,
    /// What the member wants of the entry, if they ask for it to change it.
    pub change: Option<Change>,
}

/// What is to become of something that was said.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "anteroom_protocol::bincode")]
pub struct Change {
    /// Of what.
    pub message_id: MessageId,
    /// The text in place of what it was; none takes it back.
    pub text: Option<String>,
}

/// What became of somebody who wanted to come in.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Who it is.
    pub user_id: UserId,
    /// As what.
    pub role: Role,
    /// The lane that the session has given to the room.
    pub lane: LaneId,
    /// The membership, whose lane begins with [`Dispatch::Enter`]; or why not.
    pub joined: Result<MemberId, ErrorBody>,
}

impl Flush {
    /// Forgets everything, keeping the memory.
    pub fn clear(&mut self) {
        let Self { index, log, effects, answers } = self;
        *index = 0;
        log.clear();
        effects.clear();
        answers.clear();
    }
}

impl Effects {
    /// Forgets everything, keeping the memory.
    pub fn clear(&mut self) {
        let Self { dispatches, released, applied, entry, outcomes, door, people, roles, chat, wanted, closed } = self;
        dispatches.clear();
        released.clear();
        applied.clear();
        *entry = None;
        outcomes.clear();
        *door = None;
        people.clear();
        roles.clear();
        chat.clear();
        wanted.clear();
        *closed = false;
    }
}
