//! The task of one room: what comes in, turn by turn. What is shown of a turn, and when, and how the room leaves memory, is below.

mod reading;
mod recording;
mod resting;
mod showing;

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;

use anteroom_core::room::{Ask, Command, MemberId, Room};
use anteroom_core::{FlushMode, Time};
use anteroom_protocol::message::RoomSummary;
use anteroom_protocol::{Codec, Data, ErrorBody, ErrorCode, RoomId};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::journal::{Journal, Next};
use super::link::{Admitted, Declined, Inbox, RoomHandle};
use super::mail::{Mail, Request};
use super::member::{MemberLink, Visitor};
use super::turn::{Caller, Told, Turn};
use super::{Rooms, TICK_MESSAGES_MAX, TURN_MESSAGES_MAX};
use crate::carrier::Presence;
use crate::chat::ChatFacts;
use crate::clock::Clock;
use crate::hooks::RoomFacts;
use crate::panics::{Words, caught, guarded};
use crate::recordings::Tape;
use crate::slice::Slice;

/// In how many groups rooms of the same tick flush.
const TICK_TURNS: u64 = 4;

struct RoomTask {
    rooms: Arc<Rooms>,
    room_id: RoomId,
    /// The room as others reach it.
    handle: RoomHandle,
    room: Room,
    links: BTreeMap<MemberId, MemberLink>,
    /// What the present turn yields.
    turn: Turn,
    /// What is being shown.
    shown: Turn,
    /// Those who are in with what is being shown, until their lanes begin.
    entering: BTreeMap<MemberId, (Visitor, Admitted)>,
    /// Where its turns are stored before they are shown, if it is durable.
    journal: Option<Journal>,
    /// What is recorded of it, if anything is.
    tape: Option<Box<Tape>>,
    failed: recording::Failed,
    /// Since when nobody is in it, if it is durable.
    empty_since: Option<Instant>,
    /// Whether somebody has been in it since it is in memory: otherwise there is nothing to wait for before it leaves it again.
    has_had_members: bool,
    /// Since when it takes no turn, because what it says cannot be stored.
    stands_since: Option<Instant>,
    /// Whoever waits until nothing is stored any more of a user that was erased.
    erased: Vec<oneshot::Sender<()>>,
    /// A match has ended: the next one is to have randomness of its own.
    wants_seed: bool,
    /// Whether it has said that it would give way to another room, and whether it was asked to.
    is_spare: bool,
    gives_way: bool,
    /// No turn follows.
    ends: bool,
    /// The server stops, and the room is to be stored as it is.
    parks: bool,
}

/// A room that begins, or goes on.
pub(super) struct Opening {
    pub(super) room: Room,
    pub(super) links: BTreeMap<MemberId, MemberLink>,
    pub(super) journal: Option<Journal>,
    /// What it is told first, in a turn of its own.
    pub(super) first: Vec<Command<'static>>,
    /// Whether it was stored before.
    pub(super) is_restored: bool,
}

impl Opening {
    /// A new room.
    pub(super) fn new(room: Room, journal: Option<Journal>) -> Self {
        Self { room, links: BTreeMap::new(), journal, first: Vec::new(), is_restored: false }
    }
}

/// How a room's task ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The room is over.
    Over,
    /// It is stored, and out of memory.
    Stored,
    /// It cannot be stored any more, and is kept as it was stored last.
    Lost,
}

pub(super) async fn run(rooms: Arc<Rooms>, opening: Opening, mut inbox: Inbox, handle: RoomHandle) {
    let Opening { room, links, journal, first, is_restored } = opening;
    let room_id = handle.room_id;
    let RoomSummary { game, name, .. } = room.summary();
    let facts = RoomFacts { room_id, game: &game, name: &name };
    if is_restored {
        tracing::info!(%room_id, game, "room restored");
    } else {
        tracing::info!(%room_id, game, "room opened");
        rooms.hooks.tell(|hooks| hooks.room_opened(&facts));
    }
    // Rooms that flush by ticks do so in turns: few enough that a wake-up does for many, and enough of them that none
    // waits for all others' writes.
    let phase = match room.flush_mode() {
        FlushMode::Tick(tick) => room.seed() % TICK_TURNS * u64::try_from(tick.as_millis()).unwrap_or(0) / TICK_TURNS,
        FlushMode::Immediate => 0,
    };
    handle.door.open(room.door(), room.people().cloned().collect());
    let is_empty = links.is_empty();
    let tape = recording::begin(&rooms, &room);
    let mut task = RoomTask {
        rooms,
        room_id,
        handle,
        room,
        links,
        turn: Turn::default(),
        shown: Turn::default(),
        entering: BTreeMap::new(),
        empty_since: (is_restored && is_empty && journal.is_some()).then(Instant::now),
        has_had_members: !is_empty,
        stands_since: None,
        journal,
        tape,
        failed: None,
        erased: Vec::new(),
        // What was wanted when it was stored is not known.
        wants_seed: is_restored,
        is_spare: false,
        gives_way: false,
        ends: false,
        parks: false,
    };
    let ran = caught(task.go_on(&mut inbox, phase, first)).await;
    if ran == Ok(Ended::Stored) {
        task.pause_recording();
        tracing::debug!(%room_id, game, "room stored");
        return;
    }
    let is_lost = ran == Ok(Ended::Lost);
    if is_lost {
        task.rooms.suspend_running(&room_id, "it could not be stored");
    }
    // Whoever knocks from now on hears that the room has closed.
    inbox.mailbox.close();
    match ran {
        Err(why) => task.give_up(&why).await,
        // Whoever was let go of in a turn that was never shown has a lane still.
        Ok(_) => task.end_lanes(),
    }
    if is_lost {
        // It is kept, and may go on elsewhere.
        return;
    }
    task.rooms.forget(&room_id);
    let reason = task.room.ending();
    tracing::info!(%room_id, game, ?reason, "room closed");
    task.rooms.hooks.tell(|hooks| hooks.room_closed(&facts, reason));
}

/// Waits for a room's journal, if it has one. Cancel-safe.
async fn next_of(journal: &mut Option<Journal>) -> Next {
    match journal {
        Some(journal) => journal.next().await,
        None => pending().await,
    }
}

fn failed() -> ErrorBody {
    ErrorBody::new(ErrorCode::Internal, "The room failed.")
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

impl Inbox {
    /// Waits for what goes into the same flush, and takes it.
    async fn gather(&mut self, mode: FlushMode, clock: Clock, phase: u64, mails: &mut Vec<Mail>) {
        let most = match mode {
            FlushMode::Immediate => {
                // Let others post first what they have to say: one flush for many messages is the point of it all.
                tokio::task::yield_now().await;
                TURN_MESSAGES_MAX
            }
            FlushMode::Tick(_) if mails.iter().any(|mail| matches!(mail, Mail::Join(_))) => TICK_MESSAGES_MAX,
            FlushMode::Tick(tick) => {
                tokio::select! {
                    biased;
                    () = self.filling.notified() => {}
                    () = sleep_until(clock.next_tick(tick, phase)) => {}
                }
                TICK_MESSAGES_MAX
            }
        };
        while mails.len() < most
            && let Ok(mail) = self.mailbox.try_recv()
        {
            mails.push(mail);
        }
    }
}

impl RoomTask {
    /// Takes turns until the room is over, or out of memory.
    async fn go_on(&mut self, inbox: &mut Inbox, phase: u64, first: Vec<Command<'static>>) -> Ended {
        if !first.is_empty() {
            self.begin(first);
            if let Some(ended) = self.end_turn().await {
                return ended;
            }
        }
        let mut mails = Vec::new();
        loop {
            let may_begin = !self.ends && self.may_begin();
            let deadline = self.room.next_deadline().map(|deadline| self.rooms.clock.instant(deadline));
            let sleeps_at = self.sleeps_at();
            tokio::select! {
                // What is stored is shown first, and what was posted comes before what falls due meanwhile: the creator, before
                // the first tick.
                biased;
                next = next_of(&mut self.journal) => match self.look_at(next).await {
                    Some(ended) => return ended,
                    None => continue,
                },
                received = inbox.mailbox.recv_many(&mut mails, TURN_MESSAGES_MAX), if may_begin => {
                    if received == 0 {
                        return Ended::Over;
                    }
                }
                () = until(deadline), if may_begin => {}
                () = until(sleeps_at), if may_begin => {
                    if self.sleep(inbox).await {
                        return Ended::Stored;
                    }
                    continue;
                }
            }
            inbox.gather(self.room.flush_mode(), self.rooms.clock, phase, &mut mails).await;
            if let Err(why) = self.take_turn(&mut mails).await {
                self.fail(&why);
            }
            if let Some(ended) = self.end_turn().await {
                return ended;
            }
        }
    }

    /// Shows what is stored.
    async fn look_at(&mut self, next: Next) -> Option<Ended> {
        match next {
            Next::Show(turn) => {
                self.shown = *turn;
                self.deliver().await;
                self.is_done().await
            }
            // Somebody else has the store, or what the room is cannot be stored: what was not shown never was.
            Next::Closed => {
                tracing::error!(room_id = %self.room_id, "the room cannot be stored any more: it stops");
                Some(Ended::Lost)
            }
        }
    }

    /// Shows what the turn yields, now or when it is stored.
    async fn end_turn(&mut self) -> Option<Ended> {
        self.record_turn();
        if self.failed.is_some()
            && let Some(ended) = self.leave_recording().await
        {
            return Some(ended);
        }
        self.ends |= self.turn.flush.effects.closed;
        self.wants_seed |= !self.turn.flush.effects.outcomes.is_empty();
        let Some(journal) = &mut self.journal else {
            std::mem::swap(&mut self.turn, &mut self.shown);
            self.deliver().await;
            return self.is_done().await;
        };
        let now = self.rooms.clock.now();
        let mut prepared = journal.prepare(&self.room, &self.turn);
        if let Err(why) = &prepared {
            // What cannot be stored is not shown: the room ends, which can be.
            let why = why.clone();
            let log = std::mem::take(&mut self.turn.flush.log);
            self.turn.flush.clear();
            if self.tape.is_none() {
                self.turn.flush.log = log;
            }
            self.fail(&why);
            if let Some(ended) = self.leave_recording().await {
                return Some(ended);
            }
            self.refuse_all();
            self.ends = true;
            prepared = self.journal.as_mut().map_or(Err(why), |journal| journal.prepare(&self.room, &self.turn));
        }
        if let (Some(journal), Ok(prepared)) = (&mut self.journal, prepared) {
            journal.submit(now, prepared, &mut self.turn).await;
        }
        None
    }

    /// How the task ends, if everything that there will be was shown.
    async fn is_done(&mut self) -> Option<Ended> {
        if self.journal.as_ref().is_some_and(|journal| !journal.is_idle()) {
            return None;
        }
        if self.ends {
            return Some(Ended::Over);
        }
        if self.parks {
            self.park().await;
            return Some(Ended::Stored);
        }
        if !self.erased.is_empty() {
            self.forget_the_past().await;
        }
        None
    }

    /// After a panic that was not the game's: nobody stays in a room that is not there any more.
    async fn give_up(&mut self, why: &str) {
        tracing::error!(room_id = %self.room_id, why, "a room failed");
        self.record_failure(why);
        self.turn.flush.clear();
        self.fail(why);
        if let Some(journal) = &mut self.journal {
            journal.forget().await;
        }
        // Whoever waits for an answer, of this turn or of the one that was being shown.
        let Turn { callers, replies, .. } = std::mem::take(&mut self.shown);
        self.turn.callers.extend(callers);
        self.turn.replies.extend(replies);
        self.refuse_all();
        self.turn.replies.iter_mut().for_each(|told| told.reply = Err(failed().into()));
        std::mem::swap(&mut self.turn, &mut self.shown);
        // If it fails again, nobody hears why.
        drop(caught(self.deliver()).await);
        // Whoever the flush that failed has let go of is not in the room any more, and has a lane still.
        self.end_lanes();
    }

    fn end_lanes(&mut self) {
        let now = self.rooms.clock.now();
        for (_, link) in std::mem::take(&mut self.links) {
            // One that fails as well is no worse off than before.
            drop(guarded(|| link.end(now, Vec::new())));
        }
    }

    /// Those who knocked in this turn hear that the room failed.
    fn refuse_all(&mut self) {
        let Turn { callers, replies, .. } = &mut self.turn;
        replies.extend(callers.drain(..).map(|Caller { to, seat, .. }| Told { to, reply: Err(failed().into()), seat }));
    }

    /// What a room is told that goes on, in a turn of its own.
    fn begin(&mut self, first: Vec<Command<'static>>) {
        let now = self.rooms.clock.now();
        let begun = guarded(|| {
            first.into_iter().for_each(|command| self.room.handle(now, command, &mut self.turn.flush));
            self.room.flush(&mut self.turn.flush)
        });
        if let Err(why) = begun.and_then(|flushed| flushed.map_err(|error| error.to_string())) {
            self.fail(&why);
        }
    }

    /// Lets the room react to everything that has come, and flushes once.
    /// Others get their turn in between, and see nothing of it before the end.
    async fn take_turn(&mut self, mails: &mut Vec<Mail>) -> Result<(), Words> {
        let now = self.rooms.clock.now();
        let mut slice = Slice::timed();
        if std::mem::take(&mut self.wants_seed) {
            let seed = self.rooms.randomness.seed();
            // At the room's own time: before a timer that may begin the next match.
            let before = Time::from_millis(0);
            guarded(|| self.room.handle(before, Command::Reseed { seed }, &mut self.turn.flush))?;
        }
        for mail in mails.drain(..) {
            slice.give_way().await;
            slice.spend(mail.bytes());
            guarded(|| self.react(now, mail))?;
        }
        guarded(|| {
            if self.gives_way && self.journal.is_none() {
                self.room.give_way();
            }
            self.room.advance(now, &mut self.turn.flush);
            self.room.flush(&mut self.turn.flush)
        })?
        .map_err(|error| error.to_string())
    }

    fn react(&mut self, now: Time, mail: Mail) {
        let (room, Turn { flush, callers, replies, done, hosted }) = (&mut self.room, &mut self.turn);
        match mail {
            Mail::Join(request) => {
                let Request { join, visitor, seat, answer: to } = *request;
                if visitor.is_waiting() {
                    // Before the room is asked, so that there is one for every answer though the game may fail.
                    callers.push(Caller { visitor, to, seat });
                    // The answer is in the flush.
                    drop(room.join(now, join, flush));
                } else {
                    // Whoever has gone takes no seat.
                    replies.push(Told { to, reply: Err(Declined::Absent), seat });
                }
            }
            Mail::Leave { member, n, reference, done: is_done } => {
                done.extend(is_done);
                room.handle(now, Command::Leave { member, reference, n }, flush);
            }
            Mail::Presence { member, presence } => self.learn(now, member, presence),
            Mail::History { member, reference, page, change } => {
                room.handle(now, Command::History { member, reference, page, change }, flush)
            }
            Mail::Expire { member } => room.handle(now, Command::Expire { member }, flush),
            Mail::Abandon { member } => room.handle(now, Command::Abandon { member }, flush),
            Mail::Snapshot { member, answer } => room.handle(now, Command::Snapshot { member, answer }, flush),
            Mail::Act { member, n, input, place } => {
                drop(place);
                let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
                let data = match input.codec {
                    Codec::Json => Data::Json(text(&input.data)),
                    Codec::Bincode => Data::Binary(&input.data),
                };
                let (kind, reference) = (text(&input.kind), input.reference);
                let facts = ChatFacts { room_id: self.room_id, game: room.kind().name };
                let filtered = input.is_request.then(|| self.rooms.filter.verdict(kind, data, &facts)).flatten();
                let with = filtered.as_deref().or(input.with.as_deref());
                let command = match input.is_request {
                    true => Command::Ask { member, ask: Ask { kind, data, with, reference, n } },
                    false => Command::Act { member, kind, data, reference, n },
                };
                room.handle(now, command, flush);
            }
            Mail::Erase { user_id, username, done } => {
                room.handle(now, Command::Erase { user_id, username }, flush);
                self.erased.push(done);
            }
            Mail::Reserve { users, until, done } => {
                room.handle(now, Command::Reserve { users: users.clone(), until }, flush);
                let is_kept = users.iter().all(|user_id| room.has_seat_for(user_id));
                hosted.push((done, is_kept.then_some(()).ok_or_else(too_few_seats)));
            }
            Mail::SetData { whose, data, access, done } => {
                let outcome = room.check_data(whose.as_ref(), &data, &access);
                if outcome.is_ok() {
                    room.handle(now, Command::SetData { whose, data, access }, flush);
                }
                hosted.push((done, outcome));
            }
            Mail::Close { reason } => room.handle(now, Command::Close { reason }, flush),
            Mail::GiveWay => self.gives_way = true,
            Mail::Park => self.parks = true,
        }
    }

    /// Takes a fact about a member, unless a newer one has come already.
    fn learn(&mut self, now: Time, member: MemberId, presence: Presence) {
        let Some(link) = self.links.get_mut(&member).filter(|link| link.is_newer(presence)) else { return };
        link.learn(presence);
        let command = match presence.is_here() {
            true => Command::Reconnect { member },
            false => Command::Disconnect { member, kept: link.keeps() },
        };
        self.room.handle(now, command, &mut self.turn.flush);
    }

    fn fail(&mut self, why: &str) {
        let recent: Vec<String> = self.room.recent_inputs().collect();
        tracing::error!(room_id = %self.room_id, seed = self.room.seed(), ?recent, why, "game failed");
        self.record_failure(why);
        self.room.fail(&mut self.turn.flush);
    }
}

fn too_few_seats() -> ErrorBody {
    ErrorBody::new(ErrorCode::RoomFull, "The room has not so many free seats.")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use anteroom_protocol::{BatchBuilder, Codec, LaneId};
    use anteroom_transport::{Connection, Event, TransportConfig, memory};
    use serde_json::{Value, json};

    use super::*;
    use crate::app::Server;
    use crate::config::Config;

    /// Fails in rooms of that name, as soon as two are in them.
    pub(super) fn fail(room: &Room) {
        let summary = room.summary();
        assert!(!(summary.name == "broken" && summary.players == 2), "this room is broken");
    }

    pub(super) async fn say(player: &mut Connection, kind: &str, data: Value) {
        tell(player, &json!({"type": kind, "ref": 0, "data": data})).await;
    }

    pub(super) async fn tell(player: &mut Connection, message: &Value) {
        let mut batch = BatchBuilder::new(Codec::Json);
        batch.push_encoded(message.to_string().as_bytes());
        player.send(LaneId::CONTROL, Arc::new(batch.finish())).await.unwrap();
    }

    pub(super) async fn hear(player: &mut Connection, kind: &str) -> Value {
        loop {
            let Event::Record { payload, .. } = player.recv().await.unwrap() else { continue };
            let messages = match serde_json::from_slice(&payload).unwrap() {
                Value::Array(messages) => messages,
                message => vec![message],
            };
            if let Some(found) = messages.into_iter().find(|message| message["type"] == kind) {
                return found;
            }
        }
    }

    pub(super) async fn enter(server: &Server) -> Connection {
        let (mut near, far) = memory::pair(TransportConfig::default(), 1);
        server.serve(far, None);
        say(&mut near, "handshake", json!({"version": 1})).await;
        hear(&mut near, "handshake_accepted").await;
        near
    }

    #[tokio::test(start_paused = true)]
    async fn a_room_that_fails_lets_everyone_go() {
        let server = Server::simulate(Config::development(), anteroom_games::registry().unwrap(), 1).unwrap();
        let (mut ada, mut bob) = (enter(&server).await, enter(&server).await);
        say(&mut ada, "create_room", json!({"game": "relay", "name": "broken"})).await;
        let room_id = hear(&mut ada, "create_room_result").await["room_id"].clone();
        say(&mut bob, "join_room", json!({"room_id": room_id})).await;
        assert_eq!(hear(&mut bob, "join_room_result").await["success"], false);
        // Nobody is in it any more, it can be found no more, and it takes nobody's place.
        for player in [&mut ada, &mut bob] {
            say(player, "list_rooms", json!({})).await;
            assert_eq!(hear(player, "list_rooms_result").await["data"]["rooms"], json!([]));
            say(player, "leave_room", json!({"room_id": room_id})).await;
            assert_eq!(hear(player, "leave_room_result").await["error"]["code"], "not_in_room");
        }
        assert!(server.parts.services.rooms.find(room_id.as_str().unwrap()).is_err());
    }
}
