//! Sessions that lose their connection and go on over another one, with a scripted server, in virtual time.

use anteroom_client::{ClientError, Codec, ErrorCode, Role, RoomEnd, RoomEvent, RoomList};
use anteroom_protocol::envelope::Empty;
use anteroom_protocol::message::push::RoomsChanged;
use anteroom_protocol::message::request::SubscribeRooms;
use anteroom_protocol::message::result::RoomJoined;
use anteroom_protocol::message::resume::{Counts, SessionState as Snapshot, Subscription};
use anteroom_protocol::{Batch, Header, Json, LaneId, Payload};
use tokio::time::timeout;

use crate::support::{
    self, Action, Duel, LANE, View, connected, lasting, lasting_in_room, member, next_event, reconnecting, room_id,
    wanted,
};

#[tokio::test(start_paused = true)]
async fn a_cut_connection_is_replaced_and_nothing_lost_or_doubled() {
    for codec in Codec::ALL {
        let (client, mut peer, mut dials, mut room) = lasting_in_room(codec).await;
        peer.state(LANE, room_id(1), 1).await;
        assert_eq!(next_event(&mut room).await, RoomEvent::State(View { turn: 1 }));
        room.send(&Action::Strike { at: 1 }).await.unwrap();
        assert_eq!(peer.expect("strike").await.n, Some(2));
        peer.cut();
        reconnecting(&client).await;
        // What is said meanwhile waits.
        room.send(&Action::Strike { at: 2 }).await.unwrap();
        let mut peer = wanted(&mut dials).await.accept(2);
        let said = peer.reconnect(codec).await;
        assert_eq!((said.attempt, &*said.resume_token), (1, "token"));
        assert_eq!(said.received, Some(Counts::from([(LaneId(LANE), 2)])));
        // A room's lane may be faster than the answer.
        peer.open(LANE, Some(room_id(1)), 2, 2, false).await;
        peer.state(LANE, room_id(1), 1).await;
        peer.state(LANE, room_id(1), 2).await;
        peer.go_on("token-1", &[(LANE, room_id(1))]).await;
        peer.open(0, None, 1, 1, false).await;
        let again = peer.expect("strike").await;
        assert_eq!(again.n, Some(3), "the first was taken");
        assert_eq!(next_event(&mut room).await, RoomEvent::State(View { turn: 2 }));
        connected(&client).await;
        let (done, ()) = tokio::join!(room.act(&Action::Strike { at: 3 }), async {
            let asked = peer.expect("strike").await;
            assert_eq!(asked.n, Some(4));
            peer.answer_on(LaneId(LANE), Some(room_id(1)), &asked, &Empty {}).await;
        });
        done.unwrap();
        peer.cut();
        let mut peer = wanted(&mut dials).await.accept(3);
        let said = peer.reconnect(codec).await;
        assert_eq!((said.attempt, &*said.resume_token), (2, "token-1"));
        assert_eq!(said.received, Some(Counts::from([(LaneId(LANE), 4)])));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_gets_its_answer_over_another_connection() {
    let (client, mut peer, mut dials, room) = lasting_in_room(Codec::Bincode).await;
    let (done, listed, ponged, ()) =
        tokio::join!(room.act(&Action::Strike { at: 1 }), client.list_rooms(None), client.ping(), async {
            let strike = peer.expect("strike").await;
            let list = peer.expect("list_rooms").await;
            peer.expect("ping").await;
            peer.cut();
            let mut peer = wanted(&mut dials).await.accept(2);
            peer.reconnect(Codec::Bincode).await;
            peer.go_on("token-1", &[(LANE, room_id(1))]).await;
            // The strike was taken and its answer is on the lane; the list was not even read.
            peer.open(LANE, Some(room_id(1)), 2, strike.n.unwrap(), false).await;
            peer.answer_on(LaneId(LANE), Some(room_id(1)), &strike, &Empty {}).await;
            peer.open(0, None, 1, 1, false).await;
            let again = peer.expect("list_rooms").await;
            assert_eq!((again.n, &again.reference), (list.n, &list.reference));
            let ping = peer.expect("ping").await;
            peer.answer(&again, &RoomList { rooms: Vec::new(), total: 7, next: None }).await;
            let pong = anteroom_protocol::message::result::Pong { ts: Default::default(), server_time_ms: 1 };
            let header = Header { reference: ping.reference.as_ref(), ..Header::new("pong") };
            peer.send(LaneId::CONTROL, Batch::one(Codec::Bincode, &header, &pong).unwrap()).await;
        });
    done.unwrap();
    ponged.unwrap();
    assert_eq!(listed.unwrap().total, 7);
    // A round trip over two connections says nothing about either.
    assert_eq!(client.rtt(), None);
}

#[tokio::test(start_paused = true)]
async fn a_join_whose_answer_was_lost_brings_its_room() {
    let (client, mut peer, mut dials) = lasting(Codec::Json).await;
    let (room, ()) = tokio::join!(client.quick_join::<Duel>(), async {
        let asked = peer.expect("join_room").await;
        peer.cut();
        let mut peer = wanted(&mut dials).await.accept(2);
        assert_eq!(peer.reconnect(Codec::Json).await.received, Some(Counts::new()));
        peer.go_on("token-1", &[(LANE, room_id(1))]).await;
        peer.open(0, None, 1, 1, false).await;
        peer.open(LANE, Some(room_id(1)), 1, 0, false).await;
        peer.admit(&asked, LANE, room_id(1)).await;
    });
    assert_eq!(room.unwrap().room_id(), room_id(1));
}

#[tokio::test(start_paused = true)]
async fn a_join_whose_answer_a_gap_has_swallowed_is_undone() {
    let (client, mut peer, mut dials) = lasting(Codec::Json).await;
    let (room, peer) = tokio::join!(client.quick_join::<Duel>(), async {
        peer.expect("join_room").await;
        peer.cut();
        let mut peer = wanted(&mut dials).await.accept(2);
        peer.reconnect(Codec::Json).await;
        peer.go_on("token-1", &[(LANE, room_id(1))]).await;
        peer.open(0, None, 1, 1, false).await;
        peer.open(LANE, Some(room_id(1)), 5, 0, true).await;
        let joined = peer.joined(LANE, room_id(1));
        peer.snapshot(&joined).await;
        peer
    });
    assert_eq!(room.err(), Some(ClientError::OutcomeUnknown));
    let mut peer = peer;
    assert_eq!(peer.expect("leave_room").await.room_id, Some(room_id(1).to_string()));
}

#[tokio::test(start_paused = true)]
async fn of_two_joins_the_one_whose_answer_a_gap_has_swallowed_fails() {
    let (client, mut peer, mut dials) = lasting(Codec::Json).await;
    let join = |number| client.join_room::<Duel>(room_id(number), Role::Player);
    let (first, ()) = tokio::join!(join(1), async {
        let asked = peer.expect("join_room").await;
        let (second, mut peer) = tokio::join!(join(2), async {
            peer.expect("join_room").await;
            peer.cut();
            let mut peer = wanted(&mut dials).await.accept(2);
            peer.reconnect(Codec::Json).await;
            peer.go_on("token-1", &[(2, room_id(2))]).await;
            peer.open(0, None, 1, 2, false).await;
            // The second has ended meanwhile, and all that is left of it is its last message.
            peer.open(2, Some(room_id(2)), 5, 0, true).await;
            peer.close_room(2, room_id(2)).await;
            peer
        });
        assert_eq!(second.err(), Some(ClientError::OutcomeUnknown));
        peer.admit(&asked, LANE, room_id(1)).await;
    });
    assert_eq!(first.unwrap().room_id(), room_id(1));
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_told_before_the_state_as_it_is_now() {
    for codec in Codec::ALL {
        let (client, mut peer, mut dials, mut room) = lasting_in_room(codec).await;
        let (done, mut peer) = tokio::join!(room.act(&Action::Strike { at: 1 }), async {
            let strike = peer.expect("strike").await;
            peer.cut();
            let mut peer = wanted(&mut dials).await.accept(2);
            peer.reconnect(codec).await;
            peer.go_on("token-1", &[(LANE, room_id(1))]).await;
            peer.open(0, None, 1, 1, false).await;
            peer.open(LANE, Some(room_id(1)), 9, strike.n.unwrap(), true).await;
            let members = vec![member("ada", Some(0)), member("bob", Some(1))];
            let view = Payload::encode(codec, &View { turn: 8 }).unwrap();
            let now = RoomJoined { members, view, ..peer.joined(LANE, room_id(1)) };
            peer.snapshot(&now).await;
            peer
        });
        assert_eq!(done, Err(ClientError::OutcomeUnknown));
        assert_eq!(next_event(&mut room).await, RoomEvent::Gap { missed: 7 });
        assert_eq!(room.members().len(), 2);
        assert_eq!(next_event(&mut room).await, RoomEvent::State(View { turn: 8 }));
        peer.state(LANE, room_id(1), 9).await;
        assert_eq!(next_event(&mut room).await, RoomEvent::State(View { turn: 9 }));
        assert_eq!(*client.gaps().borrow(), 0, "it was the room's own");
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_is_renewed_after_a_gap_of_the_session() {
    let (client, mut peer, mut dials) = lasting(Codec::Bincode).await;
    let summary = |number| anteroom_client::RoomSummary {
        room_id: room_id(number),
        game: "duel".into(),
        name: "A room".into(),
        players: 1,
        seats_max: 2,
        spectators: 0,
        state: anteroom_client::RoomState::Waiting,
        durable: false,
        locked: false,
        has_password: false,
        created_at_ms: 0,
        data: std::collections::BTreeMap::new(),
    };
    let filter = Some(Json::new(&[("free_seats", ">", 0)]).unwrap());
    let which = SubscribeRooms { game: Some("duel".into()), filter };
    let (watch, ()) = tokio::join!(client.watch_rooms(which.clone()), async {
        let asked = peer.expect("subscribe_rooms").await;
        peer.answer(&asked, &RoomList { rooms: vec![summary(1)], total: 1, next: None }).await;
    });
    let mut watch = watch.unwrap();
    peer.cut();
    let mut peer = wanted(&mut dials).await.accept(2);
    peer.reconnect(Codec::Bincode).await;
    peer.go_on("token-1", &[]).await;
    peer.open(0, None, 40, 1, true).await;
    let subscriptions = vec![Subscription { to: "rooms".into(), game: Some("duel".into()), filter: None }];
    let now = Snapshot { subscriptions, ..Snapshot::default() };
    peer.send(LaneId::CONTROL, Batch::one(Codec::Bincode, &Header::new("session_state"), &now).unwrap()).await;
    let asked = peer.expect("subscribe_rooms").await;
    assert_eq!(asked.read::<SubscribeRooms>(), which);
    peer.answer(&asked, &RoomList { rooms: vec![summary(2)], total: 1, next: None }).await;
    assert_eq!(timeout(support::LONG, watch.next()).await.unwrap(), Some(&[summary(2)][..]));
    let changed = RoomsChanged { added: vec![summary(3)], updated: Vec::new(), removed: vec![room_id(2)] };
    peer.send(LaneId::CONTROL, Batch::one(Codec::Bincode, &Header::new("rooms_changed"), &changed).unwrap()).await;
    assert_eq!(timeout(support::LONG, watch.next()).await.unwrap(), Some(&[summary(3)][..]));
    assert_eq!(*client.gaps().borrow(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_room_that_ended_unseen_is_said_to_be_gone() {
    let (_client, mut peer, mut dials, mut room) = lasting_in_room(Codec::Json).await;
    let (done, _peer) = tokio::join!(room.act(&Action::Strike { at: 1 }), async {
        peer.expect("strike").await;
        peer.cut();
        let mut peer = wanted(&mut dials).await.accept(2);
        peer.reconnect(Codec::Json).await;
        peer.go_on("token-1", &[]).await;
        peer.open(0, None, 1, 1, false).await;
        peer
    });
    assert_eq!(done, Err(ClientError::OutcomeUnknown));
    assert_eq!(next_event(&mut room).await, RoomEvent::Closed(RoomEnd::Gone));
    // It is not sent to a room that was left, whoever asks.
    assert!(matches!(
        room.act(&Action::Strike { at: 2 }).await,
        Err(ClientError::Server(error)) if error.code == ErrorCode::NotInRoom
    ));
}

#[tokio::test(start_paused = true)]
async fn a_room_dropped_without_a_connection_is_left_on_the_next() {
    let (client, peer, mut dials, room) = lasting_in_room(Codec::Bincode).await;
    peer.cut();
    reconnecting(&client).await;
    drop(room);
    let mut peer = wanted(&mut dials).await.accept(2);
    peer.reconnect(Codec::Bincode).await;
    peer.go_on("token-1", &[(LANE, room_id(1))]).await;
    peer.open(0, None, 1, 1, false).await;
    peer.open(LANE, Some(room_id(1)), 2, 0, false).await;
    let left = peer.expect("leave_room").await;
    assert_eq!((left.room_id, left.n), (Some(room_id(1).to_string()), Some(2)));
}
