//! What rooms may use and how long they keep a seat: their part of the tables `limits` and `times`.

use std::time::Duration;

use anteroom_core::room::RoomPolicy;

use crate::error::Problems;
use crate::tables::{LimitList, Times};

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoomLimits {
    /// What each room goes by.
    policy: RoomPolicy,
    /// Rooms at a time.
    pub(crate) rooms_max: usize,
    /// Rooms in the store at a time.
    pub(crate) stored_rooms_max: usize,
    /// How long a seat in a durable room is kept for a player who is away.
    durable_seat: Duration,
    /// How long nobody is connected to a durable room until it leaves memory.
    pub(crate) hibernate_after: Duration,
    /// What one room may have said and its members not read or acknowledged, in bytes.
    pub(crate) kept_bytes_max: usize,
}

impl RoomLimits {
    pub(crate) fn of(limits: &LimitList, times: &Times) -> Self {
        Self {
            policy: RoomPolicy {
                grace: Duration::from_millis(times.grace_ms),
                spectators_max: limits.spectators_per_room_max,
                seat_kept: None,
            },
            rooms_max: limits.rooms_max as usize,
            stored_rooms_max: limits.stored_rooms_max as usize,
            durable_seat: Duration::from_millis(times.durable_seat_ms),
            hibernate_after: Duration::from_millis(times.hibernate_after_ms),
            kept_bytes_max: limits.room_bytes_max as usize,
        }
    }

    /// What a room goes by that is stored, or not.
    pub(crate) fn policy(&self, durable: bool) -> RoomPolicy {
        RoomPolicy { seat_kept: durable.then_some(self.durable_seat), ..self.policy }
    }

    pub(crate) fn check(limits: &LimitList, times: &Times, problems: &mut Problems) {
        problems.at_least_one("limits.rooms_max", limits.rooms_max);
        problems.at_least_one("limits.stored_rooms_max", limits.stored_rooms_max);
        problems.long_milliseconds("times.durable_seat_ms", times.durable_seat_ms);
        problems.long_milliseconds("times.hibernate_after_ms", times.hibernate_after_ms);
        problems.holds_a_frame("limits.room_bytes_max", limits.room_bytes_max);
    }
}
