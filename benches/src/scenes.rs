//! The loads, and who takes part in each: rooms full of members who all hear each other.

use std::time::Duration;

use anteroom_bench::{Anteroom, Dialect, Load, Outcome, Plan};
use anteroom_protocol::Json;
use anyhow::{Result, bail};

use crate::dialects::{Colyseus, Plain, SocketIo, Unresumed};
use crate::servers::{CROWDED, Needs, Server, Starting, Subject};
use crate::{fanout, tool};

/// How long a load runs before it counts.
const WARM_UP: Duration = Duration::from_secs(1);
/// The tick of everything that writes once a tick.
pub(crate) const TICK_MS: u64 = 16;

/// Everybody who speaks WebSocket.
const ALL: &[Subject] = &[
    Subject::Anteroom,
    Subject::Unresumed,
    Subject::Limit,
    Subject::Tungstenite,
    Subject::Axum,
    Subject::NodeWs,
    Subject::Colyseus,
    Subject::SocketIo,
];
/// Those who can take 200,000 deliveries a second.
const FAST: &[Subject] = &[Subject::Anteroom, Subject::Limit, Subject::Tungstenite, Subject::Axum];
const TICKING: &[Subject] = &[Subject::Anteroom, Subject::Limit];
const ON_QUIC: &[Subject] = &[Subject::Quic, Subject::Webtransport, Subject::BareQuinn];

/// A load, by the name it has in the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scene {
    /// Each of 100 rooms of ten members keeps as many messages under way as it has members.
    ClosedRooms,
    /// One room of a thousand members does.
    ClosedCrowd,
    /// 100 rooms of ten, each member sending 20 times a second, everything written once a tick.
    Game,
    /// 100 rooms of ten, so many deliveries a second, written at once.
    Rate(u32),
    /// The game on QUIC.
    FanOut,
    /// So many rooms of ten, each member sending once a second.
    Growth(u32),
}

impl Scene {
    /// Who takes part.
    pub(crate) fn subjects(self) -> &'static [Subject] {
        match self {
            Self::ClosedRooms | Self::ClosedCrowd => ALL,
            Self::Rate(rate) if rate < 100_000 => ALL,
            Self::Rate(_) => FAST,
            Self::Game | Self::Growth(_) => TICKING,
            Self::FanOut => ON_QUIC,
        }
    }

    /// What it asks of a server.
    pub(crate) fn needs(self) -> Needs {
        let tick_ms = matches!(self, Self::Game | Self::FanOut).then_some(TICK_MS);
        Needs { tick_ms, settings: if self == Self::ClosedCrowd { CROWDED } else { &[] } }
    }

    pub(crate) fn plan(self, measured: Duration) -> Plan {
        let (rooms, members, load) = match self {
            Self::ClosedRooms => (100, 10, Load::Closed),
            Self::ClosedCrowd => (1, 1000, Load::Closed),
            Self::Game | Self::FanOut => (100, 10, Load::Hertz(20.0)),
            Self::Rate(rate) => (100, 10, Load::Deliveries(rate.into())),
            Self::Growth(rooms) => (rooms as usize, 10, Load::Hertz(1.0)),
        };
        // One round of a crowd's closed loop is a million deliveries: seconds for most.
        let (warm_up, measured) =
            if self == Self::ClosedCrowd { (5 * WARM_UP, 2 * measured) } else { (WARM_UP, measured) };
        Plan { rooms, members, load, warm_up, measured, threads: 1 }
    }

    /// Puts the load on a server.
    pub(crate) fn run(
        self,
        starting: &Starting,
        subject: Subject,
        server: &Server,
        measured: Duration,
    ) -> Result<Figures> {
        let (plan, target) = (self.plan(measured), server.target());
        let outcome = match subject {
            Subject::BareQuinn => return fanout::run(server, &plan),
            Subject::Quic => return tool::run(starting, server, "quic", &plan, self.needs()),
            Subject::Webtransport => return tool::run(starting, server, "webtransport", &plan, self.needs()),
            Subject::Anteroom => anteroom_bench::run(&target, &self.anteroom()?, &plan, &mut |_| {}),
            other => anteroom_bench::run(&target, dialect(other)?, &plan, &mut |_| {}),
        }?;
        Ok(Figures::of(&outcome))
    }

    /// Members of Anteroom, whose rooms write as the load asks.
    fn anteroom(self) -> Result<Anteroom> {
        let options = self.needs().tick_ms.map(|tick_ms| format!(r#"{{"flush":"tick","tick_ms":{tick_ms}}}"#));
        Ok(Anteroom { options: options.map(Json::from_text).transpose()?, ..Anteroom::default() })
    }
}

/// How those are talked to over WebSocket who are not Anteroom as it is.
pub(crate) fn dialect(subject: Subject) -> Result<&'static dyn Dialect> {
    Ok(match subject {
        Subject::Limit | Subject::Tungstenite | Subject::Axum | Subject::NodeWs => &Plain,
        Subject::Unresumed => &Unresumed,
        Subject::Colyseus => &Colyseus,
        Subject::SocketIo => &SocketIo,
        other => bail!("{other} is not talked to over WebSocket here"),
    })
}

/// What one load on one server gave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// Server CPU for each delivered message.
    pub(crate) cpu_us: f64,
    pub(crate) deliveries_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// The share of its core that the server used; less than all in a closed loop means that it was not the limit.
    pub(crate) server_share: f64,
    /// The share of its core that the generator used.
    pub(crate) own_share: f64,
    /// The share of time that the server was ready to run and somebody else was on its core.
    pub(crate) waited_share: f64,
    /// Lost, repeated or out of order.
    pub(crate) wrong: u64,
}

impl Figures {
    fn of(outcome: &Outcome) -> Self {
        let seconds = outcome.measured.as_secs_f64();
        let cpu = outcome.server.map(|server| server.cpu).unwrap_or_default();
        Self {
            cpu_us: outcome.cpu_us().unwrap_or(f64::NAN),
            deliveries_per_second: outcome.rate(),
            p50_ms: outcome.latencies.quantile_ms(0.5),
            p99_ms: outcome.latencies.quantile_ms(0.99),
            server_share: cpu.used.as_secs_f64() / seconds,
            own_share: outcome.generator.busiest,
            waited_share: cpu.waited.as_secs_f64() / seconds,
            wrong: outcome.wrong(),
        }
    }
}
