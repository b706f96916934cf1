//! Rooms that flush by ticks, in virtual time: what is said is heard when a tick ends, whoever knocks need not wait for
//! it, and what does not fit a tick ends it.
#![allow(clippy::unwrap_used, reason = "everything in here is a test")]

use std::sync::Arc;
use std::time::Duration;

use anteroom_protocol::{BatchBuilder, Codec, LaneId};
use anteroom_server::{Config, Server};
use anteroom_transport::{Connection, Event, TransportConfig, memory};
use serde_json::{Value, json};
use tokio::time::Instant;

const TICK: Duration = Duration::from_millis(1000);

struct Player {
    connection: Connection,
    unread: Vec<Value>,
}

impl Player {
    async fn enter(server: &Server) -> Self {
        let (near, far) = memory::pair(TransportConfig::default(), 1);
        server.serve(far, None);
        let mut player = Self { connection: near, unread: Vec::new() };
        player.say(&[json!({"type": "handshake", "data": {"version": 1, "name": "Ada"}})]).await;
        player.hear("handshake_accepted").await;
        player
    }

    async fn say(&mut self, messages: &[Value]) {
        let mut batch = BatchBuilder::new(Codec::Json);
        messages.iter().for_each(|message| batch.push_encoded(message.to_string().as_bytes()));
        self.connection.send(LaneId::CONTROL, Arc::new(batch.finish())).await.unwrap();
    }

    async fn hear(&mut self, kind: &str) -> Value {
        loop {
            if let Some(place) = self.unread.iter().position(|message| message["type"] == kind) {
                return self.unread.remove(place);
            }
            if let Event::Record { payload, .. } = self.connection.recv().await.unwrap() {
                match serde_json::from_slice(&payload).unwrap() {
                    Value::Array(messages) => self.unread.extend(messages),
                    message => self.unread.push(message),
                }
            }
        }
    }

    async fn create(&mut self) -> String {
        let options = json!({"flush": "tick", "tick_ms": TICK.as_millis() as u64});
        self.say(&[json!({"type": "create_room", "ref": 0, "data": {"game": "relay", "options": options}})]).await;
        let created = self.hear("create_room_result").await;
        assert_eq!(created["success"], true, "{created}");
        created["room_id"].as_str().unwrap().to_owned()
    }
}

fn send(room_id: &str, reference: u64, payload: &Value) -> Value {
    json!({"type": "send", "ref": reference, "room_id": room_id, "data": {"payload": payload}})
}

fn server() -> Server {
    let mut config = Config::default();
    config.auth.guests = true;
    // A player here reads only when everything is said.
    config.limits.lane_bytes_max = 16 << 20;
    Server::simulate(config, anteroom_games::registry().unwrap(), 1).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_said_is_heard_when_a_tick_ends() {
    let server = server();
    let mut ada = Player::enter(&server).await;
    let room_id = ada.create().await;
    let mut heard = Vec::new();
    for number in 0..3 {
        // Two things in one tick are heard together.
        ada.say(&[send(&room_id, number, &json!(1)), send(&room_id, number, &json!(2))]).await;
        ada.hear("message").await;
        heard.push(Instant::now());
        ada.hear("message").await;
        assert_eq!(heard.last(), Some(&Instant::now()));
    }
    for (before, after) in heard.iter().zip(&heard[1..]) {
        let between = *after - *before;
        assert!(between.abs_diff(TICK) <= Duration::from_millis(2), "{between:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_knocks_is_let_in_at_once() {
    let server = server();
    let mut ada = Player::enter(&server).await;
    let began = Instant::now();
    let room_id = ada.create().await;
    let mut bob = Player::enter(&server).await;
    bob.say(&[json!({"type": "join_room", "ref": 1, "room_id": room_id})]).await;
    assert_eq!(bob.hear("join_room_result").await["success"], true);
    ada.hear("client_joined").await;
    assert!(began.elapsed() < TICK / 10, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_a_tick_ends_it() {
    let server = server();
    let mut ada = Player::enter(&server).await;
    let room_id = ada.create().await;
    let fill = json!("z".repeat(30_000));
    for number in 0..100 {
        ada.say(&[send(&room_id, number, &fill)]).await;
    }
    for _ in 0..100 {
        let answer = ada.hear("send_result").await;
        assert_eq!(answer["success"], true, "{answer}");
    }
}
