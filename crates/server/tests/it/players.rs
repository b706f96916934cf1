//! Players in memory, for tests in virtual time.

use std::sync::Arc;
use std::time::Duration;

use anteroom_core::Registry;
use anteroom_protocol::{BatchBuilder, Codec, LaneId};
use anteroom_server::{Config, Server};
use anteroom_transport::{Connection, Event, TransportConfig, memory};
use serde_json::{Value, json};
use tokio::time::timeout;

/// More than anything here takes, in virtual time.
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) struct Player {
    pub(crate) connection: Connection,
    pub(crate) unread: Vec<Value>,
}

impl Player {
    pub(crate) async fn enter(server: &Server) -> Self {
        let (near, far) = memory::pair(TransportConfig::default(), 1);
        server.serve(far, None);
        Self::shake_hands(near, json!({"version": 1, "name": "Ada"})).await.0
    }

    /// A player on this connection, and what the handshake says.
    pub(crate) async fn shake_hands(connection: Connection, handshake: Value) -> (Self, Value) {
        let mut player = Self { connection, unread: Vec::new() };
        player.say(&[json!({"type": "handshake", "data": handshake})]).await;
        let accepted = player.hear("handshake_accepted").await["data"].take();
        (player, accepted)
    }

    /// Sends messages together.
    pub(crate) async fn say(&mut self, messages: &[Value]) {
        let mut batch = BatchBuilder::new(Codec::Json);
        messages.iter().for_each(|message| batch.push_encoded(message.to_string().as_bytes()));
        self.connection.send(LaneId::CONTROL, Arc::new(batch.finish())).await.unwrap();
        self.connection.flush().await.unwrap();
    }

    /// The next message of this type; others wait.
    pub(crate) async fn hear(&mut self, kind: &str) -> Value {
        loop {
            if let Some(place) = self.unread.iter().position(|message| message["type"] == kind) {
                return self.unread.remove(place);
            }
            let event = timeout(PATIENCE, self.connection.recv()).await;
            if let Event::Record { payload, .. } = event.unwrap_or_else(|_| panic!("no {kind}")).unwrap() {
                match serde_json::from_slice(&payload).unwrap() {
                    Value::Array(messages) => self.unread.extend(messages),
                    message => self.unread.push(message),
                }
            }
        }
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
}

/// Says something in a relay room.
pub(crate) fn send(room_id: &str, reference: u64, payload: &Value) -> Value {
    json!({"type": "send", "ref": reference, "room_id": room_id, "data": {"payload": payload}})
}

/// For whoever reads only when everything is said.
pub(crate) fn config() -> Config {
    let mut config = Config::default();
    config.auth.guests = true;
    config.limits.lane_bytes_max = 16 << 20;
    config
}

pub(crate) fn server_with(config: Config, games: Registry) -> Server {
    Server::simulate(config, games, 1).unwrap()
}

pub(crate) fn server() -> Server {
    server_with(config(), anteroom_games::registry().unwrap())
}
