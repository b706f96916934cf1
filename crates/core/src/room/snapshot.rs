//! A room as it is between two turns, in a form that can be stored, and the room that is made of it again.
//!
//! A restored room goes on as the one it was taken from would have: the same commands at the same times yield the same
//! flushes. Left out is what only a report shows (the last inputs), and what was said and is still kept on members'
//! lanes.

use std::collections::BTreeMap;

use anteroom_protocol::codec::InvalidData;
use anteroom_protocol::message::{Role, RoomState, Visibility};
use anteroom_protocol::{Codec, Json, LaneId, RoomId, SessionId, UserId, json};
use serde::{Deserialize, Serialize};

use super::absence::Absence;
use super::bots::Bots;
use super::chat::Talk;
use super::delay::Delayed;
use super::doors::Doors;
use super::lifecycle::Stay;
use super::log::HIDDEN;
use super::people::Person;
use super::record::Record;
use super::seats::SeatPlan;
use super::shared::Shared;
use super::watching::Watching;
use super::{Member, MemberId, Room, RoomPolicy, SPECTATORS_MAX, Secrets};
use crate::flush::Said;
use crate::game::{GameSnapshot, Kind, Occupant, Seat, Seating, Stage};
use crate::replay::Header;
use crate::rng::Rng;
use crate::room::inputs::RecentInputs;
use crate::time::Time;

/// Which shape a snapshot has; raised whenever that changes.
const FORMAT: u16 = 3;

/// How large a stored snapshot may be, in bytes.
pub const SNAPSHOT_BYTES_MAX: usize = 16 << 20;

/// No counter gets that far by counting, so what is above it was made up; below it counting on is safe.
const COUNT_MAX: u64 = u64::MAX / 2;

/// A room as it is between two turns; see [`Room::snapshot`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    format: u16,
    game: String,
    version: u16,
    room_id: RoomId,
    name: String,
    options: Option<Json>,
    seed: u64,
    durable: bool,
    policy: RoomPolicy,
    state: RoomState,
    now: Time,
    next_tick: Option<Time>,
    rng: Rng,
    rules: GameSnapshot,
    seats: Vec<(Seat, Occupant)>,
    former: Vec<(Seat, UserId)>,
    members: Vec<Kept>,
    people: Shared<BTreeMap<UserId, Person>>,
    people_ever: u32,
    record: Shared<Record>,
    stay: Stay,
    doors: Shared<Doors>,
    plan: Shared<SeatPlan>,
    bots: Shared<Bots>,
    absence: Shared<Absence>,
    talk: Shared<Talk>,
    watching: Shared<Watching>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delayed: Option<Box<Delayed>>,
    members_ever: u64,
    turnover: u64,
    listed: Option<(u64, RoomState)>,
    flushes: u64,
}

/// A member in a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    id: MemberId,
    user_id: UserId,
    username: String,
    seat: Option<Seat>,
    lane: LaneId,
    codec: Codec,
    connected: bool,
    session_id: Option<SessionId>,
    n: Option<u64>,
    applied: u64,
}

/// Why there is no snapshot of a room.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// Something has happened since the last flush.
    #[error("the room is in the middle of a turn")]
    Unfinished,
    /// It is over.
    #[error("the room has closed")]
    Closed,
    /// The game's state has no JSON form, such as a map whose keys are no strings, or one that nests too deeply.
    #[error("the game's state cannot be stored: {0}")]
    Unencodable(#[from] InvalidData),
    /// Nobody would read it.
    #[error("the room takes {bytes} bytes; {SNAPSHOT_BYTES_MAX} are allowed")]
    TooLarge {
        /// How large it is.
        bytes: usize,
    },
}

/// Why a room cannot be restored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The snapshot is of another format.
    #[error("the snapshot has format {0}; {FORMAT} is known")]
    OtherFormat(u16),
    /// It is a snapshot of another game.
    #[error("the snapshot is one of {found}, not of {expected}")]
    OtherGame {
        /// The game that it is of.
        found: String,
        /// The game that was to be restored.
        expected: &'static str,
    },
    /// The game has changed since, and does not [migrate](crate::Game::migrate) from there.
    #[error("the snapshot is of version {found} of {game}; this is version {expected}")]
    OtherVersion {
        /// The game.
        game: &'static str,
        /// The version that the snapshot is of.
        found: u16,
        /// The version that there is.
        expected: u16,
    },
    /// No room can have been like that.
    #[error("the snapshot is damaged: {0}")]
    Damaged(String),
}

impl RestoreError {
    fn damaged(why: impl ToString) -> Self {
        Self::Damaged(why.to_string())
    }
}

impl Snapshot {
    /// The game that the room plays.
    #[must_use]
    pub fn game(&self) -> &str {
        &self.game
    }

    /// The version of the game that stored it.
    #[must_use]
    pub fn version(&self) -> u16 {
        self.version
    }

    /// The room's id.
    #[must_use]
    pub fn room_id(&self) -> RoomId {
        self.room_id
    }

    /// Appends the stored form, which is JSON.
    ///
    /// # Errors
    /// [`InvalidData`] if it cannot be encoded, which does not happen.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), SnapshotError> {
        let start = out.len();
        json::encode(self, out)?;
        let bytes = out.len() - start;
        if bytes > SNAPSHOT_BYTES_MAX {
            out.truncate(start);
            return Err(SnapshotError::TooLarge { bytes });
        }
        Ok(())
    }

    /// Reads what [`Snapshot::encode`] wrote.
    ///
    /// # Errors
    /// [`RestoreError::OtherFormat`] and [`RestoreError::Damaged`], also above [`SNAPSHOT_BYTES_MAX`].
    pub fn decode(bytes: &[u8]) -> Result<Self, RestoreError> {
        /// What every format begins with.
        #[derive(Deserialize)]
        struct Head {
            format: u16,
        }
        if bytes.len() > SNAPSHOT_BYTES_MAX {
            return Err(RestoreError::damaged(format!("{} bytes are too many", bytes.len())));
        }
        let Head { format } = serde_json::from_slice(bytes).map_err(RestoreError::damaged)?;
        if format != FORMAT {
            return Err(RestoreError::OtherFormat(format));
        }
        serde_json::from_slice(bytes).map_err(RestoreError::damaged)
    }

    /// What a recording is of that begins with it.
    #[must_use]
    pub fn header(&self, build: &str) -> Header {
        Header {
            build: build.to_owned(),
            game: self.game.clone(),
            version: self.version,
            room_id: self.room_id,
            room_name: self.name.clone(),
            created_at_ms: self.record.created_at.as_millis(),
            seed: self.seed,
            options: self.options.clone(),
            public: self.is_public(),
        }
    }

    /// Whether everybody finds the room, and nobody is asked for a password.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.record.visibility == Visibility::Public && self.record.password.is_none()
    }

    /// The same without passwords' hashes, the codes of invites, and the ids of sessions. A room that is made of it goes on in the
    /// same way, but that nobody comes in by what was left out.
    #[must_use]
    pub fn without_secrets(mut self, secrets: &mut Secrets) -> Self {
        self.members.iter_mut().for_each(|member| member.session_id = None);
        if self.record.password.is_some() {
            self.record.password = Some(HIDDEN.to_owned());
        }
        self.doors = self.doors.without_secrets(secrets).into();
        self
    }

    /// Whether it says anything of a user: that they are there or were, that a seat is kept for them, that the room is theirs, or
    /// that they are not to come in.
    #[must_use]
    pub fn mentions(&self, user: &UserId) -> bool {
        let seated = self.seats.iter().map(|(_, occupant)| &occupant.user_id);
        let former = self.former.iter().map(|(_, user_id)| user_id);
        let members = self.members.iter().map(|member| &member.user_id);
        seated.chain(former).chain(members).any(|there| there == user)
            || self.people.contains_key(user)
            || self.record.mentions(user)
            || self.doors.mentions(user)
            || self.plan.mentions(user)
            || self.absence.mentions(user)
            || self.talk.mentions(user)
            || self.delayed.as_ref().is_some_and(|delayed| delayed.mentions(user))
    }

    /// Appends the stored form of the same room at the beginning of time: what [`is_as`](Self::is_as) compares, for a hash.
    ///
    /// # Errors
    /// The same as [`encode`](Self::encode).
    pub fn encode_but_for_time(&self, out: &mut Vec<u8>) -> Result<(), SnapshotError> {
        Self { now: Time::from_millis(0), flushes: 0, ..self.clone() }.encode(out)
    }

    /// Whether it is the same as one that was taken before, but for the time and for how often the room has flushed since: then
    /// nothing has happened that has to be stored.
    #[must_use]
    pub fn is_as(&self, before: &Self) -> bool {
        let Self { now: _, flushes: _, .. } = self;
        self.format == before.format
            && self.game == before.game
            && self.version == before.version
            && self.room_id == before.room_id
            && self.name == before.name
            && self.options == before.options
            && self.seed == before.seed
            && self.durable == before.durable
            && self.policy == before.policy
            && self.state == before.state
            && self.next_tick == before.next_tick
            && self.rng == before.rng
            && self.rules == before.rules
            && self.seats == before.seats
            && self.former == before.former
            && self.members == before.members
            && self.people == before.people
            && self.people_ever == before.people_ever
            && self.record == before.record
            && self.stay == before.stay
            && self.doors == before.doors
            && self.plan == before.plan
            && self.bots == before.bots
            && self.absence == before.absence
            && self.talk == before.talk
            && self.watching == before.watching
            && self.delayed == before.delayed
            && self.members_ever == before.members_ever
            && self.turnover == before.turnover
            && self.listed == before.listed
    }

    /// The same in the form of today's version of the game. The game ticks from then on as it does today.
    fn migrated(mut self, kind: &Kind) -> Result<Self, RestoreError> {
        let found = self.version;
        // Of another game, or in another format, it is refused for that.
        if found == kind.version || self.game != kind.name || self.format != FORMAT {
            return Ok(self);
        }
        let other = RestoreError::OtherVersion { game: kind.name, found, expected: kind.version };
        self.rules.state = kind.migrate(found, self.rules.state).ok_or(other)?;
        self.version = kind.version;
        self.next_tick = kind.tick.map(|tick| self.next_tick.unwrap_or(self.now + tick));
        Ok(self)
    }

    fn check(&self, kind: &Kind) -> Result<(), RestoreError> {
        if self.format != FORMAT {
            return Err(RestoreError::OtherFormat(self.format));
        }
        if self.game != kind.name {
            return Err(RestoreError::OtherGame { found: self.game.clone(), expected: kind.name });
        }
        if self.next_tick.is_some() != kind.tick.is_some() {
            return Err(RestoreError::damaged("a game either ticks or does not"));
        }
        let listed = self.listed.map(|(turnover, _)| turnover);
        if [self.members_ever, self.turnover, self.flushes].into_iter().max() > Some(COUNT_MAX)
            || listed > Some(self.turnover)
        {
            return Err(RestoreError::damaged("nothing can be counted that far"));
        }
        if !self.talk.is_sound(COUNT_MAX) {
            return Err(RestoreError::damaged("what was said is not in order"));
        }
        Ok(())
    }
}

impl Room {
    /// The room as it is. Only between turns: after a flush, and before anything else has happened.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn snapshot(&self) -> Result<Snapshot, SnapshotError> {
        if self.closed {
            return Err(SnapshotError::Closed);
        }
        if self.in_turn {
            return Err(SnapshotError::Unfinished);
        }
        self.taken()
    }

    /// The room as it is made, before anything has happened to it. What its game has said by then is not in it, since nobody was there.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn snapshot_at_birth(&self) -> Result<Snapshot, SnapshotError> {
        if self.flushes > 0 || self.members_ever > 0 {
            return Err(SnapshotError::Unfinished);
        }
        self.taken()
    }

    fn taken(&self) -> Result<Snapshot, SnapshotError> {
        let Stage { now, rng, room_id, seating, state, .. } = &self.stage;
        Ok(Snapshot {
            format: FORMAT,
            game: self.kind.name.to_owned(),
            version: self.kind.version,
            room_id: *room_id,
            name: self.name.clone(),
            options: self.options.clone(),
            seed: self.seed,
            durable: self.durable,
            policy: self.policy,
            state: *state,
            now: *now,
            next_tick: self.next_tick,
            rng: rng.clone(),
            rules: self.game.snapshot()?,
            seats: seating.taken().map(|(seat, occupant)| (seat, occupant.clone())).collect(),
            former: seating.former().map(|(seat, user_id)| (seat, user_id.clone())).collect(),
            members: self.members.iter().map(|(id, member)| kept(*id, member)).collect(),
            people: self.people.clone(),
            people_ever: self.people_ever,
            record: self.record.clone(),
            stay: self.stay.clone(),
            doors: self.doors.clone(),
            plan: self.plan.clone(),
            bots: self.bots.clone(),
            absence: self.absence.clone(),
            talk: self.talk.clone(),
            watching: self.watching.clone(),
            delayed: self.delayed.clone(),
            members_ever: self.members_ever,
            turnover: self.turnover,
            listed: self.listed,
            flushes: self.flushes,
        })
    }

    /// Makes the room of a snapshot again, which keeps no log and counts what it says in no tally until it is told to.
    ///
    /// Its time is that of the snapshot, whatever has passed since: what falls due until the next call happens then,
    /// each thing at its own time.
    ///
    /// # Errors
    /// [`RestoreError`]. A game that does not read back what it wrote may panic instead.
    pub fn restore(kind: &Kind, snapshot: Snapshot) -> Result<Self, RestoreError> {
        let snapshot = snapshot.migrated(kind)?;
        snapshot.check(kind)?;
        let Snapshot { room_id, name, options, seed, durable, policy, state, now, next_tick, rng, .. } = snapshot;
        if !rng.is_sound() {
            return Err(RestoreError::damaged("no randomness is all zeros"));
        }
        let seats = kind.seats(options.as_ref()).map_err(RestoreError::damaged)?;
        let flush_mode = kind.flush(options.as_ref()).map_err(RestoreError::damaged)?;
        let seating = Seating::restore(seats.max, snapshot.seats, snapshot.former).map_err(RestoreError::damaged)?;
        let members = restored(snapshot.members, snapshot.members_ever, &seating)?;
        let watching = || members.values().filter(|member| member.seat.is_none());
        let (spectators, here) = (watching().count(), watching().filter(|member| member.connected).count());
        if spectators > usize::from(SPECTATORS_MAX) || policy.spectators_max > SPECTATORS_MAX {
            return Err(RestoreError::damaged("too many spectators"));
        }
        let plays = |seat| {
            let bot = seating.occupant(seat).is_some_and(|there| there.bot);
            bot || snapshot.absence.stands_in(seat)
        };
        let is_away = |seat| seating.occupant(seat).is_some_and(|there| !there.connected);
        if !snapshot.plan.is_sound(seats.max)
            || !snapshot.bots.is_sound(plays)
            || !snapshot.absence.is_sound(state, is_away)
        {
            return Err(RestoreError::damaged("seats that nobody can have left like that"));
        }
        let is_late = !snapshot.record.spectator_delay.is_zero();
        if snapshot.delayed.is_some() != is_late || snapshot.delayed.as_ref().is_some_and(|late| !late.is_sound(now)) {
            return Err(RestoreError::damaged("what those who watch are to see is not in order"));
        }
        let mut said = Said::default();
        if is_late {
            said.withhold();
        }
        for (id, member) in &members {
            let role = if member.seat.is_some() { Role::Player } else { Role::Spectator };
            said.add(*id, role, member.codec);
        }
        Ok(Self {
            name,
            options,
            kind: *kind,
            seed,
            durable,
            seats,
            policy,
            flush_mode,
            stage: Stage {
                now,
                rng,
                room_id,
                owner: snapshot.record.owner.clone(),
                seating,
                state,
                said,
                outcomes: Vec::new(),
            },
            game: kind.restore(&snapshot.rules).map_err(RestoreError::damaged)?,
            members,
            people: snapshot.people,
            people_ever: snapshot.people_ever,
            record: snapshot.record,
            stay: snapshot.stay,
            door_changed: false,
            coming_and_going: Vec::new(),
            doors: snapshot.doors,
            plan: snapshot.plan,
            bots: snapshot.bots,
            absence: snapshot.absence,
            talk: snapshot.talk,
            watching: snapshot.watching,
            delayed: snapshot.delayed,
            members_ever: snapshot.members_ever,
            marks: Vec::new(),
            joining: None,
            next_tick,
            recent: RecentInputs::default(),
            spectators: u16::try_from(spectators).unwrap_or(u16::MAX),
            spectators_here: u16::try_from(here).unwrap_or(u16::MAX),
            turnover: snapshot.turnover,
            listed: snapshot.listed,
            flushes: snapshot.flushes,
            keeps_log: false,
            in_turn: false,
            closed: false,
            ending: None,
        })
    }
}

fn kept(id: MemberId, member: &Member) -> Kept {
    Kept {
        id,
        user_id: member.user_id.clone(),
        username: member.username.clone(),
        seat: member.seat,
        lane: member.lane,
        codec: member.codec,
        connected: member.connected,
        session_id: member.session_id,
        n: member.n,
        applied: member.applied,
    }
}

/// The members, each with the seat that knows them.
fn restored(list: Vec<Kept>, ever: u64, seating: &Seating) -> Result<BTreeMap<MemberId, Member>, RestoreError> {
    let mut members = BTreeMap::new();
    let mut seated = 0;
    for Kept { id, user_id, username, seat, lane, codec, connected, session_id, n, applied } in list {
        if id.0 == 0 || id.0 > ever {
            return Err(RestoreError::damaged("a member whose number was not given out"));
        }
        if let Some(seat) = seat {
            seated += 1;
            let knows =
                |there: &Occupant| there.member == Some(id) && there.user_id == user_id && there.connected == connected;
            if !seating.occupant(seat).is_some_and(knows) {
                return Err(RestoreError::damaged("a member and a seat that do not know each other"));
            }
        }
        let (marked, listed) = (None, true);
        let member = Member { user_id, username, seat, lane, codec, connected, session_id, n, applied, marked, listed };
        if members.insert(id, member).is_some() {
            return Err(RestoreError::damaged("a member who is there twice"));
        }
    }
    let occupied = seating.taken().filter(|(_, occupant)| occupant.member.is_some()).count();
    if seated != occupied {
        return Err(RestoreError::damaged("a seat whose member is not there"));
    }
    Ok(members)
}
