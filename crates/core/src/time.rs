//! Time as rooms see it: milliseconds since the Unix epoch, on a clock that somebody else reads.

use std::ops::Add;
use std::time::Duration;

use anteroom_protocol::bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// A moment, in milliseconds since the Unix epoch: what is kept until some time means the same after a restart. Never
/// goes back, so it is not quite what a wall clock says. In tests the epoch is when they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, Encode, Decode)]
#[bincode(crate = "anteroom_protocol::bincode")]
pub struct Time(u64);

impl Time {
    /// The moment this many milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}
