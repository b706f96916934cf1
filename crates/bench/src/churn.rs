//! The workload `churn`: players who join a room, leave it, lose the connection and resume their session, over and over.

use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anteroom_protocol::message::request::{JoinRoom, LeaveRoom};
use anteroom_protocol::{Codec, Json};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::error::BenchError;
use crate::idle::{begin, wait_for_end};
use crate::job::Job;
use crate::outcome::Latencies;
use crate::plan::Load;
use crate::report::{Findings, PerServer, Times};
use crate::session::Destination;
use crate::shared::Phase;
use crate::streams::Players;
use crate::way::Client;

/// Members of a room: one stays, so that the room does, and the others come and go.
const MEMBERS: usize = 8;
/// How long a player waits whose turn went wrong.
const PAUSE: Duration = Duration::from_millis(50);

/// What the turns of all players came to, besides the cycles that the meters count.
#[derive(Debug, Default)]
struct Turns {
    joins: Latencies,
    reconnects: Latencies,
    errors: u64,
    first_error: Option<String>,
}

/// Lets about so many players come and go.
pub(crate) fn run(job: &mut Job<'_>, sessions: usize) -> Result<Findings, BenchError> {
    let guests = sessions.min(MEMBERS - 1);
    let plan = job.plan(sessions.div_ceil(guests), guests + 1, Load::Silent);
    let turns = Arc::new(Mutex::new(Turns::default()));
    let shared = turns.clone();
    let outcome =
        job.play(&plan, "cycles/s", move |players, place, phase| visit(players, place, phase, shared.clone()))?;
    let turns = std::mem::take(&mut *turns.lock().unwrap_or_else(PoisonError::into_inner));
    let mut findings = Findings { course_unit: "cycles/s", ..Findings::default() };
    findings.add("sessions", "sessions that come and go", (plan.rooms * guests) as f64, "");
    findings.add("rooms", "rooms, each with one who stays", plan.rooms as f64, "");
    findings.add("cycles_per_second", "cycles: join, leave, lose, reconnect", outcome.rate(), "/s");
    findings.add("cycles", "cycles in all, with the warm-up", outcome.delivered_in_all as f64, "");
    findings.add("errors", "errors", turns.errors as f64, "");
    findings.add_server(&outcome, &PER_CYCLE);
    findings.add_generator(&outcome);
    if let Some(error) = turns.first_error {
        findings.failures.push(format!("{} cycles failed; the first: {error}.", turns.errors));
    }
    if outcome.measured_nothing() {
        findings.failures.push("No cycle was completed in the measured time.".to_owned());
    }
    for (key, name, latencies, meaning) in [
        ("cycle", "Cycle", outcome.latencies, "from asking to join until the session is resumed, in a closed loop"),
        ("join", "Join", turns.joins, "from asking to the answer"),
        ("reconnect", "Reconnect", turns.reconnects, "from dialing to the session being resumed"),
    ] {
        findings.times.push(Times { key, name, latencies, meaning });
    }
    findings.course = outcome.course;
    Ok(findings)
}

const PER_CYCLE: PerServer = PerServer {
    rate_key: "cycles_per_cpu_second",
    rate_name: "cycles per second of the server's CPU",
    cpu_key: "cpu_us_per_cycle",
    cpu_name: "server's CPU per cycle",
};

async fn visit(
    players: Rc<Players>,
    place: usize,
    mut phase: watch::Receiver<Phase>,
    turns: Arc<Mutex<Turns>>,
) -> Result<(), BenchError> {
    let (room, seat) = players.meter.borrow().place(place);
    if seat == 0 {
        return stay(&players, place, &mut phase).await;
    }
    let Destination::Room(room_id) = players.key(room).await? else { return Ok(()) };
    let mut client = players.enter(place, Destination::Lobby).await?;
    begin(&players, &mut phase).await?;
    while players.shared.phase().is_sending() {
        match turn(&players, place, client, &room_id, &turns).await {
            Ok(resumed) => client = resumed,
            Err(error) => {
                {
                    let mut turns = turns.lock().unwrap_or_else(PoisonError::into_inner);
                    turns.errors += 1;
                    turns.first_error.get_or_insert(error.to_string());
                }
                sleep(PAUSE).await;
                // A server that is gone ends the run here.
                client = players.enter(place, Destination::Lobby).await?;
            }
        }
    }
    client.leave().await;
    Ok(())
}

/// Makes the room and stays in it.
async fn stay(players: &Players, place: usize, phase: &mut watch::Receiver<Phase>) -> Result<(), BenchError> {
    let options = Json::from_text(format!(r#"{{"members_max":{MEMBERS}}}"#)).map_err(BenchError::failed)?;
    let mut client = players.enter(place, Destination::New(Some(options), None)).await?;
    players.set_key(place, &client);
    players.shared.entered.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    wait_for_end(&mut client, phase).await?;
    client.leave().await;
    Ok(())
}

/// One cycle; gives the session on its new connection.
async fn turn(
    players: &Players,
    place: usize,
    mut client: Client,
    room_id: &str,
    turns: &Mutex<Turns>,
) -> Result<Client, BenchError> {
    let begin_us = players.shared.now_us();
    let join = JoinRoom { room_id: Some(room_id.to_owned()), ..JoinRoom::default() };
    let request = client.session.request("join_room", &join)?;
    client.say(&request).await?;
    client.arrive().await?;
    let joined_us = players.shared.now_us();
    let leave = LeaveRoom { room_id: client.session.room.map(|(room_id, _)| room_id) };
    let request = client.session.request("leave_room", &leave)?;
    client.say(&request).await?;
    client.until("leave_room_result").await?;
    let lost_us = players.shared.now_us();
    let Client { connection, session, start } = client;
    drop(connection);
    let connection = players.way.dial(players.dialer(place)).await?;
    let mut client = Client { connection, session, start };
    let reconnect = client.session.reconnect()?;
    client.send(Codec::Json, &reconnect).await?;
    client.arrive().await?;
    players.meter.borrow_mut().did(begin_us);
    if players.shared.counts(begin_us) {
        let mut turns = turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.joins.record_us(joined_us - begin_us);
        turns.reconnects.record_us(players.shared.now_us() - lost_us);
    }
    Ok(client)
}
