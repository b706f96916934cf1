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

impl SeatPlan {
    /// Whether a seat is kept for a user who was not here yet, or they wait for one.
    pub(super) fn mentions(&self, user_id: &UserId) -> bool {
        self.reserved.contains_key(user_id) || self.queue.contains(user_id)
    }

    /// Keeps no seat for a user any more, and no place in the queue.
    pub(super) fn forget(&mut self, user_id: &UserId) {
        self.reserved.remove(user_id);
        self.queue.retain(|queued| queued != user_id);
    }
}

impl Room {
    /// Whether a seat is kept for a user who was not here yet.
    pub(super) fn is_reserved_for(&self, user_id: &UserId) -> bool {
        self.plan.reserved.get(user_id).is_some_and(|until| *until > self.stage.now)
    }

    /// How many seats are kept for users who were not here yet, but for one.
    pub(super) fn reserved_for_others(&self, but: Option<&UserId>) -> usize {
        let kept =
            self.plan.reserved.iter().filter(|(user_id, until)| **until > self.stage.now && Some(*user_id) != but);
        kept.count()
    }

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
