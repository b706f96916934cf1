//! A peer that does not read.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anteroom_protocol::{Codec, LaneId};
use anteroom_transport::{Connection, DatagramRefused, Dialer, Event, Transport, TransportConfig, Trust, websocket};
use bytes::Bytes;
use tokio::net::TcpListener;

use super::pair::{
    ConnectionExt, Sorted, client_config, in_time, numbered, pair, server_config, subprotocol, tls_pair,
};

/// Sends until nothing moves any more; gives how many were sent.
async fn fill(server: &mut Connection) -> usize {
    let mut number = 0;
    // A premature end of waiting does no harm: the queue is full then as well.
    while let Ok(sent) =
        tokio::time::timeout(Duration::from_millis(300), server.send(LaneId(1), numbered(1, number, 3000))).await
    {
        sent.unwrap();
        number += 1;
    }
    number
}

pub(crate) async fn a_full_queue_hands_records_back(transport: Transport) {
    let (client, server) = pair(transport).await;
    hands_records_back(client, server).await;
}

#[tokio::test]
async fn a_full_queue_hands_records_back_under_tls() {
    let (client, server) = tls_pair().await;
    in_time(hands_records_back(client, server)).await;
}

async fn hands_records_back(mut client: Connection, mut server: Connection) {
    let sent = fill(&mut server).await;
    assert!(!server.has_room(LaneId(1)));
    let next = numbered(1, sent, 3000);
    let refused = server.try_send(LaneId(1), next.clone()).unwrap_err();
    assert!(Arc::ptr_eq(&refused, &next));

    let reader = tokio::spawn(async move {
        let mut received = Sorted::default();
        while received.count() < sent + 100 {
            let (lane, payload) = client.next_record().await;
            received.add(lane, &payload);
        }
        (client, received)
    });
    assert_eq!(server.recv().await, Ok(Event::Writable));
    assert!(server.has_room(LaneId(1)));
    server.try_send(LaneId(1), refused).unwrap();
    for number in sent + 1..sent + 100 {
        server.send(LaneId(1), numbered(1, number, 3000)).await.unwrap();
    }
    server.flush().await.unwrap();
    let (mut client, received) = reader.await.unwrap();
    received.assert_whole();
    assert!(client.poke().await.is_none());
}

/// Datagrams go before records, so few of them may.
pub(crate) async fn a_full_queue_holds_datagrams_back(transport: Transport) {
    let (_client, mut server) = pair(transport).await;
    fill(&mut server).await;
    if matches!(transport, Transport::Quic | Transport::WebTransport) {
        // A few still go; nothing runs in between that would take them away.
        assert_eq!(server.send_datagram(LaneId(1), b"first"), Ok(()));
        let refused = (0..8).find(|_| server.send_datagram(LaneId(1), &[0; 1000]) == Err(DatagramRefused::Congested));
        assert!(refused.is_some(), "datagrams take what records need");
    }
}

pub(crate) async fn flush_hands_everything_on(transport: Transport) {
    let (mut client, mut server) = pair(transport).await;
    for number in 0..20 {
        server.send(LaneId(1), numbered(1, number, 1000)).await.unwrap();
    }
    server.flush().await.unwrap();
    // Nothing of it depends on the server being polled again.
    let mut received = Sorted::default();
    while received.count() < 20 {
        let (lane, payload) = client.next_record().await;
        received.add(lane, &payload);
    }
    received.assert_whole();
}

pub(crate) async fn written_bytes_tell_slow_reading_from_none(transport: Transport) {
    let (mut client, mut server) = pair(transport).await;
    let before = server.written_bytes();
    assert_eq!(server.queued_bytes(), 0);
    server.try_send(LaneId(1), numbered(1, 0, 3000)).unwrap();
    assert!(server.queued_bytes() >= 3000);
    assert_eq!(server.written_bytes(), before);
    server.flush().await.unwrap();
    assert_eq!(server.queued_bytes(), 0);
    // At most so many bytes frame a record and begin a lane.
    assert!((before + 3000..before + 3016).contains(&server.written_bytes()));

    // Nobody reads: it stands still, whatever else is sent.
    let mut sent = 1;
    let mut stalled = before;
    while stalled != server.written_bytes() {
        stalled = server.written_bytes();
        sent += fill(&mut server).await;
    }
    let queued = server.queued_bytes();
    let _ = server.send_datagram(LaneId(1), b"one more");
    assert!(server.poke().await.is_none());
    assert_eq!((server.written_bytes(), server.queued_bytes()), (stalled, queued));
    assert!(queued >= 3000 && stalled + queued as u64 >= before + (sent as u64) * 3000);

    // Reading, however slowly, makes it move before everything is read.
    let mut received = 0;
    while server.written_bytes() == stalled {
        assert!(received < sent, "everything was read, and nothing was written");
        tokio::select! {
            biased;
            (_, payload) = client.next_record() => {
                assert!(payload.len() >= 3000);
                received += 1;
            }
            event = server.recv() => panic!("{event:?}"),
        }
        assert!(server.poke().await.is_none());
    }
    assert_eq!(server.written_bytes() + server.queued_bytes() as u64, stalled + queued as u64);
}

/// A direct writer comes between the question and what follows from the answer.
#[tokio::test]
async fn what_there_was_room_for_is_taken_whoever_writes_meanwhile() {
    const LARGE_BYTES: usize = 16 << 20;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    let config = TransportConfig { inbound_bytes_max: 2 * LARGE_BYTES, ..client_config() };
    let dialer = Dialer::new(Trust::CertificateHashes(Vec::new()), config);
    let (client, mut server) = tokio::join!(dialer.websocket(&url, Codec::Json), async {
        let (socket, peer) = listener.accept().await.unwrap();
        let socket = tokio_tungstenite::accept_hdr_async(socket, subprotocol).await.unwrap().into_inner();
        websocket::accept_tcp(socket, Bytes::new(), peer, server_config())
    });
    let (mut client, direct) = (client.unwrap(), server.direct().unwrap());
    assert!(server.has_room(LaneId::CONTROL));
    // More than the system takes, however it is set up, and than may wait.
    assert!(!direct.open().unwrap().write(&numbered(1, 0, LARGE_BYTES)));
    assert!(!server.has_room(LaneId::CONTROL));
    server.queue(LaneId::CONTROL, numbered(1, 1, 100));
    let hearing = async {
        let mut received = Sorted::default();
        while received.count() < 2 {
            let (lane, payload) = client.next_record().await;
            received.add(lane, &payload);
        }
        received.assert_whole();
    };
    in_time(async {
        tokio::select! {
            () = hearing => {}
            event = server.recv() => panic!("{event:?}"),
        }
    })
    .await;
}
