//! Resuming as nobody should: forged, retired and repeated tokens, attempts and counts that cannot be, connections that
//! race each other. Each is refused with its own code, and nobody honest notices.

use anteroom_protocol::{Codec, LaneId};
use anteroom_tests::bystanders::Bystanders;
use anteroom_tests::in_time;
use anteroom_tests::message::Message;
use anteroom_tests::peer::{Peer, Via, Way};
use anteroom_tests::resuming::pair::{Pair, changes, next, present};
use anteroom_tests::resuming::{Carrying, Resuming};
use anteroom_tests::server::TestServer;
use anteroom_tests::words::assert_sentence;
use anteroom_transport::Event;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The answer to a `reconnect`, which must be a refusal.
async fn refusal(peer: &mut Peer, code: &str) {
    let refused = peer.expect("reconnect_result").await;
    assert_eq!((refused.code(), refused.success), (code, Some(false)), "{refused:?}");
    assert_sentence(&refused.error.unwrap().message);
}

/// Ada is told on her connection why it ends.
async fn ends_with(ada: &mut Resuming, code: u16) {
    while ada.ends.is_empty() {
        ada.step().await;
    }
    let end = &ada.ends[0];
    assert_eq!((end.code, end.goodbye.as_ref().map(|(code, _)| *code)), (code, Some(code)), "{end:?}");
}

/// The token with one bit of it turned over.
fn tampered(token: &str, place: usize) -> String {
    let turned = if token.as_bytes()[place] == b'A' { "B" } else { "A" };
    format!("{}{turned}{}", &token[..place], &token[place + 1..])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_token_is_that_of_no_session() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        let mut stranger = Resuming::enter(&server, way, "Mallory").await;
        let token = pair.ada.token.clone();
        let bad = [
            ("resume_token", json!("")),
            ("resume_token", json!("nonsense")),
            ("resume_token", json!(tampered(&token, 3))),
            ("resume_token", json!(tampered(&token, 20))),
            ("resume_token", json!(format!("{token}A"))),
            ("resume_token", json!("A".repeat(5000))),
            ("resume_token", json!(stranger.token)),
            ("session_id", json!(stranger.session_id)),
            ("session_id", json!("0")),
            ("session_id", json!("0".repeat(26))),
        ];
        let mut mallory = Peer::dial(&server, pair.ada.way(to)).await;
        for (name, value) in bad {
            let mut claim = pair.ada.claim(Carrying::Received);
            claim[name] = value;
            mallory.json(&json!({"type": "reconnect", "data": claim})).await;
            refusal(&mut mallory, "session_unknown").await;
        }
        mallory.handshake(json!({"version": 1})).await;
        mallory.leave().await;
        pair.both_hear(1).await;
        pair.ada.reconnect(&server, to).await;
        pair.both_hear(2).await;
        stranger.ask("list_rooms", json!({})).await;
        stranger.leave().await;
        pair.bob.leave().await;
    }
    bystanders.assert_undisturbed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_token_with_a_newer_attempt_ends_the_session() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        let retired = pair.ada.token.clone();
        pair.ada.reconnect(&server, to).await;
        // Her next message proves that she has the new one.
        pair.both_hear(1).await;
        let mut claim = pair.ada.claim(Carrying::Received);
        claim["resume_token"] = json!(retired);
        present(&server, pair.ada.way(to), &claim).await.refused(4510).await;
        ends_with(&mut pair.ada, 4510).await;
        pair.bob_is_told("client_disconnected").await;
        let claim = pair.ada.claim(Carrying::Received);
        let mut late = present(&server, pair.ada.way(to), &claim).await;
        refusal(&mut late, "session_unknown").await;
        pair.bob.ask("ping", json!({})).await;
    }
    bystanders.assert_undisturbed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_may_be_repeated_until_the_next_one_is_proven() {
    let server = TestServer::start();
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        let first = pair.ada.token.clone();
        pair.ada.reconnect(&server, to).await;
        let second = pair.ada.token.clone();
        assert_ne!(first, second);
        for _ in 0..2 {
            pair.ada.token.clone_from(&first);
            pair.ada.reconnect(&server, next(to)).await;
            assert_eq!(pair.ada.token, second, "{way:?}: the same answer");
        }
        // The one that was offered is as good.
        pair.ada.reconnect(&server, to).await;
        assert_ne!(pair.ada.token, second);
        pair.both_hear(1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_goes_back_closes_its_connection_alone() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        pair.ada.attempt = 6;
        let retired = pair.ada.token.clone();
        pair.ada.reconnect(&server, to).await;
        pair.both_hear(1).await;
        pair.bob.forget();
        let newest = pair.ada.token.clone();
        for (attempt, token) in [(7, &newest), (6, &newest), (0, &retired), (7, &retired)] {
            for carrying in [Carrying::Received, Carrying::Live, Carrying::Fresh] {
                let mut claim = pair.ada.claim(carrying);
                (claim["attempt"], claim["resume_token"]) = (json!(attempt), json!(token));
                present(&server, pair.ada.way(next(to)), &claim).await.refused(4509).await;
            }
        }
        pair.both_hear(2).await;
        assert!(pair.ada.ends.is_empty(), "{way:?}");
        assert!(pair.bob.unread().iter().all(|message| message.kind != "client_disconnected"), "{way:?}");
    }
    bystanders.assert_undisturbed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_above_what_was_sent_close_the_new_connection_alone() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        for received in [json!({"0": 1}), json!({"1": 1000}), json!({"0": 0, "1": u64::MAX})] {
            let mut claim = pair.ada.claim(Carrying::Received);
            claim["received"] = received;
            present(&server, pair.ada.way(to), &claim).await.refused(4511).await;
        }
        pair.both_hear(1).await;
        assert!(pair.ada.ends.is_empty(), "{way:?}");
        pair.ada.reconnect(&server, to).await;
        pair.both_hear(2).await;
    }
    bystanders.assert_undisturbed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_of_what_was_never_sent_ends_the_session() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    for way in Way::all() {
        for counts in [json!({"0": 1}), json!({"1": 1000}), json!({"1": 2, "0": u64::MAX})] {
            let mut pair = Pair::meet(&server, way).await;
            // What was sent, and lanes that are not there, do no harm.
            pair.ada.raw().send(&json!({"type": "ack", "data": {"1": 2, "9": 1000, "4294967295": 1}})).await;
            pair.both_hear(1).await;
            pair.ada.acknowledges = false;
            pair.ada.raw().send(&json!({"type": "ack", "data": counts})).await;
            ends_with(&mut pair.ada, 4511).await;
            pair.bob_is_told("client_disconnected").await;
        }
    }
    bystanders.assert_undisturbed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_claims_too_much_ends_the_session() {
    let server = TestServer::start();
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        pair.ada.begin_move(&server, to).await;
        pair.ada.raw().send(&json!({"type": "resume", "data": {"received": {"1": 50}}})).await;
        while pair.ada.ends.len() < 2 {
            pair.ada.step().await;
        }
        assert!(pair.ada.ends.iter().all(|end| end.code == 4511), "{way:?}: {:?}", pair.ada.ends);
        pair.bob_is_told("client_disconnected").await;
    }
}

/// Sends something in the session, and gives the refusal.
async fn refused(ada: &mut Resuming, envelope: Value) -> Message {
    ada.raw().json(&envelope).await;
    ada.until("a refusal", |message| message.error.is_some()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn data_of_another_shape_is_refused() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    for way in Way::JSON {
        let mut pair = Pair::meet(&server, way).await;
        for data in [
            json!([]),
            json!(7),
            json!("x"),
            json!({"0": -1}),
            json!({"0": "1"}),
            json!({"x": 1}),
            json!({"-1": 1}),
            json!({"4294967296": 1}),
        ] {
            for kind in ["ack", "resume"] {
                let data = if kind == "ack" { data.clone() } else { json!({"received": data}) };
                let answer = refused(&mut pair.ada, json!({"type": kind, "ref": "r", "data": data})).await;
                assert_eq!((answer.code(), &*answer.kind), ("invalid_data", &*format!("{kind}_result")), "{data}");
            }
            let mut claim = pair.ada.claim(Carrying::Received);
            claim["received"] = data;
            let mut peer = present(&server, way, &claim).await;
            refusal(&mut peer, "invalid_data").await;
            peer.handshake(json!({"version": 1})).await;
        }
        for (name, value) in [
            ("attempt", json!(-1)),
            ("attempt", json!("1")),
            ("attempt", Value::Null),
            ("resume_token", json!(7)),
            ("fresh", json!("yes")),
        ] {
            let mut claim = pair.ada.claim(Carrying::Received);
            claim[name] = value;
            let mut peer = present(&server, way, &claim).await;
            refusal(&mut peer, "invalid_data").await;
            peer.handshake(json!({"version": 1})).await;
        }
        for data in [json!([]), json!("x"), json!(null)] {
            let mut peer = present(&server, way, &data).await;
            refusal(&mut peer, "invalid_data").await;
        }
        pair.both_hear(1).await;
        pair.ada.reconnect(&server, way.via).await;
        pair.both_hear(2).await;
    }
    bystanders.assert_undisturbed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn binary_data_of_another_shape_is_refused() {
    let server = TestServer::start();
    for way in Way::BINARY {
        let mut pair = Pair::meet(&server, way).await;
        // type, ref 7, no n, no room, no latest, no success, no error, data
        let binary = |kind: &str, data: &[u8]| {
            let mut bytes = vec![u8::try_from(kind.len()).unwrap()];
            bytes.extend_from_slice(kind.as_bytes());
            bytes.extend_from_slice(b"\x01\x017\x00\x00\x00\x00\x00");
            bytes.push(u8::try_from(data.len()).unwrap());
            bytes.extend_from_slice(data);
            bytes
        };
        for kind in ["ack", "resume"] {
            for data in [&[][..], &[1], &[1, 0], &[2, 0, 1], &[0, 0], &[253, 255, 255, 255, 255, 255, 255, 255, 255]] {
                pair.ada.raw().bytes(Codec::Bincode, &binary(kind, data)).await;
                let answer = pair.ada.until("a refusal", |message| message.error.is_some()).await;
                assert_eq!((answer.code(), answer.reference), ("invalid_data", Some(json!(7))), "{way:?} {data:?}");
            }
        }
        pair.both_hear(1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_that_nothing_asked_for_is_refused() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        let resume = json!({"type": "resume", "ref": 9000, "data": {"received": pair.ada.received()}});
        let asks = async |ada: &mut Resuming| {
            ada.raw().send(&resume).await;
            let answer = ada.find("resume_result").await;
            assert_eq!((answer.code(), answer.reference), ("invalid_data", Some(json!(9000))));
            assert_sentence(&answer.error.unwrap().message);
        };
        asks(&mut pair.ada).await;
        pair.ada.reconnect(&server, to).await;
        asks(&mut pair.ada).await;
        pair.ada.move_to(&server, next(to)).await;
        // Once is enough.
        asks(&mut pair.ada).await;
        // Without a `ref` it is an error.
        pair.ada.raw().send(&json!({"type": "resume", "data": {"received": {}}})).await;
        assert_eq!(pair.ada.find("error").await.code(), "invalid_data");
        pair.both_hear(1).await;
        // Before there is a session it is no beginning.
        let mut stranger = Peer::dial(&server, Way::json(to)).await;
        stranger.json(&json!({"type": "resume", "data": {}})).await;
        stranger.refused(4503).await;
    }
    bystanders.assert_undisturbed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconnect_in_a_session_is_refused() {
    let server = TestServer::start();
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        for round in 0..2 {
            let mut claim = pair.ada.claim(Carrying::Received);
            claim["attempt"] = json!(1000);
            let again = json!({"type": "reconnect", "ref": "again", "data": claim});
            let answer = refused(&mut pair.ada, again).await;
            assert_eq!((answer.code(), answer.reference), ("already_authenticated", Some(json!("again"))), "{way:?}");
            pair.both_hear(round).await;
            pair.ada.reconnect(&server, to).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_has_1_to_64_bytes() {
    let server = TestServer::start();
    for way in Way::all() {
        let mut peer = Peer::dial(&server, way).await;
        for nonce in [json!(""), json!("n".repeat(65)), json!("ü".repeat(33)), json!(7)] {
            peer.json(&json!({"type": "handshake", "data": {"version": 1, "nonce": nonce}})).await;
            let refused = peer.expect("error").await;
            assert_eq!(refused.code(), "invalid_data", "{way:?}");
            assert_sentence(&refused.error.unwrap().message);
        }
        peer.handshake(json!({"version": 1, "nonce": "n".repeat(64)})).await;
        peer.leave().await;
    }
}

/// Ten connections at once. The session is that of the one that is left when the others were told that it is newer;
/// gives its attempt.
async fn race(server: &TestServer, pair: &mut Pair, to: Via, attempts: impl Iterator<Item = u64>) -> u64 {
    let (decided, _) = watch::channel(false);
    let mut racers = JoinSet::new();
    for attempt in attempts {
        let mut claim = pair.ada.claim(if attempt % 2 == 0 { Carrying::Received } else { Carrying::Fresh });
        claim["attempt"] = json!(attempt);
        let peer = Peer::dial(server, pair.ada.way(to)).await;
        let reconnect = json!({"type": "reconnect", "data": claim});
        racers.spawn(run(peer, reconnect, decided.subscribe()));
    }
    for _ in 1..10 {
        let loser = in_time("a loser", racers.join_next()).await.unwrap().unwrap();
        assert_eq!(loser, None, "two have won");
    }
    decided.send_replace(true);
    let (attempt, token) = in_time("the winner", racers.join_next()).await.unwrap().unwrap().unwrap();
    (pair.ada.attempt, pair.ada.token) = (attempt, token);
    attempt
}

/// Goes on with a session until another connection does, or the race is decided. Gives the attempt and the new token
/// if it has won.
async fn run(mut peer: Peer, reconnect: Value, mut decided: watch::Receiver<bool>) -> Option<(u64, String)> {
    drop(peer.try_bytes(Codec::Json, reconnect.to_string().as_bytes()).await);
    let mut answer = Value::Null;
    let lost = async {
        while let Ok(event) = peer.connection().recv().await {
            if let Event::Record { lane: None | Some(LaneId::CONTROL), codec: Codec::Json, payload } = event
                && answer.is_null()
            {
                let first: Value = serde_json::from_slice(&payload).unwrap();
                answer = first["data"].clone();
            }
        }
    };
    let has_won = tokio::select! {
        biased;
        () = lost => false,
        changed = decided.changed() => changed.is_ok(),
    };
    if has_won {
        if answer.is_null() {
            answer = peer.find("reconnect_result").await.data;
        }
        peer.ask("ping", json!({})).await;
        let token = answer["resume_token"].as_str()?;
        return Some((reconnect["data"]["attempt"].as_u64()?, token.to_owned()));
    }
    assert_eq!(peer.end().await.code, 4509);
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_connections_that_resume_one_session_one_wins() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    for way in [Way::json(Via::Quic), Way::binary(Via::WebTransport), Way::json(Via::WebSocket)] {
        let mut pair = Pair::meet(&server, way).await;
        assert_eq!(race(&server, &mut pair, way.via, 1..=10).await, 10, "the newest wins, whoever was first");
        pair.ada.reconnect(&server, way.via).await;
        pair.both_hear(1).await;
        let winner = race(&server, &mut pair, next(way.via), std::iter::repeat_n(20, 10)).await;
        assert_eq!(winner, 20);
        pair.ada.reconnect(&server, way.via).await;
        pair.both_hear(2).await;
    }
    bystanders.assert_undisturbed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_were_used_are_ignored() {
    let server = TestServer::start();
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        let room_id = pair.room_id.clone();
        pair.both_hear(1).await;
        let send =
            |n: u64, number: u64| json!({"type": "send", "n": n, "room_id": room_id, "data": {"payload": number}});
        for (n, number) in [(100, 2), (100, 90), (99, 91), (1, 92), (0, 93), (101, 3), (u64::MAX, 4), (102, 94)] {
            pair.ada.raw().send(&send(n, number)).await;
        }
        pair.bob_hears(4).await;
        let heard: Vec<u64> = pair.bob.unread().iter().filter_map(|message| message.data["payload"].as_u64()).collect();
        assert!(heard.iter().all(|number| *number < 90), "{way:?}: {heard:?}");
        // The room's mark is not control's.
        let list = json!({"type": "list_rooms", "n": 103, "ref": 103});
        pair.ada.raw().send(&list).await;
        assert_eq!(pair.ada.find("list_rooms_result").await.reference, Some(json!(103)));
        let answer = pair.ada.reconnect(&server, to).await;
        assert_eq!(answer.data["last_n"], json!(u64::MAX), "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_on_a_connection_that_waits_to_carry_a_session_is_ignored() {
    let server = TestServer::start();
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        pair.ada.begin_move(&server, to).await;
        let send = json!({"type": "send", "n": 50, "room_id": pair.room_id, "data": {"payload": 90}});
        pair.ada.raw().send(&send).await;
        pair.ada.raw().send(&json!({"type": "list_rooms", "n": 51, "ref": 51})).await;
        pair.ada.raw().send(&json!({"type": "ping"})).await;
        pair.ada.find("pong").await;
        pair.ada.resume().await;
        pair.both_hear(1).await;
        assert_eq!(pair.ada.heard(0, "list_rooms_result").count(), 0, "{way:?}");
        assert!(pair.bob.unread().iter().all(|message| message.data["payload"] != json!(90)), "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_on_a_connection_that_waits_ends_it_alone() {
    let server = TestServer::start();
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        pair.ada.begin_move(&server, to).await;
        let nonsense: &[u8] = if way.codec == Codec::Json { b"{{" } else { b"\0{" };
        // It may be closed before all is written.
        drop(pair.ada.raw().try_bytes(way.codec, nonsense).await);
        while pair.ada.ends.is_empty() {
            pair.ada.step().await;
        }
        assert_eq!(pair.ada.ends.last().unwrap().code, 4501, "{way:?}");
        pair.both_hear(1).await;
        pair.ada.move_to(&server, to).await;
        pair.both_hear(2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_has_no_more_sessions_than_allowed() {
    let server = TestServer::with(|config| config.limits.sessions_max = 3);
    for (way, to) in changes() {
        let pair = Pair::meet(&server, way).await;
        let mut third = Resuming::enter(&server, way, "Cleo").await;
        // One that waits for a connection counts.
        third.cut();
        let mut fourth = Peer::dial(&server, Way::json(to)).await;
        fourth.json(&json!({"type": "handshake", "data": {"version": 1}})).await;
        fourth.refused(4004).await;
        third.reconnect(&server, to).await;
        third.ask("list_rooms", json!({})).await;
        for ada in [third, pair.ada] {
            ada.leave().await;
        }
        pair.bob.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_on_a_connection_that_lost_ends_nothing() {
    let server = TestServer::start();
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        for _ in 0..10 {
            let claim = pair.ada.claim(Carrying::Received);
            let mut new = present(&server, pair.ada.way(to), &claim).await;
            let answer = new.find("reconnect_result").await;
            // It may be closed already.
            drop(pair.ada.raw().try_bytes(way.codec, b"\0{").await);
            drop(pair.ada.raw().try_bytes(way.codec, b"\0{").await);
            new.ask("ping", json!({})).await;
            drop(new);
            pair.ada.token = answer.data["resume_token"].as_str().unwrap().to_owned();
            pair.ada.reconnect(&server, way.via).await;
            pair.both_hear(1).await;
            pair.ada.forget();
            pair.bob.forget();
        }
    }
}

/// What a room owes to a session that has left it meanwhile was asked for again and again, without a pause.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_a_room_that_owes_a_snapshot_holds_up_nobody() {
    let server = TestServer::start();
    for options in [json!({}), json!({"flush": "tick", "tick_ms": 1000})] {
        for _ in 0..4 {
            let mut ada = Resuming::enter(&server, Way::json(Via::WebSocket), "Ada").await;
            let room_id = ada.create("relay", options.clone()).await;
            let claim = ada.claim(Carrying::Fresh);
            ada.cut();
            let mut peer = Peer::dial(&server, Way::json(Via::WebSocket)).await;
            peer.json(&json!({"type": "reconnect", "data": claim})).await;
            peer.json(&json!({"type": "leave_room", "ref": 1, "room_id": room_id})).await;
            peer.until("the end of the lane", |message| message.kind == "leave_room_result").await;
            Peer::enter(&server, Way::json(Via::WebSocket), "Bob").await.leave().await;
        }
    }
}
