//! The golden vectors: `vectors/games.json` pins the messages of every game in both codecs, byte for byte.
//!
//! To write the file anew after a deliberate change of a game's messages, raise the game's `VERSION`, run this test
//! with `ANTEROOM_BLESS=1`, and review the difference:
//!
//! ```text
//! ANTEROOM_BLESS=1 cargo test -p anteroom-games --test it vectors
//! ```

use std::fmt::Debug;
use std::path::PathBuf;

use anteroom_core::bincode::Decode;
use anteroom_core::{Json, Seat, UserId};
use anteroom_games::{dice, owe_drahn, relay, tic_tac_toe};
use anteroom_protocol::codec::Body;
use anteroom_protocol::envelope::{self, Ref, decode_batch};
use anteroom_protocol::message::push::GAME_STATE;
use anteroom_protocol::{Codec, Data, Header, variant};
use serde::de::DeserializeOwned;

const ROOM: &str = "k3v9k3v9k3";

/// One row of the file.
fn row(name: &str, messages: [Vec<u8>; 2]) -> String {
    let [json, binary] = messages;
    let json = String::from_utf8(json).expect("JSON is UTF-8");
    let hex: String = binary.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(r#"{{"name":"{name}","json":{json},"bincode_hex":"{hex}"}}"#)
}

/// A message that is a variant: an action from a client with a `ref`, or an event. Checks that it reads back.
fn variant_row<T>(name: &str, value: &T, reference: Option<&Ref>, latest: Option<&str>) -> String
where
    T: Body + DeserializeOwned + Decode<()> + PartialEq + Debug,
{
    row(
        name,
        Codec::ALL.map(|codec| {
            let mut fields = Vec::new();
            let kind = variant::encode(codec, value, &mut fields).expect("a variant that can be encoded");
            let data = match codec {
                Codec::Json => Data::Json(std::str::from_utf8(&fields).expect("JSON is UTF-8")),
                Codec::Bincode => Data::Binary(&fields),
            };
            let mut message = Vec::new();
            let header = Header { reference, latest, ..Header::new(kind) };
            envelope::encode_raw(&header.in_room(ROOM), data, &mut message).expect("a message that can be encoded");
            read_back(codec, &message, |kind, data| {
                assert_eq!(variant::decode::<T>(kind, data).as_ref(), Ok(value), "{name}");
            });
            message
        }),
    )
}

fn view_row<T>(name: &str, view: &T) -> String
where
    T: Body + DeserializeOwned + Decode<()> + PartialEq + Debug,
{
    row(
        name,
        Codec::ALL.map(|codec| {
            let mut message = Vec::new();
            envelope::encode(codec, &Header::new(GAME_STATE).in_room(ROOM), view, &mut message)
                .expect("a view that can be encoded");
            read_back(codec, &message, |_, data| assert_eq!(data.decode::<T>().as_ref(), Ok(view), "{name}"));
            message
        }),
    )
}

fn read_back(codec: Codec, message: &[u8], check: impl Fn(&str, Data<'_>)) {
    let mut messages = decode_batch(codec, message).expect("a batch");
    let envelope = messages.next().expect("a message").expect("a message that can be read");
    check(&envelope.kind, envelope.data);
    assert!(messages.next().is_none(), "nothing is left over");
}

fn user(name: &str) -> UserId {
    name.parse().expect("a user id")
}

fn tic_tac_toe_rows() -> Vec<String> {
    use tic_tac_toe::{Action, Board, Cell, Mark, Players, Status, View};

    let [x, o] = [Some(Mark::X), Some(Mark::O)];
    let players = Players { x: Some(user("ada")), o: Some(user("bob")) };
    let waiting = View {
        board: Board::default(),
        players: Players { o: None, ..players.clone() },
        x_seat: Seat(0),
        current_turn: None,
        status: Status::Waiting,
        winner: None,
        line: None,
        rematch_wanted: Vec::new(),
    };
    let playing = View {
        board: Board::from([[x, None, None], [None, o, None], [None, None, None]]),
        players: players.clone(),
        current_turn: Some(user("ada")),
        status: Status::Playing,
        ..waiting.clone()
    };
    let won = View {
        board: Board::from([[x, x, x], [o, o, None], [None, None, None]]),
        players: players.clone(),
        status: Status::Won,
        winner: Some(user("ada")),
        line: Some([0, 1, 2].map(|col| Cell::new(0, col).expect("on the board"))),
        ..waiting.clone()
    };
    let draw = View {
        board: Board::from([[x, o, x], [x, o, o], [o, x, x]]),
        players,
        status: Status::Draw,
        rematch_wanted: vec![user("bob")],
        ..waiting.clone()
    };
    let reference = Ref::from(7);
    vec![
        variant_row("tic_tac_toe make_move", &Action::MakeMove { row: 1, col: 2 }, Some(&reference), None),
        variant_row("tic_tac_toe make_move off the board", &Action::MakeMove { row: -1, col: 300 }, None, None),
        variant_row("tic_tac_toe rematch", &Action::Rematch {}, Some(&reference), None),
        view_row("tic_tac_toe view waiting", &waiting),
        view_row("tic_tac_toe view playing", &playing),
        view_row("tic_tac_toe view won", &won),
        view_row("tic_tac_toe view draw", &draw),
    ]
}

fn relay_rows() -> Vec<String> {
    use relay::{Action, DeliveryClass, Event, Host, Recipients, Value, View};

    let payload = Json::from_text(r#"{"x":1.5,"words":["ü",null]}"#.into()).expect("JSON");
    let send = |delivery, key: Option<&str>| Action::Send {
        payload: payload.clone(),
        delivery,
        key: key.map(Into::into),
        to: None,
    };
    let send_to = |to| Action::Send { payload: payload.clone(), delivery: None, key: None, to: Some(to) };
    let set = |version| Action::Set { key: "score".into(), value: Json::from(7), version };
    let value = Event::Value { key: "score".into(), value: Json::from(7), version: 2, from: user("bob") };
    let gone = Event::Value {
        key: "score".into(),
        value: Json::from_text("null".into()).expect("JSON"),
        version: 3,
        from: user("ada"),
    };
    let values = [
        ("map".to_owned(), Value { value: payload.clone(), version: 1, from: None }),
        ("score".to_owned(), Value { value: Json::from(7), version: 2, from: Some(user("bob")) }),
    ];
    let host_changed = |user_id| Event::HostChanged { user_id };
    let reference = Ref::from(8);
    let message = Event::Message { from: user("ada"), payload: payload.clone() };
    vec![
        variant_row("relay send", &send(None, None), Some(&reference), None),
        variant_row("relay send reliable", &send(Some(DeliveryClass::Reliable), None), None, None),
        variant_row("relay send latest", &send(Some(DeliveryClass::Latest), Some("ball")), None, None),
        variant_row("relay send unreliable", &send(Some(DeliveryClass::Unreliable), None), None, None),
        variant_row("relay message", &message, None, None),
        variant_row("relay message latest", &message, None, Some("ball")),
        variant_row(
            "relay send to some",
            &send_to(Recipients::Users(vec![user("ada"), user("bob")])),
            Some(&reference),
            None,
        ),
        variant_row("relay send to the host", &send_to(Recipients::Host(Host::Host)), Some(&reference), None),
        variant_row("relay set", &set(None), Some(&reference), None),
        variant_row("relay set if current", &set(Some(1)), Some(&reference), None),
        variant_row("relay value", &value, None, Some("=score")),
        variant_row("relay value gone", &gone, None, Some("=score")),
        variant_row("relay host_changed", &host_changed(Some(user("bob"))), None, None),
        variant_row("relay host_changed to nobody", &host_changed(None), None, None),
        view_row("relay view", &View { members_max: 1024, host: None, values: Default::default() }),
        view_row("relay view with values", &View { members_max: 8, host: Some(user("ada")), values: values.into() }),
    ]
}

fn dice_rows() -> Vec<String> {
    use dice::{Action, Status, View};

    let reference = Ref::from(8);
    let action = |name, action| variant_row(name, &action, Some(&reference), None);
    let waiting = View {
        status: Status::Waiting,
        current_turn: None,
        dice: vec![],
        selected: vec![],
        set_aside: vec![],
        roll_score: 0,
        turn_score: 0,
        scores: [(user("ada"), 0)].into(),
        target: 3000,
        winner: None,
        can_roll: false,
        players: vec![Some(user("ada")), None],
        rematch_wanted: vec![],
    };
    let playing = View {
        status: Status::Playing,
        current_turn: Some(user("bob")),
        dice: vec![1, 5, 2, 2],
        selected: vec![0, 1],
        set_aside: vec![1, 1],
        roll_score: 150,
        turn_score: 200,
        scores: [(user("ada"), 1200), (user("bob"), 350)].into(),
        players: vec![Some(user("ada")), Some(user("bob"))],
        ..waiting.clone()
    };
    let busted = View {
        status: Status::Busted,
        dice: vec![2, 3, 4, 6],
        selected: vec![],
        roll_score: 0,
        turn_score: 0,
        ..playing.clone()
    };
    let won = View {
        status: Status::Won,
        current_turn: None,
        winner: Some(user("bob")),
        scores: [(user("ada"), 1200), (user("bob"), 3000)].into(),
        rematch_wanted: vec![user("ada")],
        ..playing.clone()
    };
    vec![
        action("dice roll", Action::Roll {}),
        action("dice select", Action::Select { dice_index: 2 }),
        action("dice set_aside", Action::SetAside { end_turn: true }),
        action("dice rematch", Action::Rematch {}),
        view_row("dice view waiting", &waiting),
        view_row("dice view playing", &playing),
        view_row("dice view busted", &busted),
        view_row("dice view won", &won),
    ]
}

fn owe_drahn_rows() -> Vec<String> {
    use owe_drahn::{Action, Phase, Sidebet, Status, View};

    let reference = Ref::from(8);
    let action = |name, action| variant_row(name, &action, Some(&reference), None);
    let waiting = View {
        status: Status::Waiting,
        phase: Phase::Roll,
        current_turn: None,
        total: 0,
        last_roll: None,
        lives: [(user("ada"), 6), (user("bob"), 6)].into(),
        out: vec![],
        ready: vec![user("ada")],
        scores: [(user("ada"), 0), (user("bob"), -1)].into(),
        winner: None,
        sidebets: vec![Sidebet { from: user("ada"), to: user("bob"), amount: 10, accepted: false }],
        players: vec![Some(user("ada")), None, Some(user("bob"))],
    };
    let playing = View {
        status: Status::Playing,
        phase: Phase::ChooseNext,
        current_turn: Some(user("bob")),
        last_roll: Some(4),
        lives: [(user("ada"), 6), (user("bob"), 5)].into(),
        ready: vec![],
        sidebets: vec![Sidebet { from: user("ada"), to: user("bob"), amount: 10, accepted: true }],
        ..waiting.clone()
    };
    let over = View {
        status: Status::Over,
        phase: Phase::Roll,
        current_turn: None,
        lives: [(user("ada"), 0), (user("bob"), 5)].into(),
        out: vec![user("ada")],
        scores: [(user("ada"), -11), (user("bob"), 10)].into(),
        winner: Some(user("bob")),
        sidebets: vec![],
        ..playing.clone()
    };
    vec![
        action("owe_drahn roll", Action::Roll {}),
        action("owe_drahn lose_life", Action::LoseLife {}),
        action("owe_drahn choose_next", Action::ChooseNext { user_id: user("ada") }),
        action("owe_drahn sidebet_propose", Action::SidebetPropose { user_id: user("bob"), amount: 10 }),
        action("owe_drahn sidebet_accept", Action::SidebetAccept { user_id: None }),
        action("owe_drahn sidebet_decline", Action::SidebetDecline { user_id: Some(user("ada")) }),
        view_row("owe_drahn view waiting", &waiting),
        view_row("owe_drahn view playing", &playing),
        view_row("owe_drahn view over", &over),
    ]
}

#[test]
fn every_message_has_exactly_these_bytes_in_both_codecs() {
    let rows = [tic_tac_toe_rows(), relay_rows(), dice_rows(), owe_drahn_rows()].concat();
    let expected = format!("[\n{}\n]\n", rows.join(",\n"));
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "vectors", "games.json"].iter().collect();
    if std::env::var_os("ANTEROOM_BLESS").is_some() {
        std::fs::write(&path, &expected).expect("a file that can be written");
    }
    let found = std::fs::read_to_string(&path).expect("a file that can be read");
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected, "games.json differs; see the head of tests/it/vectors.rs");
    }
    assert_eq!(found, expected, "games.json has other rows; see the head of tests/it/vectors.rs");
    let _: Vec<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(&found).expect("JSON");
}
