//! Every future of a connection is dropped after its k-th `Pending`, over and over; nothing is lost or doubled.

use std::collections::VecDeque;
use std::pin::pin;
use std::task::Poll;

use anteroom_protocol::LaneId;
use anteroom_transport::{Connection, Event, Transport};
use tokio::task::yield_now;

use super::pair::{Server, Sorted, client_config, in_time, numbered, pair, server_config};

const RECORDS: usize = 60;

/// Polls a future until it completes or was pending more than `patience` times.
async fn patiently<T>(patience: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut pending = 0;
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if pending == patience => Poll::Ready(None),
        Poll::Pending => {
            pending += 1;
            Poll::Pending
        }
    })
    .await
}

/// Sends and receives, dropping every future that takes too long; what was not sent is sent again.
async fn exchange(mut connection: Connection, lanes: &[u32], expected: usize, patience: usize) -> (Connection, Sorted) {
    let mut received = Sorted::default();
    let mut to_send: VecDeque<(u32, usize)> =
        (0..RECORDS).flat_map(|number| lanes.iter().map(move |lane| (*lane, number))).collect();
    let mut flushed = false;
    while !to_send.is_empty() || received.count() < expected || !flushed {
        if let Some((lane, number)) = to_send.front() {
            let batch = numbered(*lane, *number, 4000);
            if let Some(sent) = patiently(patience, connection.send(LaneId(*lane), batch)).await {
                sent.unwrap();
                to_send.pop_front();
            }
        } else if let Some(done) = patiently(patience, connection.flush()).await {
            done.unwrap();
            flushed = true;
        }
        if received.count() < expected
            && let Some(event) = patiently(patience, connection.recv()).await
            && let Event::Record { lane, payload, .. } = event.unwrap()
        {
            received.add(lane, &payload);
        }
        yield_now().await;
    }
    (connection, received)
}

pub(crate) async fn futures_can_be_dropped_at_any_pending(transport: Transport) {
    for patience in 0..4 {
        let (client, server) = pair(transport).await;
        let server = tokio::spawn(exchange(server, &[0, 1, 2], RECORDS, patience));
        let (_client, received) = exchange(client, &[0], 3 * RECORDS, patience).await;
        assert_eq!(received.count(), 3 * RECORDS);
        received.assert_whole();
        let (_server, received) = server.await.unwrap();
        assert_eq!(received.count(), RECORDS);
        received.assert_whole();
    }
}

/// The same where both ends run at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn futures_can_be_dropped_on_several_threads() {
    for transport in [Transport::Quic, Transport::WebTransport, Transport::WebSocket, Transport::Memory] {
        let test = tokio::spawn(futures_can_be_dropped_at_any_pending(transport));
        in_time(test).await.unwrap();
    }
}

#[tokio::test]
async fn a_listener_loses_no_peer_when_accepting_is_dropped() {
    let server = Server::start(client_config(), server_config());
    in_time(async {
        for patience in 0..3 {
            let accept = async {
                loop {
                    if let Some(incoming) = patiently(patience, server.listener.accept()).await {
                        return incoming.unwrap().establish().await.unwrap();
                    }
                    yield_now().await;
                }
            };
            let (client, _established) = tokio::join!(server.dialer.webtransport(&server.address), accept);
            client.unwrap();
        }
    })
    .await;
}
