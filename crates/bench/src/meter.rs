//! What the members of one thread send and hear, checked: from each sender every message once and in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::outcome::Latencies;
use crate::process::CoreTime;
use crate::shared::{Phase, Shared};
use crate::stamp::Stamp;

/// Missing messages that are remembered by number, to tell a late one from a repeated one. Beyond it they are counted.
const MISSING_MAX: usize = 65_536;

/// One thread's part of the checks. Members are counted from 0 in it.
#[derive(Debug)]
pub(crate) struct Meter {
    shared: Arc<Shared>,
    thread: usize,
    /// The place of the thread's first member among all.
    first: usize,
    members: usize,
    /// What each member has sent.
    sent: Vec<u32>,
    /// The number expected next, by receiver and sender's seat.
    expected: Vec<u32>,
    /// What did not come before something later, by the place in `expected`.
    missing: BTreeMap<usize, BTreeSet<u32>>,
    missing_count: u64,
    lost_at_once: u64,
    delivered: u64,
    sent_count: u64,
    unsent: u64,
    accounted: u64,
    pub(crate) bytes_up: u64,
    pub(crate) bytes_down: u64,
    duplicated: u64,
    out_of_order: u64,
    latencies: Latencies,
    lag: Latencies,
    watch: Watch,
}

/// The thread's own time at both ends of what is measured.
#[derive(Debug, Clone, Copy)]
enum Watch {
    Before,
    Since(Instant, CoreTime),
    Done { share: f64, waited: f64 },
}

/// What a thread found out.
#[derive(Debug)]
pub(crate) struct Tally {
    first: usize,
    sent: Vec<u32>,
    expected: Vec<u32>,
    missing: u64,
    pub(crate) sent_count: u64,
    pub(crate) unsent: u64,
    pub(crate) delivered: u64,
    pub(crate) duplicated: u64,
    pub(crate) out_of_order: u64,
    pub(crate) latencies: Latencies,
    pub(crate) lag: Latencies,
    pub(crate) share: f64,
    pub(crate) waited: f64,
}

impl Meter {
    /// For a thread's share of the members.
    pub(crate) fn new(shared: &Arc<Shared>, thread: usize) -> Self {
        let share = shared.plan.share(thread);
        let members = shared.plan.members;
        Self {
            shared: shared.clone(),
            thread,
            first: share.start,
            members,
            sent: vec![0; share.len()],
            expected: vec![0; share.len() * members],
            missing: BTreeMap::new(),
            missing_count: 0,
            lost_at_once: 0,
            delivered: 0,
            sent_count: 0,
            unsent: 0,
            accounted: 0,
            bytes_up: 0,
            bytes_down: 0,
            duplicated: 0,
            out_of_order: 0,
            latencies: Latencies::default(),
            lag: Latencies::default(),
            watch: Watch::Before,
        }
    }

    /// The room and the seat of a member.
    pub(crate) fn place(&self, member: usize) -> (usize, usize) {
        let place = self.first + member;
        (place / self.members, place % self.members)
    }

    /// The stamp of a member's next message: due then, or now if there is no schedule.
    pub(crate) fn sends(&mut self, member: usize, due_us: Option<u64>) -> Stamp {
        let now_us = self.shared.now_us();
        let number = self.sent[member];
        self.sent[member] += 1;
        self.sent_count += 1;
        if let Some(due_us) = due_us {
            self.begins(due_us);
        }
        Stamp { sender: self.place(member).1, number, at_us: due_us.unwrap_or(now_us) }
    }

    /// Notes that something begins just now that was due then.
    pub(crate) fn begins(&mut self, due_us: u64) {
        if self.shared.counts(due_us) {
            self.lag.record_us(self.shared.now_us().saturating_sub(due_us));
        }
    }

    /// Notes messages that were due and could not even be sent.
    pub(crate) fn leaves_unsent(&mut self, count: usize) {
        self.unsent += count as u64;
    }

    /// Notes everything in a payload; says whether the member's own newest message is among it.
    pub(crate) fn hears(&mut self, member: usize, payload: &[u8], now_us: u64) -> bool {
        let (_, seat) = self.place(member);
        let mut own = false;
        for stamp in Stamp::all(payload) {
            own |= stamp.sender == seat && stamp.number.wrapping_add(1) == self.sent[member];
            self.hears_one(member, stamp, now_us);
        }
        own
    }

    fn hears_one(&mut self, member: usize, stamp: Stamp, now_us: u64) {
        self.delivered += 1;
        if stamp.sender >= self.members {
            // Nobody here has sent that.
            self.duplicated += 1;
            return;
        }
        let pair = member * self.members + stamp.sender;
        let expected = self.expected[pair];
        if stamp.number < expected {
            self.hears_late(pair, stamp.number);
            return;
        }
        if stamp.number > expected {
            self.misses(pair, expected, stamp.number);
        }
        self.accounted += u64::from(stamp.number - expected) + 1;
        self.expected[pair] = stamp.number + 1;
        if self.shared.counts(stamp.at_us) {
            self.latencies.record_us(now_us.saturating_sub(stamp.at_us));
        }
    }

    /// Notes something done that began then, in workloads that do other things than talk.
    pub(crate) fn did(&mut self, begin_us: u64) {
        self.delivered += 1;
        self.accounted += 1;
        self.took(begin_us);
    }

    /// Notes that so many things are to be [done](Self::did), for the end to wait for.
    pub(crate) fn expects(&mut self, count: u64) {
        self.sent_count += count;
    }

    /// Notes how long something took that began then.
    pub(crate) fn took(&mut self, begin_us: u64) {
        if self.shared.counts(begin_us) {
            self.latencies.record_us(self.shared.now_us().saturating_sub(begin_us));
        }
    }

    #[cold]
    fn hears_late(&mut self, pair: usize, number: u32) {
        if self.missing.get_mut(&pair).is_some_and(|numbers| numbers.remove(&number)) {
            self.missing_count -= 1;
            self.out_of_order += 1;
        } else {
            self.duplicated += 1;
        }
    }

    #[cold]
    fn misses(&mut self, pair: usize, from: u32, to: u32) {
        let room = MISSING_MAX.saturating_sub(self.missing_count as usize);
        let known = room.min((to - from) as usize) as u32;
        self.missing.entry(pair).or_default().extend(from..from + known);
        self.missing_count += u64::from(known);
        self.lost_at_once += u64::from(to - from - known);
    }

    /// Lets others see the counters, and notes the thread's own time when the phase changes. Once a turn.
    pub(crate) fn publish(&mut self, phase: Phase) {
        let counters = &self.shared.counters[self.thread];
        counters.sent.store(self.sent_count, Relaxed);
        counters.delivered.store(self.delivered, Relaxed);
        counters.accounted.store(self.accounted, Relaxed);
        counters.missing.store(self.missing_count, Relaxed);
        counters.bytes_up.store(self.bytes_up, Relaxed);
        counters.bytes_down.store(self.bytes_down, Relaxed);
        if phase == Phase::Tail {
            counters.turns_of_tail.fetch_add(1, Relaxed);
        }
        match (phase, self.watch) {
            (Phase::Measured, Watch::Before) => {
                self.watch = Watch::Since(Instant::now(), CoreTime::of_this_thread());
            }
            (Phase::Tail | Phase::Over, Watch::Since(since, before)) => {
                let all = since.elapsed().as_secs_f64().max(f64::MIN_POSITIVE);
                let own = CoreTime::of_this_thread().since(before);
                let share = |time: Duration| time.as_secs_f64() / all;
                self.watch = Watch::Done { share: share(own.used), waited: share(own.waited) };
            }
            _ => {}
        }
    }

    /// What was found out.
    pub(crate) fn finish(self) -> Tally {
        let (share, waited) = match self.watch {
            Watch::Done { share, waited } => (share, waited),
            Watch::Before | Watch::Since(..) => (0.0, 0.0),
        };
        Tally {
            first: self.first,
            sent: self.sent,
            expected: self.expected,
            missing: self.missing_count + self.lost_at_once,
            sent_count: self.sent_count,
            unsent: self.unsent,
            delivered: self.delivered,
            duplicated: self.duplicated,
            out_of_order: self.out_of_order,
            latencies: self.latencies,
            lag: self.lag,
            share,
            waited,
        }
    }
}

/// How many messages were overtaken and never came, over all threads.
pub(crate) fn holes(tallies: &[Tally]) -> u64 {
    tallies.iter().map(|tally| tally.missing).sum()
}

/// How many messages there are behind the last that reached somebody, over all threads.
pub(crate) fn behind(tallies: &[Tally], members: usize) -> u64 {
    let sent: BTreeMap<usize, &[u32]> = tallies.iter().map(|tally| (tally.first, &tally.sent[..])).collect();
    let sent: Vec<u32> = sent.into_values().flatten().copied().collect();
    let behind = tallies.iter().flat_map(|tally| {
        tally.expected.chunks(members).enumerate().flat_map(|(member, expected)| {
            let room = (tally.first + member) / members;
            let sent = &sent[room * members..(room + 1) * members];
            sent.iter().zip(expected).map(|(sent, expected)| u64::from(sent.saturating_sub(*expected)))
        })
    });
    behind.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Load, Plan};
    use crate::stamp::BODY;

    fn lost(tallies: &[Tally], members: usize) -> u64 {
        holes(tallies) + behind(tallies, members)
    }

    fn shared(load: Load) -> Arc<Shared> {
        let second = Duration::from_secs(1);
        let plan = Plan { rooms: 1, members: 2, load, warm_up: second, measured: second, threads: 1 };
        Arc::new(Shared::new(plan))
    }

    fn heard(meter: &mut Meter, member: usize, stamps: &[Stamp], now_us: u64) -> bool {
        let mut payload = Vec::new();
        for stamp in stamps {
            let start = payload.len();
            payload.extend_from_slice(BODY.as_bytes());
            let place = Stamp::place(&payload[start..]).unwrap();
            stamp.put(&mut payload[start..], place);
        }
        meter.hears(member, &payload, now_us)
    }

    #[test]
    fn everything_once_and_in_order_is_right() {
        let shared = shared(Load::Closed);
        let mut meter = Meter::new(&shared, 0);
        for _ in 0..3 {
            let stamp = meter.sends(1, None);
            assert!(!heard(&mut meter, 0, &[stamp], 0));
            assert!(heard(&mut meter, 1, &[stamp], 0), "its own newest");
        }
        let tally = meter.finish();
        assert_eq!((tally.duplicated, tally.out_of_order), (0, 0));
        assert_eq!(lost(&[tally], 2), 0);
    }

    #[test]
    fn lost_repeated_and_overtaken_messages_are_told_apart() {
        let shared = shared(Load::Closed);
        let mut meter = Meter::new(&shared, 0);
        let stamps: Vec<Stamp> = (0..6).map(|_| meter.sends(0, None)).collect();
        heard(&mut meter, 0, &stamps, 0);
        // 1 comes behind 2, 3 twice, 4 and 5 never.
        let order = [stamps[0], stamps[2], stamps[1], stamps[3], stamps[3]];
        heard(&mut meter, 1, &order, 0);
        let tally = meter.finish();
        assert_eq!((tally.duplicated, tally.out_of_order), (1, 1));
        assert_eq!(lost(&[tally], 2), 2);
    }

    #[test]
    fn a_hole_that_is_never_filled_is_lost_and_a_stranger_is_wrong() {
        let shared = shared(Load::Closed);
        let mut meter = Meter::new(&shared, 0);
        let stamps: Vec<Stamp> = (0..3).map(|_| meter.sends(0, None)).collect();
        heard(&mut meter, 0, &stamps, 0);
        heard(&mut meter, 1, &[stamps[0], stamps[2]], 0);
        heard(&mut meter, 1, &[Stamp { sender: 2, number: 0, at_us: 0 }], 0);
        // More is said to be missing than is remembered.
        heard(&mut meter, 1, &[Stamp { sender: 1, number: 99_999_999, at_us: 0 }], 0);
        let tally = meter.finish();
        assert_eq!(tally.duplicated, 1);
        assert_eq!(lost(&[tally], 2), 1 + 99_999_999);
    }

    /// Coordinated omission: a message that could not be sent in time has waited since it was due.
    #[test]
    fn latency_counts_from_when_a_message_was_due() {
        let shared = shared(Load::Hertz(1000.0));
        shared.enter(Phase::Measured);
        let mut meter = Meter::new(&shared, 0);
        let begin = shared.now_us();
        // The thread stands still for 30 ms, with a message due in each of them, and sends them all at the end.
        std::thread::sleep(Duration::from_millis(30));
        let stamps: Vec<Stamp> = (0..30).map(|number| meter.sends(0, Some(begin + number * 1000))).collect();
        heard(&mut meter, 1, &stamps, begin + 30_000);
        let tally = meter.finish();
        assert_eq!(tally.latencies.count(), 30);
        assert!((tally.latencies.max_ms() - 30.0).abs() < 0.1, "{}", tally.latencies.max_ms());
        assert!((tally.latencies.quantile_ms(0.5) - 15.0).abs() < 1.1, "{}", tally.latencies.quantile_ms(0.5));
        assert!(tally.lag.max_ms() >= 30.0, "the lag is told, too");
    }

    #[test]
    fn only_what_was_due_while_measured_has_a_latency() {
        let shared = shared(Load::Hertz(1.0));
        let mut meter = Meter::new(&shared, 0);
        let early = meter.sends(0, Some(0));
        std::thread::sleep(Duration::from_millis(1));
        shared.enter(Phase::Measured);
        let counted = meter.sends(0, Some(shared.now_us()));
        std::thread::sleep(Duration::from_millis(1));
        shared.enter(Phase::Tail);
        heard(&mut meter, 1, &[early, counted], shared.now_us());
        assert_eq!(meter.finish().latencies.count(), 1);
    }
}
