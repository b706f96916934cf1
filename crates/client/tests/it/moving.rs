//! Sessions that move from one living connection to another, with a scripted server, in virtual time.

use std::sync::Arc;
use std::time::Duration;

use anteroom_client::{
    Client, Codec, ConnectError, ErrorCode, Role, Room, RoomEvent, SessionState, Transport, TransportChoice,
};
use anteroom_protocol::envelope::Empty;
use anteroom_protocol::message::resume::Counts;
use anteroom_protocol::{Batch, Header, LaneId};
use anteroom_transport::Closed;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::support::{self, Action, Duel, Peer, View, Wanted, lasting, room_id, wanted};

const LANE: u32 = 1;

/// A session in one room.
struct Playing {
    client: Arc<Client>,
    peer: Peer,
    dials: mpsc::Receiver<Wanted>,
    room: Room<Duel>,
}

impl Playing {
    async fn begin(codec: Codec) -> Self {
        let (client, mut peer, dials) = lasting(codec).await;
        let (room, ()) = tokio::join!(client.join_room(room_id(1), Role::Player), async {
            let asked = peer.expect("join_room").await;
            peer.admit(&asked, LANE, room_id(1)).await;
        });
        Self { client: Arc::new(client), peer, dials, room: room.unwrap() }
    }

    fn move_to(&self, choice: TransportChoice) -> JoinHandle<Result<(), ConnectError>> {
        let client = self.client.clone();
        tokio::spawn(async move { client.move_to(choice).await })
    }

    /// The next connection, on which the client asks to go on beside the one there is.
    async fn beside(&mut self, codec: Codec) -> Peer {
        let mut peer = wanted(&mut self.dials).await.accept(2);
        assert_eq!(peer.reconnect(codec).await.received, None);
        peer
    }

    async fn turn(&mut self, turn: u32) {
        let event = timeout(support::LONG, self.room.next()).await.expect("nothing happens");
        assert_eq!(event, Some(RoomEvent::State(View { turn })));
    }
}

async fn done(moving: JoinHandle<Result<(), ConnectError>>) -> Result<(), ConnectError> {
    timeout(support::LONG, moving).await.expect("the move does not end").unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_session_moves_while_everything_flows() {
    for codec in Codec::ALL {
        for to in [TransportChoice::WebTransport, TransportChoice::WebSocket] {
            let mut playing = Playing::begin(codec).await;
            let moving = playing.move_to(to);
            let asked = wanted(&mut playing.dials).await;
            assert_eq!((asked.choice, asked.codec), (to, codec));
            let mut new = asked.accept(2);
            assert_eq!(new.reconnect(codec).await.received, None);
            // Nothing has moved yet.
            playing.peer.state(LANE, room_id(1), 1).await;
            playing.turn(1).await;
            playing.room.send(&Action::Strike { at: 1 }).await.unwrap();
            assert_eq!(playing.peer.expect("strike").await.n, Some(2));
            new.go_on("token-1", &[(LANE, room_id(1))]).await;
            assert_eq!(new.resume().await, Counts::from([(LaneId(LANE), 2)]));
            let from = Transport::Memory;
            assert_eq!(playing.client.state(), SessionState::Moving { from, to });
            // The old connection brings what was on its way, and what is said waits for the new one.
            playing.peer.state(LANE, room_id(1), 2).await;
            playing.turn(2).await;
            playing.room.send(&Action::Strike { at: 2 }).await.unwrap();
            new.open(LANE, Some(room_id(1)), 3, 1, false).await;
            new.state(LANE, room_id(1), 2).await;
            new.state(LANE, room_id(1), 3).await;
            // The first one was overtaken by the move: the room has not taken it.
            for n in [2, 3] {
                assert_eq!(new.expect("strike").await.n, Some(n));
            }
            playing.turn(3).await;
            assert!(!moving.is_finished());
            new.open(0, None, 1, 1, false).await;
            done(moving).await.unwrap();
            let transport = if to == TransportChoice::WebSocket { Transport::WebSocket } else { Transport::Memory };
            assert_eq!(playing.client.state(), SessionState::Connected { transport });
            assert_eq!(playing.client.transport(), transport);
            playing.peer.json("goodbye", r#"{"code":4003,"reason":""}"#).await;
            playing.peer.connection.close(4003, "").await;
            new.state(LANE, room_id(1), 4).await;
            let room = &mut playing.room;
            assert_eq!(room.next().await, Some(RoomEvent::State(View { turn: 4 })));
            let (acted, ()) = tokio::join!(room.act(&Action::Strike { at: 3 }), async {
                let asked = new.expect("strike").await;
                new.answer_on(LaneId(LANE), Some(room_id(1)), &asked, &Empty {}).await;
            });
            acted.unwrap();
            // From now on it comes back the same way.
            new.cut();
            assert_eq!(wanted(&mut playing.dials).await.choice, to);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_move_that_fails_leaves_everything_as_it_was() {
    let mut playing = Playing::begin(Codec::Json).await;
    let moving = playing.move_to(TransportChoice::WebSocket);
    wanted(&mut playing.dials).await.refuse();
    assert!(matches!(done(moving).await, Err(ConnectError::Dial(_))));
    // Nor does a server that refuses harm the session.
    let moving = playing.move_to(TransportChoice::WebSocket);
    let mut new = playing.beside(Codec::Json).await;
    let text = r#"{"type":"reconnect_result","success":false,"error":{"code":"session_unknown","message":"No.",
        "retryable":false}}"#;
    new.raw(LaneId::CONTROL, Codec::Json, text.as_bytes()).await;
    assert!(matches!(done(moving).await, Err(ConnectError::Ended(_))));
    let moving = playing.move_to(TransportChoice::WebSocket);
    playing.beside(Codec::Json).await.cut();
    assert!(matches!(done(moving).await, Err(ConnectError::Lost(_))));
    assert_eq!(playing.client.state(), SessionState::Connected { transport: Transport::Memory });
    playing.peer.state(LANE, room_id(1), 1).await;
    playing.turn(1).await;
    playing.peer.cut();
    let asked = wanted(&mut playing.dials).await;
    assert_eq!(asked.choice, TransportChoice::Quic);
    let said = asked.accept(3).reconnect(Codec::Json).await;
    assert_eq!((said.attempt, &*said.resume_token), (3, "token"));
}

#[tokio::test(start_paused = true)]
async fn a_later_move_breaks_off_an_earlier_one() {
    let mut playing = Playing::begin(Codec::Json).await;
    let first = playing.move_to(TransportChoice::WebSocket);
    let silent = wanted(&mut playing.dials).await;
    let second = playing.move_to(TransportChoice::WebTransport);
    assert!(matches!(done(first).await, Err(ConnectError::BrokenOff)));
    let mut new = playing.beside(Codec::Json).await;
    assert!(silent.is_given_up());
    new.go_on("token-1", &[(LANE, room_id(1))]).await;
    new.resume().await;
    new.open(0, None, 1, 1, false).await;
    new.open(LANE, Some(room_id(1)), 2, 0, false).await;
    done(second).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_move_whose_connection_breaks_becomes_a_resume() {
    for refused in [false, true] {
        let mut playing = Playing::begin(Codec::Bincode).await;
        let moving = playing.move_to(TransportChoice::WebTransport);
        let mut new = playing.beside(Codec::Bincode).await;
        new.go_on("token-1", &[(LANE, room_id(1))]).await;
        new.resume().await;
        playing.peer.state(LANE, room_id(1), 1).await;
        playing.turn(1).await;
        if refused {
            let error = support::refusal(ErrorCode::InvalidData);
            let header = Header { success: Some(false), error: Some(&error), ..Header::new("resume_result") };
            new.send(LaneId::CONTROL, Batch::one(Codec::Bincode, &header, &Empty {}).unwrap()).await;
        } else {
            new.cut();
        }
        assert!(matches!(done(moving).await, Err(ConnectError::BrokenOff)));
        let mut last = wanted(&mut playing.dials).await.accept(4);
        let said = last.reconnect(Codec::Bincode).await;
        assert_eq!(said.received, Some(Counts::from([(LaneId(LANE), 2)])));
        assert_eq!((said.attempt, &*said.resume_token), (2, "token-1"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_takes_its_move_along() {
    let mut playing = Playing::begin(Codec::Json).await;
    let moving = playing.move_to(TransportChoice::WebTransport);
    let _new = playing.beside(Codec::Json).await;
    playing.peer.cut();
    assert!(matches!(done(moving).await, Err(ConnectError::BrokenOff)));
    let asked = wanted(&mut playing.dials).await;
    assert_eq!(asked.choice, TransportChoice::Quic);
    let said = asked.accept(3).reconnect(Codec::Json).await;
    assert_eq!((said.attempt, said.received), (2, Some(Counts::from([(LaneId(LANE), 1)]))));
}

#[tokio::test(start_paused = true)]
async fn a_move_may_be_asked_for_while_there_is_no_connection() {
    let mut playing = Playing::begin(Codec::Json).await;
    playing.peer.cut();
    let silent = wanted(&mut playing.dials).await;
    assert_eq!(silent.choice, TransportChoice::Quic);
    let client = playing.client.clone();
    let moving = tokio::spawn(async move { client.move_to(TransportChoice::WebSocket).await });
    let asked = wanted(&mut playing.dials).await;
    assert_eq!(asked.choice, TransportChoice::WebSocket);
    let mut peer = asked.accept(2);
    assert!(peer.reconnect(Codec::Json).await.received.is_some());
    peer.go_on("token-1", &[(LANE, room_id(1))]).await;
    peer.open(0, None, 1, 1, false).await;
    done(moving).await.unwrap();
    assert_eq!(playing.client.transport(), Transport::WebSocket);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_close_the_old_connection_is_not_waited_for() {
    let mut playing = Playing::begin(Codec::Json).await;
    let moving = playing.move_to(TransportChoice::WebTransport);
    let mut new = playing.beside(Codec::Json).await;
    new.go_on("token-1", &[(LANE, room_id(1))]).await;
    new.resume().await;
    new.open(0, None, 1, 1, false).await;
    new.open(LANE, Some(room_id(1)), 2, 0, false).await;
    done(moving).await.unwrap();
    let moved = Instant::now();
    let (said, closed) = playing.peer.rest().await;
    assert!(said.is_empty() && matches!(closed, Closed::Lost(_)), "{said:?} {closed:?}");
    assert!(moved.elapsed() <= Duration::from_secs(2));
    // A further move can begin, and goes on from there.
    let client = playing.client.clone();
    let moving = tokio::spawn(async move { client.move_to(TransportChoice::Quic).await });
    let mut third = wanted(&mut playing.dials).await.accept(5);
    let said = third.reconnect(Codec::Json).await;
    assert_eq!((said.attempt, &*said.resume_token, said.received), (2, "token-1", None));
    third.go_on("token-2", &[(LANE, room_id(1))]).await;
    assert_eq!(third.resume().await, Counts::from([(LaneId(LANE), 1)]));
    third.open(0, None, 1, 1, false).await;
    third.open(LANE, Some(room_id(1)), 2, 0, false).await;
    done(moving).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_a_way_to_another_connection_there_is_no_move() {
    let (client, _peer) = support::session(Codec::Json, 1).await;
    assert!(matches!(client.move_to(TransportChoice::Quic).await, Err(ConnectError::NoDial)));
    drop(client);
}
