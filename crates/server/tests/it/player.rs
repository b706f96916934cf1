//! A client in the same process, message by message, and servers for it.

use std::sync::Arc;
use std::time::Duration;

use anteroom_core::Registry;
use anteroom_protocol::envelope::{decode_batch, encode_raw};
use anteroom_protocol::message::table::ROWS;
use anteroom_protocol::{BatchBuilder, Codec, Data, Envelope, Header, LaneId, Payload};
use anteroom_server::{Config, Server};
use anteroom_transport::{Closed, Connection, Event, TransportConfig, memory};
use serde_json::{Value, json};
use tokio::time::timeout;

/// No event takes so long, in virtual time or on however busy a machine.
const DEADLINE: Duration = Duration::from_secs(100);

/// The client.
pub(crate) struct Player {
    pub(crate) connection: Connection,
    codec: Codec,
    unread: Vec<Value>,
    /// What its handshake was answered with.
    pub(crate) session: Value,
}

impl Player {
    /// Shakes hands as a guest whose session ends with its connection.
    pub(crate) async fn enter(server: &Server) -> Self {
        Self::shake_hands(connect(server), json!({"version": 1, "name": "Ada"})).await
    }

    /// Shakes hands as a guest who resumes.
    pub(crate) async fn enter_to_stay(server: &Server, name: &str) -> Self {
        Self::shake_hands(connect(server), json!({"version": 1, "name": name, "resume": true})).await
    }

    /// The same in a codec.
    pub(crate) async fn enter_in(server: &Server, codec: Codec, name: &str) -> Self {
        let schema = (codec == Codec::Bincode).then_some(anteroom_protocol::SCHEMA);
        let handshake = json!({"version": 1, "name": name, "resume": true, "codec": codec, "schema": schema});
        let mut player = Self::shake_hands(connect(server), handshake).await;
        player.codec = codec;
        player
    }

    /// Shakes hands on this connection.
    pub(crate) async fn shake_hands(connection: Connection, handshake: Value) -> Self {
        let mut player = Self::over(connection);
        player.say(&[json!({"type": "handshake", "data": handshake})]).await;
        player.session = player.hear("handshake_accepted").await["data"].take();
        player
    }

    /// Goes on with a session of which nothing was received.
    pub(crate) async fn go_on(server: &Server, session: &Value) -> Self {
        Self::go_on_over(connect(server), session).await
    }

    /// The same on this connection.
    pub(crate) async fn go_on_over(connection: Connection, session: &Value) -> Self {
        let mut player = Self::over(connection);
        let data = json!({"session_id": session["session_id"], "resume_token": session["resume_token"], "attempt": 1,
            "received": {}});
        player.say(&[json!({"type": "reconnect", "data": data})]).await;
        assert_eq!(player.hear("reconnect_result").await["success"], true);
        player
    }

    /// A connection that has no session yet.
    pub(crate) fn connect(server: &Server) -> Self {
        Self::over(connect(server))
    }

    fn over(connection: Connection) -> Self {
        Self { connection, codec: Codec::Json, unread: Vec::new(), session: Value::Null }
    }

    /// Sends messages together.
    pub(crate) async fn say(&mut self, messages: &[Value]) {
        let mut batch = BatchBuilder::new(self.codec);
        messages.iter().for_each(|message| batch.push_encoded(&encoded(self.codec, message)));
        self.connection.send(LaneId::CONTROL, Arc::new(batch.finish())).await.unwrap();
        self.connection.flush().await.unwrap();
    }

    /// Says something in a datagram for a lane.
    pub(crate) fn datagram(&mut self, lane: u64, message: &Value) {
        let lane = LaneId(lane.try_into().unwrap());
        self.connection.send_datagram(lane, message.to_string().as_bytes()).unwrap();
    }

    /// The code with which the server closes.
    pub(crate) async fn end(mut self) -> u16 {
        let closed = async {
            loop {
                match self.connection.recv().await {
                    Ok(_) => {}
                    Err(Closed::ByPeer { code, .. }) => return code,
                    Err(closed) => panic!("{closed}"),
                }
            }
        };
        timeout(DEADLINE, closed).await.unwrap()
    }

    /// The next message of a type. Others stay unread.
    pub(crate) async fn hear(&mut self, kind: &str) -> Value {
        self.until(kind, |message| message["type"] == kind).await
    }

    /// The answer to a request.
    pub(crate) async fn answer(&mut self, reference: u64) -> Value {
        self.until(&format!("the answer to {reference}"), |message| message["ref"] == reference).await
    }

    /// The first message that is wanted. Others stay unread.
    pub(crate) async fn until(&mut self, what: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            if let Some(place) = self.unread.iter().position(&is_wanted) {
                return self.unread.remove(place);
            }
            let event = timeout(DEADLINE, self.connection.recv()).await;
            let event = event.unwrap_or_else(|_| panic!("no {what}, but {:?}", self.unread));
            if let Event::Record { payload, .. } = event.unwrap() {
                if Codec::of_payload(&payload) == Codec::Bincode {
                    let messages = decode_batch(Codec::Bincode, &payload).unwrap();
                    self.unread.extend(messages.map(|message| decoded(message.unwrap())));
                    continue;
                }
                match serde_json::from_slice(&payload).unwrap() {
                    Value::Array(messages) => self.unread.extend(messages),
                    message => self.unread.push(message),
                }
            }
        }
    }

    /// Everything that has come and was not read, of a type.
    pub(crate) fn unread(&self, kind: &str) -> Vec<&Value> {
        self.unread.iter().filter(|message| message["type"] == kind).collect()
    }

    /// Everything that has come and was not read; it counts as read.
    pub(crate) fn forget(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.unread)
    }

    /// Makes a room of a game with these options, and gives its id.
    pub(crate) async fn create(&mut self, game: &str, options: Value) -> String {
        self.say(&[json!({"type": "create_room", "ref": 0, "data": {"game": game, "options": options}})]).await;
        let created = self.hear("create_room_result").await;
        assert_eq!(created["success"], true, "{created}");
        created["room_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn join(&mut self, room_id: &str, role: &str) {
        self.say(&[json!({"type": "join_room", "ref": 0, "data": {"room_id": room_id, "as": role}})]).await;
        let joined = self.hear("join_room_result").await;
        assert_eq!(joined["success"], true, "{joined}");
    }

    /// Says goodbye, and waits until the server has closed.
    pub(crate) async fn goodbye(mut self) {
        let mut batch = BatchBuilder::new(Codec::Json);
        batch.push_encoded(br#"{"type":"goodbye","data":{}}"#);
        // The server may be quicker to close than this end is to see that all is written.
        drop(self.connection.send(LaneId::CONTROL, Arc::new(batch.finish())).await);
        let closed = async { while self.connection.recv().await.is_ok() {} };
        timeout(DEADLINE, closed).await.unwrap();
    }
}

/// A message as it travels. What does not have its shape is sent as it is in JSON, and in binary as bytes that mean nothing.
fn encoded(codec: Codec, message: &Value) -> Vec<u8> {
    let text = message.to_string();
    if codec == Codec::Json {
        return text.into_bytes();
    }
    let Envelope { kind, reference, n, room_id, data, .. } =
        decode_batch(Codec::Json, text.as_bytes()).unwrap().next().unwrap().unwrap();
    let row = ROWS.iter().find(|row| row.name == kind);
    let data = row.and_then(|row| row.translate(data, Codec::Bincode).ok());
    let data = data.unwrap_or(Payload::Binary(vec![0xff; 3]));
    let header = Header { reference: reference.as_ref(), n, room_id: room_id.as_deref(), ..Header::new(&kind) };
    let mut out = Vec::new();
    encode_raw(&header, data.data(), &mut out).unwrap();
    out
}

/// A message as it is in JSON. What only a game can read is left out.
fn decoded(message: Envelope<'_>) -> Value {
    let Envelope { kind, reference, room_id, latest, success, error, data, .. } = message;
    let data = match data {
        Data::Binary(_) if success == Some(false) => json!({}),
        data => match ROWS.iter().find(|row| row.name == kind).map(|row| row.translate(data, Codec::Json)) {
            Some(Ok(Payload::Json(data))) => serde_json::from_str(data.get()).unwrap(),
            _ => Value::Null,
        },
    };
    let mut message = json!({"type": kind, "data": data});
    let fields = [
        ("ref", json!(reference)),
        ("room_id", json!(room_id)),
        ("latest", json!(latest)),
        ("success", json!(success)),
        ("error", json!(error)),
    ];
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_null()) {
        message[name] = value;
    }
    message
}

fn connect(server: &Server) -> Connection {
    let (near, far) = memory::pair(TransportConfig::default(), 1);
    server.serve(far, None);
    near
}

/// Says something in a relay room.
pub(crate) fn send(room_id: &str, reference: u64, payload: &Value) -> Value {
    json!({"type": "send", "ref": reference, "room_id": room_id, "data": {"payload": payload}})
}

/// Guests may come in.
pub(crate) fn open() -> Config {
    let mut config = Config::default();
    config.auth.guests = true;
    config
}

/// The same, for whoever reads only when everything is said.
pub(crate) fn patient() -> Config {
    let mut config = open();
    config.limits.lane_bytes_max = 16 << 20;
    config
}

/// A server in memory with these games.
pub(crate) fn server_with(config: Config, games: Registry) -> Server {
    Server::simulate(config, games, 1).unwrap()
}

/// The same with the games that come with it.
pub(crate) fn server(config: Config) -> Server {
    server_with(config, anteroom_games::registry().unwrap())
}
