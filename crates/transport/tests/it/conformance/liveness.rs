//! Silence and signs of life, in virtual time.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anteroom_protocol::LaneId;
use anteroom_transport::{Closed, Connection, TransportConfig, memory, websocket};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, sleep, timeout};

use super::pair::{ConnectionExt, record, server_config};

const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
const HOUR: Duration = Duration::from_secs(3600);

fn websocket_pair() -> (Connection, Connection) {
    let (near, far) = duplex(64 << 10);
    let client = websocket::connected(near, Bytes::new(), PEER, TransportConfig::default());
    (client, websocket::accept(far, Bytes::new(), PEER, server_config()))
}

fn raw_peer() -> (DuplexStream, Connection) {
    let (near, far) = duplex(64 << 10);
    (near, websocket::accept(far, Bytes::new(), PEER, server_config()))
}

async fn silence(mut polled: Connection, other: Connection) {
    let start = Instant::now();
    assert_eq!(polled.until_closed().await, Closed::Silence);
    assert_eq!(start.elapsed(), server_config().silence_max);
    drop(other);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_not_polled_is_silent() {
    let (client, server) = memory::pair(server_config(), 1);
    silence(server, client).await;
    let (client, server) = memory::pair(server_config(), 1);
    silence(client, server).await;
    let (client, server) = websocket_pair();
    silence(server, client).await;
    let (client, server) = websocket_pair();
    silence(client, server).await;
}

#[tokio::test(start_paused = true)]
async fn idle_peers_stay_connected() {
    for pair in [|| memory::pair(server_config(), 1), websocket_pair] {
        let (mut client, mut server) = pair();
        let both = async { tokio::join!(client.until_closed(), server.until_closed()) };
        assert!(timeout(HOUR, both).await.is_err());
        server.send(LaneId::CONTROL, record(b"{}")).await.unwrap();
        server.flush().await.unwrap();
        assert_eq!(client.next_record().await.1, "{}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_websocket_server_knows_the_round_trip() {
    let (mut client, mut server) = websocket_pair();
    assert_eq!(server.rtt(), None);
    let both = async { tokio::join!(client.until_closed(), server.until_closed()) };
    assert!(timeout(Duration::from_secs(30), both).await.is_err());
    assert_eq!(server.rtt(), Some(Duration::ZERO));
    assert_eq!(client.rtt(), None);
}

#[tokio::test(start_paused = true)]
async fn any_byte_counts_as_a_sign_of_life() {
    let (mut peer, mut server) = raw_peer();
    let trickle = async {
        // The header of a frame and the beginning of it, a byte each 50 s.
        for byte in [0x82, 0x80 | 20, 0, 0, 0, 0, 1, 1] {
            sleep(Duration::from_secs(50)).await;
            peer.write_all(&[byte]).await.unwrap();
        }
        Instant::now()
    };
    let (last, closed) = tokio::join!(trickle, server.until_closed());
    assert_eq!(closed, Closed::Silence);
    assert_eq!(last.elapsed(), server_config().silence_max);
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_still_told_a_code() {
    let (mut peer, mut server) = raw_peer();
    assert_eq!(server.until_closed().await, Closed::Silence);
    server.close(4001, "quiet").await;
    let mut read = Vec::new();
    peer.read_to_end(&mut read).await.unwrap();
    assert!(read.ends_with(b"\x88\x07\x0f\xa1quiet"), "{read:x?}");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_pings_ends_and_a_few_are_answered() {
    let (mut peer, mut server) = raw_peer();
    // A masked ping of one byte.
    let ping = [0x89, 0x81, 0, 0, 0, 0, b'x'];
    for _ in 0..200 {
        peer.write_all(&ping).await.unwrap();
        sleep(Duration::from_secs(1)).await;
        assert!(server.poke().await.is_none());
        let mut pong = [0; 3];
        peer.read_exact(&mut pong).await.unwrap();
        // The server's own pings come in between.
        if pong == [0x89, 8, 0] {
            peer.read_exact(&mut [0; 7]).await.unwrap();
            peer.read_exact(&mut pong).await.unwrap();
        }
        assert_eq!(pong, [0x8a, 1, b'x']);
    }
    // What has gathered in a minute at ten a second passes; as many again do not.
    sleep(Duration::from_secs(1)).await;
    peer.write_all(&ping.repeat(600)).await.unwrap();
    assert!(server.poke().await.is_none());
    peer.write_all(&ping.repeat(400)).await.unwrap();
    assert!(server.poke().await.is_none());
    peer.write_all(&ping).await.unwrap();
    let closed = server.until_closed().await;
    assert!(matches!(closed, Closed::Flooded(_)), "{closed}");
}
