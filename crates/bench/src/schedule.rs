//! When each member of a thread has to send, at a fixed rate: all members of all threads take turns, one room after
//! the other, evenly over a period. What could not be sent in time stays due when it was.

use crate::plan::Plan;

/// What is due, in order.
#[derive(Debug)]
pub(crate) struct Schedule {
    begin_us: u64,
    period_us: f64,
    /// The thread's members, by when their turn in each period is: its share of the period first.
    turns: Vec<(f64, usize)>,
    next: usize,
    round: u64,
}

impl Schedule {
    /// The turns of a thread's members; `None` if nothing is scheduled.
    pub(crate) fn new(plan: &Plan, thread: usize, begin_us: u64) -> Option<Self> {
        let period = plan.period()?;
        let share = plan.share(thread);
        let first = share.start;
        let turn = |place: usize| {
            // What is sent one after the other concerns different rooms.
            let turn = place % plan.members * plan.rooms + place / plan.members;
            (turn as f64 / plan.sessions() as f64, place - first)
        };
        let mut turns: Vec<_> = share.map(turn).collect();
        turns.sort_by(|a, b| a.0.total_cmp(&b.0));
        if turns.is_empty() {
            return None;
        }
        Some(Self { begin_us, period_us: period.as_secs_f64() * 1e6, turns, next: 0, round: 0 })
    }

    /// When the next message is due.
    pub(crate) fn due_us(&self) -> u64 {
        let (share, _) = self.turns[self.next];
        self.begin_us + ((self.round as f64 + share) * self.period_us) as u64
    }

    /// The next member, and when it was due, if that is not later than now.
    pub(crate) fn take(&mut self, now_us: u64) -> Option<(usize, u64)> {
        let due_us = self.due_us();
        if due_us > now_us {
            return None;
        }
        let (_, member) = self.turns[self.next];
        self.next += 1;
        if self.next == self.turns.len() {
            (self.next, self.round) = (0, self.round + 1);
        }
        Some((member, due_us))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plan::Load;

    #[test]
    fn members_take_turns_room_by_room_and_what_is_late_stays_due() {
        let second = Duration::from_secs(1);
        let plan =
            Plan { rooms: 2, members: 2, load: Load::Hertz(10.0), warm_up: second, measured: second, threads: 1 };
        let mut schedule = Schedule::new(&plan, 0, 1_000).unwrap();
        assert_eq!(schedule.take(999), None);
        let late: Vec<_> = std::iter::from_fn(|| schedule.take(126_000)).collect();
        assert_eq!(late, [(0, 1_000), (2, 26_000), (1, 51_000), (3, 76_000), (0, 101_000), (2, 126_000)]);
        assert_eq!(schedule.due_us(), 151_000);
        assert!(Schedule::new(&Plan { load: Load::Closed, ..plan }, 0, 0).is_none());
    }

    #[test]
    fn two_threads_share_one_schedule() {
        let second = Duration::from_secs(1);
        let plan =
            Plan { rooms: 2, members: 2, load: Load::Deliveries(80.0), warm_up: second, measured: second, threads: 2 };
        let mut both: Vec<u64> = (0..2)
            .flat_map(|thread| {
                let mut schedule = Schedule::new(&plan, thread, 0).unwrap();
                std::iter::from_fn(move || schedule.take(99_999)).map(|(_, due)| due).collect::<Vec<_>>()
            })
            .collect();
        both.sort_unstable();
        assert_eq!(both, [0, 25_000, 50_000, 75_000]);
    }
}
