//! Rooms of an earlier version of their game.

use std::time::Duration;

use anteroom_core::game::{Kind, Nothing};
use anteroom_core::room::{Join, RestoreError, RoomPolicy, RoomSpec, Snapshot};
use anteroom_core::{
    Context, Durable, ErrorCode, Flush, Game, Json, Registry, Rejection, Room, Seat, Seating, Seats, Time, Viewer,
    Views,
};
use anteroom_protocol::message::Role;
use anteroom_protocol::{Codec, LaneId, RoomId};
use serde::{Deserialize, Serialize};

/// Counts what it was reminded of, and throws a die each time. In version 1 the count was a text; version 2 nobody can read.
#[derive(Debug, Serialize, Deserialize)]
struct Counter<const VERSION: u16, Count>(Count, Vec<u32>);

trait Counts: Serialize + serde::de::DeserializeOwned + Send + 'static {
    fn of(count: u32) -> Self;
    fn count(&self) -> u32;
}

impl Counts for u32 {
    fn of(count: u32) -> Self {
        count
    }
    fn count(&self) -> u32 {
        *self
    }
}

impl Counts for String {
    fn of(count: u32) -> Self {
        count.to_string()
    }
    fn count(&self) -> u32 {
        self.parse().unwrap()
    }
}

impl<const VERSION: u16, Count: Counts> Game for Counter<VERSION, Count> {
    type Options = serde_json::Value;
    type Action = Nothing;
    type Event = Nothing;
    type View = u32;
    type Timer = u8;

    const KIND: &'static str = "counter";
    const VERSION: u16 = VERSION;
    const VIEWS: Views = Views::Shared;
    const TICK: Option<Duration> = if VERSION == 4 { Some(Duration::from_millis(7)) } else { None };
    const DURABLE: Durable = Durable::Always;

    fn seats(_: &serde_json::Value) -> Seats {
        Seats::exactly(2)
    }

    fn new(_: serde_json::Value, ctx: &mut Context<'_, Self>) -> Result<Self, Rejection> {
        ctx.after(Duration::from_millis(20), 1);
        Ok(Self(Count::of(5), vec![ctx.rng().below(1000)]))
    }

    fn joined(&mut self, _: Seat, _: &mut Context<'_, Self>) {}

    fn left(&mut self, _: Seat, _: &mut Context<'_, Self>) {}

    fn act(&mut self, _: Seat, action: Nothing, _: &mut Context<'_, Self>) -> Result<(), Rejection> {
        match action {}
    }

    fn timer(&mut self, by: u8, ctx: &mut Context<'_, Self>) {
        self.0 = Count::of(self.0.count() + u32::from(by));
        self.1.push(ctx.rng().below(1000));
    }

    fn view(&self, _: Viewer, _: &Seating) -> u32 {
        self.0.count()
    }

    fn migrate(version: u16, state: Json) -> Option<Json> {
        let Counter::<1, String>(count, dice) = (version == 1).then(|| state.decode().ok())??;
        Json::new(&(count.parse::<u32>().ok()?, dice)).ok()
    }
}

fn stored<G: Game>() -> Vec<u8> {
    let policy = RoomPolicy { grace: Duration::ZERO, seat_kept: None, spectators_max: 0 };
    let spec = RoomSpec {
        room_id: RoomId::from_bits(1),
        name: "Counter".into(),
        options: None,
        seed: 4,
        policy,
        durable: true,
        terms: anteroom_core::room::Terms::default(),
    };
    let mut room = Room::create(&Kind::of::<G>(), spec, Time::default()).unwrap();
    let join = Join {
        user_id: "ada".parse().unwrap(),
        username: "Ada".into(),
        role: Role::Player,
        lane: LaneId(1),
        codec: Codec::Json,
        answer: "create_room_result",
        reference: None,
        applied: 0,
        session_id: None,
        n: None,
        password: None,
        invite: None,
    };
    let mut flush = Flush::default();
    room.join(Time::default(), join, &mut flush).unwrap();
    room.flush(&mut flush).unwrap();
    let mut bytes = Vec::new();
    room.snapshot().unwrap().encode(&mut bytes).unwrap();
    bytes
}

fn restore<G: Game>(stored: &[u8]) -> Result<Room, RestoreError> {
    Snapshot::decode(stored).and_then(|snapshot| Room::restore(&Kind::of::<G>(), snapshot))
}

/// What a room shows, and what it is stored as but for the version, a while later.
fn later(mut room: Room) -> (String, String) {
    let mut flush = Flush::default();
    room.advance(Time::from_millis(20), &mut flush);
    room.flush(&mut flush).unwrap();
    let view = room.view(Viewer::Spectator, Codec::Json).unwrap();
    let mut bytes = Vec::new();
    room.snapshot().unwrap().encode(&mut bytes).unwrap();
    let anteroom_protocol::Data::Json(view) = view.data() else { panic!("JSON") };
    (view.to_owned(), String::from_utf8(bytes).unwrap().replace(r#""version":1"#, r#""version":3"#))
}

#[test]
fn a_room_of_an_earlier_version_goes_on_as_one_of_today() {
    let migrated = restore::<Counter<3, u32>>(&stored::<Counter<1, String>>()).unwrap();
    let today = restore::<Counter<3, u32>>(&stored::<Counter<3, u32>>()).unwrap();
    assert_eq!(migrated.seating().len(), 1);
    let (view, room) = later(migrated);
    assert_eq!(view, "6", "the timer rang");
    assert_eq!((view, room), later(today), "dice and all");
}

#[test]
fn a_game_that_ticks_today_ticks_in_a_room_of_before() {
    let room = restore::<Counter<4, u32>>(&stored::<Counter<1, String>>()).unwrap();
    assert_eq!(room.next_deadline(), Some(Time::from_millis(7)));
    // And one that does not any more, does not.
    let before = String::from_utf8(stored::<Counter<4, u32>>()).unwrap();
    let before = before.replace(r#""version":4"#, r#""version":1"#).replace("[5,", r#"["5","#);
    let room = restore::<Counter<3, u32>>(before.as_bytes()).unwrap();
    assert_eq!(room.next_deadline(), Some(Time::from_millis(20)));
}

#[test]
fn a_version_that_nobody_can_read_is_refused() {
    let refused = restore::<Counter<3, u32>>(&stored::<Counter<2, String>>()).err().unwrap();
    assert_eq!(refused, RestoreError::OtherVersion { game: "counter", found: 2, expected: 3 });
    let newer = restore::<Counter<1, String>>(&stored::<Counter<3, u32>>()).err().unwrap();
    assert_eq!(newer, RestoreError::OtherVersion { game: "counter", found: 3, expected: 1 });
}

#[test]
fn a_registry_knows_whose_rooms_last() {
    let mut games = Registry::new();
    games.register::<Counter<3, u32>>().unwrap();
    let durable = games.kind("counter").unwrap().durable;
    assert_eq!(durable, Durable::Always);
    assert_eq!(durable.settle(Some(false)).unwrap_err().code, ErrorCode::InvalidOptions);
}
