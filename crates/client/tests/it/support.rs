//! A scripted server at the other end of a connection in memory, and a small game for it to talk about.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anteroom_client::bincode::{Decode, Encode};
use anteroom_client::{
    Client, ClosedReason, Codec, ConnectError, ConnectOptions, Connection, Dial, DialError, Game, Limits, Member,
    PathMemory, Role, Room, RoomEvent, RoomId, SessionOptions, SessionState, TransportChoice,
};
use anteroom_protocol::codec::Body;
use anteroom_protocol::envelope::{Empty, Ref, decode_batch};
use anteroom_protocol::message::Message;
use anteroom_protocol::message::push::{GAME_STATE, RoomClosed};
use anteroom_protocol::message::request::Handshake;
use anteroom_protocol::message::result::{HandshakeAccepted, RoomJoined};
use anteroom_protocol::message::resume::{Ack, Counts, LaneOfRoom, LaneOpened, Reconnect, Reconnected, Resume};
use anteroom_protocol::{Batch, Data, ErrorBody, ErrorCode, Header, LaneId, Payload, SessionId};
use anteroom_transport::{Closed, Event, TransportConfig, memory, websocket};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::duplex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

/// The lane of the one room that most tests are about.
pub(crate) const LANE: u32 = 1;

/// Long enough for any machine; reaching it means that nothing will come.
pub(crate) const LONG: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_client::bincode")]
pub(crate) enum Action {
    Strike { at: u8 },
    Say { words: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "snake_case")]
#[bincode(crate = "anteroom_client::bincode")]
pub(crate) enum Said {
    Struck { at: u8 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Encode, Decode)]
#[bincode(crate = "anteroom_client::bincode")]
pub(crate) struct View {
    pub(crate) turn: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Duel;

impl Game for Duel {
    const KIND: &'static str = "duel";
    const VERSION: u16 = 3;
    type Action = Action;
    type Event = Said;
    type View = View;
}

/// A message from the client.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) kind: String,
    pub(crate) reference: Option<Ref>,
    pub(crate) n: Option<u64>,
    pub(crate) room_id: Option<String>,
    pub(crate) data: Payload,
}

impl Asked {
    pub(crate) fn read<T: DeserializeOwned + Decode<()>>(&self) -> T {
        self.data.data().decode().unwrap()
    }
}

/// The server's end.
pub(crate) struct Peer {
    pub(crate) connection: Connection,
    pub(crate) codec: Codec,
    /// What the client has acknowledged.
    pub(crate) acked: Counts,
    waiting: Vec<Asked>,
}

pub(crate) fn room_id(number: u128) -> RoomId {
    RoomId::from_bits(number)
}

pub(crate) fn member(name: &str, seat: Option<u16>) -> Member {
    let role = if seat.is_some() { Role::Player } else { Role::Spectator };
    Member::of(name.parse().unwrap(), name, role, seat, true)
}

pub(crate) fn options(codec: Codec) -> SessionOptions {
    SessionOptions { codec, name: Some("Ada".into()), ..SessionOptions::default() }
}

pub(crate) fn accepted(codec: Codec) -> HandshakeAccepted {
    HandshakeAccepted {
        session_id: SessionId::from_bits(7),
        resume_token: "token".into(),
        user_id: "ada".parse().unwrap(),
        username: "Ada".into(),
        codec,
        limits: Limits { message_bytes_max: 1000, ..Limits::default() },
        grace_ms: 60_000,
        server_time_ms: 0,
    }
}

/// Where a client's connections come from: each is asked for here, and made or refused by the test.
pub(crate) struct Dials(mpsc::Sender<Wanted>);

/// A connection that a client wants.
pub(crate) struct Wanted {
    pub(crate) choice: TransportChoice,
    pub(crate) codec: Codec,
    pub(crate) at: Instant,
    answer: oneshot::Sender<Result<Connection, ConnectError>>,
}

impl Dials {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Wanted>) {
        let (sender, wanted) = mpsc::channel(64);
        (Self(sender), wanted)
    }
}

impl Dial for Dials {
    fn dial(
        &self,
        choice: TransportChoice,
        codec: Codec,
    ) -> Pin<Box<dyn Future<Output = Result<Connection, ConnectError>> + Send>> {
        let sender = self.0.clone();
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let wanted = Wanted { choice, codec, at: Instant::now(), answer };
            if sender.send(wanted).await.is_err() {
                return Err(lost());
            }
            answered.await.unwrap_or_else(|_| Err(lost()))
        })
    }
}

fn lost() -> ConnectError {
    ConnectError::Dial(DialError::Io(std::io::ErrorKind::ConnectionRefused.into()))
}

impl Wanted {
    /// Makes the connection: a WebSocket over bytes in memory, or one in memory that has lanes as QUIC does.
    pub(crate) fn accept(self, seed: u64) -> Peer {
        let (near, far) = match self.choice {
            TransportChoice::WebSocket => websockets(),
            _ => memory::pair(TransportConfig::default(), seed),
        };
        assert!(self.answer.send(Ok(near)).is_ok(), "nobody waits for it");
        Peer::new(far)
    }

    /// Nobody is there.
    pub(crate) fn refuse(self) {
        // Whoever asked may have given up.
        drop(self.answer.send(Err(lost())));
    }

    /// Whether the attempt was given up.
    pub(crate) fn is_given_up(&self) -> bool {
        self.answer.is_closed()
    }
}

fn websockets() -> (Connection, Connection) {
    let (near, far) = duplex(64 << 10);
    let (peer, config) = (SocketAddr::from(([127, 0, 0, 1], 7350)), TransportConfig::default());
    (websocket::connected(near, Bytes::new(), peer, config), websocket::accept(far, Bytes::new(), peer, config))
}

pub(crate) async fn wanted(dials: &mut mpsc::Receiver<Wanted>) -> Wanted {
    timeout(LONG, dials.recv()).await.expect("no connection is asked for").expect("the client is gone")
}

pub(crate) fn dialing(choice: TransportChoice, codec: Codec) -> ConnectOptions {
    ConnectOptions {
        session: SessionOptions { seed: Some(1), ..options(codec) },
        paths: PathMemory::new(),
        ..ConnectOptions::new(choice, "server")
    }
}

/// A session that stands and can make further connections.
pub(crate) async fn lasting(codec: Codec) -> (Client, Peer, mpsc::Receiver<Wanted>) {
    let (dials, mut asked) = Dials::new();
    let (client, peer) = tokio::join!(Client::with_dial(dials, dialing(TransportChoice::Quic, codec)), async {
        let mut peer = wanted(&mut asked).await.accept(1);
        peer.handshake().await;
        peer.accept(codec).await;
        peer
    });
    (client.unwrap(), peer, asked)
}

/// The same in one room, on lane [`LANE`].
pub(crate) async fn lasting_in_room(codec: Codec) -> (Client, Peer, mpsc::Receiver<Wanted>, Room<Duel>) {
    let (client, mut peer, dials) = lasting(codec).await;
    let (room, ()) = tokio::join!(client.join_room(room_id(1), Role::Player), async {
        let asked = peer.expect("join_room").await;
        assert_eq!(asked.n, Some(1));
        peer.admit(&asked, LANE, room_id(1)).await;
    });
    (client, peer, dials, room.unwrap())
}

pub(crate) async fn next_event(room: &mut Room<Duel>) -> RoomEvent<Duel> {
    timeout(LONG, room.next()).await.expect("nothing happens").expect("the room has ended")
}

/// Waits for a state of a kind.
pub(crate) async fn state(client: &Client, is_meant: impl Fn(&SessionState) -> bool) -> SessionState {
    let mut states = client.state_changes();
    let found = timeout(LONG, states.wait_for(|state| is_meant(state))).await;
    found.expect("the state does not come").unwrap().clone()
}

pub(crate) async fn connected(client: &Client) {
    state(client, |state| matches!(state, SessionState::Connected { .. })).await;
}

pub(crate) async fn reconnecting(client: &Client) -> SessionState {
    state(client, |state| matches!(state, SessionState::Reconnecting { .. })).await
}

/// A session that stands.
pub(crate) async fn session(codec: Codec, seed: u64) -> (Client, Peer) {
    let (near, far) = memory::pair(TransportConfig::default(), seed);
    let mut peer = Peer::new(far);
    let (client, ()) = tokio::join!(Client::over(near, options(codec)), async {
        peer.handshake().await;
        peer.accept(codec).await;
    });
    (client.unwrap(), peer)
}

impl Peer {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection, codec: Codec::Json, acked: Counts::new(), waiting: Vec::new() }
    }

    pub(crate) async fn handshake(&mut self) -> Handshake {
        let asked = self.next().await;
        assert_eq!(asked.kind, "handshake");
        match asked.data.data() {
            Data::Json(text) => serde_json::from_str(text).unwrap(),
            Data::Binary(_) => panic!("a binary handshake"),
        }
    }

    pub(crate) async fn accept(&mut self, codec: Codec) {
        let data = serde_json::to_string(&accepted(codec)).unwrap();
        self.json("handshake_accepted", &data).await;
        self.codec = codec;
    }

    /// Sends a message in JSON whatever the codec.
    pub(crate) async fn json(&mut self, kind: &str, data: &str) {
        self.raw(LaneId::CONTROL, Codec::Json, format!(r#"{{"type":"{kind}","data":{data}}}"#).as_bytes()).await;
    }

    pub(crate) async fn raw(&mut self, lane: LaneId, codec: Codec, payload: &[u8]) {
        let mut batch = anteroom_protocol::BatchBuilder::new(codec);
        batch.push_encoded(payload);
        self.send(lane, batch.finish()).await;
    }

    pub(crate) async fn send(&mut self, lane: LaneId, batch: Batch) {
        self.connection.send(lane, Arc::new(batch)).await.unwrap();
        timeout(LONG, self.connection.flush()).await.expect("the client does not read").unwrap();
    }

    /// The next message of the client.
    pub(crate) async fn next(&mut self) -> Asked {
        timeout(LONG, async { self.recv().await.unwrap() }).await.expect("the client says nothing")
    }

    async fn recv(&mut self) -> Result<Asked, Closed> {
        while self.waiting.is_empty() {
            let (codec, payload) = match self.connection.recv().await? {
                Event::Record { codec, payload, .. } => (codec, payload),
                Event::Datagram { payload, .. } => (Codec::of_payload(&payload), payload),
                _ => continue,
            };
            for message in decode_batch(codec, &payload).unwrap().map(Result::unwrap) {
                if message.kind == Ack::TYPE {
                    self.acked.extend(message.data.decode::<Ack>().unwrap().counts);
                    continue;
                }
                self.waiting.push(Asked {
                    kind: message.kind.into_owned(),
                    reference: message.reference,
                    n: message.n,
                    room_id: message.room_id.map(Into::into),
                    data: message.data.to_payload(),
                });
            }
        }
        Ok(self.waiting.remove(0))
    }

    /// Waits until the client has acknowledged this; it must not say anything else meanwhile.
    pub(crate) async fn acked(&mut self, counts: &[(u32, u64)]) {
        let wanted: Counts = counts.iter().map(|(lane, count)| (LaneId(*lane), *count)).collect();
        while self.acked != wanted {
            assert!(self.waiting.is_empty(), "{:?}", self.waiting);
            let event = timeout(LONG, self.connection.recv()).await.expect("no acknowledgement").unwrap();
            let Event::Record { codec, payload, .. } = event else { continue };
            for message in decode_batch(codec, &payload).unwrap().map(Result::unwrap) {
                assert_eq!(message.kind, Ack::TYPE);
                self.acked.extend(message.data.decode::<Ack>().unwrap().counts);
            }
        }
    }

    /// The client asks to go on, in a session of this codec.
    pub(crate) async fn reconnect(&mut self, codec: Codec) -> Reconnect {
        let asked = self.expect("reconnect").await;
        self.codec = codec;
        match asked.data.data() {
            Data::Json(text) => serde_json::from_str(text).unwrap(),
            Data::Binary(_) => panic!("a binary reconnect"),
        }
    }

    /// Lets the client go on, with a token and the rooms' lanes.
    pub(crate) async fn go_on(&mut self, token: &str, lanes: &[(u32, RoomId)]) {
        let lanes = lanes.iter().map(|(lane, room_id)| LaneOfRoom { lane: LaneId(*lane), room_id: *room_id });
        let result = Reconnected { resume_token: token.into(), lanes: lanes.collect(), last_n: 0 };
        let data = serde_json::to_string(&result).unwrap();
        let text = format!(r#"{{"type":"reconnect_result","success":true,"data":{data}}}"#);
        self.raw(LaneId::CONTROL, Codec::Json, text.as_bytes()).await;
    }

    /// The client, which has a connection that lives, lets the lanes come over.
    pub(crate) async fn resume(&mut self) -> Counts {
        self.expect("resume").await.read::<Resume>().received
    }

    /// Says that a lane goes on: with the number of its next message, and the highest number taken.
    pub(crate) async fn open(&mut self, lane: u32, room_id: Option<RoomId>, next: u64, applied: u64, gap: bool) {
        let room = room_id.map(|room_id| room_id.to_string());
        let header = Header { room_id: room.as_deref(), ..Header::new("lane") };
        let opened = LaneOpened { lane: LaneId(lane), room_id, next, applied, gap };
        self.send(LaneId(lane), Batch::one(self.codec, &header, &opened).unwrap()).await;
    }

    /// Says where a room stands.
    pub(crate) async fn snapshot(&mut self, joined: &RoomJoined) {
        let room = joined.room_id.to_string();
        let header = Header { success: Some(true), ..Header::new("join_room_result").in_room(&room) };
        self.send(joined.lane, Batch::one(self.codec, &header, joined).unwrap()).await;
    }

    /// Says what numbers were taken.
    pub(crate) async fn ack(&mut self, lane: u32, n: u64) {
        let ack = Ack { counts: Counts::from([(LaneId(lane), n)]) };
        self.send(LaneId::CONTROL, Batch::one(self.codec, &Header::new("ack"), &ack).unwrap()).await;
    }

    /// Ends the connection like a cable that is pulled.
    pub(crate) fn cut(self) {
        drop(self);
    }

    /// Everything the client says until it closes, and how it does.
    pub(crate) async fn rest(mut self) -> (Vec<Asked>, Closed) {
        let mut said = Vec::new();
        let closed = timeout(LONG, async {
            loop {
                match self.recv().await {
                    Ok(asked) => said.push(asked),
                    Err(closed) => return closed,
                }
            }
        });
        let closed = closed.await.expect("the client does not close");
        (said, closed)
    }

    pub(crate) async fn expect(&mut self, kind: &str) -> Asked {
        let asked = self.next().await;
        assert_eq!(asked.kind, kind);
        asked
    }

    /// Answers on a lane; every lane but control is `room`'s.
    pub(crate) async fn answer_on<T: Body>(&mut self, lane: LaneId, room: Option<RoomId>, asked: &Asked, data: &T) {
        let kind = format!("{}_result", asked.kind);
        let room = room.map(|room| room.to_string());
        let header = Header {
            reference: asked.reference.as_ref(),
            success: Some(true),
            room_id: room.as_deref(),
            ..Header::new(&kind)
        };
        self.send(lane, Batch::one(self.codec, &header, data).unwrap()).await;
    }

    pub(crate) async fn answer<T: Body>(&mut self, asked: &Asked, data: &T) {
        self.answer_on(LaneId::CONTROL, None, asked, data).await;
    }

    pub(crate) async fn refuse(&mut self, asked: &Asked, error: &ErrorBody) {
        let kind = format!("{}_result", asked.kind);
        let header = Header {
            reference: asked.reference.as_ref(),
            success: Some(false),
            error: Some(error),
            ..Header::new(&kind)
        };
        self.send(LaneId::CONTROL, Batch::one(self.codec, &header, &Empty {}).unwrap()).await;
    }

    /// Says something in a room.
    pub(crate) async fn say<T: Body>(&mut self, lane: u32, room: RoomId, kind: &str, data: &T) {
        let batch = Batch::one(self.codec, &Header::new(kind).in_room(room.as_str()), data).unwrap();
        self.send(LaneId(lane), batch).await;
    }

    pub(crate) async fn state(&mut self, lane: u32, room: RoomId, turn: u32) {
        self.say(lane, room, GAME_STATE, &View { turn }).await;
    }

    pub(crate) async fn error(&mut self, lane: LaneId, room: Option<&str>, error: &ErrorBody) {
        let header = Header { success: Some(false), error: Some(error), room_id: room, ..Header::new("error") };
        self.send(lane, Batch::one(self.codec, &header, &Empty {}).unwrap()).await;
    }

    pub(crate) async fn close_room(&mut self, lane: u32, room: RoomId) {
        let closed = RoomClosed { reason: ClosedReason::GameFailed, message: "The game failed.".into() };
        self.say(lane, room, "room_closed", &closed).await;
    }

    /// Lets the client in.
    pub(crate) async fn admit(&mut self, asked: &Asked, lane: u32, room: RoomId) {
        let joined = self.joined(lane, room);
        self.answer_on(LaneId(lane), Some(room), asked, &joined).await;
    }

    pub(crate) fn joined(&self, lane: u32, room: RoomId) -> RoomJoined {
        RoomJoined {
            lane: LaneId(lane),
            room_id: room,
            game: "duel".into(),
            game_version: 3,
            name: "Ada's room".into(),
            seat: Some(0),
            role: Role::Player,
            durable: true,
            recorded: false,
            members: vec![member("ada", Some(0))],
            view: Payload::encode(self.codec, &View { turn: 0 }).unwrap(),
            created_at_ms: 0,
            created_by: None,
            owner: None,
            seats_max: 2,
            visibility: Default::default(),
            locked: false,
            has_password: false,
            state: Default::default(),
            spectators: 0,
            spectator_delay_ms: 0,
            data: Default::default(),
            seat_queue: Vec::new(),
            vote: None,
            chat: Vec::new(),
        }
    }
}

pub(crate) fn refusal(code: ErrorCode) -> ErrorBody {
    ErrorBody::new(code, "No.")
}
