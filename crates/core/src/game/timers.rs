//! What a game asked to be reminded of.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// The most timers a game may have running; the earliest asked for stay, further ones are refused.
pub const TIMERS_MAX: usize = 4096;

/// A timer due at once could ask for itself again without end.
const DELAY_MIN: Duration = Duration::from_millis(1);

/// Names a running timer; see [`Context::after`](super::Context::after).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TimerId(Time, u64);

/// Reminders in the order they fall due; equal times in the order of asking.
#[derive(Debug)]
pub(crate) struct Timers<T> {
    due: BTreeMap<TimerId, T>,
    asked: u64,
    /// The last one that was asked for before timers were put off: games know those up to it by an earlier time.
    put_off: u64,
}

impl TimerId {
    /// The same timer, due later.
    pub(super) fn later(self, by: Duration) -> Self {
        Self(self.0 + by, self.1)
    }
}

impl<T> Timers<T> {
    pub(super) const fn new() -> Self {
        Self { due: BTreeMap::new(), asked: 0, put_off: 0 }
    }

    /// `None` if [`TIMERS_MAX`] are running.
    pub(super) fn start(&mut self, now: Time, duration: Duration, timer: T) -> Option<TimerId> {
        if self.due.len() >= TIMERS_MAX {
            return None;
        }
        self.asked += 1;
        let id = TimerId(now + duration.max(DELAY_MIN), self.asked);
        self.due.insert(id, timer);
        Some(id)
    }

    pub(super) fn cancel(&mut self, id: TimerId) -> Option<T> {
        if let Some(timer) = self.due.remove(&id) {
            return Some(timer);
        }
        if id.1 > self.put_off {
            return None;
        }
        let there = self.due.keys().find(|there| there.1 == id.1).copied()?;
        self.due.remove(&there)
    }

    pub(super) fn next(&self) -> Option<Time> {
        self.due.first_key_value().map(|(id, _)| id.0)
    }

    pub(super) fn pop_due(&mut self, now: Time) -> Option<T> {
        let entry = self.due.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// Puts every one off.
    pub(super) fn put_off(&mut self, by: Duration) {
        self.due = std::mem::take(&mut self.due).into_iter().map(|(id, timer)| (id.later(by), timer)).collect();
        self.put_off = self.asked;
    }

    /// How many were ever asked for, and how many of them before timers were put off.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.asked, self.put_off)
    }

    /// Timers that run on, of so many that were ever asked for.
    pub(super) fn restore(running: Vec<(TimerId, T)>, asked: u64, put_off: u64) -> Result<Self, &'static str> {
        // Nobody asks that often, so counting on is safe.
        let is_new = |number: u64| number > asked;
        if asked > u64::MAX / 2 || is_new(put_off) || running.iter().any(|(id, _)| is_new(id.1)) {
            return Err("timers that nobody can have asked for");
        }
        if running.len() > TIMERS_MAX {
            return Err("too many timers");
        }
        Ok(Self { due: running.into_iter().collect(), asked, put_off })
    }

    /// Everything that is running, in the order it falls due.
    pub(super) fn running(&self) -> impl Iterator<Item = (&TimerId, &T)> {
        self.due.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Time = Time::from_millis(1000);

    #[test]
    fn equal_times_fall_due_in_the_order_of_asking() {
        let mut timers = Timers::new();
        for (delay_ms, name) in [(20, 'c'), (10, 'a'), (20, 'd'), (10, 'b')] {
            timers.start(NOON, Duration::from_millis(delay_ms), name).unwrap();
        }
        let until = |timers: &mut Timers<char>, ms| {
            std::iter::from_fn(|| timers.pop_due(NOON + Duration::from_millis(ms))).collect::<String>()
        };
        assert_eq!(until(&mut timers, 9), "");
        assert_eq!(until(&mut timers, 10), "ab");
        assert_eq!(until(&mut timers, 30), "cd");
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn a_cancelled_timer_is_given_back_once() {
        let mut timers = Timers::new();
        let first = timers.start(NOON, Duration::ZERO, 1).unwrap();
        let second = timers.start(NOON, Duration::ZERO, 2).unwrap();
        assert_eq!(timers.next(), Some(Time::from_millis(1001)));
        assert_eq!((timers.cancel(first), timers.cancel(first)), (Some(1), None));
        assert_eq!(timers.pop_due(Time::from_millis(1001)), Some(2));
        assert_eq!(timers.cancel(second), None);
    }

    #[test]
    fn there_is_a_most() {
        let mut timers = Timers::new();
        let first = timers.start(NOON, Duration::MAX, 0);
        for number in 1..TIMERS_MAX {
            assert!(timers.start(NOON, Duration::ZERO, number).is_some());
        }
        assert_eq!(timers.start(NOON, Duration::ZERO, 0), None);
        assert_eq!(first.and_then(|id| timers.cancel(id)), Some(0));
        assert!(timers.start(NOON, Duration::ZERO, 0).is_some());
    }
}
