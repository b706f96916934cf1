//! A client in the same process, message by message.

use std::sync::Arc;
use std::time::Duration;

use anteroom_protocol::{BatchBuilder, Codec, LaneId};
use anteroom_server::Server;
use anteroom_transport::{Connection, Event, TransportConfig, memory};
use serde_json::{Value, json};

/// No event takes so long, on however busy a machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// The client.
pub(crate) struct Player {
    connection: Connection,
    unread: Vec<Value>,
    /// What its handshake was answered with.
    pub(crate) session: Value,
}

impl Player {
    /// Shakes hands as a guest who resumes.
    pub(crate) async fn enter(server: &Server, name: &str) -> Self {
        let mut player = Self::connect(server);
        let data = json!({"version": 1, "name": name, "resume": true});
        player.say(&[json!({"type": "handshake", "data": data})]).await;
        player.session = player.hear("handshake_accepted").await["data"].take();
        player
    }

    /// Goes on with a session of which nothing was received.
    pub(crate) async fn go_on(server: &Server, session: &Value) -> Self {
        let mut player = Self::connect(server);
        let data = json!({"session_id": session["session_id"], "resume_token": session["resume_token"], "attempt": 1,
            "received": {}});
        player.say(&[json!({"type": "reconnect", "data": data})]).await;
        assert_eq!(player.hear("reconnect_result").await["success"], true);
        player
    }

    fn connect(server: &Server) -> Self {
        let (near, far) = memory::pair(TransportConfig::default(), 1);
        server.serve(far, None);
        Self { connection: near, unread: Vec::new(), session: Value::Null }
    }

    /// Says something, in one batch.
    pub(crate) async fn say(&mut self, messages: &[Value]) {
        let mut batch = BatchBuilder::new(Codec::Json);
        messages.iter().for_each(|message| batch.push_encoded(message.to_string().as_bytes()));
        self.connection.send(LaneId::CONTROL, Arc::new(batch.finish())).await.unwrap();
        self.connection.flush().await.unwrap();
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
            let event = tokio::time::timeout(DEADLINE, self.connection.recv()).await;
            let event = event.unwrap_or_else(|_| panic!("no {what}, but {:?}", self.unread));
            if let Event::Record { payload, .. } = event.unwrap() {
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

    /// Makes a room, and gives its id.
    pub(crate) async fn create(&mut self, game: &str) -> String {
        self.say(&[json!({"type": "create_room", "ref": 0, "data": {"game": game}})]).await;
        let created = self.answer(0).await;
        assert_eq!(created["success"], true, "{created}");
        created["room_id"].as_str().unwrap().to_owned()
    }

    /// Says goodbye, and waits until the server has closed.
    pub(crate) async fn goodbye(mut self) {
        let mut batch = BatchBuilder::new(Codec::Json);
        batch.push_encoded(br#"{"type":"goodbye","data":{}}"#);
        // The server may be quicker to close than this end is to see that all is written.
        drop(self.connection.send(LaneId::CONTROL, Arc::new(batch.finish())).await);
        let closed = async { while self.connection.recv().await.is_ok() {} };
        tokio::time::timeout(DEADLINE, closed).await.unwrap();
    }
}
