//! One session on a WebSocket, in JSON and one thing after the other, as a program is that nobody wrote a library for.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(120);

/// A session, with a connection or without.
#[derive(Debug)]
pub(super) struct Client {
    socket: Option<WebSocketStream<TcpStream>>,
    session_id: String,
    resume_token: String,
    /// The room that it is in.
    pub(super) room_id: String,
    n: u64,
    attempt: u64,
    /// Messages of a frame that nobody has asked for yet, the first one last.
    heard: Vec<Value>,
}

impl Client {
    /// A new session.
    pub(super) async fn begin(addr: SocketAddr) -> Result<Self> {
        let mut client = Self {
            socket: Some(dial(addr).await?),
            session_id: String::new(),
            resume_token: String::new(),
            room_id: String::new(),
            n: 0,
            attempt: 0,
            heard: Vec::new(),
        };
        client.say(&json!({"type": "handshake", "data": {"version": 1, "name": "Ada", "resume": true}})).await?;
        let accepted = client.hear("handshake_accepted").await?;
        client.session_id = text(&accepted["data"]["session_id"])?;
        client.resume_token = text(&accepted["data"]["resume_token"])?;
        Ok(client)
    }

    /// Makes a room and goes into it.
    pub(super) async fn create(&mut self, game: &str, durable: bool) -> Result<()> {
        self.n += 1;
        let data = json!({"game": game, "durable": durable});
        self.say(&json!({"type": "create_room", "ref": 1, "n": self.n, "data": data})).await?;
        let created = self.hear("create_room_result").await?;
        ensure!(created["success"] == true, "no room: {created}");
        self.room_id = text(&created["data"]["room_id"])?;
        Ok(())
    }

    /// Asks to be let into a room; gives the answer, whatever it is.
    pub(super) async fn knock(&mut self, room_id: &str) -> Result<Value> {
        self.n += 1;
        self.say(&json!({"type": "join_room", "ref": 1, "n": self.n, "data": {"room_id": room_id}})).await?;
        self.hear("join_room_result").await
    }

    /// Asks for the list of rooms.
    pub(super) async fn list(&mut self) -> Result<Value> {
        self.n += 1;
        self.say(&json!({"type": "list_rooms", "ref": 1, "n": self.n})).await?;
        self.hear("list_rooms_result").await
    }

    /// Says something in a relay room, and waits until it hears itself.
    pub(super) async fn relay(&mut self) -> Result<()> {
        self.n += 1;
        let data = json!({"payload": {"move": self.n}});
        self.say(&json!({"type": "send", "n": self.n, "room_id": self.room_id, "data": data})).await?;
        loop {
            let heard = self.hear("message").await?;
            if heard["data"]["payload"]["move"] == self.n {
                return Ok(());
            }
        }
    }

    /// The connection is gone.
    pub(super) fn lose(&mut self) {
        self.socket = None;
        self.heard.clear();
    }

    /// Connects again, and goes on as a page does that was loaded anew: until its room has told how it stands.
    pub(super) async fn resume(&mut self, addr: SocketAddr) -> Result<()> {
        self.attempt += 1;
        self.socket = Some(dial(addr).await?);
        let (session_id, resume_token, attempt) = (&self.session_id, &self.resume_token, self.attempt);
        let data = json!({"session_id": session_id, "resume_token": resume_token, "attempt": attempt, "fresh": true});
        self.say(&json!({"type": "reconnect", "data": data})).await?;
        let result = self.hear("reconnect_result").await?;
        ensure!(result["success"] != false, "not resumed: {result}");
        self.resume_token = text(&result["data"]["resume_token"])?;
        // Numbers go on behind the last that the server knows.
        self.n = self.n.max(result["data"]["last_n"].as_u64().unwrap_or_default());
        while self.next().await?["room_id"] != self.room_id.as_str() {}
        Ok(())
    }

    async fn say(&mut self, message: &Value) -> Result<()> {
        let socket = self.socket.as_mut().context("there is no connection")?;
        Ok(socket.send(Message::text(message.to_string())).await?)
    }

    /// The next message of a type; what comes before it is of no interest.
    async fn hear(&mut self, kind: &str) -> Result<Value> {
        loop {
            let message = self.next().await?;
            if message["type"] == kind {
                return Ok(message);
            }
            ensure!(message["type"] != "error", "the server refuses: {message}");
        }
    }

    async fn next(&mut self) -> Result<Value> {
        let socket = self.socket.as_mut().context("there is no connection")?;
        while self.heard.is_empty() {
            let frame = timeout(ANSWER_MAX, socket.next()).await.context("no answer")?;
            match frame.context("the connection ended")?? {
                Message::Text(text) => match serde_json::from_str(&text)? {
                    Value::Array(messages) => self.heard.extend(messages.into_iter().rev()),
                    message => self.heard.push(message),
                },
                Message::Close(frame) => bail!("the server closed: {frame:?}"),
                _ => {}
            }
        }
        self.heard.pop().context("nothing was heard")
    }
}

async fn dial(addr: SocketAddr) -> Result<WebSocketStream<TcpStream>> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    Ok(tokio_tungstenite::client_async(format!("ws://{addr}/ws"), stream).await?.0)
}

fn text(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).context("a text is missing in an answer")
}
