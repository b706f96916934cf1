//! One run: every cell at one loss, at the same time, on a link and a server of their own.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::cell::{Cell, PERIOD, Schedule};
use super::figures::{Figures, Spread};
use super::line::Count;
use super::network::Network;
use super::recovery::Recovery;
use super::relay::{Quality, Traffic};
use super::server::{self, Server};
use super::stream::{self, Heard, Member, Rooms, Target};

/// How long connections settle with the loss before anything counts.
const WARM_UP: Duration = Duration::from_secs(3);
/// Between everybody being there and the first state.
const AHEAD: Duration = Duration::from_millis(300);
/// How long everybody may take to get in.
const ENTER_MAX: Duration = Duration::from_secs(60);

/// What each run is.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) cells: Vec<Cell>,
    /// In each room.
    pub(crate) listeners: usize,
    pub(crate) seconds: u32,
    /// From one end of the link to the other.
    pub(crate) delay: Duration,
    pub(crate) seed: u64,
    /// Of `/proc/sys/net/ipv4`, besides those that are as kernels come.
    pub(crate) settings: Vec<(String, String)>,
}

/// What a run came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Run {
    /// How many percent of the packets were to be lost.
    pub(crate) loss: f64,
    /// How TCP avoided congestion.
    pub(crate) congestion: String,
    pub(crate) cells: Vec<(Cell, Figures)>,
    /// Packets on the link, both directions together.
    pub(crate) tcp: Packets,
    /// By the server's end of TCP.
    pub(crate) recovery: Recovery,
    pub(crate) udp: Packets,
    /// How late states were handed to the sending clients.
    pub(crate) sent_late_ms: Spread,
    /// How late packets came out of the link.
    pub(crate) link_late_ms: Spread,
}

/// What became of packets.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Packets {
    pub(crate) passed: u64,
    pub(crate) lost: u64,
    pub(crate) refused: u64,
}

impl Packets {
    fn both(down: Count, up: Count) -> Self {
        let (passed, lost) = (down.passed + up.passed, down.lost + up.lost);
        Self { passed, lost, refused: down.refused + up.refused }
    }
}

/// Runs all cells at one loss.
pub(crate) async fn run(plan: &Plan, loss: f64, anteroom: &Path) -> Result<Run> {
    let quality = Quality { delay: plan.delay, seed: plan.seed ^ loss.to_bits() };
    let network = Network::make(quality, &plan.settings)?;
    let server = Server::start(&network.server, anteroom)?;
    let addr = server.addr;
    let trust = network.server.run(move || server::trust(addr)).await??;
    let target = Target { addr, trust };

    let (mut senders, telling) = Side::new();
    let (cells, at) = (plan.cells.clone(), target.clone());
    let mut told = network.server.run(move || runtime()?.block_on(Box::pin(tell(at, cells, telling))));
    let rooms = senders.ready(&mut told).await?;

    let (mut listeners, listening) = Side::new();
    let seats: Vec<_> = plan.cells.iter().copied().zip(rooms).collect();
    let count = plan.listeners;
    let mut heard = network.players.run(move || runtime()?.block_on(Box::pin(listen(target, seats, count, listening))));
    listeners.ready(&mut heard).await?;

    let before = network.server.run(Recovery::now).await??;
    // Getting in is not what is measured: packets are lost from here on.
    network.relay.lose(loss / 100.0);
    let states = |time: Duration| (time.as_millis() / PERIOD.as_millis()) as u32;
    let length = Duration::from_secs(plan.seconds.into());
    let schedule = Schedule { start: Instant::now() + AHEAD, warm_up: states(WARM_UP), states: states(length) };
    senders.go(schedule);
    listeners.go(schedule);
    let (heard, late) = (heard.await??, told.await??);
    let recovery = network.server.run(Recovery::now).await??.since(before);
    let Traffic { down, up, late_us } = network.relay.traffic();
    Ok(Run {
        loss,
        congestion: network.congestion.clone(),
        cells: figures(plan, schedule, &heard),
        tcp: Packets::both(down.tcp, up.tcp),
        recovery,
        udp: Packets::both(down.udp, up.udp),
        sent_late_ms: Spread::of(late),
        link_late_ms: Spread::of(late_us),
    })
}

/// What the listeners of each cell heard, cell after cell, as figures.
fn figures(plan: &Plan, schedule: Schedule, heard: &[Heard]) -> Vec<(Cell, Figures)> {
    let figures = |(place, (cell, heard)): (usize, (&Cell, &[Heard]))| {
        (*cell, Figures::of(heard, schedule.staggered(place, plan.cells.len())))
    };
    plan.cells.iter().zip(heard.chunks(plan.listeners)).enumerate().map(figures).collect()
}

async fn tell(target: Target, cells: Vec<Cell>, side: Inside<Vec<Rooms>>) -> Result<Vec<u32>> {
    let (mut tellers, mut transfers, mut rooms) = (Vec::new(), Vec::new(), Vec::new());
    for cell in &cells {
        let teller = target.open().await.context("cannot make a room")?;
        let beside = if cell.beside { Some(target.open().await?) } else { None };
        rooms.push(Rooms { told: teller.room_id(), beside: beside.as_ref().map(Member::room_id) });
        tellers.push(teller);
        transfers.extend(beside);
    }
    let schedule = side.go(rooms).await?;
    let (count, transferred) = (cells.len(), transfers.len());
    let transfers = transfers.into_iter().enumerate();
    // At different times in the second, too.
    let transfer = |(place, member): (usize, Member)| {
        let start = schedule.start + Duration::from_secs(1) * place as u32 / transferred as u32;
        member.transfer(Schedule { start, ..schedule })
    };
    let transfers = tokio::spawn(stream::all(transfers.map(transfer).collect::<Vec<_>>()));
    let tell = |(place, (member, cell)): (usize, (Member, Cell))| member.tell(cell, schedule.staggered(place, count));
    let late = stream::all(tellers.into_iter().zip(cells).enumerate().map(tell)).await?;
    transfers.await??;
    Ok(late.into_iter().flatten().collect())
}

/// Gives what each listener heard, those of one room after those of another.
async fn listen(target: Target, seats: Vec<(Cell, Rooms)>, count: usize, side: Inside<()>) -> Result<Vec<Heard>> {
    let mut members = Vec::with_capacity(seats.len() * count);
    for (place, (cell, rooms)) in seats.iter().enumerate() {
        for _ in 0..count {
            members.push((
                place,
                target.join(cell.transport, *rooms).await.with_context(|| format!("cannot join: {cell:?}"))?,
            ));
        }
    }
    let schedule = side.go(()).await?;
    let rooms = seats.len();
    stream::all(members.into_iter().map(|(place, member)| member.listen(schedule.staggered(place, rooms)))).await
}

fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// The outer end of a side: hears that everybody is there, and says when it begins.
struct Side<T> {
    ready: oneshot::Receiver<T>,
    go: oneshot::Sender<Schedule>,
}

/// The inner end.
struct Inside<T> {
    ready: oneshot::Sender<T>,
    go: oneshot::Receiver<Schedule>,
}

impl<T> Side<T> {
    fn new() -> (Self, Inside<T>) {
        let ((ready, readiness), (go, going)) = (oneshot::channel(), oneshot::channel());
        (Self { ready: readiness, go }, Inside { ready, go: going })
    }

    /// Waits until everybody there is ready; if its thread has ended instead, says why.
    async fn ready<R>(&mut self, thread: &mut oneshot::Receiver<Result<R>>) -> Result<T> {
        match timeout(ENTER_MAX, &mut self.ready).await.context("not everybody got in")? {
            Ok(ready) => Ok(ready),
            Err(_) => match thread.await? {
                Ok(_) => bail!("it was over before it began"),
                Err(error) => Err(error),
            },
        }
    }

    fn go(self, schedule: Schedule) {
        // Whoever does not hear it has failed, and tells why when the thread is asked.
        let _ = self.go.send(schedule);
    }
}

impl<T> Inside<T> {
    /// Says that everybody is there, and waits for the beginning.
    async fn go(self, ready: T) -> Result<Schedule> {
        drop(self.ready.send(ready));
        Ok(self.go.await?)
    }
}
