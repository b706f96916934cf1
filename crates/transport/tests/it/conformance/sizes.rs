//! The bound on records, from both sides.

use anteroom_protocol::limits::SERVER_FRAME_BYTES_MAX;
use anteroom_protocol::{CloseCode, Codec, LaneId};
use anteroom_transport::{Closed, Connection, Event, Transport, TransportConfig};

use super::pair::{ConnectionExt, client_config, pair, pair_with, record};

const MAX: usize = 10_000;

async fn bounded(transport: Transport) -> (Connection, Connection) {
    let config = TransportConfig { inbound_bytes_max: MAX, ..TransportConfig::default() };
    pair_with(transport, config, config).await
}

pub(crate) async fn the_largest_record_passes(transport: Transport) {
    let (mut client, mut server) = bounded(transport).await;
    for lane in [0, 1] {
        client.send(LaneId(lane), record(&vec![1; MAX])).await.unwrap();
        client.flush().await.unwrap();
        assert_eq!(server.next_record().await.1.len(), MAX);
        server.send(LaneId(lane), record(&vec![1; MAX])).await.unwrap();
        server.flush().await.unwrap();
        assert_eq!(client.next_record().await.1.len(), MAX);
    }
}

/// The receiver refuses and says why; the sender hears it, although it may be in the middle of sending.
async fn refuse(mut from: Connection, mut to: Connection, lane: LaneId, bytes: usize) {
    from.send(lane, record(b"{}")).await.unwrap();
    from.send(lane, record(&vec![1; bytes])).await.unwrap();
    let sender = tokio::spawn(async move { from.until_closed().await });
    assert_eq!(to.next_record().await.1, "{}");
    assert_eq!(to.until_closed().await, Closed::TooLarge { len: bytes as u64, max: MAX });
    let code = CloseCode::MessageTooLarge;
    to.close(code.number(), code.sentence()).await;
    let heard = sender.await.unwrap();
    assert_eq!(heard, Closed::ByPeer { code: code.number(), reason: code.sentence().into() });
}

pub(crate) async fn a_larger_record_ends_the_connection_with_a_code(transport: Transport) {
    for bytes in [MAX + 1, 900_000] {
        let (client, server) = bounded(transport).await;
        refuse(client, server, LaneId::CONTROL, bytes).await;
        let (client, server) = bounded(transport).await;
        refuse(server, client, LaneId(1), bytes).await;
    }
}

pub(crate) async fn empty_records_pass(transport: Transport) {
    let (mut client, mut server) = pair(transport).await;
    client.send(LaneId::CONTROL, record(b"")).await.unwrap();
    client.flush().await.unwrap();
    let Ok(Event::Record { codec, payload, .. }) = server.recv().await else { panic!("no record") };
    assert_eq!((codec, payload.len()), (Codec::Bincode, 0));
}

/// Wider than any window or queue on its way.
pub(crate) async fn the_largest_frame_of_a_server_passes(transport: Transport) {
    let largest = TransportConfig { inbound_bytes_max: SERVER_FRAME_BYTES_MAX, ..client_config() };
    let (mut client, mut server) = match transport {
        Transport::Memory => pair_with(transport, largest, largest).await,
        _ => pair(transport).await,
    };
    server.try_send(LaneId(1), record(&vec![1; SERVER_FRAME_BYTES_MAX])).unwrap();
    assert!(!server.has_room(LaneId(1)));
    let (flushed, (_, payload)) = tokio::join!(server.flush(), client.next_record());
    flushed.unwrap();
    assert_eq!(payload.len(), SERVER_FRAME_BYTES_MAX);
    assert!(server.has_room(LaneId(1)));
}
