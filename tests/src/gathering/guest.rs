//! One session of a user: asks for things, hears what comes, and keeps a record of the room that it is in.

use anteroom_core::Rng;
use serde_json::{Value, json};

use super::facts::{Asked, Outcome, World};
use super::record::Record;
use crate::lasting::Host;
use crate::message::Message;
use crate::peer::{Via, Way};
use crate::resuming::{Back, Carrying, Resuming};
use crate::token;

/// What a request may be refused with; everything else is a fault of the room or of the story.
const REFUSALS: [&str; 19] = [
    "already_in_room",
    "banned",
    "busy",
    "conflict",
    "invalid_data",
    "invalid_move",
    "not_a_player",
    "not_in_room",
    "not_owner",
    "not_playing",
    "not_your_turn",
    "rate_limited",
    "rejected",
    "room_full",
    "room_locked",
    "room_not_found",
    "storage_unavailable",
    "wrong_password",
    "limit_reached",
];

/// See the module.
#[derive(Debug)]
pub(super) struct Guest {
    /// Which of all sessions.
    number: usize,
    pub(super) client: Resuming,
    pub(super) record: Option<Record>,
    /// The record is to be what the next snapshot shows.
    is_at_rest: bool,
    /// Another session of its user may be in the room.
    pub(super) has_twin: bool,
    /// How often its record was seen to be what the room is.
    pub(super) compared: u64,
    /// How the last request was refused.
    pub(super) refusal: Option<&'static str>,
    unknown_read: usize,
}

impl Guest {
    /// Begins a session of a user.
    pub(super) async fn enter(number: usize, host: &impl Host, user_id: &str, rng: &mut Rng) -> Self {
        let client = begin(host, user_id, rng).await;
        let (record, refusal) = (None, None);
        Self { number, client, record, is_at_rest: false, has_twin: false, compared: 0, refusal, unknown_read: 0 }
    }

    pub(super) fn user_id(&self) -> &str {
        &self.client.user_id
    }

    /// Asks for something on control.
    pub(super) async fn ask(&mut self, world: &mut World, kind: &'static str, data: Value) {
        let n = self.client.request(kind, data.clone()).await;
        let room_id = data["room_id"].as_str().map(str::to_owned);
        world.asks(self.number, n, Asked::new(kind, room_id, self.user_id().to_owned(), data));
    }

    /// Asks the room for something that it is in.
    pub(super) async fn ask_room(&mut self, world: &mut World, kind: &'static str, data: Value) {
        let Some(room_id) = self.record.as_ref().map(|record| record.room_id().to_owned()) else { return };
        let n = self.client.request_in(&room_id, kind, data.clone()).await;
        world.asks(self.number, n, Asked::new(kind, Some(room_id), self.user_id().to_owned(), data));
    }

    /// Whether it waits for nothing, and the server has everything.
    pub(super) fn is_settled(&self, world: &World) -> bool {
        let waits = world.open.keys().any(|(session, _)| *session == self.number);
        !waits && self.client.kept() == 0 && self.client.is_open() && self.client.is_connected()
    }

    /// Takes in everything that has come. Whether anything had.
    pub(super) async fn hear(&mut self, world: &mut World) -> bool {
        let mut has_heard = false;
        while self.client.is_connected() && self.client.step_if_ready().await {}
        if self.client.is_connected() {
            // Acknowledges if it is time to.
            self.client.step_unless(std::future::ready(())).await;
        }
        self.client.forget();
        for heard in std::mem::take(&mut self.client.log) {
            has_heard = true;
            self.take(world, &heard.message);
        }
        for n in self.client.unknown.split_off(self.unknown_read) {
            if let Some(asked) = world.open.remove(&(self.number, n)) {
                world.answered(&asked, Outcome::Unknown);
            }
        }
        if let Some(record) = &self.record {
            if self.client.lane_of(record.room_id()).is_none() {
                let is_lost = record.field("durable") == true && !world.may_be_out(record.room_id(), self.user_id());
                assert!(!is_lost || self.has_twin, "forgotten in a room that lasts: {record:?}");
                self.record = None;
            } else {
                record.check();
            }
        }
        has_heard
    }

    fn take(&mut self, world: &mut World, message: &Message) {
        let n = message.reference.as_ref().and_then(Value::as_u64).or_else(|| message.refused_n());
        let asked = n.and_then(|n| world.open.remove(&(self.number, n)));
        if let Some(error) = &message.error {
            assert!(REFUSALS.contains(&error.code.name()), "{asked:?}: {message:?}");
            self.refusal = Some(error.code.name());
            if let Some(asked) = asked {
                world.answered(&asked, Outcome::Refused);
            }
            return;
        }
        if message.success == Some(true) && matches!(&*message.kind, "create_room_result" | "join_room_result") {
            self.see(message);
        } else if message.success.is_none() && message.room_id.is_some() {
            self.hear_room(message);
        }
        if let Some(asked) = asked {
            self.refusal = None;
            world.answered(&asked, Outcome::Done(message));
            if asked.kind == "leave_room" {
                self.record = None;
            }
        }
    }

    fn hear_room(&mut self, message: &Message) {
        match (&*message.kind, &mut self.record) {
            ("lane", _) => {}
            ("room_closed", _) => self.record = None,
            (_, Some(record)) => record.hear(message),
            (_, None) => panic!("{} is in no room: {message:?}", self.user_id()),
        }
    }

    /// Sees the room as it is.
    fn see(&mut self, message: &Message) {
        let truth = Record::of(self.user_id(), &message.data);
        truth.check();
        if let Some(record) = self.record.as_ref().filter(|_| std::mem::take(&mut self.is_at_rest)) {
            let differences = record.differs(&truth, self.has_twin);
            assert!(differences.is_empty(), "{} has another room: {differences:#?}\n{record:?}", self.user_id());
            self.compared += 1;
        }
        self.record = Some(truth);
    }

    /// Has the room shown anew, which must be what its record says, since it is at rest. The connection is not lost meanwhile.
    pub(super) async fn look_again(&mut self, world: &mut World, host: &impl Host) {
        self.is_at_rest = true;
        let peer = host.dial(self.client.way(Via::Quic)).await.unwrap();
        assert_eq!(self.client.try_claim(peer, Carrying::Fresh).await, Back::Here);
        while !self.client.is_open() {
            self.client.step().await;
        }
        self.hear(world).await;
        self.is_at_rest = false;
    }

    /// Goes on with the session, or with another one of the user if the server has forgotten it.
    pub(super) async fn go_on(&mut self, world: &mut World, host: &impl Host, rng: &mut Rng) {
        self.client.cut();
        let peer = host.dial(self.client.way(Via::Quic)).await.unwrap();
        match self.client.try_reconnect(peer).await {
            Back::Here => {}
            Back::Gone => panic!("the server is there"),
            Back::Unknown => self.begin_anew(world, host, rng).await,
        }
    }

    /// Begins another session in place of this one, which is over.
    pub(super) async fn begin_anew(&mut self, world: &mut World, host: &impl Host, rng: &mut Rng) {
        let lasts = self.record.as_ref().filter(|record| record.field("durable") == true);
        assert!(lasts.is_none(), "a session in a room that lasts is forgotten: {lasts:?}");
        self.forget(world);
        let user_id = self.user_id().to_owned();
        self.client = begin(host, &user_id, rng).await;
    }

    /// Begins another session, and gives the one before.
    pub(super) async fn change_session(&mut self, host: &impl Host, rng: &mut Rng) -> Resuming {
        let user_id = self.user_id().to_owned();
        std::mem::replace(&mut self.client, begin(host, &user_id, rng).await)
    }

    /// The session is over, and so is whatever it had asked for.
    pub(super) fn forget(&mut self, world: &mut World) {
        self.record = None;
        self.unknown_read = 0;
        let own: Vec<_> = world.open.keys().filter(|(session, _)| *session == self.number).copied().collect();
        for key in own {
            if let Some(asked) = world.open.remove(&key) {
                world.answered(&asked, Outcome::Unknown);
            }
        }
    }
}

async fn begin(host: &impl Host, user_id: &str, rng: &mut Rng) -> Resuming {
    let way = if rng.below(3) == 0 { Way::binary(Via::Quic) } else { Way::json(Via::Quic) };
    let peer = host.dial(way).await.unwrap();
    let mut client = Resuming::over(peer, json!({"version": 1, "resume": true, "token": token::of(user_id)})).await;
    client.outlives = true;
    client
}
