//! What a session costs that does nothing: the growth of a server's memory over many of them.
//!
//! The first ones are not counted, since they pay for what all share. WebTransport is weighed against the library
//! alone, whose sessions here have no stream and no user.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use tokio::runtime::Runtime;
use wtransport::{ClientConfig, Endpoint};

use crate::entry::Destination;
use crate::frames::Dialed;
use crate::machine::Memory;
use crate::quic;
use crate::servers::{Server, Subject};
use crate::socket;

/// Sessions that are there before the first look.
const FIRST: usize = 100;
/// How many more there are at the second look.
const MORE_ON_TCP: usize = 2000;
const MORE_ON_UDP: usize = 600;
/// How long a server has to give back what the handshakes took.
const SETTLE: Duration = Duration::from_secs(2);
/// How many sessions share a socket.
const PER_SOCKET: usize = 50;

/// Memory for each idle session, in KiB.
pub(crate) fn run(subject: Subject, server: &Server) -> Result<Memory> {
    let grown = match subject {
        Subject::Websocket | Subject::WebsocketResume => {
            let open = || socket::enter(server, Destination::Session, subject.resumes());
            over(server, MORE_ON_TCP, open, thread::sleep)
        }
        Subject::AxumRoom => {
            let mut count = 0;
            let open = || {
                count += 1;
                Dialed::open(server.addr, &format!("/rooms/{}", count / 10), None)
            };
            over(server, MORE_ON_TCP, open, thread::sleep)
        }
        Subject::BareSessions => bare(server),
        _ => sessions(subject, server),
    }?;
    eprintln!("      {:.1} KiB resident, {:.1} KiB anonymous", grown.resident, grown.anonymous);
    Ok(grown)
}

/// Opens sessions with `open` and weighs the server in between, `pause` letting both sides come to rest.
fn over<T>(
    server: &Server,
    more: usize,
    mut open: impl FnMut() -> Result<T>,
    pause: impl Fn(Duration),
) -> Result<Memory> {
    let mut sessions = Vec::with_capacity(FIRST + more);
    let mut weigh = |count: usize| -> Result<Memory> {
        for _ in 0..count {
            sessions.push(open()?);
        }
        pause(SETTLE);
        Memory::of(server.pid())
    };
    let before = weigh(FIRST)?;
    let after = weigh(more)?;
    let each = |before: f64, after: f64| (after - before) / more as f64;
    Ok(Memory { resident: each(before.resident, after.resident), anonymous: each(before.anonymous, after.anonymous) })
}

fn sessions(subject: Subject, server: &Server) -> Result<Memory> {
    let runtime = quic::runtime()?;
    let guard = runtime.enter();
    let dialers = quic::dialers(server, (FIRST + MORE_ON_UDP).div_ceil(PER_SOCKET))?;
    drop(guard);
    let mut count = 0;
    let open = || {
        count += 1;
        let dialer = &dialers[(count - 1) / PER_SOCKET];
        runtime.block_on(quic::enter(dialer, subject, server, Destination::Session))
    };
    over(server, MORE_ON_UDP, open, |pause| rest(&runtime, pause))
}

fn bare(server: &Server) -> Result<Memory> {
    let runtime = quic::runtime()?;
    let guard = runtime.enter();
    let endpoint = || {
        let hashes = server.certificate.clone();
        Endpoint::client(ClientConfig::builder().with_bind_default().with_server_certificate_hashes(hashes).build())
    };
    let count = (FIRST + MORE_ON_UDP).div_ceil(PER_SOCKET);
    let endpoints = (0..count).map(|_| endpoint()).collect::<Result<Vec<_>, _>>()?;
    drop(guard);
    let url = format!("https://127.0.0.1:{}/", server.addr.port());
    let mut count = 0;
    let open = || {
        count += 1;
        Ok(runtime.block_on(endpoints[(count - 1) / PER_SOCKET].connect(&url))?)
    };
    over(server, MORE_ON_UDP, open, |pause| rest(&runtime, pause))
}

/// Lets the clients go on meanwhile.
fn rest(runtime: &Runtime, pause: Duration) {
    runtime.block_on(async { tokio::time::sleep(pause).await });
}
