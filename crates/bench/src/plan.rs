//! How many members do what, and for how long.

use std::net::SocketAddr;
use std::time::Duration;

use crate::error::BenchError;

/// The most members of a room: the relay's own bound.
pub const MEMBERS_MAX: usize = 1024;

/// How members send.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Load {
    /// Each member keeps one message under way: it sends the next when it hears its own. There is no schedule.
    Closed,
    /// All together cause so many deliveries a second, evenly. Latencies count from when a message was due.
    Deliveries(f64),
    /// Each member sends so many messages a second. Latencies count from when a message was due.
    Hertz(f64),
    /// Nobody sends.
    Silent,
}

/// The server that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Where it listens.
    pub addr: SocketAddr,
    /// The process whose CPU and memory are read, if it is on this machine.
    pub pid: Option<u32>,
}

/// Rooms full of members who all hear each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// How many rooms.
    pub rooms: usize,
    /// How many members each room has, at most [`MEMBERS_MAX`].
    pub members: usize,
    /// What they do.
    pub load: Load,
    /// How long they do it before it counts.
    pub warm_up: Duration,
    /// How long it counts.
    pub measured: Duration,
    /// Over how many threads the members are spread.
    pub threads: usize,
}

impl Plan {
    /// All members of all rooms.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.rooms * self.members
    }

    /// How long a member waits between two messages, if there is a schedule.
    #[must_use]
    pub fn period(&self) -> Option<Duration> {
        match self.load {
            Load::Closed | Load::Silent => None,
            Load::Deliveries(rate) => Some(Duration::from_secs_f64((self.sessions() * self.members) as f64 / rate)),
            Load::Hertz(rate) => Some(Duration::from_secs_f64(1.0 / rate)),
        }
    }

    /// Checks that it makes sense.
    ///
    /// # Errors
    /// [`BenchError::Usage`], with what to change.
    pub fn validate(&self) -> Result<(), BenchError> {
        if self.rooms == 0 || self.members == 0 || self.threads == 0 {
            return Err(BenchError::usage("there must be at least one room, one member and one thread"));
        }
        if self.members > MEMBERS_MAX {
            return Err(BenchError::usage(format_args!("a room takes at most {MEMBERS_MAX} members")));
        }
        let seconds = self.warm_up.saturating_add(self.measured);
        if self.measured.is_zero() || seconds > Duration::from_secs(2 * 3600) {
            return Err(BenchError::usage("a run takes more than nothing and at most two hours"));
        }
        match self.load {
            Load::Deliveries(rate) | Load::Hertz(rate) if !(0.001..=1e9).contains(&rate) => {
                Err(BenchError::usage("a rate is between 0.001 and 1000000000 a second"))
            }
            _ => Ok(()),
        }
    }

    /// The members that a thread plays: a range over all rooms, in which those of a room are neighbours.
    pub(crate) fn share(&self, thread: usize) -> std::ops::Range<usize> {
        let sessions = self.sessions();
        sessions * thread / self.threads..sessions * (thread + 1) / self.threads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(load: Load) -> Plan {
        let second = Duration::from_secs(1);
        Plan { rooms: 100, members: 10, load, warm_up: second, measured: second, threads: 3 }
    }

    #[test]
    fn rates_give_each_member_its_period() {
        assert_eq!(plan(Load::Deliveries(200_000.0)).period(), Some(Duration::from_millis(50)));
        assert_eq!(plan(Load::Hertz(20.0)).period(), Some(Duration::from_millis(50)));
        assert_eq!(plan(Load::Closed).period(), None);
    }

    #[test]
    fn threads_share_all_members() {
        let plan = plan(Load::Closed);
        let shares: Vec<_> = (0..3).map(|thread| plan.share(thread)).collect();
        assert_eq!(shares, [0..333, 333..666, 666..1000]);
    }

    #[test]
    fn plans_that_make_no_sense_are_refused() {
        plan(Load::Closed).validate().unwrap();
        for wrong in [
            Plan { rooms: 0, ..plan(Load::Closed) },
            Plan { members: 0, ..plan(Load::Closed) },
            Plan { members: MEMBERS_MAX + 1, ..plan(Load::Closed) },
            Plan { threads: 0, ..plan(Load::Closed) },
            Plan { measured: Duration::ZERO, ..plan(Load::Closed) },
            plan(Load::Deliveries(0.0)),
            plan(Load::Hertz(f64::NAN)),
        ] {
            assert!(matches!(wrong.validate(), Err(BenchError::Usage(_))), "{wrong:?}");
        }
    }
}
