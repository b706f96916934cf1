//! Datagrams, where there are any.

use anteroom_protocol::LaneId;
use anteroom_transport::{Connection, DatagramRefused, Event, Transport};

use super::pair::pair;

/// Sends until one arrives, since datagrams may be lost. Those of an earlier call may still be under way.
async fn until_arrived(from: &mut Connection, to: &mut Connection, lane: LaneId, payload: &[u8]) {
    let awaited = Event::Datagram { lane, payload: payload.to_vec().into() };
    let mut again = tokio::time::interval(std::time::Duration::from_millis(20));
    loop {
        let event = tokio::select! {
            _ = again.tick() => {
                from.send_datagram(lane, payload).unwrap();
                continue;
            }
            event = to.recv() => event.unwrap(),
            event = from.recv() => event.unwrap(),
        };
        if event == awaited {
            return;
        }
        assert!(matches!(event, Event::Datagram { .. }), "{event:?}");
    }
}

pub(crate) async fn datagrams_name_their_lane(transport: Transport) {
    let (mut client, mut server) = pair(transport).await;
    if transport == Transport::WebSocket {
        assert_eq!(server.max_datagram_size(), None);
        assert_eq!(client.send_datagram(LaneId(1), b"x"), Err(DatagramRefused::Unsupported));
        return;
    }
    for lane in [0, 1, 63, 64, 70_000, u32::MAX] {
        until_arrived(&mut server, &mut client, LaneId(lane), format!("down {lane}").as_bytes()).await;
        until_arrived(&mut client, &mut server, LaneId(lane), format!("up {lane}").as_bytes()).await;
    }
    until_arrived(&mut client, &mut server, LaneId(1), b"").await;
}

pub(crate) async fn the_largest_datagram_passes_and_a_larger_one_is_refused(transport: Transport) {
    let (mut client, mut server) = pair(transport).await;
    let Some(max) = server.max_datagram_size() else {
        assert_eq!(transport, Transport::WebSocket);
        return;
    };
    assert!(max >= 1000, "{max}");
    until_arrived(&mut server, &mut client, LaneId(u32::MAX), &vec![7; max]).await;
    // It may have grown meanwhile, when the network was found to take more.
    let max = server.max_datagram_size().unwrap();
    let refused = server.send_datagram(LaneId(1), &vec![7; max + 1]);
    assert!(matches!(refused, Err(DatagramRefused::TooLarge { .. })), "{refused:?}");
}
