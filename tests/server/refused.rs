//! What is refused while the connection lives on: each with its own code and a sentence, on every transport and in
//! both codecs, and without the others in the room noticing.

use anteroom_protocol::Codec;
use anteroom_tests::bystanders::Bystanders;
use anteroom_tests::message::Message;
use anteroom_tests::peer::{Peer, Via, Way};
use anteroom_tests::server::TestServer;
use anteroom_tests::words::assert_sentence;
use serde_json::{Value, json};

/// Checks a refusal: the code, a sentence, the answer's lane, and what goes with it.
#[track_caller]
fn assert_refused(answer: &Message, code: &str) {
    let error = answer.error.as_ref().unwrap_or_else(|| panic!("not refused: {answer:?}"));
    assert_eq!((error.code.name(), answer.success), (code, Some(false)), "{answer:?}");
    assert_eq!(error.retryable, error.code.retryable(), "{answer:?}");
    assert_sentence(&error.message);
}

/// What is refused before it reaches a room is answered on control, and its details say what it was.
#[track_caller]
fn assert_refused_on_control(answer: &Message, code: &str) {
    assert_refused(answer, code);
    assert_eq!(answer.room_id, None, "{answer:?}");
    let details = answer.error.as_ref().and_then(|error| error.details.as_ref());
    let details: Value = details.unwrap_or_else(|| panic!("no details: {answer:?}")).decode().unwrap();
    assert!(details["type"].is_string() || details["room_id"].is_string(), "{answer:?}");
}

/// Ada and Bob at a table, on two ways, and a spectator.
struct Table {
    ada: Peer,
    bob: Peer,
    watcher: Peer,
    room_id: String,
}

impl Table {
    async fn set(server: &TestServer, way: Way) -> Self {
        let other = Way { via: way.via, codec: if way.codec == Codec::Json { Codec::Bincode } else { Codec::Json } };
        let mut ada = Peer::enter(server, way, "Ada").await;
        let room_id = ada.create("tic_tac_toe", json!({})).await;
        let mut bob = Peer::enter(server, other, "Bob").await;
        bob.join(&room_id, "player").await;
        let mut watcher = Peer::enter(server, way, "Wes").await;
        watcher.join(&room_id, "spectator").await;
        ada.until("the spectator", |message| message.kind == "client_joined" && message.data["role"] == "spectator")
            .await;
        bob.find("client_joined").await;
        for peer in [&mut ada, &mut bob, &mut watcher] {
            peer.forget();
        }
        Self { ada, bob, watcher, room_id }
    }

    async fn ada_moves(&mut self, row: i64, col: i64) -> Message {
        self.ada.ask_in(&self.room_id, "make_move", json!({"row": row, "col": col})).await
    }

    async fn bob_moves(&mut self, row: i64, col: i64) -> Message {
        self.bob.ask_in(&self.room_id, "make_move", json!({"row": row, "col": col})).await
    }

    /// The next thing that everyone at the table hears is this many marks on the board.
    async fn everyone_sees(&mut self, marks: usize) {
        for peer in [&mut self.ada, &mut self.bob, &mut self.watcher] {
            let state = peer.expect("game_state").await;
            let rows = state.data["board"].as_array().unwrap();
            let seen = rows.iter().flat_map(|row| row.as_array().unwrap()).filter(|mark| !mark.is_null()).count();
            assert_eq!(seen, marks, "{state:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn moves_against_the_rules_are_refused_and_nobody_else_hears_of_them() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    for way in Way::all() {
        let mut table = Table::set(&server, way).await;
        assert_refused(&table.bob_moves(0, 0).await, "not_your_turn");
        for (row, col) in [(3, 0), (0, 3), (-1, 0), (0, i64::from(i32::MAX))] {
            assert_refused(&table.ada_moves(row, col).await, "invalid_move");
        }
        assert_refused(&table.ada.ask_in(&table.room_id, "rematch", json!({})).await, "not_playing");
        assert_eq!(table.ada_moves(1, 1).await.success, Some(true));
        table.everyone_sees(1).await;
        assert_refused(&table.ada_moves(0, 0).await, "not_your_turn");
        let taken = table.bob_moves(1, 1).await;
        assert_refused(&taken, "invalid_move");
        assert_eq!(taken.room_id.as_deref(), Some(&*table.room_id), "the room answers on its lane");
        let move_json = json!({"row": 0, "col": 0});
        for (kind, data) in [("make_move", move_json), ("fly", json!({}))] {
            let answer = table.watcher.ask_in(&table.room_id, kind, data).await;
            assert_refused_on_control(&answer, "not_a_player");
        }
        assert_refused(&table.ada.ask_in(&table.room_id, "fly", json!({})).await, "unknown_type");
        assert_refused(&table.ada.ask_in(&table.room_id, "game_state", json!({})).await, "unknown_type");
        assert_eq!(table.bob_moves(0, 0).await.success, Some(true));
        table.everyone_sees(2).await;
        bystanders.assert_undisturbed(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_without_a_ref_comes_as_an_error() {
    let server = TestServer::start();
    for way in Way::all() {
        let mut table = Table::set(&server, way).await;
        let wrong = json!({"type": "make_move", "room_id": table.room_id, "data": {"row": 0, "col": 0}});
        table.bob.send(&wrong).await;
        let error = table.bob.expect("error").await;
        assert_refused(&error, "not_your_turn");
        assert_eq!((error.room_id.as_deref(), error.reference), (Some(&*table.room_id), None));
        // What succeeds without a `ref` is not answered.
        table.ada.send(&wrong).await;
        table.everyone_sees(1).await;
        table.ada.send(&json!({"type": "fly"})).await;
        let error = table.ada.expect("error").await;
        assert_refused_on_control(&error, "unknown_type");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_before_the_second_player_and_after_the_end_is_not_playing() {
    let server = TestServer::start();
    for way in Way::all() {
        let mut ada = Peer::enter(&server, way, "Ada").await;
        let room_id = ada.create("tic_tac_toe", json!({})).await;
        assert_refused(&ada.ask_in(&room_id, "make_move", json!({"row": 0, "col": 0})).await, "not_playing");
        let mut bob = Peer::enter(&server, way, "Bob").await;
        bob.join(&room_id, "player").await;
        for (number, (row, col)) in [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2)].into_iter().enumerate() {
            let player = if number % 2 == 0 { &mut ada } else { &mut bob };
            assert_eq!(player.ask_in(&room_id, "make_move", json!({"row": row, "col": col})).await.success, Some(true));
        }
        for player in [&mut ada, &mut bob] {
            assert_refused(&player.ask_in(&room_id, "make_move", json!({"row": 2, "col": 2})).await, "not_playing");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_that_are_full_or_are_not_there_are_refused() {
    let server = TestServer::with(|config| config.limits.spectators_per_room_max = 1);
    let mut bystanders = Bystanders::meet(&server).await;
    for way in Way::all() {
        let mut table = Table::set(&server, way).await;
        let mut cleo = Peer::enter(&server, way, "Cleo").await;
        for role in ["player", "spectator"] {
            let full = cleo.ask("join_room", json!({"room_id": table.room_id, "as": role})).await;
            assert_refused_on_control(&full, "room_full");
            assert!(full.error.unwrap().message.contains(&table.room_id));
        }
        for absent in ["0000000000", "", "nonsense", "../../etc", &"x".repeat(500), "K3V9K3V9K3", "ü"] {
            let answer = cleo.ask("join_room", json!({"room_id": absent})).await;
            assert_refused_on_control(&answer, "room_not_found");
        }
        let again = table.ada.ask("join_room", json!({"room_id": table.room_id})).await;
        assert_refused_on_control(&again, "already_in_room");
        let again = table.watcher.ask("join_room", json!({"room_id": table.room_id, "as": "spectator"})).await;
        assert_refused_on_control(&again, "already_in_room");
        assert_refused_on_control(&cleo.ask("leave_room", json!({})).await, "not_in_room");
        assert_refused_on_control(&cleo.ask_in(&table.room_id, "leave_room", json!({})).await, "not_in_room");
        assert_refused_on_control(&cleo.ask_in(&table.room_id, "rematch", json!({})).await, "not_in_room");
        assert_refused_on_control(&cleo.ask_in("nonsense", "rematch", json!({})).await, "not_in_room");
        assert_eq!(table.ada_moves(0, 0).await.success, Some(true));
        table.everyone_sees(1).await;
        bystanders.assert_undisturbed(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn games_names_and_options_that_are_none_are_refused() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    for way in Way::all() {
        let mut ada = Peer::enter(&server, way, "Ada").await;
        for game in ["chess", "", "TIC_TAC_TOE", "\u{1b}[31m\n", &"x".repeat(400)] {
            for (kind, data) in [
                ("create_room", json!({"game": game})),
                ("join_room", json!({"game": game, "quick": true})),
                ("subscribe_rooms", json!({"game": game})),
            ] {
                assert_refused_on_control(&ada.ask(kind, data).await, "game_not_found");
            }
        }
        for name in ["", "  ", "a\nb", "\u{1b}[31mred", "a\u{202e}b", "a\u{200b}", &"x".repeat(33)] {
            let answer = ada.ask("create_room", json!({"game": "relay", "name": name})).await;
            assert_refused_on_control(&answer, "invalid_name");
        }
        for options in [
            json!({"members_max": 0}),
            json!({"members_max": 1025}),
            json!({"members_max": -1}),
            json!({"members_max": "many"}),
            json!({"flush": "sometimes"}),
            json!({"flush": "tick", "tick_ms": 0}),
            json!({"flush": "tick", "tick_ms": 1001}),
            json!([8]),
            json!(7),
            json!("text"),
        ] {
            let answer = ada.ask("create_room", json!({"game": "relay", "options": options})).await;
            assert_refused_on_control(&answer, "invalid_options");
        }
        for data in
            [json!({}), json!({"game": "relay"}), json!({"quick": true}), json!({"game": "relay", "quick": false})]
        {
            assert_refused_on_control(&ada.ask("join_room", data).await, "invalid_data");
        }
        let watch = json!({"game": "relay", "quick": true, "as": "spectator"});
        assert_refused_on_control(&ada.ask("join_room", watch).await, "invalid_data");
        let list = ada.ask("list_rooms", json!({"game": "chess"})).await;
        assert_eq!(list.data, json!({"rooms": [], "total": 0}));
        ada.leave().await;
        bystanders.assert_undisturbed(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_of_another_shape_is_refused() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    for way in Way::JSON {
        let mut table = Table::set(&server, way).await;
        let ada = &mut table.ada;
        for (kind, data) in [
            ("create_room", json!({})),
            ("create_room", json!({"game": 7})),
            ("create_room", json!(["relay"])),
            ("create_room", json!("relay")),
            ("join_room", json!({"room_id": 7})),
            ("join_room", json!({"room_id": "0000000000", "as": "king"})),
            ("leave_room", json!({"room_id": 7})),
            ("list_rooms", json!({"game": []})),
            ("subscribe_rooms", json!({"game": {}})),
            ("ping", json!({"ts": "x".repeat(63)})),
        ] {
            assert_refused_on_control(&ada.ask(kind, data).await, "invalid_data");
        }
        for data in
            [json!({}), json!({"row": 1}), json!({"row": "1", "col": 1}), json!([1, 1]), json!({"row": 1.5, "col": 1})]
        {
            assert_refused(&ada.ask_in(&table.room_id, "make_move", data).await, "invalid_data");
        }
        assert_eq!(table.ada_moves(0, 0).await.success, Some(true));
        table.everyone_sees(1).await;
        bystanders.assert_undisturbed(&server).await;
    }
    for way in Way::BINARY {
        let mut table = Table::set(&server, way).await;
        let room_id = table.room_id.clone();
        // type, ref 7, room, data
        let binary = |kind: &str, in_room: bool, data: &[u8]| {
            let mut bytes = vec![u8::try_from(kind.len()).unwrap()];
            bytes.extend_from_slice(kind.as_bytes());
            bytes.extend_from_slice(b"\x01\x017\x00");
            if in_room {
                bytes.extend_from_slice(&[1, 10]);
                bytes.extend_from_slice(room_id.as_bytes());
            } else {
                bytes.push(0);
            }
            bytes.extend_from_slice(&[0, 0, 0, u8::try_from(data.len()).unwrap()]);
            bytes.extend_from_slice(data);
            bytes
        };
        for (kind, in_room, data) in [
            ("create_room", false, &[][..]),
            ("create_room", false, b"\x05relay\x00\x00left over"),
            ("create_room", false, b"\x05rel\xffy\x00\x00"),
            ("join_room", false, b"\x00\x00\x02\x00"),
            ("list_rooms", false, b"\x01\xfd\xff\xff\xff\xff\xff\xff\xff\xff"),
            ("make_move", true, &[]),
            ("make_move", true, &[0]),
            ("make_move", true, &[0, 0, 0]),
            ("rematch", true, &[0]),
        ] {
            table.ada.bytes(Codec::Bincode, &binary(kind, in_room, data)).await;
            let answer = table.ada.expect(&format!("{kind}_result")).await;
            assert_eq!(answer.reference, Some(json!(7)));
            assert_refused(&answer, "invalid_data");
        }
        assert_eq!(table.ada_moves(0, 0).await.success, Some(true));
        table.everyone_sees(1).await;
        bystanders.assert_undisturbed(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn types_that_do_not_exist_are_refused() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    for way in Way::all() {
        let mut ada = Peer::enter(&server, way, "Ada").await;
        for kind in
            ["fly", "make_move", "send", "lane", "session_state", "game_state", "ping_result", "Ping", "üü", "\n"]
        {
            let answer = ada.ask(kind, json!({})).await;
            assert_refused_on_control(&answer, "unknown_type");
        }
        // A type so long that its answer's would be too long is answered all the same.
        let long = "x".repeat(64);
        let answer = ada.ask(&long, json!({})).await;
        assert_refused_on_control(&answer, "unknown_type");
        ada.leave().await;
    }
    bystanders.assert_undisturbed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_handshake_is_refused_and_the_session_goes_on() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    for way in Way::all() {
        let mut ada = Peer::enter(&server, way, "Ada").await;
        for kind in ["handshake", "reconnect"] {
            ada.json(&json!({"type": kind, "ref": "again", "data": {"version": 1, "name": "Eve"}})).await;
            let answer = ada.next().await;
            assert_eq!(answer.reference, Some(json!("again")));
            assert_refused(&answer, "already_authenticated");
        }
        ada.ask("ping", json!({})).await;
        ada.leave().await;
    }
    bystanders.assert_undisturbed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_can_be_put_right_may_be_repeated() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    for way in Way::all() {
        let mut ada = Peer::dial(&server, way).await;
        for name in
            [json!(""), json!(" \t"), json!("a\nb"), json!("x".repeat(33)), json!("a\u{202e}b"), json!("\u{1b}[2J")]
        {
            ada.json(&json!({"type": "handshake", "data": {"version": 1, "name": name}})).await;
            assert_refused(&ada.expect("error").await, "invalid_name");
        }
        for data in [
            json!({"version": "1"}),
            json!({"version": 1, "name": 7}),
            json!({"version": 1, "codec": "xml"}),
            json!([1]),
        ] {
            ada.json(&json!({"type": "handshake", "data": data})).await;
            assert_refused(&ada.expect("error").await, "invalid_data");
        }
        ada.json(&json!({"type": "reconnect", "data": {"session_id": "0", "resume_token": "x", "attempt": 1}})).await;
        assert_refused(&ada.expect("reconnect_result").await, "session_unknown");
        let accepted = ada.handshake(json!({"version": 1, "name": " Ada ", "unknown": true})).await;
        assert_eq!(accepted["username"], "Ada");
        ada.leave().await;
    }
    bystanders.assert_undisturbed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_codec_with_other_shapes_falls_back_to_json() {
    let server = TestServer::start();
    for via in Via::ALL {
        let mut ada = Peer::dial(&server, Way::binary(via)).await;
        ada.json(&json!({"type": "handshake", "data": {"version": 1, "codec": "bincode", "schema": "another"}})).await;
        let accepted = ada.expect("handshake_accepted").await;
        assert_eq!(accepted.data["codec"], "json");
        ada.way.codec = Codec::Json;
        ada.ask("ping", json!({})).await;
        ada.leave().await;
    }
}
