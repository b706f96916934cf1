//! Sessions of the client library over real sockets and networks that break: they go on, and every word arrives once.
//!
//! `ANTEROOM_SESSIONS=1000` sends more of them through the storm than the usual 100.

use std::time::Duration;

use anteroom_client::{ClientError, RoomEnd, SessionEnd, SessionState, Transport, TransportChoice};
use anteroom_server::config::Config;
use anteroom_tests::fault::{Cut, Faults, Relay};
use anteroom_tests::server::TestServer;
use anteroom_tests::switching::storm::{self, Storm};
use anteroom_tests::switching::{Dials, Member, RecordingDial, Session, Told, options};
use anteroom_tests::{amount, in_time};
use tokio::sync::watch;

/// Longer than any of these tests takes.
const NEVER: Duration = Duration::from_secs(600);
/// How many words each says on every connection of a live move, at least.
const WORDS: u64 = 50;

/// Notices soon when a connection is lost, and keeps seats for this long.
fn notices_soon(config: &mut Config, grace: Duration) {
    config.times.websocket_ping_ms = 500;
    config.times.quic_keep_alive_ms = 500;
    config.times.silence_ms = 2_000;
    config.times.grace_ms = grace.as_millis() as u64;
}

/// Somebody behind a relay, and somebody without one, in a room.
struct Pair {
    server: TestServer,
    relay: Relay,
    far: std::sync::Arc<Session>,
    dials: Dials,
    ada: Member,
    bob: Member,
}

impl Pair {
    async fn meet(server: TestServer, transport: TransportChoice, silence_max: Duration) -> Self {
        let relay = Relay::start(server.addr(), 7).unwrap();
        let dial = RecordingDial::new(&server, relay.addr(), silence_max);
        let dials = dial.dials();
        let far = Session::connect_over(dial, options(&server, relay.addr(), transport, "Ada")).await;
        let near = Session::connect(options(&server, server.addr(), TransportChoice::WebSocket, "Bob")).await;
        let bob = Member::host(&near).await;
        let ada = Member::join(&far, bob.room().room_id()).await;
        Self { server, relay, far, dials, ada, bob }
    }

    /// Each says so many words, one after the other, and both hear them.
    async fn talk(&mut self, words: u64) {
        let (ada, bob) = (self.far.user_id(), self.bob_id());
        for _ in 0..words {
            self.ada.say(false).await;
            let said = self.ada.talked().0;
            self.bob.hears(&ada, said).await;
            self.bob.say(false).await;
            let said = self.bob.talked().0;
            self.ada.hears(&bob, said).await;
        }
    }

    fn bob_id(&self) -> String {
        let others = self.bob.room().members().iter().map(|member| member.user_id.to_string());
        others.into_iter().find(|user_id| *user_id != self.far.user_id()).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_survive_forced_switches() {
    let sessions = amount::sessions();
    let storm = Storm::gather(sessions).await;
    let damage = storm.rage().await;
    println!("{damage:#?}");
    let sessions = sessions as u64;
    assert!(damage.fewest_switches >= storm::SWITCHES_MIN, "{damage:?}");
    assert!(damage.losses >= sessions && damage.moves >= 2 * sessions, "{damage:?}");
    // From each transport to both others.
    assert_eq!(damage.changes.len(), 6, "{damage:?}");
    assert!(damage.datagrams_lost > 2 * sessions && damage.words > 20 * sessions, "{damage:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_moves_live_while_fifty_moves_a_second_flow() {
    let pair = Pair::meet(TestServer::start(), TransportChoice::WebSocket, NEVER).await;
    let Pair { server, relay, far, dials, ada, bob } = pair;
    // Far enough that much is on its way whenever a move begins.
    let delay = Duration::from_millis(10)..=Duration::from_millis(10);
    relay.udp.set_all_faults(&Faults { duplicate: 0.05, delay, ..Faults::default() });
    let (over, is_over) = watch::channel(false);
    let ada = tokio::spawn(ada.talk(2, 20, is_over.clone(), 1));
    let bob = tokio::spawn(bob.talk(2, 20, is_over, 2));
    let way = [TransportChoice::Quic, TransportChoice::WebTransport, TransportChoice::WebSocket];
    for choice in way {
        storm::until("words on each connection", {
            let (far, from) = (far.clone(), far.words());
            move || far.words() >= from + WORDS
        })
        .await;
        in_time("a live move", far.move_to(choice)).await.unwrap();
    }
    over.send_replace(true);
    let (ada, mut bob) = (in_time("Ada's end", ada).await.unwrap(), in_time("Bob's end", bob).await.unwrap());
    bob.hear_the_rest().await;
    assert!(ada.talked().0 > 3 * WORDS && ada.talked() == (ada.talked().0, bob.talked().1), "{ada:?}");
    // Without a connection it would have dialed again, and Bob would have been told.
    assert_eq!(dials.all(), [&[TransportChoice::WebSocket], &way[..]].concat());
    assert_eq!((far.losses(), &*bob.told), (0, &[][..]));
    assert_eq!(far.client().state(), SessionState::Connected { transport: Transport::WebSocket });
    drop((ada, bob, relay));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nat_that_forgets_the_client_is_not_noticed() {
    for (choice, transport) in
        [(TransportChoice::Quic, Transport::Quic), (TransportChoice::WebTransport, Transport::WebTransport)]
    {
        let mut pair = Pair::meet(TestServer::start(), choice, NEVER).await;
        let session_id = pair.far.client().session_id();
        for _ in 0..5 {
            pair.talk(10).await;
            pair.relay.udp.rebind().unwrap();
        }
        pair.talk(10).await;
        assert_eq!(pair.dials.all(), [choice], "it connected again");
        assert_eq!((pair.far.losses(), &*pair.bob.told), (0, &[][..]));
        assert_eq!(pair.far.client().state(), SessionState::Connected { transport });
        assert_eq!(pair.far.client().session_id(), session_id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn udp_that_stops_working_is_left_and_remembered() {
    let server = TestServer::with(|config| notices_soon(config, Duration::from_secs(60)));
    let mut pair = Pair::meet(server, TransportChoice::Automatic, Duration::from_secs(2)).await;
    pair.far.comes_over(Transport::Quic).await;
    pair.talk(10).await;
    let before = pair.dials.all();
    pair.relay.block_udp(true);
    pair.far.comes_over(Transport::WebSocket).await;
    pair.talk(10).await;
    assert!(pair.bob.told.contains(&Told::Back("Ada".into())), "{:?}", pair.bob.told);
    pair.relay.block_udp(false);
    // UDP works again, but nobody relies on it, not even when another connection is needed.
    for _ in 0..3 {
        let losses = pair.far.losses();
        pair.relay.tcp.cut(Cut::Reset);
        let far = pair.far.clone();
        storm::until("the loss", move || far.losses() > losses).await;
        pair.far.comes_over(Transport::WebSocket).await;
        pair.talk(10).await;
    }
    let since = &pair.dials.all()[before.len()..];
    assert_eq!(since, [TransportChoice::WebSocket; 4], "after {before:?}");
    // It does work.
    in_time("moving back", pair.far.move_to(TransportChoice::Quic)).await.unwrap();
    pair.far.comes_over(Transport::Quic).await;
    pair.talk(10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_network_says_so() {
    for choice in [TransportChoice::Automatic, TransportChoice::WebTransport, TransportChoice::WebSocket] {
        let grace = Duration::from_secs(3);
        let server = TestServer::with(|config| notices_soon(config, grace));
        let pair = Pair::meet(server, choice, Duration::from_secs(2)).await;
        let Pair { server, relay, far, mut ada, mut bob, .. } = pair;
        let mut states = far.client().state_changes();
        relay.unplug(true);
        let lost = in_time("the loss", states.wait_for(|state| matches!(state, SessionState::Reconnecting { .. })));
        let SessionState::Reconnecting { since, until, .. } = lost.await.unwrap().clone() else { unreachable!() };
        assert_eq!(until - since, grace, "{choice}");
        // What is asked for now waits, and is answered in the end.
        let (asked, end) = tokio::join!(
            in_time("the answer", far.client().list_rooms(None)),
            in_time("the session's end", far.client().ended())
        );
        assert!(matches!(&end, SessionEnd::Unreachable { after, .. } if *after == grace), "{choice}: {end:?}");
        let said = format!("no connection for {grace:?}, so the session is given up: ");
        assert!(end.to_string().starts_with(&said), "{choice}: {end}");
        assert_eq!(asked, Err(ClientError::Closed(end.clone())), "{choice}");
        assert_eq!(far.client().state(), SessionState::Ended(end.clone()));
        let refused = far.client().ping().await;
        assert_eq!(refused, Err(ClientError::Closed(end.clone())), "{choice}");
        assert!(refused.unwrap_err().to_string().starts_with("the session is closed: no connection for"));
        assert_eq!(ada.ends().await, RoomEnd::Session(end), "{choice}");
        bob.is_told(&Told::Lost("Ada".into())).await;
        bob.is_told(&Told::Gone("Ada".into())).await;
        drop((ada, bob, relay));
        server.shutdown().await;
    }
}
