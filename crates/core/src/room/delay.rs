//! What those who watch see, in a room that shows it to them later than it happens: the room of then, and what has happened since.
//!
//! It is kept turn by turn, each with the room as it was behind it. Where that is too much, turns are joined and shown together,
//! at the time of the last one; where it still is, what was said is let go of and a gap is told. Nothing is shown early. That
//! somebody's place has ended, and answers, are not late: they say nothing of the game.

use std::collections::VecDeque;
use std::time::Duration;

use anteroom_protocol::message::chat::MessageId;
use anteroom_protocol::message::member::ChatPage;
use anteroom_protocol::message::push::Vote;
use anteroom_protocol::message::result::RoomJoined;
use anteroom_protocol::message::{DataMap, RoomState};
use anteroom_protocol::{Codec, LaneId, Payload, UserId};
use serde::{Deserialize, Serialize};

use super::{Effects, GameFailure, MemberId, Room};
use crate::flush::Dispatch;
use crate::flush::late::{Withheld, has};
use crate::game::Viewer;
use crate::time::Time;

/// How much of what is still to be shown a room keeps, in bytes; a few turns are kept however large they are.
const KEPT_BYTES_MAX: usize = 1 << 20;
/// How far apart turns are at first that are not joined, in milliseconds, where all of them are too many.
const APART_MS_MIN: u64 = 50;
/// The part of the delay by which something may be shown later still.
const LATER_PART: u64 = 4;
/// What a room and each member in it take besides their texts, in bytes.
const ENTRY_BYTES: usize = 160;

/// What those who watch are still to see, in a room where that is late.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Delayed {
    /// The room as they see it now.
    shown: Shown,
    /// What they see next, the oldest first.
    turns: VecDeque<Turn>,
    /// Turns that are less apart than this are joined, in milliseconds.
    apart_ms: u64,
    /// Of what is said in this turn only the outcome may be shown.
    is_void: bool,
}

/// The room as it was at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shown {
    room: RoomJoined,
    /// What the room's owner reads of its data.
    owners: DataMap,
    /// The view in the other codec.
    binary: Vec<u8>,
    players: u16,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Turn {
    at: Time,
    said: Vec<Withheld>,
    /// What was said is not there any more.
    is_lost: bool,
    /// The room behind it.
    shown: Shown,
}

impl Shown {
    fn bytes(&self) -> usize {
        let RoomJoined { name, data, chat, members, seat_queue, view, .. } = &self.room;
        let data_bytes = |data: &DataMap| data.iter().map(|(key, value)| key.len() + value.text().len()).sum::<usize>();
        let chat = chat.iter().map(|entry| ENTRY_BYTES + entry.text.len());
        let members = members.iter().map(|member| ENTRY_BYTES + data_bytes(&member.data));
        let view = match view {
            Payload::Json(text) => text.get().len(),
            Payload::Binary(bytes) => bytes.len(),
        };
        let texts = name.len() + data_bytes(data) + data_bytes(&self.owners) + view + self.binary.len();
        ENTRY_BYTES * (1 + seat_queue.len()) + texts + chat.chain(members).sum::<usize>()
    }

    fn mentions(&self, user_id: &UserId) -> bool {
        let RoomJoined { created_by, owner, seat_queue, vote, chat, members, .. } = &self.room;
        let votes = vote.iter().flat_map(|Vote { absent, yes, no, .. }| absent.iter().chain(yes).chain(no));
        [created_by, owner].into_iter().flatten().chain(seat_queue).chain(votes).any(|there| there == user_id)
            || chat.iter().any(|entry| entry.user_id == *user_id)
            || members.iter().any(|member| member.user_id == *user_id)
    }

    fn view_has(&self, text: &str) -> bool {
        has(&self.binary, text) || matches!(&self.room.view, Payload::Json(json) if json.get().contains(text))
    }
}

impl Turn {
    fn bytes(&self) -> usize {
        self.shown.bytes() + self.said.iter().map(Withheld::bytes).sum::<usize>()
    }

    fn lose(&mut self) {
        self.said = Vec::new();
        self.is_lost = true;
    }

    /// Adds the turn that came after it.
    fn join(&mut self, later: Turn) {
        let Turn { at, mut said, is_lost, shown } = later;
        (self.at, self.shown) = (at, shown);
        self.is_lost |= is_lost;
        if self.is_lost {
            return self.lose();
        }
        self.said.retain(|before| !said.iter().any(|later| before.is_replaced_by(later)));
        self.said.append(&mut said);
    }
}

impl Delayed {
    pub(super) fn mentions(&self, user_id: &UserId) -> bool {
        let said = |turn: &Turn| turn.said.iter().any(|said| said.has(user_id.as_str()));
        self.shown.mentions(user_id) || self.turns.iter().any(|turn| turn.shown.mentions(user_id) || said(turn))
    }

    /// Whether it can be: nothing is out of order, or of a later time.
    pub(super) fn is_sound(&self, now: Time) -> bool {
        let rises = self.turns.iter().zip(self.turns.iter().skip(1)).all(|(a, b)| a.at <= b.at);
        rises && self.turns.back().is_none_or(|last| last.at <= now)
    }

    pub(super) fn put_off(&mut self, by: Duration) {
        self.turns.iter_mut().for_each(|turn| turn.at = turn.at + by);
    }

    fn push(&mut self, turn: Turn, delay: Duration) {
        self.turns.push_back(turn);
        let later_max = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX) / LATER_PART;
        let mut bytes: usize = self.turns.iter().map(Turn::bytes).sum();
        if bytes < KEPT_BYTES_MAX / 8 {
            self.apart_ms = if self.apart_ms > APART_MS_MIN { self.apart_ms / 2 } else { 0 };
        }
        loop {
            self.thin();
            bytes = self.turns.iter().map(Turn::bytes).sum();
            if bytes <= KEPT_BYTES_MAX || self.apart_ms >= later_max {
                break;
            }
            self.apart_ms = (self.apart_ms * 2).max(APART_MS_MIN).min(later_max);
        }
        for turn in &mut self.turns {
            if bytes <= KEPT_BYTES_MAX {
                break;
            }
            bytes -= turn.bytes();
            turn.lose();
            bytes += turn.bytes();
        }
    }

    /// Joins turns that are not far enough apart.
    fn thin(&mut self) {
        if self.apart_ms == 0 {
            return;
        }
        let place = |at: Time| at.as_millis() / self.apart_ms;
        let mut thinned: VecDeque<Turn> = VecDeque::with_capacity(self.turns.len());
        for turn in self.turns.drain(..) {
            match thinned.back_mut().filter(|before| place(before.at) == place(turn.at)) {
                Some(before) => before.join(turn),
                None => thinned.push_back(turn),
            }
        }
        self.turns = thinned;
    }
}

impl Room {
    /// Begins to show things late, if they are to be in this room.
    pub(super) fn begin_delay(&mut self) -> Result<(), GameFailure> {
        if !self.record.spectator_delay.is_zero() {
            self.stage.said.withhold();
            let (shown, turns) = (self.shown_next()?, VecDeque::new());
            self.delayed = Some(Box::new(Delayed { shown, turns, apart_ms: 0, is_void: false }));
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
        let room = self.joined(None, LaneId::CONTROL, None, view(Codec::Json)?);
        Ok(Shown { room, owners: self.record.data.for_owners(), binary, players: self.players() })
    }

    /// Keeps what was said in the turn that ends, and was not heard by those who watch. Everything must be sealed.
    pub(super) fn keep_turn(&mut self) -> Result<(), GameFailure> {
        let said = self.stage.said.take_withheld();
        let is_void = self.delayed.as_mut().is_some_and(|delayed| std::mem::take(&mut delayed.is_void));
        if said.is_empty() && !is_void || self.delayed.is_none() {
            return Ok(());
        }
        let mut turn = Turn { at: self.stage.now, said, is_lost: false, shown: self.shown_next()? };
        if is_void {
            turn.lose();
        }
        let delay = self.record.spectator_delay;
        if let Some(delayed) = &mut self.delayed {
            delayed.push(turn, delay);
        }
        Ok(())
    }

    /// When something is shown that happened before.
    pub(super) fn delay_due(&self) -> Option<Time> {
        let first = self.delayed.as_ref().and_then(|delayed| delayed.turns.front());
        first.map(|turn| turn.at + self.record.spectator_delay)
    }

    /// Shows the next turn to those who watch, and in the lobby.
    pub(super) fn show_late(&mut self, effects: &mut Effects) {
        let Some(delayed) = &mut self.delayed else { return };
        let Some(turn) = delayed.turns.pop_front() else { return };
        let row = |shown: &Shown| (shown.room.state, shown.players);
        self.turnover += u64::from(row(&turn.shown) != row(&delayed.shown));
        delayed.shown = turn.shown;
        turn.said.iter().for_each(|said| self.stage.said.say_late(said));
        if turn.is_lost {
            self.stage.said.seal(&mut effects.dispatches);
            let watching = self.members.iter().filter(|(_, member)| member.seat.is_none());
            effects.dispatches.extend(watching.map(|(id, _)| Dispatch::Lose(*id)));
        }
    }

    /// Tells one who watched, and plays now, all that they are still to hear. Everything must be sealed.
    pub(super) fn catch_up(&mut self, id: MemberId, effects: &mut Effects) {
        let Some(delayed) = &self.delayed else { return };
        if delayed.turns.iter().any(|turn| turn.is_lost) {
            effects.dispatches.push(Dispatch::Lose(id));
            return;
        }
        let now = self.stage.said.withheld().to_vec();
        for said in delayed.turns.iter().flat_map(|turn| &turn.said).chain(&now) {
            self.stage.said.say_late_to(id, said);
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
        let Shown { room, owners, binary, .. } = &self.delayed.as_ref()?.shown;
        let mut room = RoomJoined { lane, ..room.clone() };
        if codec == Codec::Bincode {
            room.view = Payload::Binary(binary.clone());
        }
        if reader.is_some() && reader == room.owner.as_ref() {
            room.data.extend(owners.clone());
        }
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

    /// The first message that a member may not read yet.
    pub(super) fn unread_from(&self, id: MemberId) -> Option<MessageId> {
        let last = self.seen_late(id)?.chat.last().map_or(0, |entry| entry.message_id.0);
        Some(MessageId(last + 1))
    }

    /// Leaves the newest messages of a page as a member sees them who does not see yet that they were changed.
    pub(super) fn as_seen_late(&self, id: MemberId, page: &mut ChatPage) {
        let Some(seen) = self.seen_late(id) else { return };
        for entry in &mut page.messages {
            if let Some(then) = seen.chat.iter().find(|then| then.message_id == entry.message_id) {
                entry.clone_from(then);
            }
        }
    }

    /// Where the match stands and how many play, for those who are not in the room.
    pub(super) fn outlook(&self) -> (RoomState, u16) {
        match &self.delayed {
            Some(delayed) => (delayed.shown.room.state, delayed.shown.players),
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
        let Shown { room, .. } = &mut delayed.shown;
        room.members.retain(|member| member.user_id != *user_id);
        room.chat.retain(|entry| entry.user_id != *user_id);
        room.seat_queue.retain(|queued| queued != user_id);
        if let Some(Vote { absent, yes, no, .. }) = &mut room.vote {
            [absent, yes, no].into_iter().for_each(|users| users.retain(|there| there != user_id));
        }
        room.created_by.take_if(|creator| creator == user_id);
        room.owner.take_if(|owner| owner == user_id);
        room.name.clone_from(name);
        let has_them =
            |shown: &Shown| names.iter().map(String::as_str).chain([user_id.as_str()]).any(|text| shown.view_has(text));
        if has_them(&delayed.shown) {
            match now {
                Ok(now) => (delayed.shown.room.view, delayed.shown.binary) = (now.room.view, now.binary),
                Err(failure) => self.stage.said.report(failure),
            }
        }
    }
}
