//! Bounds: what is above them is refused or closed with a code of its own, and what is within them goes on.

use anteroom_tests::bare::Bare;
use anteroom_tests::bystanders::Bystanders;
use anteroom_tests::http::get;
use anteroom_tests::peer::{Peer, Via, Way};
use anteroom_tests::server::TestServer;
use anteroom_tests::words::assert_sentence;
use anteroom_tests::{DEADLINE, in_time};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_in_no_more_rooms_than_allowed() {
    let server = TestServer::with(|config| config.limits.rooms_per_session_max = 2);
    let mut bystanders = Bystanders::meet(&server).await;
    let bystanders_room = bystanders.room_id().to_owned();
    for way in Way::all() {
        let mut ada = Peer::dial(&server, way).await;
        let accepted = ada.handshake(json!({"version": 1})).await;
        assert_eq!(accepted["limits"]["rooms_max"], json!(2));
        let first = ada.create("relay", json!({})).await;
        ada.create("relay", json!({})).await;
        for (kind, data) in [
            ("create_room", json!({"game": "relay"})),
            ("join_room", json!({"game": "relay", "quick": true})),
            ("join_room", json!({"room_id": bystanders_room})),
            ("join_room", json!({"room_id": bystanders_room, "as": "spectator"})),
        ] {
            let answer = ada.ask(kind, data).await;
            assert_eq!(answer.code(), "limit_reached", "{way:?}: {answer:?}");
            assert_sentence(&answer.error.unwrap().message);
        }
        assert_eq!(ada.ask_in(&first, "leave_room", json!({})).await.success, Some(true));
        ada.create("relay", json!({})).await;
        ada.leave().await;
    }
    bystanders.assert_undisturbed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_has_no_more_rooms_than_allowed() {
    let server = TestServer::with(|config| config.limits.rooms_max = 3);
    let mut bystanders = Bystanders::meet(&server).await;
    for way in Way::all() {
        let mut ada = Peer::enter(&server, way, "Ada").await;
        ada.create("relay", json!({})).await;
        let second = ada.create("tic_tac_toe", json!({})).await;
        for (kind, data) in [("create_room", json!({"game": "relay"})), ("create_room", json!({"game": "tic_tac_toe"}))]
        {
            let answer = ada.ask(kind, data).await;
            assert_eq!(answer.code(), "limit_reached", "{way:?}: {answer:?}");
            assert_sentence(&answer.error.unwrap().message);
        }
        // Rooms that are there may still be joined.
        let mut bob = Peer::enter(&server, way, "Bob").await;
        let joined = bob.ask("join_room", json!({"game": "tic_tac_toe", "quick": true})).await;
        assert_eq!(joined.room_id.as_deref(), Some(&*second));
        bob.leave().await;
        // A room that is over makes place for another. A room ends a moment after its last member's answer.
        assert_eq!(ada.ask_in(&second, "leave_room", json!({})).await.success, Some(true));
        let deadline = tokio::time::Instant::now() + DEADLINE;
        while ada.ask("create_room", json!({"game": "relay"})).await.success != Some(true) {
            assert!(tokio::time::Instant::now() < deadline);
        }
        ada.leave().await;
        let mut watcher = Peer::enter(&server, way, "Wes").await;
        while watcher.ask("list_rooms", json!({})).await.data["total"] != json!(1) {
            assert!(tokio::time::Instant::now() < deadline);
        }
        watcher.leave().await;
    }
    bystanders.assert_undisturbed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_has_no_more_connections_than_allowed() {
    for via in [Via::Quic, Via::WebTransport] {
        // A server of its own: a place is free again only a moment after its connection left.
        let server = TestServer::with(|config| config.limits.connections_max = 3);
        let mut peers = Vec::new();
        for number in 0..3 {
            peers.push(Peer::enter(&server, Way::json(via), &format!("Peer {number}")).await);
        }
        for refused in Via::ALL {
            let dialed = match refused {
                Via::Quic => server.dialer().quic(&server.address()).await.map(drop),
                Via::WebTransport => server.dialer().webtransport(&server.address()).await.map(drop),
                Via::WebSocket => {
                    let url = format!("ws://{}/ws", server.addr());
                    server.dialer().websocket(&url, anteroom_protocol::Codec::Json).await.map(drop)
                }
            };
            assert!(dialed.is_err(), "{refused:?} while three are on {via:?}");
        }
        for peer in &mut peers {
            peer.ask("ping", json!({})).await;
        }
        for peer in peers {
            peer.leave().await;
        }
        in_time("a free place", async {
            while server.dialer().quic(&server.address()).await.is_err() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_websockets_as_allowed_get_in() {
    let server = TestServer::with(|config| config.limits.connections_max = 3);
    let mut peers = Vec::new();
    for number in 0..3 {
        peers.push(Bare::enter(server.addr(), &format!("Peer {number}")).await);
    }
    let answer = get(server.addr(), "/healthz", &[]).await;
    assert_ne!(answer.status, 200, "a fourth connection");
    for peer in &mut peers {
        peer.send(&json!({"type": "ping"})).await;
        peer.until("pong").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_256_is_read_and_one_more_is_malformed() {
    let server = TestServer::start();
    for way in Way::JSON {
        let mut ada = Peer::enter(&server, way, "Ada").await;
        ada.bytes(way.codec, b"[]").await;
        let batch = format!("[{}]", [r#"{"type":"ping"}"#; 256].join(","));
        ada.bytes(way.codec, batch.as_bytes()).await;
        for _ in 0..256 {
            ada.expect("pong").await;
        }
        let batch = format!("[{}]", [r#"{"type":"ping"}"#; 257].join(","));
        ada.bytes(way.codec, batch.as_bytes()).await;
        ada.refused(4501).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_nest_as_deep_as_the_document_says() {
    let server = TestServer::start();
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for way in Way::JSON {
        let mut ada = Peer::enter(&server, way, "Ada").await;
        let room_id = ada.create("relay", json!({})).await;
        let send = |depth: usize| {
            let payload = nested(depth);
            format!(r#"{{"type":"send","room_id":"{room_id}","data":{{"payload":{payload}}}}}"#)
        };
        ada.bytes(way.codec, send(32).as_bytes()).await;
        let heard = ada.expect("message").await;
        assert_eq!(heard.data["payload"].to_string(), nested(32));
        ada.bytes(way.codec, send(33).as_bytes()).await;
        assert_eq!(ada.expect("error").await.code(), "invalid_data");
        // The envelope and its data are two levels.
        ada.bytes(way.codec, send(62).as_bytes()).await;
        assert_eq!(ada.expect("error").await.code(), "invalid_data");
        ada.bytes(way.codec, send(63).as_bytes()).await;
        assert_eq!(ada.expect("error").await.code(), "invalid_data");
        ada.leave().await;
    }
}

/// Somebody who does not read is closed, and whoever reads hears everything.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_is_closed_with_4002() {
    let server = TestServer::with(|config| config.times.stall_ms = 500);
    let mut bystanders = Bystanders::meet(&server).await;
    for way in Way::all() {
        let mut ada = Peer::enter(&server, Way::json(Via::WebSocket), "Ada").await;
        let room_id = ada.create("relay", json!({})).await;
        let mut sleeper = Peer::enter(&server, way, "Sleeper").await;
        sleeper.join(&room_id, "player").await;
        ada.expect("client_joined").await;
        let payload = "z".repeat(16 << 10);
        let mut sent = 0;
        // The system's buffers take some megabytes before the sleeper is noticed.
        let gone = in_time("the end of the sleeper", async {
            loop {
                let answer = ada.ask_in(&room_id, "send", json!({"payload": {"number": sent, "fill": payload}})).await;
                assert_eq!(answer.success, Some(true));
                sent += 1;
                let heard = ada.until("an echo", |message| message.kind == "message").await;
                assert_eq!(heard.data["payload"]["number"], json!(sent - 1));
                if let Some(place) = ada.unread().iter().position(|message| message.kind == "client_disconnected") {
                    break ada.unread()[place].clone();
                }
            }
        })
        .await;
        assert_eq!(gone.data["user_id"], sleeper.user_id);
        let end = sleeper.end().await;
        assert_eq!(end.code, 4002, "{way:?} after {sent}");
        assert_sentence(&end.reason);
        // What did come is the beginning of it, in order.
        let numbers: Vec<u64> = end
            .rest
            .iter()
            .filter(|message| message.kind == "message")
            .map(|message| message.data["payload"]["number"].as_u64().unwrap())
            .collect();
        assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "{way:?}: {numbers:?}");
        ada.leave().await;
        bystanders.assert_undisturbed(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_nothing_but_refusals_is_closed_before_there_is_a_session() {
    let server = TestServer::with(|config| {
        config.limits.outbox_bytes_max = 1 << 20;
        // The server stops reading what it cannot answer, so this is what ends it. On WebSocket all that still comes is
        // thrown away after that, for as long as ten seconds.
        config.times.handshake_ms = 5_000;
    });
    let mut bystanders = Bystanders::meet(&server).await;
    for via in Via::ALL {
        let mut flood = Peer::dial(&server, Way::json(via)).await;
        let bad = json!({"type": "handshake", "data": []});
        let batch = serde_json::to_vec(&vec![bad; 256]).unwrap();
        // Nothing is read, so the refusals gather.
        let closed = in_time("the end of the flood", async {
            while flood.try_bytes(anteroom_protocol::Codec::Json, &batch).await.is_ok() {}
        });
        closed.await;
    }
    bystanders.assert_undisturbed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_falls_behind_says_busy_and_loses_nothing_silently() {
    let server = TestServer::start();
    for way in Way::all() {
        let mut ada = Peer::enter(&server, way, "Ada").await;
        let room_id = ada.create("relay", json!({})).await;
        for reference in 1..=2000_u64 {
            let data = json!({"payload": reference});
            ada.send(&json!({"type": "send", "ref": reference, "room_id": room_id, "data": data})).await;
        }
        let (mut heard, mut answered) = (Vec::new(), 0);
        let mut carried_out = Vec::new();
        while answered < 2000 || heard.len() < carried_out.len() {
            let message = ada.next().await;
            match &*message.kind {
                "message" => heard.push(message.data["payload"].as_u64().unwrap()),
                "send_result" => {
                    answered += 1;
                    match message.code() {
                        "" => carried_out.push(message.reference.unwrap().as_u64().unwrap()),
                        code => assert_eq!(code, "busy"),
                    }
                }
                kind => panic!("{kind}"),
            }
        }
        assert_eq!(heard, carried_out, "{way:?}");
        ada.leave().await;
    }
}
