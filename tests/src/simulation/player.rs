//! One player of a story: says numbered things, hears what everybody says, and knows what there was to hear.

use std::collections::BTreeMap;
use std::time::Duration;

use anteroom_client::{Client, Game, Json, Room, RoomEvent, SessionState, TransportChoice};
use anteroom_core::Rng;
use anteroom_games::relay::{Action, DeliveryClass, Event, View};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::{MESSAGES, Notes, PLAYERS};

/// The game that everybody plays.
#[derive(Debug)]
pub(super) struct Relay;

impl Game for Relay {
    const KIND: &'static str = "relay";
    const VERSION: u16 = 1;
    type Action = Action;
    type Event = Event;
    type View = View;
}

pub(super) type RelayRoom = Room<Relay>;

/// What was heard from one player.
#[derive(Debug, Default)]
struct Heard {
    /// Reliable messages: the next number.
    next: u64,
    /// The newest value.
    latest: Option<u64>,
}

/// See the module.
pub(super) struct Player {
    number: usize,
    client: Client,
    states: watch::Receiver<SessionState>,
    room: RelayRoom,
    rng: Rng,
    notes: Notes,
    heard: BTreeMap<String, Heard>,
    said: u64,
}

impl Player {
    pub(super) fn new(number: usize, client: Client, room: RelayRoom, rng: Rng, notes: Notes) -> Self {
        let states = client.state_changes();
        Self { number, client, states, room, rng, notes, heard: BTreeMap::new(), said: 0 }
    }

    pub(super) fn user_id(&self) -> String {
        self.client.user_id().to_string()
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
        let heard_all = |user: &String| {
            self.heard.get(user).is_some_and(|heard| heard.next == MESSAGES && heard.latest == Some(MESSAGES - 1))
        };
        (!self.plays() || self.said == MESSAGES) && users.iter().all(heard_all)
    }

    async fn say(&mut self) {
        let number = self.said;
        self.said += 1;
        let say = |delivery, newest: bool| Action::Send {
            payload: Json::new(&(newest, number)).unwrap(),
            delivery: Some(delivery),
            key: Some(format!("of {}", self.number)),
        };
        // What is the newest is said behind the number that it names, and must be heard behind it.
        let (reliable, latest) = (say(DeliveryClass::Reliable, false), say(DeliveryClass::Latest, true));
        if self.rng.below(4) == 0 {
            // Both at once: the answer may take as long as an outage, and what is heard waits meanwhile.
            self.room.act(&reliable).await.unwrap_or_else(|error| panic!("{}: {error}", self.name()));
            self.notes.note(&self.name(), &format!("{number} was answered"));
        } else {
            self.room.send(&reliable).await.unwrap();
        }
        self.room.send(&latest).await.unwrap();
        if self.rng.below(12) == 0 {
            self.change_transport().await;
        }
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
        let RoomEvent::Game(Event::Message { from, payload }) = event else {
            let is_fine =
                matches!(event, RoomEvent::Joined(_) | RoomEvent::Disconnected { .. } | RoomEvent::Reconnected { .. });
            assert!(is_fine, "{name}: {event:?}");
            return self.notes.note(&name, &format!("{event:?}"));
        };
        let (newest, number): (bool, u64) = serde_json::from_str(payload.text()).unwrap();
        self.notes.note(&name, &format!("{from} says {number}{}", if newest { ", the newest" } else { "" }));
        let heard = self.heard.entry(from.to_string()).or_default();
        if newest {
            assert!(number < heard.next, "{name}: {from}'s newest is {number} before {}", heard.next);
            // The newest value may come twice: nobody knows whether it arrived before a connection was lost.
            assert!(heard.latest <= Some(number), "{name}: {from}'s newest is {number} after {:?}", heard.latest);
            heard.latest = Some(number);
        } else {
            assert_eq!(number, heard.next, "{name}: {from} says");
            heard.next += 1;
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
