//! The end of a session of WebTransport, in virtual time: its peer has time to read what it is told.
//!
//! A browser's network acknowledges everything, and ends its half of the session's stream, before the page has read a
//! byte. Only the end of the connection says that nobody reads any more.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use anteroom_transport::simulation::{Conditions, Network};
use anteroom_transport::{Connection, EstablishError, Established, TransportConfig};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::foreign::quinn_client;
use super::http::{Peer, SETTINGS, STREAM, request};
use super::pair::{ConnectionExt, certificate, server_config};

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 7350);
const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 1, 1)), 5000);
const ESTABLISH_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a peer is waited for, give or take round trips.
const PATIENCE: Range<Duration> = Duration::from_millis(2900)..Duration::from_millis(3100);
/// How long a page has to read and to close first, and a round trip.
const PAGE: Range<Duration> = Duration::from_millis(1000)..Duration::from_millis(1100);
/// The same for a program without a page.
const PROGRAM: Range<Duration> = Duration::from_millis(250)..Duration::from_millis(350);
const PAGE_ORIGIN: Option<&str> = Some("https://play.example.com");

async fn simulated<T>(test: impl Future<Output = T>) -> T {
    // In virtual time; nothing that works comes near.
    timeout(Duration::from_secs(3600), Box::pin(test)).await.expect("the test hangs")
}

type Establishing = JoinHandle<Result<Established, EstablishError>>;

/// A peer that has asked for a session, from a page if it names an origin.
async fn asks(path: &str, origin: Option<&str>) -> (Network, Peer, Establishing) {
    asks_with(path, origin, u32::MAX).await
}

/// One that takes no more than so many bytes in all until it reads.
async fn asks_with(path: &str, origin: Option<&str>, window: u32) -> (Network, Peer, Establishing) {
    let network = Network::new(1, Conditions::default());
    let (tls, hash) = certificate(-1..12);
    let config = TransportConfig { establish_timeout: ESTABLISH_TIMEOUT, ..server_config() };
    let listener = network.listener(SERVER, &tls, config).unwrap();
    let establishing = tokio::spawn(async move { listener.accept().await.unwrap().establish().await });
    let endpoint = network.bare_quic(CLIENT).unwrap();
    let mut client = quinn_client(b"h3", hash);
    let mut transport = quinn::TransportConfig::default();
    transport.receive_window(window.into());
    client.transport_config(std::sync::Arc::new(transport));
    let dialing = endpoint.connect_with(client, SERVER, "localhost").unwrap();
    let mut peer = Peer::on(dialing.await.unwrap());
    peer.uni(SETTINGS).await;
    let mut fields = vec![(":method", "CONNECT"), (":protocol", "webtransport"), (":scheme", "https")];
    fields.extend([(":authority", "game.example"), (":path", path)]);
    fields.extend(origin.map(|origin| ("origin", origin)));
    peer.bi(&request(&fields)).await;
    (network, peer, establishing)
}

/// A session that stands.
async fn session(origin: Option<&str>) -> (Network, Peer, Connection) {
    let (network, mut peer, establishing) = asks("/wt", origin).await;
    peer.bi(STREAM).await;
    let mut connection = establishing.await.unwrap().unwrap().connection;
    assert_eq!(connection.next_record().await.1, "{}");
    (network, peer, connection)
}

/// What comes on the session's stream, whose other half the peer ends as soon as that is over.
async fn heard_and_answered(peer: &mut Peer) -> Vec<u8> {
    let (send, recv) = &mut peer.bidirectional[0];
    let heard = recv.read_to_end(1000).await.unwrap();
    send.finish().unwrap();
    heard
}

#[tokio::test(start_paused = true)]
async fn a_session_s_peer_is_waited_for_after_its_network_has_acknowledged() {
    simulated(async {
        for origin in [PAGE_ORIGIN, None] {
            let (_network, mut peer, connection) = session(origin).await;
            let begun = Instant::now();
            let closing = tokio::spawn(async move {
                connection.close(4501, "x").await;
                begun.elapsed()
            });
            let heard = heard_and_answered(&mut peer).await;
            let told = Instant::now();
            assert!(heard.ends_with(b"\x00\x08\x68\x43\x05\x00\x00\x11\x95x"), "{heard:x?}");
            // What it had not read by then would be lost to it.
            let reading = if origin.is_some() { PAGE } else { PROGRAM };
            assert!(reading.contains(&(told - begun)), "{origin:?}: {:?}", told - begun);
            assert_eq!(peer.closed().await, 4501);
            assert!(PATIENCE.contains(&told.elapsed()), "{:?}", told.elapsed());
            // Nobody is waited for any longer.
            let took = closing.await.unwrap();
            assert!(took < PATIENCE.end + reading.end, "{took:?}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_session_is_over_when_its_peer_closes_the_connection() {
    simulated(async {
        for origin in [PAGE_ORIGIN, None] {
            let (_network, mut peer, connection) = session(origin).await;
            let closing = tokio::spawn(async move {
                connection.close(4501, "x").await;
                Instant::now()
            });
            heard_and_answered(&mut peer).await;
            // As long as a busy machine may take until the page's own turn comes.
            sleep(Duration::from_millis(2500)).await;
            assert_eq!(peer.client.close_reason(), None);
            peer.client.close(0x100_u32.into(), b"");
            let left = Instant::now();
            let took = closing.await.unwrap() - left;
            assert!(took < Duration::from_millis(100), "{took:?}");
        }
    })
    .await;
}

/// Pages that close when they have read `goodbye` are waited for no longer.
#[tokio::test(start_paused = true)]
async fn a_page_that_closes_first_is_not_waited_for() {
    simulated(async {
        let (_network, mut peer, connection) = session(PAGE_ORIGIN).await;
        let begun = Instant::now();
        let closing = tokio::spawn(async move { connection.close(4501, "x").await });
        let (send, _) = &mut peer.bidirectional[0];
        send.write_all(b"\x00\x07\x68\x43\x04\x00\x00\x00\x00").await.unwrap();
        send.finish().unwrap();
        assert_eq!(peer.closed().await, 4501);
        closing.await.unwrap();
        assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_acknowledges_nothing_holds_a_close_up_for_seconds() {
    simulated(async {
        let (network, _peer, mut connection) = session(PAGE_ORIGIN).await;
        network.blackhole(CLIENT.ip(), true);
        connection.send(anteroom_protocol::LaneId(1), super::pair::record(&[b'x'; 100_000])).await.unwrap();
        let begun = Instant::now();
        connection.close(4501, "x").await;
        assert!(begun.elapsed() < Duration::from_millis(8500), "{:?}", begun.elapsed());
    })
    .await;
}

/// The session stands as soon as it is answered, so its end is told like that of any other.
#[tokio::test(start_paused = true)]
async fn a_session_without_a_stream_is_told_why_it_ends() {
    simulated(async {
        let (_network, mut peer, establishing) = asks("/wt", PAGE_ORIGIN).await;
        let begun = Instant::now();
        let heard = heard_and_answered(&mut peer).await;
        assert!(begun.elapsed() >= ESTABLISH_TIMEOUT - Duration::from_secs(1), "{:?}", begun.elapsed());
        let capsule = b"\x00\x21\x68\x43\x1e\x00\x00\x11\x98No handshake came in time.";
        assert!(heard.ends_with(capsule), "{heard:x?}");
        let told = Instant::now();
        assert_eq!(peer.closed().await, 4504);
        assert!(PATIENCE.contains(&told.elapsed()), "{:?}", told.elapsed());
        let refused = establishing.await.unwrap();
        assert!(matches!(refused, Err(EstablishError::Timeout(_))), "{refused:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_another_path_is_waited_for_as_well() {
    simulated(async {
        let (_network, mut peer, establishing) = asks("/nowhere", PAGE_ORIGIN).await;
        let heard = heard_and_answered(&mut peer).await;
        assert!(heard.ends_with(b":status\x03404"), "{heard:x?}");
        let told = Instant::now();
        assert_eq!(peer.closed().await, 0x100);
        assert!(PATIENCE.contains(&told.elapsed()), "{:?}", told.elapsed());
        let refused = establishing.await.unwrap();
        assert!(matches!(&refused, Err(EstablishError::NotFound(path)) if path == "/nowhere"), "{refused:?}");
    })
    .await;
}

/// There is room for the server's settings, and not for an answer.
#[tokio::test(start_paused = true)]
async fn a_peer_that_leaves_no_room_for_an_answer_is_late() {
    simulated(async {
        for path in ["/wt", "/nowhere"] {
            let begun = Instant::now();
            let (_network, _peer, establishing) = asks_with(path, PAGE_ORIGIN, 45).await;
            let refused = timeout(ESTABLISH_TIMEOUT + PATIENCE.end, establishing).await.unwrap().unwrap();
            assert!(matches!(refused, Err(EstablishError::Timeout(_) | EstablishError::NotFound(_))), "{refused:?}");
            assert!(begun.elapsed() > Duration::from_secs(2), "it is not answered at once: {:?}", begun.elapsed());
        }
    })
    .await;
}
