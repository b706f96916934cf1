//! The game on bare quinn: peers who each send a little 20 times a second, and check what comes back.
//!
//! Anteroom's generator speaks Anteroom's protocol on QUIC. This one speaks none, to a server that has none.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anteroom_bench::{BODY, CoreTime, Latencies, Plan, Stamp};
use anyhow::{Context, Result};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::rustls::RootCertStore;
use quinn::rustls::pki_types::CertificateDer;
use quinn::{ClientConfig, Connection, Endpoint, RecvStream, SendStream};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, interval_at, sleep};

use crate::peers::bare_quinn::ALPN;
use crate::quic;
use crate::scenes::Figures;
use crate::servers::Server;

/// How many peers share a socket.
const PEERS_OF_SOCKET: usize = 50;
/// How long the last messages may take to arrive.
const TAIL_MAX: Duration = Duration::from_secs(3);
const READ_BYTES: usize = 16 << 10;

/// Plays the plan's rooms at the plan's rate.
pub(crate) fn run(server: &Server, plan: &Plan) -> Result<Figures> {
    let runtime = quic::runtime()?;
    LocalSet::new().block_on(&runtime, play(server, *plan))
}

/// Endpoints whose connections trust a server, enough for so many peers.
pub(crate) fn endpoints(server: &Server, peers: usize) -> Result<Vec<Endpoint>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(server.certificate.clone().context("the server has no certificate")?))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    let endpoint = |_| {
        let mut endpoint = Endpoint::client("127.0.0.1:0".parse()?)?;
        endpoint.set_default_client_config(config.clone());
        Ok(endpoint)
    };
    (0..peers.div_ceil(PEERS_OF_SOCKET)).map(endpoint).collect()
}

/// Connects the how manieth peer.
pub(crate) async fn connect(server: &Server, endpoints: &[Endpoint], place: usize) -> Result<Connection> {
    Ok(endpoints[place / PEERS_OF_SOCKET].connect(server.addr, "localhost")?.await?)
}

/// What the peers share.
struct Run {
    plan: Plan,
    start: Instant,
    is_sending: Cell<bool>,
    counts: Cell<bool>,
    sent: Cell<u64>,
    delivered: Cell<u64>,
    wrong: Cell<u64>,
    latencies: RefCell<Latencies>,
}

impl Run {
    fn now_us(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    /// Notes a stamp, given the number that its sender's next one has to have.
    fn hears(&self, stamp: Stamp, expected: &mut u32, now_us: u64) {
        self.delivered.set(self.delivered.get() + 1);
        self.wrong.set(self.wrong.get() + u64::from(stamp.number != *expected));
        *expected = stamp.number + 1;
        if self.counts.get() {
            self.latencies.borrow_mut().record_us(now_us.saturating_sub(stamp.at_us));
        }
    }
}

async fn play(server: &Server, plan: Plan) -> Result<Figures> {
    let endpoints = endpoints(server, plan.sessions())?;
    let mut streams = Vec::with_capacity(plan.sessions());
    for place in 0..plan.sessions() {
        let connection = connect(server, &endpoints, place).await?;
        let (mut sender, receiver) = connection.open_bi().await?;
        sender.write_all(&((place / plan.members) as u32).to_be_bytes()).await?;
        streams.push((connection, sender, receiver));
    }
    let run = Rc::new(Run {
        plan,
        start: Instant::now(),
        is_sending: Cell::new(true),
        counts: Cell::new(false),
        sent: Cell::new(0),
        delivered: Cell::new(0),
        wrong: Cell::new(0),
        latencies: RefCell::default(),
    });
    let mut kept = Vec::with_capacity(plan.sessions());
    for (place, (connection, sender, receiver)) in streams.into_iter().enumerate() {
        kept.push(connection);
        spawn_local(speak(sender, place, run.clone()));
        spawn_local(listen(receiver, run.clone()));
    }
    watch(server.pid(), &run).await
}

/// Sends at the plan's rate. Peers take turns, one room after the other.
async fn speak(mut sender: SendStream, place: usize, run: Rc<Run>) -> Result<()> {
    let plan = run.plan;
    let period = plan.period().context("bare quinn has no closed loop")?;
    let turn = place % plan.members * plan.rooms + place / plan.members;
    let offset = period.mul_f64(turn as f64 / plan.sessions() as f64);
    let mut ticks = interval_at(Instant::now() + offset, period);
    let mut message = BODY.as_bytes().to_vec();
    let start = Stamp::place(&message).context("the body has no stamp")?;
    let mut number = 0;
    while run.is_sending.get() {
        let due = ticks.tick().await;
        if !run.is_sending.get() {
            break;
        }
        let at_us = due.saturating_duration_since(run.start).as_micros() as u64;
        Stamp { sender: place % plan.members, number, at_us }.put(&mut message, start);
        sender.write_all(&message).await?;
        run.sent.set(run.sent.get() + 1);
        number += 1;
    }
    // The stream stays open until nobody listens any more.
    std::future::pending().await
}

async fn listen(mut receiver: RecvStream, run: Rc<Run>) -> Result<()> {
    let mut expected = vec![0; run.plan.members];
    let mut space = vec![0; READ_BYTES];
    let mut partial: Vec<u8> = Vec::new();
    while let Some(read) = receiver.read(&mut space).await? {
        let now_us = run.now_us();
        partial.extend_from_slice(&space[..read]);
        let whole = partial.len() / BODY.len() * BODY.len();
        for stamp in Stamp::all(&partial[..whole]) {
            run.hears(stamp, &mut expected[stamp.sender], now_us);
        }
        partial.drain(..whole);
    }
    Ok(())
}

/// Warms up, measures, and lets the last messages arrive.
async fn watch(pid: u32, run: &Run) -> Result<Figures> {
    sleep(run.plan.warm_up).await;
    run.counts.set(true);
    let (before, own_before, delivered_before, begin) =
        (CoreTime::of(pid)?, own()?, run.delivered.get(), Instant::now());
    sleep(run.plan.measured).await;
    let (server, own) = (CoreTime::of(pid)?.since(before), own()?.since(own_before));
    let (delivered, seconds) = ((run.delivered.get() - delivered_before) as f64, begin.elapsed().as_secs_f64());
    run.counts.set(false);
    run.is_sending.set(false);
    let end = Instant::now() + TAIL_MAX;
    let missing = || (run.sent.get() * run.plan.members as u64).saturating_sub(run.delivered.get());
    while missing() > 0 && Instant::now() < end {
        sleep(Duration::from_millis(50)).await;
    }
    let latencies = run.latencies.borrow();
    Ok(Figures {
        cpu_us: server.used.as_secs_f64() * 1e6 / delivered,
        deliveries_per_second: delivered / seconds,
        p50_ms: latencies.quantile_ms(0.5),
        p99_ms: latencies.quantile_ms(0.99),
        server_share: server.used.as_secs_f64() / seconds,
        own_share: own.used.as_secs_f64() / seconds,
        waited_share: server.waited.as_secs_f64() / seconds,
        wrong: run.wrong.get() + missing(),
    })
}

fn own() -> Result<CoreTime> {
    Ok(CoreTime::of(std::process::id())?)
}
