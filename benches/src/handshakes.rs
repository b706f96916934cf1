//! What it costs a server to let somebody in: CPU for each of many handshakes, one after the other, all kept open.
//!
//! Anteroom's includes its own handshake, with which a connection becomes a session. The first ones are not counted.

use std::thread;
use std::time::Duration;

use anteroom_bench::CoreTime;
use anteroom_transport::Transport;
use anyhow::Result;

use crate::entry::Destination;
use crate::frames::Dialed;
use crate::servers::{Server, Subject};
use crate::way::{self, Way};
use crate::{fanout, idle, quic, socket};

/// Those whose handshakes are counted.
pub(crate) const SUBJECTS: [Subject; 6] = [
    Subject::Quic,
    Subject::BareQuinn,
    Subject::Webtransport,
    Subject::BareSessions,
    Subject::Anteroom,
    Subject::Limit,
];
const FIRST: usize = 50;
const COUNT: usize = 500;
/// How long what follows a handshake may take.
const SETTLE: Duration = Duration::from_millis(300);

/// Server CPU for each handshake, in microseconds.
pub(crate) fn run(subject: Subject, server: &Server) -> Result<f64> {
    let runtime = quic::runtime()?;
    let guard = runtime.enter();
    let rest = || runtime.block_on(async { tokio::time::sleep(SETTLE).await });
    let all = FIRST + COUNT;
    match subject {
        Subject::Quic | Subject::Webtransport => {
            let transport = if subject == Subject::Quic { Transport::Quic } else { Transport::WebTransport };
            let dialer = quic::dialers(server, 1)?.remove(0);
            let way = Way { dialer: dialer.into(), addr: server.addr };
            let open = |_| {
                runtime.block_on(async { way::enter(way.dial(transport).await?, Destination::Session, true).await })
            };
            over(server, open, rest)
        }
        Subject::BareQuinn => {
            let endpoints = fanout::endpoints(server, all)?;
            over(server, |place| runtime.block_on(fanout::connect(server, &endpoints, place)), rest)
        }
        Subject::BareSessions => {
            let endpoint = idle::wtransport_endpoints(server, 1)?.remove(0);
            let url = format!("https://127.0.0.1:{}/", server.addr.port());
            over(server, |_| Ok(runtime.block_on(endpoint.connect(&url))?), rest)
        }
        Subject::Anteroom => {
            drop(guard);
            over(server, |_| socket::enter(server.addr, Destination::Session, true), || thread::sleep(SETTLE))
        }
        _ => over(server, |_| Dialed::open(server.addr, "/rooms/0", None), || thread::sleep(SETTLE)),
    }
}

fn over<T>(server: &Server, mut open: impl FnMut(usize) -> Result<T>, rest: impl Fn()) -> Result<f64> {
    let mut kept = Vec::with_capacity(FIRST + COUNT);
    for place in 0..FIRST {
        kept.push(open(place)?);
    }
    rest();
    let before = CoreTime::of(server.pid())?;
    for place in FIRST..FIRST + COUNT {
        kept.push(open(place)?);
    }
    rest();
    Ok(CoreTime::of(server.pid())?.since(before).used.as_secs_f64() * 1e6 / COUNT as f64)
}
