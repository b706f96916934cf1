//! The relay as its members hear it.

use std::sync::Arc;
use std::time::Duration;

use anteroom_core::flush::{Dispatch, Outgoing};
use anteroom_core::room::{Join, MemberId, RoomPolicy, RoomSpec};
use anteroom_core::testing::{Role, Setup, Table, assert_deterministic};
use anteroom_core::{Command, ErrorCode, Flush, Game, Json, Room, Time, Viewer};
use anteroom_games::Relay;
use anteroom_games::relay::{Action, DeliveryClass, Event, MEMBERS_MAX, Options, PAYLOAD_BYTES_MAX, View};
use anteroom_protocol::{Codec, Data, LaneId, RoomId};

fn send(payload: &str) -> Action {
    Action::Send { payload: Json::from_text(payload.into()).unwrap(), delivery: None, key: None }
}

fn heard(table: &mut Table<Relay>, name: &str) -> Vec<String> {
    table.events(name).into_iter().map(|Event::Message { from, payload }| format!("{from} {payload:?}")).collect()
}

#[test]
fn what_one_sends_all_hear() {
    let mut table = Table::<Relay>::new();
    table.sit("ada");
    table.sit("bob");
    table.watch("eve");
    for payload in ["null", "[1,2]", r#"{"deep":{"er":"ü\n"}}"#] {
        table.act("ada", send(payload)).unwrap();
    }
    table.act("bob", send("1")).unwrap();
    let expected = ["ada null", "ada [1,2]", r#"ada {"deep":{"er":"ü\n"}}"#, "bob 1"];
    for name in ["ada", "bob", "eve"] {
        assert_eq!(heard(&mut table, name), expected);
    }
    assert_eq!(table.act("eve", send("1")).unwrap_err().code, ErrorCode::NotAPlayer);
}

#[test]
fn the_size_of_a_room_is_an_option() {
    let table = Table::<Relay>::with(Setup::default());
    assert_eq!(table.view(Viewer::Spectator), View { members_max: MEMBERS_MAX });
    for (members_max, fits) in [(0, false), (1, true), (MEMBERS_MAX, true), (MEMBERS_MAX + 1, false)] {
        let created = Table::<Relay>::create(Setup::default().options(&Options { members_max, ..Options::default() }));
        assert_eq!(created.err().map(|refusal| refusal.code), (!fits).then_some(ErrorCode::InvalidOptions));
    }
    let mut table = Table::<Relay>::with(Setup::default().options(&Options { members_max: 1, ..Options::default() }));
    table.sit("ada");
    assert_eq!(table.try_sit("bob").unwrap_err().code, ErrorCode::RoomFull);
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut table = Table::<Relay>::new();
    table.sit("ada");
    let long = "k".repeat(65);
    let deep = format!("{}{}", "[".repeat(33), "]".repeat(33));
    for data in [
        "{}".to_owned(),
        r#"{"payload":1,"delivery":"sometimes"}"#.to_owned(),
        format!(r#"{{"payload":1,"delivery":"latest","key":"{long}"}}"#),
        format!(r#"{{"payload":{deep}}}"#),
        format!(r#"{{"payload":"{}"}}"#, "x".repeat(PAYLOAD_BYTES_MAX)),
    ] {
        assert_eq!(table.act_json("ada", "send", &data).unwrap_err().code, ErrorCode::InvalidData, "{data:.80}");
    }
    assert!(heard(&mut table, "ada").is_empty());
    table.act("ada", Action::Send { payload: Json::default(), delivery: None, key: Some("k".repeat(64)) }).unwrap();
    table.act("ada", send(&format!("\"{}\"", "x".repeat(PAYLOAD_BYTES_MAX - 2)))).unwrap();
}

/// A relay room with this many members, the odd ones binary.
fn room(members: u16) -> (Room, Flush) {
    let policy = RoomPolicy { grace: Duration::ZERO, seat_kept: None, spectators_max: 0 };
    let spec = RoomSpec {
        room_id: RoomId::from_bits(1),
        name: "Relay".into(),
        options: None,
        seed: 0,
        policy,
        durable: false,
        terms: anteroom_core::room::Terms::default(),
    };
    let registry = anteroom_games::registry().unwrap();
    let mut room = Room::create(registry.kind("relay").unwrap(), spec, Time::default()).unwrap();
    let mut flush = Flush::default();
    for number in 0..members {
        let join = Join {
            user_id: format!("user-{number}").parse().unwrap(),
            username: format!("User {number}"),
            role: Role::Player,
            lane: LaneId(1),
            codec: Codec::ALL[usize::from(number % 2)],
            answer: "join_room_result",
            reference: None,
            applied: 0,
            session_id: None,
            n: None,
            password: None,
            invite: None,
        };
        room.join(Time::default(), join, &mut flush).unwrap();
        flush.clear();
    }
    room.flush(&mut flush).unwrap();
    flush.clear();
    (room, flush)
}

fn say(room: &mut Room, flush: &mut Flush, data: &str) {
    let act = Command::Act { member: MemberId(1), kind: "send", data: Data::Json(data), reference: None, n: None };
    room.handle(Time::default(), act, flush);
}

#[test]
fn a_message_travels_in_the_class_that_was_asked_for() {
    let (mut room, mut flush) = room(2);
    for data in [
        r#"{"payload":1}"#,
        r#"{"payload":2,"delivery":"reliable","key":"ignored"}"#,
        r#"{"payload":3,"delivery":"latest"}"#,
        r#"{"payload":4,"delivery":"latest","key":"x"}"#,
        r#"{"payload":5,"delivery":"unreliable","key":""}"#,
        r#"{"payload":6,"delivery":"latest","key":"x"}"#,
    ] {
        say(&mut room, &mut flush, data);
    }
    room.flush(&mut flush).unwrap();
    let said = flush.effects.dispatches.iter().filter_map(Dispatch::said);
    let to_first = said.filter(|(to, _)| *to == MemberId(1));
    let sent: Vec<String> = to_first
        .map(|(_, outgoing)| {
            let text = std::str::from_utf8(outgoing.batch().payload()).unwrap();
            match outgoing {
                Outgoing::Reliable(batch) => format!("{} reliable", batch.messages()),
                Outgoing::Snapshot { .. } => "snapshot".to_owned(),
                Outgoing::Latest { key, .. } => format!("latest {key}: {text}"),
                Outgoing::Unreliable { key, .. } => format!("unreliable {key}: {text}"),
            }
        })
        .collect();
    let message = |key, payload| {
        let data = format!(r#"{{"from":"user-0","payload":{payload}}}"#);
        format!(r#"{{"type":"message","room_id":"0000000001","latest":"{key}","data":{data}}}"#)
    };
    let expected = [
        "2 reliable".to_owned(),
        format!("latest message: {}", message("message", 3)),
        format!("unreliable message: {}", message("message", 5)),
        format!("latest x: {}", message("x", 6)),
    ];
    assert_eq!(sent, expected);
}

#[test]
fn a_message_to_many_members_is_one_batch_per_codec() {
    const MANY: u16 = 200;
    let (mut room, mut flush) = room(MANY);
    say(&mut room, &mut flush, r#"{"payload":"hello"}"#);
    room.flush(&mut flush).unwrap();
    assert_eq!(flush.effects.dispatches.len(), usize::from(MANY));
    let batch = |place: usize| flush.effects.dispatches[place].said().unwrap().1.batch();
    for place in 2..usize::from(MANY) {
        assert!(Arc::ptr_eq(batch(place), batch(place % 2)));
    }
}

#[test]
fn a_script_goes_the_same_way_twice() {
    assert_deterministic::<Relay>(&Setup::default(), |table| {
        for name in ["ada", "bob", "cyd"] {
            table.sit(name);
        }
        for class in [DeliveryClass::Reliable, DeliveryClass::Latest, DeliveryClass::Unreliable] {
            table.act("bob", Action::Send { payload: Json::from(7), delivery: Some(class), key: None }).unwrap();
        }
        table.leave("ada");
    });
}

#[test]
fn a_room_lasts_only_if_its_creator_says_so() {
    assert_eq!(Relay::DURABLE.settle(None), Ok(false));
    assert_eq!(Relay::DURABLE.settle(Some(true)), Ok(true));
}
