//! What those who watch see, in a room that shows it to them later than it happens: the room of then, and what has happened since.
//!
//! It is kept turn by turn, each with what was said in it and what is different in the room behind it. Nothing is shown early,
//! unless the room is over. What is said of themselves, that their place has ended, and answers are not late: they say nothing of
//! the game.

mod former;
mod shown;
mod turns;

use std::time::Duration;

use anteroom_protocol::message::RoomState;
use anteroom_protocol::message::chat::{ChatEntry, MessageId};
use anteroom_protocol::message::member::ChatPage;
use anteroom_protocol::message::result::RoomJoined;
use anteroom_protocol::{Codec, ErrorBody, ErrorCode, LaneId, Payload, UserId};
use serde::{Deserialize, Serialize};

use super::{Effects, GameFailure, MemberId, Room};
use crate::flush::Dispatch;
use crate::flush::late::Withheld;
use crate::game::Viewer;
use crate::time::Time;
use former::Former;
pub(super) use shown::Row;
use shown::{Seen, Shown};
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
    /// What was said and has changed, as they still see it.
    #[serde(default, skip_serializing_if = "Former::is_empty")]
    former: Former,
    /// Of what is said in this turn only the outcome may be shown.
    is_void: bool,
}

impl Delayed {
    pub(super) fn mentions(&self, user_id: &UserId) -> bool {
        let shown = [&self.shown, &self.newest].into_iter().any(|shown| shown.mentions(user_id));
        shown || self.turns.mentions(user_id) || self.former.mentions(user_id)
    }

    /// Whether it can be: nothing is out of order, or of a later time.
    pub(super) fn is_sound(&self, now: Time) -> bool {
        self.turns.is_sound(now) && self.former.is_sound(now)
    }

    pub(super) fn put_off(&mut self, by: Duration) {
        self.turns.put_off(by);
        self.former.put_off(by);
    }
}

impl Room {
    /// Begins to show things late, if they are to be in this room.
    pub(super) fn begin_delay(&mut self) -> Result<(), GameFailure> {
        if !self.record.spectator_delay.is_zero() {
            self.stage.said.withhold();
            let shown = self.shown_next()?;
            let newest = shown.clone();
            let (turns, former) = (Turns::default(), Former::default());
            self.delayed = Some(Box::new(Delayed { shown, newest, turns, former, is_void: false }));
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
        let mut room = self.joined(None, LaneId::CONTROL, None, Payload::encode(Codec::Json, &())?);
        let members = std::mem::take(&mut room.members).into_iter().map(|member| {
            let owners = self.people.get(&member.user_id).map(|person| person.data.for_owners());
            Seen { member, owners: owners.unwrap_or_default() }
        });
        let (members, said_ever) = (members.collect(), self.talk.said_ever());
        let shown = Shown::new(room, self.record.data.for_owners(), view(Codec::Json)?, binary, self.players());
        Ok(shown.with(members, said_ever))
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
        let before = delayed.shown.row(self.kind.searchable);
        delayed.shown.apply(std::mem::take(&mut turn.change));
        delayed.former.show(turn.at);
        self.turnover += u64::from(delayed.shown.row(self.kind.searchable) != before);
        turn.messages().for_each(|said| self.say_late(said));
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
            Some(rest) => rest.into_iter().for_each(|said| self.say_late(said)),
            None => self.lose_late(effects),
        }
        self.stage.said.seal(&mut effects.dispatches);
        delayed.turns.clear();
        self.delayed = Some(delayed);
    }

    fn say_late(&mut self, said: &Withheld) {
        let sessions = said.about().map(|user_id| self.sessions_of(user_id));
        self.stage.said.say_late(said, sessions.unwrap_or_default());
    }

    fn lose_late(&self, effects: &mut Effects) {
        let watching = self.members.iter().filter(|(_, member)| member.seat.is_none());
        effects.dispatches.extend(watching.map(|(id, _)| Dispatch::Lose(*id)));
    }

    /// Tells one who watched, and plays now, all that they are still to hear. Everything must be sealed.
    pub(super) fn catch_up(&mut self, id: MemberId, effects: &mut Effects) {
        let Some((delayed, member)) = self.delayed.as_ref().zip(self.members.get(&id)) else { return };
        let now = self.stage.said.withheld().to_vec();
        match delayed.turns.at_once(&now).filter(|_| !delayed.is_void) {
            Some(rest) => {
                let rest = rest.into_iter().filter(|said| said.about() != Some(&member.user_id));
                rest.for_each(|said| self.stage.said.say_late_to(id, said));
            }
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
        // Of themselves they hear at once.
        if let Some((reader, now)) = reader.and_then(|reader| Some((reader, self.shown(reader, Some(reader))?))) {
            match room.members.iter_mut().find(|member| member.user_id == *reader) {
                Some(member) => *member = now,
                None => room.members.push(now),
            }
        }
        Some(room)
    }

    /// The same, for a member who watches.
    pub(super) fn seen_late(&self, id: MemberId) -> Option<RoomJoined> {
        let member = self.members.get(&id).filter(|member| member.seat.is_none())?;
        self.joined_late(Some(&member.user_id), member.lane, member.codec)
    }

    /// What a member sees late who watches, if this one does.
    fn delayed_for(&self, id: MemberId) -> Option<&Delayed> {
        self.members.get(&id).filter(|member| member.seat.is_none())?;
        self.delayed.as_deref()
    }

    /// The first message that a member may not read yet.
    pub(super) fn unread_from(&self, id: MemberId) -> Option<MessageId> {
        Some(MessageId(self.delayed_for(id)?.shown.said_ever() + 1))
    }

    /// Leaves of a page what a member may read, as they see it who do not see yet that it was changed.
    pub(super) fn as_seen_late(&self, id: MemberId, page: &mut ChatPage) {
        let Some(delayed) = self.delayed_for(id) else { return };
        let unread_from = delayed.shown.said_ever() + 1;
        page.messages.retain_mut(|entry| entry.message_id.0 < unread_from && delayed.former.restore(entry));
    }

    /// Whether a member sees an entry that was changed as it was before.
    pub(super) fn sees_former(&self, id: MemberId, message_id: MessageId) -> bool {
        self.delayed_for(id).is_some_and(|delayed| delayed.former.has(message_id))
    }

    /// Checks that what was said can be changed: those who watch late are to see the change in its time.
    ///
    /// # Errors
    /// `busy` if they have too many changes to see already.
    pub(super) fn check_change(&self) -> Result<(), ErrorBody> {
        if self.delayed.as_ref().is_some_and(|delayed| delayed.former.is_full()) {
            let sentence = "Too much that was said here was changed just now; try again later.";
            return Err(ErrorBody::new(ErrorCode::Busy, sentence));
        }
        Ok(())
    }

    /// An entry is changed now, and was like this before.
    pub(super) fn keep_former(&mut self, entry: ChatEntry) {
        if let Some(delayed) = &mut self.delayed {
            delayed.former.keep(entry, self.stage.now);
        }
    }

    /// Forgets what was said before a time, in Unix milliseconds.
    pub(super) fn forget_chat_late(&mut self, at_ms: u64) {
        if let Some(delayed) = &mut self.delayed {
            [&mut delayed.shown, &mut delayed.newest].into_iter().for_each(|shown| shown.forget_before(at_ms));
            delayed.former.retain(|entry| entry.at_ms >= at_ms);
        }
    }

    /// What the lobby shows of the room.
    pub(super) fn row(&self) -> Row {
        if let Some(delayed) = &self.delayed {
            return delayed.shown.row(self.kind.searchable);
        }
        Row {
            name: self.name.clone(),
            state: self.stage.state,
            players: self.players(),
            seats_max: self.record.seats_max,
            spectators: self.spectators_shown(),
            locked: self.record.locked,
            has_password: self.record.password.is_some(),
            data: self.record.data.searchable(self.kind.searchable),
        }
    }

    /// Where the match stands, as the lobby shows it.
    pub(super) fn state_listed(&self) -> RoomState {
        self.delayed.as_ref().map_or(self.stage.state, |delayed| delayed.shown.state())
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
        delayed.former.retain(|entry| entry.user_id != *user_id);
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
