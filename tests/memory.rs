//! What all sessions together keep has a bound: those that are furthest behind lose what waits and are told so, then
//! those that were left end, and who keeps up notices nothing.
#![allow(clippy::unwrap_used, reason = "everything in here is a test")]

use anteroom_tests::message::Message;
use anteroom_tests::peer::{Peer, Via, Way};
use anteroom_tests::resuming::Resuming;
use anteroom_tests::server::TestServer;
use serde_json::json;

/// The least that a server may be told to keep to.
const RETAINED_BYTES_MAX: u64 = 16 << 20;

/// A server whose list of rooms has about 100 KB, and who made them.
async fn with_a_long_list() -> (TestServer, Peer) {
    let server = TestServer::with(|config| {
        config.limits.rooms_per_session_max = 1000;
        config.limits.retained_bytes_max = RETAINED_BYTES_MAX;
    });
    let mut host = Peer::enter(&server, Way::json(Via::WebSocket), "Host").await;
    for place in 0..400 {
        let name = format!("{place} {}", "ü".repeat(28));
        assert_eq!(host.ask("create_room", json!({"game": "relay", "name": name})).await.success, Some(true));
    }
    host.forget();
    (server, host)
}

/// Somebody who asks for much, and goes before the answers have come. Gives when they were made.
async fn asks_and_goes(server: &TestServer) -> Resuming {
    let mut gone = Resuming::over(
        Peer::dial_narrow(server, Way::json(Via::WebSocket)).await,
        json!({"version": 1, "resume": true}),
    )
    .await;
    let room_id = gone.create("relay", json!({})).await;
    gone.request_at_once("list_rooms", 20).await;
    // Handled behind the others, and seen by somebody else.
    gone.request_in(&room_id, "send", json!({"payload": "done"})).await;
    gone.cut();
    gone
}

fn is_disconnected(message: &Message) -> bool {
    message.kind == "client_disconnected"
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_were_left_end_when_all_keep_too_much_and_the_others_notice_nothing() {
    let (server, mut host) = with_a_long_list().await;
    // Two who play, and read what comes.
    let mut ada = Resuming::enter(&server, Way::json(Via::WebSocket), "Ada").await;
    let room_id = ada.create("relay", json!({})).await;
    let mut bob = Resuming::enter(&server, Way::json(Via::Quic), "Bob").await;
    bob.join(&room_id, "player").await;
    let mut left = Vec::new();
    let mut said = 0;
    // Each keeps up to a megabyte: three times as much as all may.
    for _ in 0..48 {
        left.push(asks_and_goes(&server).await);
        said += 1;
        ada.say(&room_id, json!({"number": said})).await;
        bob.until("what was said", |message| message.data["payload"]["number"] == json!(said)).await;
        ada.until("what was said", |message| message.data["payload"]["number"] == json!(said)).await;
    }
    for peer in [&mut ada, &mut bob] {
        assert_eq!(peer.heard(0, "lane").count() + peer.heard(1, "lane").count(), 0, "a gap");
        assert!(peer.ends.is_empty());
        peer.cut();
        peer.reconnect(&server, Via::WebSocket).await;
        peer.settle().await;
        let is_gap = |message: &&Message| message.data["gap"] == json!(true);
        assert_eq!(peer.heard(0, "lane").filter(is_gap).count() + peer.heard(1, "lane").filter(is_gap).count(), 0);
    }
    // Who was left goes on, or is told that there is nothing to go on with.
    for (place, gone) in left.iter_mut().enumerate() {
        let answer = gone.reconnect(&server, Via::WebSocket).await;
        match answer.success {
            Some(true) => {
                gone.settle().await;
                gone.ask("ping", json!({})).await;
            }
            _ => assert_eq!(answer.error.unwrap()["code"], "session_unknown", "{place}"),
        }
    }
    host.ask("ping", json!({"ts": 1})).await;
    let _ = is_disconnected;
}
