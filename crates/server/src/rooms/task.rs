//! The task of one room.

use std::collections::BTreeMap;
use std::sync::Arc;

use anteroom_core::FlushMode;
use anteroom_core::flush::{Dispatch, Outgoing};
use anteroom_core::room::{Command, Effects, MemberId, Room};
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
}

struct RoomTask {
    rooms: Arc<Rooms>,
    room_id: RoomId,
    room: Room,
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

pub(super) async fn run(rooms: Arc<Rooms>, room: Room, mut inbox: Inbox, room_id: RoomId) {
    let game = room.summary().game;
    tracing::info!(%room_id, game, "room opened");
    // Rooms that flush by ticks do so in turns: few enough that a wake-up does for many, and enough of them that none
    // waits for all others' writes.
    let phase = match room.flush_mode() {
        FlushMode::Tick(tick) => room.seed() % TICK_TURNS * u64::try_from(tick.as_millis()).unwrap_or(0) / TICK_TURNS,
        FlushMode::Immediate => 0,
    };
    let (links, effects, answers) = (BTreeMap::new(), Effects::default(), Vec::new());
    let mut task = RoomTask { rooms, room_id, room, links, effects, answers };
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
        while !self.effects.closed {
            self.effects.clear();
            let deadline = self.room.next_deadline().map(|deadline| self.rooms.clock.instant(deadline));
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
        self.effects.clear();
        self.fail(why);
        for answer in &mut self.answers {
            answer.answered = Err(ErrorBody::new(ErrorCode::Internal, "The room failed.").into());
        }
        if caught(self.deliver()).await.is_ok() {
            return;
        }
        let now = self.rooms.clock.now();
        for (_, Link { session, lane }) in std::mem::take(&mut self.links) {
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
            self.room.advance(now, &mut self.effects);
            self.room.flush(&mut self.effects)
        })?
        .map_err(|error| error.to_string())
    }

    fn react(&mut self, now: anteroom_core::Time, mail: Mail) {
        let (room, effects) = (&mut self.room, &mut self.effects);
        match mail {
            Mail::Join(knock) => {
                let Knock { join, session, seat, answer: to } = *knock;
                let (lane, role) = (join.lane, join.role);
                // Whoever has gone takes no seat.
                let joined = match session.knocks(lane) {
                    true => room.join(now, join, effects).map_err(Declined::Refused),
                    false => Err(Declined::Absent),
                };
                let (member, answered) = match joined {
                    Ok(member) => (Some(member), Ok(())),
                    Err(declined) => (None, Err(declined)),
                };
                self.answers.push(Answer { to, answered, seat });
                let Some(member) = member else { return };
                // Before anything of the room can be seen, so that whoever sees it can act on it.
                let entered = self.rooms.running(&self.room_id).is_some_and(|room| {
                    let share = room.share(role);
                    session.enter(Membership { room, lane, member, share })
                });
                self.links.insert(member, Link { session, lane });
                // One who has gone at this very moment has not been told of the seat, and will not come back to it.
                if !entered {
                    room.handle(now, Command::Leave { member, reference: None, n: None }, effects);
                }
            }
            Mail::Leave { member, reference } => {
                room.handle(now, Command::Leave { member, reference, n: None }, effects);
            }
            Mail::LookFor { member } => self.look_for(now, member),
            Mail::Expire { member } => room.handle(now, Command::Expire { member }, effects),
            Mail::Abandon { member } => room.handle(now, Command::Abandon { member }, effects),
            Mail::Snapshot { member } => {
                // Whoever reads again is back, though the news of it may be behind this.
                self.look_for(now, member);
                self.room.handle(now, Command::Snapshot { member }, &mut self.effects);
            }
            Mail::Act { member, input, place } => {
                drop(place);
                let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
                let data = match input.codec {
                    Codec::Json => Data::Json(text(&input.data)),
                    Codec::Bincode => Data::Binary(&input.data),
                };
                let kind = text(&input.kind);
                room.handle(now, Command::Act { member, kind, data, reference: input.reference, n: None }, effects);
            }
            Mail::Close { reason } => room.handle(now, Command::Close { reason }, effects),
        }
    }

    /// Lets the room know whether a member's session has a connection now.
    fn look_for(&mut self, now: anteroom_core::Time, member: MemberId) {
        let Some(Link { session, .. }) = self.links.get(&member) else { return };
        let command = match session.is_connected() {
            true => Command::Reconnect { member },
            false => Command::Disconnect { member, kept: session.keeps },
        };
        self.room.handle(now, command, &mut self.effects);
    }

    fn fail(&mut self, why: &str) {
        let recent: Vec<String> = self.room.recent_inputs().collect();
        tracing::error!(room_id = %self.room_id, seed = self.room.seed(), ?recent, why, "game failed");
        self.room.fail(&mut self.effects);
    }

    /// Puts on the members' lanes what they are to hear. With many members others get their turn in between.
    async fn deliver(&mut self) {
        #[cfg(test)]
        tests::fail(&self.room);
        // First, so that whoever hears that somebody came or went finds the list to say so.
        let seats: Vec<Reservation> = self.answers.iter_mut().filter_map(|answer| answer.seat.take()).collect();
        if self.effects.entry.is_some() || !self.answers.is_empty() {
            self.rooms.lobby.settle(&self.room_id, self.effects.entry.take(), seats);
        }
        let now = self.rooms.clock.now();
        let mut farewells: BTreeMap<MemberId, Vec<Outgoing>> =
            self.effects.released.drain(..).map(|member| (member, Vec::new())).collect();
        let mut slice = Slice::timed();
        for Dispatch { to, outgoing } in self.effects.dispatches.drain(..) {
            slice.give_way().await;
            slice.spend(0);
            if let Some(farewell) = farewells.get_mut(&to) {
                farewell.push(outgoing);
            } else if let Some(link) = self.links.get(&to) {
                link.session.put(now, link.lane, outgoing);
            }
        }
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
