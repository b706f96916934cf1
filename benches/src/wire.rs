//! What an idle session sends and receives: both directions, headers included, on each transport.
//!
//! Both ends keep the connection alive as they do by default. The sessions are in no room.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use anteroom_transport::{Connection, Transport};
use anyhow::{Result, ensure};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep;

use crate::entry::Destination;
use crate::quic;
use crate::relay::{self, Passed, Traffic};
use crate::servers::Server;
use crate::way::{self, Way};

/// Sessions on each transport.
const SESSIONS: usize = 5;
/// How far apart they begin, so that they do not speak at the same time.
const APART: Duration = Duration::from_millis(200);
/// How long what follows a handshake may take.
const SETTLE: Duration = Duration::from_secs(5);
/// The transports, and how often they keep themselves alive, in seconds: the time measured is a multiple of that.
const TRANSPORTS: [(Transport, u64); 3] =
    [(Transport::Quic, 20), (Transport::WebTransport, 20), (Transport::WebSocket, 25)];

/// What one session takes, for each minute.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Use {
    pub(crate) bytes_up: f64,
    pub(crate) bytes_down: f64,
    pub(crate) packets_up: f64,
    pub(crate) packets_down: f64,
}

/// Watches idle sessions on all transports at the same time, for so many seconds at least.
pub(crate) fn run(server: &Server, seconds: u64) -> Result<BTreeMap<Transport, Use>> {
    let runtime = quic::runtime()?;
    LocalSet::new().block_on(&runtime, async {
        let mut watching = Vec::new();
        for (transport, period) in TRANSPORTS {
            let passed = Rc::new(Passed::default());
            let addr = match transport {
                Transport::WebSocket => relay::tcp(server.addr, &passed).await?,
                _ => relay::udp(server.addr, &passed).await?,
            };
            let dialer = quic::dialers(server, 1)?.into_iter().map(Rc::new).next();
            let Some(dialer) = dialer else { continue };
            let time = Duration::from_secs(seconds.div_ceil(period) * period);
            watching.push((transport, spawn_local(watch(Way { dialer, addr }, transport, passed, time))));
        }
        let mut uses = BTreeMap::new();
        for (transport, task) in watching {
            uses.insert(transport, task.await??);
        }
        anyhow::Ok(uses)
    })
}

async fn watch(way: Way, transport: Transport, passed: Rc<Passed>, time: Duration) -> Result<Use> {
    let mut sessions = Vec::with_capacity(SESSIONS);
    for _ in 0..SESSIONS {
        let connection = way.dial(transport).await?;
        let (connection, _) = way::enter(connection, Destination::Session, true).await?;
        sessions.push(spawn_local(stay(connection)));
        sleep(APART).await;
    }
    sleep(SETTLE).await;
    let (up, down) = (passed.up.get(), passed.down.get());
    sleep(time).await;
    ensure!(!sessions.iter().any(|session| session.is_finished()), "a session has ended on {transport}");
    let minutes = time.as_secs_f64() / 60.0 * SESSIONS as f64;
    let each = |after: Traffic, before: Traffic| {
        let Traffic { packets, bytes } = after;
        ((bytes - before.bytes) as f64 / minutes, (packets - before.packets) as f64 / minutes)
    };
    let ((bytes_up, packets_up), (bytes_down, packets_down)) =
        (each(passed.up.get(), up), each(passed.down.get(), down));
    Ok(Use { bytes_up, bytes_down, packets_up, packets_down })
}

/// Does nothing until the connection ends.
async fn stay(mut connection: Connection) {
    while connection.recv().await.is_ok() {}
}
