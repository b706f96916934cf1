//! Quiet rooms: two players each, who move by a plan.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use anteroom_bench::{BODY, CoreTime, Stamp};
use anteroom_protocol::{BatchBuilder, Codec, RoomId};
use anyhow::{Context, Result, bail};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{spawn_blocking, spawn_local};
use tokio::time::{Instant, sleep};

use super::tally::{Beat, Tally};
use crate::carrier::{Carrier, Reach};
use crate::entry::Destination;
use crate::member::Member;
use crate::pace::{AHEAD_MAX, Pace};
use crate::resuming::now_us;
use crate::servers::Server;

/// How many quiet rooms there are. Each player moves every 50 ms then.
pub(super) const ROOMS: usize = 10;
const PLAYERS: usize = 2;
/// Time between two moves, of all together: the same number is there sooner than in one room.
const PERIOD: Duration = Duration::from_micros(2500);
/// In one room players move every 10 ms.
const PERIOD_ALONE: Duration = Duration::from_millis(5);
/// How many moves count, and how many there are before.
const MOVES: usize = 2000;
const FIRST: usize = 200;
/// How long the last moves may take to arrive.
const TAIL_MAX: Duration = Duration::from_secs(5);

/// All players, who listen all the time.
pub(super) struct Table {
    rooms: Vec<RoomId>,
    /// Each player's, who are told when to move; players of a room are neighbours.
    turns: Vec<Sender<u64>>,
    tally: Rc<RefCell<Tally>>,
    /// The server's process.
    pid: u32,
}

impl Table {
    pub(super) async fn open(server: &Server, rooms: usize) -> Result<Self> {
        let reach = Reach::new(Carrier::Ws, server.addr, None, rooms * PLAYERS)?;
        let mut table = Self { rooms: Vec::new(), turns: Vec::new(), tally: Rc::default(), pid: server.pid() };
        for _ in 0..rooms {
            let mut destination = Destination::NewRoom;
            for _ in 0..PLAYERS {
                let place = table.turns.len();
                let member = Member::enter(reach.dial(place).await?, destination).await?;
                destination = Destination::Room(member.room_id);
                let (turns, told) = channel(AHEAD_MAX);
                table.turns.push(turns);
                let (tally, room_id) = (table.tally.clone(), member.room_id);
                if place.is_multiple_of(PLAYERS) {
                    table.rooms.push(room_id);
                }
                spawn_local(async move {
                    let played = Player { place, member, tally: tally.clone() }.play(told).await;
                    if let Err(error) = played {
                        tally.borrow_mut().failure.get_or_insert_with(|| format!("{error:#}"));
                    }
                });
            }
        }
        Ok(table)
    }

    /// The first room.
    pub(super) fn room_id(&self) -> Result<RoomId> {
        self.rooms.first().copied().context("there is no room")
    }

    /// Lets everybody move, and says how that went.
    pub(super) async fn measure(&self) -> Result<Beat> {
        let period = if self.rooms.len() == 1 { PERIOD_ALONE } else { PERIOD };
        let pace = Pace { start_us: now_us(), period, count: FIRST + MOVES };
        self.tally.borrow_mut().begin(pace.due_us(FIRST));
        let turns = self.turns.clone();
        let before = CoreTime::of(self.pid)?;
        spawn_blocking(move || pace.tell(&turns)).await?;
        let (core, time) = (CoreTime::of(self.pid)?.since(before), pace.time());
        let end = Instant::now() + TAIL_MAX;
        while Instant::now() < end && !self.is_over() {
            sleep(Duration::from_millis(20)).await;
        }
        let mut tally = self.tally.borrow_mut();
        let beat = Beat {
            server_share: core.used.div_duration_f64(time),
            waited_share: core.waited.div_duration_f64(time),
            ..tally.end(now_us())
        };
        match &tally.failure {
            Some(failure) => bail!("a player had to go: {failure}"),
            None => Ok(beat),
        }
    }

    fn is_over(&self) -> bool {
        let tally = self.tally.borrow();
        tally.failure.is_some() || tally.is_complete()
    }
}

struct Player {
    place: usize,
    member: Member,
    tally: Rc<RefCell<Tally>>,
}

impl Player {
    async fn play(mut self, mut told: Receiver<u64>) -> Result<()> {
        let mut number = 0;
        loop {
            tokio::select! {
                event = self.member.next() => {
                    let (tally, place) = (&self.tally, self.place);
                    self.member
                        .take(event?, |message| {
                            let mut tally = tally.borrow_mut();
                            if message.error.is_some() {
                                let number = message.reference.as_ref().and_then(|mark| mark.as_str().parse().ok());
                                number.into_iter().for_each(|number| tally.is_refused((place, number)));
                                return;
                            }
                            let anteroom_protocol::Data::Json(text) = message.data else { return };
                            for stamp in Stamp::all(text.as_bytes()).filter(|stamp| stamp.sender == place ^ 1) {
                                tally.hears((stamp.sender, stamp.number), now_us());
                            }
                        })
                        .await?;
                }
                due = told.recv() => {
                    let Some(due_us) = due else { return Ok(()) };
                    self.move_now(number, due_us).await?;
                    number += 1;
                }
            }
        }
    }

    async fn move_now(&mut self, number: u32, due_us: u64) -> Result<()> {
        let mut body = BODY.as_bytes().to_vec();
        let start = Stamp::place(&body).context("the body has no stamp")?;
        Stamp { sender: self.place, number, at_us: due_us }.put(&mut body, start);
        let (room_id, body) = (self.member.room_id, String::from_utf8(body)?);
        let message = format!(r#"{{"type":"send","ref":{number},"room_id":"{room_id}","data":{{"payload":{body}}}}}"#);
        let mut batch = BatchBuilder::new(Codec::Json);
        batch.push_encoded(message.as_bytes());
        self.tally.borrow_mut().sends((self.place, number), due_us);
        self.member.say(batch.finish()).await?;
        self.tally.borrow_mut().has_sent(due_us, now_us());
        Ok(())
    }
}
