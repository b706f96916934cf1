//! The server's clock: monotonic, with the wall time at which it started.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anteroom_core::Time;
use tokio::time::Instant;

/// Reads time for everything in one server. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
    start_ms: u64,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub(crate) fn start() -> Self {
        Self::start_at(Self::wall_ms())
    }

    /// A clock that starts now, at a time that is given in Unix milliseconds.
    #[must_use]
    pub(crate) fn start_at(start_ms: u64) -> Self {
        Self { start: Instant::now(), start_ms }
    }

    /// The wall clock's time, in Unix milliseconds.
    #[must_use]
    pub(crate) fn wall_ms() -> u64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
    }

    /// A clock that says the same in every simulation: the wall time is made up.
    #[must_use]
    pub(crate) fn simulated() -> Self {
        Self { start: Instant::now(), start_ms: 1_600_000_000_000 }
    }

    /// The time: milliseconds since the Unix epoch that never go back.
    #[must_use]
    pub(crate) fn now(&self) -> Time {
        self.time(Instant::now())
    }

    /// The same at another moment.
    #[must_use]
    pub(crate) fn time(&self, instant: Instant) -> Time {
        let elapsed = instant.saturating_duration_since(self.start);
        Time::from_millis(self.start_ms) + elapsed
    }

    /// The moment at which [`Clock::now`] will be `time`.
    #[must_use]
    pub(crate) fn instant(&self, time: Time) -> Instant {
        self.start + time.since(Time::from_millis(self.start_ms))
    }

    /// When a tick of that length ends next. `phase` says when the first one ended.
    #[must_use]
    pub(crate) fn next_tick(&self, tick: Duration, phase: u64) -> Instant {
        let tick_ms = u64::try_from(tick.as_millis()).unwrap_or(u64::MAX).max(1);
        let now_ms = self.now().as_millis();
        let since = (now_ms + tick_ms - phase % tick_ms) % tick_ms;
        self.instant(Time::from_millis(now_ms + tick_ms - since))
    }

    /// The same as clients see it.
    #[must_use]
    pub(crate) fn server_time_ms(&self) -> u64 {
        self.now().as_millis()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_begins_at_the_wall_clocks_and_goes_by_the_monotonic_one() {
        let clock = Clock::simulated();
        assert_eq!(clock.now(), Time::from_millis(1_600_000_000_000));
        tokio::time::advance(Duration::from_micros(1500)).await;
        assert_eq!(clock.server_time_ms(), 1_600_000_000_001);
        let later = clock.now() + Duration::from_millis(9);
        assert_eq!(clock.time(clock.instant(later)), later);
        // What was due before the server started is due now.
        assert!(clock.instant(Time::from_millis(5)) <= Instant::now());
        // Every tick ends at the same phase of the same clock.
        let tick = Duration::from_millis(16);
        assert_eq!(clock.time(clock.next_tick(tick, 4)).as_millis() % 16, 4);
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        assert!(Duration::from_millis(Clock::start().now().as_millis()).abs_diff(wall) < Duration::from_secs(60));
    }
}
