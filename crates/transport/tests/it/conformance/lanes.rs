//! Order, codecs and the ends of lanes.

use anteroom_protocol::{Codec, LaneId};
use anteroom_transport::{Connection, Event, Transport, TransportConfig};

use super::pair::{ConnectionExt, Sorted, client_config, in_time, numbered, pair, pair_with, record, server_config};

const RECORDS: usize = 100;

/// Sends so many records on each lane while it receives as many as the peer sends.
async fn exchange(mut connection: Connection, lanes: &'static [u32], expected: usize) -> (Connection, Sorted) {
    let mut received = Sorted::default();
    for number in 0..RECORDS {
        for lane in lanes {
            let bytes = if number % 10 == 0 { 5000 } else { 20 * number };
            let mut batch = numbered(*lane, number, bytes);
            while let Err(refused) = connection.try_send(LaneId(*lane), batch) {
                batch = refused;
                if let Event::Record { lane, payload, .. } = connection.recv().await.unwrap() {
                    received.add(lane, &payload);
                }
            }
        }
    }
    while received.count() < expected {
        let (lane, payload) = connection.next_record().await;
        received.add(lane, &payload);
    }
    connection.flush().await.unwrap();
    (connection, received)
}

pub(crate) async fn records_keep_their_order_on_each_lane(transport: Transport) {
    let (client, server) = pair(transport).await;
    let down = [0, 1, 2, 3, 70];
    let server = tokio::spawn(exchange(server, &[0, 1, 2, 3, 70], RECORDS));
    let (_client, received) = exchange(client, &[0], down.len() * RECORDS).await;
    received.assert_whole();
    assert_eq!(received.0.keys().copied().collect::<Vec<_>>(), down);
    let (_server, received) = server.await.unwrap();
    received.assert_whole();
}

pub(crate) async fn codecs_are_told_apart(transport: Transport) {
    let (mut client, mut server) = pair(transport).await;
    for (payload, expected) in [(&b"{\"a\":1}"[..], Codec::Json), (b"[]", Codec::Json), (b"\x04ping", Codec::Bincode)] {
        client.send(LaneId::CONTROL, record(payload)).await.unwrap();
        client.flush().await.unwrap();
        let Event::Record { codec, payload: received, .. } = server.recv().await.unwrap() else {
            panic!("not a record")
        };
        assert_eq!((codec, &received[..]), (expected, payload));
    }
}

pub(crate) async fn a_lane_ends_behind_its_records(transport: Transport) {
    let (mut client, mut server) = pair(transport).await;
    for number in 0..10 {
        server.send(LaneId(3), numbered(3, number, 2000)).await.unwrap();
    }
    server.end_lane(LaneId(3));
    // It was never sent on, so there is nothing to end.
    server.end_lane(LaneId(4));
    server.flush().await.unwrap();
    let mut received = Sorted::default();
    while received.count() < 10 {
        let (lane, payload) = client.next_record().await;
        received.add(lane, &payload);
    }
    received.assert_whole();
    if transport != Transport::WebSocket {
        assert_eq!(client.recv().await, Ok(Event::LaneEnded { lane: LaneId(3) }));
    }
    server.send(LaneId::CONTROL, record(b"{}")).await.unwrap();
    server.flush().await.unwrap();
    assert_eq!(client.next_record().await.1, "{}");
}

pub(crate) async fn a_client_may_end_its_half(transport: Transport) {
    let (mut client, mut server) = pair(transport).await;
    client.send(LaneId::CONTROL, record(b"{\"last\":1}")).await.unwrap();
    client.end_lane(LaneId::CONTROL);
    client.flush().await.unwrap();
    assert_eq!(server.next_record().await.1, "{\"last\":1}");
    if transport != Transport::WebSocket {
        assert_eq!(server.recv().await, Ok(Event::LaneEnded { lane: LaneId::CONTROL }));
    }
    for lane in [0, 5] {
        server.send(LaneId(lane), numbered(lane, 0, 100)).await.unwrap();
    }
    server.flush().await.unwrap();
    let mut received = Sorted::default();
    while received.count() < 2 {
        let (lane, payload) = client.next_record().await;
        received.add(lane, &payload);
    }
}

/// A client that allows four streams and no more.
#[tokio::test]
async fn a_lane_waits_for_a_stream_and_holds_up_nothing() {
    in_time(async {
        let client = TransportConfig { lanes_max: 0, ..client_config() };
        let (mut client, mut server) = pair_with(Transport::Quic, client, server_config()).await;
        for lane in 1..=5 {
            server.send(LaneId(lane), numbered(lane, 0, 1000)).await.unwrap();
        }
        let mut received = Sorted::default();
        let four = async {
            while received.count() < 4 {
                let (lane, payload) = client.next_record().await;
                received.add(lane, &payload);
            }
        };
        tokio::select! {
            () = four => {}
            event = server.recv() => panic!("{event:?}"),
        }
        assert_eq!(received.0.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4]);
        // No reader is to blame for what waits; and only so much does.
        assert_eq!(server.queued_bytes(), 0);
        assert!(server.has_room(LaneId(5)) && !server.has_room(LaneId(6)));
        let refused = server.try_send(LaneId(6), numbered(6, 0, 1000)).unwrap_err();
        for lane in [0, 1, 5] {
            server.try_send(LaneId(lane), numbered(lane, usize::from(lane > 0), 1000)).unwrap();
        }
        let more = async {
            for lane in [0, 1] {
                let (_, payload) = client.next_record().await;
                assert!(payload.starts_with(format!("{{\"lane\":{lane},").as_bytes()), "{payload:?}");
            }
        };
        tokio::select! {
            () = more => {}
            event = server.recv() => panic!("{event:?}"),
        }

        server.end_lane(LaneId(1));
        let fifth = async {
            assert_eq!(client.recv().await, Ok(Event::LaneEnded { lane: LaneId(1) }));
            for number in 0..2 {
                let (lane, payload) = client.next_record().await;
                assert!(payload.starts_with(format!("{{\"lane\":5,\"n\":{number}}}").as_bytes()), "{payload:?}");
                assert_eq!(lane, Some(LaneId(5)));
            }
        };
        let (event, ()) = tokio::join!(server.recv(), fifth);
        assert_eq!(event, Ok(Event::Writable));
        server.try_send(LaneId(6), refused).unwrap();
    })
    .await;
}

#[tokio::test]
async fn there_is_a_stream_for_each_room_on_quic() {
    in_time(has_streams(Transport::Quic)).await;
}

#[tokio::test]
async fn there_is_a_stream_for_each_room_on_webtransport() {
    in_time(has_streams(Transport::WebTransport)).await;
}

/// In all of them at once, and again in others when those are over.
async fn has_streams(transport: Transport) {
    const ROOMS: u32 = 200;
    let (mut client, mut server) = pair(transport).await;
    client.allow_rooms(ROOMS);
    for round in 0..3 {
        let lanes = round * ROOMS + 1..=(round + 1) * ROOMS;
        let speaking = async {
            for lane in lanes.clone() {
                server.send(LaneId(lane), numbered(lane, 0, 100)).await.unwrap();
            }
            server.flush().await.unwrap();
        };
        let hearing = async {
            let mut received = Sorted::default();
            while received.count() < ROOMS as usize {
                let (lane, payload) = client.next_record().await;
                received.add(lane, &payload);
            }
        };
        tokio::join!(speaking, hearing);
        lanes.for_each(|lane| server.end_lane(LaneId(lane)));
    }
}
