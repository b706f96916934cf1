//! A server that is started anew and has kept the session: it is waited for, and nothing is taken for something else.

use std::time::Duration;

use anteroom_client::{
    ClientError, CloseCode, Closed, Codec, NewRoom, Role, RoomEvent, RoomId, RoomList, SessionState,
};
use anteroom_protocol::envelope::Empty;
use anteroom_protocol::message::resume::{Counts, SessionState as Snapshot};
use anteroom_protocol::{Batch, Header, LaneId};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::support::{
    self, Action, Duel, LANE, Peer, View, Wanted, connected, lasting, lasting_in_room, next_event, reconnecting,
    room_id, state, wanted,
};

/// Where the counts of a generation begin.
const fn base(generation: u16) -> u64 {
    (generation as u64) << 32
}

/// Goes on as a server does that knows the session from what it has stored: control with a gap and its snapshot.
async fn started_anew(dials: &mut mpsc::Receiver<Wanted>, codec: Codec, lanes: &[(u32, RoomId)], applied: u64) -> Peer {
    let mut peer = wanted(dials).await.accept(2);
    peer.reconnect(codec).await;
    peer.go_on("token-1", lanes).await;
    peer.open(0, None, base(1) + 1, applied, true).await;
    let now = Batch::one(codec, &Header::new("session_state"), &Snapshot::default()).unwrap();
    peer.send(LaneId::CONTROL, now).await;
    peer
}

#[tokio::test(start_paused = true)]
async fn a_server_that_goes_is_waited_for_and_the_match_goes_on() {
    for codec in Codec::ALL {
        let (client, mut peer, mut dials, mut room) = lasting_in_room(codec).await;
        peer.state(LANE, room_id(1), 1).await;
        assert_eq!(next_event(&mut room).await, RoomEvent::State(View { turn: 1 }));
        room.send(&Action::Strike { at: 1 }).await.unwrap();
        assert_eq!(peer.expect("strike").await.n, Some(2));
        peer.json("goodbye", r#"{"code":4000,"reason":""}"#).await;
        peer.connection.close(CloseCode::ShuttingDown.number(), "").await;
        let SessionState::Reconnecting { why, since, .. } = reconnecting(&client).await else { unreachable!() };
        assert!(matches!(why, Closed::ByPeer { code: 4000, .. }), "{why:?}");
        while since.elapsed() < Duration::from_secs(50 * 60) {
            wanted(&mut dials).await.refuse();
        }
        assert!(matches!(client.state(), SessionState::Reconnecting { why: still, .. } if still == why));

        let mut peer = started_anew(&mut dials, codec, &[(LANE, room_id(1))], 1).await;
        connected(&client).await;
        peer.open(LANE, Some(room_id(1)), base(1) + 1, 0, true).await;
        peer.snapshot(&peer.joined(LANE, room_id(1))).await;
        let again = peer.expect("strike").await;
        assert_eq!(again.n, Some(2), "the server had not taken it");
        assert_eq!(next_event(&mut room).await, RoomEvent::Gap { missed: 0 });
        assert_eq!(next_event(&mut room).await, RoomEvent::State(View { turn: 0 }));
        peer.state(LANE, room_id(1), 2).await;
        assert_eq!(next_event(&mut room).await, RoomEvent::State(View { turn: 2 }));
        peer.acked(&[(0, base(1) + 1), (LANE, base(1) + 2)]).await;
        let (done, ()) = tokio::join!(room.act(&Action::Strike { at: 2 }), async {
            let asked = peer.expect("strike").await;
            assert_eq!(asked.n, Some(3));
            peer.answer_on(LaneId(LANE), Some(room_id(1)), &asked, &Empty {}).await;
        });
        done.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_join_that_was_carried_out_is_answered_when_it_comes_again() {
    for codec in Codec::ALL {
        for (is_announced, is_control_first) in [(false, false), (false, true), (true, false), (true, true)] {
            let (client, mut peer, mut dials) = lasting(codec).await;
            let (room, (mut peer, asked)) = tokio::join!(client.quick_join::<Duel>(), async {
                let asked = peer.expect("join_room").await;
                peer.cut();
                let mut peer = wanted(&mut dials).await.accept(2);
                peer.reconnect(codec).await;
                peer.go_on("token-1", &[(LANE, room_id(1))]).await;
                if is_control_first {
                    peer.open(0, None, 1, 0, false).await;
                }
                peer.open(LANE, Some(room_id(1)), base(1) + 1, 0, true).await;
                if is_announced {
                    peer.snapshot(&peer.joined(LANE, room_id(1))).await;
                    peer.state(LANE, room_id(1), 1).await;
                }
                if !is_control_first {
                    peer.open(0, None, 1, 0, false).await;
                }
                let again = peer.expect("join_room").await;
                assert_eq!((again.n, &again.reference), (asked.n, &asked.reference));
                peer.admit(&again, LANE, room_id(1)).await;
                (peer, again)
            });
            let mut room = room.unwrap();
            assert_eq!(room.room_id(), room_id(1));
            peer.ack(0, asked.n.unwrap()).await;
            peer.state(LANE, room_id(1), 5).await;
            assert_eq!(next_event(&mut room).await, RoomEvent::State(View { turn: 5 }), "{is_announced}");
            room.send(&Action::Strike { at: 1 }).await.unwrap();
            peer.expect("strike").await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_rooms_that_are_made_at_once_each_comes_to_whom_it_was_made_for() {
    let (client, mut peer, mut dials) = lasting(Codec::Bincode).await;
    let create = || client.create_room::<Duel>(NewRoom::default());
    let (first, second, ()) = tokio::join!(create(), create(), async {
        let asked = [peer.expect("create_room").await, peer.expect("create_room").await];
        peer.cut();
        let lanes = [(1, room_id(1)), (2, room_id(2))];
        let mut peer = wanted(&mut dials).await.accept(2);
        peer.reconnect(Codec::Bincode).await;
        peer.go_on("token-1", &lanes).await;
        for (lane, room_id) in [lanes[1], lanes[0]] {
            peer.open(lane, Some(room_id), base(1) + 1, 0, true).await;
            peer.snapshot(&peer.joined(lane, room_id)).await;
        }
        peer.open(0, None, 1, 0, false).await;
        for ((lane, room_id), asked) in lanes.into_iter().zip(asked) {
            let again = peer.expect("create_room").await;
            assert_eq!(again.reference, asked.reference);
            peer.admit(&again, lane, room_id).await;
        }
    });
    assert_eq!((first.unwrap().room_id(), second.unwrap().room_id()), (room_id(1), room_id(2)));
}

#[tokio::test(start_paused = true)]
async fn a_room_that_nobody_can_be_given_is_left_once_that_is_known() {
    let (client, mut peer, mut dials) = lasting(Codec::Json).await;
    let (room, mut peer) = tokio::join!(client.join_room::<Duel>(room_id(1), Role::Player), async {
        peer.expect("join_room").await;
        peer.cut();
        let mut peer = wanted(&mut dials).await.accept(2);
        peer.reconnect(Codec::Json).await;
        peer.go_on("token-1", &[(LANE, room_id(1))]).await;
        peer.open(LANE, Some(room_id(1)), base(1) + 1, 0, true).await;
        peer.snapshot(&peer.joined(LANE, room_id(1))).await;
        // It was answered, and the answer is lost.
        peer.open(0, None, 1, 1, false).await;
        peer
    });
    assert_eq!(room.err(), Some(ClientError::OutcomeUnknown));
    assert_eq!(peer.expect("leave_room").await.room_id, Some(room_id(1).to_string()));
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_and_is_not_known_any_more_has_an_unknown_outcome() {
    let (client, mut peer, mut dials) = lasting(Codec::Json).await;
    let (lost, listed, ()) = tokio::join!(client.list_rooms(None), client.list_rooms(Some("duel")), async {
        for _ in 0..2 {
            peer.expect("list_rooms").await;
        }
        peer.ack(0, 1).await;
        sleep(Duration::from_millis(1)).await;
        peer.cut();
        // What the session answers itself is not stored: the server knows of neither.
        let mut peer = started_anew(&mut dials, Codec::Json, &[], 0).await;
        let again = peer.expect("list_rooms").await;
        assert_eq!(again.n, Some(2));
        peer.answer(&again, &RoomList { rooms: Vec::new(), total: 7, next: None }).await;
    });
    assert_eq!(lost, Err(ClientError::OutcomeUnknown));
    assert_eq!(listed.unwrap().total, 7);
}

#[tokio::test(start_paused = true)]
async fn the_largest_lanes_and_counts_there_can_be_are_exact() {
    let lane = u32::MAX;
    for codec in Codec::ALL {
        let (client, mut peer, mut dials) = lasting(codec).await;
        let (room, ()) = tokio::join!(client.join_room::<Duel>(room_id(1), Role::Player), async {
            let asked = peer.expect("join_room").await;
            peer.admit(&asked, lane, room_id(1)).await;
        });
        let mut room = room.unwrap();
        peer.open(lane, Some(room_id(1)), base(u16::MAX) + 1, 0, true).await;
        peer.snapshot(&peer.joined(lane, room_id(1))).await;
        for _ in 0..2 {
            next_event(&mut room).await;
        }
        peer.acked(&[(lane, base(u16::MAX) + 1)]).await;
        peer.cut();
        let mut peer = wanted(&mut dials).await.accept(2);
        let said = peer.reconnect(codec).await.received;
        assert_eq!(said, Some(Counts::from([(LaneId(lane), base(u16::MAX) + 1)])));
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_the_server_did_not_keep_is_over_as_soon_as_that_is_known() {
    let (client, mut peer, mut dials, _room) = lasting_in_room(Codec::Json).await;
    peer.json("goodbye", r#"{"code":4000,"reason":""}"#).await;
    peer.connection.close(4000, "").await;
    let lost_at = Instant::now();
    state(&client, |state| matches!(state, SessionState::Reconnecting { .. })).await;
    wanted(&mut dials).await.refuse();
    let mut peer = wanted(&mut dials).await.accept(2);
    peer.reconnect(Codec::Json).await;
    let refusal = r#""error":{"code":"session_unknown","message":"No.","retryable":false}"#;
    let text = format!(r#"{{"type":"reconnect_result","success":false,{refusal}}}"#);
    peer.raw(LaneId::CONTROL, Codec::Json, text.as_bytes()).await;
    let end = timeout(support::LONG, client.ended()).await.unwrap();
    assert_eq!(end, anteroom_client::SessionEnd::Unknown);
    assert!(lost_at.elapsed() < Duration::from_secs(1));
}
