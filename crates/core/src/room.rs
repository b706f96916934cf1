//! One room: who is in it, and the game that is played there.
//!
//! Commands come in with the time at which they happened; what follows from them collects until [`Room::flush`].
//! A room knows members, not connections: whether a member is on QUIC or WebSocket cannot be told from here.

mod absence;
mod asking;
mod bots;
mod chat;
mod clock;
mod command;
mod data;
mod delay;
mod door;
mod doors;
mod erase;
mod inputs;
mod lifecycle;
mod log;
mod looks;
mod membership;
mod people;
mod record;
mod seats;
mod share;
mod shared;
mod snapshot;
mod turn;
mod watching;
mod welcome;

use std::borrow::Cow;
use std::collections::BTreeMap;

use anteroom_protocol::codec::InvalidData;
use anteroom_protocol::envelope::{Empty, Ref};
use anteroom_protocol::limits::{SERVER_FRAME_BYTES_MAX, TYPE_BYTES_MAX};
use anteroom_protocol::message::push::{ClosedReason, RoomClosed};
use anteroom_protocol::message::{Message, RoomState};
use anteroom_protocol::{Codec, Data, ErrorBody, ErrorCode, Header, Json, LaneId, SessionId, UserId};

pub use asking::Ask;
pub use command::{AnswerTo, Command, Join, MemberId, RoomPolicy, RoomSpec};
pub use door::{Door, Knock};
pub use erase::is_named_after;
pub use log::{DamagedLog, Deed, Log, Secrets};
pub use membership::Membership;
use membership::role_of;
pub use record::{Lifecycle, Terms};
pub use share::{Place, Share, WAITING_BYTES_MAX, WAITING_MESSAGES_MAX, Waiting};
pub use snapshot::{RestoreError, SNAPSHOT_BYTES_MAX, Snapshot, SnapshotError};
pub use turn::{Answer, Change, Effects, Flush, Wanted};

use crate::flush::{Mark, Said, To};
use crate::game::{FlushMode, HostedGame, Kind, Seat, Seating, Seats, Stage};
use crate::rng::Rng;
use crate::time::Time;
use absence::Absence;
use bots::Bots;
use chat::Talk;
use delay::Delayed;
use doors::Doors;
use inputs::RecentInputs;
use lifecycle::Stay;
use people::Person;
use record::Record;
use seats::SeatPlan;
use shared::Shared;
use watching::Watching;

/// The most members who only watch, whatever the policy says.
pub const SPECTATORS_MAX: u16 = 20_000;

/// How much may be said before it goes into batches, in bytes of all codecs; one message may be larger.
const SAID_BYTES_MAX: usize = 1 << 20;

#[derive(Debug)]
struct Member {
    user_id: UserId,
    username: String,
    seat: Option<Seat>,
    lane: LaneId,
    codec: Codec,
    connected: bool,
    session_id: Option<SessionId>,
    /// The number of the request to come in.
    n: Option<u64>,
    /// The number of the last message that was acted on or refused.
    applied: u64,
    /// Where among the room's marks that is, if it has changed since the last flush.
    marked: Option<usize>,
    /// Whether the others know them by name. Of one who has gone; else their person says so.
    listed: bool,
}

/// A live instance of a game.
pub struct Room {
    name: String,
    options: Option<Json>,
    kind: Kind,
    /// Where the room's randomness began last.
    seed: u64,
    durable: bool,
    seats: Seats,
    policy: RoomPolicy,
    flush_mode: FlushMode,
    stage: Stage,
    game: Box<dyn HostedGame>,
    members: BTreeMap<MemberId, Member>,
    /// Who is here, by session or by a seat that is kept.
    people: Shared<BTreeMap<UserId, Person>>,
    /// How many stays there were, which numbers them.
    people_ever: u32,
    record: Shared<Record>,
    stay: Stay,
    /// Whether those at the door have to know something else than before.
    door_changed: bool,
    /// Who is in the room since the last flush, or is not any more.
    coming_and_going: Vec<(UserId, bool)>,
    doors: Shared<Doors>,
    plan: Shared<SeatPlan>,
    bots: Shared<Bots>,
    absence: Shared<Absence>,
    talk: Shared<Talk>,
    watching: Shared<Watching>,
    /// What those who watch see, if that is late.
    delayed: Option<Box<Delayed>>,
    /// How many members there ever were, which numbers them.
    members_ever: u64,
    /// The members whose mark has moved since the last flush, and where to.
    marks: Vec<(MemberId, u64)>,
    /// Someone whose join has begun and who has heard nothing yet.
    joining: Option<MemberId>,
    next_tick: Option<Time>,
    recent: RecentInputs,
    spectators: u16,
    /// How many of them have a connection.
    spectators_here: u16,
    /// How often somebody came or went, or lost or found their connection.
    turnover: u64,
    /// What the lobby was told of last: `turnover`, and the state.
    listed: Option<(u64, RoomState)>,
    /// How many flushes there were, which numbers them.
    flushes: u64,
    keeps_log: bool,
    /// Whether something has happened since the last flush.
    in_turn: bool,
    closed: bool,
    /// Why it was closed to everyone, if it was.
    ending: Option<ClosedReason>,
}

impl Room {
    /// Makes a room with nobody in it. Unless it [stays](Lifecycle) while it is empty, it closes at the first flush that finds it
    /// so: let the creator join first.
    ///
    /// # Errors
    /// `invalid_options`, or what the game refuses with.
    pub fn create(kind: &Kind, spec: RoomSpec, now: Time) -> Result<Self, ErrorBody> {
        let seats = kind.seats(spec.options.as_ref())?;
        let flush_mode = kind.flush(spec.options.as_ref())?;
        let mut stage = Stage {
            now,
            rng: Rng::new(spec.seed),
            room_id: spec.room_id,
            owner: None,
            seating: Seating::new(seats.max),
            state: RoomState::Waiting,
            said: Said::default(),
            outcomes: Vec::new(),
        };
        let game = kind.create(spec.options.as_ref(), &mut stage)?;
        let state = stage.state;
        let reserved = spec.terms.reserved.iter().take(usize::from(seats.max)).cloned().collect();
        let spectators_max = spec.policy.spectators_max.min(SPECTATORS_MAX);
        let mut room = Self {
            name: spec.name,
            options: spec.options,
            kind: *kind,
            seed: spec.seed,
            durable: spec.durable,
            seats,
            flush_mode,
            policy: RoomPolicy { spectators_max, ..spec.policy },
            next_tick: kind.tick.map(|tick| now + tick),
            stage,
            game,
            members: BTreeMap::new(),
            people: Shared::default(),
            people_ever: 0,
            record: Record::new(&spec.terms, seats, kind.searchable, now)?.into(),
            stay: Stay::new(now),
            door_changed: true,
            coming_and_going: Vec::new(),
            doors: Shared::default(),
            plan: SeatPlan { reserved, told: state, seen: state, ..SeatPlan::default() }.into(),
            bots: Shared::default(),
            absence: Shared::default(),
            talk: Shared::default(),
            watching: Shared::default(),
            delayed: None,
            members_ever: 0,
            marks: Vec::new(),
            joining: None,
            recent: RecentInputs::default(),
            spectators: 0,
            spectators_here: 0,
            turnover: 0,
            listed: None,
            flushes: 0,
            keeps_log: false,
            // Its game may have said something already.
            in_turn: true,
            closed: false,
            ending: None,
        };
        room.stage.owner.clone_from(&room.record.owner);
        room.begin_delay().map_err(|failure| ErrorBody::new(ErrorCode::Internal, failure.to_string()))?;
        Ok(room)
    }

    /// Lets someone in at a time, and names the membership. The room's time never goes back: what comes with an earlier one
    /// happens now.
    ///
    /// # Errors
    /// Why the room does not let them in. Nothing changed then, except that `internal` means that the game failed,
    /// which the next flush says, too.
    pub fn join(&mut self, now: Time, join: Join, flush: &mut Flush) -> Result<MemberId, ErrorBody> {
        if self.keeps_log {
            flush.log.push_join(now, &join);
        }
        let (user_id, role, lane) = (join.user_id.clone(), join.role, join.lane);
        // It stays at that if the game panics.
        flush.answers.push(Answer { user_id, role, lane, joined: Err(has_closed()) });
        if self.closed {
            return Err(has_closed());
        }
        self.in_turn = true;
        self.pass_time(now, &mut flush.effects);
        if self.closed {
            return Err(has_closed());
        }
        let joined = self.let_in(&join, &mut flush.effects);
        if joined.is_ok() {
            self.note_activity();
        }
        self.follow_up(&mut flush.effects);
        if let Some(answer) = flush.answers.last_mut() {
            answer.joined.clone_from(&joined);
        }
        joined
    }

    /// Lets something happen at a time, or now if that has passed already. What a member is refused is told on its lane; what
    /// comes from one who is not here any more, or after the end, changes nothing.
    pub fn handle(&mut self, now: Time, command: Command<'_>, flush: &mut Flush) {
        if self.keeps_log {
            flush.log.push(now, &command);
        }
        if self.closed {
            return;
        }
        self.in_turn = true;
        let effects = &mut flush.effects;
        self.pass_time(now, effects);
        if self.closed {
            return;
        }
        match command {
            Command::Leave { member, reference, n } => self.leave(member, reference.as_ref(), n, effects),
            Command::Disconnect { member, kept } => self.disconnect(member, kept, effects),
            Command::Reconnect { member } => self.reconnect(member),
            Command::Expire { member } => self.expire(member, effects),
            Command::Abandon { member } => self.abandon(member, effects),
            Command::Snapshot { member, answer } => self.tell_snapshot(member, answer.as_ref(), effects),
            Command::Act { member, kind, data, reference, n } => self.act(member, kind, data, reference.as_ref(), n),
            Command::Ask { member, ref ask } => self.ask(member, ask, effects),
            Command::Reserve { users, until } => self.reserve(&users, until),
            Command::SetData { whose, data, access } => self.set_data(whose.as_ref(), &data, &access),
            Command::History { member, reference, page, change: None } => {
                self.tell_history(member, reference.as_ref(), page);
            }
            Command::History { member, reference, page, change: Some(change) } => {
                self.change_found(member, reference.as_ref(), &change, page, effects);
            }
            Command::Close { reason } => self.close(reason, effects),
            Command::Reseed { seed } => self.reseed(seed),
            Command::Erase { user_id, username } => self.erase(&user_id, username.as_deref(), effects),
        }
        self.follow_up(effects);
        self.seal_if_large(effects);
    }

    /// Sees to what follows from whatever has happened: a vote that is decided, seats for those who wait, a
    /// match that begins or ends, another owner.
    fn follow_up(&mut self, effects: &mut Effects) {
        if self.closed {
            return;
        }
        self.count_votes(effects);
        self.serve_queue(effects);
        self.start_if_due();
        self.follow_match();
        self.settle_owner();
    }

    /// Keeps what is encoded, but not in batches yet, from piling up while a long queue is worked off.
    fn seal_if_large(&mut self, effects: &mut Effects) {
        if self.stage.said.len() > SAID_BYTES_MAX {
            self.stage.said.seal(&mut effects.dispatches);
        }
    }

    /// Moves a member's mark to the number of a message, to be told with the flush that shows what came of it. Gives the
    /// member; none if the message was dealt with before, or there is no such member.
    fn mark(&mut self, id: MemberId, n: Option<u64>) -> Option<&Member> {
        let member = self.members.get_mut(&id)?;
        if let Some(n) = n {
            if n <= member.applied {
                return None;
            }
            member.applied = n;
            match member.marked.and_then(|place| self.marks.get_mut(place)) {
                Some(mark) => mark.1 = n,
                None => {
                    member.marked = Some(self.marks.len());
                    self.marks.push((id, n));
                }
            }
        }
        Some(member)
    }

    fn act(&mut self, id: MemberId, kind: &str, data: Data<'_>, reference: Option<&Ref>, n: Option<u64>) {
        let Some(seat) = self.mark(id, n).map(|member| member.seat) else { return };
        let before = self.stage.mark();
        let done = match seat {
            Some(_) if self.absence.is_paused() => {
                Err(ErrorBody::new(ErrorCode::NotPlaying, "The match stands still just now."))
            }
            Some(seat) => {
                self.recent.push(self.stage.now, seat, kind, data);
                self.game.act(seat, kind, data, &mut self.stage)
            }
            None => Err(ErrorBody::new(ErrorCode::NotAPlayer, "Spectators watch; join as a player to act.")),
        };
        if done.is_ok() {
            self.note_activity();
            self.stir_bots();
        }
        match done {
            Ok(()) if reference.is_none() => {}
            Ok(()) => {
                self.answer(id, &answer_to(kind), reference, None);
                self.stage.said.move_last_to(before.said);
            }
            Err(error) => {
                self.stage.take_back(before);
                let answer = if reference.is_some() { answer_to(kind) } else { Cow::Borrowed(FAILURE) };
                self.answer(id, &answer, reference, Some(&error));
            }
        }
    }

    fn reseed(&mut self, seed: u64) {
        self.seed = seed;
        self.stage.rng = Rng::new(seed);
    }

    fn answer(&mut self, to: MemberId, kind: &str, reference: Option<&Ref>, error: Option<&ErrorBody>) {
        let room_id = self.stage.room_id;
        let header = Header { reference, success: Some(error.is_none()), error, ..Header::new(kind) };
        self.stage.said.message(To::Only(to), &header.in_room(room_id.as_str()), &Empty {});
    }

    fn say<T: Message>(&mut self, to: To, data: &T) {
        let room_id = self.stage.room_id;
        self.stage.said.message(to, &Header::new(T::TYPE).in_room(room_id.as_str()), data);
    }

    /// Says something of a user, who hears it at once.
    fn say_about<T: Message>(&mut self, to: To, user_id: &UserId, data: &T) {
        let before = self.stage.said.mark();
        self.say(to, data);
        self.note_about(before, user_id);
    }

    /// What was said since the mark is about a user, who hears it at once.
    fn note_about(&mut self, since: Mark, user_id: &UserId) {
        if self.delayed.is_some() {
            let sessions = self.sessions_of(user_id);
            self.stage.said.mark_as_about(since, user_id, &sessions);
        }
    }

    /// Says something that replaces an unwritten message of the same key.
    fn say_latest<T: Message>(&mut self, to: To, key: &str, data: &T) {
        let room_id = self.stage.room_id;
        self.stage.said.message_latest(to, key, &Header::new(T::TYPE).in_room(room_id.as_str()), data);
    }

    /// Ends the turn: puts what was said in it into batches, and says what else came of it. The next turn begins with
    /// an empty flush.
    ///
    /// # Errors
    /// The game said something that cannot be sent; call [`Room::fail`].
    pub fn flush(&mut self, flush: &mut Flush) -> Result<(), GameFailure> {
        self.follow_up(&mut flush.effects);
        if let Some(failure) = self.stage.said.failure() {
            return Err(failure.clone());
        }
        self.note_presence();
        self.closed |= self.ends_empty();
        let effects = &mut flush.effects;
        self.tell_progress();
        self.stage.said.seal(&mut effects.dispatches);
        self.keep_turn()?;
        for (id, _) in &self.marks {
            if let Some(member) = self.members.get_mut(id) {
                member.marked = None;
            }
        }
        effects.applied.append(&mut self.marks);
        effects.outcomes.append(&mut self.stage.outcomes);
        effects.closed = self.closed;
        effects.people.append(&mut self.coming_and_going);
        if std::mem::take(&mut self.door_changed) {
            effects.door = Some(self.door());
        }
        let now = (self.turnover, self.state_listed());
        if !self.closed && self.listed != Some(now) {
            self.listed = Some(now);
            effects.entry = Some(self.entry());
        }
        self.end_turn(flush);
        Ok(())
    }

    /// Ends the room because its game failed, and needs no flush afterwards. What was said until then is still heard,
    /// and nothing of this turn counts as applied: some of it came to nothing. It is the room's last turn, whose log cannot be
    /// replayed: whoever stores the room stores that it is gone.
    /// Touches nothing of the game, so it may be called after a panic in it.
    pub fn fail(&mut self, flush: &mut Flush) {
        let effects = &mut flush.effects;
        self.turn_away();
        self.close(ClosedReason::GameFailed, effects);
        self.marks.clear();
        effects.outcomes.append(&mut self.stage.outcomes);
        effects.closed = true;
        self.end_turn(flush);
    }

    fn end_turn(&mut self, flush: &mut Flush) {
        self.in_turn = false;
        self.flushes += 1;
        flush.index = self.flushes;
    }

    fn close(&mut self, reason: ClosedReason, effects: &mut Effects) {
        let message = self.closing_words(reason);
        self.stage.said.seal(&mut effects.dispatches);
        self.show_rest(effects);
        self.say(To::Everyone, &RoomClosed { reason, message: message.into() });
        while let Some(&member) = self.members.keys().next() {
            self.dismiss(member, effects);
        }
        self.closed = true;
        self.ending = Some(reason);
    }

    fn closing_words(&self, reason: ClosedReason) -> &'static str {
        match reason {
            ClosedReason::Replaced => "You joined this room from elsewhere.",
            ClosedReason::GameFailed => "The game failed, so the room had to close.",
            ClosedReason::ShuttingDown => "The server is shutting down.",
            ClosedReason::Kicked => "You were sent out of the room.",
            ClosedReason::Banned => "You were sent out of the room, and are not let in again.",
            ClosedReason::Idle => "Nobody did anything in the room for too long.",
            ClosedReason::Expired => "The room was there for as long as it may be.",
            ClosedReason::Closed => "The room was closed.",
        }
    }
}

fn has_closed() -> ErrorBody {
    ErrorBody::new(ErrorCode::RoomNotFound, "The room has closed.")
}

/// The `type` of a failure that answers no request.
const FAILURE: &str = "error";

/// The `type` of the answer to a request; where that would be too long for one, that of any failure.
fn answer_to(kind: &str) -> Cow<'static, str> {
    let answer = format!("{kind}_result");
    if answer.len() <= TYPE_BYTES_MAX { answer.into() } else { FAILURE.into() }
}

/// A game said something that cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GameFailure {
    /// It has no encoding in a codec that somebody speaks.
    #[error("the game said something that cannot be encoded: {0}")]
    Unencodable(#[from] InvalidData),
    /// It is larger than a client accepts.
    #[error("the game said something of {bytes} bytes; {SERVER_FRAME_BYTES_MAX} are allowed")]
    TooLarge {
        /// How large it is.
        bytes: usize,
    },
}
