//! A client on any transport that speaks the protocol message by message, right or wrong. What a room says of itself beside
//! everything else, it does not hear: `system`, and `room_updated`, which comes in its own time.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use anteroom_protocol::limits::SERVER_FRAME_BYTES_MAX;
use anteroom_protocol::{BatchBuilder, Codec, LaneId, SCHEMA};
use anteroom_transport::{Address, Closed, Connection, DialError, Dialer, Event, TransportConfig, websocket};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use crate::message::{self, By, GamesOfRooms, Message};
use crate::server::TestServer;
use crate::{DEADLINE, in_time};

/// What carries a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// Raw QUIC.
    Quic,
    /// WebTransport, by a native client.
    WebTransport,
    /// WebSocket without TLS.
    WebSocket,
}

impl Via {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Quic, Self::WebTransport, Self::WebSocket];

    /// Whether there are datagrams, and streams for each lane.
    #[must_use]
    pub fn is_quic(self) -> bool {
        self != Self::WebSocket
    }
}

/// A transport and a codec on it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// The transport.
    pub via: Via,
    /// The codec that the session asks for.
    pub codec: Codec,
}

impl Way {
    /// JSON on every transport.
    pub const JSON: [Self; 3] = [Self::json(Via::Quic), Self::json(Via::WebTransport), Self::json(Via::WebSocket)];
    /// The binary codec on every transport.
    pub const BINARY: [Self; 3] =
        [Self::binary(Via::Quic), Self::binary(Via::WebTransport), Self::binary(Via::WebSocket)];

    /// Both codecs on every transport.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::JSON.into_iter().chain(Self::BINARY)
    }

    /// JSON on a transport.
    #[must_use]
    pub const fn json(via: Via) -> Self {
        Self { via, codec: Codec::Json }
    }

    /// The binary codec on a transport.
    #[must_use]
    pub const fn binary(via: Via) -> Self {
        Self { via, codec: Codec::Bincode }
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{}", self.via, self.codec)
    }
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// The transport's close code.
    pub code: u16,
    /// The transport's reason.
    pub reason: String,
    /// What `goodbye` said before.
    pub goodbye: Option<(u16, String)>,
    /// What came before the end and was not looked at, in order, without `goodbye`.
    pub rest: Vec<Message>,
}

/// A client.
#[derive(Debug)]
pub struct Peer {
    /// How it is connected.
    pub way: Way,
    /// Who it is; empty before the handshake.
    pub user_id: String,
    connection: Connection,
    unread: VecDeque<Message>,
    games: GamesOfRooms,
    ended_lanes: Vec<u32>,
    last_ref: u64,
}

impl Peer {
    /// Connects, and says nothing.
    pub async fn dial(server: &TestServer, way: Way) -> Self {
        Self::dial_to(server.dialer(), &server.address(), way).await
    }

    /// Connects to any server.
    ///
    /// # Panics
    /// If it cannot.
    pub async fn dial_to(dialer: &Dialer, address: &Address, way: Way) -> Self {
        Self::try_dial_to(dialer, address, way).await.unwrap_or_else(|error| panic!("{way:?}: {error}"))
    }

    /// Connects to a server that may not be there.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn try_dial_to(dialer: &Dialer, address: &Address, way: Way) -> Result<Self, DialError> {
        let connection = match way.via {
            Via::Quic => dialer.quic(address).await,
            Via::WebTransport => dialer.webtransport(address).await,
            Via::WebSocket => dialer.websocket(&format!("ws://{address}/ws"), way.codec).await,
        };
        Ok(Self::over(connection?, way))
    }

    /// Connects so that little of what it does not read can be on its way to it: the system takes kilobytes, not the
    /// megabytes that it takes otherwise.
    ///
    /// # Panics
    /// If it cannot.
    pub async fn dial_narrow(server: &TestServer, way: Way) -> Self {
        if way.via != Via::WebSocket {
            return Self::dial(server, way).await;
        }
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 << 10).unwrap();
        let mut stream = in_time("a connection", socket.connect(server.addr())).await.unwrap();
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: anteroom.v1.{}\r\n\r\n",
            server.addr(),
            way.codec
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = Vec::new();
        while !response.ends_with(b"\r\n\r\n") {
            response.push(in_time("the upgrade", stream.read_u8()).await.unwrap());
        }
        assert!(response.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&response));
        let config = TransportConfig { inbound_bytes_max: SERVER_FRAME_BYTES_MAX, ..TransportConfig::default() };
        Self::over(websocket::connected(stream, Default::default(), server.addr(), config), way)
    }

    /// Uses a connection that exists.
    #[must_use]
    pub fn over(connection: Connection, way: Way) -> Self {
        Self {
            way,
            user_id: String::new(),
            connection,
            unread: VecDeque::new(),
            games: GamesOfRooms::new(),
            ended_lanes: Vec::new(),
            last_ref: 0,
        }
    }

    /// Connects as a guest.
    pub async fn enter(server: &TestServer, way: Way, name: &str) -> Self {
        let mut peer = Self::dial(server, way).await;
        peer.handshake(json!({"version": 1, "name": name})).await;
        peer
    }

    /// Connects as a user with a token.
    pub async fn enter_as(server: &TestServer, way: Way, user_id: &str) -> Self {
        let mut peer = Self::dial(server, way).await;
        peer.handshake(json!({"version": 1, "token": crate::token::of(user_id)})).await;
        peer
    }

    /// Shakes hands, and gives what the server said.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn handshake(&mut self, data: Value) -> Value {
        let way = self.way;
        self.try_handshake(data).await.unwrap_or_else(|closed| panic!("{way:?}: no answer to a handshake: {closed}"))
    }

    /// The same with a server that may go away.
    ///
    /// # Errors
    /// Why there is no answer.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn try_handshake(&mut self, mut data: Value) -> Result<Value, Closed> {
        if self.way.codec == Codec::Bincode {
            data["codec"] = json!("bincode");
            data["schema"] = json!(SCHEMA);
        }
        let handshake = json!({"type": "handshake", "data": data}).to_string();
        self.try_bytes(Codec::Json, handshake.as_bytes()).await?;
        // Where lanes have streams, those of a session that goes on may be faster.
        let accepted = self.try_until("an answer", |message| !matches!(message.by, By::Stream(1..))).await?;
        assert_eq!(accepted.kind, "handshake_accepted", "{:?}: {accepted:?}", self.way);
        assert_eq!(accepted.data["codec"], self.way.codec.to_string());
        self.user_id = accepted.data["user_id"].as_str().unwrap().to_owned();
        Ok(accepted.data)
    }

    /// Sends a message in the session's codec.
    pub async fn send(&mut self, envelope: &Value) {
        self.bytes(self.way.codec, &message::write(self.way.codec, envelope)).await;
    }

    /// Sends a message as JSON, whatever the codec.
    pub async fn json(&mut self, envelope: &Value) {
        self.bytes(Codec::Json, envelope.to_string().as_bytes()).await;
    }

    /// Sends any bytes as one payload. The codec chooses the frame's kind on WebSocket, and nothing elsewhere.
    ///
    /// # Panics
    /// If the connection has ended already.
    pub async fn bytes(&mut self, codec: Codec, payload: &[u8]) {
        self.try_bytes(codec, payload).await.unwrap_or_else(|closed| panic!("{self:?}: {closed}"));
    }

    /// The same, for a server that may have hung up.
    ///
    /// # Errors
    /// Why the connection has ended.
    pub async fn try_bytes(&mut self, codec: Codec, payload: &[u8]) -> Result<(), Closed> {
        let mut builder = BatchBuilder::new(codec);
        builder.push_encoded(payload);
        let sending = async {
            self.connection.send(LaneId::CONTROL, Arc::new(builder.finish())).await?;
            self.connection.flush().await
        };
        tokio::time::timeout(DEADLINE, sending).await.unwrap_or_else(|_| panic!("{:?}: cannot send", self.way))
    }

    /// Sends a request and gives its result. What comes before stays unread.
    pub async fn ask(&mut self, kind: &str, data: Value) -> Message {
        self.request(json!({"type": kind, "data": data})).await
    }

    /// Sends a request into a room and gives its result. What comes before stays unread.
    pub async fn ask_in(&mut self, room_id: &str, kind: &str, data: Value) -> Message {
        self.request(json!({"type": kind, "room_id": room_id, "data": data})).await
    }

    async fn request(&mut self, mut envelope: Value) -> Message {
        self.last_ref += 1;
        let reference = json!(self.last_ref);
        envelope["ref"] = reference.clone();
        self.send(&envelope).await;
        let what = format!("the answer to {envelope}");
        let answer = self.until(&what, |message| message.reference.as_ref() == Some(&reference)).await;
        let kind = envelope["type"].as_str().unwrap();
        let is_answer = answer.kind == format!("{kind}_result") || kind == "ping" && answer.kind == "pong";
        assert!(is_answer || answer.kind == "error", "{what}: {answer:?}");
        answer
    }

    /// Creates a room and gives its id. The result is checked and read.
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

    /// The next message.
    ///
    /// # Panics
    /// If the connection ends instead.
    pub async fn next(&mut self) -> Message {
        self.until("a message", |_| true).await
    }

    /// The next message, which must be of this type.
    ///
    /// # Panics
    /// If it is another.
    pub async fn expect(&mut self, kind: &str) -> Message {
        let message = self.until(kind, |_| true).await;
        assert_eq!(message.kind, kind, "{:?}: {message:?}", self.way);
        message
    }

    /// The first message of this type; what comes before stays unread.
    pub async fn find(&mut self, kind: &str) -> Message {
        self.until(kind, |message| message.kind == kind).await
    }

    /// The first message that is wanted; what comes before stays unread.
    ///
    /// # Panics
    /// If the connection ends before it comes.
    pub async fn until(&mut self, what: &str, wanted: impl Fn(&Message) -> bool) -> Message {
        match self.try_until(what, wanted).await {
            Ok(message) => message,
            Err(closed) => panic!("{:?}: waiting for {what}: {closed}; unread: {:?}", self.way, self.unread),
        }
    }

    async fn try_until(&mut self, what: &str, wanted: impl Fn(&Message) -> bool) -> Result<Message, Closed> {
        let mut known = 0;
        loop {
            if let Some(place) = self.unread.iter().skip(known).position(&wanted) {
                return Ok(self.unread.remove(known + place).unwrap());
            }
            known = self.unread.len();
            self.read(what).await?;
        }
    }

    /// What has come and was not looked at.
    #[must_use]
    pub fn unread(&self) -> &VecDeque<Message> {
        &self.unread
    }

    /// Forgets what has come and was not looked at.
    pub fn forget(&mut self) {
        self.unread.clear();
    }

    /// The lanes whose streams have ended.
    #[must_use]
    pub fn ended_lanes(&self) -> &[u32] {
        &self.ended_lanes
    }

    /// Waits until a lane's stream has ended.
    ///
    /// # Panics
    /// If the connection ends before.
    pub async fn lane_end(&mut self, lane: u32) {
        while !self.ended_lanes.contains(&lane) {
            self.read("the end of a lane").await.unwrap();
        }
    }

    /// Asks for a pong, and gives everything that came before it.
    pub async fn all_so_far(&mut self) -> Vec<Message> {
        self.ask("ping", json!({"ts": null})).await;
        self.unread.drain(..).collect()
    }

    async fn read(&mut self, what: &str) -> Result<(), Closed> {
        let event = tokio::time::timeout(DEADLINE, self.connection.recv()).await;
        match event.unwrap_or_else(|_| panic!("{:?}: not in time: {what}; unread: {:?}", self.way, self.unread))? {
            Event::Record { lane, codec, payload } => {
                let by = lane.map_or(By::Frame, |lane| By::Stream(lane.0));
                let messages = message::read(codec, &payload, by, &mut self.games);
                self.unread.extend(messages.into_iter().filter(|message| !message.is_aside()));
            }
            Event::Datagram { lane, payload } => {
                let codec = Codec::of_payload(&payload);
                self.unread.extend(message::read(codec, &payload, By::Datagram(lane.0), &mut self.games));
            }
            Event::LaneEnded { lane } => self.ended_lanes.push(lane.0),
            Event::Writable => {}
        }
        Ok(())
    }

    /// Reads until the server closes the connection.
    ///
    /// # Panics
    /// If it breaks off without a code.
    pub async fn end(mut self) -> End {
        let closed = loop {
            if let Err(closed) = self.read("the end").await {
                break closed;
            }
        };
        let Closed::ByPeer { code, reason } = closed else { panic!("{:?}: {closed:?}", self.way) };
        let mut rest: Vec<Message> = self.unread.into();
        let place = rest.iter().position(|message| message.kind == "goodbye");
        let goodbye = place.map(|place| {
            let Message { data, by, .. } = rest.remove(place);
            assert!(matches!(by, By::Frame | By::Stream(0)), "goodbye came on {by:?}");
            let code = u16::try_from(data["code"].as_u64().unwrap()).unwrap();
            (code, data["reason"].as_str().unwrap().to_owned())
        });
        End { code, reason, goodbye, rest }
    }

    /// Reads until the server closes the connection with this code, and checks that it said why, in a sentence and
    /// in a `goodbye`, which comes last.
    ///
    /// # Panics
    /// If it did not.
    pub async fn refused(self, code: u16) -> End {
        let way = self.way;
        let end = self.end().await;
        assert_eq!(end.code, code, "{way:?}: {end:?}");
        assert_eq!(end.goodbye.as_ref(), Some(&(code, end.reason.clone())), "{way:?}");
        assert!(end.reason.len() <= 123, "{way:?}: {end:?}");
        crate::words::assert_sentence(&end.reason);
        end
    }

    /// Says goodbye, and waits until the server closes.
    ///
    /// # Panics
    /// If it does not close normally.
    pub async fn leave(mut self) {
        // The server may be quicker to close than we are to see that all is written.
        drop(self.try_bytes(Codec::Json, br#"{"type":"goodbye","data":{"code":1000}}"#).await);
        let end = self.end().await;
        assert_eq!(end.code, 1000, "{end:?}");
    }

    /// Loses the connection, as far as the server can tell: it is gone without a goodbye.
    pub async fn hang_up(mut self) {
        if self.way.via.is_quic() {
            // A connection that is dropped closes with 0. What the server itself has to close does not.
            drop(self.try_bytes(self.way.codec, b"{").await);
            self.end().await;
        }
    }

    /// The connection itself.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }
}
