//! What it costs a server to open a room and let somebody else in, with more and more rooms there.

use std::thread::sleep;
use std::time::Duration;

use anteroom_bench::CoreTime;
use anteroom_client::session::{Arrival, Session, is_farewell};
use anteroom_protocol::codec::Body;
use anteroom_protocol::envelope::decode_batch;
use anteroom_protocol::message::request::{CreateRoom, JoinRoom, LeaveRoom};
use anteroom_protocol::{Batch, Codec, Header, LaneId, RoomId};
use anyhow::{Context, Result, ensure};

use crate::entry::FIRST_PIPE;
use crate::frames::Dialed;
use crate::resuming::now_ms;
use crate::servers::Server;
use crate::socket;

/// How many rooms there are besides.
pub(crate) const ROOMS: [u32; 4] = [10, 100, 1000, 5000];
/// Rooms that one session opens; the server's bound for a session is 16.
const ROOMS_OF_SESSION: u32 = 10;
/// How often somebody comes and goes.
const TURNS: u32 = 500;
const FIRST: u32 = 50;
const SETTLE: Duration = Duration::from_millis(300);

/// Server CPU for a room that is created, joined, and left by both, in microseconds: by the number of rooms besides.
pub(crate) fn run(server: &Server) -> Result<Vec<(u32, f64)>> {
    let mut creator = Guest::enter(server)?;
    let mut joiner = Guest::enter(server)?;
    let mut others: Vec<Guest> = Vec::new();
    let mut rooms = 0;
    let mut costs = Vec::new();
    for count in ROOMS {
        while rooms < count {
            let mut other = Guest::enter(server)?;
            for _ in 0..ROOMS_OF_SESSION.min(count - rooms) {
                other.create()?;
                rooms += 1;
            }
            others.push(other);
        }
        sleep(SETTLE);
        let mut turns = |count: u32| (0..count).try_for_each(|_| turn(&mut creator, &mut joiner));
        turns(FIRST)?;
        let before = CoreTime::of(server.pid())?;
        turns(TURNS)?;
        let used = CoreTime::of(server.pid())?.since(before).used;
        costs.push((count, used.as_secs_f64() * 1e6 / f64::from(TURNS)));
    }
    Ok(costs)
}

/// One room's life.
fn turn(creator: &mut Guest, joiner: &mut Guest) -> Result<()> {
    let room_id = creator.create()?;
    joiner.join(room_id)?;
    joiner.leave(room_id)?;
    creator.leave(room_id)
}

/// A session that comes and goes, and acknowledges all that it hears.
struct Guest {
    dialed: Dialed,
    session: Session,
}

impl Guest {
    fn enter(server: &Server) -> Result<Self> {
        let (dialed, session) = socket::open(server.addr)?;
        Ok(Self { dialed, session })
    }

    fn create(&mut self) -> Result<RoomId> {
        self.ask("create_room", &CreateRoom { game: "relay".to_owned(), ..CreateRoom::default() })
    }

    fn join(&mut self, room_id: RoomId) -> Result<()> {
        self.ask("join_room", &JoinRoom { room_id: Some(room_id.to_string()), ..JoinRoom::default() })?;
        Ok(())
    }

    fn leave(&mut self, room_id: RoomId) -> Result<()> {
        self.ask("leave_room", &LeaveRoom { room_id: Some(room_id) })?;
        Ok(())
    }

    /// Asks for something and waits for the result; gives the room that it is about.
    fn ask(&mut self, kind: &str, request: &impl Body) -> Result<RoomId> {
        let reference = 1.into();
        let header = Header { reference: Some(&reference), ..Header::new(kind) };
        self.dialed.say(Batch::one(Codec::Json, &header, request)?.payload())?;
        let result = format!("{kind}_result");
        let Self { dialed, session } = self;
        let mut answered = None;
        while answered.is_none() {
            let mut heard = Ok(());
            dialed.hear(|payload| {
                if heard.is_ok() {
                    heard = hear(session, payload, &result, &mut answered);
                }
            })?;
            heard?;
        }
        if let Some(ack) = session.ack(now_ms()) {
            dialed.say(Batch::one(Codec::Json, &Header::new("ack"), &ack)?.payload())?;
        }
        answered.context("a result about no room")
    }
}

/// Takes a payload; notes the room of the result that is waited for.
fn hear(session: &mut Session, payload: &[u8], result: &str, answered: &mut Option<RoomId>) -> Result<()> {
    for message in decode_batch(Codec::Json, payload)? {
        let message = message?;
        ensure!(message.error.is_none(), "the server refuses: {:?}", message.error);
        let Arrival::Deliver(lane) = session.arrive(now_ms(), FIRST_PIPE, None, &message)? else { continue };
        if message.kind == result {
            *answered = message.room_id.as_deref().map(str::parse).transpose()?;
        }
        if lane != LaneId::CONTROL && is_farewell(&message) {
            session.end_lane(lane);
        }
    }
    Ok(())
}
