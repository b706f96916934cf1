//! One player of a story: says numbered things, hears what everybody says, and knows what there was to hear.

use std::time::Duration;

use anteroom_client::{Client, ClientError, Game, Json, Room, RoomEvent, SessionState, TransportChoice};
use anteroom_core::Rng;
use anteroom_games::relay::{Action, DeliveryClass, Event, View};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::hearing::{Class, Hearing, Said};
use super::{MESSAGES, Notes, PLAYERS};

/// The game that everybody plays.
#[derive(Debug)]
pub(super) struct Relay;

impl Game for Relay {
    const KIND: &'static str = "relay";
    const VERSION: u16 = 2;
    type Action = Action;
    type Event = Event;
    type View = View;
}

pub(super) type RelayRoom = Room<Relay>;

/// See the module.
pub(super) struct Player {
    number: usize,
    client: Client,
    states: watch::Receiver<SessionState>,
    room: RelayRoom,
    rng: Rng,
    notes: Notes,
    hearing: Hearing,
    said: u64,
}

impl Player {
    pub(super) fn new(number: usize, client: Client, room: RelayRoom, rng: Rng, notes: Notes, heavy: bool) -> Self {
        let states = client.state_changes();
        let hearing = Hearing::new(format!("player {number}"), heavy);
        Self { number, client, states, room, rng, notes, hearing, said: 0 }
    }

    pub(super) fn user_id(&self) -> String {
        self.client.user_id().to_string()
    }

    pub(super) fn room_id(&self) -> String {
        self.room.room_id().to_string()
    }

    fn name(&self) -> String {
        format!("player {}", self.number)
    }

    fn plays(&self) -> bool {
        self.number < PLAYERS
    }

    /// Says and hears everything.
    pub(super) async fn play(&mut self, users: &[String]) {
        let mut next_at = Instant::now();
        while !self.is_done(users) {
            let speaks = self.plays() && self.said < MESSAGES;
            tokio::select! {
                biased;
                _ = self.states.changed() => self.look_at_connection(),
                event = self.room.next() => self.hear(event.expect("the room goes on")),
                () = sleep_until(next_at), if speaks => {
                    self.say().await;
                    next_at = Instant::now() + Duration::from_millis(u64::from(self.rng.below(1500)));
                }
            }
        }
        self.notes.note(&self.name(), "is done");
    }

    fn is_done(&self, users: &[String]) -> bool {
        (!self.plays() || self.said == MESSAGES) && self.hearing.is_done(users)
    }

    async fn say(&mut self) {
        // Now and then a flood.
        let times = if self.rng.below(15) == 0 { 12 } else { 1 };
        for _ in 0..times.min(MESSAGES - self.said) {
            self.say_one().await;
        }
        if self.rng.below(12) == 0 {
            self.change_transport().await;
        }
    }

    async fn say_one(&mut self) {
        let number = self.said;
        self.said += 1;
        let fill = if self.hearing.heavy && self.rng.below(4) == 0 { 12_000 } else { self.rng.below(100) as usize };
        let say = |class: Class| {
            let said = Said { class, number, fill: " ".repeat(fill) };
            let (delivery, key) = match class {
                Class::Reliable => (DeliveryClass::Reliable, String::new()),
                Class::Latest => (DeliveryClass::Latest, format!("of {}, {}", self.number, said.key())),
                Class::MixedLatest => (DeliveryClass::Latest, format!("mixed {}", self.number)),
                Class::MixedUnreliable => (DeliveryClass::Unreliable, format!("mixed {}", self.number)),
            };
            Action::Send { payload: Json::new(&said).unwrap(), delivery: Some(delivery), key: Some(key), to: None }
        };
        // What is the newest is said behind the number that it names, and must be heard behind it.
        if self.rng.below(4) == 0 {
            // The answer may take as long as an outage, and what is heard waits meanwhile.
            match self.room.act(&say(Class::Reliable)).await {
                Ok(()) => {}
                Err(ClientError::OutcomeUnknown) if self.hearing.heavy => {}
                Err(error) => panic!("{}: {error}", self.name()),
            }
            self.notes.note(&self.name(), &format!("{number} was answered"));
        } else {
            self.room.send(&say(Class::Reliable)).await.unwrap();
        }
        self.room.send(&say(Class::Latest)).await.unwrap();
        let is_last = number == MESSAGES - 1;
        let mixed = if is_last || self.rng.below(2) == 0 { Class::MixedLatest } else { Class::MixedUnreliable };
        self.room.send(&say(mixed)).await.unwrap();
    }

    async fn change_transport(&mut self) {
        let choice = if self.rng.below(2) == 0 { TransportChoice::Quic } else { TransportChoice::WebSocket };
        let moved = tokio::select! {
            biased;
            moved = self.client.move_to(choice) => moved.is_ok(),
            // The move goes on; what is heard must not wait for ever.
            () = tokio::time::sleep(Duration::from_secs(2)) => false,
        };
        *self.notes.moves.borrow_mut() += u64::from(moved);
        self.notes.note(&self.name(), &format!("to {choice}: {moved}"));
    }

    fn hear(&mut self, event: RoomEvent<Relay>) {
        let name = self.name();
        match event {
            RoomEvent::Game(Event::Message { from, payload }) => {
                let said: Said = serde_json::from_str(payload.text()).unwrap();
                self.notes.note(&name, &format!("{from} says {}, {:?}", said.number, said.class));
                self.hearing.hear(from.as_str(), &said);
            }
            RoomEvent::Gap { .. } => {
                self.notes.note(&name, "a gap");
                self.hearing.misses();
            }
            RoomEvent::State(_)
            | RoomEvent::System(_)
            | RoomEvent::RoomUpdated(_)
            | RoomEvent::Joined(_)
            | RoomEvent::Disconnected { .. }
            | RoomEvent::Reconnected { .. }
            | RoomEvent::Left { .. } => {
                self.notes.note(&name, &format!("{event:?}"));
            }
            _ => panic!("{name}: {event:?}"),
        }
    }

    /// Waits until there is no room but this one, and nobody in it but those who play.
    pub(super) async fn is_left_alone(&self) {
        loop {
            let list = self.client.list_rooms(None).await.unwrap();
            if let [room] = &list.rooms[..] {
                assert_eq!((room.room_id, usize::from(room.players)), (self.room.room_id(), PLAYERS));
                return;
            }
            self.notes.note(&self.name(), &format!("{} rooms", list.rooms.len()));
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }

    fn look_at_connection(&mut self) {
        let state = self.states.borrow_and_update().clone();
        match state {
            SessionState::Reconnecting { attempt: 1, .. } => *self.notes.losses.borrow_mut() += 1,
            SessionState::Ended(end) => panic!("{}: the session ended: {end}", self.name()),
            _ => {}
        }
        self.notes
            .note(&self.name(), if matches!(state, SessionState::Connected { .. }) { "is there" } else { "is not" });
    }

    pub(super) async fn close(self) {
        drop(self.room);
        self.client.close().await;
    }
}
