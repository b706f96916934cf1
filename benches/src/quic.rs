//! All members on QUIC or WebTransport, through Anteroom's own transport, on one thread.
//!
//! A client pays for QUIC what a server pays, so this generator is busy long before the server is.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anteroom_protocol::limits::SERVER_FRAME_BYTES_MAX;
use anteroom_protocol::{BatchBuilder, Codec, LaneId, RoomId};
use anteroom_transport::{Address, Connection, Dialer, Event, TransportConfig, Trust};
use anyhow::{Context, Result, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::task::LocalSet;
use tokio::time::{Instant, Interval, interval_at, sleep, timeout};

use crate::broadcast::{Generator, Outcome, Plan, Watch};
use crate::entry::{Destination, Entered, Entry, Step};
use crate::resuming::{Resuming, now_ms};
use crate::servers::{Server, Subject};
use crate::socket::message;
use crate::workload::{Load, Tally};

/// Sockets that the members share, so that no single one overflows.
const SOCKETS: usize = 20;
/// How often members who have fallen silent are looked at, whether they owe an acknowledgement.
const SWEEP: Duration = Duration::from_millis(200);
/// How long a server may take to let somebody in.
pub(crate) const ENTER_MAX: Duration = Duration::from_secs(10);

/// Every member of every room.
pub(crate) struct Players {
    runtime: Runtime,
    members: Vec<Member>,
    rooms: usize,
    in_room: usize,
}

struct Member {
    connection: Connection,
    codec: Codec,
    /// The message; only its stamp changes.
    message: Vec<u8>,
    resuming: Option<Resuming>,
}

/// What the members share during one load.
struct Run {
    load: Load,
    tally: RefCell<Tally>,
    is_sending: Cell<bool>,
    over: Notify,
}

impl Players {
    /// Connects everybody.
    pub(crate) fn open(subject: Subject, server: &Server, plan: Plan) -> Result<Self> {
        let runtime = runtime()?;
        let members = runtime.block_on(async {
            let dialers = dialers(server, SOCKETS)?;
            let mut members = Vec::with_capacity(plan.everybody());
            for room in 0..plan.rooms {
                let mut destination = Destination::NewRoom;
                for _ in 0..plan.members {
                    let dialer = &dialers[room % SOCKETS];
                    let entered = enter(dialer, subject, server, destination).await?;
                    let room_id = entered.room_id.context("not in a room")?;
                    destination = Destination::Room(room_id);
                    members.push(Member::new(entered, subject, room_id)?);
                }
            }
            anyhow::Ok(members)
        })?;
        Ok(Self { runtime, members, rooms: plan.rooms, in_room: plan.members })
    }
}

impl Generator for Players {
    fn run(&mut self, load: Load, mut watch: Watch) -> Result<Outcome> {
        let count = self.members.len();
        let run = Rc::new(Run {
            load,
            tally: RefCell::new(Tally::new(count, self.in_room)),
            is_sending: Cell::new(true),
            over: Notify::new(),
        });
        let members = std::mem::take(&mut self.members);
        let (rooms, in_room, shared) = (self.rooms, self.in_room, run.clone());
        let (members, outcome) = LocalSet::new().block_on(&self.runtime, async move {
            let play =
                |(place, member)| tokio::task::spawn_local(play(member, place, (rooms, in_room), shared.clone()));
            let playing: Vec<_> = members.into_iter().enumerate().map(play).collect();
            while !watch.is_over() {
                sleep(Duration::from_millis(5)).await;
                watch.turn(&mut shared.tally.borrow_mut())?;
                shared.is_sending.set(watch.is_sending());
            }
            shared.over.notify_waiters();
            let mut members = Vec::with_capacity(count);
            for member in playing {
                members.push(member.await??);
            }
            anyhow::Ok((members, watch.outcome(&mut shared.tally.borrow_mut())))
        })?;
        self.members = members;
        Ok(outcome)
    }
}

async fn play(mut member: Member, place: usize, (rooms, in_room): (usize, usize), run: Rc<Run>) -> Result<Member> {
    let mut over = pin!(run.over.notified());
    over.as_mut().enable();
    let mut ticks = run.load.period(rooms * in_room, in_room).map(|period| {
        // One room after the other, so that what is sent together concerns different ones.
        let turn = place % in_room * rooms + place / in_room;
        interval_at(Instant::now() + period * turn as u32 / (rooms * in_room) as u32, period)
    });
    let mut sweep = member.resuming.is_some().then(|| interval_at(Instant::now() + SWEEP, SWEEP));
    if ticks.is_none() {
        member.send(place, &run).await?;
    }
    loop {
        tokio::select! {
            event = member.connection.recv() => {
                let Event::Record { payload, .. } = event? else { continue };
                let own = {
                    let mut tally = run.tally.borrow_mut();
                    let now_us = tally.now_us();
                    tally.hears(place, &payload, now_us)
                };
                member.hears(&payload).await?;
                if own && ticks.is_none() && run.is_sending.get() {
                    member.send(place, &run).await?;
                }
            }
            () = tick(ticks.as_mut()) => {
                if run.is_sending.get() {
                    member.send(place, &run).await?;
                }
            }
            () = tick(sweep.as_mut()) => member.acknowledge(now_ms()).await?,
            () = &mut over => return Ok(member),
        }
    }
}

async fn tick(ticks: Option<&mut Interval>) {
    match ticks {
        Some(ticks) => drop(ticks.tick().await),
        None => std::future::pending().await,
    }
}

impl Member {
    fn new(entered: Entered<Connection>, subject: Subject, room_id: RoomId) -> Result<Self> {
        let Entered { connection, resuming, .. } = entered;
        let codec = subject.codec();
        Ok(Self { connection, codec, message: message(codec, room_id, subject.resumes())?, resuming })
    }

    async fn hears(&mut self, payload: &[u8]) -> Result<()> {
        let Some(resuming) = &mut self.resuming else { return Ok(()) };
        let now_ms = now_ms();
        resuming.hears(now_ms, payload);
        self.acknowledge(now_ms).await
    }

    async fn acknowledge(&mut self, now_ms: u64) -> Result<()> {
        let Some(resuming) = &mut self.resuming else { return Ok(()) };
        match resuming.acknowledgement(now_ms)? {
            Some(ack) => Ok(self.connection.send(LaneId::CONTROL, Arc::new(ack)).await?),
            None => Ok(()),
        }
    }

    async fn send(&mut self, place: usize, run: &Run) -> Result<()> {
        let stamp = run.tally.borrow_mut().sends(place);
        stamp.put(&mut self.message);
        if let Some(resuming) = &mut self.resuming {
            resuming.number(&mut self.message)?;
        }
        let mut batch = BatchBuilder::new(self.codec);
        batch.push_encoded(&self.message);
        Ok(self.connection.send(LaneId::CONTROL, Arc::new(batch.finish())).await?)
    }
}

/// The one thread that plays everybody.
pub(crate) fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Dialers that trust a server, each with sockets of its own.
pub(crate) fn dialers(server: &Server, count: usize) -> Result<Vec<Dialer>> {
    let trust = Trust::CertificateHashes(hashes(server)?);
    let config = TransportConfig { inbound_bytes_max: SERVER_FRAME_BYTES_MAX, ..TransportConfig::default() };
    Ok((0..count).map(|_| Dialer::new(trust.clone(), config)).collect())
}

/// Opens a session over QUIC or WebTransport and brings it where it is going.
pub(crate) async fn enter(
    dialer: &Dialer,
    subject: Subject,
    server: &Server,
    destination: Destination,
) -> Result<Entered<Connection>> {
    let address = address(server.addr);
    let mut connection = match subject {
        Subject::QuicJson | Subject::QuicResume | Subject::QuicBincode => dialer.quic(&address).await?,
        _ => dialer.webtransport(&address).await?,
    };
    let resumes = subject.resumes();
    let (mut entry, first) = Entry::begin(subject.codec(), destination, resumes)?;
    let mut resuming = resumes.then(Resuming::new);
    connection.send(LaneId::CONTROL, Arc::new(first)).await?;
    loop {
        let event = timeout(ENTER_MAX, connection.recv()).await.context("no answer")??;
        let Event::Record { codec, payload, .. } = event else { continue };
        if let Some(resuming) = &mut resuming {
            resuming.hears(now_ms(), &payload);
        }
        match entry.hear(codec, &payload)? {
            Step::Wait => {}
            Step::Say(batch) => connection.send(LaneId::CONTROL, Arc::new(batch)).await?,
            Step::Done(arrived) => return Ok(Entered::new(connection, arrived, resuming)),
        }
    }
}

/// Where a server is, or what stands before it.
pub(crate) fn address(addr: SocketAddr) -> Address {
    Address { host: addr.ip().to_string(), port: addr.port() }
}

/// Asks a server for the hashes of its certificates.
fn hashes(server: &Server) -> Result<Vec<[u8; 32]>> {
    let mut stream = TcpStream::connect(server.addr)?;
    write!(stream, "GET /api/certificate HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.addr)?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    let (_, body) = response.split_once("\r\n\r\n").context("no body")?;
    let body: serde_json::Value = serde_json::from_str(body)?;
    let hashes = body["hashes"].as_array().context("no hashes")?;
    let hash = |entry: &serde_json::Value| {
        let decoded = STANDARD.decode(entry["value"].as_str().unwrap_or_default())?;
        decoded.try_into().map_err(|_| anyhow!("a hash of another length"))
    };
    hashes.iter().map(hash).collect()
}
