//! What is said in a room, and what others see of what one does just now.

use anteroom_protocol::ErrorBody;
use anteroom_protocol::envelope::Ref;
use anteroom_protocol::message::chat::ChatEntry;
use anteroom_protocol::message::member::ChatPage;
use anteroom_protocol::message::member::{Chat, ChatDelete, ChatEdit, ChatHistory, SetPresence};
use serde::{Deserialize, Serialize};

use super::asking::Reply;
use super::{Effects, MemberId, Room};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Talk {}

impl Room {
    pub(super) fn tell_history(&mut self, _id: MemberId, _reference: Option<&Ref>, _page: Option<ChatPage>) {}

    /// What a newcomer is told of what was said last.
    pub(super) fn chat_shown(&self) -> Vec<ChatEntry> {
        Vec::new()
    }

    pub(super) fn chat(
        &mut self,
        _id: MemberId,
        _request: Chat,
        _filtered: Option<&str>,
        _effects: &mut Effects,
    ) -> Result<Reply, ErrorBody> {
        Err(super::asking::not_built())
    }

    pub(super) fn chat_edit(
        &mut self,
        _id: MemberId,
        _request: ChatEdit,
        _filtered: Option<&str>,
        _effects: &mut Effects,
    ) -> Result<Reply, ErrorBody> {
        Err(super::asking::not_built())
    }

    pub(super) fn chat_delete(
        &mut self,
        _id: MemberId,
        _request: ChatDelete,
        _effects: &mut Effects,
    ) -> Result<Reply, ErrorBody> {
        Err(super::asking::not_built())
    }

    pub(super) fn chat_history(
        &mut self,
        _id: MemberId,
        _request: ChatHistory,
        _effects: &mut Effects,
    ) -> Result<Reply, ErrorBody> {
        Err(super::asking::not_built())
    }

    pub(super) fn set_presence(
        &mut self,
        _id: MemberId,
        _request: SetPresence,
        _effects: &mut Effects,
    ) -> Result<Reply, ErrorBody> {
        Err(super::asking::not_built())
    }
}
