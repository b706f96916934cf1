//! What happens in a room because time passes: seats are given up, timers fire, ticks come round, bots have thought, the room's
//! own time is over.
//!
//! Each at its own time, in the order of the times; equal ones in that order. The clock is somebody else's.

use std::time::Duration;

use anteroom_protocol::message::push::LeftReason;

use super::{Effects, Flush, Room};
use crate::time::Time;

/// How many ticks a late room makes up for, besides the one that is due; older ones are dropped.
const TICKS_MADE_UP_MAX: u128 = 4;

/// The most that happens in one call, so that a short timer cannot fill the memory after a long sleep.
const STEPS_MAX: usize = 1024;

impl Room {
    /// When [`Room::advance`] has something to do, if nothing else happens before. May lie in the past.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        if self.closed {
            return None;
        }
        let kept = self.stage.seating.next_kept().map(|(until, _)| until);
        let shown = [self.delay_due(), self.watching.due];
        let room = [kept, self.plan.next_lapse(), self.absence.next(), self.end_due()].into_iter().chain(shown);
        let game = [self.game.next_timer(), self.next_tick, self.bots.next().map(|(due, _)| due)];
        let game = game.into_iter().flatten().filter(|_| !self.absence.is_paused());
        room.flatten().chain(game).min()
    }

    /// Lets happen what falls due until `now`, each at its own time and in that order. The room's time never goes back: if it is
    /// ahead of `now`, that is what counts.
    ///
    /// One call does a bounded amount. What is left is still the next deadline, and happens as if it fell due then.
    /// How many ticks a late room drops depends on when this is called, so they are in the log.
    pub fn advance(&mut self, now: Time, flush: &mut Flush) {
        if self.keeps_log {
            flush.log.push_advance(now);
        }
        self.in_turn = true;
        self.pass_time(now, &mut flush.effects);
    }

    /// Puts everything off that is due, for a room between turns: the time in which nobody ran it is nobody's fault, and takes
    /// nothing from anyone's. Times that a game keeps in its own state stay as they are; timers do not.
    pub fn put_off(&mut self, by: Duration) {
        self.stage.now = self.stage.now + by;
        self.next_tick = self.next_tick.map(|tick| tick + by);
        self.stage.seating.put_off(by);
        self.watching.due = self.watching.due.map(|due| due + by);
        self.stay.put_off(by);
        self.delayed.iter_mut().for_each(|delayed| delayed.put_off(by));
        self.game.put_off(by);
        self.plan.put_off(by);
        self.absence.put_off(by);
        self.bots.put_off(by);
    }

    pub(super) fn pass_time(&mut self, now: Time, effects: &mut Effects) {
        let now = now.max(self.stage.now);
        self.skip_missed_ticks(now);
        self.note_presence();
        for _ in 0..STEPS_MAX {
            let Some(due) = self.next_deadline().filter(|due| *due <= now) else { break };
            self.stage.now = self.stage.now.max(due);
            self.step(due, effects);
            self.follow_up(effects);
            self.note_presence();
            self.seal_if_large(effects);
        }
        self.stage.now = now;
        self.let_stand();
        self.forget_old_chat();
    }

    fn step(&mut self, due: Time, effects: &mut Effects) {
        self.let_stand();
        let goes_on = !self.absence.is_paused();
        if self.delay_due().is_some_and(|at| at <= due) {
            self.show_late(effects);
        } else if let Some((_, seat)) = self.stage.seating.next_kept().filter(|(until, _)| *until <= due) {
            self.give_up_seat(seat, LeftReason::TimedOut);
        } else if self.plan.next_lapse().is_some_and(|until| until <= due) {
            self.lapse(due);
        } else if self.absence.next().is_some_and(|at| at <= due) {
            self.absence_falls_due(due, effects);
        } else if self.watching.due.is_some_and(|at| at <= due) {
            self.tell_spectators();
        } else if goes_on && self.game.next_timer().is_some_and(|timer| timer <= due) {
            self.game.fire_timer(&mut self.stage);
            self.stir_bots();
        } else if goes_on && self.next_tick.is_some_and(|tick| tick <= due) {
            self.next_tick = self.next_tick.zip(self.kind.tick).map(|(at, tick)| at + tick);
            self.game.tick(&mut self.stage);
            self.stir_bots();
        } else if let Some((_, seat)) = self.bots.next().filter(|(at, _)| goes_on && *at <= due) {
            self.bot_acts(seat);
        } else if self.end_due().is_some_and(|at| at <= due) {
            self.end_of_itself(effects);
        }
    }

    /// A room that slept through many ticks would otherwise be late for the next ones, too.
    fn skip_missed_ticks(&mut self, now: Time) {
        if self.absence.is_paused() {
            return;
        }
        if let (Some(at), Some(tick)) = (self.next_tick, self.kind.tick) {
            let missed = now.since(at).as_millis() / tick.as_millis().max(1);
            let dropped = missed.saturating_sub(TICKS_MADE_UP_MAX) * tick.as_millis();
            self.next_tick = Some(at + Duration::from_millis(u64::try_from(dropped).unwrap_or(u64::MAX)));
        }
    }
}
