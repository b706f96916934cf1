//! What is said in a room, and what others see of what one does just now.
//!
//! The room keeps what was said last. What is older is for somebody outside to find, if the room is durable; in other rooms it
//! is gone. Which words are welcome is not known here.

mod older;

use std::collections::VecDeque;
use std::time::Duration;

use anteroom_protocol::envelope::Ref;
use anteroom_protocol::message::chat::{ChatEntry, MessageId};
use anteroom_protocol::message::member::{Chat, ChatDelete, ChatEdit, ChatHistory, ChatPage, ChatSaid, SetPresence};
use anteroom_protocol::message::push::{PresenceChanged, SystemEvent, SystemSaid};
use anteroom_protocol::{ErrorBody, ErrorCode, UserId};
use serde::{Deserialize, Serialize};

use super::asking::Reply;
use super::{Ask, Change, Effects, MemberId, Room, Wanted};
use crate::flush::To;
use crate::text;

/// How many entries a durable room has at hand; all of them are stored.
const AT_HAND_MAX: usize = 50;
/// How many entries a room keeps that is not durable.
const KEPT_MAX: usize = 500;
/// The same in bytes.
const KEPT_BYTES_MAX: usize = 256 << 10;
/// What an entry takes besides its texts, in bytes.
const ENTRY_BYTES: usize = 64;
/// How many entries a newcomer is told.
const SHOWN: usize = 20;
/// How many entries a page has that does not say, and at most.
const PAGE: u16 = 50;
const PAGE_MAX: u16 = 100;
/// How long somebody is said to write who does not say it again.
pub(super) const TYPING: Duration = Duration::from_secs(10);

/// What was said last.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Talk {
    /// How many entries there ever were, which numbers them.
    said_ever: u64,
    /// The last ones, the oldest first.
    entries: VecDeque<ChatEntry>,
    /// Older ones that were changed last.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    changed: VecDeque<ChatEntry>,
}

impl Talk {
    pub(super) fn mentions(&self, user_id: &UserId) -> bool {
        self.entries.iter().chain(&self.changed).any(|entry| entry.user_id == *user_id)
    }

    /// Forgets what somebody has said.
    pub(super) fn forget(&mut self, user_id: &UserId) {
        self.entries.retain(|entry| entry.user_id != *user_id);
        self.changed.retain(|entry| entry.user_id != *user_id);
    }

    /// Forgets what was said before a time, in Unix milliseconds.
    fn forget_before(&mut self, at_ms: u64) {
        while self.entries.front().is_some_and(|first| first.at_ms < at_ms) {
            self.entries.pop_front();
        }
        self.changed.retain(|entry| entry.at_ms >= at_ms);
    }

    /// Whether it can be: numbers that rise, and none above what was counted.
    pub(super) fn is_sound(&self, count_max: u64) -> bool {
        let rises = self.entries.iter().zip(self.entries.iter().skip(1)).all(|(a, b)| a.message_id < b.message_id);
        let last = self.entries.back().map_or(0, |entry| entry.message_id.0);
        rises && last <= self.said_ever && self.said_ever <= count_max && self.entries.len() <= KEPT_MAX
    }

    fn push(&mut self, entry: ChatEntry, is_durable: bool) {
        self.entries.push_back(entry);
        let bytes = |entry: &ChatEntry| ENTRY_BYTES + entry.text.len() + entry.username.len();
        let mut kept: usize = self.entries.iter().map(bytes).sum();
        let (most, bytes_max) = if is_durable { (AT_HAND_MAX, usize::MAX) } else { (KEPT_MAX, KEPT_BYTES_MAX) };
        while self.entries.len() > most || kept > bytes_max {
            kept -= self.entries.pop_front().as_ref().map_or(kept, bytes);
        }
    }

    fn place(&self, message_id: MessageId) -> Option<usize> {
        self.entries.binary_search_by_key(&message_id, |entry| entry.message_id).ok()
    }

    /// The entries at hand before one, as many as a page takes, and whether there are more.
    fn page(&self, before: Option<MessageId>, limit: u16) -> ChatPage {
        let end = before.map_or(self.entries.len(), |id| self.entries.partition_point(|entry| entry.message_id < id));
        let start = end.saturating_sub(usize::from(limit));
        let messages: Vec<_> = self.entries.range(start..end).cloned().collect();
        let next = messages.first().map(|entry| entry.message_id).filter(|_| start > 0);
        ChatPage { messages, next }
    }

    /// How many entries there ever were.
    pub(super) fn said_ever(&self) -> u64 {
        self.said_ever
    }

    /// Whether something was said that is not at hand any more.
    fn has_older(&self) -> bool {
        self.entries.front().map_or(self.said_ever > 0, |first| first.message_id.0 > 1)
    }
}

impl Room {
    /// Forgets what was said too long ago to be kept.
    pub(super) fn forget_old_chat(&mut self) {
        let Some(at_ms) = self.chat_kept_from() else { return };
        self.talk.forget_before(at_ms);
        self.forget_chat_late(at_ms);
    }

    /// What was said before is not kept any more, in Unix milliseconds.
    fn chat_kept_from(&self) -> Option<u64> {
        let kept_ms = u64::try_from(self.record.chat_kept?.as_millis()).unwrap_or(u64::MAX);
        Some(self.stage.now.as_millis().saturating_sub(kept_ms))
    }

    /// Leaves out of a page what is not kept any more: the store forgets it some time later. The oldest are in front.
    fn leave_out_old(&self, page: &mut ChatPage) {
        let kept_from = self.chat_kept_from().unwrap_or_default();
        if page.messages.first().is_some_and(|first| first.at_ms < kept_from) {
            page.messages.retain(|entry| entry.at_ms >= kept_from);
            page.next = None;
        }
    }

    /// What a newcomer is told of what was said last.
    pub(super) fn chat_shown(&self) -> Vec<ChatEntry> {
        let entries = &self.talk.entries;
        entries.range(entries.len().saturating_sub(SHOWN)..).cloned().collect()
    }

    pub(super) fn chat(
        &mut self,
        id: MemberId,
        request: Chat,
        filtered: Option<&str>,
        effects: &mut Effects,
    ) -> Result<Reply, ErrorBody> {
        let user_id = self.heard(id)?;
        let text = text::heard(&request.text, filtered)?;
        let username = self.members.get(&id).map(|member| member.username.clone()).unwrap_or_default();
        self.talk.said_ever += 1;
        let message_id = MessageId(self.talk.said_ever);
        let at_ms = self.stage.now.as_millis();
        let entry =
            ChatEntry { message_id, user_id: user_id.clone(), username, text, at_ms, edited: false, deleted: false };
        self.tell_entry(&entry, effects);
        self.talk.push(entry, self.durable);
        self.stops_typing(&user_id);
        Ok(Reply::Said(ChatSaid { message_id }))
    }

    pub(super) fn chat_edit(
        &mut self,
        id: MemberId,
        request: ChatEdit,
        ask: &Ask<'_>,
        effects: &mut Effects,
    ) -> Result<Reply, ErrorBody> {
        let user_id = self.heard(id)?;
        let text = text::heard(&request.text, ask.with)?;
        if self.talk.place(request.message_id).is_none() {
            let change = Change { message_id: request.message_id, text: Some(text) };
            return self.change_older(id, change, ask.reference.as_ref(), effects);
        }
        let place = self.place_of(id, request.message_id)?;
        self.check_change()?;
        let Some(entry) = self.talk.entries.get_mut(place) else { return Err(unknown()) };
        if entry.user_id != user_id {
            return Err(ErrorBody::new(ErrorCode::NotOwner, "Only who said it may change it."));
        }
        if entry.deleted {
            return Err(ErrorBody::new(ErrorCode::Conflict, "It was taken back."));
        }
        let before = entry.clone();
        entry.text = text;
        entry.edited = true;
        let entry = entry.clone();
        self.keep_former(before);
        self.tell_entry(&entry, effects);
        Ok(Reply::Done)
    }

    pub(super) fn chat_delete(
        &mut self,
        id: MemberId,
        request: ChatDelete,
        ask: &Ask<'_>,
        effects: &mut Effects,
    ) -> Result<Reply, ErrorBody> {
        if self.talk.place(request.message_id).is_none() {
            let change = Change { message_id: request.message_id, text: None };
            return self.change_older(id, change, ask.reference.as_ref(), effects);
        }
        let user_id = self.members.get(&id).map(|member| &member.user_id);
        let is_owner = user_id.is_some() && user_id == self.record.owner.as_ref();
        let place = self.place_of(id, request.message_id)?;
        self.check_change()?;
        let sees_former = self.sees_former(id, request.message_id);
        let is_author = self.talk.entries.get(place).map(|entry| &entry.user_id) == user_id;
        let Some(entry) = self.talk.entries.get_mut(place) else { return Err(unknown()) };
        if !is_author && !is_owner {
            return Err(ErrorBody::new(
                ErrorCode::NotOwner,
                "Only who said it, or the room's owner, may take it back.",
            ));
        }
        if entry.deleted && sees_former {
            // That it is done already they see in its time.
            return Ok(Reply::Done);
        }
        if entry.deleted {
            return Err(ErrorBody::new(ErrorCode::Conflict, "It was taken back already."));
        }
        let before = entry.clone();
        entry.text.clear();
        entry.deleted = true;
        let entry = entry.clone();
        self.keep_former(before);
        self.tell_entry(&entry, effects);
        Ok(Reply::Done)
    }

    pub(super) fn chat_history(
        &mut self,
        id: MemberId,
        request: ChatHistory,
        reference: Option<&Ref>,
        effects: &mut Effects,
    ) -> Result<Reply, ErrorBody> {
        let limit = request.limit.unwrap_or(PAGE);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(ErrorBody::new(ErrorCode::InvalidData, "A page has from 1 to 100 messages."));
        }
        let before = request.before.into_iter().chain(self.unread_from(id)).min();
        let mut page = self.talk.page(before, limit);
        self.as_seen_late(id, &mut page);
        if self.durable && page.next.is_none() && self.talk.has_older() {
            if page.messages.len() < usize::from(limit) {
                // Of what is stored beyond, this room knows nothing.
                let before = before.unwrap_or(MessageId(u64::MAX)).min(MessageId(self.talk.said_ever + 1));
                let (reference, before) = (reference.cloned(), Some(before));
                effects.wanted.push(Wanted { member: id, reference, before, limit, change: None });
                return Ok(Reply::Later);
            }
            page.next = page.messages.first().map(|entry| entry.message_id);
        }
        Ok(Reply::Page(page))
    }

    /// Answers who has asked for what is not at hand.
    pub(super) fn tell_history(&mut self, id: MemberId, reference: Option<&Ref>, page: Option<ChatPage>) {
        if !self.members.contains_key(&id) {
            return;
        }
        match page {
            Some(mut page) => {
                self.leave_out_old(&mut page);
                self.talk.renew(&mut page);
                self.as_seen_late(id, &mut page);
                self.reply(id, HISTORY_RESULT, reference, &Reply::Page(page));
            }
            None => {
                let error = ErrorBody::new(ErrorCode::StorageUnavailable, "What was said cannot be read just now.");
                self.answer(id, HISTORY_RESULT, reference, Some(&error));
            }
        }
    }

    pub(super) fn set_presence(
        &mut self,
        id: MemberId,
        request: SetPresence,
        _effects: &mut Effects,
    ) -> Result<Reply, ErrorBody> {
        let now = self.stage.now;
        let user_id = self.members.get(&id).map(|member| member.user_id.clone());
        let Some((user_id, person)) = user_id.and_then(|id| Some((id.clone(), self.people.get_mut(&id)?))) else {
            return Err(ErrorBody::new(ErrorCode::NotInRoom, "This session is not in that room."));
        };
        let (was_away, listed) = (person.away, person.listed);
        let away = request.away.unwrap_or(was_away);
        person.away = away;
        let typing = &mut self.watching.typing;
        let was_typing = match request.typing {
            Some(true) if listed => typing.insert(user_id.clone(), now + TYPING).is_some(),
            Some(false) => typing.remove(&user_id).is_some(),
            _ => typing.contains_key(&user_id),
        };
        // That somebody still writes is news: what was said before is over after a time.
        if was_away != away || was_typing != typing.contains_key(&user_id) || request.typing == Some(true) {
            self.tell_presence(&user_id);
        }
        Ok(Reply::Done)
    }

    /// Puts a line of the room's own among what is said.
    pub(super) fn tell_system(&mut self, to: To, event: SystemEvent, user_id: &UserId, username: &str) {
        let at_ms = self.stage.now.as_millis();
        self.say(to, &SystemSaid { event, user_id: user_id.clone(), username: username.to_owned(), at_ms });
    }

    /// Somebody has said what they were writing, or has not written for long enough.
    pub(super) fn stops_typing(&mut self, user_id: &UserId) {
        if self.watching.typing.contains_key(user_id) {
            self.watching.typing.remove(user_id);
            self.tell_presence(user_id);
        }
    }

    fn tell_presence(&mut self, user_id: &UserId) {
        let Some(person) = self.people.get(user_id).filter(|person| person.listed) else { return };
        let (number, typing, away) = (person.number, self.watching.typing.contains_key(user_id), person.away);
        let changed = PresenceChanged { user_id: user_id.clone(), number, typing, away };
        let before = self.stage.said.mark();
        self.say_latest(To::Everyone, &format!("p{number}"), &changed);
        self.note_about(before, user_id);
    }

    /// Who it is that says something, if they are heard.
    fn heard(&self, id: MemberId) -> Result<UserId, ErrorBody> {
        match self.members.get(&id) {
            Some(member) if self.doors.is_muted(&member.user_id) => {
                Err(ErrorBody::new(ErrorCode::Rejected, "The room's owner has muted you."))
            }
            Some(member) => Ok(member.user_id.clone()),
            None => Err(ErrorBody::new(ErrorCode::NotInRoom, "This session is not in that room.")),
        }
    }

    /// Where an entry is that a member has said or sees.
    fn place_of(&self, id: MemberId, message_id: MessageId) -> Result<usize, ErrorBody> {
        let place = self.talk.place(message_id).ok_or_else(unknown)?;
        let entry = self.talk.entries.get(place).ok_or_else(unknown)?;
        self.check_seen(id, entry).map(|()| place)
    }

    /// Checks that a member has said an entry, or sees it: of any other they learn nothing.
    fn check_seen(&self, id: MemberId, entry: &ChatEntry) -> Result<(), ErrorBody> {
        let is_own = self.members.get(&id).is_some_and(|member| member.user_id == entry.user_id);
        let is_seen = self.unread_from(id).is_none_or(|from| entry.message_id < from);
        if is_own || is_seen { Ok(()) } else { Err(unknown()) }
    }

    /// Everyone hears of an entry, and it is kept with the turn.
    fn tell_entry(&mut self, entry: &ChatEntry, effects: &mut Effects) {
        self.say(To::Everyone, entry);
        effects.chat.push(entry.clone());
    }
}

const HISTORY_RESULT: &str = "chat_history_result";

fn unknown() -> ErrorBody {
    ErrorBody::new(ErrorCode::InvalidData, "Nothing that can still be changed was said with that id.")
}
