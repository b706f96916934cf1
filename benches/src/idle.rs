//! What a session costs that does nothing: the growth of a server's memory over many of them.
//!
//! The first ones are not counted, since they pay for what all share. Anteroom's are in no room. The peers' are in rooms
//! of ten, since in none they would be nothing at all; so are Anteroom's in a row of their own.

use std::thread;
use std::time::Duration;

use anteroom_bench::{Anteroom, Load, Memory, Plan};
use anteroom_transport::Transport;
use anyhow::{Context, Result};
use tokio::runtime::Runtime;
use wtransport::{ClientConfig, Endpoint};

use crate::entry::Destination;
use crate::servers::{Contender, Needs, Server, Starting, Subject};
use crate::way::{self, Way};
use crate::{fanout, quic, scenes, socket};

/// Sessions that are there before the first look.
const FIRST: usize = 100;
/// Members that are there before the first look, where a look needs a server of its own.
const FIRST_MEMBERS: usize = 1000;
/// How many there are at the second look.
const ON_TCP: usize = 10_000;
const ON_UDP: usize = 2_000;
/// How long a server has to give back what the handshakes took.
const SETTLE: Duration = Duration::from_secs(2);
/// How many sessions share a socket.
const PER_SOCKET: usize = 50;
const MEMBERS: usize = 10;

/// Those whose sessions are weighed.
pub(crate) const SUBJECTS: [Subject; 12] = [
    Subject::Anteroom,
    Subject::Unresumed,
    Subject::Limit,
    Subject::Tungstenite,
    Subject::Axum,
    Subject::NodeWs,
    Subject::Colyseus,
    Subject::SocketIo,
    Subject::Quic,
    Subject::BareQuinn,
    Subject::Webtransport,
    Subject::BareSessions,
];

/// Growth of memory for each session, in KiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Growth {
    pub(crate) resident: f64,
    pub(crate) anonymous: f64,
}

/// What each of so many sessions more has cost.
pub(crate) fn grown(before: Memory, after: Memory, sessions: usize) -> Growth {
    let each = |before: u64, after: u64| (after as f64 - before as f64) / sessions as f64;
    Growth { resident: each(before.resident, after.resident), anonymous: each(before.anonymous, after.anonymous) }
}

/// Memory for each idle session, or member where a session is nothing without a room.
pub(crate) fn run(starting: &Starting, contender: &Contender) -> Result<Growth> {
    match contender.subject {
        Subject::Anteroom => without_rooms(&starting.start(contender, Needs::default())?, true),
        Subject::Unresumed => without_rooms(&starting.start(contender, Needs::default())?, false),
        Subject::Quic => sessions(&starting.start(contender, Needs::default())?, Transport::Quic),
        Subject::Webtransport => sessions(&starting.start(contender, Needs::default())?, Transport::WebTransport),
        Subject::BareQuinn => bare_quinn(&starting.start(contender, Needs::default())?),
        Subject::BareSessions => bare_sessions(&starting.start(contender, Needs::default())?),
        _ => members(starting, contender),
    }
}

/// Sessions of Anteroom on WebSocket that are nowhere.
fn without_rooms(server: &Server, resumes: bool) -> Result<Growth> {
    over(server, ON_TCP, || socket::enter(server.addr, Destination::Session, resumes), thread::sleep)
}

/// Opens sessions with `open` and weighs the server in between, `pause` letting both sides come to rest.
fn over<T>(
    server: &Server,
    count: usize,
    mut open: impl FnMut() -> Result<T>,
    pause: impl Fn(Duration),
) -> Result<Growth> {
    let mut sessions = Vec::with_capacity(count);
    let mut weigh = |count: usize| -> Result<Memory> {
        while sessions.len() < count {
            sessions.push(open()?);
        }
        pause(SETTLE);
        Ok(Memory::of(server.pid())?)
    };
    let before = weigh(FIRST)?;
    Ok(grown(before, weigh(count)?, count - FIRST))
}

/// Members of rooms of ten: two servers that are alike but for the number of members.
pub(crate) fn members(starting: &Starting, contender: &Contender) -> Result<Growth> {
    let weigh = |count: usize| -> Result<Memory> {
        let server = starting.start(contender, Needs::default())?;
        let second = Duration::from_secs(1);
        let (rooms, load) = (count / MEMBERS, Load::Silent);
        let plan = Plan { rooms, members: MEMBERS, load, warm_up: second, measured: second, threads: 1 };
        let target = server.target();
        let outcome = match contender.subject {
            Subject::Anteroom => anteroom_bench::run(&target, &Anteroom::default(), &plan, &mut |_| {}),
            other => anteroom_bench::run(&target, scenes::dialect(other)?, &plan, &mut |_| {}),
        }?;
        Ok(outcome.server.context("nothing is known of the server")?.after)
    };
    let before = weigh(FIRST_MEMBERS)?;
    Ok(grown(before, weigh(ON_TCP)?, ON_TCP - FIRST_MEMBERS))
}

/// Sessions of Anteroom on a transport over UDP.
fn sessions(server: &Server, transport: Transport) -> Result<Growth> {
    let runtime = quic::runtime()?;
    let guard = runtime.enter();
    let dialers = quic::dialers(server, ON_UDP.div_ceil(PER_SOCKET))?;
    drop(guard);
    let ways: Vec<Way> = dialers.into_iter().map(|dialer| Way { dialer: dialer.into(), addr: server.addr }).collect();
    let mut count = 0;
    let open = || {
        count += 1;
        let way = &ways[(count - 1) / PER_SOCKET];
        runtime.block_on(async { way::enter(way.dial(transport).await?, Destination::Session, true).await })
    };
    over(server, ON_UDP, open, |pause| rest(&runtime, pause))
}

fn bare_quinn(server: &Server) -> Result<Growth> {
    let runtime = quic::runtime()?;
    let guard = runtime.enter();
    let endpoints = fanout::endpoints(server, ON_UDP)?;
    drop(guard);
    let mut count = 0;
    let open = || {
        count += 1;
        runtime.block_on(fanout::connect(server, &endpoints, count - 1))
    };
    over(server, ON_UDP, open, |pause| rest(&runtime, pause))
}

fn bare_sessions(server: &Server) -> Result<Growth> {
    let runtime = quic::runtime()?;
    let guard = runtime.enter();
    let endpoints = wtransport_endpoints(server, ON_UDP)?;
    drop(guard);
    let url = format!("https://127.0.0.1:{}/", server.addr.port());
    let mut count = 0;
    let open = || {
        count += 1;
        Ok(runtime.block_on(endpoints[(count - 1) / PER_SOCKET].connect(&url))?)
    };
    over(server, ON_UDP, open, |pause| rest(&runtime, pause))
}

/// Endpoints that trust a bare wtransport server, enough for so many sessions.
pub(crate) fn wtransport_endpoints(
    server: &Server,
    sessions: usize,
) -> Result<Vec<Endpoint<wtransport::endpoint::endpoint_side::Client>>> {
    let endpoint = |_| {
        let hashes = server.certificate_hash.clone();
        let config = ClientConfig::builder().with_bind_default().with_server_certificate_hashes(hashes).build();
        Ok(Endpoint::client(config)?)
    };
    (0..sessions.div_ceil(PER_SOCKET)).map(endpoint).collect()
}

/// Lets the clients go on meanwhile.
fn rest(runtime: &Runtime, pause: Duration) {
    runtime.block_on(async { tokio::time::sleep(pause).await });
}
