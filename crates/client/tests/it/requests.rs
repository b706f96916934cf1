//! Requests of the session itself: who gets which answer, what is bounded, and what dropping one leaves behind.

use std::time::Duration;

use anteroom_client::{ClientError, Codec, ErrorCode, NewRoom, RoomList, RoomState, RoomSummary};
use anteroom_protocol::envelope::Empty;
use anteroom_protocol::message::push::RoomsChanged;
use anteroom_protocol::message::request::{ListRooms, Ping};
use anteroom_protocol::message::result::Pong;
use anteroom_protocol::{Batch, Header, LaneId};
use tokio::time::{advance, timeout};

use crate::support::{self, Asked, Duel, Peer, refusal, room_id, session};

fn list(total: u32) -> RoomList {
    RoomList { rooms: Vec::new(), total, next: None }
}

fn summary(number: u128) -> RoomSummary {
    RoomSummary {
        room_id: room_id(number),
        game: "duel".into(),
        name: "A room".into(),
        players: 1,
        seats_max: 2,
        spectators: 0,
        state: RoomState::Waiting,
        durable: false,
        locked: false,
        has_password: false,
        created_at_ms: 0,
        data: std::collections::BTreeMap::new(),
    }
}

async fn pong(peer: &mut Peer, asked: &Asked) {
    let Ping { ts } = asked.read();
    let header = Header { reference: asked.reference.as_ref(), ..Header::new("pong") };
    let pong = Pong { ts, server_time_ms: 1 };
    peer.send(LaneId::CONTROL, Batch::one(peer.codec, &header, &pong).unwrap()).await;
}

#[tokio::test]
async fn answers_may_come_in_any_order() {
    for codec in Codec::ALL {
        let (client, mut peer) = session(codec, 1).await;
        let (first, second, third, ()) = tokio::join!(
            client.list_rooms(Some("duel")),
            client.create_room::<Duel>(NewRoom::default()),
            client.list_rooms(None),
            async {
                let [first, second, third] = [peer.next().await, peer.next().await, peer.next().await];
                assert_eq!(first.read::<ListRooms>().game.as_deref(), Some("duel"));
                peer.answer(&third, &list(3)).await;
                peer.refuse(&second, &refusal(ErrorCode::LimitReached)).await;
                peer.answer(&first, &list(1)).await;
            }
        );
        assert_eq!((first.unwrap().total, third.unwrap().total), (1, 3));
        assert!(matches!(second, Err(ClientError::Server(error)) if error.code == ErrorCode::LimitReached));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_is_given_up_after_its_time_and_a_late_answer_ignored() {
    let (client, mut peer) = session(Codec::Bincode, 1).await;
    let (late, asked) = tokio::join!(client.list_rooms(None), peer.expect("list_rooms"));
    assert_eq!(late, Err(ClientError::Timeout(Duration::from_secs(10))));
    peer.answer(&asked, &list(1)).await;
    let (next, ()) = tokio::join!(client.list_rooms(None), async {
        let asked = peer.expect("list_rooms").await;
        peer.answer(&asked, &list(2)).await;
    });
    assert_eq!(next.unwrap().total, 2);
}

#[tokio::test]
async fn an_answer_of_another_shape_fails_that_request_alone() {
    for codec in Codec::ALL {
        let (client, mut peer) = session(codec, 1).await;
        let (answered, ()) = tokio::join!(client.list_rooms(None), async {
            let asked = peer.expect("list_rooms").await;
            peer.answer(&asked, &Empty {}).await;
        });
        assert!(matches!(answered, Err(ClientError::InvalidAnswer(_))), "{answered:?}");
        let (answered, ()) = tokio::join!(client.quick_join::<Duel>(), async {
            let asked = peer.expect("join_room").await;
            peer.answer_on(LaneId(1), Some(room_id(1)), &asked, &Empty {}).await;
            // A room that this client cannot understand is left again.
            assert_eq!(peer.expect("leave_room").await.room_id, Some(room_id(1).to_string()));
        });
        assert!(matches!(answered, Err(ClientError::InvalidAnswer(_))), "{answered:?}");
    }
}

#[tokio::test]
async fn waiting_requests_are_bounded_and_dropped_ones_forgotten() {
    let (client, mut peer) = session(Codec::Bincode, 1).await;
    // Each is sent, and dropped without an answer.
    for _ in 0..1000 {
        tokio::select! {
            answered = client.ping() => panic!("{answered:?}"),
            _ = peer.expect("ping") => {}
        }
    }
    let waiting = async { tokio::join!(client.ping(), client.list_rooms(None)) };
    let ((ponged, listed), ()) = tokio::join!(waiting, async {
        let asked = peer.expect("ping").await;
        pong(&mut peer, &asked).await;
        let asked = peer.expect("list_rooms").await;
        peer.answer(&asked, &list(1)).await;
    });
    assert!(ponged.is_ok() && listed.is_ok());

    let client = std::sync::Arc::new(client);
    let many: Vec<_> = (0..256)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.list_rooms(None).await })
        })
        .collect();
    let mut asked = Vec::new();
    for _ in 0..256 {
        asked.push(peer.expect("list_rooms").await);
    }
    assert_eq!(client.list_rooms(None).await, Err(ClientError::Busy { max: 256 }));
    for asked in &asked {
        peer.answer(asked, &list(7)).await;
    }
    for answered in many {
        assert_eq!(answered.await.unwrap().unwrap().total, 7);
    }
}

#[tokio::test(start_paused = true)]
async fn a_ping_measures_the_round_trip() {
    let (client, mut peer) = session(Codec::Json, 1).await;
    assert_eq!(client.rtt(), None);
    let (took, ()) = tokio::join!(client.ping(), async {
        let asked = peer.expect("ping").await;
        advance(Duration::from_millis(80)).await;
        pong(&mut peer, &asked).await;
    });
    assert_eq!((took.unwrap(), client.rtt()), (Duration::from_millis(80), Some(Duration::from_millis(80))));
}

#[tokio::test]
async fn a_subscription_follows_the_list_and_ends_when_it_is_dropped() {
    for codec in Codec::ALL {
        let (client, mut peer) = session(codec, 1).await;
        let subscribe = async |peer: &mut Peer, list: &RoomList| {
            let asked = peer.expect("subscribe_rooms").await;
            peer.answer(&asked, list).await;
        };
        let first_list = RoomList { rooms: vec![summary(1)], total: 1, next: None };
        let (watch, ()) = tokio::join!(client.subscribe_rooms(Some("duel")), subscribe(&mut peer, &first_list));
        let mut watch = watch.unwrap();
        assert_eq!(watch.rooms(), [summary(1)]);
        let changed = RoomsChanged { added: vec![summary(2)], updated: Vec::new(), removed: vec![room_id(1)] };
        let tell = async |peer: &mut Peer, changed: &RoomsChanged| {
            peer.send(LaneId::CONTROL, Batch::one(codec, &Header::new("rooms_changed"), changed).unwrap()).await;
        };
        tell(&mut peer, &changed).await;
        assert_eq!(timeout(support::LONG, watch.next()).await.unwrap(), Some(&[summary(2)][..]));

        // Whoever did not read so fast gets the whole list, and nothing was asked for it.
        let header = Header { success: Some(true), ..Header::new("subscribe_rooms_result") };
        peer.send(LaneId::CONTROL, Batch::one(codec, &header, &first_list).unwrap()).await;
        assert_eq!(timeout(support::LONG, watch.next()).await.unwrap(), Some(&[summary(1)][..]));

        // A second subscription ends the first, whose last changes may still be on their way.
        let (second, ()) = tokio::join!(client.subscribe_rooms(None), async {
            let asked = peer.expect("subscribe_rooms").await;
            tell(&mut peer, &changed).await;
            peer.answer(&asked, &list(0)).await;
        });
        let second = second.unwrap();
        assert_eq!(timeout(support::LONG, watch.next()).await.unwrap(), None);
        assert!(second.rooms().is_empty());
        drop(second);
        tell(&mut peer, &changed).await;
        peer.expect("unsubscribe_rooms").await;
    }
}
