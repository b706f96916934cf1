//! Acknowledgement, back-pressure and what is not kept, with a scripted server, in virtual time.

use std::time::Duration;

use anteroom_client::{Client, Codec, NewRoom, TransportChoice};
use tokio::time::{Instant, timeout};

use crate::support::{
    self, Action, Dials, Duel, LANE, connected, dialing, lasting_in_room, reconnecting, room_id, wanted,
};

#[tokio::test(start_paused = true)]
async fn what_arrived_is_acknowledged_in_time() {
    let (_client, mut peer, _dials, _room) = lasting_in_room(Codec::Bincode).await;
    let before = Instant::now();
    peer.acked(&[(LANE, 1)]).await;
    assert_eq!(before.elapsed(), Duration::from_secs(1));
    for turn in 0..64 {
        peer.state(LANE, room_id(1), turn).await;
    }
    let before = Instant::now();
    peer.acked(&[(LANE, 65)]).await;
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn senders_wait_while_the_server_is_behind() {
    let (dials, mut asked) = Dials::new();
    let options = dialing(TransportChoice::Quic, Codec::Json);
    let (client, mut peer) = tokio::join!(Client::with_dial(dials, options), async {
        let mut peer = wanted(&mut asked).await.accept(1);
        peer.handshake().await;
        let limits = anteroom_client::Limits { unacked_messages_max: 4, ..anteroom_client::Limits::default() };
        let accepted =
            anteroom_protocol::message::result::HandshakeAccepted { limits, ..support::accepted(Codec::Json) };
        peer.json("handshake_accepted", &serde_json::to_string(&accepted).unwrap()).await;
        peer
    });
    let client = client.unwrap();
    let (room, ()) = tokio::join!(client.create_room::<Duel>(NewRoom::default()), async {
        let asked = peer.expect("create_room").await;
        peer.admit(&asked, LANE, room_id(1)).await;
    });
    let room = room.unwrap();
    let sending = tokio::spawn(async move {
        for at in 0..200 {
            room.send(&Action::Strike { at }).await.unwrap();
        }
        room
    });
    for n in 2..6 {
        assert_eq!(peer.expect("strike").await.n, Some(n));
    }
    let more = timeout(Duration::from_secs(10), peer.next()).await;
    assert!(more.is_err(), "{more:?}");
    assert!(!sending.is_finished());
    // An answer is as good as an acknowledgement, and so is a refusal in the room's place.
    peer.ack(LANE, 3).await;
    for n in 6..8 {
        assert_eq!(peer.expect("strike").await.n, Some(n));
    }
    for n in 8..202 {
        peer.ack(LANE, n - 4).await;
        assert_eq!(peer.expect("strike").await.n, Some(n));
    }
    drop(sending.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_is_unreliable_has_no_number_and_is_not_kept() {
    let (client, mut peer, mut dials, room) = lasting_in_room(Codec::Bincode).await;
    room.send_unreliable(&Action::Strike { at: 1 }).unwrap();
    // Too long for a datagram.
    let long = Action::Say { words: "x".repeat(900) };
    room.send_unreliable(&long).unwrap();
    for kind in ["strike", "say"] {
        assert_eq!(peer.expect(kind).await.n, None);
    }
    peer.cut();
    reconnecting(&client).await;
    room.send_unreliable(&Action::Strike { at: 2 }).unwrap();
    let mut peer = wanted(&mut dials).await.accept(2);
    peer.reconnect(Codec::Bincode).await;
    peer.go_on("token-1", &[(LANE, room_id(1))]).await;
    peer.open(0, None, 1, 1, false).await;
    peer.open(LANE, Some(room_id(1)), 2, 0, false).await;
    connected(&client).await;
    room.send(&Action::Strike { at: 3 }).await.unwrap();
    assert_eq!(peer.expect("strike").await.n, Some(2));
}
