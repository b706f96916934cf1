//! What rooms may use and how long they keep a seat: their part of the tables `limits` and `times`.

use std::time::Duration;

use anteroom_core::room::RoomPolicy;

use crate::error::Problems;
use crate::tables::{LimitList, Times};

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoomLimits {
    /// What each room goes by.
    pub(crate) policy: RoomPolicy,
    /// Rooms at a time.
    pub(crate) rooms_max: usize,
    /// What one room may have said and its members not read or acknowledged, in bytes.
    pub(crate) kept_bytes_max: usize,
}

impl RoomLimits {
    pub(crate) fn of(limits: &LimitList, times: &Times) -> Self {
        Self {
            policy: RoomPolicy {
                grace: Duration::from_millis(times.grace_ms),
                seat_kept: None,
                spectators_max: limits.spectators_per_room_max,
            },
            rooms_max: limits.rooms_max as usize,
            kept_bytes_max: limits.room_bytes_max as usize,
        }
    }

    pub(crate) fn check(limits: &LimitList, problems: &mut Problems) {
        problems.at_least_one("limits.rooms_max", limits.rooms_max);
        problems.holds_a_frame("limits.room_bytes_max", limits.room_bytes_max);
    }
}
