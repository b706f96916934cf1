//! Seats that a computer plays.

use anteroom_protocol::ErrorBody;
use anteroom_protocol::message::member::{AddBot, RemoveBot};
use serde::{Deserialize, Serialize};

use super::asking::Reply;
use super::{Effects, MemberId, Room};
use crate::game::Seat;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bots {}

impl Room {
    /// Whether a computer has a seat of its own.
    pub(super) fn is_computer(&self, _seat: Seat) -> bool {
        false
    }

    /// Whether a computer plays a seat: all the time, or for somebody who is away.
    pub(super) fn is_bot(&self, _seat: Seat) -> bool {
        false
    }

    pub(super) fn add_bot(
        &mut self,
        _id: MemberId,
        _request: AddBot,
        _effects: &mut Effects,
    ) -> Result<Reply, ErrorBody> {
        Err(super::asking::not_built())
    }

    pub(super) fn remove_bot(
        &mut self,
        _id: MemberId,
        _request: RemoveBot,
        _effects: &mut Effects,
    ) -> Result<Reply, ErrorBody> {
        Err(super::asking::not_built())
    }
}
