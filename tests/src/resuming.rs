//! A client that goes on with its session over any number of connections, by the native client's own
//! [`Session`], which counts, acknowledges, keeps and sends again.
//!
//! It insists on what the protocol promises: every message once, in order, nothing behind a lane's end, and no gap that
//! is not told. It does nothing by itself but read, acknowledge and send again: a test says when a connection is lost
//! and what comes next.

mod listening;
pub mod pair;
mod reading;
mod speaking;

use std::collections::{BTreeMap, VecDeque};

use anteroom_client::session::opening::Waiting;
use anteroom_client::session::{ConnectionId, Session};
use anteroom_protocol::message::result::HandshakeAccepted;
use anteroom_protocol::message::resume::Reconnected;
use anteroom_protocol::{Codec, LaneId};
use serde_json::{Value, json};
use tokio::time::Instant;

use self::reading::Reading;
use crate::message::{GamesOfRooms, Message};
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

/// What came of an attempt to go on with a server that may go away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Back {
    /// The session goes on.
    Here,
    /// The server was not there for long enough to say so.
    Gone,
    /// The server does not know the session.
    Unknown,
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
    /// The answer to `reconnect` that is waited for.
    waiting: Option<Waiting>,
    /// Whether the session lives on another connection meanwhile.
    moves: bool,
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
    /// Whether the server may be another process after a reconnect, which has forgotten what was on its way.
    pub outlives: bool,
    games: GamesOfRooms,
    links: Vec<Link>,
    made: u64,
    accepted: HandshakeAccepted,
    protocol: Session,
    /// The connection that the session is on.
    current: u64,
    /// The newest connection that the server is ready on, until the lanes are called over to it.
    ready: Option<(u64, Reconnected)>,
    lanes: BTreeMap<u32, Reading>,
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
    pub async fn begin(server: &TestServer, way: Way, handshake: Value) -> Self {
        Self::over(Peer::dial(server, way).await, handshake).await
    }

    /// The same, on a connection that stands.
    pub async fn over(mut peer: Peer, handshake: Value) -> Self {
        let keeps = handshake["resume"] == json!(true);
        let accepted = peer.handshake(handshake).await;
        Self::accepted(peer, accepted, keeps)
    }

    /// The same with a server that may go away; none if it does.
    pub async fn try_over(mut peer: Peer, handshake: Value) -> Option<Self> {
        let keeps = handshake["resume"] == json!(true);
        let accepted = peer.try_handshake(handshake).await.ok()?;
        Some(Self::accepted(peer, accepted, keeps))
    }

    fn accepted(peer: Peer, accepted: Value, keeps: bool) -> Self {
        let way = peer.way;
        let accepted: HandshakeAccepted = serde_json::from_value(accepted).unwrap();
        let mut client = Self {
            user_id: accepted.user_id.to_string(),
            session_id: accepted.session_id.to_string(),
            token: accepted.resume_token.clone(),
            attempt: 0,
            acknowledges: keeps,
            log: Vec::new(),
            ends: Vec::new(),
            unknown: Vec::new(),
            repeated: 0,
            last_bytes: 0,
            codec: way.codec,
            keeps,
            outlives: false,
            games: GamesOfRooms::new(),
            links: Vec::new(),
            made: 0,
            protocol: Session::new(&accepted, keeps, ConnectionId(1)),
            accepted,
            current: 1,
            ready: None,
            lanes: BTreeMap::from([(0, Reading::default())]),
            began: Instant::now(),
            unread: VecDeque::new(),
            answer: None,
        };
        client.link(peer);
        client
    }

    /// The same session in a program that began anew: it has nothing but what one stores. Its connections are lost.
    #[must_use]
    pub fn restarted(mut self) -> Self {
        self.cut();
        self.protocol = Session::new(&self.accepted, self.keeps, ConnectionId(self.made));
        self.protocol.lost(ConnectionId(self.made));
        self.lanes = BTreeMap::from([(0, Reading::default())]);
        self.unread.clear();
        self.log.clear();
        self
    }

    fn link(&mut self, peer: Peer) -> &mut Link {
        self.made += 1;
        self.links.push(Link { number: self.made, peer, waiting: None, moves: false, goodbye: None });
        self.links.last_mut().unwrap()
    }

    /// Loses every connection, without a word.
    pub fn cut(&mut self) {
        while !self.links.is_empty() {
            self.lose_oldest();
        }
    }

    /// Loses the oldest connection, without a word.
    ///
    /// # Panics
    /// If there is none.
    pub fn lose_oldest(&mut self) {
        let lost = self.links.remove(0).number;
        self.protocol.lost(ConnectionId(lost));
    }

    /// The newest connection, to send on it whatever one likes. Reading there takes from the client what it counts.
    ///
    /// # Panics
    /// If there is none.
    pub fn raw(&mut self) -> &mut Peer {
        &mut self.links.last_mut().unwrap().peer
    }

    /// The number of the newest connection, to find it again by [`raw_at`](Self::raw_at) when it is not the newest.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn raw_number(&self) -> u64 {
        self.links.last().unwrap().number
    }

    /// The connection of that number, as [`raw`](Self::raw).
    ///
    /// # Panics
    /// If it is gone.
    pub fn raw_at(&mut self, number: u64) -> &mut Peer {
        &mut self.links.iter_mut().find(|link| link.number == number).unwrap().peer
    }

    /// A transport, in the codec of the session.
    #[must_use]
    pub fn way(&self, via: Via) -> Way {
        Way { via, codec: self.codec }
    }

    /// The data of the next `reconnect`.
    pub fn claim(&mut self, carrying: Carrying) -> Value {
        self.attempt += 1;
        let received = match carrying {
            Carrying::Received => self.protocol.reconnect().received.unwrap_or_else(|| self.protocol.received()),
            Carrying::Fresh | Carrying::Live => Default::default(),
        };
        let mut claim = json!({"session_id": self.session_id, "resume_token": self.token, "attempt": self.attempt});
        match carrying {
            Carrying::Received => claim["received"] = json!(received),
            Carrying::Fresh => claim["fresh"] = json!(true),
            Carrying::Live => {}
        }
        claim
    }

    /// How many counted messages have come on each lane.
    #[must_use]
    pub fn received(&self) -> Value {
        json!(self.protocol.received())
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
    /// If the server is ready on none.
    pub async fn resume(&mut self) {
        let (number, result) = self.ready.take().unwrap();
        let resume = self.protocol.resume(ConnectionId(number), result);
        self.current = number;
        self.raw().send(&json!({"type": "resume", "data": resume})).await;
    }

    /// Waits until control is on the newest connection.
    pub async fn arrive(&mut self) {
        while self.protocol.connection_of(LaneId::CONTROL) != self.links.last().map(|link| ConnectionId(link.number)) {
            self.step().await;
        }
    }

    /// Waits until control is open: what was sent again is on its way then.
    pub async fn settle(&mut self) {
        while self.protocol.connection_of(LaneId::CONTROL).is_none() {
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
        self.await_answer(peer, &claim);
        let answer = loop {
            match self.answer.take() {
                Some(answer) => break answer,
                None => self.step().await,
            }
        };
        assert_eq!(answer.success, Some(true), "{claim}: {answer:?}");
        answer
    }

    /// Goes on with the session on a connection to a server that may go away at any moment, or have forgotten the session.
    ///
    /// # Panics
    /// If the server refuses for another reason.
    pub async fn try_reconnect(&mut self, peer: Peer) -> Back {
        self.cut();
        self.try_claim(peer, Carrying::Received).await
    }

    /// The same without losing the connection before.
    ///
    /// # Panics
    /// The same.
    pub async fn try_claim(&mut self, mut peer: Peer, carrying: Carrying) -> Back {
        let claim = self.claim(carrying);
        let reconnect = json!({"type": "reconnect", "data": claim}).to_string();
        if peer.try_bytes(Codec::Json, reconnect.as_bytes()).await.is_err() {
            return Back::Gone;
        }
        self.await_answer(peer, &claim);
        while self.answer.is_none() && self.is_connected() {
            self.step().await;
        }
        match self.answer.take().map(|answer| answer.success) {
            Some(Some(true)) => Back::Here,
            Some(_) => Back::Unknown,
            None => Back::Gone,
        }
    }

    fn await_answer(&mut self, peer: Peer, claim: &Value) {
        let link = self.link(peer);
        link.waiting = Some(Waiting::default());
        link.moves = claim.get("received").is_none() && claim["fresh"] != json!(true);
    }

    /// Whether every lane that has not ended is open on some connection.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let mut lanes = self.lanes.iter().filter(|(_, reading)| !reading.ended);
        lanes.all(|(lane, _)| self.protocol.connection_of(LaneId(*lane)).is_some())
    }

    /// Whether there is a connection, as far as is known.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        !self.links.is_empty()
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
}
