//! The session told by hand what arrives, on pipes that tell lanes and on such that do not.

use anteroom_protocol::message::resume::LaneOfRoom;
use anteroom_protocol::{Codec, Data, Envelope, Header, envelope::Empty};

use super::*;

const FIRST: ConnectionId = ConnectionId(0);
const SECOND: ConnectionId = ConnectionId(1);
const CONTROL: LaneId = LaneId::CONTROL;
const LANE: LaneId = LaneId(3);

fn session() -> Session {
    session_with(Limits::default())
}

fn session_with(limits: Limits) -> Session {
    let accepted = HandshakeAccepted {
        session_id: SessionId::from_bits(1),
        resume_token: "T0".into(),
        user_id: "ada".parse().unwrap(),
        username: "Ada".into(),
        codec: Codec::Json,
        limits,
        grace_ms: 60_000,
        server_time_ms: 0,
    };
    Session::new(&accepted, true, FIRST)
}

fn room_id() -> RoomId {
    RoomId::from_bits(7)
}

fn message<'a>(kind: &'a str, data: &'a str) -> Envelope<'a> {
    Envelope {
        kind: kind.into(),
        reference: None,
        n: None,
        room_id: None,
        latest: None,
        success: None,
        error: None,
        data: Data::Json(data),
    }
}

fn in_room<'a>(kind: &'a str, data: &'a str) -> Envelope<'a> {
    Envelope { room_id: Some(room_id().to_string().into()), ..message(kind, data) }
}

const JOINED: &str = r#"{"lane":3,"room_id":"0000000007","game":"duel","game_version":1,"name":"","seat":0,
    "role":"player","members":[],"view":{}}"#;

fn joined(reference: Option<u64>) -> Envelope<'static> {
    Envelope { reference: reference.map(Into::into), success: Some(true), ..in_room("join_room_result", JOINED) }
}

fn arrive(session: &mut Session, pipe: ConnectionId, lane: Option<LaneId>, message: &Envelope<'_>) -> Arrival {
    session.arrive(0, pipe, lane, message).unwrap()
}

fn opened(
    session: &mut Session,
    pipe: ConnectionId,
    lane: LaneId,
    (next, applied, gap): (u64, u64, bool),
) -> Result<Opened, Violation> {
    let data = format!(r#"{{"lane":{lane},"next":{next},"applied":{applied},"gap":{gap}}}"#);
    let room = format!(r#"{{"lane":{lane},"room_id":"{}","next":{next},"applied":{applied},"gap":{gap}}}"#, room_id());
    let message = if lane == CONTROL { message("lane", &data) } else { in_room("lane", &room) };
    session.arrive(0, pipe, Some(lane), &message).map(|arrival| match arrival {
        Arrival::Opened(opened) => opened,
        other => panic!("{other:?}"),
    })
}

fn upstream(session: &mut Session, lane: LaneId, reference: Option<u64>) -> (u64, bool) {
    let n = session.next_n();
    let batch = Batch::one(Codec::Json, &Header { n: Some(n), ..Header::new("x") }, &Empty {}).unwrap();
    let now = session.keep(Upstream { n, lane, batch: Arc::new(batch) }, reference);
    (n, now.is_some())
}

fn result(lanes: &[LaneId]) -> Reconnected {
    let lanes = lanes.iter().map(|lane| LaneOfRoom { lane: *lane, room_id: room_id() }).collect();
    Reconnected { resume_token: "T1".into(), lanes, last_n: 0 }
}

/// A session in one room, with `count` states received there.
fn playing(count: usize) -> Session {
    let mut session = session();
    assert_eq!(arrive(&mut session, FIRST, Some(LANE), &joined(Some(1))), Arrival::Deliver(LANE));
    for _ in 0..count {
        assert_eq!(arrive(&mut session, FIRST, Some(LANE), &in_room("game_state", "{}")), Arrival::Deliver(LANE));
    }
    session
}

/// The same after its connection was lost, and another one made.
fn back(session: &mut Session, lanes: &[LaneId]) -> Vec<EndedLane> {
    session.lost(FIRST);
    session.reconnect();
    session.reconnected(SECOND, result(lanes))
}

#[test]
fn what_was_received_is_told_and_not_taken_twice() {
    let mut session = playing(2);
    assert_eq!(arrive(&mut session, FIRST, Some(CONTROL), &message("rooms_changed", "{}")), Arrival::Deliver(CONTROL));
    assert_eq!(arrive(&mut session, FIRST, Some(CONTROL), &message("pong", "{}")), Arrival::Deliver(CONTROL));
    session.lost(FIRST);
    let said = session.reconnect();
    assert_eq!((said.attempt, &*said.resume_token, said.fresh), (1, "T0", false));
    assert_eq!(said.received, Some(Counts::from([(CONTROL, 1), (LANE, 3)])));
    assert_eq!(session.reconnect().attempt, 2);
    assert!(session.reconnected(SECOND, result(&[LANE])).is_empty());
    assert!(!session.is_attached());
    opened(&mut session, SECOND, CONTROL, (2, 0, false)).unwrap();
    assert!(session.is_attached() && !session.is_writable(LANE));
    // The server goes on earlier than it had to.
    opened(&mut session, SECOND, LANE, (3, 0, false)).unwrap();
    let state = in_room("game_state", "{}");
    assert_eq!(arrive(&mut session, SECOND, Some(LANE), &state), Arrival::Dropped);
    assert_eq!(arrive(&mut session, SECOND, Some(LANE), &state), Arrival::Deliver(LANE));
    session.lost(SECOND);
    let said = session.reconnect();
    assert_eq!((said.attempt, &*said.resume_token), (3, "T1"));
    assert_eq!(said.received, Some(Counts::from([(CONTROL, 1), (LANE, 4)])));
}

#[test]
fn newest_values_do_not_count_and_are_delivered() {
    let mut session = playing(0);
    let value = Envelope { latest: Some("game_state".into()), ..in_room("game_state", "{}") };
    for _ in 0..3 {
        assert_eq!(arrive(&mut session, FIRST, Some(LANE), &value), Arrival::Deliver(LANE));
    }
    session.lost(FIRST);
    assert_eq!(session.reconnect().received, Some(Counts::from([(LANE, 1)])));
}

#[test]
fn a_lane_is_written_on_only_where_it_has_come_to() {
    let mut session = playing(0);
    assert_eq!(upstream(&mut session, LANE, Some(10)), (1, true));
    assert_eq!(upstream(&mut session, LANE, None), (2, true));
    assert_eq!(upstream(&mut session, CONTROL, Some(11)), (3, true));
    back(&mut session, &[LANE]);
    assert_eq!(upstream(&mut session, LANE, None), (4, false));
    let control = opened(&mut session, SECOND, CONTROL, (1, 0, false)).unwrap();
    assert_eq!(control.resend.len(), 1);
    // What the room has taken is not sent again; the rest is, in order, and then what came since.
    let room = opened(&mut session, SECOND, LANE, (2, 1, false)).unwrap();
    let sent: Vec<_> = room.resend.iter().map(|batch| String::from_utf8_lossy(batch.payload()).into_owned()).collect();
    assert_eq!(sent, [r#"{"type":"x","n":2,"data":{}}"#, r#"{"type":"x","n":4,"data":{}}"#]);
    assert_eq!((control.unanswered, room.unanswered), (Vec::new(), Vec::new()));
    assert_eq!(upstream(&mut session, LANE, None), (5, true));
}

#[test]
fn a_question_that_does_no_harm_is_asked_again() {
    let mut session = session();
    let ping = Arc::new(Batch::one(Codec::Json, &Header::new("ping"), &Empty {}).unwrap());
    assert!(session.keep_question(5, ping.clone()).is_some());
    back(&mut session, &[]);
    assert!(session.keep_question(6, ping.clone()).is_none());
    assert_eq!(opened(&mut session, SECOND, CONTROL, (1, 0, false)).unwrap().resend, [ping.clone(), ping]);
    session.answered(5);
    session.answered(6);
    session.lost(SECOND);
    session.reconnected(ConnectionId(2), result(&[]));
    assert!(opened(&mut session, ConnectionId(2), CONTROL, (1, 0, false)).unwrap().resend.is_empty());
}

#[test]
fn a_gap_is_told_with_the_snapshot_behind_it() {
    let mut session = playing(2);
    for (reference, n) in [(20, 1), (21, 2)] {
        assert_eq!(upstream(&mut session, LANE, Some(reference)).0, n);
    }
    back(&mut session, &[LANE]);
    // The room has taken one of the two, and its answer is lost.
    let room = opened(&mut session, SECOND, LANE, (9, 1, true)).unwrap();
    assert_eq!((room.unanswered, room.resend.len()), (vec![20], 1));
    let early = in_room("game_state", "{}");
    assert!(matches!(session.arrive(0, SECOND, Some(LANE), &early), Err(Violation::NoSnapshot { .. })));

    let mut session = playing(2);
    back(&mut session, &[LANE]);
    opened(&mut session, SECOND, LANE, (9, 0, true)).unwrap();
    // The snapshot is lost on its way: it is still to come, now without a further gap.
    session.lost(SECOND);
    assert_eq!(session.reconnect().received, Some(Counts::from([(LANE, 8)])));
    session.reconnected(ConnectionId(2), result(&[LANE]));
    opened(&mut session, ConnectionId(2), LANE, (9, 0, false)).unwrap();
    let snapshot = Arrival::Snapshot { lane: LANE, missed: 5 };
    assert_eq!(arrive(&mut session, ConnectionId(2), Some(LANE), &joined(None)), snapshot);
}

#[test]
fn control_has_a_snapshot_of_its_own() {
    let mut session = session();
    assert_eq!(upstream(&mut session, CONTROL, Some(1)).0, 1);
    assert_eq!(upstream(&mut session, CONTROL, Some(2)).0, 2);
    back(&mut session, &[]);
    let control = opened(&mut session, SECOND, CONTROL, (4, 1, true)).unwrap();
    assert_eq!((control.unanswered, control.resend.len()), (vec![1], 1));
    let state = message("session_state", r#"{"rooms":[]}"#);
    let snapshot = Arrival::Snapshot { lane: CONTROL, missed: 3 };
    assert_eq!(arrive(&mut session, SECOND, Some(CONTROL), &state), snapshot);
}

#[test]
fn a_gap_may_come_on_a_connection_that_lives() {
    let mut session = playing(1);
    assert_eq!(upstream(&mut session, LANE, Some(4)).0, 1);
    let room = opened(&mut session, FIRST, LANE, (6, 0, true)).unwrap();
    // What is on its way is not sent a second time.
    assert_eq!((room.resend.len(), room.unanswered.len()), (0, 0));
    let snapshot = Arrival::Snapshot { lane: LANE, missed: 3 };
    assert_eq!(arrive(&mut session, FIRST, Some(LANE), &joined(None)), snapshot);
    assert_eq!(arrive(&mut session, FIRST, Some(LANE), &in_room("game_state", "{}")), Arrival::Deliver(LANE));
}

#[test]
fn a_gap_may_end_with_the_farewell() {
    let mut session = playing(1);
    back(&mut session, &[LANE]);
    opened(&mut session, SECOND, LANE, (8, 0, true)).unwrap();
    let closed = in_room("room_closed", "{}");
    assert_eq!(arrive(&mut session, SECOND, Some(LANE), &closed), Arrival::Deliver(LANE));
}

#[test]
fn a_server_that_jumps_without_a_word_is_not_believed() {
    let mut session = playing(2);
    back(&mut session, &[LANE]);
    assert_eq!(
        opened(&mut session, SECOND, LANE, (5, 0, false)),
        Err(Violation::UntoldGap(UntoldGap { next: 5, received: 3 }))
    );
    let state = in_room("game_state", "{}");
    assert!(matches!(session.arrive(0, SECOND, Some(LaneId(9)), &state), Err(Violation::NotOpen { .. })));
    assert!(matches!(session.arrive(0, SECOND, None, &state), Err(Violation::NotOpen { .. })));
    let mut session = playing(0);
    back(&mut session, &[LANE]);
    assert!(matches!(session.arrive(0, SECOND, Some(LANE), &state), Err(Violation::NotOpen { .. })));
}

#[test]
fn lanes_that_have_ended_unseen_take_their_requests_along() {
    let mut session = playing(1);
    assert_eq!(upstream(&mut session, LANE, Some(30)).0, 1);
    assert_eq!(upstream(&mut session, CONTROL, Some(31)).0, 2);
    assert_eq!(back(&mut session, &[]), [EndedLane { lane: LANE, unanswered: vec![30] }]);
    assert!(!session.is_live(LANE));
    assert_eq!(opened(&mut session, SECOND, CONTROL, (1, 0, false)).unwrap().resend.len(), 1);
}

#[test]
fn what_ended_is_acknowledged_until_the_server_forgets_it() {
    let mut session = playing(1);
    assert_eq!(arrive(&mut session, FIRST, Some(LANE), &in_room("room_closed", "{}")), Arrival::Deliver(LANE));
    session.end_lane(LANE);
    session.lost(FIRST);
    assert_eq!(session.reconnect().received, Some(Counts::from([(LANE, 3)])));
    session.reconnected(SECOND, result(&[LANE]));
    opened(&mut session, SECOND, LANE, (3, 0, false)).unwrap();
    assert_eq!(arrive(&mut session, SECOND, Some(LANE), &in_room("room_closed", "{}")), Arrival::Dropped);
    assert!(!session.is_live(LANE));
    session.lost(SECOND);
    assert!(session.reconnected(ConnectionId(2), result(&[])).is_empty());
    session.lost(ConnectionId(2));
    assert_eq!(session.reconnect().received, Some(Counts::new()));
    // However many rooms a session was in, it remembers only so many.
    for lane in 10..200 {
        let opening = Envelope { reference: Some(1.into()), ..joined(None) };
        arrive(&mut session, ConnectionId(2), Some(LaneId(lane)), &opening);
        session.end_lane(LaneId(lane));
    }
    assert_eq!(session.lanes.len(), 1 + ENDED_MAX);
}

#[test]
fn a_live_move_reads_each_lane_from_where_it_is() {
    let mut session = playing(1);
    let state = in_room("game_state", "{}");
    assert_eq!(session.reconnect().received, None);
    assert_eq!(arrive(&mut session, FIRST, Some(LANE), &state), Arrival::Deliver(LANE));
    let resume = session.resume(SECOND, result(&[LANE]));
    assert_eq!(resume.received, Counts::from([(LANE, 3)]));
    // Until its `lane` comes the old pipe brings it, and nobody is written to.
    assert_eq!(arrive(&mut session, FIRST, Some(LANE), &state), Arrival::Deliver(LANE));
    assert_eq!(upstream(&mut session, LANE, None), (1, false));
    assert!(!session.has_moved());
    assert_eq!(opened(&mut session, SECOND, LANE, (4, 0, false)).unwrap().resend.len(), 1);
    assert_eq!(arrive(&mut session, SECOND, Some(LANE), &state), Arrival::Dropped);
    assert_eq!(arrive(&mut session, SECOND, Some(LANE), &state), Arrival::Deliver(LANE));
    assert_eq!(arrive(&mut session, FIRST, Some(LANE), &state), Arrival::Dropped);
    // A room that was entered meanwhile is not in the list, and has not ended.
    opened(&mut session, SECOND, CONTROL, (1, 0, false)).unwrap();
    assert!(session.has_moved());
    session.lost(FIRST);
    assert!(session.is_writable(LANE) && session.is_attached());
}

#[test]
fn a_room_entered_during_a_move_lives() {
    let mut session = session();
    session.reconnect();
    arrive(&mut session, FIRST, Some(LANE), &joined(Some(1)));
    session.resume(SECOND, result(&[]));
    assert!(session.is_live(LANE));
    opened(&mut session, SECOND, LANE, (2, 0, false)).unwrap();
    assert_eq!(arrive(&mut session, SECOND, Some(LANE), &in_room("game_state", "{}")), Arrival::Deliver(LANE));
}

#[test]
fn what_an_old_pipe_still_brings_of_a_room_that_is_on_the_new_one_is_dropped() {
    for told in [None, Some(LANE)] {
        let mut session = session();
        session.reconnect();
        session.resume(SECOND, result(&[LANE]));
        // The new pipe is faster than the answer to the join on the old one.
        opened(&mut session, SECOND, LANE, (1, 0, false)).unwrap();
        for message in [joined(Some(1)), in_room("game_state", "{}")] {
            assert_eq!(arrive(&mut session, FIRST, told, &message), Arrival::Dropped);
        }
        let other = Envelope { room_id: Some(RoomId::from_bits(8).to_string().into()), ..message("game_state", "{}") };
        assert_eq!(arrive(&mut session, FIRST, None, &other), Arrival::Dropped);
        assert_eq!(arrive(&mut session, SECOND, Some(LANE), &joined(Some(1))), Arrival::Deliver(LANE));
    }
}

#[test]
fn where_lanes_are_not_told_a_room_s_lane_is_the_one_opened_last() {
    let mut session = session();
    let state = in_room("game_state", "{}");
    assert_eq!(arrive(&mut session, FIRST, None, &joined(Some(1))), Arrival::Deliver(LANE));
    assert_eq!(arrive(&mut session, FIRST, None, &state), Arrival::Deliver(LANE));
    session.end_lane(LANE);
    let again = JOINED.replace("\"lane\":3", "\"lane\":4");
    let again = Envelope { data: Data::Json(&again), ..joined(Some(2)) };
    assert_eq!(arrive(&mut session, FIRST, None, &again), Arrival::Deliver(LaneId(4)));
    assert_eq!(arrive(&mut session, FIRST, None, &state), Arrival::Deliver(LaneId(4)));
    session.lost(FIRST);
    assert_eq!(session.reconnect().received, Some(Counts::from([(LANE, 2), (LaneId(4), 2)])));
    session.reconnected(SECOND, result(&[LaneId(4)]));
    let lane = format!(r#"{{"lane":4,"room_id":"{}","next":3,"applied":0,"gap":false}}"#, room_id());
    assert!(matches!(arrive(&mut session, SECOND, None, &in_room("lane", &lane)), Arrival::Opened(_)));
    assert_eq!(arrive(&mut session, SECOND, None, &state), Arrival::Deliver(LaneId(4)));
}

#[test]
fn acknowledgements_say_what_is_new() {
    let mut session = playing(1);
    assert_eq!((session.ack_at_ms(), session.ack(999)), (Some(1000), None));
    assert_eq!(session.ack(1000), Some(Ack { counts: Counts::from([(LANE, 2)]) }));
    assert_eq!((session.ack_at_ms(), session.ack(5000)), (None, None));
    arrive(&mut session, FIRST, Some(CONTROL), &message("rooms_changed", "{}"));
    assert_eq!(session.ack(5000), Some(Ack { counts: Counts::from([(CONTROL, 1)]) }));
    for _ in 0..64 {
        session.arrive(6000, FIRST, Some(LANE), &in_room("game_state", "{}")).unwrap();
    }
    assert_eq!(session.ack(6000), Some(Ack { counts: Counts::from([(LANE, 66)]) }));
    session.arrive(7000, FIRST, Some(LANE), &in_room("game_state", "{}")).unwrap();
    session.lost(FIRST);
    assert_eq!(session.ack_at_ms(), None);
}

#[test]
fn the_server_s_limits_hold_back_what_it_has_not_taken() {
    let mut session = session_with(Limits { unacked_messages_max: 2, ..Limits::default() });
    assert_eq!(upstream(&mut session, CONTROL, Some(1)).0, 1);
    assert!(session.has_room());
    assert_eq!(upstream(&mut session, CONTROL, Some(2)).0, 2);
    assert!(!session.has_room());
    session.answered(1);
    assert!(session.has_room());
    assert_eq!(upstream(&mut session, CONTROL, None).0, 3);
    assert!(!session.has_room());
    arrive(&mut session, FIRST, Some(CONTROL), &message("ack", r#"{"0":3}"#));
    assert!(session.has_room());
    assert_eq!(upstream(&mut session, CONTROL, None).0, 4);
    assert_eq!(upstream(&mut session, CONTROL, None).0, 5);
    session.refused(4);
    assert!(session.has_room());
    // A server that allows nothing gets one message at a time.
    let mut session = session_with(Limits { unacked_bytes_max: 0, ..Limits::default() });
    assert!(session.has_room());
    upstream(&mut session, CONTROL, Some(1));
    assert!(!session.has_room());
}

#[test]
fn numbers_go_on_behind_what_the_server_has_seen() {
    let mut session = session();
    session.lost(FIRST);
    session.reconnected(SECOND, Reconnected { last_n: 40, ..result(&[]) });
    assert_eq!(session.next_n(), 41);
}

#[test]
fn many_messages_at_once_count_as_one_by_one() {
    let mut session = session();
    let at_once = |session: &mut Session, pipe, messages| session.arrive_counted(0, pipe, LANE, messages, 300);
    assert!(matches!(at_once(&mut session, FIRST, 1), Err(Violation::NotOpen { .. })));
    arrive(&mut session, FIRST, Some(LANE), &joined(Some(1)));
    assert_eq!(at_once(&mut session, FIRST, 3), Ok(3));
    assert_eq!(session.received(), Counts::from([(LANE, 4)]));

    session.lost(FIRST);
    session.reconnect();
    assert_eq!(at_once(&mut session, SECOND, 1), Ok(0), "the pipe is not known yet");
    session.reconnected(SECOND, result(&[LANE]));
    let opened = r#"{"lane":3,"room_id":"0000000007","next":3,"applied":0,"gap":false}"#;
    arrive(&mut session, SECOND, Some(LANE), &message("lane", opened));
    assert_eq!(at_once(&mut session, SECOND, 5), Ok(3), "two of them have arrived before");
    let gap = r#"{"lane":3,"room_id":"0000000007","next":9,"applied":0,"gap":true}"#;
    arrive(&mut session, SECOND, Some(LANE), &message("lane", gap));
    assert!(matches!(at_once(&mut session, SECOND, 1), Err(Violation::NoSnapshot { .. })));
}

#[test]
fn an_acknowledgement_can_come_earlier_than_that_of_others() {
    let (mut sooner, mut later) = (session(), session());
    sooner.acknowledge_earlier(0, 10);
    for session in [&mut sooner, &mut later] {
        arrive(session, FIRST, Some(LANE), &joined(Some(1)));
        session.arrive_counted(0, FIRST, LANE, 53, 53).unwrap();
    }
    assert!(sooner.owes_ack(0) && !later.owes_ack(0));
    assert_eq!(sooner.ack(0), Some(Ack { counts: Counts::from([(LANE, 54)]) }));
    assert!(!sooner.owes_ack(2000) && later.owes_ack(1000));
}

#[test]
fn numbers_go_on_behind_one_that_is_given() {
    let mut session = session();
    session.skip_to(99);
    session.skip_to(7);
    assert_eq!((session.next_n(), session.next_n()), (100, 101));
}
