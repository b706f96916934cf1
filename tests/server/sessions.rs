//! What ends a session, and what only a connection: a fault of one connection is not the player's.

use anteroom_core::lanes::LANES_KEPT_MAX;
use anteroom_protocol::Codec;
use anteroom_protocol::limits::TOKEN_BYTES_MAX;
use anteroom_server::config::Config;
use anteroom_tests::bystanders::Bystanders;
use anteroom_tests::message::Message;
use anteroom_tests::peer::{End, Peer, Way};
use anteroom_tests::program::repository;
use anteroom_tests::resuming::pair::{Pair, assert_whole, changes, next, present};
use anteroom_tests::resuming::{Carrying, Resuming};
use anteroom_tests::server::TestServer;
use anteroom_tests::words::assert_sentence;
use anteroom_transport::TransportConfig;
use serde_json::json;

/// What a connection is closed for because of what came on it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Malformed,
    TooLarge,
    WrongKind,
}

impl Fault {
    const ALL: [Self; 3] = [Self::Malformed, Self::TooLarge, Self::WrongKind];

    fn code(self) -> u16 {
        match self {
            Self::Malformed => 4501,
            Self::TooLarge => 4502,
            Self::WrongKind => 4507,
        }
    }

    async fn commit(self, peer: &mut Peer) {
        let codec = peer.way.codec;
        let (kind, payload) = match (self, codec) {
            (Self::Malformed, Codec::Json) => (Codec::Json, b"{{".to_vec()),
            (Self::Malformed, Codec::Bincode) => (Codec::Bincode, b"\0{".to_vec()),
            (Self::TooLarge, _) => (codec, vec![b'{'; 70_000]),
            (Self::WrongKind, Codec::Json) => (Codec::Bincode, b"\x04ping".to_vec()),
            (Self::WrongKind, Codec::Bincode) => (Codec::Json, br#"{"type":"ping"}"#.to_vec()),
        };
        // It may be closed before all is written.
        drop(peer.try_bytes(kind, &payload).await);
    }
}

/// Ada's newest connection is closed for a fault; gives how.
async fn is_closed_for(ada: &mut Resuming, fault: Fault) -> End {
    let known = ada.ends.len();
    fault.commit(ada.raw()).await;
    while ada.ends.len() == known {
        ada.step().await;
    }
    let end = ada.ends.pop().unwrap();
    assert_eq!(end.code, fault.code(), "{end:?}");
    assert_eq!(end.goodbye.as_ref(), Some(&(end.code, end.reason.clone())));
    assert_sentence(&end.reason);
    end
}

/// Nobody goes on with Ada's session any more.
async fn is_over(server: &TestServer, ada: &mut Resuming, way: Way) {
    let claim = ada.claim(Carrying::Received);
    let refused = present(server, way, &claim).await.expect("reconnect_result").await;
    assert_eq!((refused.code(), refused.success), ("session_unknown", Some(false)), "{refused:?}");
}

#[test]
fn the_bounds_of_a_connection_in_the_document_are_those_of_the_code() {
    let document = std::fs::read_to_string(repository().join("crates/protocol/PROTOCOL.md")).unwrap();
    let Config { limits, times, .. } = Config::default();
    // As the document writes it: 100,000.
    let number = |number: u32| {
        let (thousands, rest) = (number / 1000, number % 1000);
        if thousands == 0 { rest.to_string() } else { format!("{thousands},{rest:03}") }
    };
    for (bound, value) in [
        ("silence", format!("{} seconds", times.silence_ms / 1000)),
        ("nothing can be written, though something waits to be read", format!("{} seconds", times.stall_ms / 1000)),
        ("what waits on control", format!("{} MiB", limits.outbox_bytes_max >> 20)),
        (
            "lanes that have ended and whose end was not read, or for which the client allowed no stream",
            LANES_KEPT_MAX.to_string(),
        ),
        (
            "time for TLS, QUIC and HTTP/3",
            format!("{} seconds", TransportConfig::default().establish_timeout.as_secs()),
        ),
        ("time for the handshake", format!("{} seconds", times.handshake_ms / 1000)),
        ("bytes of `handshake.token`", TOKEN_BYTES_MAX.to_string()),
        ("sessions at a time", number(limits.sessions_max)),
        ("connections at a time", number(limits.connections_max)),
    ] {
        assert!(document.contains(&format!("| {bound} | {value} |")), "{bound}: {value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_a_connection_leaves_the_session() {
    let server = TestServer::start();
    let mut bystanders = Bystanders::meet(&server).await;
    for (way, to) in changes() {
        // The third in a row would be too many, so two stories for three faults.
        for faults in [&Fault::ALL[..2], &Fault::ALL[2..]] {
            let mut pair = Pair::meet(&server, way).await;
            let mut said = 0;
            for fault in faults {
                let label = format!("{way:?} to {to:?}, {fault:?}");
                // What is said right before it counts, whether it is acknowledged or not.
                pair.ada_says(said + 1).await;
                let end = is_closed_for(&mut pair.ada, *fault).await;
                assert!(!end.reason.contains("ends the session"), "{label}: {}", end.reason);
                pair.bob_hears(said + 1).await;
                let lost = pair.bob_is_told("client_disconnected").await;
                assert_eq!(lost.data["grace_ms"], json!(60_000), "{label}");
                pair.bob_says(said + 1..=said + 9).await;
                pair.ada_says(said + 2).await;

                let answer = pair.ada.reconnect(&server, to).await;
                assert_eq!(answer.data["lanes"], json!([{"lane": 1, "room_id": pair.room_id}]), "{label}");
                pair.bob_is_told("client_reconnected").await;
                pair.ada_hears(said + 9).await;
                pair.bob_hears(said + 2).await;
                said += 9;
            }
            pair.both_hear(said + 1).await;
            assert_whole(&pair.ada_heard(1), 1..=said + 1);
            assert_eq!(pair.ada.heard(1, "lane").count(), 0, "{way:?}: a gap");
            assert!(pair.ada.unknown.is_empty(), "{way:?}");
            // A message that was taken twice would have been heard twice.
            let from_ada = |message: &&Message| message.data["from"] == json!(pair.ada.user_id);
            assert_eq!(pair.bob.unread().iter().filter(from_ada).count(), 0, "{way:?}");
            pair.ada.leave().await;
            pair.bob.leave().await;
        }
    }
    bystanders.assert_undisturbed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_third_fault_in_a_row_ends_the_session() {
    let server = TestServer::in_production(|_| ());
    for (number, way) in Way::all().enumerate() {
        let ada = Resuming::enter_as(&server, way, &format!("ada-{number}")).await;
        let bob = Peer::enter_as(&server, way, &format!("bob-{number}")).await;
        let mut pair = Pair::sit_down(ada, bob).await;
        for place in 0..2 {
            is_closed_for(&mut pair.ada, Fault::ALL[(number + place) % 3]).await;
            pair.bob_is_told("client_disconnected").await;
            pair.ada.reconnect(&server, next(way.via)).await;
            pair.bob_is_told("client_reconnected").await;
        }
        pair.both_hear(1).await;
        let end = is_closed_for(&mut pair.ada, Fault::ALL[(number + 2) % 3]).await;
        assert!(end.reason.contains("ends the session"), "{way:?}: {}", end.reason);
        pair.bob_is_told("client_disconnected").await;
        is_over(&server, &mut pair.ada, way).await;
        // The seat waits for the same user in another session.
        let mut again = Peer::enter_as(&server, way, &pair.ada.user_id).await;
        assert_eq!(again.join(&pair.room_id, "player").await["seat"], json!(0), "{way:?}");
        pair.bob_is_told("client_reconnected").await;
        again.leave().await;
        pair.bob.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_live_move_a_fault_ends_one_connection_of_the_two() {
    let server = TestServer::start();
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        // On the new one: the old one goes on carrying everything.
        pair.ada.begin_move(&server, to).await;
        is_closed_for(&mut pair.ada, Fault::Malformed).await;
        pair.both_hear(1).await;
        // On the old one: the new one takes over.
        let old = pair.ada.raw_number();
        pair.ada.begin_move(&server, to).await;
        pair.bob_says(2..=3).await;
        Fault::WrongKind.commit(pair.ada.raw_at(old)).await;
        while pair.ada.ends.is_empty() {
            pair.ada.step().await;
        }
        assert_eq!(pair.ada.ends.pop().unwrap().code, 4507, "{way:?} to {to:?}");
        pair.bob_says(4..=5).await;
        pair.ada.resume().await;
        pair.ada.arrive().await;
        pair.both_hear(6).await;
        assert_whole(&pair.ada_heard(1), 1..=6);
        let told = pair.bob.unread().iter().filter(|message| message.kind.starts_with("client_dis")).count();
        assert_eq!(told, 0, "{way:?} to {to:?}: she was there all the time");
        // The third ends both, wherever it is.
        pair.ada.begin_move(&server, next(to)).await;
        Fault::Malformed.commit(pair.ada.raw()).await;
        while pair.ada.ends.len() < 2 {
            pair.ada.step().await;
        }
        assert!(pair.ada.ends.iter().all(|end| end.code == 4501), "{way:?} to {to:?}: {:?}", pair.ada.ends);
        pair.bob_is_told("client_disconnected").await;
        is_over(&server, &mut pair.ada, way).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_cannot_prove_a_session_does_it_no_harm() {
    let server = TestServer::start();
    for (way, to) in changes() {
        let mut pair = Pair::meet(&server, way).await;
        for fault in Fault::ALL.into_iter().chain(Fault::ALL) {
            let mut claim = pair.ada.claim(Carrying::Received);
            claim["resume_token"] = json!("A".repeat(claim["resume_token"].as_str().unwrap().len()));
            let mut mallory = present(&server, pair.ada.way(to), &claim).await;
            assert_eq!(mallory.expect("reconnect_result").await.code(), "session_unknown", "{way:?} to {to:?}");
            fault.commit(&mut mallory).await;
            // It has no session, so its codec is not known where the handshake chooses it.
            let code = mallory.end().await.code;
            assert!(matches!(code, 4501 | 4502 | 4503 | 4507), "{way:?} to {to:?} {fault:?}: {code}");
        }
        // Nor does a connection that the session has left.
        for fault in Fault::ALL {
            let claim = pair.ada.claim(Carrying::Received);
            let mut new = present(&server, pair.ada.way(to), &claim).await;
            let answer = new.find("reconnect_result").await;
            pair.ada.token = answer.data["resume_token"].as_str().unwrap().to_owned();
            fault.commit(pair.ada.raw()).await;
            new.ask("ping", json!({})).await;
            drop(new);
            pair.ada.reconnect(&server, way.via).await;
        }
        pair.both_hear(1).await;
        for _ in 0..2 {
            is_closed_for(&mut pair.ada, Fault::Malformed).await;
            pair.ada.reconnect(&server, to).await;
        }
        pair.both_hear(2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_resume_comes_back_from_a_fault_as_well() {
    let server = TestServer::start();
    for (way, to) in changes() {
        let handshake = json!({"version": 1, "name": "Ada"});
        let ada = Resuming::begin(&server, way, handshake.clone()).await;
        let mut pair = Pair::sit_down(ada, Peer::enter(&server, way, "Bob").await).await;
        is_closed_for(&mut pair.ada, Fault::TooLarge).await;
        pair.bob_is_told("client_disconnected").await;
        pair.bob_says(1..=1).await;
        pair.ada.reconnect_fresh(&server, to).await;
        pair.bob_is_told("client_reconnected").await;
        pair.ada.settle().await;
        pair.ada.until("a snapshot", |message| message.kind == "join_room_result").await;
        pair.both_hear(2).await;

        let mut alone = Resuming::begin(&server, way, handshake).await;
        is_closed_for(&mut alone, Fault::Malformed).await;
        // Without a room, too; any other loss of the connection would have ended it.
        alone.reconnect_fresh(&server, to).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_in_front_of_a_fault_is_answered_once() {
    let server = TestServer::start();
    for way in Way::JSON {
        let mut ada = Resuming::enter(&server, way, "Ada").await;
        let batch = br#"[{"type":"list_rooms","ref":1,"n":1},{"type":"ping","ref":2},{"type":""}]"#;
        ada.raw().bytes(Codec::Json, batch).await;
        while ada.ends.is_empty() {
            ada.step().await;
        }
        // Before the goodbye, as on any connection that closes.
        assert_eq!(ada.heard(0, "list_rooms_result").count(), 1, "{way:?}");
        assert_eq!(ada.heard(0, "pong").count(), 1, "{way:?}");
        let answer = ada.reconnect(&server, way.via).await;
        assert_eq!(answer.data["last_n"], json!(1));
        ada.raw().send(&json!({"type": "list_rooms", "ref": 3, "n": 2})).await;
        ada.until("the next answer", |message| message.reference == Some(json!(3))).await;
        assert_eq!(ada.heard(0, "list_rooms_result").count(), 2, "{way:?}: each once");
    }
}
