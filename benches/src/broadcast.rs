//! Rooms full of members who all hear each other: the loads, in order, and what is read off at their edges.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::machine::CoreTime;
use crate::servers::{Server, Subject};
use crate::workload::{Load, Tally};
use crate::{Outcomes, quic, socket};

/// How long a load runs before it counts.
const WARM_UP: Duration = Duration::from_secs(1);
/// How long the last messages may take to arrive.
const TAIL_MAX: Duration = Duration::from_secs(3);
/// Up to this share of its core, this program is believed.
pub(crate) const OWN_SHARE_MAX: f64 = 0.6;

/// How large and long a run is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) rooms: usize,
    /// Members of each room.
    pub(crate) members: usize,
    pub(crate) seconds: u64,
}

impl Plan {
    pub(crate) fn everybody(self) -> usize {
        self.rooms * self.members
    }
}

/// The figures of one load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    /// Server CPU for each delivered message.
    pub(crate) cpu_us: f64,
    pub(crate) deliveries_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// The share of its core that the server used; less than all in a closed loop means that it was not the limit.
    pub(crate) server_share: f64,
    /// The share of its core that this program used.
    pub(crate) own_share: f64,
    /// The share of time that the server was ready to run and somebody else was on its core.
    pub(crate) waited_share: f64,
    /// Lost, repeated or out of order.
    pub(crate) wrong: u64,
}

/// The loads that a server goes through, by the names they have in the tables.
fn loads(subject: Subject) -> &'static [(&'static str, Load)] {
    match subject {
        Subject::LimitTick => &[("200k", Load::Rate(200_000))],
        Subject::Websocket | Subject::AxumRoom | Subject::Limit => {
            &[("closed", Load::Closed), ("50k", Load::Rate(50_000)), ("200k", Load::Rate(200_000))]
        }
        Subject::WebsocketResume => {
            &[("closed", Load::Closed), ("50k", Load::Rate(50_000)), ("200k", Load::Rate(200_000))]
        }
        Subject::QuicResume => &[("20k", Load::Rate(20_000))],
        // QUIC costs a client as much as a server: more than this, and the generator is what is measured.
        _ => &[("closed", Load::Closed), ("20k", Load::Rate(20_000))],
    }
}

/// Fills a server's rooms and puts every load on it.
pub(crate) fn run(subject: Subject, server: &Server, plan: Plan) -> Result<Outcomes> {
    let mut generator: Box<dyn Generator> = match subject {
        Subject::Websocket | Subject::WebsocketResume | Subject::AxumRoom | Subject::Limit | Subject::LimitTick => {
            Box::new(socket::Sockets::open(subject, server, plan)?)
        }
        _ => Box::new(quic::Players::open(subject, server, plan)?),
    };
    // Whatever setting up has left to do.
    std::thread::sleep(Duration::from_millis(500));
    let mut outcomes = Outcomes::new();
    for &(name, load) in loads(subject) {
        let outcome = generator.run(load, Watch::begin(server.pid(), plan))?;
        let Outcome { cpu_us, deliveries_per_second, p50_ms, p99_ms, .. } = outcome;
        let Outcome { server_share, own_share, waited_share, wrong, .. } = outcome;
        eprintln!(
            "      {name:>6}: {cpu_us:.2} us, {deliveries_per_second:.0}/s, p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms, \
             server {:.0} % and waited {:.0} %, generator {:.0} %{}, {wrong} wrong",
            server_share * 100.0,
            waited_share * 100.0,
            own_share * 100.0,
            if own_share > OWN_SHARE_MAX { " (TOO BUSY)" } else { "" },
        );
        outcomes.insert(name, outcome);
    }
    Ok(outcomes)
}

/// What plays all the members.
pub(crate) trait Generator {
    /// Puts one load on the server until the watch is over.
    fn run(&mut self, load: Load, watch: Watch) -> Result<Outcome>;
}

/// Follows one load through its phases: warming up, being measured, and letting the tail arrive.
#[derive(Debug)]
pub(crate) struct Watch {
    pid: u32,
    measured: Duration,
    phase: Phase,
    until: Instant,
    before: Reading,
    after: Reading,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    WarmUp,
    Measured,
    Tail,
    Over,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    at: Instant,
    server: CoreTime,
    own: CoreTime,
    delivered: u64,
}

impl Reading {
    fn take(pid: u32, delivered: u64) -> Result<Self> {
        let (server, own) = (CoreTime::of(pid)?, CoreTime::of(std::process::id())?);
        Ok(Self { at: Instant::now(), server, own, delivered })
    }
}

impl Watch {
    fn begin(pid: u32, plan: Plan) -> Self {
        let now = Instant::now();
        let nothing = Reading { at: now, server: CoreTime::default(), own: CoreTime::default(), delivered: 0 };
        let measured = Duration::from_secs(plan.seconds);
        Self { pid, measured, phase: Phase::WarmUp, until: now + WARM_UP, before: nothing, after: nothing }
    }

    /// Whether members still send.
    pub(crate) fn is_sending(&self) -> bool {
        matches!(self.phase, Phase::WarmUp | Phase::Measured)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Looks at the clock. Call it every few milliseconds.
    pub(crate) fn turn(&mut self, tally: &mut Tally) -> Result<()> {
        let now = Instant::now();
        if self.phase == Phase::Tail && tally.under_way() == 0 {
            self.phase = Phase::Over;
        }
        if now < self.until {
            return Ok(());
        }
        match self.phase {
            Phase::WarmUp => {
                self.before = Reading::take(self.pid, tally.delivered)?;
                tally.keeps = true;
                (self.phase, self.until) = (Phase::Measured, now + self.measured);
            }
            Phase::Measured => {
                self.after = Reading::take(self.pid, tally.delivered)?;
                tally.keeps = false;
                (self.phase, self.until) = (Phase::Tail, now + TAIL_MAX);
            }
            Phase::Tail | Phase::Over => self.phase = Phase::Over,
        }
        Ok(())
    }

    /// The figures, once it is over.
    pub(crate) fn outcome(&self, tally: &mut Tally) -> Outcome {
        let Self { before, after, .. } = self;
        let seconds = after.at.duration_since(before.at).as_secs_f64();
        let delivered = (after.delivered - before.delivered) as f64;
        let server = after.server.since(before.server);
        Outcome {
            cpu_us: server.used.as_secs_f64() * 1e6 / delivered,
            deliveries_per_second: delivered / seconds,
            p50_ms: tally.quantile_ms(0.5),
            p99_ms: tally.quantile_ms(0.99),
            server_share: server.used.as_secs_f64() / seconds,
            own_share: after.own.since(before.own).used.as_secs_f64() / seconds,
            waited_share: server.waited.as_secs_f64() / seconds,
            wrong: tally.missing + tally.repeated_or_late + tally.under_way(),
        }
    }
}
