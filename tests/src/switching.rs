//! Sessions of the client library that talk in a relay room while their connections break, and check every word.
//!
//! Each member numbers what it says, and every member hears every number of every other once and in order; anything
//! else, a gap that is told included, fails the test. How long a switch takes is nobody's business here.

mod connecting;
pub mod storm;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anteroom_client::{
    Client, ConnectError, ConnectOptions, Game, Json, NewRoom, Role, Room, RoomEnd, RoomEvent, RoomId, SessionState,
    Transport, TransportChoice,
};
use anteroom_core::Rng;
use anteroom_games::relay::{Action, Event, View};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

pub use self::connecting::{Dials, RecordingDial, options};
use crate::in_time;

/// Every how many words one is said as a request, which is answered.
const ASKED_EVERY: u64 = 4;

/// The relay game, as clients see it.
#[derive(Debug)]
pub struct Relay;

impl Game for Relay {
    const KIND: &'static str = "relay";
    const VERSION: u16 = 2;
    type Action = Action;
    type Event = Event;
    type View = View;
}

/// A session, to be looked at and moved while its [`Member`] talks.
#[derive(Debug)]
pub struct Session {
    client: Client,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    losses: AtomicU64,
    moves: AtomicU64,
    words: AtomicU64,
}

impl Session {
    /// Connects, and counts from then on.
    ///
    /// # Panics
    /// If it cannot.
    pub async fn connect(options: ConnectOptions) -> Arc<Self> {
        let name = options.session.name.clone();
        Self::new(Client::connect(options).await.unwrap_or_else(|error| panic!("{name:?}: {error}")))
    }

    /// Connects over connections that a dial brings.
    ///
    /// # Panics
    /// If it cannot.
    pub async fn connect_over(dial: RecordingDial, options: ConnectOptions) -> Arc<Self> {
        Self::new(Client::with_dial(dial, options).await.unwrap())
    }

    fn new(client: Client) -> Arc<Self> {
        let counts = Arc::<Counts>::default();
        tokio::spawn(count_losses(client.state_changes(), counts.clone()));
        Arc::new(Self { client, counts })
    }

    /// The client library's side of it.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Who it is, in what others hear.
    #[must_use]
    pub fn user_id(&self) -> String {
        self.client.user_id().to_string()
    }

    /// How often it was without a connection, as far as anybody has looked.
    #[must_use]
    pub fn losses(&self) -> u64 {
        self.counts.losses.load(Ordering::Relaxed)
    }

    /// How often it was told to move, and did.
    #[must_use]
    pub fn moves(&self) -> u64 {
        self.counts.moves.load(Ordering::Relaxed)
    }

    /// How many words it has heard from others.
    #[must_use]
    pub fn words(&self) -> u64 {
        self.counts.words.load(Ordering::Relaxed)
    }

    /// What carries it; nothing while it has no connection.
    ///
    /// # Panics
    /// If it has ended.
    #[must_use]
    pub fn carried_by(&self) -> Option<Transport> {
        match self.client.state() {
            SessionState::Ended(end) => panic!("{}: the session ended: {end}", self.client.username()),
            SessionState::Reconnecting { .. } => None,
            _ => Some(self.client.transport()),
        }
    }

    /// Moves while everything goes on.
    ///
    /// # Errors
    /// As [`Client::move_to`].
    pub async fn move_to(&self, choice: TransportChoice) -> Result<(), ConnectError> {
        self.client.move_to(choice).await?;
        self.counts.moves.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Waits until it is connected over this.
    ///
    /// # Panics
    /// If that does not come to be.
    pub async fn comes_over(&self, transport: Transport) {
        let mut states = self.client.state_changes();
        let wanted = SessionState::Connected { transport };
        in_time(&format!("{transport:?}"), states.wait_for(|state| *state == wanted)).await.unwrap();
    }
}

/// A loss is told by the time it happened at, so that its further attempts are not counted again.
async fn count_losses(mut states: watch::Receiver<SessionState>, counts: Arc<Counts>) {
    let mut counted = None;
    while states.changed().await.is_ok() {
        if let SessionState::Reconnecting { since, .. } = *states.borrow_and_update()
            && counted.replace(since) != Some(since)
        {
            counts.losses.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A session in a room.
#[derive(Debug)]
pub struct Member {
    session: Arc<Session>,
    room: Room<Relay>,
    said: u64,
    /// By user.
    heard: BTreeMap<String, Heard>,
    /// Who was said to have lost the connection, and to be back, by name; in order.
    pub told: Vec<Told>,
}

#[derive(Debug, Default)]
struct Heard {
    words: u64,
    was_last: bool,
}

/// What a room tells of somebody's connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// It is lost.
    Lost(String),
    /// There is one again.
    Back(String),
    /// They are gone for good.
    Gone(String),
}

impl Member {
    /// Makes a room.
    pub async fn host(session: &Arc<Session>) -> Self {
        let room = in_time("the room", session.client.create_room(NewRoom::default())).await.unwrap();
        Self::new(session, room)
    }

    /// Joins a room.
    pub async fn join(session: &Arc<Session>, room_id: RoomId) -> Self {
        let room = in_time("joining", session.client.join_room(room_id, Role::Player)).await.unwrap();
        Self::new(session, room)
    }

    fn new(session: &Arc<Session>, room: Room<Relay>) -> Self {
        Self { session: session.clone(), room, said: 0, heard: BTreeMap::new(), told: Vec::new() }
    }

    /// The room.
    #[must_use]
    pub fn room(&self) -> &Room<Relay> {
        &self.room
    }

    fn name(&self) -> &str {
        self.session.client.username()
    }

    /// Says the next number; every fourth time waits until the room has answered.
    pub async fn say(&mut self, is_last: bool) {
        let action =
            Action::Send { payload: Json::new(&(self.said, is_last)).unwrap(), delivery: None, key: None, to: None };
        self.said += 1;
        let sent = match self.said % ASKED_EVERY {
            0 => self.room.act(&action).await,
            _ => self.room.send(&action).await,
        };
        sent.unwrap_or_else(|error| panic!("{}: word {}: {error}", self.name(), self.said));
    }

    /// Hears until so many words of this user have been heard in all.
    pub async fn hears(&mut self, user_id: &str, words: u64) {
        while self.heard.get(user_id).is_none_or(|heard| heard.words < words) {
            let event = in_time("the next word", self.room.next()).await;
            self.hear(event);
        }
    }

    /// Hears until the room tells this.
    pub async fn is_told(&mut self, told: &Told) {
        while !self.told.contains(told) {
            let event = in_time("what the room tells", self.room.next()).await;
            self.hear(event);
        }
    }

    /// Says one word after another, so many milliseconds apart on average, until told that it is over; hears until
    /// everybody's last word is there.
    pub async fn talk(mut self, members: usize, apart_ms: u32, over: watch::Receiver<bool>, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let (mut next_at, mut is_done) = (Instant::now(), false);
        while !is_done || self.heard.values().filter(|heard| heard.was_last).count() < members {
            tokio::select! {
                biased;
                event = self.room.next() => self.hear(event),
                () = sleep_until(next_at), if !is_done => {
                    is_done = *over.borrow();
                    self.say(is_done).await;
                    next_at += Duration::from_millis(u64::from(rng.below(2 * apart_ms + 1)));
                }
            }
        }
        self
    }

    /// Hears until everybody in the room has a connection.
    pub async fn everybody_is_there(&mut self) {
        while !self.room.members().iter().all(|member| member.connected) {
            let event = in_time("everybody", self.room.next()).await;
            self.hear(event);
        }
    }

    /// Hears what is there already.
    pub async fn hear_the_rest(&mut self) {
        while let Ok(event) = timeout(Duration::ZERO, self.room.next()).await {
            self.hear(event);
        }
    }

    /// Hears until the membership is over, and why.
    ///
    /// # Panics
    /// If anything comes after that.
    pub async fn ends(&mut self) -> RoomEnd {
        loop {
            match in_time("the room's end", self.room.next()).await {
                Some(RoomEvent::Closed(end)) => {
                    assert!(self.room.next().await.is_none());
                    return end;
                }
                event => self.hear(event),
            }
        }
    }

    /// Takes an event.
    ///
    /// # Panics
    /// If a word is missing, doubled or out of order, and at everything that does not belong in a room where all is well.
    pub fn hear(&mut self, event: Option<RoomEvent<Relay>>) {
        match event {
            Some(RoomEvent::Game(Event::Message { from, payload })) => self.hear_word(&from.to_string(), &payload),
            Some(RoomEvent::Joined(_) | RoomEvent::System(_) | RoomEvent::RoomUpdated(_)) => {}
            Some(RoomEvent::Disconnected { username, .. }) => self.told.push(Told::Lost(username)),
            Some(RoomEvent::Reconnected { username, .. }) => self.told.push(Told::Back(username)),
            Some(RoomEvent::Left { username, .. }) => self.told.push(Told::Gone(username)),
            other => panic!("{}: {other:?}", self.name()),
        }
    }

    fn hear_word(&mut self, from: &str, payload: &Json) {
        let (number, is_last): (u64, bool) = serde_json::from_str(payload.text()).unwrap();
        let heard = self.heard.entry(from.to_owned()).or_default();
        assert_eq!((number, heard.was_last), (heard.words, false), "{from} to {}", self.session.client.username());
        (heard.words, heard.was_last) = (number + 1, is_last);
        if from != self.session.user_id() {
            self.session.counts.words.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many words it has said, and how many it has heard, its own included.
    #[must_use]
    pub fn talked(&self) -> (u64, u64) {
        (self.said, self.heard.values().map(|heard| heard.words).sum())
    }
}
