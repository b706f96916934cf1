//! What sessions may use and how long they wait for their player: their part of the tables `limits` and `times`.

use std::time::Duration;

use anteroom_core::lanes::SessionBounds;
use anteroom_protocol::lane::Bounds;
use anteroom_protocol::{Limits, limits};

use crate::error::Problems;
use crate::tables::{LimitList, Times};

/// How many messages a lane keeps.
const LANE_MESSAGES_MAX: u64 = 8192;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct SessionLimits {
    /// Sessions at a time, with or without a connection.
    pub(crate) sessions_max: usize,
    /// Rooms one session may be in at a time.
    pub(crate) rooms_max: usize,
    /// How long a session is kept without a connection.
    pub(crate) grace: Duration,
    /// How much each lane keeps, and lets wait.
    pub(crate) bounds: SessionBounds,
    /// What may wait for one client to read it, besides what its rooms say.
    pub(crate) outbox_bytes_max: usize,
    /// What a client is told of all this.
    pub(crate) told: Limits,
}

impl SessionLimits {
    pub(crate) fn of(limits: &LimitList, times: &Times) -> Self {
        Self {
            sessions_max: limits.sessions_max as usize,
            rooms_max: limits.rooms_per_session_max as usize,
            grace: Duration::from_millis(times.grace_ms),
            bounds: bounds(limits, times),
            outbox_bytes_max: limits.outbox_bytes_max as usize,
            told: Limits {
                message_bytes_max: limits.message_bytes_max,
                rooms_max: limits.rooms_per_session_max,
                latest_keys_max: limits.latest_keys_max,
                latest_bytes_max: limits.latest_bytes_max,
                ..Limits::default()
            },
        }
    }

    /// The same as a client is told it.
    pub(crate) fn grace_ms(&self) -> u64 {
        u64::try_from(self.grace.as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn check(limits: &LimitList, problems: &mut Problems) {
        problems.at_least_one("limits.sessions_max", limits.sessions_max);
        problems.at_least_one("limits.rooms_per_session_max", limits.rooms_per_session_max);
        problems.holds_a_frame("limits.outbox_bytes_max", limits.outbox_bytes_max);
        if limits.lane_bytes_max < limits::BATCH_BYTES_SOFT_MAX as u32 {
            problems.add("limits.lane_bytes_max", "must be at least 65536, what one flush may come to");
        }
        problems.at_least_one("limits.latest_keys_max", limits.latest_keys_max);
        problems.holds_a_frame("limits.latest_bytes_max", limits.latest_bytes_max);
    }
}

fn bounds(limits: &LimitList, times: &Times) -> SessionBounds {
    let room = Bounds {
        messages_max: LANE_MESSAGES_MAX,
        // A player who comes back at the last moment has missed nothing.
        age_max_ms: times.grace_ms.saturating_mul(2),
        kept_bytes_max: limits.kept_bytes_max as usize,
        waiting_bytes_max: limits.lane_bytes_max as usize,
        values_max: limits.latest_keys_max as usize,
        value_bytes_max: limits.latest_bytes_max as usize,
    };
    // Beyond twice what may wait nothing more is kept, not even for the writer to find out.
    let waiting_bytes_max = 2 * limits.outbox_bytes_max as usize;
    SessionBounds { room, control: Bounds { messages_max: u64::MAX, waiting_bytes_max, ..room } }
}
