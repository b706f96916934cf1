//! A scripted server at the other end of a connection in memory, and a small game for it to talk about.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test's way to fail")]

use std::sync::Arc;
use std::time::Duration;

use anteroom_client::bincode::{Decode, Encode};
use anteroom_client::{Client, ClosedReason, Codec, Connection, Game, Limits, Member, Role, RoomId, SessionOptions};
use anteroom_protocol::codec::Body;
use anteroom_protocol::envelope::{Empty, Ref, decode_batch};
use anteroom_protocol::message::push::{GAME_STATE, RoomClosed};
use anteroom_protocol::message::request::Handshake;
use anteroom_protocol::message::result::{HandshakeAccepted, RoomJoined};
use anteroom_protocol::{Batch, Data, ErrorBody, ErrorCode, Header, LaneId, Payload, SessionId};
use anteroom_transport::{Closed, Event, TransportConfig, memory};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

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
    waiting: Vec<Asked>,
}

pub(crate) fn room_id(number: u128) -> RoomId {
    RoomId::from_bits(number)
}

pub(crate) fn member(name: &str, seat: Option<u16>) -> Member {
    let role = if seat.is_some() { Role::Player } else { Role::Spectator };
    Member { user_id: name.parse().unwrap(), username: name.to_owned(), role, seat, connected: true }
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
        Self { connection, codec: Codec::Json, waiting: Vec::new() }
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
            if let Event::Record { codec, payload, .. } = self.connection.recv().await? {
                for message in decode_batch(codec, &payload).unwrap().map(Result::unwrap) {
                    self.waiting.push(Asked {
                        kind: message.kind.into_owned(),
                        reference: message.reference,
                        room_id: message.room_id.map(Into::into),
                        data: message.data.to_payload(),
                    });
                }
            }
        }
        Ok(self.waiting.remove(0))
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
            members: vec![member("ada", Some(0))],
            view: Payload::encode(self.codec, &View { turn: 0 }).unwrap(),
        }
    }
}

pub(crate) fn refusal(code: ErrorCode) -> ErrorBody {
    ErrorBody::new(code, "No.")
}
