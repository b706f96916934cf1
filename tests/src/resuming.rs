//! A client that goes on with its session over any number of connections, and follows the protocol to the letter.
//!
//! It insists on what the protocol promises: every message once, in order, nothing behind a lane's end, and no gap that
//! is not told. It does nothing by itself but read, acknowledge and send again: a test says when a connection is lost
//! and what comes next.

pub mod pair;
mod reading;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use anteroom_protocol::lane::{AckDue, UNCOUNTED_TYPES, Unacknowledged, Upstream};
use anteroom_protocol::{BatchBuilder, Codec, LaneId};
use anteroom_transport::{Closed, Event};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use self::reading::{Reading, opens};
use crate::DEADLINE;
use crate::message::{self, By, GamesOfRooms, Message};
use crate::peer::{End, Peer, Via, Way};
use crate::server::TestServer;

/// How the lanes come over to a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrying {
    /// At once, behind what has been received.
    Received,
    /// At once, each with a snapshot.
    Fresh,
    /// Later, from a connection that lives.
    Live,
}

/// Something that has come, and the lane it came on.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// The lane.
    pub lane: u32,
    /// What. A gap is there as the `lane` that told it; every other `lane`, and every `ack`, is not.
    pub message: Message,
}

/// A connection of the session.
#[derive(Debug)]
struct Link {
    number: u64,
    peer: Peer,
    /// What came on lanes before the answer to `reconnect`.
    held: Option<Vec<(Message, usize)>>,
    /// Without streams: the lane that was opened last for each room.
    opened: HashMap<String, u32>,
    goodbye: Option<(u16, String)>,
}

/// The client.
#[derive(Debug)]
pub struct Resuming {
    /// Who it is.
    pub user_id: String,
    /// The session.
    pub session_id: String,
    /// The newest token.
    pub token: String,
    /// How many attempts were made.
    pub attempt: u64,
    /// Whether it acknowledges by itself, when it is time.
    pub acknowledges: bool,
    /// What has come, in order.
    pub log: Vec<Heard>,
    /// How connections ended that the server closed, in order; those it broke off are not there.
    pub ends: Vec<End>,
    /// Requests whose outcome cannot be known any more, by their `n`.
    pub unknown: Vec<u64>,
    /// How many messages came that had come before.
    pub repeated: u64,
    /// How large the last frame or record was.
    pub last_bytes: usize,
    codec: Codec,
    /// Whether the server keeps what is not acknowledged.
    keeps: bool,
    games: GamesOfRooms,
    links: Vec<Link>,
    made: u64,
    lanes: BTreeMap<u32, Reading>,
    kept: Unacknowledged,
    unacked_messages_max: usize,
    /// The lanes of requests that are not answered, by `n`.
    asked: BTreeMap<u64, u32>,
    ack: AckDue,
    began: Instant,
    unread: VecDeque<Message>,
    answer: Option<Message>,
}

impl Resuming {
    /// Connects as a guest.
    pub async fn enter(server: &TestServer, way: Way, name: &str) -> Self {
        Self::begin(server, way, json!({"version": 1, "resume": true, "name": name})).await
    }

    /// Connects as a user with a token.
    pub async fn enter_as(server: &TestServer, way: Way, user_id: &str) -> Self {
        let token = crate::token::of(user_id);
        Self::begin(server, way, json!({"version": 1, "resume": true, "token": token})).await
    }

    /// Connects with any handshake. Without `resume` nothing is acknowledged, and nothing kept.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn begin(server: &TestServer, way: Way, handshake: Value) -> Self {
        let keeps = handshake["resume"] == json!(true);
        let mut peer = Peer::dial(server, way).await;
        let accepted = peer.handshake(handshake).await;
        let text = |name: &str| accepted[name].as_str().unwrap().to_owned();
        let mut client = Self {
            user_id: text("user_id"),
            session_id: text("session_id"),
            token: text("resume_token"),
            attempt: 0,
            acknowledges: keeps,
            log: Vec::new(),
            ends: Vec::new(),
            unknown: Vec::new(),
            repeated: 0,
            last_bytes: 0,
            codec: way.codec,
            keeps,
            games: GamesOfRooms::new(),
            links: Vec::new(),
            made: 0,
            lanes: BTreeMap::new(),
            kept: Unacknowledged::default(),
            unacked_messages_max: accepted["limits"]["unacked_messages_max"].as_u64().unwrap() as usize,
            asked: BTreeMap::new(),
            ack: AckDue::default(),
            began: Instant::now(),
            unread: VecDeque::new(),
            answer: None,
        };
        let link = client.link(peer, None);
        client.lanes.insert(0, Reading::new(None, link));
        client
    }

    /// The same session in a program that began anew: it has nothing but what one stores. Its connections are lost.
    #[must_use]
    pub fn restarted(mut self) -> Self {
        self.cut();
        (self.lanes, self.asked, self.kept) = Default::default();
        self.unread.clear();
        self.log.clear();
        self
    }

    fn link(&mut self, peer: Peer, held: Option<Vec<(Message, usize)>>) -> u64 {
        self.made += 1;
        self.links.push(Link { number: self.made, peer, held, opened: HashMap::new(), goodbye: None });
        self.made
    }

    /// Loses every connection, without a word.
    pub fn cut(&mut self) {
        self.links.clear();
        self.lanes.values_mut().for_each(|lane| lane.on = None);
        self.ack.reset();
    }

    /// Loses the oldest connection, without a word.
    ///
    /// # Panics
    /// If there is none.
    pub fn lose_oldest(&mut self) {
        let lost = self.links.remove(0).number;
        self.lanes.values_mut().filter(|lane| lane.on == Some(lost)).for_each(|lane| lane.on = None);
    }

    /// The newest connection, to send on it whatever one likes. Reading there takes from the client what it counts.
    ///
    /// # Panics
    /// If there is none.
    pub fn raw(&mut self) -> &mut Peer {
        &mut self.links.last_mut().unwrap().peer
    }

    /// A transport, in the codec of the session.
    #[must_use]
    pub fn way(&self, via: Via) -> Way {
        Way { via, codec: self.codec }
    }

    /// The data of the next `reconnect`.
    pub fn claim(&mut self, carrying: Carrying) -> Value {
        self.attempt += 1;
        let mut claim =
            json!({"session_id": self.session_id, "resume_token": self.token, "attempt": self.attempt});
        match carrying {
            Carrying::Received => claim["received"] = self.received(),
            Carrying::Fresh => claim["fresh"] = json!(true),
            Carrying::Live => {}
        }
        claim
    }

    /// How many counted messages have come on each lane.
    #[must_use]
    pub fn received(&self) -> Value {
        let counted = self.lanes.iter().map(|(lane, reading)| (lane.to_string(), reading.inbound.received()));
        counted.filter(|(_, count)| *count > 0).map(|(lane, count)| (lane, json!(count))).collect()
    }

    /// Goes on with the session on a new connection, in place of any other; gives the answer.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn reconnect(&mut self, server: &TestServer, via: Via) -> Message {
        self.cut();
        self.claim_on(server, via, Carrying::Received).await
    }

    /// The same, with a snapshot of everything.
    pub async fn reconnect_fresh(&mut self, server: &TestServer, via: Via) -> Message {
        self.cut();
        self.claim_on(server, via, Carrying::Fresh).await
    }

    /// Moves the session to a new connection, live, and waits until control is there. The old one is read until the
    /// server closes it.
    pub async fn move_to(&mut self, server: &TestServer, via: Via) {
        self.claim_on(server, via, Carrying::Live).await;
        self.resume().await;
        self.arrive().await;
    }

    /// The first half of a live move: there is a second connection, and the first one carries everything.
    pub async fn begin_move(&mut self, server: &TestServer, via: Via) -> Message {
        self.claim_on(server, via, Carrying::Live).await
    }

    /// The second half: calls the lanes over to the newest connection.
    ///
    /// # Panics
    /// If there is none.
    pub async fn resume(&mut self) {
        let resume = json!({"type": "resume", "data": {"received": self.received()}});
        self.raw().send(&resume).await;
    }

    /// Waits until control is on the newest connection.
    pub async fn arrive(&mut self) {
        while self.lanes[&0].on != self.links.last().map(|link| link.number) {
            self.step().await;
        }
    }

    /// Waits until control is open: what was sent again is on its way then.
    pub async fn settle(&mut self) {
        while self.lanes[&0].on.is_none() {
            self.step().await;
        }
    }

    async fn claim_on(&mut self, server: &TestServer, via: Via, carrying: Carrying) -> Message {
        let claim = self.claim(carrying);
        self.present(server, via, claim).await
    }

    /// Presents any claim on a new connection; gives the answer.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn present(&mut self, server: &TestServer, via: Via, claim: Value) -> Message {
        let peer = pair::present(server, self.way(via), &claim).await;
        self.link(peer, Some(Vec::new()));
        let answer = loop {
            match self.answer.take() {
                Some(answer) => break answer,
                None => self.step().await,
            }
        };
        assert_eq!(answer.success, Some(true), "{claim}: {answer:?}");
        answer
    }

    /// Says goodbye, and waits until the server closes.
    ///
    /// # Panics
    /// If it does not close normally.
    pub async fn leave(mut self) {
        // The server may be quicker to close than we are to see that all is written.
        drop(self.raw().try_bytes(Codec::Json, br#"{"type":"goodbye","data":{"code":1000}}"#).await);
        self.end().await;
    }

    /// Reads until every connection has ended.
    ///
    /// # Panics
    /// If none is closed normally.
    pub async fn end(&mut self) {
        while !self.links.is_empty() {
            self.step().await;
        }
        assert!(self.ends.iter().any(|end| end.code == 1000), "{:?}", self.ends);
    }

    /// Sends a message reliably, and gives its number. Nothing answers it but a failure.
    pub async fn send(&mut self, envelope: Value) -> u64 {
        self.put(envelope, false).await
    }

    /// Sends a request reliably, and gives its number, to wait for its [`answer`](Self::answer).
    pub async fn request(&mut self, kind: &str, data: Value) -> u64 {
        self.put(json!({"type": kind, "data": data}), true).await
    }

    /// The same, in a room.
    pub async fn request_in(&mut self, room_id: &str, kind: &str, data: Value) -> u64 {
        self.put(json!({"type": kind, "room_id": room_id, "data": data}), true).await
    }

    /// Sends a request and gives its result.
    pub async fn ask(&mut self, kind: &str, data: Value) -> Message {
        let n = self.request(kind, data).await;
        self.answer(n).await
    }

    /// Sends a request into a room and gives its result.
    pub async fn ask_in(&mut self, room_id: &str, kind: &str, data: Value) -> Message {
        let n = self.request_in(room_id, kind, data).await;
        self.answer(n).await
    }

    /// Says something in a relay room.
    pub async fn say(&mut self, room_id: &str, payload: Value) -> u64 {
        self.send(json!({"type": "send", "room_id": room_id, "data": {"payload": payload}})).await
    }

    /// The result of a request.
    pub async fn answer(&mut self, n: u64) -> Message {
        self.until(&format!("the answer to {n}"), |message| message.reference == Some(json!(n))).await
    }

    /// Creates a room and gives its id.
    pub async fn create(&mut self, game: &str, options: Value) -> String {
        let created = self.ask("create_room", json!({"game": game, "options": options})).await;
        assert_eq!(created.success, Some(true), "{created:?}");
        created.room_id.unwrap()
    }

    /// Joins a room and gives the data of the result.
    pub async fn join(&mut self, room_id: &str, role: &str) -> Value {
        let joined = self.ask("join_room", json!({"room_id": room_id, "as": role})).await;
        assert_eq!(joined.success, Some(true), "{joined:?}");
        joined.data
    }

    async fn put(&mut self, envelope: Value, asks: bool) -> u64 {
        while self.kept.len() >= self.unacked_messages_max {
            self.step().await;
        }
        let message = self.keep(envelope, asks);
        self.transmit(&message).await;
        message.n
    }

    /// Sends the same request many times in one frame, so that the server comes to nothing else meanwhile. Gives the
    /// numbers.
    pub async fn request_at_once(&mut self, kind: &str, times: usize) -> Vec<u64> {
        let (mut builder, mut numbers) = (BatchBuilder::new(self.codec), Vec::new());
        for _ in 0..times {
            let message = self.keep(json!({"type": kind, "data": {}}), true);
            builder.push_encoded(message.batch.payload());
            numbers.push(message.n);
        }
        let codec = self.codec;
        self.raw().bytes(codec, builder.finish().payload()).await;
        numbers
    }

    fn keep(&mut self, mut envelope: Value, asks: bool) -> Upstream {
        let (n, lane) = (self.kept.next_n(), self.lane_up(&envelope));
        envelope["n"] = json!(n);
        if asks {
            envelope["ref"] = json!(n);
            self.asked.insert(n, lane);
        }
        let mut builder = BatchBuilder::new(self.codec);
        builder.push_encoded(&message::write(self.codec, &envelope));
        let message = Upstream { n, lane: LaneId(lane), batch: Arc::new(builder.finish()) };
        self.kept.push(message.clone());
        message
    }

    /// The lane of a message to the server.
    fn lane_up(&self, envelope: &Value) -> u32 {
        let kind = envelope["type"].as_str();
        let room_id = envelope["room_id"].as_str().filter(|_| !matches!(kind, Some("create_room" | "join_room")));
        room_id.and_then(|room_id| self.lane_of(room_id)).unwrap_or(0)
    }

    /// The newest lane of a room that has not ended.
    #[must_use]
    pub fn lane_of(&self, room_id: &str) -> Option<u32> {
        let open = |reading: &Reading| reading.room_id.as_deref() == Some(room_id) && !reading.ended;
        self.lanes.iter().rev().find(|(_, reading)| open(reading)).map(|(lane, _)| *lane)
    }

    /// Sends what is kept for later anyway, where its lane is open.
    async fn transmit(&mut self, Upstream { lane, batch, .. }: &Upstream) {
        let on = self.lanes.get(&lane.0).and_then(|reading| reading.on);
        if let Some(link) = self.links.iter_mut().find(|link| Some(link.number) == on) {
            // A server that hung up will get it on another connection.
            let _ = link.peer.try_bytes(self.codec, batch.payload()).await;
        }
    }

    /// How many messages the server may not have.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    /// The next message.
    pub async fn next(&mut self) -> Message {
        self.until("a message", |_| true).await
    }

    /// The next message, which must be of this type.
    ///
    /// # Panics
    /// If it is another.
    pub async fn expect(&mut self, kind: &str) -> Message {
        let message = self.until(kind, |_| true).await;
        assert_eq!(message.kind, kind, "{message:?}");
        message
    }

    /// The first message of this type; what comes before stays unread.
    pub async fn find(&mut self, kind: &str) -> Message {
        self.until(kind, |message| message.kind == kind).await
    }

    /// The first message that is wanted; what comes before stays unread.
    ///
    /// # Panics
    /// If there is no connection to hear it on.
    pub async fn until(&mut self, what: &str, wanted: impl Fn(&Message) -> bool) -> Message {
        let mut known = 0;
        loop {
            if let Some(place) = self.unread.iter().skip(known).position(&wanted) {
                return self.unread.remove(known + place).unwrap();
            }
            known = self.unread.len();
            assert!(!self.links.is_empty(), "waiting for {what}: {:?}; unread: {:?}", self.ends, self.unread);
            self.step().await;
        }
    }

    /// Forgets what has come and was not looked at.
    pub fn forget(&mut self) {
        self.unread.clear();
    }

    /// What was heard of a type on a lane, in order.
    pub fn heard<'a>(&'a self, lane: u32, kind: &'a str) -> impl Iterator<Item = &'a Message> {
        let heard = self.log.iter().filter(move |heard| heard.lane == lane && heard.message.kind == kind);
        heard.map(|heard| &heard.message)
    }

    /// Takes in what comes next, on whichever connection; acknowledges meanwhile when it is time.
    ///
    /// # Panics
    /// If nothing comes before the deadline, or something that may not.
    pub async fn step(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let ack_at = self.ack.at_ms().filter(|_| self.acknowledges && !self.links.is_empty());
            let ack_at = ack_at.map(|at_ms| self.began + Duration::from_millis(at_ms));
            tokio::select! {
                biased;
                () = sleep_until(ack_at.unwrap_or(deadline)), if ack_at.is_some() => self.acknowledge().await,
                (place, event) = next_event(&mut self.links) => return self.on_event(place, event).await,
                () = sleep_until(deadline) => panic!("nothing comes; unread: {:?}", self.unread),
            }
        }
    }

    /// Acknowledges what has come.
    pub async fn acknowledge(&mut self) {
        self.ack.reset();
        let (on, ack) = (self.lanes[&0].on, json!({"type": "ack", "data": self.received()}));
        if let Some(link) = self.links.iter_mut().find(|link| Some(link.number) == on) {
            let _ = link.peer.try_bytes(self.codec, &message::write(self.codec, &ack)).await;
        }
    }

    async fn on_event(&mut self, place: usize, event: Result<Event, Closed>) {
        let (codec, payload, by) = match event {
            Ok(Event::Record { lane, codec, payload }) => {
                (codec, payload, lane.map_or(By::Frame, |lane| By::Stream(lane.0)))
            }
            Ok(Event::Datagram { lane, payload }) => (Codec::of_payload(&payload), payload, By::Datagram(lane.0)),
            Ok(Event::LaneEnded { .. } | Event::Writable) => return,
            Err(closed) => return self.on_end(place, closed),
        };
        let messages = message::read(codec, &payload, by, &mut self.games);
        self.last_bytes = payload.len();
        let bytes = payload.len() / messages.len().max(1);
        for message in messages {
            self.on_message(place, message, bytes).await;
        }
    }

    fn on_end(&mut self, place: usize, closed: Closed) {
        let Link { number, goodbye, .. } = self.links.remove(place);
        self.lanes.values_mut().filter(|lane| lane.on == Some(number)).for_each(|lane| lane.on = None);
        if let Closed::ByPeer { code, reason } = closed {
            self.ends.push(End { code, reason, goodbye, rest: Vec::new() });
        }
    }

    async fn on_message(&mut self, place: usize, message: Message, bytes: usize) {
        let link = &mut self.links[place];
        match (&mut link.held, &message.by) {
            (_, By::Frame | By::Stream(0)) if message.kind == "goodbye" => {
                let code = u16::try_from(message.data["code"].as_u64().unwrap()).unwrap();
                link.goodbye = Some((code, message.data["reason"].as_str().unwrap().to_owned()));
            }
            (Some(_), By::Frame | By::Stream(0)) => self.on_answer(place, message).await,
            (Some(held), By::Stream(_)) => held.push((message, bytes)),
            (Some(_), By::Datagram(_)) => {}
            (None, _) => self.on_lane(place, message, bytes).await,
        }
    }

    async fn on_answer(&mut self, place: usize, answer: Message) {
        assert_eq!(answer.kind, "reconnect_result", "{answer:?}");
        let held = self.links[place].held.take().unwrap();
        if answer.success == Some(true) {
            self.token = answer.data["resume_token"].as_str().unwrap().to_owned();
            self.kept.skip_to(answer.data["last_n"].as_u64().unwrap());
            self.lanes.entry(0).or_default();
            self.end_unlisted(&answer.data["lanes"]);
        }
        self.answer = Some(answer);
        for (message, bytes) in held {
            Box::pin(self.on_lane(place, message, bytes)).await;
        }
    }

    /// Lanes that are not listed have ended. One that is kept does not end without saying so.
    fn end_unlisted(&mut self, listed: &Value) {
        let listed: Vec<u64> =
            listed.as_array().unwrap().iter().map(|row| row["lane"].as_u64().unwrap()).collect();
        let ended = self.lanes.iter_mut().filter(|(lane, _)| **lane != 0 && !listed.contains(&u64::from(**lane)));
        for (lane, reading) in ended {
            assert!(reading.ended || !self.keeps, "lane {lane} is not listed, and nobody said that it ended");
            reading.ended = true;
            self.unknown.extend(give_up(&mut self.asked, *lane, u64::MAX));
            self.kept.end_lane(LaneId(*lane));
        }
    }

    /// The lane of a message; without streams, the one that was opened last for its room.
    fn lane_down(&mut self, place: usize, message: &Message) -> u32 {
        let named = (message.kind == "lane" || opens(message)).then(|| message.data["lane"].as_u64().unwrap() as u32);
        let lane = match (message.by, &message.room_id) {
            (By::Stream(lane) | By::Datagram(lane), _) => lane,
            (By::Frame, None) => 0,
            (By::Frame, Some(room_id)) => {
                let opened = &mut self.links[place].opened;
                opened.extend(named.map(|lane| (room_id.clone(), lane)));
                *opened.get(room_id).unwrap_or_else(|| panic!("on a lane that was not opened: {message:?}"))
            }
        };
        assert!(named.is_none_or(|named| named == lane), "on lane {lane}: {message:?}");
        lane
    }

    async fn on_lane(&mut self, place: usize, message: Message, bytes: usize) {
        let (number, lane) = (self.links[place].number, self.lane_down(place, &message));
        if message.kind == "lane" {
            return self.on_opened(lane, number, message).await;
        }
        if opens(&message) {
            self.lanes.entry(lane).or_insert_with(|| Reading::new(message.room_id.clone(), number));
        }
        if message.kind == "ack" {
            for (lane, n) in message.data.as_object().unwrap() {
                self.kept.acknowledge(LaneId(lane.parse().unwrap()), n.as_u64().unwrap());
            }
            return;
        }
        let Some(reading) = self.lanes.get_mut(&lane) else {
            // A datagram may be faster than what opens its lane.
            return assert!(matches!(message.by, By::Datagram(_)), "on a lane that was not opened: {message:?}");
        };
        // What concerns one connection alone is on no lane.
        let is_own = lane == 0 && UNCOUNTED_TYPES.contains(&&*message.kind);
        if !is_own && reading.on != Some(number) {
            assert!(reading.on.is_some_and(|on| on > number), "the lane is not open here: {message:?}");
            return;
        }
        let is_counted = message.latest.is_none() && !is_own && !matches!(message.by, By::Datagram(_));
        if is_counted {
            self.ack.note(self.began.elapsed().as_millis() as u64, bytes);
        }
        if is_counted && !reading.take(&message) {
            self.repeated += 1;
            return;
        }
        if let Some(n) = message.reference.as_ref().and_then(Value::as_u64) {
            self.asked.remove(&n);
            self.kept.answered(n);
        }
        if reading.ended {
            self.unknown.extend(give_up(&mut self.asked, lane, u64::MAX));
            self.kept.end_lane(LaneId(lane));
        }
        self.deliver(lane, message);
    }

    async fn on_opened(&mut self, lane: u32, number: u64, message: Message) {
        let reading = self.lanes.entry(lane).or_insert_with(|| Reading::new(message.room_id.clone(), number));
        let applied = message.data["applied"].as_u64().unwrap();
        if reading.opened(number, &message) {
            self.unknown.extend(give_up(&mut self.asked, lane, applied));
            self.deliver(lane, message);
        }
        let again: Vec<Upstream> = self.kept.resend(LaneId(lane), applied).cloned().collect();
        for message in again {
            self.transmit(&message).await;
        }
    }

    fn deliver(&mut self, lane: u32, message: Message) {
        self.log.push(Heard { lane, message: message.clone() });
        self.unread.push_back(message);
    }
}

/// Takes out the requests of a lane up to a number: nobody will ever know.
fn give_up(asked: &mut BTreeMap<u64, u32>, lane: u32, applied: u64) -> Vec<u64> {
    let given_up: Vec<u64> = asked.range(..=applied).filter(|(_, on)| **on == lane).map(|(n, _)| *n).collect();
    asked.retain(|n, _| !given_up.contains(n));
    given_up
}

/// The next thing that happens on any connection. Cancel-safe.
async fn next_event(links: &mut [Link]) -> (usize, Result<Event, Closed>) {
    poll_fn(|cx| {
        for (place, link) in links.iter_mut().enumerate() {
            if let Poll::Ready(event) = pin!(link.peer.connection().recv()).poll(cx) {
                return Poll::Ready((place, event));
            }
        }
        Poll::Pending
    })
    .await
}
