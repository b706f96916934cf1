//! The task of one room.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anteroom_core::FlushMode;
use anteroom_core::flush::{Dispatch, Outgoing};
use anteroom_core::room::{Command, Effects, MemberId, Room};
use anteroom_protocol::{Codec, Data, ErrorBody, LaneId, RoomId};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::{Declined, Inbox, Knock, MAILBOX_MESSAGES_MAX, Mail, Rooms, TURN_MESSAGES_MAX};
use crate::clock::Clock;
use crate::lobby::Reservation;
use crate::session::{Membership, Session};

/// How many messages to members go out before other tasks get their turn: a write takes microseconds, and nobody
/// waits for a thousand of them.
const SLICE_MESSAGES_MAX: usize = 64;

/// In how many groups rooms of the same tick flush.
const TICK_TURNS: u64 = 4;

/// The lane of a member.
struct Link {
    session: Arc<Session>,
    lane: LaneId,
}

struct RoomTask {
    rooms: Arc<Rooms>,
    room_id: RoomId,
    room: Room,
    input_bytes: Arc<AtomicUsize>,
    links: BTreeMap<MemberId, Link>,
    effects: Effects,
    /// What to tell those who knocked, once what follows from it can be seen by everyone.
    answers: Vec<Answer>,
}

/// Whether somebody is let in.
struct Answer {
    to: oneshot::Sender<Result<(), Declined>>,
    answered: Result<(), Declined>,
    /// Reserved until the list shows what came of it.
    seat: Option<Reservation>,
}

/// The game panicked, or said something that has no encoding.
struct Failed(String);

pub(super) async fn run(rooms: Arc<Rooms>, room: Room, mut inbox: Inbox, room_id: RoomId) {
    let input_bytes = inbox.input_bytes.clone();
    let game = room.summary().game;
    tracing::info!(%room_id, game, "room opened");
    // Rooms that flush by ticks do so in turns: few enough that a wake-up does for many, and enough of them that none
    // waits for all others' writes.
    let phase = match room.flush_mode() {
        FlushMode::Tick(tick) => room.seed() % TICK_TURNS * u64::try_from(tick.as_millis()).unwrap_or(0) / TICK_TURNS,
        FlushMode::Immediate => 0,
    };
    let (links, effects, answers) = (BTreeMap::new(), Effects::default(), Vec::new());
    let mut task = RoomTask { rooms, room_id, room, input_bytes, links, effects, answers };
    let mut mails = Vec::new();
    while !task.effects.closed {
        task.effects.clear();
        let deadline = task.room.next_deadline().map(|deadline| task.rooms.clock.instant(deadline));
        tokio::select! {
            // What was posted comes before what falls due meanwhile: the creator, before the first tick.
            biased;
            received = inbox.mailbox.recv_many(&mut mails, TURN_MESSAGES_MAX) => {
                if received == 0 {
                    break;
                }
            }
            () = until(deadline) => {}
        }
        inbox.gather(task.room.flush_mode(), task.rooms.clock, phase, &mut mails).await;
        if let Err(Failed(why)) = task.turn(&mut mails) {
            task.fail(&why);
        }
        task.deliver().await;
    }
    // Whoever knocks from now on hears that the room has closed.
    inbox.mailbox.close();
    task.rooms.forget(&room_id);
    tracing::info!(%room_id, game, "room closed");
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
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
            FlushMode::Tick(_) if mails.iter().any(|mail| matches!(mail, Mail::Join(_))) => MAILBOX_MESSAGES_MAX,
            FlushMode::Tick(tick) => {
                tokio::select! {
                    biased;
                    () = self.filling.notified() => {}
                    () = sleep_until(clock.next_tick(tick, phase)) => {}
                }
                MAILBOX_MESSAGES_MAX
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
    /// Lets the room react to everything that has come, and flushes once.
    fn turn(&mut self, mails: &mut Vec<Mail>) -> Result<(), Failed> {
        let now = self.rooms.clock.now();
        for mail in mails.drain(..) {
            guarded(|| self.react(now, mail))?;
        }
        guarded(|| {
            self.room.advance(now, &mut self.effects);
            self.room.flush(&mut self.effects)
        })?
        .map_err(|error| Failed(error.to_string()))
    }

    fn react(&mut self, now: anteroom_core::Time, mail: Mail) {
        let (room, effects) = (&mut self.room, &mut self.effects);
        let refused = match mail {
            Mail::Join(knock) => {
                let Knock { join, session, seat, answer: to } = *knock;
                let (member, lane) = (join.member, join.lane);
                // Whoever has gone takes no seat.
                let answered = match session.knocks(lane) {
                    true => room.handle(now, Command::Join(join), effects).map_err(Declined::Refused),
                    false => Err(Declined::Absent),
                };
                let is_in = answered.is_ok();
                self.answers.push(Answer { to, answered, seat });
                if !is_in {
                    return;
                }
                // Before anything of the room can be seen, so that whoever sees it can act on it.
                let handle = self.rooms.running(&self.room_id);
                let entered = handle.is_some_and(|room| session.enter(Membership { room, lane, member }));
                self.links.insert(member, Link { session, lane });
                // One who has gone at this very moment has not been told of the seat, and will not come back to it.
                if entered { Ok(()) } else { room.handle(now, Command::Leave { member, reference: None }, effects) }
            }
            Mail::Leave { member, reference } => room.handle(now, Command::Leave { member, reference }, effects),
            Mail::LookFor { member } => return self.look_for(now, member),
            Mail::Expire { member } => room.handle(now, Command::Expire { member }, effects),
            Mail::Abandon { member } => room.handle(now, Command::Abandon { member }, effects),
            Mail::Snapshot { member } => {
                // Whoever reads again is back, though the news of it may be behind this.
                self.look_for(now, member);
                self.room.handle(now, Command::Snapshot { member }, &mut self.effects)
            }
            Mail::Act { member, input } => {
                self.input_bytes.fetch_sub(input.data.len(), Ordering::Relaxed);
                let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
                let data = match input.codec {
                    Codec::Json => Data::Json(text(&input.data)),
                    Codec::Bincode => Data::Binary(&input.data),
                };
                let kind = text(&input.kind);
                room.handle(now, Command::Act { member, kind, data, reference: input.reference }, effects)
            }
            Mail::Close { reason } => room.handle(now, Command::Close { reason }, effects),
        };
        debug_assert!(matches!(refused, Ok::<(), ErrorBody>(())), "only joins are refused outright");
    }

    /// Lets the room know whether a member's session has a connection now.
    fn look_for(&mut self, now: anteroom_core::Time, member: MemberId) {
        let Some(Link { session, .. }) = self.links.get(&member) else { return };
        let command = match session.is_connected() {
            true => Command::Reconnect { member },
            false => Command::Disconnect { member, kept: session.keeps },
        };
        let refused = self.room.handle(now, command, &mut self.effects);
        debug_assert!(refused.is_ok(), "only joins are refused outright");
    }

    fn fail(&mut self, why: &str) {
        let recent: Vec<String> = self.room.recent_inputs().collect();
        tracing::error!(room_id = %self.room_id, seed = self.room.seed(), ?recent, why, "game failed");
        self.room.fail(&mut self.effects);
    }

    /// Puts on the members' lanes what they are to hear. With many members others get their turn in between.
    async fn deliver(&mut self) {
        // First, so that whoever hears that somebody came or went finds the list to say so.
        let seats: Vec<Reservation> = self.answers.iter_mut().filter_map(|answer| answer.seat.take()).collect();
        if self.effects.entry.is_some() || !self.answers.is_empty() {
            self.rooms.lobby.settle(&self.room_id, self.effects.entry.take(), seats);
        }
        let now = self.rooms.clock.now();
        let mut farewells: BTreeMap<MemberId, Vec<Outgoing>> =
            self.effects.released.drain(..).map(|member| (member, Vec::new())).collect();
        for (count, Dispatch { to, outgoing }) in self.effects.dispatches.drain(..).enumerate() {
            if count % SLICE_MESSAGES_MAX == SLICE_MESSAGES_MAX - 1 {
                tokio::task::yield_now().await;
            }
            if let Some(farewell) = farewells.get_mut(&to) {
                farewell.push(outgoing);
            } else if let Some(link) = self.links.get(&to) {
                link.session.put(now, link.lane, outgoing);
            }
        }
        for (member, farewell) in farewells {
            if let Some(link) = self.links.remove(&member) {
                link.session.end_lane(now, link.lane, farewell);
            }
        }
        if self.room.kept_bytes() > self.rooms.kept_bytes_max {
            self.shed();
        }
        for Answer { to, answered, .. } in self.answers.drain(..) {
            // A session that has gone meanwhile says so with a command of its own.
            drop(to.send(answered));
        }
    }
}

impl RoomTask {
    /// Lets go of what is kept for the members who are behind, those above an equal share. They get a snapshot when they
    /// read again. Nobody else is touched: what is kept elsewhere, such as for lanes that have ended, is bounded there.
    fn shed(&self) {
        let share = self.rooms.kept_bytes_max / self.links.len().max(1);
        let behind = |link: &&Link| link.session.kept_bytes(link.lane) > share;
        self.links.values().filter(behind).for_each(|link| link.session.shed(link.lane));
        tracing::debug!(room_id = %self.room_id, "members who are behind get snapshots");
    }
}

/// Runs a game's code; a panic in it ends the room and nothing else.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, Failed> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let words = panic.downcast_ref::<&str>().map(ToString::to_string);
        Failed(words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".into()))
    })
}
