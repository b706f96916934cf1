//! What the client says: numbered, and kept until the server has it.

use std::sync::Arc;

use anteroom_protocol::lane::Upstream;
use anteroom_protocol::{Batch, BatchBuilder, LaneId};
use serde_json::{Value, json};

use super::Resuming;
use super::reading::Reading;
use crate::message::{self, Message};

impl Resuming {
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
        while !self.protocol.has_room() {
            self.step().await;
        }
        let (message, now) = self.keep(envelope, asks);
        if let Some(batch) = now {
            self.transmit(&batch).await;
        }
        message.n
    }

    /// Sends the same request many times in one frame, so that the server comes to nothing else meanwhile. Gives the
    /// numbers.
    pub async fn request_at_once(&mut self, kind: &str, data: &Value, times: usize) -> Vec<u64> {
        let (mut builder, mut numbers) = (BatchBuilder::new(self.codec), Vec::new());
        for _ in 0..times {
            let (message, _) = self.keep(json!({"type": kind, "data": data}), true);
            builder.push_encoded(message.batch.payload());
            numbers.push(message.n);
        }
        let codec = self.codec;
        self.raw().bytes(codec, builder.finish().payload()).await;
        numbers
    }

    /// Numbers a message; gives it back a second time if it can be written now.
    fn keep(&mut self, mut envelope: Value, asks: bool) -> (Upstream, Option<Arc<Batch>>) {
        let (n, lane) = (self.protocol.next_n(), LaneId(self.lane_up(&envelope)));
        envelope["n"] = json!(n);
        if asks {
            envelope["ref"] = json!(n);
        }
        let mut builder = BatchBuilder::new(self.codec);
        builder.push_encoded(&message::write(self.codec, &envelope));
        let message = Upstream { n, lane, batch: Arc::new(builder.finish()) };
        let now = self.protocol.keep(message.clone(), asks.then_some(n));
        (message, now)
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

    /// Sends what is kept for later anyway, on the connection that the session is on.
    pub(super) async fn transmit(&mut self, batch: &Batch) {
        if let Some(link) = self.links.iter_mut().find(|link| link.number == self.current) {
            // A server that hung up will get it on another connection.
            let _ = link.peer.try_bytes(self.codec, batch.payload()).await;
        }
    }

    /// How many messages the server may not have.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.protocol.unacknowledged()
    }
}
