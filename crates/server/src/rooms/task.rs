//! The task of one room.

use std::collections::BTreeMap;
use std::sync::Arc;

use anteroom_core::FlushMode;
use anteroom_core::flush::{Dispatch, Outgoing};
use anteroom_core::room::{Answer, Command, Flush, MemberId, Room};
use anteroom_core::{Outcome, Time};
use anteroom_protocol::message::Role;
use anteroom_protocol::{Codec, Data, ErrorBody, ErrorCode, LaneId, RoomId};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::{Declined, Inbox, Knock, Mail, Rooms, TICK_MESSAGES_MAX, TURN_MESSAGES_MAX};
use crate::clock::Clock;
use crate::lobby::Reservation;
use crate::panics::{Words, caught, guarded};
use crate::session::{Membership, Session};
use crate::slice::Slice;

/// In how many groups rooms of the same tick flush.
const TICK_TURNS: u64 = 4;

/// The lane of a member.
struct Link {
    session: Arc<Session>,
    lane: LaneId,
    role: Role,
}

struct RoomTask {
    rooms: Arc<Rooms>,
    room_id: RoomId,
    room: Room,
    links: BTreeMap<MemberId, Link>,
    /// What the present turn yields.
    flush: Flush,
    /// Those whom the room is letting in, or not, in the order of the answers in its flush.
    callers: Vec<Caller>,
    /// What to tell those who knocked, once what follows from it can be seen by everyone.
    replies: Vec<Reply>,
    /// What was noticed while a flush was delivered: for the next turn.
    noticed: Vec<Mail>,
}

/// Somebody who knocked and was there when the room got to it.
struct Caller {
    session: Arc<Session>,
    to: oneshot::Sender<Result<(), Declined>>,
    seat: Option<Reservation>,
}

/// Whether somebody is let in.
struct Reply {
    to: oneshot::Sender<Result<(), Declined>>,
    answered: Result<(), Declined>,
    /// Reserved until the list shows what came of it.
    seat: Option<Reservation>,
}

pub(super) async fn run(rooms: Arc<Rooms>, room: Room, mut inbox: Inbox, room_id: RoomId) {
    let game = room.summary().game;
    tracing::info!(%room_id, game, "room opened");
    // Rooms that flush by ticks do so in turns: few enough that a wake-up does for many, and enough of them that none
    // waits for all others' writes.
    let phase = match room.flush_mode() {
        FlushMode::Tick(tick) => room.seed() % TICK_TURNS * u64::try_from(tick.as_millis()).unwrap_or(0) / TICK_TURNS,
        FlushMode::Immediate => 0,
    };
    let (links, flush) = (BTreeMap::new(), Flush::default());
    let (callers, replies, noticed) = (Vec::new(), Vec::new(), Vec::new());
    let mut task = RoomTask { rooms, room_id, room, links, flush, callers, replies, noticed };
    let ran = caught(task.go_on(&mut inbox, phase)).await;
    // Whoever knocks from now on hears that the room has closed.
    inbox.mailbox.close();
    if let Err(why) = ran {
        task.give_up(&why).await;
    }
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
    /// Takes turns until the room is over.
    async fn go_on(&mut self, inbox: &mut Inbox, phase: u64) {
        let mut mails = Vec::new();
        while !self.flush.effects.closed {
            self.flush.clear();
            mails.append(&mut self.noticed);
            let deadline = self.room.next_deadline().map(|deadline| self.rooms.clock.instant(deadline));
            tokio::select! {
                // What was posted comes before what falls due meanwhile: the creator, before the first tick.
                biased;
                () = std::future::ready(()), if !mails.is_empty() => {}
                received = inbox.mailbox.recv_many(&mut mails, TURN_MESSAGES_MAX) => {
                    if received == 0 {
                        break;
                    }
                }
                () = until(deadline) => {}
            }
            inbox.gather(self.room.flush_mode(), self.rooms.clock, phase, &mut mails).await;
            if let Err(why) = self.turn(&mut mails).await {
                self.fail(&why);
            }
            self.deliver().await;
        }
    }

    /// After a panic that was not the game's: nobody stays in a room that is not there any more.
    async fn give_up(&mut self, why: &str) {
        tracing::error!(room_id = %self.room_id, why, "a room failed");
        self.flush.clear();
        self.fail(why);
        let callers = self.callers.drain(..);
        self.replies.extend(callers.map(|Caller { to, seat, .. }| Reply { to, answered: Ok(()), seat }));
        for reply in &mut self.replies {
            reply.answered = Err(ErrorBody::new(ErrorCode::Internal, "The room failed.").into());
        }
        if caught(self.deliver()).await.is_ok() {
            return;
        }
        let now = self.rooms.clock.now();
        for (_, Link { session, lane, .. }) in std::mem::take(&mut self.links) {
            // One that fails as well is no worse off than before.
            drop(guarded(|| session.end_lane(now, lane, Vec::new())));
        }
    }

    /// Lets the room react to everything that has come, and flushes once.
    /// Others get their turn in between, and see nothing of it before the end.
    async fn turn(&mut self, mails: &mut Vec<Mail>) -> Result<(), Words> {
        let now = self.rooms.clock.now();
        let mut slice = Slice::timed();
        for mail in mails.drain(..) {
            slice.give_way().await;
            slice.spend(mail.bytes());
            guarded(|| self.react(now, mail))?;
        }
        guarded(|| {
            self.room.advance(now, &mut self.flush);
            self.room.flush(&mut self.flush)
        })?
        .map_err(|error| error.to_string())
    }

    fn react(&mut self, now: Time, mail: Mail) {
        let (room, flush) = (&mut self.room, &mut self.flush);
        match mail {
            Mail::Join(knock) => {
                let Knock { join, session, seat, answer: to } = *knock;
                if session.knocks(join.lane) {
                    // Before the room is asked, so that there is one for every answer though the game may fail.
                    self.callers.push(Caller { session, to, seat });
                    // The answer is in the flush.
                    drop(room.join(now, join, flush));
                } else {
                    // Whoever has gone takes no seat.
                    self.replies.push(Reply { to, answered: Err(Declined::Absent), seat });
                }
            }
            Mail::Leave { member, reference } => {
                room.handle(now, Command::Leave { member, reference, n: None }, flush);
            }
            Mail::LookFor { member } => self.look_for(now, member),
            Mail::Expire { member } => room.handle(now, Command::Expire { member }, flush),
            Mail::Abandon { member } => room.handle(now, Command::Abandon { member }, flush),
            Mail::Snapshot { member } => {
                // Whoever reads again is back, though the news of it may be behind this.
                self.look_for(now, member);
                self.room.handle(now, Command::Snapshot { member }, &mut self.flush);
            }
            Mail::Act { member, input, place } => {
                drop(place);
                let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
                let data = match input.codec {
                    Codec::Json => Data::Json(text(&input.data)),
                    Codec::Bincode => Data::Binary(&input.data),
                };
                let kind = text(&input.kind);
                room.handle(now, Command::Act { member, kind, data, reference: input.reference, n: None }, flush);
            }
            Mail::Close { reason } => room.handle(now, Command::Close { reason }, flush),
        }
    }

    /// Lets the room know whether a member's session has a connection now.
    fn look_for(&mut self, now: Time, member: MemberId) {
        let Some(Link { session, .. }) = self.links.get(&member) else { return };
        let command = match session.is_connected() {
            true => Command::Reconnect { member },
            false => Command::Disconnect { member, kept: session.keeps },
        };
        self.room.handle(now, command, &mut self.flush);
    }

    fn fail(&mut self, why: &str) {
        let recent: Vec<String> = self.room.recent_inputs().collect();
        tracing::error!(room_id = %self.room_id, seed = self.room.seed(), ?recent, why, "game failed");
        self.room.fail(&mut self.flush);
    }

    /// Puts on the members' lanes what they are to hear. With many members others get their turn in between.
    async fn deliver(&mut self) {
        #[cfg(test)]
        tests::fail(&self.room);
        self.answer_callers();
        // First, so that whoever hears that somebody came or went finds the list to say so.
        let seats: Vec<Reservation> = self.replies.iter_mut().filter_map(|reply| reply.seat.take()).collect();
        if self.flush.effects.entry.is_some() || !self.replies.is_empty() {
            self.rooms.lobby.settle(&self.room_id, self.flush.effects.entry.take(), seats);
        }
        for Outcome { winners } in self.flush.effects.outcomes.drain(..) {
            let winners: Vec<u16> = winners.into_iter().map(|seat| seat.0).collect();
            tracing::info!(room_id = %self.room_id, ?winners, "match ended");
        }
        let now = self.rooms.clock.now();
        let mut farewells: BTreeMap<MemberId, Vec<Outgoing>> =
            self.flush.effects.released.drain(..).map(|member| (member, Vec::new())).collect();
        let mut dispatches = std::mem::take(&mut self.flush.effects.dispatches);
        let mut slice = Slice::timed();
        for dispatch in dispatches.drain(..) {
            slice.give_way().await;
            slice.spend(0);
            match dispatch {
                Dispatch::Enter(member) => self.enter(member),
                Dispatch::Say { to, outgoing } => {
                    if let Some(farewell) = farewells.get_mut(&to) {
                        farewell.push(outgoing);
                    } else if let Some(link) = self.links.get(&to) {
                        link.session.put(now, link.lane, outgoing);
                    }
                }
            }
        }
        self.flush.effects.dispatches = dispatches;
        for (member, farewell) in farewells {
            slice.give_way().await;
            slice.spend(0);
            if let Some(link) = self.links.remove(&member) {
                link.session.end_lane(now, link.lane, farewell);
            }
        }
        if self.room.kept_bytes() > self.rooms.kept_bytes_max {
            self.shed();
        }
        for Reply { to, answered, .. } in self.replies.drain(..) {
            // A session that has gone meanwhile says so with a command of its own.
            drop(to.send(answered));
        }
    }

    /// Notes what the room has answered those who knocked, and whose lanes it may use from now on.
    fn answer_callers(&mut self) {
        for (answer, caller) in self.flush.answers.drain(..).zip(self.callers.drain(..)) {
            let (Answer { lane, role, joined, .. }, Caller { session, to, seat }) = (answer, caller);
            let answered = match joined {
                Ok(member) => {
                    self.links.insert(member, Link { session, lane, role });
                    Ok(())
                }
                Err(error) => Err(Declined::Refused(error)),
            };
            self.replies.push(Reply { to, answered, seat });
        }
    }

    /// Lets a session know that it is in the room, before anything of it can be seen, so that whoever sees it can act
    /// on it.
    fn enter(&mut self, member: MemberId) {
        let Some(Link { session, lane, role }) = self.links.get(&member) else { return };
        let entered = self.rooms.running(&self.room_id).is_some_and(|room| {
            let share = room.share(*role);
            session.enter(Membership { room, lane: *lane, member, share })
        });
        if !entered {
            // One who has gone at this very moment has not been told of the seat, and will not come back to it.
            self.noticed.push(Mail::Leave { member, reference: None });
        } else if !session.is_connected() {
            // Whoever lost the connection just before did not know that this room is to be told.
            self.noticed.push(Mail::LookFor { member });
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

    async fn say(player: &mut Connection, kind: &str, data: Value) {
        let mut batch = BatchBuilder::new(Codec::Json);
        batch.push_encoded(json!({"type": kind, "ref": 0, "data": data}).to_string().as_bytes());
        player.send(LaneId::CONTROL, Arc::new(batch.finish())).await.unwrap();
    }

    async fn hear(player: &mut Connection, kind: &str) -> Value {
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

    async fn enter(server: &Server) -> Connection {
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
        assert!(server.shared.rooms.find(room_id.as_str().unwrap()).is_err());
    }
}
