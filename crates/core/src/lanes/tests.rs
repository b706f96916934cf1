use anteroom_protocol::envelope::decode_batch;
use anteroom_protocol::{BatchBuilder, RoomId};

use super::*;

const ALL: Bounds = Bounds::NONE;
const NOW: Time = Time::from_millis(1);

fn session(keeps: bool) -> (Lanes, ConnectionId) {
    Lanes::new(Codec::Json, keeps, SessionBounds { control: ALL, room: ALL }, None)
}

fn said(count: usize) -> Outgoing {
    let mut builder = BatchBuilder::new(Codec::Json);
    (0..count).for_each(|_| builder.push(&Header::new("said"), &0_u8).unwrap());
    Outgoing::Reliable(Arc::new(builder.finish()))
}

fn farewell() -> Outgoing {
    Outgoing::Reliable(Arc::new(Batch::one(Codec::Json, &Header::new("room_closed"), &0_u8).unwrap()))
}

fn room(number: u128) -> Option<RoomId> {
    Some(RoomId::from_bits(number))
}

impl Lanes {
    /// Everything that is written on a connection now, as words: the lane, and the messages' types.
    fn writes(&mut self, connection: ConnectionId) -> Vec<String> {
        let mut words = Vec::new();
        while let Some(write) = self.next(NOW, connection, |_| false) {
            words.push(match write {
                Write::Record(lane, batch) | Write::Datagram(lane, _, batch) => {
                    let kinds = decode_batch(batch.codec(), batch.payload()).unwrap();
                    let kinds: Vec<String> = kinds.map(|message| message.unwrap().kind.into()).collect();
                    format!("{} {}", lane.0, kinds.join(" "))
                }
                Write::Snapshot(lane) => format!("{}?", lane.0),
                Write::LaneEnded(lane) => format!("{}.", lane.0),
            });
        }
        words
    }

    fn moves(&mut self, attempt: u64, carrying: Carrying) -> Accepted {
        self.reconnect(&Claim { token: 0, attempt, carrying }, None).unwrap()
    }
}

fn received(counts: &[(u32, u64)]) -> Carrying {
    Carrying::Received(counts.iter().map(|(lane, count)| (LaneId(*lane), *count)).collect())
}

fn listed(accepted: &Accepted) -> Vec<u32> {
    accepted.lanes.iter().map(|lane| lane.lane.0).collect()
}

#[test]
fn a_lane_that_began_with_a_gap_is_listed_until_its_end_was_heard() {
    let (mut session, first) = session(true);
    let lane = session.open(room(1));
    session.put(NOW, lane, said(1));
    session.put(NOW, lane, said(2));
    session.shed(lane);
    session.end(NOW, lane, vec![farewell()]);
    session.lost(first);
    for attempt in 1..3 {
        let accepted = session.moves(attempt, received(&[]));
        assert_eq!(listed(&accepted), [1], "{attempt}");
        session.lost(accepted.connection);
    }
    let accepted = session.moves(3, received(&[]));
    assert_eq!(session.writes(accepted.connection), ["0 lane", "1 lane", "1 room_closed", "1."]);
}

#[test]
fn an_end_that_was_lost_in_a_gap_is_told_in_its_place() {
    let (mut session, first) = session(true);
    let lane = session.open(room(1));
    session.put(NOW, lane, said(3));
    session.end(NOW, lane, vec![said(1), farewell()]);
    assert_eq!(session.writes(first), ["1 said said said", "1 said", "1 room_closed", "1."]);
    let accepted = session.moves(1, Carrying::Fresh);
    assert_eq!(listed(&accepted), [1]);
    assert_eq!(session.writes(accepted.connection), ["0 lane", "0 session_state", "1 lane", "1 room_closed", "1."]);
    session.acknowledge(&Counts::from([(lane, 7)])).unwrap();
    assert!(session.lanes().is_empty());
}

#[test]
fn an_end_is_kept_until_it_was_heard() {
    let (mut session, first) = session(true);
    let lane = session.open(room(1));
    session.put(NOW, lane, said(1));
    session.end(NOW, lane, vec![farewell()]);
    session.writes(first);
    session.acknowledge(&Counts::from([(lane, 1)])).unwrap();
    let accepted = session.moves(1, received(&[(1, 1)]));
    assert_eq!(listed(&accepted), [1]);
    assert_eq!(session.writes(accepted.connection), ["0 lane", "1 lane", "1 room_closed", "1."]);
    let accepted = session.moves(2, received(&[(1, 2)]));
    assert!(accepted.lanes.is_empty());
}

#[test]
fn a_room_that_is_joined_again_waits_for_the_end_of_the_time_before() {
    let (mut session, connection) = session(true);
    let (before, other, after) = (session.open(room(1)), session.open(room(2)), session.open(room(1)));
    session.put(NOW, after, said(1));
    session.put(NOW, other, said(1));
    session.put(NOW, before, said(1));
    session.end(NOW, before, vec![farewell()]);
    assert_eq!(session.writes(connection), ["1 said", "2 said", "1 room_closed", "1.", "3 said"]);
    let accepted = session.moves(1, received(&[]));
    let expected = ["0 lane", "1 lane", "1 said", "1 room_closed", "1.", "2 lane", "2 said", "3 lane", "3 said"];
    let written = session.writes(accepted.connection);
    let place = |word: &str| written.iter().position(|other| other == word);
    assert!(place("1.") < place("3 lane"), "{written:?}");
    assert_eq!(written.len(), expected.len());
}

#[test]
fn what_was_sent_in_an_earlier_membership_is_not_taken_in_a_later_one() {
    let (mut session, connection) = session(true);
    let before = session.open(room(1));
    session.put(NOW, before, said(1));
    // Message 1 is refused in front of the room, 2 asks to join again.
    session.saw(LaneId::CONTROL, Some(1));
    session.end(NOW, before, vec![farewell()]);
    session.took(NOW, LaneId::CONTROL, Some(2), 10);
    let after = session.open(room(1));
    assert_eq!(session.judge(connection, after, Some(1)), Verdict::Ignored);
    assert_eq!(session.judge(connection, after, Some(2)), Verdict::Ignored);
    assert_eq!(session.judge(connection, after, Some(3)), Verdict::New);
    assert_eq!(session.take_ack(), Counts::from([(LaneId::CONTROL, 2)]));
}

#[test]
fn what_was_taken_is_acknowledged_once_and_not_taken_again() {
    let (mut session, connection) = session(true);
    let lane = session.open(room(1));
    assert_eq!(session.judge(connection, LaneId(9), Some(1)), Verdict::Ignored, "there is no such lane");
    session.took(NOW, lane, Some(1), 10);
    session.took(NOW, LaneId::CONTROL, None, 10);
    assert_eq!(session.judge(connection, lane, Some(1)), Verdict::Ignored);
    assert_eq!(session.judge(connection, LaneId::CONTROL, Some(1)), Verdict::New, "each lane has a mark of its own");
    assert_eq!(session.judge(connection, lane, None), Verdict::New);
    assert_eq!(session.ack_at(), Some(Time::from_millis(1001)));
    assert_eq!(session.take_ack(), Counts::from([(lane, 1)]));
    assert_eq!((session.take_ack(), session.ack_at()), (Counts::new(), None));
}

#[test]
fn what_is_said_to_a_connection_before_the_snapshot_was_written_is_not_lost() {
    let (mut session, _) = session(true);
    let accepted = session.moves(1, Carrying::Fresh);
    assert!(session.put(NOW, LaneId::CONTROL, said(1)), "there is something to write");
    assert_eq!(session.writes(accepted.connection), ["0 lane", "0 session_state", "0 said"]);
}

#[test]
fn a_handshake_that_comes_again_begins_anew_as_far_as_that_is_still_possible() {
    let (mut session, first) = session(true);
    session.put(NOW, LaneId::CONTROL, said(2));
    session.writes(first);
    let again = session.restart(None);
    assert_eq!((&again.displaced, again.token), (&vec![first], 0));
    assert_eq!(session.writes(again.connection), ["0 said said"], "nothing is known there, so nothing is announced");
    session.acknowledge(&Counts::from([(LaneId::CONTROL, 2)])).unwrap();
    let again = session.restart(None);
    assert_eq!(session.writes(again.connection), ["0 lane", "0 session_state"]);
}

#[test]
fn too_much_on_control_loses_the_connection_and_then_the_messages() {
    let control = Bounds { messages_max: 2, ..ALL };
    let (mut session, first) = Lanes::new(Codec::Json, true, SessionBounds { control, room: ALL }, None);
    (0..2).for_each(|_| assert!(session.put(NOW, LaneId::CONTROL, said(1)) || !session.is_beyond_hope()));
    assert!(session.put(NOW, LaneId::CONTROL, said(1)) && session.is_beyond_hope());
    session.lost(first);
    assert!(!session.is_beyond_hope());
    let accepted = session.moves(1, received(&[]));
    assert_eq!(session.writes(accepted.connection), ["0 lane", "0 session_state"]);
}

#[test]
fn nothing_gathers_on_control_while_its_connection_is_being_lost() {
    let says = |session: &mut Lanes, times| {
        (0..times).for_each(|_| {
            session.put(NOW, LaneId::CONTROL, said(1));
        });
    };
    let control = Bounds { messages_max: 2, ..ALL };
    let (mut session, first) = Lanes::new(Codec::Json, true, SessionBounds { control, room: ALL }, None);
    says(&mut session, 3);
    assert!(session.is_beyond_hope());
    let kept = session.kept_bytes(LaneId::CONTROL);
    says(&mut session, 1000);
    assert_eq!(session.kept_bytes(LaneId::CONTROL), kept);
    // Another connection comes before the first is closed.
    let accepted = session.moves(1, received(&[]));
    assert!(!session.is_beyond_hope());
    session.put(NOW, LaneId::CONTROL, said(1));
    assert_eq!(session.writes(accepted.connection), ["0 lane", "0 session_state", "0 said"], "the loss is told");
    session.lost(first);

    // The same if the client has heard nothing yet, and says its handshake again.
    let (mut session, _) = Lanes::new(Codec::Json, true, SessionBounds { control, room: ALL }, None);
    says(&mut session, 9);
    let again = session.restart(None);
    assert_eq!(session.writes(again.connection), ["0 lane", "0 session_state"]);
}

#[test]
fn so_many_ends_are_kept_and_no_more() {
    let (mut session, connection) = session(true);
    for number in 0..LANES_KEPT_MAX as u128 + 10 {
        let lane = session.open(room(number));
        session.put(NOW, lane, said(1));
        session.writes(connection);
        session.end(NOW, lane, vec![farewell()]);
        session.writes(connection);
    }
    assert!(session.lanes().len() <= LANES_KEPT_MAX + 1, "{}", session.lanes().len());
    assert!(!session.is_beyond_hope());
    // A client that reads nothing at all is another matter.
    for number in 0..=LANES_KEPT_MAX as u128 {
        let lane = session.open(room(number));
        session.end(NOW, lane, vec![farewell()]);
    }
    assert!(session.is_beyond_hope());
}

#[test]
fn datagrams_are_lost_and_newest_values_are_not() {
    let (mut session, first) = Lanes::new(Codec::Json, true, SessionBounds { control: ALL, room: ALL }, Some(1000));
    let lane = session.open(room(1));
    let value = || Arc::new(Batch::one(Codec::Json, &Header { latest: Some("k"), ..Header::new("v") }, &0_u8).unwrap());
    session.put(NOW, lane, said(1));
    (0..DATAGRAMS_MAX + 5).for_each(|_| {
        session.put(NOW, lane, Outgoing::Unreliable { key: "k".into(), message: value() });
    });
    assert_eq!(session.writes(first).len(), 1 + DATAGRAMS_MAX);
    session.put(NOW, lane, Outgoing::Unreliable { key: "k".into(), message: value() });
    session.put(NOW, lane, Outgoing::Latest { key: "l".into(), message: value() });
    session.lost(first);
    // The new connection has no datagrams.
    let accepted = session.moves(1, received(&[(1, 1)]));
    session.put(NOW, lane, Outgoing::Unreliable { key: "k".into(), message: value() });
    assert_eq!(session.writes(accepted.connection), ["0 lane", "1 lane", "1 v", "1 v"]);
}

fn value(number: u8) -> Outgoing {
    let header = Header { latest: Some("k"), ..Header::new("value") };
    Outgoing::Latest { key: "k".into(), message: Arc::new(Batch::one(Codec::Json, &header, &number).unwrap()) }
}

#[test]
fn a_value_that_a_datagram_has_overtaken_does_not_come_back() {
    let bounds = SessionBounds { control: ALL, room: ALL };
    let (mut session, first) = Lanes::new(Codec::Json, true, bounds, Some(1200));
    let lane = session.open(room(1));
    session.put(NOW, lane, said(1));
    session.put(NOW, lane, value(1));
    assert_eq!(session.writes(first), ["1 said", "1 value"]);
    let Outgoing::Latest { key, message } = value(2) else { unreachable!() };
    session.put(NOW, lane, Outgoing::Unreliable { key, message });
    assert_eq!(session.writes(first), ["1 value"], "the datagram");
    session.acknowledge(&Counts::from([(lane, 1)])).unwrap();
    let accepted = session.moves(1, received(&[(1, 1)]));
    let mut last = None;
    while let Some(write) = session.next(NOW, accepted.connection, |_| false) {
        last = Some(write);
    }
    let Outgoing::Latest { message, .. } = value(2) else { unreachable!() };
    assert!(matches!(last, Some(Write::Record(_, batch)) if batch == message), "the newest value of the key");
}

#[test]
fn a_session_that_is_away_keeps_no_more_of_control_than_of_a_room() {
    let room = Bounds { waiting_bytes_max: 200, ..ALL };
    let (mut session, first) = Lanes::new(Codec::Json, true, SessionBounds { control: ALL, room }, None);
    for _ in 0..20 {
        session.put(NOW, LaneId::CONTROL, said(1));
    }
    assert!(session.kept_bytes(LaneId::CONTROL) > 400);
    session.lost(first);
    assert_eq!(session.kept_bytes(LaneId::CONTROL), 0);
    let accepted = session.moves(1, received(&[]));
    assert_eq!(session.writes(accepted.connection), ["0 lane", "0 session_state"]);
    session.acknowledge(&Counts::from([(LaneId::CONTROL, 22)])).unwrap();
    session.lost(accepted.connection);
    for _ in 0..20 {
        session.put(NOW, LaneId::CONTROL, said(1));
        assert!(session.kept_bytes(LaneId::CONTROL) <= 200);
    }
}

#[test]
fn a_session_gives_its_memory_back_and_says_so() {
    for is_away in [false, true] {
        let (mut session, first) = session(true);
        let lane = session.open(room(1));
        let empty = session.retained_bytes();
        for _ in 0..20 {
            session.put(NOW, LaneId::CONTROL, said(1));
            session.put(NOW, lane, said(1));
        }
        session.put(NOW, lane, value(1));
        if is_away {
            session.lost(first);
        }
        session.relieve();
        assert_eq!(session.retained_bytes(), empty);
        let connection = if is_away { session.moves(1, received(&[])).connection } else { first };
        assert_eq!(session.writes(connection), ["0 lane", "0 session_state", "1?"]);
        session.put(NOW, lane, Outgoing::Snapshot { applied: 0, message: said(1).batch().clone() });
        assert_eq!(session.writes(connection), ["1 lane", "1 said"]);
    }
}

#[test]
fn a_snapshot_takes_the_place_of_what_the_room_said_of_itself() {
    let (mut session, first) = session(true);
    let lane = session.open(room(1));
    session.put(NOW, lane, said(1));
    let Outgoing::Latest { message, .. } = value(1) else { unreachable!() };
    session.put(NOW, lane, Outgoing::Latest { key: "\0room.k".into(), message: message.clone() });
    session.put(NOW, lane, value(2));
    session.relieve();
    session.put(NOW, lane, Outgoing::Latest { key: "\0room.k".into(), message: message.clone() });
    session.put(NOW, lane, Outgoing::Latest { key: "k".into(), message: message.clone() });
    session.lost(first);
    let connection = session.moves(1, received(&[])).connection;
    assert_eq!(session.writes(connection), ["0 lane", "1?"]);
    session.put(NOW, lane, Outgoing::Snapshot { applied: 0, message: said(1).batch().clone() });
    session.put(NOW, lane, Outgoing::Latest { key: "\0room.l".into(), message });
    assert_eq!(
        session.writes(connection),
        ["1 lane", "1 said", "1 value", "1 value"],
        "the game's, and what came later"
    );
}

#[test]
fn what_is_handed_over_is_acknowledged_when_it_is_applied() {
    let (mut session, first) = session(true);
    let lane = session.open(room(1));
    session.put(NOW, lane, said(1));
    session.handed(NOW, lane, Some(1), 10);
    session.handed(Time::from_millis(5), lane, Some(2), 10);
    assert_eq!(session.judge(first, lane, Some(2)), Verdict::Ignored, "it is on its way");
    assert_eq!((session.ack_at(), session.in_flight_at(lane)), (None, Some(Time::from_millis(1001))));
    assert_eq!(session.take_ack(), Counts::new());
    session.applied(lane, 1);
    assert_eq!(session.ack_at(), Some(Time::from_millis(1001)), "a second after it came");
    assert_eq!(session.take_ack(), Counts::from([(lane, 1)]));
    // Another connection is told what was applied; what is on its way still is, and is not taken again.
    session.writes(first);
    let accepted = session.moves(1, received(&[(1, 1)]));
    let opened = loop {
        match session.next(NOW, accepted.connection, |_| false).unwrap() {
            Write::Record(on, batch) if on == lane => break batch,
            _ => {}
        }
    };
    let opened: LaneOpened =
        decode_batch(Codec::Json, opened.payload()).unwrap().next().unwrap().unwrap().data.decode().unwrap();
    assert_eq!((opened.applied, accepted.last_n), (1, 2));
    assert_eq!(session.judge(accepted.connection, lane, Some(2)), Verdict::Ignored);
    session.applied(lane, 2);
    assert_eq!(session.take_ack(), Counts::from([(lane, 2)]));
    // Of what a room never comes to nothing is acknowledged, even when it ends.
    session.handed(NOW, lane, Some(3), 10);
    session.end(NOW, lane, vec![farewell()]);
    assert_eq!((session.take_ack(), session.ack_at()), (Counts::new(), None));
}

#[test]
fn what_is_restored_is_told_with_a_gap_and_counts_above_all_that_was() {
    let kept = KeptLanes {
        generation: 1,
        token: 4,
        round: 0,
        attempt: Some(9),
        applied: 3,
        last_lane: LaneId(5),
        rooms: vec![KeptLane { lane: LaneId(2), room_id: room(1).unwrap(), applied: 6 }],
    };
    let bounds = SessionBounds { control: ALL, room: ALL };
    let mut session = Lanes::restore(Codec::Json, true, bounds, &kept);
    assert!(!session.is_connected());
    let claim = |token, attempt, carrying| Claim { token, attempt, carrying };
    assert_eq!(session.reconnect(&claim(4, 9, Carrying::Fresh), None), Err(Refused::Superseded));
    assert_eq!(session.reconnect(&claim(3, 10, Carrying::Fresh), None), Err(Refused::TokenReused));
    // Whatever was received before is less than what counts from now on.
    let accepted = session.reconnect(&claim(4, 10, received(&[(0, 17), (2, 900)])), None).unwrap();
    assert_eq!((accepted.token, accepted.last_n, listed(&accepted)), (5, 6, vec![2]));
    let connection = accepted.connection;
    assert_eq!(session.writes(connection), ["0 lane", "0 session_state", "2?"]);
    let snapshot = Arc::new(Batch::one(Codec::Json, &Header::new("join_room_result"), &0_u8).unwrap());
    session.put(NOW, LaneId(2), Outgoing::Snapshot { applied: 6, message: snapshot });
    let Some(Write::Record(LaneId(2), opened)) = session.next(NOW, connection, |_| false) else { panic!("no lane") };
    let opened: LaneOpened =
        decode_batch(Codec::Json, opened.payload()).unwrap().next().unwrap().unwrap().data.decode().unwrap();
    assert_eq!((opened.next, opened.applied, opened.gap), ((1 << 32) + 2, 6, true));
    // What the room has not applied comes again.
    assert_eq!(session.judge(connection, LaneId(2), Some(6)), Verdict::Ignored);
    assert_eq!(session.judge(connection, LaneId(2), Some(7)), Verdict::New);
    assert_eq!(session.open(room(2)), LaneId((1 << 16) + 1), "no lane of before");
    let many = KeptLanes { last_lane: LaneId(70_000), ..kept };
    assert_eq!(Lanes::restore(Codec::Json, true, bounds, &many).open(room(2)), LaneId(70_001));
}

/// The answer is among what the gap has swallowed, and the room tells how far it has come a moment later.
#[test]
fn whoever_is_told_of_a_gap_is_told_whose_answers_it_may_have_swallowed() {
    let (mut session, first) = session(true);
    let lane = session.open(room(1));
    session.put(NOW, lane, said(1));
    session.put(NOW, lane, said(1));
    session.handed(NOW, lane, Some(1), 10);
    session.shed(lane);
    assert_eq!(session.writes(first), ["1?"]);
    session.put(NOW, lane, said(1));
    session.put(NOW, lane, Outgoing::Snapshot { applied: 1, message: said(1).batch().clone() });
    let Some(Write::Record(_, opened)) = session.next(NOW, first, |_| false) else { panic!("no lane") };
    let opened: LaneOpened =
        decode_batch(Codec::Json, opened.payload()).unwrap().next().unwrap().unwrap().data.decode().unwrap();
    assert_eq!((opened.applied, opened.gap), (1, true));
}

/// A later message on the lane was acknowledged, so the client does not send again what was refused.
#[test]
fn a_refusal_that_is_lost_behind_an_acknowledgement_is_told_on_the_lane_of_its_message() {
    let room_bounds = Bounds { waiting_bytes_max: 100, ..ALL };
    let bounds = SessionBounds { control: ALL, room: room_bounds };
    for is_refused in [false, true] {
        let (mut session, first) = Lanes::new(Codec::Json, true, bounds, None);
        let (lane, other) = (session.open(room(1)), session.open(room(2)));
        session.put(NOW, lane, said(1));
        session.put(NOW, other, said(1));
        session.handed(NOW, other, Some(1), 10);
        if is_refused {
            session.saw(lane, Some(2));
        }
        session.handed(NOW, lane, Some(3), 10);
        session.applied(lane, 3);
        session.writes(first);
        session.take_ack();
        // The refusal is among these.
        for _ in 0..20 {
            session.put(NOW, LaneId::CONTROL, said(1));
        }
        session.lost(first);
        let accepted = session.moves(1, received(&[(1, 1), (2, 1)]));
        let lane_goes_on = if is_refused { "1?" } else { "1 lane" };
        assert_eq!(session.writes(accepted.connection), ["0 lane", "0 session_state", lane_goes_on, "2 lane"]);
    }
}
