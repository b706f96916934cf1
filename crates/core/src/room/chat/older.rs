//! Changes to what was said so long ago that the room does not have it at hand: it is looked up outside first.
//!
//! What was found may be older than a change that came in between, so those that were changed last are kept at hand.

use anteroom_protocol::envelope::Ref;
use anteroom_protocol::message::chat::{ChatEntry, MessageId};
use anteroom_protocol::message::member::ChatPage;
use anteroom_protocol::{ErrorBody, ErrorCode};

use super::{Talk, unknown};
use crate::room::asking::Reply;
use crate::room::{Change, Effects, MemberId, Room, Wanted};

/// How many are kept at hand that were changed: more than can be on their way between two turns that are about one of them.
const CHANGED_MAX: usize = 16;

impl Talk {
    /// Whether an entry was said, and is not at hand any more.
    fn is_older(&self, message_id: MessageId) -> bool {
        let first = self.entries.front().map_or(self.said_ever + 1, |first| first.message_id.0);
        (1..first).contains(&message_id.0)
    }

    fn keep_changed(&mut self, entry: ChatEntry) {
        self.changed.retain(|other| other.message_id != entry.message_id);
        self.changed.push_back(entry);
        if self.changed.len() > CHANGED_MAX {
            self.changed.pop_front();
        }
    }

    /// Puts what was changed in the place of what was found.
    pub(super) fn renew(&self, page: &mut ChatPage) {
        for found in &mut page.messages {
            if let Some(changed) = self.changed.iter().find(|changed| changed.message_id == found.message_id) {
                found.clone_from(changed);
            }
        }
    }
}

impl Room {
    /// Has an entry looked up that somebody wants to change.
    pub(in crate::room) fn change_older(
        &mut self,
        id: MemberId,
        change: Change,
        reference: Option<&Ref>,
        effects: &mut Effects,
    ) -> Result<Reply, ErrorBody> {
        if !self.durable || !self.talk.is_older(change.message_id) {
            return Err(unknown());
        }
        let before = Some(MessageId(change.message_id.0 + 1));
        let reference = reference.cloned();
        effects.wanted.push(Wanted { member: id, reference, before, limit: 1, change: Some(change) });
        Ok(Reply::Later)
    }

    /// Changes an entry that was looked up, and answers who has asked for it.
    pub(in crate::room) fn change_found(
        &mut self,
        id: MemberId,
        reference: Option<&Ref>,
        change: &Change,
        page: Option<ChatPage>,
        effects: &mut Effects,
    ) {
        let kind = if change.text.is_some() { "chat_edit_result" } else { "chat_delete_result" };
        match self.changed_entry(id, change, page) {
            Ok(None) => self.reply(id, kind, reference, &Reply::Done),
            Ok(Some((before, entry))) => {
                self.reply(id, kind, reference, &Reply::Done);
                self.keep_former(before);
                self.tell_entry(&entry, effects);
                self.talk.keep_changed(entry);
            }
            Err(error) => self.answer(id, kind, reference, Some(&error)),
        }
    }

    /// The entry as it was, and as it is to be; none if it is so already, and whoever asks is to see that in its time.
    fn changed_entry(
        &self,
        id: MemberId,
        change: &Change,
        page: Option<ChatPage>,
    ) -> Result<Option<(ChatEntry, ChatEntry)>, ErrorBody> {
        let mut page = page
            .ok_or_else(|| ErrorBody::new(ErrorCode::StorageUnavailable, "What was said cannot be read just now."))?;
        self.leave_out_old(&mut page);
        self.talk.renew(&mut page);
        let found = page.messages.pop().filter(|entry| entry.message_id == change.message_id);
        let before = found.ok_or_else(unknown)?;
        self.check_seen(id, &before)?;
        self.check_change()?;
        let edits = change.text.is_some();
        match self.check_may_change(id, &before, edits) {
            Err(error) if error.code == ErrorCode::Conflict && !edits && self.sees_former(id, change.message_id) => {
                return Ok(None);
            }
            checked => checked?,
        }
        let mut entry = before.clone();
        match &change.text {
            Some(text) => {
                entry.text.clone_from(text);
                entry.edited = true;
            }
            None => {
                entry.text.clear();
                entry.deleted = true;
            }
        }
        Ok(Some((before, entry)))
    }

    /// Whether a member may change an entry, or take it back.
    ///
    /// # Errors
    /// `rejected`, `not_owner`, `conflict`.
    fn check_may_change(&self, id: MemberId, entry: &ChatEntry, edits: bool) -> Result<(), ErrorBody> {
        let user_id = self.members.get(&id).map(|member| &member.user_id);
        let is_author = user_id == Some(&entry.user_id);
        let is_owner = user_id.is_some() && user_id == self.record.owner.as_ref();
        if edits {
            self.heard(id)?;
        }
        match (edits, is_author || is_owner && !edits) {
            (true, false) => Err(ErrorBody::new(ErrorCode::NotOwner, "Only who said it may change it.")),
            (false, false) => {
                let sentence = "Only who said it, or the room's owner, may take it back.";
                Err(ErrorBody::new(ErrorCode::NotOwner, sentence))
            }
            (true, true) if entry.deleted => Err(ErrorBody::new(ErrorCode::Conflict, "It was taken back.")),
            (false, true) if entry.deleted => Err(ErrorBody::new(ErrorCode::Conflict, "It was taken back already.")),
            _ => Ok(()),
        }
    }
}
