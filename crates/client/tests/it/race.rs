//! QUIC against WebSocket: which connection is used, what is remembered, and moving up later. In virtual time.

use std::time::Duration;

use anteroom_client::{
    Client, Codec, ConnectError, ConnectOptions, PathMemory, SessionState, Transport, TransportChoice,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance, sleep, timeout};

use crate::support::{self, Dials, Peer, Wanted, dialing, wanted};

type Connecting = JoinHandle<Result<Client, ConnectError>>;

fn connect(paths: &PathMemory) -> (Connecting, mpsc::Receiver<Wanted>) {
    let (dials, asked) = Dials::new();
    let options = ConnectOptions { paths: paths.clone(), ..dialing(TransportChoice::Automatic, Codec::Json) };
    (tokio::spawn(Client::with_dial(dials, options)), asked)
}

async fn accept(asked: Wanted) -> Peer {
    let mut peer = asked.accept(1);
    peer.handshake().await;
    peer.accept(Codec::Json).await;
    peer
}

async fn client(connecting: Connecting) -> Client {
    timeout(support::LONG, connecting).await.unwrap().unwrap().unwrap()
}

async fn attach(asked: Wanted) -> Peer {
    let mut peer = asked.accept(2);
    let moves = peer.reconnect(Codec::Json).await.received.is_none();
    peer.go_on("token-1", &[]).await;
    if moves {
        peer.resume().await;
    }
    peer.open(0, None, 1, 0, false).await;
    peer
}

/// Keeps the server's end alive.
fn keep(mut peer: Peer) {
    tokio::spawn(async move { while peer.connection.recv().await.is_ok() {} });
}

async fn over(client: &Client, transport: Transport) {
    let mut states = client.state_changes();
    let connected = states.wait_for(|state| *state == SessionState::Connected { transport });
    timeout(support::LONG, connected).await.expect("it does not move").unwrap();
}

#[tokio::test(start_paused = true)]
async fn quic_that_stands_soon_is_the_only_one() {
    let (connecting, mut asked) = connect(&PathMemory::new());
    let first = wanted(&mut asked).await;
    assert_eq!(first.choice, TransportChoice::Quic);
    advance(Duration::from_millis(249)).await;
    keep(accept(first).await);
    let client = client(connecting).await;
    assert!(timeout(Duration::from_secs(600), asked.recv()).await.is_err());
    assert_eq!(client.transport(), Transport::Memory);
}

#[tokio::test(start_paused = true)]
async fn quic_that_comes_late_takes_the_session_over() {
    let begun = Instant::now();
    let (connecting, mut asked) = connect(&PathMemory::new());
    let quic = wanted(&mut asked).await;
    let websocket = wanted(&mut asked).await;
    assert_eq!((websocket.choice, begun.elapsed()), (TransportChoice::WebSocket, Duration::from_millis(250)));
    let old = accept(websocket).await;
    let client = client(connecting).await;
    assert_eq!(client.transport(), Transport::WebSocket);
    advance(Duration::from_secs(1)).await;
    let _new = attach(quic).await;
    over(&client, Transport::Memory).await;
    drop(old);
}

#[tokio::test(start_paused = true)]
async fn a_network_without_udp_is_remembered_for_ten_minutes() {
    let paths = PathMemory::new();
    let (connecting, mut asked) = connect(&paths);
    let quic = wanted(&mut asked).await;
    keep(accept(wanted(&mut asked).await).await);
    let first = client(connecting).await;
    advance(Duration::from_secs(3)).await;
    // QUIC has had its time; a while later nobody waits for it any more.
    tokio::task::yield_now().await;
    assert!(quic.is_given_up());
    let blocked = Instant::now();
    sleep(Duration::from_secs(60)).await;
    let begun = Instant::now();
    let (connecting, mut asked_again) = connect(&paths);
    let both = [wanted(&mut asked_again).await, wanted(&mut asked_again).await];
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let [quic, websocket] = both;
    assert_eq!((quic.choice, websocket.choice), (TransportChoice::Quic, TransportChoice::WebSocket));
    let _other = accept(websocket).await;
    drop(client(connecting).await);
    // The first one tries again when the memory has faded, and moves up.
    let upgrade = timeout(Duration::from_secs(900), asked.recv()).await.unwrap().unwrap();
    assert_eq!(upgrade.choice, TransportChoice::Quic);
    assert_eq!(blocked.elapsed().as_secs() / 10, 60);
    let _new = attach(upgrade).await;
    over(&first, Transport::Memory).await;
    drop(quic);
}

#[tokio::test(start_paused = true)]
async fn quic_that_is_refused_is_not_waited_for() {
    let begun = Instant::now();
    let (connecting, mut asked) = connect(&PathMemory::new());
    wanted(&mut asked).await.refuse();
    let _peer = accept(wanted(&mut asked).await).await;
    let _client = client(connecting).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn nobody_at_all_is_said_to_be_so() {
    let (connecting, mut asked) = connect(&PathMemory::new());
    wanted(&mut asked).await.refuse();
    let websocket = wanted(&mut asked).await;
    assert_eq!(websocket.choice, TransportChoice::WebSocket);
    websocket.refuse();
    let error = timeout(support::LONG, connecting).await.unwrap().unwrap().unwrap_err();
    assert!(error.nobody_answers(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_broke_under_the_session_is_left_alone_for_a_while() {
    let (connecting, mut asked) = connect(&PathMemory::new());
    let peer = accept(wanted(&mut asked).await).await;
    let client = client(connecting).await;
    let broken = Instant::now();
    peer.cut();
    // WebSocket is tried alone, and QUIC only if that fails.
    let first = wanted(&mut asked).await;
    assert_eq!(first.choice, TransportChoice::WebSocket);
    first.refuse();
    let second = wanted(&mut asked).await;
    assert_eq!(second.choice, TransportChoice::Quic);
    second.refuse();
    let third = wanted(&mut asked).await;
    assert_eq!(third.choice, TransportChoice::WebSocket);
    keep(attach(third).await);
    over(&client, Transport::WebSocket).await;
    let upgrade = timeout(Duration::from_secs(900), asked.recv()).await.unwrap().unwrap();
    assert_eq!(upgrade.choice, TransportChoice::Quic);
    assert_eq!(broken.elapsed().as_secs(), 300);
}

#[tokio::test(start_paused = true)]
async fn a_chosen_transport_is_the_only_one() {
    for choice in [TransportChoice::Quic, TransportChoice::WebTransport, TransportChoice::WebSocket] {
        let (dials, mut asked) = Dials::new();
        let connecting = tokio::spawn(Client::with_dial(dials, dialing(choice, Codec::Json)));
        let first = wanted(&mut asked).await;
        assert_eq!((first.choice, first.codec), (choice, Codec::Json));
        let peer = accept(first).await;
        let client = client(connecting).await;
        peer.cut();
        for _ in 0..10 {
            let again = wanted(&mut asked).await;
            assert_eq!(again.choice, choice);
            again.refuse();
        }
        drop(client);
    }
}
