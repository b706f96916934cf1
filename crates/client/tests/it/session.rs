//! How sessions begin and end, over a connection in memory with a scripted server at its other end.

use std::time::Duration;

use anteroom_client::{
    Client, ClientError, CloseCode, Codec, ConnectError, ErrorCode, NewRoom, Role, RoomEnd, RoomEvent, SessionEnd,
    Transport,
};
use anteroom_protocol::message::request::Goodbye;
use anteroom_protocol::{Data, LaneId, SCHEMA, VERSION};
use anteroom_transport::{Closed, TransportConfig, memory};
use tokio::time::timeout;

use crate::support::{self, Duel, Peer, options, room_id, session};

/// Answers the handshake by a script and gives what the client makes of it.
async fn refused(answer: impl AsyncFnOnce(Peer)) -> ConnectError {
    let (near, far) = memory::pair(TransportConfig::default(), 1);
    let (client, ()) = tokio::join!(Client::over(near, options(Codec::Bincode)), async {
        let mut peer = Peer::new(far);
        peer.handshake().await;
        answer(peer).await;
    });
    client.expect_err("it was let in")
}

#[tokio::test]
async fn the_handshake_says_who_and_agrees_on_a_codec() {
    let mut nonces = Vec::new();
    for codec in Codec::ALL {
        let (near, far) = memory::pair(TransportConfig::default(), 1);
        let mut peer = Peer::new(far);
        let (client, handshake) = tokio::join!(Client::over(near, options(codec)), async {
            let handshake = peer.handshake().await;
            peer.accept(codec).await;
            handshake
        });
        let client = client.unwrap();
        assert_eq!((handshake.version, handshake.name.as_deref()), (VERSION, Some("Ada")));
        assert_eq!((handshake.codec, handshake.resume), (Some(codec), true));
        assert_eq!(handshake.schema.as_deref(), (codec == Codec::Bincode).then_some(SCHEMA));
        assert_eq!(handshake.nonce.as_ref().map(String::len), Some(32));
        nonces.push(handshake.nonce);
        assert_eq!((client.username(), client.user_id().as_str()), ("Ada", "ada"));
        assert_eq!((client.transport(), client.codec()), (Transport::Memory, codec));
        assert_eq!(client.grace(), Duration::from_secs(60));
    }
    assert_ne!(nonces[0], nonces[1]);
}

#[tokio::test]
async fn the_server_may_decide_for_json() {
    let (near, far) = memory::pair(TransportConfig::default(), 1);
    let mut peer = Peer::new(far);
    let (client, _) = tokio::join!(Client::over(near, options(Codec::Bincode)), async {
        peer.handshake().await;
        peer.accept(Codec::Json).await;
    });
    let client = client.unwrap();
    assert_eq!(client.codec(), Codec::Json);
    let (joined, ()) = tokio::join!(client.quick_join::<Duel>(), async {
        let asked = peer.expect("join_room").await;
        assert!(matches!(asked.data.data(), Data::Json(_)));
        peer.admit(&asked, 1, room_id(1)).await;
    });
    assert_eq!(joined.unwrap().view().turn, 0);
}

#[tokio::test]
async fn a_refusal_says_why() {
    let error = refused(async |mut peer| peer.json("goodbye", r#"{"code":4505,"reason":"Expired."}"#).await).await;
    assert_eq!(error.to_string(), "the server refused: Expired. (4505)");
    let error = refused(async |peer| peer.connection.close(4500, "").await).await;
    assert!(
        matches!(&error, ConnectError::Refused { code: 4500, reason } if reason == CloseCode::ProtocolVersion.sentence())
    );
    let error = refused(async |mut peer| {
        peer.error(LaneId::CONTROL, None, &support::refusal(ErrorCode::InvalidName)).await;
    });
    assert!(matches!(error.await, ConnectError::Server(error) if error.code == ErrorCode::InvalidName));
    let error = refused(async |peer| drop(peer)).await;
    assert!(matches!(error, ConnectError::Lost(Closed::Lost(_))), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_is_none_is_said_to_be_so() {
    for answer in ["[]", "{", r#"{"type":"pong"}"#, r#"{"type":"handshake_accepted","data":{"session_id":"x"}}"#] {
        let error = refused(async |mut peer| peer.raw(LaneId::CONTROL, Codec::Json, answer.as_bytes()).await).await;
        assert!(matches!(error, ConnectError::InvalidAnswer(_)), "{answer}: {error:?}");
    }
    let (near, far) = memory::pair(TransportConfig::default(), 1);
    let mut peer = Peer::new(far);
    let (client, ()) = tokio::join!(Client::over(near, options(Codec::Json)), async {
        peer.handshake().await;
        peer.accept(Codec::Bincode).await;
    });
    assert!(matches!(client, Err(ConnectError::InvalidAnswer(_))), "bincode was not asked for");
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_given_up() {
    let (near, far) = memory::pair(TransportConfig::default(), 1);
    let mut peer = Peer::new(far);
    let (client, _) = tokio::join!(Client::over(near, options(Codec::Json)), peer.handshake());
    assert!(matches!(client, Err(ConnectError::Timeout(after)) if after == Duration::from_secs(10)));
}

#[tokio::test]
async fn the_servers_goodbye_ends_everything_with_its_code() {
    for codec in Codec::ALL {
        for seed in 0..8 {
            let (client, mut peer) = session(codec, seed).await;
            let (room, ()) = tokio::join!(client.create_room::<Duel>(NewRoom::default()), async {
                let asked = peer.expect("create_room").await;
                peer.admit(&asked, 1, room_id(1)).await;
            });
            let mut room = room.unwrap();
            let (pending, ()) = tokio::join!(client.ping(), async {
                peer.expect("ping").await;
                peer.json("goodbye", r#"{"code":4000,"reason":"Back at noon."}"#).await;
                // What a room says last arrives, although it comes on another lane.
                peer.state(1, room_id(1), 5).await;
                peer.connection.close(4000, "Back at noon.").await;
            });
            let end = SessionEnd::ByServer { code: 4000, reason: "Back at noon.".into() };
            assert_eq!(pending, Err(ClientError::Closed(end.clone())));
            assert_eq!(client.ended().await, end);
            assert_eq!(client.ping().await, Err(ClientError::Closed(end.clone())));
            assert!(matches!(room.next().await, Some(RoomEvent::State(view)) if view.turn == 5), "seed {seed}");
            assert_eq!(room.next().await, Some(RoomEvent::Closed(RoomEnd::Session(end))));
            assert_eq!(room.next().await, None);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_goodbye_and_lingers_is_left() {
    let (client, mut peer) = session(Codec::Json, 1).await;
    peer.json("goodbye", r#"{"code":4000,"reason":""}"#).await;
    let (end, (said, closed)) = tokio::join!(client.ended(), peer.rest());
    assert_eq!(end, SessionEnd::ByServer { code: 4000, reason: CloseCode::ShuttingDown.sentence().into() });
    assert!(said.is_empty());
    assert_eq!(closed, Closed::ByPeer { code: 1000, reason: String::new() });
}

#[tokio::test]
async fn what_is_no_message_ends_the_session_and_is_told() {
    let garbage: [(Codec, Codec, &[u8]); 4] = [
        (Codec::Json, Codec::Json, br#"{"type":}"#),
        (Codec::Json, Codec::Bincode, &[4]),
        (Codec::Bincode, Codec::Bincode, &[200, 1, 2]),
        (Codec::Bincode, Codec::Json, br#"{"type":"game_state","data":{}}"#),
    ];
    for (spoken, codec, payload) in garbage {
        let (client, mut peer) = session(spoken, 1).await;
        peer.raw(LaneId::CONTROL, codec, payload).await;
        let end = timeout(support::LONG, client.ended()).await.unwrap();
        assert!(matches!(end, SessionEnd::Malformed(_)), "{payload:?}: {end:?}");
        let (said, closed) = peer.rest().await;
        assert!(matches!(closed, Closed::ByPeer { code: 4501, .. }), "{closed:?}");
        assert_eq!(said.last().unwrap().kind, "goodbye");
        assert!(matches!(client.list_rooms(None).await, Err(ClientError::Closed(SessionEnd::Malformed(_)))));
    }
}

#[tokio::test]
async fn closing_and_dropping_say_goodbye() {
    for codec in Codec::ALL {
        for drops in [false, true] {
            let (client, peer) = session(codec, 1).await;
            let ((said, closed), ()) =
                tokio::join!(peer.rest(), async { if drops { drop(client) } else { client.close().await } });
            assert_eq!(closed, Closed::ByPeer { code: 1000, reason: String::new() });
            let [goodbye] = &said[..] else { panic!("{said:?}") };
            let Data::Json(text) = goodbye.data.data() else { panic!("a goodbye is JSON") };
            assert_eq!(goodbye.kind, "goodbye");
            assert_eq!(serde_json::from_str::<Goodbye>(text).unwrap().code, 1000);
        }
    }
}

#[tokio::test]
async fn a_session_that_is_dropped_ends_its_rooms() {
    let (client, mut peer) = session(Codec::Bincode, 1).await;
    let (room, ()) = tokio::join!(client.quick_join::<Duel>(), async {
        let asked = peer.expect("join_room").await;
        peer.admit(&asked, 1, room_id(1)).await;
    });
    let mut room = room.unwrap();
    drop(client);
    let end = RoomEnd::Session(SessionEnd::ByClient);
    assert_eq!(timeout(support::LONG, room.next()).await.unwrap(), Some(RoomEvent::Closed(end)));
    let done = room.act(&support::Action::Strike { at: 1 }).await;
    assert_eq!(done, Err(ClientError::Closed(SessionEnd::ByClient)));
    assert_eq!(peer.rest().await.1, Closed::ByPeer { code: 1000, reason: String::new() });
}

#[tokio::test]
async fn a_lost_connection_ends_the_rooms() {
    let (client, mut peer) = session(Codec::Bincode, 1).await;
    let (room, ()) = tokio::join!(client.join_room::<Duel>(room_id(1), Role::Player), async {
        let asked = peer.expect("join_room").await;
        peer.admit(&asked, 1, room_id(1)).await;
    });
    let mut room = room.unwrap();
    drop(peer);
    let end = timeout(support::LONG, client.ended()).await.unwrap();
    assert!(matches!(&end, SessionEnd::Lost(Closed::Lost(_))), "{end:?}");
    assert_eq!(room.next().await, Some(RoomEvent::Closed(RoomEnd::Session(end))));
}

#[tokio::test(start_paused = true)]
async fn silence_ends_the_session() {
    let (client, peer) = session(Codec::Bincode, 1).await;
    assert_eq!(client.ended().await, SessionEnd::Lost(Closed::Silence));
    drop(peer);
}
