//! Rooms: coming, dropping, coming back, being replaced; delivery classes; many members; games that fail.

use std::collections::BTreeSet;

use anteroom_protocol::Codec;
use anteroom_tests::bystanders::Bystanders;
use anteroom_tests::in_time;
use anteroom_tests::message::{By, Message};
use anteroom_tests::peer::{Peer, Via, Way};
use anteroom_tests::server::TestServer;
use anteroom_tests::words::assert_sentence;
use serde_json::{Value, json};

use crate::puppet::with_puppet;

/// Another transport and another codec.
fn other(way: Way) -> Way {
    let via = match way.via {
        Via::Quic => Via::WebTransport,
        Via::WebTransport => Via::WebSocket,
        Via::WebSocket => Via::Quic,
    };
    Way { via, codec: if way.codec == Codec::Json { Codec::Bincode } else { Codec::Json } }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_in_sees_who_is_there_and_is_seen() {
    let server = TestServer::start();
    for way in Way::all() {
        let mut ada = Peer::enter(&server, way, "Ada").await;
        let created = ada.ask("create_room", json!({"game": "tic_tac_toe"})).await;
        let room_id = created.room_id.unwrap();
        let member = |peer: &Peer, name: &str, number: u32, seat: Value, joined: &Value| {
            let role = if seat.is_null() { "spectator" } else { "player" };
            let rows = joined["members"].as_array().unwrap();
            let at = &rows.iter().find(|row| row["user_id"] == json!(peer.user_id)).unwrap()["joined_at_ms"];
            assert!(at.as_u64() >= created.data["created_at_ms"].as_u64(), "{joined}");
            json!({"user_id": peer.user_id, "username": name, "role": role, "seat": seat, "connected": true,
                "number": number, "ready": false, "bot": false, "joined_at_ms": at, "data": {}})
        };
        let ada_row = member(&ada, "Ada", 1, json!(0), &created.data);
        assert_eq!(created.data["members"], json!([ada_row]));
        assert_eq!(created.data["lane"], json!(1));
        assert_eq!(created.by, if way.via.is_quic() { By::Stream(1) } else { By::Frame }, "the answer opens the lane");
        assert_eq!(
            (created.data["name"].clone(), created.data["game"].clone()),
            (json!("Ada's room"), json!("tic_tac_toe"))
        );

        let mut wes = Peer::enter(&server, other(way), "Wes").await;
        let joined = wes.join(&room_id, "spectator").await;
        let wes_row = member(&wes, "Wes", 2, Value::Null, &joined);
        assert_eq!(joined["members"], json!([ada_row, wes_row]));
        assert_eq!((&joined["seat"], &joined["role"]), (&Value::Null, &json!("spectator")));
        assert_eq!(ada.find("client_joined").await.data, wes_row);

        let mut bob = Peer::enter(&server, other(way), "Bob").await;
        let joined = bob.join(&room_id, "player").await;
        let bob_row = member(&bob, "Bob", 3, json!(1), &joined);
        assert_eq!(joined["members"], json!([ada_row, bob_row, wes_row]));
        assert_eq!(joined["view"]["status"], "playing");
        for peer in [&mut ada, &mut wes] {
            assert_eq!(peer.find("client_joined").await.data, bob_row);
            peer.until("the match", |message| message.data["players"]["O"] == json!(bob.user_id)).await;
        }
        wes.leave().await;
        let left = ada.find("client_left").await;
        assert_eq!(left.data["reason"], "left");
        assert_eq!(ada.ask_in(&room_id, "leave_room", json!({})).await.success, Some(true));
        if way.via.is_quic() {
            ada.lane_end(1).await;
        }
        let left = bob.until("Ada's leaving", |message| message.data["user_id"] == json!(ada.user_id)).await;
        assert_eq!((&*left.kind, &left.data["reason"]), ("client_left", &json!("left")));
        // A new lane, with a number never used before.
        let rejoined = ada.join(&room_id, "player").await;
        assert_eq!(rejoined["lane"], json!(2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_outlives_its_connection_and_its_user_comes_back_to_it() {
    let server = TestServer::in_production(|_| ());
    for way in Way::all() {
        let mut ada = Peer::enter_as(&server, way, "ada").await;
        let room_id = ada.create("tic_tac_toe", json!({})).await;
        let mut bob = Peer::enter_as(&server, other(way), "bob").await;
        bob.join(&room_id, "player").await;
        assert_eq!(ada.ask_in(&room_id, "make_move", json!({"row": 1, "col": 1})).await.success, Some(true));
        ada.hang_up().await;
        let lost = bob.find("client_disconnected").await;
        assert_eq!(lost.data, json!({"user_id": "ada", "username": "ada", "grace_ms": 60000}), "{way:?}");

        // The seat is Ada's still, and nobody else's.
        let mut cleo = Peer::enter_as(&server, way, "cleo").await;
        let full = cleo.ask("join_room", json!({"room_id": room_id})).await;
        assert_eq!(full.code(), "room_full");
        let watching = cleo.join(&room_id, "spectator").await;
        assert_eq!(watching["members"][0]["connected"], json!(false));

        let mut ada = Peer::enter_as(&server, other(way), "ada").await;
        let back = ada.join(&room_id, "player").await;
        assert_eq!((&back["seat"], &back["view"]["board"][1][1]), (&json!(0), &json!("X")));
        assert_eq!(back["members"][0]["connected"], json!(true));
        for peer in [&mut bob, &mut cleo] {
            let known = peer.find("client_reconnected").await;
            assert_eq!(known.data, json!({"user_id": "ada", "username": "ada"}));
        }
        assert_eq!(bob.ask_in(&room_id, "make_move", json!({"row": 0, "col": 0})).await.success, Some(true));
        let state = ada.find("game_state").await;
        assert_eq!(state.data["board"][0][0], json!("O"));
        for peer in [ada, bob, cleo] {
            peer.leave().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_is_given_up_after_the_grace_time() {
    for way in Way::all() {
        let server = TestServer::with(|config| {
            config.times.grace_ms = 200;
            config.limits.rooms_max = 1;
        });
        let mut ada = Peer::enter(&server, way, "Ada").await;
        let room_id = ada.create("tic_tac_toe", json!({})).await;
        let mut bob = Peer::enter(&server, other(way), "Bob").await;
        bob.join(&room_id, "player").await;
        let ada_id = ada.user_id.clone();
        ada.hang_up().await;
        let mut story: Vec<Message> = Vec::new();
        while story.last().is_none_or(|message| message.kind != "client_left") {
            story.push(bob.next().await);
        }
        let story: Vec<_> = story.iter().filter(|message| message.data["user_id"] == json!(ada_id)).collect();
        assert_eq!(story[0].data, json!({"user_id": ada_id, "username": "Ada", "grace_ms": 200}));
        assert_eq!(story[1].data, json!({"user_id": ada_id, "username": "Ada", "reason": "timed_out"}));
        let state = bob.find("game_state").await;
        assert_eq!((&state.data["status"], &state.data["winner"]), (&json!("won"), &json!(bob.user_id)));
        // The seat is anyone's now, and a room that everyone has dropped out of goes away.
        let mut cleo = Peer::enter(&server, way, "Cleo").await;
        assert_eq!(cleo.join(&room_id, "player").await["seat"], json!(0));
        cleo.hang_up().await;
        bob.hang_up().await;
        let mut dan = Peer::enter(&server, way, "Dan").await;
        in_time("the end of the room", async {
            // It is off the list as soon as nobody is there, and makes room for another when it is gone.
            while dan.ask("create_room", json!({"game": "tic_tac_toe"})).await.success != Some(true) {}
        })
        .await;
        assert_eq!(dan.ask("join_room", json!({"room_id": room_id})).await.code(), "room_not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spectator_who_drops_is_gone_at_once() {
    let server = TestServer::start();
    for way in Way::all() {
        let mut ada = Peer::enter(&server, way, "Ada").await;
        let room_id = ada.create("tic_tac_toe", json!({})).await;
        let mut wes = Peer::enter(&server, other(way), "Wes").await;
        wes.join(&room_id, "spectator").await;
        let wes_id = wes.user_id.clone();
        wes.hang_up().await;
        let left = ada.find("client_left").await;
        assert_eq!(left.data, json!({"user_id": wes_id, "username": "Wes", "reason": "disconnected"}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_session_of_a_user_takes_the_seat_over() {
    let server = TestServer::in_production(|_| ());
    for way in Way::all() {
        let mut first = Peer::enter_as(&server, way, "ada").await;
        let room_id = first.create("tic_tac_toe", json!({})).await;
        let mut bob = Peer::enter_as(&server, way, "bob").await;
        bob.join(&room_id, "player").await;
        first.find("client_joined").await;
        bob.forget();
        let mut second = Peer::enter_as(&server, other(way), "ada").await;
        let joined = second.join(&room_id, "player").await;
        assert_eq!(joined["seat"], json!(0));
        let closed = first.find("room_closed").await;
        assert_eq!(closed.data["reason"], "replaced", "{way:?}");
        assert_sentence(closed.data["message"].as_str().unwrap());
        assert_eq!(closed.room_id.as_deref(), Some(&*room_id));
        if way.via.is_quic() {
            first.lane_end(1).await;
        }
        // The first session lives on, without the room.
        let move_ = json!({"row": 0, "col": 0});
        assert_eq!(first.ask_in(&room_id, "make_move", move_.clone()).await.code(), "not_in_room");
        assert_eq!(second.ask_in(&room_id, "make_move", move_).await.success, Some(true));
        assert_eq!(bob.expect("game_state").await.data["board"][0][0], "X");
        // Taking it back again is as good.
        let joined = first.join(&room_id, "player").await;
        assert_eq!((&joined["seat"], &joined["lane"]), (&json!(0), &json!(2)));
        assert_eq!(second.find("room_closed").await.data["reason"], "replaced");
        // Losing the session that has no seat any more means nothing to the room.
        second.hang_up().await;
        first.ask_in(&room_id, "rematch", json!({})).await;
        assert!(bob.all_so_far().await.iter().all(|message| !message.kind.starts_with("client_")), "{way:?}");
        first.leave().await;
        bob.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn finishing_the_control_stream_loses_the_connection_and_keeps_the_seat() {
    let server = TestServer::start();
    for way in [Way::json(Via::Quic), Way::binary(Via::WebTransport)] {
        let mut ada = Peer::enter(&server, way, "Ada").await;
        let room_id = ada.create("tic_tac_toe", json!({})).await;
        let mut bob = Peer::enter(&server, Way::json(Via::WebSocket), "Bob").await;
        bob.join(&room_id, "player").await;
        let ada_id = ada.user_id.clone();
        ada.connection().end_lane(anteroom_protocol::LaneId::CONTROL);
        let end = ada.end().await;
        assert_eq!(end.code, 1000, "{end:?}");
        let gone = bob.until("Ada's end", |message| message.data["user_id"] == json!(ada_id)).await;
        assert_eq!(gone.kind, "client_disconnected", "{way:?}: {gone:?}");
    }
}

/// Lets everyone hear one word, and forget what came before it.
async fn meet(peers: &mut [Peer], room_id: &str) {
    let said = peers[0].ask_in(room_id, "send", json!({"payload": "meet"})).await;
    assert_eq!(said.success, Some(true));
    for peer in peers {
        peer.until("the word", |message| message.data["payload"] == "meet").await;
        peer.forget();
    }
}

/// A program that crashes drops its connection. That is no goodbye, whatever the transport makes of its streams.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_dropped_is_lost() {
    let server = TestServer::start();
    for way in Way::all() {
        let mut ada = Peer::enter(&server, way, "Ada").await;
        let room_id = ada.create("tic_tac_toe", json!({})).await;
        let mut bob = Peer::enter(&server, Way::json(Via::WebSocket), "Bob").await;
        bob.join(&room_id, "player").await;
        let ada_id = ada.user_id.clone();
        drop(ada);
        let gone = bob.until("Ada's end", |message| message.data["user_id"] == json!(ada_id)).await;
        assert_eq!(gone.kind, "client_disconnected", "{way:?}: {gone:?}");
    }
}

/// What a class looks like on a transport: on which lane or datagram, and marked with which key.
fn assert_class(way: Way, class: &str, key: Option<&str>, message: &Message) {
    let is_datagram = class == "unreliable" && way.via.is_quic();
    let by = match way.via {
        Via::WebSocket => By::Frame,
        _ if is_datagram => By::Datagram(1),
        _ => By::Stream(1),
    };
    assert_eq!(message.by, by, "{way:?} {class}: {message:?}");
    let marked = match class {
        "reliable" => None,
        _ => Some(key.unwrap_or("message")),
    };
    assert_eq!(message.latest.as_deref(), marked, "{way:?} {class}: {message:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn delivery_classes_keep_their_meaning_on_every_transport() {
    let server = TestServer::start();
    let mut ada = Peer::enter(&server, Way::json(Via::Quic), "Ada").await;
    let room_id = ada.create("relay", json!({})).await;
    let mut peers = vec![ada];
    for way in Way::all().skip(1) {
        let mut peer = Peer::enter(&server, way, &format!("{way:?}")).await;
        peer.join(&room_id, "player").await;
        peers.push(peer);
    }
    meet(&mut peers, &room_id).await;
    for (class, key) in [
        ("reliable", None),
        ("latest", None),
        ("latest", Some("position")),
        ("unreliable", None),
        ("unreliable", Some("position")),
        ("reliable", Some("ignored")),
    ] {
        for speaker in 0..peers.len() {
            let mut data = json!({"payload": {"by": speaker}, "delivery": class});
            if let Some(key) = key {
                data["key"] = json!(key);
            }
            let said = peers[speaker].ask_in(&room_id, "send", data).await;
            assert_eq!(said.success, Some(true));
            for peer in &mut peers {
                let heard = peer.expect("message").await;
                assert_eq!(heard.data["payload"], json!({"by": speaker}));
                assert_class(peer.way, class, key, &heard);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_into_a_datagram_goes_on_the_lane() {
    let server = TestServer::start();
    for way in Way::all() {
        let mut ada = Peer::enter(&server, way, "Ada").await;
        let room_id = ada.create("relay", json!({})).await;
        let data = json!({"payload": "x".repeat(5000), "delivery": "unreliable", "key": "big"});
        assert_eq!(ada.ask_in(&room_id, "send", data).await.success, Some(true));
        let heard = ada.expect("message").await;
        assert_class(way, "latest", Some("big"), &heard);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_value_is_never_lost_and_never_overtakes() {
    let server = TestServer::start();
    for way in Way::all() {
        let mut ada = Peer::enter(&server, way, "Ada").await;
        let room_id = ada.create("relay", json!({})).await;
        let mut bob = Peer::enter(&server, other(way), "Bob").await;
        bob.join(&room_id, "player").await;
        for number in 0..300_u64 {
            let class = if number % 3 == 0 { "reliable" } else { "latest" };
            let data = json!({"payload": number, "delivery": class, "key": "k"});
            ada.send(&json!({"type": "send", "room_id": room_id, "data": data})).await;
        }
        let mut heard = Vec::new();
        while heard.last() != Some(&299) {
            heard.push(bob.find("message").await.data["payload"].as_u64().unwrap());
        }
        let (reliable, latest): (Vec<u64>, Vec<u64>) = heard.iter().partition(|number| **number % 3 == 0);
        assert!(reliable.iter().copied().eq((0..300).step_by(3)), "{way:?}: {heard:?}");
        assert!(latest.is_sorted(), "{way:?}: {heard:?}");
        for (place, number) in heard.iter().enumerate().filter(|(_, number)| **number % 3 != 0) {
            let before = heard[..place].iter().filter(|other| **other % 3 == 0).count() as u64;
            assert!(before > number / 3, "{way:?}: {number} overtook a reliable message: {heard:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_members_hear_everything_in_the_same_order() {
    const MEMBERS: usize = 200;
    const SPEAKERS: usize = 20;
    const WORDS: u64 = 25;
    let server = TestServer::start();
    let mut first = Peer::enter(&server, Way::json(Via::Quic), "Member 0").await;
    let room_id = first.create("relay", json!({})).await;
    let mut peers = vec![first];
    for number in 1..MEMBERS {
        let way = Way::all().nth(number % 6).unwrap();
        let mut peer = Peer::enter(&server, way, &format!("Member {number}")).await;
        let joined = peer.join(&room_id, "player").await;
        assert_eq!(joined["members"].as_array().unwrap().len(), number + 1);
        peers.push(peer);
    }
    let tasks: Vec<_> = peers
        .into_iter()
        .enumerate()
        .map(|(number, mut peer)| {
            let room_id = room_id.clone();
            tokio::spawn(async move {
                if number < SPEAKERS {
                    for word in 0..WORDS {
                        let payload = json!([number, word]);
                        let said = peer.ask_in(&room_id, "send", json!({"payload": payload})).await;
                        assert_eq!(said.success, Some(true));
                    }
                }
                let mut heard = Vec::new();
                while heard.len() < SPEAKERS * WORDS as usize {
                    let message = peer.until("a word", |message| message.kind == "message").await;
                    heard.push(message.data["payload"].clone());
                }
                (peer, heard)
            })
        })
        .collect();
    let mut story = None;
    let mut peers = Vec::new();
    for task in tasks {
        let (peer, heard) = in_time("a member", task).await.unwrap();
        let story = story.get_or_insert_with(|| heard.clone());
        assert!(*story == heard, "{:?} heard another story", peer.way);
        peers.push(peer);
    }
    let story = story.unwrap();
    for speaker in 0..SPEAKERS {
        let words = story.iter().filter(|word| word[0] == json!(speaker)).map(|word| word[1].as_u64().unwrap());
        assert!(words.eq(0..WORDS));
    }
    // Nobody heard anything twice, or anything else than who came in.
    for peer in &mut peers {
        let rest: BTreeSet<String> = peer.all_so_far().await.into_iter().map(|message| message.kind).collect();
        assert!(rest.is_subset(&BTreeSet::from(["client_joined".to_owned()])), "{rest:?}");
    }
}

/// A room whose game fails tells its members, and no one else hears of it.
async fn fails(server: &TestServer, way: Way, options: Value, action: Option<&str>) {
    let mut bystanders = Bystanders::meet(server).await;
    let mut ada = Peer::enter(server, way, "Ada").await;
    let room_id = ada.create("puppet", options).await;
    let mut bob = Peer::enter(server, other(way), "Bob").await;
    let joined = bob.ask("join_room", json!({"room_id": room_id})).await;
    match action {
        Some(action) => {
            assert_eq!(joined.success, Some(true), "{joined:?}");
            assert_eq!(ada.ask_in(&room_id, "live", json!({})).await.success, Some(true));
            ada.send(&json!({"type": action, "room_id": room_id})).await;
        }
        None => {
            assert!(matches!(joined.code(), "internal" | "room_not_found"), "{joined:?}");
            assert_sentence(&joined.error.unwrap().message);
        }
    }
    let mut witnesses = vec![&mut ada];
    witnesses.extend(action.map(|_| &mut bob));
    for peer in witnesses {
        let closed = peer.find("room_closed").await;
        assert_eq!(closed.data["reason"], "game_failed");
        assert_sentence(closed.data["message"].as_str().unwrap());
        // The sessions go on, and the room is gone.
        let answer = peer.ask("join_room", json!({"room_id": room_id})).await;
        assert_eq!(answer.code(), "room_not_found", "{answer:?}");
        let list = peer.ask("list_rooms", json!({"game": "puppet"})).await;
        assert_eq!(list.data["total"], json!(0));
        peer.create("relay", json!({})).await;
    }
    bystanders.assert_undisturbed(server).await;
    ada.leave().await;
    bob.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_game_that_fails_ends_its_room_alone() {
    let server = TestServer::with_games(with_puppet(), |_| ());
    for way in Way::JSON {
        for action in ["panic", "mumble", "shout"] {
            fails(&server, way, json!({}), Some(action)).await;
        }
    }
    fails(&server, Way::binary(Via::Quic), json!({}), Some("panic")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_game_that_fails_when_someone_comes_in_ends_its_room_alone() {
    let server = TestServer::with_games(with_puppet(), |_| ());
    for way in Way::JSON {
        fails(&server, way, json!({"panics": "joined"}), None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_game_that_fails_when_someone_leaves_ends_its_room_alone() {
    let server = TestServer::with_games(with_puppet(), |_| ());
    for way in Way::JSON {
        let mut bystanders = Bystanders::meet(&server).await;
        let mut ada = Peer::enter(&server, way, "Ada").await;
        let room_id = ada.create("puppet", json!({"panics": "left"})).await;
        let mut bob = Peer::enter(&server, other(way), "Bob").await;
        bob.join(&room_id, "player").await;
        assert_eq!(bob.ask_in(&room_id, "leave_room", json!({})).await.success, Some(true));
        assert_eq!(ada.find("room_closed").await.data["reason"], "game_failed");
        bystanders.assert_undisturbed(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_game_that_fails_while_its_room_is_made_leaves_no_room() {
    let server = TestServer::with_games(with_puppet(), |config| config.limits.rooms_max = 2);
    let mut bystanders = Bystanders::meet(&server).await;
    for way in Way::JSON {
        let mut ada = Peer::enter(&server, way, "Ada").await;
        for _ in 0..3 {
            let answer = ada.ask("create_room", json!({"game": "puppet", "options": {"panics": "made"}})).await;
            assert_eq!(answer.code(), "internal", "{answer:?}");
            assert_sentence(&answer.error.unwrap().message);
        }
        assert_eq!(ada.ask("list_rooms", json!({"game": "puppet"})).await.data["total"], json!(0));
        bystanders.assert_undisturbed(&server).await;
    }
}
