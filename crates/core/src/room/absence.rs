//! Matches that stand still, and what becomes of those whose players are away: a computer plays, the others vote, or they wait.

use anteroom_protocol::ErrorBody;
use anteroom_protocol::message::member::{CastVote, Pause, Unpause};
use anteroom_protocol::message::push::Vote;
use serde::{Deserialize, Serialize};

use super::asking::Reply;
use super::{Effects, MemberId, Room};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Absence {}

impl Room {
    /// What is being voted on.
    pub(super) fn vote_shown(&self) -> Option<Vote> {
        None
    }

    pub(super) fn pause(&mut self, _id: MemberId, _request: Pause, _effects: &mut Effects) -> Result<Reply, ErrorBody> {
        Err(super::asking::not_built())
    }

    pub(super) fn unpause(
        &mut self,
        _id: MemberId,
        _request: Unpause,
        _effects: &mut Effects,
    ) -> Result<Reply, ErrorBody> {
        Err(super::asking::not_built())
    }

    pub(super) fn cast_vote(
        &mut self,
        _id: MemberId,
        _request: CastVote,
        _effects: &mut Effects,
    ) -> Result<Reply, ErrorBody> {
        Err(super::asking::not_built())
    }
}
