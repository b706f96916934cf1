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

use crate::error::BenchError;
use crate::idle::begin;
use crate::job::Job;
use crate::outcome::{Latencies, Outcome};
use crate::plan::Load;
use crate::report::{Findings, PerServer, Times};
use crate::session::Destination;
use crate::shared::Phase;
use crate::streams::Players;
use crate::way::Client;

/// How long a room is there, unless the server allows too few rooms for that: longer than changes are gathered.
const LIFE: Duration = Duration::from_millis(500);
const LIFE_MIN: Duration = Duration::from_millis(150);
/// What the rooms of this workload are called, in front of their number.
const NAME: &str = "bench ";

/// What all subscribers have seen of the rooms that were made.
#[derive(Debug, Default)]
struct Board {
    rooms: Vec<Row>,
    /// Rooms that were due up to the end.
    due: u64,
    /// From making a room until everybody saw it.
    everybody: Latencies,
    pushes: u64,
    duplicated: u64,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    due_us: u64,
    seen: usize,
}

/// What the maker and the subscribers share.
struct Stage {
    subscribers: usize,
    period: Duration,
    board: Mutex<Board>,
}

/// Lets so many subscribers watch so many rooms a second come and go.
pub(crate) fn run(job: &mut Job<'_>, subscribers: usize, rooms_per_second: f64) -> Result<Findings, BenchError> {
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
    findings.add("rooms_due", "rooms due in all", board.due as f64, "");
    findings.add("pushes_per_second", "pushes: changes told to a subscriber", board.pushes as f64 / seconds, "/s");
    findings.add("rows_per_second", "rows of new rooms in them", outcome.rate(), "/s");
    findings.add_server(&outcome, &PER_ROW);
    findings.add("lost", "rows lost", lost as f64, "");
    findings.add("duplicated", "rows told again", board.duplicated as f64, "");
    findings.add_generator(&outcome);
    findings.failures.extend(failures(&board, lost, &outcome));
    let meaning = "from when a room was due until a subscriber has its row (corrected for coordinated omission); the \
                   server gathers changes for about 50 ms";
    findings.times.push(Times { key: "row", name: "Row", latencies: outcome.latencies, meaning });
    let meaning = "from when a room was due until every subscriber has its row";
    findings.times.push(Times { key: "everybody", name: "Everybody's row", latencies: board.everybody, meaning });
    findings.course = outcome.course;
    Ok(findings)
}

/// What must not be, each in a sentence.
fn failures(board: &Board, lost: usize, outcome: &Outcome) -> Vec<String> {
    let mut failures = Vec::new();
    if outcome.ended_while_coming && lost > 0 {
        failures.push(format!("{lost} rows had not come when it ended: the server cannot carry this rate."));
    } else if lost > 0 {
        failures.push(format!("The list was wrong: {lost} rows lost."));
    }
    if board.duplicated > 0 {
        failures.push(format!("The list was wrong: {} rows told again.", board.duplicated));
    }
    let made = board.rooms.len() as u64;
    if made < board.due {
        let due = board.due;
        failures
            .push(format!("Only {made} of {due} rooms that were due were made: the server cannot carry this rate."));
    }
    if outcome.measured_nothing() {
        failures.push("No row was told in the measured time.".to_owned());
    }
    failures
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
        let mut maker = Maker::new(&players, &stage, &client)?;
        let made = maker.make(&mut client, &mut phase).await;
        stage.board.lock().unwrap_or_else(PoisonError::into_inner).due = maker.due_by_now();
        made?;
    } else {
        let subscribe = client
            .session
            .request("subscribe_rooms", &SubscribeRooms { game: Some("relay".to_owned()), filter: None })?;
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
        players.meter.borrow_mut().did(row.due_us);
        if row.seen == stage.subscribers && players.shared.counts(row.due_us) {
            board.everybody.record_us(now_us.saturating_sub(row.due_us));
        }
    }
}

/// Who makes the rooms, and leaves them again.
struct Maker<'a> {
    players: &'a Players,
    stage: &'a Stage,
    /// How many rooms there may be at a time, and how long each is there.
    rooms_max: usize,
    life: Duration,
    /// The rooms that are there, and since when; the oldest in front.
    rooms: VecDeque<(Instant, RoomId)>,
    made: u64,
    /// Rooms whose rows the end waits for.
    expected: u64,
}

impl<'a> Maker<'a> {
    fn new(players: &'a Players, stage: &'a Stage, client: &Client) -> Result<Self, BenchError> {
        let rooms_max = client.session.rooms_max().map_or(1, |rooms_max| rooms_max.saturating_sub(1)).max(1);
        let life = LIFE.min(stage.period * rooms_max);
        if life < LIFE_MIN {
            let rate = f64::from(rooms_max) / LIFE_MIN.as_secs_f64();
            return Err(BenchError::failed(format_args!(
                "this server lets a session be in so few rooms that it can make only {rate:.0} a second; ask for fewer with --rooms-per-second"
            )));
        }
        let rooms_max = rooms_max as usize;
        Ok(Self { players, stage, rooms_max, life, rooms: VecDeque::new(), made: 0, expected: 0 })
    }

    /// What was due before the end is made even if it is late.
    async fn make(&mut self, client: &mut Client, phase: &mut watch::Receiver<Phase>) -> Result<(), BenchError> {
        loop {
            self.expect();
            let (leaving, making) = (self.leaving(), self.making());
            let wake = leaving.into_iter().chain(making).min().unwrap_or_else(|| Instant::now() + LIFE);
            let is_now = |moment: Option<Instant>| moment.is_some_and(|moment| moment <= Instant::now());
            tokio::select! {
                biased;
                over = phase.wait_for(|phase| *phase == Phase::Over) => {
                    return over.map(|_| ()).map_err(BenchError::failed);
                }
                () = sleep_until(wake) => {
                    if is_now(leaving) || self.is_full() && is_now(making) {
                        self.leave_first(client).await?;
                    } else if is_now(making) {
                        self.open(client).await?;
                    }
                }
                // A session with no room hears the end of the server here.
                heard = client.hear(|_| {}) => drop(heard?),
            }
        }
    }

    fn is_full(&self) -> bool {
        self.rooms.len() >= self.rooms_max
    }

    /// When the oldest room has been there for long enough.
    fn leaving(&self) -> Option<Instant> {
        self.rooms.front().map(|(since, _)| *since + self.life)
    }

    /// When the next room is made. Where there are as many as there may be, the oldest makes room for it, but not before
    /// everybody can have been told of it.
    fn making(&self) -> Option<Instant> {
        let due_us = self.due_us(self.made);
        let shared = &self.players.shared;
        if !shared.phase().is_sending() && due_us > shared.sends_until_us() {
            return None;
        }
        let due = Instant::now() + Duration::from_micros(due_us.saturating_sub(shared.now_us()));
        let free = self.rooms.front().filter(|_| self.is_full()).map(|(since, _)| *since + LIFE_MIN);
        Some(free.map_or(due, |free| free.max(due)))
    }

    /// When a room is due.
    fn due_us(&self, number: u64) -> u64 {
        self.players.shared.begin_us() + (number as f64 * self.stage.period.as_secs_f64() * 1e6) as u64
    }

    /// How many rooms have been due up to now, or to the end of the sending.
    fn due_by_now(&self) -> u64 {
        let shared = &self.players.shared;
        let passed_us = shared.sends_until_us().saturating_sub(shared.begin_us());
        let mut count = (passed_us as f64 / 1e6 / self.stage.period.as_secs_f64()) as u64;
        // The quotient may be off by one where a room is due at just that moment.
        while self.due_us(count) <= shared.sends_until_us() {
            count += 1;
        }
        count
    }

    /// Lets the end wait for the rows of all rooms that have been due.
    fn expect(&mut self) {
        let due = self.due_by_now();
        let more = due.saturating_sub(self.expected);
        self.expected += more;
        self.players.meter.borrow_mut().expects(more * self.stage.subscribers as u64);
    }

    async fn open(&mut self, client: &mut Client) -> Result<(), BenchError> {
        // It may have become due since this was looked at.
        self.expect();
        let (number, due_us) = (self.made, self.due_us(self.made));
        self.made += 1;
        self.stage.board.lock().unwrap_or_else(PoisonError::into_inner).rooms.push(Row { due_us, seen: 0 });
        self.players.meter.borrow_mut().begins(due_us);
        let create =
            CreateRoom { game: "relay".to_owned(), name: Some(format!("{NAME}{number}")), ..CreateRoom::default() };
        let request = client.session.request("create_room", &create)?;
        client.say(&request).await?;
        client.arrive().await?;
        if let Some((room_id, _)) = client.session.room {
            self.rooms.push_back((Instant::now(), room_id));
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
