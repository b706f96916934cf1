//! How long a room stays: with nobody in it, without anybody doing anything, and in any case.
//!
//! Each room ends by its own deadline, in a turn of its own: nobody goes through all rooms to find those that are over. What is
//! ended from outside, or because a game failed, does not pass here.

use std::time::Duration;

use anteroom_protocol::message::push::ClosedReason;
use serde::{Deserialize, Serialize};

use super::{Effects, Lifecycle, Room};
use crate::time::Time;

/// See the module. What is counted from is kept and not what is counted to, so that a time in which nobody ran the room moves it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stay {
    began: Time,
    /// When somebody did something last; not kept where it ends nothing.
    active: Time,
    /// Since when nobody is in it.
    empty: Option<Time>,
}

/// Why a room ends by itself; the first of equal ones is the one that is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Expired,
    Idle,
    Empty,
}

impl Stay {
    pub(super) fn new(now: Time) -> Self {
        Self { began: now, active: now, empty: None }
    }

    pub(super) fn put_off(&mut self, by: Duration) {
        let Self { began, active, empty } = self;
        *began = *began + by;
        *active = *active + by;
        *empty = empty.map(|since| since + by);
    }

    fn end(&self, lifecycle: &Lifecycle) -> Option<(Time, End)> {
        let Lifecycle { empty_ttl, idle_ttl, lifetime_max, persistent } = *lifecycle;
        if persistent {
            return None;
        }
        let expired = lifetime_max.map(|most| (self.began + most, End::Expired));
        let idle = idle_ttl.map(|most| (self.active + most, End::Idle));
        // One that does not wait is over when its turn is: somebody else may come in before.
        let empty = self.empty.filter(|_| !empty_ttl.is_zero()).map(|since| (since + empty_ttl, End::Empty));
        [expired, idle, empty].into_iter().flatten().min()
    }
}

impl Room {
    /// Whether nobody is in the room: no session, and no seat of somebody who may come back. Bots are nobody.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.stage.seating.people() == 0 && self.plan.reserved.is_empty()
    }

    /// Notes whether somebody is in the room, before time passes.
    pub(super) fn note_presence(&mut self) {
        match self.is_empty() {
            true => self.stay.empty = self.stay.empty.or(Some(self.stage.now)),
            false => self.stay.empty = None,
        }
    }

    /// Notes that somebody has done something. What is refused does not count.
    pub(super) fn note_activity(&mut self) {
        if self.record.lifecycle.idle_ttl.is_some() {
            self.stay.active = self.stage.now;
        }
    }

    /// When it ends by itself, if nothing happens before.
    pub(super) fn end_due(&self) -> Option<Time> {
        self.stay.end(&self.record.lifecycle).map(|(due, _)| due)
    }

    /// Whether it is over with the turn in which nobody is left.
    pub(super) fn ends_empty(&self) -> bool {
        let Lifecycle { empty_ttl, persistent, .. } = self.record.lifecycle;
        empty_ttl.is_zero() && !persistent && self.stay.empty.is_some()
    }

    /// Whether nothing is lost to anybody if the room ends now: nobody is in it, and nothing is kept there for anybody.
    #[must_use]
    pub fn is_spare(&self) -> bool {
        !self.closed && self.is_empty() && self.plan.reserved.is_empty() && !self.record.lifecycle.persistent
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.closed
    }

    /// Ends a room that is [spare](Self::is_spare), as if it had been empty for as long as it may be; any other stays. Not for one
    /// that keeps a log, which has nothing of it.
    pub fn give_way(&mut self) {
        self.closed |= self.is_spare() && !self.keeps_log;
    }

    /// Ends the room, whose time has come.
    pub(super) fn end_of_itself(&mut self, effects: &mut Effects) {
        match self.stay.end(&self.record.lifecycle) {
            Some((_, End::Expired)) => self.close(ClosedReason::Expired, effects),
            Some((_, End::Idle)) => self.close(ClosedReason::Idle, effects),
            Some((_, End::Empty)) => self.closed = true,
            None => {}
        }
    }
}
