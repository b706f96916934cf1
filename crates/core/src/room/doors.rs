//! Who may come in, and who has to go: invites, bans, who was sent out, who is not heard.

use std::collections::BTreeSet;

use anteroom_protocol::message::member::{Ban, CreateInvite, Kick, Mute, Unban};
use anteroom_protocol::{ErrorBody, UserId};
use serde::{Deserialize, Serialize};

use super::asking::Reply;
use super::{Effects, MemberId, Room};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Doors {
    muted: BTreeSet<UserId>,
}

impl Doors {
    pub(super) fn is_muted(&self, user_id: &UserId) -> bool {
        self.muted.contains(user_id)
    }
}

impl Room {
    pub(super) fn kick(&mut self, _id: MemberId, _request: Kick, _effects: &mut Effects) -> Result<Reply, ErrorBody> {
        Err(super::asking::not_built())
    }

    pub(super) fn ban(&mut self, _id: MemberId, _request: Ban, _effects: &mut Effects) -> Result<Reply, ErrorBody> {
        Err(super::asking::not_built())
    }

    pub(super) fn unban(&mut self, _id: MemberId, _request: Unban, _effects: &mut Effects) -> Result<Reply, ErrorBody> {
        Err(super::asking::not_built())
    }

    pub(super) fn mute(&mut self, _id: MemberId, _request: Mute, _effects: &mut Effects) -> Result<Reply, ErrorBody> {
        Err(super::asking::not_built())
    }

    pub(super) fn create_invite(
        &mut self,
        _id: MemberId,
        _request: CreateInvite,
        _with: Option<&str>,
        _effects: &mut Effects,
    ) -> Result<Reply, ErrorBody> {
        Err(super::asking::not_built())
    }
}
