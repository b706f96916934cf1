//! The relay as its members hear it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anteroom_core::flush::{Dispatch, Outgoing};
use anteroom_core::room::{Ask, Join, MemberId, RoomPolicy, RoomSpec, Terms};
use anteroom_core::testing::{Role, Setup, Table, assert_deterministic};
use anteroom_core::{Command, ErrorCode, Flush, Game, Json, Rng, Room, Time, UserId, Viewer};
use anteroom_games::Relay;
use anteroom_games::relay::{
    Action, DeliveryClass, Event, Host, KEYS_MAX, MEMBERS_MAX, Options, PAYLOAD_BYTES_MAX, RECIPIENTS_MAX, Recipients,
    VALUE_BYTES_MAX, VALUE_DEPTH_MAX, VALUES_BYTES_MAX, View,
};
use anteroom_protocol::message::OwnerPolicy;
use anteroom_protocol::{Codec, Data, LaneId, RoomId};

fn send(payload: &str) -> Action {
    Action::Send { payload: Json::from_text(payload.into()).unwrap(), delivery: None, key: None, to: None }
}

fn heard(table: &mut Table<Relay>, name: &str) -> Vec<String> {
    let line = |event| match event {
        Event::Message { from, payload } => format!("{from} {payload:?}"),
        Event::Value { key, value, version, from } => format!("{from} {key}={value:?} v{version}"),
        Event::HostChanged { user_id } => format!("host {}", user_id.map_or("none".into(), |host| host.to_string())),
    };
    table.events(name).into_iter().map(line).collect()
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
    assert_eq!(table.view(Viewer::Spectator), View { members_max: MEMBERS_MAX, host: None, values: BTreeMap::new() });
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
    table
        .act("ada", Action::Send { payload: Json::default(), delivery: None, key: Some("k".repeat(64)), to: None })
        .unwrap();
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
        terms: Terms::default(),
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
            table
                .act("bob", Action::Send { payload: Json::from(7), delivery: Some(class), key: None, to: None })
                .unwrap();
        }
        table.leave("ada");
    });
}

#[test]
fn a_room_lasts_only_if_its_creator_says_so() {
    assert_eq!(Relay::DURABLE.settle(None), Ok(false));
    assert_eq!(Relay::DURABLE.settle(Some(true)), Ok(true));
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn send_to(payload: &str, names: &[&str]) -> Action {
    let to = Some(Recipients::Users(names.iter().map(|name| user(name)).collect()));
    Action::Send { payload: Json::from_text(payload.into()).unwrap(), delivery: None, key: None, to }
}

fn send_to_host(payload: &str) -> Action {
    let to = Some(Recipients::Host(Host::Host));
    Action::Send { payload: Json::from_text(payload.into()).unwrap(), delivery: None, key: None, to }
}

fn set(table: &mut Table<Relay>, name: &str, key: &str, value: &str, version: Option<u64>) -> Result<(), ErrorCode> {
    let value = Json::from_text(value.into()).unwrap();
    table.act(name, Action::Set { key: key.into(), value, version }).map_err(|refusal| refusal.code)
}

fn four() -> Table<Relay> {
    let mut table = Table::<Relay>::new();
    for name in ["ada", "bob", "cyd"] {
        table.sit(name);
    }
    table.watch("eve");
    for name in ["ada", "bob", "cyd", "eve"] {
        heard(&mut table, name);
    }
    table
}

#[test]
fn what_is_said_to_some_only_they_hear() {
    let mut table = four();
    table.act("ada", send_to("1", &["bob", "cyd", "bob"])).unwrap();
    table.act("bob", send_to("2", &["bob"])).unwrap();
    table.act("cyd", send_to_host("3")).unwrap();
    assert_eq!(heard(&mut table, "ada"), ["cyd 3"], "who was there first is the host");
    assert_eq!(heard(&mut table, "bob"), ["ada 1", "bob 2"]);
    assert_eq!(heard(&mut table, "cyd"), ["ada 1"]);
    assert!(heard(&mut table, "eve").is_empty());
}

#[test]
fn nobody_hears_what_is_said_to_somebody_who_does_not_play() {
    let mut table = four();
    let code = |table: &mut Table<Relay>, action| table.act("ada", action).unwrap_err().code;
    for names in [&["bob", "zoe"][..], &["eve"]] {
        assert_eq!(code(&mut table, send_to("1", names)), ErrorCode::Rejected, "{names:?}");
    }
    table.leave("cyd");
    assert_eq!(code(&mut table, send_to("1", &["cyd"])), ErrorCode::Rejected);
    let many: Vec<String> = (0..=RECIPIENTS_MAX).map(|number| format!("user-{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for names in [&[][..], &many] {
        assert_eq!(code(&mut table, send_to("1", names)), ErrorCode::InvalidData);
    }
    for to in [r#""bob""#, r#"[""]"#, "7", "{}", r#"[1]"#] {
        let sent = table.act_json("ada", "send", &format!(r#"{{"payload":1,"to":{to}}}"#));
        assert_eq!(sent.unwrap_err().code, ErrorCode::InvalidData, "{to}");
    }
    table.act_json("ada", "send", r#"{"payload":1,"to":null}"#).unwrap();
    assert_eq!(heard(&mut table, "bob"), ["ada 1"]);
}

#[test]
fn the_host_goes_and_another_one_comes() {
    assert_eq!(Table::<Relay>::new().view(Viewer::Spectator).host, None);
    let mut table = four();
    assert_eq!(table.view(Viewer::Spectator).host, Some(user("ada")));
    table.leave("bob");
    assert_eq!(heard(&mut table, "eve"), [""; 0]);
    table.leave("ada");
    assert_eq!(heard(&mut table, "eve"), ["host cyd"]);
    assert_eq!(heard(&mut table, "cyd"), ["host cyd"]);
    table.sit("bob");
    assert_eq!(table.view(Viewer::Spectator).host, Some(user("cyd")));
    table.act("bob", send_to_host("1")).unwrap();
    assert_eq!(heard(&mut table, "cyd"), ["bob 1"]);
    table.leave("cyd");
    table.leave("bob");
    assert_eq!(table.view(Viewer::Spectator).host, None);
    assert_eq!(heard(&mut table, "eve"), ["host bob", "host none"]);
}

#[test]
fn what_all_share_is_seen_by_those_who_come_later() {
    let mut table = four();
    set(&mut table, "ada", "map", r#"{"tiles":[1,2]}"#, None).unwrap();
    set(&mut table, "bob", "score", "1", Some(0)).unwrap();
    set(&mut table, "bob", "score", "2", Some(1)).unwrap();
    let told = [r#"ada map={"tiles":[1,2]} v1"#, "bob score=1 v1", "bob score=2 v2"];
    assert_eq!(heard(&mut table, "eve"), told);
    let view = serde_json::to_string(&table.view(Viewer::Spectator)).unwrap();
    let values = concat!(
        r#"{"map":{"value":{"tiles":[1,2]},"version":1,"from":"ada"},"#,
        r#""score":{"value":2,"version":2,"from":"bob"}}"#
    );
    assert_eq!(view, format!(r#"{{"members_max":1024,"host":"ada","values":{values}}}"#));
    table.leave("bob");
    table.sit("dan");
    assert_eq!(table.view(Viewer::Spectator).values["score"].from, None, "who sits there now has not set it");
}

#[test]
fn who_is_too_late_is_told_what_there_is() {
    let mut table = four();
    set(&mut table, "ada", "turn", r#""ada""#, Some(0)).unwrap();
    assert_eq!(set(&mut table, "bob", "turn", r#""bob""#, Some(0)), Err(ErrorCode::Conflict));
    let late = r#"{"key":"turn","value":"bob","version":7}"#;
    let refusal = table.act_json("bob", "set", late).unwrap_err();
    assert_eq!(refusal.code, ErrorCode::Conflict);
    assert_eq!(refusal.details.unwrap().text(), r#"{"key":"turn","version":1,"value":"ada"}"#);
    let refusal = table.act_json("bob", "set", r#"{"key":"other","value":1,"version":1}"#).unwrap_err();
    assert_eq!(refusal.details.unwrap().text(), r#"{"key":"other","version":0,"value":null}"#);
    set(&mut table, "bob", "turn", r#""bob""#, Some(1)).unwrap();
    assert_eq!(heard(&mut table, "cyd"), [r#"ada turn="ada" v1"#, r#"bob turn="bob" v2"#]);
}

#[test]
fn a_key_that_comes_again_is_not_the_one_it_was() {
    let mut table = four();
    set(&mut table, "ada", "x", "1", None).unwrap();
    set(&mut table, "ada", "x", "null", Some(1)).unwrap();
    set(&mut table, "ada", "x", "null", None).unwrap();
    set(&mut table, "ada", "x", "null", Some(0)).unwrap();
    assert!(table.view(Viewer::Spectator).values.is_empty());
    assert_eq!(set(&mut table, "ada", "x", "2", Some(1)), Err(ErrorCode::Conflict));
    set(&mut table, "ada", "x", "2", Some(0)).unwrap();
    assert_eq!(heard(&mut table, "bob"), ["ada x=1 v1", "ada x=null v2", "ada x=2 v3"]);
}

#[test]
fn what_all_share_is_bounded() {
    let mut table = four();
    let code = |table: &mut Table<Relay>, key: &str, value: &str| set(table, "ada", key, value, None).err();
    let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    assert_eq!(code(&mut table, "", "1"), Some(ErrorCode::InvalidData));
    assert_eq!(code(&mut table, &"k".repeat(64), "1"), Some(ErrorCode::InvalidData));
    assert_eq!(code(&mut table, &"k".repeat(63), "1"), None);
    assert_eq!(code(&mut table, &"k".repeat(63), "null"), None);
    assert_eq!(code(&mut table, "long", &text(VALUE_BYTES_MAX + 1)), Some(ErrorCode::InvalidData));
    for number in 0..KEYS_MAX {
        assert_eq!(code(&mut table, &format!("{number:03}"), "1"), None);
    }
    assert_eq!(code(&mut table, "more", "1"), Some(ErrorCode::LimitReached));
    let mut left = VALUES_BYTES_MAX - KEYS_MAX * 4;
    let mut number = 0;
    while left >= VALUE_BYTES_MAX - 1 {
        assert_eq!(code(&mut table, &format!("{number:03}"), &text(VALUE_BYTES_MAX)), None);
        (left, number) = (left - (VALUE_BYTES_MAX - 1), number + 1);
    }
    let key = format!("{number:03}");
    assert_eq!(code(&mut table, &key, &text(left + 2)), Some(ErrorCode::LimitReached));
    assert_eq!(code(&mut table, &key, &text(left + 1)), None);
    assert_eq!(code(&mut table, "000", "1"), None);
    for data in [
        r#"{"key":"x"}"#,
        r#"{"value":1}"#,
        r#"{"key":"x","value":1,"version":-1}"#,
        r#"{"key":"x","value":1,"version":1.5}"#,
    ] {
        assert_eq!(table.act_json("ada", "set", data).unwrap_err().code, ErrorCode::InvalidData, "{data}");
    }
    assert_eq!(set(&mut table, "eve", "x", "1", None), Err(ErrorCode::NotAPlayer));
    let taken = r#"{"payload":1,"delivery":"latest","key":"=000"}"#;
    assert_eq!(table.act_json("ada", "send", taken).unwrap_err().code, ErrorCode::InvalidData);
}

#[test]
fn a_room_with_the_deepest_value_goes_on_from_its_snapshot() {
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let (deep, too_deep) = (nested(VALUE_DEPTH_MAX), nested(VALUE_DEPTH_MAX + 1));
    assert_deterministic::<Relay>(&Setup::default(), |table| {
        table.sit("ada");
        table.watch("eve");
        set(table, "ada", "deep", &deep, None).unwrap();
        assert_eq!(set(table, "ada", "deep", &too_deep, None), Err(ErrorCode::InvalidData));
        assert_eq!(table.view(Viewer::Spectator).values["deep"].value.text(), deep);
    });
}

/// Members come, go, drop, return, say and set things at random.
fn random_script(table: &mut Table<Relay>, rng: &mut Rng) {
    let names = ["ada", "bob", "cyd", "dan"];
    let mut state = [0; 4];
    table.watch("eve");
    for _ in 0..6 + rng.below(10) {
        let place = rng.below(4) as usize;
        let (name, other) = (names[place], names[rng.below(4) as usize]);
        match (state[place], rng.below(8)) {
            (0, _) => {
                table.sit(name);
                state[place] = 1;
            }
            (1, 0) => {
                table.leave(name);
                state[place] = 0;
            }
            (1, 1) => {
                table.disconnect(name);
                state[place] = 2;
            }
            (1, 2) => drop(table.act(name, send_to_host("1"))),
            (1, 3) => drop(table.act(name, send_to("[2]", &[other]))),
            (1, 4) => drop(set(table, name, ["x", "y"][rng.below(2) as usize], "null", None)),
            (1, 5) => drop(set(table, name, "x", "5", Some(rng.below(3).into()))),
            (1, _) => drop(set(table, name, ["x", "y"][rng.below(2) as usize], "7", None)),
            _ => {
                table.reconnect(name);
                state[place] = 1;
            }
        }
        let view = table.view(Viewer::Spectator);
        assert_eq!(view.host.is_some(), state.iter().any(|state| *state > 0), "somebody is the host");
    }
}

#[test]
fn ten_thousand_scripts_go_the_same_way_twice() {
    let options = Options { members_max: 4, ..Options::default() };
    for seed in 0..10_000 {
        assert_deterministic::<Relay>(&Setup::default().options(&options).seed(seed), |table| {
            random_script(table, &mut Rng::new(seed))
        });
    }
}

/// A room of `user-0`, into which `user-1` comes as well.
fn owned(owner_policy: OwnerPolicy) -> (Room, Flush) {
    let terms = Terms { created_by: Some(user("user-0")), owner_policy, ..Terms::default() };
    let spec = RoomSpec {
        room_id: RoomId::from_bits(1),
        name: "Relay".into(),
        options: None,
        seed: 0,
        policy: RoomPolicy { grace: Duration::ZERO, seat_kept: None, spectators_max: 0 },
        durable: false,
        terms,
    };
    let mut room =
        Room::create(anteroom_games::registry().unwrap().kind("relay").unwrap(), spec, Time::default()).unwrap();
    let mut flush = Flush::default();
    for name in ["user-0", "user-1"] {
        enter(&mut room, name, &mut flush);
    }
    room.flush(&mut flush).unwrap();
    (room, flush)
}

fn enter(room: &mut Room, name: &str, flush: &mut Flush) {
    let join = Join {
        user_id: user(name),
        username: name.into(),
        role: Role::Player,
        lane: LaneId(1),
        codec: Codec::Json,
        answer: "join_room_result",
        reference: None,
        applied: 0,
        session_id: None,
        n: None,
        password: None,
        invite: None,
    };
    room.join(Time::default(), join, flush).unwrap();
}

/// Hands something to the room, and yields what a member hears of hosts.
fn told(room: &mut Room, flush: &mut Flush, member: u64, command: Command<'_>) -> Vec<String> {
    flush.clear();
    room.handle(Time::default(), command, flush);
    room.flush(flush).unwrap();
    let said = flush.effects.dispatches.iter().filter_map(Dispatch::said);
    let texts = said.map(|(to, outgoing)| (to, String::from_utf8_lossy(outgoing.batch().payload()).into_owned()));
    let hosts = texts.filter(|(to, text)| *to == MemberId(member) && text.contains("host_changed"));
    hosts.map(|(_, text)| text.split(r#""host_changed""#).nth(1).unwrap().to_owned()).collect()
}

fn host(room: &Room) -> Option<UserId> {
    room.view(Viewer::Spectator, Codec::Json).unwrap().data().decode::<View>().unwrap().host
}

#[test]
fn the_rooms_owner_is_the_host() {
    let (mut room, mut flush) = owned(OwnerPolicy::Automatic);
    assert_eq!(host(&room), Some(user("user-0")));
    let ask = Ask {
        kind: "transfer_owner",
        data: Data::Json(r#"{"user_id":"user-1"}"#),
        with: None,
        reference: None,
        n: None,
    };
    let heard = told(&mut room, &mut flush, 1, Command::Ask { member: MemberId(1), ask });
    assert!(heard.len() == 1 && heard[0].contains(r#"{"user_id":"user-1"}"#), "{heard:?}");
    let registry = anteroom_games::registry().unwrap();
    let mut room = Room::restore(registry.kind("relay").unwrap(), room.snapshot().unwrap()).unwrap();
    assert_eq!(host(&room), Some(user("user-1")), "not who is there for longest; after a restart as well");
    let heard = told(&mut room, &mut flush, 1, Command::Leave { member: MemberId(2), reference: None, n: None });
    assert!(heard.len() == 1 && heard[0].contains(r#"{"user_id":"user-0"}"#), "{heard:?}");
    assert_eq!(host(&room), Some(user("user-0")), "whom the policy names");
}

#[test]
fn a_room_that_nobody_owns_has_a_host() {
    let (mut room, mut flush) = owned(OwnerPolicy::None);
    assert_eq!(host(&room), Some(user("user-0")), "who was there first");
    told(&mut room, &mut flush, 2, Command::Leave { member: MemberId(1), reference: None, n: None });
    flush.clear();
    enter(&mut room, "user-0", &mut flush);
    assert_eq!(host(&room), Some(user("user-1")), "who is there for longest");
}

#[test]
fn an_owner_who_has_gone_hosts_again_on_coming_back() {
    let (mut room, mut flush) = owned(OwnerPolicy::Manual);
    told(&mut room, &mut flush, 2, Command::Leave { member: MemberId(1), reference: None, n: None });
    assert_eq!(host(&room), Some(user("user-1")), "somebody has to meanwhile");
    flush.clear();
    enter(&mut room, "user-0", &mut flush);
    room.flush(&mut flush).unwrap();
    assert_eq!(host(&room), Some(user("user-0")));
}
