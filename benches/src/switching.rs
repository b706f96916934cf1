//! What players notice when a connection is lost or changed: how long nothing comes, and whether every message still
//! comes once and in order.
//!
//! Each player is in a room with one other member, who sends at a fixed rate all the while.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anteroom_bench::Stamp;
use anteroom_protocol::{BatchBuilder, Codec, LaneId, RoomId};
use anteroom_transport::Dialer;
use anteroom_transport::Transport::{self, Quic, WebSocket, WebTransport};
use anyhow::{Context, Result};
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::{interval, timeout};

use crate::entry::Destination;
use crate::quic;
use crate::servers::Server;
use crate::session::{Cut, Outage, Session};
use crate::socket::message;
use crate::way::{self, Way};

/// How many players change connections at the same time.
const PLAYERS: usize = 10;
/// How often the other member sends.
const PERIOD_CUT: Duration = Duration::from_millis(50);
const PERIOD_MOVE: Duration = Duration::from_millis(20);
/// How long a player stays on a connection, at least, and how much longer at most.
const STAY_MS: u64 = 100;
const STAY_MORE_MS: u64 = 150;
/// How long the last messages may take to arrive.
const TAIL_MAX: Duration = Duration::from_secs(3);

/// From which transport to which.
pub(crate) type Route = (Transport, Transport);

/// Routes whose connections are cut; where the ends differ, the way back is cut as well.
const CUTS: [Route; 4] = [(Quic, Quic), (WebTransport, WebTransport), (WebSocket, WebSocket), (WebSocket, Quic)];
const MOVE: Route = (WebSocket, Quic);

/// Everything that was noticed.
#[derive(Debug, Default)]
pub(crate) struct Switches {
    pub(crate) outages: BTreeMap<Route, Vec<Outage>>,
    /// The longest pause between two messages around each live move.
    pub(crate) pauses: BTreeMap<Route, Vec<Duration>>,
    pub(crate) messages: u64,
    pub(crate) missing: u64,
    pub(crate) repeated_or_late: u64,
}

impl Switches {
    pub(crate) fn add(&mut self, other: Self) {
        for (route, outages) in other.outages {
            self.outages.entry(route).or_default().extend(outages);
        }
        for (route, pauses) in other.pauses {
            self.pauses.entry(route).or_default().extend(pauses);
        }
        self.messages += other.messages;
        self.missing += other.missing;
        self.repeated_or_late += other.repeated_or_late;
    }
}

/// Cuts and moves connections, at least so many times on each route.
pub(crate) fn run(server: &Server, count: usize) -> Result<Switches> {
    let runtime = quic::runtime()?;
    LocalSet::new().block_on(&runtime, async {
        let dialers: Vec<_> = quic::dialers(server, PLAYERS)?.into_iter().map(Rc::new).collect();
        let mut switches = Switches::default();
        let cuts = CUTS.map(|route| (route, false));
        for (route, live) in cuts.into_iter().chain([(MOVE, true)]) {
            let play = |(place, dialer): (usize, &Rc<Dialer>)| {
                let way = Way { dialer: dialer.clone(), addr: server.addr };
                spawn_local(Player { way, place, route, live }.play(count.div_ceil(PLAYERS)))
            };
            let playing: Vec<_> = dialers.iter().enumerate().map(play).collect();
            for player in playing {
                switches.add(player.await??);
            }
        }
        anyhow::Ok(switches)
    })
}

struct Player {
    way: Way,
    place: usize,
    route: Route,
    live: bool,
}

impl Player {
    async fn play(self, count: usize) -> Result<Switches> {
        let (from, to) = self.route;
        let mut session = Session::open(self.way.clone(), from).await?;
        let stop = Rc::new(Cell::new(false));
        let period = if self.live { PERIOD_MOVE } else { PERIOD_CUT };
        let sending = spawn_local(send(self.way.clone(), session.room_id, period, stop.clone()));
        let mut switches = Switches::default();
        for turn in 0..count {
            self.change(&mut session, (from, to), turn, &mut switches).await?;
            if from != to {
                self.change(&mut session, (to, from), turn, &mut switches).await?;
            }
        }
        stop.set(true);
        let late = finish(&mut session, sending).await?;
        switches.messages = session.check.expected.into();
        switches.missing = session.check.missing + late;
        switches.repeated_or_late = session.check.repeated_or_late;
        Ok(switches)
    }

    async fn change(&self, session: &mut Session, route: Route, turn: usize, switches: &mut Switches) -> Result<()> {
        // Spread over the time between two messages, and different for each player.
        let more = (turn * 37 + self.place * 61) as u64 % STAY_MORE_MS;
        session.listen_for(Duration::from_millis(STAY_MS + more)).await?;
        let (_, to) = route;
        if self.live {
            switches.pauses.entry(route).or_default().push(session.move_over(to).await?);
        } else {
            let cut = if turn.is_multiple_of(2) { Cut::Closed } else { Cut::Silent };
            switches.outages.entry(route).or_default().push(session.cut(to, cut).await?);
        }
        Ok(())
    }
}

/// Waits for the last messages; says how many did not come.
pub(crate) async fn finish(session: &mut Session, sending: JoinHandle<Result<u32>>) -> Result<u64> {
    while !sending.is_finished() {
        session.listen_for(PERIOD_MOVE).await?;
    }
    let sent = sending.await??;
    let tail = async {
        while session.check.expected < sent {
            session.listen().await?;
        }
        anyhow::Ok(())
    };
    match timeout(TAIL_MAX, tail).await {
        Ok(heard) => heard?,
        Err(_) => return Ok((sent - session.check.expected).into()),
    }
    Ok(0)
}

/// Sends as the other member of a room until told to stop; says how many messages that were.
pub(crate) async fn send(way: Way, room_id: RoomId, period: Duration, stop: Rc<Cell<bool>>) -> Result<u32> {
    let connection = way.dial(WebSocket).await?;
    let (mut connection, _) = way::enter(connection, Destination::Room(room_id), false).await?;
    let mut message = message(Codec::Json, room_id)?;
    let place = Stamp::place(&message).context("the message has no stamp")?;
    let mut ticks = interval(period);
    let mut number = 0;
    while !stop.get() {
        tokio::select! {
            event = connection.recv() => drop(event?),
            _ = ticks.tick() => {
                Stamp { sender: 0, number, at_us: 0 }.put(&mut message, place);
                number += 1;
                let mut batch = BatchBuilder::new(Codec::Json);
                batch.push_encoded(&message);
                connection.send(LaneId::CONTROL, Arc::new(batch.finish())).await?;
            }
        }
    }
    connection.close(1000, "done").await;
    Ok(number)
}
