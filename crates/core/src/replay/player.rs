//! Playing a recording: the room is made again, and what comes in comes in again, turn by turn.

use std::collections::BTreeMap;
use std::io::Read;

use anteroom_protocol::message::{Role, RoomState};
use anteroom_protocol::{Codec, Json, Payload, UserId, binary};
use serde::Serialize;

use super::chunk::{Chunks, Found, Kind as Piece};
use super::{EndRecord, Event, Header, ReplayError, TurnRecord, state_of};
use crate::game::{Kind, Registry, Viewer};
use crate::room::{Flush, GameFailure, Log, MemberId, Room, Snapshot};
use crate::time::Time;

/// The room after a turn.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Frame {
    /// Which turn of the recording, from 1 on; 0 is how the recording begins.
    pub turn: u64,
    /// When: milliseconds since the Unix epoch, without the time for which no server ran.
    pub at_ms: u64,
    /// What came in.
    pub events: Vec<Event>,
    /// Where the match stands.
    pub state: RoomState,
    /// Who is in the room.
    pub members: Vec<Present>,
    /// What somebody who watches sees.
    pub view: Json,
}

/// Somebody in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Present {
    /// Who.
    pub user_id: UserId,
    /// The name they are shown by.
    pub username: String,
    /// A player's seat, counted from 0.
    pub seat: Option<u16>,
    /// How they take part.
    pub role: Role,
    /// Whether they have a connection.
    pub connected: bool,
    /// Whether a computer plays.
    pub bot: bool,
}

/// Somebody who has had a seat in what was played so far.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Seated {
    /// The seat, counted from 0.
    pub seat: u16,
    /// Who.
    pub user_id: UserId,
    /// The name they had last.
    pub username: String,
}

/// How a recording ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The room was over, or has gone on elsewhere.
    Closed,
    /// The game failed: what it said.
    Failed(String),
    /// The file ends before its end was written.
    CutShort,
    /// The recording was ended before the room was over: why.
    Stopped(String),
}

/// What comes next in a recording.
#[derive(Debug)]
pub enum Step {
    /// A turn.
    Turn(Frame),
    /// The turn in which the game failed. See whether it does again: [`Player::fail`].
    Failing(Failing),
    /// Nothing more.
    End(Ended),
}

/// A turn in which a game failed.
#[derive(Debug)]
pub struct Failing {
    /// What came in.
    pub events: Vec<Event>,
    why: String,
    log: Box<Log>,
}

impl Failing {
    /// What was said of the failure.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }
}

/// See the module. A game that panics while it is played again panics through here.
pub struct Player<R> {
    chunks: Chunks<R>,
    header: Header,
    kind: Kind,
    room: Room,
    members: BTreeMap<MemberId, UserId>,
    players: BTreeMap<(u16, UserId), String>,
    turn: u64,
    at: u64,
    hashes: u64,
    flush: Flush,
    ended: Option<Ended>,
    /// The first frame, until it is given.
    first: Option<Frame>,
}

impl<R: Read> Player<R> {
    /// Opens a recording of one of these games.
    ///
    /// # Errors
    /// [`ReplayError`]: it is none, or of another format, or of a game or version that is not there.
    pub fn open(games: &Registry, from: R) -> Result<Self, ReplayError> {
        let mut chunks = Chunks::open(from)?;
        let header = header(&mut chunks)?;
        let unknown = |_| ReplayError::UnknownGame(header.game.clone());
        let kind = *games.kind(&header.game).map_err(unknown)?;
        if header.version != kind.version {
            let (game, found, expected) = (header.game, header.version, kind.version);
            return Err(ReplayError::OtherVersion { game, found, expected });
        }
        let room = match chunks.next(0)? {
            Found::Chunk(Piece::Snapshot, bytes) => restored(&kind, bytes, 0)?,
            Found::Chunk(..) => return Err(damaged(0, "it does not begin with the room")),
            Found::Cut => return Err(ReplayError::TooShort),
        };
        let at = header.created_at_ms.max(room.now().as_millis());
        let mut player = Self {
            chunks,
            header,
            kind,
            room,
            members: BTreeMap::new(),
            players: BTreeMap::new(),
            turn: 0,
            at,
            hashes: 0,
            flush: Flush::default(),
            ended: None,
            first: None,
        };
        player.look_around();
        player.first = Some(player.frame(Vec::new())?);
        Ok(player)
    }

    /// What the recording is of.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The room as it is now.
    #[must_use]
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// How many hashes were compared so far.
    #[must_use]
    pub fn hashes(&self) -> u64 {
        self.hashes
    }

    /// Who has had a seat so far, in the order of the seats.
    #[must_use]
    pub fn players(&self) -> Vec<Seated> {
        let seated = |((seat, user_id), username): (&(u16, UserId), &String)| {
            let (seat, user_id, username) = (*seat, user_id.clone(), username.clone());
            Seated { seat, user_id, username }
        };
        self.players.iter().map(seated).collect()
    }

    /// Goes on to the next turn. The first frame is turn 0, before anything has happened. What there is of the next turn is not
    /// looked at before it is asked for, so a whole recording never is in memory.
    ///
    /// # Errors
    /// [`ReplayError::Damaged`], [`ReplayError::Differs`]. The player is of no use then.
    pub fn step(&mut self) -> Result<Step, ReplayError> {
        if let Some(first) = self.first.take() {
            return Ok(Step::Turn(first));
        }
        if let Some(ended) = &self.ended {
            return Ok(Step::End(ended.clone()));
        }
        match self.chunks.next(self.turn)? {
            Found::Cut => self.end(Ended::CutShort),
            Found::Chunk(Piece::Header, _) => Err(damaged(self.turn, "it begins twice")),
            Found::Chunk(Piece::Snapshot, bytes) => {
                self.room = restored(&self.kind, bytes, self.turn)?;
                self.at = self.at.max(self.room.now().as_millis());
                self.members.clear();
                self.look_around();
                self.frame(Vec::new()).map(Step::Turn)
            }
            Found::Chunk(Piece::Turn, bytes) => {
                let record = binary::decode(bytes).map_err(|error| damaged(self.turn, error))?;
                self.take_turn(record)
            }
            Found::Chunk(Piece::End, bytes) => {
                let record: EndRecord = binary::decode(bytes).map_err(|error| damaged(self.turn, error))?;
                if !self.chunks.is_at_end()? {
                    return Err(damaged(self.turn, "it goes on behind its end"));
                }
                match record {
                    EndRecord { ended: 0, .. } => self.end(Ended::Closed),
                    EndRecord { ended: 1, why, log: Some(log) } => {
                        self.ended = Some(Ended::Failed(why.clone()));
                        let events = self.events(&log);
                        Ok(Step::Failing(Failing { events, why, log: Box::new(log) }))
                    }
                    EndRecord { ended: 2, why, .. } => self.end(Ended::Stopped(why)),
                    _ => Err(damaged(self.turn, "it ends as no recording does")),
                }
            }
        }
    }

    fn end(&mut self, ended: Ended) -> Result<Step, ReplayError> {
        self.ended = Some(ended.clone());
        Ok(Step::End(ended))
    }

    fn take_turn(&mut self, TurnRecord { log, state }: TurnRecord) -> Result<Step, ReplayError> {
        let turn = self.turn + 1;
        let events = self.events(&log);
        // One in which nothing came in only says what the room is like.
        if !log.is_empty() {
            self.turn = turn;
            self.at = self.at.max(log.at().map_or(0, Time::as_millis));
            self.flush.clear();
            self.room.replay(&log, &mut self.flush).map_err(|error| damaged(turn, error))?;
            let failure = |failure: GameFailure| damaged(turn, failure);
            self.room.flush(&mut self.flush).map_err(failure)?;
            self.follow();
        }
        if let Some(state) = state {
            self.hashes += 1;
            if self.room.snapshot().ok().as_ref().and_then(state_of) != Some(state) {
                let build = self.header.build.clone();
                return Err(ReplayError::Differs { turn: self.turn, build });
            }
        }
        self.frame(events).map(Step::Turn)
    }

    /// Lets come in what came in when the game failed. It fails again, with an error or a panic, or the game has changed.
    ///
    /// # Errors
    /// How it fails, if it does not panic.
    pub fn fail(&mut self, failing: &Failing) -> Result<(), String> {
        self.flush.clear();
        self.room.replay(&failing.log, &mut self.flush).map_err(|error| error.to_string())?;
        self.room.flush(&mut self.flush).map_err(|failure| failure.to_string())?;
        self.room.snapshot().map(drop).map_err(|error| error.to_string())
    }

    fn events(&self, log: &Log) -> Vec<Event> {
        log.events(&self.kind, &self.members)
    }

    /// Notes who has come in, and who has gone.
    fn follow(&mut self) {
        for answer in &self.flush.answers {
            if let Ok(member) = answer.joined {
                self.members.insert(member, answer.user_id.clone());
            }
        }
        for member in &self.flush.effects.released {
            self.members.remove(member);
        }
        self.note_seats();
    }

    fn look_around(&mut self) {
        self.members.extend(self.room.memberships().map(|there| (there.member, there.user_id)));
        self.note_seats();
    }

    fn note_seats(&mut self) {
        for (seat, there) in self.room.seating().taken() {
            self.players.insert((seat.0, there.user_id.clone()), there.username.clone());
        }
    }

    fn frame(&self, events: Vec<Event>) -> Result<Frame, ReplayError> {
        let view = self.room.view(Viewer::Spectator, Codec::Json).map_err(|failure| damaged(self.turn, failure))?;
        let view = match view {
            Payload::Json(raw) => Json::from_text(raw.get().to_owned()).map_err(|error| damaged(self.turn, error))?,
            Payload::Binary(_) => Json::empty_object(),
        };
        let members = self.room.people_shown().into_iter().map(|member| Present {
            user_id: member.user_id,
            username: member.username,
            seat: member.seat,
            role: member.role,
            connected: member.connected,
            bot: member.bot,
        });
        let (turn, at_ms, state) = (self.turn, self.at, self.room.summary().state);
        Ok(Frame { turn, at_ms, events, state, members: members.collect(), view })
    }
}

pub(super) fn header(chunks: &mut Chunks<impl Read>) -> Result<Header, ReplayError> {
    match chunks.next(0)? {
        Found::Chunk(Piece::Header, bytes) => serde_json::from_slice(bytes).map_err(|error| damaged(0, error)),
        Found::Chunk(..) => Err(damaged(0, "it does not say what it is of")),
        Found::Cut => Err(ReplayError::TooShort),
    }
}

fn restored(kind: &Kind, bytes: &[u8], turn: u64) -> Result<Room, ReplayError> {
    let room = Snapshot::decode(bytes).and_then(|snapshot| Room::restore(kind, snapshot));
    room.map_err(|error| damaged(turn, error))
}

fn damaged(turn: u64, why: impl ToString) -> ReplayError {
    ReplayError::Damaged { turn, why: why.to_string() }
}
