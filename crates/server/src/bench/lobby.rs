//! The workload `lobby`: players who watch the list of rooms while rooms come and go.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anteroom_protocol::message::push::RoomsChanged;
use anteroom_protocol::message::request::{CreateRoom, LeaveRoom, SubscribeRooms};
use anteroom_protocol::{RoomId, envelope::Envelope};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::error::BenchError;
use super::idle::begin;
use super::job::Job;
use super::outcome::Latencies;
use super::plan::Load;
use super::report::{Findings, PerServer, Times};
use super::session::Destination;
use super::shared::Phase;
use super::streams::Players;
use super::way::Client;

/// How long a room is there, unless the server allows too few rooms for that: longer than changes are gathered.
const LIFE: Duration = Duration::from_millis(500);
const LIFE_MIN: Duration = Duration::from_millis(150);
/// What the rooms of this workload are called, in front of their number.
const NAME: &str = "bench ";

/// What all subscribers have seen of the rooms that were made.
#[derive(Debug, Default)]
struct Board {
    rooms: Vec<Row>,
    /// From making a room until everybody saw it.
    everybody: Latencies,
    pushes: u64,
    duplicated: u64,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    begin_us: u64,
    seen: usize,
}

/// What the maker and the subscribers share.
struct Stage {
    subscribers: usize,
    period: Duration,
    board: Mutex<Board>,
}

/// Lets so many subscribers watch so many rooms a second come and go.
pub(super) fn run(job: &mut Job<'_>, subscribers: usize, rooms_per_second: f64) -> Result<Findings, BenchError> {
    // The maker of the rooms is a session as well: the first.
    let plan = job.plan(subscribers + 1, 1, Load::Silent);
    let period = Duration::from_secs_f64(1.0 / rooms_per_second);
    let stage = Arc::new(Stage { subscribers, period, board: Mutex::default() });
    let shared = stage.clone();
    let outcome =
        job.play(&plan, "rows/s", move |players, place, phase| play(players, place, phase, shared.clone()))?;
    let board = std::mem::take(&mut *stage.board.lock().unwrap_or_else(PoisonError::into_inner));
    let mut findings = Findings { course_unit: "rows/s", ..Findings::default() };
    let lost: usize = board.rooms.iter().map(|row| subscribers.saturating_sub(row.seen)).sum();
    let seconds = outcome.measured.as_secs_f64();
    findings.add("subscribers", "subscribers of the list", subscribers as f64, "");
    findings.add("rooms", "rooms made in all", board.rooms.len() as f64, "");
    findings.add("pushes_per_second", "pushes: changes told to a subscriber", board.pushes as f64 / seconds, "/s");
    findings.add("rows_per_second", "rows of new rooms in them", outcome.rate(), "/s");
    findings.add_server(&outcome, &PER_ROW);
    findings.add("lost", "rows lost", lost as f64, "");
    findings.add("duplicated", "rows told again", board.duplicated as f64, "");
    findings.add_generator(&outcome);
    if lost > 0 || board.duplicated > 0 {
        findings.failures.push(format!("The list was wrong: {lost} rows lost, {} told again.", board.duplicated));
    }
    if outcome.delivered_in_all == 0 {
        findings.failures.push("No row was told.".to_owned());
    }
    let meaning = "from asking for a room until a subscriber has its row; the server gathers changes for about 50 ms";
    findings.times.push(Times { key: "row", name: "Row", latencies: outcome.latencies, meaning });
    let meaning = "from asking for a room until every subscriber has its row";
    findings.times.push(Times { key: "everybody", name: "Everybody's row", latencies: board.everybody, meaning });
    findings.course = outcome.course;
    Ok(findings)
}

const PER_ROW: PerServer = PerServer {
    rate_key: "rows_per_cpu_second",
    rate_name: "rows per second of the server's CPU",
    cpu_key: "cpu_us_per_row",
    cpu_name: "server's CPU per row",
};

async fn play(
    players: Rc<Players>,
    place: usize,
    mut phase: watch::Receiver<Phase>,
    stage: Arc<Stage>,
) -> Result<(), BenchError> {
    let mut client = players.enter(place, Destination::Lobby).await?;
    let (session, _) = players.meter.borrow().place(place);
    if session == 0 {
        begin(&players, &mut phase).await?;
        Maker { players: &players, stage: &stage, rooms: VecDeque::new() }.make(&mut client, &mut phase).await?;
    } else {
        let subscribe =
            client.session.request("subscribe_rooms", &SubscribeRooms { game: Some("relay".to_owned()) })?;
        client.say(&subscribe).await?;
        client.until("subscribe_rooms_result").await?;
        players.shared.entered.fetch_add(1, SeqCst);
        look(&players, &mut client, &mut phase, &stage).await?;
    }
    client.leave().await;
    Ok(())
}

/// Watches the list.
async fn look(
    players: &Players,
    client: &mut Client,
    phase: &mut watch::Receiver<Phase>,
    stage: &Stage,
) -> Result<(), BenchError> {
    let mut seen: Vec<bool> = Vec::new();
    loop {
        let see = |message: &Envelope<'_>| {
            if let ("rooms_changed", Ok(changed)) = (&*message.kind, message.data.decode()) {
                see(players, stage, &changed, &mut seen);
            }
        };
        tokio::select! {
            biased;
            over = phase.wait_for(|phase| *phase == Phase::Over) => return over.map(|_| ()).map_err(BenchError::failed),
            heard = client.hear(see) => drop(heard?),
        }
    }
}

fn see(players: &Players, stage: &Stage, changed: &RoomsChanged, seen: &mut Vec<bool>) {
    let now_us = players.shared.now_us();
    let mut board = stage.board.lock().unwrap_or_else(PoisonError::into_inner);
    let board = &mut *board;
    if players.shared.counts(now_us) {
        board.pushes += 1;
    }
    for room in &changed.added {
        let Some(number) = room.name.strip_prefix(NAME).and_then(|number| number.parse::<usize>().ok()) else {
            continue;
        };
        let Some(row) = board.rooms.get_mut(number) else { continue };
        if seen.len() <= number {
            seen.resize(number + 1, false);
        }
        if std::mem::replace(&mut seen[number], true) {
            board.duplicated += 1;
            continue;
        }
        row.seen += 1;
        players.meter.borrow_mut().did(row.begin_us);
        if row.seen == stage.subscribers && players.shared.counts(row.begin_us) {
            board.everybody.record_us(now_us.saturating_sub(row.begin_us));
        }
    }
}

/// Who makes the rooms, and leaves them again.
struct Maker<'a> {
    players: &'a Players,
    stage: &'a Stage,
    /// The rooms that are there, and until when; the oldest in front.
    rooms: VecDeque<(Instant, RoomId)>,
}

impl Maker<'_> {
    async fn make(&mut self, client: &mut Client, phase: &mut watch::Receiver<Phase>) -> Result<(), BenchError> {
        let life = self.life(client)?;
        let mut next = Instant::now();
        loop {
            let is_sending = self.players.shared.phase().is_sending();
            let leaving = self.rooms.front().map(|(until, _)| *until);
            let wake = leaving.into_iter().chain(is_sending.then_some(next)).min();
            let wake = wake.unwrap_or_else(|| Instant::now() + LIFE);
            tokio::select! {
                biased;
                over = phase.wait_for(|phase| *phase == Phase::Over) => {
                    return over.map(|_| ()).map_err(BenchError::failed);
                }
                () = sleep_until(wake) => {
                    if let Some((until, _)) = self.rooms.front() && *until <= Instant::now() {
                        self.leave_first(client).await?;
                    } else if is_sending && next <= Instant::now() {
                        next += self.stage.period;
                        self.open(client, life).await?;
                    }
                }
                // A session with no room hears the end of the server here.
                heard = client.hear(|_| {}) => drop(heard?),
            }
        }
    }

    /// How long each room may be there, with as many rooms at a time as the server allows to a session.
    fn life(&self, client: &Client) -> Result<Duration, BenchError> {
        let accepted = client.session.accepted.as_ref();
        let rooms_max = accepted.map_or(1, |accepted| accepted.limits.rooms_max.saturating_sub(1)).max(1);
        let life = LIFE.min(self.stage.period * rooms_max);
        if life < LIFE_MIN {
            let rate = f64::from(rooms_max) / LIFE_MIN.as_secs_f64();
            return Err(BenchError::failed(format_args!(
                "this server lets a session be in so few rooms that it can make only {rate:.0} a second; ask for fewer with --rooms-per-second"
            )));
        }
        Ok(life)
    }

    async fn open(&mut self, client: &mut Client, life: Duration) -> Result<(), BenchError> {
        let number = {
            let mut board = self.stage.board.lock().unwrap_or_else(PoisonError::into_inner);
            board.rooms.push(Row { begin_us: self.players.shared.now_us(), seen: 0 });
            board.rooms.len() - 1
        };
        self.players.meter.borrow_mut().expects(self.stage.subscribers as u64);
        let create =
            CreateRoom { game: "relay".to_owned(), name: Some(format!("{NAME}{number}")), ..CreateRoom::default() };
        let request = client.session.request("create_room", &create)?;
        client.say(&request).await?;
        client.arrive().await?;
        if let Some((room_id, _)) = client.session.room {
            self.rooms.push_back((Instant::now() + life, room_id));
        }
        Ok(())
    }

    async fn leave_first(&mut self, client: &mut Client) -> Result<(), BenchError> {
        let Some((_, room_id)) = self.rooms.pop_front() else { return Ok(()) };
        let leave = client.session.request("leave_room", &LeaveRoom { room_id: Some(room_id) })?;
        client.say(&leave).await?;
        client.until("leave_room_result").await
    }
}
