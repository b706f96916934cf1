//! Shutting down: rooms close, sessions hear goodbye, and what was said before is heard.

use anteroom_tests::bare::Bare;
use anteroom_tests::in_time;
use anteroom_tests::message::{By, Message};
use anteroom_tests::peer::{Peer, Via, Way};
use anteroom_tests::server::TestServer;
use anteroom_tests::words::assert_sentence;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn everyone_hears_what_was_said_then_room_closed_then_goodbye_then_the_code() {
    const WORDS: u64 = 50;
    let server = TestServer::start();
    let mut first = Peer::enter(&server, Way::json(Via::Quic), "Ada").await;
    let room_id = first.create("relay", json!({})).await;
    let mut peers = vec![first];
    for way in Way::all().skip(1) {
        let mut peer = Peer::enter(&server, way, "Member").await;
        peer.join(&room_id, "player").await;
        peers.push(peer);
    }
    let mut bare = Bare::enter(server.addr(), "Wes").await;
    for peer in &mut peers {
        peer.all_so_far().await;
    }
    for word in 0..WORDS {
        let data = json!({"payload": word});
        let said = peers[0].ask_in(&room_id, "send", data).await;
        assert_eq!(said.success, Some(true));
    }
    let readers: Vec<_> =
        peers.into_iter().map(|peer| tokio::spawn(async move { (peer.way, peer.refused(4000).await) })).collect();
    server.shutdown().await;
    for reader in readers {
        let (way, end) = in_time("the end", reader).await.unwrap();
        let heard: Vec<&Message> = end.rest.iter().filter(|message| message.kind == "message").collect();
        assert!(
            heard
                .iter()
                .map(|message| &message.data["payload"])
                .eq((0..WORDS).map(Value::from).collect::<Vec<_>>().iter())
        );
        let closed = end.rest.last().unwrap();
        assert_eq!((&*closed.kind, &closed.data["reason"]), ("room_closed", &json!("shutting_down")), "{way:?}");
        assert_eq!(closed.room_id.as_deref(), Some(&*room_id));
        assert_sentence(closed.data["message"].as_str().unwrap());
        assert_eq!(closed.by, if way.via.is_quic() { By::Stream(1) } else { By::Frame });
    }
    bare.send_if_open(&json!({"type": "ping"})).await;
    let (close, goodbye) = bare.end().await;
    assert_eq!(close.0, 4000);
    assert_eq!(goodbye, Some(close));
}

/// A client that was a bit behind when the server went down still hears all of it.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_behind_still_hears_everything() {
    const WORDS: u64 = 40;
    for way in Way::all() {
        let server = TestServer::start();
        let mut ada = Peer::enter(&server, Way::json(Via::WebSocket), "Ada").await;
        let room_id = ada.create("relay", json!({})).await;
        let mut sleeper = Peer::enter(&server, way, "Sleeper").await;
        sleeper.join(&room_id, "player").await;
        // More than a transport takes off the server's hands, less than the server lets wait.
        let fill = "z".repeat(16 << 10);
        for word in 0..WORDS {
            let said = ada.ask_in(&room_id, "send", json!({"payload": {"word": word, "fill": fill}})).await;
            assert_eq!(said.success, Some(true));
        }
        let waking = tokio::spawn(sleeper.end());
        let reading = tokio::spawn(ada.end());
        server.shutdown().await;
        let end = in_time("the end", waking).await.unwrap();
        let words =
            end.rest.iter().filter(|message| message.kind == "message").map(|message| &message.data["payload"]["word"]);
        assert!(words.eq((0..WORDS).map(Value::from).collect::<Vec<_>>().iter()), "{way:?}");
        assert_eq!(end.rest.last().unwrap().kind, "room_closed", "{way:?}");
        assert_eq!(end.goodbye, Some((4000, end.reason.clone())), "{way:?}");
        assert_eq!(end.code, 4000, "{way:?}");
        assert_eq!(in_time("the end", reading).await.unwrap().code, 4000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_does_not_hold_a_shutdown_up() {
    let server = TestServer::with(|config| config.times.shutdown_ms = 1000);
    let mut peers = Vec::new();
    for way in Way::all() {
        let mut peer = Peer::enter(&server, way, "Sleeper").await;
        let room_id = peer.create("relay", json!({})).await;
        for _ in 0..10 {
            let data = json!({"payload": "z".repeat(30_000)});
            peer.send(&json!({"type": "send", "room_id": room_id, "data": data})).await;
        }
        peers.push(peer);
    }
    // Ends in time, which `shutdown` checks.
    server.shutdown().await;
    drop(peers);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_let_in_once_a_server_has_shut_down() {
    let server = TestServer::start();
    let (addr, address, hash) = (server.addr(), server.address(), server.hash());
    Peer::enter(&server, Way::json(Via::Quic), "Ada").await.leave().await;
    server.shutdown().await;
    let dialer = anteroom_tests::server::dialer(&[hash]);
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
    // Both sockets are free for the next server, as soon as QUIC's own task has let go of its.
    in_time("a free port", async {
        while std::net::UdpSocket::bind(addr).is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let config = anteroom_server::Config { listen: addr.to_string(), ..anteroom_server::Config::development() };
    let mode = anteroom_server::Mode::Development { on_network: false };
    let next = anteroom_server::Server::start(config, mode, anteroom_games::registry().unwrap()).unwrap();
    assert!(dialer.quic(&address).await.is_err(), "the next server has another certificate");
    in_time("the shutdown", next.shutdown()).await;
}
