//! What those who watch see, in a room that shows it to them later than it happens: the room of then, and what has happened since.
//!
//! It is kept turn by turn, each with what was said in it and what is different in the room behind it. Nothing is shown early,
//! unless the room is over. That somebody's place has ended, and answers, are not late: they say nothing of the game.

mod shown;
mod turns;

use std::time::Duration;

use anteroom_protocol::message::RoomState;
use anteroom_protocol::message::chat::{ChatEntry, MessageId};
use anteroom_protocol::message::member::ChatPage;
use anteroom_protocol::message::result::RoomJoined;
use anteroom_protocol::{Codec, LaneId, Payload, UserId};
use serde::{Deserialize, Serialize};

use super::{Effects, GameFailure, MemberId, Room};
use crate::flush::Dispatch;
use crate::game::Viewer;
use crate::time::Time;
use shown::Shown;
use turns::{Turn, Turns};

/// The part of the delay by which something may be shown later still.
const LATER_PART: u32 = 4;

/// What those who watch are still to see, in a room where that is late.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Delayed {
    /// The room as they see it now.
    shown: Shown,
    /// The room as they see it behind the last of the turns.
    newest: Shown,
    /// What they see next.
    turns: Turns,
    /// Of what is said in this turn only the outcome may be shown.
    is_void: bool,
}

impl Delayed {
    pub(super) fn mentions(&self, user_id: &UserId) -> bool {
        [&self.shown, &self.newest].into_iter().any(|shown| shown.mentions(user_id)) || self.turns.mentions(user_id)
    }

    /// Whether it can be: nothing is out of order, or of a later time.
    pub(super) fn is_sound(&self, now: Time) -> bool {
        self.turns.is_sound(now)
    }

    pub(super) fn put_off(&mut self, by: Duration) {
        self.turns.put_off(by);
    }
}

impl Room {
    /// Begins to show things late, if they are to be in this room.
    pub(super) fn begin_delay(&mut self) -> Result<(), GameFailure> {
        if !self.record.spectator_delay.is_zero() {
            self.stage.said.withhold();
            let shown = self.shown_next()?;
            let newest = shown.clone();
            self.delayed = Some(Box::new(Delayed { shown, newest, turns: Turns::default(), is_void: false }));
        }
        Ok(())
    }

    /// The room as somebody sees it who watches it without a delay.
    fn shown_next(&self) -> Result<Shown, GameFailure> {
        let view = |codec| self.game.view(Viewer::Spectator, &self.stage.seating, codec);
        let binary = match view(Codec::Bincode)? {
            Payload::Binary(bytes) => bytes,
            Payload::Json(text) => text.get().into(),
        };
        let room = self.joined(None, LaneId::CONTROL, None, Payload::encode(Codec::Json, &())?);
        let listed = self.people.values().filter(|person| person.listed);
        let of_members = listed.map(|person| (person.number, person.data.for_owners()));
        let owners = (self.record.data.for_owners(), of_members.filter(|(_, keys)| !keys.is_empty()).collect());
        Ok(Shown::new(room, owners, view(Codec::Json)?, binary, self.players()))
    }

    /// Keeps what was said in the turn that ends, and was not heard by those who watch. Everything must be sealed.
    pub(super) fn keep_turn(&mut self) -> Result<(), GameFailure> {
        let said = self.stage.said.take_withheld();
        let is_void = self.delayed.as_mut().is_some_and(|delayed| std::mem::take(&mut delayed.is_void));
        if self.closed || said.is_empty() && !is_void || self.delayed.is_none() {
            return Ok(());
        }
        let next = self.shown_next()?;
        let (now, later_max) = (self.stage.now, self.record.spectator_delay / LATER_PART);
        if let Some(delayed) = &mut self.delayed {
            let mut turn = Turn::new(now, said, delayed.newest.go_on(next));
            if is_void {
                turn.lose();
            }
            delayed.turns.push(turn, later_max);
        }
        Ok(())
    }

    /// When something is shown that happened before.
    pub(super) fn delay_due(&self) -> Option<Time> {
        let first = self.delayed.as_ref().and_then(|delayed| delayed.turns.first());
        first.map(|turn| turn.at + self.record.spectator_delay)
    }

    /// Shows the next turn to those who watch, and in the lobby.
    pub(super) fn show_late(&mut self, effects: &mut Effects) {
        let Some(delayed) = &mut self.delayed else { return };
        let Some(mut turn) = delayed.turns.pop_first() else { return };
        let before = delayed.shown.outlook();
        delayed.shown.apply(std::mem::take(&mut turn.change));
        self.turnover += u64::from(delayed.shown.outlook() != before);
        turn.messages().for_each(|said| self.stage.said.say_late(said));
        if turn.is_lost {
            self.stage.said.seal(&mut effects.dispatches);
            self.lose_late(effects);
        }
    }

    /// Shows all that is still to be shown, since the room is over: there is nothing to be won by it any more. What is not
    /// there any more is a gap. Everything must be sealed.
    pub(super) fn show_rest(&mut self, effects: &mut Effects) {
        let now = self.stage.said.take_withheld();
        let Some(mut delayed) = self.delayed.take() else { return };
        match delayed.turns.at_once(&now).filter(|_| !delayed.is_void) {
            Some(rest) => rest.into_iter().for_each(|said| self.stage.said.say_late(said)),
            None => self.lose_late(effects),
        }
        self.stage.said.seal(&mut effects.dispatches);
        delayed.turns.clear();
        self.delayed = Some(delayed);
    }

    fn lose_late(&self, effects: &mut Effects) {
        let watching = self.members.iter().filter(|(_, member)| member.seat.is_none());
        effects.dispatches.extend(watching.map(|(id, _)| Dispatch::Lose(*id)));
    }

    /// Tells one who watched, and plays now, all that they are still to hear. Everything must be sealed.
    pub(super) fn catch_up(&mut self, id: MemberId, effects: &mut Effects) {
        let Some(delayed) = &self.delayed else { return };
        let now = self.stage.said.withheld().to_vec();
        match delayed.turns.at_once(&now).filter(|_| !delayed.is_void) {
            Some(rest) => rest.into_iter().for_each(|said| self.stage.said.say_late_to(id, said)),
            None => effects.dispatches.push(Dispatch::Lose(id)),
        }
    }

    /// One who played watches from now on, and has seen what is still to be shown to those who watch. Everything must be sealed.
    pub(super) fn fall_back(&mut self, id: MemberId, effects: &mut Effects) {
        if self.delayed.is_some() {
            effects.dispatches.push(Dispatch::Lose(id));
        }
    }

    /// The room as one of those who watch it sees it, where that is late.
    pub(super) fn joined_late(&self, reader: Option<&UserId>, lane: LaneId, codec: Codec) -> Option<RoomJoined> {
        let mut room = self.delayed.as_ref()?.shown.joined(reader, lane, codec);
        // They themselves are here, though nobody who watches sees it yet.
        let themselves = reader.filter(|reader| room.members.iter().all(|member| member.user_id != **reader));
        let listed = themselves.filter(|user_id| self.people.get(user_id).is_some_and(|person| person.listed));
        room.members.extend(listed.and_then(|user_id| self.shown(user_id, Some(user_id))));
        Some(room)
    }

    /// The same, for a member who watches.
    pub(super) fn seen_late(&self, id: MemberId) -> Option<RoomJoined> {
        let member = self.members.get(&id).filter(|member| member.seat.is_none())?;
        self.joined_late(Some(&member.user_id), member.lane, member.codec)
    }

    /// What was said last, for a member who watches.
    fn chat_seen_late(&self, id: MemberId) -> Option<&[ChatEntry]> {
        self.members.get(&id).filter(|member| member.seat.is_none())?;
        Some(self.delayed.as_ref()?.shown.chat())
    }

    /// The first message that a member may not read yet.
    pub(super) fn unread_from(&self, id: MemberId) -> Option<MessageId> {
        let last = self.chat_seen_late(id)?.last().map_or(0, |entry| entry.message_id.0);
        Some(MessageId(last + 1))
    }

    /// Leaves the newest messages of a page as a member sees them who does not see yet that they were changed.
    pub(super) fn as_seen_late(&self, id: MemberId, page: &mut ChatPage) {
        let Some(seen) = self.chat_seen_late(id) else { return };
        for entry in &mut page.messages {
            if let Some(then) = seen.iter().find(|then| then.message_id == entry.message_id) {
                entry.clone_from(then);
            }
        }
    }

    /// Where the match stands and how many play, for those who are not in the room.
    pub(super) fn outlook(&self) -> (RoomState, u16) {
        match &self.delayed {
            Some(delayed) => delayed.shown.outlook(),
            None => (self.stage.state, self.players()),
        }
    }

    /// Forgets a user. What has their id or name in it is not shown at all: the next that is, is how it is now.
    pub(super) fn forget_late(&mut self, user_id: &UserId, names: &[String], effects: &mut Effects) {
        if self.delayed.is_none() {
            return;
        }
        self.stage.said.seal(&mut effects.dispatches);
        drop(self.stage.said.take_withheld());
        let now = self.shown_next();
        let (name, Some(delayed)) = (&self.name, &mut self.delayed) else { return };
        delayed.turns.clear();
        delayed.is_void = true;
        delayed.shown.forget(user_id, name);
        let mut texts = names.iter().map(String::as_str).chain([user_id.as_str()]);
        if texts.any(|text| delayed.shown.view_has(text)) {
            match now {
                Ok(now) => delayed.shown.look_at(now),
                Err(failure) => self.stage.said.report(failure),
            }
        }
        delayed.newest = delayed.shown.clone();
    }
}
