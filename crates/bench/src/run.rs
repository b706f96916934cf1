//! A run from its first member to its last message: the phases, and what is read off at their edges.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use crate::dialect::Dialect;
use crate::error::BenchError;
use crate::meter::{self, Tally};
use crate::outcome::{GeneratorUse, Latencies, Outcome, Sample, ServerUse};
use crate::plan::{Plan, Target};
use crate::process::{CoreTime, Memory};
use crate::shared::{Phase, Shared, Totals};
use crate::socket::Sockets;

/// How often a run is looked at.
const TICK: Duration = Duration::from_millis(100);
/// How long what setting up left behind may take to settle.
const SETTLE: Duration = Duration::from_millis(300);
/// How long nothing comes before what is missing counts as lost, and how long the last messages may take to arrive.
const QUIET_MAX: Duration = Duration::from_secs(3);
const TAIL_MAX: Duration = Duration::from_secs(30);

/// Where a run is, ten times a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Live {
    /// What is going on, in a word or two.
    pub stage: &'static str,
    /// How far that is, from 0 to 1.
    pub done: f64,
    /// What there is of it just now: sessions that are in, or what is done each second.
    pub figure: f64,
    /// What the figure counts.
    pub unit: &'static str,
}

/// Fills a server's rooms over WebSocket, puts a load on them, and checks and measures what comes back.
///
/// Blocks for the time of the plan, of entering, and of at most half a minute for the last messages: it ends when all have
/// come, or none has for three seconds. `watch` is called ten times a second meanwhile.
///
/// # Errors
/// [`BenchError`] if the plan makes no sense, or the server could not be reached, refused, closed or died. Lost,
/// repeated and misordered messages are not errors but figures.
pub fn run(
    target: &Target,
    dialect: &dyn Dialect,
    plan: &Plan,
    watch: &mut dyn FnMut(Live),
) -> Result<Outcome, BenchError> {
    conduct(target, plan, "deliveries/s", watch, |shared, thread| {
        Sockets::open(shared, thread, target.addr, dialect)?.play()
    })
}

/// Runs the phases, with one thread for each share of the members. The unit is what its counters of deliveries count.
pub(crate) fn conduct(
    target: &Target,
    plan: &Plan,
    unit: &'static str,
    watch: &mut dyn FnMut(Live),
    play: impl Fn(&Arc<Shared>, usize) -> Result<Tally, BenchError> + Sync,
) -> Result<Outcome, BenchError> {
    plan.validate()?;
    let shared = Arc::new(Shared::new(*plan));
    let memory = target.pid.map(Memory::of).transpose().map_err(|error| unreadable(target, &error))?;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..plan.threads)
            .map(|thread| {
                let (shared, play) = (&shared, &play);
                scope.spawn(move || {
                    let _crash = Crash(shared);
                    let played = play(shared, thread);
                    if let Err(error) = &played {
                        shared.failure.get_or_init(|| error.clone());
                    }
                    played
                })
            })
            .collect();
        let readings = Conductor { target, shared: &shared, unit, watch }.conduct();
        shared.enter(Phase::Over);
        let tallies = join(threads);
        if let Some(failure) = shared.failure.get() {
            return Err(failure.clone());
        }
        let (tallies, readings) = (tallies?, readings?);
        Ok(outcome(&shared, &tallies, readings, memory))
    })
}

/// Tells the others when a thread panics.
struct Crash<'a>(&'a Shared);

impl Drop for Crash<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.failure.get_or_init(|| BenchError::failed("a thread of the generator crashed"));
        }
    }
}

fn join(threads: Vec<ScopedJoinHandle<'_, Result<Tally, BenchError>>>) -> Result<Vec<Tally>, BenchError> {
    let crashed = |_| Err(BenchError::failed("a thread of the generator crashed"));
    threads.into_iter().map(|thread| thread.join().unwrap_or_else(crashed)).collect()
}

fn unreadable(target: &Target, error: &std::io::Error) -> BenchError {
    let pid = target.pid.unwrap_or_default();
    BenchError::failed(format_args!("cannot read what process {pid} uses: {error}"))
}

/// What was read at the edges of the measured time.
struct Readings {
    before: Reading,
    after: Reading,
    memory: Option<Memory>,
    course: Vec<Sample>,
    ended_while_coming: bool,
}

#[derive(Clone, Copy)]
struct Reading {
    at: Instant,
    cpu: Option<CoreTime>,
    totals: Totals,
}

struct Conductor<'a> {
    target: &'a Target,
    shared: &'a Shared,
    unit: &'static str,
    watch: &'a mut dyn FnMut(Live),
}

impl Conductor<'_> {
    fn conduct(mut self) -> Result<Readings, BenchError> {
        self.gather()?;
        self.wait("settling", SETTLE, |_, _| ())?;
        let plan = self.shared.plan;
        self.shared.enter(Phase::WarmUp);
        self.wait("warming up", plan.warm_up, |_, _| ())?;
        let before = self.read()?;
        self.shared.enter(Phase::Measured);
        let mut course = Vec::new();
        self.wait("measuring", plan.measured, |earlier, now| course.push(sample(before.at, earlier, now)))?;
        let after = self.read()?;
        self.shared.enter(Phase::Tail);
        let memory = self.target.pid.map(Memory::of).transpose().map_err(|error| unreadable(self.target, &error))?;
        let ended_while_coming = self.let_arrive()?;
        Ok(Readings { before, after, memory, course, ended_while_coming })
    }

    /// Waits until everybody is in.
    fn gather(&mut self) -> Result<(), BenchError> {
        let all = self.shared.plan.sessions();
        loop {
            self.check()?;
            let entered = self.shared.entered.load(SeqCst);
            let done = entered as f64 / all as f64;
            (self.watch)(Live { stage: "entering", done, figure: entered as f64, unit: "sessions" });
            if entered >= all {
                return Ok(());
            }
            thread::sleep(TICK / 10);
        }
    }

    /// Lets a phase last, and shows each tenth of a second of it.
    fn wait(
        &mut self,
        stage: &'static str,
        time: Duration,
        mut each: impl FnMut(Reading, Reading),
    ) -> Result<(), BenchError> {
        let begin = Instant::now();
        let mut earlier = self.read()?;
        loop {
            let left = time.saturating_sub(begin.elapsed());
            thread::sleep(left.min(TICK));
            self.check()?;
            let now = self.read()?;
            if left.is_zero() {
                return Ok(());
            }
            let done = (begin.elapsed().as_secs_f64() / time.as_secs_f64()).min(1.0);
            (self.watch)(Live { stage, done, figure: sample(begin, earlier, now).rate, unit: self.unit });
            each(earlier, now);
            earlier = now;
        }
    }

    /// Waits until all that was sent has come, or nothing more does; says whether something still came at the very end.
    fn let_arrive(&mut self) -> Result<bool, BenchError> {
        let begin = Instant::now();
        let mut newest = (begin, self.shared.totals());
        while begin.elapsed() < TAIL_MAX {
            self.check()?;
            thread::sleep(TICK / 2);
            let totals = self.shared.totals();
            if self.shared.all_is_sent() && self.has_all(totals) {
                return Ok(false);
            }
            if totals.delivered > newest.1.delivered {
                self.show_tail(begin, newest, totals);
                newest = (Instant::now(), totals);
            } else if newest.0.elapsed() >= QUIET_MAX {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn has_all(&self, totals: Totals) -> bool {
        let Totals { sent, accounted, missing, .. } = totals;
        accounted >= sent * self.shared.plan.members as u64 && missing == 0
    }

    fn show_tail(&mut self, begin: Instant, (since, earlier): (Instant, Totals), now: Totals) {
        let figure = (now.delivered - earlier.delivered) as f64 / since.elapsed().as_secs_f64().max(1e-6);
        let done = begin.elapsed().as_secs_f64() / TAIL_MAX.as_secs_f64();
        (self.watch)(Live { stage: "last messages", done, figure, unit: self.unit });
    }

    fn check(&self) -> Result<(), BenchError> {
        match self.shared.failure.get() {
            Some(failure) => Err(failure.clone()),
            None => Ok(()),
        }
    }

    fn read(&self) -> Result<Reading, BenchError> {
        let cpu = self.target.pid.map(CoreTime::of).transpose().map_err(|error| unreadable(self.target, &error))?;
        Ok(Reading { at: Instant::now(), cpu, totals: self.shared.totals() })
    }
}

fn sample(begin: Instant, earlier: Reading, now: Reading) -> Sample {
    let seconds = now.at.duration_since(earlier.at).as_secs_f64().max(1e-6);
    let share = |(now, earlier): (CoreTime, CoreTime)| now.since(earlier).used.as_secs_f64() / seconds;
    Sample {
        at: now.at.duration_since(begin).as_secs_f64(),
        rate: (now.totals.delivered - earlier.totals.delivered) as f64 / seconds,
        server_share: now.cpu.zip(earlier.cpu).map(share),
    }
}

fn outcome(shared: &Shared, tallies: &[Tally], readings: Readings, memory: Option<Memory>) -> Outcome {
    let Readings { before, after, memory: memory_after, course, ended_while_coming } = readings;
    let mut latencies = Latencies::default();
    let mut lag = Latencies::default();
    for tally in tallies {
        latencies.add(&tally.latencies);
        lag.add(&tally.lag);
    }
    let cpu = after.cpu.zip(before.cpu).map(|(after, before)| after.since(before));
    let server = cpu.zip(memory).zip(memory_after);
    let late = |share| Duration::from_secs_f64(if lag.count() == 0 { 0.0 } else { lag.quantile_ms(share) / 1000.0 });
    let behind = meter::behind(tallies, shared.plan.members);
    let most = |figure: fn(&Tally) -> f64| tallies.iter().map(figure).fold(0.0, f64::max);
    Outcome {
        measured: after.at - before.at,
        sent: after.totals.sent - before.totals.sent,
        delivered: after.totals.delivered - before.totals.delivered,
        sent_in_all: tallies.iter().map(|tally| tally.sent_count).sum(),
        delivered_in_all: tallies.iter().map(|tally| tally.delivered).sum(),
        unsent: tallies.iter().map(|tally| tally.unsent).sum(),
        lost: meter::holes(tallies) + if ended_while_coming { 0 } else { behind },
        under_way: if ended_while_coming { behind } else { 0 },
        ended_while_coming,
        duplicated: tallies.iter().map(|tally| tally.duplicated).sum(),
        out_of_order: tallies.iter().map(|tally| tally.out_of_order).sum(),
        refused: shared.refused.get().cloned(),
        server: server.map(|((cpu, before), after)| ServerUse { cpu, before, after }),
        bytes_up: after.totals.bytes_up - before.totals.bytes_up,
        bytes_down: after.totals.bytes_down - before.totals.bytes_down,
        generator: GeneratorUse {
            busiest: most(|tally| tally.share),
            waited: most(|tally| tally.waited),
            lag_p99: late(0.99),
            lag_max: late(1.0),
        },
        latencies,
        course,
    }
}
