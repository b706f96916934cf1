//! Connections that are closed for what came on them, and what that means for the session.

use std::collections::BTreeMap;
use std::time::Duration;

use anteroom_core::Time;
use anteroom_core::lanes::{ConnectionId, Lanes};

use crate::lanes::claims::{claim, live, session};

const FORGOTTEN_AFTER: Duration = Duration::from_millis(1000);

fn outlives(session: &mut Lanes, at_ms: u64, connection: ConnectionId) -> bool {
    session.outlives_fault(Time::from_millis(at_ms), connection, FORGOTTEN_AFTER)
}

/// The connection is closed for what came on it, and the client comes back on another.
fn comes_back(session: &mut Lanes, at_ms: u64, connection: ConnectionId, attempt: u64) -> Option<ConnectionId> {
    let outlives = outlives(session, at_ms, connection);
    session.lost(connection);
    outlives.then(|| session.reconnect(&claim(0, attempt), None).unwrap().connection)
}

#[test]
fn the_first_and_the_second_fault_end_the_connection_alone() {
    let (mut session, first) = session();
    let second = comes_back(&mut session, 1, first, 1).expect("the first time");
    assert_eq!(session.attached(), Some(second));
    let third = comes_back(&mut session, 2, second, 2).expect("the second time");
    assert_eq!(session.attached(), Some(third));
}

#[test]
fn the_third_fault_in_a_row_ends_the_session() {
    for gap_ms in [0, 1, 999] {
        let (mut session, first) = session();
        let second = comes_back(&mut session, 5000, first, 1).expect("the first time");
        let third = comes_back(&mut session, 5000 + gap_ms, second, 2).expect("the second time");
        assert_eq!(comes_back(&mut session, 5000 + 2 * gap_ms, third, 3), None, "{gap_ms}");
    }
}

#[test]
fn faults_are_forgotten_when_there_was_none_for_long_enough() {
    let (mut session, mut connection) = session();
    // Hiccups for days.
    for time in 0..100 {
        connection = comes_back(&mut session, 1000 * time, connection, 2 * time + 1).expect("they are far apart");
    }
    let mut at_ms = 200_000;
    for (attempt, gap_ms) in (1000..).zip([999, 1000, 999, 1000]) {
        connection = comes_back(&mut session, at_ms, connection, attempt).expect("two in a row");
        at_ms += gap_ms;
    }
    connection = comes_back(&mut session, at_ms, connection, 2000).expect("the first in a row");
    connection = comes_back(&mut session, at_ms + 999, connection, 2001).expect("the second in a row");
    assert_eq!(
        comes_back(&mut session, at_ms + 1998, connection, 2002),
        None,
        "the last of them counts, not the first"
    );
}

#[test]
fn what_a_connection_does_that_the_session_has_left_is_not_its_fault() {
    let (mut session, first) = session();
    let second = session.reconnect(&claim(0, 1), None).unwrap().connection;
    let third = session.reconnect(&live(0, 2), None).unwrap().connection;
    let fourth = session.reconnect(&live(0, 3), None).unwrap().connection;
    for _ in 0..9 {
        // The first was taken over from, the third moved nothing.
        assert!(outlives(&mut session, 1, first) && outlives(&mut session, 1, third));
    }
    session.lost(second);
    assert!(outlives(&mut session, 1, second), "it is gone");
    assert!(outlives(&mut session, 1, fourth), "the first that counts");
    session.resume(fourth, &BTreeMap::new()).unwrap();
    assert!(outlives(&mut session, 1, fourth));
    assert!(!outlives(&mut session, 1, fourth));
}

#[test]
fn in_a_live_move_the_faults_of_both_connections_count() {
    let (mut session, first) = session();
    let second = session.reconnect(&live(0, 1), None).unwrap();
    assert!(outlives(&mut session, 1, second.connection));
    session.lost(second.connection);
    assert_eq!(session.attached(), Some(first), "the one that carries the lanes goes on");
    let third = session.reconnect(&live(0, 2), None).unwrap().connection;
    assert!(outlives(&mut session, 1, first));
    session.lost(first);
    assert!(session.is_connected(), "the one that the lanes will move to is there");
    assert_eq!(session.resume(third, &BTreeMap::new()), Ok(None));
    let fourth = session.reconnect(&live(0, 3), None).unwrap().connection;
    assert!(!outlives(&mut session, 1, fourth));
}
