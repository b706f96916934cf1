//! Seats that somebody has not taken yet, or wants to change: reservations, the queue of those who watch, swaps, who is ready.

use std::collections::{BTreeMap, VecDeque};

use anteroom_protocol::message::member::{ChooseSeat, QueueForSeat, Ready};
use anteroom_protocol::{ErrorBody, UserId};
use serde::{Deserialize, Serialize};

use super::asking::Reply;
use super::{Effects, MemberId, Room};
use crate::time::Time;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SeatPlan {
    /// For whom a seat is kept who was not here yet, and until when.
    pub(super) reserved: BTreeMap<UserId, Time>,
    /// Who watches and wants a seat, the first first.
    pub(super) queue: VecDeque<UserId>,
}

impl Room {
    pub(super) fn reserve(&mut self, users: &[UserId], until: Time) {
        self.plan.reserved.extend(users.iter().map(|user_id| (user_id.clone(), until)));
    }

    pub(super) fn ready(&mut self, _id: MemberId, _request: Ready, _effects: &mut Effects) -> Result<Reply, ErrorBody> {
        Err(super::asking::not_built())
    }

    pub(super) fn choose_seat(
        &mut self,
        _id: MemberId,
        _request: ChooseSeat,
        _effects: &mut Effects,
    ) -> Result<Reply, ErrorBody> {
        Err(super::asking::not_built())
    }

    pub(super) fn queue_for_seat(
        &mut self,
        _id: MemberId,
        _request: QueueForSeat,
        _effects: &mut Effects,
    ) -> Result<Reply, ErrorBody> {
        Err(super::asking::not_built())
    }
}
