//! Ends, announced and not.

use anteroom_protocol::LaneId;
use anteroom_transport::{Closed, Connection, Transport};

use super::pair::{ConnectionExt, Sorted, numbered, pair, record};

async fn heard(closing: Connection, mut hearing: Connection) {
    let (_, closed) = tokio::join!(closing.close(4003, "auf Wiedersehen"), hearing.until_closed());
    assert_eq!(closed, Closed::ByPeer { code: 4003, reason: "auf Wiedersehen".into() });
}

pub(crate) async fn a_closing_client_is_heard_by_the_server(transport: Transport) {
    let (client, server) = pair(transport).await;
    heard(client, server).await;
}

pub(crate) async fn a_closing_server_is_heard_by_the_client(transport: Transport) {
    let (client, server) = pair(transport).await;
    heard(server, client).await;
}

pub(crate) async fn a_dropped_connection_is_lost(transport: Transport) {
    let (client, mut server) = pair(transport).await;
    drop(client);
    assert!(matches!(server.until_closed().await, Closed::Lost(_)));
    let (mut client, server) = pair(transport).await;
    drop(server);
    assert!(matches!(client.until_closed().await, Closed::Lost(_)));
}

pub(crate) async fn an_end_stays_the_same(transport: Transport) {
    let (mut client, server) = pair(transport).await;
    let (_, first) = tokio::join!(server.close(4000, "x"), client.until_closed());
    assert_eq!(client.recv().await, Err(first.clone()));
    assert_eq!(client.flush().await, Err(first.clone()));
    assert_eq!(client.send(LaneId::CONTROL, record(b"{}")).await, Err(first));
    client.close(4001, "nobody hears").await;
}

pub(crate) async fn both_may_close_at_once(transport: Transport) {
    let (client, server) = pair(transport).await;
    tokio::join!(client.close(4000, "a"), server.close(4001, "b"));
}

pub(crate) async fn long_reasons_are_cut(transport: Transport) {
    let (mut client, server) = pair(transport).await;
    let reason = "ü".repeat(200);
    let (_, closed) = tokio::join!(server.close(4000, &reason), client.until_closed());
    assert_eq!(closed, Closed::ByPeer { code: 4000, reason: "ü".repeat(61) });
}

/// Whatever is queued when `close` is called, also on a lane that has just ended.
pub(crate) async fn everything_sent_before_a_close_arrives(transport: Transport) {
    let (mut client, mut server) = pair(transport).await;
    for number in 0..10 {
        for lane in 0..4 {
            server.try_send(LaneId(lane), numbered(lane, number, 1500)).unwrap();
        }
    }
    server.end_lane(LaneId(2));
    let mut received = Sorted::default();
    let (_, closed) = tokio::join!(server.close(4000, "later"), async {
        loop {
            match client.recv().await {
                Ok(anteroom_transport::Event::Record { lane, payload, .. }) => received.add(lane, &payload),
                Ok(_) => {}
                Err(closed) => return closed,
            }
        }
    });
    assert_eq!(closed, Closed::ByPeer { code: 4000, reason: "later".into() });
    assert_eq!(received.count(), 40);
    received.assert_whole();
}

/// Somebody who learns of the end while sending has not read everything yet.
pub(crate) async fn what_came_before_the_end_is_read_by_who_was_sending(transport: Transport) {
    if transport == Transport::WebSocket {
        // A server that gives up throws away what it did not read, and TCP then what the client did not read.
        return;
    }
    let (mut client, mut server) = pair(transport).await;
    for number in 0..10 {
        server.try_send(LaneId(1), numbered(1, number, 1500)).unwrap();
    }
    tokio::join!(server.close(4000, "later"), async {
        while client.send(LaneId::CONTROL, record(b"{}")).await.is_ok() && client.flush().await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    let mut received = Sorted::default();
    while received.count() < 10 {
        let (lane, payload) = client.next_record().await;
        received.add(lane, &payload);
    }
    received.assert_whole();
    assert_eq!(client.until_closed().await, Closed::ByPeer { code: 4000, reason: "later".into() });
}
