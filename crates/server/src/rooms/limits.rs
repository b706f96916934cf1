//! What rooms may use and how long they keep a seat: their part of the tables `limits` and `times`.

use std::time::Duration;

use anteroom_core::room::{RoomPolicy, SPECTATORS_MAX};

use crate::chat::ChatSection;
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
    /// How long a durable room stays that nobody is in, and any other at most if that is asked for.
    pub(super) durable_empty_ttl: Duration,
    pub(super) empty_ttl_max: Duration,
    /// After how long without anybody doing anything rooms close, and after how long in any case, if they do.
    pub(super) idle_ttl: Option<Duration>,
    pub(super) lifetime_max: Option<Duration>,
    /// For how long what is said is kept, if not for as long as its room.
    pub(super) chat_kept: Option<Duration>,
    /// What one room may have said and its members not read or acknowledged, in bytes.
    pub(crate) kept_bytes_max: usize,
}

impl RoomLimits {
    pub(crate) fn of(limits: &LimitList, times: &Times, chat: ChatSection) -> Self {
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
            durable_empty_ttl: Duration::from_millis(times.durable_empty_ttl_ms),
            empty_ttl_max: Duration::from_millis(times.empty_ttl_max_ms),
            idle_ttl: unless_zero(times.room_idle_ttl_ms),
            lifetime_max: unless_zero(times.room_lifetime_max_ms),
            chat_kept: chat.keep(),
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
        if limits.spectators_per_room_max > SPECTATORS_MAX {
            problems.add("limits.spectators_per_room_max", format!("must be at most {SPECTATORS_MAX}"));
        }
        problems.up_to_a_year("times.durable_empty_ttl_ms", times.durable_empty_ttl_ms);
        problems.up_to_a_year("times.empty_ttl_max_ms", times.empty_ttl_max_ms);
        problems.up_to_a_year("times.room_idle_ttl_ms", times.room_idle_ttl_ms);
        problems.up_to_a_year("times.room_lifetime_max_ms", times.room_lifetime_max_ms);
        problems.holds_a_frame("limits.room_bytes_max", limits.room_bytes_max);
    }
}

/// A time of zero stands for none.
fn unless_zero(millis: u64) -> Option<Duration> {
    (millis > 0).then(|| Duration::from_millis(millis))
}
